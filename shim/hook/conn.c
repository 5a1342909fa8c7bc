#include "hook/conn.h"

#include <errno.h>
#include <sched.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hook/alpn.h"
#include "hook/hook.h"
#include "hook/wakeup.h"

#define LOCK_TRIES 20000
#define INDEX_WAIT_NS INT64_C(2000000000)
#define QUEUE_MAX (64 * 1024)
#define TLSEXT_NAMETYPE_HOST 0

bool lg_hook_is_on;
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

static void free_conn(void *parent, void *ptr, void *ad, int idx, long argl,
		      void *argp)
{
	struct lg_conn *c = ptr;

	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (!c)
		return;
	lg_conn_reset(c);
	lg_alpn_free(c->alpn);
	lg_mem_free(c, sizeof(*c));
}

static void free_alpn(void *parent, void *ptr, void *ad, int idx, long argl,
		      void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	lg_alpn_free_set(ptr);
}

/* SSL_dup copies an SSL that has not begun: its state is its own. */
static int dup_nothing(void *to, const void *from, void *from_d, int idx,
		       long argl, void *argp)
{
	(void)to, (void)from, (void)idx, (void)argl, (void)argp;
	if (from_d)
		*(void **)from_d = NULL;
	return 1;
}

/* Another thread is at it: nobody's first call may slip by. */
static bool wait_indexed(struct lg_tls *t)
{
	int64_t end = lg_clock_boot_ns() + INDEX_WAIT_NS;

	while (lg_load_acquire(&t->indexed) == 1 && lg_clock_boot_ns() < end)
		sched_yield();
	return lg_load_acquire(&t->indexed) == 2;
}

bool lg_conn_indexed(struct lg_tls *t)
{
	unsigned state = lg_load_acquire(&t->indexed);

	if (state > 1 || !t->whole)
		return state == 2;
	if (state || !lg_cas_seq(&t->indexed, &state, 1))
		return wait_indexed(t);
	t->ERR_set_mark();
	t->ssl_idx = t->CRYPTO_get_ex_new_index(LG_CRYPTO_EX_SSL, 0, NULL, NULL,
						dup_nothing, free_conn);
	t->ctx_idx = t->CRYPTO_get_ex_new_index(LG_CRYPTO_EX_SSL_CTX, 0, NULL,
						NULL, dup_nothing, free_alpn);
	t->ERR_pop_to_mark();
	state = t->ssl_idx >= 0 && t->ctx_idx >= 0 ? 2 : 3;
	lg_store_release(&t->indexed, state);
	return state == 2;
}

struct lg_conn *lg_conn_get(struct lg_tls *t, const SSL *s)
{
	if (!s || lg_load_acquire(&t->indexed) != 2)
		return NULL;
	return t->SSL_get_ex_data(s, t->ssl_idx);
}

struct lg_conn *lg_conn_make(struct lg_tls *t, SSL *s)
{
	struct lg_conn *c;
	int err, stored;

	if (!s || !lg_hook_is_on || !lg_conn_indexed(t))
		return NULL;
	c = t->SSL_get_ex_data(s, t->ssl_idx);
	if (c || !lg_conn_engine())
		return c;
	err = errno;
	c = lg_mem_alloc(sizeof(*c));
	errno = err;
	if (!c)
		return NULL;
	c->tls = t;
	c->ssl = s;
	c->fd = -1;
	c->ctx_alpn = lg_alpn_of_ctx(t, t->SSL_get_SSL_CTX(s));
	lg_buf_init(&c->queue, QUEUE_MAX);
	t->ERR_set_mark();
	stored = t->SSL_set_ex_data(s, t->ssl_idx, c);
	t->ERR_pop_to_mark();
	if (!stored) {
		lg_mem_free(c, sizeof(*c));
		return NULL;
	}
	return c;
}

void lg_conn_reset(struct lg_conn *c)
{
	int err = errno;

	lg_wakeup_unwatch(c);
	lg_flow_del(c->flow);
	c->flow = NULL;
	lg_buf_fini(&c->queue);
	c->consumed = 0;
	lg_store_relaxed(&c->fake_error, 0);
	c->fd = -1;
	c->fd_cookie = 0;
	c->mode = LG_CONN_NEW;
	c->look = c->begun = c->handshaken = false;
	c->pass_pending = c->released = c->early = c->stopped = false;
	errno = err;
}

static struct lg_slice server_name(struct lg_conn *c, const SSL *s)
{
	return lg_slice_str(
		c->tls->SSL_get_servername(s, TLSEXT_NAMETYPE_HOST));
}

static bool is_foreign(const struct lg_tls *t, const SSL *s)
{
	return (t->SSL_is_dtls && t->SSL_is_dtls(s)) ||
	       (t->SSL_is_quic && t->SSL_is_quic(s));
}

bool lg_conn_may_sleep(void *conn)
{
	struct lg_conn *c = conn;

	return lg_wakeup_is_blocking(c, c->ssl);
}

/*
 * Before SSL_set_connect_state a client of TLS_method() calls itself server:
 * that is believed only once the handshake has begun.
 */
void lg_conn_decide(struct lg_conn *c, SSL *s, bool client)
{
	struct lg_engine *e = lg_conn_engine();
	struct lg_flow_peer peer = {
		.observe_only = false,
		.may_sleep = lg_conn_may_sleep,
		.arg = c,
	};
	int err = errno;

	if (c->mode != LG_CONN_NEW)
		return;
	if (!client && c->tls->SSL_is_server(s)) {
		if (!c->tls->SSL_in_before(s))
			c->mode = LG_CONN_PASS;
		return;
	}
	if (!e || lg_engine_is_off(e) || is_foreign(c->tls, s)) {
		c->mode = LG_CONN_PASS;
		goto out;
	}
	peer.host = server_name(c, s);
	peer.guarded = peer.host.len && lg_engine_guards(e, peer.host);
	c->mode = peer.guarded ? LG_CONN_GUARDED : LG_CONN_LOOK;
	c->look = !peer.guarded;
	if (peer.guarded && !(c->flow = lg_flow_new(e, &peer)))
		c->mode = LG_CONN_PASS;
out:
	errno = err;
}

void lg_conn_before_handshake(struct lg_conn *c, SSL *s, bool client)
{
	if (c->handshaken)
		return;
	lg_conn_decide(c, s, client);
	if (c->mode < LG_CONN_LOOK || c->begun)
		return;
	c->begun = true;
	if (c->mode == LG_CONN_GUARDED)
		lg_alpn_without_h2(c, s);
	if (!c->tls->SSL_is_init_finished(s))
		lg_wakeup_watch(c, s);
}

void lg_conn_after_handshake(struct lg_conn *c, SSL *s)
{
	if (c->handshaken || !c->begun || !c->tls->SSL_is_init_finished(s))
		return;
	c->handshaken = true;
	lg_wakeup_find(c, s);
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
	return true;
}

void lg_conn_relock(struct lg_conn *c)
{
	int err = errno;

	if (lg_conn_lock(c))
		return;
	c->saved_errno = err;
}

void lg_conn_unlock(struct lg_conn *c)
{
	errno = c->saved_errno;
	lg_store_release(&c->lock, 0);
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

bool lg_conn_is_transient(struct lg_conn *c, SSL *s, int ret)
{
	int e = c->tls->SSL_get_error(s, ret);

	return e != LG_SSL_ERROR_SSL && e != LG_SSL_ERROR_SYSCALL &&
	       e != LG_SSL_ERROR_ZERO_RETURN;
}
