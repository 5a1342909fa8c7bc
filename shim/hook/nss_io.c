#include "base/atomic.h"
#include "hook/io.h"
#include "hook/nss.h"

/* A descriptor whose calls may have to go through the flow, else NULL. */
static struct lg_desc *tls_of(PRFileDesc *fd)
{
	struct lg_desc *d;

	if (LG_LIKELY(!lg_load_relaxed(&lg_descs.live)))
		return NULL;
	d = lg_desc_get(fd);
	return d && d->conn.mode != LG_CONN_PASS && !lg_is_inside(fd) ? d
								      : NULL;
}

static bool is_guarded(struct lg_desc *d, const void *p, int n)
{
	return d && n > 0 && lg_io_guards_write(&d->conn, p, (size_t)n);
}

static int send_guarded(struct lg_desc *d, const void *p, int n,
			uint32_t timeout)
{
	size_t written;
	int r;

	d->write_timeout = timeout;
	r = lg_io_write(&d->conn, p, (size_t)n, &written);
	return r > 0 ? (int)written : r;
}

int hook_PR_Write(const void *pc, PRFileDesc *fd, const void *p, int n)
{
	struct lg_nspr *t = lg_nspr_of(pc);
	struct lg_desc *d = tls_of(fd);

	if (LG_UNLIKELY(!t || !t->PR_Write))
		return -1;
	return is_guarded(d, p, n) ? send_guarded(d, p, n, LG_PR_NO_TIMEOUT)
				   : t->PR_Write(fd, p, n);
}

int hook_PR_Send(const void *pc, PRFileDesc *fd, const void *p, int n,
		 int flags, uint32_t timeout)
{
	struct lg_nspr *t = lg_nspr_of(pc);
	struct lg_desc *d = tls_of(fd);

	if (LG_UNLIKELY(!t || !t->PR_Send))
		return -1;
	return is_guarded(d, p, n) ? send_guarded(d, p, n, timeout)
				   : t->PR_Send(fd, p, n, flags, timeout);
}

/* Piece by piece; what a later one says is heard at the next call. */
int hook_PR_Writev(const void *pc, PRFileDesc *fd, const struct lg_pr_iov *iov,
		   int n, uint32_t timeout)
{
	struct lg_nspr *t = lg_nspr_of(pc);
	struct lg_desc *d = tls_of(fd);
	int i, r, done = 0;

	if (LG_UNLIKELY(!t || !t->PR_Writev))
		return -1;
	for (i = 0; i < n && iov && !iov[i].iov_len; i++)
		;
	if (!iov || i >= n || !is_guarded(d, iov[i].iov_base, iov[i].iov_len))
		return t->PR_Writev(fd, iov, n, timeout);
	for (; i < n; i++) {
		if (iov[i].iov_len <= 0)
			continue;
		r = send_guarded(d, iov[i].iov_base, iov[i].iov_len, timeout);
		if (r <= 0)
			return done ? done : r;
		done += r;
		if (r < iov[i].iov_len)
			break;
	}
	return done;
}

static bool reads_guarded(struct lg_desc *d, const void *p, int n)
{
	return d && n > 0 && lg_io_guards_read(&d->conn, p, (size_t)n);
}

static int recv_guarded(struct lg_desc *d, void *p, int n, bool peek,
			uint32_t timeout)
{
	size_t got;
	int r;

	d->read_timeout = timeout;
	r = lg_io_read(&d->conn, p, (size_t)n, peek, &got);
	return r > 0 ? (int)got : r;
}

int hook_PR_Read(const void *pc, PRFileDesc *fd, void *p, int n)
{
	struct lg_nspr *t = lg_nspr_of(pc);
	struct lg_desc *d = tls_of(fd);

	if (LG_UNLIKELY(!t || !t->PR_Read))
		return -1;
	return reads_guarded(d, p, n)
		       ? recv_guarded(d, p, n, false, LG_PR_NO_TIMEOUT)
		       : t->PR_Read(fd, p, n);
}

int hook_PR_Recv(const void *pc, PRFileDesc *fd, void *p, int n, int flags,
		 uint32_t timeout)
{
	struct lg_nspr *t = lg_nspr_of(pc);
	struct lg_desc *d = tls_of(fd);

	if (LG_UNLIKELY(!t || !t->PR_Recv))
		return -1;
	return reads_guarded(d, p, n)
		       ? recv_guarded(d, p, n, flags & LG_PR_MSG_PEEK, timeout)
		       : t->PR_Recv(fd, p, n, flags, timeout);
}
