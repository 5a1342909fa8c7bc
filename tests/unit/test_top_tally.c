#include "tests/unit/top_rig.h"

/* -- figures ----------------------------------------------------------------
 */

static void test_rate(void **state)
{
	struct top_rate r = {0};

	(void)state;
	assert_int_equal(top_rate_hour(&r, NOW), 0);
	top_rate_add(&r, NOW, CENT);
	/* a minute at least */
	assert_int_equal(top_rate_hour(&r, NOW), 60 * CENT);
	assert_true(top_rate_hour(&r, NOW + 120000) < 30 * CENT);
	assert_int_equal(top_rate_hour(&r, NOW + 400000), 0);
	/* the same bucket, later: the old sum is gone */
	top_rate_add(&r, NOW + TOP_BUCKETS * TOP_BUCKET_MS, 2 * CENT);
	assert_int_equal(top_rate_hour(&r, NOW + TOP_BUCKETS * TOP_BUCKET_MS),
			 120 * CENT);
	/* an old row, one of the future, one that is nonsense */
	top_rate_add(&r, NOW, CENT);
	top_rate_add(&r, INT64_MIN, CENT);
	top_rate_add(&r, INT64_MAX, INT64_MAX);
	assert_true(top_rate_hour(&r, NOW) >= 0);
	top_rate_add(&r, NOW + 600000, INT64_MAX);
	top_rate_add(&r, NOW + 600000, INT64_MAX);
	assert_int_equal(top_rate_hour(&r, NOW + 600000), INT64_MAX);
}

static void test_tally(void **state)
{
	const struct top_rate *rate;
	struct top_model m;
	struct lg_row r;

	(void)state;
	make_model(&m, "m", 90);
	assert_int_equal(tally.calls, 90);
	assert_int_equal(tally.blocked, 22);
	assert_int_equal(tally.cost_pusd, 68 * CENT);
	assert_int_equal(tally.processes.n, 3);
	assert_int_equal(tally.models.n, 1);
	rate = top_tally_budget(&tally, "month", "");
	assert_non_null(rate);
	assert_true(top_rate_hour(rate, NOW) > 0);
	assert_ptr_not_equal(top_tally_budget(&tally, "each", "red"), NULL);
	assert_null(top_tally_budget(&tally, "each", "blue"));
	assert_int_equal(top_ring_nth(&tally.recent, 0)->ts_ms, NOW - 1000);
	assert_null(top_ring_nth(&tally.recent, 90));
	/* a correction, a row of yesterday, an audit row */
	make_row(&r, 1, "m");
	r.kind = LG_ROW_ADJUST;
	r.cost_pusd = -8 * CENT;
	r.input_tokens = lg_row_delta(-5);
	top_tally_add(&tally, &r);
	assert_int_equal(tally.cost_pusd, 60 * CENT);
	assert_int_equal(tally.calls, 90);
	make_row(&r, 1, "m");
	r.ts_ms = tally.since_ms - 1;
	top_tally_add(&tally, &r);
	assert_int_equal(tally.calls, 90);
	r.kind = LG_ROW_AUDIT;
	top_tally_add(&tally, &r);
	/* a clock that is ahead: paid, but no rate from then on */
	make_row(&r, -3600, "m");
	top_tally_add(&tally, &r);
	make_row(&r, 0, "m");
	top_tally_add(&tally, &r);
	assert_int_equal(tally.calls, 92);
	assert_true(top_rate_hour(&tally.rate, NOW) > 0);
	assert_true(top_rate_hour(&tally.rate, NOW) < 60 * 90 * CENT);
	/* the ring goes round */
	for (unsigned i = 0; i < 2 * TOP_CALLS_KEPT; i++) {
		make_row(&r, 5, "m");
		snprintf(r.id, sizeof(r.id), "%026u", i);
		top_tally_add(&tally, &r);
	}
	assert_non_null(top_ring_nth(&tally.recent, TOP_CALLS_KEPT - 1));
	assert_null(top_ring_nth(&tally.recent, TOP_CALLS_KEPT));
	free_model(&m);
}

/* Names from the network do not fill the memory. */
static void test_many(void **state)
{
	struct top_model m;
	struct lg_row r;
	char name[64];

	(void)state;
	make_model(&m, "m", 1);
	for (int i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), "model-%d", i);
		make_row(&r, 1, name);
		r.pid = 1000 + i;
		strcpy(r.conversation, name);
		assert_int_equal(top_tally_add(&tally, &r), 0);
	}
	assert_true(tally.processes.n <= 20001 && tally.models.n <= 20001 &&
		    tally.budgets.n <= 20001);
	assert_int_equal(tally.calls, 30001);
	assert_int_equal(top_rows_fill(&m), 0);
	assert_true(m.rows[TOP_PROCESSES].n <= 1000);
	free_model(&m);
}

static void append(const char *dir, int n, bool torn)
{
	char path[300], file[LG_MONTH_NAME], line[LG_ROW_LINE_MAX];
	struct lg_row r;
	struct lg_buf b;
	FILE *f;

	make_row(&r, n, "m");
	lg_buf_init_fixed(&b, line, sizeof(line));
	assert_int_equal(lg_row_format(&r, &b), 0);
	lg_month_name(NOW, file);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "ae");
	assert_non_null(f);
	fwrite(b.p, 1, torn ? b.len / 2 : b.len, f);
	fclose(f);
}

static void test_ledger(void **state)
{
	char dir[] = "/tmp/llmguard-top-XXXXXX", path[300], file[LG_MONTH_NAME];
	struct top_tally t;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(top_tally_init(&t, dir), 0);
	assert_int_equal(top_tally_read(&t, NOW - 90000, NOW), 0);
	append(dir, 3, false);
	append(dir, 2, false);
	assert_int_equal(top_tally_read(&t, NOW - 90000, NOW), 0);
	assert_int_equal(t.calls, 2);
	append(dir, 1, true); /* still being written */
	assert_int_equal(top_tally_read(&t, NOW - 90000, NOW), 0);
	assert_int_equal(t.calls, 2);
	append(dir, 1, false); /* torn: the line after it counts */
	append(dir, 4, false);
	assert_int_equal(top_tally_read(&t, NOW - 90000, NOW), 0);
	assert_true(t.calls >= 3);
	/* the next day begins with nothing; the last calls stay */
	assert_int_equal(top_tally_read(&t, NOW + 1, NOW + 2), 0);
	assert_int_equal(t.calls, 0);
	assert_int_equal(t.cost_pusd, 0);
	assert_non_null(top_ring_nth(&t.recent, 0));
	/* cut off, and gone */
	lg_month_name(NOW, file);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	assert_int_equal(truncate(path, 10), 0);
	assert_int_equal(top_tally_read(&t, NOW + 1, NOW + 2), 0);
	unlink(path);
	assert_int_equal(top_tally_read(&t, NOW + 1, NOW + 2), 0);
	rmdir(dir);
	assert_int_equal(top_tally_read(&t, NOW + 1, NOW + 2), 0);
	top_tally_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_tally),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
