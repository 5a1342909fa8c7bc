#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/money.h"
#include "json.h"
#include "run.h"
#include "tool.h"

static const char *const phases[] = {"infer", "train"};
static const char *const breaches[] = {"block", "stop", "continue"};

static int64_t total(const struct run *r)
{
	return lg_money_add(r->tally.sum[0].cost_pusd,
			    r->tally.sum[1].cost_pusd);
}

static void put_reason(const struct run *r, struct json *j)
{
	json_text(j, "status", run_end_name(r->end));
	if (r->reason[0])
		json_text(j, "cancel_reason", r->reason);
	else
		json_null(j, "cancel_reason");
}

static void put_nano(struct json *j, const char *key, bool known, int64_t nano)
{
	char text[32];

	if (!known) {
		json_null(j, key);
		return;
	}
	run_nano_text(nano, text);
	json_number(j, key, text);
}

static void put_rates(const struct run *r, struct json *j)
{
	int64_t nano;
	bool known = run_per_million_runs(r, &nano);

	put_nano(j, "program_cost_per_million_runs", known, nano);
	known = run_per_million_calls(r, &nano);
	put_nano(j, "inference_cost_per_million_calls", known, nano);
}

/* -- summary.json -----------------------------------------------------------
 */

static void put_cache(const struct run *r, struct json *j)
{
	const struct run_line *s = r->tally.sum;
	uint64_t calls = s[0].calls + s[1].calls + s[0].local + s[1].local;
	uint64_t provider = s[0].provider_hits + s[1].provider_hits;
	uint64_t gateway = s[0].gateway_hits + s[1].gateway_hits;
	uint64_t local = s[0].local + s[1].local;
	uint64_t hits = provider + gateway + local;
	int64_t economic = lg_money_add(s[0].economic_pusd, s[1].economic_pusd);

	json_open(j, "cache", '{');
	json_u64(j, "calls", calls);
	json_u64(j, "hits", hits);
	json_u64(j, "misses", calls > hits ? calls - hits : 0);
	json_u64(j, "provider_hits", provider);
	json_u64(j, "gateway_hits", gateway);
	json_u64(j, "local_hits", local);
	json_u64(j, "cached_prompt_tokens",
		 s[0].cached_tokens + s[1].cached_tokens);
	if (calls)
		json_ppm(j, "hit_ratio",
			 (int64_t)((__int128)hits * 1000000 / calls));
	else
		json_null(j, "hit_ratio");
	json_usd(j, "saved_usd", lg_money_sub(economic, total(r)));
	json_close(j, '}');
}

void run_summary(const struct run *r, struct json *j)
{
	unsigned i;

	json_open(j, NULL, '{');
	json_text(j, "run_id", r->id);
	put_reason(r, j);
	for (i = RUN_PHASES; i-- > 0;) {
		const struct run_line *s = &r->tally.sum[i];
		char key[48];

		snprintf(key, sizeof(key), "%s_prompt_tokens", phases[i]);
		json_u64(j, key, s->input_tokens);
		snprintf(key, sizeof(key), "%s_cached_prompt_tokens",
			 phases[i]);
		json_u64(j, key, s->cached_tokens);
		snprintf(key, sizeof(key), "%s_completion_tokens", phases[i]);
		json_u64(j, key, s->output_tokens);
		snprintf(key, sizeof(key), "%s_cost_usd", phases[i]);
		json_usd(j, key, s->cost_pusd);
	}
	json_usd(j, "total_cost_usd", total(r));
	json_usd(j, "inference_effective_cost_usd",
		 r->tally.sum[RUN_INFER].economic_pusd);
	put_rates(r, j);
	put_cache(r, j);
	json_u64(j, "refused_calls", r->tally.refused);
	json_close(j, '}');
}

/* -- manifest.json ----------------------------------------------------------
 */

static void put_cell(const struct run_cell *c, struct json *j)
{
	int64_t left = lg_money_sub(c->limit_pusd,
				    lg_money_add(c->spent_pusd, c->held_pusd));
	bool over = c->refusing || c->spent_pusd >= c->limit_pusd;

	json_open(j, NULL, '{');
	json_text(j, "name", c->name);
	json_text(j, "scope", c->scope);
	json_usd(j, "limit_usd", c->limit_pusd);
	json_usd(j, "spent_usd", c->spent_pusd);
	json_usd(j, "held_usd", c->held_pusd);
	json_usd(j, "remaining_usd", left > 0 ? left : 0);
	json_bool(j, "hard", c->hard);
	json_text(j, "state", over ? "exceeded" : "ok");
	json_u64(j, "refused_calls", c->blocked);
	json_close(j, '}');
}

static void put_budget(const struct run *r, struct json *j)
{
	unsigned i;

	json_open(j, "budget", '{');
	json_usd(j, "max_usd", r->limits.max);
	json_usd(j, "warn_usd", r->limits.warn);
	json_usd(j, "max_train_usd", r->limits.train);
	json_usd(j, "max_infer_usd", r->limits.infer);
	json_usd(j, "warn_train_usd", r->limits.warn_train);
	json_usd(j, "warn_infer_usd", r->limits.warn_infer);
	json_usd(j, "experiment_max_usd", r->limits.experiment);
	json_text(j, "on_breach", breaches[r->on_breach]);
	json_bool(j, "ignored", r->ignored);
	json_bool(j, "breached", r->breached);
	json_open(j, "cells", '[');
	for (i = 0; i < r->watch.ncells; i++)
		put_cell(&r->watch.cell[i], j);
	json_close(j, ']');
	json_close(j, '}');
}

static void put_expected(const struct run_line *l, struct json *j)
{
	json_open(j, NULL, '{');
	json_text(j, "phase", phases[l->phase]);
	json_text(j, "provider", l->provider);
	json_text(j, "model", l->model);
	json_u64(j, "calls", l->calls);
	json_u64(j, "prompt_tokens", l->input_tokens);
	json_u64(j, "cached_prompt_tokens", l->cached_tokens);
	json_u64(j, "completion_tokens", l->output_tokens);
	json_usd(j, "cost_usd", l->cost_pusd);
	json_usd(j, "economic_usd", l->economic_pusd);
	json_bool(j, "price_known", !l->unknown);
	json_close(j, '}');
}

static void put_estimates(const struct run *r, struct json *j)
{
	const struct run_estimate *e = &r->estimate;
	int64_t actual = lg_money_add(e->actual[0], e->actual[1]);
	unsigned i;

	if (!e->known) {
		json_null(j, "estimates");
		return;
	}
	json_open(j, "estimates", '{');
	json_text(j, "source", e->source);
	json_u64(j, "calls", e->calls[RUN_INFER]);
	json_u64(j, "train_calls", e->calls[RUN_TRAIN]);
	json_usd(j, "infer_usd", e->actual[RUN_INFER]);
	json_usd(j, "train_usd", e->actual[RUN_TRAIN]);
	json_usd(j, "actual_usd", actual);
	json_usd(j, "economic_usd",
		 lg_money_add(e->economic[0], e->economic[1]));
	json_usd(j, "difference_usd", lg_money_sub(total(r), actual));
	json_ppm(j, "ratio",
		 actual > 0 ? (int64_t)((__int128)total(r) * 1000000 / actual)
			    : -1);
	json_open(j, "profile", '[');
	for (i = 0; i < e->nlines; i++)
		put_expected(&e->line[i], j);
	json_close(j, ']');
	json_close(j, '}');
}

static void put_model(const struct run_line *l, struct json *j)
{
	json_open(j, NULL, '{');
	json_text(j, "phase", phases[l->phase]);
	json_text(j, "provider", l->provider);
	json_text(j, "model", l->model);
	json_bool(j, "fine_tuned", l->fine_tuned);
	json_u64(j, "calls", l->calls);
	json_u64(j, "refused_calls", l->refused);
	json_u64(j, "prompt_tokens", l->input_tokens);
	json_u64(j, "cached_prompt_tokens", l->cached_tokens);
	json_u64(j, "completion_tokens", l->output_tokens);
	json_u64(j, "cache_hits",
		 l->provider_hits + l->gateway_hits + l->local);
	json_usd(j, "cost_usd", l->cost_pusd);
	json_usd(j, "economic_usd", l->economic_pusd);
	json_bool(j, "price_known", !l->unknown);
	json_close(j, '}');
}

static void put_tuning(const struct run *r, struct json *j)
{
	json_open(j, "fine_tune", '{');
	json_usd(j, "inference_cost_usd", r->tally.tuned_infer_pusd);
	json_usd(j, "training_cost_usd", r->tally.tuned_train_pusd);
	json_close(j, '}');
}

static void put_warning(struct json *j, uint64_t n, const char *what)
{
	char text[200];

	if (!n)
		return;
	snprintf(text, sizeof(text), "%llu %s", (unsigned long long)n, what);
	json_text(j, NULL, text);
}

static void put_warnings(const struct run *r, struct json *j)
{
	const struct run_tally *t = &r->tally;

	json_open(j, "warnings", '[');
	if (r->breached)
		json_text(j, NULL, r->breach);
	if (r->watch.warned)
		json_text(j, NULL, "more was spent than a warning was set at");
	put_warning(j, t->refused, "calls were refused");
	put_warning(j, t->cut, "streams were cut off");
	put_warning(j, t->unknown, "calls have no known price");
	put_warning(j, t->estimated, "calls are estimated, not exact");
	put_warning(j, t->ignored, "calls ignored the budgets");
	put_warning(j, run_skew(r), "expected calls were not seen on the wire");
	json_close(j, ']');
}

/* What this many calls of this kind would come to. */
static void put_projections(const struct run *r, struct json *j)
{
	const struct run_line *s = r->tally.sum;
	const struct run_estimate *e = &r->estimate;
	int64_t all = 0;
	bool known = false;
	unsigned i;

	json_open(j, "projections", '{');
	put_rates(r, j);
	for (i = 0; i < RUN_PHASES; i++) {
		if (!e->calls[i] || !s[i].calls)
			continue;
		known = true;
		all = lg_money_add(all, run_scale(s[i].cost_pusd, e->calls[i],
						  s[i].calls));
	}
	json_usd(j, "at_expected_calls_usd", known ? all : INT64_MIN);
	json_close(j, '}');
}

static void put_skew(const struct run *r, struct json *j)
{
	const struct run_estimate *e = &r->estimate;
	const struct run_line *s = r->tally.sum;

	json_open(j, "skew", '{');
	json_u64(j, "expected_calls", e->calls[0] + e->calls[1]);
	json_u64(j, "wire_calls", s[0].calls + s[1].calls);
	json_u64(j, "recorded_local_hits", s[0].local + s[1].local);
	json_u64(j, "refused_calls", r->tally.refused);
	json_u64(j, "missing_calls", run_skew(r));
	json_close(j, '}');
}

static void put_exit(const struct run *r, struct json *j)
{
	if (r->over && WIFEXITED(r->status))
		json_i64(j, "exit_code", WEXITSTATUS(r->status));
	else
		json_null(j, "exit_code");
	if (r->over && WIFSIGNALED(r->status))
		json_i64(j, "exit_signal", WTERMSIG(r->status));
	else
		json_null(j, "exit_signal");
}

void run_manifest(const struct run *r, struct json *j)
{
	const struct run_line *s = r->tally.sum;
	unsigned i;

	json_open(j, NULL, '{');
	json_u64(j, "version", 1);
	json_text(j, "run_id", r->id);
	json_text(j, "experiment", r->experiment);
	json_text(j, "project", r->project);
	json_text(j, "command", r->c->argv[0]);
	json_bool(j, "resumed", r->resumed);
	json_time(j, "begun_at", r->begun_ms);
	json_time(j, "started_at", r->started_ms);
	json_time(j, "ended_at", r->ended_ms);
	put_reason(r, j);
	put_exit(r, j);
	json_u64(j, "calls", s[0].calls + s[1].calls);
	json_u64(j, "refused_calls", r->tally.refused);
	json_usd(j, "total_cost_usd", total(r));
	json_usd(j, "total_economic_usd",
		 lg_money_add(s[0].economic_pusd, s[1].economic_pusd));
	put_budget(r, j);
	put_estimates(r, j);
	json_open(j, "models", '[');
	for (i = 0; i < r->tally.nlines; i++)
		put_model(&r->tally.line[i], j);
	json_close(j, ']');
	put_tuning(r, j);
	put_cache(r, j);
	put_warnings(r, j);
	put_projections(r, j);
	put_skew(r, j);
	json_close(j, '}');
}
