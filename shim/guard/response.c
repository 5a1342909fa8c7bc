#include "guard/flow_state.h"

#include <string.h>

#include "guard/later.h"
#include "guard/settle.h"

/* Whose answer comes next: the oldest request that went out. */
static struct lg_exchange *answering(const struct lg_flow *f)
{
	return f->first && f->first->released ? f->first : NULL;
}

static bool is_interim(const struct lg_http1 *m)
{
	return m->status < 200 && m->status != 101;
}

static void finish(struct lg_flow *f, struct lg_exchange *x, bool complete)
{
	if (x->unsure)
		lg_watch_end(f, x);
	lg_exchange_answer_end(x, complete);
	lg_settle(x);
	lg_flow_retire(f, x);
	lg_flow_turn(f);
}

/* An answer to what was not seen whole, or not at all. */
static struct lg_exchange *unasked(struct lg_flow *f)
{
	if (f->first && f->in == LG_IN_HOLD)
		lg_request_release(f);
	if (!f->first && f->late)
		return lg_watch_head(f);
	return answering(f);
}

static void on_head(struct lg_flow *f, struct lg_exchange *x)
{
	const struct lg_http1 *m = &f->resp.m;

	if (is_interim(m))
		return;
	if (!x && f->observe)
		x = unasked(f);
	if (!x)
		return;
	x->row.response_bytes += m->head_len;
	lg_exchange_answer_head(x, lg_framer_head(&f->resp), m->status);
	if (x->injected)
		x->edit = lg_inject_answer_new(m, lg_framer_head(&f->resp));
}

static void on_bad(struct lg_flow *f, struct lg_exchange *x)
{
	f->deaf = !f->observe || f->stream;
	/* who only observes may understand the next one */
	f->astray = !f->deaf;
	if (f->astray)
		lg_framer_next(&f->resp);
	if (!x)
		return;
	x->row.flags |= LG_ROW_BAD_HTTP;
	finish(f, x, false);
}

static void on_upgrade(struct lg_flow *f, struct lg_exchange *x)
{
	f->deaf = true;
	f->in = LG_IN_PASSING;
	f->out_ready = f->held.len > f->sent;
	if (!x)
		return;
	lg_exchange_answer_head(x, lg_framer_head(&f->resp), f->resp.m.status);
	finish(f, x, true);
}

static void on_body(struct lg_flow *f, struct lg_exchange *x,
		    struct lg_slice body)
{
	if (x->unsure) {
		lg_watch_body(f, x, body);
		return;
	}
	if (x->holed) {
		x->row.response_bytes += body.len;
		return;
	}
	lg_exchange_answer_body(x, body.p, body.len);
	lg_later_note(x);
}

static void on_event(struct lg_flow *f, struct lg_exchange *x,
		     enum lg_http1_event ev, struct lg_slice body)
{
	switch (ev) {
	case LG_HTTP1_HEAD:
		on_head(f, x);
		break;
	case LG_HTTP1_BODY:
		if (x)
			on_body(f, x, body);
		break;
	case LG_HTTP1_END:
		if (x && !is_interim(&f->resp.m))
			finish(f, x, true);
		lg_framer_next(&f->resp);
		break;
	case LG_HTTP1_UPGRADE:
		on_upgrade(f, x);
		break;
	case LG_HTTP1_BAD:
	case LG_HTTP1_TOO_LARGE:
		on_bad(f, x);
		break;
	case LG_HTTP1_MORE:
		break;
	}
}

static size_t step(struct lg_flow *f, struct lg_exchange *x, const char *p,
		   size_t n, enum lg_http1_event *ev, struct lg_slice *body)
{
	size_t used;

	if (!f->resp.in_body && x) {
		f->resp.m.head_request = x->head_request;
		f->resp.m.connect_request = x->connect_request;
	}
	used = lg_framer_feed(&f->resp, p, n, ev, body);
	on_event(f, x, *ev, *body);
	return used;
}

struct view {
	char *p;
	size_t at, shown;
	bool divert; /* the program reads on in the synthetic bytes */
};

/* The next n bytes are the program's. */
static void show(struct lg_flow *f, struct view *v, size_t n)
{
	if (v->divert) {
		lg_buf_put(&f->synth, v->p + v->at, n);
		return;
	}
	/* what stays where it is may stand in memory that is only read */
	if (v->shown != v->at)
		memmove(v->p + v->shown, v->p + v->at, n);
	v->shown += n;
}

/* What was withheld is the program's after all: before all that follows. */
static void show_stash(struct lg_flow *f, struct view *v)
{
	if (!f->stash.len)
		return;
	v->divert = true;
	lg_buf_put(&f->synth, f->stash.p, f->stash.len);
	f->stash.len = 0;
	lg_buf_shrink(&f->stash, 0);
}

/*
 * Bytes of an answer's head while it may be the 100 that the program has
 * already had from us. They wait in the stash until the head is complete.
 */
static void withhold(struct lg_flow *f, struct lg_exchange *x, struct view *v,
		     size_t n, enum lg_http1_event ev)
{
	bool is_100 = ev == LG_HTTP1_HEAD && f->resp.m.status == 100;

	if (ev != LG_HTTP1_MORE)
		x->swallow_100 = false;
	if (is_100) {
		f->stash.len = 0;
	} else if (ev == LG_HTTP1_MORE) {
		lg_buf_put(&f->stash, v->p + v->at, n);
	} else {
		show_stash(f, v);
		show(f, v, n);
	}
}

static bool is_cut(const struct lg_exchange *x, enum lg_http1_event ev)
{
	return x && ev == LG_HTTP1_BODY && x->body.cut;
}

/* It is the connection's last exchange, and its server is told so. */
static void end_here(struct lg_flow *f, struct lg_exchange *x)
{
	f->ending = f->deaf = f->close = true;
	f->in = LG_IN_SWALLOW;
	f->held.len = f->sent = 0;
	f->out_ready = false;
	if (f->writing == x)
		f->writing = NULL;
	for (; x; x = answering(f)) {
		lg_exchange_answer_end(x, false);
		lg_settle(x);
		lg_flow_retire(f, x);
	}
	f->shut = f->told == f->synth.len;
}

/*
 * The stream ends behind x->body.cut_at bytes of this run of its body: those
 * are shown, then the error in their place.
 */
static void cut(struct lg_flow *f, struct lg_exchange *x, struct view *v,
		struct lg_slice body)
{
	size_t keep = x->body.content ? body.len : x->body.cut_at;
	uint64_t rest = body.len - keep + f->resp.m.left;
	bool told;

	show(f, v, (size_t)(body.p - (v->p + v->at)) + keep);
	told = lg_cut_tail(x, &f->resp.m,
			   rest < INT64_MAX ? (int64_t)rest : INT64_MAX,
			   x->body.cut_after, &f->synth);
	if (!told)
		x->row.flags |= LG_ROW_CUT_SHORT;
	end_here(f, x);
}

/* The same where the answer is edited: its chunks are ours. */
static void cut_edited(struct lg_flow *f, struct lg_exchange *x,
		       struct lg_slice body)
{
	body.len = x->body.cut_at;
	lg_inject_answer_feed(x->edit, body.p, body.len);
	lg_inject_answer_end(x->edit, false, &f->synth);
	lg_cut_tail(x, &f->resp.m, -1, x->body.cut_after, &f->synth);
	end_here(f, x);
}

/*
 * The same where the answer is edited: what the program sees is written anew
 * in the synthetic bytes. Without memory for them the connection ends.
 */
static enum lg_http1_event edit(struct lg_flow *f, struct lg_exchange *x,
				struct view *v, size_t n)
{
	enum lg_http1_event ev;
	struct lg_slice body;
	size_t used;

	v->divert = true;
	if (!lg_inject_answer_reserve(x->edit, n - v->at, &f->synth)) {
		f->shut = f->deaf = true;
		v->at = n;
		return LG_HTTP1_BAD;
	}
	used = lg_framer_feed(&f->resp, v->p + v->at, n - v->at, &ev, &body);
	if (ev == LG_HTTP1_BODY) {
		on_body(f, x, body);
		v->at += used;
		if (is_cut(x, ev))
			cut_edited(f, x, body);
		else
			lg_inject_answer_feed(x->edit, body.p, body.len);
		return ev;
	}
	if (ev != LG_HTTP1_MORE)
		lg_inject_answer_end(x->edit, ev == LG_HTTP1_END, &f->synth);
	if (ev == LG_HTTP1_BAD || ev == LG_HTTP1_TOO_LARGE)
		show(f, v, used);
	v->at += used;
	on_event(f, x, ev, body);
	return ev;
}

/* One step of the answer; its bytes move to where the program sees them. */
static enum lg_http1_event advance(struct lg_flow *f, struct view *v, size_t n)
{
	struct lg_exchange *x = answering(f);
	bool hide = x && x->swallow_100 && !x->answered && !f->resp.in_body;
	const char *from = v->p + v->at;
	enum lg_http1_event ev;
	struct lg_slice body;
	size_t used;

	if (x && x->edit)
		return edit(f, x, v, n);
	if (hide) {
		/* the parser first: `from` may be moved over afterwards */
		used = lg_framer_feed(&f->resp, from, n - v->at, &ev, &body);
		withhold(f, x, v, used, ev);
		on_event(f, x, ev, body);
	} else {
		used = step(f, x, from, n - v->at, &ev, &body);
		if (is_cut(x, ev))
			cut(f, x, v, body);
		else
			show(f, v, used);
	}
	v->at += used;
	return ev;
}

static void wait_for_answer(struct lg_flow *f, const char *p, size_t n)
{
	struct lg_slice s = {p, n};

	/* after a 100 comes the rest of an upload, not a request */
	if (n > 9 && lg_slice_starts(s, LG_SLICE("HTTP/1.")) && p[9] == '1')
		return;
	f->in = LG_IN_LOOK;
}

size_t lg_response_arrived(struct lg_flow *f, char *p, size_t n)
{
	struct view v = {.p = p};
	enum lg_http1_event ev;

	if (f->ending)
		return 0;
	if (f->in == LG_IN_SKIP && n)
		wait_for_answer(f, p, n);
	if (f->astray && (!n || !lg_watch_finds(f, p, n)))
		return n;
	if (f->deaf || !n ||
	    (!f->first && !f->late && f->in != LG_IN_HEAD &&
	     f->in != LG_IN_HOLD && f->in != LG_IN_BODY))
		return n;
	do {
		ev = advance(f, &v, n);
	} while (!f->deaf && !f->ending && !f->astray &&
		 (ev != LG_HTTP1_MORE || v.at < n));
	if (f->first && f->first->edit)
		lg_inject_answer_show(f->first->edit, &f->synth);
	/* behind a refusal nothing of the server's is shown */
	if (!f->ending)
		show(f, &v, n - v.at);
	return v.shown;
}

void lg_response_eof(struct lg_flow *f)
{
	enum lg_http1_event end;
	struct lg_exchange *x = answering(f);
	struct view none = {.p = NULL};

	show_stash(f, &none);
	if (!x)
		return;
	if (x->edit)
		lg_inject_answer_end(x->edit, false, &f->synth);
	end = f->deaf || f->astray ? LG_HTTP1_BAD : lg_http1_eof(&f->resp.m);
	finish(f, x, x->answered && end == LG_HTTP1_END);
	f->deaf = true;
	while ((x = answering(f)))
		finish(f, x, false);
}

void lg_response_forget(struct lg_flow *f)
{
	struct lg_exchange *x;

	while ((x = answering(f)))
		finish(f, x, false);
	lg_framer_next(&f->resp);
}

void lg_response_drain(struct lg_flow *f)
{
	enum lg_http1_event ev;
	struct lg_slice body;

	step(f, answering(f), NULL, 0, &ev, &body);
}
