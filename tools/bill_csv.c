#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "amount.h"
#include "bill_read.h"
#include "when.h"

/* Each format's names of a meaning, the best first. */
static const struct {
	enum bill_format format;
	enum bill_column column;
	const char *names; /* parted by '|' */
} columns[] = {
	{BILL_OPENAI, COL_DAY, "start_time_iso|start_time"},
	{BILL_OPENAI, COL_MODEL, "model"},
	{BILL_OPENAI, COL_LABEL, "line_item"},
	{BILL_OPENAI, COL_COST, "amount_value"},
	{BILL_OPENAI, COL_CURRENCY, "amount_currency"},
	{BILL_OPENAI, COL_REQUESTS, "num_model_requests"},
	{BILL_OPENAI, COL_INPUT, "input_tokens"},
	{BILL_OPENAI, COL_CACHED, "input_cached_tokens"},
	{BILL_OPENAI, COL_OUTPUT, "output_tokens"},
	{BILL_ANTHROPIC, COL_DAY, "usage_date_utc"},
	{BILL_ANTHROPIC, COL_MODEL, "model|model_version"},
	{BILL_ANTHROPIC, COL_LABEL, "cost_type"},
	{BILL_ANTHROPIC, COL_COST, "cost_usd"},
	{BILL_ANTHROPIC, COL_UNCACHED, "usage_input_tokens_no_cache"},
	{BILL_ANTHROPIC, COL_WRITE_5M, "usage_input_tokens_cache_write_5m"},
	{BILL_ANTHROPIC, COL_WRITE_1H, "usage_input_tokens_cache_write_1h"},
	{BILL_ANTHROPIC, COL_CACHED, "usage_input_tokens_cache_read"},
	{BILL_ANTHROPIC, COL_OUTPUT, "usage_output_tokens"},
	{BILL_OPENROUTER, COL_DAY, "date|created_at|day"},
	{BILL_OPENROUTER, COL_MODEL, "model|model_permaslug|slug|model name"},
	{BILL_OPENROUTER, COL_COST,
	 "usage|cost_total|cost|total_cost|spend|total spend"},
	{BILL_OPENROUTER, COL_REQUESTS, "requests|num_requests"},
	{BILL_OPENROUTER, COL_INPUT, "prompt_tokens|tokens_prompt"},
	{BILL_OPENROUTER, COL_CACHED, "tokens_cached|cached_tokens"},
	{BILL_OPENROUTER, COL_OUTPUT, "completion_tokens|tokens_completion"},
	{BILL_OPENROUTER, COL_ID, "generation_id"},
};

#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

/* What only one of them has. */
static const struct {
	const char *name;
	enum bill_format format;
} marks[] = {
	{"amount_value", BILL_OPENAI},
	{"num_model_requests", BILL_OPENAI},
	{"usage_date_utc", BILL_ANTHROPIC},
};

static int find(const struct csv *c, struct lg_slice name)
{
	for (unsigned i = 0; i < c->n; i++)
		if (lg_slice_ieq(lg_slice_trim(csv_field(c, i)), name))
			return (int)i;
	return -1;
}

static int find_any(const struct csv *c, const char *names)
{
	struct lg_slice rest = lg_slice_str(names), name;
	int at = -1;

	while (at < 0 && rest.len) {
		rest = lg_slice_cut(rest, '|', &name);
		at = find(c, name);
	}
	return at;
}

static const char *where(const struct csv *c, const char *column, char *out,
			 size_t cap)
{
	snprintf(out, cap, "line %llu%s%s", (unsigned long long)c->line,
		 *column ? ", " : "", column);
	return out;
}

static enum bill_format format_of(const struct csv *c)
{
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (find(c, lg_slice_str(marks[i].name)) >= 0)
			return marks[i].format;
	return BILL_OPENROUTER;
}

static int read_head(struct bill *b, const struct csv *c)
{
	enum bill_format f = format_of(c);
	int *at = b->csv.column;
	char first[64];

	for (unsigned i = 0; i < BILL_COLUMNS; i++)
		at[i] = -1;
	for (unsigned i = 0; i < NCOLUMNS; i++)
		if (columns[i].format == f)
			at[columns[i].column] = find_any(c, columns[i].names);
	b->csv.headed = true;
	if (at[COL_DAY] >= 0 &&
	    (at[COL_COST] >= 0 || at[COL_INPUT] >= 0 || at[COL_UNCACHED] >= 0))
		return bill_is(b, "line 1", f);
	return bill_fail(b, "line 1",
			 "no column \"%s\" (the line begins with \"%s\"): "
			 "neither an activity of OpenRouter (date, model, "
			 "usage), nor a table of OpenAI (start_time_iso, "
			 "amount_value) or Anthropic (usage_date_utc, "
			 "cost_usd)",
			 at[COL_DAY] < 0 ? "date" : "usage",
			 bill_clean(csv_field(c, 0), first, sizeof(first)));
}

static struct lg_slice cell(const struct bill *b, const struct csv *c,
			    enum bill_column col)
{
	if (b->csv.column[col] < 0)
		return (struct lg_slice){"", 0};
	return lg_slice_trim(csv_field(c, (unsigned)b->csv.column[col]));
}

static const char *name_of(const struct bill *b, enum bill_column col)
{
	for (unsigned i = 0; i < NCOLUMNS; i++)
		if (columns[i].format == b->format && columns[i].column == col)
			return columns[i].names;
	return "";
}

static int fail(struct bill *b, const struct csv *c, enum bill_column col,
		const char *wanted)
{
	char place[160], text[64], column[96];
	struct lg_slice head;

	lg_slice_cut(lg_slice_str(name_of(b, col)), '|', &head);
	lg_slice_copy(head, column, sizeof(column));
	where(c, column, place, sizeof(place));
	return bill_fail(b, place, "\"%s\" is not %s",
			 bill_clean(cell(b, c, col), text, sizeof(text)),
			 wanted);
}

static void add_count(struct bill *b, const struct csv *c, enum bill_column col,
		      uint64_t *sum, bool *has)
{
	struct lg_slice s = cell(b, c, col);
	struct lg_value v = {.type = LG_VALUE_NUMBER, .text = s, .len = s.len};
	uint64_t n;

	if (!s.len)
		return;
	if (lg_value_u64(&v, &n) || __builtin_add_overflow(*sum, n, sum))
		fail(b, c, col, "a whole number");
	*has = true;
}

/* Seconds since 1970 where that is all there is. */
static int read_day(struct bill *b, const struct csv *c, int64_t *day)
{
	struct lg_slice s = cell(b, c, COL_DAY);
	int64_t ms, start, end;
	uint64_t sec;

	if (!lg_slice_u64(s, &sec) && sec < UINT64_C(253402300800))
		ms = (int64_t)sec * 1000;
	else if (when_parse(s, NULL, false, &ms))
		return fail(b, c, COL_DAY, "a day like 2026-11-22");
	*day = when_day(b->zone, ms);
	when_day_span(b->zone, *day, &start, &end);
	if (b->csv.column[COL_ID] < 0 && ms != start && ms % 86400000 == 0)
		return fail(b, c, COL_DAY,
			    "the midnight of a day in --day-zone");
	return 0;
}

static void read_label(struct bill *b, const struct csv *c, struct bill_item *i)
{
	struct lg_slice s = cell(b, c, COL_LABEL);

	if (b->format == BILL_OPENAI && s.len)
		bill_line_item(i, s);
	else if (b->format == BILL_ANTHROPIC && s.len &&
		 !lg_slice_istarts(s, LG_SLICE("token")))
		lg_slice_copy(s, i->label, sizeof(i->label));
}

static void read_counts(struct bill *b, const struct csv *c,
			struct bill_item *i)
{
	static const struct {
		enum bill_column column;
		bool cached;
	} inputs[] = {
		{COL_INPUT, false},    {COL_UNCACHED, false},
		{COL_WRITE_5M, false}, {COL_WRITE_1H, false},
		{COL_CACHED, true},
	};
	bool apart = b->csv.column[COL_UNCACHED] >= 0;

	for (unsigned k = 0; k < sizeof(inputs) / sizeof(inputs[0]); k++) {
		if (!inputs[k].cached || apart)
			add_count(b, c, inputs[k].column, &i->input,
				  &i->has_tokens);
		if (inputs[k].cached)
			add_count(b, c, inputs[k].column, &i->cached,
				  &i->has_tokens);
	}
	add_count(b, c, COL_OUTPUT, &i->output, &i->has_tokens);
	add_count(b, c, COL_REQUESTS, &i->requests, &i->has_requests);
	if (!i->has_requests && b->csv.column[COL_ID] >= 0) {
		i->requests = 1;
		i->has_requests = true;
	}
}

static void read_cost(struct bill *b, const struct csv *c, struct bill_item *i)
{
	struct lg_slice s = cell(b, c, COL_COST);
	struct lg_slice currency = cell(b, c, COL_CURRENCY);

	if (currency.len && !lg_slice_ieq(currency, LG_SLICE("usd")))
		fail(b, c, COL_CURRENCY, "usd");
	if (b->csv.column[COL_COST] < 0)
		return;
	if (s.len && amount_parse_loose(s, &i->cost_pusd))
		fail(b, c, COL_COST, "a decimal amount");
	i->has_cost = true;
}

static int on_record(void *ctx, const struct csv *c)
{
	struct bill *b = ctx;
	struct bill_item i = {0};
	char place[64];
	int err;

	if (!b->csv.headed)
		return read_head(b, c);
	where(c, "", place, sizeof(place));
	if (b->csv.column[COL_DAY] >= (int)c->n)
		return bill_fail(b, place, "only %u columns", c->n);
	if (read_day(b, c, &i.day))
		return -EPROTO;
	lg_slice_copy(cell(b, c, COL_MODEL), i.model, sizeof(i.model));
	read_label(b, c, &i);
	read_counts(b, c, &i);
	read_cost(b, c, &i);
	if (b->error[0])
		return -EPROTO;
	b->days++;
	err = b->sink.day(b->sink.ctx, i.day);
	/* a day on which nothing was used is a line without figures */
	if (!err &&
	    (i.has_tokens || i.has_requests || cell(b, c, COL_COST).len)) {
		b->items++;
		err = b->sink.item(b->sink.ctx, &i);
	}
	return err ? bill_sink_failed(b, err) : 0;
}

void bill_csv_init(struct bill *b)
{
	csv_init(&b->csv.csv, on_record, b);
}

static int tell(struct bill *b, int err)
{
	char place[64];

	if (!err)
		return 0;
	where(&b->csv.csv, "", place, sizeof(place));
	if (err == -EMSGSIZE)
		return bill_fail(b, place, "longer than a line may be");
	return bill_fail(b, place,
			 "a quote where none may stand, or without "
			 "its end");
}

int bill_csv_feed(struct bill *b, const char *p, size_t n)
{
	return tell(b, csv_feed(&b->csv.csv, p, n));
}

int bill_csv_end(struct bill *b)
{
	return tell(b, csv_end(&b->csv.csv));
}
