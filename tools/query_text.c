#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "price/price.h"
#include "query_work.h"

/* A damaged one must not lead us out of the table. */
static uint32_t text_id(const struct query *q, sqlite3_stmt *st, int column)
{
	int64_t id = sqlite3_column_int64(st, column);

	return id > 0 && id < q->work->ntexts ? (uint32_t)id : 0;
}

static int load_tuples(struct query *q, const char *table, unsigned columns,
		       struct query_tuples *out)
{
	sqlite3_stmt *st;
	char sql[64];
	uint32_t id;
	int code;

	snprintf(sql, sizeof(sql), "SELECT max(id) FROM %s", table);
	code = sqlite3_prepare_v2(q->x->db, sql, -1, &st, NULL);
	if (code)
		return code;
	sqlite3_step(st);
	out->n = (uint32_t)sqlite3_column_int64(st, 0) + 1;
	out->columns = columns;
	sqlite3_finalize(st);
	out->t = calloc(out->n, sizeof(*out->t));
	if (!out->t)
		return SQLITE_NOMEM;
	snprintf(sql, sizeof(sql), "SELECT * FROM %s", table);
	code = sqlite3_prepare_v2(q->x->db, sql, -1, &st, NULL);
	while (!code && (code = sqlite3_step(st)) == SQLITE_ROW) {
		code = SQLITE_OK;
		id = (uint32_t)sqlite3_column_int64(st, 0);
		if (id >= out->n)
			continue;
		for (unsigned i = 0; i < columns; i++)
			out->t[id].text[i] = text_id(q, st, (int)i + 1);
	}
	sqlite3_finalize(st);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int count_texts(struct query *q)
{
	sqlite3_stmt *st;
	int code = sqlite3_prepare_v2(q->x->db, "SELECT max(id) FROM texts", -1,
				      &st, NULL);

	if (code)
		return code;
	sqlite3_step(st);
	q->work->ntexts = (uint32_t)sqlite3_column_int64(st, 0) + 1;
	sqlite3_finalize(st);
	q->work->text = calloc(q->work->ntexts, sizeof(*q->work->text));
	return q->work->text ? SQLITE_OK : SQLITE_NOMEM;
}

const char *query_text(struct query *q, uint32_t id)
{
	struct query_work *w = q->work;
	sqlite3_stmt *st = index_statement(q->x, ST_TEXT_GET);
	const char *text;

	if (!id || id >= w->ntexts || !st)
		return "";
	if (w->text[id])
		return w->text[id];
	sqlite3_bind_int64(st, 1, id);
	if (sqlite3_step(st) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(st, 0);
		w->text[id] = strdup(text ? text : "");
	}
	sqlite3_reset(st);
	return w->text[id] ? w->text[id] : "";
}

int query_all_texts(struct query *q)
{
	struct query_work *w = q->work;
	sqlite3_stmt *st;
	const char *text;
	int64_t id;
	int code = sqlite3_prepare_v2(q->x->db, "SELECT id, text FROM texts",
				      -1, &st, NULL);

	while (!code && (code = sqlite3_step(st)) == SQLITE_ROW) {
		code = SQLITE_OK;
		id = sqlite3_column_int64(st, 0);
		text = (const char *)sqlite3_column_text(st, 1);
		if (id > 0 && id < w->ntexts && !w->text[id] && text)
			w->text[id] = strdup(text);
	}
	sqlite3_finalize(st);
	return code == SQLITE_DONE ? SQLITE_OK : code;
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

/* "-" and "" mean: none. */
static bool fits(struct lg_slice text, const char *patterns)
{
	struct lg_slice rest = lg_slice_str(patterns), one;

	do {
		rest = lg_slice_cut(rest, ',', &one);
		one = lg_slice_trim(one);
		if (!text.len) {
			if (!one.len || lg_slice_eq(one, LG_SLICE("-")))
				return true;
		} else if (lg_slice_glob(text, one)) {
			return true;
		}
	} while (rest.len);
	return false;
}

static bool list_fits(struct lg_slice list, const char *patterns)
{
	struct lg_slice one;

	do {
		list = lg_slice_cut(list, '\x1f', &one);
		if (fits(one, patterns))
			return true;
	} while (list.len);
	return false;
}

static bool canonical_fits(struct query *q, const struct query_tuple *t,
			   unsigned column, const char *patterns)
{
	struct lg_price_query ask = {
		.provider = lg_slice_str(query_text(q, t->text[WHAT_PROVIDER])),
		.host = lg_slice_str(query_text(q, t->text[WHAT_HOST])),
		.model = lg_slice_str(query_text(q, t->text[column])),
		.at_ms = lg_clock_real_ms(),
	};
	struct lg_price price;

	if (!q->catalog || !ask.model.len)
		return false;
	lg_price_lookup(q->catalog, &ask, &price);
	return price.entry &&
	       fits(lg_img_text(price.img, price.entry->model), patterns);
}

/* Requested, answered or the catalog's name (design 10.10). */
static bool model_fits(struct query *q, const struct query_tuple *t,
		       const char *patterns)
{
	static const unsigned names[] = {WHAT_MODEL, WHAT_MODEL_REQUESTED};
	unsigned i;

	if (!t->text[WHAT_MODEL] && !t->text[WHAT_MODEL_REQUESTED])
		return fits(LG_SLICE(""), patterns);
	for (i = 0; i < 2; i++)
		if (t->text[names[i]] &&
		    fits(lg_slice_str(query_text(q, t->text[names[i]])),
			 patterns))
			return true;
	for (i = 0; i < 2; i++)
		if (canonical_fits(q, t, names[i], patterns))
			return true;
	return false;
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
			ok = list_fits(text, q->filter[i]);
		else
			ok = fits(text, q->filter[i]);
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

static int filter_facts(struct query *q, unsigned which, const char *patterns)
{
	struct query_work *w = q->work;
	uint8_t *passes = calloc(w->ntexts, 1);
	sqlite3_stmt *st;
	int64_t id;
	int code;

	w->fact_passes[which] = passes;
	if (!passes)
		return SQLITE_NOMEM;
	if (!strcmp(patterns, "?*")) { /* any: 0 is the only empty one */
		memset(passes + 1, 1, w->ntexts - 1);
		return SQLITE_OK;
	}
	code = sqlite3_prepare_v2(q->x->db, "SELECT id, text FROM texts", -1,
				  &st, NULL);
	while (!code && (code = sqlite3_step(st)) == SQLITE_ROW) {
		code = SQLITE_OK;
		id = sqlite3_column_int64(st, 0);
		if (id < w->ntexts)
			passes[id] = fits(
				lg_slice_str((const char *)sqlite3_column_text(
					st, 1)),
				patterns);
	}
	sqlite3_finalize(st);
	return code == SQLITE_DONE ? SQLITE_OK : code;
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
