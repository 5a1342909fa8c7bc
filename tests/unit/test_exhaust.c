#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these first */
#include <cmocka.h>

#include "base/clock.h"
#include "budget/hold.h"
#include "flow_rig.h"
#include "guard/admit.h"
#include "guard/exhaust.h"
#include "guard/world.h"

#define USD INT64_C(1000000000000)

static struct rig rig;
static struct lg_row row;

static void start(const char *budgets)
{
	char yaml[2048];

	snprintf(yaml, sizeof(yaml), "version: 1\nbudgets:\n%s", budgets);
	rig_start(&rig, yaml);
	lg_row_init(&row);
	row.ts_ms = lg_clock_real_ms();
	strcpy(row.comm, "python3");
	strcpy(row.exe, "/usr/bin/python3.11");
	row.uid = 1000;
}

static void ask_for(const char *model)
{
	strcpy(row.model_requested, model);
	strcpy(row.provider, "openai");
	strcpy(row.host, "api.openai.com");
	strcpy(row.endpoint, "/v1/chat/completions");
}

static int cell_of(struct lg_world *w, unsigned rule, struct lg_window *win)
{
	struct lg_windows wins = {0};
	struct lg_rule_hit hit;
	int64_t limit;
	int cell;

	assert_true(lg_rule_match(&w->rules[rule], &row,
				  (struct lg_slice){"", 0}, 0, &hit));
	*win = *lg_windows_get(
		&wins, w, (enum lg_period)w->rules[rule].b->period, row.ts_ms);
	cell = lg_admit_cell(rig.e, w, rule, &hit, win, &limit);
	assert_true(cell >= 0);
	return cell;
}

static void spend(unsigned rule, int64_t pusd)
{
	struct lg_world *w = lg_engine_pin(rig.e);
	struct lg_window win;
	int cell = cell_of(w, rule, &win);

	lg_cell_charge(lg_world_region(w), cell, win.tag, pusd);
	lg_engine_unpin(rig.e, w);
}

static void hold(unsigned rule, int64_t pusd, struct lg_hold *out)
{
	struct lg_world *w = lg_engine_pin(rig.e);
	struct lg_hold_refusal why;
	struct lg_window win;
	struct lg_charge c = {.amount_pusd = pusd, .limit_pusd = INT64_MAX};

	c.cell = cell_of(w, rule, &win);
	c.window = win.tag;
	assert_int_equal(lg_hold_take(lg_world_region(w), &c, 1, &row,
				      sizeof(row), out, &why),
			 0);
	lg_engine_unpin(rig.e, w);
}

static bool call(int64_t own, uint32_t ppm, struct lg_exhaust *why)
{
	struct lg_exhaust_ask ask = {
		.engine = rig.e, .row = &row, .own_pusd = own, .held_ppm = ppm};
	bool over;

	ask.world = lg_engine_pin(rig.e);
	over = lg_exhaust_call(&ask, why);
	lg_engine_unpin(rig.e, ask.world);
	return over;
}

static enum lg_foresight process(struct lg_exhaust *why)
{
	struct lg_exhaust_ask ask = {
		.engine = rig.e, .row = &row, .held_ppm = 1000000};
	enum lg_foresight f;

	ask.world = lg_engine_pin(rig.e);
	f = lg_exhaust_process(&ask, why);
	lg_engine_unpin(rig.e, ask.world);
	return f;
}

static void test_global(void **state)
{
	struct lg_exhaust why;

	(void)state;
	start("  - {name: cap, scope: global, period: total, limit_usd: 10, "
	      "hard: true}\n");
	assert_int_equal(process(&why), LG_FORESEE_NO);
	assert_true(why.room_pusd == 10 * USD);
	spend(0, 10 * USD - 1);
	assert_int_equal(process(&why), LG_FORESEE_NO);
	spend(0, 1);
	assert_int_equal(process(&why), LG_FORESEE_YES);
	assert_string_equal(why.budget, "cap");
	assert_string_equal(why.reason, "over_budget");
	assert_true(why.spent_pusd == 10 * USD && why.limit_pusd == 10 * USD);
	rig_stop(&rig);
}

static void test_only_hard_ones(void **state)
{
	struct lg_exhaust why;

	(void)state;
	start("  - {name: a, scope: global, period: total, limit_usd: 1}\n"
	      "  - {name: b, scope: global, period: total, limit_usd: 1, "
	      "on_hard: warn}\n");
	spend(0, 5 * USD);
	spend(1, 5 * USD);
	assert_int_equal(process(&why), LG_FORESEE_NO);
	ask_for("gpt-4o");
	assert_false(call(USD, 1000000, &why));
	rig_stop(&rig);
}

static void test_zero(void **state)
{
	struct lg_exhaust why;

	(void)state;
	start("  - {name: cap, scope: global, period: daily, limit_usd: 0, "
	      "hard: true}\n");
	assert_int_equal(process(&why), LG_FORESEE_YES);
	assert_true(why.resets_at_ms > row.ts_ms);
	rig_stop(&rig);
}

static void test_own_hold(void **state)
{
	struct lg_exhaust why;
	struct lg_hold h;

	(void)state;
	start("  - {name: cap, scope: global, period: total, limit_usd: 10, "
	      "hard: true}\n");
	ask_for("gpt-4o");
	spend(0, 8 * USD);
	hold(0, 2 * USD, &h);
	/* it fits to the last cent, and is all that is held */
	assert_false(call(2 * USD, 1000000, &why));
	spend(0, 1);
	assert_true(call(2 * USD, 1000000, &why));
	assert_true(why.room_pusd == -1 && !why.held_pusd);
	rig_stop(&rig);
}

static void test_others_holds(void **state)
{
	struct lg_exhaust why;
	struct lg_hold mine, other;

	(void)state;
	start("  - {name: cap, scope: global, period: total, limit_usd: 10, "
	      "hard: true}\n");
	ask_for("gpt-4o");
	spend(0, 5 * USD);
	hold(0, 8 * USD, &other);
	hold(0, 1 * USD, &mine);
	assert_true(call(1 * USD, 1000000, &why));
	assert_true(why.held_pusd == 8 * USD);
	/* such calls turn out to cost half of it: 5 + 4 + 1 */
	assert_false(call(1 * USD, 500000, &why));
	assert_true(call(1 * USD, 500001, &why));
	rig_stop(&rig);
}

static void test_model(void **state)
{
	struct lg_exhaust why;
	struct lg_hold h;

	(void)state;
	start("  - {name: m, scope: 'model:gpt-4o*', period: total, "
	      "limit_usd: 1, hard: true}\n");
	ask_for("gpt-4o");
	spend(0, USD);
	assert_int_equal(process(&why), LG_FORESEE_PERHAPS);
	hold(0, 1, &h);
	assert_true(call(1, 1000000, &why));
	ask_for("claude-sonnet-4-5");
	assert_false(call(1, 1000000, &why));
	/* free ones are no concern of any budget */
	ask_for("gpt-4o");
	assert_false(call(0, 1000000, &why));
	rig_stop(&rig);
}

static void test_process(void **state)
{
	struct lg_exhaust why;

	(void)state;
	start("  - {name: p, scope: 'process:python*', period: total, "
	      "limit_usd: 1, hard: true}\n"
	      "  - {name: u, scope: 'uid:1000 & process:curl', period: total, "
	      "limit_usd: 0, hard: true}\n");
	assert_int_equal(process(&why), LG_FORESEE_NO);
	spend(0, USD);
	assert_int_equal(process(&why), LG_FORESEE_YES);
	strcpy(row.comm, "ruby");
	strcpy(row.exe, "/usr/bin/ruby");
	assert_int_equal(process(&why), LG_FORESEE_NO);
	strcpy(row.comm, "curl");
	assert_int_equal(process(&why), LG_FORESEE_YES);
	assert_string_equal(why.budget, "u");
	row.uid = 1;
	assert_int_equal(process(&why), LG_FORESEE_NO);
	rig_stop(&rig);
}

static void test_project(void **state)
{
	struct lg_exhaust why;

	(void)state;
	start("  - {name: x, scope: 'project:x', period: total, limit_usd: 0, "
	      "hard: true}\n");
	/* a request's head may name it */
	assert_int_equal(process(&why), LG_FORESEE_PERHAPS);
	strcpy(row.project, "x");
	assert_int_equal(process(&why), LG_FORESEE_YES);
	strcpy(row.project, "y");
	assert_int_equal(process(&why), LG_FORESEE_NO);
	rig_stop(&rig);
}

static void test_each(void **state)
{
	struct lg_exhaust why;

	(void)state;
	start("  - {name: e, scope: 'model:*', each: true, period: total, "
	      "limit_usd: 1, hard: true}\n");
	/* whichever value comes with the call, it has all of its limit */
	assert_int_equal(process(&why), LG_FORESEE_NO);
	assert_true(why.room_pusd == USD);
	ask_for("gpt-4o-mini");
	assert_false(call(USD, 1000000, &why));
	ask_for("gpt-4o");
	spend(0, USD / 4);
	assert_int_equal(process(&why), LG_FORESEE_NO);
	assert_true(why.room_pusd == USD * 3 / 4);
	spend(0, USD * 3 / 4);
	assert_int_equal(process(&why), LG_FORESEE_PERHAPS);
	assert_true(call(1, 1000000, &why));
	assert_non_null(strstr(why.scope, "gpt-4o"));
	ask_for("gpt-4o-mini");
	assert_false(call(1, 1000000, &why));
	spend(0, USD / 2);
	/* the one with the least is meant */
	assert_int_equal(process(&why), LG_FORESEE_PERHAPS);
	assert_true(why.room_pusd == 0);
	rig_stop(&rig);
}

static void test_each_of_many(void **state)
{
	struct lg_exhaust why;
	char name[16];

	(void)state;
	start("  - {name: e, scope: 'user:*', each: true, period: total, "
	      "limit_usd: 1, max_keys: 4, hard: true}\n");
	ask_for("gpt-4o");
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		strcpy(row.user, name);
		spend(0, USD / 2);
	}
	/* two of them share a counter, which is used up */
	assert_true(call(1, 1000000, &why));
	assert_non_null(strstr(why.scope, "*other*"));
	assert_int_equal(process(&why), LG_FORESEE_YES);
	strcpy(row.user, "u1");
	assert_false(call(1, 1000000, &why));
	assert_int_equal(process(&why), LG_FORESEE_NO);
	row.user[0] = '\0';
	assert_int_equal(process(&why), LG_FORESEE_PERHAPS);
	rig_stop(&rig);
}

static void test_each_nothing(void **state)
{
	struct lg_exhaust why;

	(void)state;
	start("  - {name: e, scope: 'user:*', each: true, period: total, "
	      "limit_usd: 0, hard: true}\n"
	      "  - {name: f, scope: 'model:*', each: true, period: total, "
	      "limit_usd: 1, hard: true}\n");
	ask_for("gpt-4o");
	assert_int_equal(process(&why), LG_FORESEE_PERHAPS);
	strcpy(row.user, "u");
	assert_int_equal(process(&why), LG_FORESEE_YES);
	assert_string_equal(why.budget, "e");
	assert_true(call(1, 1000000, &why));
	rig_stop(&rig);
}

static void test_switched_off(void **state)
{
	struct lg_exhaust why;

	(void)state;
	start("  - {name: cap, scope: global, period: total, limit_usd: 0, "
	      "hard: true}\n");
	lg_region_set_disabled(lg_engine_region(rig.e), true);
	ask_for("gpt-4o");
	assert_int_equal(process(&why), LG_FORESEE_NO);
	assert_false(call(USD, 1000000, &why));
	lg_region_set_disabled(lg_engine_region(rig.e), false);
	assert_int_equal(process(&why), LG_FORESEE_YES);
	assert_true(call(USD, 1000000, &why));
	rig_stop(&rig);
}

static void order(const char *text)
{
	char path[110];

	lg_engine_touch(rig.e);
	snprintf(path, sizeof(path), "%s/control", rig.state);
	put_file(path, text);
	lg_region_bump(lg_engine_region(rig.e));
	lg_engine_refresh(rig.e);
}

static void test_paused(void **state)
{
	struct lg_exhaust why;

	(void)state;
	start("  - {name: cap, scope: global, period: total, limit_usd: 9, "
	      "hard: true}\n");
	ask_for("gpt-4o");
	order("pause all\n");
	assert_int_equal(process(&why), LG_FORESEE_YES);
	assert_string_equal(why.reason, "paused");
	assert_int_equal(why.rule, -1);
	assert_true(call(1, 1000000, &why));
	order("pause scope model:claude*\n");
	assert_int_equal(process(&why), LG_FORESEE_PERHAPS);
	assert_false(call(1, 1000000, &why));
	ask_for("claude-sonnet-4-5");
	assert_true(call(1, 1000000, &why));
	order("stopped pid 1 2 budget\nstopped pid 1 2 nonsense\n");
	assert_int_equal(process(&why), LG_FORESEE_NO);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_global),
		cmocka_unit_test(test_only_hard_ones),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_own_hold),
		cmocka_unit_test(test_others_holds),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_project),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_each_of_many),
		cmocka_unit_test(test_each_nothing),
		cmocka_unit_test(test_switched_off),
		cmocka_unit_test(test_paused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
