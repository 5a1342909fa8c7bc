#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "guard/rule.h"
#include "spend.h"
#include "top.h"

/* So many processes are listed; those that live, and the last ones. */
#define PROCESSES_MAX 1000u
#define RECENT_MS (INT64_C(15) * 60000)

enum {
	B_NAME,
	B_BAR,
	B_USED,
	B_SPENT,
	B_HELD,
	B_LIMIT,
	B_RATE,
	B_EMPTY,
	B_STATE,
	B_RESETS,
	B_PERIOD,
	B_SCOPE
};
static const struct top_column budgets[] = {
	[B_NAME] = {"BUDGET", 8, 28, false, 0},
	[B_BAR] = {"", 8, 60, false, 3},
	[B_USED] = {"USED", 5, 8, true, 0},
	[B_SPENT] = {"SPENT", 6, 13, true, 0},
	[B_HELD] = {"HELD", 5, 12, true, 4},
	[B_LIMIT] = {"LIMIT", 5, 13, true, 1},
	[B_RATE] = {"$/H", 5, 12, true, 2},
	[B_EMPTY] = {"EMPTY", 5, 8, true, 2},
	[B_STATE] = {"STATE", 5, 8, false, 0},
	[B_RESETS] = {"RESETS", 6, 8, true, 5},
	[B_PERIOD] = {"PERIOD", 7, 8, false, 6},
	[B_SCOPE] = {"SCOPE", 8, 48, false, 7},
};

enum {
	P_PID,
	P_COMM,
	P_VIA,
	P_STATE,
	P_CALLS,
	P_BLOCKED,
	P_COST,
	P_RATE,
	P_LAST,
	P_EXE
};
static const struct top_column processes[] = {
	[P_PID] = {"PID", 5, 8, true, 0},
	[P_COMM] = {"COMMAND", 8, 16, false, 0},
	[P_VIA] = {"UNDER", 5, 8, false, 2},
	[P_STATE] = {"STATE", 5, 8, false, 1},
	[P_CALLS] = {"CALLS", 5, 10, true, 0},
	[P_BLOCKED] = {"BLOCKED", 7, 10, true, 2},
	[P_COST] = {"COST", 6, 13, true, 0},
	[P_RATE] = {"$/H", 5, 12, true, 1},
	[P_LAST] = {"LAST", 4, 8, true, 3},
	[P_EXE] = {"PROGRAM", 8, 60, false, 4},
};

enum {
	M_MODEL,
	M_PROVIDER,
	M_CALLS,
	M_BLOCKED,
	M_IN,
	M_OUT,
	M_COST,
	M_SHARE,
	M_RATE,
	M_LAST
};
static const struct top_column models[] = {
	[M_MODEL] = {"MODEL", 10, 44, false, 0},
	[M_PROVIDER] = {"PROVIDER", 8, 20, false, 4},
	[M_CALLS] = {"CALLS", 5, 10, true, 0},
	[M_BLOCKED] = {"BLOCKED", 7, 10, true, 3},
	[M_IN] = {"IN", 5, 12, true, 2},
	[M_OUT] = {"OUT", 5, 12, true, 2},
	[M_COST] = {"COST", 6, 13, true, 0},
	[M_SHARE] = {"SHARE", 5, 6, true, 3},
	[M_RATE] = {"$/H", 5, 12, true, 1},
	[M_LAST] = {"LAST", 4, 8, true, 5},
};

enum {
	C_AGE,
	C_PID,
	C_COMM,
	C_MODEL,
	C_IN,
	C_OUT,
	C_COST,
	C_TOOK,
	C_VERDICT,
	C_NOTE,
	C_BUDGETS
};
static const struct top_column calls[] = {
	[C_AGE] = {"AGO", 4, 8, true, 0},
	[C_PID] = {"PID", 5, 8, true, 2},
	[C_COMM] = {"COMMAND", 7, 16, false, 3},
	[C_MODEL] = {"MODEL", 10, 36, false, 0},
	[C_IN] = {"IN", 4, 9, true, 2},
	[C_OUT] = {"OUT", 4, 9, true, 2},
	[C_COST] = {"COST", 6, 13, true, 0},
	[C_TOOK] = {"TOOK", 5, 8, true, 4},
	[C_VERDICT] = {"VERDICT", 7, 8, false, 1},
	[C_NOTE] = {"NOTE", 11, 30, false, 5},
	[C_BUDGETS] = {"BUDGETS", 8, 40, false, 6},
};

enum {
	R_AGE,
	R_PID,
	R_COMM,
	R_MODEL,
	R_ESTIMATE,
	R_VERDICT,
	R_REASON,
	R_BUDGETS
};
static const struct top_column blocked[] = {
	[R_AGE] = {"AGO", 4, 8, true, 0},
	[R_PID] = {"PID", 5, 8, true, 2},
	[R_COMM] = {"COMMAND", 7, 16, false, 3},
	[R_MODEL] = {"MODEL", 10, 36, false, 0},
	[R_ESTIMATE] = {"ESTIMATE", 8, 13, true, 1},
	[R_VERDICT] = {"VERDICT", 7, 8, false, 4},
	[R_REASON] = {"REASON", 8, 40, false, 0},
	[R_BUDGETS] = {"BUDGETS", 8, 40, false, 5},
};

enum { H_PID, H_COMM, H_AGE, H_HELD, H_STATE, H_MODEL, H_HOST, H_BUDGETS };
static const struct top_column holds[] = {
	[H_PID] = {"PID", 5, 8, true, 0},
	[H_COMM] = {"COMMAND", 8, 16, false, 2},
	[H_AGE] = {"AGE", 4, 8, true, 0},
	[H_HELD] = {"HELD", 6, 13, true, 0},
	[H_STATE] = {"STATE", 5, 20, false, 1},
	[H_MODEL] = {"MODEL", 10, 36, false, 0},
	[H_HOST] = {"HOST", 8, 36, false, 4},
	[H_BUDGETS] = {"BUDGETS", 8, 40, false, 3},
};

#define TABLE(title, sort, c)                                                  \
	{                                                                      \
		title, sort, c, sizeof(c) / sizeof((c)[0])                     \
	}
const struct top_table top_tables[TOP_SECTIONS] = {
	[TOP_BUDGETS] = TABLE("Budgets", B_USED, budgets),
	[TOP_PROCESSES] = TABLE("Processes", P_RATE, processes),
	[TOP_MODELS] = TABLE("Models", M_COST, models),
	[TOP_CALLS] = TABLE("Calls", C_AGE, calls),
	[TOP_BLOCKED] = TABLE("Blocked", R_AGE, blocked),
	[TOP_HOLDS] = TABLE("Holds", H_HELD, holds),
};

/* -- figures as text --------------------------------------------------------
 */

const char *top_via_name(enum top_via v)
{
	static const char *const names[] = {"?", "preload", "tracer", "-"};

	return names[v & 3];
}

const char *top_span(int64_t ms)
{
	static char text[4][32];
	static unsigned turn;
	char *out = text[turn++ % 4];
	long long s = ms > 0 ? ms / 1000 : 0;

	if (!s)
		strcpy(out, "now");
	else if (s < 60)
		snprintf(out, 32, "%llds", s);
	else if (s < 3600)
		snprintf(out, 32, "%lldm%02lld", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, 32, "%lldh%02lld", s / 3600, s / 60 % 60);
	else if (s < 86400 * 100)
		snprintf(out, 32, "%lldd%02lldh", s / 86400, s / 3600 % 24);
	else
		snprintf(out, 32, "%lldd", s / 86400);
	return out;
}

const char *top_usd(int64_t pusd)
{
	static char text[4][40];
	static unsigned turn;
	char *out = text[turn++ % 4];
	int64_t size;

	if (pusd == INT64_MIN)
		return "-";
	size = pusd < 0 ? -pusd : pusd;
	lg_money_pretty(pusd,
			!size || size >= LG_PUSD_PER_USD ? 2
			: size >= LG_PUSD_PER_USD / 100	 ? 4
							 : 6,
			out, sizeof(text[0]));
	return out;
}

static void put(struct top_row *r, unsigned field, const char *text)
{
	size_t n = strlen(text);

	if (n >= TOP_TEXT)
		n = TOP_TEXT - 1;
	memcpy(r->text[field], text, n);
	r->text[field][n] = 0;
}

static void put_usd(struct top_row *r, unsigned field, int64_t pusd)
{
	put(r, field, top_usd(pusd));
	r->key[field] = pusd;
}

static void put_u64(struct top_row *r, unsigned field, uint64_t n)
{
	snprintf(r->text[field], TOP_TEXT, "%llu", (unsigned long long)n);
	r->key[field] = n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

/* 12345 -> "12.3k": a count that is only to be compared. */
static void put_count(struct top_row *r, unsigned field, uint64_t n)
{
	static const char units[] = "kMGTPE";
	uint64_t unit = 1000;
	unsigned i = 0;

	if (n == LG_ROW_ABSENT) {
		put(r, field, "-");
		return;
	}
	put_u64(r, field, n);
	if (n < 100000)
		return;
	while (n / unit >= 1000 && i < 5)
		unit *= 1000, i++;
	snprintf(r->text[field], TOP_TEXT, "%llu.%llu%c",
		 (unsigned long long)(n / unit),
		 (unsigned long long)(n % unit / (unit / 10)), units[i]);
}

/* What is younger comes first. */
static void put_ago(struct top_row *r, unsigned field, int64_t at, int64_t now)
{
	put(r, field, at ? top_span(now - at) : "-");
	r->key[field] = at;
}

static struct top_row *new_row(struct top_rows *rs, unsigned most)
{
	if (!rs->row) {
		rs->row = calloc(most ? most : 1, sizeof(*rs->row));
		rs->cap = rs->row ? most : 0;
	}
	return rs->n < rs->cap ? &rs->row[rs->n++] : NULL;
}

/* -- sections ---------------------------------------------------------------
 */

static const uint8_t state_style[] = {
	[VIEW_OK] = TOP_OK, [VIEW_WARN] = TOP_WARN, [VIEW_EXCEEDED] = TOP_BAD};

static int32_t ppm(int64_t part, int64_t whole)
{
	__int128 p;

	if (part <= 0)
		return 0;
	if (whole <= 0)
		return 1000000;
	p = (__int128)part * 1000000 / whole;
	return p > 1000000 ? 1000000 : (int32_t)p;
}

static void put_used(struct top_row *r, const struct view *v)
{
	if (v->ratio_ppm < 0)
		put(r, B_USED, "-");
	else if (v->ratio_ppm < 99950)
		snprintf(r->text[B_USED], TOP_TEXT, "%d.%d%%",
			 (int)(v->ratio_ppm / 10000),
			 (int)(v->ratio_ppm / 1000 % 10));
	else
		snprintf(r->text[B_USED], TOP_TEXT, "%lld%%",
			 (long long)(v->ratio_ppm / 10000));
	r->key[B_USED] = v->ratio_ppm < 0 ? INT64_MAX : v->ratio_ppm;
}

static void put_end(struct top_row *r, const struct top_budget *b, int64_t now)
{
	int64_t end = b->v->cell.window_end_ms;

	if (b->is_empty)
		put(r, B_EMPTY, "now");
	else
		put(r, B_EMPTY,
		    b->empty_ms ? top_span(b->empty_ms - now) : "-");
	r->key[B_EMPTY] = b->is_empty	? INT64_MAX
			  : b->empty_ms ? INT64_MAX - b->empty_ms
					: 0;
	r->key[B_RESETS] = end == INT64_MAX ? 0 : INT64_MAX - end;
	put(r, B_RESETS, end == INT64_MAX ? "-" : top_span(end - now));
	if (end != INT64_MAX)
		r->until_ms = end;
}

static void budget_row(struct top_row *r, const struct top_budget *b,
		       int64_t now)
{
	const struct lg_cell_view *c = &b->v->cell;
	char name[140];

	snprintf(r->id, sizeof(r->id), "%016llx%016llx",
		 (unsigned long long)c->id.a, (unsigned long long)c->id.b);
	snprintf(name, sizeof(name), "%s%s%s", c->name, c->value[0] ? "=" : "",
		 c->value);
	put(r, B_NAME, name);
	put_used(r, b->v);
	r->key[B_BAR] = r->key[B_USED];
	put_usd(r, B_SPENT, b->v->spent_pusd);
	put_usd(r, B_HELD, c->held_pusd);
	put_usd(r, B_LIMIT, c->limit_pusd);
	put_usd(r, B_RATE, b->rate_pusd);
	put_end(r, b, now);
	put(r, B_STATE,
	    c->refusing ? "refusing" : view_state_name(b->v->state));
	put(r, B_PERIOD, lg_period_name(c->period));
	put(r, B_SCOPE, c->scope);
	r->style = state_style[b->v->state];
	r->used_ppm = ppm(b->v->spent_pusd, c->limit_pusd);
	r->all_ppm = ppm(c->used_pusd, c->limit_pusd);
	strcpy(r->budget, c->name);
	r->each = c->each;
	r->limit_pusd = c->limit_pusd;
}

static int fill_budgets(struct top_model *m)
{
	for (unsigned i = 0; i < m->views.n; i++) {
		struct top_row *r = new_row(&m->rows[TOP_BUDGETS], m->views.n);

		if (!r)
			return -ENOMEM;
		budget_row(r, &m->budget[i], m->now_ms);
	}
	return 0;
}

static const char *process_state(const struct top_process *p,
				 const struct top_model *m)
{
	if (p->gone)
		return "ended";
	if (p->stopped)
		return "stopped";
	return p->paused || m->paused_all ? "paused" : "runs";
}

static void process_row(struct top_row *r, const struct top_process *p,
			const char *key, const struct top_model *m)
{
	snprintf(r->id, sizeof(r->id), "%.143s", key);
	if (p->pid)
		put_u64(r, P_PID, (uint64_t)(uint32_t)p->pid);
	put(r, P_COMM, p->comm);
	put(r, P_VIA, top_via_name((enum top_via)p->via));
	put(r, P_STATE, process_state(p, m));
	put_u64(r, P_CALLS, p->calls);
	put_u64(r, P_BLOCKED, p->blocked);
	put_usd(r, P_COST, p->cost_pusd);
	put_usd(r, P_RATE, top_rate_hour(&p->rate, m->now_ms));
	put_ago(r, P_LAST, p->last_ms, m->now_ms);
	put(r, P_EXE, p->exe);
	r->pid = p->gone ? 0 : p->pid;
	r->style = p->gone				      ? TOP_DIM
		   : p->paused || p->stopped || m->paused_all ? TOP_WARN
							      : TOP_PLAIN;
}

static int fill_processes(struct top_model *m)
{
	const struct strmap *all = &m->tally->processes;
	unsigned most =
		all->n < PROCESSES_MAX ? (unsigned)all->n : PROCESSES_MAX;

	for (size_t i = all->n; i-- > 0;) {
		const char *key;
		const struct top_process *p = strmap_nth(all, i, &key);
		struct top_row *r;

		if (all->n > PROCESSES_MAX && p->gone &&
		    p->last_ms < m->now_ms - RECENT_MS)
			continue;
		if (m->rows[TOP_PROCESSES].n == most)
			break;
		r = new_row(&m->rows[TOP_PROCESSES], most);
		if (!r)
			return -ENOMEM;
		process_row(r, p, key, m);
	}
	return 0;
}

static int fill_models(struct top_model *m)
{
	const struct strmap *all = &m->tally->models;
	unsigned most =
		all->n < PROCESSES_MAX ? (unsigned)all->n : PROCESSES_MAX;

	for (unsigned i = 0; i < most; i++) {
		const char *key;
		const struct top_model_sum *s = strmap_nth(all, i, &key);
		struct top_row *r = new_row(&m->rows[TOP_MODELS], most);
		int32_t share = ppm(s->cost_pusd, m->tally->cost_pusd);

		if (!r)
			return -ENOMEM;
		snprintf(r->id, sizeof(r->id), "%.143s", key);
		put(r, M_MODEL, s->model[0] ? s->model : "(unknown)");
		put(r, M_PROVIDER, s->provider);
		put_u64(r, M_CALLS, s->calls);
		put_u64(r, M_BLOCKED, s->blocked);
		put_count(r, M_IN, s->input_tokens);
		put_count(r, M_OUT, s->output_tokens);
		put_usd(r, M_COST, s->cost_pusd);
		put_usd(r, M_RATE, top_rate_hour(&s->rate, m->now_ms));
		put_ago(r, M_LAST, s->last_ms, m->now_ms);
		snprintf(r->text[M_SHARE], TOP_TEXT, "%d%%",
			 (int)((m->tally->cost_pusd ? share : 0) / 10000));
		r->key[M_SHARE] = share;
	}
	return 0;
}

/* What is to be known of a call besides its verdict. */
static void call_note(const struct top_call *c, char *out, size_t cap)
{
	const char *doubt = c->flags & LG_ROW_ABANDONED ? " abandoned"
			    : c->price_state == LG_PRICED_UNKNOWN
				    ? " price unknown"
			    : c->usage_state != LG_USAGE_EXACT ? " estimated"
							       : "";
	char http[24] = "";

	if (c->status >= 400)
		snprintf(http, sizeof(http), " HTTP %d", (int)c->status);
	snprintf(out, cap, "%s%s%s%s", c->reason, http, doubt,
		 c->flags & LG_ROW_UNGUARDED ? " unguarded" : "");
}

static uint8_t call_style(const struct top_call *c)
{
	switch (c->verdict) {
	case LG_VERDICT_ALLOW:
		return c->price_state == LG_PRICED_UNKNOWN || c->status >= 400
			       ? TOP_WARN
			       : TOP_PLAIN;
	case LG_VERDICT_WARN:
	case LG_VERDICT_FALLBACK:
	case LG_VERDICT_CLAMP:
	case LG_VERDICT_LOCAL:
		return TOP_WARN;
	default:
		return TOP_BAD;
	}
}

static void call_row(struct top_row *r, const struct top_call *c, int64_t now)
{
	char note[128];

	strcpy(r->id, c->id);
	put_ago(r, C_AGE, c->ts_ms, now);
	put_u64(r, C_PID, (uint64_t)(uint32_t)c->pid);
	put(r, C_COMM, c->comm);
	put(r, C_MODEL, c->model);
	put_count(r, C_IN, c->input_tokens);
	put_count(r, C_OUT, c->output_tokens);
	put_usd(r, C_COST, c->cost_pusd);
	put(r, C_TOOK, "-");
	if (c->duration_ms >= 0)
		snprintf(r->text[C_TOOK], TOP_TEXT, "%lld.%02llds",
			 (long long)(c->duration_ms / 1000),
			 (long long)(c->duration_ms % 1000 / 10));
	r->key[C_TOOK] = c->duration_ms;
	put(r, C_VERDICT, lg_verdict_name((enum lg_verdict)c->verdict));
	call_note(c, note, sizeof(note));
	put(r, C_NOTE, note[0] == ' ' ? note + 1 : note);
	put(r, C_BUDGETS, c->budgets);
	r->style = call_style(c);
	r->pid = c->pid;
}

static void blocked_row(struct top_row *r, const struct top_call *c,
			int64_t now)
{
	strcpy(r->id, c->id);
	put_ago(r, R_AGE, c->ts_ms, now);
	put_u64(r, R_PID, (uint64_t)(uint32_t)c->pid);
	put(r, R_COMM, c->comm);
	put(r, R_MODEL, c->model);
	put_usd(r, R_ESTIMATE, c->estimate_pusd);
	put(r, R_VERDICT, lg_verdict_name((enum lg_verdict)c->verdict));
	put(r, R_REASON, c->reason);
	put(r, R_BUDGETS, c->budgets);
	r->style = TOP_BAD;
	r->pid = c->pid;
}

static int fill_calls(struct top_model *m, enum top_section s,
		      const struct top_ring *ring)
{
	const struct top_call *c;
	struct top_row *r;

	for (unsigned i = 0; (c = top_ring_nth(ring, i)); i++) {
		r = new_row(&m->rows[s], ring->size);
		if (!r)
			return -ENOMEM;
		if (s == TOP_CALLS)
			call_row(r, c, m->now_ms);
		else
			blocked_row(r, c, m->now_ms);
	}
	return 0;
}

static int fill_holds(struct top_model *m)
{
	for (unsigned i = 0; i < m->nholds; i++) {
		const struct top_hold *h = &m->hold[i];
		struct top_row *r = new_row(&m->rows[TOP_HOLDS], m->nholds);

		if (!r)
			return -ENOMEM;
		snprintf(r->id, sizeof(r->id), "%d %.100s", h->pid, h->model);
		put_u64(r, H_PID, (uint64_t)(uint32_t)h->pid);
		put(r, H_COMM, h->comm);
		put(r, H_AGE, top_span(h->age_ms));
		r->key[H_AGE] = h->age_ms;
		put_usd(r, H_HELD, h->held_pusd);
		put(r, H_STATE, h->state);
		put(r, H_MODEL, h->model);
		put(r, H_HOST, h->host);
		put(r, H_BUDGETS, h->budgets);
		r->pid = h->pid;
		r->style = strcmp(h->state, "sent") ? TOP_WARN : TOP_PLAIN;
	}
	return 0;
}

void top_rows_fini(struct top_model *m)
{
	for (unsigned i = 0; i < TOP_SECTIONS; i++) {
		free(m->rows[i].row);
		memset(&m->rows[i], 0, sizeof(m->rows[i]));
	}
}

int top_rows_fill(struct top_model *m)
{
	int err;

	top_rows_fini(m);
	err = fill_budgets(m);
	if (!err)
		err = fill_processes(m);
	if (!err)
		err = fill_models(m);
	if (!err)
		err = fill_calls(m, TOP_CALLS, &m->tally->recent);
	if (!err)
		err = fill_calls(m, TOP_BLOCKED, &m->tally->refused);
	return err ? err : fill_holds(m);
}
