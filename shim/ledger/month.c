#include "ledger/month.h"

#include <string.h>

#include "base/civil.h"

static void digits(char *p, unsigned v, int n)
{
	while (n--) {
		p[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void lg_month_name(int64_t unix_ms, char out[LG_MONTH_NAME])
{
	struct lg_civil c;
	int64_t days = unix_ms < 0 ? 0 : unix_ms / 86400000;

	/* 9999-12-31 */
	lg_civil_from_days(days > 2932896 ? 2932896 : days, &c);
	memcpy(out, "0000-00.jsonl", LG_MONTH_NAME);
	digits(out, (unsigned)c.year, 4);
	digits(out + 5, c.month, 2);
}

bool lg_month_is_name(const char *name)
{
	static const char shape[] = "dddd-dd.jsonl";
	int i;

	for (i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? (unsigned)(name[i] - '0') > 9
				    : name[i] != shape[i])
			return false;
	return !name[i];
}
