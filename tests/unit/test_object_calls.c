/* The probe points of real libraries, hit by real TLS. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/trap_rig.h"

#define LIBSSL "/usr/lib/x86_64-linux-gnu/libssl.so.3"
#define LIBGNUTLS "/usr/lib/x86_64-linux-gnu/libgnutls.so.30"
#define LIBBORING "/usr/lib/x86_64-linux-gnu/android/libssl.so.0"

static void need(const char *path)
{
	if (access(path, R_OK)) {
		print_message("no %s\n", path);
		skip();
	}
}

static char *slurp(const char *path, size_t *n)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	char *p;

	assert_true(fd >= 0 && !fstat(fd, &st));
	*n = (size_t)st.st_size;
	p = malloc(*n);
	assert_non_null(p);
	assert_int_equal(read(fd, p, *n), *n);
	close(fd);
	return p;
}

/* A tracer at work elsewhere has breakpoints of its own in the real one. */
static void own_copy(const char *library, char path[static 64])
{
	size_t n;
	char *p;
	int fd;

	need(library);
	p = slurp(library, &n);
	strcpy(path, "/tmp/lg-object-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	close(fd);
	free(p);
}

/* TLS 1.2 with a shared key, both sides in memory, by a library's own names. */
struct tls {
	void *lib;
	void *ctx, *client, *server;
	int (*write)(void *, const void *, int);
	int (*read)(void *, void *, int);
	int (*write_ex)(void *, const void *, size_t, size_t *);
	int (*read_ex)(void *, void *, size_t, size_t *);
	int (*handshake)(void *);
	void (*free)(void *);
};

static unsigned client_key(void *ssl, const char *hint, char *id, unsigned nid,
			   unsigned char *key, unsigned nkey)
{
	(void)ssl;
	(void)hint;
	snprintf(id, nid, "us");
	memset(key, 7, nkey < 16 ? nkey : 16);
	return 16;
}

static unsigned server_key(void *ssl, const char *id, unsigned char *key,
			   unsigned nkey)
{
	(void)ssl;
	(void)id;
	memset(key, 7, nkey < 16 ? nkey : 16);
	return 16;
}

#define CALL(t, type, name) ((type)dlsym((t)->lib, name))
typedef void *new_fn(const void *);
typedef void two_fn(void *, void *);
typedef void three_fn(void *, void *, void *);
typedef void one_fn(void *);

static bool tls_open(struct tls *t, const char *path)
{
	void *a, *b;

	memset(t, 0, sizeof(*t));
	t->lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!t->lib)
		return false;
	t->write = CALL(t, int (*)(void *, const void *, int), "SSL_write");
	t->read = CALL(t, int (*)(void *, void *, int), "SSL_read");
	t->write_ex = CALL(t, int (*)(void *, const void *, size_t, size_t *),
			   "SSL_write_ex");
	t->read_ex = CALL(t, int (*)(void *, void *, size_t, size_t *),
			  "SSL_read_ex");
	t->handshake = CALL(t, int (*)(void *), "SSL_do_handshake");
	t->free = CALL(t, one_fn *, "SSL_free");
	t->ctx = CALL(t, new_fn *, "SSL_CTX_new")(
		CALL(t, void *(*)(void), "TLSv1_2_method")());
	CALL(t, int (*)(void *, const char *), "SSL_CTX_set_cipher_list")
	(t->ctx, "PSK-AES128-CBC-SHA");
	CALL(t, two_fn *, "SSL_CTX_set_psk_client_callback")
	(t->ctx, client_key);
	CALL(t, two_fn *, "SSL_CTX_set_psk_server_callback")
	(t->ctx, server_key);
	t->client = CALL(t, new_fn *, "SSL_new")(t->ctx);
	t->server = CALL(t, new_fn *, "SSL_new")(t->ctx);
	a = CALL(t, new_fn *,
		 "BIO_new")(CALL(t, void *(*)(void), "BIO_s_mem")());
	b = CALL(t, new_fn *,
		 "BIO_new")(CALL(t, void *(*)(void), "BIO_s_mem")());
	CALL(t, one_fn *, "BIO_up_ref")(a);
	CALL(t, one_fn *, "BIO_up_ref")(b);
	CALL(t, three_fn *, "SSL_set_bio")(t->client, a, b);
	CALL(t, three_fn *, "SSL_set_bio")(t->server, b, a);
	CALL(t, one_fn *, "SSL_set_connect_state")(t->client);
	CALL(t, one_fn *, "SSL_set_accept_state")(t->server);
	for (int i = 0; i < 10; i++) {
		t->handshake(t->client);
		t->handshake(t->server);
	}
	return t->handshake(t->client) == 1 && t->handshake(t->server) == 1;
}

static void tls_close(struct tls *t)
{
	t->free(t->client);
	t->free(t->server);
	CALL(t, one_fn *, "SSL_CTX_free")(t->ctx);
}

static void one_call(bool is_read, void *ssl, const void *buf, size_t num,
		     long moved)
{
	const struct rig_hit *in = rig_entry(is_read, 0);
	const struct rig_hit *end = rig_end(is_read, 0);

	assert_non_null(in);
	assert_null(rig_entry(is_read, 1));
	assert_ptr_equal(in->arg[0], ssl);
	assert_ptr_equal(in->arg[1], buf);
	assert_int_equal((uint32_t)in->arg[2], num);
	if (!(in->p.end_arg & PROBE_ARG_ENDS))
		return;
	assert_non_null(end);
	assert_null(rig_end(is_read, 1));
	if (moved > 0)
		assert_int_equal(end->result, moved);
	else
		assert_true(end->result <= 0);
}

static void talk(struct tls *t)
{
	char out[5000], in[5000];
	size_t n = 0;
	int r;

	memset(out, 'x', sizeof(out));
	for (int i = 0; i < 3; i++) {
		rig_clear();
		r = t->read(t->server, in, 100); /* nothing there */
		assert_true(r < 0);
		one_call(true, t->server, in, 100, r);
		rig_clear();
		assert_int_equal(t->write(t->client, out, 4321), 4321);
		one_call(false, t->client, out, 4321, 4321);
		rig_clear();
		assert_int_equal(t->read(t->server, in, 1000), 1000);
		one_call(true, t->server, in, 1000, 1000);
		rig_clear();
		assert_int_equal(t->read(t->server, in, 5000), 3321);
		one_call(true, t->server, in, 5000, 3321);
		if (!t->write_ex)
			continue;
		rig_clear();
		assert_int_equal(t->write_ex(t->server, out, 99, &n), 1);
		one_call(false, t->server, out, 99, 99);
		rig_clear();
		assert_int_equal(t->read_ex(t->client, in, 200, &n), 1);
		one_call(true, t->client, in, 200, 99);
		rig_clear();
		assert_int_equal(t->read_ex(t->client, in, 200, &n), 0);
		one_call(true, t->client, in, 200, 0);
	}
}

static void with_library(const char *library)
{
	struct object o;
	struct tls t;
	char path[64];

	own_copy(library, path);
	if (!tls_open(&t, path)) {
		print_message("%s: no TLS to be had\n", library);
		unlink(path);
		skip();
	}
	for (int may_return = 0; may_return < 2; may_return++) {
		assert_int_equal(object_read(path, may_return, NULL, &o), 0);
		assert_true(rig_arm(path, &o));
		talk(&t);
		rig_disarm();
	}
	tls_close(&t);
	unlink(path);
}

static void test_openssl_calls(void **state)
{
	(void)state;
	with_library(LIBSSL);
}

static void test_boringssl_calls(void **state)
{
	(void)state;
	with_library(LIBBORING);
}

/* GnuTLS's own pair, over two buffers. */
#define G(name) ((__typeof__(&name))dlsym(gnutls, #name))
static void *gnutls;
static struct pipe {
	char b[65536];
	size_t n;
} pipes[2];

static ssize_t push(gnutls_transport_ptr_t p, const void *b, size_t n)
{
	struct pipe *to = &pipes[(uintptr_t)p];

	if (n > sizeof(to->b) - to->n)
		return -1;
	memcpy(to->b + to->n, b, n);
	to->n += n;
	return (ssize_t)n;
}

static ssize_t pull(gnutls_transport_ptr_t p, void *b, size_t n)
{
	struct pipe *from = &pipes[1 - (uintptr_t)p];

	n = n < from->n ? n : from->n;
	if (!n) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(b, from->b, n);
	memmove(from->b, from->b + n, from->n - n);
	from->n -= n;
	return (ssize_t)n;
}

static int pull_wait(gnutls_transport_ptr_t p, unsigned ms)
{
	(void)ms;
	return pipes[1 - (uintptr_t)p].n > 0;
}

static int key_of(gnutls_session_t s, const char *user, gnutls_datum_t *key)
{
	(void)s;
	(void)user;
	key->data = G(gnutls_malloc) ? (*G(gnutls_malloc))(16) : NULL;
	key->size = 16;
	memset(key->data, 7, 16);
	return 0;
}

static gnutls_psk_client_credentials_t of_client;
static gnutls_psk_server_credentials_t of_server;

static void gnutls_side(gnutls_session_t *s, unsigned flags, uintptr_t number)
{
	gnutls_datum_t key = {(unsigned char[16]){0}, 16};

	memset(key.data, 7, 16);
	assert_int_equal(G(gnutls_init)(s, flags | GNUTLS_NONBLOCK), 0);
	G(gnutls_priority_set_direct)
	(*s, "NORMAL:-KX-ALL:+PSK:-VERS-ALL:+VERS-TLS1.2", NULL);
	if (flags & GNUTLS_CLIENT) {
		G(gnutls_psk_allocate_client_credentials)(&of_client);
		G(gnutls_psk_set_client_credentials)
		(of_client, "us", &key, GNUTLS_PSK_KEY_RAW);
		G(gnutls_credentials_set)(*s, GNUTLS_CRD_PSK, of_client);
	} else {
		G(gnutls_psk_allocate_server_credentials)(&of_server);
		G(gnutls_psk_set_server_credentials_function)
		(of_server, key_of);
		G(gnutls_credentials_set)(*s, GNUTLS_CRD_PSK, of_server);
	}
	G(gnutls_transport_set_ptr)(*s, (gnutls_transport_ptr_t)number);
	G(gnutls_transport_set_push_function)(*s, push);
	G(gnutls_transport_set_pull_function)(*s, pull);
	G(gnutls_transport_set_pull_timeout_function)(*s, pull_wait);
}

static void gnutls_talk(gnutls_session_t a, gnutls_session_t b)
{
	char out[3000], in[3000];
	ssize_t r;

	memset(out, 'x', sizeof(out));
	for (int i = 0; i < 3; i++) {
		rig_clear();
		r = G(gnutls_record_recv)(b, in, 100);
		assert_true(r < 0);
		one_call(true, b, in, 100, r);
		rig_clear();
		assert_int_equal(G(gnutls_record_send)(a, out, 2100), 2100);
		one_call(false, a, out, 2100, 2100);
		rig_clear();
		assert_int_equal(G(gnutls_record_recv)(b, in, 1000), 1000);
		one_call(true, b, in, 1000, 1000);
		rig_clear();
		assert_int_equal(G(gnutls_record_recv)(b, in, 3000), 1100);
		one_call(true, b, in, 3000, 1100);
	}
}

static void test_gnutls_calls(void **state)
{
	gnutls_session_t a, b;
	struct object o;
	int left_a = -1, left_b = -1;
	char path[64];

	(void)state;
	own_copy(LIBGNUTLS, path);
	gnutls = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(gnutls);
	gnutls_side(&a, GNUTLS_CLIENT, 0);
	gnutls_side(&b, GNUTLS_SERVER, 1);
	for (int i = 0; i < 20 && (left_a || left_b); i++) {
		left_a = left_a ? G(gnutls_handshake)(a) : 0;
		left_b = left_b ? G(gnutls_handshake)(b) : 0;
	}
	assert_int_equal(left_a | left_b, 0);
	for (int may_return = 0; may_return < 2; may_return++) {
		assert_int_equal(object_read(LIBGNUTLS, may_return, NULL, &o),
				 0);
		assert_true(rig_arm(path, &o));
		gnutls_talk(a, b);
		rig_disarm();
	}
	G(gnutls_deinit)(a);
	G(gnutls_deinit)(b);
	G(gnutls_psk_free_client_credentials)(of_client);
	G(gnutls_psk_free_server_credentials)(of_server);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openssl_calls),
		cmocka_unit_test(test_boringssl_calls),
		cmocka_unit_test(test_gnutls_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
