#ifndef LG_TOOLS_EXPLAIN_REQUEST_H
#define LG_TOOLS_EXPLAIN_REQUEST_H

#include "doc.h"

struct lg_engine;
struct lg_exchange;
struct lg_memo;

/* A request in a file, read as the guard reads it. */
struct explain_request {
	const char *file;     /* "-" is stdin */
	const char *url;      /* of a JSON body; NULL: guessed */
	const char *provider; /* likewise */
	struct lg_memo *memo; /* of one caller's requests; NULL: none */
	/* Read from it: the JSON body, NULL where it is none. In the arena. */
	struct doc *body;
	struct doc_error err;
};

/*
 * A JSON body, or an HTTP/1 request with its head (lines may end in LF). NULL
 * with err filled; else an exchange whose route, facts and attribution (as if
 * this environment sent it) are known, to be deleted by the caller. Memory of
 * the text is the arena's.
 */
struct lg_exchange *explain_request_read(struct lg_engine *e,
					 struct doc_arena *a,
					 struct explain_request *r);
/* The same of a text that stands in the arena; r->file names it. */
struct lg_exchange *explain_request_text(struct lg_engine *e,
					 struct doc_arena *a,
					 struct explain_request *r,
					 struct lg_slice text);

#endif
