#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "budget/zone.h"
#include "tools/span.h"
#include "tools/when.h"

/* 2026-03-31 22:30 UTC: already April in Berlin, a Wednesday. */
#define NOW INT64_C(1774996200000)

static struct lg_zone *berlin;

static struct span_calendar at(unsigned week_start)
{
	return (struct span_calendar){berlin, week_start, NOW};
}

static void check(const struct span *s, const char *first, const char *last)
{
	char text[16];

	when_day_text(when_day(berlin, s->from_ms), text);
	assert_string_equal(text, first);
	when_day_text(when_day(berlin, s->to_ms - 1), text);
	assert_string_equal(text, last);
}

static void test_periods(void **state)
{
	struct span_calendar c = at(0), sunday = at(6);
	struct span s;

	(void)state;
	assert_int_equal(span_period(&c, "today", &s), 0);
	check(&s, "2026-04-01", "2026-04-01");
	assert_int_equal(span_period(&c, "yesterday", &s), 0);
	check(&s, "2026-03-31", "2026-03-31");
	assert_int_equal(span_period(&c, "week", &s), 0);
	check(&s, "2026-03-30", "2026-04-05");
	assert_int_equal(span_period(&sunday, "week", &s), 0);
	check(&s, "2026-03-29", "2026-04-04");
	/* the clocks change on the 29th: that week has an hour less */
	assert_int_equal(s.to_ms - s.from_ms, (7 * 24 - 1) * 3600000);
	assert_int_equal(span_period(&c, "month", &s), 0);
	check(&s, "2026-04-01", "2026-04-30");
	assert_int_equal(span_period(&c, "fortnight", &s), -EINVAL);
}

static void test_last(void **state)
{
	struct span_calendar c = at(0);
	struct span s;

	(void)state;
	assert_int_equal(span_last(&c, "7d", &s), 0);
	check(&s, "2026-03-26", "2026-04-01");
	assert_int_equal(span_last(&c, "2w", &s), 0);
	check(&s, "2026-03-19", "2026-04-01");
	assert_int_equal(span_last(&c, "1m", &s), 0);
	check(&s, "2026-03-02", "2026-04-01");
	assert_int_equal(span_last(&c, "1y", &s), 0);
	check(&s, "2025-04-02", "2026-04-01");
	assert_int_equal(span_last(&c, "12h", &s), 0);
	assert_int_equal(s.to_ms - s.from_ms, 12 * 3600000 + 1);
	assert_int_equal(span_last(&c, "d", &s), -EINVAL);
	assert_int_equal(span_last(&c, "0d", &s), -EINVAL);
	assert_int_equal(span_last(&c, "-1d", &s), -EINVAL);
	assert_int_equal(span_last(&c, "9999999999d", &s), -EINVAL);
}

static void test_names(void **state)
{
	struct span_calendar c = at(0);
	struct span s;

	(void)state;
	assert_int_equal(span_any(&c, "2026-02", &s), 0);
	check(&s, "2026-02-01", "2026-02-28");
	assert_int_equal(span_any(&c, "2024", &s), 0);
	check(&s, "2024-01-01", "2024-12-31");
	assert_int_equal(span_any(&c, "2026-W01", &s), 0);
	check(&s, "2025-12-29", "2026-01-04");
	assert_int_equal(span_any(&c, "2026-W53", &s), 0);
	check(&s, "2026-12-28", "2027-01-03");
	assert_int_equal(span_any(&c, "2025-W53", &s), -EINVAL);
	assert_int_equal(span_any(&c, "2026-02-29", &s), -EINVAL);
	assert_int_equal(span_any(&c, "2026-13", &s), -EINVAL);
	assert_int_equal(span_any(&c, "", &s), -EINVAL);
	assert_int_equal(span_week(&c, "2026-03-29", &s), 0);
	check(&s, "2026-03-23", "2026-03-29");
}

static int64_t edge(const char *text, bool end)
{
	struct span_calendar c = at(0);
	int64_t ms = 0;

	assert_int_equal(span_edge(&c, text, end, &ms), 0);
	return ms;
}

/* An end includes the whole of what it names. */
static void test_ends(void **state)
{
	int64_t day = edge("2026-11-12T00:00:00Z", false);

	(void)state;
	assert_int_equal(edge("2026-11-11T23:59:59Z", false), day - 1000);
	assert_int_equal(edge("2026-11-11T23:59:59Z", true), day);
	assert_int_equal(edge("2026-11-11T23:59Z", true), day);
	assert_int_equal(edge("2026-11-11T23:59:59.500Z", true), day - 499);
	assert_int_equal(edge("2026-11-11T23:59:59.5Z", true), day - 499);
	assert_int_equal(edge("2026-11-12T00:59:59+01:00", true), day);
	assert_int_equal(edge("2026-11-11", true), day - 3600000);
}

/* Without an offset it is local time, as days are. */
static void test_local(void **state)
{
	(void)state;
	assert_int_equal(edge("2026-11-11T00:30", false),
			 edge("2026-11-11", false) + 1800000);
	assert_int_equal(edge("2026-07-11 00:30", false),
			 edge("2026-07-10T22:30Z", false));
	/* 02:30 comes twice: the earlier */
	assert_int_equal(edge("2026-10-25T02:30", false),
			 edge("2026-10-25T00:30Z", false));
	assert_int_equal(edge("2026-10-25T01:59:59", false),
			 edge("2026-10-24T23:59:59Z", false));
	assert_int_equal(edge("2026-10-25T03:00", false),
			 edge("2026-10-25T02:00Z", false));
	/* and not at all: forward */
	assert_int_equal(edge("2026-03-29T02:30", false),
			 edge("2026-03-29T03:30+02:00", false));
	assert_int_equal(edge("2026-03-29T01:59", false),
			 edge("2026-03-29T00:59Z", false));
	assert_int_equal(edge("2026-03-29T03:00", false),
			 edge("2026-03-29T01:00Z", false));
}

/* The last year that can be written is whole. */
static void test_far(void **state)
{
	struct span_calendar c = at(0);
	struct span s;

	(void)state;
	assert_int_equal(span_year(&c, "9999", &s), 0);
	check(&s, "9999-01-01", "9999-12-31");
	assert_int_equal(span_month(&c, "9999-12", &s), 0);
	check(&s, "9999-12-01", "9999-12-31");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_periods), cmocka_unit_test(test_last),
		cmocka_unit_test(test_names),	cmocka_unit_test(test_ends),
		cmocka_unit_test(test_local),	cmocka_unit_test(test_far),
	};

	if (lg_zone_open("Europe/Berlin", &berlin))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
