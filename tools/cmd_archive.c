#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "base/clock.h"
#include "books.h"
#include "cmds.h"
#include "guard/engine.h"
#include "json.h"
#include "ledger/ledger.h"
#include "ledger/month.h"
#include "ledger/pack.h"
#include "table.h"
#include "tool.h"

enum { O_BEFORE, O_LEVEL, O_DRY, O_JSON };
static const struct opt opts[] = {
	[O_BEFORE] = {"before", 'b', OPT_TEXT, "YYYY-MM",
		      "months before this one (default: before last month)"},
	[O_LEVEL] = {"level", 0, OPT_COUNT, "1-19", "of zstd (9)"},
	[O_DRY] = {"dry-run", 'n', OPT_FLAG, NULL, "say what would be done"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

#define MONTHS_MAX 1200u
#define LEVEL 9
#define CHUNK ((size_t)1 << 20)
/* A writer that had opened the file before its name went is done by then. */
#define GRACE_NS 200000000

struct month {
	char name[LG_MONTH_NAME];
	uint64_t bytes, packed;
};

struct archive {
	int dir;
	int level;
	bool dry;
	char before[LG_MONTH_NAME];
	struct month month[MONTHS_MAX];
	unsigned n;
	char why[700];
};

static int fail(struct archive *a, const char *name, const char *what)
{
	snprintf(a->why, sizeof(a->why), "%s: %s", name, what);
	return -EIO;
}

/* -- packing --------------------------------------------------------------- */

struct packer {
	ZSTD_CCtx *z;
	char *in, *out;
	int from, to;
	uint64_t bytes, packed;
};

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? -errno : -EIO;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int push(struct packer *p, size_t n, bool last)
{
	ZSTD_inBuffer in = {p->in, n, 0};
	size_t left;
	int err;

	do {
		ZSTD_outBuffer out = {p->out, CHUNK, 0};

		left = ZSTD_compressStream2(
			p->z, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return -EIO;
		err = write_all(p->to, p->out, out.pos);
		if (err)
			return err;
		p->packed += out.pos;
	} while (in.pos < in.size || (last && left));
	return 0;
}

static int pack_all(struct packer *p)
{
	ssize_t n;
	int err;

	do {
		n = read(p->from, p->in, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p->bytes += (uint64_t)n;
		err = push(p, (size_t)n, !n);
	} while (!err && n);
	return err ? err : fsync(p->to) ? -errno : 0;
}

static int pack(struct archive *a, const char *name, int from, int to,
		struct month *m)
{
	struct packer p = {.from = from, .to = to};
	struct stat st;
	int err = -ENOMEM;

	p.z = ZSTD_createCCtx();
	p.in = malloc(CHUNK);
	p.out = malloc(CHUNK);
	if (p.z && p.in && p.out && !fstat(from, &st)) {
		ZSTD_CCtx_setParameter(p.z, ZSTD_c_compressionLevel, a->level);
		ZSTD_CCtx_setParameter(p.z, ZSTD_c_checksumFlag, 1);
		ZSTD_CCtx_setPledgedSrcSize(p.z, (uint64_t)st.st_size);
		err = pack_all(&p);
	}
	ZSTD_freeCCtx(p.z);
	free(p.in);
	free(p.out);
	m->bytes = p.bytes;
	m->packed = p.packed;
	return err ? fail(a, name, strerror(-err)) : 0;
}

/* Read back as every reader does: it is byte for byte what it was. */
static bool compare(int plain, struct lg_pack *p)
{
	char *a = malloc(CHUNK), *b = malloc(CHUNK);
	bool same = a && b;
	ssize_t n = 1, m;
	size_t got;

	while (same && n > 0) {
		n = lg_pack_read(p, a, CHUNK);
		for (got = 0; n > 0 && got < (size_t)n; got += (size_t)m) {
			m = read(plain, b + got, (size_t)n - got);
			if (m <= 0)
				break;
		}
		same = n >= 0 && (n ? got == (size_t)n && !memcmp(a, b, got)
				    : !read(plain, b, 1));
	}
	free(a);
	free(b);
	return same;
}

static int verify(struct archive *a, const char *name, int plain, int packed)
{
	struct lg_pack *p = NULL;
	bool same;

	if (lseek(plain, 0, SEEK_SET) || lseek(packed, 0, SEEK_SET) ||
	    lg_pack_open(packed, &p))
		return fail(a, name, "cannot be read back");
	same = compare(plain, p);
	lg_pack_close(p);
	return same ? 0 : fail(a, name, "read back it is another text");
}

/* -- the file's place ------------------------------------------------------ */

static bool is_as_before(int dir, const char *name, const struct stat *was)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) &&
	       st.st_ino == was->st_ino && st.st_size == was->st_size &&
	       st.st_mtim.tv_sec == was->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
}

/*
 * The packed file takes its name first: where both are there the plain one
 * counts. Then the plain one loses its own, and only after a while, if nobody
 * has written to it, itself.
 */
static int swap(struct archive *a, const char *name, const char *next,
		const struct stat *was)
{
	char packed[LG_MONTH_NAME + 8], gone[LG_MONTH_NAME + 8];
	struct timespec nap = {0, GRACE_NS};

	snprintf(packed, sizeof(packed), "%s.zst", name);
	snprintf(gone, sizeof(gone), "%s.gone", name);
	if (!is_as_before(a->dir, name, was))
		return fail(a, name, "it is still written");
	if (renameat(a->dir, next, a->dir, packed))
		return fail(a, name, strerror(errno));
	if (fsync(a->dir) || renameat(a->dir, name, a->dir, gone)) {
		unlinkat(a->dir, packed, 0);
		return fail(a, name, strerror(errno));
	}
	nanosleep(&nap, NULL);
	if (!is_as_before(a->dir, gone, was)) {
		if (renameat(a->dir, gone, a->dir, name))
			return fail(a, gone,
				    "written meanwhile; rename it "
				    "back");
		unlinkat(a->dir, packed, 0);
		return fail(a, name, "it is still written");
	}
	unlinkat(a->dir, gone, 0);
	fsync(a->dir);
	return 0;
}

/*
 * What a kill left: a plain file without its name goes, unless it has more
 * than what was packed; then it counts again.
 */
static void recover(struct archive *a, const char *gone)
{
	char name[LG_MONTH_NAME], packed[LG_MONTH_NAME + 8];
	uint64_t size;
	struct stat st;

	memcpy(name, gone, LG_MONTH_NAME - 1);
	name[LG_MONTH_NAME - 1] = '\0';
	snprintf(packed, sizeof(packed), "%s.zst", name);
	if (fstatat(a->dir, gone, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISREG(st.st_mode) || !faccessat(a->dir, name, F_OK, 0))
		return;
	if (!faccessat(a->dir, packed, F_OK, 0) &&
	    !lg_month_size(a->dir, name, &size) && size == (uint64_t)st.st_size)
		unlinkat(a->dir, gone, 0);
	else if (!renameat(a->dir, gone, a->dir, name))
		unlinkat(a->dir, packed, 0);
}

static bool is_gone(const char *name)
{
	char month[LG_MONTH_NAME];

	if (strlen(name) != LG_MONTH_NAME - 1 + 5 ||
	    strcmp(name + LG_MONTH_NAME - 1, ".gone"))
		return false;
	memcpy(month, name, LG_MONTH_NAME - 1);
	month[LG_MONTH_NAME - 1] = '\0';
	return lg_month_is_name(month);
}

/* Does the plain file begin with all that the packed one has? */
static bool begins_with(int plain, int packed)
{
	char *a = malloc(CHUNK), *b = malloc(CHUNK);
	struct lg_pack *p = NULL;
	bool same = a && b && !lg_pack_open(packed, &p);
	ssize_t n = 1;
	off_t at = 0;

	for (; same && n > 0; at += n) {
		n = lg_pack_read(p, a, CHUNK);
		same = n >= 0 && pread(plain, b, (size_t)n, at) == n &&
		       !memcmp(a, b, (size_t)n);
	}
	if (p)
		lg_pack_close(p);
	free(a);
	free(b);
	return same;
}

/*
 * A kill leaves both files with the same rows. With others in the packed one
 * (the clock was set back into a month that was packed) it must stay.
 */
static int look_at_packed(struct archive *a, const char *name, int plain)
{
	char packed[LG_MONTH_NAME + 8];
	bool same;
	int fd;

	snprintf(packed, sizeof(packed), "%s.zst", name);
	fd = openat(a->dir, packed, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(a, packed, strerror(errno));
	same = begins_with(plain, fd);
	close(fd);
	return same ? 0
		    : fail(a, packed,
			   "has rows that the plain file has not; "
			   "docs/ledger.md "
			   "tells how to join them");
}

static int pack_month(struct archive *a, struct month *m)
{
	char next[LG_MONTH_NAME + 8];
	struct stat st;
	int from, to, err;

	snprintf(next, sizeof(next), "%s.next", m->name);
	from = openat(a->dir, m->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0 || fstat(from, &st)) {
		err = fail(a, m->name, strerror(errno));
		if (from >= 0)
			close(from);
		return err;
	}
	err = look_at_packed(a, m->name, from);
	if (err) {
		close(from);
		return err;
	}
	unlinkat(a->dir, next, 0);
	to = openat(a->dir, next,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    st.st_mode & 0777);
	err = to < 0 ? fail(a, next, strerror(errno))
		     : pack(a, m->name, from, to, m);
	if (!err)
		err = verify(a, m->name, from, to);
	if (!err)
		err = swap(a, m->name, next, &st);
	if (err)
		unlinkat(a->dir, next, 0);
	if (to >= 0)
		close(to);
	close(from);
	return err;
}

/* -- which ----------------------------------------------------------------- */

static void month_before(char name[LG_MONTH_NAME])
{
	int year = atoi(name), month = atoi(name + 5) - 1;

	if (!month) {
		month = 12;
		year--;
	}
	snprintf(name, LG_MONTH_NAME, "%04u-%02u.jsonl", (unsigned)year % 10000,
		 (unsigned)month % 100);
}

static int choose(const struct call *c, struct archive *a)
{
	const char *text = c->v[O_BEFORE].text;
	char now[LG_MONTH_NAME], name[64];

	a->dry = c->v[O_DRY].set;
	a->level = c->v[O_LEVEL].set ? (int)c->v[O_LEVEL].n : LEVEL;
	if (c->v[O_LEVEL].set && (!c->v[O_LEVEL].n || c->v[O_LEVEL].n > 19))
		return tool_usage(c->cmd, "--level %s: 1 to 19",
				  c->v[O_LEVEL].text);
	lg_month_name(lg_clock_real_ms(), now);
	memcpy(a->before, now, sizeof(now));
	month_before(a->before);
	if (!text)
		return -1;
	snprintf(name, sizeof(name), "%.40s.jsonl", text);
	if (!lg_month_is_name(name) || strlen(text) != 7 ||
	    atoi(text + 5) < 1 || atoi(text + 5) > 12)
		return tool_usage(c->cmd, "--before %s: a month, like 2026-09",
				  text);
	if (strcmp(name, now) > 0)
		return tool_usage(c->cmd,
				  "--before %s: this month's file is "
				  "still written",
				  text);
	memcpy(a->before, name, LG_MONTH_NAME);
	return -1;
}

static int by_name(const void *x, const void *y)
{
	return strcmp(((const struct month *)x)->name,
		      ((const struct month *)y)->name);
}

static int find(struct archive *a)
{
	int fd = fcntl(a->dir, F_DUPFD_CLOEXEC, 0);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;
	struct stat st;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return fail(a, "ledger", strerror(errno));
	}
	while ((de = readdir(d)))
		if (!a->dry && is_gone(de->d_name))
			recover(a, de->d_name);
	rewinddir(d);
	while ((de = readdir(d)) && a->n < MONTHS_MAX) {
		if (strlen(de->d_name) != LG_MONTH_NAME - 1 ||
		    !lg_month_is_name(de->d_name) ||
		    strcmp(de->d_name, a->before) >= 0 ||
		    fstatat(a->dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		a->month[a->n] = (struct month){.bytes = (uint64_t)st.st_size};
		strcpy(a->month[a->n++].name, de->d_name);
	}
	closedir(d);
	qsort(a->month, a->n, sizeof(*a->month), by_name);
	return 0;
}

/* -- what was done --------------------------------------------------------- */

static int tell_json(const struct archive *a, unsigned done)
{
	struct json j;

	json_init(&j);
	for (unsigned i = 0; i < done; i++) {
		json_open(&j, NULL, '{');
		json_text(&j, "file", a->month[i].name);
		json_u64(&j, "bytes", a->month[i].bytes);
		json_u64(&j, "packed", a->month[i].packed);
		json_close(&j, '}');
		json_line(&j);
	}
	return tool_print(&j.b);
}

static int tell(const struct archive *a, unsigned done, bool dry)
{
	struct lg_buf out;
	struct table t;

	lg_buf_init(&out, (size_t)1 << 24);
	if (!done) {
		lg_buf_puts(&out, "Nothing to pack.\n");
		return tool_print(&out);
	}
	table_init(&t, dry ? "WOULD BE PACKED\tBYTES\rPACKED"
			   : "PACKED\tBYTES\rPACKED");
	for (unsigned i = 0; i < done; i++) {
		table_cell(&t, a->month[i].name);
		table_u64(&t, a->month[i].bytes);
		if (dry)
			table_cell(&t, "");
		else
			table_u64(&t, a->month[i].packed);
	}
	table_print(&t, &out);
	return tool_print(&out);
}

static int work(const struct call *c, struct archive *a, struct lg_engine *e)
{
	int lock = books_lock(e), err, ret;
	unsigned done = 0;

	if (lock < 0)
		return tool_fail("books.lock: %s",
				 lock == -EWOULDBLOCK
					 ? "another command corrects the ledger"
					 : strerror(-lock));
	a->dir = open(lg_engine_ledger(e)->dir,
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = a->dir < 0 && errno != ENOENT
		      ? fail(a, lg_engine_ledger(e)->dir, strerror(errno))
	      : a->dir < 0 ? 0
			   : find(a);
	for (; !err && done < a->n; done++) {
		err = a->dry ? 0 : pack_month(a, &a->month[done]);
		if (err)
			break;
	}
	ret = c->v[O_JSON].set ? tell_json(a, done) : tell(a, done, a->dry);
	if (err)
		ret = tool_fail("%s", a->why);
	if (a->dir >= 0)
		close(a->dir);
	close(lock);
	return ret;
}

static int run(struct call *c)
{
	struct archive *a = calloc(1, sizeof(*a));
	struct lg_engine *e;
	int ret = a ? choose(c, a) : tool_fail("not enough memory");

	if (ret < 0)
		ret = tool_open(&e);
	if (ret < 0) {
		ret = work(c, a, e);
		lg_engine_close(e);
	}
	free(a);
	return ret;
}

const struct cmd cmd_archive = {
	.name = "archive",
	.args = "",
	.summary = "compress old months of the ledger",
	.about =
		"Each month's file before last month becomes FILE.zst, about a "
		"sixth of its size, read\nby every command as before. It is "
		"read back and compared before the plain file goes;\na kill at "
		"any time leaves one of both, or both, and then the plain one "
		"counts.\n`zstd -d --rm FILE.zst` takes it back.",
	.opts = opts,
	.run = run,
};
