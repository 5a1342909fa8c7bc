#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "budget/hold.h"
#include "control_file.h"
#include "guard/engine.h"
#include "guard/env.h"
#include "guard/file.h"
#include "guard/world.h"
#include "ledger/row.h"
#include "top.h"
#include "tracers.h"
#include "when.h"

#define PREPARE_MS 30000
#define HOUR_MS INT64_C(3600000)

/* -- budgets --------------------------------------------------------------- */

static const struct top_rate *rate_of(const struct top_look *k,
				      const struct view *v)
{
	return top_tally_budget(&k->tally, v->cell.name, v->cell.value);
}

static void forecast(const struct top_look *k, struct top_budget *b,
		     int64_t now)
{
	const struct lg_cell_view *c = &b->v->cell;
	const struct top_rate *rate = rate_of(k, b->v);
	__int128 left;

	b->rate_pusd = rate ? top_rate_hour(rate, now) : 0;
	if (c->each && !strcmp(c->value, "*other*"))
		b->rate_pusd = INT64_MIN;
	b->is_empty = b->v->ratio_ppm < 0 || b->v->ratio_ppm >= 1000000;
	if (b->is_empty || b->rate_pusd <= 0)
		return;
	left = (__int128)lg_money_sub(c->limit_pusd, b->v->spent_pusd) *
	       HOUR_MS / b->rate_pusd;
	if (left < INT64_C(100) * 365 * 24 * HOUR_MS &&
	    now + (int64_t)left < c->window_end_ms)
		b->empty_ms = now + (int64_t)left;
}

static int look_budgets(struct top_look *k, struct top_model *m)
{
	int err = views_read(k->e, false, &m->views);

	m->has_region = err != -ENOENT;
	if (err)
		return err == -ENOENT ? 0 : err;
	m->budget = calloc(m->views.n ? m->views.n : 1, sizeof(*m->budget));
	if (!m->budget)
		return -ENOMEM;
	for (unsigned i = 0; i < m->views.n; i++) {
		m->budget[i].v = &m->views.v[i];
		forecast(k, &m->budget[i], m->now_ms);
	}
	return 0;
}

/* -- holds ----------------------------------------------------------------- */

static const char *hold_state(const struct lg_hold_view *h,
			      const struct lg_row *row)
{
	if (h->alive && row->verdict == LG_VERDICT_STOP)
		return "stopped";
	if (h->staged)
		return "row waits";
	if (h->settling)
		return "settling";
	if (h->foreign)
		return "other pid namespace";
	if (!h->alive)
		return "owner is dead";
	return h->dispatched ? "sent" : "not sent yet";
}

static void put_hold(struct top_hold *o, const struct lg_hold_view *h,
		     const struct lg_row *row)
{
	int64_t age = lg_clock_boot_ns() - h->since_boot_ns;
	size_t n;

	memset(o, 0, sizeof(*o));
	o->pid = h->pid;
	o->state = hold_state(h, row);
	o->age_ms = age > 0 ? age / 1000000 : 0;
	for (unsigned i = 0; i < h->ncells; i++)
		if (h->amount_pusd[i] > o->held_pusd)
			o->held_pusd = h->amount_pusd[i];
	strcpy(o->comm, row->comm);
	strcpy(o->host, row->host);
	strcpy(o->model, lg_row_asked(row));
	lg_slice_copy(lg_slice_str(row->budgets), o->budgets,
		      sizeof(o->budgets));
	for (n = 0; o->budgets[n]; n++)
		if (o->budgets[n] == '\x1f')
			o->budgets[n] = ' ';
}

static int look_holds(struct top_look *k, struct top_model *m)
{
	static _Alignas(16) char draft[LG_DRAFT_MAX];
	struct lg_region *r = lg_engine_region(k->e);
	struct lg_hold_view h;
	struct lg_row empty;

	if (!m->hold)
		m->hold = malloc(TOP_HOLDS_MAX * sizeof(*m->hold));
	if (!m->hold)
		return -ENOMEM;
	lg_row_init(&empty);
	for (unsigned i = 0; r && i < lg_hold_slots(r); i++) {
		bool ok;

		if (m->nholds == TOP_HOLDS_MAX || lg_hold_view(r, i, &h, draft))
			continue;
		ok = lg_row_is_sound(draft, h.draft_len);
		put_hold(&m->hold[m->nholds++], &h,
			 ok ? (const struct lg_row *)(void *)draft : &empty);
		m->staged += h.staged;
	}
	return 0;
}

/* -- processes ------------------------------------------------------------- */

/* Does the process map our library? */
static enum top_via via_of(int32_t pid, bool traced)
{
	char path[40], line[512];
	enum top_via via = traced ? TOP_VIA_TRACER : TOP_VIA_UNKNOWN;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "/libllmguard.so")) {
			via = TOP_VIA_PRELOAD;
			break;
		}
	if (f)
		fclose(f);
	return via;
}

/* When it began, as the wall clock has it; of start ticks after boot. */
static int64_t begun_ms(uint64_t ticks, int64_t now_ms)
{
	int64_t hz = sysconf(_SC_CLK_TCK);

	return now_ms - lg_clock_boot_ns() / 1000000 +
	       (int64_t)(ticks * 1000 / (uint64_t)(hz > 0 ? hz : 100));
}

static void look_process(struct top_process *p, bool traced, int64_t now)
{
	uint64_t start = p->pid > 0 ? lg_control_start(p->pid) : 0;

	p->paused = p->stopped = false;
	if (!start || (p->start && p->start != start) ||
	    begun_ms(start, now) > p->last_ms + 1000) {
		p->gone = true;
		p->via = TOP_VIA_GONE;
		return;
	}
	if (!p->start)
		p->via = via_of(p->pid, traced);
	p->start = start;
}

static void mark(struct top_model *m, struct top_tally *t,
		 const struct lg_control *o)
{
	if (o->kind == LG_CONTROL_OFF)
		return;
	if (!o->pid) {
		m->paused_all |= !o->scope.len;
		return;
	}
	if (lg_control_start(o->pid) != o->start)
		return;
	m->paused_pids += o->kind == LG_CONTROL_PAUSE;
	m->stopped_pids += o->kind == LG_CONTROL_STOPPED;
	for (size_t i = 0; i < t->processes.n; i++) {
		struct top_process *p = strmap_nth(&t->processes, i, NULL);

		if (p->pid != o->pid || p->gone)
			continue;
		p->paused |= o->kind == LG_CONTROL_PAUSE;
		p->stopped |= o->kind == LG_CONTROL_STOPPED;
	}
}

static void look_processes(struct top_look *k, struct top_model *m)
{
	struct control_file f;
	struct lg_slice rest;
	struct lg_control o;

	for (size_t i = 0; i < k->tally.processes.n; i++) {
		struct top_process *p =
			strmap_nth(&k->tally.processes, i, NULL);

		if (!p->gone)
			look_process(p, m->tracers, m->now_ms);
	}
	control_open(&f, k->e, CONTROL_LOOK);
	rest = lg_buf_slice(&f.was);
	while (lg_control_next(&rest, &o))
		mark(m, &k->tally, &o);
	control_close(&f);
}

/* -- all of it ------------------------------------------------------------- */

/* Which day it is, by the config's zone, and what the clock shows. */
static void look_clock(struct top_look *k, struct top_model *m)
{
	struct lg_world *w = lg_engine_pin(k->e);
	int64_t end = 0, s = m->now_ms / 1000;

	when_day_span(w->zone, when_day(w->zone, m->now_ms), &k->day_start_ms,
		      &end);
	if (w->zone)
		s += lg_zone_offset(w->zone, s);
	s = (s % 86400 + 86400) % 86400;
	snprintf(m->clock, sizeof(m->clock), "%02d:%02d:%02d", (int)(s / 3600),
		 (int)(s / 60 % 60), (int)(s % 60));
	m->closed = w->set.fail == LG_FAIL_CLOSED;
	lg_engine_unpin(k->e, w);
}

/* A budget of the config that has no counter of this window yet? */
static bool lacks_cells(struct top_look *k, const struct top_model *m)
{
	struct lg_world *w = lg_engine_pin(k->e);
	bool lacks = false;

	for (unsigned i = 0; i < w->nrules && !lacks; i++) {
		const struct lg_rule *r = &w->rules[i];
		unsigned n = 0;

		if (r->b->each || r->b->period == LG_PERIOD_RUN)
			continue;
		while (n < m->views.n &&
		       !lg_slice_eq(r->name,
				    lg_slice_str(m->views.v[n].cell.name)))
			n++;
		lacks = n == m->views.n;
	}
	lg_engine_unpin(k->e, w);
	return lacks;
}

/*
 * Counters are made and filled from the ledger by whoever writes; this engine
 * does not. As `status` does, but only where one is missing.
 */
static void prepare(struct top_look *k, const struct top_model *m)
{
	struct lg_env env = *k->env;
	struct lg_engine *e;

	if (k->prepared_ms && m->now_ms - k->prepared_ms < PREPARE_MS)
		return;
	k->prepared_ms = m->now_ms;
	env.readonly = false;
	if (lg_engine_open(&env, &e))
		return;
	lg_engine_touch(e);
	lg_engine_close(e);
}

void top_model_fini(struct top_model *m)
{
	top_rows_fini(m);
	views_fini(&m->views);
	free(m->budget);
	free(m->hold);
	memset(m, 0, sizeof(*m));
}

static void look_guard(struct top_look *k, struct top_model *m)
{
	struct lg_region *r = lg_engine_region(k->e);
	static struct tracers tracers;

	m->off = r && lg_region_is_disabled(r);
	m->is_gone = r && !lg_region_is_current(r, lg_engine_region_path(k->e));
	lg_slice_copy(lg_slice_str(lg_engine_trouble(k->e)), m->trouble,
		      sizeof(m->trouble));
	tracers_read(lg_engine_state_dir(k->e), &tracers);
	m->tracers = tracers.live;
}

int top_look_read(struct top_look *k, struct top_model *m)
{
	int err;

	top_model_fini(m);
	m->now_ms = lg_clock_real_ms();
	m->tally = &k->tally;
	lg_engine_refresh(k->e);
	look_clock(k, m);
	look_guard(k, m);
	err = top_tally_read(&k->tally, k->day_start_ms, m->now_ms);
	if (err == -ENOMEM)
		return err;
	if (err)
		snprintf(m->trouble, sizeof(m->trouble), "ledger: %s",
			 strerror(-err));
	err = look_budgets(k, m);
	if (!err && m->has_region && lacks_cells(k, m))
		prepare(k, m);
	if (!err)
		err = look_holds(k, m);
	if (err)
		return err;
	look_processes(k, m);
	return top_rows_fill(m);
}

int top_look_open(struct top_look *k, struct lg_engine *e)
{
	static struct lg_env env;

	memset(k, 0, sizeof(*k));
	env = *lg_engine_env(e);
	env.readonly = true;
	k->env = &env;
	if (lg_engine_open(&env, &k->e))
		return -EIO;
	k->day_start_ms = -1;
	return top_tally_init(&k->tally, lg_engine_ledger(k->e)->dir);
}

void top_look_close(struct top_look *k)
{
	top_tally_fini(&k->tally);
	lg_engine_close(k->e);
}
