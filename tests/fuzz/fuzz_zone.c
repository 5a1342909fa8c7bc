/* Zone files and TZ strings: any bytes; the windows around an instant hold it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "budget/tzrule.h"
#include "budget/window.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void windows(const struct lg_zone *z)
{
	static const int64_t at[] = {0, 1700000000000, 1792895400000,
				     4102444800000, 253402300800000};
	struct lg_window w;
	size_t i;
	int p;

	for (p = LG_PERIOD_RUN; p <= LG_PERIOD_TOTAL; p++)
		for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
			lg_window_at((enum lg_period)p, z, 0, at[i], &w);
			if (at[i] < 253000000000000 &&
			    (w.start_ms > at[i] || w.end_ms <= at[i]))
				abort();
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lg_slice s = {(const char *)data, size};
	struct lg_tzrule r;
	struct lg_zone_span span;
	struct lg_zone *z;

	if (!lg_zone_parse(s, "fuzz", &z)) {
		windows(z);
		lg_zone_close(z);
	}
	if (!lg_tzrule_parse(s, &r)) {
		lg_tzrule_span(&r, 1700000000, &span);
		if (span.start_s > 1700000000 || span.end_s <= 1700000000)
			abort();
	}
	return 0;
}
