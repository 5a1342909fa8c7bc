#include "pace.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "guard/rule.h"
#include "report.h"
#include "table.h"
#include "tool.h"

#define DAY_MS INT64_C(86400000)
/* A fiftieth of the window has to be gone: half a day of a month. */
#define EARLY 50

static int64_t scale(int64_t v, int64_t by, int64_t of)
{
	__int128 x = (__int128)v * by / of;

	return x > INT64_MAX   ? INT64_MAX
	       : x < INT64_MIN ? INT64_MIN
			       : (int64_t)x;
}

void pace_of(const struct view *v, int64_t now_ms, struct pace *out)
{
	const struct lg_cell_view *c = &v->cell;
	int64_t start = c->window_start_ms, end = c->window_end_ms, gone;

	*out = (struct pace){.on_track = v->spent_pusd <= c->limit_pusd};
	out->per_day_pusd = INT64_MIN;
	if (start == INT64_MIN || start <= 0)
		return;
	out->has_end = end != INT64_MAX && end > now_ms;
	out->left_ms = out->has_end ? end - now_ms : 0;
	gone = now_ms > start ? now_ms - start : 1;
	out->per_day_pusd = gone > DAY_MS ? scale(v->spent_pusd, DAY_MS, gone)
					  : v->spent_pusd;
	if (!out->has_end || gone < (end - start) / EARLY)
		return;
	out->known = true;
	out->projected_pusd = scale(v->spent_pusd, end - start, gone);
	out->on_track = out->projected_pusd <= c->limit_pusd;
}

/* Days with one decimal, without rounding up. */
static int64_t tenths(const struct pace *p)
{
	return p->left_ms * 10 / DAY_MS;
}

void pace_json(struct json *j, const struct pace *p)
{
	if (p->has_end)
		json_ppm(j, "days_left", tenths(p) * 100000);
	else
		json_null(j, "days_left");
	json_usd(j, "average_daily_usd", p->per_day_pusd);
	json_usd(j, "projected_usd", p->known ? p->projected_pusd : INT64_MIN);
	json_bool(j, "on_track", p->on_track);
}

static const char *days_text(const struct pace *p)
{
	static char text[32];

	if (!p->has_end)
		return "-";
	snprintf(text, sizeof(text), "%lld.%lld", (long long)(tenths(p) / 10),
		 (long long)(tenths(p) % 10));
	return text;
}

static const char *track_text(const struct view *v, const struct pace *p)
{
	if (v->state == VIEW_EXCEEDED)
		return "exceeded";
	if (!p->has_end)
		return "-";
	if (!p->known)
		return "too early to tell";
	return p->on_track ? "yes" : "no";
}

void pace_table(const struct views *vs, struct lg_buf *out)
{
	int64_t now = lg_clock_real_ms();
	struct table t;
	struct pace p;

	if (!vs->n) {
		lg_buf_puts(out, "No such budget.\n");
		return;
	}
	table_init(&t, "BUDGET\tSCOPE\tPERIOD\tSPENT\rLIMIT\rUSED\rREMAINING\r"
		       "DAYS LEFT\rPER DAY\rPROJECTED\rON TRACK\t");
	for (unsigned i = 0; i < vs->n; i++) {
		const struct view *v = &vs->v[i];

		pace_of(v, now, &p);
		table_cell(&t, v->cell.name);
		table_cell(&t,
			   v->cell.value[0] ? v->cell.value : v->cell.scope);
		table_cell(&t, lg_period_name(v->cell.period));
		table_cell(&t, tool_usd(v->spent_pusd));
		table_cell(&t, tool_usd(v->cell.limit_pusd));
		table_cell(&t, v->ratio_ppm < 0 ? "-" : ppm_text(v->ratio_ppm));
		table_cell(&t, tool_usd(v->remaining_pusd));
		table_cell(&t, days_text(&p));
		table_cell(&t, tool_usd(p.per_day_pusd));
		table_cell(&t, p.known ? tool_usd(p.projected_pusd) : "-");
		table_cell(&t, track_text(v, &p));
	}
	table_print(&t, out);
}

/* Is "key:value" one of the terms of a scope, or the value of an each? */
static bool names(const struct lg_cell_view *c, const char *key,
		  const char *value)
{
	struct lg_slice rest = lg_slice_str(c->scope), term, k;
	bool has = false;

	while (rest.len && !has) {
		rest = lg_slice_cut(rest, '&', &term);
		term = lg_slice_cut(lg_slice_trim(term), ':', &k);
		if (!lg_slice_eq(k, lg_slice_str(key)))
			continue;
		has = lg_slice_glob(lg_slice_str(value), term) ||
		      lg_slice_glob(term, lg_slice_str(value));
		if (c->value[0])
			has = lg_slice_glob(lg_slice_str(c->value),
					    lg_slice_str(value));
	}
	return has;
}

void pace_filter(struct views *vs, const char *project, const char *model)
{
	unsigned n = 0;

	vs->exceeded = false;
	for (unsigned i = 0; i < vs->n; i++) {
		const struct view *v = &vs->v[i];

		if ((project && !names(&v->cell, "project", project)) ||
		    (model && !names(&v->cell, "model", model)))
			continue;
		vs->exceeded |= v->cell.hard && v->state == VIEW_EXCEEDED;
		vs->v[n++] = *v;
	}
	vs->n = n;
}
