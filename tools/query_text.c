#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "index_text.h"
#include "query_work.h"

/* More no index has; only a damaged one says so. */
#define IDS_MAX (INT64_C(1) << 30)

static int count_ids(struct query *q, const char *table, uint32_t *n)
{
	sqlite3_stmt *st;
	char sql[64];
	int64_t last = -1;
	int code;

	snprintf(sql, sizeof(sql), "SELECT max(id) FROM %s", table);
	code = sqlite3_prepare_v2(q->x->db, sql, -1, &st, NULL);
	if (code)
		return code;
	if ((code = sqlite3_step(st)) == SQLITE_ROW)
		last = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	if (code != SQLITE_ROW)
		return code;
	if (last < 0 || last > IDS_MAX)
		return SQLITE_CORRUPT;
	*n = (uint32_t)last + 1;
	return SQLITE_OK;
}

static int load_tuple(sqlite3_stmt *st, struct query_tuples *out, int64_t id,
		      uint32_t ntexts)
{
	uint32_t *text = out->t[id].text;
	unsigned n = out->columns;

	for (unsigned i = 0; i < n; i++) {
		text[i] = (uint32_t)sqlite3_column_int64(st, (int)i + 1);
		if (text[i] >= ntexts)
			return SQLITE_CORRUPT;
	}
	return sqlite3_column_int64(st, (int)n + 1) ==
			       index_tuple_check(id, text, n)
		       ? SQLITE_OK
		       : SQLITE_CORRUPT;
}

/* Ids are 1 and on; none is left out. */
static int load_tuples(struct query *q, const char *table, unsigned columns,
		       struct query_tuples *out)
{
	sqlite3_stmt *st;
	char sql[64];
	int64_t id, last = 0;
	int code = count_ids(q, table, &out->n);

	if (code)
		return code;
	out->columns = columns;
	out->t = calloc(out->n, sizeof(*out->t));
	if (!out->t)
		return SQLITE_NOMEM;
	snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY id", table);
	code = sqlite3_prepare_v2(q->x->db, sql, -1, &st, NULL);
	while (!code && (code = sqlite3_step(st)) == SQLITE_ROW) {
		id = sqlite3_column_int64(st, 0);
		if (id != last + 1 || id >= out->n)
			code = SQLITE_CORRUPT;
		else
			code = load_tuple(st, out, id, q->work->ntexts);
		last = id;
	}
	sqlite3_finalize(st);
	if (code == SQLITE_DONE && last + 1 != out->n)
		return SQLITE_CORRUPT;
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int count_texts(struct query *q)
{
	int code = count_ids(q, "texts", &q->work->ntexts);

	if (code)
		return code;
	q->work->text = calloc(q->work->ntexts, sizeof(*q->work->text));
	return q->work->text ? SQLITE_OK : SQLITE_NOMEM;
}

/* A row with text and crc; borrowed until the next step. NULL: damaged. */
static const char *checked_text(sqlite3_stmt *st, int at, int64_t id)
{
	const char *text = (const char *)sqlite3_column_text(st, at);

	if (!text ||
	    sqlite3_column_int64(st, at + 1) != index_text_check(id, text))
		return NULL;
	return text;
}

const char *query_text(struct query *q, uint32_t id)
{
	struct query_work *w = q->work;
	sqlite3_stmt *st;
	const char *text = NULL;

	if (!id)
		return "";
	if (id < w->ntexts && w->text[id])
		return w->text[id];
	st = index_statement(q->x, ST_TEXT_GET);
	if (st && id < w->ntexts) {
		sqlite3_bind_int64(st, 1, id);
		if (sqlite3_step(st) == SQLITE_ROW)
			text = checked_text(st, 0, id);
		if (text)
			w->text[id] = strdup(text);
		sqlite3_reset(st);
	}
	if (!text)
		w->damaged = true;
	return text && w->text[id] ? w->text[id] : "";
}

/* Each text that is not empty: its id and it. Non-zero stops. */
typedef int text_fn(struct query *q, void *ctx, int64_t id, const char *text);

static int each_text(struct query *q, text_fn *fn, void *ctx)
{
	sqlite3_stmt *st;
	const char *text;
	int64_t id, last = 0;
	int code = sqlite3_prepare_v2(q->x->db,
				      "SELECT id, text, crc FROM texts"
				      " WHERE id > 0 ORDER BY id",
				      -1, &st, NULL);

	while (!code && (code = sqlite3_step(st)) == SQLITE_ROW) {
		id = sqlite3_column_int64(st, 0);
		text = checked_text(st, 1, id);
		if (id != ++last || id >= q->work->ntexts || !text)
			code = SQLITE_CORRUPT;
		else
			code = fn(q, ctx, id, text);
	}
	sqlite3_finalize(st);
	if (code == SQLITE_DONE && last + 1 != q->work->ntexts)
		return SQLITE_CORRUPT;
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int keep_text(struct query *q, void *ctx, int64_t id, const char *text)
{
	char **to = &q->work->text[id];

	(void)ctx;
	if (!*to)
		*to = strdup(text);
	return *to ? SQLITE_OK : SQLITE_NOMEM;
}

int query_all_texts(struct query *q)
{
	int code = each_text(q, keep_text, NULL);

	if (index_is_damage(code))
		q->work->damaged = true;
	return code;
}

static enum spend_class class_of(const char *name)
{
	for (unsigned i = 0; i < SPEND_CLASSES; i++)
		if (!strcmp(name, spend_class_name((enum spend_class)i)))
			return (enum spend_class)i;
	return SPEND_UNKNOWN;
}

static bool is_refusal(const char *verdict)
{
	static const char *const names[] = {"block", "deny",  "stop",
					    "kill",  "reset", "throttle"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(verdict, names[i]))
			return true;
	return false;
}

int query_load(struct query *q)
{
	struct query_work *w = q->work;
	int code = count_texts(q);

	if (!code)
		code = load_tuples(q, "who", WHO_COLUMNS, &w->who);
	if (!code)
		code = load_tuples(q, "what", WHAT_COLUMNS, &w->what);
	if (code)
		return code;
	for (uint32_t i = 0; i < w->what.n; i++) {
		struct query_tuple *t = &w->what.t[i];

		t->coverage = (uint8_t)class_of(
			query_text(q, t->text[WHAT_COVERAGE]));
		t->refused = is_refusal(query_text(q, t->text[WHAT_VERDICT]));
	}
	return SQLITE_OK;
}

/* -- filters ----------------------------------------------------------------
 */

static bool model_fits(struct query *q, const struct query_tuple *t,
		       const char *patterns)
{
	const struct filter_model m = {
		.provider = lg_slice_str(query_text(q, t->text[WHAT_PROVIDER])),
		.host = lg_slice_str(query_text(q, t->text[WHAT_HOST])),
		.answered = lg_slice_str(query_text(q, t->text[WHAT_MODEL])),
		.asked = lg_slice_str(
			query_text(q, t->text[WHAT_MODEL_REQUESTED])),
	};

	return filter_model_fits(q->catalog, &m, patterns);
}

static bool tuple_passes(struct query *q, const struct query_tuple *t,
			 enum dim_kind kind)
{
	for (unsigned i = 0; i < ndims; i++) {
		const struct dim *d = &dims[i];
		struct lg_slice text;
		bool ok;

		if (d->kind != kind || !q->filter[i])
			continue;
		text = lg_slice_str(query_text(q, t->text[d->column]));
		if (dim_is_model(d))
			ok = model_fits(q, t, q->filter[i]);
		else if (dim_is_list(d))
			ok = filter_list_fits(text, q->filter[i]);
		else
			ok = filter_fits(text, q->filter[i]);
		if (!ok)
			return false;
	}
	return true;
}

static void filter_tuples(struct query *q, struct query_tuples *t,
			  enum dim_kind kind)
{
	for (uint32_t i = 1; i < t->n; i++)
		t->t[i].passes = tuple_passes(q, &t->t[i], kind);
}

struct text_filter {
	uint8_t *passes;
	const char *patterns;
};

static int filter_text(struct query *q, void *ctx, int64_t id, const char *text)
{
	struct text_filter *f = ctx;

	(void)q;
	f->passes[id] = filter_fits(lg_slice_str(text), f->patterns);
	return SQLITE_OK;
}

static int filter_facts(struct query *q, unsigned which, const char *patterns)
{
	struct query_work *w = q->work;
	struct text_filter f = {calloc(w->ntexts, 1), patterns};

	w->fact_passes[which] = f.passes;
	if (!f.passes)
		return SQLITE_NOMEM;
	if (!strcmp(patterns, "?*")) { /* any: 0 is the only empty one */
		memset(f.passes + 1, 1, w->ntexts - 1);
		return SQLITE_OK;
	}
	f.passes[0] = filter_fits(LG_SLICE(""), patterns);
	return each_text(q, filter_text, &f);
}

int query_filter(struct query *q)
{
	int code = SQLITE_OK;

	filter_tuples(q, &q->work->who, DIM_OF_WHO);
	filter_tuples(q, &q->work->what, DIM_OF_WHAT);
	for (unsigned i = 0; !code && i < ndims; i++) {
		if (!q->filter[i])
			continue;
		q->work->who_filtered |= dims[i].kind == DIM_OF_WHO;
		if (dims[i].kind == DIM_OF_FACT)
			code = filter_facts(q, dims[i].column == FACT_RUN,
					    q->filter[i]);
	}
	return code;
}
