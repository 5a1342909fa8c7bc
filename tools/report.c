#include "report.h"

#include <stdio.h>
#include <string.h>

#include "base/civil.h"
#include "base/money.h"
#include "budget/zone.h"
#include "when.h"

int64_t money_share(int64_t pusd, int64_t n)
{
	int64_t whole, rest, twice;

	if (!n)
		return 0;
	whole = lg_floor_div(pusd, n);
	rest = pusd - whole * n;
	twice = rest - (n - rest);
	return whole + (twice > 0 || (!twice && (whole & 1)));
}

unsigned report_count(const struct report *r, const struct grouping *g)
{
	bool ordered =
		g->dim->kind == DIM_OF_TIME || g->dim->kind == DIM_OF_ESTIMATE;

	return r->top && !ordered && g->n > r->top ? r->top : g->n;
}

/* Days from the first that was asked for, or that has calls, up to today. */
static void count_days(struct report *r)
{
	struct insight *in = &r->in;
	const struct grouping *days = &r->a->q.days;
	int64_t now = when_day(r->a->cal.zone, r->a->cal.now_ms), day;

	in->first_day = days->n ? days->g[0].unit : 0;
	in->last_day = days->n ? days->g[days->n - 1].unit : -1;
	if (days->n && r->a->span.to_ms == INT64_MAX && in->last_day < now)
		in->last_day = now;
	span_days(&r->a->cal, &r->a->span, &in->first_day, &in->last_day);
	if (in->last_day > now && (!days->n || days->g[days->n - 1].unit < now))
		in->last_day = now;
	for (day = in->first_day; day <= in->last_day; day++)
		if (lg_civil_weekday(day) < 5)
			in->weekdays++;
		else
			in->weekends++;
}

static void average(struct report *r)
{
	const struct grouping *days = &r->a->q.days;
	struct insight *in = &r->in;
	int64_t sum[2] = {0, 0};

	for (unsigned i = 0; i < days->n; i++) {
		const struct group *g = &days->g[i];
		int64_t cost = g->s.v[SUM_COST];
		bool end = lg_civil_weekday(g->unit) >= 5;

		sum[end] = lg_money_add(sum[end], cost);
		if (cost > 0 && (!in->peak || cost > in->peak->s.v[SUM_COST]))
			in->peak = g;
	}
	in->weekday_pusd = money_share(sum[0], in->weekdays);
	in->weekend_pusd = money_share(sum[1], in->weekends);
	in->day_pusd = money_share(lg_money_add(sum[0], sum[1]),
				   in->weekdays + in->weekends);
}

static const struct sums *find(const struct grouping *g, const char *key)
{
	for (unsigned i = 0; i < g->n; i++)
		if (!strcmp(g->g[i].key ? g->g[i].key : "", key ? key : ""))
			return &g->g[i].s;
	return NULL;
}

/* Whose cost of that day is furthest above that of its average day? */
static void explain(struct report *r, const struct query *day)
{
	struct insight *in = &r->in;
	const struct query *all = &r->a->q;
	int64_t n = in->weekdays + in->weekends, best = 0;

	for (unsigned i = 0; i < day->nby; i++) {
		const struct grouping *g = &day->out[i];

		for (unsigned k = 0; k < g->n && k < 3; k++) {
			const struct sums *s =
				find(&all->out[r->shown + i], g->g[k].key);
			int64_t usual = s ? money_share(s->v[SUM_COST], n) : 0;
			int64_t cost = g->g[k].s.v[SUM_COST];

			if (!g->g[k].key || cost - usual <= best)
				continue;
			best = cost - usual;
			in->why = g->dim;
			in->why_pusd = cost;
			in->why_usual_pusd = usual;
			snprintf(in->why_key, sizeof(in->why_key), "%s",
				 g->g[k].key);
		}
	}
}

/* What a dear day is explained by, the more telling first. */
static const char *const reasons[] = {"project", "model", "user"};
#define REASONS (sizeof(reasons) / sizeof(reasons[0]))

static int look_at_peak(struct report *r)
{
	struct query day;
	int64_t from, to;
	int ret;

	if (!r->in.peak || r->in.weekdays + r->in.weekends < 2)
		return -1;
	ask_again(r->a, &day);
	when_day_span(r->a->cal.zone, r->in.peak->unit, &from, &to);
	day.from_ms = from > day.from_ms ? from : day.from_ms;
	day.to_ms = to < day.to_ms ? to : day.to_ms;
	for (unsigned i = 0; i < REASONS; i++)
		day.by[day.nby++] = dim_by_name(lg_slice_str(reasons[i]));
	ret = query_run(&day);
	if (ret >= 0)
		return ret;
	explain(r, &day);
	query_fini(&day);
	return -1;
}

int report_run(struct report *r)
{
	struct query *q = &r->a->q;
	int ret;

	r->shown = q->nby;
	q->nlight = REASONS;
	q->top = r->top;
	if (r->again) {
		q->more = again_read;
		q->more_ctx = &r->repeats;
	}
	for (unsigned i = 0; i < REASONS; i++)
		q->by[q->nby++] = dim_by_name(lg_slice_str(reasons[i]));
	ret = query_run(q);
	if (ret >= 0)
		return ret;
	count_days(r);
	average(r);
	return look_at_peak(r);
}

void report_fini(struct report *r)
{
	again_fini(&r->repeats);
}

/* -- words ------------------------------------------------------------------
 */

const char *ppm_text(int64_t ppm)
{
	static char text[4][32];
	static unsigned turn;
	char *out = text[turn++ % 4];
	int64_t tenths = (ppm < 0 ? -ppm : ppm) / 1000;

	snprintf(out, sizeof(text[0]), "%s%lld.%lld %%", ppm < 0 ? "-" : "",
		 (long long)(tenths / 10), (long long)(tenths % 10));
	return out;
}

const char *count_text(int64_t n)
{
	static char text[8][32];
	static unsigned turn;
	char *out = text[turn++ % 8], digits[24];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n), at;

	for (int i = at = 0; i < len; i++) {
		if (i > (n < 0) && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = 0;
	return out;
}

/* The day alone where it begins (end: is over) at that instant. */
static void edge_text(const struct ask *a, int64_t ms, bool end, char out[32])
{
	int64_t day = when_day(a->cal.zone, end ? ms - 1 : ms), from, to, s;

	when_day_text(day, out);
	when_day_span(a->cal.zone, day, &from, &to);
	if (ms == (end ? to : from))
		return;
	s = lg_floor_div(end ? ms - 1 : ms, 1000);
	if (a->cal.zone)
		s += lg_zone_offset(a->cal.zone, s);
	s -= day * 86400;
	snprintf(out + strlen(out), 16, " %02d:%02d:%02d", (int)(s / 3600 % 24),
		 (int)(s / 60 % 60), (int)(s % 60));
}

const char *span_text(const struct ask *a, const struct span *s)
{
	static char text[80];
	char from[32], to[32];

	if (s->from_ms == INT64_MIN && s->to_ms == INT64_MAX)
		return "all time";
	edge_text(a, s->from_ms, false, from);
	edge_text(a, s->to_ms, true, to);
	if (s->from_ms == INT64_MIN)
		snprintf(text, sizeof(text), "up to %s", to);
	else if (s->to_ms == INT64_MAX)
		snprintf(text, sizeof(text), "%s and later", from);
	else if (!strcmp(from, to))
		snprintf(text, sizeof(text), "%s", from);
	else
		snprintf(text, sizeof(text), "%s to %s", from, to);
	return text;
}
