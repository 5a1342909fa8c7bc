#include "tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "doc.h"

/* github.com/openai/tiktoken, tiktoken_ext/openai_public.py, read 2026-11 */
const struct tokenizer_encoding tokenizer_encodings[] = {
	{"cl100k_base",
	 "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
	 100256, BPE_CL100K},
	{"o200k_base",
	 "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
	 199998, BPE_O200K},
};
const unsigned tokenizer_nencodings =
	sizeof(tokenizer_encodings) / sizeof(tokenizer_encodings[0]);

enum { CL100K, O200K };

/* tiktoken/model.py, read 2026-11; the first that fits. */
static const struct {
	const char *begin;
	uint8_t encoding;
	bool exact;    /* the name ends there, or a date or '-' follows */
	bool supposed; /* newer than the table */
} models[] = {
	{"gpt-4o", O200K, true, false},
	{"chatgpt-4o", O200K, true, false},
	{"gpt-4.1", O200K, true, false},
	{"gpt-4.5", O200K, true, false},
	{"gpt-5", O200K, true, false},
	{"o1", O200K, true, false},
	{"o3", O200K, true, false},
	{"o4-mini", O200K, true, false},
	{"gpt-4", CL100K, true, false},
	{"gpt-3.5", CL100K, true, false},
	{"gpt-35-turbo", CL100K, true, false},
	{"text-embedding-ada-002", CL100K, true, false},
	{"text-embedding-3", CL100K, true, false},
	{"davinci-002", CL100K, true, false},
	{"babbage-002", CL100K, true, false},
	/* the same ranks with other special tokens */
	{"gpt-oss", O200K, true, false},
	{"gpt-5", O200K, false, true},
	{"gpt-6", O200K, false, true},
	{"chatgpt-", O200K, false, true},
	{"codex-", O200K, false, true},
	{"o4", O200K, true, true},
	{"o5", O200K, true, true},
};

/* "openai/gpt-4o", "ft:gpt-4o:org::id", "openai/ft:..." */
static struct lg_slice bare(struct lg_slice model)
{
	const char *slash = memrchr(model.p, '/', model.len);
	struct lg_slice head, rest;

	if (slash) {
		model.len -= (size_t)(slash + 1 - model.p);
		model.p = slash + 1;
	}
	if (!lg_slice_istarts(model, LG_SLICE("ft:")))
		return model;
	rest = (struct lg_slice){model.p + 3, model.len - 3};
	lg_slice_cut(rest, ':', &head);
	return head;
}

const struct tokenizer_encoding *tokenizer_of_model(struct lg_slice model,
						    bool *supposed)
{
	struct lg_slice name = model.len ? bare(model) : model;

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		struct lg_slice b = lg_slice_str(models[i].begin);

		if (!lg_slice_istarts(name, b) ||
		    (models[i].exact && name.len > b.len &&
		     name.p[b.len] != '-'))
			continue;
		*supposed = models[i].supposed;
		return &tokenizer_encodings[models[i].encoding];
	}
	return NULL;
}

/* -- files ----------------------------------------------------------------- */

static int fail(struct tokenizer *t, const char *file, const char *what)
{
	snprintf(t->why, sizeof(t->why), "%.200s: %s", file, what);
	return -EPROTO;
}

/* Sound, but not the published one: by its size it was meant to be. */
static int tell_other(struct tokenizer *t, const char *file, size_t count)
{
	char what[240];

	snprintf(what, sizeof(what),
		 "a vocabulary of %zu tokens that is none of those known: its "
		 "SHA-256 is neither that of cl100k_base (100256 tokens) nor "
		 "of o200k_base (199998); cut off or changed?",
		 count);
	return fail(t, file, what);
}

static int take(struct tokenizer *t, unsigned i, const char *file,
		struct bpe_vocab *v)
{
	struct tokenizer_slot *s = &t->slot[i];

	s->vocab = v;
	s->file = file;
	s->bpe = bpe_new(v, tokenizer_encodings[i].pattern);
	return s->bpe ? 0 : fail(t, file, "not enough memory");
}

static int check(struct tokenizer *t, const char *file, struct lg_slice text)
{
	struct bpe_vocab *v;
	char sum[65], why[256];
	unsigned i;
	int err;

	lg_sha256_hex(text.p, text.len, sum);
	for (i = 0; i < tokenizer_nencodings; i++)
		if (!strcmp(sum, tokenizer_encodings[i].sha256))
			break;
	if (i < tokenizer_nencodings && t->slot[i].bpe)
		return 0;
	err = bpe_vocab_parse(file, text, &v, why);
	if (err) {
		snprintf(t->why, sizeof(t->why), "%s", why);
		return -EPROTO;
	}
	if (i < tokenizer_nencodings)
		return take(t, i, file, v);
	err = tell_other(t, file, bpe_vocab_count(v));
	bpe_vocab_del(v);
	return err;
}

static int load(struct tokenizer *t, const char *file)
{
	struct doc_arena a = {0};
	struct doc_error err;
	struct lg_slice text;
	int ret;

	if (doc_read(&a, file, &text, &err)) {
		snprintf(t->why, sizeof(t->why), "%s", err.text);
		ret = -EPROTO;
	} else {
		ret = check(t, file, text);
	}
	doc_arena_fini(&a);
	return ret;
}

/* Files whose name says it first, then those whose name says nothing. */
static bool is_turn(const char *file, const struct tokenizer_encoding *e,
		    unsigned turn)
{
	bool named = false;

	for (unsigned i = 0; i < tokenizer_nencodings; i++)
		named |= strstr(file, tokenizer_encodings[i].name) != NULL;
	return turn ? !named : strstr(file, e->name) != NULL;
}

int tokenizer_get(struct tokenizer *t, const struct tokenizer_encoding *e,
		  struct bpe **out)
{
	struct tokenizer_slot *s = &t->slot[e - tokenizer_encodings];
	int err = 0;

	for (unsigned turn = 0; turn < 2 && !s->looked; turn++)
		for (unsigned i = 0; i < t->nfiles && !s->bpe && !err; i++)
			if (is_turn(t->file[i], e, turn))
				err = load(t, t->file[i]);
	s->looked |= !err;
	*out = s->bpe;
	return err;
}

void tokenizer_fini(struct tokenizer *t)
{
	for (unsigned i = 0; i < tokenizer_nencodings; i++) {
		bpe_del(t->slot[i].bpe);
		bpe_vocab_del(t->slot[i].vocab);
	}
	*t = (struct tokenizer){.nfiles = 0};
}
