#ifndef LG_TOOLS_QUERY_WORK_H
#define LG_TOOLS_QUERY_WORK_H

#include "index_db.h"
#include "index_fact.h"
#include "query.h"

/* One row of `who` or `what`. */
struct query_tuple {
	uint32_t text[WHAT_COLUMNS];
	bool passes, refused;
	uint8_t coverage;
};

struct query_tuples {
	struct query_tuple *t; /* by id */
	uint32_t n;	       /* ids below that */
	unsigned columns;
};

/* Sums by a number: a tuple's id, a text's id, a local day or hour. */
struct query_base {
	struct sums *s;
	uint32_t *slot; /* of sparse ones: number to index in s, + 1 */
	uint32_t *number;
	int64_t first, last; /* numbers that have a slot */
	size_t n, cap;
	bool wanted;
	bool full; /* also the details of each sum */
};

enum query_base_kind {
	BASE_DAY,
	BASE_HOUR,
	BASE_WHO,
	BASE_WHAT,
	BASE_CONVERSATION,
	BASE_RUN,
	BASE_ESTIMATE,
	BASES
};

struct query_work {
	struct query_tuples who, what;
	bool who_filtered;
	bool damaged; /* a text was */
	struct fact_chunk *chunk;
	unsigned nchunks;
	char **text; /* by id; NULL: not asked yet */
	uint32_t ntexts;
	uint8_t *fact_passes[2]; /* conversation, run: by text id, NULL: all */
	struct query_base base[BASES];
};

/* -- query_text.c ------------------------------------------------------- */

/* Tuples, how many texts. SQLITE_OK or an error. */
int query_load(struct query *q);
/* "" and work.damaged where it is not there as it was stored. */
const char *query_text(struct query *q, uint32_t id);
/* All of them at once, where many will be asked for. SQLITE_OK or an error. */
int query_all_texts(struct query *q);
/* Which tuples and texts pass the filters. SQLITE_OK or an error. */
int query_filter(struct query *q);

/* -- query_base.c ------------------------------------------------------- */

#define QUERY_HOUR_MS INT64_C(3600000)

/* Those that are wanted, for [first, last]. SQLITE_OK or an error. */
int query_bases_open(struct query *q, int64_t first, int64_t last);
/* A place for a number. SQLITE_OK; SQLITE_NOMEM; SQLITE_CORRUPT: out of range.
 */
int query_base_enter(struct query_base *b, int64_t number);
/* What the scan does not add: calls and cost of each sum. */
void query_bases_complete(struct query *q);

/* -- query_scan.c ------------------------------------------------------- */

/* Adds all facts up in the bases that are wanted. */
int query_scan(struct query *q);

/* -- query_group.c ------------------------------------------------------ */

/* The answer from the bases. 0, -ENOMEM. */
int query_group(struct query *q);

/* -- query_top.c -------------------------------------------------------- */

/* Groups by text, those alone that query.top asks for. 0, -ENOMEM. */
int query_by_fact(struct query *q, const struct query_base *b,
		  struct grouping *out);
/* Is nothing left to be told, as where every call was taken back? */
bool query_is_empty(const struct sums *s);

static inline int64_t query_sum(int64_t a, int64_t b)
{
	int64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return r;
}

#endif
