#ifndef LG_TOOLS_BPE_H
#define LG_TOOLS_BPE_H

#include "bpe_split.h"
#include "bpe_vocab.h"

/*
 * Text to tokens: cut into pieces, each piece by merging the pair of lowest
 * rank, leftmost first, until none is left. Time is n log n of a piece's
 * length, however the text looks. Special tokens are plain text, as the
 * providers treat them in what users send. One thread per object.
 */
struct bpe;

/* The vocabulary is borrowed. NULL without memory. */
struct bpe *bpe_new(const struct bpe_vocab *v, enum bpe_pattern pattern);
void bpe_del(struct bpe *b);

/* Tokens of the text; UINT64_MAX without memory. */
uint64_t bpe_count(struct bpe *b, const char *p, size_t n);
/* The tokens themselves, at most max of them; the return value as above. */
uint64_t bpe_encode(struct bpe *b, const char *p, size_t n, uint32_t *out,
		    size_t max);

#endif
