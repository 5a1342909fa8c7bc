/* What objects of batches and training jobs say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "llm/job.h"

static struct lg_value text(const char *s)
{
	return (struct lg_value){.type = LG_VALUE_STRING,
				 .len = strlen(s),
				 .text = lg_slice_str(s)};
}

static struct lg_value number(const char *s)
{
	return (struct lg_value){.type = LG_VALUE_NUMBER,
				 .text = lg_slice_str(s)};
}

static void test_states(void **state)
{
	static const struct {
		const char *text;
		bool done, failed, pending;
	} want[] = {
		{"validating", 0, 0, 1},
		{"in_progress", 0, 0, 1},
		{"finalizing", 0, 0, 1},
		{"cancelling", 0, 0, 1},
		{"CANCELLATION_REQUESTED", 0, 0, 1},
		{"something new", 0, 0, 1},
		{"", 0, 0, 1},
		{"completed", 1, 0, 0},
		{"SUCCESS", 1, 0, 0},
		{"succeeded", 1, 0, 0},
		{"BATCH_STATE_SUCCEEDED", 1, 0, 0},
		{"JOB_STATE_CANCELLED", 1, 0, 0},
		{"BATCH_STATE_", 0, 0, 1},
		{"expired", 1, 0, 0},
		{"cancelled", 1, 0, 0},
		{"TIMEOUT_EXCEEDED", 1, 0, 0},
		{"failed", 0, 1, 0},
		{"JOB_STATE_FAILED", 0, 1, 0},
	};
	struct lg_value end = {.type = LG_VALUE_END}, v;
	struct lg_answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		lg_answer_init(&a);
		v = text("batches/b1");
		lg_job_apply(&a, LG_ANSWER_ID, &v);
		v = text(want[i].text);
		lg_job_apply(&a, LG_JOB_STATE, &v);
		lg_job_apply(&a, LG_JOB_ROOT, &end);
		assert_string_equal(a.id, "b1");
		assert_true(a.background);
		assert_int_equal(a.done, want[i].done);
		assert_int_equal(a.failed, want[i].failed);
		assert_int_equal(a.pending, want[i].pending);
		assert_int_equal(lg_job_is_done(&a), want[i].done);
	}
	/* an object without an id is none */
	lg_answer_init(&a);
	lg_job_apply(&a, LG_JOB_ROOT, &end);
	assert_false(a.pending);
	assert_false(a.background);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} want[] = {
		{"2024-09-24T18:37:24.100435Z", 1727203044},
		{"1970-01-01T00:00:00Z", 0},
		{"2000-02-29T12:00:01Z", 951825601},
		{"1758566400", 1758566400},
		{"2024-13-01T00:00:00Z", 0},
		{"2024-00-01T00:00:00Z", 0},
		{"2024-01-32T00:00:00Z", 0},
		{"2024-01-01T00:00", 0},
		{"yesterday, at about noon", 0},
		{"", 0},
	};
	struct lg_value v;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		v = text(want[i].text);
		assert_int_equal(lg_job_time(&v), want[i].want);
	}
	v = number("1758566400");
	assert_int_equal(lg_job_time(&v), 1758566400);
	v = number("1e300");
	assert_int_equal(lg_job_time(&v), 0);
	v = number("-5");
	assert_int_equal(lg_job_time(&v), 0);
	v = number("18446744073709551615");
	assert_int_equal(lg_job_time(&v), 0);
	v = (struct lg_value){.type = LG_VALUE_NULL};
	assert_int_equal(lg_job_time(&v), 0);
}

/* Hours of work are beyond what is believed of one call. */
static void test_counters(void **state)
{
	struct lg_answer a;
	struct lg_value v = number("600000000000");

	(void)state;
	lg_answer_init(&a);
	lg_job_apply(&a, LG_RAW_INPUT, &v);
	assert_int_equal(a.raw[LG_RAW_INPUT], 600000000000);
	v = number("-1");
	lg_job_apply(&a, LG_RAW_OUTPUT, &v);
	assert_true(lg_raw_has(&a, LG_RAW_ODD));
	assert_false(lg_raw_has(&a, LG_RAW_OUTPUT));
	lg_answer_init(&a);
	v = (struct lg_value){.type = LG_VALUE_NULL};
	lg_job_apply(&a, LG_RAW_INPUT, &v);
	assert_int_equal(a.raw_has, 0);
}

static void call(struct lg_facts *f, const char *model, const char *max)
{
	struct lg_value v = {.type = LG_VALUE_OBJECT};

	lg_job_request(f, LG_JOB_CALL, &v);
	if (model) {
		v = text(model);
		lg_job_request(f, LG_FACT_MODEL, &v);
	}
	if (max) {
		v = number(max);
		lg_job_request(f, LG_FACT_MAX, &v);
		lg_job_request(f, LG_FACT_MAX, &v); /* twice in one call */
	}
	v.type = LG_VALUE_END;
	lg_job_request(f, LG_JOB_CALL, &v);
}

static void test_requests(void **state)
{
	struct lg_facts f;

	(void)state;
	lg_facts_init(&f);
	call(&f, "a", "100");
	call(&f, "a", "50");
	assert_int_equal(f.requests, 2);
	assert_true(f.has_max);
	assert_int_equal(f.max_output_tokens, 150);
	assert_false(f.mixed);
	assert_string_equal(f.tier, "batch");
	call(&f, NULL, NULL);
	assert_false(f.has_max);
	call(&f, "b", "7");
	assert_false(f.has_max); /* the one before has none */
	assert_true(f.mixed);
	assert_string_equal(f.model, "a");
	assert_int_equal(f.requests, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
