#include <errno.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "hook/hook.h"
#include "hook/io.h"
#include "hook/openssl.h"

#define FILE_PIECE 16384

static struct lg_ssl *guarded_write(struct lg_tls *t, const void *pc, SSL *s,
				    const void *buf, size_t len)
{
	struct lg_ssl *c;

	if (lg_is_inner(t, s, pc))
		return NULL;
	c = lg_ssl_make(t, s);
	return c && lg_io_guards_write(&c->conn, buf, len) ? c : NULL;
}

/* 1 and *written, or what the real SSL_write returns when it fails. */
static int write_guarded(struct lg_ssl *c, const void *buf, size_t len,
			 size_t *written)
{
	lg_store_relaxed(&c->fake_error, 0);
	return lg_io_write(&c->conn, buf, len, written);
}

int hook_SSL_write(const void *pc, SSL *s, const void *buf, int num)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;
	size_t written;
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_write))
		return -1;
	c = num > 0 ? guarded_write(t, pc, s, buf, (size_t)num) : NULL;
	if (LG_LIKELY(!c))
		return t->SSL_write(s, buf, num);
	r = write_guarded(c, buf, (size_t)num, &written);
	return r > 0 ? (int)written : r;
}

int hook_SSL_write_ex(const void *pc, SSL *s, const void *buf, size_t num,
		      size_t *written)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;

	if (LG_UNLIKELY(!t || !t->SSL_write_ex))
		return 0;
	c = guarded_write(t, pc, s, buf, num);
	if (LG_LIKELY(!c))
		return t->SSL_write_ex(s, buf, num, written);
	return write_guarded(c, buf, num, written) > 0;
}

int hook_SSL_write_ex2(const void *pc, SSL *s, const void *buf, size_t num,
		       uint64_t flags, size_t *written)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;

	if (LG_UNLIKELY(!t || !t->SSL_write_ex2))
		return 0;
	c = guarded_write(t, pc, s, buf, num);
	if (LG_LIKELY(!c))
		return t->SSL_write_ex2(s, buf, num, flags, written);
	return write_guarded(c, buf, num, written) > 0;
}

/*
 * A request in early data leaves before an answer could refuse it halfway
 * and may be replayed: to a guarded host it becomes an ordinary write after
 * the handshake, and the program hears that it was accepted, which it was.
 */
int hook_SSL_write_early_data(const void *pc, SSL *s, const void *buf,
			      size_t num, size_t *written)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;

	if (LG_UNLIKELY(!t || !t->SSL_write_early_data))
		return 0;
	c = lg_is_inner(t, s, pc) ? NULL : lg_ssl_make(t, s);
	if (c && c->conn.mode != LG_CONN_PASS)
		lg_conn_before_handshake(&c->conn, true);
	if (LG_LIKELY(!c || !lg_io_guards_write(&c->conn, buf, num)))
		return t->SSL_write_early_data(s, buf, num, written);
	c->early = true;
	return write_guarded(c, buf, num, written) > 0;
}

int hook_SSL_get_early_data_status(const void *pc, const SSL *s)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;

	if (LG_UNLIKELY(!t || !t->SSL_get_early_data_status))
		return 0;
	c = lg_ssl_get(t, s);
	return c && c->early ? LG_SSL_EARLY_DATA_ACCEPTED
			     : t->SSL_get_early_data_status(s);
}

static ssize_t fail(struct lg_ssl *c, int err)
{
	lg_store_relaxed(&c->fake_error, LG_SSL_ERROR_SYSCALL);
	errno = err;
	return -1;
}

static ssize_t sendfile_piece(struct lg_ssl *c, int fd, off_t offset,
			      size_t size, char *piece)
{
	size_t done = 0, n, written;
	ssize_t got;

	while (done < size) {
		n = size - done < FILE_PIECE ? size - done : FILE_PIECE;
		got = pread(fd, piece, n, offset + (off_t)done);
		if (got < 0 && !done)
			return fail(c, errno);
		if (got <= 0)
			break;
		if (write_guarded(c, piece, (size_t)got, &written) <= 0)
			return done ? (ssize_t)done : -1;
		done += written;
	}
	return (ssize_t)done;
}

static ssize_t sendfile_guarded(struct lg_ssl *c, int fd, off_t offset,
				size_t size)
{
	char *piece = lg_mem_alloc(FILE_PIECE);
	ssize_t r;

	if (!piece)
		return fail(c, ENOMEM);
	r = sendfile_piece(c, fd, offset, size, piece);
	lg_mem_free(piece, FILE_PIECE);
	return r;
}

ssize_t hook_SSL_sendfile(const void *pc, SSL *s, int fd, off_t offset,
			  size_t size, int flags)
{
	struct lg_tls *t = lg_tls_of(pc);
	struct lg_ssl *c;

	if (LG_UNLIKELY(!t || !t->SSL_sendfile))
		return -1;
	/* A file's bytes are a body: they matter only behind a head. */
	c = lg_is_inner(t, s, pc) ? NULL : lg_ssl_get(t, s);
	if (!c || !c->conn.flow || !size ||
	    !lg_io_guards_write(&c->conn, "", 1))
		return t->SSL_sendfile(s, fd, offset, size, flags);
	return sendfile_guarded(c, fd, offset, size);
}
