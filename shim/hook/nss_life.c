#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "hook/io.h"
#include "hook/nss.h"

struct lg_desc *lg_desc_get(PRFileDesc *fd)
{
	return fd ? lg_keyed_get(&lg_descs, fd) : NULL;
}

static void desc_new(struct lg_nss *nss, struct lg_nspr *nspr, PRFileDesc *fd,
		     PRFileDesc *model)
{
	struct lg_desc *d = lg_desc_get(fd), *m = lg_desc_get(model);

	/* closed behind our back, and its address was given out again */
	if (d)
		lg_desc_del(d);
	d = lg_keyed_take(&lg_descs, fd);
	if (!d)
		return;
	lg_conn_init(&d->conn, &lg_nss_carrier, fd);
	d->nss = nss;
	d->nspr = nspr;
	d->read_timeout = d->write_timeout = LG_PR_NO_TIMEOUT;
	if (m) {
		d->alpn_len = m->alpn_len;
		memcpy(d->alpn, m->alpn, m->alpn_len);
	}
	lg_keyed_show(d, fd);
}

void lg_desc_del(struct lg_desc *d)
{
	int err = errno;

	lg_conn_reset(&d->conn);
	lg_keyed_drop(&lg_descs, d);
	errno = err;
}

PRFileDesc *hook_SSL_ImportFD(const void *pc, PRFileDesc *model, PRFileDesc *fd)
{
	struct lg_nss *t = lg_nss_of(pc);
	struct lg_nspr *nspr;
	PRFileDesc *made;

	if (LG_UNLIKELY(!t || !t->SSL_ImportFD))
		return NULL;
	made = t->SSL_ImportFD(model, fd);
	nspr = made && t->copy.whole && lg_conn_engine() ? lg_nspr_of(pc)
							 : NULL;
	if (nspr && nspr->copy.whole)
		desc_new(t, nspr, made, model);
	return made;
}

int hook_SSL_SetURL(const void *pc, PRFileDesc *fd, const char *url)
{
	struct lg_nss *t = lg_nss_of(pc);
	struct lg_desc *d = lg_desc_get(fd);
	size_t len = url ? strlen(url) : 0;
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_SetURL))
		return -1;
	r = t->SSL_SetURL(fd, url);
	if (!r && d && len < sizeof(d->host)) {
		memcpy(d->host, url ? url : "", len);
		d->host[len] = '\0';
	}
	return r;
}

int hook_SSL_SetNextProtoNego(const void *pc, PRFileDesc *fd,
			      const unsigned char *p, unsigned n)
{
	struct lg_nss *t = lg_nss_of(pc);
	struct lg_desc *d = lg_desc_get(fd);
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_SetNextProtoNego))
		return -1;
	r = t->SSL_SetNextProtoNego(fd, p, n);
	if (r || !d)
		return r;
	d->alpn_len = (uint16_t)(p && n <= sizeof(d->alpn) ? n : 0);
	memcpy(d->alpn, p, d->alpn_len);
	return 0;
}

int hook_SSL_ResetHandshake(const void *pc, PRFileDesc *fd, int server)
{
	struct lg_nss *t = lg_nss_of(pc);
	struct lg_desc *d = lg_desc_get(fd);
	int r;

	if (LG_UNLIKELY(!t || !t->SSL_ResetHandshake))
		return -1;
	r = t->SSL_ResetHandshake(fd, server);
	if (!r && d && lg_conn_lock(&d->conn)) {
		lg_conn_reset(&d->conn);
		d->is_server = server;
		lg_conn_unlock(&d->conn);
	}
	return r;
}

static struct lg_desc *before_handshake(PRFileDesc *fd)
{
	struct lg_desc *d = lg_is_inside(fd) ? NULL : lg_desc_get(fd);

	if (d)
		lg_conn_before_handshake(&d->conn, true);
	return d;
}

static int after_handshake(struct lg_desc *d, int r)
{
	if (d && !r)
		lg_conn_after_handshake(&d->conn);
	return r;
}

int hook_SSL_ForceHandshake(const void *pc, PRFileDesc *fd)
{
	struct lg_nss *t = lg_nss_of(pc);
	struct lg_desc *d;

	if (LG_UNLIKELY(!t || !t->SSL_ForceHandshake))
		return -1;
	d = before_handshake(fd);
	return after_handshake(d, t->SSL_ForceHandshake(fd));
}

int hook_SSL_ForceHandshakeWithTimeout(const void *pc, PRFileDesc *fd,
				       uint32_t timeout)
{
	struct lg_nss *t = lg_nss_of(pc);
	struct lg_desc *d;

	if (LG_UNLIKELY(!t || !t->SSL_ForceHandshakeWithTimeout))
		return -1;
	d = before_handshake(fd);
	return after_handshake(d,
			       t->SSL_ForceHandshakeWithTimeout(fd, timeout));
}

int hook_SSL_DataPending(const void *pc, PRFileDesc *fd)
{
	struct lg_nss *t = lg_nss_of(pc);
	struct lg_desc *d = lg_desc_get(fd);
	bool shut = false;
	int ours, theirs;

	if (LG_UNLIKELY(!t || !t->SSL_DataPending))
		return -1;
	ours = d ? (int)lg_io_ready(&d->conn, &shut) : 0;
	theirs = shut ? 0 : t->SSL_DataPending(fd);
	return ours > 0 && theirs < 0 ? ours : ours + theirs;
}

/* What is held incomplete goes before the end. */
static void end(struct lg_desc *d)
{
	if (d->conn.flow && lg_conn_lock(&d->conn)) {
		if (d->conn.flow)
			(void)lg_io_end(&d->conn);
		lg_conn_unlock(&d->conn);
	}
}

int hook_PR_Shutdown(const void *pc, PRFileDesc *fd, int how)
{
	struct lg_nspr *t = lg_nspr_of(pc);
	struct lg_desc *d = lg_desc_get(fd);

	if (LG_UNLIKELY(!t || !t->PR_Shutdown))
		return -1;
	if (d)
		end(d);
	return t->PR_Shutdown(fd, how);
}

/* Its state goes first: the address may be given out again at once. */
int hook_PR_Close(const void *pc, PRFileDesc *fd)
{
	struct lg_nspr *t = lg_nspr_of(pc);
	struct lg_desc *d = lg_desc_get(fd);

	if (LG_UNLIKELY(!t || !t->PR_Close))
		return -1;
	if (d) {
		end(d);
		/* no alert goes where no TLS is spoken any more */
		if (d->conn.stopped)
			(void)shutdown(d->conn.carrier->fd(&d->conn), SHUT_WR);
		lg_desc_del(d);
	}
	return t->PR_Close(fd);
}
