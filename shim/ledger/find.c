#include "ledger/find.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "ledger/field.h"
#include "ledger/month.h"
#include "ledger/pack.h"

#define BLOCK ((size_t)1 << 20)
#define HITS_MAX 64
#define GRACE_MS INT64_C(3600000)
/* Rows of a block that say when it was written. */
#define CLOCK_ROWS 3

/* Too big for a host's stack. */
struct find {
	char *block;
	size_t len;
	struct lg_slice needle;
	int64_t since_ms;
	uint64_t left; /* bytes that may still be read */
	lg_find_fn *fn;
	void *ctx;
	size_t hit[HITS_MAX]; /* where its line begins */
	struct lg_row row;
};

static size_t line_start(const struct find *f, size_t at)
{
	const char *nl = memrchr(f->block, '\n', at);

	return nl ? (size_t)(nl - f->block) + 1 : 0;
}

static size_t line_end(const struct find *f, size_t at, size_t end)
{
	const char *nl = memchr(f->block + at, '\n', end - at);

	return nl ? (size_t)(nl - f->block) : end;
}

/* The row of that line, or the last one in it where an earlier is torn. */
static bool read_row(struct find *f, size_t from, size_t end)
{
	struct lg_slice row = {f->block + from, end - from};
	const char *next;

	while (lg_row_parse(row, &f->row)) {
		next = row.len > 1
			       ? memmem(row.p + 1, row.len - 1, LG_ROW_START,
					sizeof(LG_ROW_START) - 1)
			       : NULL;
		if (!next)
			return false;
		row.len -= (size_t)(next - row.p);
		row.p = next;
	}
	return true;
}

/* Lines with the needle in [from, end), the last HITS_MAX of them. */
static size_t gather(struct find *f, size_t from, size_t end)
{
	size_t n = 0, at = from;
	const char *p;

	while (at < end && (p = memmem(f->block + at, end - at, f->needle.p,
				       f->needle.len))) {
		f->hit[n++ % HITS_MAX] = line_start(f, (size_t)(p - f->block));
		at = line_end(f, (size_t)(p - f->block), end) + 1;
	}
	return n;
}

static int tell(struct find *f, size_t from, size_t end)
{
	size_t n, first, i;
	int err;

	while ((n = gather(f, from, end))) {
		first = n > HITS_MAX ? n - HITS_MAX : 0;
		for (i = n; i-- > first;) {
			size_t at = f->hit[i % HITS_MAX];

			if (!read_row(f, at, line_end(f, at, end)))
				continue;
			err = f->fn(f->ctx, &f->row);
			if (err)
				return err;
		}
		if (!first)
			break;
		end = f->hit[first % HITS_MAX];
	}
	return 0;
}

/* Was all that stands before this block written long before since_ms? */
static bool is_past(struct find *f, size_t at, size_t end)
{
	int64_t latest = INT64_MIN;
	unsigned seen = 0;

	while (f->since_ms && at < end && seen < CLOCK_ROWS) {
		size_t stop = line_end(f, at, end);

		if (read_row(f, at, stop)) {
			seen++;
			if (f->row.end_ms > latest)
				latest = f->row.end_ms;
		}
		at = stop + 1;
	}
	return seen == CLOCK_ROWS && latest < f->since_ms - GRACE_MS;
}

static int read_block(struct find *f, int fd, uint64_t from)
{
	size_t done = 0;
	ssize_t n;

	while (done < f->len) {
		n = pread(fd, f->block + done, f->len - done,
			  (off_t)(from + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break; /* cut under us */
		done += (size_t)n;
	}
	f->len = done;
	return 0;
}

static int search_file(struct find *f, int fd)
{
	struct stat st;
	uint64_t end;
	int err = 0;

	if (fstat(fd, &st))
		return -errno;
	end = (uint64_t)st.st_size;
	while (end && !err) {
		uint64_t from = end > BLOCK ? end - BLOCK : 0;
		size_t first = 0;

		f->len = (size_t)(end - from);
		if (f->len > f->left)
			return LG_FIND_FAR;
		f->left -= f->len;
		err = read_block(f, fd, from);
		if (err)
			break;
		/* the line that the block begins in belongs to the next one */
		if (from)
			first = line_end(f, 0, f->len) + 1;
		if (first >= f->len)
			first = 0; /* no line is as long: garbage */
		err = tell(f, first, f->len);
		if (!err && is_past(f, first, f->len))
			err = LG_FIND_PAST;
		end = from + first;
	}
	return err;
}

static int search(struct find *f, int dir)
{
	char name[LG_MONTH_NAME] = "9999-99.jsonl";
	int err, fd;

	while (!(err = lg_month_before(dir, name))) {
		fd = lg_month_open(dir, name);
		if (fd == -EINVAL)
			continue;
		if (fd < 0)
			return fd;
		/* compressed months are not read backwards */
		err = lg_pack_is(fd) ? LG_FIND_FAR : search_file(f, fd);
		close(fd);
		if (err)
			return err;
	}
	return err == -ENOENT ? 0 : err;
}

int lg_ledger_find(const char *dir, struct lg_slice needle, int64_t since_ms,
		   uint64_t max, lg_find_fn *fn, void *ctx)
{
	struct find *f;
	int saved = errno, err = -ENOMEM, fd;

	if (!needle.len)
		return -EINVAL;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = errno == ENOENT ? 0 : -errno;
		errno = saved;
		return err;
	}
	f = lg_mem_alloc(sizeof(*f));
	if (f) {
		f->block = lg_mem_alloc(BLOCK);
		f->needle = needle;
		f->since_ms = since_ms;
		f->left = max;
		f->fn = fn;
		f->ctx = ctx;
		if (f->block)
			err = search(f, fd);
		lg_mem_free(f->block, BLOCK);
		lg_mem_free(f, sizeof(*f));
	}
	close(fd);
	errno = saved;
	return err;
}
