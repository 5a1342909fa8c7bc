#include "index_row.h"

#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "index_again.h"
#include "index_fact.h"
#include "index_text.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* A call as the database has it. */
struct standing {
	char id[sizeof(((struct lg_row *)0)->ref)];
	int64_t seq;
	int64_t fact[FACT_COLUMNS];
};

/* Flags by which reports tell calls apart; no correction changes them. */
#define FLAGS_KEPT                                                             \
	(LG_ROW_ABANDONED | LG_ROW_IGNORED_BUDGET | LG_ROW_LOST |              \
	 LG_ROW_JOINED_LATE | LG_ROW_RETRY | LG_ROW_DUPLICATE |                \
	 LG_ROW_CUT_SHORT | LG_ROW_UNGUARDED | LG_ROW_FALLBACK |               \
	 LG_ROW_REPEAT)

static const char *const cache_names[] = {"none", "provider", "gateway",
					  "local"};

static const char *coverage_of(const struct lg_row *r)
{
	if (r->flags & LG_ROW_ABANDONED)
		return "abandoned";
	if (r->price_state == LG_PRICED_UNKNOWN)
		return "unknown";
	if (r->usage_state != LG_USAGE_EXACT ||
	    r->price_state == LG_PRICED_ESTIMATED)
		return "estimated";
	return "exact";
}

static void flags_text(uint32_t flags, char out[512])
{
	size_t n = 0;

	*out = 0;
	flags &= FLAGS_KEPT;
	for (unsigned i = 0; i < LG_ROW_FLAGS; i++)
		if (flags & 1u << i)
			n += (size_t)snprintf(out + n, 512 - n, "%s%s",
					      n ? "\x1f" : "",
					      lg_row_flag_name(i));
}

static int intern(struct index *x, const char *const *text, unsigned n,
		  uint32_t *id)
{
	int code = SQLITE_OK;

	for (unsigned i = 0; !code && i < n; i++)
		code = index_text(x, text[i], &id[i]);
	return code;
}

static int who_of(struct index *x, const struct lg_row *r, uint32_t *id)
{
	const char *const text[WHO_COLUMNS] = {
		[WHO_PROJECT] = r->project, [WHO_USER] = r->user,
		[WHO_KEY] = r->key,	    [WHO_TAGS] = r->tags,
		[WHO_COMM] = r->comm,	    [WHO_EXPERIMENT] = r->experiment,
	};
	uint32_t t[WHO_COLUMNS];
	int code = intern(x, text, WHO_COLUMNS, t);

	return code ? code : index_who(x, t, id);
}

static int what_of(struct index *x, const struct lg_row *r, uint32_t *id)
{
	char status[16] = "", flags[512];
	bool call = r->kind == LG_ROW_CALL;
	const char *const text[WHAT_COLUMNS] = {
		[WHAT_PROVIDER] = r->provider,
		[WHAT_HOST] = r->host,
		[WHAT_DIALECT] = r->dialect,
		[WHAT_ENDPOINT] = r->endpoint,
		[WHAT_MODEL_REQUESTED] = r->model_requested,
		[WHAT_MODEL] = r->model,
		[WHAT_TIER] = r->tier,
		[WHAT_PHASE] = r->phase,
		[WHAT_REQUEST_TYPE] = r->request_type,
		[WHAT_VERDICT] =
			call ? lg_verdict_name((enum lg_verdict)r->verdict)
			     : "",
		[WHAT_REASON] = r->reason,
		[WHAT_STATUS] = status,
		[WHAT_COVERAGE] = coverage_of(r),
		[WHAT_USAGE_STATE] = lg_usage_state_name(
			(enum lg_usage_state)r->usage_state),
		[WHAT_PRICE_STATE] = lg_price_state_name(
			(enum lg_price_state)r->price_state),
		[WHAT_CACHE_HIT] = cache_names[r->cache_hit & 3],
		[WHAT_FLAGS] = flags,
	};
	uint32_t t[WHAT_COLUMNS];
	int code;

	if (r->status)
		snprintf(status, sizeof(status), "%d", r->status);
	flags_text(r->flags, flags);
	code = intern(x, text, WHAT_COLUMNS, t);
	return code ? code : index_what(x, t, id);
}

/* -- numbers ---------------------------------------------------------------
 */

static int64_t number(const struct lg_row *r, uint64_t n)
{
	if (n == LG_ROW_ABSENT)
		return 0;
	if (r->kind != LG_ROW_CALL)
		return lg_row_delta_of(n);
	return n < INT64_MAX ? (int64_t)n : INT64_MAX;
}

static int64_t sum(int64_t a, int64_t b)
{
	return lg_money_add(a, b);
}

static int64_t or_zero(int64_t v, int64_t none)
{
	return v == none ? 0 : v;
}

static void numbers_of(const struct lg_row *r, int64_t f[FACT_COLUMNS])
{
	f[FACT_TS] = r->ts_ms;
	f[FACT_CALLS] = r->kind == LG_ROW_CALL;
	f[FACT_COST] = or_zero(r->cost_pusd, INT64_MIN);
	f[FACT_INPUT_COST] = or_zero(r->input_cost_pusd, INT64_MIN);
	f[FACT_ECONOMIC] = or_zero(r->economic_pusd, INT64_MIN);
	f[FACT_ESTIMATE] = r->kind == LG_ROW_CALL
				   ? or_zero(r->estimate_pusd, INT64_MIN)
				   : 0;
	f[FACT_INPUT] = number(r, r->input_tokens);
	f[FACT_OUTPUT] = number(r, r->output_tokens);
	f[FACT_CACHE_READ] = number(r, r->cache_read_tokens);
	f[FACT_CACHE_WRITE] = sum(number(r, r->cache_write_5m_tokens),
				  number(r, r->cache_write_1h_tokens));
	f[FACT_REASONING] = number(r, r->reasoning_tokens);
	f[FACT_DURATION] = r->kind == LG_ROW_CALL && r->duration_ms > 0
				   ? r->duration_ms
				   : 0;
}

/* Everything of a fact that the row says. */
static int fact_of(struct index *x, const struct lg_row *r,
		   int64_t f[FACT_COLUMNS])
{
	uint32_t who, what, conversation, run;
	int code = who_of(x, r, &who);

	if (!code)
		code = what_of(x, r, &what);
	if (!code)
		code = index_text(x, r->conversation, &conversation);
	if (!code)
		code = index_text(x, r->run_id, &run);
	if (code)
		return code;
	numbers_of(r, f);
	f[FACT_WHO] = who;
	f[FACT_WHAT] = what;
	f[FACT_CONVERSATION] = conversation;
	f[FACT_RUN] = run;
	return SQLITE_OK;
}

static void bind_count(sqlite3_stmt *st, int at, bool absent, int64_t n)
{
	if (absent)
		sqlite3_bind_null(st, at);
	else
		sqlite3_bind_int64(st, at, n);
}

static void bind_tokens(sqlite3_stmt *st, int at, const struct lg_row *r,
			const int64_t f[FACT_COLUMNS])
{
	bind_count(st, at++, r->input_tokens == LG_ROW_ABSENT, f[FACT_INPUT]);
	bind_count(st, at++, r->output_tokens == LG_ROW_ABSENT, f[FACT_OUTPUT]);
	bind_count(st, at++, r->cache_read_tokens == LG_ROW_ABSENT,
		   f[FACT_CACHE_READ]);
	bind_count(st, at++,
		   r->cache_write_5m_tokens == LG_ROW_ABSENT &&
			   r->cache_write_1h_tokens == LG_ROW_ABSENT,
		   f[FACT_CACHE_WRITE]);
	bind_count(st, at, r->reasoning_tokens == LG_ROW_ABSENT,
		   f[FACT_REASONING]);
}

/* -- corrections -----------------------------------------------------------
 */

/* Of what a correction starts from. */
static int64_t call_check(const char *id, const int64_t fact[FACT_COLUMNS])
{
	return index_check(id, fact, FACT_COLUMNS);
}

int index_call_read(sqlite3_stmt *st, const char *id,
		    int64_t fact[FACT_COLUMNS])
{
	static const unsigned to[] = {
		FACT_TS,	   FACT_WHO,	   FACT_WHAT,
		FACT_CONVERSATION, FACT_RUN,	   FACT_COST,
		FACT_INPUT_COST,   FACT_ECONOMIC,  FACT_ESTIMATE,
		FACT_INPUT,	   FACT_OUTPUT,	   FACT_CACHE_READ,
		FACT_CACHE_WRITE,  FACT_REASONING, FACT_DURATION,
	};

	for (unsigned i = 0; i < COUNT(to); i++)
		fact[to[i]] = sqlite3_column_int64(st, (int)i + 1);
	fact[FACT_CALLS] = 1;
	return sqlite3_column_int64(st, COUNT(to) + 1) == call_check(id, fact)
		       ? SQLITE_OK
		       : SQLITE_CORRUPT;
}

static int find_call(struct index *x, const char *id, struct standing *s,
		     bool *found)
{
	sqlite3_stmt *st = index_statement(x, ST_CALL_FIND);
	int code;

	if (!st)
		return sqlite3_errcode(x->db);
	sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
	code = sqlite3_step(st);
	*found = code == SQLITE_ROW;
	if (*found) {
		s->seq = sqlite3_column_int64(st, 0);
		if (index_call_read(st, id, s->fact))
			code = SQLITE_CORRUPT;
		snprintf(s->id, sizeof(s->id), "%s", id);
	}
	sqlite3_reset(st);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static const unsigned numbers[] = {
	FACT_CALLS,	FACT_COST,     FACT_INPUT_COST, FACT_ECONOMIC,
	FACT_INPUT,	FACT_OUTPUT,   FACT_CACHE_READ, FACT_CACHE_WRITE,
	FACT_REASONING, FACT_ESTIMATE, FACT_DURATION,
};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))
/* Those that a correction moves, in the order of ST_CALL_STATE. */
static const unsigned moved[] = {
	FACT_COST,   FACT_INPUT_COST, FACT_ECONOMIC,	FACT_INPUT,
	FACT_OUTPUT, FACT_CACHE_READ, FACT_CACHE_WRITE, FACT_REASONING,
};
#define MOVED (sizeof(moved) / sizeof(moved[0]))
#define MOVED_MONEY 3

static int take_back(struct index *x, const struct standing *s)
{
	int64_t f[FACT_COLUMNS];

	memcpy(f, s->fact, sizeof(f));
	for (unsigned i = 0; i < NUMBERS; i++)
		f[numbers[i]] = -f[numbers[i]];
	return index_fact_add(x, f);
}

static int store_state(struct index *x, const struct standing *s)
{
	sqlite3_stmt *st = index_statement(x, ST_CALL_STATE);

	if (!st)
		return sqlite3_errcode(x->db);
	sqlite3_bind_int64(st, 1, s->seq);
	sqlite3_bind_int64(st, 2, s->fact[FACT_WHAT]);
	for (unsigned i = 0; i < MOVED; i++)
		sqlite3_bind_int64(st, (int)i + 3, s->fact[moved[i]]);
	sqlite3_bind_int64(st, MOVED + 3, call_check(s->id, s->fact));
	return index_step(st);
}

/*
 * What the call is after it: the correction's model, tier and states, the
 * call's own verdict, reason and flags.
 */
static int merge_what(struct index *x, uint32_t was, uint32_t learned,
		      uint32_t *id)
{
	static const unsigned kept[] = {WHAT_VERDICT, WHAT_REASON, WHAT_FLAGS,
					WHAT_STATUS};
	uint32_t a[WHAT_COLUMNS], b[WHAT_COLUMNS], abandoned;
	int code = index_what_get(x, was, a);

	if (!code)
		code = index_what_get(x, learned, b);
	if (!code)
		code = index_text(x, "abandoned", &abandoned);
	if (code)
		return code;
	for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		b[kept[i]] = a[kept[i]];
	if (a[WHAT_COVERAGE] == abandoned)
		b[WHAT_COVERAGE] = abandoned;
	return index_what(x, b, id);
}

/* adj: the correction's fact. */
static int apply(struct index *x, struct standing *s,
		 const int64_t adj[FACT_COLUMNS])
{
	uint32_t what;
	int code = take_back(x, s);

	if (!code)
		code = merge_what(x, (uint32_t)s->fact[FACT_WHAT],
				  (uint32_t)adj[FACT_WHAT], &what);
	if (code)
		return code;
	s->fact[FACT_WHAT] = what;
	for (unsigned i = 0; i < MOVED; i++) {
		int64_t v = sum(s->fact[moved[i]], adj[moved[i]]);

		s->fact[moved[i]] = i >= MOVED_MONEY && v < 0 ? 0 : v;
	}
	code = index_fact_add(x, s->fact);
	return code ? code : store_state(x, s);
}

/* Does ref name a call ("reconcile:2026-11-22" does not)? */
static bool names_call(const char *ref)
{
	return strlen(ref) == sizeof(((struct lg_row *)0)->ref) - 1;
}

static int store_adjust(struct index *x, const struct lg_row *r,
			const int64_t f[FACT_COLUMNS], bool applied)
{
	sqlite3_stmt *st = index_statement(x, ST_ADJUST_ADD);

	if (!st)
		return sqlite3_errcode(x->db);
	sqlite3_bind_text(st, 1, r->id, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, r->ref, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, r->ts_ms);
	bind_count(st, 4, !r->end_ms, r->end_ms);
	sqlite3_bind_int64(st, 5, f[FACT_WHO]);
	sqlite3_bind_int64(st, 6, f[FACT_WHAT]);
	sqlite3_bind_int64(st, 7, f[FACT_CONVERSATION]);
	sqlite3_bind_int64(st, 8, f[FACT_RUN]);
	sqlite3_bind_int64(st, 9, f[FACT_COST]);
	sqlite3_bind_int64(st, 10, f[FACT_INPUT_COST]);
	sqlite3_bind_int64(st, 11, f[FACT_ECONOMIC]);
	bind_tokens(st, 12, r, f);
	sqlite3_bind_int64(st, 17, applied);
	sqlite3_bind_text(st, 18, r->note, -1, SQLITE_STATIC);
	return index_step(st);
}

static int add_adjust(struct index *x, const struct lg_row *r)
{
	struct standing s;
	int64_t f[FACT_COLUMNS] = {0};
	bool found = false;
	int code = fact_of(x, r, f);

	if (!code && names_call(r->ref))
		code = find_call(x, r->ref, &s, &found);
	if (!code)
		code = store_adjust(x, r, f, found || !names_call(r->ref));
	if (code)
		return code;
	if (!sqlite3_changes(x->db)) {
		x->duplicates++;
		return SQLITE_OK;
	}
	x->rows++;
	if (found)
		return apply(x, &s, f);
	code = index_fact_add(x, f);
	if (!code && names_call(r->ref))
		code = index_set_meta(x, "orphans", (int64_t)++x->orphans);
	return code;
}

/* A correction that came before its call, as its fact. */
static bool read_waiting(sqlite3_stmt *st, int64_t f[FACT_COLUMNS], char id[27])
{
	static const unsigned to[] = {
		FACT_TS,	FACT_WHO,    FACT_WHAT,	      FACT_CONVERSATION,
		FACT_RUN,	FACT_COST,   FACT_INPUT_COST, FACT_ECONOMIC,
		FACT_INPUT,	FACT_OUTPUT, FACT_CACHE_READ, FACT_CACHE_WRITE,
		FACT_REASONING,
	};

	if (sqlite3_step(st) != SQLITE_ROW) {
		sqlite3_reset(st);
		return false;
	}
	memset(f, 0, FACT_COLUMNS * sizeof(*f));
	for (unsigned i = 0; i < sizeof(to) / sizeof(to[0]); i++)
		f[to[i]] = sqlite3_column_int64(st, (int)i + 1);
	snprintf(id, 27, "%s", (const char *)sqlite3_column_text(st, 0));
	sqlite3_reset(st);
	return true;
}

static int adopt(struct index *x, const char *call)
{
	sqlite3_stmt *st = index_statement(x, ST_ADJUST_WAITING);
	sqlite3_stmt *done = index_statement(x, ST_ADJUST_DONE);
	struct standing s, adj = {0};
	bool found = false;
	char id[27];
	int code = find_call(x, call, &s, &found);

	if (!st || !done)
		return sqlite3_errcode(x->db);
	sqlite3_bind_text(st, 1, call, -1, SQLITE_STATIC);
	while (!code && found && read_waiting(st, adj.fact, id)) {
		code = take_back(x, &adj);
		if (!code)
			code = apply(x, &s, adj.fact);
		sqlite3_bind_text(done, 1, id, -1, SQLITE_STATIC);
		if (!code)
			code = index_step(done);
		if (!code)
			code = index_set_meta(x, "orphans",
					      (int64_t)--x->orphans);
	}
	return code;
}

/* -- calls -----------------------------------------------------------------
 */

static int store_call(struct index *x, const struct lg_row *r,
		      const int64_t f[FACT_COLUMNS])
{
	sqlite3_stmt *st = index_statement(x, ST_CALL_ADD);
	uint32_t label;
	int code = index_text(x, r->label, &label);

	if (!st || code)
		return st ? code : sqlite3_errcode(x->db);
	sqlite3_bind_text(st, 1, r->id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, r->ts_ms);
	bind_count(st, 3, !r->end_ms, r->end_ms);
	sqlite3_bind_int64(st, 4, f[FACT_WHO]);
	sqlite3_bind_int64(st, 5, f[FACT_WHAT]);
	sqlite3_bind_int64(st, 6, f[FACT_CONVERSATION]);
	sqlite3_bind_int64(st, 7, label);
	sqlite3_bind_int64(st, 8, f[FACT_RUN]);
	sqlite3_bind_int64(st, 9, f[FACT_COST]);
	sqlite3_bind_int64(st, 10, f[FACT_INPUT_COST]);
	sqlite3_bind_int64(st, 11, f[FACT_ECONOMIC]);
	bind_count(st, 12, r->estimate_pusd == INT64_MIN, f[FACT_ESTIMATE]);
	bind_tokens(st, 13, r, f);
	bind_count(st, 18, r->ttft_ms < 0, r->ttft_ms);
	bind_count(st, 19, r->duration_ms < 0, r->duration_ms);
	bind_count(st, 20, r->request_bytes == LG_ROW_ABSENT,
		   (int64_t)r->request_bytes);
	bind_count(st, 21, r->response_bytes == LG_ROW_ABSENT,
		   (int64_t)r->response_bytes);
	bind_count(st, 22, !lg_row_hash(r), (int64_t)lg_row_hash(r));
	bind_count(st, 23, !r->max_output_tokens, r->max_output_tokens);
	sqlite3_bind_int64(st, 24, call_check(r->id, f));
	return index_step(st);
}

static int add_call(struct index *x, const struct lg_row *row)
{
	struct lg_row again;
	const struct lg_row *r = row;
	int64_t f[FACT_COLUMNS] = {0};
	uint32_t mark;
	int code = index_again_mark(x, row, &mark);

	if (mark) {
		again = *row;
		again.flags |= mark;
		r = &again;
	}
	if (!code)
		code = fact_of(x, r, f);
	if (!code)
		code = store_call(x, r, f);
	if (code)
		return code;
	if (!sqlite3_changes(x->db)) {
		x->duplicates++;
		return SQLITE_OK;
	}
	x->rows++;
	code = mark ? index_again_keep(x) : SQLITE_OK;
	if (!code)
		code = index_fact_add(x, f);
	if (!code)
		code = index_again_note(x, row);
	if (!code && x->orphans)
		code = adopt(x, r->id);
	return code;
}

int index_row_add(struct index *x, const struct lg_row *row)
{
	switch (row->kind) {
	case LG_ROW_CALL:
		return add_call(x, row);
	case LG_ROW_ADJUST:
		return add_adjust(x, row);
	default:
		return SQLITE_OK;
	}
}
