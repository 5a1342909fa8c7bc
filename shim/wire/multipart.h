#ifndef LG_WIRE_MULTIPART_H
#define LG_WIRE_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * multipart/form-data (RFC 7578, RFC 2046 5.1), push-fed, cut anywhere. What a
 * part holds is passed on in pieces, never collected. One thread per object.
 */
#define LG_MULTIPART_BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */
#define LG_MULTIPART_NAME_MAX 64     /* longer names are cut */
#define LG_MULTIPART_LINE_MAX 1024   /* of a part's header */
#define LG_MULTIPART_HEAD_MAX 8192   /* all of them */

struct lg_multipart_sink {
	/* A part begins. is_file: it has a file's name. */
	void (*part)(void *ctx, struct lg_slice name, bool is_file);
	void (*data)(void *ctx, struct lg_slice piece);
	/* It is whole. */
	void (*end)(void *ctx);
};

struct lg_multipart {
	const struct lg_multipart_sink *sink;
	void *ctx;
	uint8_t state;
	uint8_t ndelimiter; /* bytes of it */
	uint8_t match;	    /* of these seen */
	bool in_part;	    /* a part is open */
	bool is_file;
	uint8_t name_len;
	uint16_t nline;
	uint32_t nhead; /* bytes of the part's headers so far */
	char delimiter[LG_MULTIPART_BOUNDARY_MAX + 4]; /* CR LF -- boundary */
	char name[LG_MULTIPART_NAME_MAX];
	char line[LG_MULTIPART_LINE_MAX];
};

/*
 * type: the Content-Type's value. False when it is not multipart/form-data
 * with a boundary that is allowed.
 */
bool lg_multipart_init(struct lg_multipart *m, struct lg_slice type,
		       const struct lg_multipart_sink *sink, void *ctx);
/* False from the first byte on that cannot be: no more is read. */
bool lg_multipart_feed(struct lg_multipart *m, const char *p, size_t len);
/* Was the closing delimiter seen? */
bool lg_multipart_is_whole(const struct lg_multipart *m);

#endif
