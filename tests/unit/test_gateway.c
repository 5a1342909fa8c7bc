/* Which header fields say that a gateway answered from its own cache. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "llm/gateway.h"

static void test_headers(void **state)
{
	static const struct {
		const char *name, *value;
		bool hit;
	} want[] = {
		{"cf-aig-cache-status", "HIT", true},
		{"CF-AIG-Cache-Status", " hit ", true},
		{"cf-aig-cache-status", "MISS", false},
		{"cf-aig-cache-status", "", false},
		{"x-portkey-cache-status", "HIT", true},
		{"x-portkey-cache-status", "SEMANTIC HIT", true},
		{"x-portkey-cache-status", "SEMANTIC MISS", false},
		{"x-portkey-cache-status", "DISABLED", false},
		{"x-portkey-cache-status", "REFRESH", false},
		{"Helicone-Cache", "HIT", true},
		{"helicone-cache", "MISS", false},
		{"helicone-cache-bucket-idx", "HIT", false},
		{"x-litellm-cache-key", "0b7f", true},
		{"x-litellm-cache-key", "", false},
		{"x-litellm-cache-key", "None", false},
		{"x-litellm-cache-hit", "True", true},
		{"x-litellm-cache-hit", "False", false},
		{"x-openrouter-cache-status", "HIT", true},
		{"x-openrouter-cache-status", "MISS", false},
		{"cache-status", "Origin; hit; ttl=1100", true},
		{"cache-status", "A; fwd=miss, \"B\"; hit", true},
		{"cache-status", "A; fwd=uri-miss; stored", false},
		{"cache-status", "hits", false},
		{"cf-cache-status", "HIT", false},
		{"x-cache", "HIT", false},
		{"", "HIT", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(*want); i++) {
		struct lg_answer a;

		lg_answer_init(&a);
		lg_gateway_header(&a, lg_slice_str(want[i].name),
				  lg_slice_str(want[i].value));
		if (a.from_gateway_cache != want[i].hit)
			fail_msg("%s: %s", want[i].name, want[i].value);
	}
}

/* One field that says no does not take back another's yes. */
static void test_two(void **state)
{
	struct lg_answer a;

	(void)state;
	lg_answer_init(&a);
	lg_gateway_header(&a, LG_SLICE("helicone-cache"), LG_SLICE("HIT"));
	lg_gateway_header(&a, LG_SLICE("cf-aig-cache-status"),
			  LG_SLICE("MISS"));
	assert_true(a.from_gateway_cache);
}

static void test_provider(void **state)
{
	struct lg_answer a;

	(void)state;
	lg_answer_init(&a);
	lg_gateway_header(&a, LG_SLICE("X-Inference-Provider"),
			  LG_SLICE(" fireworks-ai "));
	assert_string_equal(a.provider, "huggingface_fireworks-ai");
	assert_false(a.from_gateway_cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_provider),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
