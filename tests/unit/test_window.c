#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "budget/window.h"

#define HOUR INT64_C(3600000)

static int64_t utc(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm));
	return (int64_t)timegm(&tm) * 1000;
}

struct example {
	const char *zone;
	enum lg_period period;
	unsigned week_start;
	const char *at, *start, *end;
};

static const struct example examples[] = {
	/* a day of 23 hours, one of 25 */
	{"Europe/Berlin", LG_PERIOD_DAILY, 0, "2026-03-29T10:00:00Z",
	 "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
	{"Europe/Berlin", LG_PERIOD_DAILY, 0, "2026-10-25T10:00:00Z",
	 "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
	{"America/New_York", LG_PERIOD_DAILY, 0, "2026-11-01T12:00:00Z",
	 "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
	/* 02:00-03:00 comes twice: two windows; the skipped hour: none */
	{"Europe/Berlin", LG_PERIOD_HOURLY, 0, "2026-10-25T00:30:00Z",
	 "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
	{"Europe/Berlin", LG_PERIOD_HOURLY, 0, "2026-10-25T01:30:00Z",
	 "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"},
	{"Europe/Berlin", LG_PERIOD_HOURLY, 0, "2026-03-29T01:00:00Z",
	 "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"},
	{"Asia/Kathmandu", LG_PERIOD_HOURLY, 0, "2026-05-01T10:20:00Z",
	 "2026-05-01T10:15:00Z", "2026-05-01T11:15:00Z"},
	/* half an hour back at 02:00: 01:30 begins anew */
	{"Australia/Lord_Howe", LG_PERIOD_HOURLY, 0, "2026-04-04T15:10:00Z",
	 "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"},
	/* midnight is skipped; midnight comes twice */
	{"America/Sao_Paulo", LG_PERIOD_DAILY, 0, "2018-11-04T12:00:00Z",
	 "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
	{"America/Havana", LG_PERIOD_DAILY, 0, "2024-11-03T05:30:00Z",
	 "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"},
	/* 2011-12-30 never was in Samoa */
	{"Pacific/Apia", LG_PERIOD_DAILY, 0, "2011-12-30T10:00:00Z",
	 "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
	/* leap day, year's end, weeks */
	{"UTC", LG_PERIOD_DAILY, 0, "2028-02-29T23:59:59Z",
	 "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"},
	{"UTC", LG_PERIOD_MONTHLY, 0, "2028-02-29T23:59:59Z",
	 "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
	{"Europe/Berlin", LG_PERIOD_YEARLY, 0, "2026-12-31T22:59:59Z",
	 "2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z"},
	{"Europe/Berlin", LG_PERIOD_YEARLY, 0, "2026-12-31T23:00:00Z",
	 "2026-12-31T23:00:00Z", "2027-12-31T23:00:00Z"},
	{"Asia/Tokyo", LG_PERIOD_MONTHLY, 0, "2026-12-31T15:00:00Z",
	 "2026-12-31T15:00:00Z", "2027-01-31T15:00:00Z"},
	{"UTC", LG_PERIOD_WEEKLY, 0, "2027-01-01T00:00:00Z",
	 "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"},
	{"UTC", LG_PERIOD_WEEKLY, 6, "2027-01-01T00:00:00Z",
	 "2026-12-27T00:00:00Z", "2027-01-03T00:00:00Z"},
	{"UTC", LG_PERIOD_WEEKLY, 6, "2026-11-22T00:00:00Z",
	 "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"},
	{"UTC", LG_PERIOD_WEEKLY, 0, "2026-11-22T23:59:59Z",
	 "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
};

static void test_examples(void **state)
{
	struct lg_window w;
	struct lg_zone *z;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		const struct example *e = &examples[i];

		if (lg_zone_open(e->zone, &z))
			continue;
		lg_window_at(e->period, z, e->week_start, utc(e->at), &w);
		if (w.start_ms != utc(e->start) || w.end_ms != utc(e->end))
			fail_msg("%s %s: %lld..%lld, wanted %lld..%lld",
				 e->zone, e->at, (long long)w.start_ms,
				 (long long)w.end_ms, (long long)utc(e->start),
				 (long long)utc(e->end));
		lg_zone_close(z);
	}
}

/* Windows tile time: no gap, no overlap, tags grow, every instant is in one. */
static void tile(const char *name, enum lg_period p, unsigned week_start,
		 int64_t from, int64_t to)
{
	struct lg_window a, b, mid;
	struct lg_zone *z;
	int64_t t;

	if (lg_zone_open(name, &z))
		return;
	lg_window_at(p, z, week_start, from, &a);
	while (a.end_ms < to) {
		if (a.start_ms >= a.end_ms)
			fail_msg("%s: empty at %lld", name,
				 (long long)a.start_ms);
		assert_true(a.tag > 1);
		lg_window_at(p, z, week_start, a.end_ms, &b);
		if (b.start_ms != a.end_ms)
			fail_msg("%s %d: %lld then %lld", name, p,
				 (long long)a.end_ms, (long long)b.start_ms);
		assert_true(b.tag > a.tag);
		for (t = a.start_ms; t < a.end_ms;
		     t += (a.end_ms - a.start_ms) / 7 + 1) {
			lg_window_at(p, z, week_start, t, &mid);
			assert_int_equal(mid.tag, a.tag);
			assert_int_equal(mid.start_ms, a.start_ms);
			assert_int_equal(mid.end_ms, a.end_ms);
		}
		lg_window_at(p, z, week_start, a.end_ms - 1, &mid);
		assert_int_equal(mid.tag, a.tag);
		a = b;
	}
	lg_zone_close(z);
}

static void test_tiling(void **state)
{
	static const char *const zones[] = {
		"UTC",
		"Europe/Berlin",
		"America/St_Johns",
		"America/Havana",
		"America/Sao_Paulo",
		"Australia/Lord_Howe",
		"Pacific/Apia",
		"Asia/Gaza",
		"Africa/Casablanca",
		"America/Nuuk",
		"Pacific/Kwajalein",
		"Antarctica/Troll",
		"Asia/Kathmandu",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		tile(zones[i], LG_PERIOD_HOURLY, 0, utc("2025-12-30T00:00:00Z"),
		     utc("2027-01-03T00:00:00Z"));
		tile(zones[i], LG_PERIOD_HOURLY, 0, utc("2011-01-01T00:00:00Z"),
		     utc("2012-02-03T00:00:00Z"));
		tile(zones[i], LG_PERIOD_DAILY, 0, utc("1987-01-01T00:00:00Z"),
		     utc("2040-01-01T00:00:00Z"));
		tile(zones[i], LG_PERIOD_WEEKLY, (unsigned)i % 7,
		     utc("1990-01-01T00:00:00Z"), utc("2040-01-01T00:00:00Z"));
		tile(zones[i], LG_PERIOD_MONTHLY, 0,
		     utc("1990-01-01T00:00:00Z"), utc("2090-01-01T00:00:00Z"));
		tile(zones[i], LG_PERIOD_YEARLY, 0, utc("1990-01-01T00:00:00Z"),
		     utc("2300-01-01T00:00:00Z"));
	}
}

static void test_extremes(void **state)
{
	static const int64_t at[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
	struct lg_window w, later;
	struct lg_zone *z;
	size_t i;
	int p;

	(void)state;
	assert_int_equal(lg_zone_open("UTC", &z), 0);
	for (p = LG_PERIOD_RUN; p <= LG_PERIOD_TOTAL; p++)
		for (i = 0; i < 5; i++) {
			lg_window_at((enum lg_period)p, z, 6, at[i], &w);
			assert_true(w.tag > 0 && w.start_ms < w.end_ms);
		}
	lg_window_at(LG_PERIOD_TOTAL, z, 0, 5, &w);
	assert_true(w.tag == 1 && w.start_ms == INT64_MIN &&
		    w.end_ms == INT64_MAX);
	lg_window_at(LG_PERIOD_HOURLY, z, 0, utc("2026-01-01T00:00:00Z"), &w);
	lg_window_at(LG_PERIOD_HOURLY, z, 0, INT64_MAX, &later);
	assert_true(later.tag > w.tag);
	lg_zone_close(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_tiling),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
