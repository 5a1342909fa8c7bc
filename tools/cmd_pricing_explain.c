#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "books.h"
#include "cmds.h"
#include "doc.h"
#include "explain_request.h"
#include "guard/engine.h"
#include "guard/exchange.h"
#include "guard/tariff.h"
#include "ledger/find.h"
#include "ledger/ledger.h"
#include "price_bill.h"
#include "price_find.h"
#include "price_trace.h"
#include "price_view.h"
#include "tool.h"

enum {
	X_URL,
	X_PROVIDER,
	X_MODEL,
	X_TIER,
	X_INPUT,
	X_CACHED,
	X_OUTPUT,
	X_JSON,
};
static const struct opt explain_opts[] = {
	[X_URL] = {"url", 'u', OPT_TEXT, "URL",
		   "where a JSON body goes to; default: its provider's"},
	[X_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME",
			"whose model it is; default: the first that has it"},
	[X_MODEL] = {"model", 'm', OPT_TEXT, "NAME",
		     "the model that answered, where it is another one"},
	[X_TIER] = {"tier", 't', OPT_TEXT, "NAME",
		    "the service tier that answered"},
	[X_INPUT] = {"input-tokens", 'i', OPT_COUNT, "N",
		     "fresh input, instead of an estimate"},
	[X_CACHED] = {"cached-tokens", 0, OPT_COUNT, "N",
		      "input read from a cache"},
	[X_OUTPUT] = {"output-tokens", 'o', OPT_COUNT, "N",
		      "output, instead of an estimate"},
	[X_JSON] = OPT_JSON,
	OPT_END,
};

/* What is explained, whether it comes from a request or from a row. */
struct explain {
	struct call *c;
	struct lg_engine *e;
	struct json j;
	struct price_trace trace;
	struct lg_price price;
	struct lg_usage usage;
	const char *usage_from;
	uint32_t corrections; /* of the call */
};

static bool is_json(const struct explain *x)
{
	return x->c->v[X_JSON].set;
}

static void put_price(struct explain *x)
{
	const struct lg_price *p = &x->price;

	if (!is_json(x)) {
		price_trace_print(&x->trace);
		printf("price     %s%s%s%s%s%s\n",
		       p->entry ? lg_img_text(p->img, p->entry->pricing_id).p
				: lg_price_how_name(p->how),
		       p->entry && p->entry->tier.len ? ", tier " : "",
		       p->entry && p->entry->tier.len
			       ? lg_img_text(p->img, p->entry->tier).p
			       : "",
		       p->entry && p->entry->price_version.len ? ", version "
							       : "",
		       p->entry ? lg_img_text(p->img, p->entry->price_version).p
				: "",
		       p->tier_missing ? ", not of this tier: an estimate"
		       : p->estimate   ? ", an estimate"
				       : "");
		printf("usage     %s\n", x->usage_from);
		price_bill_print(p, &x->usage);
		return;
	}
	price_trace_json(&x->trace, &x->j);
	json_text(&x->j, "found_by", lg_price_how_name(p->how));
	json_bool(&x->j, "estimate", p->estimate);
	json_bool(&x->j, "tier_missing", p->tier_missing);
	json_open(&x->j, "entry", '{');
	if (p->entry)
		price_entry_json(&x->j, p->img, p->entry);
	json_close(&x->j, '}');
	json_text(&x->j, "usage_from", x->usage_from);
	price_bill_json(p, &x->usage, &x->j);
}

/* -- a request ------------------------------------------------------------- */

static void put_request(struct explain *x, const struct lg_exchange *q)
{
	if (is_json(x)) {
		json_text(&x->j, "host", q->row.host);
		json_text(&x->j, "endpoint", q->row.endpoint);
		json_text(&x->j, "dialect", q->route.dialect->name);
		json_text(&x->j, "provider", q->row.provider);
		json_text(&x->j, "model", lg_tariff_name(q));
		json_text(&x->j, "tier", q->facts.tier);
		return;
	}
	printf("request   https://%s%s\n", q->row.host, q->row.endpoint);
	printf("dialect   %s, provider %s, model %s%s%s\n",
	       q->route.dialect->name, q->row.provider, lg_tariff_name(q),
	       q->facts.tier[0] ? ", tier " : "", q->facts.tier);
}

static void assume(struct explain *x, struct lg_exchange *q,
		   const struct lg_estimate *est)
{
	const struct opt_value *v = x->c->v;
	bool given = v[X_INPUT].set || v[X_CACHED].set || v[X_OUTPUT].set;

	bool expected = false;
	int64_t rate;
	uint64_t n;

	x->usage.flags = LG_USAGE_PRESENT;
	if (!given && q->d->expect)
		expected = q->d->expect(&q->facts, false, &x->usage);
	/* it names what is one or the other */
	for (unsigned b = LG_BUCKET_UNITS; b < LG_BUCKETS; b++)
		if (!lg_price_line(&x->price, &x->usage, (enum lg_bucket)b, &n,
				   &rate))
			x->usage.n[b] = 0;
	if (!x->usage.n[LG_BUCKET_INPUT])
		lg_usage_set(&x->usage, LG_BUCKET_INPUT,
			     v[X_INPUT].set ? v[X_INPUT].n : est->input_tokens);
	if (v[X_CACHED].set)
		lg_usage_set(&x->usage, LG_BUCKET_CACHE_READ, v[X_CACHED].n);
	if (!x->usage.n[LG_BUCKET_OUTPUT] && !expected)
		lg_usage_set(&x->usage, LG_BUCKET_OUTPUT,
			     v[X_OUTPUT].set ? v[X_OUTPUT].n
					     : est->output_tokens);
	x->usage_from = given ? "as given, the rest estimated"
			      : "estimated from the request";
}

static void put_estimate(struct explain *x, const struct lg_estimate *est)
{
	char expected[LG_MONEY_TEXT], worst[LG_MONEY_TEXT];

	if (is_json(x)) {
		json_usd(&x->j, "expected_usd", est->expected_pusd);
		json_usd(&x->j, "worst_usd",
			 est->bounded ? est->worst_pusd : INT64_MAX);
		return;
	}
	lg_money_print(est->expected_pusd, expected);
	lg_money_print(est->worst_pusd, worst);
	printf("held      $%s by an adaptive budget; by a strict one %s%s\n",
	       expected, est->bounded ? "$" : "nothing bounds it",
	       est->bounded ? worst : "");
}

static int explain_text(struct explain *x, const char *file)
{
	struct explain_request r = {
		.file = file,
		.url = x->c->v[X_URL].text,
		.provider = x->c->v[X_PROVIDER].text,
	};
	struct doc_arena a = {0};
	struct lg_estimate est;
	struct lg_exchange *q;
	int ret = EXIT_OK;

	q = explain_request_read(x->e, &a, &r);
	if (!q) {
		doc_arena_fini(&a);
		return tool_fail("%s", r.err.text);
	}
	if (q->route.kind != LG_ROUTE_PAID) {
		ret = tool_fail("%s%s: %s", q->row.host, q->row.endpoint,
				q->route.kind == LG_ROUTE_FREE ? "costs nothing"
				: q->route.kind == LG_ROUTE_LATER
					? "costs nothing; its answer may bill "
					  "an earlier call"
					: "no path that costs money is known "
					  "here");
		goto out;
	}
	q->trace = &x->trace.t;
	if (x->c->v[X_MODEL].set || x->c->v[X_TIER].set)
		lg_tariff_lookup(q,
				 x->c->v[X_MODEL].set ? x->c->v[X_MODEL].text
						      : lg_tariff_name(q),
				 x->c->v[X_TIER].set ? x->c->v[X_TIER].text
						     : q->facts.tier,
				 &q->price);
	else
		lg_tariff_requested(q);
	x->price = q->price;
	lg_tariff_estimate(q, &est);
	assume(x, q, &est);
	put_request(x, q);
	put_price(x);
	put_estimate(x, &est);
out:
	lg_exchange_del(q);
	doc_arena_fini(&a);
	return ret;
}

/* -- a call of the ledger -------------------------------------------------- */

/* As the engine writes them: 26 of Crockford's base 32. */
static bool is_row_id(const char *s)
{
	return strlen(s) == 26 &&
	       strspn(s, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == 26;
}

static int take_row(void *ctx, const struct lg_row *row)
{
	if (row->kind != LG_ROW_CALL)
		return 0;
	*(struct lg_row *)ctx = *row;
	return 3;
}

struct named {
	struct lg_slice id;
	struct lg_row *row;
};

static int take_named(void *ctx, const struct lg_row *row,
		      const struct lg_ledger_pos *after)
{
	struct named *n = ctx;

	(void)after;
	if (row->kind != LG_ROW_CALL ||
	    !lg_slice_eq(lg_slice_str(row->id), n->id))
		return 0;
	*n->row = *row;
	return 3;
}

/* The milliseconds in an id: its first 50 bits. */
static int64_t id_ms(const char *id)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	int64_t ms = 0;

	for (unsigned i = 0; i < 10; i++)
		ms = ms << 5 | (strchr(digits, id[i]) - digits);
	return ms;
}

/* The newest rows first; then, also in packed months, from its month on. */
static int find_row(struct explain *x, const char *id, struct lg_row *row)
{
	const char *dir = lg_engine_ledger(x->e)->dir;
	struct named n = {lg_slice_str(id), row};
	struct lg_ledger_pos pos = {.offset = 0};
	char needle[64];

	snprintf(needle, sizeof(needle), "\"id\":\"%s\"", id);
	if (lg_ledger_find(dir, lg_slice_str(needle), 0, LG_FIND_BYTES_MAX,
			   take_row, row) == 3 ||
	    lg_ledger_walk(dir, &pos, id_ms(id), take_named, &n, NULL) == 3)
		return -1;
	return tool_fail("%s: no such call in the ledger", id);
}

static void look_up_row(struct explain *x, const struct lg_row *r,
			const char *model)
{
	struct lg_world *w = lg_engine_pin(x->e);
	struct lg_price_query q = lg_tariff_row_query(r);

	q.model = lg_slice_str(model);
	if (x->c->v[X_TIER].set)
		q.tier = lg_slice_str(x->c->v[X_TIER].text);
	q.trace = &x->trace.t;
	if (w->img)
		q.version = lg_img_text(w->img, w->set.price_version);
	lg_price_lookup(lg_engine_catalog(x->e), &q, &x->price);
	lg_engine_unpin(x->e, w);
}

static void put_row(struct explain *x, const struct lg_row *r,
		    const char *model)
{
	if (is_json(x)) {
		json_text(&x->j, "id", r->id);
		json_time(&x->j, "ts", r->ts_ms);
		json_text(&x->j, "provider", r->provider);
		json_text(&x->j, "model", model);
		json_text(&x->j, "tier", r->tier);
		json_text(&x->j, "price_state",
			  lg_price_state_name(
				  (enum lg_price_state)r->price_state));
		return;
	}
	printf("call      %s of %s\n", r->id, tool_time(x->e, r->ts_ms));
	printf("model     %s/%s%s%s, %s, %s\n", r->provider, model,
	       r->tier[0] ? ", tier " : "", r->tier, r->dialect, r->host);
}

static void put_remedy(const struct explain *x, const struct lg_row *r,
		       bool differs)
{
	if (r->flags & LG_ROW_PARTS || r->price_state == LG_PRICED_PROVIDER ||
	    r->usage_state == LG_USAGE_MISSING)
		return; /* reprice leaves it as it is */
	if (!price_is_found(&x->price))
		printf("remedy    llmguard pricing set MODEL --provider %s, "
		       "then llmguard reprice\n",
		       r->provider);
	else if (r->price_state == LG_PRICED_UNKNOWN)
		printf("remedy    llmguard reprice\n");
	else if (differs)
		printf("remedy    llmguard reprice --model MODEL, where "
		       "today's catalog is right\n");
}

static void put_charged(struct explain *x, const struct lg_row *r)
{
	char was[LG_MONEY_TEXT], gap[LG_MONEY_TEXT];
	struct lg_cost cost;
	int64_t diff;

	lg_price_cost(&x->price, &x->usage, &cost);
	diff = lg_money_sub(cost.total_pusd, r->cost_pusd);
	if (is_json(x)) {
		json_usd(&x->j, "charged_usd", r->cost_pusd);
		json_u64(&x->j, "corrections", x->corrections);
		json_usd(&x->j, "difference_usd", diff);
		return;
	}
	lg_money_print(r->cost_pusd, was);
	lg_money_print(diff < 0 ? -diff : diff, gap);
	printf("charged   $%s (%s%s%s%s), ", was,
	       lg_price_state_name((enum lg_price_state)r->price_state),
	       r->price_version[0] ? ", version " : "", r->price_version,
	       x->corrections ? ", corrected" : "");
	if (diff)
		printf("$%s %s than by today's catalog\n", gap,
		       diff > 0 ? "less" : "more");
	else
		printf("the same\n");
	put_remedy(x, r, diff != 0);
}

/* As the call stands after its corrections. */
static void apply_corrections(struct explain *x, struct lg_row *row)
{
	struct books b;

	if (books_open(&b, x->e))
		return;
	x->corrections = books_current(&b, row);
	books_close(&b);
}

static int explain_row(struct explain *x, const char *id)
{
	const char *model;
	struct lg_row row;
	int ret = find_row(x, id, &row);

	if (ret >= 0)
		return ret;
	apply_corrections(x, &row);
	model = x->c->v[X_MODEL].set ? x->c->v[X_MODEL].text
				     : lg_tariff_row_name(&row, false);
	put_row(x, &row, model);
	look_up_row(x, &row, model);
	if (!price_is_found(&x->price) &&
	    strcmp(row.model, row.model_requested) && !x->c->v[X_MODEL].set)
		look_up_row(x, &row, lg_tariff_row_name(&row, true));
	x->usage_from = lg_row_usage(&row, &x->usage) ? "as the row has it"
						      : "the row has none";
	put_price(x);
	if (row.flags & LG_ROW_PARTS)
		tool_warn("the call was several under several prices; what it "
			  "was charged is their sum");
	put_charged(x, &row);
	return EXIT_OK;
}

static int explain(struct call *c)
{
	const char *what = c->argv[0];
	struct explain x = {.c = c};
	int ret = tool_open(&x.e);

	if (ret >= 0)
		return ret;
	price_trace_init(&x.trace, lg_engine_catalog(x.e));
	json_init(&x.j);
	json_open(&x.j, NULL, '{');
	if (is_row_id(what) && access(what, F_OK))
		ret = explain_row(&x, what);
	else
		ret = explain_text(&x, what);
	json_close(&x.j, '}');
	json_line(&x.j);
	if (is_json(&x) && ret == EXIT_OK)
		ret = tool_print(&x.j.b);
	lg_buf_fini(&x.j.b);
	lg_engine_close(x.e);
	return ret;
}

const struct cmd cmd_pricing_explain = {
	.name = "pricing explain",
	.args = "REQUEST-FILE|LEDGER-ID|-",
	.summary = "how the price of a request or of a call is found",
	.about =
		"A file (- is stdin) with a JSON body or a whole HTTP request, "
		"or the id of a call in\nthe ledger. Shows which names are "
		"asked for in which prices, the entry that counts,\nand each "
		"bucket's count, rate and amount; of a call also what it was "
		"charged.",
	.opts = explain_opts,
	.min_args = 1,
	.max_args = 1,
	.run = explain,
};
