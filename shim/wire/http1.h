#ifndef LG_WIRE_HTTP1_H
#define LG_WIRE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/http1_head.h"

/*
 * HTTP/1.1 message framing (RFC 9112), one direction of a connection, message
 * after message. Pull style: each call consumes some bytes and says one thing
 * about them. Feeds may be cut anywhere. The caller owns the head's storage.
 * No allocation; a plain struct that may be copied for a dry run (with a head
 * storage of its own while the head is not complete). One thread per object.
 */
#define LG_HTTP1_HEAD_MAX 65536

enum lg_http1_kind { LG_HTTP1_REQUEST, LG_HTTP1_RESPONSE };

enum lg_http1_event {
	LG_HTTP1_MORE,	    /* all consumed, nothing to say */
	LG_HTTP1_HEAD,	    /* the head is complete: head, len */
	LG_HTTP1_BODY,	    /* body: a run of decoded-transfer bytes */
	LG_HTTP1_END,	    /* the message ended */
	LG_HTTP1_UPGRADE,   /* 101 or CONNECT: no HTTP from here on */
	LG_HTTP1_BAD,	    /* not HTTP/1.x, or contradictory framing */
	LG_HTTP1_TOO_LARGE, /* head beyond its storage */
};

enum lg_http1_framing {
	LG_HTTP1_NO_BODY,
	LG_HTTP1_LENGTH,
	LG_HTTP1_CHUNKED,
	LG_HTTP1_UNTIL_CLOSE,
};

struct lg_http1 {
	enum lg_http1_kind kind;
	enum lg_http1_framing framing;
	uint8_t state;
	bool head_request;    /* RESPONSE: answers a HEAD (set by caller) */
	bool connect_request; /* RESPONSE: answers a CONNECT */
	bool keep_alive;      /* of this message's head */
	uint16_t status;      /* RESPONSE */
	uint8_t minor;	      /* HTTP/1.minor */
	uint64_t length;      /* framing LENGTH: declared */
	uint64_t left;	      /* body or chunk bytes still to come */
	uint64_t body_bytes;  /* decoded-transfer body bytes so far */
	uint32_t line;	      /* bytes in the current chunk-size/trailer line */
	char *head;	      /* caller's storage */
	size_t head_cap, head_len;
};

void lg_http1_init(struct lg_http1 *m, enum lg_http1_kind kind, char *head,
		   size_t head_cap);
/* After END (keep-alive): ready for the next message; head is reused. */
void lg_http1_next(struct lg_http1 *m);
/*
 * Consume from p. Returns bytes consumed (may be 0 only with an event that
 * is not MORE). BODY: *body is the consumed run that is body (inside p).
 * HEAD: m->head[0..head_len) is the whole head with its empty line.
 */
size_t lg_http1_feed(struct lg_http1 *m, const char *p, size_t len,
		     enum lg_http1_event *ev, struct lg_slice *body);
/*
 * So many bytes are missing here: true when it is known what stands behind
 * them, because all of them belong to the body or the chunk at hand.
 */
bool lg_http1_skip(struct lg_http1 *m, uint64_t missing);
/*
 * In the midst of a chunked body: does a chunk begin at p, as far as these
 * bytes can tell? Then the message goes on there.
 */
bool lg_http1_join(struct lg_http1 *m, const char *p, size_t len);
/*
 * The peer closed. END when that ends the message (until-close), MORE when
 * nothing had begun, else BAD (cut short).
 */
enum lg_http1_event lg_http1_eof(struct lg_http1 *m);

#endif
