#include "bpf/enforce_state.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "budget/region.h"
#include "guard/engine.h"
#include "guard/event.h"
#include "guard/message.h"
#include "guard/record.h"
#include "guard/world.h"

static const char *done(enum lg_verdict v)
{
	switch (v) {
	case LG_VERDICT_STOP:
		return " was stopped";
	case LG_VERDICT_DENY:
		return " was denied new connections";
	case LG_VERDICT_RESET:
		return " lost its connection";
	case LG_VERDICT_KILL:
		return " was killed";
	default:
		return " goes on over its budget";
	}
}

static void write_message(struct lg_message *m, const struct ward *t,
			  const struct lg_exhaust *why, enum lg_verdict v)
{
	lg_message_init(m);
	if (why->budget[0]) {
		lg_buf_puts(&m->b, why->budget);
		lg_buf_puts(&m->b, ": ");
	}
	lg_buf_puts(&m->b, t->who->comm[0] ? t->who->comm : "a program");
	lg_buf_puts(&m->b, " (pid ");
	lg_buf_put_u64(&m->b, t->whom.tgid);
	lg_buf_puts(&m->b, ")");
	lg_buf_puts(&m->b, done(v));
	lg_buf_puts(&m->b, " (");
	lg_buf_puts(&m->b, why->reason ? why->reason : "over_budget");
	lg_buf_puts(&m->b, ")");
	if (v == LG_VERDICT_STOP)
		lg_buf_puts(&m->b, "; llmguard resume");
}

static void log_it(const struct ward *t, const struct lg_exhaust *why,
		   enum lg_verdict v)
{
	const char *verdict = lg_verdict_name(v);
	struct lg_log_kv kv[] = {
		{"verdict", lg_slice_str(verdict), 0},
		{"budget", lg_slice_str(why->budget), 0},
		{"reason",
		 lg_slice_str(why->reason ? why->reason : "over_budget"), 0},
		{"pid", {NULL, 0}, (int64_t)t->whom.tgid},
		{"process", lg_slice_str(t->who->comm), 0},
	};

	lg_log(LG_LOG_WARN, "process_stopped", kv, sizeof(kv) / sizeof(kv[0]));
}

void note_event(struct ward *t, const struct lg_exhaust *why,
		const struct lg_row *row, enum lg_verdict v)
{
	struct lg_world *w = owner_enter(t->owner);
	struct lg_message m;
	struct lg_event ev;

	lg_event_init(&ev, LG_EVENT_BLOCKED,
		      why->budget[0] ? LG_EVENT_EXCEEDED : LG_EVENT_CRITICAL);
	write_message(&m, t, why, v);
	ev.id = lg_event_id(LG_EVENT_BLOCKED,
			    why->id.a ^ t->whom.start << 32 ^ t->whom.tgid,
			    (uint64_t)why->window << 8 | (uint64_t)v,
			    lg_slice_str(why->reason));
	ev.message = m.text;
	ev.reason = why->reason;
	ev.row = row ? row : t->who;
	if (why->budget[0]) {
		ev.budget = lg_slice_str(why->budget);
		ev.scope = lg_slice_str(why->scope);
		ev.period = why->period;
		ev.spent_pusd = why->spent_pusd;
		ev.limit_pusd = why->limit_pusd;
		if (why->resets_at_ms)
			ev.window_end_ms = why->resets_at_ms;
	}
	if (row)
		ev.estimate_pusd = row->estimate_pusd;
	lg_event_tell_once(t->owner->engine, lg_world_region(w), &ev);
	log_it(t, why, v);
	owner_leave(t->owner, w);
}

void note_row(struct ward *t, const struct lg_exhaust *why, enum lg_verdict v)
{
	struct lg_world *w = owner_enter(t->owner);
	struct lg_region *r = lg_world_region(w);
	struct lg_row row = *t->who;

	row.ts_ms = row.end_ms = lg_clock_real_ms();
	row.duration_ms = 0;
	row.verdict = (uint8_t)v;
	row.usage_state = LG_USAGE_EXACT;
	row.price_state = LG_PRICED_EXACT;
	lg_row_new_id(row.ts_ms, row.id);
	lg_slice_copy(lg_slice_str(why->reason), row.reason,
		      sizeof(row.reason));
	if (why->budget[0])
		lg_row_add_budget(&row, lg_slice_str(why->budget));
	for (unsigned i = 0; i < ENFORCE_PAST && t->past[i]; i++) {
		memcpy(row.host, t->past[i]->host, sizeof(row.host));
		memcpy(row.provider, t->past[i]->provider,
		       sizeof(row.provider));
	}
	lg_record_write(t->owner->engine, &row);
	if (r) {
		lg_region_count(r, LG_COUNT_CALLS, 1);
		lg_region_count(r, LG_COUNT_BLOCKED, 1);
	}
	owner_leave(t->owner, w);
}
