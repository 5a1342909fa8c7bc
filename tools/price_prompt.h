#ifndef LG_TOOLS_PRICE_PROMPT_H
#define LG_TOOLS_PRICE_PROMPT_H

#include <stdbool.h>

#include "doc.h"

struct lg_engine;

/*
 * A model's price from a person at a terminal. Questions go to stderr, answers
 * come from stdin; a wrong one is asked again.
 */

/*
 * Is somebody there to be asked? stdin and stderr are terminals, and
 * LLMGUARD_PRICING_NONINTERACTIVE is not set to 1.
 */
bool price_can_ask(void);

/*
 * Ask for what the entry lacks (it has a model); training: also the training
 * price, after the others. hints: what an empty answer means, as an entry (may
 * be NULL). 0; -ECANCELED at the input's end.
 */
int price_prompt(struct doc_arena *a, struct doc *entry,
		 const struct doc *hints, bool training);
/* [Y/n]; false also at the input's end. */
bool price_confirm(const char *question);

/*
 * All of it for one model: ask, then write to the user's price file (source
 * manual) and the ledger. provider may be NULL (is asked). EXIT_OK,
 * EXIT_FAILED; what is wrong was said.
 */
int price_ask_model(struct lg_engine *e, const char *provider,
		    const char *model, bool training);
/* What a script does instead, to stderr: flags and environment. */
void price_tell_how(const char *provider, const char *model,
		    const char *missing);

#endif
