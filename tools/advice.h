#ifndef LG_TOOLS_ADVICE_H
#define LG_TOOLS_ADVICE_H

#include "ask.h"

/* What could be saved, each with the figures that say so. */
enum advice_kind {
	ADVICE_MODEL,  /* simple calls, and a cheaper model that is priced */
	ADVICE_BATCH,  /* calls that can wait, at the batch tier's price */
	ADVICE_CACHE,  /* prompts that could come from the cache more often */
	ADVICE_RETRY,  /* calls that were made again */
	ADVICE_HOLD,   /* estimates (max_tokens) far above what calls cost */
	ADVICE_BUDGET, /* budgets that nobody comes near */
	ADVICE_KINDS
};

struct advice {
	enum advice_kind kind;
	char subject[128]; /* a model, project, budget */
	char other[128];   /* what to use instead; "" none */
	int64_t calls, cost_pusd;
	int64_t saving_pusd; /* 0: none that can be told */
	char text[320];
};

#define ADVICE_MAX 64

struct advices {
	struct advice v[ADVICE_MAX];
	unsigned n;
	int64_t worth_pusd; /* what a line has to save at least */
};

const char *advice_kind_name(enum advice_kind k);
/*
 * Look at the calls of a->q. The largest saving first. -1; else the exit
 * code, said why.
 */
int advice_find(struct ask *a, struct advices *out);

#endif
