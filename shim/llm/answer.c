#include <errno.h>
#include <string.h>

#include "base/money.h"
#include "llm/adapter.h"

/* No model reads or writes so much in one call: more is a fault. */
#define COUNT_MAX (UINT64_C(1) << 28)

#define USAGE_COUNTERS ((UINT64_C(1) << LG_RAW_USAGE_END) - 1)

_Static_assert(LG_RAW_SCRATCH4 < LG_RAW_END, "raw[] holds them all");

void lg_answer_init(struct lg_answer *a)
{
	memset(a, 0, sizeof(*a));
}

bool lg_raw_has(const struct lg_answer *a, enum lg_raw id)
{
	return a->raw_has >> id & 1;
}

void lg_raw_put(struct lg_answer *a, enum lg_raw id, uint64_t n)
{
	a->raw[id] = n < LG_COUNTER_MAX ? n : LG_COUNTER_MAX;
	a->raw_has |= UINT64_C(1) << id;
}

void lg_raw_drop(struct lg_answer *a, enum lg_raw id)
{
	a->raw[id] = 0;
	a->raw_has &= ~(UINT64_C(1) << id);
}

bool lg_value_is(const struct lg_value *v, const char *text)
{
	return v->type == LG_VALUE_STRING && !v->truncated &&
	       lg_slice_eq(v->text, lg_slice_str(text));
}

static void add_bytes(uint64_t *sum, const struct lg_value *v)
{
	uint64_t room = LG_COUNTER_MAX - *sum;

	if (v->type == LG_VALUE_STRING)
		*sum += v->len < room ? v->len : room;
}

static void set_text(char *dst, size_t cap, const struct lg_value *v)
{
	if (v->type == LG_VALUE_STRING && v->len)
		lg_slice_copy(v->text, dst, cap);
}

/* Outside strings white space says nothing in JSON. */
size_t lg_value_compact(const struct lg_value *v, char *dst, size_t cap)
{
	bool in_string = false, escaped = false;
	size_t i, n = 0;

	for (i = 0; !v->truncated && i < v->text.len && n + 1 < cap; i++) {
		char c = v->text.p[i];

		if (!in_string && (unsigned char)c <= ' ')
			continue;
		dst[n++] = c;
		if (c == '"' && !escaped)
			in_string = !in_string;
		escaped = c == '\\' && !escaped;
	}
	if (i < v->text.len)
		n = 0;
	dst[n] = 0;
	return n;
}

void lg_answer_put_raw(struct lg_answer *a, const struct lg_value *v)
{
	if (!v->text.len || v->text.p[0] != '{')
		return;
	/* the scanner has dropped the white space already */
	if (v->truncated || v->text.len >= sizeof(a->usage_raw)) {
		a->usage_raw[0] = 0;
		return;
	}
	memcpy(a->usage_raw, v->text.p, v->text.len);
	a->usage_raw[v->text.len] = 0;
}

static void usage_object(struct lg_answer *a, const struct lg_value *v)
{
	if (v->type == LG_VALUE_OBJECT) {
		a->raw_has &= ~USAGE_COUNTERS;
		memset(a->raw, 0, LG_RAW_USAGE_END * sizeof(*a->raw));
		a->usage.flags &= ~LG_USAGE_PRESENT;
	} else if (v->type == LG_VALUE_END) {
		a->usage.flags |= LG_USAGE_PRESENT;
	} else if (v->type == LG_VALUE_RAW) {
		lg_answer_put_raw(a, v);
	}
}

/* Decimal digits of a JSON number and where its point stands. */
struct decimal {
	uint64_t digits;
	int exponent;
	bool inexact; /* digits were dropped that are not zero */
};

static void put_digit(struct decimal *d, char c, bool fraction)
{
	if (d->digits < UINT64_MAX / 10 - 1) {
		d->digits = d->digits * 10 + (uint64_t)(c - '0');
		d->exponent -= fraction;
	} else {
		d->inexact |= c != '0';
		d->exponent += !fraction;
	}
}

static int read_decimal(struct lg_slice s, struct decimal *d)
{
	bool fraction = false, negative = false;
	size_t i;
	int e = 0;

	*d = (struct decimal){0, 0, false};
	for (i = 0; i < s.len && (s.p[i] | 0x20) != 'e'; i++) {
		if (s.p[i] == '.')
			fraction = true;
		else if (s.p[i] >= '0' && s.p[i] <= '9')
			put_digit(d, s.p[i], fraction);
		else
			return -EINVAL;
	}
	if (++i < s.len && (s.p[i] == '-' || s.p[i] == '+'))
		negative = s.p[i++] == '-';
	for (; i < s.len; i++)
		if (e < 10000)
			e = e * 10 + (s.p[i] - '0');
	d->exponent += negative ? -e : e;
	return 0;
}

/* v * 10^shift, rounded half to even. */
static int scaled(const struct lg_value *v, int shift, uint64_t *out)
{
	struct decimal d;
	uint64_t n, rest = 0;
	int e;

	if (v->type != LG_VALUE_NUMBER || v->truncated ||
	    read_decimal(v->text, &d))
		return -EINVAL;
	n = d.digits;
	for (e = d.exponent + shift; e > 0 && n; e--) {
		if (n > INT64_MAX / 10)
			return -ERANGE;
		n *= 10;
	}
	for (; e < 0 && (n || rest); e++) {
		d.inexact |= rest != 0;
		rest = n % 10;
		n /= 10;
	}
	if (rest > 5 || (rest == 5 && (d.inexact || n & 1)))
		n++;
	if (n > INT64_MAX)
		return -ERANGE;
	*out = n;
	return 0;
}

int lg_value_cost(const struct lg_value *v, int64_t *pusd)
{
	uint64_t n;
	int err = scaled(v, 12, &n);

	if (!err)
		*pusd = (int64_t)n;
	return err;
}

int lg_value_round(const struct lg_value *v, uint64_t *out)
{
	return scaled(v, 0, out);
}

static void set_cost(struct lg_answer *a, enum lg_raw id,
		     const struct lg_value *v)
{
	int64_t pusd;

	/* LG_COUNTER_MAX picodollars are $281: too little for a bill. */
	if (lg_value_cost(v, &pusd))
		return;
	a->raw[id] = (uint64_t)pusd;
	a->raw_has |= UINT64_C(1) << id;
}

static void set_ticks(struct lg_answer *a, const struct lg_value *v)
{
	uint64_t n;

	/* A zero stands where a reseller has no figure. */
	if (lg_value_u64(v, &n) || !n || n > INT64_MAX / 100)
		return;
	a->raw[LG_RAW_COST] = n * 100;
	a->raw_has |= UINT64_C(1) << LG_RAW_COST;
}

static void set_counter(struct lg_answer *a, enum lg_raw id,
			const struct lg_value *v)
{
	uint64_t n;

	if (v->type == LG_VALUE_NULL)
		return;
	if (!lg_value_u64(v, &n) && n <= COUNT_MAX)
		lg_raw_put(a, id, n);
	else
		lg_raw_put(a, LG_RAW_ODD, 1);
}

static void set_seconds(struct lg_answer *a, const struct lg_value *v)
{
	uint64_t n;

	if (v->type == LG_VALUE_NULL)
		return;
	if (!lg_value_round(v, &n) && n <= COUNT_MAX)
		lg_raw_put(a, LG_RAW_SECONDS, n);
	else
		lg_raw_put(a, LG_RAW_ODD, 1);
}

static void set_created(struct lg_answer *a, const struct lg_value *v)
{
	uint64_t n;

	/* the same in each event of a stream */
	if (!a->created_s && !lg_value_round(v, &n) && n <= LG_COUNTER_MAX)
		a->created_s = (int64_t)n;
}

static bool says_nothing(const struct lg_answer *a)
{
	return !lg_raw_has(a, LG_RAW_INPUT) && !lg_raw_has(a, LG_RAW_OUTPUT) &&
	       !lg_raw_has(a, LG_RAW_TOTAL) && !lg_raw_has(a, LG_RAW_COST) &&
	       !lg_raw_has(a, LG_RAW_SECONDS);
}

/* Text came, and the usage has no word on it. */
static bool hides_output(const struct lg_answer *a)
{
	return a->delivered_bytes && !lg_raw_has(a, LG_RAW_OUTPUT) &&
	       !lg_raw_has(a, LG_RAW_COST) && !lg_raw_has(a, LG_RAW_SECONDS) &&
	       !lg_usage_output(&a->usage);
}

void lg_answer_distrust(struct lg_answer *a)
{
	if (says_nothing(a))
		a->usage.flags &= ~LG_USAGE_PRESENT;
	if (lg_raw_has(a, LG_RAW_ODD))
		a->usage.flags |= LG_USAGE_MISMATCH;
	else if (!says_nothing(a) && !hides_output(a))
		return;
	a->usage_final = false;
}

/* One count under several names: the larger. */
static void set_larger(struct lg_answer *a, enum lg_raw id,
		       const struct lg_value *v)
{
	uint64_t n = a->raw[id];

	set_counter(a, id, v);
	if (n > a->raw[id])
		a->raw[id] = n;
}

static void usage_detail(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case LG_ANSWER_USAGE:
		usage_object(a, v);
		break;
	case LG_ANSWER_CACHED_TOO:
		set_larger(a, LG_RAW_CACHED, v);
		break;
	case LG_ANSWER_WEB_TOO:
		set_larger(a, LG_RAW_WEB_BILLED, v);
		break;
	case LG_ANSWER_COST:
		set_cost(a, LG_RAW_COST, v);
		break;
	case LG_ANSWER_UPSTREAM:
		set_cost(a, LG_RAW_UPSTREAM, v);
		break;
	case LG_ANSWER_TICKS:
		set_ticks(a, v);
		break;
	case LG_ANSWER_SECONDS:
		set_seconds(a, v);
		break;
	case LG_ANSWER_CREATED:
		set_created(a, v);
		break;
	case LG_ANSWER_VARIANT:
		set_text(a->variant, sizeof(a->variant), v);
		break;
	case LG_ANSWER_BYOK:
		if (v->type == LG_VALUE_BOOL)
			lg_raw_put(a, LG_RAW_BYOK, v->boolean);
		break;
	default:
		break;
	}
}

void lg_answer_apply(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id < LG_RAW_END) {
		set_counter(a, (enum lg_raw)id, v);
		return;
	}
	switch (id) {
	case LG_ANSWER_MODEL:
		set_text(a->model, sizeof(a->model), v);
		break;
	case LG_ANSWER_ID:
		set_text(a->id, sizeof(a->id), v);
		break;
	case LG_ANSWER_ID_TOO:
		if (!a->id[0])
			set_text(a->id, sizeof(a->id), v);
		break;
	case LG_ANSWER_TIER:
		set_text(a->tier, sizeof(a->tier), v);
		break;
	case LG_ANSWER_TEXT:
		add_bytes(&a->delivered_bytes, v);
		break;
	case LG_ANSWER_THOUGHT:
		add_bytes(&a->delivered_reasoning_bytes, v);
		break;
	case LG_ANSWER_FINISH:
		if (v->type == LG_VALUE_STRING && v->len)
			lg_raw_put(a, LG_RAW_FINISHED, 1);
		break;
	case LG_ANSWER_ERROR:
		if (v->type == LG_VALUE_OBJECT ||
		    (v->type == LG_VALUE_STRING && v->len))
			a->error = true;
		break;
	default:
		usage_detail(a, id, v);
	}
}

void lg_answer_whole(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (v->type != LG_VALUE_END)
		return;
	if (id == LG_ANSWER_ROOT)
		a->done = true;
	else if (id == LG_ANSWER_USAGE)
		a->usage_final = true;
}

bool lg_usage_split(uint64_t *rest, uint64_t part, struct lg_usage *u,
		    enum lg_bucket b)
{
	bool fits = part <= *rest;

	if (!fits)
		part = *rest;
	*rest -= part;
	lg_usage_set(u, b, u->n[b] + part);
	return fits;
}

bool lg_usage_split_raw(struct lg_answer *a, uint64_t *rest, enum lg_raw id,
			enum lg_bucket b)
{
	if (!lg_raw_has(a, id))
		return true;
	return lg_usage_split(rest, a->raw[id], &a->usage, b);
}

void lg_usage_put_raw(struct lg_answer *a, enum lg_bucket b, enum lg_raw id)
{
	if (lg_raw_has(a, id))
		lg_usage_set(&a->usage, b, a->raw[id]);
}

void lg_answer_provider_cost(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;

	if (!lg_raw_has(a, LG_RAW_COST))
		return;
	u->provider_cost_pusd = (int64_t)a->raw[LG_RAW_COST];
	if (a->raw[LG_RAW_BYOK] &&
	    __builtin_add_overflow(u->provider_cost_pusd,
				   (int64_t)a->raw[LG_RAW_UPSTREAM],
				   &u->provider_cost_pusd))
		u->provider_cost_pusd = INT64_MAX;
	u->flags |= LG_USAGE_PROVIDER_COST;
	if (a->raw[LG_RAW_BYOK] && !lg_raw_has(a, LG_RAW_UPSTREAM))
		u->flags |= LG_USAGE_FEE;
}

uint64_t lg_answer_output_estimate(const struct lg_answer *a)
{
	uint64_t bytes = a->delivered_bytes + a->delivered_reasoning_bytes;

	return (bytes + 3) / 4;
}
