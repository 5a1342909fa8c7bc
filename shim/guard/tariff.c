#include "guard/tariff.h"

#include <string.h>

#include "guard/learn.h"
#include "llm/place.h"

#define OUTPUT_EXPECTED 4096
/* Less is not held on the word of what was seen so far. */
#define OUTPUT_LEARNED_MIN 64
/*
 * The dearest picture known: gpt-4o-mini counts 2,833 + 5,667 a tile, 8 tiles
 * at most (platform.openai.com/docs/guides/images-vision, read 2026-11).
 */
#define IMAGE_TOKENS_MAX UINT64_C(48169)
#define IMAGE_TOKENS_LOW UINT64_C(2833) /* detail: low */

/* Families whose owner has another name in the price list. */
static const struct {
	const char *family, *provider;
} owners[] = {
	{"bedrock", "aws"},
	{"gemini", "google"},
	{"vertex", "google"},
	{"voyage", "voyageai"},
};

/* Whose prices make the ceiling of a host that is known by its paths only. */
static struct lg_slice owner_of(const struct lg_dialect *d)
{
	for (size_t i = 0; d && i < sizeof(owners) / sizeof(owners[0]); i++)
		if (!strcmp(owners[i].family, d->family))
			return lg_slice_str(owners[i].provider);
	return lg_slice_str(d ? d->family : "");
}

/* What the answer says of itself, else what was asked for. */
static struct lg_slice told(const char *answered, const char *asked)
{
	return lg_slice_str(answered[0] ? answered : asked);
}

static struct lg_price_query query(const struct lg_exchange *x,
				   const char *model, const char *tier)
{
	return (struct lg_price_query){
		.provider = lg_slice_str(x->row.provider),
		.ceiling_provider = owner_of(x->d),
		.host = lg_slice_str(x->row.host),
		.model = lg_slice_str(model),
		.tier = lg_slice_str(tier),
		.geo = told(x->answer.geo[0] ? x->answer.geo : x->facts.geo,
			    x->route.geo),
		.variant = told(x->answer.variant, x->facts.variant),
		.version = x->world->price_version,
		.at_ms = x->price_ms ? x->price_ms : x->row.ts_ms,
		.own = x->route.own &&
		       !lg_place_is_cloud_model(lg_slice_str(model)),
		.trace = x->trace,
	};
}

void lg_tariff_lookup(const struct lg_exchange *x, const char *model,
		      const char *tier, struct lg_price *out)
{
	const struct lg_world *w = x->world;
	struct lg_price_query q = query(x, model, tier);
	const struct lg_price *known;

	known = x->memo ? lg_memo_get(x->memo, w->seq, &q) : NULL;
	if (known) {
		*out = *known;
		return;
	}
	lg_price_lookup(&w->catalog, &q, out);
	if (x->memo)
		lg_memo_put(x->memo, w->seq, &q, out);
}

bool lg_tariff_lookup_training(const struct lg_exchange *x, struct lg_price *p)
{
	struct lg_price_query q = query(x, x->row.model, x->row.tier);

	return lg_tariff_training(&x->world->catalog, &q, p);
}

void lg_tariff_requested(struct lg_exchange *x)
{
	lg_tariff_lookup(x, lg_tariff_name(x), x->facts.tier, &x->price);
	if (lg_tariff_is_known(&x->price) || !x->route.model[0] ||
	    !strcmp(x->route.model, x->row.model_requested))
		return;
	x->priced_by_body = true;
	lg_tariff_lookup(x, lg_tariff_name(x), x->facts.tier, &x->price);
}

const char *lg_tariff_name(const struct lg_exchange *x)
{
	if (x->route.model[0] && !x->priced_by_body)
		return x->route.model;
	if (x->fell_back)
		return x->facts.model;
	return x->row.model_requested;
}

const char *lg_tariff_row_name(const struct lg_row *row, bool other)
{
	const struct lg_dialect *d =
		lg_dialect_by_name(lg_slice_str(row->dialect));
	bool by_path = (d && d->path_prices) || !row->model[0];

	if (row->flags & LG_ROW_FALLBACK && row->model[0])
		return row->model;
	return by_path != other ? row->model_requested : row->model;
}

struct lg_price_query lg_tariff_row_query(const struct lg_row *row)
{
	return (struct lg_price_query){
		.provider = lg_slice_str(row->provider),
		.host = lg_slice_str(row->host),
		.model = lg_slice_str(lg_tariff_row_name(row, false)),
		.tier = lg_slice_str(row->tier),
		.geo = lg_slice_str(row->geo),
		.variant = lg_slice_str(row->variant),
		.at_ms = row->ts_ms,
	};
}

bool lg_tariff_is_known(const struct lg_price *p)
{
	return p->how != LG_PRICE_CEILING && p->how != LG_PRICE_UNKNOWN;
}

bool lg_tariff_is_waived(const struct lg_exchange *x, const struct lg_price *p)
{
	return !lg_tariff_is_known(p) &&
	       x->world->set.unknown_model == LG_UNKNOWN_ALLOW;
}

bool lg_tariff_training(const struct lg_catalog *c,
			const struct lg_price_query *q, struct lg_price *p)
{
	char name[128 + 3] = "ft:";
	struct lg_price_query tuned = *q;
	struct lg_price kin;

	if (p->rate[LG_BUCKET_TRAINING] >= 0)
		return true;
	if (lg_slice_starts(q->model, LG_SLICE("ft:")) || q->model.len > 127)
		return false;
	memcpy(name + 3, q->model.p, q->model.len);
	tuned.model = (struct lg_slice){name, q->model.len + 3};
	lg_price_lookup(c, &tuned, &kin);
	if (!kin.entry || kin.rate[LG_BUCKET_TRAINING] < 0)
		return false;
	*p = kin;
	return true;
}

enum lg_price_state lg_tariff_state(const struct lg_price *p, bool by_its_name,
				    bool missing)
{
	if (!lg_tariff_is_known(p) || p->tier_missing)
		return LG_PRICED_UNKNOWN;
	return p->estimate || !by_its_name || missing ? LG_PRICED_ESTIMATED
						      : LG_PRICED_EXACT;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t mul_u64(uint64_t a, uint64_t b)
{
	uint64_t out;

	return __builtin_mul_overflow(a, b, &out) ? UINT64_MAX : out;
}

static uint64_t add_u64(uint64_t a, uint64_t b)
{
	uint64_t out;

	return __builtin_add_overflow(a, b, &out) ? UINT64_MAX : out;
}

static bool has_output(const struct lg_exchange *x)
{
	return x->route.type != LG_REQUEST_EMBED &&
	       x->route.type != LG_REQUEST_RERANK &&
	       x->route.type != LG_REQUEST_COUNT;
}

/* Does the dialect bill other things than text? Then it knows how many. */
static bool expects(const struct lg_exchange *x)
{
	return x->d && x->d->expect;
}

/* A batch's body has many calls: what one may have at most, each may. */
static uint64_t calls(const struct lg_exchange *x)
{
	return x->facts.requests ? x->facts.requests : 1;
}

/* Of one choice: what it may have, or what such answers had. */
static uint64_t one_output(const struct lg_exchange *x,
			   const struct lg_learned *seen)
{
	const struct lg_facts *f = &x->facts;
	uint64_t most = x->price.max_output_tokens;
	uint64_t n = OUTPUT_EXPECTED;

	if (f->has_max) /* whatever the catalog believes */
		most = n = f->max_output_tokens;
	if (seen->output_p99)
		n = seen->output_p99;
	if (seen->output_p99 && n < OUTPUT_LEARNED_MIN)
		n = OUTPUT_LEARNED_MIN;
	return most || f->has_max ? min_u64(n, most) : n;
}

static uint64_t expected_output(const struct lg_exchange *x,
				const struct lg_learned *seen)
{
	uint64_t n;

	if (!has_output(x) || expects(x))
		return 0;
	n = one_output(x, seen);
	if (!x->facts.has_max)
		n = mul_u64(n, calls(x));
	return mul_u64(n, x->facts.n);
}

/* False when nothing bounds it. */
static bool worst_output(const struct lg_exchange *x, uint64_t *out)
{
	const struct lg_facts *f = &x->facts;
	uint64_t most = x->price.max_output_tokens;

	*out = 0;
	if (!has_output(x) || expects(x))
		return true;
	if (!most)
		most = x->price.context_window;
	most = mul_u64(most, calls(x));
	/* what a server takes a 0 for is not known */
	if (f->has_max && f->max_output_tokens)
		most = f->max_output_tokens;
	*out = mul_u64(most, f->n);
	return most;
}

/* Bytes of the body are at least its tokens; pictures may be links. */
static bool worst_input(const struct lg_exchange *x, uint64_t *out)
{
	const struct lg_facts *f = &x->facts;
	uint64_t window = mul_u64(x->price.context_window, calls(x));
	/* a form's files are no text */
	uint64_t text = f->body_bytes > f->upload_bytes
				? f->body_bytes - f->upload_bytes
				: 0;
	uint64_t low = min_u64(f->images_low, f->images);
	uint64_t seen = add_u64(
		text, add_u64(mul_u64(f->images - low, IMAGE_TOKENS_MAX),
			      mul_u64(low, IMAGE_TOKENS_LOW)));
	bool hidden = f->remote_refs || f->server_tools;

	if (hidden)
		seen = window;
	else if (window)
		seen = min_u64(seen, window);
	*out = mul_u64(seen, f->n);
	return !hidden || window;
}

static bool has_fee(const struct lg_price *p)
{
	for (unsigned b = LG_BUCKET_WEB_SEARCHES; b < LG_BUCKETS; b++)
		if (p->rate[b] != LG_RATE_ABSENT && p->rate[b] > 0)
			return true;
	return false;
}

/* Units and media that a request cannot exceed, and what they cost. */
static bool worst_things(const struct lg_exchange *x, int64_t *pusd)
{
	struct lg_usage u = {.n = {0}};
	struct lg_cost cost;
	bool bounded;

	*pusd = 0;
	if (!expects(x))
		return true;
	bounded = x->d->expect(&x->facts, true, &u);
	lg_price_cost(&x->price, &u, &cost);
	*pusd = cost.total_pusd;
	if (*pusd > 0 && *pusd < INT64_MAX)
		++*pusd; /* it was rounded */
	return bounded;
}

void lg_tariff_estimate(const struct lg_exchange *x, struct lg_estimate *out)
{
	const struct lg_price *p = &x->price;
	struct lg_usage u = {.n = {0}};
	struct lg_cost cost;
	struct lg_learned seen;
	int64_t things;
	uint64_t in, most;
	bool in_ok = worst_input(x, &in), out_ok, things_ok;

	lg_learn_get(x, &seen);
	out->input_tokens = seen.ratio ? min_u64(lg_facts_input_by_ratio(
							 &x->facts, seen.ratio),
						 in)
				       : lg_facts_input_estimate(&x->facts);
	out->output_tokens = expected_output(x, &seen);
	lg_usage_set(&u, LG_BUCKET_INPUT, out->input_tokens);
	lg_usage_set(&u, LG_BUCKET_OUTPUT, out->output_tokens);
	if (expects(x)) {
		x->d->expect(&x->facts, false, &u);
		out->output_tokens = lg_usage_output(&u);
	}
	lg_price_cost(p, &u, &cost);
	out->expected_pusd = cost.total_pusd;
	if (lg_tariff_is_waived(x, p) || x->facts.unsized)
		out->expected_pusd = 0;
	out_ok = worst_output(x, &most);
	things_ok = worst_things(x, &things);
	out->worst_output = most;
	out->worst_pusd = lg_price_worst(p, in, most);
	if (__builtin_add_overflow(out->worst_pusd, things, &out->worst_pusd))
		out->worst_pusd = INT64_MAX;
	out->bounded = in_ok && out_ok && things_ok &&
		       p->how != LG_PRICE_UNKNOWN &&
		       !(x->facts.server_tools && has_fee(p)) && x->whole &&
		       !x->facts.unsized && !x->facts.mixed &&
		       !(x->row.flags & (LG_ROW_UNDECODABLE | LG_ROW_BAD_JSON));
	if (out->worst_pusd < out->expected_pusd)
		out->worst_pusd = out->expected_pusd;
}
