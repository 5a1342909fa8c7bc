#include "llm/job.h"

#include <string.h>

#include "base/civil.h"

/* own[3], which outlives parts: what the object's state means. */
enum state { UNDER_WAY, DONE, FAILED, STOPPED };

/*
 * Stopped work is charged as far as it went. openai: validating failed
 * in_progress finalizing completed expired cancelling cancelled; mistral:
 * QUEUED RUNNING SUCCESS FAILED TIMEOUT_EXCEEDED CANCELLED; google:
 * BATCH_STATE_ or JOB_STATE_ and SUCCEEDED FAILED CANCELLED EXPIRED.
 */
static const struct {
	const char *name;
	enum state state;
} states[] = {
	{"completed", DONE},
	{"complete", DONE},
	{"succeeded", DONE},
	{"success", DONE},
	{"ended", DONE},
	{"failed", FAILED},
	{"error", FAILED},
	{"failed_validation", FAILED},
	{"partially_succeeded", STOPPED},
	{"expired", STOPPED},
	{"timeout_exceeded", STOPPED},
	{"cancelled", STOPPED},
	{"canceled", STOPPED},
};

static enum state read_state(struct lg_slice s)
{
	static const char *const prefix[] = {"BATCH_STATE_", "JOB_STATE_"};
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(prefix); i++) {
		size_t n = strlen(prefix[i]);

		if (lg_slice_istarts(s, lg_slice_str(prefix[i])))
			s = (struct lg_slice){s.p + n, s.len - n};
	}
	for (i = 0; i < LG_COUNT_OF(states); i++)
		if (lg_slice_ieq(s, lg_slice_str(states[i].name)))
			return states[i].state;
	return UNDER_WAY;
}

static bool two(const char *p, int64_t *out)
{
	*out = (p[0] - '0') * 10 + (p[1] - '0');
	return (unsigned)(p[0] - '0') < 10 && (unsigned)(p[1] - '0') < 10;
}

/* "2026-11-22T14:30:52.123456Z"; an offset is not looked at. */
static int64_t read_time(struct lg_slice s)
{
	int64_t c, y, mo, d, h, mi, sec;

	if (s.len < 19 || !two(s.p, &c) || !two(s.p + 2, &y) ||
	    !two(s.p + 5, &mo) || !two(s.p + 8, &d) || !two(s.p + 11, &h) ||
	    !two(s.p + 14, &mi) || !two(s.p + 17, &sec) || mo < 1 || mo > 12 ||
	    d < 1 || d > 31)
		return 0;
	return lg_civil_days(c * 100 + y, (unsigned)mo, (unsigned)d) * 86400 +
	       h * 3600 + mi * 60 + sec;
}

int64_t lg_job_time(const struct lg_value *v)
{
	uint64_t n;

	/* digits in a string are a number, too */
	if (!lg_value_u64(v, &n))
		return n < INT64_C(100000000000) ? (int64_t)n : 0;
	return v->type == LG_VALUE_STRING ? read_time(v->text) : 0;
}

struct lg_slice lg_job_name(struct lg_slice text)
{
	size_t i = text.len;

	while (i && text.p[i - 1] != '/')
		i--;
	return (struct lg_slice){text.p + i, text.len - i};
}

bool lg_job_is_done(const struct lg_answer *a)
{
	uint64_t state = a->own[3];

	return state == DONE || state == STOPPED;
}

static void end(struct lg_answer *a)
{
	uint64_t state = a->own[3];

	a->background = a->id[0] != 0;
	a->done = state == DONE || state == STOPPED;
	a->failed = state == FAILED;
	a->pending = a->id[0] && state == UNDER_WAY;
}

/* -- requests ------------------------------------------------------------- */

static void add_max(struct lg_facts *f, const struct lg_value *v)
{
	uint64_t n, room = LG_COUNTER_MAX - f->max_output_tokens;

	/* between a call's ends has_max says whether this one has it */
	if (lg_value_u64(v, &n) || f->has_max)
		return;
	f->max_output_tokens += n < room ? n : room;
	f->has_max = true;
	f->capped++;
}

static void set_model(struct lg_facts *f, const struct lg_value *v)
{
	if (v->type == LG_VALUE_STRING && f->model[0] &&
	    !lg_value_is(v, f->model))
		f->mixed = true;
	else
		lg_facts_apply(f, LG_FACT_MODEL, v);
}

void lg_job_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	memcpy(f->tier, "batch", 6);
	switch (id) {
	case LG_JOB_CALL:
		if (v->type == LG_VALUE_OBJECT && f->requests < UINT32_MAX)
			f->requests++;
		/* a call in the middle that has none is never made up for */
		f->has_max =
			v->type == LG_VALUE_END && f->capped == f->requests;
		break;
	case LG_FACT_MAX:
		add_max(f, v);
		break;
	case LG_FACT_MODEL:
		set_model(f, v);
		break;
	default:
		lg_facts_apply(f, id, v);
	}
}

/* -- answers --------------------------------------------------------------- */

/* Work of hours: beyond what is believed of one call. */
static void set_counter(struct lg_answer *a, enum lg_raw id,
			const struct lg_value *v)
{
	uint64_t n;

	if (v->type == LG_VALUE_NULL)
		return;
	if (!lg_value_u64(v, &n) && n < LG_COUNTER_MAX)
		lg_raw_put(a, id, n);
	else
		lg_raw_put(a, LG_RAW_ODD, 1);
}

void lg_job_apply(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id < LG_RAW_USAGE_END) {
		set_counter(a, (enum lg_raw)id, v);
		return;
	}
	switch (id) {
	case LG_ANSWER_CACHED_TOO:
		set_counter(a, LG_RAW_CACHED, v);
		break;
	case LG_JOB_ROOT:
		if (v->type == LG_VALUE_END)
			end(a);
		break;
	case LG_JOB_STATE:
		if (v->type == LG_VALUE_STRING)
			a->own[3] = read_state(v->text);
		break;
	case LG_JOB_ENDED:
		if (v->type == LG_VALUE_BOOL && v->boolean && !a->own[3])
			a->own[3] = DONE;
		break;
	case LG_JOB_CREATED:
		if (!a->created_s)
			a->created_s = lg_job_time(v);
		break;
	case LG_JOB_OUTPUT:
		if (v->type == LG_VALUE_STRING)
			lg_slice_copy(lg_job_name(v->text), a->output_id,
				      sizeof(a->output_id));
		break;
	case LG_ANSWER_ID:
		if (v->type == LG_VALUE_STRING)
			lg_slice_copy(lg_job_name(v->text), a->id,
				      sizeof(a->id));
		break;
	default:
		lg_answer_apply(a, id, v);
	}
}
