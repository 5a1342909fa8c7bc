#include "dim.h"

#include <stdio.h>

const struct dim dims[] = {
	{"model", "MODEL", DIM_OF_WHAT, WHAT_MODEL},
	{"project", "PROJECT", DIM_OF_WHO, WHO_PROJECT},
	{"tag", "TAG", DIM_OF_WHO, WHO_TAGS},
	{"user", "USER", DIM_OF_WHO, WHO_USER},
	{"endpoint", "ENDPOINT", DIM_OF_WHAT, WHAT_ENDPOINT},
	{"provider", "PROVIDER", DIM_OF_WHAT, WHAT_PROVIDER},
	{"phase", "PHASE", DIM_OF_WHAT, WHAT_PHASE},
	{"conversation", "CONVERSATION", DIM_OF_FACT, FACT_CONVERSATION},
	{"hour", "HOUR", DIM_OF_TIME, TIME_HOUR},
	{"day", "DAY", DIM_OF_TIME, TIME_DAY},
	{"week", "WEEK", DIM_OF_TIME, TIME_WEEK},
	{"month", "MONTH", DIM_OF_TIME, TIME_MONTH},
	{"year", "YEAR", DIM_OF_TIME, TIME_YEAR},
	{"weekday", "WEEKDAY", DIM_OF_TIME, TIME_WEEKDAY},
	{"hour_of_day", "HOUR", DIM_OF_TIME, TIME_HOUR_OF_DAY},
	{"request_type", "TYPE", DIM_OF_WHAT, WHAT_REQUEST_TYPE},
	{"model_requested", "REQUESTED", DIM_OF_WHAT, WHAT_MODEL_REQUESTED},
	{"key", "KEY", DIM_OF_WHO, WHO_KEY},
	{"run", "RUN", DIM_OF_FACT, FACT_RUN},
	{"experiment", "EXPERIMENT", DIM_OF_WHO, WHO_EXPERIMENT},
	{"process", "PROCESS", DIM_OF_WHO, WHO_COMM},
	{"host", "HOST", DIM_OF_WHAT, WHAT_HOST},
	{"dialect", "DIALECT", DIM_OF_WHAT, WHAT_DIALECT},
	{"tier", "TIER", DIM_OF_WHAT, WHAT_TIER},
	{"verdict", "VERDICT", DIM_OF_WHAT, WHAT_VERDICT},
	{"reason", "REASON", DIM_OF_WHAT, WHAT_REASON},
	{"status", "STATUS", DIM_OF_WHAT, WHAT_STATUS},
	{"coverage", "COVERAGE", DIM_OF_WHAT, WHAT_COVERAGE},
	{"usage_state", "USAGE", DIM_OF_WHAT, WHAT_USAGE_STATE},
	{"price_state", "PRICE", DIM_OF_WHAT, WHAT_PRICE_STATE},
	{"cache_hit", "CACHE", DIM_OF_WHAT, WHAT_CACHE_HIT},
	{"flag", "FLAG", DIM_OF_WHAT, WHAT_FLAGS},
	{"estimate", "COST OF ESTIMATE", DIM_OF_ESTIMATE, 0},
};
const unsigned ndims = sizeof(dims) / sizeof(dims[0]);

static bool same(const char *name, struct lg_slice text)
{
	size_t i;

	for (i = 0; i < text.len && name[i]; i++) {
		char c = text.p[i] == '-' ? '_' : text.p[i];

		if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != name[i])
			return false;
	}
	/* "models", "tags" */
	return !name[i] &&
	       (i == text.len || (i + 1 == text.len && text.p[i] == 's'));
}

const struct dim *dim_by_name(struct lg_slice name)
{
	for (unsigned i = 0; i < ndims; i++)
		if (same(dims[i].name, name))
			return &dims[i];
	return NULL;
}

const char *dim_names(void)
{
	static char text[512];
	size_t n = 0;

	for (unsigned i = 0; i < ndims && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
				      i ? " " : "", dims[i].name);
	return text;
}

bool dim_is_model(const struct dim *d)
{
	return d->kind == DIM_OF_WHAT && d->column == WHAT_MODEL;
}

bool dim_is_list(const struct dim *d)
{
	return (d->kind == DIM_OF_WHO && d->column == WHO_TAGS) ||
	       (d->kind == DIM_OF_WHAT && d->column == WHAT_FLAGS);
}
