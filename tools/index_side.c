#include "index_side.h"

#include <stdio.h>
#include <string.h>

#include "amount.h"
#include "base/clock.h"
#include "base/mem.h"
#include "doc.h"
#include "guard/engine.h"
#include "guard/event.h"
#include "guard/file.h"
#include "guard/rule.h"
#include "guard/world.h"
#include "index_db.h"
#include "price/price.h"
#include "view.h"
#include "when.h"

/* They are as old as that at most. */
#define FRESH_MS 5000
/* Somebody else writes: next time. */
#define WAIT_MS 100

static int prepare(struct index *x, const char *sql, sqlite3_stmt **st)
{
	return sqlite3_prepare_v2(x->db, sql, -1, st, NULL);
}

static void bind_slice(sqlite3_stmt *st, int at, struct lg_slice s)
{
	sqlite3_bind_text(st, at, s.len ? s.p : "", (int)s.len,
			  SQLITE_TRANSIENT);
}

static void bind_known(sqlite3_stmt *st, int at, int64_t v)
{
	if (v == INT64_MIN || v == INT64_MAX)
		sqlite3_bind_null(st, at);
	else
		sqlite3_bind_int64(st, at, v);
}

/* -- budgets ----------------------------------------------------------------
 */

/* The first ratio that it warns at. */
static int64_t warn_of(const struct lg_world *w, const char *name)
{
	for (unsigned i = 0; i < w->nrules; i++)
		if (lg_slice_eq(w->rules[i].name, lg_slice_str(name)) &&
		    w->rules[i].b->warns)
			return w->rules[i].b->warn_ppm[0];
	return 750000;
}

static int put_budget(sqlite3_stmt *st, const struct lg_world *w,
		      const struct view *v)
{
	const struct lg_cell_view *c = &v->cell;

	sqlite3_bind_text(st, 1, c->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, c->scope, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, c->value, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 4, lg_period_name(c->period), -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 5, c->limit_pusd);
	sqlite3_bind_int64(st, 6, c->hard);
	sqlite3_bind_int64(st, 7, warn_of(w, c->name));
	sqlite3_bind_int64(st, 8, v->spent_pusd);
	sqlite3_bind_text(st, 9, v->source, -1, SQLITE_STATIC);
	bind_known(st, 10, c->window_start_ms);
	bind_known(st, 11, c->window_end_ms);
	sqlite3_bind_int64(st, 12, lg_clock_real_ms());
	return index_step(st);
}

static int budgets(struct index *x, struct lg_engine *e)
{
	struct views vs;
	struct lg_world *w;
	sqlite3_stmt *st;
	int code = index_exec(x, "DELETE FROM budget_rows");

	if (code || views_read(e, true, &vs))
		return code;
	w = lg_engine_pin(e);
	code = prepare(x,
		       "INSERT INTO budget_rows VALUES (?, ?, ?, ?, ?, ?, ?,"
		       " ?, ?, ?, ?, ?)",
		       &st);
	for (unsigned i = 0; !code && i < vs.n; i++)
		code = put_budget(st, w, &vs.v[i]);
	sqlite3_finalize(st);
	lg_engine_unpin(e, w);
	views_fini(&vs);
	return code;
}

/* -- alerts -----------------------------------------------------------------
 */

static void bind_money(sqlite3_stmt *st, int at, const struct doc *v)
{
	int64_t pusd;

	if (v && !amount_parse(doc_text(v), 0, &pusd))
		sqlite3_bind_int64(st, at, pusd);
	else
		sqlite3_bind_null(st, at);
}

static int put_alert(sqlite3_stmt *st, struct lg_slice line)
{
	static const char *const texts[] = {"event", "level", "budget",
					    "scope"};
	struct doc_arena arena = {0};
	struct doc_error err;
	struct doc *v;
	int64_t ts, ratio;
	int code = SQLITE_OK;

	if (!line.len || doc_parse_json(&arena, "events", line, &v, &err) ||
	    v->kind != DOC_MAP ||
	    when_parse(doc_text(doc_get(v, "ts")), NULL, false, &ts))
		goto out;
	bind_slice(st, 1, doc_text(doc_get(v, "id")));
	sqlite3_bind_int64(st, 2, ts);
	for (unsigned i = 0; i < 4; i++)
		bind_slice(st, (int)i + 3, doc_text(doc_get(v, texts[i])));
	if (!amount_parse(doc_text(doc_get(v, "threshold")), -6, &ratio))
		sqlite3_bind_int64(st, 7, ratio);
	else
		sqlite3_bind_null(st, 7);
	bind_money(st, 8, doc_get(v, "spent_usd"));
	bind_money(st, 9, doc_get(v, "limit_usd"));
	bind_slice(st, 10, doc_text(doc_get(v, "message")));
	code = index_step(st);
out:
	doc_arena_fini(&arena);
	return code;
}

static int alerts(struct index *x, struct lg_engine *e)
{
	static const char *const files[] = {LG_EVENT_FILE_OLD, LG_EVENT_FILE};
	sqlite3_stmt *st;
	char path[600];
	size_t size;
	void *p;
	int code = prepare(x,
			   "INSERT OR IGNORE INTO alert_rows VALUES (?, ?, ?,"
			   " ?, ?, ?, ?, ?, ?, ?)",
			   &st);

	for (unsigned i = 0; !code && i < 2; i++) {
		struct lg_slice rest, line;

		snprintf(path, sizeof(path), "%s%s", lg_engine_state_dir(e),
			 files[i]);
		if (lg_file_read(path, 4 * LG_EVENT_FILE_MAX, &p, &size))
			continue;
		rest = (struct lg_slice){p, size};
		while (!code && rest.len) {
			rest = lg_slice_cut(rest, '\n', &line);
			code = put_alert(st, line);
		}
		lg_mem_free(p, size);
	}
	sqlite3_finalize(st);
	return code;
}

/* -- prices -----------------------------------------------------------------
 */

static int put_price(sqlite3_stmt *st, const struct lg_image *img,
		     const struct lg_img_price *p)
{
	static const unsigned rates[] = {LG_BUCKET_INPUT, LG_BUCKET_OUTPUT,
					 LG_BUCKET_CACHE_READ,
					 LG_BUCKET_CACHE_WRITE_5M};

	bind_slice(st, 1, lg_img_text(img, p->provider));
	bind_slice(st, 2, lg_img_text(img, p->model));
	bind_slice(st, 3, lg_img_text(img, p->tier));
	bind_slice(st, 4, lg_img_text(img, p->variant));
	for (unsigned i = 0; i < 4; i++)
		if (p->rate[rates[i]] < 0)
			sqlite3_bind_null(st, (int)i + 5);
		else
			sqlite3_bind_int64(st, (int)i + 5, p->rate[rates[i]]);
	bind_slice(st, 9, lg_img_text(img, p->price_version));
	bind_known(st, 10, p->effective_at_ms);
	bind_slice(st, 11, lg_img_text(img, p->source));
	return index_step(st);
}

static int put_image(struct index *x, const struct lg_image *img)
{
	const struct lg_img_price *p =
		LG_IMG_ARRAY(img, img->prices, struct lg_img_price);
	int64_t now = lg_clock_real_ms();
	sqlite3_stmt *st;
	int code = prepare(x,
			   "INSERT INTO price_rows SELECT ?1, ?2, ?3, ?4, ?5,"
			   " ?6, ?7, ?8, ?9, ?10, ?11",
			   &st);

	for (uint32_t i = 0; !code && i < img->prices.n; i++)
		if (!p[i].unpriced && p[i].effective_at_ms <= now &&
		    p[i].expires_at_ms > now)
			code = put_price(st, img, &p[i]);
	sqlite3_finalize(st);
	return code;
}

static int prices(struct index *x, struct lg_engine *e)
{
	struct lg_world *w = lg_engine_pin(e);
	uint64_t hash = 0;
	int code = SQLITE_OK;

	for (unsigned i = 0; i < w->catalog.n; i++)
		hash = hash * 31 + w->catalog.img[i]->crc + 1;
	/* a price may begin or end any day */
	hash = (hash * 31 + (uint64_t)(lg_clock_real_ms() / 86400000)) >> 1;
	if (index_meta(x, "prices") != (int64_t)hash) {
		code = index_exec(x, "DELETE FROM price_rows");
		for (unsigned i = 0; !code && i < w->catalog.n; i++)
			code = put_image(x, w->catalog.img[i]);
		if (!code)
			code = index_set_meta(x, "prices", (int64_t)hash);
	}
	lg_engine_unpin(e, w);
	return code;
}

int index_side_refresh(struct index *x, struct lg_engine *e)
{
	int64_t now = lg_clock_real_ms(), age = now - index_meta(x, "side_ms");
	int code;

	if (age >= 0 && age < FRESH_MS)
		return SQLITE_OK;
	sqlite3_busy_timeout(x->db, WAIT_MS);
	code = index_step(index_statement(x, ST_BEGIN));
	if (code)
		return (code & 0xff) == SQLITE_BUSY ? SQLITE_OK : code;
	code = budgets(x, e);
	if (!code)
		code = alerts(x, e);
	if (!code)
		code = prices(x, e);
	if (!code)
		code = index_set_meta(x, "side_ms", now);
	if (!code)
		return index_step(index_statement(x, ST_COMMIT));
	index_step(index_statement(x, ST_ROLLBACK));
	return code;
}
