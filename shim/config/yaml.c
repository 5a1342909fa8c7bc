#include "config/yaml.h"

#include <errno.h>
#include <string.h>

#include <yaml.h>

#include "base/mem.h"

#define CHUNK_SIZE ((size_t)64 << 10)

struct lg_yaml_chunk {
	struct lg_yaml_chunk *next;
	size_t size;
	size_t used;
	size_t pad;
};

struct frame {
	struct lg_yaml *node;
	struct lg_yaml **tail;
	struct lg_slice key;
	bool has_key;
};

struct reader {
	struct lg_yaml_arena *arena;
	struct lg_yaml_error *err;
	struct lg_yaml *root;
	struct frame *stack;
	unsigned depth;
	unsigned nodes;
	unsigned documents;
};

void *lg_yaml_alloc(struct lg_yaml_arena *arena, size_t size)
{
	struct lg_yaml_chunk *c = arena->chunks;
	size_t need = (size + 7) & ~(size_t)7;
	size_t total;

	if (need < size)
		return NULL;
	if (!c || c->size - c->used < need) {
		total = need + sizeof(*c);
		if (total < CHUNK_SIZE)
			total = CHUNK_SIZE;
		c = lg_mem_alloc(total);
		if (!c)
			return NULL;
		c->size = total;
		c->used = sizeof(*c);
		c->next = arena->chunks;
		arena->chunks = c;
	}
	c->used += need;
	return (char *)c + c->used - need;
}

void lg_yaml_arena_fini(struct lg_yaml_arena *arena)
{
	struct lg_yaml_chunk *c = arena->chunks;

	while (c) {
		struct lg_yaml_chunk *next = c->next;

		lg_mem_free(c, c->size);
		c = next;
	}
	arena->chunks = NULL;
}

bool lg_yaml_is_null(const struct lg_yaml *v)
{
	if (v->kind != LG_YAML_SCALAR || !v->plain)
		return false;
	return !v->text.len || lg_slice_eq(v->text, LG_SLICE("~")) ||
	       lg_slice_ieq(v->text, LG_SLICE("null"));
}

static int fail(struct reader *r, uint32_t line, const char *what)
{
	r->err->line = line;
	r->err->what = what;
	return -EPROTO;
}

static int copy_text(struct reader *r, const yaml_event_t *e,
		     struct lg_slice *out)
{
	size_t len = e->data.scalar.length;
	uint32_t line = (uint32_t)e->start_mark.line + 1;
	char *p;

	if (memchr(e->data.scalar.value, 0, len))
		return fail(r, line, "text with a NUL byte");
	p = lg_yaml_alloc(r->arena, len + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p, e->data.scalar.value, len);
	*out = (struct lg_slice){p, len};
	return 0;
}

static int take_key(struct reader *r, struct frame *f, const yaml_event_t *e)
{
	uint32_t line = (uint32_t)e->start_mark.line + 1;
	const struct lg_yaml *v;
	int err;

	if (e->type != YAML_SCALAR_EVENT)
		return fail(r, line, "a key that is not plain text");
	if (f->node->n >= LG_YAML_KEYS_MAX)
		return fail(r, line, "too many keys in one map");
	err = copy_text(r, e, &f->key);
	if (err)
		return err;
	for (v = f->node->child; v; v = v->next) {
		if (!lg_slice_eq(v->key, f->key))
			continue;
		r->err->key = f->key;
		return fail(r, line, "given twice");
	}
	f->has_key = true;
	return 0;
}

static int add_node(struct reader *r, struct lg_yaml *v)
{
	struct frame *f;

	if (!r->depth) {
		r->root = v;
		return 0;
	}
	f = &r->stack[r->depth - 1];
	v->key = f->node->kind == LG_YAML_MAP ? f->key : f->node->key;
	f->has_key = false;
	f->node->n++;
	*f->tail = v;
	f->tail = &v->next;
	return 0;
}

static int open_node(struct reader *r, const yaml_event_t *e,
		     enum lg_yaml_kind kind)
{
	uint32_t line = (uint32_t)e->start_mark.line + 1;
	struct lg_yaml *v;
	int err;

	if (r->nodes++ >= LG_YAML_NODES_MAX)
		return fail(r, line, "too many values in one file");
	v = lg_yaml_alloc(r->arena, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->kind = kind;
	v->line = line;
	add_node(r, v);
	if (kind == LG_YAML_SCALAR) {
		v->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		err = copy_text(r, e, &v->text);
		return err;
	}
	if (r->depth >= LG_YAML_DEPTH_MAX)
		return fail(r, line, "nested deeper than 32 levels");
	r->stack[r->depth++] = (struct frame){.node = v, .tail = &v->child};
	return 0;
}

static const char *refused(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return "aliases (*name) are not supported";
	case YAML_SCALAR_EVENT:
		if (e->data.scalar.anchor)
			return "anchors (&name) are not supported";
		return e->data.scalar.tag ? "tags (!name) are not supported"
					  : NULL;
	case YAML_SEQUENCE_START_EVENT:
		if (e->data.sequence_start.anchor)
			return "anchors (&name) are not supported";
		return e->data.sequence_start.tag
			       ? "tags (!name) are not supported"
			       : NULL;
	case YAML_MAPPING_START_EVENT:
		if (e->data.mapping_start.anchor)
			return "anchors (&name) are not supported";
		return e->data.mapping_start.tag
			       ? "tags (!name) are not supported"
			       : NULL;
	default:
		return NULL;
	}
}

static int on_event(struct reader *r, const yaml_event_t *e)
{
	uint32_t line = (uint32_t)e->start_mark.line + 1;
	struct frame *f = r->depth ? &r->stack[r->depth - 1] : NULL;
	const char *no = refused(e);

	if (no)
		return fail(r, line, no);
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->documents++)
			return fail(r, line, "a second document");
		return 0;
	case YAML_SCALAR_EVENT:
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (f && f->node->kind == LG_YAML_MAP && !f->has_key)
			return take_key(r, f, e);
		return open_node(r, e,
				 e->type == YAML_SCALAR_EVENT ? LG_YAML_SCALAR
				 : e->type == YAML_SEQUENCE_START_EVENT
					 ? LG_YAML_LIST
					 : LG_YAML_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		return 0;
	default:
		return 0;
	}
}

static int read_events(struct reader *r, yaml_parser_t *p)
{
	yaml_event_t e;
	bool end = false;
	int err = 0;

	while (!err && !end) {
		if (!yaml_parser_parse(p, &e)) {
			if (p->error == YAML_MEMORY_ERROR)
				return -ENOMEM;
			return fail(r, (uint32_t)p->problem_mark.line + 1,
				    p->problem ? p->problem : "not YAML");
		}
		end = e.type == YAML_STREAM_END_EVENT;
		err = on_event(r, &e);
		yaml_event_delete(&e);
	}
	return err;
}

/* Two blocks that are too large for the stack of a hook. */
struct work {
	yaml_parser_t parser;
	struct frame stack[LG_YAML_DEPTH_MAX];
};

int lg_yaml_parse(struct lg_slice text, struct lg_yaml_arena *arena,
		  struct lg_yaml **root, struct lg_yaml_error *err)
{
	struct reader r = {.arena = arena, .err = err};
	struct work *w = lg_mem_alloc(sizeof(*w));
	int ret = -ENOMEM;

	*err = (struct lg_yaml_error){.what = ""};
	*root = NULL;
	if (!w)
		return -ENOMEM;
	r.stack = w->stack;
	if (!yaml_parser_initialize(&w->parser))
		goto out;
	yaml_parser_set_input_string(&w->parser, (const unsigned char *)text.p,
				     text.len);
	yaml_parser_set_encoding(&w->parser, YAML_UTF8_ENCODING);
	ret = read_events(&r, &w->parser);
	if (!ret)
		*root = r.root;
	yaml_parser_delete(&w->parser);
out:
	lg_mem_free(w, sizeof(*w));
	return ret;
}
