/* Rows looked for from the ledger's end. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/find.h"
#include "ledger/ledger.h"

#define NOV INT64_C(1795357852123)
#define DAY INT64_C(86400000)

static char dir[64];
static char line[LG_ROW_LINE_MAX];

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/lg-find-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *month, const char *p, size_t len)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, month);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_int_equal(write(fd, p, len), len);
	close(fd);
}

static size_t format(int64_t at, const char *id, uint64_t n)
{
	static struct lg_row r;
	struct lg_buf b;

	lg_row_init(&r);
	lg_row_new_id(at, r.id);
	r.ts_ms = r.end_ms = at;
	r.input_tokens = n;
	snprintf(r.response_id, sizeof(r.response_id), "%s", id);
	lg_buf_init_fixed(&b, line, sizeof(line));
	assert_int_equal(lg_row_format(&r, &b), 0);
	return b.len;
}

static void add(const char *month, int64_t at, const char *id, uint64_t n)
{
	put(month, line, format(at, id, n));
}

struct seen {
	uint64_t n[300];
	unsigned count, stop_at;
};

static int see(void *ctx, const struct lg_row *row)
{
	struct seen *s = ctx;

	s->n[s->count++] = row->input_tokens;
	return s->count == s->stop_at ? -ECANCELED : 0;
}

static int find(struct seen *s, const char *id, int64_t since, uint64_t max)
{
	s->count = 0;
	return lg_ledger_find(dir, lg_slice_str(id), since, max, see, s);
}

static void test_newest_first(void **state)
{
	struct seen s = {.stop_at = 0};

	(void)state;
	add("2026-10.jsonl", NOV - 30 * DAY, "resp_1", 1);
	add("2026-10.jsonl", NOV - 30 * DAY, "resp_2", 2);
	add("2026-11.jsonl", NOV, "resp_1", 3);
	add("2026-11.jsonl", NOV, "resp_2", 4);
	add("2026-11.jsonl", NOV, "resp_1", 5);
	put("notes.txt", "resp_1\n", 7);
	assert_int_equal(find(&s, "resp_1", 0, LG_FIND_BYTES_MAX), 0);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.n[0], 5);
	assert_int_equal(s.n[1], 3);
	assert_int_equal(s.n[2], 1);
	s.stop_at = 2;
	assert_int_equal(find(&s, "resp_1", 0, LG_FIND_BYTES_MAX), -ECANCELED);
	assert_int_equal(s.count, 2);
	s.stop_at = 0;
	assert_int_equal(find(&s, "resp_3", 0, LG_FIND_BYTES_MAX), 0);
	assert_int_equal(s.count, 0);
	assert_int_equal(find(&s, "", 0, LG_FIND_BYTES_MAX), -EINVAL);
}

static void test_nowhere(void **state)
{
	struct seen s = {.stop_at = 0};

	(void)state;
	assert_int_equal(find(&s, "resp_1", 0, LG_FIND_BYTES_MAX), 0);
	assert_int_equal(
		lg_ledger_find("/nonexistent/x", LG_SLICE("a"), 0, 1, see, &s),
		0);
	put("2026-11.jsonl", "", 0);
	assert_int_equal(find(&s, "resp_1", 0, LG_FIND_BYTES_MAX), 0);
}

/* Torn rows, half lines, garbage without an end, and needles in all of it. */
static void test_damage(void **state)
{
	struct seen s = {.stop_at = 0};
	char *junk = calloc(1, 3 << 20);
	size_t n;

	(void)state;
	add("2026-11.jsonl", NOV, "resp_1", 1);
	memset(junk, 'x', 3 << 20);
	memcpy(junk + (2 << 20), "resp_1", 6);
	put("2026-11.jsonl", junk, 3 << 20);
	put("2026-11.jsonl", "\n", 1);
	n = format(NOV, "resp_1", 2);
	put("2026-11.jsonl", line, n / 2); /* torn, the next one follows */
	add("2026-11.jsonl", NOV, "resp_1", 3);
	n = format(NOV, "resp_1", 4);
	line[n / 2] ^= 1;
	put("2026-11.jsonl", line, n);
	n = format(NOV, "resp_1", 5);
	put("2026-11.jsonl", line, n - 1); /* whole, its line's end to come */
	assert_int_equal(find(&s, "resp_1", 0, LG_FIND_BYTES_MAX), 0);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.n[0], 5);
	assert_int_equal(s.n[1], 3);
	assert_int_equal(s.n[2], 1);
	free(junk);
}

/* Over the edges of blocks, many hits in one, all of them in order. */
static void test_blocks(void **state)
{
	struct seen s = {.stop_at = 0};
	unsigned i, hits = 0;

	(void)state;
	for (i = 0; i < 4000; i++)
		add("2026-11.jsonl", NOV, i % 20 ? "resp_other" : "resp_x", i);
	for (i = 0; i < 100; i++)
		add("2026-11.jsonl", NOV, "resp_x", 10000 + i);
	assert_int_equal(find(&s, "resp_x", 0, LG_FIND_BYTES_MAX), 0);
	assert_int_equal(s.count, 300);
	for (i = 0; i < 100; i++)
		assert_int_equal(s.n[i], 10099 - i);
	for (i = 4000; i-- > 0;)
		if (i % 20 == 0)
			assert_int_equal(s.n[100 + hits++], i);
}

static void test_bounds(void **state)
{
	struct seen s = {.stop_at = 0};
	unsigned i;

	(void)state;
	add("2026-10.jsonl", NOV - 30 * DAY, "resp_x", 1);
	for (i = 0; i < 3000; i++)
		add("2026-10.jsonl", NOV - 30 * DAY, "resp_other", i);
	for (i = 0; i < 10; i++)
		add("2026-11.jsonl", NOV, "resp_other", i);
	assert_int_equal(find(&s, "resp_x", 0, LG_FIND_BYTES_MAX), 0);
	assert_int_equal(s.count, 1);
	/* written long before it can have been */
	assert_int_equal(find(&s, "resp_x", NOV - DAY, LG_FIND_BYTES_MAX),
			 LG_FIND_PAST);
	assert_int_equal(s.count, 0);
	assert_int_equal(find(&s, "resp_x", NOV - 31 * DAY, LG_FIND_BYTES_MAX),
			 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(find(&s, "resp_x", 0, 2 << 20), LG_FIND_FAR);
	assert_int_equal(s.count, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_newest_first), TEST(test_nowhere), TEST(test_damage),
		TEST(test_blocks),	 TEST(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
