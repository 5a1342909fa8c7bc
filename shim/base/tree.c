#include "base/tree.h"

#include <errno.h>

#include "base/json_scan.h"
#include "base/mem.h"

#define FIRST_NODES 64
#define NOWHERE UINT32_MAX

struct reader {
	struct lg_tree *t;
	const char *p, *end;
	uint32_t open; /* the container at hand, NOWHERE: none */
	unsigned depth;
	int err;
};

static void fail(struct reader *r, int err)
{
	if (!r->err)
		r->err = err;
}

static bool more_nodes(struct lg_tree *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : FIRST_NODES;
	size_t size = sizeof(*t->node);
	void *p;

	if (t->node)
		p = lg_mem_grow(t->node, t->cap * size, cap * size);
	else
		p = lg_mem_alloc(cap * size);
	if (!p)
		return false;
	t->node = p;
	t->cap = cap;
	return true;
}

/* A value of len bytes begins at p. */
static struct lg_tree_node *add(struct reader *r, enum lg_tree_type type,
				const char *p, size_t len)
{
	struct lg_tree *t = r->t;
	struct lg_tree_node *n;

	if (t->n == LG_TREE_NODES_MAX)
		return fail(r, -EMSGSIZE), NULL;
	if (t->n == t->cap && !more_nodes(t))
		return fail(r, -ENOMEM), NULL;
	n = &t->node[t->n++];
	*n = (struct lg_tree_node){
		.off = (uint32_t)(p - t->text),
		.len = (uint32_t)len,
		.next = t->n,
		.type = (uint8_t)type,
	};
	return n;
}

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' ||
				 *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') ||
	       ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Behind a backslash: bytes of the escape, 0: none is one. */
static size_t escape(const char *p, const char *end)
{
	unsigned i;

	if (p == end)
		return 0;
	if (*p != 'u')
		return *p && strchr("\"\\/bfnrt", *p) ? 1 : 0;
	for (i = 1; i <= 4; i++)
		if (p + i >= end || !is_hex(p[i]))
			return 0;
	return 5;
}

static void string(struct reader *r, bool key)
{
	const char *from = r->p++;
	struct lg_tree_node *n;
	bool escaped = false;
	size_t len;

	for (;;) {
		r->p = lg_json_scan_string(r->p, r->end);
		if (r->p == r->end || (unsigned char)*r->p < 0x20)
			return fail(r, -EPROTO);
		if (*r->p++ == '"')
			break;
		len = escape(r->p, r->end);
		if (!len)
			return fail(r, -EPROTO);
		escaped = true;
		r->p += len;
	}
	n = add(r, LG_TREE_STRING, from, (size_t)(r->p - from));
	if (!n)
		return;
	n->key = key;
	n->escaped = escaped;
}

static void number(struct reader *r)
{
	const char *from = r->p;
	uint8_t part = 0;

	r->p = lg_json_scan_number(r->p, r->end, &part);
	if (r->p == from || !lg_json_number_is_whole(part))
		fail(r, -EPROTO);
	else
		add(r, LG_TREE_NUMBER, from, (size_t)(r->p - from));
}

static void literal(struct reader *r, struct lg_slice word,
		    enum lg_tree_type type)
{
	struct lg_slice rest = {r->p, (size_t)(r->end - r->p)};

	if (!lg_slice_starts(rest, word))
		return fail(r, -EPROTO);
	add(r, type, r->p, word.len);
	r->p += word.len;
}

/* While it is open, a container's next is the one around it. */
static void open_container(struct reader *r, enum lg_tree_type type)
{
	struct lg_tree_node *n;

	if (r->depth == LG_TREE_DEPTH_MAX)
		return fail(r, -EPROTO);
	n = add(r, type, r->p++, 0);
	if (!n)
		return;
	n->next = r->open;
	r->open = r->t->n - 1;
	r->depth++;
}

static void close_container(struct reader *r)
{
	struct lg_tree_node *n = &r->t->node[r->open];

	r->p++;
	r->open = n->next;
	r->depth--;
	n->len = (uint32_t)(r->p - r->t->text) - n->off;
	n->next = r->t->n;
}

static void value(struct reader *r)
{
	if (r->p == r->end)
		return fail(r, -EPROTO);
	switch (*r->p) {
	case '{':
		return open_container(r, LG_TREE_OBJECT);
	case '[':
		return open_container(r, LG_TREE_ARRAY);
	case '"':
		return string(r, false);
	case 't':
		return literal(r, LG_SLICE("true"), LG_TREE_TRUE);
	case 'f':
		return literal(r, LG_SLICE("false"), LG_TREE_FALSE);
	case 'n':
		return literal(r, LG_SLICE("null"), LG_TREE_NULL);
	default:
		return number(r);
	}
}

/* In front of a member or an element. */
static void element(struct reader *r)
{
	if (r->t->node[r->open].type == LG_TREE_OBJECT) {
		if (r->p == r->end || *r->p != '"')
			return fail(r, -EPROTO);
		string(r, true);
		skip_space(r);
		if (r->err || r->p == r->end || *r->p++ != ':')
			return fail(r, -EPROTO);
		skip_space(r);
	}
	value(r);
}

static char closing(const struct reader *r)
{
	return r->t->node[r->open].type == LG_TREE_OBJECT ? '}' : ']';
}

/* Behind a value: what is over ends, the next one begins. */
static void follow(struct reader *r, bool fresh)
{
	skip_space(r);
	if (r->p == r->end)
		return fail(r, -EPROTO);
	if (*r->p == closing(r))
		return close_container(r);
	if (!fresh) {
		if (*r->p++ != ',')
			return fail(r, -EPROTO);
		skip_space(r);
	}
	element(r);
}

int lg_tree_parse(struct lg_tree *t, struct lg_slice text)
{
	struct reader r = {.t = t, .open = NOWHERE};

	t->text = text.p;
	t->n = 0;
	if (text.len > LG_TREE_TEXT_MAX)
		return -EMSGSIZE;
	if (!text.len)
		return -EPROTO;
	r.p = text.p;
	r.end = text.p + text.len;
	skip_space(&r);
	value(&r);
	while (!r.err && r.open != NOWHERE)
		follow(&r, r.open == t->n - 1);
	if (!r.err) {
		skip_space(&r);
		if (r.p != r.end)
			fail(&r, -EPROTO);
	}
	if (r.err)
		t->n = 0;
	return r.err;
}

void lg_tree_fini(struct lg_tree *t)
{
	if (t->node)
		lg_mem_free(t->node, t->cap * sizeof(*t->node));
	*t = (struct lg_tree){0};
}
