#include <stddef.h>
#include <string.h>

#include "base/money.h"
#include "export.h"
#include "report_csv.h"

/* -- the ledger's own keys, a line each ------------------------------------ */

static void put_line(struct lg_buf *out, const struct lg_row *row, bool first)
{
	char storage[LG_ROW_LINE_MAX];
	struct lg_buf line;

	(void)first;
	lg_buf_init_fixed(&line, storage, sizeof(storage));
	if (lg_row_format(row, &line))
		out->overflow = true;
	else
		lg_buf_put(out, line.p, line.len);
}

const struct export_form export_jsonl = {.name = "jsonl", .row = put_line};

/* -- a table --------------------------------------------------------------- */

enum kind {
	TEXT,
	LIST,
	TIME,
	MONEY,
	COUNT,
	WHOLE,
	VERDICT,
	USAGE,
	PRICE,
	KIND
};
static const struct column {
	const char *name;
	enum kind kind;
	size_t at;
} columns[] = {
#define C(name, kind, field)                                                   \
	{                                                                      \
		name, kind, offsetof(struct lg_row, field)                     \
	}
	C("id", TEXT, id),
	C("kind", KIND, kind),
	C("ts", TIME, ts_ms),
	C("end_ts", TIME, end_ms),
	C("provider", TEXT, provider),
	C("model_requested", TEXT, model_requested),
	C("model", TEXT, model),
	C("tier", TEXT, tier),
	C("request_type", TEXT, request_type),
	C("project", TEXT, project),
	C("user", TEXT, user),
	C("key", TEXT, key),
	C("tags", LIST, tags),
	C("conversation", TEXT, conversation),
	C("run_id", TEXT, run_id),
	C("experiment", TEXT, experiment),
	C("phase", TEXT, phase),
	C("host", TEXT, host),
	C("endpoint", TEXT, endpoint),
	C("exe", TEXT, exe),
	C("comm", TEXT, comm),
	C("status", WHOLE, status),
	C("verdict", VERDICT, verdict),
	C("reason", TEXT, reason),
	C("budgets", LIST, budgets),
	C("input_tokens", COUNT, input_tokens),
	C("cache_read_tokens", COUNT, cache_read_tokens),
	C("cache_write_5m_tokens", COUNT, cache_write_5m_tokens),
	C("cache_write_1h_tokens", COUNT, cache_write_1h_tokens),
	C("output_tokens", COUNT, output_tokens),
	C("reasoning_tokens", COUNT, reasoning_tokens),
	C("cost_usd", MONEY, cost_pusd),
	C("input_cost_usd", MONEY, input_cost_pusd),
	C("output_cost_usd", MONEY, output_cost_pusd),
	C("economic_usd", MONEY, economic_pusd),
	C("estimate_usd", MONEY, estimate_pusd),
	C("provider_cost_usd", MONEY, provider_cost_pusd),
	C("usage_state", USAGE, usage_state),
	C("price_state", PRICE, price_state),
	C("price_version", TEXT, price_version),
	C("response_id", TEXT, response_id),
	C("note", TEXT, note),
#undef C
};
#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

static void put_list(struct lg_buf *out, const char *text)
{
	char copy[sizeof(((struct lg_row *)0)->budgets)];
	size_t i;

	for (i = 0; text[i] && i + 1 < sizeof(copy); i++)
		copy[i] = text[i] == '\x1f' ? ';' : text[i];
	copy[i] = '\0';
	csv_put_text(out, copy);
}

static void put_count(struct lg_buf *out, const struct lg_row *row, uint64_t n)
{
	if (n == LG_ROW_ABSENT)
		return;
	if (row->kind == LG_ROW_ADJUST)
		lg_buf_put_i64(out, lg_row_delta_of(n));
	else
		lg_buf_put_u64(out, n);
}

static void put_cell(struct lg_buf *out, const struct lg_row *row,
		     const struct column *c)
{
	const char *at = (const char *)row + c->at;
	int64_t v = 0;
	uint8_t b = *(const uint8_t *)at;
	int32_t whole;

	if (c->kind == TIME || c->kind == MONEY || c->kind == COUNT)
		memcpy(&v, at, sizeof(v));
	switch (c->kind) {
	case TEXT:
		csv_put_text(out, at);
		return;
	case LIST:
		put_list(out, at);
		return;
	case TIME:
		if (v)
			lg_buf_put_time(out, v);
		return;
	case MONEY:
		if (v != INT64_MIN)
			lg_buf_put_money(out, v);
		return;
	case COUNT:
		put_count(out, row, (uint64_t)v);
		return;
	case WHOLE:
		memcpy(&whole, at, sizeof(whole));
		if (whole)
			lg_buf_put_i64(out, whole);
		return;
	case VERDICT:
		if (row->kind == LG_ROW_CALL)
			lg_buf_puts(out, lg_verdict_name((enum lg_verdict)b));
		return;
	case USAGE:
		lg_buf_puts(out, lg_usage_state_name((enum lg_usage_state)b));
		return;
	case PRICE:
		lg_buf_puts(out, lg_price_state_name((enum lg_price_state)b));
		return;
	case KIND:
		lg_buf_puts(out, row->kind == LG_ROW_CALL ? "call" : "adjust");
	}
}

static void put_head(struct lg_buf *out)
{
	for (size_t i = 0; i < NCOLUMNS; i++) {
		if (i)
			lg_buf_putc(out, ',');
		lg_buf_puts(out, columns[i].name);
	}
	lg_buf_puts(out, "\r\n");
}

static void put_record(struct lg_buf *out, const struct lg_row *row, bool first)
{
	(void)first;
	for (size_t i = 0; i < NCOLUMNS; i++) {
		if (i)
			lg_buf_putc(out, ',');
		put_cell(out, row, &columns[i]);
	}
	lg_buf_puts(out, "\r\n");
}

const struct export_form export_csv = {
	.name = "csv", .begin = put_head, .row = put_record};
