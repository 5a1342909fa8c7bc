#include "ask.h"

#include <stdio.h>
#include <string.h>

#include "base/civil.h"
#include "base/clock.h"
#include "budget/zone.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "index.h"
#include "tool.h"
#include "when.h"

static const struct {
	enum ask_option option;
	const char *dim;
} filters[] = {
	{ASK_MODEL, "model"},
	{ASK_PROJECT, "project"},
	{ASK_USER, "user"},
	{ASK_TAG, "tag"},
	{ASK_PHASE, "phase"},
	{ASK_PROVIDER, "provider"},
	{ASK_ENDPOINT, "endpoint"},
	{ASK_CONVERSATION, "conversation"},
	{ASK_KEY, "key"},
	{ASK_RUN, "run"},
	{ASK_TYPE, "request_type"},
	{ASK_VERDICT, "verdict"},
	{ASK_EXPERIMENT, "experiment"},
	{ASK_PROCESS, "process"},
};

void ask_filters(const struct call *c, const char **filter)
{
	for (unsigned i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (c->v[filters[i].option].set)
			filter[dim_by_name(lg_slice_str(filters[i].dim)) -
			       dims] = c->v[filters[i].option].text;
}

static int bad(const struct call *c, enum ask_option o, const char *want)
{
	return tool_usage(c->cmd, "--%s %s: must be %s", c->cmd->opts[o].name,
			  c->v[o].text, want);
}

#define EDGE "a day (2026-11-22), a month, a year, or RFC 3339"

int ask_time(const struct call *c, const struct span_calendar *cal,
	     struct span *out)
{
	const struct opt_value *v = c->v;
	struct span s = {INT64_MIN, INT64_MAX};

	if (v[ASK_LAST].set && (v[ASK_FROM].set || v[ASK_TO].set))
		return tool_usage(c->cmd, "--last stands alone");
	if (v[ASK_LAST].set && span_last(cal, v[ASK_LAST].text, &s))
		return bad(c, ASK_LAST, "12h, 7d, 4w, 3m or 1y");
	if (v[ASK_FROM].set &&
	    span_edge(cal, v[ASK_FROM].text, false, &s.from_ms))
		return bad(c, ASK_FROM, EDGE);
	if (v[ASK_TO].set && span_edge(cal, v[ASK_TO].text, true, &s.to_ms))
		return bad(c, ASK_TO, EDGE);
	if (s.from_ms >= s.to_ms)
		return tool_usage(c->cmd, "--from %s lies after --to %s",
				  v[ASK_FROM].text, v[ASK_TO].text);
	*out = s;
	return -1;
}

unsigned ask_top(const struct opt_value *top, bool people, unsigned table)
{
	if (!top->set)
		return people ? table : 0;
	return top->n > UINT32_MAX ? 0 : (unsigned)top->n;
}

void ask_span(struct ask *a, const struct span *s)
{
	a->span = *s;
	a->q.from_ms = s->from_ms;
	a->q.to_ms = s->to_ms;
}

int ask_open(struct ask *a, struct call *c)
{
	struct span s;
	int ret;

	memset(a, 0, sizeof(*a));
	a->c = c;
	ret = tool_open(&a->e);
	if (ret >= 0)
		return ret;
	a->w = lg_engine_pin(a->e);
	a->cal = (struct span_calendar){a->w->zone, a->w->set.week_start,
					lg_clock_real_ms()};
	a->q.zone = a->cal.zone;
	a->q.week_start = a->cal.week_start;
	a->q.catalog = &a->w->catalog;
	ask_filters(c, a->q.filter);
	ret = ask_time(c, &a->cal, &s);
	if (ret < 0)
		ask_span(a, &s);
	if (ret < 0)
		ret = index_open(a->e, &a->x);
	a->q.x = a->x;
	if (ret >= 0)
		ask_close(a);
	return ret;
}

void ask_close(struct ask *a)
{
	query_fini(&a->q);
	index_close(a->x);
	if (a->w)
		lg_engine_unpin(a->e, a->w);
	lg_engine_close(a->e);
}

int ask_by(struct ask *a, const char *list)
{
	struct lg_slice rest = lg_slice_str(list), one;
	const struct dim *d;

	do {
		rest = lg_slice_cut(rest, ',', &one);
		one = lg_slice_trim(one);
		d = dim_by_name(one);
		if (!d)
			return tool_usage(a->c->cmd,
					  "--by \"%.*s\": must be of %s",
					  (int)one.len, one.p, dim_names());
		if (a->q.nby == ASK_BY_MAX)
			return tool_usage(a->c->cmd,
					  "--by %s: at most %d at once", list,
					  ASK_BY_MAX);
		a->q.by[a->q.nby++] = d;
	} while (rest.len);
	return -1;
}

void ask_again(const struct ask *a, struct query *out)
{
	*out = (struct query){
		.x = a->x,
		.catalog = a->q.catalog,
		.zone = a->q.zone,
		.week_start = a->q.week_start,
		.from_ms = a->q.from_ms,
		.to_ms = a->q.to_ms,
		.light = true,
	};
	memcpy(out->filter, a->q.filter, sizeof(out->filter));
}

static const char *const weekdays[] = {"Monday",   "Tuesday", "Wednesday",
				       "Thursday", "Friday",  "Saturday",
				       "Sunday"};

static const char *const ratios[RATIOS] = {
	[RATIO_NONE] = "no estimate",  [RATIO_QUARTER] = "up to 25 %",
	[RATIO_HALF] = "25 to 50 %",   [RATIO_WITHIN] = "50 to 100 %",
	[RATIO_ABOVE] = "above 100 %",
};

const char *ask_key(const struct dim *d, const struct group *g)
{
	static char texts[4][32];
	static unsigned turn;
	char *out = texts[turn++ % 4];
	int64_t u = g->unit;

	if (d->kind == DIM_OF_ESTIMATE)
		return ratios[u % RATIOS];
	if (d->kind != DIM_OF_TIME)
		return g->key ? g->key : "";
	switch ((enum dim_time)d->column) {
	case TIME_HOUR:
		when_day_text(lg_floor_div(u, 24), out);
		snprintf(out + strlen(out), 16, " %02d:00",
			 (int)(u - lg_floor_div(u, 24) * 24));
		break;
	case TIME_MONTH:
		snprintf(out, 32, "%04d-%02d", (int)(u / 12),
			 (int)(u % 12) + 1);
		break;
	case TIME_YEAR:
		snprintf(out, 32, "%04d", (int)u);
		break;
	case TIME_WEEKDAY:
		return weekdays[u % 7];
	case TIME_HOUR_OF_DAY:
		snprintf(out, 32, "%02d", (int)u);
		break;
	default:
		when_day_text(u, out);
	}
	return out;
}

const char *ask_zone_name(const struct ask *a)
{
	return a->cal.zone ? lg_zone_name(a->cal.zone) : "UTC";
}
