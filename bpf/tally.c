#include "bpf/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "tools/table.h"
#include "tools/tool.h"

#define SHOWN_MAX 40

struct tally_group {
	int32_t pid; /* 0: of several */
	char comm[16];
	char model[128];
	struct tally_sum sum;
};

static const struct {
	const char *name, *text;
} losses[PROBE_LOSSES] = {
	[PROBE_LOSS_RING] = {"ring", "no room in the ring (--ring-mb)"},
	[PROBE_LOSS_FAULT] = {"fault", "memory that could not be read"},
	[PROBE_LOSS_LIMIT] = {"limit", "beyond one call's limit (--call-max)"},
	[PROBE_LOSS_CONNS] = {"connections", "too many connections at once"},
	[PROBE_LOSS_CALLS] = {"calls", "too many calls at once"},
};

const char *tally_loss_name(enum probe_loss why)
{
	return losses[why].name;
}

const char *tally_loss_text(enum probe_loss why)
{
	return losses[why].text;
}

void tally_init(struct tally *t)
{
	memset(t, 0, sizeof(*t));
	strmap_init(&t->groups, sizeof(struct tally_group));
}

void tally_fini(struct tally *t)
{
	strmap_fini(&t->groups);
}

static void add_tokens(uint64_t *sum, uint64_t n)
{
	if (n != LG_ROW_ABSENT && __builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

static void add(struct tally_sum *s, const struct lg_row *r)
{
	s->calls++;
	add_tokens(&s->input_tokens, r->input_tokens);
	add_tokens(&s->output_tokens, r->output_tokens);
	s->errors += r->status >= 400;
	s->refused += spend_is_refusal(r);
	s->cost_pusd = lg_money_add(s->cost_pusd, r->cost_pusd);
}

static struct tally_group *group_of(struct tally *t, const struct lg_row *r)
{
	const char *model = r->model[0] ? r->model : r->model_requested;
	struct tally_group *g;
	char key[256];

	snprintf(key, sizeof(key), "%d\x1f%s\x1f%s", r->pid, r->comm, model);
	g = strmap_get(&t->groups, key);
	if (g)
		return g;
	if (t->groups.n >= TALLY_GROUPS_MAX) {
		g = strmap_put(&t->groups, "");
		if (g)
			strcpy(g->comm, "*other*");
		return g;
	}
	g = strmap_put(&t->groups, key);
	if (!g)
		return NULL;
	g->pid = r->pid;
	snprintf(g->comm, sizeof(g->comm), "%s", r->comm);
	snprintf(g->model, sizeof(g->model), "%.127s",
		 *model ? model : r->endpoint);
	return g;
}

void tally_add(struct tally *t, const struct lg_row *r)
{
	enum spend_class c = spend_classify(r);
	struct tally_group *g;

	if (r->kind != LG_ROW_CALL)
		return;
	add(&t->all, r);
	t->by[c].calls++;
	t->by[c].pusd = lg_money_add(t->by[c].pusd, r->cost_pusd);
	g = group_of(t, r);
	if (g)
		add(&g->sum, r);
}

bool tally_has_loss(const struct tally_loss *l)
{
	uint64_t n = l->calls | l->bytes;

	for (unsigned i = 0; i < PROBE_LOSSES; i++)
		n |= l->why[i].records | l->why[i].bytes | l->why[i].requests;
	return n != 0;
}

static int by_cost(const void *a, const void *b)
{
	const struct tally_group *const *x = a, *const *y = b;

	if ((*x)->sum.cost_pusd != (*y)->sum.cost_pusd)
		return (*x)->sum.cost_pusd < (*y)->sum.cost_pusd ? 1 : -1;
	if ((*x)->sum.calls != (*y)->sum.calls)
		return (*x)->sum.calls < (*y)->sum.calls ? 1 : -1;
	return (*x)->pid - (*y)->pid;
}

/* The groups, dearest first; to be freed. NULL: none, or no memory. */
static struct tally_group **sorted(const struct tally *t)
{
	struct tally_group **all;
	size_t i;

	if (!t->groups.n)
		return NULL;
	all = calloc(t->groups.n, sizeof(struct tally_group *));
	for (i = 0; all && i < t->groups.n; i++)
		all[i] = strmap_nth(&t->groups, i, NULL);
	if (all)
		qsort(all, t->groups.n, sizeof(struct tally_group *), by_cost);
	return all;
}

static void put_groups(const struct tally *t, struct lg_buf *out)
{
	struct tally_group **all = sorted(t);
	char pid[16];
	struct table tab;
	size_t i;

	if (!all)
		return;
	table_init(&tab, "PID\rPROGRAM\tMODEL\tCALLS\rIN\rOUT\rCOST\r");
	for (i = 0; i < t->groups.n && i < SHOWN_MAX; i++) {
		snprintf(pid, sizeof(pid), "%d", all[i]->pid);
		table_cell(&tab, all[i]->pid ? pid : "");
		table_cell(&tab, all[i]->comm);
		table_cell(&tab, all[i]->model);
		table_u64(&tab, all[i]->sum.calls);
		table_u64(&tab, all[i]->sum.input_tokens);
		table_u64(&tab, all[i]->sum.output_tokens);
		table_cell(&tab, tool_usd(all[i]->sum.cost_pusd));
	}
	table_print(&tab, out);
	if (i < t->groups.n) {
		lg_buf_puts(out, "(and ");
		lg_buf_put_u64(out, t->groups.n - i);
		lg_buf_puts(out, " more: --json has them all)\n");
	}
	free(all);
}

/* "12 calls" */
static void put_count(struct lg_buf *out, uint64_t n, const char *what)
{
	lg_buf_put_u64(out, n);
	lg_buf_puts(out, " ");
	lg_buf_puts(out, what);
	lg_buf_puts(out, n == 1 ? "" : "s");
}

static void put_loss(const struct tally_loss *l, struct lg_buf *out)
{
	unsigned i;

	if (!tally_has_loss(l)) {
		lg_buf_puts(out, "Lost: nothing\n");
		return;
	}
	lg_buf_puts(out, "Lost: ");
	put_count(out, l->calls, "call");
	lg_buf_puts(out, ", ");
	put_count(out, l->bytes, "byte");
	lg_buf_puts(out, ": every total here is a lower bound\n");
	for (i = 0; i < PROBE_LOSSES; i++) {
		if (!l->why[i].records && !l->why[i].bytes)
			continue;
		lg_buf_puts(out, "  ");
		put_count(out, l->why[i].records, "record");
		lg_buf_puts(out, ", ");
		put_count(out, l->why[i].bytes, "byte");
		lg_buf_puts(out, ": ");
		lg_buf_puts(out, losses[i].text);
		lg_buf_puts(out, "\n");
	}
}

static void put_enforced(const struct enforce_totals *e, struct lg_buf *out)
{
	const struct {
		uint64_t n;
		const char *text;
	} did[] = {
		{e->stopped, " stopped"}, {e->resumed, " let go on"},
		{e->denied, " denied"},	  {e->reset, " connections reset"},
		{e->killed, " killed"},	  {e->waiting, " still stopped"},
	};
	bool first = true;

	for (size_t i = 0; i < sizeof(did) / sizeof(did[0]); i++) {
		if (!did[i].n)
			continue;
		lg_buf_puts(out, first ? "Hard limits: " : ", ");
		lg_buf_put_u64(out, did[i].n);
		lg_buf_puts(out, did[i].text);
		first = false;
	}
	lg_buf_puts(out, first ? "" : "\n");
}

void tally_text(const struct tally *t, const struct tally_loss *l,
		const struct enforce_totals *e, struct lg_buf *out)
{
	put_groups(t, out);
	lg_buf_puts(out, t->groups.n ? "\nTotal: " : "Total: ");
	lg_buf_puts(out, tally_has_loss(l) ? "at least " : "");
	put_count(out, t->all.calls, "call");
	lg_buf_puts(out, ", ");
	lg_buf_put_u64(out, t->all.input_tokens);
	lg_buf_puts(out, " tokens in, ");
	lg_buf_put_u64(out, t->all.output_tokens);
	lg_buf_puts(out, " out, ");
	lg_buf_puts(out, tool_usd(t->all.cost_pusd));
	lg_buf_puts(out, "\nCoverage:");
	for (unsigned i = SPEND_CLASSES; i-- > 0;) {
		lg_buf_puts(out, i == SPEND_EXACT ? " " : ", ");
		lg_buf_puts(out, spend_class_name((enum spend_class)i));
		lg_buf_puts(out, " ");
		lg_buf_put_u64(out, t->by[i].calls);
		lg_buf_puts(out, " (");
		lg_buf_puts(out, tool_usd(t->by[i].pusd));
		lg_buf_puts(out, ")");
	}
	lg_buf_puts(out, "\n");
	put_enforced(e, out);
	put_loss(l, out);
}

/* -- JSON -----------------------------------------------------------------
 */

static void sum_json(const struct tally_sum *s, struct json *j)
{
	json_u64(j, "calls", s->calls);
	json_u64(j, "input_tokens", s->input_tokens);
	json_u64(j, "output_tokens", s->output_tokens);
	json_usd(j, "cost_usd", s->cost_pusd);
	json_u64(j, "errors", s->errors);
	json_u64(j, "refused", s->refused);
}

void tally_loss_json(const struct tally_loss *l, struct json *j)
{
	json_open(j, "lost", '{');
	json_u64(j, "calls", l->calls);
	json_u64(j, "bytes", l->bytes);
	json_open(j, "reasons", '{');
	for (unsigned i = 0; i < PROBE_LOSSES; i++) {
		json_open(j, losses[i].name, '{');
		json_u64(j, "records", l->why[i].records);
		json_u64(j, "bytes", l->why[i].bytes);
		json_u64(j, "requests", l->why[i].requests);
		json_close(j, '}');
	}
	json_close(j, '}');
	json_close(j, '}');
}

static void groups_json(const struct tally *t, struct json *j)
{
	struct tally_group **all = sorted(t);

	json_open(j, "groups", '[');
	for (size_t i = 0; all && i < t->groups.n; i++) {
		json_open(j, NULL, '{');
		json_i64(j, "pid", all[i]->pid);
		json_text(j, "comm", all[i]->comm);
		json_text(j, "model", all[i]->model);
		sum_json(&all[i]->sum, j);
		json_close(j, '}');
	}
	json_close(j, ']');
	free(all);
}

void tally_json(const struct tally *t, const struct tally_loss *l,
		const struct enforce_totals *e, int64_t ms, struct json *j)
{
	json_open(j, NULL, '{');
	json_text(j, "kind", "summary");
	json_i64(j, "duration_ms", ms);
	json_open(j, "total", '{');
	sum_json(&t->all, j);
	json_close(j, '}');
	json_bool(j, "lower_bound", tally_has_loss(l));
	json_open(j, "coverage", '{');
	for (unsigned i = 0; i < SPEND_CLASSES; i++) {
		json_open(j, spend_class_name((enum spend_class)i), '{');
		json_u64(j, "calls", t->by[i].calls);
		json_usd(j, "usd", t->by[i].pusd);
		json_close(j, '}');
	}
	json_close(j, '}');
	tally_loss_json(l, j);
	json_open(j, "enforced", '{');
	json_u64(j, "stopped", e->stopped);
	json_u64(j, "resumed", e->resumed);
	json_u64(j, "denied", e->denied);
	json_u64(j, "reset", e->reset);
	json_u64(j, "killed", e->killed);
	json_u64(j, "waiting", e->waiting);
	json_close(j, '}');
	groups_json(t, j);
	json_close(j, '}');
	json_line(j);
}
