#include "index_again.h"

#include <string.h>

#include "base/civil.h"
#include "base/hash.h"
#include "index_text.h"

#define DAY_MS INT64_C(86400000)

static bool was_made(const struct lg_row *r)
{
	switch ((enum lg_verdict)r->verdict) {
	case LG_VERDICT_BLOCK:
	case LG_VERDICT_DENY:
	case LG_VERDICT_RESET:
	case LG_VERDICT_KILL:
		return false;
	default:
		return !(r->flags & LG_ROW_DUPLICATE);
	}
}

static bool was_answered(const struct lg_row *r)
{
	return r->status >= 200 && r->status < 400 &&
	       !(r->flags & (LG_ROW_ABANDONED | LG_ROW_CUT_SHORT));
}

static int64_t identity(const struct lg_row *r)
{
	struct lg_hash128 h;

	h = lg_hash128(r->host, strlen(r->host), lg_row_hash(r));
	h = lg_hash128(r->endpoint, strlen(r->endpoint), h.a);
	h = lg_hash128(r->key, strlen(r->key), h.a);
	return (int64_t)(h.a >> 1);
}

int index_again_mark(struct index *x, const struct lg_row *r, uint32_t *mark)
{
	sqlite3_stmt *st = index_statement(x, ST_REQUEST_GET);
	int code;

	*mark = 0;
	if (!st)
		return sqlite3_errcode(x->db);
	if (!lg_row_hash(r) || !was_made(r))
		return SQLITE_OK;
	sqlite3_bind_int64(st, 1, identity(r));
	code = sqlite3_step(st);
	if (code == SQLITE_ROW && sqlite3_column_int64(st, 1))
		*mark = LG_ROW_REPEAT;
	else if (code == SQLITE_ROW &&
		 r->ts_ms - sqlite3_column_int64(st, 0) < INDEX_RETRY_MS)
		*mark = LG_ROW_RETRY;
	sqlite3_reset(st);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int note_cap(struct index *x, const struct lg_row *r)
{
	sqlite3_stmt *st = index_statement(x, ST_CAP_ADD);
	const char *model = r->model[0] ? r->model : r->model_requested;
	uint32_t id;
	int code = index_text(x, model, &id);

	if (!st || code)
		return st ? code : sqlite3_errcode(x->db);
	sqlite3_bind_int64(st, 1, lg_floor_div(r->ts_ms, DAY_MS));
	sqlite3_bind_int64(st, 2, id);
	sqlite3_bind_int64(st, 3, r->max_output_tokens);
	sqlite3_bind_int64(st, 4, (int64_t)r->output_tokens);
	return index_step(st);
}

int index_again_keep(struct index *x)
{
	return index_step(index_statement(x, ST_AGAIN_ADD));
}

int index_again_note(struct index *x, const struct lg_row *r)
{
	sqlite3_stmt *st;
	int code = SQLITE_OK;

	if (!was_made(r))
		return SQLITE_OK;
	if (r->max_output_tokens && was_answered(r) &&
	    r->usage_state == LG_USAGE_EXACT && r->output_tokens < INT32_MAX)
		code = note_cap(x, r);
	if (code || !lg_row_hash(r))
		return code;
	st = index_statement(x, ST_REQUEST_SET);
	if (!st)
		return sqlite3_errcode(x->db);
	sqlite3_bind_int64(st, 1, identity(r));
	sqlite3_bind_int64(st, 2, r->end_ms ? r->end_ms : r->ts_ms);
	sqlite3_bind_int64(st, 3, was_answered(r));
	return index_step(st);
}
