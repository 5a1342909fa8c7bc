#ifndef LG_TOOLS_CLIENT_CLIENT_H
#define LG_TOOLS_CLIENT_CLIENT_H

#include <stdbool.h>

#include "guard/env.h"
#include "tools/client/llmguard.h"
#include "tools/spend.h"
#include "tools/view.h"

/* What the files of this folder share; the commands use client_wrap. */
struct llmguard {
	struct lg_engine *e;
	bool owned;    /* the engine is ours to close */
	bool writable; /* changes are asked for */
	char *strings; /* of env: the program's own may change */
	struct lg_env env;
	struct spend spend; /* read so far, for the same question again */
	char spend_run[104];
	bool spending;
	char message[800];
};

struct llmguard_budgets {
	struct views views;
};

/* A handle over an engine that the caller keeps: for commands. */
int client_wrap(struct lg_engine *e, llmguard **out);

/* code, with words for llmguard_message. */
int client_fail(llmguard *g, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* LLMGUARD_OK, or the code of a handle that may not or cannot write. */
int client_may_write(llmguard *g);
/* Of -errno, with what could not be done. */
int client_errno(llmguard *g, int err, const char *what);

/* ours into the caller's structure of that size; the rest is zero. */
void client_give(void *out, size_t size, const void *ours, size_t our_size);
/*
 * The caller's structure, which begins with its size, into ours; false: it has
 * none that could be meant.
 */
bool client_take(void *ours, size_t our_size, const void *in);
/* NULL is "". */
static inline const char *client_text(const char *s)
{
	return s ? s : "";
}

#endif
