#include "doc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml.h"
#include "decimal.h"

#define CHUNK ((size_t)256 << 10)

struct doc_chunk {
	struct doc_chunk *next;
	size_t used, cap;
	_Alignas(16) char mem[];
};

__thread jmp_buf *doc_no_memory;

void doc_arena_fini(struct doc_arena *a)
{
	struct doc_chunk *c;

	while ((c = a->chunks)) {
		a->chunks = c->next;
		free(c);
	}
	a->nodes = 0;
}

/* A tool that has no memory has nothing left to do. */
static struct doc_chunk *grow(struct doc_arena *a, size_t size)
{
	size_t cap = size > CHUNK ? size : CHUNK;
	struct doc_chunk *c = malloc(sizeof(*c) + cap);

	if (!c && doc_no_memory)
		longjmp(*doc_no_memory, 1);
	if (!c) {
		fputs("llmguard: not enough memory\n", stderr);
		exit(1);
	}
	c->next = a->chunks;
	c->used = 0;
	c->cap = cap;
	a->chunks = c;
	return c;
}

void *doc_alloc(struct doc_arena *a, size_t size)
{
	struct doc_chunk *c = a->chunks;
	void *p;

	size = (size + 15) & ~(size_t)15;
	if (!c || c->cap - c->used < size)
		c = grow(a, size);
	p = c->mem + c->used;
	c->used += size;
	memset(p, 0, size);
	return p;
}

struct lg_slice doc_copy(struct doc_arena *a, struct lg_slice s)
{
	char *p = doc_alloc(a, s.len + 1);

	if (s.len)
		memcpy(p, s.p, s.len);
	return (struct lg_slice){p, s.len};
}

struct doc *doc_get(const struct doc *map, const char *key)
{
	struct doc *v;

	if (!map || map->kind != DOC_MAP)
		return NULL;
	for (v = map->child; v; v = v->next)
		if (lg_slice_eq(v->key, lg_slice_str(key)))
			return v;
	return NULL;
}

struct lg_slice doc_text(const struct doc *v)
{
	if (!v || v->kind == DOC_LIST || v->kind == DOC_MAP)
		return (struct lg_slice){"", 0};
	return v->text;
}

bool doc_is(const struct doc *v, const char *text)
{
	return v && lg_slice_eq(doc_text(v), lg_slice_str(text));
}

struct doc *doc_new_slice(struct doc_arena *a, enum doc_kind kind,
			  struct lg_slice text)
{
	struct doc *v = doc_alloc(a, sizeof(*v));

	v->kind = kind;
	v->text = doc_copy(a, text);
	v->key = (struct lg_slice){"", 0};
	a->nodes++;
	return v;
}

struct doc *doc_new(struct doc_arena *a, enum doc_kind kind, const char *text)
{
	return doc_new_slice(a, kind, lg_slice_str(text ? text : ""));
}

void doc_add(struct doc_arena *a, struct doc *parent, const char *key,
	     struct doc *v)
{
	if (key)
		v->key = doc_copy(a, lg_slice_str(key));
	v->next = NULL;
	if (parent->last)
		parent->last->next = v;
	else
		parent->child = v;
	parent->last = v;
	parent->n++;
}

struct doc *doc_clone(struct doc_arena *a, const struct doc *v)
{
	struct doc *c = doc_new_slice(a, v->kind, v->text), *kid;
	const struct doc *k;

	c->line = v->line;
	c->key = doc_copy(a, v->key);
	for (k = v->child; k; k = k->next) {
		kid = doc_clone(a, k);
		doc_add(a, c, NULL, kid);
	}
	return c;
}

static bool map_equal(const struct doc *a, const struct doc *b)
{
	const struct doc *v, *w;

	for (v = a->child; v; v = v->next) {
		for (w = b->child; w && !lg_slice_eq(w->key, v->key);)
			w = w->next;
		if (!w || !doc_equal(v, w))
			return false;
	}
	return true;
}

bool doc_equal(const struct doc *a, const struct doc *b)
{
	const struct doc *v, *w;

	if (!a || !b || a->kind != b->kind || a->n != b->n)
		return a == b;
	if (a->kind == DOC_NUMBER)
		return decimal_cmp(a->text, b->text) == 0;
	if (a->kind == DOC_MAP)
		return map_equal(a, b);
	if (a->kind != DOC_LIST)
		return a->kind == DOC_NULL || lg_slice_eq(a->text, b->text);
	for (v = a->child, w = b->child; v && w; v = v->next, w = w->next)
		if (!doc_equal(v, w))
			return false;
	return true;
}

static void put_value(struct lg_buf *b, const struct doc *v)
{
	static const char *const names[] = {[DOC_NULL] = "null",
					    [DOC_LIST] = "a list",
					    [DOC_MAP] = "a map"};

	if (v->kind == DOC_STRING || v->kind == DOC_NUMBER ||
	    v->kind == DOC_BOOL)
		lg_buf_put_json(
			b,
			(struct lg_slice){v->text.p,
					  v->text.len > 80 ? 80 : v->text.len});
	else
		lg_buf_puts(b, names[v->kind]);
}

int doc_fail(struct doc_error *err, const char *file, const struct doc *v,
	     const char *what)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, err->text, sizeof(err->text) - 1);
	lg_buf_puts(&b, file);
	lg_buf_putc(&b, ':');
	if (v && v->line) {
		lg_buf_put_u64(&b, v->line);
		lg_buf_putc(&b, ':');
	}
	lg_buf_putc(&b, ' ');
	if (v && v->key.len) {
		lg_buf_put(&b, v->key.p, v->key.len > 80 ? 80 : v->key.len);
		lg_buf_puts(&b, ": ");
	}
	if (v) {
		put_value(&b, v);
		lg_buf_puts(&b, ": ");
	}
	lg_buf_puts(&b, what);
	err->text[b.len] = 0;
	return -EINVAL;
}

/* The source's text is not kept: a stream may be any length up to the cap. */
int doc_read(struct doc_arena *a, const char *file, struct lg_slice *text,
	     struct doc_error *err)
{
	bool std = !strcmp(file, "-");
	FILE *f = std ? stdin : fopen(file, "re");
	size_t n = 0, cap = 0, got;
	char *p = NULL, *q;
	int ret = 0;

	if (!f) {
		snprintf(err->text, sizeof(err->text), "%s: %s", file,
			 strerror(errno));
		return -errno;
	}
	for (;;) {
		if (n == cap) {
			cap = cap ? cap * 2 : 65536;
			q = realloc(p, cap);
			if (!q) {
				ret = -ENOMEM;
				break;
			}
			p = q;
		}
		got = fread(p + n, 1, cap - n, f);
		n += got;
		if (!got || n > DOC_FILE_MAX)
			break;
	}
	if (!ret && ferror(f))
		ret = errno ? -errno : -EIO;
	if (!ret && n > DOC_FILE_MAX)
		ret = -EFBIG;
	if (!ret)
		*text = doc_copy(a, (struct lg_slice){p, n});
	else
		snprintf(err->text, sizeof(err->text), "%s: %s", file,
			 strerror(-ret));
	free(p);
	if (!std)
		fclose(f);
	return ret;
}

static bool is_json_number(struct lg_slice s)
{
	char sample[64];

	return decimal_is(s) && lg_slice_copy(s, sample, sizeof(sample));
}

static struct doc *from_yaml(struct doc_arena *a, const struct lg_yaml *y)
{
	static const enum doc_kind kinds[] = {[LG_YAML_SCALAR] = DOC_STRING,
					      [LG_YAML_LIST] = DOC_LIST,
					      [LG_YAML_MAP] = DOC_MAP};
	struct doc *v = doc_new_slice(
		a, kinds[y->kind],
		y->kind == LG_YAML_SCALAR ? y->text : (struct lg_slice){"", 0});
	const struct lg_yaml *k;
	struct doc *kid;

	v->line = y->line;
	v->key = doc_copy(a, y->key);
	if (y->kind == LG_YAML_SCALAR && y->plain) {
		if (lg_yaml_is_null(y))
			v->kind = DOC_NULL;
		else if (doc_is(v, "true") || doc_is(v, "false"))
			v->kind = DOC_BOOL;
		else if (is_json_number(v->text))
			v->kind = DOC_NUMBER;
	}
	for (k = y->child; k; k = k->next) {
		kid = from_yaml(a, k);
		doc_add(a, v, NULL, kid);
	}
	return v;
}

int doc_parse_yaml(struct doc_arena *a, const char *file, struct lg_slice text,
		   struct doc **out, struct doc_error *err)
{
	struct lg_yaml_arena arena = {0};
	struct lg_yaml_error e = {0};
	struct lg_yaml *root = NULL;
	int ret = lg_yaml_parse(text, &arena, &root, &e);

	if (ret) {
		struct doc at = {
			.kind = DOC_NULL, .line = e.line, .key = e.key};

		doc_fail(err, file, &at, ret == -EPROTO ? e.what : "too large");
		lg_yaml_arena_fini(&arena);
		return -EPROTO;
	}
	*out = root ? from_yaml(a, root) : doc_new(a, DOC_NULL, "");
	if (!root)
		(*out)->line = 1;
	lg_yaml_arena_fini(&arena);
	return 0;
}
