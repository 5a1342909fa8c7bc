#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "cmds.h"
#include "guard/engine.h"
#include "json.h"
#include "price/price.h"
#include "table.h"
#include "tool.h"

enum { L_PROVIDER, L_MATCH, L_ALL, L_JSON };
static const struct opt list_opts[] = {
	[L_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME", "only this one"},
	[L_MATCH] = {"match", 'm', OPT_TEXT, "GLOB", "only these models"},
	[L_ALL] = {"all", 'a', OPT_FLAG, NULL,
		   "also service tiers whose price is an estimate"},
	[L_JSON] = OPT_JSON,
	OPT_END,
};

enum { S_PROVIDER, S_TIER, S_HOST, S_VERSION, S_JSON };
static const struct opt show_opts[] = {
	[S_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME",
			"whose model it is; default: ask all"},
	[S_TIER] = {"tier", 't', OPT_TEXT, "NAME",
		    "service tier: batch, flex, priority"},
	[S_HOST] = {"host", 0, OPT_TEXT, "HOST",
		    "host of the call, for models: rules"},
	[S_VERSION] = {"version", 'v', OPT_TEXT, "VERSION",
		       "a pinned price version"},
	[S_JSON] = OPT_JSON,
	OPT_END,
};

static void rates_json(struct json *j, const int64_t *rate)
{
	unsigned i;

	json_open(j, "rates_per_1m", '{');
	for (i = 0; i < LG_BUCKETS; i++)
		if (rate[i] != LG_RATE_ABSENT)
			json_usd(j, lg_bucket_name((enum lg_bucket)i), rate[i]);
	json_close(j, '}');
}

static void entry_json(struct json *j, const struct lg_image *img,
		       const struct lg_img_price *p)
{
	json_slice(j, "provider", lg_img_text(img, p->provider));
	json_slice(j, "model", lg_img_text(img, p->model));
	json_slice(j, "pricing_id", lg_img_text(img, p->pricing_id));
	json_slice(j, "price_version", lg_img_text(img, p->price_version));
	json_slice(j, "tier", lg_img_text(img, p->tier));
	json_time(j, "effective_at", p->effective_at_ms);
	json_time(j, "expires_at", p->expires_at_ms);
	json_u64(j, "context_window", p->context_window);
	json_u64(j, "max_output_tokens", p->max_output_tokens);
	json_bool(j, "estimate", p->estimate);
	json_slice(j, "source", lg_img_text(img, p->source));
}

static const char *rate_text(int64_t rate)
{
	return rate == LG_RATE_ABSENT ? "-" : tool_usd(rate);
}

static void slice_cell(struct table *t, struct lg_slice s)
{
	char text[256];

	lg_slice_copy(s, text, sizeof(text));
	table_cell(t, text);
}

static bool wanted(const struct call *c, const struct lg_image *img,
		   const struct lg_img_price *p)
{
	if (c->v[L_PROVIDER].set &&
	    !lg_slice_ieq(lg_img_text(img, p->provider),
			  lg_slice_str(c->v[L_PROVIDER].text)))
		return false;
	return !c->v[L_MATCH].set ||
	       lg_slice_glob(lg_img_text(img, p->model),
			     lg_slice_str(c->v[L_MATCH].text));
}

/* Tiers that a provider does not sell, with what they would cost. */
static bool is_minor(const struct lg_img_price *p)
{
	return p->estimate && p->tier.len;
}

/* How many were left out. */
static unsigned list_image(const struct call *c, const struct lg_image *img,
			   struct json *j, struct table *t)
{
	const struct lg_img_price *p =
		LG_IMG_ARRAY(img, img->prices, struct lg_img_price);
	unsigned i, hidden = 0;

	for (i = 0; i < img->prices.n; i++, p++) {
		if (!wanted(c, img, p))
			continue;
		if (!c->v[L_ALL].set && is_minor(p)) {
			hidden++;
			continue;
		}
		json_open(j, NULL, '{');
		entry_json(j, img, p);
		rates_json(j, p->rate);
		json_close(j, '}');
		json_line(j);
		slice_cell(t, lg_img_text(img, p->provider));
		slice_cell(t, lg_img_text(img, p->model));
		slice_cell(t, lg_img_text(img, p->tier));
		table_cell(t, rate_text(p->rate[LG_BUCKET_INPUT]));
		table_cell(t, rate_text(p->rate[LG_BUCKET_CACHE_READ]));
		table_cell(t, rate_text(p->rate[LG_BUCKET_OUTPUT]));
		slice_cell(t, lg_img_text(img, p->price_version));
		table_cell(t, p->estimate ? "estimate" : "");
	}
	return hidden;
}

static int list(struct call *c)
{
	const struct lg_catalog *cat;
	struct lg_engine *e;
	struct lg_buf out;
	struct table t;
	struct json j;
	unsigned i, hidden = 0;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	json_init(&j);
	lg_buf_init(&out, (size_t)1 << 28);
	table_init(&t, "PROVIDER\tMODEL\tTIER\tINPUT/1M\rCACHED/1M\rOUTPUT/1M\r"
		       "VERSION\tNOTE");
	cat = lg_engine_catalog(e);
	for (i = 0; cat && i < cat->n; i++)
		hidden += list_image(c, cat->img[i], &j, &t);
	table_print(&t, &out);
	if (hidden) {
		lg_buf_puts(&out, "(");
		lg_buf_put_u64(&out, hidden);
		lg_buf_puts(&out, " estimated prices of service tiers: "
				  "--all)\n");
	}
	ret = tool_print(c->v[L_JSON].set ? &j.b : &out);
	lg_buf_fini(&j.b);
	lg_buf_fini(&out);
	lg_engine_close(e);
	return ret;
}

/* Providers that the catalog knows, each once. */
static unsigned providers(const struct lg_catalog *cat, struct lg_slice *out,
			  unsigned max)
{
	unsigned i, k, n = 0, m;

	for (i = 0; i < cat->n; i++) {
		const struct lg_img_price *p = LG_IMG_ARRAY(
			cat->img[i], cat->img[i]->prices, struct lg_img_price);

		for (k = 0; k < cat->img[i]->prices.n; k++) {
			struct lg_slice s =
				lg_img_text(cat->img[i], p[k].provider);

			for (m = 0; m < n && !lg_slice_eq(out[m], s); m++)
				;
			if (m == n && n < max)
				out[n++] = s;
		}
	}
	return n;
}

static bool is_found(const struct lg_price *p)
{
	return p->how != LG_PRICE_CEILING && p->how != LG_PRICE_UNKNOWN;
}

static bool look_up(const struct call *c, const struct lg_catalog *cat,
		    struct lg_price *out)
{
	struct lg_slice all[64];
	struct lg_price_query q = {
		.provider = lg_slice_str(c->v[S_PROVIDER].text),
		.host = lg_slice_str(c->v[S_HOST].text),
		.model = lg_slice_str(c->argv[0]),
		.tier = lg_slice_str(c->v[S_TIER].text),
		.version = lg_slice_str(c->v[S_VERSION].text),
		.at_ms = lg_clock_real_ms(),
	};
	unsigned i, n, turn;

	if (q.provider.len) {
		lg_price_lookup(cat, &q, out);
		return true;
	}
	n = providers(cat, all, 64);
	for (turn = 0; turn < 2; turn++)
		for (i = 0; i < n; i++) {
			q.provider = all[i];
			lg_price_lookup(cat, &q, out);
			if (is_found(out) &&
			    (turn || out->how == LG_PRICE_EXACT_NAME))
				return true;
		}
	return false;
}

/* Units (a search, a request) are sold one by one, not by the million. */
static void show_rate(enum lg_bucket b, int64_t rate)
{
	bool unit = b >= LG_BUCKET_UNITS;

	if (rate != LG_RATE_ABSENT)
		printf("  %-20s %s %s\n", lg_bucket_name(b),
		       tool_usd(unit ? rate / 1000000 : rate),
		       unit ? "each" : "per 1M");
}

static void show_text(const char *model, const struct lg_price *p)
{
	unsigned i;

	if (p->entry)
		printf("%s: %s%s%s, found by %s%s\n", model,
		       lg_img_text(p->img, p->entry->pricing_id).p,
		       p->entry->price_version.len ? ", version " : "",
		       lg_img_text(p->img, p->entry->price_version).p,
		       lg_price_how_name(p->how),
		       p->estimate ? " (an estimate)" : "");
	else
		printf("%s: %s\n", model, lg_price_how_name(p->how));
	for (i = 0; i < LG_BUCKETS; i++)
		show_rate((enum lg_bucket)i, p->rate[i]);
	for (i = 0; i < p->ntiers; i++)
		printf("  above %llu input tokens: input %s, output %s\n",
		       (unsigned long long)p->tiers[i].above_tokens,
		       rate_text(p->tiers[i].rate[LG_BUCKET_INPUT]),
		       rate_text(p->tiers[i].rate[LG_BUCKET_OUTPUT]));
	if (p->context_window)
		printf("  %-20s %llu\n", "context_window",
		       (unsigned long long)p->context_window);
	if (p->max_output_tokens)
		printf("  %-20s %llu\n", "max_output_tokens",
		       (unsigned long long)p->max_output_tokens);
}

static int show_json(const char *model, const struct lg_price *p)
{
	struct json j;
	unsigned i;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "asked", model);
	json_text(&j, "found_by", lg_price_how_name(p->how));
	if (p->entry)
		entry_json(&j, p->img, p->entry);
	json_bool(&j, "tier_missing", p->tier_missing);
	rates_json(&j, p->rate);
	json_open(&j, "long_context", '[');
	for (i = 0; i < p->ntiers; i++) {
		json_open(&j, NULL, '{');
		json_u64(&j, "above_tokens", p->tiers[i].above_tokens);
		rates_json(&j, p->tiers[i].rate);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static int show(struct call *c)
{
	struct lg_engine *e;
	struct lg_price p;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	if (!look_up(c, lg_engine_catalog(e), &p)) {
		ret = tool_fail("%s: no price is known; calls count by the "
				"unknown_model policy",
				c->argv[0]);
	} else if (c->v[S_JSON].set) {
		ret = show_json(c->argv[0], &p);
	} else {
		show_text(c->argv[0], &p);
		ret = is_found(&p) ? EXIT_OK : EXIT_FAILED;
	}
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_pricing_list = {
	.name = "pricing list",
	.args = "",
	.summary = "the prices of the catalog, USD per million tokens",
	.about = "With --json one entry a line.",
	.opts = list_opts,
	.run = list,
};

const struct cmd cmd_pricing_show = {
	.name = "pricing show",
	.args = "MODEL",
	.summary = "what a model costs now, and how its price was found",
	.about = "",
	.opts = show_opts,
	.min_args = 1,
	.max_args = 1,
	.run = show,
};
