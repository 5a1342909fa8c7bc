#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "guard/body.h"
#include "ledger/row.h"

/*
 * From bytes to any dialect, as a request or as an answer of any type: whole
 * and in pieces the same is understood. Of AWS frames the checksums are made
 * right first, or hardly any input would get past them.
 */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct run {
	struct lg_facts facts;
	struct lg_answer answer;
	struct lg_body body;
	uint64_t parts, hash;
};

static void on_part(void *ctx, enum lg_part part)
{
	struct run *r = ctx;
	const unsigned char *p = (const unsigned char *)&r->answer.usage;

	r->parts++;
	for (size_t i = 0; i < sizeof(r->answer.usage); i++)
		r->hash = (r->hash ^ p[i]) * UINT64_C(0x100000001b3);
	r->hash += part;
}

static void begin(struct run *r, const struct lg_dialect *d)
{
	memset(r, 0, sizeof(*r));
	lg_facts_init(&r->facts);
	lg_answer_init(&r->answer);
	lg_body_init(&r->body, &r->facts, &r->answer);
	r->body.on_part = on_part;
	r->body.ctx = r;
	lg_body_speak(&r->body, d);
	if (!r->body.codec)
		abort();
}

static void feed(struct run *r, bool request, const uint8_t *p, size_t n,
		 size_t piece)
{
	for (size_t at = 0, k; at < n; at += k) {
		char *block;

		k = n - at < piece ? n - at : piece;
		block = malloc(k);
		memcpy(block, p + at, k);
		if (request)
			lg_body_request_feed(&r->body, block, k);
		else
			lg_body_answer_feed(&r->body, block, k);
		free(block);
	}
}

static const char *const requests[] = {
	"application/json",
	"multipart/form-data; boundary=b",
};
static const char *const heads[] = {
	"Content-Type: application/json",
	"Content-Type: text/event-stream",
	"Content-Type: application/x-ndjson",
	"Content-Type: application/vnd.amazon.eventstream",
	"Content-Type: text/plain",
	"Content-Type: application/json\r\nContent-Encoding: gzip",
};

static void run(struct run *r, const struct lg_dialect *d, unsigned how,
		const uint8_t *p, size_t n, size_t piece)
{
	char head[200];

	begin(r, d);
	if (how < 2) {
		lg_body_request_head(&r->body, lg_slice_str(requests[how]),
				     LG_SLICE(""));
		feed(r, true, p, n, piece);
		lg_body_request_end(&r->body, true);
	} else {
		r->facts.stream = n & 1;
		snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\n%s\r\n\r\n",
			 how & 8 ? 400 : 200, heads[(how - 2) % 6]);
		lg_body_answer_head(&r->body, lg_slice_str(head),
				    how & 8 ? 400 : 200);
		feed(r, false, p, n, piece);
		lg_body_answer_end(&r->body, true);
	}
	lg_body_fini(&r->body);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Frames with one header, ":event-type" of a byte of the input's choice. */
static size_t make_frames(const uint8_t *p, size_t n, uint8_t *out, size_t cap)
{
	static const char *const names[] = {"metadata", "chunk",
					    "contentBlockDelta", "messageStop"};
	size_t at = 0;

	while (n >= 3) {
		size_t len = p[0] | (size_t)(p[1] & 3) << 8, h = 0, total;
		const char *name = names[p[1] >> 2 & 3];
		uint8_t *f = out + at;

		p += 2;
		n -= 2;
		len = len < n ? len : n;
		total = 16 + 15 + strlen(name) + len;
		if (total > cap - at)
			break;
		f[12] = 11;
		memcpy(f + 13, ":event-type\7\0", 13);
		f[26] = (uint8_t)strlen(name);
		memcpy(f + 27, name, strlen(name));
		h = 15 + strlen(name);
		memcpy(f + 12 + h, p, len);
		put32(f, (uint32_t)total);
		put32(f + 4, (uint32_t)h);
		put32(f + 8, (uint32_t)crc32(0, f, 8));
		put32(f + total - 4,
		      (uint32_t)crc32(0, f, (unsigned)total - 4));
		at += total;
		p += len;
		n -= len;
	}
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t frames[1 << 18];
	static struct run a, b;
	const struct lg_dialect *d;
	unsigned how;
	size_t piece;

	if (n < 3 || n > 1 << 15)
		return 0;
	d = lg_dialects[p[0] % lg_ndialects];
	how = p[1] % 14;
	piece = 1 + p[2] % 40;
	p += 3;
	n -= 3;
	if (how >= 2 && (how - 2) % 6 == 3) {
		n = make_frames(p, n, frames, sizeof(frames));
		p = frames;
	}
	run(&a, d, how, p, n, n ? n : 1);
	run(&b, d, how, p, n, piece);
	if (a.body.flags != b.body.flags)
		abort();
	if (a.body.flags & (LG_ROW_UNDECODABLE | LG_ROW_CUT_SHORT))
		return 0;
	if (a.parts != b.parts || a.hash != b.hash ||
	    memcmp(&a.facts, &b.facts, sizeof(a.facts)) ||
	    memcmp(&a.answer, &b.answer, sizeof(a.answer)))
		abort();
	return 0;
}
