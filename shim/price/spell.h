#ifndef LG_PRICE_SPELL_H
#define LG_PRICE_SPELL_H

#include <stdbool.h>

#include "base/slice.h"

/*
 * The ways in which a catalog may spell a model's name: "models/x" is x,
 * "arn:aws:bedrock:...:inference-profile/us.a.b-v1:0" is a.b in the us. For
 * the files of this folder. Any thread, no allocation.
 */
#define LG_SPELLINGS_MAX 16

struct lg_spelling {
	struct lg_slice name;  /* part of the name that was given */
	struct lg_slice place; /* that the name began with, or empty */
	bool guess;	       /* leaves out what may have a meaning */
};

/* All but the name itself, the surest first. Returns how many. */
unsigned lg_price_spell(struct lg_slice name,
			struct lg_spelling out[LG_SPELLINGS_MAX]);

/* "ft:x:org:label:id" is x; false when it is no such name. */
bool lg_price_spell_tuned(struct lg_slice name, struct lg_slice *base);

#endif
