#ifndef LG_TOOLS_INDEX_H
#define LG_TOOLS_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct index;
struct lg_engine;

/*
 * The ledger as an SQLite database: $STATE/index.db (docs/index.md). It is a
 * copy that can be thrown away at any time; only these commands write it.
 */
#define INDEX_FILE "index.db"

struct index_stats {
	uint64_t rows;	     /* rows taken in by this call */
	uint64_t torn;	     /* torn lines, ever */
	uint64_t duplicates; /* rows that were there already */
	unsigned unread;     /* months that could not be read, said so */
};

/*
 * Open it, made anew where it is damaged, of another version, or has rows of
 * months that were removed or replaced, and take in
 * what the ledger has got since; a progress bar on a terminal where that takes
 * longer than a second. Where it cannot be kept (read-only, full, locked for
 * too long) it is built in memory, and stderr says so. -1: go on with *out;
 * else the exit code, said why.
 */
int index_open(struct lg_engine *e, struct index **out);
/* The same after throwing away what was there. */
int index_rebuild(struct lg_engine *e, struct index **out);
/*
 * It was found damaged (code: of SQLite) while it was read: made anew, once.
 * As index_open; statements of before are gone.
 */
int index_mend(struct index *x, int code);
void index_close(struct index *x);

const char *index_path(const struct index *x);
/* Is it in memory alone? */
bool index_is_volatile(const struct index *x);
void index_stats(const struct index *x, struct index_stats *out);

#endif
