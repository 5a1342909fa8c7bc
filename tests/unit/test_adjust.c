/* Corrections: their arithmetic, the live budgets, a region made anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/money.h"
#include "budget/hold.h"
#include "budget/region.h"
#include "budget/swap.h"
#include "flow_rig.h"
#include "guard/adjust.h"

#define USD LG_PUSD_PER_USD
#define DAY INT64_C(86400000)

#define BUDGETS                                                                \
	"version: 1\nbudgets:\n"                                               \
	"  - {name: all, scope: global, period: total, limit_usd: 10, "        \
	"hard: true}\n"                                                        \
	"  - {name: mine, scope: \"project:p & model:gpt*\", period: "         \
	"monthly, limit_usd: 10, hard: true}\n"                                \
	"  - {name: each, scope: \"user:*\", each: true, period: total, "      \
	"limit_usd: 10}\n"                                                     \
	"  - {name: other, scope: \"project:q\", period: total, "              \
	"limit_usd: 10}\n"

static int64_t used(struct rig *r, const char *name)
{
	struct lg_region *region = lg_engine_region(r->e);
	struct lg_cell_view v;

	for (unsigned i = 0; i < lg_cell_count(region); i++)
		if (!lg_cell_view(region, i, &v) && !strcmp(v.name, name))
			return v.used_pusd;
	return INT64_MIN;
}

static void make_call(struct lg_row *row, int64_t pusd)
{
	lg_row_init(row);
	row->ts_ms = lg_clock_real_ms();
	lg_row_new_id(row->ts_ms, row->id);
	strcpy(row->provider, "openai");
	strcpy(row->host, "api.openai.com");
	strcpy(row->project, "p");
	strcpy(row->user, "u");
	strcpy(row->model_requested, "gpt-4o-mini");
	strcpy(row->model, "gpt-4o-mini");
	row->input_tokens = 1000;
	row->output_tokens = 100;
	row->cost_pusd = row->economic_pusd = pusd;
	row->output_cost_pusd = pusd;
}

/* What `adj` says, again from the file, duplicates dropped. */
struct sums {
	int64_t pusd;
	unsigned rows, adjusts;
};

static int sum_row(void *ctx, const struct lg_row *row,
		   const struct lg_ledger_pos *after)
{
	struct sums *s = ctx;

	(void)after;
	s->pusd += row->cost_pusd;
	s->rows++;
	s->adjusts += row->kind == LG_ROW_ADJUST;
	return 0;
}

static struct sums ledger(struct rig *r)
{
	struct lg_ledger_pos pos = {.offset = 0};
	struct sums s = {0};

	assert_int_equal(lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, 0,
					sum_row, &s, NULL),
			 0);
	return s;
}

static void lose_region(struct rig *r)
{
	lg_engine_close(r->e);
	r->e = NULL;
	assert_int_equal(unlink(r->region), 0);
	rig_open(r);
	lg_engine_touch(r->e);
}

static void correct(struct rig *r, const struct lg_row *call, int64_t by)
{
	static struct lg_row adj, is;

	is = *call;
	is.cost_pusd += by;
	is.output_cost_pusd += by;
	is.economic_pusd += by;
	is.input_tokens = 900;
	lg_adjust_init(&adj, call);
	lg_adjust_diff(&adj, call, &is);
	strcpy(adj.note, "a test");
	assert_int_equal(lg_adjust_write(r->e, &adj), 0);
}

static void test_live_budgets(void **state)
{
	static struct lg_row call;
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS);
	lg_engine_touch(r.e);
	make_call(&call, 5 * USD);
	assert_int_equal(lg_row_post(r.e, &call), 0);
	assert_string_equal(call.budgets, "all\x1f"
					  "each\x1fmine");
	assert_int_equal(used(&r, "all"), 5 * USD);
	correct(&r, &call, -2 * USD);
	assert_int_equal(used(&r, "all"), 3 * USD);
	assert_int_equal(used(&r, "mine"), 3 * USD);
	assert_int_equal(used(&r, "each"), 3 * USD);
	assert_int_equal(used(&r, "other"), 0);
	correct(&r, &call, 4 * USD);
	assert_int_equal(used(&r, "all"), 7 * USD);
	assert_int_equal(ledger(&r).pusd, 7 * USD);
	assert_int_equal(ledger(&r).adjusts, 2);
	lose_region(&r);
	assert_int_equal(used(&r, "all"), 7 * USD);
	assert_int_equal(used(&r, "mine"), 7 * USD);
	/* and with a checkpoint in between */
	assert_true(lg_engine_checkpoint(r.e, true) >= 0);
	correct(&r, &call, -7 * USD);
	lose_region(&r);
	assert_int_equal(used(&r, "all"), 0);
	assert_int_equal(used(&r, "mine"), 0);
	rig_stop(&r);
}

/* Its call's window is over: the ledger's matter, no cell of now. */
static void test_past_window(void **state)
{
	static struct lg_row call;
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS);
	lg_engine_touch(r.e);
	make_call(&call, 5 * USD);
	call.ts_ms -= 40 * DAY;
	assert_int_equal(lg_row_post(r.e, &call), 0);
	assert_int_equal(used(&r, "all"), 5 * USD);
	assert_int_equal(used(&r, "mine"), 0);
	correct(&r, &call, -USD);
	assert_int_equal(used(&r, "all"), 4 * USD);
	assert_int_equal(used(&r, "mine"), 0);
	lose_region(&r);
	assert_int_equal(used(&r, "all"), 4 * USD);
	assert_int_equal(used(&r, "mine"), 0);
	rig_stop(&r);
}

/* A run goes on while somebody else corrects its calls. */
static void test_run_elsewhere(void **state)
{
	static struct lg_row call;
	struct lg_engine *run, *mine;
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS);
	r.env.max_usd = "8";
	rig_open(&r);
	run = r.e;
	lg_engine_touch(run);
	make_call(&call, 5 * USD);
	strcpy(call.run_id, "test-run");
	assert_int_equal(lg_row_post(run, &call), 0);
	assert_int_equal(used(&r, "run"), 5 * USD);
	r.env.max_usd = NULL;
	r.env.run_id = NULL;
	assert_int_equal(lg_engine_open(&r.env, &mine), 0);
	r.e = mine;
	correct(&r, &call, -2 * USD);
	r.e = run;
	assert_int_equal(used(&r, "run"), 3 * USD);
	assert_int_equal(used(&r, "all"), 3 * USD);
	lg_engine_close(mine);
	rig_stop(&r);
}

/* Twice the same correction is one row, wherever a reader begins. */
static void test_same_twice(void **state)
{
	static struct lg_row call, adj, again;
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS);
	make_call(&call, 5 * USD);
	lg_row_post(r.e, &call);
	lg_adjust_init(&adj, &call);
	adj.cost_pusd = adj.output_cost_pusd = -USD;
	lg_adjust_fixed_id(&adj, "usage");
	lg_adjust_init(&again, &call);
	lg_adjust_fixed_id(&again, "price");
	assert_string_not_equal(adj.id, again.id);
	lg_adjust_fixed_id(&again, "usage");
	assert_string_equal(adj.id, again.id);
	assert_int_equal(strlen(adj.id), 26);
	assert_int_equal(lg_adjust_write(r.e, &adj), 0);
	assert_int_equal(lg_engine_checkpoint(r.e, true), 2);
	adj.flags |= LG_ROW_RECOVERED; /* as whoever writes it again must */
	assert_int_equal(lg_adjust_write(r.e, &adj), 0);
	assert_int_equal(ledger(&r).adjusts, 1);
	assert_int_equal(ledger(&r).pusd, 4 * USD);
	lose_region(&r);
	assert_int_equal(used(&r, "all"), 4 * USD);
	rig_stop(&r);
}

/* Given back more than ever was in it: no headroom beyond the limit. */
static void test_no_headroom(void **state)
{
	static struct lg_row call, adj;
	struct lg_hold_refusal why;
	struct lg_charge c;
	struct lg_region *region;
	struct lg_hold h;
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS);
	lg_engine_touch(r.e);
	make_call(&call, 0);
	lg_adjust_init(&adj, &call);
	adj.cost_pusd = adj.output_cost_pusd = -5 * USD;
	assert_int_equal(lg_adjust_write(r.e, &adj), 0);
	region = lg_engine_region(r.e);
	for (unsigned i = 0; i < lg_cell_count(region); i++) {
		struct lg_cell_view v;

		if (lg_cell_view(region, i, &v) || strcmp(v.name, "all"))
			continue;
		c = (struct lg_charge){.cell = (int)lg_cell_handle(
					       i, region->map->meta[i].epoch),
				       .window = v.window,
				       .limit_pusd = 10 * USD};
		c.amount_pusd = 11 * USD;
		assert_int_equal(lg_hold_take(region, &c, 1, "", 0, &h, &why),
				 -EDQUOT);
		assert_int_equal(why.used_pusd, 0);
		c.amount_pusd = 10 * USD;
		assert_int_equal(lg_hold_take(region, &c, 1, "", 0, &h, &why),
				 0);
		lg_hold_release(region, &h);
	}
	rig_stop(&r);
}

static void test_arguments(void **state)
{
	static struct lg_row call, adj;
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS);
	make_call(&call, USD);
	assert_int_equal(lg_adjust_write(r.e, &call), -EINVAL);
	lg_adjust_init(&adj, &call);
	adj.cost_pusd = 1;
	assert_int_equal(lg_adjust_write(r.e, &adj), -EINVAL);
	assert_int_equal(ledger(&r).rows, 0);
	rig_stop(&r);
}

static bool few(struct rig *r, unsigned turn)
{
	return turn < 4000 && ledger(r).adjusts <= 40;
}

/* kill -9 while corrections are written: all or nothing of each. */
static void test_killed(void **state)
{
	static struct lg_row call;
	struct sums s;
	struct rig r;

	(void)state;
	rig_start(&r, BUDGETS);
	lg_engine_touch(r.e);
	make_call(&call, 5 * USD);
	lg_row_post(r.e, &call);
	/* On a loaded machine some children are killed before they begin. */
	for (unsigned turn = 0; turn < 40 || few(&r, turn); turn++) {
		pid_t pid = fork();

		if (!pid) {
			lg_engine_after_fork();
			lg_engine_forked(r.e);
			for (unsigned i = 0;; i++)
				correct(&r, &call, i % 2 ? -USD : USD);
		}
		usleep(500 + 331 * (turn % 40));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	lg_engine_sweep(r.e);
	s = ledger(&r);
	assert_true(s.adjusts > 40);
	assert_int_equal(used(&r, "all"), s.pusd);
	assert_int_equal(used(&r, "mine"), s.pusd);
	lose_region(&r);
	assert_int_equal(used(&r, "all"), s.pusd);
	rig_stop(&r);
}

/* -- arithmetic ------------------------------------------------------------ */

static uint64_t seed = 88172645463325252u;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t maybe(void)
{
	return draw() % 4 ? draw() >> (draw() % 50 + 14) : LG_ROW_ABSENT;
}

static void draw_version(struct lg_row *r)
{
	r->input_cost_pusd = (int64_t)(draw() >> 8);
	r->output_cost_pusd = (int64_t)(draw() >> 8);
	r->cost_pusd = r->input_cost_pusd + r->output_cost_pusd;
	r->economic_pusd = (int64_t)(draw() >> 8);
	r->input_tokens = maybe();
	r->cache_read_tokens = maybe();
	r->output_tokens = maybe();
	r->audio_output_tokens = maybe();
	r->units[3] = draw() >> 40;
	r->units[LG_ROW_UNITS - 1] = draw() >> 40;
}

static uint64_t known(uint64_t n)
{
	return n == LG_ROW_ABSENT ? 0 : n;
}

static void assert_same(const struct lg_row *a, const struct lg_row *b)
{
	assert_int_equal(a->cost_pusd, b->cost_pusd);
	assert_int_equal(a->input_cost_pusd, b->input_cost_pusd);
	assert_int_equal(a->output_cost_pusd, b->output_cost_pusd);
	assert_int_equal(a->economic_pusd, b->economic_pusd);
	assert_int_equal(known(a->input_tokens), known(b->input_tokens));
	assert_int_equal(known(a->cache_read_tokens),
			 known(b->cache_read_tokens));
	assert_int_equal(known(a->output_tokens), known(b->output_tokens));
	assert_int_equal(known(a->audio_output_tokens),
			 known(b->audio_output_tokens));
	assert_memory_equal(a->units, b->units, sizeof(a->units));
}

static void test_arithmetic(void **state)
{
	static struct lg_row a, b, c, ab, bc, sum, now;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		make_call(&a, 0);
		draw_version(&a);
		b = c = a;
		draw_version(&b);
		draw_version(&c);
		lg_adjust_init(&ab, &a);
		lg_adjust_diff(&ab, &a, &b);
		lg_adjust_init(&bc, &a);
		lg_adjust_diff(&bc, &b, &c);
		now = a;
		lg_adjust_apply(&now, &ab);
		assert_same(&now, &b);
		lg_adjust_apply(&now, &bc);
		assert_same(&now, &c);
		lg_row_init(&sum);
		lg_adjust_merge(&sum, &bc);
		lg_adjust_merge(&sum, &ab);
		now = a;
		lg_adjust_apply(&now, &sum);
		assert_same(&now, &c);
		assert_string_equal(ab.ref, a.id);
		assert_int_equal(ab.ts_ms, a.ts_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_live_budgets),
		cmocka_unit_test(test_past_window),
		cmocka_unit_test(test_run_elsewhere),
		cmocka_unit_test(test_same_twice),
		cmocka_unit_test(test_no_headroom),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
