#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/image.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "ledger/scan.h"

/* 2026-11-22T14:30:52.123Z, and the last moment of that month */
#define NOW INT64_C(1795357852123)
#define MONTH_END INT64_C(1796083199999)

static char state_dir[64];
static struct lg_ledger ledger;

static int setup(void **state)
{
	(void)state;
	strcpy(state_dir, "/tmp/lg_ledger_XXXXXX");
	assert_non_null(mkdtemp(state_dir));
	return lg_ledger_init(&ledger, state_dir, LG_DURABILITY_NONE);
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", state_dir);
	return system(cmd);
}

static struct lg_slice line_of(struct lg_row *r, char *buf)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, buf, LG_ROW_LINE_MAX);
	assert_int_equal(lg_row_format(r, &b), 0);
	return lg_buf_slice(&b);
}

static struct lg_slice new_line(int64_t cost, uint32_t flags, char *buf)
{
	static struct lg_row r;

	lg_row_init(&r);
	lg_row_new_id(NOW, r.id);
	r.ts_ms = NOW;
	r.cost_pusd = cost;
	r.flags = flags;
	strcpy(r.model, "gpt-4o");
	return line_of(&r, buf);
}

static void append(int64_t now_ms, struct lg_slice s)
{
	assert_int_equal(lg_ledger_append(&ledger, now_ms, s), 0);
}

static void raw_append(const char *name, const void *p, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/ledger/%s", state_dir, name);
	f = fopen(path, "a");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, len, f), len);
	fclose(f);
}

struct sum {
	int64_t cost;
	uint64_t rows;
	uint64_t stop_after;
};

static int add(void *ctx, const struct lg_row *r,
	       const struct lg_ledger_pos *after)
{
	struct sum *s = ctx;

	assert_true(after->offset > 0 && after->file[0]);
	s->cost += r->cost_pusd;
	s->rows++;
	return s->rows == s->stop_after ? 7 : 0;
}

static struct sum walk(struct lg_ledger_pos *pos, struct lg_ledger_stats *st)
{
	struct lg_ledger_pos from_start = {0};
	struct lg_ledger_stats own;
	struct sum s = {0};

	st = st ? st : &own;
	memset(st, 0, sizeof(*st));
	assert_int_equal(lg_ledger_walk(ledger.dir, pos ? pos : &from_start, 0,
					add, &s, st),
			 0);
	assert_true(st->rows == s.rows);
	return s;
}

static void test_append_and_walk(void **state)
{
	char buf[LG_ROW_LINE_MAX];
	struct lg_ledger_pos pos = {0};
	struct lg_ledger_stats st;
	struct stat sb;
	char path[512];
	struct sum s;
	int i;

	(void)state;
	for (i = 1; i <= 100; i++)
		append(NOW, new_line(i, 0, buf));
	s = walk(&pos, &st);
	assert_int_equal(s.cost, 5050);
	assert_int_equal(st.torn + st.duplicates, 0);
	snprintf(path, sizeof(path), "%s/2026-11.jsonl", ledger.dir);
	assert_int_equal(stat(path, &sb), 0);
	assert_int_equal(sb.st_mode & 07777, 0600);
	assert_int_equal(sb.st_size, (off_t)pos.offset);
	assert_string_equal(pos.file, "2026-11.jsonl");
	assert_int_equal(walk(&pos, NULL).rows, 0);
	append(NOW, new_line(3, 0, buf));
	assert_int_equal(walk(&pos, NULL).cost, 3);
}

static void test_rotation(void **state)
{
	char buf[LG_ROW_LINE_MAX];
	struct lg_ledger_pos pos = {0};
	struct lg_ledger_stats st = {0};
	struct sum s = {0};

	(void)state;
	append(MONTH_END, new_line(1, 0, buf));
	append(MONTH_END + 1, new_line(2, 0, buf));
	append(MONTH_END + INT64_C(40) * 86400000, new_line(4, 0, buf));
	raw_append("notes.txt", "x", 1);
	raw_append("2026-11.jsonl.bak", "x", 1);
	assert_int_equal(walk(&pos, NULL).cost, 7);
	assert_string_equal(pos.file, "2027-01.jsonl");
	memset(&pos, 0, sizeof(pos));
	assert_int_equal(
		lg_ledger_walk(ledger.dir, &pos, MONTH_END + 1, add, &s, &st),
		0);
	assert_int_equal(s.cost, 6);
	/* stopped by the callback, continued from there */
	memset(&pos, 0, sizeof(pos));
	s = (struct sum){.stop_after = 1};
	assert_int_equal(lg_ledger_walk(ledger.dir, &pos, 0, add, &s, &st), 7);
	assert_int_equal(walk(&pos, NULL).cost, 6);
}

static void test_duplicates(void **state)
{
	char a[LG_ROW_LINE_MAX], buf[LG_ROW_LINE_MAX];
	static struct lg_row r;
	struct lg_ledger_pos pos = {0};
	struct lg_ledger_stats st;
	struct lg_slice s, again;

	(void)state;
	s = new_line(5, 0, a);
	append(NOW, s);
	append(NOW, s);
	assert_int_equal(walk(NULL, &st).cost, 5);
	assert_int_equal(st.duplicates, 1);
	walk(&pos, NULL);
	/* recovered later, in another month: known from before pos */
	s.len--;
	assert_int_equal(lg_row_parse(s, &r), 0);
	r.flags |= LG_ROW_RECOVERED;
	again = line_of(&r, buf);
	append(MONTH_END + 1, new_line(1, 0, a));
	append(MONTH_END + 1, again);
	append(MONTH_END + 1, new_line(2, LG_ROW_RECOVERED, a));
	assert_int_equal(walk(&pos, &st).cost, 3);
	assert_int_equal(st.duplicates, 1);
	assert_int_equal(walk(NULL, &st).cost, 8);
}

/* A row cut at any byte, with rows before and after it on the same line. */
static void test_torn(void **state)
{
	char a[LG_ROW_LINE_MAX], b[LG_ROW_LINE_MAX], c[LG_ROW_LINE_MAX];
	struct lg_slice first, torn, last;
	struct lg_ledger_pos pos = {0};
	struct lg_ledger_stats st;
	int64_t want = 0;
	size_t cut;

	(void)state;
	torn = new_line(1000000, 0, b);
	for (cut = 1; cut + 1 < torn.len; cut++) {
		first = new_line(1, 0, a);
		last = new_line(2, 0, c);
		append(NOW, first);
		append(NOW, (struct lg_slice){torn.p, cut});
		append(NOW, last);
		want += 3;
		assert_int_equal(walk(&pos, &st).cost, 3);
		assert_int_equal(st.torn, 1);
	}
	/* all but the line's end: the row counts, once */
	append(NOW, (struct lg_slice){torn.p, torn.len - 1});
	append(NOW, new_line(2, 0, c));
	assert_int_equal(walk(&pos, &st).cost, 1000002);
	append(NOW, torn);
	assert_int_equal(walk(NULL, &st).cost, want + 1000002);
	assert_int_equal(st.duplicates, 1);
}

static void test_growing_line(void **state)
{
	char a[LG_ROW_LINE_MAX], b[LG_ROW_LINE_MAX];
	struct lg_ledger_pos pos = {0};
	struct lg_slice s = new_line(9, 0, b);
	struct lg_ledger_stats st;
	uint64_t before;

	(void)state;
	append(NOW, new_line(1, 0, a));
	append(NOW, (struct lg_slice){s.p, 100});
	assert_int_equal(walk(&pos, &st).cost, 1);
	before = pos.offset;
	assert_int_equal(walk(&pos, &st).rows, 0);
	assert_int_equal(pos.offset, before);
	append(NOW, (struct lg_slice){s.p + 100, s.len - 101});
	assert_int_equal(walk(&pos, &st).cost, 9);
	append(NOW, LG_SLICE("\n"));
	append(NOW, new_line(4, 0, a));
	assert_int_equal(walk(&pos, &st).cost, 4);
	assert_int_equal(st.torn, 0);
	assert_int_equal(walk(NULL, NULL).cost, 14);
}

static void fill(char *p, size_t n, int kind)
{
	static const char start[] = "{\"v\":1,";
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = kind == 0   ? 0
		       : kind == 1 ? 'x'
		       : kind == 2 ? start[i % 7]
				   : (char)(i * 2654435761u >> 13);
	for (i = 0; i < n; i++)
		if (p[i] == '\n')
			p[i] = ' ';
}

static void test_garbage(void **state)
{
	static const size_t sizes[] = {1,      8192,   262143,
				       262144, 262145, 3000000};
	char buf[LG_ROW_LINE_MAX];
	static char junk[3000000];
	struct lg_ledger_stats st;
	int64_t want = 0;
	size_t i;
	int kind;

	(void)state;
	for (kind = 0; kind < 4; kind++)
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			fill(junk, sizes[i], kind);
			raw_append("2026-11.jsonl", junk, sizes[i]);
			append(NOW, new_line(1, 0, buf));
			append(NOW, new_line(2, 0, buf));
			want += 3;
		}
	raw_append("2026-11.jsonl", "\n\n\n{}\nnull\n", 10);
	append(NOW, new_line(4, 0, buf));
	assert_int_equal(walk(NULL, &st).cost, want + 4);
	assert_int_equal(st.torn, 4 * 6 + 2);
}

static void test_stale(void **state)
{
	struct lg_ledger_pos pos = {"2026-11.jsonl", 1 << 20, 0};
	struct lg_ledger_pos bad = {"../../etc/pass", 0, 0};
	struct lg_ledger_pos none = {0};
	struct sum s = {0};
	char buf[LG_ROW_LINE_MAX];

	(void)state;
	append(NOW, new_line(1, 0, buf));
	assert_int_equal(lg_ledger_walk(ledger.dir, &pos, 0, add, &s, NULL),
			 -ESTALE);
	assert_int_equal(lg_ledger_walk(ledger.dir, &bad, 0, add, &s, NULL),
			 -EINVAL);
	assert_int_equal(
		lg_ledger_walk("/nonexistent", &none, 0, add, &s, NULL), 0);
}

/* A row that comes late into a month that was left behind. */
static void test_late_writer(void **state)
{
	char buf[LG_ROW_LINE_MAX];
	struct lg_ledger_pos pos = {0}, any;
	struct lg_ledger_stats st;
	struct sum s = {0};

	(void)state;
	append(NOW, new_line(1, 0, buf));
	append(NOW, (struct lg_slice){buf, 300});
	append(MONTH_END + 1, new_line(2, 0, buf));
	assert_int_equal(walk(&pos, &st).cost, 3);
	assert_int_equal(st.torn, 1);
	assert_string_equal(pos.file, "2026-12.jsonl");
	append(MONTH_END + 1, new_line(4, 0, buf));
	assert_int_equal(walk(&pos, NULL).cost, 4);
	append(NOW, new_line(8, 0, buf));
	any = pos;
	assert_int_equal(lg_ledger_walk(ledger.dir, &pos, 0, add, &s, &st),
			 -ESTALE);
	any.before = LG_LEDGER_ANY;
	append(MONTH_END + 1, new_line(16, 0, buf));
	assert_int_equal(walk(&any, NULL).cost, 16);
	memset(&pos, 0, sizeof(pos));
	assert_int_equal(walk(&pos, NULL).cost, 31);
	assert_int_equal(walk(&pos, NULL).cost, 0);
	/* since: months before it are not read, but known by their size */
	memset(&pos, 0, sizeof(pos));
	assert_int_equal(
		lg_ledger_walk(ledger.dir, &pos, MONTH_END + 1, add, &s, &st),
		0);
	assert_int_equal(s.cost, 22);
	assert_int_equal(walk(&pos, NULL).cost, 0);
}

static void test_limits(void **state)
{
	char buf[LG_ROW_LINE_MAX];
	struct lg_slice s = new_line(1, 0, buf);
	struct rlimit lim = {s.len + 10, RLIM_INFINITY};
	int status;

	(void)state;
	errno = 77;
	append(NOW, s);
	assert_int_equal(errno, 77);
	if (!fork()) {
		setrlimit(RLIMIT_FSIZE, &lim);
		_exit(lg_ledger_append(&ledger, NOW, s) != -EFBIG);
	}
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	assert_int_equal(errno, 77);
	assert_int_equal(walk(NULL, NULL).rows, 1);
}

/* A full device: the row must fail whole, the next one must be found. */
static void test_trouble(void **state)
{
	char buf[LG_ROW_LINE_MAX], path[512], aside[512];
	struct lg_slice s = new_line(1, 0, buf);
	struct lg_ledger l;
	char longdir[400];

	(void)state;
	snprintf(path, sizeof(path), "%s/2026-11.jsonl", ledger.dir);
	assert_int_equal(symlink("/dev/full", path), 0);
	assert_int_equal(lg_ledger_append(&ledger, NOW, s), -ELOOP);
	unlink(path);
	/* the folder was removed under us: made again */
	assert_int_equal(rmdir(ledger.dir), 0);
	append(NOW, s);
	assert_int_equal(walk(NULL, NULL).rows, 1);
	/* a plain file in the folder's place */
	snprintf(aside, sizeof(aside), "%s.old", ledger.dir);
	assert_int_equal(rename(ledger.dir, aside), 0);
	fclose(fopen(ledger.dir, "w"));
	assert_int_equal(lg_ledger_append(&ledger, NOW, s), -ENOTDIR);
	memset(longdir, 'x', sizeof(longdir));
	longdir[sizeof(longdir) - 1] = 0;
	assert_int_equal(lg_ledger_init(&l, longdir, 0), -ENAMETOOLONG);
	snprintf(aside, sizeof(aside), "%s/a/b/c", state_dir);
	assert_int_equal(lg_ledger_init(&l, aside, LG_DURABILITY_EACH), 0);
	assert_int_equal(lg_ledger_append(&l, NOW, s), 0);
}

/* Writers in parallel, each killed in mid-work: no row harms another. */
static void test_killed_writers(void **state)
{
	char buf[LG_ROW_LINE_MAX];
	struct lg_ledger_stats st;
	struct sum s;
	int i, k;

	(void)state;
	for (k = 0; k < 20; k++) {
		pid_t pid[4];

		for (i = 0; i < 4; i++) {
			pid[i] = fork();
			if (!pid[i])
				for (;;)
					append(NOW, new_line(1, 0, buf));
		}
		usleep(3000 + 500 * (unsigned)k);
		for (i = 0; i < 4; i++) {
			kill(pid[i], SIGKILL);
			waitpid(pid[i], NULL, 0);
		}
		append(NOW, new_line(1000000, 0, buf));
	}
	s = walk(NULL, &st);
	assert_int_equal(s.cost / 1000000, 20);
	assert_int_equal(st.duplicates, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_append_and_walk), T(test_rotation),
		T(test_duplicates),	 T(test_torn),
		T(test_growing_line),	 T(test_garbage),
		T(test_stale),		 T(test_late_writer),
		T(test_limits),		 T(test_trouble),
		T(test_killed_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
