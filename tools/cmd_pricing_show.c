#include <stdio.h>
#include <string.h>

#include "cmds.h"
#include "guard/engine.h"
#include "price_find.h"
#include "price_view.h"
#include "tool.h"
#include "when.h"

enum {
	S_PROVIDER,
	S_TIER,
	S_VARIANT,
	S_GEO,
	S_HOST,
	S_VERSION,
	S_AT,
	S_PER,
	S_JSON
};
static const struct opt show_opts[] = {
	[S_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME",
			"whose model it is; default: ask all"},
	[S_TIER] = {"tier", 't', OPT_TEXT, "NAME",
		    "service tier: batch, flex, priority"},
	[S_VARIANT] = {"variant", 0, OPT_TEXT, "NAME",
		       "fine-tuned, or a picture's class: hd/1024x1792"},
	[S_GEO] = {"geo", 'g', OPT_TEXT, "PLACE",
		   "where it runs: us, eu-west-1"},
	[S_HOST] = {"host", 0, OPT_TEXT, "HOST",
		    "host of the call, for models: rules"},
	[S_VERSION] = {"version", 'v', OPT_TEXT, "VERSION",
		       "a pinned price version"},
	[S_AT] = {"at", 0, OPT_TEXT, "TIME", "then instead of now"},
	[S_PER] = PRICE_UNIT_OPT,
	[S_JSON] = OPT_JSON,
	OPT_END,
};

static void show_rate(const char *name, enum lg_bucket b, int64_t rate,
		      const struct price_unit *u)
{
	char text[PRICE_RATE_TEXT];

	if (rate != LG_RATE_ABSENT)
		printf("%s%-20s $%s %s\n", name, lg_bucket_name(b),
		       price_rate_text(b, rate, u, text),
		       b >= LG_BUCKET_UNITS ? "each" : u->text);
}

static void show_head(const char *model, const struct lg_price *p)
{
	if (p->entry)
		printf("%s: %s%s%s, found by %s%s%s\n", model,
		       lg_img_text(p->img, p->entry->pricing_id).p,
		       p->entry->price_version.len ? ", version " : "",
		       lg_img_text(p->img, p->entry->price_version).p,
		       lg_price_how_name(p->how),
		       p->estimate ? " (an estimate)" : "",
		       p->tier_missing ? " (no price of this tier: standard)"
				       : "");
	else
		printf("%s: %s\n", model, lg_price_how_name(p->how));
}

static void show_more(const struct lg_price *p)
{
	char hours[16];

	if (p->factor_ppm && p->factor_ppm != 1000000)
		printf("  times %u.%06u, for the place and stacked tiers\n",
		       p->factor_ppm / 1000000, p->factor_ppm % 1000000);
	if (p->min_seconds)
		printf("  at least %u seconds a call\n", p->min_seconds);
	if (p->entry && *price_hours(p->entry, hours))
		printf("  from %s UTC\n", hours);
	if (p->context_window)
		printf("  %-20s %llu\n", "context_window",
		       (unsigned long long)p->context_window);
	if (p->max_output_tokens)
		printf("  %-20s %llu\n", "max_output_tokens",
		       (unsigned long long)p->max_output_tokens);
	if (p->entry && p->entry->source.len)
		printf("  %-20s %s\n", "source",
		       lg_img_text(p->img, p->entry->source).p);
	if (p->entry && p->entry->operator.len)
		printf("  %-20s %s\n", "entered by",
		       lg_img_text(p->img, p->entry->operator).p);
	if (p->entry && p->entry->notes.len)
		printf("  %-20s %s\n", "notes",
		       lg_img_text(p->img, p->entry->notes).p);
}

static void show_text(const char *model, const struct lg_price *p,
		      const struct price_unit *u)
{
	show_head(model, p);
	for (unsigned b = 0; b < LG_BUCKETS; b++)
		show_rate("  ", (enum lg_bucket)b, p->rate[b], u);
	for (unsigned i = 0; i < p->ntiers; i++) {
		printf("  above %llu input tokens:\n",
		       (unsigned long long)p->tiers[i].above_tokens);
		for (unsigned b = 0; b < LG_BUCKETS; b++)
			show_rate("    ", (enum lg_bucket)b,
				  p->tiers[i].rate[b], u);
	}
	show_more(p);
}

static int show_json(const char *model, const struct lg_price *p,
		     const struct price_unit *u)
{
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "asked", model);
	json_text(&j, "found_by", lg_price_how_name(p->how));
	if (p->entry)
		price_entry_json(&j, p->img, p->entry);
	json_bool(&j, "tier_missing", p->tier_missing);
	json_bool(&j, "is_estimate", p->estimate);
	json_ppm(&j, "factor", p->factor_ppm ? p->factor_ppm : 1000000);
	price_rates_json(&j, p->rate, u);
	price_steps_json(&j, p->tiers, p->ntiers, u);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static int show(struct call *c)
{
	struct price_find q = {
		.provider = lg_slice_str(c->v[S_PROVIDER].text),
		.host = lg_slice_str(c->v[S_HOST].text),
		.model = lg_slice_str(c->argv[0]),
		.tier = lg_slice_str(c->v[S_TIER].text),
		.variant = lg_slice_str(c->v[S_VARIANT].text),
		.geo = lg_slice_str(c->v[S_GEO].text),
		.version = lg_slice_str(c->v[S_VERSION].text),
	};
	const struct price_unit *u = price_unit(c->v[S_PER].text);
	struct lg_engine *e;
	struct lg_price p;
	int ret;

	if (c->v[S_AT].set &&
	    when_parse(lg_slice_str(c->v[S_AT].text), NULL, false, &q.at_ms))
		return tool_usage(c->cmd, "--at %s: no date or RFC 3339 time",
				  c->v[S_AT].text);
	ret = tool_open(&e);
	if (ret >= 0)
		return ret;
	if (!price_find(lg_engine_catalog(e), &q, &p) && !q.provider.len) {
		ret = tool_fail("%s: no price is known; calls count by the "
				"unknown_model policy",
				c->argv[0]);
	} else if (c->v[S_JSON].set) {
		ret = show_json(c->argv[0], &p, u);
	} else {
		show_text(c->argv[0], &p, u);
		ret = price_is_found(&p) ? EXIT_OK : EXIT_FAILED;
	}
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_pricing_show = {
	.name = "pricing show",
	.args = "MODEL",
	.summary = "what a model costs now, and how its price was found",
	.about = "Every class of tokens and every fee, with the long-context "
		 "steps. What has no rate\nof its own is charged as "
		 "docs/pricing.md says (reasoning as output, ...).",
	.opts = show_opts,
	.min_args = 1,
	.max_args = 1,
	.run = show,
};
