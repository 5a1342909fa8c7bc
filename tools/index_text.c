#include "index_text.h"

#include <stdlib.h>
#include <string.h>

#define TUPLE_MAX WHAT_COLUMNS

/* Tuples that were met, in an open hash table. */
struct tuples {
	struct tuple {
		uint32_t id; /* 0: free */
		uint32_t text[TUPLE_MAX];
	} * slot;
	size_t n, cap; /* a power of two */
	struct tuple last;
};

static uint64_t hash(const uint32_t *t, unsigned n)
{
	uint64_t h = 0x9e3779b97f4a7c15;

	for (unsigned i = 0; i < n; i++)
		h = (h ^ t[i]) * 0xff51afd7ed558ccd, h ^= h >> 29;
	return h;
}

static struct tuple *slot_of(struct tuples *t, const uint32_t *text, unsigned n)
{
	size_t i = hash(text, n) & (t->cap - 1);

	while (t->slot[i].id &&
	       memcmp(t->slot[i].text, text, n * sizeof(*text)))
		i = (i + 1) & (t->cap - 1);
	return &t->slot[i];
}

static int grow(struct tuples *t, unsigned n)
{
	struct tuples more = {.cap = t->cap ? t->cap * 2 : 1024};

	more.slot = calloc(more.cap, sizeof(*more.slot));
	if (!more.slot)
		return SQLITE_NOMEM;
	for (size_t i = 0; i < t->cap; i++)
		if (t->slot[i].id)
			*slot_of(&more, t->slot[i].text, n) = t->slot[i];
	free(t->slot);
	t->slot = more.slot;
	t->cap = more.cap;
	return SQLITE_OK;
}

static void bind(sqlite3_stmt *st, const uint32_t *text, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		sqlite3_bind_int64(st, (int)i + 1, text[i]);
}

int64_t index_tuple_check(int64_t id, const uint32_t *text, unsigned n)
{
	int64_t v[TUPLE_MAX + 1] = {id};

	for (unsigned i = 0; i < n; i++)
		v[i + 1] = text[i];
	return index_check(NULL, v, n + 1);
}

int64_t index_text_check(int64_t id, const char *text)
{
	return index_check(text, &id, 1);
}

/* SQLITE_ROW: it is there, as *id with *crc. */
static int find(sqlite3_stmt *st, int64_t *id, int64_t *crc)
{
	int code = sqlite3_step(st);

	*id = *crc = 0;
	if (code == SQLITE_ROW) {
		*id = sqlite3_column_int64(st, 0);
		*crc = sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	return code;
}

static int next_id(struct index *x, enum index_statement last, int64_t *id)
{
	sqlite3_stmt *st = index_statement(x, last);
	int code;

	if (!st)
		return sqlite3_errcode(x->db);
	code = sqlite3_step(st);
	*id = sqlite3_column_int64(st, 0) + 1;
	sqlite3_reset(st);
	if (code != SQLITE_ROW)
		return code;
	return *id > 0 && *id < UINT32_MAX ? SQLITE_OK : SQLITE_CORRUPT;
}

/* From the database, or entered there. *_ADD, *_LAST follow *_FIND. */
static int fetch(struct index *x, enum index_statement first,
		 const uint32_t *text, unsigned n, uint32_t *out)
{
	sqlite3_stmt *st = index_statement(x, first);
	int64_t id, crc;
	int code;

	if (!st)
		return sqlite3_errcode(x->db);
	bind(st, text, n);
	code = find(st, &id, &crc);
	*out = (uint32_t)id;
	if (code == SQLITE_ROW)
		return crc == index_tuple_check(id, text, n) ? SQLITE_OK
							     : SQLITE_CORRUPT;
	if (code != SQLITE_DONE)
		return code;
	code = next_id(x, first + 2, &id);
	st = index_statement(x, first + 1);
	if (!st || code)
		return code ? code : sqlite3_errcode(x->db);
	bind(st, text, n);
	sqlite3_bind_int64(st, (int)n + 1, id);
	sqlite3_bind_int64(st, (int)n + 2, index_tuple_check(id, text, n));
	*out = (uint32_t)id;
	return index_step(st);
}

static int tuple(struct index *x, struct tuples **set, const uint32_t *text,
		 unsigned n, enum index_statement first, uint32_t *id)
{
	struct tuples *t = *set;
	struct tuple *s;
	int code;

	if (!t)
		t = *set = calloc(1, sizeof(*t));
	if (!t || (t->n * 2 >= t->cap && grow(t, n)))
		return SQLITE_NOMEM;
	if (t->last.id && !memcmp(t->last.text, text, n * sizeof(*text))) {
		*id = t->last.id;
		return SQLITE_OK;
	}
	s = slot_of(t, text, n);
	if (!s->id) {
		code = fetch(x, first, text, n, id);
		if (code)
			return code;
		memcpy(s->text, text, n * sizeof(*text));
		s->id = *id;
		t->n++;
	}
	t->last = *s;
	*id = s->id;
	return SQLITE_OK;
}

int index_who(struct index *x, const uint32_t text[WHO_COLUMNS], uint32_t *id)
{
	return tuple(x, &x->who, text, WHO_COLUMNS, ST_WHO_FIND, id);
}

int index_what(struct index *x, const uint32_t text[WHAT_COLUMNS], uint32_t *id)
{
	return tuple(x, &x->what, text, WHAT_COLUMNS, ST_WHAT_FIND, id);
}

int index_what_get(struct index *x, uint32_t id, uint32_t text[WHAT_COLUMNS])
{
	sqlite3_stmt *st = index_statement(x, ST_WHAT_GET);
	int code;

	if (!st)
		return sqlite3_errcode(x->db);
	sqlite3_bind_int64(st, 1, id);
	code = sqlite3_step(st);
	for (int i = 0; code == SQLITE_ROW && i < WHAT_COLUMNS; i++)
		text[i] = (uint32_t)sqlite3_column_int64(st, i);
	if (code == SQLITE_ROW &&
	    sqlite3_column_int64(st, WHAT_COLUMNS) !=
		    index_tuple_check(id, text, WHAT_COLUMNS))
		code = SQLITE_CORRUPT;
	sqlite3_reset(st);
	if (code == SQLITE_DONE)
		return SQLITE_CORRUPT;
	return code == SQLITE_ROW ? SQLITE_OK : code;
}

static int text_id(struct index *x, const char *text, uint32_t *out)
{
	sqlite3_stmt *st = index_statement(x, ST_TEXT_FIND);
	int64_t id, crc;
	int code;

	if (!st)
		return sqlite3_errcode(x->db);
	sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	code = find(st, &id, &crc);
	*out = (uint32_t)id;
	if (code == SQLITE_ROW)
		return crc == index_text_check(id, text) ? SQLITE_OK
							 : SQLITE_CORRUPT;
	if (code != SQLITE_DONE)
		return code;
	code = next_id(x, ST_TEXT_LAST, &id);
	st = index_statement(x, ST_TEXT_ADD);
	if (!st || code)
		return code ? code : sqlite3_errcode(x->db);
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_text(st, 2, text, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, index_text_check(id, text));
	*out = (uint32_t)id;
	return index_step(st);
}

int index_text(struct index *x, const char *text, uint32_t *id)
{
	uint32_t *known;
	int code;

	*id = 0;
	if (!*text)
		return SQLITE_OK;
	known = strmap_get(&x->texts, text);
	if (known) {
		*id = *known;
		return SQLITE_OK;
	}
	code = text_id(x, text, id);
	if (code)
		return code;
	known = strmap_put(&x->texts, text);
	if (!known)
		return SQLITE_NOMEM;
	*known = *id;
	return SQLITE_OK;
}

static void drop(struct tuples **t)
{
	if (*t)
		free((*t)->slot);
	free(*t);
	*t = NULL;
}

void index_forget(struct index *x)
{
	strmap_fini(&x->texts);
	strmap_init(&x->texts, sizeof(uint32_t));
	drop(&x->who);
	drop(&x->what);
}
