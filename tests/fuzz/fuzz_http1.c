/*
 * HTTP/1.1 framing: the same story whatever the cuts, and the same bodies as
 * Debian's http-parser where both accept the input.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http1.h"

#if __has_include(<http_parser.h>)
#include <http_parser.h>
#define HAVE_PEER 1
#endif

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct story {
	uint64_t hash;	   /* of all body bytes and ends */
	unsigned messages; /* ended */
	bool bad, upgrade, midway;
};

static void mix(struct story *s, const char *p, size_t n)
{
	while (n--)
		s->hash = (s->hash ^ (uint8_t)*p++) * 0x100000001b3;
}

static void end(struct story *s)
{
	mix(s, "\0end", 4);
	s->messages++;
}

static void ours(struct story *s, enum lg_http1_kind kind, const char *p,
		 size_t len, unsigned step)
{
	static char head[LG_HTTP1_HEAD_MAX];
	enum lg_http1_event ev;
	struct lg_slice body;
	struct lg_http1 m;
	size_t used = 0, upto = 0;

	lg_http1_init(&m, kind, head, sizeof(head));
	while (!s->bad && !s->upgrade) {
		used += lg_http1_feed(&m, p + used, upto - used, &ev, &body);
		if (used > upto)
			abort();
		switch (ev) {
		case LG_HTTP1_MORE:
			if (used != upto)
				abort();
			if (upto == len) {
				s->midway = lg_http1_eof(&m) != LG_HTTP1_MORE;
				return;
			}
			upto = step && len - upto > step ? upto + step : len;
			break;
		case LG_HTTP1_BODY:
			if (!body.len || body.p < p ||
			    body.p + body.len > p + used)
				abort();
			mix(s, body.p, body.len);
			break;
		case LG_HTTP1_END:
			end(s);
			lg_http1_next(&m);
			break;
		case LG_HTTP1_UPGRADE:
			s->upgrade = true;
			break;
		case LG_HTTP1_HEAD: {
			struct lg_slice h = {m.head, m.head_len}, n, v;
			size_t pos = 0;

			while (lg_http1_next_field(h, &pos, &n, &v))
				if (v.p + v.len > m.head + m.head_len)
					abort();
			break;
		}
		default:
			s->bad = true;
		}
	}
}

#ifdef HAVE_PEER
static int peer_body(http_parser *hp, const char *p, size_t n)
{
	mix(hp->data, p, n);
	return 0;
}

static int peer_end(http_parser *hp)
{
	end(hp->data);
	return 0;
}

static void peer(struct story *s, enum lg_http1_kind kind, const char *p,
		 size_t len)
{
	static const http_parser_settings how = {
		.on_body = peer_body,
		.on_message_complete = peer_end,
	};
	http_parser hp;

	http_parser_init(&hp, kind == LG_HTTP1_REQUEST ? HTTP_REQUEST
						       : HTTP_RESPONSE);
	hp.data = s;
	if (http_parser_execute(&hp, &how, p, len) != len)
		s->bad = !hp.upgrade;
	s->upgrade = hp.upgrade;
	if (HTTP_PARSER_ERRNO(&hp) != HPE_OK)
		s->bad = true;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;
	struct story a = {0}, b = {0};
	enum lg_http1_kind kind;

	if (!size)
		return 0;
	size--;
	kind = data[0] & 1 ? LG_HTTP1_REQUEST : LG_HTTP1_RESPONSE;
	lg_http1_sniff(p, size);
	ours(&a, kind, p, size, 0);
	ours(&b, kind, p, size, 1 + (data[0] >> 1) % 7);
	if (memcmp(&a, &b, sizeof(a)))
		abort();
#ifdef HAVE_PEER
	struct story c = {0};

	/* It takes some heads that we refuse, but only at their end. */
	peer(&c, kind, p, size);
	if (a.bad || c.bad || a.upgrade || c.upgrade || a.midway)
		return 0;
	if (a.messages != c.messages || a.hash != c.hash)
		abort();
#endif
	return 0;
}
