#include "llm/anthropic.h"

#include <string.h>

/*
 * input_tokens leaves out what was read from or written to a cache. Figures
 * of a stream are cumulative: they replace, they never add. iterations[] says
 * what each sampling cost, by whose model; the fields above it leave out
 * compactions, advisors and models that declined. One iteration that is the
 * answer itself says no more than they do.
 */

/* own[OWN_FLAGS] */
#define PARTS 1u	 /* some were given to the guard */
#define STANDARD 2u	 /* so said service_tier or speed */
#define FINISHED 4u	 /* a stop reason was seen */
#define REFUSED 8u	 /* it was a refusal */
#define DECLINED 16u	 /* it is known why a model declined */
#define DECLINE_PAID 32u /* a refusal of its kind is billed */
#define SERVED 64u	 /* own_model is a fallback's */
#define TURN 128u	 /* the iteration at hand is a turn of the answer */
#define SPLIT 256u	 /* own[OWN_1H] is known */
#define DELTA 512u	 /* the usage at hand is a message_delta's */
#define LISTED 1024u	 /* ... and has iterations */

enum own {
	OWN_FLAGS,
	OWN_COUNT, /* iterations of this array */
	OWN_1H,	   /* one-hour writes that no iteration claimed */
	OWN_RAW,   /* length of message_start's usage */
	OWN_SAVED, /* the whole's counters, beside the parts */
	OWN_END = OWN_SAVED + LG_RAW_REASONING + 1,
};
_Static_assert(OWN_END <= LG_COUNT_OF(((struct lg_answer *)0)->own), "own");

#define BIT(id) (UINT64_C(1) << (id))
#define COUNTERS (BIT(LG_RAW_USAGE_END) - 1)
#define IT_COUNTERS                                                            \
	(BIT(LG_ANTHROPIC_IT_INPUT) | BIT(LG_ANTHROPIC_IT_OUTPUT) |            \
	 BIT(LG_ANTHROPIC_IT_CACHED) | BIT(LG_ANTHROPIC_IT_WRITE) |            \
	 BIT(LG_ANTHROPIC_IT_5M) | BIT(LG_ANTHROPIC_IT_1H))

static bool is_set(const struct lg_answer *a, unsigned flag)
{
	return (a->own[OWN_FLAGS] & flag) != 0;
}

static void set(struct lg_answer *a, unsigned flag, bool on)
{
	if (on)
		a->own[OWN_FLAGS] |= flag;
	else
		a->own[OWN_FLAGS] &= ~(uint64_t)flag;
}

static bool has_it(const struct lg_answer *a, int id)
{
	return lg_raw_has(a, (enum lg_raw)id);
}

static uint64_t it(const struct lg_answer *a, int id)
{
	return a->raw[id];
}

bool lg_anthropic_is_split(const struct lg_answer *a)
{
	return is_set(a, PARTS);
}

/* -- raw text ------------------------------------------------------------ */

/*
 * A delta that does not repeat the input does not say it all: keep both, as
 * {"message_start":{...},"message_delta":{...}}.
 */
static void merge_raw(struct lg_answer *a, const struct lg_value *v)
{
	static const char head[] = "{\"message_start\":";
	static const char mid[] = ",\"message_delta\":";
	char delta[sizeof(a->usage_raw)];
	size_t first = a->own[OWN_RAW], room;
	size_t len = lg_value_compact(v, delta, sizeof(delta));
	char *raw = a->usage_raw;

	if (!len)
		return;
	if (!first || strstr(delta, "\"input_tokens\"")) {
		memcpy(raw, delta, len + 1);
		a->own[OWN_RAW] = 0;
		return;
	}
	room = sizeof(a->usage_raw) - sizeof(head) - sizeof(mid) - 1;
	if (first + len > room)
		return;
	if (strncmp(raw, head, sizeof(head) - 1)) {
		memmove(raw + sizeof(head) - 1, raw, first);
		memcpy(raw, head, sizeof(head) - 1);
	}
	raw += sizeof(head) - 1 + first;
	memcpy(raw, mid, sizeof(mid) - 1);
	raw += sizeof(mid) - 1;
	memcpy(raw, delta, len);
	memcpy(raw + len, "}", 2);
}

/* -- iterations ---------------------------------------------------------- */

static void drop_counters(struct lg_answer *a, uint64_t which)
{
	unsigned i;

	for (i = 0; i < LG_RAW_USAGE_END; i++)
		if (which >> i & 1)
			lg_raw_drop(a, (enum lg_raw)i);
}

/* Where an iteration does not split its cache writes, the whole's split. */
static void split_writes(struct lg_answer *a)
{
	uint64_t all = it(a, LG_ANTHROPIC_IT_WRITE), left = a->own[OWN_1H];
	uint64_t w1 = it(a, LG_ANTHROPIC_IT_1H);

	if (!has_it(a, LG_ANTHROPIC_IT_WRITE) || !is_set(a, SPLIT))
		return;
	if (!has_it(a, LG_ANTHROPIC_IT_5M) && !has_it(a, LG_ANTHROPIC_IT_1H)) {
		w1 = left < all ? left : all;
		if (!w1 && is_set(a, DELTA)) /* later than the split */
			return;
		lg_raw_put(a, (enum lg_raw)LG_ANTHROPIC_IT_1H, w1);
		lg_raw_put(a, (enum lg_raw)LG_ANTHROPIC_IT_5M, all - w1);
	}
	a->own[OWN_1H] = left > w1 ? left - w1 : 0;
}

static void move(struct lg_answer *a, int from, enum lg_raw to)
{
	if (has_it(a, from))
		lg_raw_put(a, to, it(a, from));
}

/* A model that declined before it said anything is mostly not billed. */
static bool is_free(const struct lg_answer *a)
{
	return is_set(a, TURN) && !it(a, LG_ANTHROPIC_IT_OUTPUT) &&
	       has_it(a, LG_ANTHROPIC_IT_OUTPUT) && is_set(a, DECLINED) &&
	       !is_set(a, DECLINE_PAID);
}

static void save_whole(struct lg_answer *a)
{
	if (!is_set(a, PARTS))
		memcpy(a->own + OWN_SAVED, a->raw,
		       (LG_RAW_REASONING + 1) * sizeof(*a->raw));
}

/* What was told behind the iterations stands. */
static void restore_whole(struct lg_answer *a)
{
	unsigned i;

	for (i = 0; i <= LG_RAW_REASONING; i++)
		if (a->own[OWN_SAVED + i] && !lg_raw_has(a, (enum lg_raw)i))
			lg_raw_put(a, (enum lg_raw)i, a->own[OWN_SAVED + i]);
}

/* The iteration at hand is complete, and not the only one. */
static void give_part(struct lg_answer *a)
{
	uint64_t odd = a->raw_has & BIT(LG_RAW_ODD);

	/* a figure for the whole is better than any sum */
	if (is_free(a) || lg_raw_has(a, LG_RAW_COST)) {
		drop_counters(a, IT_COUNTERS);
		a->model[0] = 0;
		return;
	}
	split_writes(a);
	save_whole(a);
	drop_counters(a, COUNTERS & ~IT_COUNTERS);
	move(a, LG_ANTHROPIC_IT_INPUT, LG_RAW_INPUT);
	move(a, LG_ANTHROPIC_IT_OUTPUT, LG_RAW_OUTPUT);
	move(a, LG_ANTHROPIC_IT_CACHED, LG_RAW_CACHED);
	move(a, LG_ANTHROPIC_IT_WRITE, LG_RAW_WRITE);
	move(a, LG_ANTHROPIC_IT_5M, LG_RAW_WRITE_5M);
	move(a, LG_ANTHROPIC_IT_1H, LG_RAW_WRITE_1H);
	drop_counters(a, IT_COUNTERS);
	a->raw_has |= odd;
	a->usage.flags |= LG_USAGE_PRESENT;
	if (!a->model[0])
		memcpy(a->model, a->own_model, sizeof(a->model));
	set(a, PARTS, true);
	a->usage_final = true;
	a->part = LG_PART_DUE;
}

static void iteration(struct lg_answer *a, const struct lg_value *v)
{
	if (v->type != LG_VALUE_OBJECT)
		return;
	if (a->own[OWN_COUNT]++) {
		give_part(a);
	} else {
		if (is_set(a, PARTS))
			a->part = LG_PART_RESET;
		set(a, PARTS, false);
		drop_counters(a, IT_COUNTERS);
		a->model[0] = 0;
	}
	set(a, TURN, true);
	set(a, LISTED, true);
}

static void iterations(struct lg_answer *a, const struct lg_value *v)
{
	if (v->type == LG_VALUE_ARRAY) {
		a->own[OWN_COUNT] = 0;
		return;
	}
	if (v->type != LG_VALUE_END || !a->own[OWN_COUNT])
		return;
	if (a->own[OWN_COUNT] > 1 || !is_set(a, TURN)) {
		give_part(a);
		return;
	}
	drop_counters(a, IT_COUNTERS);
	memcpy(a->model, a->own_model, sizeof(a->model));
}

/* Newer figures without a list: the parts are not the last word any more. */
static void stale(struct lg_answer *a)
{
	lg_raw_drop(a, LG_RAW_WEB);
	lg_raw_drop(a, LG_RAW_CODE);
	a->usage.flags &= ~LG_USAGE_PRESENT;
	a->part = LG_PART_DUE;
}

/* Searches stand beside the iterations: a part of their own. */
static void end_usage(struct lg_answer *a)
{
	a->usage.flags |= LG_USAGE_PRESENT;
	if (is_set(a, STANDARD) && !a->tier[0])
		memcpy(a->tier, "standard", 9);
	if (!is_set(a, PARTS))
		return;
	if (lg_raw_has(a, LG_RAW_COST)) {
		set(a, PARTS, false);
		restore_whole(a);
		a->part = LG_PART_RESET;
		return;
	}
	drop_counters(a, COUNTERS);
	if (!is_set(a, LISTED)) {
		stale(a);
	} else if (a->raw[LG_RAW_WEB] || a->raw[LG_RAW_CODE]) {
		memcpy(a->model, a->own_model, sizeof(a->model));
		a->usage_final = true;
		a->part = LG_PART_DUE;
	} else {
		a->usage.flags &= ~LG_USAGE_PRESENT;
	}
}

/* -- values -------------------------------------------------------------- */

static void usage_object(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (v->type == LG_VALUE_OBJECT) {
		set(a, DELTA, id == LG_ANTHROPIC_USAGE_DELTA);
		set(a, LISTED, false);
	} else if (v->type == LG_VALUE_END) {
		end_usage(a);
	} else if (v->type == LG_VALUE_RAW && id == LG_ANTHROPIC_USAGE) {
		lg_answer_put_raw(a, v);
		a->own[OWN_RAW] = strlen(a->usage_raw);
	} else if (v->type == LG_VALUE_RAW) {
		merge_raw(a, v);
	}
}

/*
 * platform.claude.com/docs, "How refusals are billed", read 2026-11: before
 * any output only these categories are.
 */
static void decline(struct lg_answer *a, const struct lg_value *v)
{
	static const char *const paid[] = {"bio", "frontier_llm",
					   "reasoning_extraction"};
	unsigned i;

	if (v->type != LG_VALUE_NULL && v->type != LG_VALUE_STRING)
		return;
	set(a, DECLINED, true);
	for (i = 0; i < LG_COUNT_OF(paid); i++)
		if (lg_value_is(v, paid[i]))
			set(a, DECLINE_PAID, true);
}

static void place(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case LG_ANTHROPIC_SPEED:
		if (lg_value_is(v, "fast"))
			memcpy(a->tier, "fast", 5);
		else if (lg_value_is(v, "standard"))
			set(a, STANDARD, true);
		break;
	case LG_ANTHROPIC_TIER:
		if (lg_value_is(v, "standard"))
			set(a, STANDARD, true);
		else if (strcmp(a->tier, "fast"))
			lg_answer_apply(a, LG_ANSWER_TIER, v);
		break;
	case LG_ANTHROPIC_GEO:
		if (v->type == LG_VALUE_STRING && v->len &&
		    !lg_value_is(v, "not_available"))
			lg_slice_copy(v->text, a->geo, sizeof(a->geo));
		break;
	default:
		break;
	}
}

static void names(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (v->type != LG_VALUE_STRING || !v->len)
		return;
	if (id == LG_ANTHROPIC_PART_MODEL) {
		lg_answer_apply(a, LG_ANSWER_MODEL, v);
		return;
	}
	if (id == LG_ANSWER_MODEL && is_set(a, SERVED))
		return;
	lg_slice_copy(v->text, a->own_model, sizeof(a->own_model));
	lg_slice_copy(v->text, a->model, sizeof(a->model));
	set(a, SERVED, id == LG_ANTHROPIC_SERVED);
}

static void stop(struct lg_answer *a, const struct lg_value *v)
{
	if (v->type != LG_VALUE_STRING || !v->len)
		return;
	set(a, FINISHED, true);
	if (lg_value_is(v, "refusal"))
		set(a, REFUSED, true);
}

void lg_anthropic_usage(struct lg_answer *a, int id, const struct lg_value *v)
{
	switch (id) {
	case LG_ANTHROPIC_USAGE:
	case LG_ANTHROPIC_USAGE_DELTA:
		usage_object(a, id, v);
		break;
	case LG_ANTHROPIC_ITERATIONS:
		iterations(a, v);
		break;
	case LG_ANTHROPIC_ITERATION:
		iteration(a, v);
		break;
	case LG_ANTHROPIC_KIND:
		set(a, TURN,
		    lg_value_is(v, "message") ||
			    lg_value_is(v, "fallback_message"));
		break;
	case LG_ANSWER_MODEL:
	case LG_ANTHROPIC_PART_MODEL:
	case LG_ANTHROPIC_SERVED:
		names(a, id, v);
		break;
	case LG_ANTHROPIC_DECLINE:
	case LG_ANTHROPIC_REFUSAL:
		decline(a, v);
		break;
	case LG_ANTHROPIC_STOP:
		stop(a, v);
		break;
	case LG_RAW_WRITE_1H:
		lg_answer_apply(a, id, v);
		set(a, SPLIT, lg_raw_has(a, LG_RAW_WRITE_1H));
		a->own[OWN_1H] = a->raw[LG_RAW_WRITE_1H];
		break;
	default:
		place(a, id, v);
		lg_answer_apply(a, id, v);
	}
}

void lg_anthropic_end(struct lg_answer *a)
{
	bool told = a->usage.flags & LG_USAGE_PRESENT || is_set(a, PARTS);

	if (told && (a->done || is_set(a, FINISHED)))
		a->usage_final = true;
	if (a->own_model[0])
		memcpy(a->model, a->own_model, sizeof(a->model));
	if (a->done && is_set(a, REFUSED) && !is_set(a, DECLINE_PAID) &&
	    !is_set(a, PARTS) && !a->delivered_bytes &&
	    !a->delivered_reasoning_bytes && a->raw[LG_RAW_OUTPUT] <= 1)
		a->failed = true;
}

/* -- buckets ------------------------------------------------------------- */

/* Without the split the request says how long; the dearer where in doubt. */
static void cache_writes(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t w5 = a->raw[LG_RAW_WRITE_5M], w1 = a->raw[LG_RAW_WRITE_1H];
	uint64_t all = a->raw[LG_RAW_WRITE];

	if (!lg_raw_has(a, LG_RAW_WRITE) && !lg_raw_has(a, LG_RAW_WRITE_5M) &&
	    !lg_raw_has(a, LG_RAW_WRITE_1H))
		return;
	if (all > w5 + w1) {
		if (lg_raw_has(a, LG_RAW_WRITE_5M) ||
		    lg_raw_has(a, LG_RAW_WRITE_1H))
			u->flags |= LG_USAGE_MISMATCH;
		if (a->cache_1h) {
			w1 = all - w5;
		} else {
			w5 = all - w1;
			u->flags |= LG_USAGE_CACHE_5M_ASSUMED;
		}
	}
	lg_usage_set(u, LG_BUCKET_CACHE_WRITE_5M, w5);
	lg_usage_set(u, LG_BUCKET_CACHE_WRITE_1H, w1);
}

void lg_anthropic_finish(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t out = a->raw[LG_RAW_OUTPUT];

	*u = (struct lg_usage){.flags = u->flags & LG_USAGE_PRESENT};
	if (a->failed) { /* told, and not billed */
		a->usage_final = false;
		u->flags = 0;
	}
	if (!u->flags)
		return;
	lg_usage_put_raw(a, LG_BUCKET_WEB_SEARCHES, LG_RAW_WEB);
	if (a->raw[LG_RAW_CODE])
		lg_usage_put_raw(a, LG_BUCKET_CODE_EXECUTIONS, LG_RAW_CODE);
	if (is_set(a, PARTS) && !lg_raw_has(a, LG_RAW_INPUT))
		return;
	lg_usage_set(u, LG_BUCKET_INPUT, a->raw[LG_RAW_INPUT]);
	lg_usage_put_raw(a, LG_BUCKET_CACHE_READ, LG_RAW_CACHED);
	cache_writes(a);
	if (!lg_usage_split_raw(a, &out, LG_RAW_REASONING, LG_BUCKET_REASONING))
		u->flags |= LG_USAGE_MISMATCH;
	lg_usage_set(u, LG_BUCKET_OUTPUT, out);
	lg_answer_provider_cost(a);
	lg_answer_distrust(a);
}

int lg_anthropic_error_body(const struct lg_refusal *r, struct lg_buf *out)
{
	lg_buf_puts(out, "{\"type\":\"error\",\"error\":{\"type\":"
			 "\"rate_limit_error\",\"message\":");
	lg_refusal_put_message(r, out);
	lg_buf_puts(out, ",\"llmguard\":");
	lg_refusal_object(r, out);
	lg_buf_puts(out, "}}");
	return lg_refusal_end(out);
}
