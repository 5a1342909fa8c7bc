#ifndef LG_TOOLS_TOKENIZER_H
#define LG_TOOLS_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "bpe.h"

/*
 * The published encodings, read from vocabulary files that the user has
 * (`tokenizer:` in llmguard.yaml). A file is known by its SHA-256, not by its
 * name: a count that is called exact comes from the published ranks. Each is
 * read when a model first needs it.
 */
#define TOKENIZER_FILES_MAX 16u

struct tokenizer_encoding {
	const char *name;   /* "o200k_base" */
	const char *sha256; /* of its .tiktoken file */
	uint32_t tokens;
	enum bpe_pattern pattern;
};
extern const struct tokenizer_encoding tokenizer_encodings[];
extern const unsigned tokenizer_nencodings;

struct tokenizer {
	const char *file[TOKENIZER_FILES_MAX]; /* borrowed */
	unsigned nfiles;
	struct tokenizer_slot {
		bool looked;
		const char *file;
		struct bpe_vocab *vocab;
		struct bpe *bpe;
	} slot[4];
	char why[512];
};

/*
 * The encoding of an OpenAI model's name (also of fine-tuned ones and with a
 * provider in front); NULL: none is known. supposed: said of names like it,
 * not of it (a model that came after the published table).
 */
const struct tokenizer_encoding *tokenizer_of_model(struct lg_slice model,
						    bool *supposed);
/*
 * 0 with *out, or *out NULL where no file has this encoding; -EPROTO with
 * t->why where a file is not what it should be.
 */
int tokenizer_get(struct tokenizer *t, const struct tokenizer_encoding *e,
		  struct bpe **out);
void tokenizer_fini(struct tokenizer *t);

#endif
