#include "guard/crossing.h"

#include <string.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/money.h"
#include "guard/engine.h"
#include "guard/event.h"
#include "guard/event_file.h"
#include "guard/exchange.h"
#include "guard/forecast.h"
#include "guard/message.h"

#define FORECAST_EVERY_MS 1000

static enum lg_event_level level_of(uint32_t ppm)
{
	if (ppm >= 1000000)
		return LG_EVENT_EXCEEDED;
	return ppm >= 950000 ? LG_EVENT_CRITICAL : LG_EVENT_WARNING;
}

static bool reached(int64_t spent, int64_t limit, uint32_t ppm)
{
	return (__int128)spent * 1000000 >= (__int128)limit * ppm &&
	       (limit > 0 || spent > 0);
}

/* -- thresholds, windows, forecasts ---------------------------------------- */

static void event_of(struct lg_event *ev, enum lg_event_kind kind,
		     enum lg_event_level level, const struct lg_rule *r,
		     const struct lg_cell_view *v, unsigned bit)
{
	lg_event_init(ev, kind, level);
	ev->id = lg_event_id(kind, v->id.a, (uint64_t)v->window << 8 | bit,
			     (struct lg_slice){"", 0});
	ev->since_ms = v->window_start_ms;
	ev->budget = r->name;
	ev->scope = r->scope;
	ev->value = lg_slice_str(v->value);
	ev->period = lg_period_name((enum lg_period)r->b->period);
	ev->window_start_ms = v->window_start_ms;
	ev->window_end_ms = v->window_end_ms;
	ev->limit_pusd = v->limit_pusd;
}

static void log_crossed(const struct lg_exchange *x, const struct lg_rule *r,
			const struct lg_cell_view *v, uint32_t ppm,
			int64_t spent)
{
	char money[2][LG_MONEY_TEXT];
	struct lg_log_kv kv[] = {
		{"level", lg_slice_str(lg_event_level_name(level_of(ppm))), 0},
		{"budget", r->name, 0},
		{"scope", r->scope, 0},
		{"value", lg_slice_str(v->value), 0},
		{"threshold_ppm", {NULL, 0}, ppm},
		{"spent_usd", {money[0], lg_money_print(spent, money[0])}, 0},
		{"limit_usd",
		 {money[1], lg_money_print(v->limit_pusd, money[1])},
		 0},
		{"phase", lg_slice_str(x->row.phase), 0},
		{"model", lg_slice_str(x->row.model), 0},
		{"usage",
		 lg_slice_str(lg_usage_state_name(
			 (enum lg_usage_state)x->row.usage_state)),
		 0},
	};

	lg_log(ppm >= 1000000 ? LG_LOG_ERROR : LG_LOG_WARN, "budget_threshold",
	       kv, sizeof(kv) / sizeof(kv[0]));
}

static void crossed_event(struct lg_event *ev, struct lg_message *m,
			  const struct lg_rule *r, const struct lg_cell_view *v,
			  unsigned bit, int64_t spent)
{
	uint32_t ppm = r->b->warn_ppm[bit];

	event_of(ev, LG_EVENT_THRESHOLD, level_of(ppm), r, v, bit);
	lg_message_init(m);
	lg_message_name(m, r, v);
	lg_message_usd(m, spent);
	lg_buf_puts(&m->b, " of ");
	lg_message_usd(m, v->limit_pusd);
	lg_buf_puts(&m->b, " spent, beyond ");
	lg_buf_put_u64(&m->b, ppm / 10000);
	lg_buf_puts(&m->b, "%");
	ev->message = m->text;
	ev->threshold_ppm = ppm;
	ev->spent_pusd = spent;
}

static void tell_crossed(const struct lg_exchange *x, const struct lg_rule *r,
			 const struct lg_cell_view *v, unsigned bit,
			 int64_t spent)
{
	uint32_t ppm = r->b->warn_ppm[bit];
	struct lg_event ev;
	struct lg_message m;

	log_crossed(x, r, v, ppm, spent);
	crossed_event(&ev, &m, r, v, bit, spent);
	ev.row = &x->row;
	lg_event_tell(x->engine, x->region->r, &ev);
}

static void log_plain(enum lg_log_level level, const char *event,
		      const char *text)
{
	struct lg_log_kv kv = {"message", lg_slice_str(text), 0};

	lg_log(level, event, &kv, 1);
}

static void tell_window(const struct lg_exchange *x, const struct lg_rule *r,
			const struct lg_cell_view *v)
{
	struct lg_event ev;
	struct lg_message m;

	event_of(&ev, LG_EVENT_WINDOW, LG_EVENT_INFO, r, v, LG_TOLD_WINDOW);
	lg_message_init(&m);
	lg_message_name(&m, r, v);
	lg_buf_puts(&m.b, "a new window, ");
	lg_message_usd(&m, v->limit_pusd);
	lg_buf_puts(&m.b, " until ");
	lg_message_when(&m, x->world->zone, v->window_end_ms);
	ev.message = m.text;
	log_plain(LG_LOG_INFO, "window_start", m.text);
	lg_event_tell(x->engine, x->region->r, &ev);
}

static void tell_forecast(const struct lg_exchange *x, const struct lg_rule *r,
			  const struct lg_cell_view *v, int64_t spent,
			  int64_t at_ms)
{
	struct lg_event ev;
	struct lg_message m;

	event_of(&ev, LG_EVENT_FORECAST, LG_EVENT_WARNING, r, v,
		 LG_TOLD_FORECAST);
	lg_message_init(&m);
	lg_message_name(&m, r, v);
	lg_buf_puts(&m.b, "will exceed ");
	lg_message_usd(&m, v->limit_pusd);
	lg_buf_puts(&m.b, " on ");
	lg_message_when(&m, x->world->zone, at_ms);
	lg_buf_puts(&m.b, " at this window's rate");
	ev.message = m.text;
	ev.spent_pusd = spent;
	ev.exceeds_at_ms = at_ms;
	log_plain(LG_LOG_WARN, "forecast", m.text);
	lg_event_tell(x->engine, x->region->r, &ev);
}

static bool has_window(const struct lg_rule *r)
{
	return !r->b->each && r->b->period != LG_PERIOD_RUN &&
	       r->b->period != LG_PERIOD_TOTAL;
}

/* Once a second and budget it is worth a look. */
static bool forecast_is_due(struct lg_rule *r)
{
	int64_t now = lg_clock_coarse_ms();

	if (now < lg_load_relaxed(&r->forecast_ms))
		return false;
	lg_store_relaxed(&r->forecast_ms, now + FORECAST_EVERY_MS);
	return true;
}

/* Thresholds of this window that are known to have fired. */
static uint32_t fired(const struct lg_rule *r, uint32_t window)
{
	uint64_t memo = lg_load_relaxed(&r->memo);

	return memo >> 32 == window ? (uint32_t)memo : 0;
}

/* One counter, looked at as seldom as possible: the view walks all slots. */
struct look {
	struct lg_exchange *x;
	struct lg_rule *r;
	const struct lg_charged *c;
	struct lg_cell_view v;
	int64_t spent;
	bool done;
};

static bool look(struct look *l)
{
	if (!l->done &&
	    lg_cell_view(l->x->region->r, (unsigned)l->c->cell, &l->v))
		return false;
	l->done = true;
	l->v.limit_pusd = l->c->limit_pusd;
	l->spent = lg_money_sub(l->v.used_pusd, l->v.held_pusd);
	return l->v.window == l->c->window;
}

static bool first(const struct look *l, unsigned bit)
{
	return lg_cell_warn_once(l->x->region->r, l->c->cell, l->c->window,
				 bit);
}

static uint32_t cross_thresholds(struct look *l, uint32_t known, int64_t used)
{
	const struct lg_img_budget *b = l->r->b;
	int64_t limit = l->c->limit_pusd;
	unsigned n = b->warns < LG_WARN_MAX ? b->warns : LG_WARN_MAX;

	for (unsigned i = 0; i < n; i++) {
		if (known >> i & 1 || !reached(used, limit, b->warn_ppm[i]))
			continue;
		if (!look(l) || !reached(l->spent, limit, b->warn_ppm[i]))
			continue;
		known |= 1u << i;
		if (first(l, i))
			tell_crossed(l->x, l->r, &l->v, i, l->spent);
	}
	return known;
}

static uint32_t begin_window(struct look *l, uint32_t known)
{
	if (known >> LG_TOLD_WINDOW & 1 || !look(l))
		return known;
	if (first(l, LG_TOLD_WINDOW))
		tell_window(l->x, l->r, &l->v);
	return known | 1u << LG_TOLD_WINDOW;
}

static uint32_t foresee(struct look *l, uint32_t known, int64_t used)
{
	int64_t limit = l->c->limit_pusd, at;

	if (known >> LG_TOLD_FORECAST & 1 || !reached(used, limit, 100000) ||
	    !forecast_is_due(l->r) || !look(l) ||
	    !lg_forecast(l->v.window_start_ms, l->v.window_end_ms,
			 lg_clock_real_ms(), l->spent, limit, &at))
		return known;
	if (first(l, LG_TOLD_FORECAST))
		tell_forecast(l->x, l->r, &l->v, l->spent, at);
	return known | 1u << LG_TOLD_FORECAST;
}

static void cross(struct lg_exchange *x, const struct lg_charged *c)
{
	struct look l = {.x = x, .r = &x->world->rules[c->rule], .c = c};
	uint32_t known = l.r->b->each ? 0 : fired(l.r, c->window);
	int64_t used = lg_cell_used(x->region->r, c->cell, c->window);
	uint32_t was = known;

	if (has_window(l.r)) {
		known = begin_window(&l, known);
		known = foresee(&l, known, used);
	}
	known = cross_thresholds(&l, known, used);
	if (!l.r->b->each && known != was)
		lg_store_relaxed(&l.r->memo, (uint64_t)c->window << 32 | known);
}

void lg_crossing_look(struct lg_exchange *x)
{
	if (!x->region)
		return;
	for (unsigned i = 0; i < x->ncharged; i++)
		cross(x, &x->charged[i]);
}

/* -- what a kill kept from being told ---------------------------------------
 */

static const struct lg_rule *rule_of(const struct lg_world *w,
				     const struct lg_cell_view *v)
{
	for (unsigned i = 0; i < w->nrules; i++) {
		const struct lg_rule *r = &w->rules[i];

		if (lg_slice_eq(r->name, lg_slice_str(v->name)) &&
		    lg_slice_eq(r->scope, lg_slice_str(v->scope)) &&
		    r->b->period == v->period)
			return r;
	}
	return NULL;
}

static void heal(struct lg_engine *e, const struct lg_world *w, unsigned cell)
{
	struct lg_region *region = lg_world_region(w);
	const struct lg_rule *r;
	struct lg_cell_view v;
	struct lg_message m;
	struct lg_event ev;
	int64_t spent;

	if (lg_cell_view(region, cell, &v) || !(v.warned & 0xff))
		return;
	r = rule_of(w, &v);
	spent = lg_money_sub(v.used_pusd, v.held_pusd);
	for (unsigned i = 0; r && i < LG_WARN_MAX && i < r->b->warns; i++) {
		if (!(v.warned >> i & 1) ||
		    !reached(spent, v.limit_pusd, r->b->warn_ppm[i]))
			continue;
		crossed_event(&ev, &m, r, &v, i, spent);
		/* the file knows; who told it may have been an hour ago */
		ev.since_ms = INT64_MIN;
		lg_event_tell(e, region, &ev);
	}
}

void lg_crossing_heal(struct lg_engine *e)
{
	struct lg_world *w = lg_engine_pin(e);
	struct lg_region *r = lg_world_region(w);
	bool sure = lg_event_file_is_whole(lg_engine_state_dir(e));
	unsigned n = r && sure ? lg_cell_count(r) : 0;

	for (unsigned i = 0; i < n; i++)
		heal(e, w, i);
	lg_engine_unpin(e, w);
}
