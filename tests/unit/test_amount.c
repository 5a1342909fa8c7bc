/* Money as bills write it: exact, cents, more digits than we keep. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"
#include "edge.h"
#include "tools/amount.h"

static const struct {
	const char *text;
	int shift, err;
	int64_t pusd;
} cases[] = {
	{"0", 0, 0, 0},
	{"0.06", 0, 0, 60000000000},
	{"-0.06", 0, 0, -60000000000},
	{"+1", 0, 0, LG_PUSD_PER_USD},
	{"123.45", -2, 0, 1234500000000},
	{"123.4567890123", -2, 0, 1234567890123},
	{"1e-3", 0, 0, 1000000000},
	{"1E+2", 0, 0, 100 * LG_PUSD_PER_USD},
	{"0E-6176", 0, 0, 0},
	{"0e99999999999999999999", 0, 0, 0},
	{"1e-99999999999999999999", 0, 0, 0},
	{"1e99999999999999999999", 0, -ERANGE, 0},
	/* a float's tail is rounded, half to even */
	{"0.89587400000000001", 0, 0, 895874000000},
	{"0.0000000000005", 0, 0, 0},
	{"0.0000000000015", 0, 0, 2},
	{"0.0000000000025", 0, 0, 2},
	{"0.00000000000250000000000000000000000000000000001", 0, 0, 3},
	{"0.00000000000049999999999999999999999999999999999", 0, 0, 0},
	{"9223372.036854775807", 0, 0, INT64_MAX},
	{"-9223372.036854775807", 0, 0, -INT64_MAX},
	{"9223372.0368547758075", 0, -ERANGE, 0},
	{"99999999999999999999999999999999999999999999", 0, -ERANGE, 0},
	{"0.000000000000000000000000000000000000000000001", 0, 0, 0},
	{"100000000000000000000000000000000000000000e-41", 0, 0,
	 LG_PUSD_PER_USD},
	{"", 0, -EINVAL, 0},
	{"-", 0, -EINVAL, 0},
	{".5", 0, -EINVAL, 0},
	{"5.", 0, -EINVAL, 0},
	{"1e", 0, -EINVAL, 0},
	{"1e+", 0, -EINVAL, 0},
	{"1 ", 0, -EINVAL, 0},
	{"0x10", 0, -EINVAL, 0},
	{"nan", 0, -EINVAL, 0},
	{"1,5", 0, -EINVAL, 0},
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t pusd = 0;
		int err = amount_parse(lg_slice_str(cases[i].text),
				       cases[i].shift, &pusd);

		if (err != cases[i].err || (!err && pusd != cases[i].pusd))
			fail_msg("%s: %d, %lld", cases[i].text, err,
				 (long long)pusd);
	}
}

static void test_loose(void **state)
{
	static const struct {
		const char *text;
		int err;
		int64_t usd;
	} loose[] = {
		{"$1,234", 0, 1234},	 {" 1,234,567.00 ", 0, 1234567},
		{"-$5", 0, -5},		 {"1,23", -EINVAL, 0},
		{"12,3456", -EINVAL, 0}, {"$", -EINVAL, 0},
		{"$$5", -EINVAL, 0},	 {",123", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(loose) / sizeof(loose[0]); i++) {
		int64_t pusd = 0;
		int err =
			amount_parse_loose(lg_slice_str(loose[i].text), &pusd);

		if (err != loose[i].err ||
		    (!err && pusd != loose[i].usd * LG_PUSD_PER_USD))
			fail_msg("%s: %d, %lld", loose[i].text, err,
				 (long long)pusd);
	}
}

static void test_gap(void **state)
{
	char text[32];

	(void)state;
	assert_int_equal(amount_gap_ppm(100, 100), 0);
	assert_int_equal(amount_gap_ppm(0, 0), 0);
	assert_int_equal(amount_gap_ppm(101, 100), 10000);
	assert_int_equal(amount_gap_ppm(99, 100), -10000);
	assert_int_equal(amount_gap_ppm(1, 0), INT64_MAX);
	assert_int_equal(amount_gap_ppm(-1, 0), INT64_MIN);
	assert_int_equal(amount_gap_ppm(0, 5), -1000000);
	assert_int_equal(amount_gap_ppm(5, -5), 2000000);
	/* away from 0: what differs never shows as equal */
	assert_int_equal(amount_gap_ppm(INT64_MAX, INT64_MAX - 1), 1);
	assert_int_equal(amount_gap_ppm(INT64_MAX, 1), INT64_MAX - 1);
	assert_int_equal(amount_gap_ppm(INT64_MIN, 1), -(INT64_MAX - 1));
	amount_gap_text(-1000000, text, sizeof(text));
	assert_string_equal(text, "-100.00 %");
	amount_gap_text(INT64_MAX, text, sizeof(text));
	assert_string_equal(text, "all");
}

/* Nothing beyond the text is read. */
static void test_edges(void **state)
{
	struct edge e = edge_new(128);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = strlen(cases[i].text);

		for (size_t cut = 0; cut <= n; cut++) {
			const char *p = edge_put(&e, cases[i].text, cut);
			struct lg_slice s = {p, cut};
			int64_t pusd;

			amount_parse(s, cases[i].shift, &pusd);
			amount_parse_loose(s, &pusd);
		}
	}
	edge_del(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_loose),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
