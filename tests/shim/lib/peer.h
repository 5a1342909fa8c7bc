#ifndef LG_SHIM_LIB_PEER_H
#define LG_SHIM_LIB_PEER_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <stdbool.h>
#include <stddef.h>

/*
 * A TLS server in a thread of the test and the client's first steps.
 * Requests: POST with Content-Length is read whole and answered with its
 * length and sum; "/early" is answered after the head; "/hang" never.
 * By ALPN it takes "h2" where that is offered (and speaks HTTP/1.1 all the
 * same).
 */
struct peer {
	int port;
	_Atomic unsigned requests; /* heads that arrived */
	_Atomic size_t body;	   /* body bytes that arrived */
	_Atomic unsigned sum;	   /* of them */
};
extern struct peer peer;

void peer_start(void);
/* With key and certificate, for another server. */
SSL_CTX *peer_ctx(void);
unsigned peer_sum(unsigned sum, const char *p, size_t n);

/* A connected TCP socket. */
int client_socket(bool nonblocking);
/* An SSL over fd (-1: none) for this server name, before its handshake. */
SSL *client_ssl(SSL_CTX *ctx, int fd, const char *name);
SSL_CTX *client_ctx(void);
void client_close(SSL *s, int fd);

/* Wait until the SSL may go on after ret; false when that was an error. */
bool client_wait(SSL *s, int fd, int ret);
/* The answer's text without waiting for more than it says; blocking. */
int client_answer(SSL *s, int fd, char *out, size_t cap);

/* The harness: each case bare and preloaded. */
struct shim_case {
	const char *name;
	int (*run)(void); /* 0 passed, 77 skipped */
	bool preload_only;
};
extern bool preloaded;
int shim_main(int argc, char **argv, const struct shim_case *cases, int n);

#define CHECK(x)                                                               \
	do {                                                                   \
		if (!(x)) {                                                    \
			shim_fail(__FILE__, __LINE__, #x);                     \
			return 1;                                              \
		}                                                              \
	} while (0)
void shim_fail(const char *file, int line, const char *what);

#endif
