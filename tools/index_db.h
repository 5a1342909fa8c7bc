#ifndef LG_TOOLS_INDEX_DB_H
#define LG_TOOLS_INDEX_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "index_schema.h"
#include "strmap.h"

struct lg_engine;
struct tuples;

/* Statements that are prepared once. */
enum index_statement {
	ST_BEGIN,
	ST_COMMIT,
	ST_ROLLBACK,
	ST_META_GET,
	ST_META_SET,
	ST_TEXT_FIND,
	ST_TEXT_ADD,
	ST_TEXT_LAST,
	ST_TEXT_GET,
	ST_WHO_FIND,
	ST_WHO_ADD,
	ST_WHO_LAST,
	ST_WHAT_FIND,
	ST_WHAT_ADD,
	ST_WHAT_LAST,
	ST_WHAT_GET,
	ST_CALL_ADD,
	ST_CALL_FIND,
	ST_CALL_STATE,
	ST_REQUEST_GET,
	ST_REQUEST_SET,
	ST_AGAIN_ADD,
	ST_CAP_ADD,
	ST_ADJUST_ADD,
	ST_ADJUST_WAITING,
	ST_ADJUST_DONE,
	ST_SEGMENT_GET,
	ST_SEGMENT_SET,
	ST_CHUNK_LAST,
	ST_CHUNK_ADD,
	ST_FACT_ADD,
	ST_FACT_GET,
	ST_COUNT
};

/* Rows of facts that wait to be stored. */
#define FACT_CHUNK 65536

struct index_pending {
	int64_t *column[FACT_COLUMNS]; /* heap, FACT_CHUNK each */
	unsigned n;
};

/* The open index. One thread. */
struct index {
	sqlite3 *db;
	sqlite3_stmt *st[ST_COUNT];
	char path[600];		  /* of the database */
	int lock;		  /* its lock file, -1 none */
	bool memory;		  /* nothing is kept */
	bool mended;		  /* made anew once by this command */
	struct lg_engine *engine; /* borrowed, whose ledger it is */
	char stale[80];		  /* why INDEX_STALE */
	int64_t seq; /* meta: one more for each change by anybody */
	/* -- while filling -- */
	struct strmap texts; /* to uint32_t */
	struct tuples *who, *what;
	struct index_pending pending;
	uint64_t rows, duplicates, orphans;
	unsigned unread; /* months that were passed over */
};

/* sqlite's result code: SQLITE_OK and so on. */
int index_exec(struct index *x, const char *sql);
/* Ready to be bound; NULL with the reason in sqlite3_errcode. */
sqlite3_stmt *index_statement(struct index *x, enum index_statement which);
/* Step a statement that returns nothing, and reset it. SQLITE_OK or an error.
 */
int index_step(sqlite3_stmt *st);

/* A number of `meta`; 0 where there is none. */
int64_t index_meta(struct index *x, const char *key);
int index_set_meta(struct index *x, const char *key, int64_t v);

/* Of a call what its crc holds together: see index_call_read. */
#define INDEX_CALL_COLUMNS                                                     \
	"seq, ts_ms, who, what, conversation, run, cost_pusd,"                 \
	" input_cost_pusd, economic_pusd, estimate_pusd, input_tokens,"        \
	" output_tokens, cache_read_tokens, cache_write_tokens,"               \
	" reasoning_tokens, duration_ms, crc"

/*
 * Check sum (CRC32C) of a row of the index: its text (NULL: none) and numbers.
 * Each table that reports rest on has it as its last column.
 */
int64_t index_check(const char *text, const int64_t *n, unsigned count);

/* Is the file no (sound) database, so that it must be made anew? */
bool index_is_damage(int code);

/* What was interned is forgotten: somebody else wrote meanwhile. */
void index_forget(struct index *x);

#endif
