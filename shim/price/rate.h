#ifndef LG_PRICE_RATE_H
#define LG_PRICE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/image.h"

/*
 * Which rate a bucket is charged at. For the files of this folder. Any thread.
 */

/*
 * The long-context step's rate (t may be NULL), else the base's, else those of
 * the bucket's parents; LG_RATE_ABSENT when there is none. A step overrides
 * only what it names.
 */
int64_t lg_rate_of(const int64_t *base, const struct lg_img_tier *t,
		   unsigned bucket);

/*
 * No bucket below those that it may be charged as: what one model has no rate
 * for costs its parent's, and a maximum over models must hold for that too.
 */
void lg_rate_lift(int64_t rate[LG_BUCKETS]);

/* Does the bucket belong to the output side (fees do)? Else to the input. */
bool lg_rate_is_output(unsigned bucket);

#endif
