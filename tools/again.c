#include "again.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "index_row.h"
#include "query_work.h"
#include "report.h"
#include "table.h"
#include "tool.h"

enum { C_ID = 17, C_HASH };
static const char sql[] =
	"SELECT " INDEX_CALL_COLUMNS ", id, request_hash FROM calls"
	" WHERE seq IN (SELECT seq FROM again) AND ts_ms >= ? AND ts_ms < ?";

static bool text_passes(const struct query_work *w, unsigned which, uint64_t id)
{
	return id < w->ntexts &&
	       (!w->fact_passes[which] || w->fact_passes[which][id]);
}

/* As the sums were chosen; what came after them is not among them. */
static bool passes(const struct query_work *w, const int64_t *fact)
{
	uint64_t who = (uint64_t)fact[FACT_WHO];
	uint64_t what = (uint64_t)fact[FACT_WHAT];

	return who < w->who.n && what < w->what.n && w->who.t[who].passes &&
	       w->what.t[what].passes &&
	       text_passes(w, 0, (uint64_t)fact[FACT_CONVERSATION]) &&
	       text_passes(w, 1, (uint64_t)fact[FACT_RUN]);
}

static int add(const struct query_work *w, struct strmap *m, struct again *out,
	       const int64_t *fact, int64_t hash)
{
	const struct query_tuple *what = &w->what.t[fact[FACT_WHAT]];
	const struct query_tuple *who = &w->who.t[fact[FACT_WHO]];
	int64_t cost = fact[FACT_COST], ts = fact[FACT_TS];
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

static int read_call(struct query *q, struct strmap *m, struct again *out,
		     sqlite3_stmt *st)
{
	const char *id = (const char *)sqlite3_column_text(st, C_ID);
	int64_t fact[FACT_COLUMNS] = {0};

	if (!id || index_call_read(st, id, fact))
		return SQLITE_CORRUPT;
	if (!passes(q->work, fact))
		return SQLITE_OK;
	return add(q->work, m, out, fact, sqlite3_column_int64(st, C_HASH));
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
		else
			code = read_call(q, m, out, st);
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

static int keep(struct query *q, struct strmap *m, struct again *out)
{
	out->r = m->n ? calloc(m->n, sizeof(*out->r)) : NULL;
	if (m->n && !out->r)
		return SQLITE_NOMEM;
	for (size_t i = 0; i < m->n; i++) {
		struct again_request *r = &out->r[out->n++];

		*r = *(struct again_request *)strmap_nth(m, i, NULL);
		query_text(q, r->model);
		query_text(q, r->project);
	}
	if (out->n)
		qsort(out->r, out->n, sizeof(*out->r), dearer);
	return SQLITE_OK;
}

int again_read(struct query *q, void *ctx)
{
	struct again *out = ctx;
	struct strmap m;
	int code;

	again_fini(out);
	strmap_init(&m, sizeof(*out->r));
	code = read_calls(q, &m, out);
	if (!code)
		code = keep(q, &m, out);
	strmap_fini(&m);
	return code;
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
