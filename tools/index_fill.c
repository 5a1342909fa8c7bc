#include "index_fill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index_fact.h"
#include "index_row.h"
#include "index_segment.h"
#include "ledger/field.h"
#include "ledger/month.h"
#include "ledger/scan.h"
#include "progress.h"
#include "tool.h"

/* Of the ledger, in one transaction. */
#define BATCH ((uint64_t)96 << 20)

struct fill {
	struct index *x;
	int dir;
	struct lg_row *row;
	struct lg_ledger_stats stats;
	struct progress bar;
	uint64_t done; /* bytes of segments that lie behind */
	int code;      /* of sqlite */
	bool changed;
};

static int take(void *ctx, struct lg_slice text, uint64_t after)
{
	struct fill *f = ctx;

	if (lg_row_read(text, f->row)) {
		f->stats.torn++;
		return 0;
	}
	f->code = index_row_add(f->x, f->row);
	if ((f->stats.rows++ & 1023) == 0)
		progress_show(&f->bar, f->done + after);
	return f->code ? -ECANCELED : 0;
}

/* Others may have written since: what we interned may have other numbers. */
static int begin(struct fill *f)
{
	struct index *x = f->x;
	int code = index_step(index_statement(x, ST_BEGIN));
	int64_t seq;

	if (code)
		return code;
	seq = index_meta(x, "seq");
	if (seq != x->seq)
		index_forget(x);
	x->seq = seq;
	x->orphans = (uint64_t)index_meta(x, "orphans");
	return SQLITE_OK;
}

static int commit(struct fill *f)
{
	struct index *x = f->x;
	int code = index_fact_flush(x);

	if (!code)
		code = index_set_meta(x, "seq", ++x->seq);
	if (!code)
		code = index_step(index_statement(x, ST_COMMIT));
	return code;
}

static void undo(struct fill *f)
{
	if (!sqlite3_get_autocommit(f->x->db))
		index_step(index_statement(f->x, ST_ROLLBACK));
	index_fact_drop(f->x);
	index_forget(f->x);
	f->x->seq = -1;
}

static bool is_same(const struct segment *a, const struct segment *b)
{
	return a->offset == b->offset && a->size == b->size &&
	       a->id.ino == b->id.ino && a->id.bytes == b->id.bytes &&
	       a->id.ctime_ns == b->id.ctime_ns;
}

/* From s->offset on; *more: it does not end there. */
static int scan(struct fill *f, int fd, struct segment *s, bool closed,
		bool *more)
{
	uint64_t offset = s->offset, end = UINT64_MAX;
	int err;

	*more = s->size - offset > BATCH;
	if (*more)
		end = offset + BATCH;
	f->stats.torn = 0;
	err = lg_scan_file(fd, &offset, end, closed && !*more, take, f,
			   &f->stats);
	if (err)
		return f->code ? f->code : err;
	if (offset == s->offset && *more)
		offset = end; /* a line without an end, as long as that */
	s->torn += f->stats.torn;
	return segment_advance(s, fd, offset);
}

/* One transaction's worth of a segment. */
static int batch(struct fill *f, int fd, const char *name, bool closed,
		 bool *more)
{
	struct segment s, was;
	struct segment_id id;
	uint64_t size;
	int code = begin(f);

	*more = false;
	if (!code)
		code = segment_get(f->x, name, &s);
	if (!code)
		code = segment_measure(fd, &id, &size);
	if (!code)
		code = segment_verify(f->x, &s, fd, &id, size);
	if (code)
		return code;
	was = s;
	s.size = size;
	s.id = id;
	code = scan(f, fd, &s, closed, more);
	if (code)
		return code;
	if (is_same(&s, &was))
		return index_step(index_statement(f->x, ST_ROLLBACK));
	code = s.offset ? segment_set(f->x, &s) : SQLITE_OK;
	return code ? code : commit(f);
}

static int segment(struct fill *f, const char *name, bool closed)
{
	int fd = lg_month_open(f->dir, name), code = SQLITE_OK;
	bool more = true;
	uint64_t size;

	if (fd < 0)
		return fd == -ENOENT ? SQLITE_OK : fd;
	while (!code && more)
		code = batch(f, fd, name, closed, &more);
	if (!lg_month_size(f->dir, name, &size))
		f->done += size;
	close(fd);
	return code;
}

/* Nothing to do is found out without a lock. */
static int is_current(struct fill *f, const char *name, bool *current)
{
	struct segment_id id;
	struct segment s;
	int err = segment_look(f->dir, name, &id), code;

	*current = err == -ENOENT;
	if (err)
		return err == -ENOENT ? SQLITE_OK : err;
	code = segment_get(f->x, name, &s);
	*current = !code && segment_is_current(&s, &id);
	return code;
}

/* Not of the index, nor of the whole ledger: the other months can be read. */
static bool is_of_file(int code)
{
	return code == -EPROTO || code == -EINVAL || code == -ELOOP ||
	       code == -EACCES || code == -EPERM || code == -EIO;
}

static int pass_over(struct fill *f, const char *name, int code)
{
	undo(f);
	f->x->unread++;
	tool_warn("ledger/%s: %s: totals lack what was not read of it before",
		  name,
		  code == -EPROTO   ? "damaged (zstd -t finds it)"
		  : code == -EINVAL ? "no file"
				    : strerror(-code));
	return SQLITE_OK;
}

/* Ends with -ENOENT behind the last month. */
static int look_through(struct fill *f, bool measure)
{
	char name[LG_MONTH_NAME] = "", next[LG_MONTH_NAME];
	int err = lg_month_next(f->dir, name), code;
	uint64_t size;
	bool current;

	while (!err) {
		memcpy(next, name, sizeof(next));
		err = lg_month_next(f->dir, next);
		code = is_current(f, name, &current);
		if (!code && measure && !current) {
			f->changed = true;
			if (!lg_month_size(f->dir, name, &size))
				f->bar.total += size;
		} else if (!code && !measure && !current) {
			code = segment(f, name, !err);
			if (is_of_file(code))
				code = pass_over(f, name, code);
		}
		if (code)
			return code;
		memcpy(name, next, sizeof(name));
	}
	return err == -ENOENT ? SQLITE_OK : err;
}

static int fill_all(struct fill *f)
{
	int code = segment_missing(f->x, f->dir);

	if (!code)
		code = look_through(f, true);
	if (code || !f->changed)
		return code;
	f->row = lg_mem_alloc(sizeof(*f->row));
	if (!f->row)
		return SQLITE_NOMEM;
	progress_init(&f->bar, "indexing the ledger", f->bar.total);
	code = look_through(f, false);
	progress_fini(&f->bar);
	if (code)
		undo(f);
	lg_mem_free(f->row, sizeof(*f->row));
	return code;
}

int index_fill(struct index *x, const char *ledger_dir, int ms_allowed)
{
	struct fill f = {.x = x};
	int code;

	x->unread = 0;
	f.dir = open(ledger_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f.dir < 0)
		return errno == ENOENT ? segment_missing(x, -1) : -errno;
	sqlite3_busy_timeout(x->db, ms_allowed);
	code = fill_all(&f);
	close(f.dir);
	return code;
}
