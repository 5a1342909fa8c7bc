#include "index_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "index_fill.h"
#include "ledger/pack.h"

#define BUFFER ((size_t)256 << 10)

static int64_t check_of(const struct segment *s)
{
	const int64_t n[] = {
		(int64_t)s->offset,
		(int64_t)s->torn,
		(int64_t)s->size,
		(int64_t)s->id.ino,
		(int64_t)s->id.bytes,
		s->id.ctime_ns,
		(int64_t)((uint64_t)s->sum << 32 | s->tail),
	};

	return index_check(s->file, n, sizeof(n) / sizeof(n[0]));
}

static int read_row(sqlite3_stmt *st, struct segment *s)
{
	s->offset = (uint64_t)sqlite3_column_int64(st, 0);
	s->torn = (uint64_t)sqlite3_column_int64(st, 1);
	s->size = (uint64_t)sqlite3_column_int64(st, 2);
	s->id.ino = (uint64_t)sqlite3_column_int64(st, 3);
	s->id.bytes = (uint64_t)sqlite3_column_int64(st, 4);
	s->id.ctime_ns = sqlite3_column_int64(st, 5);
	s->sum = (uint32_t)sqlite3_column_int64(st, 6);
	s->tail = (uint32_t)sqlite3_column_int64(st, 7);
	return sqlite3_column_int64(st, 8) == check_of(s) ? SQLITE_OK
							  : SQLITE_CORRUPT;
}

int segment_get(struct index *x, const char *name, struct segment *s)
{
	sqlite3_stmt *st = index_statement(x, ST_SEGMENT_GET);
	int code;

	memset(s, 0, sizeof(*s));
	snprintf(s->file, sizeof(s->file), "%s", name);
	if (!st)
		return sqlite3_errcode(x->db);
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		code = read_row(st, s);
	else if (code == SQLITE_DONE)
		code = SQLITE_OK;
	sqlite3_reset(st);
	return code;
}

int segment_set(struct index *x, const struct segment *s)
{
	sqlite3_stmt *st = index_statement(x, ST_SEGMENT_SET);
	int at = 1;

	if (!st)
		return sqlite3_errcode(x->db);
	sqlite3_bind_text(st, at++, s->file, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, at++, (int64_t)s->offset);
	sqlite3_bind_int64(st, at++, (int64_t)s->torn);
	sqlite3_bind_int64(st, at++, (int64_t)s->size);
	sqlite3_bind_int64(st, at++, (int64_t)s->id.ino);
	sqlite3_bind_int64(st, at++, (int64_t)s->id.bytes);
	sqlite3_bind_int64(st, at++, s->id.ctime_ns);
	sqlite3_bind_int64(st, at++, s->sum);
	sqlite3_bind_int64(st, at++, s->tail);
	sqlite3_bind_int64(st, at, check_of(s));
	return index_step(st);
}

/* -- the file ---------------------------------------------------------------
 */

static void identify(const struct stat *st, struct segment_id *id)
{
	*id = (struct segment_id){
		.ino = st->st_ino,
		.bytes = (uint64_t)st->st_size,
		.ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 +
			    st->st_ctim.tv_nsec,
	};
}

int segment_look(int dir, const char *name, struct segment_id *id)
{
	char packed[LG_MONTH_NAME + 8];
	struct stat st;

	snprintf(packed, sizeof(packed), "%s.zst", name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) &&
	    (errno != ENOENT || fstatat(dir, packed, &st, AT_SYMLINK_NOFOLLOW)))
		return -errno;
	identify(&st, id);
	return 0;
}

static bool same_id(const struct segment_id *a, const struct segment_id *b)
{
	return a->ino == b->ino && a->bytes == b->bytes &&
	       a->ctime_ns == b->ctime_ns;
}

bool segment_is_current(const struct segment *s, const struct segment_id *id)
{
	if (!s->offset)
		return !id->bytes;
	return s->offset == s->size && same_id(&s->id, id);
}

int segment_measure(int fd, struct segment_id *id, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	identify(&st, id);
	*size = id->bytes;
	return lg_pack_is(fd) ? lg_pack_size(fd, size) : 0;
}

/* The next n bytes at most. */
static ssize_t get(int fd, struct lg_pack *pack, char *buf, uint64_t n,
		   uint64_t at)
{
	size_t want = n < BUFFER ? (size_t)n : BUFFER;
	ssize_t got = pack ? lg_pack_read(pack, buf, want)
			   : pread(fd, buf, want, (off_t)at);

	return got < 0 && !pack ? -errno : got;
}

/* Bytes [from, to) added to *sum; fewer: -ENODATA. */
static int sum_of(int fd, uint64_t from, uint64_t to, uint32_t *sum)
{
	struct lg_pack *pack = NULL;
	char *buf = malloc(BUFFER);
	uint64_t at = 0;
	ssize_t n;
	int err = buf ? 0 : -ENOMEM;

	if (!err && lg_pack_is(fd))
		err = lg_pack_open(fd, &pack);
	if (!pack)
		at = from;
	while (!err && at < to) {
		n = get(fd, pack, buf, (at < from ? from : to) - at, at);
		if (n > 0 && at >= from)
			*sum = lg_crc32c(*sum, buf, (size_t)n);
		if (n > 0)
			at += (uint64_t)n;
		else if (n != -EINTR)
			err = n ? (int)n : -ENODATA;
	}
	lg_pack_close(pack);
	free(buf);
	return err;
}

static int tail_of(int fd, uint64_t end, uint32_t *sum)
{
	*sum = 0;
	return sum_of(fd, end > SEGMENT_TAIL ? end - SEGMENT_TAIL : 0, end,
		      sum);
}

int segment_advance(struct segment *s, int fd, uint64_t to)
{
	int err = sum_of(fd, s->offset, to, &s->sum);

	s->offset = to;
	return err ? err : tail_of(fd, to, &s->tail);
}

static int stale(struct index *x, const char *name, const char *what)
{
	snprintf(x->stale, sizeof(x->stale), "%s of the ledger %s", name, what);
	return INDEX_STALE;
}

int segment_verify(struct index *x, const struct segment *s, int fd,
		   const struct segment_id *id, uint64_t size)
{
	bool grown = s->id.ino == id->ino && id->bytes > s->id.bytes &&
		     !lg_pack_is(fd);
	uint32_t sum = 0;
	int err;

	if (size < s->offset)
		return stale(x, s->file, "has shrunk");
	if (!s->offset || same_id(&s->id, id))
		return 0;
	/* a file that rows were added to is not read again as a whole */
	err = grown ? tail_of(fd, s->offset, &sum)
		    : sum_of(fd, 0, s->offset, &sum);
	if (err == -ENODATA || (!err && sum != (grown ? s->tail : s->sum)))
		return stale(x, s->file, "was replaced");
	return err;
}

int segment_missing(struct index *x, int dir)
{
	sqlite3_stmt *st;
	struct segment_id id;
	const char *name;
	int code = sqlite3_prepare_v2(x->db, "SELECT file FROM segments", -1,
				      &st, NULL);

	while (!code && (code = sqlite3_step(st)) == SQLITE_ROW) {
		name = (const char *)sqlite3_column_text(st, 0);
		if (!name || !lg_month_is_name(name))
			code = SQLITE_CORRUPT;
		else if (dir < 0 || segment_look(dir, name, &id) == -ENOENT)
			code = stale(x, name, "is gone");
		else
			code = SQLITE_OK;
	}
	sqlite3_finalize(st);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}
