#include <errno.h>
#include <stdint.h>

#include "base/atomic.h"
#include "hook/hook.h"
#include "hook/io.h"
#include "hook/openssl.h"

#define COPIES 8
#define BIO_TYPE_SSL (7 | 0x0200)
#define BIO_C_GET_SSL 110
#define BIO_FLAG_READ 1
#define BIO_FLAG_WRITE 2
#define BIO_FLAG_SPECIAL 4
#define BIO_FLAG_RETRY 8
#define BIO_FLAGS_OF_RETRY 15

enum { OWN, BEING_MADE, MADE, CANNOT };

/* One copy of libssl, its filter's functions and the filter made of them. */
struct filter {
	struct lg_tls *tls;
	BIO_METHOD *method;
	lg_bio_write_fn *write;
	lg_bio_read_fn *read;
	lg_bio_ctrl_fn *ctrl;
	unsigned state;
};
static struct filter filters[COPIES];

static SSL *ssl_of(const struct filter *f, BIO *b)
{
	SSL *s = NULL;

	return f->ctrl(b, BIO_C_GET_SSL, 0, &s) > 0 ? s : NULL;
}

/* As libssl's filter tells it: which way, or which special reason to wait. */
static void tell_retry(const struct filter *f, BIO *b, SSL *s, int ret)
{
	static const struct {
		int flags, reason;
	} of_error[] = {
		[LG_SSL_ERROR_WANT_READ] = {BIO_FLAG_READ, 0},
		[LG_SSL_ERROR_WANT_WRITE] = {BIO_FLAG_WRITE, 0},
		[LG_SSL_ERROR_WANT_X509_LOOKUP] = {BIO_FLAG_SPECIAL, 1},
		[LG_SSL_ERROR_WANT_CONNECT] = {BIO_FLAG_SPECIAL, 2},
		[LG_SSL_ERROR_WANT_ACCEPT] = {BIO_FLAG_SPECIAL, 3},
	};
	unsigned e = (unsigned)lg_ssl_error(f->tls, s, ret);

	f->tls->BIO_clear_flags(b, BIO_FLAGS_OF_RETRY);
	if (e >= sizeof(of_error) / sizeof(*of_error) || !of_error[e].flags)
		e = 0;
	else
		f->tls->BIO_set_flags(b, of_error[e].flags | BIO_FLAG_RETRY);
	f->tls->BIO_set_retry_reason(b, of_error[e].reason);
}

static int filter_write(const struct filter *f, BIO *b, const char *buf,
			size_t len, size_t *written)
{
	SSL *s = buf ? ssl_of(f, b) : NULL;
	struct lg_ssl *c = s ? lg_ssl_make(f->tls, s) : NULL;
	int r;

	if (LG_LIKELY(!c || !lg_io_guards_write(&c->conn, buf, len)))
		return f->write(b, buf, len, written);
	lg_store_relaxed(&c->fake_error, 0);
	r = lg_io_write(&c->conn, buf, len, written);
	tell_retry(f, b, s, r);
	return r;
}

static int filter_read(const struct filter *f, BIO *b, char *buf, size_t len,
		       size_t *got)
{
	SSL *s = buf ? ssl_of(f, b) : NULL;
	struct lg_ssl *c = s ? lg_ssl_make(f->tls, s) : NULL;
	int r;

	if (LG_LIKELY(!c || !lg_io_guards_read(&c->conn, buf, len)))
		return f->read(b, buf, len, got);
	lg_store_relaxed(&c->fake_error, 0);
	r = lg_io_read(&c->conn, buf, len, false, got);
	tell_retry(f, b, s, r);
	return r;
}

/* A BIO does not say of which copy it is: each has functions of its own. */
#define FILTER(i)                                                              \
	static int write_##i(BIO *b, const char *p, size_t n, size_t *w)       \
	{                                                                      \
		return filter_write(&filters[i], b, p, n, w);                  \
	}                                                                      \
	static int read_##i(BIO *b, char *p, size_t n, size_t *got)            \
	{                                                                      \
		return filter_read(&filters[i], b, p, n, got);                 \
	}
FILTER(0)
FILTER(1)
FILTER(2)
FILTER(3)
FILTER(4)
FILTER(5)
FILTER(6)
FILTER(7)
#undef FILTER

#define FILTER(i)                                                              \
	{                                                                      \
		write_##i, read_##i                                            \
	}
static const struct {
	lg_bio_write_fn *write;
	lg_bio_read_fn *read;
} function[COPIES] = {FILTER(0), FILTER(1), FILTER(2), FILTER(3),
		      FILTER(4), FILTER(5), FILTER(6), FILTER(7)};
#undef FILTER

static bool has_methods(const struct lg_tls *t)
{
#define LG_TLS_BIO(name)                                                       \
	if (!t->name)                                                          \
		return false;
	LG_TLS_BIO(BIO_set_flags)
	LG_TLS_BIO(BIO_clear_flags)
	LG_TLS_BIO(BIO_set_retry_reason)
	LG_TLS_BIO(BIO_meth_new)
	LG_TLS_BIO(BIO_meth_free)
	LG_TLS_BIO(BIO_meth_get_write_ex)
	LG_TLS_BIO(BIO_meth_set_write_ex)
	LG_TLS_BIO(BIO_meth_get_read_ex)
	LG_TLS_BIO(BIO_meth_set_read_ex)
	LG_TLS_BIO(BIO_meth_get_puts)
	LG_TLS_BIO(BIO_meth_set_puts)
	LG_TLS_BIO(BIO_meth_get_gets)
	LG_TLS_BIO(BIO_meth_set_gets)
	LG_TLS_BIO(BIO_meth_get_ctrl)
	LG_TLS_BIO(BIO_meth_set_ctrl)
	LG_TLS_BIO(BIO_meth_get_create)
	LG_TLS_BIO(BIO_meth_set_create)
	LG_TLS_BIO(BIO_meth_get_destroy)
	LG_TLS_BIO(BIO_meth_set_destroy)
	LG_TLS_BIO(BIO_meth_get_callback_ctrl)
	LG_TLS_BIO(BIO_meth_set_callback_ctrl)
#undef LG_TLS_BIO
	return true;
}

/* All but writing and reading stays libssl's own. */
static bool fill(struct filter *f, struct lg_tls *t, const BIO_METHOD *real,
		 unsigned i)
{
	BIO_METHOD *m;

	f->tls = t;
	f->write = t->BIO_meth_get_write_ex(real);
	f->read = t->BIO_meth_get_read_ex(real);
	f->ctrl = t->BIO_meth_get_ctrl(real);
	m = f->write && f->read && f->ctrl
		    ? t->BIO_meth_new(BIO_TYPE_SSL, "ssl")
		    : NULL;
	if (!m)
		return false;
	f->method = m;
	if (t->BIO_meth_set_write_ex(m, function[i].write) &&
	    t->BIO_meth_set_read_ex(m, function[i].read) &&
	    t->BIO_meth_set_ctrl(m, f->ctrl) &&
	    t->BIO_meth_set_puts(m, t->BIO_meth_get_puts(real)) &&
	    t->BIO_meth_set_gets(m, t->BIO_meth_get_gets(real)) &&
	    t->BIO_meth_set_create(m, t->BIO_meth_get_create(real)) &&
	    t->BIO_meth_set_destroy(m, t->BIO_meth_get_destroy(real)) &&
	    t->BIO_meth_set_callback_ctrl(m,
					  t->BIO_meth_get_callback_ctrl(real)))
		return true;
	t->BIO_meth_free(m);
	return false;
}

static const BIO_METHOD *make(struct filter *f, struct lg_tls *t,
			      const BIO_METHOD *real, unsigned i)
{
	bool made;

	t->ERR_set_mark();
	made = fill(f, t, real, i);
	t->ERR_pop_to_mark();
	lg_store_release(&f->state, made ? MADE : CANNOT);
	return made ? f->method : real;
}

/*
 * One filter a copy, for good. Two threads that ask first at the same time:
 * the second one takes the next place, both filters do.
 */
static const BIO_METHOD *filter_for(struct lg_tls *t, const BIO_METHOD *real)
{
	unsigned i, state;

	for (i = 0; i < COPIES; i++) {
		state = lg_load_acquire(&filters[i].state);
		if (state > BEING_MADE && filters[i].tls == t)
			return state == MADE ? filters[i].method : real;
		if (state == OWN &&
		    lg_cas_seq(&filters[i].state, &state, BEING_MADE))
			return make(&filters[i], t, real, i);
	}
	return real;
}

const BIO_METHOD *hook_BIO_f_ssl(const void *pc)
{
	struct lg_tls *t = lg_tls_of(pc);
	const BIO_METHOD *real;
	int err = errno;

	if (LG_UNLIKELY(!t || !t->BIO_f_ssl))
		return NULL;
	real = t->BIO_f_ssl();
	if (real && lg_hook_is_on && t->whole && has_methods(t))
		real = filter_for(t, real);
	errno = err;
	return real;
}
