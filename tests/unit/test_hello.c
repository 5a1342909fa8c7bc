#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/edge.h"
#include "wire/hello.h"

#define NAME "api.openai.com"

/* A ClientHello with one extension before the name and one behind it. */
static size_t make(unsigned char *p, const char *name, int type)
{
	static const unsigned char front[] = {22, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3};
	size_t n = sizeof(front), len = strlen(name);

	memset(p, 0, 512);
	memcpy(p, front, n);
	n += 32;
	p[n++] = 2, n += 2;		/* session */
	p[n++] = 0, p[n++] = 4, n += 4; /* ciphers */
	p[n++] = 1, n += 1;		/* compression */
	n += 2;				/* length of all extensions */
	p[n++] = 0, p[n++] = 10, p[n++] = 0, p[n++] = 2, n += 2;
	p[n++] = 0, p[n++] = 0;
	p[n++] = 0, p[n++] = (unsigned char)(len + 5);
	p[n++] = 0, p[n++] = (unsigned char)(len + 3);
	p[n++] = (unsigned char)type;
	p[n++] = 0, p[n++] = (unsigned char)len;
	memcpy(p + n, name, len);
	n += len;
	p[n++] = 0, p[n++] = 16, p[n++] = 0, p[n++] = 1, n += 1;
	return n;
}

static void test_name(void **state)
{
	struct edge e = edge_new(512);
	unsigned char b[512];
	struct lg_slice name;
	size_t n = make(b, NAME, 0), i, end;
	char *p;

	(void)state;
	p = edge_put(&e, b, n);
	assert_true(lg_hello_is_tls(p, n));
	assert_false(lg_hello_is_http(p, n));
	assert_true(lg_hello_name(p, n, &name));
	assert_true(lg_slice_eq(name, LG_SLICE(NAME)));
	end = (size_t)(name.p - p) + name.len;
	/* cut anywhere: the name, whole, or none */
	for (i = 0; i < n; i++) {
		p = edge_put(&e, b, i);
		assert_int_equal(lg_hello_name(p, i, &name), i >= end);
	}
	edge_del(&e);
}

static void test_no_name(void **state)
{
	unsigned char b[512];
	struct lg_slice name;
	size_t n = make(b, NAME, 7);

	(void)state;
	assert_false(lg_hello_name(b, n, &name));
	n = make(b, "", 0);
	assert_false(lg_hello_name(b, n, &name));
	assert_false(lg_hello_name("\x17\3\3\0\1x", 6, &name));
}

/* Every byte at every value: no fault, and never a name outside. */
static void test_flips(void **state)
{
	struct edge e = edge_new(512);
	unsigned char b[512];
	struct lg_slice name;
	size_t n = make(b, NAME, 0), i;
	unsigned v;
	char *p;

	(void)state;
	for (i = 0; i < n; i++) {
		for (v = 0; v < 256; v++) {
			p = edge_put(&e, b, n);
			p[i] = (char)v;
			if (lg_hello_name(p, n, &name))
				assert_true(name.p >= p &&
					    name.p + name.len <= p + n);
		}
	}
	edge_del(&e);
}

static void test_http(void **state)
{
	(void)state;
	assert_true(lg_hello_is_http("POST /v1 HTTP/1.1", 17));
	assert_true(lg_hello_is_http("PRI * HTTP/2.0", 14));
	assert_false(lg_hello_is_http("POS", 3));
	assert_false(lg_hello_is_http("SSH-2.0-x", 9));
	assert_false(lg_hello_is_tls("\x16\3\1\0\5", 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
