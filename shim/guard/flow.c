#include "guard/flow.h"

#include <string.h>

#include "base/mem.h"
#include "guard/block.h"
#include "guard/flow_state.h"
#include "guard/h2.h"
#include "guard/h2_watch.h"
#include "guard/self.h"
#include "guard/settle.h"
#include "wire/h2.h"

#define KEEP_HELD 4096
#define SYNTH_MAX ((size_t)64 << 20)
#define HELD_MAX ((size_t)1 << 30)
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

struct lg_flow *lg_flow_new(struct lg_engine *e,
			    const struct lg_flow_peer *peer)
{
	struct lg_flow *f = lg_mem_alloc(sizeof(*f));

	if (!f)
		return NULL;
	f->engine = e;
	f->observe = peer->observe_only;
	f->may_sleep = peer->may_sleep;
	f->is_named = peer->is_named;
	f->local = peer->local;
	f->sleeper = peer->arg;
	f->who = peer->who;
	f->in = peer->guarded ? LG_IN_HEAD : LG_IN_LOOK;
	f->named = peer->guarded;
	f->late = f->astray = peer->observe_only && peer->late;
	f->late_flags = LG_ROW_JOINED_LATE;
	if (f->late)
		f->in = LG_IN_LOOK;
	f->borrows = peer->memo;
	f->memo = f->borrows ? peer->memo : lg_mem_alloc(sizeof(*f->memo));
	if (!f->memo) {
		lg_mem_free(f, sizeof(*f));
		return NULL;
	}
	f->forks = lg_self_forks();
	lg_slice_copy(peer->host, f->host, sizeof(f->host));
	lg_framer_init(&f->req, LG_HTTP1_REQUEST);
	lg_framer_init(&f->resp, LG_HTTP1_RESPONSE);
	lg_buf_init(&f->held, HELD_MAX);
	lg_buf_init(&f->synth, SYNTH_MAX);
	lg_buf_init(&f->stash, LG_HTTP1_HEAD_MAX + 4096);
	return f;
}

/* The connection ended under it. A request that never left leaves no row. */
static void abandon(struct lg_flow *f, struct lg_exchange *x)
{
	if (f->forks != lg_self_forks()) {
		x->disowned = true;
		return;
	}
	if (!x->released && !x->denial)
		x->quiet = true;
	if (x->unsure)
		lg_watch_end(f, x);
	if (!x->closed)
		lg_exchange_answer_end(x, false);
	lg_settle(x);
}

void lg_flow_del(struct lg_flow *f)
{
	struct lg_exchange *x, *next;

	if (!f)
		return;
	lg_h2conn_del(f->h2);
	lg_h2watch_del(f->h2w);
	for (x = f->first; x; x = next) {
		next = x->next;
		abandon(f, x);
		if (x == f->writing)
			f->writing = NULL;
		lg_exchange_del(x);
	}
	lg_exchange_del(f->writing);
	lg_watch_del(f->watch);
	lg_framer_fini(&f->req);
	lg_framer_fini(&f->resp);
	lg_buf_fini(&f->held);
	lg_buf_fini(&f->synth);
	lg_buf_fini(&f->stash);
	if (!f->borrows)
		lg_mem_free(f->memo, sizeof(*f->memo));
	lg_mem_free(f, sizeof(*f));
}

void lg_flow_own(struct lg_flow *f)
{
	if (f->forks == lg_self_forks())
		return;
	f->forks = lg_self_forks();
	for (struct lg_exchange *x = f->first; x; x = x->next) {
		x->row.pid = lg_self_pid();
		x->row.ppid = lg_self_ppid();
		if (x->hold.slot >= 0 && x->region &&
		    lg_hold_adopt(x->region->r, &x->hold))
			x->disowned = true;
		else
			lg_cut_adopt(x);
	}
}

void lg_flow_retire(struct lg_flow *f, struct lg_exchange *x)
{
	struct lg_exchange **at = &f->first, *prev = NULL;

	while (*at && *at != x) {
		prev = *at;
		at = &prev->next;
	}
	if (*at) {
		*at = x->next;
		if (f->last == x)
			f->last = prev;
		f->depth--;
	}
	x->next = NULL;
	if (x != f->writing)
		lg_exchange_del(x);
}

void lg_flow_turn(struct lg_flow *f)
{
	struct lg_exchange *x = f->first;

	if (!x)
		return;
	if (x->denial && !x->denied_told) {
		x->denied_told = true;
		f->ending = f->wake = true;
		if (lg_block_answer(x, &f->synth))
			f->shut = f->told == f->synth.len;
	} else if (x->continues && !x->denial && !x->released) {
		x->continues = false;
		x->swallow_100 = !lg_buf_puts(&f->synth, CONTINUE);
	}
}

/* -- writing ------------------------------------------------------------- */

/* What was taken for the preface was not. */
static void not_h2(struct lg_flow *f)
{
	enum lg_flow_gate gate;
	size_t n = f->preface;

	f->preface = LG_FLOW_NOT_H2;
	if (f->h2) {
		/* the server speaks it, the program does not: both may */
		lg_h2conn_del(f->h2);
		f->h2 = NULL;
		f->in = LG_IN_PASSING;
		f->out_ready = n && !lg_buf_put(&f->held, LG_H2_PREFACE, n);
	} else if (n) {
		lg_request_offer(f, LG_H2_PREFACE, n, &gate);
	}
}

static bool may_be_h2(const struct lg_flow *f)
{
	return f->preface != LG_FLOW_NOT_H2 && !f->stream && !f->observe &&
	       f->in == LG_IN_HEAD;
}

static void begin_h2(struct lg_flow *f)
{
	if (!f->h2)
		f->h2 = lg_h2conn_new(f);
	if (!f->h2) {
		f->in = LG_IN_PASSING;
		f->out_ready = !lg_buf_puts(&f->held, LG_H2_PREFACE);
	} else {
		lg_h2conn_begin(f->h2);
	}
}

/* How much of these bytes may be HTTP/2's preface; 0: it is not. */
static size_t take_preface(struct lg_flow *f, const char *p, size_t len)
{
	size_t at = f->preface, n = 0;

	if (at == LG_FLOW_NOT_H2)
		return 0;
	while (n < len && at + n < LG_H2_PREFACE_LEN &&
	       p[n] == LG_H2_PREFACE[at + n])
		n++;
	if (!may_be_h2(f) || (n < len && at + n < LG_H2_PREFACE_LEN)) {
		not_h2(f);
		return 0;
	}
	f->preface += (uint8_t)n;
	if (f->preface == LG_H2_PREFACE_LEN)
		begin_h2(f);
	return n;
}

size_t lg_flow_offer(struct lg_flow *f, const char *p, size_t len,
		     enum lg_flow_gate *gate)
{
	size_t n;

	lg_flow_own(f);
	if (f->observe)
		return lg_watch_offer(f, p, len, gate);
	if (f->h2 && f->preface == LG_H2_PREFACE_LEN)
		return lg_h2conn_offer(f->h2, p, len, gate);
	n = take_preface(f, p, len);
	if (!n)
		return lg_request_offer(f, p, len, gate);
	*gate = LG_FLOW_TAKEN;
	return n;
}

void lg_flow_passed(struct lg_flow *f, const char *p, size_t n)
{
	if (n)
		lg_request_passed(f, p, n);
}

void lg_flow_dispatch(struct lg_exchange *x)
{
	if (x && x->region && x->hold.slot >= 0 && !x->disowned &&
	    !x->dispatched) {
		lg_hold_dispatched(x->region->r, &x->hold);
		x->dispatched = true;
	}
}

bool lg_flow_out(struct lg_flow *f, struct lg_slice *out)
{
	if (f->h2)
		return lg_h2conn_out(f->h2, out);
	if (!f->out_ready || f->sent >= f->held.len)
		return false;
	lg_flow_dispatch(f->writing);
	out->p = f->held.p + f->sent;
	out->len = f->held.len - f->sent;
	return true;
}

static void drop_held(struct lg_flow *f)
{
	f->held.len = 0;
	f->sent = 0;
	f->out_ready = false;
	lg_buf_shrink(&f->held, KEEP_HELD);
}

void lg_flow_sent(struct lg_flow *f, size_t n)
{
	size_t left = f->held.len - f->sent;

	if (f->h2) {
		lg_h2conn_sent(f->h2, n);
		return;
	}
	f->sent += n < left ? n : left;
	if (f->sent < f->held.len)
		return;
	drop_held(f);
	if (f->writing && f->in == LG_IN_HEAD) {
		struct lg_exchange *x = f->writing;

		x->written = true;
		f->writing = NULL;
		if (x->closed)
			lg_exchange_del(x);
	}
}

void lg_flow_write_failed(struct lg_flow *f)
{
	if (f->h2) {
		lg_h2conn_write_failed(f->h2);
		return;
	}
	drop_held(f);
	f->in = LG_IN_PASSING;
}

int64_t lg_flow_take_nap(struct lg_flow *f)
{
	int64_t ns = f->nap_ns;

	f->nap_ns = 0;
	return ns;
}

bool lg_flow_is_holding(const struct lg_flow *f)
{
	if (f->h2)
		return lg_h2conn_is_holding(f->h2);
	return f->in == LG_IN_HOLD;
}

bool lg_flow_is_cut(const struct lg_flow *f)
{
	return !f->h2 && !f->observe && f->in == LG_IN_HEAD &&
	       (f->held.len > f->sent ||
		(f->preface && f->preface < LG_H2_PREFACE_LEN));
}

static void end_cut(struct lg_flow *f)
{
	if (f->preface != LG_FLOW_NOT_H2)
		not_h2(f);
	lg_request_give_up(f);
}

void lg_flow_release(struct lg_flow *f)
{
	lg_flow_own(f);
	if (f->h2)
		lg_h2conn_release(f->h2);
	else if (f->in == LG_IN_HOLD)
		lg_request_release(f);
	else if (lg_flow_is_cut(f))
		end_cut(f);
}

/* -- reading ------------------------------------------------------------- */

size_t lg_flow_arrived(struct lg_flow *f, char *p, size_t n)
{
	lg_flow_own(f);
	if (f->observe)
		return lg_watch_arrived(f, p, n);
	/* HTTP/2's servers may speak first, and so begins what they say */
	if (!f->h2 && !f->first && n && !*p && may_be_h2(f))
		f->h2 = lg_h2conn_new(f);
	if (f->h2)
		return lg_h2conn_arrived(f->h2, p, n);
	return lg_response_arrived(f, p, n);
}

bool lg_flow_edits(const struct lg_flow *f)
{
	const struct lg_exchange *x = f->first;

	if (f->h2)
		return true;
	return f->stash.len || (x && (x->body.due || x->local)) ||
	       (x && x->swallow_100 && !x->answered) ||
	       (x && x->injected && (x->edit || !x->answered));
}

void lg_flow_eof(struct lg_flow *f)
{
	if (f->h2) {
		lg_h2conn_eof(f->h2);
		return;
	}
	lg_flow_own(f);
	if (!f->h2w)
		lg_response_eof(f);
}

bool lg_flow_synth(const struct lg_flow *f, struct lg_slice *out)
{
	if (f->h2)
		return lg_h2conn_synth(f->h2, out);
	if (f->told >= f->synth.len)
		return false;
	out->p = f->synth.p + f->told;
	out->len = f->synth.len - f->told;
	return true;
}

void lg_flow_synth_taken(struct lg_flow *f, size_t n)
{
	size_t left = f->synth.len - f->told;

	if (f->h2) {
		lg_h2conn_synth_taken(f->h2, n);
		return;
	}
	f->told += n < left ? n : left;
	if (f->told < f->synth.len)
		return;
	f->synth.len = 0;
	f->told = 0;
	lg_buf_shrink(&f->synth, 0);
	f->shut = f->ending;
}

bool lg_flow_wants_wakeup(struct lg_flow *f)
{
	bool yes = f->wake;

	f->wake = false;
	return yes;
}

bool lg_flow_wants_close(struct lg_flow *f)
{
	bool yes = f->close;

	f->close = false;
	return yes;
}

bool lg_flow_is_shut(const struct lg_flow *f)
{
	return f->shut;
}

bool lg_flow_is_passing(const struct lg_flow *f)
{
	if (f->h2)
		return lg_h2conn_is_passing(f->h2);
	return f->in == LG_IN_PASSING && !f->first && f->sent >= f->held.len &&
	       f->told >= f->synth.len && !f->stash.len;
}

bool lg_flow_is_bound(const struct lg_flow *f)
{
	return f->h2;
}
