#ifndef LG_TOOLS_DECIMAL_H
#define LG_TOOLS_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/*
 * Decimal numbers of any length as text, for prices on their way between
 * lists: moving the point is exact, a float is never made.
 */
#define DECIMAL_TEXT 160 /* longest normal form, with its NUL */

/* Is it a number as JSON writes one ("1.5e-07")? */
bool decimal_is(struct lg_slice s);
/*
 * s * 10^shift in plain normal form: no exponent, no zeros in front or behind,
 * "0" for zero ("1.5e-07" shifted by 6: "0.15"). 0, -EINVAL (not a number),
 * -ERANGE (longer than DECIMAL_TEXT).
 */
int decimal_shift(struct lg_slice s, int shift, char out[DECIMAL_TEXT]);
/* a * b, exact, in the same form. 0, -EINVAL, -ERANGE. */
int decimal_times(struct lg_slice a, struct lg_slice b, char out[DECIMAL_TEXT]);
/* By value: <0, 0, >0. Both must be numbers. */
int decimal_cmp(struct lg_slice a, struct lg_slice b);
bool decimal_is_negative(struct lg_slice s);

#endif
