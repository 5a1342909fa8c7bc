#include "bpe_vocab.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 4000000u
#define TOKEN_MAX 4096u

struct token {
	uint32_t off, rank;
	uint32_t tag; /* the hash's other half */
	uint16_t len; /* 0: free */
};

struct bpe_vocab {
	char *bytes;
	size_t nbytes, longest;
	struct token *table;
	uint32_t mask, count;
	uint32_t pair[65536];
};

static uint64_t hash(const char *p, size_t n)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = n * k, w;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * k;
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, p, n);
	h = (h ^ w) * k;
	return h ^ h >> 29;
}

static struct token *slot(const struct bpe_vocab *v, const char *p, size_t n)
{
	uint64_t h = hash(p, n);
	uint32_t i = (uint32_t)h & v->mask, tag = (uint32_t)(h >> 32);
	struct token *t;

	for (;; i = (i + 1) & v->mask) {
		t = &v->table[i];
		if (!t->len || (t->tag == tag && t->len == n &&
				!memcmp(v->bytes + t->off, p, n)))
			return t;
	}
}

uint32_t bpe_vocab_rank(const struct bpe_vocab *v, const char *p, size_t n)
{
	const struct token *t;

	if (!n || n > v->longest)
		return BPE_NONE;
	t = slot(v, p, n);
	return t->len ? t->rank : BPE_NONE;
}

uint32_t bpe_vocab_pair(const struct bpe_vocab *v, const char *p)
{
	return v->pair[(unsigned char)p[0] << 8 | (unsigned char)p[1]];
}

size_t bpe_vocab_count(const struct bpe_vocab *v)
{
	return v->count;
}

size_t bpe_vocab_longest(const struct bpe_vocab *v)
{
	return v->longest;
}

/* -- reading --------------------------------------------------------------- */

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Bytes written to dst, which has room; -1: not base64 (padded). */
static int decode(struct lg_slice s, char *dst)
{
	size_t pad = 0, n = 0;

	if (!s.len || s.len % 4)
		return -1;
	while (pad < 2 && s.p[s.len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < s.len; i += 4) {
		size_t have = i + 4 == s.len ? 4 - pad : 4;
		uint32_t w = 0;

		for (size_t k = 0; k < have; k++) {
			int d = digit(s.p[i + k]);

			if (d < 0)
				return -1;
			w |= (uint32_t)d << (18 - 6 * k);
		}
		if (w & ((UINT32_C(1) << (8 * (4 - have))) - 1))
			return -1;
		for (size_t k = 0; k + 1 < have; k++)
			dst[n++] = (char)(w >> (16 - 8 * k));
	}
	return (int)n;
}

static uint32_t lines_of(struct lg_slice text)
{
	uint32_t n = 1;

	for (size_t i = 0; i < text.len; i++)
		n += text.p[i] == '\n';
	return n;
}

static struct bpe_vocab *make(struct lg_slice text)
{
	uint32_t lines = lines_of(text), size = 1024;
	struct bpe_vocab *v = calloc(1, sizeof(*v));

	while (size < 2 * lines)
		size *= 2;
	if (!v)
		return NULL;
	v->mask = size - 1;
	v->table = calloc(size, sizeof(*v->table));
	v->bytes = malloc(text.len + 4);
	if (v->table && v->bytes)
		return v;
	bpe_vocab_del(v);
	return NULL;
}

void bpe_vocab_del(struct bpe_vocab *v)
{
	if (!v)
		return;
	free(v->table);
	free(v->bytes);
	free(v);
}

static const char *add(struct bpe_vocab *v, struct lg_slice line)
{
	struct lg_slice word, rank = lg_slice_cut(line, ' ', &word);
	char *at = v->bytes + v->nbytes;
	struct token *t;
	uint64_t no;
	uint64_t h;
	int n;

	if (word.len > TOKEN_MAX)
		return "a token of more than 3,072 bytes";
	n = decode(word, at);
	if (n <= 0)
		return "not \"BASE64 RANK\": no base64";
	if (lg_slice_u64(rank, &no))
		return "not \"BASE64 RANK\": no rank";
	if (no != v->count)
		return "ranks must count up from 0";
	if ((size_t)n > v->longest)
		v->longest = (size_t)n;
	t = slot(v, at, (size_t)n);
	if (t->len)
		return "this token was there before";
	h = hash(at, (size_t)n);
	*t = (struct token){(uint32_t)v->nbytes, (uint32_t)no,
			    (uint32_t)(h >> 32), (uint16_t)n};
	v->nbytes += (size_t)n;
	v->count++;
	return NULL;
}

static const char *finish(struct bpe_vocab *v)
{
	for (unsigned i = 0; i < 256; i++) {
		char c = (char)i;

		if (bpe_vocab_rank(v, &c, 1) == BPE_NONE)
			return "not every single byte is a token: cut off, or "
			       "not a vocabulary of bytes";
	}
	for (unsigned i = 0; i < 65536; i++) {
		char c[2] = {(char)(i >> 8), (char)i};

		v->pair[i] = bpe_vocab_rank(v, c, 2);
	}
	return NULL;
}

static const char *read_lines(struct bpe_vocab *v, struct lg_slice text,
			      uint32_t *line)
{
	const char *why = NULL;
	struct lg_slice one;

	if (text.len && text.p[text.len - 1] != '\n') {
		*line = lines_of(text);
		return "ends in the middle of a line: cut off?";
	}
	for (*line = 1; text.len && !why; ++*line) {
		text = lg_slice_cut(text, '\n', &one);
		if (one.len && one.p[one.len - 1] == '\r')
			one.len--;
		why = *line > TOKENS_MAX ? "too many tokens" : add(v, one);
		if (why)
			return why;
	}
	return finish(v);
}

int bpe_vocab_parse(const char *file, struct lg_slice text,
		    struct bpe_vocab **out, char why[256])
{
	struct bpe_vocab *v;
	const char *what;
	uint32_t line = 1;

	if (text.len > BPE_FILE_MAX) {
		snprintf(why, 256, "%.200s: more than 64 MiB", file);
		return -EPROTO;
	}
	v = make(text);
	if (!v) {
		snprintf(why, 256, "not enough memory");
		return -ENOMEM;
	}
	what = read_lines(v, text, &line);
	if (!what) {
		*out = v;
		return 0;
	}
	snprintf(why, 256, "%.140s:%u: %s", file, line, what);
	bpe_vocab_del(v);
	return -EPROTO;
}
