#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guard/inject_answer.h"
#include "wire/json_member.h"

/*
 * Answers that are edited: the same comes out whatever the pieces, all of it
 * comes out at the end, and untouched where no usage is spoken of. Members of
 * anything: what is found lies inside of it.
 */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void run(const char *p, size_t n, size_t piece, bool chunked,
		struct lg_buf *out)
{
	static const struct lg_slice head = {
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
		52};
	struct lg_http1 m = {.status = 200,
			     .framing = chunked ? LG_HTTP1_CHUNKED
						: LG_HTTP1_UNTIL_CLOSE};
	struct lg_inject_answer *a = lg_inject_answer_new(&m, head);

	if (!a)
		abort();
	lg_buf_init(out, 1 << 24);
	for (size_t at = 0, k; at < n; at += k) {
		char *block;

		k = n - at < piece ? n - at : piece;
		block = malloc(k);
		memcpy(block, p + at, k);
		if (!lg_inject_answer_reserve(a, k, out))
			abort();
		lg_inject_answer_feed(a, block, k);
		lg_inject_answer_show(a, out);
		free(block);
	}
	lg_inject_answer_end(a, true, out);
	lg_inject_answer_del(a);
	if (out->overflow)
		abort();
}

static void members(struct lg_slice json)
{
	static const struct lg_slice keys[] = {
		{"usage", 5}, {"choices", 7}, {"", 0}};

	for (int i = 0; i < 3; i++) {
		struct lg_json_member m;
		const char *end = json.p + json.len;
		int err = lg_json_member_find(json, keys[i], &m);

		if (err && err != -ENOENT && err != -EEXIST && err != -EPROTO)
			abort();
		if (err)
			continue;
		if (m.key < json.p || m.value.p <= m.key || !m.value.len ||
		    m.value.p + m.value.len >= end ||
		    (m.before && (m.before >= m.key || *m.before != ',')) ||
		    (m.after && (m.after >= end || *m.after != ',')))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const char *text = (const char *)p + 1;
	struct lg_buf whole, pieces, chunks;
	size_t piece;

	if (n < 2)
		return 0;
	piece = 1 + *p % 50;
	n--;
	run(text, n, n, false, &whole);
	run(text, n, piece, false, &pieces);
	run(text, n, piece, true, &chunks);
	if (whole.len != pieces.len || whole.len > n ||
	    (whole.len && memcmp(whole.p, pieces.p, whole.len)))
		abort();
	if (!memmem(text, n, "usage", 5) &&
	    (whole.len != n || memcmp(whole.p, text, n)))
		abort();
	lg_buf_fini(&whole);
	lg_buf_fini(&pieces);
	lg_buf_fini(&chunks);
	members((struct lg_slice){text, n});
	return 0;
}
