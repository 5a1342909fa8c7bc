#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "ledger/field.h"
#include "ledger/idset.h"
#include "ledger/ledger.h"
#include "ledger/month.h"
#include "ledger/scan.h"

/* Too big for a host's stack. */
struct walk {
	int dir;
	struct lg_idset seen;
	struct lg_ledger_pos start; /* where this walk began */
	bool moved;		    /* it has come into a month */
	char known_from[16];	    /* seen holds the ids from this month on */
	struct lg_ledger_pos *pos;
	lg_row_fn *fn;
	void *ctx;
	struct lg_ledger_stats *stats;
	struct lg_row row;
};

/* The id of a row as we write it, without parsing the rest. */
static struct lg_slice quick_id(struct lg_slice row)
{
	static const char head[] = LG_ROW_START "\"id\":\"";
	size_t n = sizeof(head) - 1;

	if (row.len > n + 27 && !memcmp(row.p, head, n) && row.p[n + 26] == '"')
		return (struct lg_slice){row.p + n, 26};
	return (struct lg_slice){NULL, 0};
}

static int remember(void *ctx, struct lg_slice row, uint64_t after)
{
	struct walk *w = ctx;
	struct lg_slice id = quick_id(row);

	(void)after;
	if (id.len)
		lg_idset_add(&w->seen, lg_idset_key(id.p, id.len));
	else if (!lg_row_read(row, &w->row))
		lg_idset_add(&w->seen,
			     lg_idset_key(w->row.id, strlen(w->row.id)));
	return 0;
}

/* Learn the ids of one month that lies before this walk's start. */
static int remember_month(struct walk *w, const char *name)
{
	struct lg_ledger_stats ignored = {0};
	uint64_t from = 0, end = UINT64_MAX;
	int fd = lg_month_open(w->dir, name), err;

	if (fd < 0)
		return fd == -EINVAL ? 0 : fd;
	if (!strcmp(name, w->start.file))
		end = w->start.offset;
	err = lg_scan_file(fd, &from, end, true, remember, w, &ignored);
	close(fd);
	return err;
}

/*
 * A row that was written again out of a dead owner's slot may stand before
 * the place where this walk began, not before the month of its id.
 */
static int look_before(struct walk *w, const struct lg_row *row)
{
	char from[LG_MONTH_NAME], name[LG_MONTH_NAME];
	int err;

	lg_month_name(row->ts_ms, from);
	from[6] = 0;
	if (strcmp(from, w->known_from) >= 0)
		return 0;
	memcpy(name, from, sizeof(from));
	while (!(err = lg_month_next(w->dir, name)) &&
	       strcmp(name, w->start.file) <= 0 &&
	       strncmp(name, w->known_from, 7) < 0) {
		err = remember_month(w, name);
		if (err)
			return err;
	}
	strcpy(w->known_from, from);
	return err == -ENOENT ? 0 : err;
}

static int take_row(void *ctx, struct lg_slice text, uint64_t after)
{
	struct walk *w = ctx;
	uint64_t key;
	int err;

	if (lg_row_read(text, &w->row)) {
		w->stats->torn++;
		return 0;
	}
	key = lg_idset_key(w->row.id, strlen(w->row.id));
	if (w->start.file[0] && w->row.flags & LG_ROW_RECOVERED) {
		err = look_before(w, &w->row);
		if (err)
			return err;
	}
	w->pos->offset = after;
	if (lg_idset_has(&w->seen, key)) {
		w->stats->duplicates++;
		return 0;
	}
	lg_idset_add(&w->seen, key);
	w->stats->rows++;
	return w->fn(w->ctx, &w->row, w->pos);
}

/* The bytes of all months before this one. */
static int size_before(int dir, const char *month, uint64_t *out)
{
	char name[LG_MONTH_NAME] = "";
	uint64_t size;
	int err;

	*out = 0;
	while (!(err = lg_month_next(dir, name)) && strcmp(name, month) < 0)
		if (!lg_month_size(dir, name, &size))
			*out += size;
	return err == -ENOENT ? 0 : err;
}

/* Is *pos still a place before which everything was seen? */
static int check_pos(int dir, const struct lg_ledger_pos *pos)
{
	uint64_t before, size;
	int err;

	if (!pos->file[0])
		return 0;
	if (!lg_month_is_name(pos->file))
		return -EINVAL;
	if (!lg_month_size(dir, pos->file, &size) && size < pos->offset)
		return -ESTALE;
	if (pos->before == LG_LEDGER_ANY)
		return 0;
	err = size_before(dir, pos->file, &before);
	return err ? err : before == pos->before ? 0 : -ESTALE;
}

/* closed: a later month exists. */
static int walk_month(struct walk *w, const char *name, bool closed)
{
	int fd = lg_month_open(w->dir, name), err = 0;
	uint64_t at;

	if (fd < 0) /* -EINVAL: a folder of that name has no rows */
		return fd == -ENOENT || fd == -EINVAL ? 0 : fd;
	if (strcmp(w->pos->file, name)) {
		if (!w->moved)
			err = size_before(w->dir, name, &w->pos->before);
		else if (w->pos->before != LG_LEDGER_ANY)
			w->pos->before += w->pos->offset;
		memcpy(w->pos->file, name, LG_MONTH_NAME);
		w->pos->offset = 0;
	}
	w->moved = true;
	at = w->pos->offset;
	if (!err)
		err = lg_scan_file(fd, &at, UINT64_MAX, closed, take_row, w,
				   w->stats);
	if (!err)
		w->pos->offset = at;
	close(fd);
	return err;
}

static int walk_months(struct walk *w, char name[LG_MONTH_NAME])
{
	int more = lg_month_next(w->dir, name), err;
	char next[LG_MONTH_NAME];

	while (!more) {
		memcpy(next, name, sizeof(next));
		more = lg_month_next(w->dir, next);
		if (more && more != -ENOENT)
			break;
		err = walk_month(w, name, !more);
		if (err)
			return err;
		memcpy(name, next, sizeof(next));
	}
	return more == -ENOENT ? 0 : more;
}

/* The first month to read, as the name before it. */
static void first_month(const struct lg_ledger_pos *pos, int64_t since_ms,
			char out[LG_MONTH_NAME])
{
	char since[LG_MONTH_NAME];

	lg_month_name(since_ms, since);
	strcpy(out, since_ms > 0 ? since : "");
	if (pos->file[0] && strcmp(pos->file, out) > 0)
		memcpy(out, pos->file, LG_MONTH_NAME);
	/* "2026-11" sorts before "2026-11.jsonl" and after all before it */
	if (out[0])
		out[7] = 0;
}

/*
 * Not there, nor can it be below a file. A file in its own place hides what
 * was there: that is not known, and no nothing.
 */
static bool is_nowhere(const char *dir)
{
	struct stat st;

	return errno == ENOENT ||
	       (errno == ENOTDIR && stat(dir, &st) && errno == ENOTDIR);
}

static int walk_from(struct walk *w, const char *dir, int64_t since_ms)
{
	char name[LG_MONTH_NAME];
	int err;

	w->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir < 0)
		return is_nowhere(dir) ? 0 : -errno;
	lg_idset_init(&w->seen);
	err = check_pos(w->dir, w->pos);
	if (!err) {
		first_month(w->pos, since_ms, name);
		err = walk_months(w, name);
	}
	lg_idset_fini(&w->seen);
	close(w->dir);
	return err;
}

int lg_ledger_walk(const char *dir, struct lg_ledger_pos *pos, int64_t since_ms,
		   lg_row_fn *fn, void *ctx, struct lg_ledger_stats *stats)
{
	struct lg_ledger_stats ignored = {0};
	struct walk *w = lg_mem_alloc(sizeof(*w));
	int saved = errno, err;

	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->ctx = ctx;
	w->stats = stats ? stats : &ignored;
	w->pos = pos;
	w->start = *pos;
	strcpy(w->known_from, "9999-99");
	err = walk_from(w, dir, since_ms);
	lg_mem_free(w, sizeof(*w));
	errno = saved;
	return err;
}
