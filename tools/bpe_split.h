#ifndef LG_TOOLS_BPE_SPLIT_H
#define LG_TOOLS_BPE_SPLIT_H

#include <stddef.h>

/*
 * Text is cut into pieces before it becomes tokens, and no token crosses a
 * cut. Each encoding has a published regular expression for that; these are
 * the same by hand, in linear time. (github.com/openai/tiktoken,
 * tiktoken_ext/openai_public.py, read 2026-11.)
 */
enum bpe_pattern {
	/* 's|'t|'re|'ve|'m|'ll|'d in any case, [^\r\n\p{L}\p{N}]?\p{L}+,
	 * \p{N}{1,3}, ` ?[^\s\p{L}\p{N}]+[\r\n]*`, \s*[\r\n]+, \s+(?!\S), \s+
	 */
	BPE_CL100K,
	/* words by case, with marks and what 's 't ... follows; [\r\n/]* */
	BPE_O200K,
};

/* Bytes of the piece that p[0..n) begins with; n > 0, the result too. */
size_t bpe_split(enum bpe_pattern pattern, const char *p, size_t n);

#endif
