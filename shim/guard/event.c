#include "guard/event.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "budget/events.h"
#include "guard/engine.h"
#include "guard/event_file.h"
#include "guard/self.h"
#include "ledger/row.h"

#define END_LEN 2 /* "}\n" */
#define SETTLE_S 2
/* For processes that have no region. */
#define ONCES 64u

static const char *const kinds[LG_EVENT_KINDS] = {
	"threshold",	    "window_start", "blocked", "unknown_price",
	"tracking_failure", "forecast",	    "control", "expensive_call",
};
static const char *const levels[] = {"info", "warning", "critical", "exceeded"};

const char *lg_event_kind_name(enum lg_event_kind k)
{
	return (unsigned)k < LG_EVENT_KINDS ? kinds[k] : "?";
}

const char *lg_event_level_name(enum lg_event_level l)
{
	return levels[l & 3];
}

void lg_event_init(struct lg_event *ev, enum lg_event_kind kind,
		   enum lg_event_level level)
{
	*ev = (struct lg_event){
		.kind = kind,
		.level = level,
		.since_ms = INT64_MIN,
		.message = "",
		.window_start_ms = INT64_MIN,
		.window_end_ms = INT64_MIN,
		.spent_pusd = INT64_MIN,
		.limit_pusd = INT64_MIN,
		.estimate_pusd = INT64_MIN,
		.exceeds_at_ms = INT64_MIN,
	};
}

uint64_t lg_event_id(enum lg_event_kind kind, uint64_t a, uint64_t b,
		     struct lg_slice text)
{
	uint64_t word[3] = {kind, a, b};
	struct lg_hash128 h = lg_hash128(word, sizeof(word), 29);

	return lg_hash128(text.p, text.len, h.a).a | 1;
}

/* -- the line ----------------------------------------------------------------
 * A key that does not fit any more is left out: the line stays whole.
 */

static void key(struct lg_buf *b, const char *name)
{
	lg_buf_puts(b, ",\"");
	lg_buf_puts(b, name);
	lg_buf_puts(b, "\":");
}

static void settle(struct lg_buf *b, size_t mark)
{
	if (!b->overflow)
		return;
	b->len = mark;
	b->overflow = false;
}

static void put_text(struct lg_buf *b, const char *name, struct lg_slice s)
{
	size_t mark = b->len;

	if (!s.len)
		return;
	key(b, name);
	lg_buf_put_json(b, s);
	settle(b, mark);
}

static void put_str(struct lg_buf *b, const char *name, const char *s)
{
	put_text(b, name, lg_slice_str(s));
}

static void put_time(struct lg_buf *b, const char *name, int64_t ms)
{
	size_t mark = b->len;

	if (ms == INT64_MIN || ms == INT64_MAX)
		return;
	key(b, name);
	lg_buf_putc(b, '"');
	lg_buf_put_time(b, ms);
	lg_buf_putc(b, '"');
	settle(b, mark);
}

static void put_usd(struct lg_buf *b, const char *name, int64_t pusd)
{
	size_t mark = b->len;

	if (pusd == INT64_MIN)
		return;
	key(b, name);
	lg_buf_put_money(b, pusd);
	settle(b, mark);
}

static void put_call(struct lg_buf *b, const struct lg_row *row)
{
	put_str(b, "provider", row->provider);
	put_str(b, "model", row->model[0] ? row->model : row->model_requested);
	put_str(b, "row", row->id);
	put_str(b, "process", row->comm);
	put_str(b, "run_id", row->run_id);
	put_str(b, "project", row->project);
	put_str(b, "user", row->user);
}

static void put_budget(struct lg_buf *b, const struct lg_event *ev)
{
	put_text(b, "budget", ev->budget);
	put_text(b, "scope", ev->scope);
	put_text(b, "value", ev->value);
	put_str(b, "period", ev->period);
	put_time(b, "window_start", ev->window_start_ms);
	put_time(b, "window_end", ev->window_end_ms);
	if (ev->threshold_ppm)
		put_usd(b, "threshold",
			(int64_t)ev->threshold_ppm * INT64_C(1000000));
	put_usd(b, "spent_usd", ev->spent_pusd);
	put_usd(b, "limit_usd", ev->limit_pusd);
	put_usd(b, "estimate_usd", ev->estimate_pusd);
	put_time(b, "exceeds_at", ev->exceeds_at_ms);
}

static size_t format(const struct lg_event *ev, int64_t now,
		     char line[LG_EVENT_LINE_MAX])
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, line, LG_EVENT_LINE_MAX - END_LEN);
	lg_buf_puts(&b, "{\"v\":1,\"id\":\"");
	lg_buf_put_hex(&b, ev->id);
	lg_buf_puts(&b, "\",\"ts\":\"");
	lg_buf_put_time(&b, now);
	lg_buf_puts(&b, "\",\"event\":\"");
	lg_buf_puts(&b, lg_event_kind_name(ev->kind));
	lg_buf_puts(&b, "\",\"level\":\"");
	lg_buf_puts(&b, lg_event_level_name(ev->level));
	lg_buf_puts(&b, "\",\"pid\":");
	lg_buf_put_i64(&b, lg_self_pid());
	put_str(&b, "message", ev->message);
	put_str(&b, "reason", ev->reason);
	put_budget(&b, ev);
	if (ev->row)
		put_call(&b, ev->row);
	memcpy(line + b.len, "}\n", END_LEN);
	return b.len + END_LEN;
}

/* -- telling -----------------------------------------------------------------
 */

static bool in_ring(const struct lg_region *r, uint64_t id)
{
	struct lg_event_view v;

	for (unsigned i = 0; i < LG_EVENTS_SHOWN; i++)
		if (!lg_events_view(r, i, &v) && v.id == id)
			return true;
	return false;
}

/* The region may have forgotten it, or there is none: the file has not. */
static bool was_told(struct lg_engine *e, const struct lg_region *r,
		     const struct lg_event *ev)
{
	if (lg_engine_was_sandboxed() ||
	    (r && lg_events_since_ms(r) <= ev->since_ms))
		return false;
	return (r && in_ring(r, ev->id)) ||
	       lg_event_file_has(lg_engine_state_dir(e), ev->id);
}

void lg_event_tell(struct lg_engine *e, struct lg_region *r,
		   const struct lg_event *ev)
{
	char line[LG_EVENT_LINE_MAX];
	int64_t now = lg_clock_real_ms();
	uint64_t number = 0;
	size_t len;

	if (was_told(e, r, ev))
		return;
	len = format(ev, now, line);
	if (r)
		number = lg_events_put(r, ev->id, line, len, now);
	if (lg_engine_was_sandboxed() ||
	    lg_event_file_append(lg_engine_state_dir(e),
				 (struct lg_slice){line, len}))
		return;
	if (r)
		lg_events_saved(r, number);
}

void lg_event_tell_once(struct lg_engine *e, struct lg_region *r,
			const struct lg_event *ev)
{
	static uint64_t once[ONCES];
	int64_t now = lg_clock_real_ms();

	/* in this process first: no shared line is touched for nothing */
	if (!lg_events_first_of(once, ONCES, ev->id, now))
		return;
	if (!r || lg_events_first(r, ev->id, now))
		lg_event_tell(e, r, ev);
}

/* Whoever put it there may be about to write it himself: wait a little. */
static bool is_left(const struct lg_event_view *v, int64_t now_ms)
{
	return !v->saved && v->len > 1 && v->line[v->len - 1] == '\n' &&
	       !memchr(v->line, '\n', v->len - 1) &&
	       now_ms / 1000 - v->at_s >= SETTLE_S;
}

unsigned lg_event_flush(struct lg_engine *e, struct lg_region *r)
{
	const char *dir = lg_engine_state_dir(e);
	int64_t now = lg_clock_real_ms();
	struct lg_event_view v;
	unsigned n = 0;

	if (!r || lg_engine_was_sandboxed())
		return 0;
	for (unsigned i = 0; i < LG_EVENTS_SHOWN; i++) {
		if (lg_events_view(r, i, &v) || !is_left(&v, now))
			continue;
		if (!lg_event_file_has(dir, v.id)) {
			if (lg_event_file_append(
				    dir, (struct lg_slice){v.line, v.len}))
				break;
			n++;
		}
		lg_events_saved(r, v.number);
	}
	return n;
}
