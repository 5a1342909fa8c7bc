/* SHA-256 against nettle's, for every length around the block's borders. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <nettle/sha2.h>

#include "base/sha256.h"

static void same_as_nettle(void **state)
{
	unsigned char text[400], ours[32], theirs[32];
	struct sha256_ctx ctx;
	uint32_t x = 1;

	(void)state;
	for (size_t n = 0; n <= sizeof(text); n++) {
		for (size_t i = 0; i < n; i++)
			text[i] =
				(unsigned char)((x = x * 1103515245 + 12345) >>
						16);
		sha256_init(&ctx);
		sha256_update(&ctx, n, text);
		sha256_digest(&ctx, sizeof(theirs), theirs);
		lg_sha256(text, n, ours);
		assert_memory_equal(ours, theirs, sizeof(ours));
	}
	lg_sha256(NULL, 0, ours);
	sha256_init(&ctx);
	sha256_digest(&ctx, sizeof(theirs), theirs);
	assert_memory_equal(ours, theirs, sizeof(ours));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_nettle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
