#include "index_fact.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 9
/* A last chunk that is shorter is written again with what came. */
#define CHUNK_FULL 4096

static int reserve(struct index_pending *p)
{
	if (p->column[0])
		return SQLITE_OK;
	for (unsigned i = 0; i < FACT_COLUMNS; i++) {
		p->column[i] = malloc(FACT_CHUNK * sizeof(int64_t));
		if (!p->column[i])
			return SQLITE_NOMEM;
	}
	return SQLITE_OK;
}

int index_fact_add(struct index *x, const int64_t fact[FACT_COLUMNS])
{
	struct index_pending *p = &x->pending;
	int code = reserve(p);

	if (!code && p->n == FACT_CHUNK)
		code = index_fact_flush(x);
	if (code)
		return code;
	for (unsigned i = 0; i < FACT_COLUMNS; i++)
		p->column[i][p->n] = fact[i];
	p->n++;
	return SQLITE_OK;
}

static unsigned width_of(uint64_t range)
{
	if (!range)
		return 0;
	if (range <= UINT8_MAX)
		return 1;
	if (range <= UINT16_MAX)
		return 2;
	return range <= UINT32_MAX ? 4 : 8;
}

/* Little endian: the low bytes of a number come first. */
static size_t encode(const int64_t *v, unsigned n, uint8_t *out)
{
	int64_t min = v[0], max = v[0];
	unsigned width, i;
	uint64_t x;

	for (i = 1; i < n; i++) {
		min = v[i] < min ? v[i] : min;
		max = v[i] > max ? v[i] : max;
	}
	width = width_of((uint64_t)max - (uint64_t)min);
	out[0] = (uint8_t)width;
	x = htole64((uint64_t)min);
	memcpy(out + 1, &x, 8);
	for (i = 0; i < n; i++) {
		x = htole64((uint64_t)v[i] - (uint64_t)min);
		memcpy(out + HEAD + (size_t)i * width, &x, width);
	}
	return HEAD + (size_t)n * width;
}

int fact_column_open(sqlite3_stmt *st, int64_t id, unsigned n,
		     struct fact_column *out)
{
	const uint8_t *p;
	size_t len;
	uint64_t base;
	int code;

	if (!st)
		return SQLITE_ERROR;
	sqlite3_reset(st);
	sqlite3_bind_int64(st, 1, id);
	code = sqlite3_step(st);
	if (code != SQLITE_ROW)
		return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
	p = sqlite3_column_blob(st, 0);
	len = (size_t)sqlite3_column_bytes(st, 0);
	if (!p || len < HEAD || (p[0] & (p[0] - 1)) || p[0] > 8 ||
	    len != HEAD + (size_t)n * p[0])
		return SQLITE_CORRUPT;
	memcpy(&base, p + 1, 8);
	*out = (struct fact_column){p + HEAD, p[0], (int64_t)le64toh(base)};
	return SQLITE_OK;
}

/* A flat switch: each loop is one that the compiler makes wide. */
void fact_column_read(const struct fact_column *c, unsigned from, unsigned n,
		      int64_t *out)
{
	const uint8_t *p = c->p + (size_t)from * c->width;
	uint64_t base = (uint64_t)c->base;
	unsigned i;

	switch (c->width) {
	case 0:
		for (i = 0; i < n; i++)
			out[i] = c->base;
		return;
	case 1:
		for (i = 0; i < n; i++)
			out[i] = (int64_t)(base + p[i]);
		return;
	case 2:
		for (i = 0; i < n; i++) {
			uint16_t v;

			memcpy(&v, p + 2 * (size_t)i, 2);
			out[i] = (int64_t)(base + le16toh(v));
		}
		return;
	case 4:
		for (i = 0; i < n; i++) {
			uint32_t v;

			memcpy(&v, p + 4 * (size_t)i, 4);
			out[i] = (int64_t)(base + le32toh(v));
		}
		return;
	default:
		for (i = 0; i < n; i++) {
			uint64_t v;

			memcpy(&v, p + 8 * (size_t)i, 8);
			out[i] = (int64_t)(base + le64toh(v));
		}
	}
}

static int store_column(struct index *x, int64_t id, const int64_t *v,
			unsigned n)
{
	sqlite3_stmt *st = index_statement(x, ST_FACT_ADD);
	uint8_t *data = malloc(HEAD + (size_t)n * 8);
	size_t len;
	int code;

	if (!st || !data) {
		free(data);
		return st ? SQLITE_NOMEM : sqlite3_errcode(x->db);
	}
	len = encode(v, n, data);
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_blob64(st, 2, data, len, free);
	code = index_step(st);
	sqlite3_clear_bindings(st);
	return code;
}

static int store(struct index *x, int64_t chunk, int64_t *const *column,
		 unsigned n)
{
	sqlite3_stmt *st = index_statement(x, ST_CHUNK_ADD);
	int64_t first = INT64_MAX, last = INT64_MIN;
	int code = SQLITE_OK;

	if (!st)
		return sqlite3_errcode(x->db);
	for (unsigned i = 0; i < n; i++) {
		int64_t ts = column[FACT_TS][i];

		first = ts < first ? ts : first;
		last = ts > last ? ts : last;
	}
	for (unsigned i = 0; !code && i < FACT_COLUMNS; i++)
		code = store_column(x, chunk * FACT_COLUMNS + i, column[i], n);
	if (code)
		return code;
	sqlite3_bind_int64(st, 1, chunk);
	sqlite3_bind_int64(st, 2, n);
	sqlite3_bind_int64(st, 3, first);
	sqlite3_bind_int64(st, 4, last);
	return index_step(st);
}

static int last_chunk(struct index *x, int64_t *chunk, unsigned *n)
{
	sqlite3_stmt *st = index_statement(x, ST_CHUNK_LAST);
	int code;

	*chunk = 0;
	*n = 0;
	if (!st)
		return sqlite3_errcode(x->db);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		*chunk = sqlite3_column_int64(st, 0);
		*n = (unsigned)sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The short last chunk comes before what waits. */
static int prepend(struct index *x, int64_t chunk, unsigned n)
{
	struct index_pending *p = &x->pending;
	sqlite3_stmt *st = index_statement(x, ST_FACT_GET);
	struct fact_column c;
	int code = SQLITE_OK;

	for (unsigned i = 0; !code && i < FACT_COLUMNS; i++) {
		memmove(p->column[i] + n, p->column[i], p->n * sizeof(int64_t));
		code = fact_column_open(st, chunk * FACT_COLUMNS + i, n, &c);
		if (!code)
			fact_column_read(&c, 0, n, p->column[i]);
	}
	sqlite3_reset(st);
	p->n += n;
	return code;
}

int index_fact_flush(struct index *x)
{
	struct index_pending *p = &x->pending;
	int64_t chunk;
	unsigned n;
	int code;

	if (!p->n)
		return SQLITE_OK;
	code = last_chunk(x, &chunk, &n);
	if (code)
		return code;
	if (chunk && n < CHUNK_FULL && n + p->n <= FACT_CHUNK)
		code = prepend(x, chunk, n);
	else
		chunk++;
	if (!code)
		code = store(x, chunk, p->column, p->n);
	p->n = 0;
	return code;
}

void index_fact_drop(struct index *x)
{
	x->pending.n = 0;
}

void index_fact_fini(struct index *x)
{
	for (unsigned i = 0; i < FACT_COLUMNS; i++)
		free(x->pending.column[i]);
	memset(&x->pending, 0, sizeof(x->pending));
}
