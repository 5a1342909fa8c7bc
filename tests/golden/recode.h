#ifndef TESTS_GOLDEN_RECODE_H
#define TESTS_GOLDEN_RECODE_H

#include <brotli/encode.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "wire/content.h"
#include "wire/http1.h"

/* A recorded answer in another content coding and other chunks. */
static const char *const recodings[] = {
	"gzip", "deflate", "br", "zstd", "gzip, br",
};
#define RECODINGS (sizeof(recodings) / sizeof(recodings[0]))
#define RECODE_MAX ((size_t)64 << 20)

static inline bool recode_zlib(struct lg_buf *b, int bits)
{
	z_stream z = {0};
	size_t cap = b->len + b->len / 10 + 200;
	struct lg_buf out;
	bool good;

	lg_buf_init(&out, RECODE_MAX);
	good = !lg_buf_reserve(&out, cap) &&
	       deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) ==
		       Z_OK;
	z.next_in = (unsigned char *)b->p;
	z.avail_in = (unsigned)b->len;
	z.next_out = (unsigned char *)out.p;
	z.avail_out = (unsigned)cap;
	good = good && deflate(&z, Z_FINISH) == Z_STREAM_END;
	out.len = cap - z.avail_out;
	deflateEnd(&z);
	lg_buf_fini(b);
	*b = out;
	return good;
}

static inline bool recode_br(struct lg_buf *b)
{
	size_t cap = b->len + b->len / 10 + 200;
	struct lg_buf out;
	bool good;

	lg_buf_init(&out, RECODE_MAX);
	good = !lg_buf_reserve(&out, cap) &&
	       BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, b->len,
				     (const uint8_t *)b->p, &cap,
				     (uint8_t *)out.p);
	out.len = cap;
	lg_buf_fini(b);
	*b = out;
	return good;
}

static inline bool recode_zstd(struct lg_buf *b)
{
	size_t cap = ZSTD_compressBound(b->len);
	struct lg_buf out;
	bool good;

	lg_buf_init(&out, RECODE_MAX);
	good = !lg_buf_reserve(&out, cap);
	out.len = ZSTD_compress(out.p, cap, b->p, b->len, 3);
	good = good && !ZSTD_isError(out.len);
	lg_buf_fini(b);
	*b = out;
	return good;
}

static inline bool recode_body(struct lg_buf *b, const char *how)
{
	if (strstr(how, "gzip") && !recode_zlib(b, 31))
		return false;
	if (strstr(how, "deflate") && !recode_zlib(b, 15))
		return false;
	if (strstr(how, "br") && !recode_br(b))
		return false;
	return !strstr(how, "zstd") || recode_zstd(b);
}

static inline void recode_take(void *ctx, const char *p, size_t n)
{
	lg_buf_put(ctx, p, n);
}

/* The body's own bytes, what stands before its head, and whether its framing
 * came to its end. */
static inline bool recode_plain(const char *p, size_t len,
				struct lg_buf *before, struct lg_buf *head,
				struct lg_buf *body, bool *whole)
{
	static char storage[LG_HTTP1_HEAD_MAX];
	struct lg_content *c = NULL;
	enum lg_http1_event ev;
	struct lg_slice piece;
	struct lg_http1 m;
	size_t used = 0;

	lg_http1_init(&m, LG_HTTP1_RESPONSE, storage, sizeof(storage));
	do {
		used += lg_http1_feed(&m, p + used, len - used, &ev, &piece);
		if (m.status < 200 && ev == LG_HTTP1_END) {
			lg_buf_put(before, p, used);
			lg_http1_next(&m);
			ev = LG_HTTP1_BODY;
			piece.len = 0;
		} else if (ev == LG_HTTP1_HEAD && m.status >= 200) {
			lg_buf_put(head, m.head, m.head_len);
			if (lg_content_new(
				    lg_http1_field(lg_buf_slice(head),
						   LG_SLICE("content-encoding"),
						   0),
				    recode_take, body, &c))
				return false;
		} else if (ev == LG_HTTP1_BODY && c) {
			lg_content_feed(c, piece.p, piece.len);
		} else if (ev == LG_HTTP1_BODY) {
			lg_buf_put(body, piece.p, piece.len);
		}
	} while (ev == LG_HTTP1_HEAD || ev == LG_HTTP1_BODY);
	*whole = ev == LG_HTTP1_END || lg_http1_eof(&m) == LG_HTTP1_END;
	lg_content_del(c);
	return ev != LG_HTTP1_BAD;
}

static inline void recode_head(struct lg_slice head, const char *how,
			       struct lg_buf *out)
{
	while (head.len > 2) {
		const char *nl = memchr(head.p, '\n', head.len);
		struct lg_slice line = {head.p, (size_t)(nl - head.p) + 1};

		if (!lg_slice_istarts(line, LG_SLICE("content-length:")) &&
		    !lg_slice_istarts(line, LG_SLICE("content-encoding:")) &&
		    !lg_slice_istarts(line, LG_SLICE("transfer-encoding:")))
			lg_buf_put(out, line.p, line.len);
		head.p += line.len;
		head.len -= line.len;
	}
	lg_buf_puts(out, "Content-Encoding: ");
	lg_buf_puts(out, how);
	lg_buf_puts(out, "\r\nTransfer-Encoding: chunked\r\n\r\n");
}

/* out is the caller's to fini. False: the recording cannot be understood. */
static inline bool recode(const char *p, size_t len, unsigned which,
			  size_t chunk, struct lg_buf *out)
{
	struct lg_buf head, body;
	bool whole = false, good;

	lg_buf_init(&head, LG_HTTP1_HEAD_MAX);
	lg_buf_init(&body, RECODE_MAX);
	lg_buf_init(out, RECODE_MAX);
	good = recode_plain(p, len, out, &head, &body, &whole) &&
	       recode_body(&body, recodings[which]);
	if (good)
		recode_head(lg_buf_slice(&head), recodings[which], out);
	for (size_t at = 0, n; good && at < body.len; at += n) {
		n = body.len - at < chunk ? body.len - at : chunk;
		lg_buf_put_hex(out, n);
		lg_buf_puts(out, "\r\n");
		lg_buf_put(out, body.p + at, n);
		lg_buf_puts(out, "\r\n");
	}
	if (whole)
		lg_buf_puts(out, "0\r\n\r\n");
	lg_buf_fini(&head);
	lg_buf_fini(&body);
	return good && !out->overflow;
}

#endif
