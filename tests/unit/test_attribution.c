/* Our own fields leave a request, but not where AWS's signature has them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "guard/attribution.h"
#include "guard/engine.h"
#include "guard/head.h"
#include "guard/memo.h"

#define AUTH(names, sig)                                                       \
	"Authorization: AWS4-HMAC-SHA256 Credential=AKIATEST/20261101/"        \
	"us-east-1/bedrock/aws4_request, SignedHeaders=" names                 \
	", Signature=" sig "\r\n"

static void strip(const char *in, const char *want, bool any)
{
	static char store[2048];
	struct lg_buf b;

	lg_buf_init_fixed(&b, store, sizeof(store));
	lg_buf_puts(&b, in);
	assert_int_equal(lg_attribution_strip(&b), any);
	assert_int_equal(b.len, strlen(want));
	assert_memory_equal(b.p, want, b.len);
}

static void test_strip(void **state)
{
	(void)state;
	strip("POST / HTTP/1.1\r\nHost: a\r\nX-LLMGuard-User: u\r\n folded\r\n"
	      "Accept: */*\r\nx-llmguard-project: p\r\n\r\n",
	      "POST / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", true);
	strip("POST / HTTP/1.1\r\nHost: a\r\n\r\n",
	      "POST / HTTP/1.1\r\nHost: a\r\n\r\n", false);
	/* unsigned ones go, signed ones stay */
	strip("POST / HTTP/1.1\r\nx-llmguard-user: u\r\n"
	      "X-LLMGuard-Project: p\r\n" AUTH(
		      "host;x-amz-date;x-llmguard-project", "00") "\r\n",
	      "POST / HTTP/1.1\r\nX-LLMGuard-Project: p\r\n" AUTH(
		      "host;x-amz-date;x-llmguard-project", "00") "\r\n",
	      true);
	strip("POST / HTTP/1.1\r\n" AUTH("host", "00") "x-llmguard-user: "
						       "u\r\n\r\n",
	      "POST / HTTP/1.1\r\n" AUTH("host", "00") "\r\n", true);
	/* it is AWS's way of signing alone */
	strip("POST / HTTP/1.1\r\nx-llmguard-user: u\r\nAuthorization: Bearer "
	      "SignedHeaders=x-llmguard-user\r\n\r\n",
	      "POST / HTTP/1.1\r\nAuthorization: Bearer "
	      "SignedHeaders=x-llmguard-user\r\n\r\n",
	      true);
}

static void key_of(const char *head, char *out, size_t cap)
{
	static struct lg_memo memo;
	static struct lg_env env;
	static struct lg_self self;
	static struct lg_row row;
	struct lg_head h;

	memset(&memo, 0, sizeof(memo));
	memset(&row, 0, sizeof(row));
	lg_head_read(lg_slice_str(head), &h);
	lg_attribution_head(&env, &self, &h, LG_SLICE("/"), &memo, &row);
	lg_slice_copy(lg_slice_str(row.key), out, cap);
}

/* Each request is signed anew; the key is who signs. */
static void test_key(void **state)
{
	char a[32], b[32], c[32], d[32];

	(void)state;
	key_of("POST / HTTP/1.1\r\n" AUTH("host", "00") "\r\n", a, sizeof(a));
	key_of("POST / HTTP/1.1\r\n" AUTH("host;x", "99") "\r\n", b, sizeof(b));
	key_of("POST / HTTP/1.1\r\nAuthorization: Bearer AKIATEST\r\n\r\n", c,
	       sizeof(c));
	key_of("POST / HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 x\r\n\r\n",
	       d, sizeof(d));
	assert_int_equal(strlen(a), 12);
	assert_string_equal(a, b);
	assert_string_equal(a, c);
	assert_string_equal(d, "");
}

static void test_signed(void **state)
{
	(void)state;
	assert_true(lg_attribution_is_signed(
		LG_SLICE("POST / HTTP/1.1\r\n" AUTH("host", "00") "\r\n")));
	assert_true(lg_attribution_is_signed(
		LG_SLICE("POST / HTTP/1.1\r\nauthorization: "
			 "aws4-ECDSA-P256-SHA256 Credential=x\r\n\r\n")));
	assert_false(lg_attribution_is_signed(
		LG_SLICE("POST / HTTP/1.1\r\nAuthorization: Bearer "
			 "AWS4-HMAC\r\n\r\n")));
	assert_false(lg_attribution_is_signed(
		LG_SLICE("POST / HTTP/1.1\r\nHost: a\r\n\r\n")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strip),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
