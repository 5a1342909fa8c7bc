/*
 * Windows for test_windows.py. One question a line: zone, period, week start,
 * milliseconds. One line back: start, end and tag, or "-" for a zone that is
 * not there.
 */
#include <stdio.h>
#include <string.h>

#include "budget/window.h"

static struct lg_zone *zone_of(const char *name)
{
	static char last[64];
	static struct lg_zone *z;

	if (z && !strcmp(name, last))
		return z;
	lg_zone_close(z);
	z = NULL;
	snprintf(last, sizeof(last), "%s", name);
	return lg_zone_open(name, &z) ? NULL : z;
}

int main(void)
{
	unsigned period, week_start;
	struct lg_window w;
	struct lg_zone *z;
	char name[64];
	long long at;

	while (scanf("%63s %u %u %lld", name, &period, &week_start, &at) == 4) {
		z = zone_of(name);
		if (!z) {
			puts("-");
			continue;
		}
		lg_window_at((enum lg_period)period, z, week_start, at, &w);
		printf("%lld %lld %u\n", (long long)w.start_ms,
		       (long long)w.end_ms, w.tag);
	}
	lg_zone_close(zone_of("-"));
	return 0;
}
