#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "budget/tzrule.h"

static const char *const good[] = {
	"UTC0",
	"CET-1CEST,M3.5.0,M10.5.0/3",
	"EST5EDT,M3.2.0,M11.1.0",
	"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
	"IST-1GMT0,M10.5.0,M3.5.0/1",
	"<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
	"EET-2EEST,M3.4.4/50,M10.4.4/50",
	"AAA3BBB,J60,J300",
	"AAA3BBB,59/0,299/26:30:15",
	"<+00>0<+02>-2,M3.5.0/1,M10.5.0/3",
};

static const char *const bad[] = {
	"",
	"C",
	"CE-1",
	"CET",
	"CET-",
	"CET-1CEST",
	"CET-1CEST,M3.5.0",
	"CET-1CEST,M13.5.0,M10.5.0",
	"CET-1CEST,M3.6.0,M10.5.0",
	"CET-1CEST,M3.5.7,M10.5.0",
	"CET-1CEST,M3.5.0,M10.5.0/",
	"CET-1CEST,M3.5.0,M10.5.0/168",
	"CET-1CEST,J0,J3",
	"CET-1CEST,J366,J3",
	"CET-1CEST,366,3",
	"<CET-1",
	"CET-1CEST,M3.5.0,M10.5.0 ",
	"CET99999999999999999999",
	"CET-1:60",
	"CET-1CEST,M3,M10.5.0",
};

static void test_good(void **state)
{
	struct lg_zone_span s;
	struct lg_tzrule r;
	struct tm tm;
	time_t t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(lg_tzrule_parse(lg_slice_str(good[i]), &r), 0);
		setenv("TZ", good[i], 1);
		tzset();
		for (t = 1700000000; t < 2000000000; t += 1800 * 7) {
			lg_tzrule_span(&r, t, &s);
			localtime_r(&t, &tm);
			assert_true(s.start_s <= t && s.end_s > t);
			if (s.offset_s != tm.tm_gmtoff)
				fail_msg("%s at %ld: %d, libc %ld", good[i],
					 (long)t, s.offset_s, tm.tm_gmtoff);
		}
	}
	unsetenv("TZ");
}

/* RFC 8536 3.3.1: DST all year; glibc errs in the year's first hours. */
static void test_always_dst(void **state)
{
	struct lg_zone_span s;
	struct lg_tzrule r;
	int64_t t;

	(void)state;
	assert_int_equal(lg_tzrule_parse(LG_SLICE("XXX3EDT4,0/0,J365/23"), &r),
			 0);
	for (t = 1700000000; t < 1900000000; t += 1800) {
		lg_tzrule_span(&r, t, &s);
		assert_int_equal(s.offset_s, -4 * 3600);
	}
}

static void test_bad(void **state)
{
	struct lg_tzrule r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!lg_tzrule_parse(lg_slice_str(bad[i]), &r))
			fail_msg("taken: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_always_dst),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
