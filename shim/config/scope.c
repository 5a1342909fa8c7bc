#include "config/conf.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

#define STARS_MAX 8

static const char *const key_names[LG_SCOPE_KEYS] = {
	[LG_SCOPE_GLOBAL] = "global",
	[LG_SCOPE_PROJECT] = "project",
	[LG_SCOPE_USER] = "user",
	[LG_SCOPE_KEY] = "key",
	[LG_SCOPE_MODEL] = "model",
	[LG_SCOPE_PROVIDER] = "provider",
	[LG_SCOPE_ENDPOINT] = "endpoint",
	[LG_SCOPE_TAG] = "tag",
	[LG_SCOPE_PHASE] = "phase",
	[LG_SCOPE_RUN] = "run",
	[LG_SCOPE_CONVERSATION] = "conversation",
	[LG_SCOPE_PROCESS] = "process",
	[LG_SCOPE_UID] = "uid",
	[LG_SCOPE_EXPERIMENT] = "experiment",
};

static const char not_a_scope[] =
	"allowed: global, or key:value with one of project user key model "
	"provider endpoint tag phase run conversation process uid "
	"experiment, joined by \" & \"";

const char *lg_conf_glob_why(struct lg_slice s)
{
	unsigned stars = 0;

	if (!s.len)
		return "the pattern is empty";
	if (s.len >= LG_CONF_NAME_MAX)
		return "the pattern is longer than 127 bytes";
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return "control characters not allowed";
		if (memchr("[]{}\\", s.p[i], 5))
			return "bad pattern: only * and ? are special, and "
			       "[ ] { } \\ are not allowed";
		stars += s.p[i] == '*';
	}
	return stars > STARS_MAX ? "bad pattern: more than 8 stars" : NULL;
}

static const char *check_value(uint32_t key, struct lg_slice v)
{
	bool glob = memchr(v.p, '*', v.len) || memchr(v.p, '?', v.len);
	uint64_t n;

	if (key == LG_SCOPE_PHASE && !glob &&
	    !lg_slice_eq(v, LG_SLICE("infer")) &&
	    !lg_slice_eq(v, LG_SLICE("train")))
		return "allowed for phase: infer train";
	if (key == LG_SCOPE_UID && !glob && lg_slice_u64(v, &n))
		return "allowed for uid: a number";
	return NULL;
}

static const char *parse_term(struct lg_slice text, struct lg_conf_term *t)
{
	struct lg_slice key, value = lg_slice_cut(text, ':', &key);
	const char *why;
	uint32_t k = 0;

	key = lg_slice_trim(key);
	value = lg_slice_trim(value);
	while (k < LG_SCOPE_KEYS &&
	       !lg_slice_ieq(key, lg_slice_str(key_names[k])))
		k++;
	if (k == LG_SCOPE_KEYS)
		return not_a_scope;
	t->key = k;
	t->pattern[0] = 0;
	if (k == LG_SCOPE_GLOBAL)
		return value.len ? "global takes no value" : NULL;
	why = lg_conf_glob_why(value);
	if (!why)
		why = check_value(k, value);
	if (!why)
		lg_slice_copy(value, t->pattern, sizeof(t->pattern));
	return why;
}

static int compare(const struct lg_conf_term *a, const struct lg_conf_term *b)
{
	int d = strcmp(key_names[a->key], key_names[b->key]);

	return d ? d : strcmp(a->pattern, b->pattern);
}

/* Keeps the terms sorted; a duplicate, or global beside others, is nothing. */
static const char *insert(struct lg_conf_scope *s, const struct lg_conf_term *t)
{
	unsigned i = 0;

	if (t->key == LG_SCOPE_GLOBAL)
		return NULL;
	while (i < s->n && compare(&s->term[i], t) < 0)
		i++;
	if (i < s->n && !compare(&s->term[i], t))
		return NULL;
	if (s->n == LG_CONF_TERMS_MAX)
		return "more than 8 terms";
	memmove(&s->term[i + 1], &s->term[i], (s->n - i) * sizeof(s->term[0]));
	s->term[i] = *t;
	s->n++;
	return NULL;
}

static int write_text(struct lg_conf_scope *s)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, s->text, sizeof(s->text) - 1);
	for (unsigned i = 0; i < s->n; i++) {
		if (i)
			lg_buf_puts(&b, " & ");
		lg_buf_puts(&b, key_names[s->term[i].key]);
		if (s->term[i].key == LG_SCOPE_GLOBAL)
			continue;
		lg_buf_putc(&b, ':');
		lg_buf_puts(&b, s->term[i].pattern);
	}
	s->text[b.len] = 0;
	return b.overflow ? -EINVAL : 0;
}

/* Cut at the first '&' that stands between blanks. */
static struct lg_slice cut_term(struct lg_slice s, struct lg_slice *head,
				bool *more)
{
	*more = false;
	for (size_t i = 1; i + 1 < s.len; i++) {
		if (s.p[i] != '&' || s.p[i - 1] != ' ' || s.p[i + 1] != ' ')
			continue;
		*head = (struct lg_slice){s.p, i};
		*more = true;
		return (struct lg_slice){s.p + i + 1, s.len - i - 1};
	}
	*head = s;
	return (struct lg_slice){s.p + s.len, 0};
}

int lg_conf_scope_parse(struct lg_slice text, struct lg_conf_scope *out,
			const char **why)
{
	struct lg_conf_term t;
	struct lg_slice head;
	bool more = true;

	out->n = 0;
	while (more) {
		text = cut_term(text, &head, &more);
		*why = parse_term(head, &t);
		if (!*why)
			*why = insert(out, &t);
		if (*why)
			return -EINVAL;
	}
	if (!out->n) {
		out->term[0] = (struct lg_conf_term){.key = LG_SCOPE_GLOBAL};
		out->n = 1;
	}
	if (write_text(out)) {
		*why = "the scope is longer than 511 bytes";
		return -EINVAL;
	}
	return 0;
}
