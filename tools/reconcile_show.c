#include <stdio.h>
#include <string.h>

#include "amount.h"
#include "base/money.h"
#include "budget/zone.h"
#include "json.h"
#include "reconcile.h"
#include "table.h"
#include "tool.h"
#include "when.h"

#define RATIO_MAX (INT64_MAX / 1000000 - 1)

static void put_side(struct json *j, const char *name, const struct gap_side *s)
{
	json_open(j, name, '{');
	json_u64(j, "calls", s->calls);
	json_u64(j, "input_tokens", s->input);
	json_u64(j, "cache_read_tokens", s->cached);
	json_u64(j, "output_tokens", s->output);
	json_close(j, '}');
}

static void put_json(struct json *j, const struct reconcile *r,
		     const struct gap_line *l)
{
	int64_t ppm = gap_ppm(l);

	json_usd(j, "ledger_usd", l->ours.cost_pusd);
	if (r->g.has_cost) {
		json_usd(j, "provider_usd", l->theirs.cost_pusd);
		json_usd(j, "difference_usd",
			 lg_money_sub(l->ours.cost_pusd, l->theirs.cost_pusd));
	}
	/* signed, so as money: a millionth is a million picodollars */
	if (ppm > RATIO_MAX || ppm < -RATIO_MAX)
		json_null(j, "gap_ratio");
	else
		json_usd(j, "gap_ratio", ppm * 1000000);
	json_bool(j, "within", !reconcile_is_beyond(r, l));
	put_side(j, "ledger", &l->ours);
	if (r->g.has_tokens || r->g.has_calls)
		put_side(j, "provider", &l->theirs);
}

int reconcile_show_json(const struct reconcile *r)
{
	char day[16];
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "format", bill_format_name(r->format));
	json_text(&j, "provider", r->g.provider);
	json_text(&j, "day_zone", r->zone ? lg_zone_name(r->zone) : "UTC");
	json_u64(&j, "days", r->g.days.n);
	json_ppm(&j, "tolerance", r->tolerance_ppm);
	json_open(&j, "lines", '[');
	for (size_t i = 0; i < r->g.lines.n; i++) {
		const struct gap_line *l = gap_nth(&r->g, i);

		if (r->gaps_only && !reconcile_is_beyond(r, l))
			continue;
		when_day_text(l->day, day);
		json_open(&j, NULL, '{');
		json_text(&j, "day", day);
		json_text(&j, "model", l->model);
		put_json(&j, r, l);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "total", '{');
	put_json(&j, r, &r->total);
	json_close(&j, '}');
	json_bool(&j, "within", !r->beyond);
	json_u64(&j, "gaps", r->beyond);
	json_u64(&j, "adjusted", r->written);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static void put_tokens(struct table *t, const struct gap_side *s)
{
	table_u64(t, s->input);
	table_u64(t, s->output);
}

static void put_cells(struct table *t, const struct reconcile *r,
		      const char *day, const char *model,
		      const struct gap_line *l)
{
	char gap[32];

	table_cell(t, day);
	table_cell(t, model);
	if (r->g.has_cost) {
		table_cell(t, tool_usd(l->ours.cost_pusd));
		table_cell(t, tool_usd(l->theirs.cost_pusd));
		table_cell(t, tool_signed_usd(lg_money_sub(
				      l->ours.cost_pusd, l->theirs.cost_pusd)));
	} else {
		put_tokens(t, &l->ours);
		put_tokens(t, &l->theirs);
	}
	amount_gap_text(gap_ppm(l), gap, sizeof(gap));
	table_cell(t, gap);
	table_u64(t, l->ours.calls);
	if (r->g.has_calls)
		table_u64(t, l->theirs.calls);
	table_cell(t, !reconcile_is_beyond(r, l) ? ""
		      : *model && !reconcile_is_over(r, l->day)
			      ? "differs; the day is not over"
			      : "differs");
}

static void put_verdict(const struct reconcile *r, struct lg_buf *out)
{
	char text[160], percent[LG_MONEY_TEXT];

	lg_money_print(r->tolerance_ppm * (LG_PUSD_PER_USD / 10000), percent);
	if (r->beyond)
		snprintf(text, sizeof(text),
			 "%zu of %zu lines differ by more than %s %%.\n",
			 r->beyond, r->g.lines.n, percent);
	else
		snprintf(text, sizeof(text),
			 "The ledger and the bill agree within %s %%.\n",
			 percent);
	lg_buf_puts(out, text);
}

int reconcile_show_text(const struct reconcile *r)
{
	static const char *const money[] = {
		"DAY\tMODEL\tLEDGER\rPROVIDER\rDIFFERENCE\rGAP\rCALLS\rNOTE",
		"DAY\tMODEL\tLEDGER\rPROVIDER\rDIFFERENCE\rGAP\rCALLS\r"
		"THEIRS\rNOTE",
	};
	static const char *const counts[] = {
		"DAY\tMODEL\tINPUT\rOUTPUT\rTHEIR INPUT\rTHEIR OUTPUT\rGAP\r"
		"CALLS\rNOTE",
		"DAY\tMODEL\tINPUT\rOUTPUT\rTHEIR INPUT\rTHEIR OUTPUT\rGAP\r"
		"CALLS\rTHEIRS\rNOTE",
	};
	struct lg_buf out;
	struct table t;
	char day[16];

	lg_buf_init(&out, (size_t)1 << 28);
	table_init(&t, (r->g.has_cost ? money : counts)[r->g.has_calls]);
	for (size_t i = 0; i < r->g.lines.n; i++) {
		const struct gap_line *l = gap_nth(&r->g, i);

		if (r->gaps_only && !reconcile_is_beyond(r, l))
			continue;
		when_day_text(l->day, day);
		put_cells(&t, r, day, l->model, l);
	}
	put_cells(&t, r, "total", "", &r->total);
	table_print(&t, &out);
	put_verdict(r, &out);
	return tool_print(&out);
}
