#ifndef LG_TOOLS_INDEX_FACT_H
#define LG_TOOLS_INDEX_FACT_H

#include "index_db.h"

/*
 * Facts: what reports add up, as signed differences that are never changed. A
 * call is a fact; a correction takes the call as it stood back (all its
 * numbers negative) and enters it as it stands. Stored in chunks of at most
 * FACT_CHUNK, one blob a column: facts.id = chunk * FACT_COLUMNS + column. A
 * blob is, all little endian: CRC32C (4 bytes) of id, how many numbers there
 * are (8 bytes each) and of what follows; width in bytes of a number (1 byte,
 * 0..8); least number, greatest, unit (8 bytes each); (numbers - least) /
 * unit; 8 bytes 0.
 */

/* Kept in memory until index_fact_flush. SQLITE_OK or an error. */
int index_fact_add(struct index *x, const int64_t fact[FACT_COLUMNS]);
int index_fact_flush(struct index *x);
/* Those that wait are forgotten: their transaction is. */
void index_fact_drop(struct index *x);
void index_fact_fini(struct index *x);

/* A row of `chunks`: ids are 1 .. meta's `chunks`, none is left out. */
struct fact_chunk {
	int64_t id;
	unsigned n;		   /* rows */
	int64_t first_ms, last_ms; /* of them */
};

int64_t fact_chunk_check(const struct fact_chunk *c);
/* From columns id, n, first_ms, last_ms, crc. SQLITE_OK, SQLITE_CORRUPT. */
int fact_chunk_read(sqlite3_stmt *st, struct fact_chunk *out);

/* One column of one chunk, borrowed until the next one is opened on st. */
struct fact_column {
	const uint8_t *p;
	unsigned width;
	int64_t min, max;
	uint64_t unit;
};

/*
 * n: rows of the chunk. SQLITE_OK; SQLITE_CORRUPT it is not that long, or its
 * check sum is another.
 */
int fact_column_open(sqlite3_stmt *st, int64_t id, unsigned n,
		     struct fact_column *out);
/* Rows [from, from + n). */
void fact_column_read(const struct fact_column *c, unsigned from, unsigned n,
		      int64_t *out);

#endif
