#ifndef TESTS_GOLDEN_AS_H2_H
#define TESTS_GOLDEN_AS_H2_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/h2.h"
#include "wire/hpack.h"
#include "wire/http1.h"

/* Recorded HTTP/1.1 messages as the frames of one stream. */
struct as_h2 {
	struct lg_hpack_field f[128];
	size_t n;
	char names[8192];
	size_t named;
};

static inline void as_h2_add(struct as_h2 *a, const char *name, size_t len,
			     struct lg_slice value)
{
	char *to = a->names + a->named;

	for (size_t i = 0; i < len; i++)
		to[i] = name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32
							 : name[i];
	a->named += len;
	a->f[a->n++] = (struct lg_hpack_field){{to, len}, value, false};
}

static inline bool as_h2_is_hop(struct lg_slice name)
{
	static const char *const hop[] = {"connection", "transfer-encoding",
					  "keep-alive", "host"};

	for (size_t i = 0; i < 4; i++)
		if (lg_slice_ieq(name, lg_slice_str(hop[i])))
			return true;
	return false;
}

static inline void as_h2_head(struct lg_slice head, bool asks, const char *host,
			      struct nghttp2_hd_deflater *w,
			      struct lg_buf *block)
{
	static struct as_h2 a;
	struct lg_slice name, value, method, path;
	char status[4] = "";
	size_t pos = 0;

	a.n = a.named = 0;
	if (asks) {
		lg_http1_request_line(head, &method, &path);
		as_h2_add(&a, ":method", 7, method);
		as_h2_add(&a, ":scheme", 7, LG_SLICE("https"));
		as_h2_add(&a, ":authority", 10, lg_slice_str(host));
		as_h2_add(&a, ":path", 5, path);
	} else {
		memcpy(status, head.p + 9, 3);
		as_h2_add(&a, ":status", 7, lg_slice_str(status));
	}
	while (lg_http1_next_field(head, &pos, &name, &value))
		if (!as_h2_is_hop(name))
			as_h2_add(&a, name.p, name.len, value);
	lg_hpack_write(w, a.f, a.n, block);
}

static inline void as_h2_data(struct lg_buf *out, uint32_t stream,
			      struct lg_slice body, bool end)
{
	struct lg_h2_frame f = {0, LG_H2_DATA, 0, stream};

	do {
		f.len = body.len < LG_H2_FRAME_MAX ? (uint32_t)body.len
						   : LG_H2_FRAME_MAX;
		if (f.len == body.len && end)
			f.flags = LG_H2_END_STREAM;
		lg_h2_put(out, &f, body.p);
		body.p += f.len;
		body.len -= f.len;
	} while (body.len);
}

/* False: it has no such form. */
static inline bool as_h2(const char *p, size_t len, bool asks, const char *host,
			 uint32_t stream, struct nghttp2_hd_deflater *w,
			 struct lg_buf *out)
{
	static char head[LG_HTTP1_HEAD_MAX];
	enum lg_http1_event ev = LG_HTTP1_MORE;
	struct lg_buf block, body;
	struct lg_slice run;
	struct lg_http1 m;
	size_t used = 0;
	bool ok = false, done = false;

	lg_buf_init(&block, 1 << 20);
	lg_buf_init(&body, 64 << 20);
	lg_http1_init(&m, asks ? LG_HTTP1_REQUEST : LG_HTTP1_RESPONSE, head,
		      sizeof(head));
	while (!done) {
		used += lg_http1_feed(&m, p + used, len - used, &ev, &run);
		if (ev == LG_HTTP1_HEAD && (asks || m.status >= 200)) {
			as_h2_head((struct lg_slice){m.head, m.head_len}, asks,
				   host, w, &block);
			ok = true;
		} else if (ev == LG_HTTP1_BODY) {
			lg_buf_put(&body, run.p, run.len);
		} else if (ev == LG_HTTP1_END && !ok) {
			lg_http1_next(&m);
		} else if (ev != LG_HTTP1_HEAD) {
			done = true;
		}
	}
	if (ev == LG_HTTP1_MORE)
		ev = lg_http1_eof(&m);
	lg_h2_put_block(out, stream, false, NULL, lg_buf_slice(&block));
	as_h2_data(out, stream, lg_buf_slice(&body), ev == LG_HTTP1_END);
	if (ev != LG_HTTP1_END)
		lg_h2_put_u32(out, LG_H2_RST_STREAM, stream, LG_H2_CANCEL);
	lg_buf_fini(&block);
	lg_buf_fini(&body);
	return ok;
}

#endif
