#include "base/money.h"
#include "report.h"
#include "tool.h"

const struct report_cell report_cache_cells[REPORT_CACHE_CELLS] = {
	[CACHE_CALLS] = {"Calls", 'n'},	    [CACHE_INPUT] = {"Input", 'n'},
	[CACHE_READ] = {"From cache", 'n'}, [CACHE_HIT] = {"Hit", '%'},
	[CACHE_WRITTEN] = {"Written", 'n'}, [CACHE_COST] = {"Cost", '$'},
	[CACHE_WITHOUT] = {"Without", '$'}, [CACHE_SAVED] = {"Saved", '$'},
	[CACHE_OF_IT] = {"Of it", '%'},
};

void report_cache_values(const struct sums *s, int64_t v[REPORT_CACHE_CELLS])
{
	v[CACHE_CALLS] = s->v[SUM_CALLS];
	v[CACHE_INPUT] = s->v[SUM_INPUT];
	v[CACHE_READ] = s->v[SUM_CACHE_READ];
	v[CACHE_HIT] = sums_share_ppm(v[CACHE_READ], v[CACHE_INPUT]);
	v[CACHE_WRITTEN] = s->v[SUM_CACHE_WRITE];
	v[CACHE_COST] = s->v[SUM_COST];
	v[CACHE_WITHOUT] = s->v[SUM_ECONOMIC];
	v[CACHE_SAVED] = lg_money_sub(v[CACHE_WITHOUT], v[CACHE_COST]);
	v[CACHE_OF_IT] = sums_share_ppm(v[CACHE_SAVED], v[CACHE_WITHOUT]);
}

void report_cache_text(const struct sums *s,
		       const char *text[REPORT_CACHE_CELLS])
{
	int64_t v[REPORT_CACHE_CELLS];

	report_cache_values(s, v);
	for (unsigned i = 0; i < REPORT_CACHE_CELLS; i++)
		text[i] = report_cache_cells[i].kind == 'n'   ? count_text(v[i])
			  : report_cache_cells[i].kind == '$' ? tool_usd(v[i])
							      : ppm_text(v[i]);
}
