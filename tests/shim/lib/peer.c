#include "tests/shim/lib/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASE_S 30

struct peer peer;
bool preloaded;
static int listener = -1;
static SSL_CTX *server_ctx;

unsigned peer_sum(unsigned sum, const char *p, size_t n)
{
	while (n--)
		sum = sum * 31 + (unsigned char)*p++;
	return sum;
}

static int pick_alpn(SSL *s, const unsigned char **out, unsigned char *outlen,
		     const unsigned char *in, unsigned inlen, void *arg)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1";
	unsigned char *p;

	(void)s, (void)arg;
	if (SSL_select_next_proto(&p, outlen, ours, sizeof(ours) - 1, in,
				  inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = p;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_server_ctx(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *crt = X509_new();
	X509_NAME *name = X509_get_subject_name(crt);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	ASN1_INTEGER_set(X509_get_serialNumber(crt), 1);
	X509_gmtime_adj(X509_getm_notBefore(crt), -3600);
	X509_gmtime_adj(X509_getm_notAfter(crt), 86400);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)"localhost", -1, -1,
				   0);
	X509_set_issuer_name(crt, name);
	X509_set_pubkey(crt, key);
	X509_sign(crt, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, crt);
	SSL_CTX_use_PrivateKey(ctx, key);
	SSL_CTX_set_alpn_select_cb(ctx, pick_alpn, NULL);
	SSL_CTX_set_max_early_data(ctx, 16384);
	SSL_CTX_set_recv_max_early_data(ctx, 16384);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
	SSL_CTX_set_options(ctx, SSL_OP_NO_ANTI_REPLAY |
					 SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	X509_free(crt);
	EVP_PKEY_free(key);
	return ctx;
}

/* Early data first, then the rest: as if it were one stream. */
static int server_read(SSL *s, bool *early, char *p, int n)
{
	size_t got = 0, all = 0;
	int r = SSL_READ_EARLY_DATA_SUCCESS;

	while (*early && r == SSL_READ_EARLY_DATA_SUCCESS) {
		r = SSL_read_early_data(s, p + all, (size_t)n - all, &got);
		all += got;
	}
	if (*early && (r == SSL_READ_EARLY_DATA_ERROR || SSL_accept(s) <= 0))
		return -1;
	*early = false;
	return all ? (int)all : SSL_read(s, p, n);
}

static int answer(SSL *s, size_t body, unsigned sum)
{
	char text[128], head[256];
	int n = snprintf(text, sizeof(text), "got %zu %u", body, sum);

	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n,
		     text);
	return SSL_write(s, head, n);
}

/* One request whose head stands in buf[0..*have); the rest stays there. */
static int serve_one(SSL *s, bool *early, char *buf, size_t *have, char *end)
{
	size_t head = (size_t)(end - buf) + 4, want = 0, n = *have - head;
	char *cl = memmem(buf, head, "Content-Length: ", 16);
	bool hang = memmem(buf, head, "/hang", 5);
	unsigned sum = 0;
	int r;

	want = cl ? strtoul(cl + 16, NULL, 10) : 0;
	peer.requests++;
	if (memmem(buf, head, "/early", 6) && answer(s, 0, 0) <= 0)
		return -1;
	memmove(buf, buf + head, n);
	for (size_t got = 0;;) {
		size_t use = n < want - got ? n : want - got;

		sum = peer_sum(sum, buf, use);
		got += use;
		peer.body += use;
		memmove(buf, buf + use, n - use);
		*have = n - use;
		if (got == want)
			break;
		r = server_read(s, early, buf, 16384);
		if (r <= 0)
			return -1;
		n = (size_t)r;
	}
	peer.sum = sum;
	return hang ? 0 : answer(s, want, sum);
}

static void *serve(void *arg)
{
	int fd = (int)(long)arg, r = 1;
	SSL *s = SSL_new(server_ctx);
	char *buf = malloc(32768), *end;
	size_t have = 0;
	bool early = true;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	SSL_set_fd(s, fd);
	SSL_set_accept_state(s);
	while (r >= 0) {
		end = have ? memmem(buf, have, "\r\n\r\n", 4) : NULL;
		if (end) {
			r = serve_one(s, &early, buf, &have, end);
			continue;
		}
		r = server_read(s, &early, buf + have, (int)(16384 - have));
		if (r <= 0)
			break;
		have += (size_t)r;
	}
	SSL_shutdown(s);
	SSL_free(s);
	close(fd);
	free(buf);
	return NULL;
}

static void *accept_all(void *arg)
{
	pthread_t t;
	int fd;

	(void)arg;
	while ((fd = accept(listener, NULL, NULL)) >= 0 || errno == EINTR)
		if (fd >= 0 &&
		    !pthread_create(&t, NULL, serve, (void *)(long)fd))
			pthread_detach(t);
	return NULL;
}

void peer_start(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	pthread_t t;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server_ctx = make_server_ctx();
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&a, &len) ||
	    pthread_create(&t, NULL, accept_all, NULL))
		_exit(99);
	peer.port = ntohs(a.sin_port);
	pthread_detach(t);
}

SSL_CTX *peer_ctx(void)
{
	return server_ctx;
}

int client_socket(bool nonblocking)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)peer.port);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (nonblocking)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

SSL_CTX *client_ctx(void)
{
	return SSL_CTX_new(TLS_client_method());
}

SSL *client_ssl(SSL_CTX *ctx, int fd, const char *name)
{
	SSL *s = SSL_new(ctx);

	SSL_set_connect_state(s);
	if (name)
		SSL_set_tlsext_host_name(s, name);
	if (fd >= 0)
		SSL_set_fd(s, fd);
	return s;
}

void client_close(SSL *s, int fd)
{
	SSL_shutdown(s);
	SSL_free(s);
	if (fd >= 0)
		close(fd);
}

bool client_wait(SSL *s, int fd, int ret)
{
	int e = SSL_get_error(s, ret);
	struct pollfd p = {.fd = fd};

	if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
		return false;
	p.events = e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
	return poll(&p, 1, 10000) == 1;
}

int client_answer(SSL *s, int fd, char *out, size_t cap)
{
	size_t n = 0, want = cap;
	char *end, *cl;
	int r;

	while (n < want && n < cap - 1) {
		r = SSL_read(s, out + n, (int)(cap - 1 - n));
		if (r <= 0 && client_wait(s, fd, r))
			continue;
		if (r <= 0)
			return -1;
		n += (size_t)r;
		out[n] = '\0';
		end = strstr(out, "\r\n\r\n");
		cl = strstr(out, "Content-Length: ");
		if (end && cl)
			want = (size_t)(end - out) + 4 +
			       strtoul(cl + 16, NULL, 10);
	}
	return (int)n;
}

void shim_fail(const char *file, int line, const char *what)
{
	unsigned long e = ERR_peek_error();
	char text[256] = "";

	if (e)
		ERR_error_string_n(e, text, sizeof(text));
	printf("%s:%d: not so: %s (errno %d) %s\n", file, line, what, errno,
	       text);
}

/* libfake.so stands two folders above the test program. */
static void set_preload(const char *self)
{
	char path[4096], *p;
	int up;

	if (!realpath(self, path))
		_exit(98);
	for (up = 0; up < 3 && (p = strrchr(path, '/')); up++)
		*p = '\0';
	strcat(path, "/libfake.so");
	if (access(path, R_OK)) {
		printf("no %s\n", path);
		_exit(97);
	}
	setenv("LD_PRELOAD", path, 1);
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
}

static int run_case(const char *self, const struct shim_case *c, bool preload)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (preload)
			set_preload(self);
		execl("/proc/self/exe", self, c->name, preload ? "1" : "0",
		      (char *)NULL);
		_exit(96);
	}
	if (waitpid(pid, &status, 0) != pid)
		return 95;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

int shim_main(int argc, char **argv, const struct shim_case *cases, int n)
{
	int i, k, r, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3) {
		for (i = 0; i < n; i++) {
			for (k = cases[i].preload_only; k < 2; k++) {
				r = run_case(argv[0], &cases[i], k);
				printf("%-24s %-9s %s %d\n", cases[i].name,
				       k ? "preloaded" : "bare",
				       r == 77 ? "skip"
				       : r     ? "FAIL"
					       : "ok",
				       r);
				bad += r && r != 77;
			}
		}
		return bad != 0;
	}
	preloaded = argv[2][0] == '1';
	unsetenv("LD_PRELOAD");
	signal(SIGPIPE, SIG_IGN);
	alarm(CASE_S);
	for (i = 0; i < n; i++) {
		if (strcmp(argv[1], cases[i].name))
			continue;
		peer_start();
		r = cases[i].run();
		fflush(stdout);
		_exit(r); /* the server's threads are still at it */
	}
	return 94;
}
