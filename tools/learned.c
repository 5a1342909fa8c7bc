#include "learned.h"

#include <stdio.h>
#include <stdlib.h>

#include "budget/stats.h"
#include "table.h"
#include "tool.h"

#define MODELS_MAX 256

static int by_seen(const void *a, const void *b)
{
	const struct lg_stats_view *x = a, *y = b;

	return x->seen > y->seen ? -1 : x->seen < y->seen;
}

static unsigned read_all(const struct lg_region *r,
			 struct lg_stats_view v[MODELS_MAX])
{
	unsigned i, n = 0;

	for (i = 0; r && i < lg_stats_count(r) && n < MODELS_MAX; i++)
		if (!lg_stats_view(r, i, &v[n]))
			n++;
	qsort(v, n, sizeof(*v), by_seen);
	return n;
}

/* 1024ths as a decimal of two digits; 0: not known. */
static const char *ratio_text(uint32_t ratio)
{
	static char buf[16];
	uint32_t cents =
		(ratio * 100 + LG_STATS_RATIO_ONE / 2) / LG_STATS_RATIO_ONE;

	if (!ratio)
		return "";
	snprintf(buf, sizeof(buf), "%u.%02u", cents / 100, cents % 100);
	return buf;
}

static void count_cell(struct table *t, uint32_t n)
{
	if (n)
		table_u64(t, n);
	else
		table_cell(t, "");
}

void learned_table(struct lg_engine *e, struct lg_region *r, struct lg_buf *out)
{
	static struct lg_stats_view v[MODELS_MAX];
	unsigned i, n = read_all(r, v);
	struct table t;

	if (!n) {
		lg_buf_puts(out, "Nothing is known of any model yet: adaptive "
				 "budgets hold the declared maximum.\n");
		return;
	}
	table_init(&t, "MODEL\tANSWERS\rCUT OFF\rP50\rP99\rPROMPTS\r"
		       "BYTES/TOKEN\rLAST");
	for (i = 0; i < n; i++) {
		table_cell(&t, v[i].name);
		table_u64(&t, v[i].outputs);
		table_u64(&t, v[i].unfinished);
		count_cell(&t, v[i].learned.output_p50);
		count_cell(&t, v[i].learned.output_p99);
		table_u64(&t, v[i].ratios);
		table_cell(&t, ratio_text(v[i].learned.ratio));
		table_cell(&t, tool_time(e, (int64_t)v[i].touched_s * 1000));
	}
	table_print(&t, out);
}

static void json_known(struct json *j, const char *key, uint32_t n)
{
	if (n)
		json_u64(j, key, n);
	else
		json_null(j, key);
}

void learned_json(struct json *j, struct lg_region *r)
{
	static struct lg_stats_view v[MODELS_MAX];
	unsigned i, n = read_all(r, v);

	json_open(j, "models", '[');
	for (i = 0; i < n; i++) {
		json_open(j, NULL, '{');
		json_text(j, "model", v[i].name);
		json_u64(j, "samples", v[i].seen);
		json_u64(j, "answers", v[i].outputs);
		json_u64(j, "cut_off", v[i].unfinished);
		json_known(j, "output_p50", v[i].learned.output_p50);
		json_known(j, "output_p99", v[i].learned.output_p99);
		json_u64(j, "prompts", v[i].ratios);
		if (v[i].learned.ratio)
			json_number(j, "bytes_per_token",
				    ratio_text(v[i].learned.ratio));
		else
			json_null(j, "bytes_per_token");
		json_time(j, "last", (int64_t)v[i].touched_s * 1000);
		json_close(j, '}');
	}
	json_close(j, ']');
}
