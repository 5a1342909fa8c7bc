#include "guard/alert.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/money.h"
#include "guard/crossing.h"
#include "guard/engine.h"
#include "guard/event.h"
#include "guard/message.h"

#define DAY_MS 86400000
#define HOUR_MS 3600000

static void log_plain(enum lg_log_level level, const char *event,
		      const char *text)
{
	struct lg_log_kv kv = {"message", lg_slice_str(text), 0};

	lg_log(level, event, &kv, 1);
}

/* -- refusals -------------------------------------------------------------- */

/* Once a window and budget; without a budget once a day and reason. */
static void name_block(const struct lg_exchange *x, const struct lg_denial *d,
		       struct lg_event *ev, struct lg_message *m)
{
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
		lg_message_name(m, r, NULL);
	}
	ev->id = lg_event_id(LG_EVENT_BLOCKED, who, (uint64_t)when, text);
}

static void tell_blocked(const struct lg_exchange *x, const struct lg_denial *d)
{
	struct lg_event ev;
	struct lg_message m;

	if (d->transient)
		return;
	lg_event_init(&ev, LG_EVENT_BLOCKED,
		      d->rule >= 0 ? LG_EVENT_EXCEEDED : LG_EVENT_CRITICAL);
	lg_message_init(&m);
	name_block(x, d, &ev, &m);
	if (x->row.verdict != LG_VERDICT_STOP)
		lg_buf_puts(&m.b, x->denial ? "a call of " : "a stream of ");
	lg_buf_puts(&m.b, x->row.comm[0] ? x->row.comm : "a program");
	lg_buf_puts(&m.b, x->row.verdict == LG_VERDICT_STOP ? " was stopped ("
			  : x->denial			    ? " was refused ("
							    : " was cut (");
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
	tell_blocked(x, d);
}

void lg_alert_stopped(const struct lg_exchange *x)
{
	if (x->denial)
		tell_blocked(x, x->denial);
}

void lg_alert_cut(const struct lg_exchange *x)
{
	const struct lg_denial *d = &x->refused;
	char money[2][LG_MONEY_TEXT];
	struct lg_log_kv kv[] = {
		{"budget", x->world->rules[d->rule].name, 0},
		{"model", lg_slice_str(x->row.model), 0},
		{"cost_usd",
		 {money[0], lg_money_print(x->row.cost_pusd, money[0])},
		 0},
		{"limit_usd",
		 {money[1], lg_money_print(d->limit_pusd, money[1])},
		 0},
		{"phase", lg_slice_str(x->row.phase), 0},
		{"process", lg_slice_str(x->row.comm), 0},
	};

	lg_log(LG_LOG_WARN, "stream_cut", kv, sizeof(kv) / sizeof(kv[0]));
	tell_blocked(x, d);
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

void lg_alert_dark(struct lg_engine *e, struct lg_region *r,
		   struct lg_slice host, const char *message)
{
	tell_failure(e, r, LG_EVENT_CRITICAL, "dark", host, DAY_MS, message,
		     NULL);
}

void lg_alert_crash(struct lg_engine *e, struct lg_region *r,
		    struct lg_slice program, const char *message)
{
	tell_failure(e, r, LG_EVENT_CRITICAL, "crash_loop", program, HOUR_MS,
		     message, NULL);
}

void lg_alert_trouble(struct lg_engine *e, struct lg_region *r,
		      const char *text)
{
	struct lg_message m;

	lg_message_init(&m);
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
	struct lg_message m;

	lg_event_init(&ev, LG_EVENT_PRICE, LG_EVENT_WARNING);
	ev.id = lg_event_id(LG_EVENT_PRICE,
			    (uint64_t)(lg_clock_real_ms() / DAY_MS), h.a,
			    model);
	lg_message_init(&m);
	lg_buf_puts(&m.b, row->provider);
	lg_buf_putc(&m.b, '/');
	lg_buf_put(&m.b, model.p, model.len);
	lg_buf_puts(&m.b, ": no price is known, ");
	lg_message_usd(&m, row->cost_pusd);
	lg_buf_puts(&m.b, " charged; see llmguard pricing set");
	ev.message = m.text;
	ev.row = row;
	log_plain(LG_LOG_WARN, "unknown_price", m.text);
	lg_event_tell_once(x->engine, r, &ev);
}

/* What is held for it: what it may cost. */
static void tell_expensive(const struct lg_exchange *x)
{
	const struct lg_row *row = &x->row;
	struct lg_event ev;
	struct lg_message m;

	lg_event_init(&ev, LG_EVENT_EXPENSIVE, LG_EVENT_WARNING);
	ev.id = lg_event_id(LG_EVENT_EXPENSIVE,
			    (uint64_t)(lg_clock_real_ms() / HOUR_MS), 0,
			    lg_slice_str(row->model_requested));
	lg_message_init(&m);
	lg_buf_puts(&m.b, "a call of ");
	lg_buf_puts(&m.b, row->comm[0] ? row->comm : "a program");
	lg_buf_puts(&m.b, " may cost ");
	lg_message_usd(&m, row->estimate_pusd);
	lg_buf_puts(&m.b, ", more than ");
	lg_message_usd(&m, x->world->set.expensive_pusd);
	lg_buf_puts(&m.b, " (expensive_threshold)");
	ev.message = m.text;
	ev.estimate_pusd = row->estimate_pusd;
	ev.row = row;
	log_plain(LG_LOG_WARN, "expensive_call", m.text);
	lg_event_tell_once(x->engine, lg_world_region(x->world), &ev);
}

void lg_alert_admitted(const struct lg_exchange *x)
{
	const struct lg_img_settings *set = &x->world->set;

	if (x->denial || set->disabled)
		return;
	if (set->expensive_pusd && x->row.estimate_pusd > set->expensive_pusd)
		tell_expensive(x);
	if (set->tag_required && !x->row.tags[0])
		tell_failure(x->engine, lg_world_region(x->world),
			     LG_EVENT_WARNING, "untagged",
			     lg_slice_str(x->row.comm), DAY_MS,
			     "a call has no tag, and tag_required asks for one",
			     &x->row);
}

static const char *region_fault(int err)
{
	switch (err) {
	case -EEXIST:
		return "another live region caches this state folder; set "
		       "LLMGUARD_REGION to it";
	case -EXDEV:
		return "it belongs to another state folder";
	case -EPERM:
		return "its owner, mode or links are not this user's";
	case -EPROTO:
	case -ENOTSUP:
		return "it is no region of this version";
	default:
		return "it cannot be made";
	}
}

/* The path's end says more than its beginning, and there is not much room. */
static void tell_unguarded(struct lg_exchange *x, struct lg_region *r)
{
	const char *path = lg_engine_region_path(x->engine);
	size_t len = strlen(path);
	struct lg_message m;

	lg_message_init(&m);
	lg_buf_puts(&m.b, "a call passed that some budget could not count");
	if (!r) {
		lg_buf_puts(&m.b, ": no region ");
		lg_buf_puts(&m.b, path + (len > 60 ? len - 60 : 0));
		lg_buf_puts(&m.b, ", ");
		lg_buf_puts(&m.b,
			    region_fault(lg_engine_region_error(x->engine)));
	}
	tell_failure(x->engine, r, LG_EVENT_CRITICAL, "unguarded",
		     lg_slice_str(r ? "" : path), HOUR_MS, m.text, &x->row);
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
		tell_unguarded(x, r);
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
			      LG_TOLD_SHARED))
		lg_log(LG_LOG_WARN, "budget_keys_full", kv,
		       sizeof(kv) / sizeof(kv[0]));
}
