/*
 * Windows tile all of 1970 to 2100: none is empty, each begins where the one
 * before it ends, tags grow, and every instant says the same of its window.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "budget/window.h"

#define DAY INT64_C(86400000)
#define LAST_MS INT64_C(4133980800000) /* 2101-01-01 */

static const char *const zones[] = {
	"UTC",
	"Africa/Casablanca",
	"Africa/Monrovia",
	"America/Havana",
	"America/New_York",
	"America/Nuuk",
	"America/Sao_Paulo",
	"America/St_Johns",
	"Antarctica/Troll",
	"Asia/Gaza",
	"Asia/Kathmandu",
	"Asia/Pyongyang",
	"Asia/Tokyo",
	"Australia/Lord_Howe",
	"Europe/Berlin",
	"Europe/Dublin",
	"Europe/London",
	"Pacific/Apia",
	"Pacific/Kiritimati",
	"Pacific/Kwajalein",
};

#define NZONES (sizeof(zones) / sizeof(zones[0]))

struct tiling {
	const char *name;
	struct lg_zone *z;
	enum lg_period period;
	unsigned week_start;
};

static void is_in(const struct tiling *t, const struct lg_window *w, int64_t at)
{
	struct lg_window same;

	lg_window_at(t->period, t->z, t->week_start, at, &same);
	if (same.tag != w->tag || same.start_ms != w->start_ms ||
	    same.end_ms != w->end_ms)
		fail_msg("%s %d: %lld is in %lld..%lld, not in %lld..%lld",
			 t->name, t->period, (long long)at,
			 (long long)same.start_ms, (long long)same.end_ms,
			 (long long)w->start_ms, (long long)w->end_ms);
}

static void tile(const struct tiling *t, int64_t from, int64_t to)
{
	static uint64_t seed = 1;
	struct lg_window w, next;

	lg_window_at(t->period, t->z, t->week_start, from, &w);
	if (w.start_ms > from || w.end_ms <= from)
		fail_msg("%s %d: %lld is not in its window", t->name, t->period,
			 (long long)from);
	while (w.end_ms < to) {
		uint64_t len = (uint64_t)(w.end_ms - w.start_ms);

		if (w.end_ms <= w.start_ms)
			fail_msg("%s %d: empty at %lld", t->name, t->period,
				 (long long)w.start_ms);
		seed = seed * UINT64_C(6364136223846793005) + 1;
		if (w.start_ms >= 0)
			is_in(t, &w, w.start_ms);
		is_in(t, &w, w.end_ms - 1);
		if (w.start_ms >= 0)
			is_in(t, &w,
			      w.start_ms + (int64_t)((seed >> 20) % len));
		lg_window_at(t->period, t->z, t->week_start, w.end_ms, &next);
		if (next.start_ms != w.end_ms || next.tag <= w.tag)
			fail_msg("%s %d: %lld (%u), then %lld (%u)", t->name,
				 t->period, (long long)w.end_ms, w.tag,
				 (long long)next.start_ms, next.tag);
		w = next;
	}
}

static unsigned each_zone(void (*fn)(struct tiling *))
{
	unsigned n = 0;

	for (size_t i = 0; i < NZONES; i++) {
		struct tiling t = {.name = zones[i]};

		if (lg_zone_open(zones[i], &t.z))
			continue;
		fn(&t);
		lg_zone_close(t.z);
		n++;
	}
	return n;
}

static void calendar(struct tiling *t)
{
	static const enum lg_period periods[] = {
		LG_PERIOD_DAILY, LG_PERIOD_MONTHLY, LG_PERIOD_YEARLY};

	for (size_t i = 0; i < 3; i++) {
		t->period = periods[i];
		tile(t, 0, LAST_MS);
	}
	t->period = LG_PERIOD_WEEKLY;
	for (t->week_start = 0; t->week_start < 7; t->week_start++)
		tile(t, 0, LAST_MS);
}

static void test_calendar(void **state)
{
	(void)state;
	if (!each_zone(calendar))
		skip();
}

/* Hours: around every change of the clock, and one year as a whole. */
static void hours(struct tiling *t)
{
	struct lg_zone_span s;
	int64_t at = 0;

	t->period = LG_PERIOD_HOURLY;
	for (; at < LAST_MS / 1000; at = s.end_s) {
		lg_zone_span(t->z, at, &s);
		if (s.end_s < LAST_MS / 1000 && s.end_s > 86400)
			tile(t, s.end_s * 1000 - DAY, s.end_s * 1000 + DAY);
		if (s.end_s == INT64_MAX)
			break;
	}
	tile(t, INT64_C(1577836800000), INT64_C(1609459200000));
}

static void test_hours(void **state)
{
	(void)state;
	if (!each_zone(hours))
		skip();
}

/* Days that never were there (Samoa, 2011-12-30). */
static unsigned skipped(const struct tiling *t, int64_t ms)
{
	return (unsigned)((lg_zone_offset(t->z, ms / 1000) -
			   lg_zone_offset(t->z, ms / 1000 - 1)) /
			  86400);
}

/* A week begins with its first day and ends with a day. */
static void week_starts(struct tiling *t)
{
	struct lg_window day, week;
	uint32_t first;

	for (t->week_start = 0; t->week_start < 7; t->week_start++)
		for (int64_t at = 30 * DAY; at < LAST_MS; at += 37 * DAY) {
			lg_window_at(LG_PERIOD_WEEKLY, t->z, t->week_start, at,
				     &week);
			lg_window_at(LG_PERIOD_DAILY, t->z, 0, week.start_ms,
				     &day);
			assert_int_equal(day.start_ms, week.start_ms);
			/* daily tags count days from 1970-01-01, a Thursday */
			first = day.tag - 8 + 3;
			if (first % 7 != t->week_start &&
			    (first - skipped(t, week.start_ms)) % 7 !=
				    t->week_start)
				fail_msg("%s: a week from %lld, day %u",
					 t->name, (long long)week.start_ms,
					 day.tag);
			lg_window_at(LG_PERIOD_DAILY, t->z, 0, week.end_ms - 1,
				     &day);
			assert_int_equal(day.end_ms, week.end_ms);
		}
}

static void test_week_starts(void **state)
{
	(void)state;
	if (!each_zone(week_starts))
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_hours),
		cmocka_unit_test(test_week_starts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
