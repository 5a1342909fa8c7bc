#include "again.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "query_work.h"
#include "report.h"
#include "table.h"
#include "tool.h"

enum { C_HASH, C_WHO, C_WHAT, C_CONVERSATION, C_RUN, C_COST, C_TS };
static const char sql[] =
	"SELECT c.request_hash, c.who, c.what, c.conversation, c.run,"
	" c.cost_pusd, c.ts_ms FROM again a JOIN calls c ON c.seq = a.seq"
	" WHERE c.ts_ms >= ? AND c.ts_ms < ?";

static bool text_passes(const struct query_work *w, unsigned which, uint64_t id)
{
	return id < w->ntexts &&
	       (!w->fact_passes[which] || w->fact_passes[which][id]);
}

/* As the sums were chosen; what came after them is not among them. */
static bool passes(const struct query_work *w, sqlite3_stmt *st)
{
	uint64_t who = (uint64_t)sqlite3_column_int64(st, C_WHO);
	uint64_t what = (uint64_t)sqlite3_column_int64(st, C_WHAT);

	return who < w->who.n && what < w->what.n && w->who.t[who].passes &&
	       w->what.t[what].passes &&
	       text_passes(
		       w, 0,
		       (uint64_t)sqlite3_column_int64(st, C_CONVERSATION)) &&
	       text_passes(w, 1, (uint64_t)sqlite3_column_int64(st, C_RUN));
}

static int add(const struct query_work *w, struct strmap *m, struct again *out,
	       sqlite3_stmt *st)
{
	const struct query_tuple *what =
		&w->what.t[sqlite3_column_int64(st, C_WHAT)];
	const struct query_tuple *who =
		&w->who.t[sqlite3_column_int64(st, C_WHO)];
	int64_t hash = sqlite3_column_int64(st, C_HASH);
	int64_t cost = sqlite3_column_int64(st, C_COST);
	int64_t ts = sqlite3_column_int64(st, C_TS);
	uint32_t model = what->text[WHAT_MODEL];
	struct again_request *r;
	char key[64];

	if (!model)
		model = what->text[WHAT_MODEL_REQUESTED];
	snprintf(key, sizeof(key), "%llx %u %u", (unsigned long long)hash,
		 model, who->text[WHO_PROJECT]);
	r = strmap_put(m, key);
	if (!r)
		return SQLITE_NOMEM;
	r->hash = hash;
	r->model = model;
	r->project = who->text[WHO_PROJECT];
	r->calls++;
	r->cost_pusd = lg_money_add(r->cost_pusd, cost);
	r->last_ms = ts > r->last_ms ? ts : r->last_ms;
	out->calls++;
	out->cost_pusd = lg_money_add(out->cost_pusd, cost);
	return SQLITE_OK;
}

static int read_calls(struct query *q, struct strmap *m, struct again *out)
{
	sqlite3_stmt *st;
	int code = sqlite3_prepare_v2(q->x->db, sql, -1, &st, NULL), step;

	if (code)
		return code;
	sqlite3_bind_int64(st, 1, q->from_ms);
	sqlite3_bind_int64(st, 2, q->to_ms);
	while (!code && (step = sqlite3_step(st)) != SQLITE_DONE) {
		if (step != SQLITE_ROW)
			code = step;
		else if (passes(q->work, st))
			code = add(q->work, m, out, st);
	}
	sqlite3_finalize(st);
	return code;
}

static int dearer(const void *x, const void *y)
{
	const struct again_request *a = x, *b = y;

	if (a->cost_pusd != b->cost_pusd)
		return a->cost_pusd < b->cost_pusd ? 1 : -1;
	if (a->calls != b->calls)
		return a->calls < b->calls ? 1 : -1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->last_ms < b->last_ms ? 1 : -1;
}

int again_find(struct query *q, struct again *out)
{
	struct strmap m;
	int code;

	*out = (struct again){0};
	strmap_init(&m, sizeof(*out->r));
	code = read_calls(q, &m, out);
	out->r = code || !m.n ? NULL : calloc(m.n, sizeof(*out->r));
	if (!code && m.n && !out->r)
		code = SQLITE_NOMEM;
	for (size_t i = 0; out->r && i < m.n; i++)
		out->r[out->n++] =
			*(struct again_request *)strmap_nth(&m, i, NULL);
	strmap_fini(&m);
	if (code)
		return tool_fail("the index: %s", sqlite3_errstr(code));
	if (out->n)
		qsort(out->r, out->n, sizeof(*out->r), dearer);
	return -1;
}

void again_fini(struct again *a)
{
	free(a->r);
	*a = (struct again){0};
}

static unsigned shown(const struct again *a, unsigned top)
{
	return top && top < a->n ? top : a->n;
}

void again_text(struct query *q, const struct again *a, unsigned top,
		struct lg_engine *e, struct lg_buf *out)
{
	unsigned n = shown(a, top);
	struct table t;
	char hash[24];

	if (!a->n)
		return;
	lg_buf_puts(out, "\nREQUESTS MADE AGAIN (retries and repeats)\n");
	table_init(&t, "REQUEST\tMODEL\tPROJECT\tAGAIN\rCOST\rLAST\t");
	for (unsigned i = 0; i < n; i++) {
		const struct again_request *r = &a->r[i];

		snprintf(hash, sizeof(hash), "%014llx",
			 (unsigned long long)r->hash);
		hash[8] = 0;
		table_cell(&t, hash);
		table_cell(&t, query_text(q, r->model));
		table_cell(&t, query_text(q, r->project));
		table_cell(&t, count_text(r->calls));
		table_cell(&t, tool_usd(r->cost_pusd));
		table_cell(&t, tool_time(e, r->last_ms));
	}
	table_cell(&t, "all");
	table_cell(&t, "");
	table_cell(&t, "");
	table_cell(&t, count_text(a->calls));
	table_cell(&t, tool_usd(a->cost_pusd));
	table_cell(&t, "");
	table_print(&t, out);
	if (n < a->n) {
		lg_buf_puts(out, count_text(a->n - n));
		lg_buf_puts(out, " more requests are in the sum (--top).\n");
	}
}

void again_json(struct query *q, const struct again *a, unsigned top,
		struct json *j)
{
	char hash[24];

	json_open(j, "again", '{');
	json_i64(j, "requests", a->n);
	json_i64(j, "calls", a->calls);
	json_usd(j, "cost_usd", a->cost_pusd);
	json_open(j, "top", '[');
	for (unsigned i = 0; i < shown(a, top); i++) {
		const struct again_request *r = &a->r[i];

		snprintf(hash, sizeof(hash), "%014llx",
			 (unsigned long long)r->hash);
		json_open(j, NULL, '{');
		json_text(j, "request_hash", hash);
		json_text(j, "model", query_text(q, r->model));
		json_text(j, "project", query_text(q, r->project));
		json_i64(j, "calls", r->calls);
		json_usd(j, "cost_usd", r->cost_pusd);
		json_time(j, "last", r->last_ms);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}
