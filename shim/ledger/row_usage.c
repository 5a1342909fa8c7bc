#include <string.h>

#include "ledger/row.h"

#define UNITS (LG_BUCKETS - LG_BUCKET_UNITS)

/* Their order is that of units[] from UNITS on. */
static const struct {
	enum lg_bucket bucket;
	const char *name;
} tokens[LG_ROW_TOKEN_UNITS] = {
	{LG_BUCKET_AUDIO_CACHE_READ, "audio_cache_read_tokens"},
	{LG_BUCKET_IMAGE_INPUT, "image_input_tokens"},
	{LG_BUCKET_IMAGE_CACHE_READ, "image_cache_read_tokens"},
	{LG_BUCKET_IMAGE_OUTPUT, "image_output_tokens"},
	{LG_BUCKET_VIDEO_INPUT, "video_input_tokens"},
	{LG_BUCKET_VIDEO_OUTPUT, "video_output_tokens"},
	{LG_BUCKET_CITATION, "citation_tokens"},
	{LG_BUCKET_TRAINING, "training_tokens"},
};

const char *lg_row_unit_name(unsigned i)
{
	if (i < UNITS)
		return lg_bucket_name((enum lg_bucket)(LG_BUCKET_UNITS + i));
	return i < LG_ROW_UNITS ? tokens[i - UNITS].name : "";
}

unsigned lg_row_unit_by_name(struct lg_slice name)
{
	enum lg_bucket b = lg_bucket_by_name(name.p, name.len);

	if (b >= LG_BUCKET_UNITS && b < LG_BUCKETS)
		return b - LG_BUCKET_UNITS;
	for (unsigned i = 0; i < LG_ROW_TOKEN_UNITS; i++)
		if (lg_slice_eq(name, lg_slice_str(tokens[i].name)))
			return UNITS + i;
	return LG_ROW_UNITS;
}

/* -- buckets to a row ------------------------------------------------------ */

static uint64_t shown(const struct lg_usage *u, enum lg_bucket b)
{
	return u->has >> b & 1 ? u->n[b] : LG_ROW_ABSENT;
}

static uint64_t sum_shown(const struct lg_usage *u, const enum lg_bucket *b,
			  unsigned n)
{
	uint64_t sum = LG_ROW_ABSENT;

	for (unsigned i = 0; i < n; i++) {
		if (!(u->has >> b[i] & 1))
			continue;
		if (sum == LG_ROW_ABSENT)
			sum = 0;
		if (__builtin_add_overflow(sum, u->n[b[i]], &sum))
			sum = LG_ROW_ABSENT - 1;
	}
	return sum;
}

void lg_row_set_usage(struct lg_row *r, const struct lg_usage *u)
{
	static const enum lg_bucket cached[] = {
		LG_BUCKET_CACHE_READ,
		LG_BUCKET_AUDIO_CACHE_READ,
		LG_BUCKET_IMAGE_CACHE_READ,
	};
	static const enum lg_bucket heard[] = {
		LG_BUCKET_AUDIO_INPUT,
		LG_BUCKET_AUDIO_CACHE_READ,
	};

	r->input_tokens = lg_usage_input(u);
	r->output_tokens = lg_usage_output(u);
	r->cache_read_tokens = sum_shown(u, cached, 3);
	r->cache_write_5m_tokens = shown(u, LG_BUCKET_CACHE_WRITE_5M);
	r->cache_write_1h_tokens = shown(u, LG_BUCKET_CACHE_WRITE_1H);
	r->reasoning_tokens = shown(u, LG_BUCKET_REASONING);
	r->audio_input_tokens = sum_shown(u, heard, 2);
	r->audio_output_tokens = shown(u, LG_BUCKET_AUDIO_OUTPUT);
	for (unsigned i = 0; i < UNITS; i++)
		r->units[i] = u->n[LG_BUCKET_UNITS + i];
	for (unsigned i = 0; i < LG_ROW_TOKEN_UNITS; i++)
		r->units[UNITS + i] = u->n[tokens[i].bucket];
	if (r->cache_read_tokens != LG_ROW_ABSENT && r->cache_read_tokens)
		r->cache_hit = LG_CACHE_PROVIDER;
	if (u->flags & LG_USAGE_MISMATCH)
		r->flags |= LG_ROW_MISMATCH;
}

/* -- and back -------------------------------------------------------------- */

/* A count that is null leaves its bucket unreported. */
static void put(struct lg_usage *u, enum lg_bucket b, uint64_t n)
{
	if (n != LG_ROW_ABSENT)
		lg_usage_set(u, b, n);
}

/* What a total has beyond its parts, into b. */
static bool put_rest(struct lg_usage *u, enum lg_bucket b, uint64_t total,
		     uint64_t parts)
{
	if (total == LG_ROW_ABSENT)
		return !parts;
	if (parts > total)
		return false;
	lg_usage_set(u, b, total - parts);
	return true;
}

static bool split(const struct lg_row *r, struct lg_usage *u)
{
	uint64_t seen = u->n[LG_BUCKET_AUDIO_CACHE_READ];
	uint64_t cached;

	if (__builtin_add_overflow(seen, u->n[LG_BUCKET_IMAGE_CACHE_READ],
				   &cached))
		return false;
	return put_rest(u, LG_BUCKET_CACHE_READ, r->cache_read_tokens,
			cached) &&
	       put_rest(u, LG_BUCKET_AUDIO_INPUT, r->audio_input_tokens,
			seen) &&
	       put_rest(u, LG_BUCKET_INPUT, r->input_tokens,
			lg_usage_input(u)) &&
	       put_rest(u, LG_BUCKET_OUTPUT, r->output_tokens,
			lg_usage_output(u));
}

bool lg_row_usage(const struct lg_row *r, struct lg_usage *u)
{
	memset(u, 0, sizeof(*u));
	for (unsigned i = 0; i < UNITS; i++)
		if (r->units[i])
			lg_usage_set(u, (enum lg_bucket)(LG_BUCKET_UNITS + i),
				     r->units[i]);
	for (unsigned i = 0; i < LG_ROW_TOKEN_UNITS; i++)
		if (r->units[UNITS + i])
			lg_usage_set(u, tokens[i].bucket, r->units[UNITS + i]);
	put(u, LG_BUCKET_CACHE_WRITE_5M, r->cache_write_5m_tokens);
	put(u, LG_BUCKET_CACHE_WRITE_1H, r->cache_write_1h_tokens);
	put(u, LG_BUCKET_REASONING, r->reasoning_tokens);
	put(u, LG_BUCKET_AUDIO_OUTPUT, r->audio_output_tokens);
	if (r->kind != LG_ROW_CALL || !split(r, u) || !u->has) {
		memset(u, 0, sizeof(*u));
		return false;
	}
	u->flags = LG_USAGE_PRESENT;
	if (r->provider_cost_pusd != INT64_MIN) {
		u->provider_cost_pusd = r->provider_cost_pusd;
		u->flags |= LG_USAGE_PROVIDER_COST;
	}
	return true;
}
