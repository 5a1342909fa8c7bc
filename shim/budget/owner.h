#ifndef LG_BUDGET_OWNER_H
#define LG_BUDGET_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

/*
 * Who holds a slot: pid, pid namespace, start time, boot and image in two
 * words, so that one compare-and-swap takes a slot over.
 *   lo: ns 28 << 36 | pid 22 << 14 | turn 13 << 1 | busy 1
 *   hi: start 32 << 32 | boot 10 << 22 | image 22
 * start: clock ticks after boot, 0 unknown. image: 11 bits of the initial
 * stack's address (anybody may compare them with /proc/PID/stat; 0 unknown)
 * << 11 | 11 bits of AT_RANDOM; both change at exec, which keeps pid and
 * start. turn counts the slot's owners, busy is set while one works on it.
 */
#define LG_OWNER_BUSY 1u
#define LG_OWNER_TURN_MASK UINT64_C(0x3ffe)
#define LG_OWNER_ID_MASK (~UINT64_C(0x3fff))
/* lo of a staged slot: anybody may take it. */
#define LG_OWNER_ANYBODY (UINT64_C(1) << 36)

/*
 * This process (and image), without turn and busy. Computed once per process
 * (also after a fork of any kind); then one load. Any thread.
 */
struct lg_pair lg_owner_self(void);

static inline uint32_t lg_owner_pid(struct lg_pair o)
{
	return (uint32_t)(o.lo >> 14) & 0x3fffff;
}

static inline bool lg_owner_same(struct lg_pair a, struct lg_pair b)
{
	return (a.lo & LG_OWNER_ID_MASK) == (b.lo & LG_OWNER_ID_MASK) &&
	       a.hi == b.hi;
}

enum lg_owner_state {
	LG_OWNER_ALIVE,
	LG_OWNER_DEAD,
	LG_OWNER_FOREIGN, /* another pid namespace: not ours to judge */
};

/*
 * Dead: another boot, gone, another start time, zombie, or another image.
 * When in doubt alive. Reads /proc; keeps errno.
 */
enum lg_owner_state lg_owner_judge(struct lg_pair owner);

#endif
