#include "bpe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SMALL 96u /* longer pieces have a heap */
#define END UINT32_MAX
#define WORDS 8192u
#define WORD_MAX 27u

/* Pieces that were merged before: text is made of the same words. */
struct word {
	uint8_t len; /* 0: free */
	char text[WORD_MAX];
	uint32_t tokens;
};

/* A part of a long piece: its end is where the next one begins. */
struct part {
	uint32_t prev, next; /* by their first bytes; END */
	uint32_t rank;	     /* of itself with the next one */
};

struct bpe {
	const struct bpe_vocab *v;
	enum bpe_pattern pattern;
	struct part *part;
	uint64_t *heap; /* rank << 32 | first byte, smallest on top */
	size_t nheap, cap;
	uint32_t *out; /* NULL: they are only counted */
	size_t max;
	uint64_t n;
	bool failed;
	struct word word[WORDS];
};

struct bpe *bpe_new(const struct bpe_vocab *v, enum bpe_pattern pattern)
{
	struct bpe *b = calloc(1, sizeof(*b));

	if (b) {
		b->v = v;
		b->pattern = pattern;
	}
	return b;
}

void bpe_del(struct bpe *b)
{
	if (!b)
		return;
	free(b->part);
	free(b->heap);
	free(b);
}

static void put(struct bpe *b, uint32_t rank)
{
	if (b->out && b->n < b->max)
		b->out[b->n] = rank;
	b->n++;
}

static uint32_t rank_of(const struct bpe *b, const char *p, size_t n)
{
	return n == 2 ? bpe_vocab_pair(b->v, p) : bpe_vocab_rank(b->v, p, n);
}

/* -- short pieces: look through all pairs each time ------------------------ */

static unsigned lowest(const uint32_t *rank, unsigned n)
{
	unsigned best = 0;

	for (unsigned i = 1; i < n; i++)
		if (rank[i] < rank[best])
			best = i;
	return best;
}

static void merge_small(struct bpe *b, const char *p, unsigned len)
{
	uint32_t start[SMALL + 1], rank[SMALL + 1];
	unsigned n = len, i;

	for (i = 0; i <= n; i++) {
		start[i] = i;
		rank[i] = i + 1 < n ? bpe_vocab_pair(b->v, p + i) : BPE_NONE;
	}
	while (n > 1) {
		i = lowest(rank, n - 1);
		if (rank[i] == BPE_NONE)
			break;
		memmove(start + i + 1, start + i + 2,
			(n - i - 1) * sizeof(*start));
		memmove(rank + i + 1, rank + i + 2,
			(n - i - 1) * sizeof(*rank));
		n--;
		rank[i] = i + 1 < n ? rank_of(b, p + start[i],
					      start[i + 2] - start[i])
				    : BPE_NONE;
		if (i)
			rank[i - 1] = rank_of(b, p + start[i - 1],
					      start[i + 1] - start[i - 1]);
	}
	if (!b->out) {
		b->n += n;
		return;
	}
	for (i = 0; i < n; i++)
		put(b, bpe_vocab_rank(b->v, p + start[i],
				      start[i + 1] - start[i]));
}

/* -- long ones: a heap of pairs, those that are past stay in it ------------ */

static void push(struct bpe *b, uint64_t key)
{
	size_t i = b->nheap++;

	while (i && b->heap[(i - 1) / 2] > key) {
		b->heap[i] = b->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	b->heap[i] = key;
}

static uint64_t pop(struct bpe *b)
{
	uint64_t top = b->heap[0], key = b->heap[--b->nheap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < b->nheap) {
		if (child + 1 < b->nheap && b->heap[child + 1] < b->heap[child])
			child++;
		if (b->heap[child] >= key)
			break;
		b->heap[i] = b->heap[child];
		i = child;
	}
	b->heap[i] = key;
	return top;
}

/* Each byte has one pair, and each merge makes at most two new ones. */
static bool reserve(struct bpe *b, size_t len)
{
	struct part *part;
	uint64_t *heap;

	if (len <= b->cap)
		return true;
	if (len >= END / 4)
		return false;
	part = realloc(b->part, len * sizeof(*part));
	if (part)
		b->part = part;
	heap = realloc(b->heap, 3 * len * sizeof(*heap));
	if (heap)
		b->heap = heap;
	if (!part || !heap)
		return false;
	b->cap = len;
	return true;
}

/* The rank of what begins at i and the part behind it. */
static void rate(struct bpe *b, const char *p, uint32_t i, uint32_t len)
{
	struct part *t = &b->part[i];
	uint32_t end;

	t->rank = BPE_NONE;
	if (t->next == END)
		return;
	end = b->part[t->next].next;
	t->rank = rank_of(b, p + i, (end == END ? len : end) - i);
	if (t->rank != BPE_NONE)
		push(b, (uint64_t)t->rank << 32 | i);
}

static void join(struct bpe *b, const char *p, uint32_t i, uint32_t len)
{
	struct part *t = &b->part[i], *gone = &b->part[t->next];

	gone->rank = BPE_NONE;
	t->next = gone->next;
	if (t->next != END)
		b->part[t->next].prev = i;
	rate(b, p, i, len);
	if (t->prev != END)
		rate(b, p, t->prev, len);
}

static void merge_large(struct bpe *b, const char *p, uint32_t len)
{
	uint32_t i;

	if (!reserve(b, len)) {
		b->failed = true;
		return;
	}
	b->nheap = 0;
	for (i = 0; i < len; i++)
		b->part[i] = (struct part){i ? i - 1 : END,
					   i + 1 < len ? i + 1 : END, BPE_NONE};
	for (i = 0; i < len; i++)
		rate(b, p, i, len);
	while (b->nheap) {
		uint64_t key = pop(b);

		i = (uint32_t)key;
		if (b->part[i].rank == key >> 32)
			join(b, p, i, len);
	}
	for (i = 0; i != END; i = b->part[i].next) {
		uint32_t end = b->part[i].next;

		put(b, !b->out ? 0
			       : bpe_vocab_rank(b->v, p + i,
						(end == END ? len : end) - i));
	}
}

/* -- pieces ---------------------------------------------------------------- */

static void merge(struct bpe *b, const char *p, size_t len)
{
	if (len <= SMALL)
		merge_small(b, p, (unsigned)len);
	else if (len < END)
		merge_large(b, p, (uint32_t)len);
	else
		b->failed = true;
}

static struct word *word_of(struct bpe *b, const char *p, size_t n)
{
	uint64_t h = n, w = 0;

	for (size_t i = 0; i < n; i += 8) {
		w = 0;
		memcpy(&w, p + i, n - i < 8 ? n - i : 8);
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return &b->word[h % WORDS];
}

static void piece(struct bpe *b, const char *p, size_t len)
{
	struct word *w = NULL;
	uint64_t before = b->n;
	uint32_t rank;

	if (!b->out && len <= WORD_MAX) {
		w = word_of(b, p, len);
		if (w->len == len && !memcmp(w->text, p, len)) {
			b->n += w->tokens;
			return;
		}
	}
	rank = bpe_vocab_rank(b->v, p, len);
	if (rank != BPE_NONE)
		put(b, rank);
	else
		merge(b, p, len);
	if (!w || b->failed)
		return;
	w->len = (uint8_t)len;
	memcpy(w->text, p, len);
	w->tokens = (uint32_t)(b->n - before);
}

uint64_t bpe_encode(struct bpe *b, const char *p, size_t n, uint32_t *out,
		    size_t max)
{
	b->out = out;
	b->max = max;
	b->n = 0;
	b->failed = false;
	while (n && !b->failed) {
		size_t len = bpe_split(b->pattern, p, n);

		piece(b, p, len);
		p += len;
		n -= len;
	}
	b->out = NULL;
	return b->failed ? UINT64_MAX : b->n;
}

uint64_t bpe_count(struct bpe *b, const char *p, size_t n)
{
	return bpe_encode(b, p, n, NULL, 0);
}
