#ifndef LG_GUARD_WHO_H
#define LG_GUARD_WHO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct lg_env;
struct lg_row;
struct lg_self;

/*
 * For whom a flow is, where that is not this process: the tracer meters
 * others. Borrowed by the flow, and outlives it.
 */
struct lg_who {
	const struct lg_env *env; /* what it says of its calls */
	const struct lg_self *self;
	int32_t pid, ppid;
	int64_t now_ns; /* CLOCK_BOOTTIME of what is being told; 0: now */
	/* A call was let go or refused (row->end_ms 0), or was settled. */
	void (*on_call)(void *arg, const struct lg_row *row, bool settled);
	void *arg;
};

/* The same as a row's ts_ms. */
static inline int64_t lg_who_now_ms(const struct lg_who *who)
{
	int64_t ms = lg_clock_real_ms();

	if (who && who->now_ns)
		ms -= (lg_clock_boot_ns() - who->now_ns) / 1000000;
	return ms;
}

static inline int64_t lg_who_now_ns(const struct lg_who *who)
{
	return who && who->now_ns ? who->now_ns : lg_clock_boot_ns();
}

#endif
