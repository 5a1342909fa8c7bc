#ifndef LG_TOOLS_TOKENS_H
#define LG_TOOLS_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "doc.h"
#include "tokenizer.h"

/*
 * Input tokens of a request to OpenAI as OpenAI counts them: the text by its
 * encoding, and what a chat's frame adds by the published formula
 * (cookbook.openai.com, How to count tokens with tiktoken, read 2026-11).
 */
struct tokens {
	uint64_t n;
	/*
	 * All of it is text and frame of a published kind. Else note says what
	 * is a guess: pictures, files, what tools answered, newer endpoints.
	 */
	bool exact;
	const char *note;     /* static; NULL: none */
	const char *encoding; /* static */
};

/*
 * body: a JSON request of that dialect (name as in rows). 1 with *out; 0: not
 * a model or dialect with a known encoding, or no vocabulary file; -EPROTO
 * with t->why.
 */
int tokens_of_request(struct tokenizer *t, const char *dialect,
		      struct lg_slice model, const struct doc *body,
		      struct tokens *out);

#endif
