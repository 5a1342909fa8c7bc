#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard/memo.h"

static void check(struct lg_memo *m, struct lg_slice key)
{
	char want[13], got[13];

	lg_sha256_hex12(key.p, key.len, want);
	lg_memo_key(m, key, got);
	assert_string_equal(got, want);
}

/* One connection may carry the requests of several keys. */
static void test_keys(void **state)
{
	static struct lg_memo m;
	const struct lg_slice a = LG_SLICE("sk-one"), b = LG_SLICE("sk-two");

	(void)state;
	check(&m, a);
	check(&m, a);
	check(&m, b);
	check(&m, a);
	check(&m, (struct lg_slice){a.p, a.len - 1});
	check(&m, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
