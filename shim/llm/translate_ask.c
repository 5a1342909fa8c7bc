#include <errno.h>

#include "base/mem.h"
#include "llm/translate.h"

#define FIRST_CAP 16

void lg_ask_fini(struct lg_ask *a)
{
	if (a->say)
		lg_mem_free(a->say, a->say_cap * sizeof(*a->say));
	if (a->tool)
		lg_mem_free(a->tool, a->tools_cap * sizeof(*a->tool));
	*a = (struct lg_ask){0};
}

void lg_ask_cannot(struct lg_ask *a, const char *why)
{
	if (!a->why)
		a->why = why;
}

void lg_ask_without(struct lg_ask *a, struct lg_at at, const char *why)
{
	if (lg_at_type(at) > LG_TREE_FALSE)
		lg_ask_cannot(a, why);
}

void lg_ask_message(struct lg_ask *a, enum lg_say_role role)
{
	a->role = (uint8_t)role;
	a->next_first = true;
}

/* One more of size bytes behind n of them. NULL: no room. */
static void *more(struct lg_ask *a, void *p, uint32_t n, uint32_t *cap,
		  uint32_t max, size_t size)
{
	uint32_t want = *cap ? *cap * 2 : FIRST_CAP;
	void *q;

	if (n < *cap)
		return p;
	if (n >= max) {
		a->err = -EMSGSIZE;
		return NULL;
	}
	q = p ? lg_mem_grow(p, *cap * size, want * size)
	      : lg_mem_alloc(want * size);
	if (!q)
		a->err = -ENOMEM;
	else
		*cap = want;
	return q;
}

struct lg_say *lg_ask_say(struct lg_ask *a, enum lg_say_kind kind)
{
	struct lg_say *p =
		more(a, a->say, a->nsay, &a->say_cap, LG_SAYS_MAX, sizeof(*p));

	if (!p)
		return NULL;
	a->say = p;
	p += a->nsay++;
	*p = (struct lg_say){
		.kind = (uint8_t)kind, .role = a->role, .first = a->next_first};
	a->next_first = false;
	return p;
}

void lg_ask_text(struct lg_ask *a, struct lg_at text)
{
	struct lg_say *s = lg_ask_say(a, LG_SAY_TEXT);

	if (s)
		s->text = lg_at_str(text);
}

/* "data:image/png;base64,..." as it stands between quotes: \/ may be in it. */
static bool split_data(struct lg_say *s, struct lg_slice url)
{
	struct lg_slice head, rest = lg_slice_cut(url, ',', &head);
	size_t n;

	if (!lg_slice_istarts(head, LG_SLICE("data:")) ||
	    !lg_slice_iends(head, LG_SLICE(";base64")) || !rest.len)
		return false;
	head = (struct lg_slice){head.p + 5, head.len - 5};
	for (n = 0; n < head.len && head.p[n] != ';'; n++)
		;
	s->kind = LG_SAY_IMAGE;
	s->mime = (struct lg_slice){head.p, n};
	s->text = rest;
	return true;
}

void lg_ask_picture(struct lg_ask *a, struct lg_at url)
{
	struct lg_slice raw = lg_at_str(url);
	struct lg_say *s;

	if (!raw.len)
		return lg_ask_cannot(a, "image");
	s = lg_ask_say(a, LG_SAY_URL);
	if (!s || split_data(s, raw))
		return;
	s->text = raw;
	if (!lg_slice_istarts(raw, LG_SLICE("http")))
		lg_ask_cannot(a, "image");
	else if (!a->takes_urls)
		lg_ask_cannot(a, "image_url");
}

bool lg_ask_role(struct lg_ask *a, struct lg_at role, const char *system)
{
	enum lg_say_role is;

	if (lg_at_text_is(role, system)) {
		is = LG_SAY_SYSTEM;
	} else if (lg_at_text_is(role, "user")) {
		is = LG_SAY_USER;
	} else if (lg_at_text_is(role, "assistant")) {
		is = LG_SAY_ASSISTANT;
	} else {
		lg_ask_cannot(a, "role");
		return false;
	}
	lg_ask_message(a, is);
	return true;
}

struct lg_say *lg_ask_call(struct lg_ask *a, struct lg_at id, struct lg_at name,
			   struct lg_at value)
{
	struct lg_say *s = lg_ask_say(a, LG_SAY_CALL);

	if (!s)
		return NULL;
	s->id = lg_at_str(id);
	s->name = lg_at_str(name);
	s->value = value;
	return s;
}

void lg_ask_open_call(struct lg_ask *a, struct lg_at id, struct lg_at name,
		      struct lg_at value)
{
	struct lg_say *s = lg_ask_call(a, id, name, value);

	if (s && !s->id.len)
		s->serial = ++a->serials;
}

/* A result that names its tool alone: its oldest open call. */
static void match(struct lg_ask *a, struct lg_say *result)
{
	struct lg_say *s = result, *found = NULL;

	/* Back to the calls that these results answer, and no further. */
	while (s > a->say && s[-1].role != LG_SAY_ASSISTANT)
		s--;
	while (s > a->say && s[-1].role == LG_SAY_ASSISTANT) {
		s--;
		if (s->kind == LG_SAY_CALL && !s->answered && s->serial &&
		    (!result->name.len || lg_slice_eq(s->name, result->name)))
			found = s;
	}
	if (!found) {
		result->serial = ++a->serials;
		return;
	}
	found->answered = true;
	result->serial = found->serial;
	if (!result->name.len)
		result->name = found->name;
}

bool lg_ask_result(struct lg_ask *a, struct lg_at id, struct lg_at name)
{
	struct lg_say *s = lg_ask_say(a, LG_SAY_RESULT);

	if (!s)
		return false;
	s->id = lg_at_str(id);
	s->name = lg_at_str(name);
	if (!s->id.len)
		match(a, s);
	return true;
}

void lg_ask_of_result(struct lg_ask *a, uint32_t from)
{
	for (; from < a->nsay; from++)
		a->say[from].of_result = true;
}

struct lg_say_tool *lg_ask_tool(struct lg_ask *a, struct lg_at function,
				struct lg_at schema)
{
	struct lg_say_tool *p = more(a, a->tool, a->ntools, &a->tools_cap,
				     LG_SAY_TOOLS_MAX, sizeof(*p));

	if (!p)
		return NULL;
	a->tool = p;
	p += a->ntools++;
	*p = (struct lg_say_tool){
		.name = lg_at_str(lg_at_get(function, "name")),
		.description = lg_at_get(function, "description"),
		.schema = schema,
	};
	return p;
}

struct lg_slice lg_ask_name_of(const struct lg_ask *a, const struct lg_say *r)
{
	const struct lg_say *s = r;

	while (!r->name.len && s-- > a->say)
		if (s->kind == LG_SAY_CALL && lg_slice_eq(s->id, r->id))
			return s->name;
	return r->name;
}
