#include "hook/nss.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "hook/alpn.h"
#include "hook/local.h"

#define COPIES 2
#define DESCS_MAX 65536
#define CALL_MAX ((size_t)1 << 30)

static struct lg_nspr nspr_copies[COPIES];
static struct lg_nss nss_copies[COPIES];
struct lg_keyed_table lg_descs = {
	.size = sizeof(struct lg_desc),
	.max = DESCS_MAX,
};

#define FILL(type, name, params)                                               \
	t->name = (type(*) params)lg_library_find(lib, caller, #name);         \
	whole = whole && t->name;

static void fill_nspr(struct lg_copy *copy, const struct lg_library *lib,
		      const void *caller)
{
	struct lg_nspr *t = (struct lg_nspr *)copy;
	bool whole = true;

	LG_NSPR_FUNCTIONS(FILL)
	copy->whole = whole;
}

static void fill_nss(struct lg_copy *copy, const struct lg_library *lib,
		     const void *caller)
{
	struct lg_nss *t = (struct lg_nss *)copy;
	bool whole = true;

	LG_NSS_FUNCTIONS(FILL)
	copy->whole = whole;
}

const struct lg_library lg_nspr_library = {
	.file = "libnspr4",
	.probe = "PR_Write",
	.fill = fill_nspr,
	.copies = nspr_copies,
	.size = sizeof(*nspr_copies),
	.ncopies = COPIES,
};
const struct lg_library lg_nss_library = {
	.file = "libssl3",
	.probe = "SSL_ImportFD",
	.fill = fill_nss,
	.copies = nss_copies,
	.size = sizeof(*nss_copies),
	.ncopies = COPIES,
};

static struct lg_desc *desc_of(struct lg_conn *c)
{
	return (struct lg_desc *)((char *)c - offsetof(struct lg_desc, conn));
}

static int call_len(size_t n)
{
	return (int)(n < CALL_MAX ? n : CALL_MAX);
}

static int desc_write(struct lg_conn *c, const void *p, size_t n)
{
	struct lg_desc *d = desc_of(c);
	PRFileDesc *fd = c->handle;

	return LG_REAL(
		fd, d->nspr->PR_Send(fd, p, call_len(n), 0, d->write_timeout));
}

static int receive(struct lg_conn *c, void *p, size_t n, int flags)
{
	struct lg_desc *d = desc_of(c);
	PRFileDesc *fd = c->handle;

	return LG_REAL(fd, d->nspr->PR_Recv(fd, p, call_len(n), flags,
					    d->read_timeout));
}

static int desc_read(struct lg_conn *c, void *p, size_t n)
{
	return receive(c, p, n, 0);
}

static int desc_peek(struct lg_conn *c, void *p, size_t n)
{
	return receive(c, p, n, LG_PR_MSG_PEEK);
}

static bool desc_is_transient(struct lg_conn *c, int result)
{
	int e = result < 0 ? desc_of(c)->nspr->PR_GetError() : 0;

	return e == LG_PR_WOULD_BLOCK_ERROR || e == LG_PR_IO_TIMEOUT_ERROR ||
	       e == LG_PR_PENDING_INTERRUPT_ERROR;
}

static int desc_say(struct lg_conn *c, enum lg_carrier_word word)
{
	struct lg_nspr *t = desc_of(c)->nspr;

	if (word == LG_SAY_CLOSED)
		return 0;
	if (word == LG_SAY_BROKEN)
		t->PR_SetError(LG_PR_CONNECT_RESET_ERROR, EPIPE);
	else
		t->PR_SetError(LG_PR_WOULD_BLOCK_ERROR, EAGAIN);
	return -1;
}

static enum lg_carrier_role desc_role(struct lg_conn *c, bool client)
{
	(void)client;
	return desc_of(c)->is_server ? LG_ROLE_SERVER : LG_ROLE_CLIENT;
}

static struct lg_slice desc_host(struct lg_conn *c)
{
	return lg_slice_str(desc_of(c)->host);
}

static bool desc_is_open(struct lg_conn *c)
{
	int on = 0;

	return !desc_of(c)->nss->SSL_SecurityStatus(c->handle, &on, NULL, NULL,
						    NULL, NULL, NULL) &&
	       on;
}

static int desc_handshake(struct lg_conn *c)
{
	PRFileDesc *fd = c->handle;

	return LG_REAL(fd, desc_of(c)->nss->SSL_ForceHandshake(fd)) ? -1 : 1;
}

static void desc_before_hello(struct lg_conn *c)
{
	struct lg_desc *d = desc_of(c);
	struct lg_engine *e = lg_conn_engine();
	unsigned char out[LG_NSS_ALPN_MAX];
	unsigned n;

	if (!e || !d->alpn_len)
		return;
	n = lg_alpn_for(e, d->alpn, d->alpn_len, out);
	/* an empty list cannot be set */
	if (n && n != d->alpn_len)
		(void)d->nss->SSL_SetNextProtoNego(c->handle, out, n);
}

static int desc_fd(struct lg_conn *c)
{
	return desc_of(c)->nspr->PR_FileDesc2NativeHandle(c->handle);
}

/* NSPR's sockets never block in the kernel: it waits by itself. */
static bool desc_is_blocking(struct lg_conn *c)
{
	struct lg_nspr *t = desc_of(c)->nspr;
	struct lg_pr_option o = {.option = LG_PR_OPTION_NONBLOCKING};
	int e = t->PR_GetError(), os = t->PR_GetOSError();
	bool blocks = !t->PR_GetSocketOption(c->handle, &o) && !o.value.flag;

	t->PR_SetError(e, os);
	return blocks;
}

static bool desc_is_partial(struct lg_conn *c)
{
	return !desc_is_blocking(c);
}

static int desc_below(struct lg_conn *c, void *p, size_t n)
{
	uint32_t ms = desc_of(c)->read_timeout;
	struct pollfd w = {.fd = desc_fd(c), .events = POLLIN};

	if (w.fd < 0 || !n)
		return w.fd < 0 ? 0 : -1;
	if (desc_is_blocking(c))
		(void)poll(&w, 1, ms > INT_MAX ? -1 : (int)ms);
	return lg_local_recv(w.fd, p, (size_t)call_len(n));
}

static void desc_ask(struct lg_conn *c, const void *p, size_t n)
{
	struct lg_nspr *t = desc_of(c)->nspr;
	int e = t->PR_GetError(), os = t->PR_GetOSError();

	(void)desc_write(c, p, n);
	t->PR_SetError(e, os);
}

const struct lg_carrier lg_nss_carrier = {
	.write = desc_write,
	.read = desc_read,
	.peek = desc_peek,
	.is_transient = desc_is_transient,
	.say = desc_say,
	.role = desc_role,
	.host = desc_host,
	.is_open = desc_is_open,
	.handshake = desc_handshake,
	.before_hello = desc_before_hello,
	.fd = desc_fd,
	.is_blocking = desc_is_blocking,
	.is_partial = desc_is_partial,
	.below = desc_below,
	.ask = desc_ask,
};
