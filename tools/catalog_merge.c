#include "catalog_merge.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "guard/engine.h"
#include "price/price.h"
#include "price_find.h"

#define TABLE 8192u

/* Entries of one model, tier and time of day, in the order of their file. */
struct node {
	struct node *next;
	const struct doc *entry;
};

struct merge {
	struct catalog_from *f;
	struct catalog_merge *out;
	const struct lg_catalog *all; /* in force */
	struct lg_catalog own;	      /* the user's */
	struct node *old[TABLE], *fresh[TABLE];
	const struct doc *head; /* of the user's file */
	char now[40];
};

static const char *const identity[] = {"provider", "model", "variant", "tier"};

static struct lg_slice part(const struct merge *m, const struct doc *e,
			    unsigned i)
{
	const struct doc *v = doc_get(e, identity[i]);

	return doc_text(v || i ? v : doc_get(m->head, identity[i]));
}

static unsigned slot_of(const struct merge *m, const struct doc *e)
{
	uint32_t h = 0;

	for (unsigned i = 0; i < 4; i++)
		h = h * 31 + lg_img_hash(part(m, e, i));
	return h % TABLE;
}

static bool is_same(const struct merge *m, const struct doc *a,
		    const struct doc *b)
{
	for (unsigned i = 0; i < 4; i++)
		if (!lg_slice_eq(part(m, a, i), part(m, b, i)))
			return false;
	return doc_equal(doc_get(a, "time_of_day"), doc_get(b, "time_of_day"));
}

/* What it costs; not when it was written, by whom, and what is told of it. */
static bool is_told(struct lg_slice key)
{
	static const char *const keys[] = {
		"effective_at", "source",	 "operator",
		"added_at",	"price_version", "notes",
		"about",	"provider",	 "match"};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (lg_slice_eq(key, lg_slice_str(keys[i])))
			return true;
	return false;
}

static bool covers(const struct doc *a, const struct doc *b)
{
	const struct doc *v;

	for (v = a->child; v; v = v->next)
		if (!is_told(v->key) && !doc_equal(v, doc_get(b, v->key.p)))
			return false;
	return true;
}

static bool costs_same(const struct doc *a, const struct doc *b)
{
	return covers(a, b) && covers(b, a);
}

static struct lg_slice since(const struct doc *e)
{
	return doc_text(doc_get(e, "effective_at"));
}

/* Times in RFC 3339 order as texts do; none is before all. */
static bool is_later(struct lg_slice a, struct lg_slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c > 0 : a.len >= b.len;
}

static void put(struct merge *m, struct node **table, const struct doc *e)
{
	struct node *n = doc_alloc(m->f->a, sizeof(*n)), **at;

	n->entry = e;
	for (at = &table[slot_of(m, e)]; *at;)
		at = &(*at)->next;
	*at = n;
}

static const struct doc *latest(const struct merge *m, const struct doc *e)
{
	const struct doc *best = NULL;
	const struct node *n;

	for (n = m->old[slot_of(m, e)]; n; n = n->next)
		if (is_same(m, n->entry, e) &&
		    (!best || is_later(since(n->entry), since(best))))
			best = n->entry;
	return best;
}

static bool has_dated(const struct merge *m, const struct doc *e)
{
	const struct node *n;

	for (n = m->fresh[slot_of(m, e)]; n; n = n->next)
		if (is_same(m, n->entry, e) &&
		    doc_get(n->entry, "effective_at"))
			return true;
	return false;
}

/* A list with history says each price with its date. */
static bool is_listed(const struct merge *m, const struct doc *e)
{
	const struct node *n;

	for (n = m->old[slot_of(m, e)]; n; n = n->next)
		if (is_same(m, n->entry, e) &&
		    lg_slice_eq(since(n->entry), since(e)) &&
		    costs_same(n->entry, e))
			return true;
	return false;
}

static bool find(const struct lg_catalog *cat, const struct doc *e,
		 struct lg_price *p)
{
	struct price_find q = {
		.provider = doc_text(doc_get(e, "provider")),
		.model = doc_text(doc_get(e, "model")),
		.tier = doc_text(doc_get(e, "tier")),
		.variant = doc_text(doc_get(e, "variant")),
	};

	return price_find(cat, &q, p) && p->entry;
}

/* What a list says that is entered by hand itself is the later word. */
static bool is_manual(const struct merge *m, const struct doc *e)
{
	struct lg_price p;

	if (m->f->source && !strcmp(m->f->source, "manual"))
		return false;
	return find(&m->own, e, &p) &&
	       (p.how == LG_PRICE_MATCH_RULE ||
		lg_slice_ieq(lg_img_text(p.img, p.entry->model),
			     doc_text(doc_get(e, "model")))) &&
	       lg_slice_eq(lg_img_text(p.img, p.entry->source),
			   LG_SLICE("manual"));
}

static void append(struct merge *m, const struct doc *e, bool from_now)
{
	struct doc_arena *a = m->f->a;
	struct doc *copy = doc_clone(a, e);

	if (from_now)
		doc_add(a, copy, "effective_at",
			doc_new(a, DOC_STRING, m->now));
	if (m->f->price_version && !doc_get(copy, "price_version"))
		doc_add(a, copy, "price_version",
			doc_new(a, DOC_STRING, m->f->price_version));
	m->out->entry[m->out->n++] = copy;
}

static void weigh(struct merge *m, const struct doc *e)
{
	const struct doc *old = latest(m, e);
	struct lg_price p;

	if (is_manual(m, e)) {
		m->out->kept++;
	} else if (has_dated(m, e)) {
		if (is_listed(m, e))
			m->out->unchanged++;
		else
			append(m, e, false);
	} else if (old) {
		if (costs_same(old, e))
			m->out->unchanged++;
		else
			append(m, e, true);
	} else {
		append(m, e, find(m->all, e, &p));
	}
}

/* Two of theirs may be one of ours: the first counts. */
static bool is_repeated(struct merge *m, const struct doc *e)
{
	const struct node *n;

	for (n = m->fresh[slot_of(m, e)]; n && n->entry != e; n = n->next)
		if (is_same(m, n->entry, e) &&
		    lg_slice_eq(since(n->entry), since(e)))
			return true;
	return false;
}

/* "gpt-4o", or "openai/gpt-4o" */
static bool is_named(const struct doc *e, const char *name)
{
	struct lg_slice s = lg_slice_str(name),
			provider = doc_text(doc_get(e, "provider")),
			model = doc_text(doc_get(e, "model"));

	if (lg_slice_ieq(model, s))
		return true;
	return s.len == provider.len + 1 + model.len &&
	       lg_slice_istarts(s, provider) && s.p[provider.len] == '/' &&
	       lg_slice_iends(s, model);
}

static int read_old(struct merge *m, const char *file)
{
	struct lg_slice text;
	struct doc *root;
	const struct doc *v;
	int err;

	if (access(file, F_OK))
		return 0;
	err = doc_read(m->f->a, file, &text, &m->f->err);
	if (!err)
		err = doc_parse_yaml(m->f->a, file, text, &root, &m->f->err);
	if (err)
		return err;
	m->head = root;
	v = doc_get(root, "prices");
	for (v = v ? v->child : NULL; v; v = v->next)
		put(m, m->old, v);
	return 0;
}

int catalog_merge(struct lg_engine *e, struct catalog_from *f, const char *file,
		  const struct doc *fresh, const char *only,
		  struct catalog_merge *out)
{
	const struct doc *list = doc_get(fresh, "prices"), *v;
	struct merge *m = doc_alloc(f->a, sizeof(*m));
	struct lg_buf b;
	int err;

	memset(out, 0, sizeof(*out));
	out->entry = doc_alloc(f->a, (list->n + 1) * sizeof(*out->entry));
	m->f = f;
	m->out = out;
	m->all = lg_engine_catalog(e);
	m->own.img[0] = lg_engine_image(e);
	m->own.n = m->own.img[0] != NULL;
	lg_buf_init_fixed(&b, m->now, sizeof(m->now) - 1);
	lg_buf_put_time(&b, lg_clock_real_ms());
	err = read_old(m, file);
	if (err)
		return err;
	for (v = list->child; v; v = v->next)
		put(m, m->fresh, v);
	for (v = list->child; v; v = v->next) {
		if (only && !is_named(v, only))
			continue;
		if (is_repeated(m, v))
			out->repeated++;
		else
			weigh(m, v);
	}
	return 0;
}

struct lg_slice catalog_owner(void *engine, struct lg_slice model)
{
	struct price_find q = {.model = model};
	struct lg_price p;

	if (price_find(lg_engine_catalog(engine), &q, &p) && p.entry)
		return lg_img_text(p.img, p.entry->provider);
	return (struct lg_slice){"", 0};
}
