#include "hook/io.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "guard/look.h"
#include "hook/local.h"
#include "hook/wakeup.h"

#define FLUSH_TRIES 1000

bool lg_io_is_shut(const struct lg_conn *c)
{
	struct lg_slice synth;

	return c->flow && lg_flow_is_shut(c->flow) && !c->queue.len &&
	       !lg_flow_synth(c->flow, &synth);
}

/* A budget that is nearly used up spreads what is left of it. */
static void nap(struct lg_conn *c)
{
	int64_t ns = c->flow ? lg_flow_take_nap(c->flow) : 0;
	struct timespec t = {.tv_sec = ns / 1000000000,
			     .tv_nsec = ns % 1000000000};

	if (!ns)
		return;
	lg_conn_unlock(c);
	nanosleep(&t, NULL);
	lg_conn_relock(c);
}

/* A thread that reads may be flushing what HTTP/2 says to the server. */
static void wait_for_other(struct lg_conn *c)
{
	for (unsigned i = 0; c->flushing && i < FLUSH_TRIES; i++) {
		lg_conn_unlock(c);
		sched_yield();
		lg_conn_relock(c);
	}
}

int lg_io_flush(struct lg_conn *c)
{
	struct lg_slice out;
	int r;

	nap(c);
	wait_for_other(c);
	while (c->flow && lg_flow_out(c->flow, &out)) {
		c->flushing = true;
		lg_conn_unlock(c);
		r = c->carrier->write(c, out.p, out.len);
		lg_conn_relock(c);
		c->flushing = false;
		if (r <= 0) {
			if (c->flow && !c->carrier->is_transient(c, r))
				lg_flow_write_failed(c->flow);
			return r;
		}
		if (c->flow)
			lg_flow_sent(c->flow, (size_t)r);
	}
	c->released = false;
	return 1;
}

/*
 * Where no descriptor is known an answer of the server wakes the program; it
 * is never read. No Host, no path, no credentials: RFC 1945 asks for none.
 */
static void ask_for_wakeup(struct lg_conn *c)
{
	static const char ask[] = "HEAD / HTTP/1.0\r\n\r\n";
	struct lg_slice out;

	if (c->pass_pending || lg_flow_out(c->flow, &out))
		return;
	lg_conn_unlock(c);
	c->carrier->ask(c, ask, sizeof(ask) - 1);
	lg_conn_relock(c);
}

static void wake(struct lg_conn *c)
{
	if (lg_flow_wants_wakeup(c->flow) && !lg_wakeup_now(c))
		ask_for_wakeup(c);
}

int lg_io_release(struct lg_conn *c)
{
	if (lg_flow_is_holding(c->flow) || lg_flow_is_cut(c->flow)) {
		lg_flow_release(c->flow);
		c->released = true;
		wake(c);
	}
	return lg_io_flush(c);
}

/* Nothing goes out behind an answer that said the connection is closed. */
static int refuse(struct lg_conn *c)
{
	int r = c->carrier->say(c, LG_SAY_BROKEN);

	c->saved_errno = errno;
	return r;
}

/* The flow says these pass: written from the program's own buffer. */
static int pass(struct lg_conn *c, const char *p, size_t n)
{
	int r;

	lg_conn_unlock(c);
	r = c->carrier->write(c, p, n);
	lg_conn_relock(c);
	c->pass_pending = r <= 0;
	if (r > 0) {
		if (c->flow)
			lg_flow_passed(c->flow, p, (size_t)r);
		c->consumed += (size_t)r;
	} else if (c->flow && !c->carrier->is_transient(c, r)) {
		lg_flow_write_failed(c->flow);
	}
	return r;
}

/*
 * One round: 1 go on, 0 all of the program's bytes are dealt with, less: the
 * real result minus one, so that a 0 of libssl stays apart.
 */
static int write_step(struct lg_conn *c, const char *buf, size_t len)
{
	enum lg_flow_gate gate = LG_FLOW_PASS;
	const char *p;
	size_t left, n;
	int r;

	if (!c->pass_pending) {
		r = lg_io_flush(c);
		if (r <= 0)
			return r - 1;
	}
	if (c->consumed >= len)
		return 0;
	if (lg_io_is_shut(c))
		return refuse(c) - 1;
	p = buf + c->consumed;
	left = len - c->consumed;
	n = c->flow ? lg_flow_offer(c->flow, p, left, &gate) : left;
	if (gate == LG_FLOW_TAKEN) {
		c->consumed += n;
		wake(c);
		return 1;
	}
	r = pass(c, p, n);
	if (r <= 0)
		return c->consumed && c->carrier->is_partial(c) ? 0 : r - 1;
	return (size_t)r < n ? 0 : 1;
}

static int write_locked(struct lg_conn *c, const char *buf, size_t len,
			size_t *written)
{
	int r;

	c->last_write_ms = lg_clock_coarse_ms();
	do {
		r = write_step(c, buf, len);
	} while (r > 0);
	if (!r) {
		*written = len < c->consumed ? len : c->consumed;
		c->consumed -= *written;
	}
	lg_conn_unlock(c);
	return r + 1;
}

int lg_io_write(struct lg_conn *c, const void *buf, size_t len, size_t *written)
{
	int r;

	if (!c->carrier->is_open(c)) {
		r = c->carrier->handshake(c);
		if (r <= 0)
			return r;
	}
	if (!lg_conn_lock(c))
		return c->carrier->say(c, LG_SAY_WAIT_WRITE);
	lg_conn_after_handshake(c);
	return write_locked(c, buf, len, written);
}

/*
 * On a connection to a host that nobody named only a whole request head of an
 * LLM API is worth a flow: most programs post to other servers.
 */
static bool may_be_request(const void *buf, size_t len)
{
	return len >= 32 && !memcmp(buf, "POST /", 6) &&
	       lg_look_begins(lg_conn_engine(), buf, len);
}

/* Nothing of a request or of an answer would be lost with the flow. */
static bool is_between(struct lg_conn *c)
{
	struct lg_slice s;

	return !c->flow ||
	       (!c->relayed && !lg_flow_is_bound(c->flow) &&
		!lg_flow_is_holding(c->flow) && !lg_flow_is_cut(c->flow) &&
		!lg_flow_out(c->flow, &s) && !lg_flow_synth(c->flow, &s) &&
		!c->queue.len && !lg_flow_is_shut(c->flow));
}

static bool is_off(struct lg_conn *c)
{
	bool off;

	if (c->consumed || !lg_engine_is_off(lg_conn_engine()))
		return false;
	if (!lg_conn_lock(c))
		return false;
	off = is_between(c);
	if (off)
		lg_conn_give_up(c);
	lg_conn_unlock(c);
	return off;
}

bool lg_io_guards_write(struct lg_conn *c, const void *buf, size_t len)
{
	bool passing;

	if (c->mode == LG_CONN_PASS || !len || !buf)
		return false;
	lg_conn_before_handshake(c, false);
	if (c->mode == LG_CONN_LOOK && !c->flow) {
		if (LG_LIKELY(!c->look))
			return false;
		c->look = false;
		lg_conn_after_handshake(c);
		if (!may_be_request(buf, len) ||
		    !lg_conn_begin(c, c->carrier->host(c), false))
			return false;
	}
	if (!c->flow || is_off(c))
		return false;
	if (c->pass_pending || c->consumed)
		return true;
	if (!lg_conn_lock(c))
		return true;
	passing = lg_conn_is_passing(c);
	lg_conn_unlock(c);
	return !passing;
}

bool lg_io_end(struct lg_conn *c)
{
	if (!c->consumed && !c->pass_pending && c->carrier->is_open(c) &&
	    !lg_flow_is_shut(c->flow))
		(void)lg_io_release(c);
	return c->flow && lg_flow_is_shut(c->flow);
}
