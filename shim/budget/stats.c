#include "budget/stats.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "budget/swap.h"

#define PROBES 8u
#define EMPTYING UINT64_C(1)
/* Far above what a count can be, far below where it wraps. */
#define COUNT_MAX 60000u
#define DIGEST_ALWAYS 64u
#define DIGEST_EVERY 8u

struct lg_hash128 lg_stats_id(struct lg_slice provider, struct lg_slice model)
{
	struct lg_hash128 p = lg_hash128(provider.p, provider.len, 11);
	struct lg_hash128 m = lg_hash128(model.p, model.len, p.a);

	return (struct lg_hash128){m.a | 1, (m.b ^ p.b) & ~EMPTYING};
}

/* -- scales ---------------------------------------------------------------- */

/* Up to 15 exactly, then eight buckets an octave. */
static unsigned output_bucket(uint64_t n)
{
	unsigned e;

	if (n > LG_STATS_OUTPUT_MAX)
		n = LG_STATS_OUTPUT_MAX;
	if (n < 16)
		return (unsigned)n;
	e = 63 - (unsigned)__builtin_clzll(n);
	return 16 + (e - 4) * 8 + (unsigned)(n >> (e - 3) & 7);
}

static uint32_t output_low(unsigned i)
{
	return i < 16 ? i : (8 + (i - 16) % 8) << (1 + (i - 16) / 8);
}

/* 1024 * 12^(i / 32), rounded. */
static const uint32_t ratio_edge[LG_STAT_RATIOS + 1] = {
	1024, 1107, 1196, 1293, 1397, 1510, 1632, 1763, 1906,  2060,  2226,
	2406, 2600, 2810, 3037, 3282, 3547, 3834, 4143, 4478,  4839,  5230,
	5652, 6109, 6602, 7135, 7711, 8334, 9007, 9734, 10520, 11370, 12288,
};

static unsigned ratio_bucket(uint64_t bytes, uint64_t tokens)
{
	uint64_t q;
	unsigned i = 0;

	if (bytes > UINT64_MAX / LG_STATS_RATIO_ONE)
		bytes = UINT64_MAX / LG_STATS_RATIO_ONE;
	q = bytes * LG_STATS_RATIO_ONE / tokens;
	while (i + 1 < LG_STAT_RATIOS && q >= ratio_edge[i + 1])
		i++;
	return i;
}

static uint32_t ratio_low(unsigned i)
{
	return ratio_edge[i];
}

/* -- quantiles ------------------------------------------------------------- */

struct scale {
	const uint16_t *count;
	unsigned n;
	uint32_t (*low)(unsigned i);
	uint32_t end;	/* past the last bucket */
	uint32_t above; /* samples beyond all buckets */
};

static uint32_t total_of(const struct scale *s)
{
	uint32_t sum = s->above;

	for (unsigned i = 0; i < s->n; i++)
		sum += lg_load_relaxed(&s->count[i]);
	return sum;
}

/* Between a bucket's edges in proportion; 0: not known. */
static uint32_t quantile(const struct scale *s, unsigned permille)
{
	uint32_t sum = total_of(s), rank, at = 0;

	if (sum < LG_STATS_ENOUGH)
		return 0;
	rank = (uint32_t)(((uint64_t)sum * permille + 999) / 1000);
	for (unsigned i = 0; i < s->n; i++) {
		uint32_t c = lg_load_relaxed(&s->count[i]), low, wide;

		if (at + c < rank) {
			at += c;
			continue;
		}
		low = s->low(i);
		wide = (i + 1 < s->n ? s->low(i + 1) : s->end) - low;
		low += (uint32_t)(((uint64_t)wide * (rank - at) + c - 1) / c) -
		       1;
		return low ? low : 1;
	}
	return 0;
}

static struct scale outputs_of(const struct lg_stat *s)
{
	return (struct scale){s->output, LG_STAT_OUTPUTS, output_low,
			      LG_STATS_OUTPUT_MAX + 1,
			      lg_load_relaxed(&s->unfinished)};
}

static struct scale ratios_of(const struct lg_stat *s)
{
	return (struct scale){s->ratio, LG_STAT_RATIOS, ratio_low,
			      LG_STATS_RATIO_MAX + 1, 0};
}

/* -- digest: p99 20 | p50 20 | ratio 14 ------------------------------------ */

static struct lg_learned compute(const struct lg_stat *s)
{
	struct scale out = outputs_of(s), ratio = ratios_of(s);

	return (struct lg_learned){
		.output_p50 = quantile(&out, 500),
		.output_p99 = quantile(&out, 990),
		.ratio = quantile(&ratio, 500),
	};
}

static void digest(struct lg_stat *s)
{
	struct lg_learned l = compute(s);

	lg_store_relaxed(&s->digest, l.output_p99 |
					     (uint64_t)l.output_p50 << 20 |
					     (uint64_t)l.ratio << 40);
}

static uint32_t at_most(uint64_t n, uint64_t max)
{
	return (uint32_t)(n < max ? n : max);
}

static struct lg_learned undigest(uint64_t d)
{
	struct lg_learned l = {
		.output_p99 = at_most(d & 0xfffff, LG_STATS_OUTPUT_MAX),
		.output_p50 = at_most(d >> 20 & 0xfffff, LG_STATS_OUTPUT_MAX),
		.ratio = at_most(d >> 40 & 0x3fff, LG_STATS_RATIO_MAX),
	};

	if (l.ratio && l.ratio < LG_STATS_RATIO_ONE)
		l.ratio = LG_STATS_RATIO_ONE;
	return l;
}

/* -- the table ------------------------------------------------------------- */

static struct lg_stat *probe(const struct lg_region *r, struct lg_hash128 id,
			     unsigned i)
{
	return &r->map->stat[(id.b / 2 + i) % LG_STATS];
}

static bool is_of(const struct lg_stat *s, struct lg_hash128 id)
{
	return lg_load_acquire(&s->id.hi) == id.b &&
	       lg_load_relaxed(&s->id.lo) == id.a;
}

static struct lg_stat *find(const struct lg_region *r, struct lg_hash128 id)
{
	for (unsigned i = 0; i < PROBES; i++)
		if (is_of(probe(r, id, i), id))
			return probe(r, id, i);
	return NULL;
}

static void put_name(struct lg_stat *s, struct lg_slice provider,
		     struct lg_slice model)
{
	union {
		char text[sizeof(s->name)];
		uint64_t word[LG_STAT_NAME];
	} u = {.word = {0}};
	size_t n;

	if (provider.len > sizeof(u.text) / 2)
		provider.len = sizeof(u.text) / 2;
	lg_slice_copy(provider, u.text, sizeof(u.text));
	n = strlen(u.text);
	u.text[n++] = '/';
	lg_slice_copy(model, u.text + n, sizeof(u.text) - n);
	for (unsigned i = 0; i < LG_STAT_NAME; i++)
		lg_store_relaxed(&s->name[i], u.word[i]);
}

static void clear_counts(uint16_t *c, unsigned n)
{
	while (n--)
		lg_store_relaxed(&c[n], 0);
}

/*
 * Whoever finds a place half emptied empties it again: all of it stores
 * zeroes, and the last step is one swap.
 */
static struct lg_stat *empty(struct lg_stat *s, struct lg_hash128 id,
			     struct lg_slice provider, struct lg_slice model)
{
	struct lg_pair half = {id.a, id.b | EMPTYING}, whole = {id.a, id.b};

	lg_store_relaxed(&s->digest, 0);
	lg_store_relaxed(&s->outputs, 0);
	lg_store_relaxed(&s->ratios, 0);
	lg_store_relaxed(&s->unfinished, 0);
	lg_store_relaxed(&s->seen, 0);
	clear_counts(s->ratio, LG_STAT_RATIOS);
	clear_counts(s->output, LG_STAT_OUTPUTS);
	put_name(s, provider, model);
	return lg_pair_cas(&s->id, half, whole) ? s : NULL;
}

/* A free place, else that of the model not heard of longest. */
static struct lg_stat *victim(struct lg_region *r, struct lg_hash128 id,
			      struct lg_pair *old)
{
	struct lg_stat *best = probe(r, id, 0);
	uint32_t oldest = UINT32_MAX;

	*old = lg_pair_load(&best->id, false);
	for (unsigned i = 0; i < PROBES && oldest; i++) {
		struct lg_stat *s = probe(r, id, i);
		struct lg_pair now = lg_pair_load(&s->id, false);
		uint32_t t = lg_load_relaxed(&s->touched_s);

		if ((!now.lo && !now.hi) ||
		    (now.lo == id.a && now.hi == (id.b | EMPTYING)))
			t = 0;
		if (t >= oldest)
			continue;
		best = s;
		oldest = t;
		*old = now;
	}
	return best;
}

static struct lg_stat *claim(struct lg_region *r, struct lg_hash128 id,
			     struct lg_slice provider, struct lg_slice model)
{
	struct lg_pair half = {id.a, id.b | EMPTYING}, old;
	struct lg_stat *s = victim(r, id, &old);

	if (!lg_pair_eq(old, half) && !lg_pair_cas(&s->id, old, half))
		return NULL;
	return empty(s, id, provider, model);
}

/* -- learning -------------------------------------------------------------- */

static void count(uint16_t *c)
{
	if (lg_load_relaxed(c) < COUNT_MAX)
		lg_add_relaxed(c, 1);
}

/* Others only add meanwhile; one lost race leaves a count unhalved. */
static void halve(uint16_t *c, unsigned *carry)
{
	uint16_t old = lg_load_relaxed(c);
	unsigned sum = old + *carry;

	*carry = sum & 1;
	if (old != sum / 2)
		lg_cas_seq(c, &old, (uint16_t)(sum / 2));
}

/* The remainder goes to the next bucket: a thin tail does not vanish. */
static void halve_all(uint16_t *c, unsigned n)
{
	unsigned carry = 1;

	for (unsigned i = 0; i < n; i++)
		halve(&c[i], &carry);
}

/* True for the one who has to halve. */
static bool is_full(uint32_t *total, uint32_t *now)
{
	*now = lg_add_relaxed(total, 1) + 1;
	return *now >= LG_STATS_FADE &&
	       lg_cas_seq(total, now, LG_STATS_FADE / 2);
}

static uint32_t learn_output(struct lg_stat *s, const struct lg_sample *p)
{
	unsigned carry = 1;
	uint32_t n;

	if (p->unfinished || p->output_tokens > LG_STATS_OUTPUT_MAX)
		count(&s->unfinished);
	else
		count(&s->output[output_bucket(p->output_tokens)]);
	if (is_full(&s->outputs, &n)) {
		halve_all(s->output, LG_STAT_OUTPUTS);
		halve(&s->unfinished, &carry);
	}
	return n;
}

static uint32_t learn_ratio(struct lg_stat *s, const struct lg_sample *p)
{
	uint32_t n;

	count(&s->ratio[ratio_bucket(p->prompt_bytes, p->prompt_tokens)]);
	if (is_full(&s->ratios, &n))
		halve_all(s->ratio, LG_STAT_RATIOS);
	return n;
}

static bool is_due(uint32_t n)
{
	return n && (n < DIGEST_ALWAYS || n % DIGEST_EVERY == 0);
}

void lg_stats_learn(struct lg_region *r, struct lg_hash128 id,
		    struct lg_slice provider, struct lg_slice model,
		    const struct lg_sample *p)
{
	bool ratio = p->prompt_bytes && p->prompt_tokens;
	uint32_t outs = 0, ratios = 0;
	struct lg_stat *s;

	if (r->readonly || (!p->has_output && !ratio))
		return;
	s = find(r, id);
	if (!s)
		s = claim(r, id, provider, model);
	if (!s)
		return;
	lg_store_relaxed(&s->touched_s, (uint32_t)(lg_clock_real_ms() / 1000));
	lg_add_relaxed(&s->seen, 1);
	if (p->has_output)
		outs = learn_output(s, p);
	if (ratio)
		ratios = learn_ratio(s, p);
	if (is_due(outs) || is_due(ratios))
		digest(s);
}

/* -- reading --------------------------------------------------------------- */

bool lg_stats_get(const struct lg_region *r, struct lg_hash128 id,
		  struct lg_learned *out)
{
	const struct lg_stat *s = find(r, id);

	*out = undigest(s ? lg_load_relaxed(&s->digest) : 0);
	return s;
}

unsigned lg_stats_count(const struct lg_region *r)
{
	(void)r;
	return LG_STATS;
}

static void get_name(const struct lg_stat *s, char out[97])
{
	uint64_t word[LG_STAT_NAME];

	for (unsigned i = 0; i < LG_STAT_NAME; i++)
		word[i] = lg_load_relaxed(&s->name[i]);
	memcpy(out, word, sizeof(word));
	out[sizeof(word)] = '\0';
	for (; *out; out++)
		if ((unsigned char)*out < ' ' || *out == 0x7f)
			*out = '?';
}

/* Each sample counts as the middle of its bucket. */
static uint32_t mean(const struct scale *s)
{
	uint64_t sum = 0, n = 0;

	for (unsigned i = 0; i < s->n; i++) {
		uint64_t c = lg_load_relaxed(&s->count[i]);
		uint32_t end = i + 1 < s->n ? s->low(i + 1) : s->end;

		sum += c * (s->low(i) + end - 1);
		n += c;
	}
	return n < LG_STATS_ENOUGH ? 0 : (uint32_t)((sum / 2 + n / 2) / n);
}

static int view(const struct lg_stat *s, struct lg_stats_view *out)
{
	struct scale outs = outputs_of(s), ratios = ratios_of(s);
	uint64_t hi = lg_load_acquire(&s->id.hi);

	memset(out, 0, sizeof(*out));
	if (!lg_load_relaxed(&s->id.lo) || hi & EMPTYING)
		return -ENOENT;
	get_name(s, out->name);
	out->learned = compute(s);
	out->outputs = total_of(&outs);
	out->unfinished = outs.above;
	out->ratios = total_of(&ratios);
	out->output_mean = mean(&outs);
	out->ratio_low = quantile(&ratios, 50);
	out->ratio_high = quantile(&ratios, 950);
	out->seen = lg_load_relaxed(&s->seen);
	out->touched_s = lg_load_relaxed(&s->touched_s);
	return 0;
}

int lg_stats_view(const struct lg_region *r, unsigned i,
		  struct lg_stats_view *out)
{
	return i < LG_STATS ? view(&r->map->stat[i], out) : -ENOENT;
}

int lg_stats_look(const struct lg_region *r, struct lg_hash128 id,
		  struct lg_stats_view *out)
{
	const struct lg_stat *s = find(r, id);

	return s ? view(s, out) : -ENOENT;
}
