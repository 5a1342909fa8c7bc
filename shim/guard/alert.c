#include "guard/alert.h"

#include <string.h>

#include "base/atomic.h"
#include "base/buf.h"
#include "base/civil.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/money.h"
#include "guard/engine.h"
#include "guard/event.h"
#include "guard/forecast.h"

#define DAY_MS 86400000
#define HOUR_MS 3600000
#define FORECAST_EVERY_MS 1000
#define MESSAGE_MAX 200

/* Bits of a cell's window beside its thresholds. */
enum { TOLD_SHARED = 28, TOLD_FORECAST = 29, TOLD_WINDOW = 30 };

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

/* -- messages ------------------------------------------------------------- */

struct message {
	struct lg_buf b;
	char text[MESSAGE_MAX + 1];
};

static void message_init(struct message *m)
{
	memset(m->text, 0, sizeof(m->text));
	lg_buf_init_fixed(&m->b, m->text, MESSAGE_MAX);
}

static void put_usd(struct message *m, int64_t pusd)
{
	char text[40];

	lg_money_pretty(pusd, 6, text, sizeof(text));
	lg_buf_puts(&m->b, text);
}

static void put_two(struct message *m, int64_t n, char before)
{
	if (before)
		lg_buf_putc(&m->b, before);
	if (n < 10)
		lg_buf_putc(&m->b, '0');
	lg_buf_put_i64(&m->b, n);
}

/* By the budgets' calendar, to the minute. */
static void put_when(struct message *m, const struct lg_zone *z, int64_t ms)
{
	int64_t s = lg_floor_div(ms, 1000), day;
	struct lg_civil c;

	if (z)
		s += lg_zone_offset(z, s);
	day = lg_floor_div(s, 86400);
	s -= day * 86400;
	lg_civil_from_days(day, &c);
	lg_buf_put_i64(&m->b, c.year);
	put_two(m, c.month, '-');
	put_two(m, c.day, '-');
	put_two(m, s / 3600, ' ');
	put_two(m, s / 60 % 60, ':');
}

static void put_name(struct message *m, const struct lg_rule *r,
		     const struct lg_cell_view *v)
{
	lg_buf_put(&m->b, r->name.p, r->name.len);
	if (v && v->value[0]) {
		lg_buf_puts(&m->b, " (");
		lg_buf_puts(&m->b, v->value);
		lg_buf_putc(&m->b, ')');
	}
	lg_buf_puts(&m->b, ": ");
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

static void tell_crossed(const struct lg_exchange *x, const struct lg_rule *r,
			 const struct lg_cell_view *v, unsigned bit,
			 int64_t spent)
{
	uint32_t ppm = r->b->warn_ppm[bit];
	struct lg_event ev;
	struct message m;

	log_crossed(x, r, v, ppm, spent);
	event_of(&ev, LG_EVENT_THRESHOLD, level_of(ppm), r, v, bit);
	message_init(&m);
	put_name(&m, r, v);
	put_usd(&m, spent);
	lg_buf_puts(&m.b, " of ");
	put_usd(&m, v->limit_pusd);
	lg_buf_puts(&m.b, " spent, beyond ");
	lg_buf_put_u64(&m.b, ppm / 10000);
	lg_buf_puts(&m.b, "%");
	ev.message = m.text;
	ev.threshold_ppm = ppm;
	ev.spent_pusd = spent;
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
	struct message m;

	event_of(&ev, LG_EVENT_WINDOW, LG_EVENT_INFO, r, v, TOLD_WINDOW);
	message_init(&m);
	put_name(&m, r, v);
	lg_buf_puts(&m.b, "a new window, ");
	put_usd(&m, v->limit_pusd);
	lg_buf_puts(&m.b, " until ");
	put_when(&m, x->world->zone, v->window_end_ms);
	ev.message = m.text;
	log_plain(LG_LOG_INFO, "window_start", m.text);
	lg_event_tell(x->engine, x->region->r, &ev);
}

static void tell_forecast(const struct lg_exchange *x, const struct lg_rule *r,
			  const struct lg_cell_view *v, int64_t spent,
			  int64_t at_ms)
{
	struct lg_event ev;
	struct message m;

	event_of(&ev, LG_EVENT_FORECAST, LG_EVENT_WARNING, r, v, TOLD_FORECAST);
	message_init(&m);
	put_name(&m, r, v);
	lg_buf_puts(&m.b, "will exceed ");
	put_usd(&m, v->limit_pusd);
	lg_buf_puts(&m.b, " on ");
	put_when(&m, x->world->zone, at_ms);
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
	if (known >> TOLD_WINDOW & 1 || !look(l))
		return known;
	if (first(l, TOLD_WINDOW))
		tell_window(l->x, l->r, &l->v);
	return known | 1u << TOLD_WINDOW;
}

static uint32_t foresee(struct look *l, uint32_t known, int64_t used)
{
	int64_t limit = l->c->limit_pusd, at;

	if (known >> TOLD_FORECAST & 1 || !reached(used, limit, 100000) ||
	    !forecast_is_due(l->r) || !look(l) ||
	    !lg_forecast(l->v.window_start_ms, l->v.window_end_ms,
			 lg_clock_real_ms(), l->spent, limit, &at))
		return known;
	if (first(l, TOLD_FORECAST))
		tell_forecast(l->x, l->r, &l->v, l->spent, at);
	return known | 1u << TOLD_FORECAST;
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

void lg_alert_crossed(struct lg_exchange *x)
{
	if (!x->region)
		return;
	for (unsigned i = 0; i < x->ncharged; i++)
		cross(x, &x->charged[i]);
}

/* -- refusals -------------------------------------------------------------- */

/* Once a window and budget; without a budget once a day and reason. */
static void name_block(const struct lg_exchange *x, struct lg_event *ev,
		       struct message *m)
{
	const struct lg_denial *d = x->denial;
	struct lg_slice text = lg_slice_str(d->reason);
	const struct lg_rule *r;
	int64_t when = lg_clock_real_ms() / DAY_MS;
	uint64_t who = 0;

	if (d->rule >= 0) {
		r = &x->world->rules[d->rule];
		who = r->id.a;
		when = d->resets_at_ms;
		text = lg_slice_str(r->b->period == LG_PERIOD_RUN
					    ? x->row.run_id
					    : d->scope);
		ev->budget = r->name;
		ev->scope = d->scope[0] ? text : r->scope;
		if (r->b->period == LG_PERIOD_RUN)
			ev->scope = r->scope;
		ev->period = lg_period_name((enum lg_period)r->b->period);
		ev->limit_pusd = d->limit_pusd;
		ev->spent_pusd = d->spent_pusd;
		if (d->resets_at_ms)
			ev->window_end_ms = d->resets_at_ms;
		put_name(m, r, NULL);
	}
	ev->id = lg_event_id(LG_EVENT_BLOCKED, who, (uint64_t)when, text);
}

static void tell_blocked(const struct lg_exchange *x)
{
	const struct lg_denial *d = x->denial;
	struct lg_event ev;
	struct message m;

	if (d->transient)
		return;
	lg_event_init(&ev, LG_EVENT_BLOCKED,
		      d->rule >= 0 ? LG_EVENT_EXCEEDED : LG_EVENT_CRITICAL);
	message_init(&m);
	name_block(x, &ev, &m);
	lg_buf_puts(&m.b, "a call of ");
	lg_buf_puts(&m.b, x->row.comm[0] ? x->row.comm : "a program");
	lg_buf_puts(&m.b, " was refused (");
	lg_buf_puts(&m.b, d->reason);
	lg_buf_puts(&m.b, ")");
	ev.message = m.text;
	ev.reason = d->reason;
	ev.estimate_pusd = x->row.estimate_pusd;
	ev.row = &x->row;
	lg_event_tell_once(x->engine, lg_world_region(x->world), &ev);
}

void lg_alert_blocked(const struct lg_exchange *x)
{
	const struct lg_denial *d = x->denial;
	struct lg_slice budget = {NULL, 0};
	char money[3][LG_MONEY_TEXT];

	if (d->rule >= 0)
		budget = x->world->rules[d->rule].name;
	struct lg_log_kv kv[] = {
		{"reason", lg_slice_str(d->reason), 0},
		{"budget", budget.p ? budget : LG_SLICE(""), 0},
		{"model", lg_slice_str(x->row.model_requested), 0},
		{"estimate_usd",
		 {money[0], lg_money_print(x->row.estimate_pusd, money[0])},
		 0},
		{"spent_usd",
		 {money[1], lg_money_print(d->spent_pusd, money[1])},
		 0},
		{"limit_usd",
		 {money[2], lg_money_print(d->limit_pusd, money[2])},
		 0},
		{"phase", lg_slice_str(x->row.phase), 0},
		{"process", lg_slice_str(x->row.comm), 0},
	};
	lg_log(LG_LOG_WARN, "request_blocked", kv, sizeof(kv) / sizeof(kv[0]));
	tell_blocked(x);
}

/* -- what could not be priced or counted ------------------------------------
 */

static void tell_failure(struct lg_engine *e, struct lg_region *r,
			 enum lg_event_level level, const char *reason,
			 struct lg_slice about, int64_t every_ms,
			 const char *message, const struct lg_row *row)
{
	struct lg_hash128 h = lg_hash128(about.p, about.len, 31);
	struct lg_event ev;

	lg_event_init(&ev, LG_EVENT_TRACKING, level);
	ev.id = lg_event_id(LG_EVENT_TRACKING,
			    (uint64_t)(lg_clock_real_ms() / every_ms), h.a,
			    lg_slice_str(reason));
	ev.message = message;
	ev.reason = reason;
	ev.row = row;
	lg_event_tell_once(e, r, &ev);
}

void lg_alert_unwritten(struct lg_exchange *x, struct lg_region *r, bool lost)
{
	tell_failure(x->engine, r, lost ? LG_EVENT_CRITICAL : LG_EVENT_WARNING,
		     lost ? "row_lost" : "row_staged", (struct lg_slice){"", 0},
		     HOUR_MS,
		     lost ? "the ledger cannot be written and nothing could "
			    "keep a call's row"
			  : "the ledger cannot be written; rows wait in the "
			    "region",
		     &x->row);
}

void lg_alert_trouble(struct lg_engine *e, struct lg_region *r,
		      const char *text)
{
	struct message m;

	message_init(&m);
	/* what is wrong stands at the end, the path before it may be long */
	lg_buf_puts(&m.b, "settings not taken: ");
	text += strlen(text) > 160 ? strlen(text) - 160 : 0;
	lg_buf_puts(&m.b, text);
	tell_failure(e, r, LG_EVENT_CRITICAL, "config_error",
		     lg_slice_str(text), DAY_MS, m.text, NULL);
}

static void tell_unknown_price(struct lg_exchange *x, struct lg_region *r)
{
	const struct lg_row *row = &x->row;
	struct lg_slice model =
		lg_slice_str(row->model[0] ? row->model : row->model_requested);
	struct lg_hash128 h =
		lg_hash128(row->provider, strlen(row->provider), 37);
	struct lg_event ev;
	struct message m;

	lg_event_init(&ev, LG_EVENT_PRICE, LG_EVENT_WARNING);
	ev.id = lg_event_id(LG_EVENT_PRICE,
			    (uint64_t)(lg_clock_real_ms() / DAY_MS), h.a,
			    model);
	message_init(&m);
	lg_buf_puts(&m.b, row->provider);
	lg_buf_putc(&m.b, '/');
	lg_buf_put(&m.b, model.p, model.len);
	lg_buf_puts(&m.b, ": no price is known, ");
	put_usd(&m, row->cost_pusd);
	lg_buf_puts(&m.b, " charged; see llmguard pricing set");
	ev.message = m.text;
	ev.row = row;
	log_plain(LG_LOG_WARN, "unknown_price", m.text);
	lg_event_tell_once(x->engine, r, &ev);
}

static void tell_gaps(struct lg_exchange *x, struct lg_region *r)
{
	const struct lg_row *row = &x->row;
	struct lg_slice host = lg_slice_str(row->host);

	if (row->price_state == LG_PRICED_UNKNOWN &&
	    x->route.kind == LG_ROUTE_PAID)
		tell_unknown_price(x, r);
	if (row->flags & LG_ROW_UNDECODABLE)
		tell_failure(x->engine, r, LG_EVENT_WARNING, "undecodable",
			     host, DAY_MS,
			     "an answer's coding is not known; its call is "
			     "charged by estimate",
			     row);
	if (row->flags & LG_ROW_UNGUARDED)
		tell_failure(x->engine, r, LG_EVENT_CRITICAL, "unguarded",
			     (struct lg_slice){"", 0}, HOUR_MS,
			     "a call passed that some budget could not count",
			     row);
}

static struct lg_log_kv text(const char *key, const char *value)
{
	return (struct lg_log_kv){key, lg_slice_str(value), 0};
}

static struct lg_log_kv count(const char *key, uint64_t n)
{
	return (struct lg_log_kv){key, {NULL, 0}, (int64_t)n};
}

void lg_alert_settled(struct lg_exchange *x, struct lg_region *region)
{
	static const char *const caches[] = {"none", "provider", "gateway",
					     "local"};
	const struct lg_row *r = &x->row;
	char money[LG_MONEY_TEXT];
	struct lg_log_kv kv[16];
	unsigned n = 0;

	if (x->denial)
		return;
	tell_gaps(x, region);
	if (!lg_log_is_on(LG_LOG_INFO))
		return;
	kv[n++] = text("verdict", lg_verdict_name((enum lg_verdict)r->verdict));
	kv[n++] = text("provider", r->provider);
	kv[n++] = text("model", r->model);
	kv[n++] = text("fine_tuned",
		       strncmp(r->model, "ft:", 3) ? "false" : "true");
	kv[n++] = text("phase", r->phase);
	kv[n++] = (struct lg_log_kv){
		"cost_usd", {money, lg_money_print(r->cost_pusd, money)}, 0};
	kv[n++] =
		text("usage",
		     lg_usage_state_name((enum lg_usage_state)r->usage_state));
	kv[n++] =
		text("price",
		     lg_price_state_name((enum lg_price_state)r->price_state));
	kv[n++] = text("cache", caches[r->cache_hit % 4]);
	if (r->status)
		kv[n++] = count("status", (uint64_t)r->status);
	if (r->input_tokens != LG_ROW_ABSENT)
		kv[n++] = count("input_tokens", r->input_tokens);
	if (r->output_tokens != LG_ROW_ABSENT)
		kv[n++] = count("output_tokens", r->output_tokens);
	kv[n++] = text("process", r->comm);
	kv[n++] = text("id", r->id);
	lg_log(LG_LOG_INFO, "request_settled", kv, n);
}

void lg_alert_shared(const struct lg_exchange *x, unsigned rule, int cell,
		     uint32_t window)
{
	const struct lg_rule *r = &x->world->rules[rule];
	struct lg_log_kv kv[] = {
		{"budget", r->name, 0},
		{"scope", r->scope, 0},
		{"max_keys", {NULL, 0}, r->b->max_keys},
		{"counter", LG_SLICE("*other*"), 0},
	};

	if (lg_cell_warn_once(lg_world_region(x->world), cell, window,
			      TOLD_SHARED))
		lg_log(LG_LOG_WARN, "budget_keys_full", kv,
		       sizeof(kv) / sizeof(kv[0]));
}
