#ifndef LG_TOOLS_AMOUNT_H
#define LG_TOOLS_AMOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Money as others write it, exact: a decimal literal of any length, as JSON
 * has it or with a plus sign, times 10^shift (-2: cents) in picodollars.
 * Beyond 12 decimals it is rounded half to even (their figures are sums of
 * floats: 0.5617712500000001). 0; -EINVAL not a number; -ERANGE beyond int64.
 */
int amount_parse(struct lg_slice text, int shift, int64_t *pusd);
/* The same with a dollar sign and thousands: "$1,234.50". */
int amount_parse_loose(struct lg_slice text, int64_t *pusd);

/*
 * How far `ours` is from `theirs`, in millionths of theirs, rounded away from
 * 0 to the next; INT64_MAX or INT64_MIN where theirs is 0 and ours is not.
 */
int64_t amount_gap_ppm(int64_t ours, int64_t theirs);
/* "+1.25 %"; "new" where theirs is 0. */
void amount_gap_text(int64_t ppm, char *out, size_t cap);

#endif
