#include "guard/rewrite.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "guard/host.h"
#include "guard/reframe.h"
#include "llm/adapter.h"
#include "wire/json_member.h"

#define TARGET_MAX 2048

/* -- the path ---------------------------------------------------------------
 */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How much of s, percent-coded or not, says all of `want`; 0: it does not. */
static size_t says(struct lg_slice s, struct lg_slice want)
{
	size_t i = 0, k = 0;

	while (i < s.len && k < want.len) {
		char c = s.p[i++];

		if (c == '%' && i + 1 < s.len && hex(s.p[i]) >= 0 &&
		    hex(s.p[i + 1]) >= 0) {
			c = (char)(hex(s.p[i]) << 4 | hex(s.p[i + 1]));
			i += 2;
		}
		if (c != want.p[k++])
			return 0;
	}
	return k == want.len ? i : 0;
}

/* A model's name ends where its segment or a method's name begins. */
static bool ends_name(struct lg_slice s, size_t at)
{
	return at >= s.len || s.p[at] == '/' || s.p[at] == ':' ||
	       s.p[at] == '?';
}

static void put_coded(struct lg_buf *b, struct lg_slice s)
{
	static const char plain[] = "-._~@";
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool alnum = (c >= '0' && c <= '9') ||
			     ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

		if (alnum || (c && memchr(plain, c, sizeof(plain) - 1))) {
			lg_buf_putc(b, (char)c);
			continue;
		}
		lg_buf_putc(b, '%');
		lg_buf_putc(b, digits[c >> 4]);
		lg_buf_putc(b, digits[c & 15]);
	}
}

/* The target with the last segment that says `old` saying `new`. */
static bool put_target(struct lg_slice target, struct lg_slice old,
		       struct lg_slice new, struct lg_buf *out)
{
	const char *query = memchr(target.p, '?', target.len);
	size_t path = query ? (size_t)(query - target.p) : target.len;
	struct lg_slice s;
	size_t n;

	for (size_t at = path; at-- > 0;) {
		if (target.p[at] != '/')
			continue;
		s = (struct lg_slice){target.p + at + 1, path - at - 1};
		n = says(s, old);
		if (!n || !ends_name(s, n))
			continue;
		lg_buf_put(out, target.p, at + 1);
		put_coded(out, new);
		lg_buf_put(out, s.p + n, target.len - at - 1 - n);
		return !out->overflow;
	}
	return false;
}

static void route_of(const struct lg_exchange *x, struct lg_slice method,
		     struct lg_slice target, struct lg_route *out)
{
	struct lg_slice host = lg_slice_str(x->row.host);
	struct lg_host_hit hit = {NULL, NULL};

	lg_host_find(x->world, host, &hit);
	lg_route_request(hit.family, hit.provider, host, method, target, out);
}

/*
 * In *out the target that asks for this model, where the path says one; it is
 * empty where the path does not.
 */
static bool retarget(const struct lg_exchange *x, struct lg_slice head,
		     struct lg_slice model, struct lg_route *r,
		     struct lg_buf *out)
{
	struct lg_slice method, target;
	struct lg_slice old;
	const struct lg_dialect *d;
	char was[LG_MODEL_MAX];

	if (!lg_http1_request_line(head, &method, &target))
		return false;
	route_of(x, method, target, r);
	d = r->dialect;
	if (!r->model[0])
		return r->kind == LG_ROUTE_PAID;
	memcpy(was, r->model, sizeof(was));
	old = lg_slice_str(was);
	if (!put_target(target, old, model, out))
		return false;
	route_of(x, method, lg_buf_slice(out), r);
	return r->kind == LG_ROUTE_PAID && r->dialect == d &&
	       lg_slice_eq(lg_slice_str(r->model), model);
}

/* -- the body ---------------------------------------------------------------
 */

static bool is_number_above(struct lg_slice v, uint64_t cap, bool *odd)
{
	uint64_t n;

	if (v.len && *v.p == '-')
		return true;
	if (lg_slice_eq(v, LG_SLICE("null")))
		return true;
	if (lg_slice_u64(v, &n)) {
		*odd = true;
		return false;
	}
	return n > cap;
}

/* The member at a path of keys. As lg_json_member_find; *depth: how far. */
static int find(struct lg_slice body, const char *path,
		struct lg_json_member *m, const char **left)
{
	struct lg_slice rest = lg_slice_str(path), key;
	int err;

	for (;;) {
		*left = rest.p;
		rest = lg_slice_cut(rest, '.', &key);
		err = lg_json_member_find(body, key, m);
		if (err || !rest.len)
			return err;
		if (lg_slice_eq(m->value, LG_SLICE("null")))
			return -ENOTDIR; /* an object that is none yet */
		if (*m->value.p != '{')
			return -EPROTO;
		body = m->value;
	}
}

static bool is_empty(const struct lg_json_member *m)
{
	const char *p = m->object;

	while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
		p++;
	return *p == '}';
}

/* "a.b" of a cap as text: "a":{"b":N}. */
static void put_path(struct lg_buf *b, const char *path, uint64_t n)
{
	struct lg_slice rest = lg_slice_str(path), key;
	unsigned depth = 0;

	for (;;) {
		rest = lg_slice_cut(rest, '.', &key);
		lg_buf_put_json(b, key);
		lg_buf_putc(b, ':');
		if (!rest.len)
			break;
		lg_buf_putc(b, '{');
		depth++;
	}
	lg_buf_put_u64(b, n);
	while (depth--)
		lg_buf_putc(b, '}');
}

/* Its name at those who sell the family's newest models. */
static const char *cap_name(const struct lg_exchange *x, struct lg_slice body)
{
	const struct lg_dialect *d = x->d;
	struct lg_json_member m;
	struct lg_slice top;

	if (d->cap_own && (!strcmp(x->row.provider, "openai") ||
			   !strcmp(x->row.provider, "azure")))
		return d->cap_own;
	if (!d->cap_also)
		return d->cap_at;
	lg_slice_cut(lg_slice_str(d->cap_also), '.', &top);
	return lg_json_member_find(body, top, &m) ? d->cap_at : d->cap_also;
}

static bool insert_cap(const struct lg_exchange *x, struct lg_edits *e,
		       uint64_t cap)
{
	const char *path = cap_name(x, e->body), *left;
	struct lg_json_member m;
	struct lg_buf b;
	char text[128];
	int err;

	if (!path ||
	    (x->d->cap_beside &&
	     lg_json_member_find(e->body, lg_slice_str(x->d->cap_beside), &m)))
		return false;
	err = find(e->body, path, &m, &left);
	lg_buf_init_fixed(&b, text, sizeof(text));
	if (err == -ENOTDIR) { /* "generationConfig": null */
		path = strchr(left, '.') + 1;
		lg_buf_putc(&b, '{');
		put_path(&b, path, cap);
		lg_buf_putc(&b, '}');
		lg_edits_add(e, m.value.p, m.value.len, lg_buf_slice(&b), "");
		return !b.overflow;
	}
	if (err != -ENOENT)
		return false;
	put_path(&b, left, cap);
	lg_edits_add(e, m.object, 0, lg_buf_slice(&b), is_empty(&m) ? "" : ",");
	return !b.overflow;
}

/* Lower what says more; false: something cannot be read. */
static bool lower_caps(const struct lg_exchange *x, struct lg_edits *e,
		       uint64_t cap, bool *any)
{
	const struct lg_dialect *d = x->d;
	struct lg_json_member m;
	char text[24];
	struct lg_buf b;
	const char *left;
	bool odd = false;
	int err;

	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_buf_put_u64(&b, cap);
	for (unsigned i = 0; i < d->nrequest_fields && !odd; i++) {
		const struct lg_field *f = &d->request_fields[i];

		if (f->id != LG_FACT_MAX || strchr(f->path, '['))
			continue;
		err = find(e->body, f->path, &m, &left);
		if (err == -ENOENT || err == -ENOTDIR)
			continue;
		if (err)
			return false;
		*any = true;
		if (is_number_above(m.value, cap, &odd))
			lg_edits_add(e, m.value.p, m.value.len,
				     lg_buf_slice(&b), "");
	}
	return !odd;
}

static bool edit_cap(const struct lg_exchange *x, struct lg_edits *e,
		     uint64_t cap)
{
	bool any = false;

	return lower_caps(x, e, cap, &any) && (any || insert_cap(x, e, cap));
}

/* o1, o3-mini, gpt-5: they refuse the old name of the cap. */
static bool is_reasoner(struct lg_slice model)
{
	const char *slash = memrchr(model.p, '/', model.len);

	if (slash) {
		model.len -= (size_t)(slash + 1 - model.p);
		model.p = slash + 1;
	}
	if (lg_slice_istarts(model, LG_SLICE("gpt-5")))
		return true;
	return model.len > 1 && (*model.p | 0x20) == 'o' && model.p[1] > '0' &&
	       model.p[1] <= '9';
}

static bool rename_cap(const struct lg_exchange *x, struct lg_edits *e,
		       struct lg_slice model)
{
	struct lg_slice own = lg_slice_str(x->d->cap_own ? x->d->cap_own : "");
	struct lg_json_member m, other;
	char text[48];
	struct lg_buf b;

	if (!own.len || cap_name(x, e->body) != x->d->cap_own ||
	    !is_reasoner(model) ||
	    lg_json_member_find(e->body, lg_slice_str(x->d->cap_at), &m))
		return true;
	if (!lg_json_member_find(e->body, own, &other))
		return false; /* both: which counts, nobody knows */
	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_buf_put_json(&b, own);
	lg_edits_add(e, m.key, strlen(x->d->cap_at) + 2, lg_buf_slice(&b), "");
	return !b.overflow;
}

/* Other models that the request names beside its own. */
static bool has_alternatives(struct lg_slice body)
{
	static const char *const names[] = {"models", "fallbacks",
					    "fallback_models"};
	struct lg_json_member m;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (lg_json_member_find(body, lg_slice_str(names[i]), &m) !=
		    -ENOENT)
			return true;
	return false;
}

static bool edit_model(const struct lg_exchange *x, struct lg_edits *e,
		       struct lg_slice model, bool in_path)
{
	struct lg_json_member m;
	char text[LG_MODEL_MAX * 2];
	struct lg_buf b;
	int err;

	if (has_alternatives(e->body) || !rename_cap(x, e, model))
		return false;
	if (!x->d->model_at)
		return in_path;
	err = lg_json_member_find(e->body, lg_slice_str(x->d->model_at), &m);
	if (err == -ENOENT)
		return in_path;
	if (err || *m.value.p != '"')
		return false;
	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_buf_put_json(&b, model);
	lg_edits_add(e, m.value.p, m.value.len, lg_buf_slice(&b), "");
	return !b.overflow;
}

/* -- what it says now -------------------------------------------------------
 */

struct reading {
	struct lg_facts facts;
	struct lg_answer answer;
	struct lg_body body;
};

static bool says_it(const struct lg_facts *f, const struct lg_rewrite *w,
		    bool in_path)
{
	struct lg_slice model = lg_slice_str(f->model);

	if (!f->json_ok)
		return false;
	if (w->model.len && !lg_slice_eq(model, w->model) &&
	    !(in_path && !model.len))
		return false;
	return !w->cap || (f->has_max && f->max_output_tokens <= w->cap);
}

/* Read as the dialect reads it: the proof that the edit was understood. */
static bool is_understood(const struct lg_exchange *x, struct lg_slice held,
			  const struct lg_rewrite *w, bool in_path)
{
	struct lg_reframe q;
	struct reading *r = lg_mem_alloc(sizeof(*r));
	bool ok = false;

	if (!r)
		return false;
	lg_facts_init(&r->facts);
	lg_answer_init(&r->answer);
	lg_body_init(&r->body, &r->facts, &r->answer);
	if (!lg_reframe_open(&q, held)) {
		lg_body_speak(&r->body, x->d);
		lg_body_request_head(&r->body, LG_SLICE("application/json"),
				     (struct lg_slice){NULL, 0});
		lg_body_request_feed(&r->body, q.body.p, q.body.len);
		lg_body_request_end(&r->body, true);
		ok = says_it(&r->facts, w, in_path);
	}
	lg_reframe_close(&q);
	lg_body_fini(&r->body);
	lg_mem_free(r, sizeof(*r));
	return ok;
}

/* -- all of it --------------------------------------------------------------
 */

bool lg_rewrite_is_possible(const struct lg_exchange *x, struct lg_slice held)
{
	return x->d && x->d->type == LG_REQUEST_GENERATE && x->whole &&
	       x->facts.json_ok && !x->body.form && held.len &&
	       !(x->row.flags & (LG_ROW_UNDECODABLE | LG_ROW_BAD_JSON |
				 LG_ROW_BAD_HTTP | LG_ROW_OVERSIZE));
}

static struct lg_slice head_of(struct lg_slice held)
{
	const char *end = memmem(held.p, held.len, "\r\n\r\n", 4);

	return (struct lg_slice){held.p,
				 end ? (size_t)(end - held.p) + 4 : held.len};
}

bool lg_rewrite_route(const struct lg_exchange *x, struct lg_slice held,
		      struct lg_slice model, struct lg_route *out)
{
	char text[TARGET_MAX];
	struct lg_buf target;

	lg_buf_init_fixed(&target, text, sizeof(text));
	return model.len < LG_MODEL_MAX &&
	       retarget(x, head_of(held), model, out, &target);
}

static bool edit(const struct lg_exchange *x, struct lg_slice held,
		 const struct lg_rewrite *w, struct lg_buf *target,
		 bool *in_path, struct lg_buf *out)
{
	struct lg_reframe q;
	struct lg_edits e;
	struct lg_route r;
	struct lg_slice to = {NULL, 0};
	bool ok = !lg_reframe_open(&q, held) && q.body.len &&
		  !lg_reframe_decode(&q);

	lg_edits_init(&e, q.body);
	if (ok && w->model.len) {
		ok = retarget(x, q.head, w->model, &r, target);
		*in_path = target->len;
		ok = ok && edit_model(x, &e, w->model, *in_path);
	}
	if (*in_path)
		to = lg_buf_slice(target);
	ok = ok && (!w->cap || edit_cap(x, &e, w->cap)) &&
	     lg_reframe_put(&q, &e, to, false, out);
	lg_reframe_close(&q);
	return ok;
}

bool lg_rewrite_request(const struct lg_exchange *x, struct lg_slice held,
			const struct lg_rewrite *w, struct lg_buf *out)
{
	char text[TARGET_MAX];
	struct lg_buf target;
	bool in_path = false;

	lg_buf_init_fixed(&target, text, sizeof(text));
	return lg_rewrite_is_possible(x, held) &&
	       edit(x, held, w, &target, &in_path, out) &&
	       is_understood(x, lg_buf_slice(out), w, in_path);
}
