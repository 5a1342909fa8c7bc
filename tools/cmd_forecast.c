#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "base/money.h"
#include "cmds.h"
#include "report.h"
#include "table.h"
#include "tool.h"
#include "trend.h"
#include "when.h"

enum { O_MONTH = ASK_OPTIONS, O_BACKTEST };
static const struct opt opts[] = {
	ASK_OPTS,
	[O_MONTH] = {"month", 'm', OPT_MAYBE, "[MONTH]",
		     "this month, or a later one: 2026-12"},
	[O_BACKTEST] = {"backtest", 'b', OPT_FLAG, NULL,
			"how far off it would have been in past months"},
	OPT_END,
};

/* Complete days, one number each, days without calls too. */
struct past {
	double *day;
	int64_t first;
	unsigned n;
};

#define PAST_MAX (366 * 20)
/* Further ahead nothing is known of. */
#define MONTHS_AHEAD 12

/*
 * How far the rests of past months were from their forecasts, as a part of
 * these: the interval is as wide as four of five of them need at least.
 */
struct misses {
	double miss[600];
	unsigned n;
};

#define MISSES_MIN 8

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void widen(const struct misses *m, struct trend_sum *s)
{
	struct misses sorted = *m;
	double wide;

	if (m->n < MISSES_MIN)
		return;
	qsort(sorted.miss, m->n, sizeof(double), by_size);
	wide = s->mean * sorted.miss[m->n * 4 / 5];
	if (s->mean + wide > s->high)
		s->high = s->mean + wide;
	if (s->mean - wide < s->low)
		s->low = s->mean > wide ? s->mean - wide : 0;
}

static double dollars(int64_t pusd)
{
	return (double)pusd / (double)LG_PUSD_PER_USD;
}

static int64_t picos(double usd)
{
	double v = usd * (double)LG_PUSD_PER_USD;

	return v >= 9e18 ? INT64_MAX - 1 : (int64_t)llround(v);
}

/* The days that it may learn from: whole ones that are over. */
static void bound(const struct ask *a, int64_t *first, int64_t *after)
{
	const struct grouping *d = &a->q.days;
	int64_t from = a->q.from_ms, start, end;

	*after = when_day(a->cal.zone, a->cal.now_ms);
	if (a->q.to_ms < a->cal.now_ms)
		*after = when_day(a->cal.zone, a->q.to_ms);
	*first = d->n ? d->g[0].unit : *after;
	when_day_span(a->cal.zone, *first, &start, &end);
	if (from > start)
		*first += 1;
	if (*after - *first > PAST_MAX)
		*first = *after - PAST_MAX;
}

static int collect(const struct ask *a, struct past *p)
{
	const struct grouping *d = &a->q.days;
	int64_t first, after;

	bound(a, &first, &after);
	*p = (struct past){.first = first};
	if (after <= first)
		return -1;
	p->n = (unsigned)(after - first);
	p->day = calloc(p->n, sizeof(*p->day));
	if (!p->day)
		return tool_fail("out of memory");
	for (unsigned i = 0; i < d->n; i++)
		if (d->g[i].unit >= first && d->g[i].unit < after)
			p->day[d->g[i].unit - first] =
				dollars(d->g[i].s.v[SUM_COST]);
	return -1;
}

/* -- the month to come ------------------------------------------------------
 */

struct outlook {
	struct span span;
	struct query now;    /* the month's days and today */
	int64_t first, last; /* days of the month */
	int64_t spent_pusd;  /* of it, today included */
	double left;	     /* days, today's rest included */
	struct trend t;
	struct trend_sum rest;
	int64_t straight_pusd; /* by the plain average of its days; INT64_MIN:
				  not one of them is over */
	bool begun;
	char name[16];
};

/* Of today what is still to come. */
static double rest_of_day(const struct ask *a, int64_t today)
{
	int64_t start, end;

	when_day_span(a->cal.zone, today, &start, &end);
	return (double)(end - a->cal.now_ms) / (double)(end - start);
}

static int64_t spent_in(const struct query *q, int64_t first, int64_t last)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < q->days.n; i++) {
		const struct group *g = &q->days.g[i];

		if (g->unit >= first && g->unit <= last)
			sum = lg_money_add(sum, g->s.v[SUM_COST]);
	}
	return sum;
}

/* What was spent does not change with what it learns from. */
static int ask_now(const struct ask *a, struct outlook *o)
{
	int64_t today = when_day(a->cal.zone, a->cal.now_ms), start, end;

	ask_again(a, &o->now);
	when_day_span(a->cal.zone, today, &start, &end);
	o->now.from_ms = o->span.from_ms < start ? o->span.from_ms : start;
	o->now.to_ms = o->span.to_ms;
	return query_run(&o->now);
}

static int check_month(const struct ask *a, struct outlook *o, int64_t today)
{
	struct lg_civil c, now;

	span_days(&a->cal, &o->span, &o->first, &o->last);
	if (o->last < today)
		return tool_usage(a->c->cmd, "that month is over: llmguard "
					     "report --month");
	lg_civil_from_days(o->first, &c);
	lg_civil_from_days(today, &now);
	if ((c.year - now.year) * 12 + c.month - now.month > MONTHS_AHEAD)
		return tool_usage(a->c->cmd,
				  "--month %s: at most %d months ahead",
				  a->c->v[O_MONTH].text, MONTHS_AHEAD);
	snprintf(o->name, sizeof(o->name), "%04d-%02u", (int)c.year % 10000,
		 c.month);
	return -1;
}

/* Of a first day there is what it has cost so far: a day's at least. */
static void fit(const struct outlook *o, const struct past *p, int64_t today,
		struct trend *t)
{
	double day = dollars(spent_in(&o->now, today, today));

	if (p->n) {
		trend_fit(p->day, p->n, p->first, t);
		return;
	}
	trend_fit(&day, 1, today, t);
	t->days = 0;
}

static int look_ahead(const struct ask *a, const struct past *p,
		      struct outlook *o)
{
	int64_t today = when_day(a->cal.zone, a->cal.now_ms), from;
	double part = rest_of_day(a, today), gone;
	int ret = check_month(a, o, today);

	if (ret < 0)
		ret = ask_now(a, o);
	if (ret >= 0)
		return ret;
	o->spent_pusd = spent_in(&o->now, o->first, o->last);
	from = o->first > today ? o->first : today;
	part = o->first > today ? 1 : part;
	o->left = (double)(o->last - from) + part;
	fit(o, p, today, &o->t);
	trend_sum(&o->t, p->n ? p->first + p->n - 1 : today - 1, from, o->last,
		  part, &o->rest);
	gone = (double)(o->last - o->first + 1) - o->left;
	o->straight_pusd =
		gone >= 1 ? picos(dollars(o->spent_pusd) *
				  (double)(o->last - o->first + 1) / gone)
			  : INT64_MIN;
	o->begun = o->first <= today;
	query_fini(&o->now);
	return -1;
}

static int64_t plus(const struct outlook *o, double usd)
{
	return lg_money_add(o->spent_pusd, picos(usd));
}

static int outlook_json(const struct ask *a, const struct outlook *o)
{
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "month", o->name);
	json_time(&j, "from", o->span.from_ms);
	json_time(&j, "to", o->span.to_ms);
	json_text(&j, "timezone", ask_zone_name(a));
	json_usd(&j, "spent_usd", o->spent_pusd);
	json_usd(&j, "projected_usd", plus(o, o->rest.mean));
	json_usd(&j, "low_usd", plus(o, o->rest.low));
	json_usd(&j, "high_usd", plus(o, o->rest.high));
	json_number(&j, "interval", "0.8");
	json_usd(&j, "straight_usd", o->straight_pusd);
	json_ppm(&j, "days_left", (int64_t)(o->left * 1e6));
	json_u64(&j, "history_days", o->t.days);
	json_usd(&j, "day_usd", picos(o->t.level));
	sums_json_coverage(&j, &a->q.total, a->q.x);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

/* For people cents are enough of a guess. */
static const char *about(int64_t pusd)
{
	int64_t cent = LG_PUSD_PER_USD / 100;

	return tool_usd(pusd >= cent ? pusd / cent * cent : pusd);
}

static int outlook_text(const struct ask *a, const struct outlook *o)
{
	static const char *const names[] = {"Mon", "Tue", "Wed", "Thu",
					    "Fri", "Sat", "Sun"};
	struct lg_buf out;
	char line[512];

	lg_buf_init(&out, 65536);
	snprintf(line, sizeof(line),
		 "%s (%s): %s, between %s and %s four times of five\n", o->name,
		 ask_zone_name(a), about(plus(o, o->rest.mean)),
		 about(plus(o, o->rest.low)), about(plus(o, o->rest.high)));
	lg_buf_puts(&out, line);
	snprintf(line, sizeof(line), "Spent so far: %s; %.1f days left\n",
		 tool_usd(o->spent_pusd), o->left);
	lg_buf_puts(&out, line);
	if (o->begun) {
		snprintf(line, sizeof(line),
			 "By the plain average of its days: %s\n",
			 o->straight_pusd == INT64_MIN
				 ? "too early to tell"
				 : about(o->straight_pusd));
		lg_buf_puts(&out, line);
	}
	snprintf(line, sizeof(line), "From %u %s", o->t.days,
		 o->t.days == 1 ? "day" : "days");
	lg_buf_puts(&out, o->t.days ? line : "From today alone");
	snprintf(line, sizeof(line),
		 ": %s a day now, which is %s a week more or "
		 "less; of an average day",
		 about(picos(o->t.level)),
		 tool_signed_usd(picos(o->t.slope * 7)));
	lg_buf_puts(&out, line);
	for (unsigned i = 0; i < 7; i++) {
		snprintf(line, sizeof(line), "%s %s %.0f %%", i ? "," : "",
			 names[i], o->t.factor[i] * 100);
		lg_buf_puts(&out, line);
	}
	lg_buf_puts(&out, "\n");
	if (o->t.days < TREND_LITTLE)
		lg_buf_puts(&out, "That is little history: take it as a "
				  "hint.\n");
	lg_buf_puts(&out, "History: ");
	sums_text_coverage(&out, &a->q);
	return tool_print(&out);
}

/* -- past months ------------------------------------------------------------
 */

struct backtest {
	unsigned months, cases, inside;
	double error, straight; /* sums of relative errors */
};

/* On these days of a month it is asked, with what was known then. */
static const unsigned asked[] = {5, 10, 15, 20, 25};

static double sum_of(const struct past *p, int64_t first, int64_t last)
{
	double sum = 0;

	for (int64_t d = first; d <= last; d++)
		sum += p->day[d - p->first];
	return sum;
}

static void test_month(const struct past *p, int64_t first, int64_t last,
		       struct backtest *b, struct misses *m)
{
	double all = sum_of(p, first, last);
	struct misses before = *m; /* of earlier months */

	if (all <= 0)
		return;
	b->months++;
	for (unsigned i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		int64_t known = first + asked[i] - 1;
		double spent = sum_of(p, first, known), straight;
		struct trend_sum rest;
		struct trend t;

		trend_fit(p->day, (unsigned)(known - p->first + 1), p->first,
			  &t);
		trend_sum(&t, known, known + 1, last, 1, &rest);
		widen(&before, &rest);
		if (rest.mean > 0 &&
		    m->n < sizeof(m->miss) / sizeof(m->miss[0]))
			m->miss[m->n++] =
				fabs(all - spent - rest.mean) / rest.mean;
		straight = spent * (double)(last - first + 1) / asked[i];
		b->cases++;
		b->error += fabs(spent + rest.mean - all) / all;
		b->straight += fabs(straight - all) / all;
		b->inside +=
			spent + rest.low <= all && all <= spent + rest.high;
	}
}

static void test_all(const struct past *p, struct backtest *b, struct misses *m)
{
	int64_t last = p->first + p->n - 1, first, end;
	struct lg_civil c;

	lg_civil_from_days(p->first, &c);
	for (unsigned n = c.month;; n++) {
		first = lg_civil_days(c.year + (n - 1) / 12, (n - 1) % 12 + 1,
				      1);
		end = lg_civil_days(c.year + n / 12, n % 12 + 1, 1) - 1;
		if (end > last)
			return;
		if (first >= p->first)
			test_month(p, first, end, b, m);
	}
}

static int show_backtest(const struct call *c, const struct backtest *b)
{
	double n = b->cases ? b->cases : 1;
	struct lg_buf out;
	struct json j;
	char line[512];

	if (c->v[ASK_JSON].set) {
		json_init(&j);
		json_open(&j, NULL, '{');
		json_u64(&j, "months", b->months);
		json_u64(&j, "forecasts", b->cases);
		json_ppm(&j, "error", (int64_t)(b->error / n * 1e6));
		json_ppm(&j, "straight_error",
			 (int64_t)(b->straight / n * 1e6));
		json_ppm(&j, "inside_interval", (int64_t)(b->inside / n * 1e6));
		json_close(&j, '}');
		json_line(&j);
		return tool_print(&j.b);
	}
	lg_buf_init(&out, 65536);
	if (!b->cases)
		lg_buf_puts(&out, "No complete month to test with.\n");
	else
		snprintf(line, sizeof(line),
			 "%u forecasts in %u past months, made on days 5, 10, "
			 "15, 20 and 25:\n"
			 "off by %.1f %% on average; the plain daily average "
			 "by %.1f %%\n"
			 "%.0f %% of the months ended inside the interval "
			 "(it says 80)\n",
			 b->cases, b->months, b->error / n * 100,
			 b->straight / n * 100, b->inside / n * 100);
	if (b->cases)
		lg_buf_puts(&out, line);
	return tool_print(&out);
}

/* -- */

static int answer(struct ask *a)
{
	const struct opt_value *v = a->c->v;
	static struct misses m;
	struct backtest b = {0};
	struct outlook o = {0};
	struct past p;
	int ret;

	if (span_month(&a->cal, v[O_MONTH].set ? v[O_MONTH].text : "", &o.span))
		return tool_usage(a->c->cmd,
				  "--month %s: must be a month like 2026-12",
				  v[O_MONTH].text);
	ret = query_run(&a->q);
	if (ret < 0)
		ret = collect(a, &p);
	if (ret >= 0)
		return ret;
	test_all(&p, &b, &m);
	if (v[O_BACKTEST].set) {
		ret = show_backtest(a->c, &b);
	} else {
		ret = look_ahead(a, &p, &o);
		widen(&m, &o.rest);
		if (ret < 0)
			ret = v[ASK_JSON].set ? outlook_json(a, &o)
					      : outlook_text(a, &o);
	}
	free(p.day);
	return ret;
}

static int run(struct call *c)
{
	struct ask a;
	int ret = ask_open(&a, c);

	if (ret >= 0)
		return ret;
	a.q.light = true;
	ret = answer(&a);
	ask_close(&a);
	return ret;
}

const struct cmd cmd_forecast = {
	.name = "forecast",
	.args = "",
	.summary = "what the month will have cost at its end",
	.about =
		"From up to eight weeks: what each weekday costs beside the "
		"others, the level of the\nlast days, and half of their slope, "
		"which fades. The interval is meant to hold four\ntimes of "
		"five; --backtest says how it did. Filters choose whose costs, "
		"--from, --to and\n--last what it learns from, by whole days.",
	.reads = true,
	.opts = opts,
	.run = run,
};
