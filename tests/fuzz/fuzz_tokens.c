#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/curl_line.h"
#include "tools/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/*
 * Any bytes as text (pieces cover all of it, both ways of merging agree), as a
 * vocabulary, as a curl command line and as a request to be counted.
 */
static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
			  "wxyz0123456789+/";

static struct bpe_vocab *bytes_alone(void)
{
	struct bpe_vocab *v = NULL;
	static char file[8192];
	char why[256];
	size_t at = 0;

	for (unsigned i = 0; i < 256; i++)
		at += (size_t)sprintf(file + at, "%c%c== %u\n", b64[i >> 2],
				      b64[(i & 3) << 4], i);
	if (bpe_vocab_parse("bytes", (struct lg_slice){file, at}, &v, why))
		abort();
	return v;
}

static void check_text(struct bpe *b, enum bpe_pattern k, const char *p,
		       size_t n)
{
	size_t len;

	if (bpe_count(b, p, n) != n)
		abort(); /* each byte is a token there */
	for (; n; p += len, n -= len) {
		len = bpe_split(k, p, n);
		if (!len || len > n)
			abort();
	}
}

static void check_vocab(struct lg_slice s)
{
	struct bpe_vocab *v = NULL;
	char why[256];

	if (!bpe_vocab_parse("fuzz", s, &v, why) && bpe_vocab_count(v) < 256)
		abort();
	bpe_vocab_del(v);
}

static void check_request(struct tokenizer *t, struct lg_slice s)
{
	static const char *const dialects[] = {
		"openai-chat", "openai-responses", "openai-completions",
		"openai-embeddings"};
	struct doc_arena a = {0};
	struct doc_error err;
	struct tokens out;
	struct doc *body;

	if (!doc_parse_json(&a, "fuzz", s, &body, &err))
		for (unsigned i = 0; i < 4; i++)
			if (tokens_of_request(t, dialects[i],
					      i & 1 ? LG_SLICE("gpt-4")
						    : LG_SLICE("gpt-4o"),
					      body, &out) < 0)
				abort();
	doc_arena_fini(&a);
}

static void check_curl(struct lg_slice s)
{
	struct doc_arena a = {0};
	struct doc_error err;
	struct lg_slice out;

	/* files that it names are not of interest */
	if (!memchr(s.p, '@', s.len) && !curl_line_text(&a, s, &out, &err) &&
	    !memmem(out.p, out.len, " HTTP/1.1\r\nHost: ", 17))
		abort();
	doc_arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct tokenizer t;
	struct lg_slice s = {(const char *)p, n};

	if (!n)
		return 0;
	for (unsigned i = 0; i < 2 && !t.slot[i].bpe; i++) {
		t.slot[i].vocab = bytes_alone();
		t.slot[i].bpe = bpe_new(t.slot[i].vocab,
					tokenizer_encodings[i].pattern);
		t.slot[i].looked = true;
	}
	for (unsigned i = 0; i < 2; i++)
		check_text(t.slot[i].bpe, tokenizer_encodings[i].pattern, s.p,
			   n);
	check_vocab(s);
	check_curl(s);
	check_request(&t, s);
	return 0;
}
