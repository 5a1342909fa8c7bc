#include "price/rate.h"

#include "price/price.h"

#define MILLION 1000000u

typedef unsigned __int128 u128;

/*
 * By which rate a bucket is charged when it has none of its own. INPUT or
 * OUTPUT ends a list.
 */
static const uint8_t parents[LG_BUCKETS][3] = {
	[LG_BUCKET_CACHE_READ] = {LG_BUCKET_INPUT},
	[LG_BUCKET_CACHE_WRITE_5M] = {LG_BUCKET_INPUT},
	[LG_BUCKET_CACHE_WRITE_1H] = {LG_BUCKET_CACHE_WRITE_5M,
				      LG_BUCKET_INPUT},
	[LG_BUCKET_AUDIO_INPUT] = {LG_BUCKET_INPUT},
	[LG_BUCKET_AUDIO_CACHE_READ] = {LG_BUCKET_AUDIO_INPUT,
					LG_BUCKET_CACHE_READ, LG_BUCKET_INPUT},
	[LG_BUCKET_IMAGE_INPUT] = {LG_BUCKET_INPUT},
	[LG_BUCKET_IMAGE_CACHE_READ] = {LG_BUCKET_IMAGE_INPUT,
					LG_BUCKET_CACHE_READ, LG_BUCKET_INPUT},
	[LG_BUCKET_VIDEO_INPUT] = {LG_BUCKET_INPUT},
	[LG_BUCKET_REASONING] = {LG_BUCKET_OUTPUT},
	[LG_BUCKET_AUDIO_OUTPUT] = {LG_BUCKET_OUTPUT},
	[LG_BUCKET_IMAGE_OUTPUT] = {LG_BUCKET_OUTPUT},
	[LG_BUCKET_VIDEO_OUTPUT] = {LG_BUCKET_OUTPUT},
	[LG_BUCKET_CITATION] = {LG_BUCKET_INPUT},
};

static int64_t own_rate(const int64_t *base, const struct lg_img_tier *t,
			unsigned b)
{
	int64_t r = t && t->rate[b] >= 0 ? t->rate[b] : base[b];

	return r < 0 ? LG_RATE_ABSENT : r;
}

/* These have no parents and end every list. */
static bool is_root(unsigned b)
{
	return b == LG_BUCKET_INPUT || b == LG_BUCKET_OUTPUT;
}

static bool has_parents(unsigned b)
{
	return !is_root(b) && b < LG_BUCKET_TRAINING;
}

void lg_rate_lift(int64_t rate[LG_BUCKETS])
{
	for (unsigned b = 0; b < LG_BUCKET_TRAINING; b++) {
		for (unsigned i = 0; has_parents(b) && i < 3; i++) {
			if (rate[b] < rate[parents[b][i]])
				rate[b] = rate[parents[b][i]];
			if (is_root(parents[b][i]))
				break;
		}
	}
}

int64_t lg_rate_of(const int64_t *base, const struct lg_img_tier *t, unsigned b)
{
	int64_t r = own_rate(base, t, b);

	for (unsigned i = 0; r < 0 && has_parents(b) && i < 3; i++) {
		r = own_rate(base, t, parents[b][i]);
		if (is_root(parents[b][i]))
			break;
	}
	return r;
}

bool lg_rate_is_output(unsigned b)
{
	switch (b) {
	case LG_BUCKET_OUTPUT:
	case LG_BUCKET_REASONING:
	case LG_BUCKET_AUDIO_OUTPUT:
	case LG_BUCKET_IMAGE_OUTPUT:
	case LG_BUCKET_VIDEO_OUTPUT:
		return true;
	default:
		return b >= LG_BUCKET_UNITS;
	}
}

static u128 add_product(u128 sum, uint64_t n, int64_t rate)
{
	u128 product = (u128)n * (uint64_t)rate;

	return __builtin_add_overflow(sum, product, &sum) ? ~(u128)0 : sum;
}

static u128 add(u128 a, u128 b)
{
	return __builtin_add_overflow(a, b, &a) ? ~(u128)0 : a;
}

static const struct lg_img_tier *tier_for(const struct lg_price *p,
					  uint64_t input)
{
	const struct lg_img_tier *t = NULL;

	for (unsigned i = 0; i < p->ntiers; i++)
		if (input > p->tiers[i].above_tokens)
			t = &p->tiers[i];
	return t;
}

/* The bucket as if its tokens had been sent afresh. */
static unsigned uncached(unsigned b)
{
	switch (b) {
	case LG_BUCKET_CACHE_READ:
		return LG_BUCKET_INPUT;
	case LG_BUCKET_AUDIO_CACHE_READ:
		return LG_BUCKET_AUDIO_INPUT;
	case LG_BUCKET_IMAGE_CACHE_READ:
		return LG_BUCKET_IMAGE_INPUT;
	default:
		return b;
	}
}

/* A fee for each call applies also where nobody counted the call. */
static uint64_t count_of(const struct lg_price *p, const struct lg_usage *u,
			 unsigned b)
{
	if (b == LG_BUCKET_REQUESTS && !(u->has & (1u << b)) &&
	    (u->flags & LG_USAGE_PRESENT))
		return 1;
	if (b == LG_BUCKET_SECONDS && u->n[b] && u->n[b] < p->min_seconds)
		return p->min_seconds;
	return u->n[b];
}

/* Tokens and fees apart: a factor is for tokens alone. */
struct sum {
	u128 tokens, fees;
};

static void add_to(struct sum *s, unsigned b, uint64_t n, int64_t rate)
{
	u128 *part = b < LG_BUCKET_UNITS ? &s->tokens : &s->fees;

	*part = add_product(*part, n, rate);
}

static u128 join(const struct sum *s, uint32_t factor_ppm)
{
	if (!factor_ppm)
		return add(s->tokens, s->fees);
	/* beyond this it is more than int64_t holds anyway */
	if (s->tokens >> 94 || s->fees >> 94)
		return ~(u128)0;
	return add(s->tokens * factor_ppm, s->fees * MILLION);
}

/* Half-even from micro-picodollars, a million times that with a factor. */
static int64_t round_sum(u128 sum, uint32_t factor_ppm)
{
	u128 unit = factor_ppm ? (u128)MILLION * MILLION : MILLION;
	u128 q, r;

	if (sum == ~(u128)0)
		return INT64_MAX;
	q = sum / unit;
	r = sum % unit;
	if (q >= INT64_MAX)
		return INT64_MAX;
	q += r > unit / 2 || (r == unit / 2 && (q & 1));
	return (int64_t)q;
}

static uint32_t factor_of(const struct lg_price *p)
{
	return p->factor_ppm == MILLION ? 0 : p->factor_ppm;
}

void lg_price_cost(const struct lg_price *p, const struct lg_usage *u,
		   struct lg_cost *out)
{
	const struct lg_img_tier *t = tier_for(p, lg_usage_input(u));
	struct sum side[2] = {{0}}, fresh = {0};
	uint32_t f = factor_of(p);
	u128 input, output;

	*out = (struct lg_cost){0};
	for (unsigned b = 0; b < LG_BUCKETS; b++) {
		uint64_t n = u->n[b];
		int64_t rate, full;

		if (!n && b != LG_BUCKET_REQUESTS)
			continue;
		n = count_of(p, u, b);
		if (!n)
			continue;
		rate = lg_rate_of(p->rate, t, b);
		if (rate < 0) {
			out->rate_missing |= b != LG_BUCKET_REQUESTS;
			continue;
		}
		full = lg_rate_of(p->rate, t, uncached(b));
		add_to(&fresh, b, n, full < 0 ? rate : full);
		add_to(&side[lg_rate_is_output(b)], b, n, rate);
	}
	input = join(&side[0], f);
	output = join(&side[1], f);
	out->total_pusd = round_sum(add(input, output), f);
	out->input_pusd = round_sum(input, f);
	out->output_pusd = out->total_pusd - out->input_pusd;
	out->economic_pusd = round_sum(join(&fresh, f), f);
}

bool lg_price_line(const struct lg_price *p, const struct lg_usage *u,
		   enum lg_bucket b, uint64_t *n, int64_t *rate)
{
	*n = count_of(p, u, b);
	*rate = lg_rate_of(p->rate, lg_price_step(p, u), b);
	return *n && *rate >= 0;
}

const struct lg_img_tier *lg_price_step(const struct lg_price *p,
					const struct lg_usage *u)
{
	return tier_for(p, lg_usage_input(u));
}

bool lg_price_is_output(enum lg_bucket b)
{
	return lg_rate_is_output(b);
}

/* The dearest of one side over the base and every step that could apply. */
static int64_t dearest(const struct lg_price *p, bool output, uint64_t input)
{
	int64_t max = 0;

	for (unsigned i = 0; i <= p->ntiers; i++) {
		const struct lg_img_tier *t = i ? &p->tiers[i - 1] : NULL;

		if (t && input <= t->above_tokens)
			continue;
		for (unsigned b = 0; b < LG_BUCKET_TRAINING; b++) {
			int64_t r = lg_rate_of(p->rate, t, b);

			if (r > max && lg_rate_is_output(b) == output)
				max = r;
		}
	}
	return max;
}

int64_t lg_price_worst(const struct lg_price *p, uint64_t input_tokens,
		       uint64_t output_tokens)
{
	uint32_t f = p->worst_ppm ? p->worst_ppm : factor_of(p);
	u128 unit = f ? (u128)MILLION * MILLION : MILLION;
	struct sum s = {0};
	u128 sum;

	s.tokens = add_product(s.tokens, input_tokens,
			       dearest(p, false, input_tokens));
	s.tokens = add_product(s.tokens, output_tokens,
			       dearest(p, true, input_tokens));
	if (p->rate[LG_BUCKET_REQUESTS] > 0)
		s.fees = (u128)p->rate[LG_BUCKET_REQUESTS];
	sum = join(&s, f);
	/* Up, not half-even: a bound may not fall below what it bounds. */
	sum = add(sum, unit - 1);
	return sum / unit >= INT64_MAX ? INT64_MAX : (int64_t)(sum / unit);
}

bool lg_price_is_free(const struct lg_price *p)
{
	bool any = false;

	for (unsigned b = 0; b < LG_BUCKETS; b++) {
		if (p->rate[b] > 0)
			return false;
		any |= p->rate[b] == 0;
	}
	for (unsigned i = 0; i < p->ntiers; i++)
		for (unsigned b = 0; b < LG_BUCKETS; b++)
			if (p->tiers[i].rate[b] > 0)
				return false;
	return any;
}
