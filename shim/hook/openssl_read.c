#include <limits.h>

#include "base/atomic.h"
#include "hook/hook.h"
#include "hook/io.h"
#include "hook/openssl.h"

static struct lg_ssl *guarded_read(struct lg_tls *t, const void *pc, SSL *s,
				   const void *buf, size_t len)
{
	struct lg_ssl *c = lg_is_inner(t, s, pc) ? NULL : lg_ssl_make(t, s);

	return c && lg_io_guards_read(&c->conn, buf, len) ? c : NULL;
}

static int read_guarded(struct lg_ssl *c, void *buf, size_t len, bool peek,
			size_t *got)
{
	lg_store_relaxed(&c->fake_error, 0);
	return lg_io_read(&c->conn, buf, len, peek, got);
}

int hook_SSL_read(const void *pc, SSL *s, void *buf, int num)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;
	size_t got;
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_read))
		return -1;
	c = num > 0 ? guarded_read(t, pc, s, buf, (size_t)num) : NULL;
	if (LG_LIKELY(!c))
		return t->SSL_read(s, buf, num);
	r = read_guarded(c, buf, (size_t)num, false, &got);
	return r > 0 ? (int)got : r;
}

int hook_SSL_read_ex(const void *pc, SSL *s, void *buf, size_t num, size_t *got)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;

	if (LG_UNLIKELY(!t || !t->SSL_read_ex))
		return 0;
	c = guarded_read(t, pc, s, buf, num);
	if (LG_LIKELY(!c))
		return t->SSL_read_ex(s, buf, num, got);
	return read_guarded(c, buf, num, false, got) > 0;
}

int hook_SSL_peek(const void *pc, SSL *s, void *buf, int num)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;
	size_t got;
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_peek))
		return -1;
	c = num > 0 ? guarded_read(t, pc, s, buf, (size_t)num) : NULL;
	if (LG_LIKELY(!c))
		return t->SSL_peek(s, buf, num);
	r = read_guarded(c, buf, (size_t)num, true, &got);
	return r > 0 ? (int)got : r;
}

int hook_SSL_peek_ex(const void *pc, SSL *s, void *buf, size_t num, size_t *got)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;

	if (LG_UNLIKELY(!t || !t->SSL_peek_ex))
		return 0;
	c = guarded_read(t, pc, s, buf, num);
	if (LG_LIKELY(!c))
		return t->SSL_peek_ex(s, buf, num, got);
	return read_guarded(c, buf, num, true, got) > 0;
}

/* Only servers read early data. */
int hook_SSL_read_early_data(const void *pc, SSL *s, void *buf, size_t num,
			     size_t *got)
{
	struct lg_tls *t = lg_tls_of(pc);

	if (LG_UNLIKELY(!t || !t->SSL_read_early_data))
		return 0;
	return t->SSL_read_early_data(s, buf, num, got);
}

/* Bytes that we have for the program. */
static size_t ready_bytes(struct lg_tls *t, const void *pc, const SSL *s,
			  bool *shut)
{
	struct lg_ssl *c = lg_is_inner(t, s, pc) ? NULL : lg_ssl_get(t, s);

	*shut = false;
	return c ? lg_io_ready(&c->conn, shut) : 0;
}

int hook_SSL_pending(const void *pc, const SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);
	size_t ours, theirs;
	bool shut;

	if (LG_UNLIKELY(!t || !t->SSL_pending))
		return 0;
	ours = ready_bytes(t, pc, s, &shut);
	theirs = shut ? 0 : (size_t)t->SSL_pending(s);
	return (int)(ours + theirs < INT_MAX ? ours + theirs : INT_MAX);
}

int hook_SSL_has_pending(const void *pc, const SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);
	bool shut;

	if (LG_UNLIKELY(!t || !t->SSL_has_pending))
		return 0;
	if (ready_bytes(t, pc, s, &shut) > 0)
		return 1;
	return shut ? 0 : t->SSL_has_pending(s);
}
