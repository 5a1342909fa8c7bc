#include "gap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "base/money.h"
#include "guard/tariff.h"
#include "when.h"

#define ALL_MODELS "(all models)"

struct day {
	bool whole; /* some item names no model: only the sum compares */
	bool has_cost;
};

/* What bills list apart from the models, and its bucket here. */
static const struct {
	const char *word; /* in the label */
	enum lg_bucket bucket;
	const char *line;
} fees[] = {
	{"web search", LG_BUCKET_WEB_SEARCHES, "(web searches)"},
	{"web_search", LG_BUCKET_WEB_SEARCHES, "(web searches)"},
	{"file search", LG_BUCKET_FILE_SEARCHES, "(file searches)"},
	{"code_execution", LG_BUCKET_CODE_EXECUTIONS, "(code executions)"},
	{"code interpreter", LG_BUCKET_CODE_EXECUTIONS, "(code executions)"},
};

#define NFEES (sizeof(fees) / sizeof(fees[0]))

void gap_init(struct gaps *g, const struct lg_catalog *catalog,
	      const struct lg_zone *zone)
{
	*g = (struct gaps){
		.catalog = catalog,
		.zone = zone,
		.from_day = INT64_MIN,
		.to_day = INT64_MAX,
	};
	strmap_init(&g->days, sizeof(struct day));
	strmap_init(&g->lines, sizeof(struct gap_line));
	strmap_init(&g->buckets, 1);
	strmap_init(&g->names, BILL_MODEL_MAX);
}

void gap_fini(struct gaps *g)
{
	strmap_fini(&g->days);
	strmap_fini(&g->lines);
	strmap_fini(&g->buckets);
	strmap_fini(&g->names);
}

static uint64_t add_u64(uint64_t a, uint64_t b)
{
	uint64_t out;

	return __builtin_add_overflow(a, b, &out) ? UINT64_MAX : out;
}

/* -- names ----------------------------------------------------------------- */

static bool look_up(const struct gaps *g, const char *name, char *out)
{
	struct lg_price_query q = {
		.provider = lg_slice_str(g->provider),
		.model = lg_slice_str(name),
		.at_ms = INT64_C(4102444800000), /* a name, not a price */
	};
	struct lg_slice whose, model;
	struct lg_price p;

	lg_price_lookup(g->catalog, &q, &p);
	if (!p.entry)
		return false;
	whose = lg_img_text(p.img, p.entry->provider);
	model = lg_img_text(p.img, p.entry->model);
	/* a reseller's list calls it openai/gpt-4o too */
	if (lg_slice_ieq(whose, q.provider))
		snprintf(out, BILL_MODEL_MAX, "%.*s", (int)model.len, model.p);
	else
		snprintf(out, BILL_MODEL_MAX, "%.*s/%.*s", (int)whose.len,
			 whose.p, (int)model.len, model.p);
	return true;
}

/* "Claude Haiku 4.5" of a console is claude-haiku-4-5. */
static void plain_name(const char *name, char *out)
{
	size_t n = strlen(name);

	for (size_t i = 0; i <= n && i < BILL_MODEL_MAX; i++) {
		char c = name[i];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		out[i] = c == ' ' || c == '.' ? '-' : c;
	}
}

static void small_name(const char *name, char *out)
{
	lg_slice_copy(lg_slice_str(name), out, BILL_MODEL_MAX);
	for (char *p = out; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
}

static const char *canonical(struct gaps *g, const char *name)
{
	char *out = strmap_get(&g->names, name), plain[BILL_MODEL_MAX];

	if (out)
		return out;
	out = strmap_put(&g->names, name);
	if (!out || look_up(g, name, out))
		return out;
	plain_name(name, plain);
	if (!strchr(name, ' ') || !look_up(g, plain, out))
		small_name(name, out);
	return out;
}

/* -- lines ----------------------------------------------------------------- */

static struct day *find_day(const struct gaps *g, int64_t day)
{
	char text[16];

	when_day_text(day, text);
	return strmap_get(&g->days, text);
}

static struct gap_line *put_line(struct gaps *g, int64_t day, const char *model)
{
	char key[16 + sizeof(((struct gap_line *)0)->model)], text[16];
	struct gap_line *l;

	when_day_text(day, text);
	snprintf(key, sizeof(key), "%s\t%s", text, model);
	l = strmap_put(&g->lines, key);
	if (l) {
		l->day = day;
		snprintf(l->model, sizeof(l->model), "%s", model);
	}
	return l;
}

static bool is_within(const struct gaps *g, int64_t day)
{
	return day >= g->from_day && day <= g->to_day;
}

/* -- the bill -------------------------------------------------------------- */

static int on_day(void *ctx, int64_t day)
{
	struct gaps *g = ctx;
	char text[16];

	if (!is_within(g, day))
		return 0;
	when_day_text(day, text);
	return strmap_put(&g->days, text) ? 0 : -ENOMEM;
}

static int on_bucket(void *ctx, int64_t start_ms, const char *kind)
{
	struct gaps *g = ctx;
	char key[128];
	char *seen;

	snprintf(key, sizeof(key), "%lld %s", (long long)start_ms, kind);
	seen = strmap_put(&g->buckets, key);
	if (!seen)
		return -ENOMEM;
	if (*seen)
		return -EEXIST;
	*seen = 1;
	return 0;
}

/* What stands beside the models: "(web searches)", "(vector storage)". */
static void name_label(struct gaps *g, const char *label, char *out, size_t cap)
{
	for (unsigned i = 0; i < NFEES; i++) {
		if (!lg_slice_icontains(lg_slice_str(label),
					lg_slice_str(fees[i].word)))
			continue;
		g->fees |= 1u << fees[i].bucket;
		snprintf(out, cap, "%s", fees[i].line);
		return;
	}
	small_name(label, out + 1);
	out[0] = '(';
	strcat(out, ")");
}

static int on_item(void *ctx, const struct bill_item *i)
{
	struct gaps *g = ctx;
	char label[BILL_MODEL_MAX + 4];
	const char *name;
	struct gap_line *l;
	struct day *d;

	if (!is_within(g, i->day))
		return 0;
	if (i->label[0]) {
		name_label(g, i->label, label, sizeof(label));
		name = label;
	} else {
		name = i->model[0] ? i->model : ALL_MODELS;
	}
	d = find_day(g, i->day);
	l = put_line(g, i->day, name);
	if (!d || !l)
		return -ENOMEM;
	d->has_cost |= i->has_cost;
	d->whole |= !i->label[0] && !i->model[0];
	l->billed = true;
	l->has_cost |= i->has_cost;
	l->has_tokens |= i->has_tokens;
	l->has_calls |= i->has_requests;
	g->has_cost |= i->has_cost;
	g->has_tokens |= i->has_tokens;
	g->has_calls |= i->has_requests;
	l->theirs.cost_pusd = lg_money_add(l->theirs.cost_pusd, i->cost_pusd);
	l->theirs.calls = add_u64(l->theirs.calls, i->requests);
	l->theirs.input = add_u64(l->theirs.input, i->input);
	l->theirs.cached = add_u64(l->theirs.cached, i->cached);
	l->theirs.output = add_u64(l->theirs.output, i->output);
	return 0;
}

const struct bill_sink gap_sink = {
	.item = on_item,
	.day = on_day,
	.bucket = on_bucket,
};

static void add_side(struct gap_side *to, const struct gap_side *from)
{
	to->cost_pusd = lg_money_add(to->cost_pusd, from->cost_pusd);
	to->calls = add_u64(to->calls, from->calls);
	to->input = add_u64(to->input, from->input);
	to->cached = add_u64(to->cached, from->cached);
	to->output = add_u64(to->output, from->output);
}

void gap_sum(struct gap_line *sum, const struct gap_line *line)
{
	add_side(&sum->ours, &line->ours);
	add_side(&sum->theirs, &line->theirs);
	sum->billed |= line->billed;
	sum->has_cost |= line->has_cost;
	sum->has_tokens |= line->has_tokens;
	sum->has_calls |= line->has_calls;
}

int gap_settle(struct gaps *g)
{
	struct strmap old = g->lines;
	int err = 0;

	strmap_init(&g->lines, sizeof(struct gap_line));
	for (size_t i = 0; i < old.n && !err; i++) {
		const struct gap_line *l = strmap_nth(&old, i, NULL);
		const struct day *d = find_day(g, l->day);
		const char *name = l->model;
		struct gap_line *to;

		if (d && d->whole)
			name = ALL_MODELS;
		else if (*name != '(')
			name = canonical(g, name);
		to = name ? put_line(g, l->day, name) : NULL;
		if (to)
			gap_sum(to, l);
		else
			err = -ENOMEM;
	}
	strmap_fini(&old);
	return err;
}

/* -- the ledger ------------------------------------------------------------ */

/* What of a call's cost the bill shows on a line of its own. */
static int64_t fee_of(const struct gaps *g, const struct lg_row *r,
		      enum lg_bucket b)
{
	struct lg_price_query q = lg_tariff_row_query(r);
	struct lg_usage u = {.n = {0}};
	struct lg_price p;
	struct lg_cost cost;

	q.version = g->version;
	lg_price_lookup(g->catalog, &q, &p);
	p.rate[LG_BUCKET_REQUESTS] = LG_RATE_ABSENT;
	lg_usage_set(&u, b, r->units[b - LG_BUCKET_UNITS]);
	lg_price_cost(&p, &u, &cost);
	return cost.total_pusd < r->cost_pusd ? cost.total_pusd : r->cost_pusd;
}

/* The fees go to their lines; what is left of the cost is told. */
static int split_fees(struct gaps *g, const struct lg_row *r, int64_t day,
		      int64_t *cost)
{
	uint32_t done = 0;

	if (r->kind != LG_ROW_CALL || r->cost_pusd <= 0)
		return 0;
	for (unsigned i = 0; i < NFEES; i++) {
		uint32_t bit = 1u << fees[i].bucket;
		struct gap_line *l;
		int64_t fee;

		if (!(g->fees & bit & ~done) ||
		    !r->units[fees[i].bucket - LG_BUCKET_UNITS])
			continue;
		done |= bit;
		l = put_line(g, day, fees[i].line);
		if (!l)
			return -ENOMEM;
		fee = fee_of(g, r, fees[i].bucket);
		fee = fee < *cost ? fee : *cost;
		l->ours.cost_pusd = lg_money_add(l->ours.cost_pusd, fee);
		*cost -= fee;
	}
	return 0;
}

static void add_count(uint64_t *sum, const struct lg_row *r, uint64_t n)
{
	int64_t d;

	if (r->kind == LG_ROW_CALL) {
		*sum = add_u64(*sum, n == LG_ROW_ABSENT ? 0 : n);
		return;
	}
	d = lg_row_delta_of(n);
	if (d >= 0)
		*sum = add_u64(*sum, (uint64_t)d);
	else
		*sum -= (uint64_t)-d < *sum ? (uint64_t)-d : *sum;
}

/* The provider answered it, so its bill knows it. */
static bool was_made(const struct lg_row *r)
{
	return r->kind == LG_ROW_CALL && r->status < 300 &&
	       r->verdict != LG_VERDICT_BLOCK &&
	       r->verdict != LG_VERDICT_DENY &&
	       r->verdict != LG_VERDICT_THROTTLE;
}

int gap_add_row(struct gaps *g, const struct lg_row *r)
{
	const char *name = r->model[0] ? r->model : r->model_requested;
	int64_t day = when_day(g->zone, r->ts_ms), cost = r->cost_pusd;
	const struct day *d;
	struct gap_line *l;
	int err;

	if (r->kind == LG_ROW_AUDIT || strcasecmp(r->provider, g->provider))
		return 0;
	d = find_day(g, day);
	if (!d || !is_within(g, day))
		return 0;
	if (!r->cost_pusd && !was_made(r) && r->kind == LG_ROW_CALL)
		return 0; /* refused or failed: nothing to compare */
	if (d->whole)
		name = ALL_MODELS;
	else if (*name != '(')
		name = canonical(g, name);
	err = d->whole ? 0 : split_fees(g, r, day, &cost);
	l = name ? put_line(g, day, name) : NULL;
	if (err || !l)
		return -ENOMEM;
	l->ours.cost_pusd = lg_money_add(l->ours.cost_pusd, cost);
	l->ours.calls += was_made(r);
	add_count(&l->ours.input, r, r->input_tokens);
	add_count(&l->ours.cached, r, r->cache_read_tokens);
	add_count(&l->ours.output, r, r->output_tokens);
	return 0;
}

void gap_sort(struct gaps *g)
{
	strmap_sort(&g->lines);
}

struct gap_line *gap_nth(const struct gaps *g, size_t i)
{
	return strmap_nth(&g->lines, i, NULL);
}

bool gap_has_money(const struct gaps *g, const struct gap_line *l)
{
	const struct day *d = find_day(g, l->day);

	if (l->billed && !l->has_cost)
		return false;
	/* a bill of money alone says 0 where it says nothing */
	return l->has_cost || !g->has_tokens || (d && d->has_cost);
}

static int64_t tokens(const struct gap_side *s)
{
	uint64_t n = add_u64(s->input, s->output);

	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

int64_t gap_ppm(const struct gap_line *l)
{
	if (l->has_cost || !l->has_tokens)
		return amount_gap_ppm(l->ours.cost_pusd, l->theirs.cost_pusd);
	return amount_gap_ppm(tokens(&l->ours), tokens(&l->theirs));
}
