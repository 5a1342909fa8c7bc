#ifndef LG_TOOLS_INDEX_SEGMENT_H
#define LG_TOOLS_INDEX_SEGMENT_H

#include "index_db.h"
#include "ledger/month.h"

/* What tells a file from another, and from itself when it has changed. */
struct segment_id {
	uint64_t ino, bytes;
	int64_t ctime_ns;
};

/* How far a month of the ledger was read. */
struct segment {
	char file[LG_MONTH_NAME];
	uint64_t offset, torn; /* of what zstd had not packed */
	uint64_t size;	       /* all of it then */
	struct segment_id id;
	uint32_t sum;  /* CRC32C of [0, offset) */
	uint32_t tail; /* of its last SEGMENT_TAIL bytes */
};
#define SEGMENT_TAIL 4096

/* offset 0 where it is not known. SQLITE_OK, SQLITE_CORRUPT ... */
int segment_get(struct index *x, const char *name, struct segment *s);
int segment_set(struct index *x, const struct segment *s);

/*
 * The month's file or the packed one; 0, -ENOENT, -errno. Opens nothing.
 */
int segment_look(int dir, const char *name, struct segment_id *id);
/* Nothing has changed, and nothing is left to be read. */
bool segment_is_current(const struct segment *s, const struct segment_id *id);
/*
 * Is what was read of it still in this open file? id: the file's. size: its
 * bytes, not packed. 0; INDEX_STALE no, and what has happened is in x->stale;
 * -errno.
 */
int segment_verify(struct index *x, const struct segment *s, int fd,
		   const struct segment_id *id, uint64_t size);
/* Bytes of an open file when they are not packed, and what it is. */
int segment_measure(int fd, struct segment_id *id, uint64_t *size);
/* It was read up to `to`: offset and sums. 0, -errno. */
int segment_advance(struct segment *s, int fd, uint64_t to);
/* Is a month gone of which rows were read? As segment_verify. */
int segment_missing(struct index *x, int dir);

#endif
