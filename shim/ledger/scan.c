#include "ledger/scan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ledger/field.h"
#include "ledger/pack.h"

#define BUFFER ((size_t)256 << 10)
/* How far back from a line's end rows are looked for. */
#define LOOK_BACK ((size_t)4 * LG_ROW_LINE_MAX)
#define MARKS_MAX 16

struct scan {
	char *buf;
	size_t len;
	uint64_t base; /* offset of buf[0] in the file */
	lg_scan_fn *fn;
	void *ctx;
	struct lg_ledger_stats *stats;
};

/* Where rows may begin in a damaged line; the last ones count. */
static unsigned find_marks(struct lg_slice line, size_t *marks)
{
	const char *p = line.p, *end = line.p + line.len, *hit;
	unsigned n = 0;

	while ((hit = memmem(p, (size_t)(end - p), LG_ROW_START,
			     sizeof(LG_ROW_START) - 1))) {
		if (n == MARKS_MAX) {
			memmove(marks, marks + 1, (n - 1) * sizeof(*marks));
			n--;
		}
		marks[n++] = (size_t)(hit - line.p);
		p = hit + 1;
	}
	return n;
}

static int damaged_line(struct scan *s, struct lg_slice line, size_t at)
{
	size_t marks[MARKS_MAX + 1];
	struct lg_slice row;
	unsigned i, k, n;
	int err;

	if (line.len > LOOK_BACK) {
		at += line.len - LOOK_BACK;
		line.p += line.len - LOOK_BACK;
		line.len = LOOK_BACK;
	}
	n = find_marks(line, marks);
	marks[n] = line.len;
	for (i = 0; i < n; i = k) {
		for (k = i + 1; k <= n; k++) {
			row.p = line.p + marks[i];
			row.len = marks[k] - marks[i];
			if (lg_row_check(row))
				break;
		}
		if (k > n) {
			k = i + 1;
			continue;
		}
		err = s->fn(s->ctx, row, s->base + at + marks[k]);
		if (err)
			return err;
	}
	return 0;
}

/* line: without its '\n'; at: its place in the buffer. */
static int whole_line(struct scan *s, struct lg_slice line, size_t at)
{
	if (!line.len)
		return 0;
	if (lg_row_check(line))
		return s->fn(s->ctx, line, s->base + at + line.len + 1);
	s->stats->torn++;
	return damaged_line(s, line, at);
}

static void drop(struct scan *s, size_t n)
{
	memmove(s->buf, s->buf + n, s->len - n);
	s->len -= n;
	s->base += n;
}

static int take_lines(struct scan *s, uint64_t *offset)
{
	size_t at = 0;
	char *nl;
	int err = 0;

	while (!err && at < s->len &&
	       (nl = memchr(s->buf + at, '\n', s->len - at))) {
		size_t n = (size_t)(nl - s->buf) - at;

		err = whole_line(s, (struct lg_slice){s->buf + at, n}, at);
		at += n + 1;
	}
	*offset = s->base + at;
	drop(s, at);
	if (s->len == BUFFER)
		drop(s, BUFFER - LOOK_BACK);
	return err;
}

/* All but the '\n' of a last row may have been written. */
static int last_piece(struct scan *s, bool closed, uint64_t *offset)
{
	struct lg_slice row = {s->buf, s->len};

	if (closed) {
		*offset = s->base + s->len;
		return whole_line(s, row, 0);
	}
	if (*offset != s->base || !lg_row_check(row))
		return 0;
	*offset += s->len;
	return s->fn(s->ctx, row, *offset);
}

/* -- where the bytes come from ----------------------------------------------
 */

/* Plain files are read at a place, packed ones from front to back. */
static ssize_t read_more(int fd, struct lg_pack *pack, char *buf, size_t n,
			 uint64_t at)
{
	ssize_t got;

	if (pack)
		return lg_pack_read(pack, buf, n);
	do
		got = pread(fd, buf, n, (off_t)at);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static int skip(struct lg_pack *pack, char *buf, uint64_t n)
{
	ssize_t got = 1;

	while (n && got > 0) {
		got = lg_pack_read(pack, buf, n < BUFFER ? (size_t)n : BUFFER);
		if (got > 0)
			n -= (uint64_t)got;
	}
	return got < 0 ? (int)got : 0;
}

static int read_all(struct scan *s, int fd, struct lg_pack *pack, uint64_t end,
		    uint64_t *offset)
{
	size_t want;
	ssize_t n;
	int err = pack ? skip(pack, s->buf, s->base) : 0;

	while (!err) {
		want = BUFFER - s->len;
		if (end - (s->base + s->len) < want)
			want = (size_t)(end - (s->base + s->len));
		n = want ? read_more(fd, pack, s->buf + s->len, want,
				     s->base + s->len)
			 : 0;
		if (n <= 0)
			return (int)n;
		s->len += (size_t)n;
		err = take_lines(s, offset);
	}
	return err;
}

int lg_scan_file(int fd, uint64_t *offset, uint64_t end, bool closed,
		 lg_scan_fn *fn, void *ctx, struct lg_ledger_stats *stats)
{
	struct scan s = {.base = *offset, .fn = fn, .ctx = ctx, .stats = stats};
	struct lg_pack *pack = NULL;
	uint64_t from = *offset;
	int err = 0;

	s.buf = lg_mem_alloc(BUFFER);
	if (!s.buf)
		return -ENOMEM;
	if (lg_pack_is(fd))
		err = lg_pack_open(fd, &pack);
	if (!err)
		err = read_all(&s, fd, pack, end, offset);
	if (!err)
		err = last_piece(&s, closed, offset);
	stats->bytes += *offset - from;
	lg_pack_close(pack);
	lg_mem_free(s.buf, BUFFER);
	return err;
}
