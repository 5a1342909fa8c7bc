#include <string.h>

#include "ledger/row.h"
#include "top.h"

/* The last so many calls. */
#define CALLS 50u

static void put_tokens(struct json *j, const char *key, uint64_t n)
{
	if (n == LG_ROW_ABSENT)
		json_null(j, key);
	else
		json_u64(j, key, n);
}

static void put_budgets(struct json *j, const struct top_model *m)
{
	json_open(j, "budgets", '[');
	for (unsigned i = 0; i < m->views.n; i++) {
		const struct top_budget *b = &m->budget[i];

		json_open(j, NULL, '{');
		view_json_members(j, b->v);
		json_usd(j, "usd_per_hour", b->rate_pusd);
		json_time(j, "empty_at", b->is_empty ? m->now_ms : b->empty_ms);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_processes(struct json *j, const struct top_model *m)
{
	const struct strmap *all = &m->tally->processes;

	json_open(j, "processes", '[');
	for (size_t i = 0; i < all->n; i++) {
		const struct top_process *p = strmap_nth(all, i, NULL);

		json_open(j, NULL, '{');
		json_i64(j, "pid", p->pid);
		json_text(j, "comm", p->comm);
		json_text(j, "exe", p->exe);
		json_bool(j, "alive", !p->gone);
		if (p->via == TOP_VIA_PRELOAD || p->via == TOP_VIA_TRACER)
			json_text(j, "under",
				  top_via_name((enum top_via)p->via));
		else
			json_null(j, "under");
		json_bool(j, "paused", p->paused || m->paused_all);
		json_bool(j, "stopped", p->stopped);
		json_u64(j, "calls", p->calls);
		json_u64(j, "blocked", p->blocked);
		json_usd(j, "cost_usd", p->cost_pusd);
		json_usd(j, "usd_per_hour", top_rate_hour(&p->rate, m->now_ms));
		json_time(j, "last", p->last_ms);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_models(struct json *j, const struct top_model *m)
{
	const struct strmap *all = &m->tally->models;

	json_open(j, "models", '[');
	for (size_t i = 0; i < all->n; i++) {
		const struct top_model_sum *s = strmap_nth(all, i, NULL);

		json_open(j, NULL, '{');
		json_text(j, "provider", s->provider);
		json_text(j, "model", s->model);
		json_u64(j, "calls", s->calls);
		json_u64(j, "blocked", s->blocked);
		json_u64(j, "input_tokens", s->input_tokens);
		json_u64(j, "output_tokens", s->output_tokens);
		json_usd(j, "cost_usd", s->cost_pusd);
		json_usd(j, "usd_per_hour", top_rate_hour(&s->rate, m->now_ms));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_calls(struct json *j, const char *key,
		      const struct top_ring *ring)
{
	const struct top_call *c;

	json_open(j, key, '[');
	for (unsigned i = 0; i < CALLS && (c = top_ring_nth(ring, i)); i++) {
		json_open(j, NULL, '{');
		json_text(j, "id", c->id);
		json_time(j, "ts", c->ts_ms);
		json_i64(j, "pid", c->pid);
		json_text(j, "comm", c->comm);
		json_text(j, "model", c->model);
		put_tokens(j, "input_tokens", c->input_tokens);
		put_tokens(j, "output_tokens", c->output_tokens);
		json_usd(j, "cost_usd", c->cost_pusd);
		json_usd(j, "estimate_usd", c->estimate_pusd);
		json_text(j, "verdict",
			  lg_verdict_name((enum lg_verdict)c->verdict));
		json_text(j, "reason", c->reason);
		json_i64(j, "status", c->status);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_holds(struct json *j, const struct top_model *m)
{
	json_open(j, "holds", '[');
	for (unsigned i = 0; i < m->nholds; i++) {
		const struct top_hold *h = &m->hold[i];

		json_open(j, NULL, '{');
		json_i64(j, "pid", h->pid);
		json_text(j, "comm", h->comm);
		json_text(j, "state", h->state);
		json_i64(j, "age_ms", h->age_ms);
		json_usd(j, "held_usd", h->held_pusd);
		json_text(j, "host", h->host);
		json_text(j, "model", h->model);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void top_json(struct json *j, const struct top_model *m)
{
	const struct top_tally *t = m->tally;

	json_open(j, NULL, '{');
	json_time(j, "ts", m->now_ms);
	json_bool(j, "region", m->has_region);
	json_bool(j, "disabled", m->off);
	json_text(j, "trouble", m->trouble);
	json_u64(j, "tracers", m->tracers);
	json_open(j, "today", '{');
	json_time(j, "since", t->since_ms);
	json_bool(j, "partial", t->partial);
	json_u64(j, "calls", t->calls);
	json_u64(j, "blocked", t->blocked);
	json_u64(j, "unguarded", t->unguarded);
	json_u64(j, "unknown", t->unknown);
	json_usd(j, "cost_usd", t->cost_pusd);
	json_close(j, '}');
	json_usd(j, "usd_per_hour", top_rate_hour(&t->rate, m->now_ms));
	put_budgets(j, m);
	put_processes(j, m);
	put_models(j, m);
	put_calls(j, "calls", &t->recent);
	put_calls(j, "blocked", &t->refused);
	put_holds(j, m);
	json_close(j, '}');
	json_line(j);
}
