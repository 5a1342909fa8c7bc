#include "base/money.h"
#include "index.h"
#include "report.h"
#include "tool.h"
#include "when.h"

void sums_json(struct json *j, const struct sums *s)
{
	const int64_t *v = s->v;

	json_i64(j, "calls", v[SUM_CALLS]);
	json_i64(j, "blocked", v[SUM_BLOCKED]);
	json_i64(j, "input_tokens", v[SUM_INPUT]);
	json_i64(j, "output_tokens", v[SUM_OUTPUT]);
	json_i64(j, "cache_read_tokens", v[SUM_CACHE_READ]);
	json_i64(j, "cache_write_tokens", v[SUM_CACHE_WRITE]);
	json_i64(j, "reasoning_tokens", v[SUM_REASONING]);
	json_usd(j, "cost_usd", v[SUM_COST]);
	json_usd(j, "input_cost_usd", v[SUM_INPUT_COST]);
	json_usd(j, "output_cost_usd",
		 lg_money_sub(v[SUM_COST], v[SUM_INPUT_COST]));
	json_usd(j, "economic_usd", v[SUM_ECONOMIC]);
	json_usd(j, "average_usd",
		 money_share(v[SUM_COST], v[SUM_CALLS] - v[SUM_BLOCKED]));
	json_usd(j, "estimate_usd", v[SUM_ESTIMATE]);
	json_usd(j, "refused_usd", v[SUM_REFUSED]);
	json_i64(j, "duration_ms", v[SUM_DURATION]);
}

void sums_json_coverage(struct json *j, const struct sums *s,
			const struct index *x)
{
	struct index_stats stats;

	index_stats(x, &stats);
	json_open(j, "coverage", '{');
	for (unsigned i = SPEND_CLASSES; i-- > 0;) {
		json_open(j, spend_class_name((enum spend_class)i), '{');
		json_i64(j, "calls", s->v[SUM_COVER_CALLS + i]);
		json_usd(j, "usd", s->v[SUM_COVER_COST + i]);
		json_close(j, '}');
	}
	if (stats.torn)
		json_u64(j, "unreadable_lines", stats.torn);
	json_close(j, '}');
}

void ask_json(struct json *j, const struct ask *a)
{
	json_time(j, "from", a->span.from_ms);
	json_time(j, "to", a->span.to_ms);
	json_text(j, "timezone", ask_zone_name(a));
}

static void put_cache(struct json *j, const struct report *r,
		      const struct sums *s)
{
	int64_t v[REPORT_CACHE_CELLS];

	if (!r->cache)
		return;
	report_cache_values(s, v);
	json_ppm(j, "cache_hit_share", v[CACHE_HIT]);
	json_usd(j, "saved_usd", v[CACHE_SAVED]);
	json_ppm(j, "saved_share", v[CACHE_OF_IT]);
}

static void put_group(struct json *j, const struct report *r,
		      const struct grouping *by, const struct group *g,
		      const struct sums *total)
{
	const char *key = ask_key(by->dim, g);

	json_open(j, NULL, '{');
	json_text(j, "by", by->dim->name);
	if (*key)
		json_text(j, "key", key);
	else
		json_null(j, "key");
	sums_json(j, &g->s);
	put_cache(j, r, &g->s);
	json_ppm(j, "share",
		 sums_share_ppm(g->s.v[SUM_COST], total->v[SUM_COST]));
	if (by->dim->kind != DIM_OF_TIME) {
		json_time(j, "first", g->s.v[SUM_FIRST]);
		json_time(j, "last", g->s.v[SUM_LAST]);
	}
	json_close(j, '}');
}

static void put_insight(struct json *j, const struct insight *in)
{
	char day[16];

	json_open(j, "averages", '{');
	json_i64(j, "days", in->weekdays + in->weekends);
	json_usd(j, "day_usd", in->day_pusd);
	json_usd(j, "weekday_usd", in->weekday_pusd);
	json_usd(j, "weekend_usd", in->weekend_pusd);
	json_close(j, '}');
	if (!in->peak) {
		json_null(j, "peak_day");
		return;
	}
	when_day_text(in->peak->unit, day);
	json_open(j, "peak_day", '{');
	json_text(j, "day", day);
	json_i64(j, "calls", in->peak->s.v[SUM_CALLS]);
	json_usd(j, "cost_usd", in->peak->s.v[SUM_COST]);
	if (in->why) {
		json_open(j, "reason", '{');
		json_text(j, "by", in->why->name);
		json_text(j, "key", in->why_key);
		json_usd(j, "cost_usd", in->why_pusd);
		json_usd(j, "usual_usd", in->why_usual_pusd);
		json_close(j, '}');
	} else {
		json_null(j, "reason");
	}
	json_close(j, '}');
}

void report_put_json(struct report *r, struct json *j)
{
	const struct query *q = &r->a->q;

	json_open(j, NULL, '{');
	ask_json(j, r->a);
	json_open(j, "groups", '[');
	for (unsigned i = 0; i < r->shown; i++)
		for (unsigned k = 0; k < report_count(r, &q->out[i]); k++)
			put_group(j, r, &q->out[i], &q->out[i].g[k], &q->total);
	json_close(j, ']');
	json_open(j, "total", '{');
	sums_json(j, &q->total);
	put_cache(j, r, &q->total);
	json_close(j, '}');
	sums_json_coverage(j, &q->total, q->x);
	put_insight(j, &r->in);
	if (r->again)
		again_json(&r->a->q, &r->repeats, r->again_top, j);
	json_close(j, '}');
	json_line(j);
}

int report_json(struct report *r)
{
	struct json j;

	json_init(&j);
	report_put_json(r, &j);
	return tool_print(&j.b);
}
