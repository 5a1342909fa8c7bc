#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "budget/hold.h"
#include "cmds.h"
#include "guard/engine.h"
#include "json.h"
#include "ledger/row.h"
#include "table.h"
#include "tool.h"

enum { O_JSON };
static const struct opt opts[] = {[O_JSON] = OPT_JSON, OPT_END};

static const char *state_of(const struct lg_hold_view *h,
			    const struct lg_row *row)
{
	if (h->alive && row->verdict == LG_VERDICT_STOP)
		return "stopped";
	if (h->staged)
		return "row waits";
	if (h->settling)
		return "settling";
	if (h->foreign)
		return "another pid namespace";
	if (!h->alive)
		return "owner is dead";
	return h->dispatched ? "sent" : "not sent yet";
}

static int64_t largest(const struct lg_hold_view *h)
{
	int64_t most = 0;
	unsigned i;

	for (i = 0; i < h->ncells; i++)
		if (h->amount_pusd[i] > most)
			most = h->amount_pusd[i];
	return most;
}

static void put_json(struct json *j, struct lg_region *r,
		     const struct lg_hold_view *h, const struct lg_row *row,
		     int64_t age_ms)
{
	struct lg_cell_view cell;
	unsigned i;

	json_open(j, NULL, '{');
	json_i64(j, "slot", h->slot);
	json_i64(j, "pid", h->pid);
	json_bool(j, "alive", h->alive);
	json_bool(j, "foreign", h->foreign);
	json_bool(j, "dispatched", h->dispatched);
	json_bool(j, "staged", h->staged);
	json_text(j, "state", state_of(h, row));
	json_i64(j, "age_ms", age_ms);
	json_text(j, "id", row->id);
	json_text(j, "comm", row->comm);
	json_text(j, "host", row->host);
	json_text(j, "model", row->model_requested);
	json_usd(j, "held_usd", largest(h));
	json_open(j, "budgets", '[');
	for (i = 0; i < h->ncells; i++) {
		if (h->cell[i] < 0 ||
		    lg_cell_view(r, (unsigned)h->cell[i], &cell))
			continue;
		json_open(j, NULL, '{');
		json_text(j, "name", cell.name);
		json_usd(j, "held_usd", h->amount_pusd[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
	json_line(j);
}

static void put_cells(struct table *t, const struct lg_hold_view *h,
		      const struct lg_row *row, int64_t age_ms)
{
	char text[64];

	snprintf(text, sizeof(text), "%d", h->pid);
	table_cell(t, text);
	table_cell(t, row->comm);
	snprintf(text, sizeof(text), "%lld.%lld s", (long long)age_ms / 1000,
		 (long long)age_ms / 100 % 10);
	table_cell(t, text);
	table_cell(t, tool_usd(largest(h)));
	table_cell(t, state_of(h, row));
	table_cell(t, row->host);
	table_cell(t, row->model_requested);
	table_cell(t, row->budgets);
}

static int run(struct call *c)
{
	static _Alignas(16) char draft[LG_DRAFT_MAX];
	struct lg_row empty, *row;
	struct lg_hold_view h;
	struct lg_region *r;
	struct lg_engine *e;
	struct lg_buf out;
	struct table t;
	struct json j;
	int64_t age;
	unsigned i;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	lg_row_init(&empty);
	json_init(&j);
	lg_buf_init(&out, (size_t)1 << 26);
	table_init(&t, "PID\rCOMMAND\tAGE\rHELD\rSTATE\tHOST\tMODEL\tBUDGETS");
	r = lg_engine_region(e);
	for (i = 0; r && i < lg_hold_slots(r); i++) {
		if (lg_hold_view(r, i, &h, draft))
			continue;
		row = (void *)draft;
		if (!lg_row_is_sound(draft, h.draft_len))
			row = &empty;
		age = (lg_clock_boot_ns() - h.since_boot_ns) / 1000000;
		put_json(&j, r, &h, row, age);
		put_cells(&t, &h, row, age);
	}
	table_print(&t, &out);
	ret = tool_print(c->v[O_JSON].set ? &j.b : &out);
	lg_buf_fini(&out);
	lg_buf_fini(&j.b);
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_holds = {
	.name = "holds",
	.args = "",
	.summary = "calls under way and what each holds",
	.about = "Also rows that could not be written yet. With --json one "
		 "hold a line. A process that a budget has stopped is listed "
		 "until it goes on (llmguard resume).",
	.opts = opts,
	.run = run,
};
