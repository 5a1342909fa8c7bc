#ifndef LG_GUARD_BODY_H
#define LG_GUARD_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "guard/body_watch.h"
#include "guard/codec.h"
#include "llm/dialect.h"
#include "llm/facts.h"
#include "wire/content.h"
#include "wire/json.h"
#include "wire/json_shape.h"
#include "wire/sse.h"

/*
 * What lies between the framing of a message and its dialect: the content
 * coding is undone, the kind of the body is found, and its JSON values, be it
 * one, lines, events or frames, are scanned for what the dialect watches.
 * First the request's body into facts, then the answer's into answer. One
 * thread per object; memory from base/mem.h, bounded.
 */
enum lg_body_kind {
	LG_BODY_UNSEEN,
	LG_BODY_SNIFF, /* by first byte: Content-Type may be wrong or none */
	LG_BODY_JSON,
	LG_BODY_SSE,
	LG_BODY_LINES,	/* a JSON value a line */
	LG_BODY_FRAMES, /* AWS event-stream */
	LG_BODY_OPAQUE,
};

struct lg_body_form;
struct lg_body_frames;

/* answer.part was set; for DUE finish() was called before. */
typedef void lg_body_part_fn(void *ctx, enum lg_part part);
/* Behind each value of a stream: true when the answer has to end here. */
typedef bool lg_body_due_fn(void *ctx);
/* True: these next bytes cannot bring that about, so it is not asked. */
typedef bool lg_body_far_fn(void *ctx, size_t len);

struct lg_body {
	const struct lg_dialect *d;    /* NULL: nothing to read */
	const struct lg_codec *codec;  /* d's, NULL without memory */
	struct lg_facts *facts;	       /* borrowed, as the answer */
	struct lg_answer *answer;      /* emptied when its head comes */
	lg_body_part_fn *on_part;      /* NULL: parts are dropped */
	lg_body_due_fn *due;	       /* NULL: the answer is never cut */
	lg_body_far_fn *far;	       /* set with due */
	void *ctx;		       /* of on_part, due and far */
	struct lg_content *content;    /* NULL: identity */
	struct lg_json_shapes *shapes; /* of a stream's values, mem */
	struct lg_body_frames *frames; /* of FRAMES, mem */
	struct lg_body_form *form;     /* of a request that is one, mem */
	uint64_t bytes;		       /* of the answer, decoded */
	uint32_t flags;		       /* LG_ROW_*: what could not be read */
	enum lg_body_kind kind;
	enum lg_body_kind told; /* by Content-Type, of SNIFF */
	bool streamed;		/* the answer is a stream */
	bool scanning;		/* json is in use */
	char mark[8];		/* first bytes of an event's data */
	uint8_t mark_len;
	bool near;	/* the bytes at hand may have to be cut */
	bool cut;	/* due() said so: nothing more is read */
	size_t cut_at;	/* bytes of the last feed before that place */
	char cut_after; /* the last of them */
	struct lg_body_array array;
	struct lg_sse sse;
	struct lg_json json; /* request's, then the answer's; not zeroed */
};

/* facts and answer are the caller's and live as long. */
void lg_body_init(struct lg_body *b, struct lg_facts *facts,
		  struct lg_answer *answer);
/* Gives its memory back. */
void lg_body_fini(struct lg_body *b);
/* Whose words are read. NULL: only bytes are counted. */
void lg_body_speak(struct lg_body *b, const struct lg_dialect *d);

/* The request: its Content-Type and Content-Encoding, body, end. */
void lg_body_request_head(struct lg_body *b, struct lg_slice type,
			  struct lg_slice coding);
void lg_body_request_feed(struct lg_body *b, const char *p, size_t n);
/*
 * So many bytes come after these that will not be looked at: as much prompt,
 * or the rest of a form's file.
 */
void lg_body_request_rest(struct lg_body *b, uint64_t rest);
/* whole: the framing's end was seen; false: no more will be looked at. */
void lg_body_request_end(struct lg_body *b, bool whole);

/* The answer: its final head (complete), body, end. */
void lg_body_answer_head(struct lg_body *b, struct lg_slice head,
			 unsigned status);
void lg_body_answer_feed(struct lg_body *b, const char *p, size_t n);
/* The dialect's finish() is called, for what no part held. */
void lg_body_answer_end(struct lg_body *b, bool complete);

#endif
