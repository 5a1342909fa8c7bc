#include "index_db.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "index_text.h"

static const char *const sql[ST_COUNT] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_ROLLBACK] = "ROLLBACK",
	[ST_META_GET] = "SELECT value FROM meta WHERE key = ?",
	[ST_META_SET] = "REPLACE INTO meta VALUES (?, ?)",
	[ST_TEXT_FIND] = "SELECT id, crc FROM texts WHERE text = ?",
	[ST_TEXT_ADD] = "INSERT INTO texts VALUES (?, ?, ?)",
	[ST_TEXT_LAST] = "SELECT max(id) FROM texts",
	[ST_TEXT_GET] = "SELECT text, crc FROM texts WHERE id = ?",
	[ST_WHO_FIND] = "SELECT id, crc FROM who WHERE project = ? AND user = ?"
			" AND key = ? AND tags = ? AND experiment = ? AND"
			" comm = ?",
	[ST_WHO_ADD] = "INSERT INTO who (project, user, key, tags, experiment,"
		       " comm, id, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	[ST_WHO_LAST] = "SELECT max(id) FROM who",
	[ST_WHAT_FIND] =
		"SELECT id, crc FROM what WHERE provider = ? AND host = ? AND"
		" dialect = ? AND endpoint = ? AND model_requested = ? AND"
		" model = ? AND tier = ? AND phase = ? AND request_type = ? AND"
		" verdict = ? AND reason = ? AND status = ? AND coverage = ? "
		"AND"
		" usage_state = ? AND price_state = ? AND cache_hit = ? AND"
		" flags = ?",
	[ST_WHAT_ADD] =
		"INSERT INTO what (provider, host, dialect, endpoint,"
		" model_requested, model, tier, phase, request_type, verdict,"
		" reason, status, coverage, usage_state, price_state,"
		" cache_hit, flags, id, crc) VALUES"
		" (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[ST_WHAT_LAST] = "SELECT max(id) FROM what",
	[ST_WHAT_GET] =
		"SELECT provider, host, dialect, endpoint, model_requested,"
		" model, tier, phase, request_type, verdict, reason, status,"
		" coverage, usage_state, price_state, cache_hit, flags, crc"
		" FROM what WHERE id = ?",
	[ST_CALL_ADD] =
		"INSERT OR IGNORE INTO calls VALUES (NULL, ?, ?, ?, ?, ?, ?, ?,"
		" ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[ST_REQUEST_GET] =
		"SELECT end_ms, answered FROM requests WHERE hash = ?",
	[ST_REQUEST_SET] = "REPLACE INTO requests VALUES (?, ?, ?)",
	[ST_AGAIN_ADD] = "INSERT INTO again VALUES (last_insert_rowid())",
	[ST_CAP_ADD] = "INSERT INTO caps VALUES (?1, ?2, 1, ?3, ?4, ?4)"
		       " ON CONFLICT DO UPDATE SET calls = calls + 1,"
		       " asked = asked + ?3, used = used + ?4,"
		       " largest = max(largest, ?4)",
	[ST_CALL_FIND] =
		"SELECT " INDEX_CALL_COLUMNS " FROM calls WHERE id = ?",
	[ST_CALL_STATE] =
		"UPDATE calls SET what = ?2, cost_pusd = ?3,"
		" input_cost_pusd = ?4, economic_pusd = ?5, input_tokens = ?6,"
		" output_tokens = ?7, cache_read_tokens = ?8,"
		" cache_write_tokens = ?9, reasoning_tokens = ?10, crc = ?11"
		" WHERE seq = ?1",
	[ST_ADJUST_ADD] =
		"INSERT OR IGNORE INTO adjustments VALUES (?, ?, ?, ?, ?, ?, ?,"
		" ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[ST_ADJUST_WAITING] =
		"SELECT id, ts_ms, who, what, conversation, run, cost_pusd,"
		" input_cost_pusd, economic_pusd, input_tokens, output_tokens,"
		" cache_read_tokens, cache_write_tokens, reasoning_tokens"
		" FROM adjustments WHERE ref = ? AND NOT applied"
		" ORDER BY written_ms, id LIMIT 1",
	[ST_ADJUST_DONE] = "UPDATE adjustments SET applied = 1 WHERE id = ?",
	[ST_SEGMENT_GET] = "SELECT offset, torn, size, inode, bytes, ctime_ns,"
			   " sum, tail, crc FROM segments WHERE file = ?",
	[ST_SEGMENT_SET] = "REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?,"
			   " ?, ?, ?)",
	[ST_CHUNK_LAST] = "SELECT id, n, first_ms, last_ms, crc FROM"
			  " chunks ORDER BY id DESC LIMIT 1",
	[ST_CHUNK_ADD] = "REPLACE INTO chunks VALUES (?, ?, ?, ?, ?)",
	[ST_FACT_ADD] = "REPLACE INTO facts VALUES (?, ?)",
	[ST_FACT_GET] = "SELECT data FROM facts WHERE id = ?",
};

int index_exec(struct index *x, const char *text)
{
	return sqlite3_exec(x->db, text, NULL, NULL, NULL);
}

sqlite3_stmt *index_statement(struct index *x, enum index_statement which)
{
	sqlite3_stmt **st = &x->st[which];

	if (!*st && sqlite3_prepare_v3(x->db, sql[which], -1,
				       SQLITE_PREPARE_PERSISTENT, st, NULL))
		return NULL;
	return *st;
}

int index_step(sqlite3_stmt *st)
{
	int code;

	if (!st)
		return SQLITE_ERROR;
	code = sqlite3_step(st);
	sqlite3_reset(st);
	return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

int64_t index_meta(struct index *x, const char *key)
{
	sqlite3_stmt *st = index_statement(x, ST_META_GET);
	int64_t v = 0;

	if (!st)
		return 0;
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return v;
}

int index_set_meta(struct index *x, const char *key, int64_t v)
{
	sqlite3_stmt *st = index_statement(x, ST_META_SET);

	if (!st)
		return sqlite3_errcode(x->db);
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, v);
	return index_step(st);
}

int64_t index_check(const char *text, const int64_t *n, unsigned count)
{
	uint32_t crc = text ? lg_crc32c(1, text, strlen(text)) : 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t v = htole64((uint64_t)n[i]);

		crc = lg_crc32c(crc, &v, sizeof(v));
	}
	return crc;
}

bool index_is_damage(int code)
{
	code &= 0xff;
	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ||
	       code == SQLITE_SCHEMA || code == SQLITE_FORMAT ||
	       code == SQLITE_ERROR || code == SQLITE_MISMATCH;
}
