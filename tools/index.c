#include "index.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guard/engine.h"
#include "index_db.h"
#include "index_fact.h"
#include "index_fill.h"
#include "index_side.h"
#include "ledger/ledger.h"
#include "ledger/month.h"
#include "tool.h"

#define WAIT_MS 30000 /* for another writer */
#define ASKED_PAGES 256
#define LOCK_TRIES 300 /* of 10 ms */

static void close_db(struct index *x)
{
	for (unsigned i = 0; i < ST_COUNT; i++) {
		sqlite3_finalize(x->st[i]);
		x->st[i] = NULL;
	}
	sqlite3_close(x->db);
	x->db = NULL;
}

void index_close(struct index *x)
{
	if (!x)
		return;
	/* who only asked does not wait for a disk */
	if (!x->rows && x->db)
		sqlite3_db_config(x->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
				  NULL);
	close_db(x);
	index_forget(x);
	index_fact_fini(x);
	if (x->lock >= 0)
		close(x->lock);
	free(x);
}

const char *index_path(const struct index *x)
{
	return x->path;
}

bool index_is_volatile(const struct index *x)
{
	return x->memory;
}

void index_stats(const struct index *x, struct index_stats *out)
{
	sqlite3_stmt *st;

	*out = (struct index_stats){.rows = x->rows,
				    .duplicates = x->duplicates,
				    .unread = x->unread};
	if (sqlite3_prepare_v2(x->db, "SELECT sum(torn) FROM segments", -1, &st,
			       NULL))
		return;
	if (sqlite3_step(st) == SQLITE_ROW)
		out->torn = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
}

/* -- the file ---------------------------------------------------------------
 */

static int64_t version_of(struct index *x)
{
	sqlite3_stmt *st;
	int64_t v = -1;

	if (sqlite3_prepare_v2(x->db, "PRAGMA user_version", -1, &st, NULL))
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static int create(struct index *x)
{
	char text[64];
	int code = index_exec(x, "BEGIN EXCLUSIVE");

	if (code)
		return code;
	if (version_of(x) == INDEX_VERSION) /* another was faster */
		return index_exec(x, "ROLLBACK");
	snprintf(text, sizeof(text), "PRAGMA user_version = %d; COMMIT",
		 INDEX_VERSION);
	code = index_exec(x, index_schema);
	if (!code)
		code = index_exec(x, text);
	if (code)
		index_exec(x, "ROLLBACK");
	return code;
}

/* SQLITE_SCHEMA: of another version. */
static int open_db(struct index *x, const char *path)
{
	struct stat st;
	mode_t mask;
	int64_t version;
	int code;

	/* whose file would that be? */
	if (!lstat(path, &st) && S_ISLNK(st.st_mode))
		return SQLITE_CANTOPEN;
	/* what it makes (also -wal, -shm) is for this user alone */
	mask = umask(077);
	code = sqlite3_open_v2(
		path, &x->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	umask(mask);
	if (code)
		return code;
	sqlite3_busy_timeout(x->db, WAIT_MS);
	code = index_exec(x, "PRAGMA page_size = 8192;"
			     "PRAGMA cache_size = -65536;"
			     "PRAGMA temp_store = MEMORY;"
			     "PRAGMA journal_mode = WAL;"
			     "PRAGMA wal_autocheckpoint = 4000;"
			     "PRAGMA synchronous = NORMAL");
	if (code)
		return code;
	version = version_of(x);
	if (version == INDEX_VERSION)
		return SQLITE_OK;
	if (version)
		return version < 0 ? SQLITE_CORRUPT : SQLITE_SCHEMA;
	return create(x);
}

/* Shared by whoever uses the file, alone by whoever removes it. */
static int lock_file(struct index *x, int how)
{
	const struct timespec nap = {0, 10000000};
	char path[608];

	if (x->lock < 0) {
		snprintf(path, sizeof(path), "%s.lock", x->path);
		x->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			       0600);
	}
	if (x->lock < 0)
		return -errno;
	for (int i = 0; flock(x->lock, how | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -errno;
		nanosleep(&nap, NULL);
	}
	return 0;
}

static int remove_file(struct index *x)
{
	static const char *const ends[] = {"-wal", "-shm", ""};
	char path[608];
	int err = lock_file(x, LOCK_EX);

	for (unsigned i = 0; !err && i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", x->path, ends[i]);
		if (unlink(path) && errno != ENOENT)
			err = -errno;
	}
	return err ? err : lock_file(x, LOCK_SH);
}

/* -- opening ----------------------------------------------------------------
 */

static int fill(struct index *x, struct lg_engine *e)
{
	int code = index_fill(x, lg_engine_ledger(e)->dir, WAIT_MS);

	/* what questions leave in the log is kept short */
	sqlite3_wal_autocheckpoint(x->db, ASKED_PAGES);
	return code ? code : index_side_refresh(x, e);
}

static const char *reason(int code)
{
	if (code == -EPROTO)
		return "a packed month of the ledger is damaged (zstd -t "
		       "finds it)";
	if (code < 0)
		return strerror(-code);
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return "locked by another program";
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return "cannot be written here";
	case SQLITE_FULL:
	case SQLITE_IOERR:
		return "no room, or the disk fails";
	case SQLITE_NOMEM:
		return "out of memory";
	default:
		return "damaged";
	}
}

static int in_memory(struct index *x, struct lg_engine *e)
{
	int code;

	close_db(x);
	index_forget(x);
	index_fact_drop(x);
	x->memory = true;
	x->seq = 0;
	x->rows = x->duplicates = 0;
	code = open_db(x, ":memory:");
	if (!code)
		code = fill(x, e);
	if (!code)
		return -1;
	return tool_fail("index: %s",
			 code == INDEX_STALE ? x->stale : reason(code));
}

static int attempt(struct index *x, struct lg_engine *e)
{
	int code = open_db(x, x->path);

	return code ? code : fill(x, e);
}

static bool must_begin_anew(int code)
{
	return code == INDEX_STALE || (code > 0 && index_is_damage(code));
}

static int anew(struct index *x, int why)
{
	int code;

	tool_warn("index %s: %s; it is made anew from the ledger", x->path,
		  why == INDEX_STALE	 ? x->stale
		  : why == SQLITE_SCHEMA ? "of another version of llmguard"
					 : reason(why));
	close_db(x);
	index_forget(x);
	index_fact_drop(x);
	x->mended = true;
	x->rows = x->duplicates = 0;
	x->seq = 0;
	code = remove_file(x);
	return code ? code : attempt(x, x->engine);
}

static int open_or_rebuild(struct index *x, struct lg_engine *e, bool fresh)
{
	int code = lock_file(x, LOCK_SH);

	if (!code && fresh)
		code = remove_file(x);
	if (!code)
		code = attempt(x, e);
	if (must_begin_anew(code))
		code = anew(x, code);
	if (!code)
		return -1;
	tool_warn("index %s: %s; it is built in memory for now", x->path,
		  code == INDEX_STALE ? x->stale : reason(code));
	return in_memory(x, e);
}

int index_mend(struct index *x, int code)
{
	if (x->mended || x->memory)
		return tool_fail("index %s: %s, also when it was made anew",
				 x->path, reason(code));
	code = anew(x, code);
	if (!code)
		return -1;
	tool_warn("index %s: %s; it is built in memory for now", x->path,
		  code == INDEX_STALE ? x->stale : reason(code));
	return in_memory(x, x->engine);
}

/* The clock was set back into a month that had been packed. */
static void warn_of_hidden(const char *folder)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[LG_MONTH_NAME] = "", packed[LG_MONTH_NAME + 8];

	if (dir < 0)
		return;
	while (!lg_month_next(dir, name)) {
		snprintf(packed, sizeof(packed), "%s.zst", name);
		if (!faccessat(dir, name, F_OK, 0) &&
		    !faccessat(dir, packed, F_OK, 0))
			tool_warn("ledger: rows of %s are not counted beside "
				  "%s; docs/ledger.md tells how to join them",
				  packed, name);
	}
	close(dir);
}

static int start(struct lg_engine *e, bool anew, struct index **out)
{
	struct index *x = calloc(1, sizeof(*x));
	int ret;

	if (!x)
		return tool_fail("out of memory");
	/* a limit on files is an error like a full disk */
	signal(SIGXFSZ, SIG_IGN);
	x->lock = -1;
	x->engine = e;
	strmap_init(&x->texts, sizeof(uint32_t));
	snprintf(x->path, sizeof(x->path), "%s/" INDEX_FILE,
		 lg_engine_state_dir(e));
	ret = open_or_rebuild(x, e, anew);
	if (ret >= 0)
		index_close(x);
	else
		*out = x;
	warn_of_hidden(lg_engine_ledger(e)->dir);
	return ret;
}

int index_open(struct lg_engine *e, struct index **out)
{
	return start(e, false, out);
}

int index_rebuild(struct lg_engine *e, struct index **out)
{
	return start(e, true, out);
}
