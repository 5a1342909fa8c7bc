#include "hook/conn.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "base/atomic.h"
#include "hook/local.h"
#include "hook/dark.h"
#include "hook/wakeup.h"

#define LOCK_TRIES 20000
#define QUEUE_MAX (64 * 1024)

bool lg_hook_is_on, lg_hook_is_told;
__thread struct lg_inside lg_inside;
static unsigned fork_generation = 1;
static bool is_asked; /* for the engine */

struct lg_engine *lg_conn_engine(void)
{
	static struct lg_engine *cached;
	struct lg_engine *e = lg_load_acquire(&cached);
	int err;

	if (e)
		return e;
	if (!lg_hook_is_on)
		return NULL;
	lg_store_relaxed(&is_asked, true);
	err = errno;
	e = lg_engine_get();
	if (e)
		lg_store_release(&cached, e);
	errno = err;
	return e;
}

void lg_conn_init(struct lg_conn *c, const struct lg_carrier *carrier,
		  void *handle)
{
	c->carrier = carrier;
	c->handle = handle;
	c->fd = -1;
	lg_buf_init(&c->queue, QUEUE_MAX);
}

void lg_conn_reset(struct lg_conn *c)
{
	int err = errno;

	lg_wakeup_unwatch(c);
	lg_flow_del(c->flow);
	c->flow = NULL;
	lg_buf_fini(&c->queue);
	lg_local_forget(c);
	c->consumed = 0;
	c->fd = -1;
	c->fd_cookie = 0;
	c->mode = LG_CONN_NEW;
	c->look = c->begun = c->handshaken = false;
	c->pass_pending = c->released = c->stopped = c->flushing = false;
	errno = err;
}

bool lg_conn_may_sleep(void *conn)
{
	return lg_wakeup_is_blocking(conn);
}

static bool is_named(void *conn, struct lg_slice host)
{
	struct lg_conn *c = conn;

	return c->carrier->is_named(c, host);
}

bool lg_conn_begin(struct lg_conn *c, struct lg_slice host, bool guarded)
{
	const struct lg_flow_peer peer = {
		.host = host,
		.guarded = guarded,
		.may_sleep = lg_conn_may_sleep,
		.is_named = c->carrier->is_named ? is_named : NULL,
		.local = lg_local_send,
		.arg = c,
	};
	int err = errno;

	c->flow = lg_flow_new(lg_conn_engine(), &peer);
	errno = err;
	return c->flow;
}

void lg_conn_decide(struct lg_conn *c, bool client)
{
	struct lg_engine *e = lg_conn_engine();
	enum lg_carrier_role role;
	struct lg_slice host;
	bool guarded;
	int err = errno;

	if (c->mode != LG_CONN_NEW)
		return;
	role = c->carrier->role(c, client);
	if (role == LG_ROLE_UNKNOWN)
		return;
	if (role == LG_ROLE_SERVER || !e || lg_engine_is_off(e)) {
		c->mode = LG_CONN_PASS;
		goto out;
	}
	host = c->carrier->host(c);
	guarded = host.len && lg_engine_guards(e, host);
	c->mode = guarded ? LG_CONN_GUARDED : LG_CONN_LOOK;
	c->look = !guarded;
	if (guarded && !lg_conn_begin(c, host, true))
		c->mode = LG_CONN_PASS;
	lg_dark_seen(host, c->carrier->fd(c));
out:
	errno = err;
}

void lg_conn_before_handshake(struct lg_conn *c, bool client)
{
	if (c->handshaken)
		return;
	lg_conn_decide(c, client);
	if (c->mode < LG_CONN_LOOK || c->begun)
		return;
	c->begun = true;
	if (c->mode == LG_CONN_GUARDED && c->carrier->before_hello)
		c->carrier->before_hello(c);
	if (!c->carrier->is_open(c))
		lg_wakeup_watch(c);
}

void lg_conn_after_handshake(struct lg_conn *c)
{
	if (c->handshaken || !c->begun || !c->carrier->is_open(c))
		return;
	c->handshaken = true;
	lg_wakeup_find(c);
	lg_dark_found(c->fd);
	lg_wakeup_unwatch(c);
}

static bool try_lock(struct lg_conn *c)
{
	unsigned gen = lg_load_relaxed(&fork_generation);
	unsigned now = lg_load_relaxed(&c->lock);

	return now != gen && lg_cas_seq(&c->lock, &now, gen);
}

bool lg_conn_lock(struct lg_conn *c)
{
	int err = errno;
	unsigned i;

	for (i = 0; !try_lock(c); i++) {
		if (i == LOCK_TRIES) {
			errno = err;
			return false;
		}
		sched_yield();
	}
	c->saved_errno = err;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &c->saved_cancel);
	return true;
}

void lg_conn_relock(struct lg_conn *c)
{
	int err = errno;

	if (lg_conn_lock(c))
		return;
	c->saved_errno = err;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &c->saved_cancel);
}

void lg_conn_unlock(struct lg_conn *c)
{
	int err = c->saved_errno, cancel = c->saved_cancel;

	lg_store_release(&c->lock, 0);
	pthread_setcancelstate(cancel, NULL);
	errno = err;
}

void lg_conn_after_fork(void)
{
	lg_add_relaxed(&fork_generation, 1);
	if (lg_load_relaxed(&is_asked))
		lg_engine_after_fork();
}

void lg_conn_give_up(struct lg_conn *c)
{
	lg_flow_del(c->flow);
	c->flow = NULL;
	lg_wakeup_unwatch(c);
	c->mode = LG_CONN_PASS;
	c->look = c->released = false;
}

bool lg_conn_is_passing(struct lg_conn *c)
{
	bool named = c->mode == LG_CONN_GUARDED;
	struct lg_slice s;

	if (!c->flow)
		return true;
	if (!lg_flow_is_passing(c->flow) || c->consumed || c->queue.len ||
	    lg_flow_out(c->flow, &s) || lg_flow_synth(c->flow, &s))
		return false;
	lg_conn_give_up(c);
	if (!named)
		c->mode = LG_CONN_LOOK;
	return true;
}
