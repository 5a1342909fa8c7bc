#ifndef LG_TOOLS_AGAIN_H
#define LG_TOOLS_AGAIN_H

#include "json.h"
#include "query.h"

struct lg_buf;
struct lg_engine;

/* Requests that were made again, those whose repeats cost most first. */
struct again_request {
	int64_t hash; /* of the body; nothing of it is kept anywhere */
	uint32_t model, project;	   /* texts of the query, read */
	int64_t calls, cost_pusd, last_ms; /* of retries and repeats alone */
};

struct again {
	struct again_request *r; /* heap */
	unsigned n;
	int64_t calls, cost_pusd; /* of all */
};

/* As a query's `more`, a struct again for ctx: among the calls it sums up. */
int again_read(struct query *q, void *out);
void again_fini(struct again *a);

/* The first `top` of them (0: all) as a table, or as "again": {...}. */
void again_text(struct query *q, const struct again *a, unsigned top,
		struct lg_engine *e, struct lg_buf *out);
void again_json(struct query *q, const struct again *a, unsigned top,
		struct json *j);

#endif
