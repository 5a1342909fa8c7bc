#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "bill_read.h"
#include "budget/zone.h"
#include "when.h"

#define DAY_MS INT64_C(86400000)

enum field {
	F_MORE,
	F_ERROR,
	F_BUCKET,
	F_RESULT,
	F_START_S,
	F_END_S,
	F_START_T,
	F_END_T,
	F_DATE,
	/* of a result; OpenRouter's stand in the bucket itself */
	F_OBJECT,
	F_AMOUNT,
	F_VALUE,
	F_CURRENCY,
	F_LINE_ITEM,
	F_MODEL,
	F_COST_TYPE,
	F_SLUG,
	F_USAGE,
	F_REQUESTS,
	F_INPUT,
	F_CACHED,
	F_OUTPUT,
	F_UNCACHED,
	F_CACHE_READ,
	F_WRITE_1H,
	F_WRITE_5M,
	F_OR_REQUESTS,
	F_OR_INPUT,
	F_OR_OUTPUT,
};

/* A bucket stands in a page, in a list of pages, in a list, or alone. */
#define BUCKET(at, in)                                                         \
	{at, F_BUCKET, 0}, {in "start_time", F_START_S, 0},                    \
		{in "end_time", F_END_S, 0}, {in "starting_at", F_START_T, 0}, \
		{in "ending_at", F_END_T, 0}, {in "date", F_DATE, 0},          \
		{in "model", F_MODEL, 0}, {in "model_permaslug", F_SLUG, 0},   \
		{in "usage", F_USAGE, 0}, {in "requests", F_OR_REQUESTS, 0},   \
		{in "prompt_tokens", F_OR_INPUT, 0},                           \
		{in "completion_tokens", F_OR_OUTPUT, 0},                      \
		{in "results[]", F_RESULT, 0},                                 \
		{in "results[].object", F_OBJECT, 0},                          \
		{in "results[].amount", F_AMOUNT, 0},                          \
		{in "results[].amount.value", F_VALUE, 0},                     \
		{in "results[].amount.currency", F_CURRENCY, 0},               \
		{in "results[].currency", F_CURRENCY, 0},                      \
		{in "results[].line_item", F_LINE_ITEM, 0},                    \
		{in "results[].model", F_MODEL, 0},                            \
		{in "results[].cost_type", F_COST_TYPE, 0},                    \
		{in "results[].num_model_requests", F_REQUESTS, 0},            \
		{in "results[].input_tokens", F_INPUT, 0},                     \
		{in "results[].input_cached_tokens", F_CACHED, 0},             \
		{in "results[].output_tokens", F_OUTPUT, 0},                   \
		{in "results[].uncached_input_tokens", F_UNCACHED, 0},         \
		{in "results[].cache_read_input_tokens", F_CACHE_READ, 0},     \
		{in "results[].cache_creation.ephemeral_1h_input_tokens",      \
		 F_WRITE_1H, 0},                                               \
	{                                                                      \
		in "results[].cache_creation.ephemeral_5m_input_tokens",       \
			F_WRITE_5M, 0                                          \
	}

static const struct lg_field fields[] = {
	{"has_more", F_MORE, 0},
	{"[].has_more", F_MORE, 0},
	{"error.message", F_ERROR, 0},
	BUCKET("", ""),
	BUCKET("[]", "[]."),
	BUCKET("data[]", "data[]."),
	BUCKET("[].data[]", "[].data[]."),
};

#define NFIELDS (sizeof(fields) / sizeof(fields[0]))

static const char *where(const struct bill *b, const char *member, char *out,
			 size_t cap)
{
	const struct bill_json *j = &b->json;
	char page[48] = "";

	if (j->pages > 1)
		snprintf(page, sizeof(page), "page %llu, ",
			 (unsigned long long)j->pages);
	if (j->in_result)
		snprintf(out, cap, "%sdata[%llu].results[%llu].%s", page,
			 (unsigned long long)j->buckets,
			 (unsigned long long)j->results, member);
	else
		snprintf(out, cap, "%sdata[%llu].%s", page,
			 (unsigned long long)j->buckets, member);
	return out;
}

static int fail(struct bill *b, const char *member, const struct lg_value *v,
		const char *wanted)
{
	static const char *const types[] = {[LG_VALUE_NULL] = "null",
					    [LG_VALUE_BOOL] = "a boolean",
					    [LG_VALUE_OBJECT] = "an object",
					    [LG_VALUE_ARRAY] = "an array"};
	char place[160], text[64];

	where(b, member, place, sizeof(place));
	if (v->type != LG_VALUE_STRING && v->type != LG_VALUE_NUMBER)
		return bill_fail(b, place, "%s, where %s belongs",
				 v->type <= LG_VALUE_ARRAY && types[v->type]
					 ? types[v->type]
					 : "a value",
				 wanted);
	return bill_fail(b, place, "%s%s%s is not %s",
			 v->type == LG_VALUE_STRING ? "\"" : "",
			 bill_clean(v->text, text, sizeof(text)),
			 v->type == LG_VALUE_STRING ? "\"" : "", wanted);
}

static bool is_text(const struct lg_value *v)
{
	return v->type == LG_VALUE_STRING || v->type == LG_VALUE_NUMBER;
}

static void take_amount(struct bill *b, struct bill_cost *c, const char *name,
			const struct lg_value *v, int shift)
{
	int64_t pusd = 0;

	if (!is_text(v) || v->truncated ||
	    amount_parse(lg_slice_trim(v->text), shift, &pusd)) {
		fail(b, name, v, "a decimal amount");
		return;
	}
	c->i.cost_pusd = pusd;
	c->i.has_cost = true;
}

static void take_count(struct bill *b, struct bill_cost *c, const char *name,
		       const struct lg_value *v, uint64_t *sum)
{
	uint64_t n;

	if (lg_value_u64(v, &n) || __builtin_add_overflow(*sum, n, sum))
		fail(b, name, v, "a whole number");
	c->i.has_tokens |= sum != &c->i.requests;
	c->i.has_requests |= sum == &c->i.requests;
}

static void take_text(const struct lg_value *v, char *out, size_t cap)
{
	if (v->type == LG_VALUE_STRING)
		lg_slice_copy(v->text, out, cap);
}

static void take_seconds(struct bill *b, const char *name,
			 const struct lg_value *v, int64_t *ms)
{
	uint64_t s;

	if (lg_value_u64(v, &s) || s > UINT64_C(253402300800))
		fail(b, name, v, "a time in seconds since 1970");
	else
		*ms = (int64_t)s * 1000;
}

static void take_time(struct bill *b, const char *name,
		      const struct lg_value *v, int64_t *ms)
{
	if (v->type != LG_VALUE_STRING || when_parse(v->text, NULL, false, ms))
		fail(b, name, v, "a time like 2026-11-22T00:00:00Z");
}

/* -- one bucket ------------------------------------------------------------ */

static void begin_bucket(struct bill *b)
{
	struct bill_json *j = &b->json;

	j->start_ms = j->end_ms = INT64_MIN;
	j->kind[0] = '\0';
	j->nitems = 0;
	j->results = 0;
	memset(&j->own, 0, sizeof(j->own));
}

/* Days that are whole must be days of the zone that was asked for. */
static int check_span(struct bill *b, int64_t day)
{
	const struct bill_json *j = &b->json;
	int64_t start, end, len;
	char place[160];

	if (j->end_ms == INT64_MIN)
		return 0;
	len = j->end_ms - j->start_ms;
	where(b, "", place, sizeof(place));
	place[strlen(place) - 1] = '\0';
	if (len <= 0)
		return bill_fail(b, place, "it ends before it begins");
	if (len > DAY_MS + DAY_MS / 4)
		return bill_fail(b, place,
				 "it spans %lld days: export it by days "
				 "(bucket_width=1d)",
				 (long long)(len / DAY_MS));
	when_day_span(b->zone, day, &start, &end);
	if (len > DAY_MS / 2 && j->start_ms != start)
		return bill_fail(b, place,
				 "its day begins at midnight UTC and is none "
				 "of --day-zone %s",
				 b->zone ? lg_zone_name(b->zone) : "UTC");
	return 0;
}

static int keep_item(struct bill *b, const struct bill_item *i)
{
	struct bill_json *j = &b->json;

	if (j->nitems == j->cap) {
		size_t cap = j->cap ? 2 * j->cap : 64;
		struct bill_item *more;

		if (j->nitems >= BILL_ITEMS_MAX)
			return bill_fail(b, "",
					 "more than %d results in one "
					 "bucket",
					 BILL_ITEMS_MAX);
		more = realloc(j->items, cap * sizeof(*more));
		if (!more)
			return bill_sink_failed(b, -ENOMEM);
		j->items = more;
		j->cap = cap;
	}
	j->items[j->nitems++] = *i;
	return 0;
}

static void deliver(struct bill *b, int64_t day)
{
	struct bill_json *j = &b->json;
	int err = b->sink.day(b->sink.ctx, day);

	b->days++;
	for (size_t i = 0; !err && i < j->nitems; i++) {
		j->items[i].day = day;
		err = b->sink.item(b->sink.ctx, &j->items[i]);
		b->items++;
	}
	if (err)
		bill_sink_failed(b, err);
}

static void end_bucket(struct bill *b)
{
	struct bill_json *j = &b->json;
	char place[160];
	int64_t day;

	if (j->own.i.has_cost)
		keep_item(b, &j->own.i);
	if (j->start_ms == INT64_MIN && !j->nitems)
		return; /* the page, not a bucket */
	where(b, "usage", place, sizeof(place));
	if (b->format == BILL_OPENROUTER && !j->own.i.has_cost)
		bill_fail(b, place, "missing");
	where(b, "start_time", place, sizeof(place));
	if (j->start_ms == INT64_MIN) {
		bill_fail(b, place, "missing: of which day is it?");
		return;
	}
	day = when_day(b->zone, j->start_ms);
	if (b->error[0] || check_span(b, day))
		return;
	if (!j->own.i.has_cost && j->nitems &&
	    b->sink.bucket(b->sink.ctx, j->start_ms, j->kind) == -EEXIST) {
		place[strlen(place) - strlen(".start_time")] = '\0';
		bill_fail(b, place,
			  "this time came before: is the same page "
			  "in twice?");
		return;
	}
	deliver(b, day);
	begin_bucket(b);
	j->buckets++;
}

/* -- one result ------------------------------------------------------------ */

static void begin_result(struct bill *b)
{
	memset(&b->json.cur, 0, sizeof(b->json.cur));
	b->json.in_result = true;
}

static void end_result(struct bill *b)
{
	struct bill_json *j = &b->json;
	char place[160];

	if (!j->cur.i.has_cost && !j->cur.i.has_tokens &&
	    !j->cur.i.has_requests) {
		where(b, "amount", place, sizeof(place));
		bill_fail(b, place, "missing, and no count of tokens either");
	}
	keep_item(b, &j->cur.i);
	j->in_result = false;
	j->results++;
}

static void set_format(struct bill *b, enum bill_format f, const char *kind)
{
	char place[160];

	where(b, "", place, sizeof(place));
	place[strlen(place) - 1] = '\0';
	bill_is(b, place, f);
	if (!b->json.kind[0])
		snprintf(b->json.kind, sizeof(b->json.kind), "%s", kind);
}

static void take_currency(struct bill *b, const struct lg_value *v)
{
	if (v->type != LG_VALUE_STRING ||
	    !lg_slice_ieq(v->text, LG_SLICE("usd")))
		fail(b, "currency", v, "usd, the only currency there is here");
}

/* Null is "not grouped by this". */
static void take_money(struct bill *b, struct bill_cost *c, int id,
		       const struct lg_value *v)
{
	char text[BILL_MODEL_MAX];

	switch (id) {
	case F_AMOUNT:
		if (v->type == LG_VALUE_OBJECT || v->type == LG_VALUE_END)
			break;
		set_format(b, BILL_ANTHROPIC, "costs");
		take_amount(b, c, "amount", v, -2);
		break;
	case F_VALUE:
		set_format(b, BILL_OPENAI, "costs");
		take_amount(b, c, "amount.value", v, 0);
		break;
	case F_CURRENCY:
		take_currency(b, v);
		break;
	case F_LINE_ITEM:
		take_text(v, text, sizeof(text));
		if (v->type == LG_VALUE_STRING)
			bill_line_item(&c->i, lg_slice_str(text));
		break;
	case F_COST_TYPE:
		if (v->type == LG_VALUE_STRING &&
		    !lg_slice_eq(v->text, LG_SLICE("tokens")))
			take_text(v, c->i.label, sizeof(c->i.label));
		break;
	case F_USAGE:
		take_amount(b, c, "usage", v, 0);
		break;
	}
}

static void take_tokens(struct bill *b, struct bill_cost *c, int id,
			const struct lg_value *v)
{
	struct bill_item *i = &c->i;
	uint64_t again = 0;

	switch (id) {
	case F_REQUESTS:
		set_format(b, BILL_OPENAI, "usage");
		take_count(b, c, "num_model_requests", v, &i->requests);
		break;
	case F_INPUT:
		take_count(b, c, "input_tokens", v, &i->input);
		break;
	case F_CACHED:
		take_count(b, c, "input_cached_tokens", v, &i->cached);
		break;
	case F_OUTPUT:
		take_count(b, c, "output_tokens", v, &i->output);
		break;
	case F_UNCACHED:
		set_format(b, BILL_ANTHROPIC, "usage");
		take_count(b, c, "uncached_input_tokens", v, &i->input);
		break;
	case F_CACHE_READ:
		take_count(b, c, "cache_read_input_tokens", v, &i->cached);
		take_count(b, c, "cache_read_input_tokens", v, &i->input);
		break;
	case F_WRITE_1H:
	case F_WRITE_5M:
		take_count(b, c, "cache_creation", v, &i->input);
		break;
	case F_OR_REQUESTS:
		take_count(b, c, "requests", v, &i->requests);
		break;
	case F_OR_INPUT:
		take_count(b, c, "prompt_tokens", v, &i->input);
		break;
	case F_OR_OUTPUT:
		take_count(b, c, "completion_tokens", v, &again);
		i->output = again;
		break;
	}
}

static void take_figure(struct bill *b, int id, const struct lg_value *v)
{
	struct bill_json *j = &b->json;
	struct bill_cost *c = j->in_result ? &j->cur : &j->own;

	if (v->type == LG_VALUE_NULL)
		return;
	if (id == F_OBJECT) {
		take_text(v, j->kind, sizeof(j->kind));
	} else if (id == F_MODEL) {
		take_text(v, c->i.model, sizeof(c->i.model));
	} else if (id == F_SLUG) {
		if (!c->i.model[0])
			take_text(v, c->i.model, sizeof(c->i.model));
	} else if (id < F_REQUESTS) {
		take_money(b, c, id, v);
	} else {
		take_tokens(b, c, id, v);
	}
}

/* OpenRouter's items have a date and no results. */
static void take_date(struct bill *b, const struct lg_value *v)
{
	struct bill_json *j = &b->json;

	if (v->type != LG_VALUE_STRING ||
	    when_parse(v->text, NULL, false, &j->start_ms)) {
		fail(b, "date", v, "a day like 2026-11-22");
		return;
	}
	j->end_ms = j->start_ms + DAY_MS;
	set_format(b, BILL_OPENROUTER, "activity");
}

static void on_field(void *ctx, int id, const struct lg_value *v)
{
	struct bill *b = ctx;
	struct bill_json *j = &b->json;
	bool end = v->type == LG_VALUE_END;
	char text[64];

	if (b->error[0])
		return;
	switch (id) {
	case F_MORE:
		b->more = v->type == LG_VALUE_BOOL && v->boolean;
		break;
	case F_ERROR:
		bill_fail(b, "", "an error answer, not an export: %s",
			  bill_clean(v->text, text, sizeof(text)));
		break;
	case F_BUCKET:
		if (end)
			end_bucket(b);
		else if (v->type == LG_VALUE_OBJECT)
			begin_bucket(b);
		break;
	case F_RESULT:
		if (end)
			end_result(b);
		else if (v->type == LG_VALUE_OBJECT)
			begin_result(b);
		else
			fail(b, "results", v, "an object");
		break;
	case F_START_S:
		set_format(b, BILL_OPENAI, "");
		take_seconds(b, "start_time", v, &j->start_ms);
		break;
	case F_END_S:
		take_seconds(b, "end_time", v, &j->end_ms);
		break;
	case F_START_T:
		set_format(b, BILL_ANTHROPIC, "");
		take_time(b, "starting_at", v, &j->start_ms);
		break;
	case F_END_T:
		take_time(b, "ending_at", v, &j->end_ms);
		break;
	case F_DATE:
		take_date(b, v);
		break;
	default:
		take_figure(b, id, v);
	}
}

/* -- the text -------------------------------------------------------------- */

int bill_json_init(struct bill *b)
{
	int err = lg_json_paths_init(&b->paths, fields, NFIELDS);

	return err ? bill_fail(b, "", "%s", strerror(-err)) : 0;
}

/* One page may follow another. */
static void begin_value(struct bill *b)
{
	lg_json_init(&b->json.scan, &b->paths, on_field, b);
	b->json.running = true;
	b->json.pages++;
	b->json.buckets = 0;
	b->json.in_result = false;
	begin_bucket(b);
}

/* Up to and with the next closing bracket: there a value may end. */
static size_t stretch(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] == '}' || p[i] == ']')
			return i + 1;
	return n;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int not_json(struct bill *b)
{
	return bill_fail(b, "", "page %llu is not JSON",
			 (unsigned long long)b->json.pages);
}

int bill_json_feed(struct bill *b, const char *p, size_t n)
{
	struct bill_json *j = &b->json;

	while (n && !b->error[0]) {
		enum lg_json_status s;
		size_t k;

		if (!j->running && is_space(*p)) {
			p++;
			n--;
			continue;
		}
		if (!j->running) {
			begin_value(b);
			if (*p != '{' && *p != '[')
				return not_json(b);
		}
		k = stretch(p, n);
		s = lg_json_feed(&j->scan, p, k);
		p += k;
		n -= k;
		if (s == LG_JSON_BAD)
			not_json(b);
		if (s == LG_JSON_DONE)
			j->running = false;
	}
	return b->error[0] ? -EPROTO : 0;
}

int bill_json_end(struct bill *b)
{
	if (b->json.running)
		return bill_fail(b, "", "it ends in the middle of page %llu",
				 (unsigned long long)b->json.pages);
	return b->error[0] ? -EPROTO : 0;
}

void bill_json_fini(struct bill *b)
{
	free(b->json.items);
}
