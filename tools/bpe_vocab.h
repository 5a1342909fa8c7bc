#ifndef LG_TOOLS_BPE_VOCAB_H
#define LG_TOOLS_BPE_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * A vocabulary of byte pair encoding: byte strings with their ranks. Read from
 * a .tiktoken file, a line a token: "BASE64 RANK".
 */
struct bpe_vocab;

#define BPE_NONE UINT32_MAX
#define BPE_FILE_MAX ((size_t)64 << 20)

/*
 * file only names the text. 0 with *out (bpe_vocab_del); -EPROTO with why
 * filled: "file:line: what" (not base64, a rank or a token twice, an end in
 * mid-line, a single byte that is missing); -ENOMEM.
 */
int bpe_vocab_parse(const char *file, struct lg_slice text,
		    struct bpe_vocab **out, char why[256]);
void bpe_vocab_del(struct bpe_vocab *v);

size_t bpe_vocab_count(const struct bpe_vocab *v);
/* Bytes of the longest token. */
size_t bpe_vocab_longest(const struct bpe_vocab *v);
/* BPE_NONE: no such token. Any thread. */
uint32_t bpe_vocab_rank(const struct bpe_vocab *v, const char *p, size_t n);
/* The same of the two bytes at p, by a table. */
uint32_t bpe_vocab_pair(const struct bpe_vocab *v, const char *p);

#endif
