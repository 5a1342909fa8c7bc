#ifndef LG_BASE_CLOCK_H
#define LG_BASE_CLOCK_H

#include <stdint.h>

/* Clocks by vDSO; any thread, async-signal-safe. */

/* CLOCK_REALTIME in milliseconds since the epoch: windows and rows. */
int64_t lg_clock_real_ms(void);
/* CLOCK_BOOTTIME in nanoseconds: leases and durations across processes. */
int64_t lg_clock_boot_ns(void);
/* CLOCK_MONOTONIC_COARSE in milliseconds: cheap "at most once a second". */
int64_t lg_clock_coarse_ms(void);

/* Tests set the wall clock; 0 restores the real one. */
void lg_clock_set_real_ms(int64_t unix_ms);

#endif
