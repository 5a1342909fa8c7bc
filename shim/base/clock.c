#include "base/clock.h"

#include <time.h>

#include "base/atomic.h"

static int64_t fixed_ms;

static int64_t read_ns(clockid_t id)
{
	struct timespec ts = {0, 0};

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t lg_clock_real_ms(void)
{
	int64_t fixed = lg_load_relaxed(&fixed_ms);

	return fixed ? fixed : read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t lg_clock_boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

int64_t lg_clock_coarse_ms(void)
{
	return read_ns(CLOCK_MONOTONIC_COARSE) / 1000000;
}

void lg_clock_set_real_ms(int64_t unix_ms)
{
	lg_store_relaxed(&fixed_ms, unix_ms);
}
