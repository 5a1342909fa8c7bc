#include "config_help.h"

#include "config/conf.h"

static const struct {
	const char *text, *canonical;
	unsigned n;
} good[] = {
	{"global", "global", 1},
	{" Global ", "global", 1},
	{"project:x", "project:x", 1},
	{"PROJECT : x ", "project:x", 1},
	{"project:x & model:y", "model:y & project:x", 2},
	{"model:y & project:x", "model:y & project:x", 2},
	{"model:y & model:y", "model:y", 1},
	{"model:b* & model:a*", "model:a* & model:b*", 2},
	{"global & user:*", "user:*", 1},
	{"tag:a&b", "tag:a&b", 1},
	{"tag:team=a b", "tag:team=a b", 1},
	{"endpoint:/v1/chat/completions", "endpoint:/v1/chat/completions", 1},
	{"key:0123456789ab", "key:0123456789ab", 1},
	{"process:python?", "process:python?", 1},
	{"uid:1000", "uid:1000", 1},
	{"phase:train", "phase:train", 1},
	{"conversation:a:b", "conversation:a:b", 1},
	{"run:*", "run:*", 1},
	{"provider:openai", "provider:openai", 1},
};

static const char *const bad[] = {
	"",
	" ",
	"x",
	"x:y",
	"user",
	"user:",
	"user: & model:x",
	"& user:x",
	"user:x & ",
	"user:x &  & model:y",
	"global:x",
	"user:[a-z]",
	"user:{a,b}",
	"user:a\\*",
	"user:a\tb",
	"model:*a*b*c*d*e*f*g*h*i",
	"phase:x",
	"uid:root",
	("user:1 & user:2 & user:3 & user:4 & user:5 & user:6 & user:7 & "
	 "user:8 & user:9"),
};

static void test_canonical(void **state)
{
	struct lg_conf_scope s;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (lg_conf_scope_parse(lg_slice_str(good[i].text), &s, &why))
			fail_msg("%s: %s", good[i].text, why);
		assert_string_equal(s.text, good[i].canonical);
		assert_int_equal(s.n, good[i].n);
		/* the canonical text means itself */
		assert_int_equal(
			lg_conf_scope_parse(lg_slice_str(good[i].canonical), &s,
					    &why),
			0);
		assert_string_equal(s.text, good[i].canonical);
	}
}

static void test_refused(void **state)
{
	struct lg_conf_scope s;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = NULL;
		if (!lg_conf_scope_parse(lg_slice_str(bad[i]), &s, &why))
			fail_msg("\"%s\" is taken as %s", bad[i], s.text);
		assert_non_null(why);
	}
}

static void test_long_values(void **state)
{
	char t[300] = "user:";
	struct lg_conf_scope s;
	const char *why;

	(void)state;
	memset(t + 5, 'a', 127);
	assert_int_equal(lg_conf_scope_parse(lg_slice_str(t), &s, &why), 0);
	memset(t + 5, 'a', 128);
	assert_int_equal(lg_conf_scope_parse(lg_slice_str(t), &s, &why),
			 -EINVAL);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good_times[] = {
		{"1970-01-01", 0},
		{"2000-02-29", INT64_C(951782400000)},
		{"2026-09-01", INT64_C(1788220800000)},
		{"2026-09-01T12:00:00Z", INT64_C(1788264000000)},
		{"2026-09-01 12:00:00.5Z", INT64_C(1788264000500)},
		{"2026-09-01T12:00:00.123456+02:00", INT64_C(1788256800123)},
		{"2026-09-01T12:00:00-00:30", INT64_C(1788265800000)},
		{"9999-12-31", INT64_C(253402214400000)},
	};
	static const char *const bad_times[] = {
		"",
		"2026",
		"2026-13-01",
		"2026-02-29",
		"2026-00-10",
		"2026-01-01T",
		"1969-12-31",
		"2026-1-1",
		"2026-01-01T25:00:00Z",
		"2026-01-01x",
		"2026-01-01T00:00:00",
		"2026-01-01T00:00:00Zx",
		"2100-02-29",
		"2026-01-01T00:00:00+2:00",
	};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good_times) / sizeof(good_times[0]);
	     i++) {
		assert_int_equal(lg_conf_parse_time(
					 lg_slice_str(good_times[i].text), &ms),
				 0);
		assert_int_equal(ms, good_times[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad_times) / sizeof(bad_times[0]); i++)
		if (!lg_conf_parse_time(lg_slice_str(bad_times[i]), &ms))
			fail_msg("%s is taken", bad_times[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
