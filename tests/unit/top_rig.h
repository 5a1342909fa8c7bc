#ifndef LG_TESTS_TOP_RIG_H
#define LG_TESTS_TOP_RIG_H

/* What the tests of `top` share: a model made by hand. */
#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/money.h"
#include "ledger/month.h"
#include "ledger/row.h"
#include "tools/top.h"

#define NOW INT64_C(1763900000000)
#define CENT (LG_PUSD_PER_USD / 100)

/* -- a model made by hand ---------------------------------------------------
 */

static struct top_tally tally;
static struct view views[3];
static struct top_budget budget[3];

static void make_row(struct lg_row *r, int n, const char *model)
{
	lg_row_init(r);
	r->ts_ms = NOW - 1000 * n;
	r->end_ms = r->ts_ms + 500;
	r->duration_ms = 500;
	snprintf(r->id, sizeof(r->id), "%026d", n);
	r->pid = 100 + n % 3;
	strcpy(r->exe, "/usr/bin/x");
	snprintf(r->comm, sizeof(r->comm), "prog%d", n % 3);
	snprintf(r->model, sizeof(r->model), "%s", model);
	strcpy(r->provider, "openai");
	r->cost_pusd = CENT;
	r->input_tokens = 10;
	r->output_tokens = 20;
	r->status = 200;
	strcpy(r->project, "red");
	strcpy(r->budgets, "month\x1f"
			   "each");
}

static void make_budget(unsigned i, const char *name, int64_t spent,
			int64_t held, int64_t limit)
{
	struct view *v = &views[i];

	memset(v, 0, sizeof(*v));
	strcpy(v->cell.name, name);
	strcpy(v->cell.scope, "global");
	v->cell.id.a = i + 1;
	v->cell.period = i == 2 ? LG_PERIOD_TOTAL : LG_PERIOD_MONTHLY;
	v->cell.window_end_ms = i == 2 ? INT64_MAX : NOW + 3600000;
	v->cell.used_pusd = spent + held;
	v->cell.held_pusd = held;
	v->cell.limit_pusd = limit;
	v->spent_pusd = spent;
	v->ratio_ppm = limit ? spent * 1000 / limit * 1000 : -1;
	v->source = "config";
	v->state = v->ratio_ppm < 0 || v->ratio_ppm >= 1000000 ? VIEW_EXCEEDED
		   : v->ratio_ppm >= 750000		       ? VIEW_WARN
							       : VIEW_OK;
	budget[i] = (struct top_budget){.v = v, .rate_pusd = CENT};
}

/* The arrays are the test's own: the model's release must not free them. */
static void make_model(struct top_model *m, const char *model, int calls)
{
	struct lg_row r;

	memset(m, 0, sizeof(*m));
	assert_int_equal(top_tally_init(&tally, "/nonexistent"), 0);
	tally.since_ms = NOW - 86400000;
	tally.now_ms = NOW;
	for (int i = calls; i > 0; i--) {
		make_row(&r, i, model);
		if (i % 4 == 0)
			r.verdict = LG_VERDICT_BLOCK, r.cost_pusd = 0;
		assert_int_equal(top_tally_add(&tally, &r), 0);
	}
	make_budget(0, "month", 30 * CENT, 20 * CENT, 100 * CENT);
	make_budget(1, "each", 80 * CENT, 0, 100 * CENT);
	make_budget(2, "all", 5 * CENT, 0, 0);
	strcpy(m->clock, "12:00:00");
	m->now_ms = NOW;
	m->has_region = true;
	m->views.v = views;
	m->views.n = 3;
	m->budget = budget;
	m->tally = &tally;
	assert_int_equal(top_rows_fill(m), 0);
}

static void free_model(struct top_model *m)
{
	top_rows_fini(m);
	top_tally_fini(&tally);
}

#endif
