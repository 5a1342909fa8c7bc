#include "wire/json_member.h"

#include <errno.h>
#include <string.h>

#include "base/json_scan.h"

struct walk {
	const char *p, *end;
};

static bool at_end(const struct walk *w)
{
	return w->p == w->end;
}

static void skip_space(struct walk *w)
{
	while (!at_end(w) && (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' ||
			      *w->p == '\r'))
		w->p++;
}

static bool take(struct walk *w, char c)
{
	if (at_end(w) || *w->p != c)
		return false;
	w->p++;
	return true;
}

/* From behind its opening quote to behind the closing one. */
static bool skip_string(struct walk *w, bool *escaped)
{
	for (;;) {
		w->p = lg_json_scan_string(w->p, w->end);
		if (at_end(w))
			return false;
		if (*w->p++ == '"')
			return true;
		*escaped = true;
		if (w->p[-1] != '\\' || at_end(w))
			return false;
		w->p++;
	}
}

static bool skip_container(struct walk *w)
{
	size_t depth = 0;
	bool escaped;

	while (!at_end(w)) {
		char c = *w->p++;

		if (c == '"' && !skip_string(w, &escaped))
			return false;
		depth += c == '{' || c == '[';
		if ((c == '}' || c == ']') && --depth == 0)
			return true;
	}
	return false;
}

static bool skip_value(struct walk *w)
{
	const char *from = w->p;
	bool escaped;

	if (at_end(w))
		return false;
	if (*w->p == '{' || *w->p == '[')
		return skip_container(w);
	if (take(w, '"'))
		return skip_string(w, &escaped);
	while (!at_end(w) && !memchr(",}] \t\r\n", *w->p, 8))
		w->p++;
	return w->p > from;
}

/* One member; its key's opening quote is next. 0 or -EPROTO. */
static int take_member(struct walk *w, struct lg_slice *key,
		       struct lg_slice *value)
{
	bool escaped = false;

	if (!take(w, '"'))
		return -EPROTO;
	key->p = w->p;
	if (!skip_string(w, &escaped) || escaped)
		return -EPROTO;
	key->len = (size_t)(w->p - key->p) - 1;
	skip_space(w);
	if (!take(w, ':'))
		return -EPROTO;
	skip_space(w);
	value->p = w->p;
	if (!skip_value(w))
		return -EPROTO;
	value->len = (size_t)(w->p - value->p);
	skip_space(w);
	return 0;
}

/* All members from the first one on; how many have the key, or an error. */
static int find_in(struct walk *w, struct lg_slice want,
		   struct lg_json_member *out)
{
	const char *comma = NULL;
	struct lg_slice key, value;
	int found = 0, err;

	for (;;) {
		skip_space(w);
		err = take_member(w, &key, &value);
		if (err)
			return err;
		if (lg_slice_eq(key, want)) {
			found++;
			out->key = key.p - 1;
			out->value = value;
			out->before = comma;
			out->after = at_end(w) || *w->p != ',' ? NULL : w->p;
		}
		comma = w->p;
		if (take(w, '}'))
			return found;
		if (!take(w, ','))
			return -EPROTO;
	}
}

int lg_json_member_find(struct lg_slice json, struct lg_slice key,
			struct lg_json_member *out)
{
	struct walk w = {json.p, json.p + json.len};
	int found = 0;

	memset(out, 0, sizeof(*out));
	skip_space(&w);
	if (!take(&w, '{'))
		return -EPROTO;
	out->object = w.p;
	skip_space(&w);
	if (!take(&w, '}'))
		found = find_in(&w, key, out);
	if (found < 0)
		return found;
	skip_space(&w);
	if (!at_end(&w))
		return -EPROTO;
	return found == 0 ? -ENOENT : found == 1 ? 0 : -EEXIST;
}
