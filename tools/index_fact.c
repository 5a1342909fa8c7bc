#include "index_fact.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* check sum, width, least, greatest, unit */
#define HEAD (4 + 1 + 8 + 8 + 8)
/* So that 8 bytes can be read at each number. */
#define PAD 8
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
	unsigned n = 0;

	while (range) {
		n++;
		range >>= 8;
	}
	return n;
}

/* What all differences are multiples of: prices make money so. */
static uint64_t unit_of(const int64_t *v, unsigned n, int64_t min)
{
	uint64_t unit = 0, x, rest;

	for (unsigned i = 0; unit != 1 && i < n; i++) {
		x = (uint64_t)v[i] - (uint64_t)min;
		while (x && unit && (rest = x % unit)) {
			x = unit;
			unit = rest;
		}
		unit = unit ? unit : x;
	}
	return unit ? unit : 1;
}

static uint8_t *put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, 8);
	return p + 8;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v);
}

/* Of all but itself, and of whose blob it is. */
static uint32_t check_of(int64_t id, unsigned n, const uint8_t *p, size_t len)
{
	uint8_t which[16];

	put64(put64(which, (uint64_t)id), n);
	return lg_crc32c(lg_crc32c(0, which, sizeof(which)), p + 4, len - 4);
}

/* Little endian: the low bytes of a number come first. */
static size_t encode(int64_t id, const int64_t *v, unsigned n, uint8_t *out)
{
	int64_t min = v[0], max = v[0];
	uint64_t unit;
	unsigned width, i;
	uint32_t check;
	uint8_t *p = out + 4;
	size_t len;

	for (i = 1; i < n; i++) {
		min = v[i] < min ? v[i] : min;
		max = v[i] > max ? v[i] : max;
	}
	unit = unit_of(v, n, min);
	width = width_of(((uint64_t)max - (uint64_t)min) / unit);
	*p++ = (uint8_t)width;
	p = put64(put64(put64(p, (uint64_t)min), (uint64_t)max), unit);
	/* each writes 8 bytes, the next one over what is too much */
	for (i = 0; i < n; i++, p += width)
		put64(p, ((uint64_t)v[i] - (uint64_t)min) / unit);
	put64(p, 0);
	len = (size_t)(p - out) + PAD;
	check = htole32(check_of(id, n, out, len));
	memcpy(out, &check, 4);
	return len;
}

int fact_column_open(sqlite3_stmt *st, int64_t id, unsigned n,
		     struct fact_column *out)
{
	const uint8_t *p;
	uint32_t check;
	size_t len;
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
	if (!p || len < HEAD + PAD || p[4] > 8 ||
	    len != HEAD + (size_t)n * p[4] + PAD)
		return SQLITE_CORRUPT;
	memcpy(&check, p, 4);
	if (le32toh(check) != check_of(id, n, p, len))
		return SQLITE_CORRUPT;
	*out = (struct fact_column){.p = p + HEAD,
				    .width = p[4],
				    .min = (int64_t)get64(p + 5),
				    .max = (int64_t)get64(p + 13),
				    .unit = get64(p + 21)};
	return SQLITE_OK;
}

/* Of any width: 8 bytes are read, PAD behind the last. */
static void read_any(const struct fact_column *c, const uint8_t *p, unsigned n,
		     int64_t *out)
{
	uint64_t base = (uint64_t)c->min, mask = UINT64_MAX;

	if (c->width < 8)
		mask = (UINT64_C(1) << 8 * c->width) - 1;
	for (unsigned i = 0; i < n; i++, p += c->width)
		out[i] = (int64_t)(base + (get64(p) & mask) * c->unit);
}

/* Those that are frequent: loops that the compiler makes wide. */
void fact_column_read(const struct fact_column *c, unsigned from, unsigned n,
		      int64_t *out)
{
	const uint8_t *p = c->p + (size_t)from * c->width;
	uint64_t base = (uint64_t)c->min;
	unsigned i;

	if (c->width == 0) {
		for (i = 0; i < n; i++)
			out[i] = c->min;
	} else if (c->width == 1 && c->unit == 1) {
		for (i = 0; i < n; i++)
			out[i] = (int64_t)(base + p[i]);
	} else if (c->width == 2 && c->unit == 1) {
		for (i = 0; i < n; i++) {
			uint16_t v;

			memcpy(&v, p + 2 * (size_t)i, 2);
			out[i] = (int64_t)(base + le16toh(v));
		}
	} else if (c->width == 4 && c->unit == 1) {
		for (i = 0; i < n; i++) {
			uint32_t v;

			memcpy(&v, p + 4 * (size_t)i, 4);
			out[i] = (int64_t)(base + le32toh(v));
		}
	} else {
		read_any(c, p, n, out);
	}
}

static int store_column(struct index *x, int64_t id, const int64_t *v,
			unsigned n)
{
	sqlite3_stmt *st = index_statement(x, ST_FACT_ADD);
	uint8_t *data = malloc(HEAD + (size_t)n * 8 + PAD);
	size_t len;
	int code;

	if (!st || !data) {
		free(data);
		return st ? SQLITE_NOMEM : sqlite3_errcode(x->db);
	}
	len = encode(id, v, n, data);
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_blob64(st, 2, data, len, free);
	code = index_step(st);
	sqlite3_clear_bindings(st);
	return code;
}

int64_t fact_chunk_check(const struct fact_chunk *c)
{
	const int64_t v[] = {c->id, c->n, c->first_ms, c->last_ms};

	return index_check(NULL, v, sizeof(v) / sizeof(v[0]));
}

int fact_chunk_read(sqlite3_stmt *st, struct fact_chunk *out)
{
	*out = (struct fact_chunk){
		.id = sqlite3_column_int64(st, 0),
		.n = (unsigned)sqlite3_column_int64(st, 1),
		.first_ms = sqlite3_column_int64(st, 2),
		.last_ms = sqlite3_column_int64(st, 3),
	};
	return sqlite3_column_int64(st, 4) == fact_chunk_check(out) &&
			       out->n <= FACT_CHUNK
		       ? SQLITE_OK
		       : SQLITE_CORRUPT;
}

static int store(struct index *x, int64_t chunk, int64_t *const *column,
		 unsigned n)
{
	sqlite3_stmt *st = index_statement(x, ST_CHUNK_ADD);
	struct fact_chunk c = {chunk, n, INT64_MAX, INT64_MIN};
	int code = SQLITE_OK;

	if (!st)
		return sqlite3_errcode(x->db);
	for (unsigned i = 0; i < n; i++) {
		int64_t ts = column[FACT_TS][i];

		c.first_ms = ts < c.first_ms ? ts : c.first_ms;
		c.last_ms = ts > c.last_ms ? ts : c.last_ms;
	}
	for (unsigned i = 0; !code && i < FACT_COLUMNS; i++)
		code = store_column(x, chunk * FACT_COLUMNS + i, column[i], n);
	if (code)
		return code;
	sqlite3_bind_int64(st, 1, c.id);
	sqlite3_bind_int64(st, 2, c.n);
	sqlite3_bind_int64(st, 3, c.first_ms);
	sqlite3_bind_int64(st, 4, c.last_ms);
	sqlite3_bind_int64(st, 5, fact_chunk_check(&c));
	code = index_step(st);
	return code ? code : index_set_meta(x, "chunks", chunk);
}

static int last_chunk(struct index *x, struct fact_chunk *c)
{
	sqlite3_stmt *st = index_statement(x, ST_CHUNK_LAST);
	int code;

	*c = (struct fact_chunk){0};
	if (!st)
		return sqlite3_errcode(x->db);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		code = fact_chunk_read(st, c);
	else if (code == SQLITE_DONE)
		code = SQLITE_OK;
	sqlite3_reset(st);
	if (!code && c->id != index_meta(x, "chunks"))
		code = SQLITE_CORRUPT;
	return code;
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
	struct fact_chunk c;
	int code;

	if (!p->n)
		return SQLITE_OK;
	code = last_chunk(x, &c);
	if (code)
		return code;
	if (c.id && c.n < CHUNK_FULL && c.n + p->n <= FACT_CHUNK)
		code = prepend(x, c.id, c.n);
	else
		c.id++;
	if (!code)
		code = store(x, c.id, p->column, p->n);
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
