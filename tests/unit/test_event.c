/* Events: told once, whole lines, kept in the ring while no file takes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/resource.h>
#include <signal.h>

#include "base/clock.h"
#include "base/money.h"
#include "budget/events.h"
#include "flow_rig.h"
#include "guard/event.h"
#include "guard/event_file.h"
#include "guard/forecast.h"

#define DAY INT64_C(86400000)

static unsigned lines_of(struct rig *r, const char *name, const char *with)
{
	char path[200], line[1024];
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", r->state, name);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		json_t *j = json_loads(line, 0, NULL);

		n += j && (!with || strstr(line, with));
		json_decref(j);
	}
	if (f)
		fclose(f);
	return n;
}

static struct lg_event plain(uint64_t id, const char *message)
{
	struct lg_event ev;

	lg_event_init(&ev, LG_EVENT_FORECAST, LG_EVENT_WARNING);
	ev.id = id;
	ev.message = message;
	return ev;
}

static void test_once(void **state)
{
	uint64_t once[16] = {0};

	(void)state;
	for (uint64_t k = 1; k < 8; k++) {
		assert_true(lg_events_first_of(once, 16, k << 20, 0));
		assert_false(lg_events_first_of(once, 16, k << 20, DAY));
	}
	/* full: the oldest makes room, the others stay */
	memset(once, 0, sizeof(once));
	for (uint64_t k = 1; k <= 8; k++)
		assert_true(lg_events_first_of(once, 8, k << 20,
					       (int64_t)k * 3600000));
	assert_true(lg_events_first_of(once, 8, 99 << 20, 20 * 3600000));
	assert_false(lg_events_first_of(once, 8, 2 << 20, 21 * 3600000));
	assert_true(lg_events_first_of(once, 8, 1 << 20, 22 * 3600000));
}

struct racer {
	uint64_t *once;
	unsigned won;
};

static void *race(void *p)
{
	struct racer *r = p;

	for (uint64_t k = 1; k <= 40; k++)
		r->won += lg_events_first_of(
			r->once, 248, k * UINT64_C(0x9e3779b97f4a7c15), 0);
	return NULL;
}

static void test_one_winner(void **state)
{
	uint64_t once[248] = {0};
	struct racer r[8];
	pthread_t id[8];
	unsigned won = 0;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		r[i] = (struct racer){.once = once};
		pthread_create(&id[i], NULL, race, &r[i]);
	}
	for (unsigned i = 0; i < 8; i++) {
		pthread_join(id[i], NULL);
		won += r[i].won;
	}
	assert_int_equal(won, 40);
}

static void test_ring(void **state)
{
	struct lg_event_view v;
	struct lg_region *reg;
	unsigned n = 0;
	char long_line[700];
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	reg = lg_engine_region(r.e);
	memset(long_line, 'x', sizeof(long_line));
	for (unsigned i = 0; i < 40; i++) {
		uint64_t number =
			lg_events_put(reg, i + 1, long_line, i * 17, 5000);

		if (i % 2)
			lg_events_saved(reg, number);
	}
	for (unsigned i = 0; i < 100; i++)
		if (!lg_events_view(reg, i, &v)) {
			n++;
			assert_true(v.id > 24);
			assert_int_equal(v.saved, !(v.id % 2));
			assert_int_equal(v.len, v.id * 17 - 17 > 616
							? 616
							: v.id * 17 - 17);
			assert_true(strlen(v.line) == v.len);
		}
	assert_int_equal(n, 16);
	assert_int_equal(lg_events_lost(reg), 12);
	/* whatever lies there, it is read within bounds */
	memset(&reg->map->events, 0xff, sizeof(reg->map->events));
	for (unsigned i = 0; i < 16; i++)
		lg_events_view(reg, i, &v);
	assert_false(lg_events_first(reg, 1, 0) && lg_events_first(reg, 1, 0));
	rig_stop(&r);
}

static void test_line_is_whole(void **state)
{
	char text[2000], name[300];
	struct lg_row row;
	struct lg_event ev;
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (unsigned n = 0; n < 1900; n += 61) {
		memset(text, n % 3 ? '"' : '\xff', n);
		text[n] = 0;
		memset(name, '\\', sizeof(name));
		lg_row_init(&row);
		strcpy(row.model, "m");
		memset(row.user, '\n', 95);
		ev = plain(n + 1, text);
		ev.budget = (struct lg_slice){name, n % 300};
		ev.row = &row;
		lg_event_tell(r.e, lg_engine_region(r.e), &ev);
	}
	assert_int_equal(lines_of(&r, LG_EVENT_FILE, NULL), 32);
	rig_stop(&r);
}

static void test_told_before(void **state)
{
	struct lg_event ev = plain(77, "x");
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	ev.since_ms = lg_clock_real_ms() - DAY;
	lg_event_tell(r.e, lg_engine_region(r.e), &ev);
	lg_event_tell(r.e, lg_engine_region(r.e), &ev);
	assert_int_equal(lines_of(&r, LG_EVENT_FILE, NULL), 1);
	unlink(r.region);
	rig_open(&r);
	lg_event_tell_once(r.e, lg_engine_region(r.e), &ev);
	assert_int_equal(lines_of(&r, LG_EVENT_FILE, NULL), 1);
	rig_stop(&r);
}

static void test_no_room(void **state)
{
	struct rlimit lim, small;
	struct lg_event ev = plain(5, "kept");
	struct lg_event_view v;
	struct lg_region *reg;
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	reg = lg_engine_region(r.e);
	getrlimit(RLIMIT_FSIZE, &lim);
	small = lim;
	small.rlim_cur = 10;
	setrlimit(RLIMIT_FSIZE, &small);
	lg_event_tell(r.e, reg, &ev); /* no SIGXFSZ */
	setrlimit(RLIMIT_FSIZE, &lim);
	assert_int_equal(lines_of(&r, LG_EVENT_FILE, NULL), 0);
	assert_int_equal(lg_event_flush(r.e, reg), 0); /* not at once */
	lg_clock_set_real_ms(lg_clock_real_ms() + 5000);
	assert_int_equal(lg_event_flush(r.e, reg), 1);
	assert_int_equal(lg_event_flush(r.e, reg), 0);
	lg_clock_set_real_ms(0);
	assert_int_equal(lines_of(&r, LG_EVENT_FILE, "kept"), 1);
	assert_false(lg_events_view(reg, 1, &v));
	assert_true(v.saved);
	rig_stop(&r);
}

static void test_torn_and_full(void **state)
{
	struct lg_event ev;
	char path[200];
	struct stat st;
	struct rig r;
	FILE *f;

	(void)state;
	rig_start(&r, NULL);
	snprintf(path, sizeof(path), "%s%s", r.state, LG_EVENT_FILE);
	f = fopen(path, "w");
	fputs("{\"v\":1,\"id\":\"to", f);
	fclose(f);
	ev = plain(1, "whole");
	lg_event_tell(r.e, NULL, &ev);
	assert_int_equal(lines_of(&r, LG_EVENT_FILE, "whole"), 1);
	assert_int_equal(truncate(path, LG_EVENT_FILE_MAX - 10), 0);
	ev = plain(2, "next");
	lg_event_tell(r.e, NULL, &ev);
	ev = plain(3, "next");
	lg_event_tell(r.e, NULL, &ev);
	assert_int_equal(lines_of(&r, LG_EVENT_FILE, "next"), 2);
	assert_false(stat(path, &st));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(lg_event_file_has(r.state, 1));
	assert_true(lg_event_file_has(r.state, 3));
	assert_false(lg_event_file_has(r.state, 0x33));
	rig_stop(&r);
}

static void test_forecast(void **state)
{
	int64_t at = 0;

	(void)state;
	assert_true(lg_forecast(0, 30 * DAY, 10 * DAY, 50, 100, &at));
	assert_int_equal(at, 20 * DAY);
	assert_false(lg_forecast(0, 30 * DAY, 10 * DAY, 33, 100, &at));
	assert_false(lg_forecast(0, 30 * DAY, 2 * DAY, 50, 100, &at));
	assert_false(lg_forecast(0, 30 * DAY, 10 * DAY, 100, 100, &at));
	assert_false(lg_forecast(0, 30 * DAY, 10 * DAY, 0, 0, &at));
	assert_false(lg_forecast(0, 30 * DAY, 31 * DAY, 50, 100, &at));
	assert_false(lg_forecast(INT64_MIN, INT64_MAX, DAY, 50, 100, &at));
	assert_true(lg_forecast(0, 400 * DAY, 300 * DAY, LG_MONEY_LIMIT_MAX - 1,
				LG_MONEY_LIMIT_MAX, &at));
	assert_true(at >= 300 * DAY && at < 301 * DAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_one_winner),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_line_is_whole),
		cmocka_unit_test(test_told_before),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_torn_and_full),
		cmocka_unit_test(test_forecast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
