#include <errno.h>
#include <string.h>

#include "wire/json.h"

enum step_kind { STEP_END, STEP_KEY, STEP_ELEM, STEP_DEEP, STEP_BAD };

struct step {
	enum step_kind kind;
	const char *key;
	size_t len;
};

static bool at_boundary(char c)
{
	return c == '\0' || c == '.' || c == '[';
}

/* The next component of a path; *p moves behind it and its '.'. */
static struct step next_step(const char **p, bool first)
{
	const char *s = *p;
	struct step st = {STEP_BAD, s, 0};

	if (*s == '\0') {
		st.kind = STEP_END;
		return st;
	}
	if (*s == '[') {
		if (s[1] != ']' || !at_boundary(s[2]))
			return st;
		st.kind = STEP_ELEM;
		*p = s + 2;
		return st;
	}
	if (!first && *s++ != '.')
		return st;
	st.key = s;
	while (!at_boundary(*s))
		s++;
	st.len = (size_t)(s - st.key);
	*p = s;
	if (st.len == 2 && !memcmp(st.key, "**", 2))
		st.kind = *s ? STEP_BAD : STEP_DEEP;
	else if (st.len && st.len <= LG_VALUE_TEXT_MAX)
		st.kind = STEP_KEY;
	return st;
}

/* A fresh node; 0 when the table is full. */
static uint16_t add_node(struct lg_json_paths *p)
{
	if (p->nnodes == LG_JSON_NODES_MAX)
		return 0;
	p->node[p->nnodes] = (struct lg_json_node){.id = -1};
	return p->nnodes++;
}

static uint16_t key_child(struct lg_json_paths *p, uint16_t at,
			  const struct step *st)
{
	struct lg_json_node *n;
	uint16_t *link = &p->node[at].first_child;

	for (; *link; link = &p->node[*link].next_sibling) {
		n = &p->node[*link];
		if (n->key_len == st->len && !memcmp(n->key, st->key, st->len))
			return *link;
	}
	*link = add_node(p);
	if (!*link)
		return 0;
	n = &p->node[*link];
	n->key = st->key;
	n->key_len = (uint16_t)st->len;
	n->mark = lg_json_mark(st->key, st->len);
	p->node[at].marks |= UINT64_C(1) << n->mark;
	return *link;
}

static uint16_t child(struct lg_json_paths *p, uint16_t at,
		      const struct step *st)
{
	uint16_t *link = &p->node[at].elem;

	if (st->kind == STEP_KEY)
		return key_child(p, at, st);
	if (st->kind == STEP_DEEP)
		link = &p->node[at].deep;
	if (!*link)
		*link = add_node(p);
	return *link;
}

static int add_field(struct lg_json_paths *p, const struct lg_field *f)
{
	const char *s = f->path;
	uint16_t at = 0;
	unsigned steps = 0;
	struct step st;

	if (f->id < 0 || f->id > INT16_MAX)
		return -EINVAL;
	for (;;) {
		st = next_step(&s, s == f->path);
		if (st.kind == STEP_END)
			break;
		if (st.kind == STEP_BAD || ++steps > LG_JSON_STEPS_MAX)
			return -EINVAL;
		if (st.kind == STEP_DEEP && (f->flags & LG_FIELD_RAW))
			return -EINVAL;
		at = child(p, at, &st);
		if (!at)
			return -E2BIG;
	}
	if (p->node[at].id >= 0)
		return -EINVAL;
	p->node[at].id = (int16_t)f->id;
	p->node[at].flags = (uint8_t)f->flags;
	return 0;
}

int lg_json_paths_init(struct lg_json_paths *p, const struct lg_field *fields,
		       unsigned n)
{
	int err = 0;

	p->nnodes = 0;
	add_node(p);
	for (unsigned i = 0; i < n && !err; i++)
		err = add_field(p, &fields[i]);
	return err;
}
