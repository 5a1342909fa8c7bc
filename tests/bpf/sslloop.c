/*
 * Calls of a real libssl in a loop, both ends in this process over a pair of
 * memory BIOs: no scheduler, no socket. Also a module that Node loads, for the
 * OpenSSL that Node exports. Input: a line "MODE SIZE COUNT"; answer: the
 * CPU time of it in ns. Modes: write, write_ex (to a BIO that forgets), echo
 * (a write, a read, a write and a read), ready.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static SSL *client, *server;
static char *buf;
#define BUF_MAX (1 << 20)

static int say(const char *text)
{
	fprintf(stderr, "sslloop: %s\n", text);
	return 1;
}

/* A key and a certificate of its own: nothing is verified. */
static int certify(SSL_CTX *ctx)
{
	EVP_PKEY_CTX *gen = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;
	X509 *x = X509_new();

	if (!gen || !x || EVP_PKEY_keygen_init(gen) <= 0 ||
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(gen, NID_X9_62_prime256v1) <=
		    0 ||
	    EVP_PKEY_keygen(gen, &key) <= 0)
		return -1;
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	return SSL_CTX_use_certificate(ctx, x) == 1 &&
			       SSL_CTX_use_PrivateKey(ctx, key) == 1
		       ? 0
		       : -1;
}

static int connect_them(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_method()), *s = SSL_CTX_new(TLS_method());
	BIO *a, *b;

	if (!c || !s || certify(s) ||
	    !BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16))
		return -1;
	client = SSL_new(c);
	server = SSL_new(s);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 20; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	/* the session tickets */
	SSL_read(client, buf, 1);
	ERR_clear_error();
	return SSL_is_init_finished(client) && SSL_is_init_finished(server)
		       ? 0
		       : -1;
}

static void pass(SSL *from, SSL *to, int n)
{
	int got = 0, r;

	if (SSL_write(from, buf, n) != n)
		exit(say("a write failed"));
	while (got < n && (r = SSL_read(to, buf + got, n - got)) > 0)
		got += r;
	if (got != n)
		exit(say("a read failed"));
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void drop_output(void)
{
	static BIO *nowhere;

	if (nowhere)
		return;
	nowhere = BIO_new(BIO_s_null());
	SSL_set0_wbio(client, nowhere);
}

static uint64_t run(const char *mode, int size, long count)
{
	uint64_t from = cpu_ns();
	size_t done;

	memcpy(buf, "POST /v1/chat HTTP/1.1\r\n", 24);
	if (strcmp(mode, "echo"))
		drop_output();
	if (!strcmp(mode, "write"))
		while (count--)
			SSL_write(client, buf, size);
	else if (!strcmp(mode, "write_ex"))
		while (count--)
			SSL_write_ex(client, buf, size, &done);
	else if (!strcmp(mode, "echo"))
		while (count--) {
			pass(client, server, size);
			pass(server, client, size);
		}
	return cpu_ns() - from;
}

/* Where a function is in its file. */
static void where(const char *name, void *fn)
{
	unsigned long from, to, off, at = (uintptr_t)fn;
	char line[512], path[400];
	FILE *f = fopen("/proc/self/maps", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %399s", &from, &to,
			   &off, path) == 4 &&
		    at >= from && at < to)
			printf("%s %lu %s\n", name, at - from + off, path);
	if (f)
		fclose(f);
}

static int serve(void)
{
	char line[128], mode[32];
	long count;
	int size;

	buf = calloc(1, BUF_MAX);
	if (!buf || connect_them())
		return say("no connection");
	where("SSL_write", (void *)SSL_write);
	where("SSL_write_ex", (void *)SSL_write_ex);
	where("SSL_read", (void *)SSL_read);
	printf("ready %d %lu %lu\n", getpid(), (unsigned long)client,
	       (unsigned long)server);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%31s %d %ld", mode, &size, &count) != 3 ||
		    size < 24 || size > BUF_MAX)
			break;
		printf("%lu\n", (unsigned long)run(mode, size, count));
		fflush(stdout);
	}
	return 0;
}

/* Node calls this of a module; it does not come back. */
__attribute__((visibility("default"))) void *napi_register_module_v1(
	void *env, void *exports);
__attribute__((visibility("default"))) void *napi_register_module_v1(
	void *env, void *exports)
{
	(void)env, (void)exports;
	_exit(serve());
}

int main(void)
{
	return serve();
}
