#include "guard/flow_state.h"

#include <string.h>

#include "base/log.h"
#include "guard/admit.h"
#include "guard/alert.h"
#include "guard/attribution.h"
#include "guard/degrade.h"
#include "guard/engine.h"
#include "guard/host.h"
#include "guard/inject.h"
#include "guard/look.h"
#include "guard/phase.h"
#include "guard/routing.h"
#include "guard/self.h"
#include "guard/settle.h"
#include "guard/tariff.h"
#include "llm/gateway.h"

/* Taken beyond hold_max_bytes, so that the offer which decides takes some. */
#define OVERRUN ((size_t)4096)

/* -- a request begins ------------------------------------------------------ */

static void enqueue(struct lg_flow *f, struct lg_exchange *x)
{
	if (f->last)
		f->last->next = x;
	else
		f->first = x;
	f->last = x;
	f->depth++;
	f->begun++;
	f->writing = x;
}

static struct lg_exchange *new_exchange(struct lg_flow *f)
{
	struct lg_exchange *x = NULL;

	if (f->depth < LG_FLOW_DEPTH_MAX)
		x = lg_exchange_new(f->engine, f->who);
	if (!x)
		return NULL;
	x->memo = f->memo;
	x->row.ts_ms = lg_who_now_ms(f->who);
	lg_row_new_id(x->row.ts_ms, x->row.id);
	return x;
}

/*
 * No memory for one more request, or more of them than any client sends
 * without an answer. Under fail: closed, and against the flood always, the
 * connection ends instead of going on unseen.
 */
static bool must_end(struct lg_flow *f)
{
	struct lg_world *w = lg_engine_pin(f->engine);
	bool closed = w->set.fail == LG_FAIL_CLOSED;

	lg_engine_unpin(f->engine, w);
	return !f->observe && (closed || f->depth >= LG_FLOW_DEPTH_MAX);
}

static void route(struct lg_flow *f, struct lg_exchange *x,
		  const struct lg_head *fields, struct lg_slice method,
		  struct lg_slice target)
{
	lg_routing_find(x, lg_slice_str(f->host), fields->host, method, target);
	/* another server at the same address: followed, but not looked at */
	if (!f->is_named || f->is_named(f->sleeper, fields->host))
		return;
	x->route.kind = LG_ROUTE_NONE;
	x->quiet = true;
}

static bool is_held(const struct lg_exchange *x, const struct lg_http1 *m,
		    struct lg_slice type)
{
	return x->d && x->route.kind == LG_ROUTE_PAID &&
	       m->framing != LG_HTTP1_NO_BODY &&
	       (x->body.form ||
		!lg_slice_istarts(type, LG_SLICE("multipart/")));
}

static void decide(struct lg_flow *f, struct lg_exchange *x);

/*
 * A head that nobody can frame. What it asks for is decided on its line, its
 * host and its fields alone: no way around a budget, and a row in any case.
 */
static void begin_unread(struct lg_flow *f, uint32_t flag)
{
	struct lg_slice head = lg_buf_slice(&f->held), method, target;
	struct lg_exchange *x = new_exchange(f);
	struct lg_head fields;

	if (!x)
		return;
	x->row.flags |= flag;
	x->row.request_bytes = head.len;
	lg_head_read(head, &fields);
	if (!lg_http1_request_line(head, &method, &target))
		method = target = (struct lg_slice){"", 0};
	route(f, x, &fields, method, target);
	x->quiet = false;
	if (x->route.kind == LG_ROUTE_NONE)
		x->route.kind = LG_ROUTE_UNKNOWN;
	lg_routing_name(x);
	lg_row_attribute(f, x, &fields, target);
	lg_exchange_request_end(x, false);
	enqueue(f, x);
	decide(f, x);
}

/*
 * Nothing can be understood from here on. What was taken goes out. After a
 * malformed request the next one may be well again: it is looked for.
 */
static void give_up(struct lg_flow *f, uint32_t flag)
{
	struct lg_log_kv kv = {"host", lg_slice_str(f->host), 0};
	struct lg_exchange *x;

	lg_log(LG_LOG_WARN, "connection_unguarded", &kv, 1);
	if (!f->writing && flag && f->in == LG_IN_HEAD && f->held.len)
		begin_unread(f, flag);
	if (f->in == LG_IN_SWALLOW)
		return;
	x = f->writing;
	f->writing = NULL;
	if (x) {
		x->row.flags |= flag;
		x->written = true;
		x->released = true;
		lg_flow_dispatch(x);
	}
	f->in = flag & LG_ROW_BAD_HTTP ? LG_IN_SKIP : LG_IN_PASSING;
	if (f->in == LG_IN_SKIP)
		lg_framer_next(&f->req);
	f->out_ready = f->held.len > f->sent;
}

void lg_request_give_up(struct lg_flow *f)
{
	if (f->in == LG_IN_HEAD)
		give_up(f, LG_ROW_BAD_HTTP);
}

struct lg_exchange *lg_request_unseen(struct lg_flow *f)
{
	struct lg_exchange *x = new_exchange(f);

	if (!x)
		return NULL;
	x->row.flags |= f->late_flags;
	x->unsure = x->released = x->written = true;
	enqueue(f, x);
	f->writing = NULL;
	return x;
}

void lg_request_settle_on(struct lg_flow *f, struct lg_exchange *x)
{
	const struct lg_slice none = {"", 0};
	struct lg_head fields;

	lg_head_read(none, &fields);
	lg_routing_name(x);
	lg_row_attribute(f, x, &fields, none);
	if (f->late_body.len) {
		lg_exchange_request_head(x, LG_SLICE("application/json"), none);
		lg_exchange_request_body(x, f->late_body.p, f->late_body.len);
	}
	lg_exchange_request_end(x, f->late_body.len);
	decide(f, x);
}

/* The head is complete and stands in `held` as it will go out. */
static void begin(struct lg_flow *f)
{
	struct lg_slice head = lg_framer_head(&f->req), method, target;
	struct lg_exchange *x;
	struct lg_head fields;

	/* who asks again has had his answers */
	if (f->astray)
		lg_response_forget(f);
	x = new_exchange(f);
	if (!x && must_end(f)) {
		f->held.len = f->sent = 0;
		f->in = LG_IN_SWALLOW;
		f->shut = f->wake = true;
		return;
	}
	if (!x) {
		give_up(f, 0);
		return;
	}
	x->row.request_bytes = head.len;
	lg_head_read(head, &fields);
	lg_http1_request_line(head, &method, &target);
	route(f, x, &fields, method, target);
	if (f->observe)
		lg_watch_own(x);
	lg_routing_name(x);
	lg_row_read_tier(x, head);
	lg_row_attribute(f, x, &fields, target);
	lg_phase_switched(x->world, fields.phase, &x->row);
	if (!f->observe && fields.own)
		lg_attribution_strip(&f->held);
	lg_exchange_request_head(x, fields.type, fields.coding);
	enqueue(f, x);
	if (is_held(x, &f->req.m, fields.type)) {
		f->in = LG_IN_HOLD;
		x->continues =
			!f->observe && f->req.m.minor &&
			lg_slice_ieq(fields.expect, LG_SLICE("100-continue"));
		lg_flow_turn(f);
		return;
	}
	f->in = LG_IN_BODY;
	lg_exchange_request_end(x, f->req.m.framing == LG_HTTP1_NO_BODY);
	decide(f, x);
}

/* -- the decision ---------------------------------------------------------- */

static void refuse(struct lg_flow *f, struct lg_exchange *x)
{
	f->held.len = f->sent = 0;
	f->in = LG_IN_SWALLOW;
	f->writing = NULL;
	x->row.status = 429;
	lg_alert_blocked(x);
	lg_settle(x);
	lg_flow_turn(f);
}

static void degrade(struct lg_flow *f, struct lg_exchange *x)
{
	const struct lg_degrade_means means = {
		.held = f->sent ? NULL : &f->held,
		.may_sleep = f->may_sleep,
		.local = lg_flow_may_leave(f, x) ? f->local : NULL,
		.arg = f->sleeper,
	};

	lg_degrade(x, &f->wins, &means);
	f->nap_ns += x->nap_ns;
}

static void decide(struct lg_flow *f, struct lg_exchange *x)
{
	struct lg_row *row = &x->row;

	if (lg_gateway_model(&x->route, x->facts.model))
		lg_slice_copy(lg_slice_str(x->route.provider), row->provider,
			      sizeof(row->provider));
	lg_row_name_model(x);
	row->stream = x->facts.stream;
	lg_slice_copy(lg_slice_str(x->facts.tier), row->tier,
		      sizeof(row->tier));
	lg_phase_of_model(x->world, row);
	lg_attribution_body(lg_row_self(f), &x->facts, row);
	if (x->world->img)
		lg_attribution_tags(
			lg_img_text(x->world->img, x->world->set.default_tags),
			row);
	if (x->route.kind == LG_ROUTE_PAID) {
		lg_tariff_requested(x);
		lg_admit(x, &f->wins, f->observe);
		if (!f->observe && lg_degrade_is_due(x))
			degrade(f, x);
		lg_admit_note(x);
		lg_alert_admitted(x);
	}
	if (x->denial && x->d) {
		refuse(f, x);
		return;
	}
	if (x->local) {
		lg_flow_leave(f, x);
		return;
	}
	if (!f->observe && !f->sent)
		lg_inject_request(x, &f->held);
	x->continues = false;
	x->released = true;
	/* who only observes sees it as it leaves */
	if (f->observe)
		lg_flow_dispatch(x);
	f->out_ready = f->held.len > f->sent;
	if (f->who && f->who->on_call && !x->quiet)
		f->who->on_call(f->who->arg, row, false);
}

/* The request is over for its reader: a new one may begin. */
static void end_request(struct lg_flow *f)
{
	lg_framer_next(&f->req);
	if (f->in != LG_IN_SWALLOW && f->in != LG_IN_PASSING)
		f->in = LG_IN_HEAD;
}

static void end_held(struct lg_flow *f)
{
	struct lg_exchange *x = f->writing;

	lg_exchange_request_end(x, true);
	decide(f, x);
}

/* What will not be seen any more counts as prompt. */
static void assume_rest(struct lg_flow *f, struct lg_exchange *x)
{
	struct lg_facts *facts = &x->facts;

	if (f->req.m.framing != LG_HTTP1_LENGTH ||
	    facts->body_bytes >= f->req.m.length)
		return;
	lg_body_request_rest(&x->body, f->req.m.length - facts->body_bytes);
}

void lg_request_guess(struct lg_flow *f, const struct lg_row *like)
{
	struct lg_exchange *x = f->writing;

	f->in = LG_IN_BODY;
	assume_rest(f, x);
	lg_exchange_request_end(x, false);
	if (like && !x->facts.model[0] &&
	    !strcmp(like->endpoint, x->row.endpoint))
		lg_slice_copy(lg_slice_str(like->model_requested),
			      x->facts.model, sizeof(x->facts.model));
	decide(f, x);
}

/* More than may be held: decided on what Content-Length says. */
static void end_oversize(struct lg_flow *f)
{
	f->writing->row.flags |= LG_ROW_OVERSIZE;
	lg_request_release(f);
}

/* -- consuming bytes ------------------------------------------------------- */

/* The request's last byte was accepted by the real write. */
static void written(struct lg_flow *f)
{
	struct lg_exchange *x = f->writing;

	f->writing = NULL;
	if (!x)
		return;
	x->written = true;
	if (x->closed)
		lg_exchange_del(x);
}

static void on_end(struct lg_flow *f, bool passed)
{
	if (f->in == LG_IN_HOLD)
		end_held(f);
	end_request(f);
	/* what is held is written when lg_flow_sent says so */
	if (passed || (f->writing && !f->out_ready && f->in != LG_IN_SWALLOW &&
		       f->in != LG_IN_PASSING))
		written(f);
}

/*
 * What one step of the framing means. False when no further step may follow
 * in these bytes: what was taken has to go out first, or nothing is read.
 */
static bool on_event(struct lg_flow *f, enum lg_http1_event ev,
		     struct lg_slice body, bool passed)
{
	switch (ev) {
	case LG_HTTP1_HEAD:
		begin(f);
		return f->in != LG_IN_SWALLOW && f->in != LG_IN_PASSING;
	case LG_HTTP1_BODY:
		if (f->in == LG_IN_HOLD)
			lg_exchange_request_body(f->writing, body.p, body.len);
		else if (f->writing)
			f->writing->row.request_bytes += body.len;
		return true;
	case LG_HTTP1_END:
		on_end(f, passed);
		return false;
	case LG_HTTP1_BAD:
	case LG_HTTP1_TOO_LARGE:
		if (f->in == LG_IN_HOLD)
			lg_request_release(f);
		if (f->in != LG_IN_SWALLOW)
			give_up(f, LG_ROW_BAD_HTTP);
		return false;
	case LG_HTTP1_UPGRADE:
		give_up(f, 0);
		return false;
	case LG_HTTP1_MORE:
		break;
	}
	return false;
}

/* -- taking --------------------------------------------------------------- */

/* How much is kept of len; 0: no memory. */
static size_t room_for(struct lg_flow *f, size_t len)
{
	struct lg_world *w = f->writing ? f->writing->world : NULL;
	size_t max, n = len;

	if (f->in == LG_IN_HOLD && w) {
		max = (size_t)w->set.hold_max_bytes;
		if (f->held.len < max && n > max - f->held.len)
			n = max - f->held.len;
		else if (f->held.len >= max && n > OVERRUN)
			n = OVERRUN;
	}
	return lg_buf_reserve(&f->held, n) ? 0 : n;
}

static bool is_oversize(const struct lg_flow *f)
{
	return f->in == LG_IN_HOLD && f->writing &&
	       f->held.len > f->writing->world->set.hold_max_bytes;
}

static bool is_taking(const struct lg_flow *f)
{
	return f->in == LG_IN_HEAD || f->in == LG_IN_HOLD;
}

/* Take from p until a decision, the message's end or all of it. */
static size_t take(struct lg_flow *f, const char *p, size_t len)
{
	size_t used = 0;
	bool on = true;

	while (on && is_taking(f)) {
		enum lg_http1_event ev;
		struct lg_slice body;
		size_t n = room_for(f, len - used);

		if (!n && used < len) {
			if (f->in == LG_IN_HOLD)
				end_oversize(f);
			else
				give_up(f, LG_ROW_UNGUARDED);
			break;
		}
		n = lg_framer_feed(&f->req, p + used, n, &ev, &body);
		lg_buf_put(&f->held, p + used, n);
		used += n;
		on = on_event(f, ev, body, false) ||
		     (ev == LG_HTTP1_MORE && used < len);
		if (f->in == LG_IN_HEAD &&
		    lg_http1_is_other(f->held.p, f->held.len))
			give_up(f, LG_ROW_BAD_HTTP);
		if (n && is_oversize(f))
			end_oversize(f);
	}
	return used;
}

/*
 * A head without a body is over with its last byte, which only the next step
 * of the framing says; likewise a body's.
 */
static void drain_end(struct lg_flow *f)
{
	enum lg_http1_event ev;
	struct lg_slice body;

	if (f->in != LG_IN_BODY || !f->req.in_body)
		return;
	lg_framer_feed(&f->req, NULL, 0, &ev, &body);
	if (ev != LG_HTTP1_MORE)
		on_event(f, ev, body, false);
}

/* -- passing -----------------------------------------------------------------
 */

/* How far these bytes belong to the body that passes: a dry run. */
static size_t run_of_body(const struct lg_flow *f, const char *p, size_t len)
{
	struct lg_http1 m = f->req.m;
	size_t used = 0;

	for (;;) {
		enum lg_http1_event ev;
		struct lg_slice body;

		used += lg_http1_feed(&m, p + used, len - used, &ev, &body);
		if (ev == LG_HTTP1_END)
			return used ? used : len;
		if (ev != LG_HTTP1_BODY && (ev != LG_HTTP1_MORE || used == len))
			return len;
	}
}

static void consume(struct lg_flow *f, const char *p, size_t n)
{
	size_t used = 0;
	bool more = true;

	while (more && f->in != LG_IN_PASSING) {
		enum lg_http1_event ev;
		struct lg_slice body;

		used += lg_framer_feed(&f->req, p + used, n - used, &ev, &body);
		on_event(f, ev, body, true);
		more = ev != LG_HTTP1_MORE || used < n;
	}
}

static bool is_lost(const struct lg_flow *f)
{
	return f->in == LG_IN_LOOK || f->in == LG_IN_SKIP ||
	       ((f->in == LG_IN_BODY || f->in == LG_IN_HOLD) && f->writing &&
		f->writing->closed);
}

/* Of a host that is guarded by its name any request is ours. */
static bool begins_named(const struct lg_flow *f, const char *p, size_t len)
{
	return f->observe && f->named && lg_http1_sniff(p, len) == 1;
}

bool lg_request_finds(struct lg_flow *f, const char *p, size_t len)
{
	if (!is_lost(f))
		return false;
	if (!lg_look_begins(f->engine, p, len) && !begins_named(f, p, len)) {
		/* the next answer is that of this one */
		f->late &= lg_http1_sniff(p, len) != 1;
		return false;
	}
	written(f);
	lg_framer_next(&f->req);
	f->in = LG_IN_HEAD;
	f->late = false;
	return true;
}

void lg_request_drain(struct lg_flow *f)
{
	enum lg_http1_event ev;
	struct lg_slice body;

	lg_framer_feed(&f->req, NULL, 0, &ev, &body);
	if (ev != LG_HTTP1_MORE)
		on_event(f, ev, body, true);
}

size_t lg_request_offer(struct lg_flow *f, const char *p, size_t len,
			enum lg_flow_gate *gate)
{
	size_t n;

	*gate = LG_FLOW_PASS;
	if (f->in == LG_IN_LOOK || f->observe)
		lg_request_finds(f, p, len);
	switch (f->in) {
	case LG_IN_LOOK:
	case LG_IN_SKIP:
	case LG_IN_PASSING:
		return len;
	case LG_IN_SWALLOW:
		*gate = LG_FLOW_TAKEN;
		return len;
	case LG_IN_BODY:
		return f->observe ? len : run_of_body(f, p, len);
	default:
		break;
	}
	if (f->observe)
		return len;
	n = take(f, p, len);
	drain_end(f);
	if (n)
		*gate = LG_FLOW_TAKEN;
	return n ? n : lg_request_offer(f, p, len, gate);
}

void lg_request_passed(struct lg_flow *f, const char *p, size_t n)
{
	if (f->in == LG_IN_LOOK)
		f->in = LG_IN_SKIP;
	else if (f->in == LG_IN_BODY || (f->observe && is_taking(f)))
		consume(f, p, n);
}
