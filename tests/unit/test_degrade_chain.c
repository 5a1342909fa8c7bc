#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/money.h"
#include "budget/region.h"
#include "degrade_help.h"

/* Of a list the first that fits; none upwards; none where it is not for. */
static void test_list(void **state)
{
	static const struct {
		const char *limit, *asked, *got;
	} cases[] = {
		{"0.00009", "gpt-4o", "gpt-4o-mini"},
		{"0.00005", "gpt-4o", "gpt-4.1-nano"},
		{"0.00005", "gpt-4o-mini", "gpt-4.1-nano"},
		{"0.00005", "gpt-4.1", NULL},
		{"0.000001", "gpt-4o", NULL},
	};
	char yaml[512], body[256];
	struct rig r;
	struct lg_row row;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(yaml, sizeof(yaml),
			 BUDGETS BUDGET("cap", "global", "%s",
					", on_hard: [{models: [gpt-4o-mini, "
					"gpt-4.1-nano], action: fallback, "
					"for_models: [\"gpt-4o*\"]}, block]"),
			 cases[i].limit);
		rig_start(&r, yaml);
		snprintf(body, sizeof(body), ASK("%s", ",\"max_tokens\":100"),
			 cases[i].asked);
		send_body(&r, body);
		if (cases[i].got) {
			snprintf(want, sizeof(want),
				 ASK("%s", ",\"max_tokens\":100"),
				 cases[i].got);
			assert_body(&r, want);
		} else {
			assert_refused(&r);
			assert_int_equal(rig_rows(&r, &row), 1);
			assert_int_equal(row.verdict, LG_VERDICT_BLOCK);
			assert_string_equal(row.model, cases[i].asked);
			assert_string_equal(row.budgets, "cap");
			assert_false(row.flags & LG_ROW_FALLBACK);
			assert_int_equal(used_of(&r, "cap"), 0);
		}
		rig_stop(&r);
	}
}

/* One budget's fallback is too dear for another: its next one is tried. */
static void test_two_chains(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r,
		  BUDGETS BUDGET("a", "model:gpt-4o", "0.0005",
				 ", on_hard: [{models: [gpt-4.1, gpt-4o-mini], "
				 "action: fallback}, block]")
			  BUDGET("b", "global", "0.0004", ""));
	send_body(&r, DEAR);
	assert_body(&r, ASK("gpt-4o-mini", ",\"max_tokens\":100"));
	row = answered(&r, answer_of("gpt-4o-mini", 2), 1);
	assert_int_equal(row.verdict, LG_VERDICT_FALLBACK);
	assert_int_equal(used_of(&r, "a"), 0);
	assert_int_equal(used_of(&r, "b"), row.cost_pusd);
	rig_stop(&r);

	/* ... or it is clamped by that one's chain */
	rig_start(&r, BUDGETS BUDGET("a", "model:gpt-4o", "0.0005",
				     ", on_hard: [{fallback: gpt-4.1}, block]")
			      BUDGET("b", "global", "0.0006",
				     ", on_hard: [clamp, block]"));
	send_body(&r, DEAR);
	assert_non_null(strstr(server_body(&r), "\"gpt-4.1\""));
	assert_null(strstr(server_body(&r), "\"max_tokens\":100}"));
	row = answered(&r, answer_of("gpt-4.1", 2), 1);
	assert_int_equal(row.verdict, LG_VERDICT_FALLBACK);
	rig_stop(&r);
}

/* What an action changed stays where it only was not enough. */
static void test_warn(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, BUDGETS BUDGET("cap", "global", "0.00000001",
				     ", on_hard: [{fallback: gpt-4o-mini, "
				     "for_models: gpt-4o}, warn]"));
	send_body(&r, DEAR);
	assert_body(&r, ASK("gpt-4o-mini", ",\"max_tokens\":100"));
	row = answered(&r, answer_of("gpt-4o-mini", 2), 1);
	assert_int_equal(row.verdict, LG_VERDICT_FALLBACK);
	send_body(&r, ASK("gpt-4.1", ""));
	assert_body(&r, ASK("gpt-4.1", ""));
	row = answered(&r, answer_of("gpt-4.1", 2), 2);
	assert_int_equal(row.verdict, LG_VERDICT_WARN);
	assert_string_equal(row.reason, "over_budget");
	assert_string_equal(row.model, "gpt-4.1");
	rig_stop(&r);
}

/* Another maker's model is not asked of this one's own host. */
static void test_foreign(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS BUDGET("cap", "global", "0.0005",
				     ", on_hard: [{fallback: "
				     "[claude-haiku-4-5, gpt-4o-mini]}]"));
	send_body(&r, DEAR);
	assert_body(&r, ASK("gpt-4o-mini", ",\"max_tokens\":100"));
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_two_chains),
		cmocka_unit_test(test_warn),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
