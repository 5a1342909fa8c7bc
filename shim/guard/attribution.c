#include "guard/attribution.h"

#include <string.h>

#include "guard/chain.h"
#include "wire/http1.h"

#define SIGNED_MAX 512

/* Header, else environment; "" when neither speaks. */
static struct lg_slice said(struct lg_slice field, const char *env)
{
	return field.len ? field : lg_slice_str(env);
}

static bool has_tag(const struct lg_row *row, struct lg_slice tag)
{
	struct lg_slice rest = lg_slice_str(row->tags), one;

	while (rest.len) {
		rest = lg_slice_cut(rest, '\x1f', &one);
		if (lg_slice_eq(one, tag))
			return true;
	}
	return false;
}

void lg_attribution_tags(struct lg_slice tags, struct lg_row *row)
{
	size_t at = strlen(row->tags);
	struct lg_slice one;

	while (tags.len) {
		tags = lg_slice_cut(tags, ',', &one);
		one = lg_slice_trim(one);
		if (!one.len || at + one.len + 2 > sizeof(row->tags) ||
		    has_tag(row, one))
			continue;
		if (at)
			row->tags[at++] = '\x1f';
		lg_slice_copy(one, row->tags + at, sizeof(row->tags) - at);
		at += one.len;
	}
}

static void put_conversation(struct lg_slice v, struct lg_row *row)
{
	struct lg_slice id, label = lg_slice_cut(v, ' ', &id);

	lg_slice_copy(id, row->conversation, sizeof(row->conversation));
	lg_slice_copy(lg_slice_trim(label), row->label, sizeof(row->label));
}

/* The value of `name` in a query string; empty when it is not there. */
static struct lg_slice query_value(struct lg_slice target, struct lg_slice name)
{
	struct lg_slice path, pair, key, value;
	struct lg_slice rest = lg_slice_cut(target, '?', &path);

	while (rest.len) {
		rest = lg_slice_cut(rest, '&', &pair);
		value = lg_slice_cut(pair, '=', &key);
		if (lg_slice_eq(key, name))
			return value;
	}
	return (struct lg_slice){NULL, 0};
}

/* AWS signs each request anew; its key is who signs, not the signature. */
static struct lg_slice signer(struct lg_slice params)
{
	struct lg_slice one, name, id;

	while (params.len) {
		params = lg_slice_cut(params, ',', &one);
		one = lg_slice_cut(lg_slice_trim(one), '=', &name);
		if (!lg_slice_eq(name, LG_SLICE("Credential")))
			continue;
		lg_slice_cut(one, '/', &id);
		return id;
	}
	return (struct lg_slice){NULL, 0};
}

static struct lg_slice find_key(const struct lg_head *h, struct lg_slice target)
{
	const struct lg_slice fields[] = {
		h->x_api_key,
		h->x_goog_api_key,
		h->api_key,
	};
	struct lg_slice scheme;

	if (h->authorization.len) {
		struct lg_slice rest =
			lg_slice_cut(h->authorization, ' ', &scheme);

		if (lg_slice_istarts(scheme, LG_SLICE("AWS4-")))
			return signer(rest);
		return rest.len ? lg_slice_trim(rest) : h->authorization;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].len)
			return fields[i];
	return query_value(target, LG_SLICE("key"));
}

static void put_process(const struct lg_env *env, const struct lg_self *self,
			struct lg_row *row)
{
	row->pid = lg_self_pid();
	row->ppid = lg_self_ppid();
	row->uid = self->uid;
	memcpy(row->exe, self->exe, sizeof(row->exe));
	memcpy(row->comm, self->comm, sizeof(row->comm));
	lg_slice_copy(lg_slice_str(env->run_id), row->run_id,
		      sizeof(row->run_id));
	lg_slice_copy(lg_slice_str(env->experiment), row->experiment,
		      sizeof(row->experiment));
}

static void put_phase(struct lg_slice v, struct lg_row *row)
{
	if (lg_slice_ieq(v, LG_SLICE("train")))
		memcpy(row->phase, "train", 6);
	else if (lg_slice_ieq(v, LG_SLICE("infer")))
		memcpy(row->phase, "infer", 6);
}

void lg_attribution_head(const struct lg_env *env, const struct lg_self *self,
			 const struct lg_head *head, struct lg_slice target,
			 struct lg_memo *memo, struct lg_row *row)
{
	struct lg_slice key = find_key(head, target);

	put_process(env, self, row);
	lg_slice_copy(said(head->project, env->project), row->project,
		      sizeof(row->project));
	lg_slice_copy(said(head->user, env->user), row->user,
		      sizeof(row->user));
	lg_attribution_tags(said(head->tags, env->tags), row);
	put_conversation(said(head->conversation, env->conversation), row);
	put_phase(lg_slice_str(env->phase), row);
	put_phase(head->phase, row);
	if (key.len)
		lg_memo_key(memo, key, row->key);
}

static void put_if_empty(char *dst, size_t cap, const char *text)
{
	if (!dst[0])
		lg_slice_copy(lg_slice_str(text), dst, cap);
}

void lg_attribution_body(const struct lg_self *self,
			 const struct lg_facts *facts, struct lg_row *row)
{
	put_if_empty(row->user, sizeof(row->user), facts->user);
	put_if_empty(row->user, sizeof(row->user), self->login);
	put_if_empty(row->conversation, sizeof(row->conversation),
		     facts->conversation);
	if (!row->conversation[0] && facts->previous_id[0] &&
	    !lg_chain_get(facts->previous_id, row->conversation))
		put_if_empty(row->conversation, sizeof(row->conversation),
			     facts->previous_id);
	if (!row->phase[0])
		memcpy(row->phase,
		       strcmp(row->request_type, "train") ? "infer" : "train",
		       6);
}

bool lg_attribution_is_signed(struct lg_slice head)
{
	return lg_slice_istarts(
		lg_http1_field(head, LG_SLICE("authorization"), 0),
		LG_SLICE("AWS4-"));
}

/* The names between "SignedHeaders=" and the next comma; of AWS alone. */
static struct lg_slice signed_names(struct lg_slice head)
{
	struct lg_slice auth =
		lg_http1_field(head, LG_SLICE("authorization"), 0);
	struct lg_slice one, name;

	if (!lg_attribution_is_signed(head))
		return (struct lg_slice){NULL, 0};
	auth = lg_slice_cut(auth, ' ', &one);
	while (auth.len) {
		auth = lg_slice_cut(auth, ',', &one);
		one = lg_slice_cut(lg_slice_trim(one), '=', &name);
		if (lg_slice_ieq(name, LG_SLICE("SignedHeaders")))
			return one;
	}
	return (struct lg_slice){NULL, 0};
}

static bool is_signed(struct lg_slice names, struct lg_slice line)
{
	struct lg_slice name, one;

	lg_slice_cut(line, ':', &name);
	while (names.len) {
		names = lg_slice_cut(names, ';', &one);
		if (lg_slice_ieq(one, name))
			return true;
	}
	return false;
}

bool lg_attribution_strip(struct lg_buf *buf)
{
	char copy[SIGNED_MAX]; /* lines move below it */
	struct lg_slice names = signed_names(lg_buf_slice(buf));
	size_t from = 0, to = 0;
	bool dropping = false, any = false;

	if (names.len > sizeof(copy))
		return false;
	if (names.len)
		names.p = memcpy(copy, names.p, names.len);
	while (from < buf->len) {
		const char *line = buf->p + from;
		const char *nl = memchr(line, '\n', buf->len - from);
		size_t n = nl ? (size_t)(nl - line) + 1 : buf->len - from;
		struct lg_slice text = {line, n};

		/* a folded line belongs to the field above it */
		if (*line != ' ' && *line != '\t')
			dropping =
				lg_slice_istarts(text, LG_SLICE(LG_HEAD_OWN)) &&
				!is_signed(names, text);
		if (!dropping) {
			memmove(buf->p + to, line, n);
			to += n;
		}
		any |= dropping;
		from += n;
	}
	buf->len = to;
	return any;
}
