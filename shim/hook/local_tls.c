#include "hook/local_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "hook/conn.h"
#include "hook/local_dial.h"

#define PIECE 2048
#define RECORD 16384
#define CERTIFICATES "/etc/ssl/certs"

/* OpenSSL's ssl.h, tls1.h, x509_vfy.h. */
#define SET_SERVER_NAME 55
#define SET_LEAST_VERSION 123
#define TLS_1_2 0x0303
#define VERIFY_PEER 1
#define V_EXPIRED 10
#define V_OTHER_NAME 62
#define V_OTHER_ADDRESS 64
#define V_SELF_SIGNED 18
#define V_UNKNOWN_FIRST 19
#define V_UNKNOWN_LAST 21
#define V_UNKNOWN_ISSUER 2

/* What is asked of the copy besides the hooked functions and helpers. */
#define FUNCTIONS(F)                                                           \
	F(const SSL_METHOD *, TLS_client_method, (void))                       \
	F(void, SSL_CTX_free, (SSL_CTX *))                                     \
	F(int, SSL_CTX_set_default_verify_paths, (SSL_CTX *))                  \
	F(int, SSL_CTX_load_verify_locations,                                  \
	  (SSL_CTX *, const char *, const char *))                             \
	F(void, SSL_set_verify, (SSL *, int, void *))                          \
	F(void *, SSL_get0_param, (SSL *))                                     \
	F(long, SSL_get_verify_result, (const SSL *))                          \
	F(void, SSL_set_bio, (SSL *, BIO *, BIO *))                            \
	F(BIO *, BIO_new, (const BIO_METHOD *))                                \
	F(int, BIO_free, (BIO *))                                              \
	F(const BIO_METHOD *, BIO_s_mem, (void))                               \
	F(int, BIO_write, (BIO *, const void *, int))                          \
	F(int, X509_VERIFY_PARAM_set1_host, (void *, const char *, size_t))    \
	F(int, X509_VERIFY_PARAM_set1_ip_asc, (void *, const char *))

struct lg_local_tls {
	struct lg_tls *t;
#define FIELD(type, name, params) type(*name) params;
	FUNCTIONS(FIELD)
#undef FIELD
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* of the SSL */
	uint64_t got;
	bool over;
};

/* -- making one ------------------------------------------------------------ */

static bool bind_all(struct lg_local_tls *l, struct lg_tls *t)
{
	l->t = t;
#define BIND(type, name, params)                                               \
	l->name = (type(*) params)lg_tls_symbol(t, #name);                     \
	if (!l->name)                                                          \
		return false;
	FUNCTIONS(BIND)
#undef BIND
	return t->whole && t->BIO_read && t->BIO_ctrl_pending;
}

static const char *set_trust(struct lg_local_tls *l,
			     const struct lg_local_server *to)
{
	char path[LG_URL_MAX + 1];

	if (to->unverified)
		return NULL;
	if (to->ca_file.len) {
		lg_slice_copy(to->ca_file, path, sizeof(path));
		return l->SSL_CTX_load_verify_locations(l->ctx, path, NULL)
			       ? NULL
			       : "its ca_file cannot be read";
	}
	l->SSL_CTX_set_default_verify_paths(l->ctx);
	/* a copy that somebody brought along may look in another place */
	if (!getenv("SSL_CERT_FILE") && !getenv("SSL_CERT_DIR"))
		l->SSL_CTX_load_verify_locations(l->ctx, NULL, CERTIFICATES);
	return NULL;
}

static bool is_address(const char *host)
{
	unsigned char a[16];

	return inet_pton(AF_INET, host, a) == 1 ||
	       inet_pton(AF_INET6, host, a) == 1;
}

/* Whose name the certificate has to bear. */
static bool set_name(struct lg_local_tls *l, const struct lg_local_server *to)
{
	static const unsigned char http[] = "\x08http/1.1";
	char host[LG_URL_MAX + 1];
	bool address;

	lg_slice_copy(to->url.host, host, sizeof(host));
	if (host[0] && host[strlen(host) - 1] == '.')
		host[strlen(host) - 1] = '\0';
	address = is_address(host);
	if (!address && l->t->SSL_ctrl(l->ssl, SET_SERVER_NAME, 0, host) <= 0)
		return false;
	if (l->t->SSL_set_alpn_protos(l->ssl, http, sizeof(http) - 1) ||
	    l->t->SSL_ctrl(l->ssl, SET_LEAST_VERSION, TLS_1_2, NULL) <= 0)
		return false;
	if (to->unverified)
		return true;
	l->SSL_set_verify(l->ssl, VERIFY_PEER, NULL);
	return address ? l->X509_VERIFY_PARAM_set1_ip_asc(
				 l->SSL_get0_param(l->ssl), host) > 0
		       : l->X509_VERIFY_PARAM_set1_host(
				 l->SSL_get0_param(l->ssl), host, 0) > 0;
}

static bool set_memory(struct lg_local_tls *l)
{
	l->in = l->BIO_new(l->BIO_s_mem());
	l->out = l->BIO_new(l->BIO_s_mem());
	if (l->in && l->out) {
		l->SSL_set_bio(l->ssl, l->in, l->out);
		return true;
	}
	if (l->in)
		l->BIO_free(l->in);
	if (l->out)
		l->BIO_free(l->out);
	return false;
}

static const char *set_up(struct lg_local_tls *l,
			  const struct lg_local_server *to)
{
	const char *why;

	l->ctx = l->t->SSL_CTX_new(l->TLS_client_method());
	if (!l->ctx)
		return "no TLS to be had";
	why = set_trust(l, to);
	if (why)
		return why;
	l->ssl = l->t->SSL_new(l->ctx);
	return l->ssl && set_memory(l) && set_name(l, to) ? NULL
							  : "no TLS to be had";
}

struct lg_local_tls *lg_local_tls_new(struct lg_tls *t,
				      const struct lg_local_server *to,
				      const char **why)
{
	struct lg_local_tls *l = lg_mem_alloc(sizeof(*l));

	*why = "no TLS to be had";
	if (!l)
		return NULL;
	if (bind_all(l, t)) {
		t->ERR_set_mark();
		*why = set_up(l, to);
		t->ERR_pop_to_mark();
		lg_forget_dlerror();
		if (!*why)
			return l;
	}
	lg_local_tls_del(l);
	return NULL;
}

void lg_local_tls_del(struct lg_local_tls *l)
{
	if (!l)
		return;
	if (l->ssl)
		l->t->SSL_free(l->ssl);
	if (l->ctx)
		l->SSL_CTX_free(l->ctx);
	lg_mem_free(l, sizeof(*l));
}

/* -- while the socket is ours ---------------------------------------------- */

static bool flush(struct lg_local_tls *l, int fd, int stall_ms)
{
	char piece[PIECE];
	int n;

	while ((n = l->t->BIO_read(l->out, piece, sizeof(piece))) > 0)
		if (!lg_local_put(fd, (struct lg_slice){piece, (size_t)n},
				  stall_ms))
			return false;
	return true;
}

/* The server's next bytes, before that time. */
static bool take(struct lg_local_tls *l, int fd, int64_t end)
{
	char piece[PIECE];
	long n;

	do {
		if (!lg_local_wait(fd, false, end))
			return false;
		n = syscall(SYS_recvfrom, fd, piece, sizeof(piece),
			    MSG_DONTWAIT, NULL, NULL);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n <= 0)
		return false;
	l->got += (uint64_t)n;
	return l->BIO_write(l->in, piece, (int)n) == n;
}

static const char *why_refused(struct lg_local_tls *l)
{
	long v = l->SSL_get_verify_result(l->ssl);

	if (v == V_OTHER_NAME || v == V_OTHER_ADDRESS)
		return "its certificate is for another name";
	if (v == V_EXPIRED)
		return "its certificate has expired";
	if (v == V_UNKNOWN_ISSUER || v == V_SELF_SIGNED ||
	    (v >= V_UNKNOWN_FIRST && v <= V_UNKNOWN_LAST))
		return "its certificate is of no known authority";
	return v ? "its certificate is not valid" : "no TLS is spoken there";
}

static const char *handshake(struct lg_local_tls *l, int fd, int64_t end)
{
	struct lg_tls *t = l->t;
	int r, left;

	for (;;) {
		r = LG_REAL_OF(t, l->ssl, t->SSL_connect(l->ssl));
		left = (int)((end - lg_clock_boot_ns()) / 1000000);
		if (!flush(l, fd, left > 0 ? left : 0))
			return "closed the connection in the handshake";
		if (r == 1)
			return NULL;
		if (t->SSL_get_error(l->ssl, r) != LG_SSL_ERROR_WANT_READ)
			return why_refused(l);
		if (!take(l, fd, end))
			return lg_clock_boot_ns() < end
				       ? "closed the connection in the "
					 "handshake"
				       : "no handshake in time";
	}
}

const char *lg_local_tls_connect(struct lg_local_tls *l, int fd, int ms)
{
	const char *why;

	l->t->ERR_set_mark();
	why = handshake(l, fd, lg_clock_boot_ns() + (int64_t)ms * 1000000);
	l->t->ERR_pop_to_mark();
	return why;
}

bool lg_local_tls_send(struct lg_local_tls *l, int fd, struct lg_slice s,
		       int stall_ms)
{
	struct lg_tls *t = l->t;
	bool ok = true;

	t->ERR_set_mark();
	while (ok && s.len) {
		int n = (int)(s.len < RECORD ? s.len : RECORD);

		n = LG_REAL_OF(t, l->ssl, t->SSL_write(l->ssl, s.p, n));
		ok = n > 0 && flush(l, fd, stall_ms);
		if (ok) {
			s.p += n;
			s.len -= (size_t)n;
		}
	}
	t->ERR_pop_to_mark();
	return ok;
}

/* -- while the program has it ---------------------------------------------- */

void lg_local_tls_feed(struct lg_local_tls *l, const char *p, size_t n)
{
	l->got += n;
	l->t->ERR_set_mark();
	if (l->BIO_write(l->in, p, (int)n) != (int)n)
		l->over = true;
	l->t->ERR_pop_to_mark();
}

int lg_local_tls_read(struct lg_local_tls *l, void *p, size_t n)
{
	struct lg_tls *t = l->t;
	int r, e;

	if (l->over)
		return 0;
	t->ERR_set_mark();
	r = LG_REAL_OF(t, l->ssl,
		       t->SSL_read(l->ssl, p, (int)(n < RECORD ? n : RECORD)));
	e = r > 0 ? LG_SSL_ERROR_NONE : t->SSL_get_error(l->ssl, r);
	t->ERR_pop_to_mark();
	if (r > 0)
		return r;
	l->over = e != LG_SSL_ERROR_WANT_READ && e != LG_SSL_ERROR_WANT_WRITE;
	return l->over ? 0 : -1;
}

void lg_local_tls_answer(struct lg_local_tls *l, int fd)
{
	l->t->ERR_set_mark();
	if (l->t->BIO_ctrl_pending(l->out) && !flush(l, fd, 0))
		l->over = true;
	l->t->ERR_pop_to_mark();
}

uint64_t lg_local_tls_got(const struct lg_local_tls *l)
{
	return l->got;
}
