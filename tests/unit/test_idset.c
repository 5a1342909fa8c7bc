#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ledger/idset.h"

static uint64_t key_of(unsigned i)
{
	char id[27];

	snprintf(id, sizeof(id), "01M81Y9V54%016u", i);
	return lg_idset_key(id, 26);
}

static void test_many(void **state)
{
	struct lg_idset s;
	unsigned i;

	(void)state;
	lg_idset_init(&s);
	assert_false(lg_idset_has(&s, key_of(1)));
	for (i = 0; i < 200000; i++) {
		assert_false(lg_idset_has(&s, key_of(i)));
		lg_idset_add(&s, key_of(i));
		lg_idset_add(&s, key_of(i));
	}
	assert_int_equal(s.n, 200000);
	for (i = 0; i < 200000; i++)
		assert_true(lg_idset_has(&s, key_of(i)));
	assert_false(lg_idset_has(&s, key_of(200000)));
	lg_idset_fini(&s);
	assert_false(lg_idset_has(&s, key_of(1)));
}

/* Out of memory it must not hang, nor claim what it has not seen. */
static void test_no_memory(void **state)
{
	struct lg_idset s;
	unsigned i, known = 0;

	(void)state;
	lg_idset_init(&s);
	lg_mem_set_cap(lg_mem_mapped() + (1 << 20));
	for (i = 0; i < 300000; i++)
		lg_idset_add(&s, key_of(i));
	assert_true(s.full && s.n < s.cap);
	for (i = 0; i < 300000; i++)
		known += lg_idset_has(&s, key_of(i));
	assert_int_equal(known, s.n);
	assert_false(lg_idset_has(&s, key_of(300001)));
	lg_mem_set_cap((size_t)256 << 20);
	lg_idset_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
