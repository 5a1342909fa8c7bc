#include "hook/openssl.h"

#include <errno.h>
#include <sched.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hook/alpn.h"
#include "hook/local.h"

#define INDEX_WAIT_NS INT64_C(2000000000)
#define CALL_MAX ((size_t)1 << 30)
#define TLSEXT_NAMETYPE_HOST 0

static struct lg_tls *tls_of(const struct lg_conn *c)
{
	return ((const struct lg_ssl *)c)->tls;
}

static int call_len(size_t n)
{
	return (int)(n < CALL_MAX ? n : CALL_MAX);
}

static int ssl_write(struct lg_conn *c, const void *p, size_t n)
{
	SSL *s = c->handle;

	return LG_REAL_OF(tls_of(c), s,
			  tls_of(c)->SSL_write(s, p, call_len(n)));
}

static int ssl_read(struct lg_conn *c, void *p, size_t n)
{
	SSL *s = c->handle;

	return LG_REAL_OF(tls_of(c), s, tls_of(c)->SSL_read(s, p, call_len(n)));
}

static int ssl_peek(struct lg_conn *c, void *p, size_t n)
{
	SSL *s = c->handle;

	return LG_REAL_OF(tls_of(c), s, tls_of(c)->SSL_peek(s, p, call_len(n)));
}

/*
 * SSL_get_error says nothing final (WANT_*) about this result. A BIO of the
 * program's own may forget to ask for a retry (Tcl's does): errno says it.
 */
static bool ssl_is_transient(struct lg_conn *c, int ret)
{
	int e = tls_of(c)->SSL_get_error(c->handle, ret);

	if (e == LG_SSL_ERROR_SYSCALL && ret < 0)
		return c->saved_errno == EAGAIN || c->saved_errno == EINTR;
	return e != LG_SSL_ERROR_SSL && e != LG_SSL_ERROR_SYSCALL &&
	       e != LG_SSL_ERROR_ZERO_RETURN;
}

static int ssl_say(struct lg_conn *c, enum lg_carrier_word word)
{
	/* flat: word, what SSL_get_error says, errno */
	static const struct {
		int error, err, ret;
	} words[] = {
		[LG_SAY_CLOSED] = {LG_SSL_ERROR_ZERO_RETURN, 0, 0},
		[LG_SAY_BROKEN] = {LG_SSL_ERROR_SYSCALL, EPIPE, -1},
		[LG_SAY_WAIT_READ] = {LG_SSL_ERROR_WANT_READ, EAGAIN, -1},
		[LG_SAY_WAIT_WRITE] = {LG_SSL_ERROR_WANT_WRITE, EAGAIN, -1},
	};
	struct lg_ssl *ssl = (struct lg_ssl *)c;
	struct lg_tls *t = ssl->tls;
	SSL *s = c->handle;

	/* like a close_notify that has just arrived */
	if (word == LG_SAY_CLOSED)
		t->SSL_set_shutdown(s, t->SSL_get_shutdown(s) |
					       LG_SSL_RECEIVED_SHUTDOWN);
	lg_store_relaxed(&ssl->fake_error, words[word].error);
	if (words[word].err)
		errno = words[word].err;
	return words[word].ret;
}

static bool is_foreign(const struct lg_tls *t, const SSL *s)
{
	return (t->SSL_is_dtls && t->SSL_is_dtls(s)) ||
	       (t->SSL_is_quic && t->SSL_is_quic(s));
}

/*
 * Before SSL_set_connect_state a client of TLS_method() calls itself server:
 * that is believed only once the handshake has begun. BoringSSL's does not.
 */
static enum lg_carrier_role ssl_role(struct lg_conn *c, bool client)
{
	struct lg_tls *t = tls_of(c);
	SSL *s = c->handle;

	if (!client && t->SSL_is_server(s))
		return t->SSL_in_before && t->SSL_in_before(s) ? LG_ROLE_UNKNOWN
							       : LG_ROLE_SERVER;
	return is_foreign(t, s) ? LG_ROLE_SERVER : LG_ROLE_CLIENT;
}

static struct lg_slice ssl_host(struct lg_conn *c)
{
	return lg_slice_str(
		tls_of(c)->SSL_get_servername(c->handle, TLSEXT_NAMETYPE_HOST));
}

static bool ssl_is_open(struct lg_conn *c)
{
	return tls_of(c)->SSL_is_init_finished(c->handle);
}

static int ssl_handshake(struct lg_conn *c)
{
	const struct lg_ssl *ssl = (const struct lg_ssl *)c;
	SSL *s = c->handle;

	/* before early data no call need have said that this is a client */
	return ssl->early ? LG_REAL_OF(tls_of(c), s, ssl->tls->SSL_connect(s))
			  : LG_REAL_OF(tls_of(c), s,
				       ssl->tls->SSL_do_handshake(s));
}

static void ssl_before_hello(struct lg_conn *c)
{
	lg_alpn_without_h2((struct lg_ssl *)c);
}

static int ssl_fd(struct lg_conn *c)
{
	return tls_of(c)->SSL_get_rfd(c->handle);
}

static int ssl_write_fd(struct lg_conn *c)
{
	struct lg_tls *t = tls_of(c);

	return t->SSL_get_wfd ? t->SSL_get_wfd(c->handle) : -1;
}

static bool ssl_random(struct lg_conn *c, unsigned char *out)
{
	return tls_of(c)->SSL_get_client_random(c->handle, out,
						LG_CARRIER_RANDOM_LEN) ==
	       LG_CARRIER_RANDOM_LEN;
}

static bool ssl_is_partial(struct lg_conn *c)
{
	struct lg_tls *t = tls_of(c);
	SSL *s = c->handle;
	long mode = t->SSL_ctrl ? t->SSL_ctrl(s, LG_SSL_CTRL_MODE, 0, NULL)
				: (long)t->SSL_get_mode(s);

	return mode & LG_SSL_MODE_PARTIAL_WRITE;
}

static void ssl_ask(struct lg_conn *c, const void *p, size_t n)
{
	struct lg_tls *t = tls_of(c);

	t->ERR_set_mark();
	(void)ssl_write(c, p, n);
	t->ERR_pop_to_mark();
}

/* The program's own way from its descriptor: a socket, memory, a callback. */
static int ssl_below(struct lg_conn *c, void *p, size_t n)
{
	struct lg_tls *t = tls_of(c);
	SSL *s = c->handle;
	void *bio = t->SSL_get_rbio ? t->SSL_get_rbio(s) : NULL;
	int r, fd = t->SSL_get_rfd(s);

	/* whatever stands above it (kTLS, another TLS) is over */
	if (fd >= 0)
		return n ? lg_local_recv(fd, p, n) : -1;
	if (!bio || !t->BIO_read || !t->BIO_test_flags || !n)
		return bio && t->BIO_read && t->BIO_test_flags ? -1 : 0;
	r = LG_REAL_OF(tls_of(c), s, t->BIO_read(bio, p, call_len(n)));
	if (r > 0)
		return r;
	return t->BIO_test_flags(bio, LG_BIO_SHOULD_RETRY) ? -1 : 0;
}

/* Without a mark all of it goes: a program clears it before each call. */
static void ssl_hush(struct lg_conn *c)
{
	tls_of(c)->ERR_pop_to_mark();
}

/* Of a BIO in memory; others say nothing, or read what they are asked for. */
static size_t ssl_waiting(struct lg_conn *c)
{
	struct lg_tls *t = tls_of(c);
	void *bio = t->SSL_get_rbio ? t->SSL_get_rbio(c->handle) : NULL;

	if (!bio || !t->BIO_ctrl_pending || t->SSL_get_rfd(c->handle) >= 0)
		return 0;
	return t->BIO_ctrl_pending(bio);
}

static struct lg_tls *ssl_tls(struct lg_conn *c)
{
	return tls_of(c);
}

static const struct lg_carrier openssl = {
	.write = ssl_write,
	.read = ssl_read,
	.peek = ssl_peek,
	.is_transient = ssl_is_transient,
	.say = ssl_say,
	.role = ssl_role,
	.host = ssl_host,
	.is_open = ssl_is_open,
	.handshake = ssl_handshake,
	.before_hello = ssl_before_hello,
	.fd = ssl_fd,
	.write_fd = ssl_write_fd,
	.random = ssl_random,
	.is_partial = ssl_is_partial,
	.below = ssl_below,
	.hush = ssl_hush,
	.waiting = ssl_waiting,
	.tls = ssl_tls,
	.ask = ssl_ask,
};

void lg_ssl_reset(struct lg_ssl *c)
{
	lg_conn_reset(&c->conn);
	lg_store_relaxed(&c->fake_error, 0);
	c->early = false;
}

static void free_ssl(void *parent, void *ptr, void *ad, int idx, long argl,
		     void *argp)
{
	struct lg_ssl *c = ptr;

	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (!c)
		return;
	lg_ssl_reset(c);
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

/*
 * BoringSSL's CRYPTO_get_ex_new_index takes other arguments. Its own two, as
 * those of an old OpenSSL, are functions; elsewhere they are macros.
 */
static void make_indices(struct lg_tls *t)
{
	if (t->SSL_get_ex_new_index && t->SSL_CTX_get_ex_new_index) {
		t->ssl_idx = t->SSL_get_ex_new_index(0, NULL, NULL, dup_nothing,
						     free_ssl);
		t->ctx_idx = t->SSL_CTX_get_ex_new_index(
			0, NULL, NULL, dup_nothing, free_alpn);
		return;
	}
	t->ssl_idx = t->CRYPTO_get_ex_new_index(LG_CRYPTO_EX_SSL, 0, NULL, NULL,
						dup_nothing, free_ssl);
	t->ctx_idx = t->CRYPTO_get_ex_new_index(LG_CRYPTO_EX_SSL_CTX, 0, NULL,
						NULL, dup_nothing, free_alpn);
}

bool lg_ssl_indexed(struct lg_tls *t)
{
	unsigned state = lg_load_acquire(&t->indexed);

	if (state > 1 || !t->whole)
		return state == 2;
	if (state || !lg_cas_seq(&t->indexed, &state, 1))
		return wait_indexed(t);
	t->ERR_set_mark();
	make_indices(t);
	t->ERR_pop_to_mark();
	state = t->ssl_idx >= 0 && t->ctx_idx >= 0 ? 2 : 3;
	lg_store_release(&t->indexed, state);
	return state == 2;
}

struct lg_ssl *lg_ssl_get(struct lg_tls *t, const SSL *s)
{
	if (!s || lg_load_acquire(&t->indexed) != 2)
		return NULL;
	return t->SSL_get_ex_data(s, t->ssl_idx);
}

struct lg_ssl *lg_ssl_make(struct lg_tls *t, SSL *s)
{
	struct lg_ssl *c;
	int err, stored;

	if (!s || !lg_hook_is_on || !lg_ssl_indexed(t))
		return NULL;
	c = t->SSL_get_ex_data(s, t->ssl_idx);
	if (c || !lg_conn_engine())
		return c;
	err = errno;
	c = lg_mem_alloc(sizeof(*c));
	errno = err;
	if (!c)
		return NULL;
	lg_conn_init(&c->conn, &openssl, s);
	c->tls = t;
	c->ctx_alpn = lg_alpn_of_ctx(t, t->SSL_get_SSL_CTX(s));
	t->ERR_set_mark();
	stored = t->SSL_set_ex_data(s, t->ssl_idx, c);
	t->ERR_pop_to_mark();
	if (!stored) {
		lg_mem_free(c, sizeof(*c));
		return NULL;
	}
	return c;
}
