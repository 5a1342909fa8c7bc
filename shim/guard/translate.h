#ifndef LG_GUARD_TRANSLATE_H
#define LG_GUARD_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/usage.h"
#include "llm/dialect.h"

/*
 * A request in one provider's dialect as one to a model server of one's own,
 * and that server's answer as the provider's (docs/translation.md). No I/O.
 * Here stand framing and memory; what the fields mean stands in llm/translate*.
 */
enum lg_local_kind {
	LG_LOCAL_OPENAI, /* POST /v1/chat/completions */
	LG_LOCAL_OLLAMA, /* POST /api/chat */
};

/* Largest body either way: beyond it -EMSGSIZE, or an error answer. */
#define LG_TRANSLATE_MAX ((size_t)64 << 20)

struct lg_translate_ask {
	const struct lg_dialect *dialect; /* of the program's request */
	struct lg_slice target;		  /* its target, query included */
	struct lg_slice body;		  /* its JSON, decoded */
	enum lg_local_kind kind;
	struct lg_slice model; /* the server's; empty: the request's own */
	int64_t now_ms;	       /* for `created` and its like */
	uint64_t seed;	       /* ids of the answer are made from it */
};

/* One request and its answer; memory from base/mem.h, one thread. */
struct lg_translation;

/*
 * The request's body goes to `body` (emptied before). 0: *out is the owner's
 * until lg_translation_del, ask need not outlive the call; -ENOTSUP: it cannot
 * be said in the other dialect; -EPROTO: not the dialect's JSON; -EMSGSIZE
 * (body's max, too); -ENOMEM. On failure *why is a word for logs, else NULL.
 */
int lg_translation_new(const struct lg_translate_ask *ask, struct lg_buf *body,
		       struct lg_translation **out, const char **why);
/* NULL is accepted. */
void lg_translation_del(struct lg_translation *t);

/* Where it goes, from the server's root: "/v1/chat/completions". Static. */
const char *lg_translation_path(const struct lg_translation *t);
/* Does the server speak the program's dialect, so that all is copied? */
bool lg_translation_copies(const struct lg_translation *t);
/* Does the program expect a stream? */
bool lg_translation_streams(const struct lg_translation *t);

/* The final head of the server's answer: its status and Content-Type. */
void lg_translation_head(struct lg_translation *t, unsigned status,
			 struct lg_slice type);
/*
 * Its body (transfer- and content-decoded), cut anywhere; what the program
 * shall read is appended to out. end: no more comes, whole: it ended as its
 * framing says. What an unfinished answer lacks becomes the dialect's error.
 * 0; -EMSGSIZE, -ENOMEM: out has no room, the answer is lost.
 */
int lg_translation_feed(struct lg_translation *t, const char *p, size_t len,
			struct lg_buf *out);
int lg_translation_end(struct lg_translation *t, bool whole,
		       struct lg_buf *out);

/*
 * The head for the program: known once out got its first byte (a body that is
 * no stream comes at the end, as one piece). type: the Content-Type; fields:
 * more of them, each with its CRLF, maybe "". Static.
 */
unsigned lg_translation_status(const struct lg_translation *t);
const char *lg_translation_type(const struct lg_translation *t);
const char *lg_translation_fields(const struct lg_translation *t);

/* What the server counted so far; flags without LG_USAGE_PRESENT: nothing. */
void lg_translation_usage(const struct lg_translation *t, struct lg_usage *u);
/* The model as the server names it, else as it was asked. Borrowed from t. */
struct lg_slice lg_translation_model(const struct lg_translation *t);

#endif
