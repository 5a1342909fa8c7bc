#include "config/conf.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* Arrays of one emit. */
struct index {
	struct lg_conf_prices *p;
	uint32_t *of;	 /* number of a group's provider */
	uint32_t *group; /* of entry i */
	uint32_t *first; /* first entry of a group, after placing */
	uint32_t ngroups;
	uint32_t entries_cap; /* of group[] */
	struct lg_img_price *sorted;
	struct lg_img_name *name;
	uint32_t slots;
};

static bool same_model(const struct lg_img_price *a,
		       const struct lg_img_price *b)
{
	return a->provider.off == b->provider.off &&
	       a->model.off == b->model.off && a->variant.off == b->variant.off;
}

/* Texts are stored once, so their offsets identify a model. */
static int assign_groups(struct index *x)
{
	uint32_t slots = 64, *head;
	uint32_t n = x->p->n;
	const struct lg_img_price *e = x->p->e;

	while (slots < n * 2)
		slots *= 2;
	head = lg_mem_alloc(slots * sizeof(*head));
	if (!head)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t key[] = {e[i].provider.off, e[i].model.off,
				  e[i].variant.off};
		uint32_t s = lg_img_hash((struct lg_slice){(const char *)key,
							   sizeof(key)}) &
			     (slots - 1);

		while (head[s] && !same_model(&e[head[s] - 1], &e[i]))
			s = (s + 1) & (slots - 1);
		if (!head[s]) {
			head[s] = i + 1;
			x->group[i] = x->ngroups++;
		} else {
			x->group[i] = x->group[head[s] - 1];
		}
	}
	lg_mem_free(head, slots * sizeof(*head));
	return 0;
}

/* Each group's provider; one without rules of its own gets a place too. */
static int assign_providers(struct index *x)
{
	struct lg_conf_prices *p = x->p;

	for (uint32_t i = 0; i < p->n; i++) {
		struct lg_conf_provider *v =
			lg_conf_provider_get(p, p->e[i].provider);

		if (!v)
			return -EMSGSIZE;
		x->of[x->group[i]] = (uint32_t)(v - p->provider);
	}
	return 0;
}

static const struct lg_conf_provider *provider_of(const struct index *x,
						  uint32_t entry)
{
	return &x->p->provider[x->of[x->group[entry]]];
}

/* Without any rate above 0: nothing is charged, fees neither. */
static bool is_free(const struct lg_img_price *e)
{
	for (unsigned b = 0; b < LG_BUCKETS; b++)
		if (e->rate[b] > 0)
			return false;
	return true;
}

/* What the provider says for all of its models. */
static void fill_entries(struct index *x)
{
	for (uint32_t i = 0; i < x->p->n; i++) {
		const struct lg_conf_provider *v = provider_of(x, i);
		struct lg_img_price *e = &x->p->e[i];

		if (!e->geo_own)
			e->geo = v->geo;
		if (is_free(e))
			continue;
		for (unsigned b = LG_BUCKET_UNITS; b < LG_BUCKETS; b++)
			if (e->rate[b] == LG_RATE_ABSENT)
				e->rate[b] = v->fee[b];
	}
}

/* Which of the provider's service tiers does any entry of the group have? */
static void note_tiers(const struct index *x, uint8_t *have)
{
	for (uint32_t i = 0; i < x->p->n; i++) {
		const struct lg_conf_provider *v = provider_of(x, i);

		for (unsigned k = 0; k < v->nservices; k++)
			if (x->p->e[i].tier.off == v->service[k].tier.off)
				have[x->group[i]] |= (uint8_t)(1u << k);
	}
}

static int add_defaults(struct lg_conf *c, struct index *x, uint8_t *have)
{
	struct lg_img_price served;
	uint32_t n = x->p->n;
	int err = 0;

	note_tiers(x, have);
	for (uint32_t i = 0; i < n && !err; i++) {
		const struct lg_conf_provider *v = provider_of(x, i);

		if (x->p->e[i].tier.len || x->p->e[i].unpriced)
			continue;
		for (unsigned k = 0; k < v->nservices && !err; k++) {
			if (have[x->group[i]] & (1u << k))
				continue;
			lg_conf_price_serve(c, &x->p->e[i], &v->service[k],
					    &served);
			served.match = (struct lg_img_span){0, 0};
			served.estimate = 1;
			if (x->p->n >= x->entries_cap)
				return -EMSGSIZE;
			x->group[x->p->n] = x->group[i];
			err = lg_conf_price_add(c, &served);
		}
	}
	return err ? err : c->b.err;
}

/* Groups of one provider stand together, else in file order. */
static int sort_groups(struct index *x)
{
	const size_t size = x->ngroups * sizeof(uint32_t);
	uint32_t *to = lg_mem_alloc(2 * size), *of = to + x->ngroups;
	uint32_t n = 0;

	if (!to)
		return -ENOMEM;
	for (unsigned v = 0; v < x->p->nproviders; v++)
		for (uint32_t g = 0; g < x->ngroups; g++)
			if (x->of[g] == v) {
				of[n] = v;
				to[g] = n++;
			}
	for (uint32_t i = 0; i < x->p->n; i++)
		x->group[i] = to[x->group[i]];
	memcpy(x->of, of, size);
	lg_mem_free(to, 2 * size);
	return 0;
}

/* A counting sort: groups in order, within them the order of the file. */
static int place(struct index *x)
{
	uint32_t *at = lg_mem_alloc((x->ngroups + 1) * sizeof(*at));
	uint32_t n = x->p->n;

	if (!at)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		at[x->group[i] + 1]++;
	for (uint32_t g = 0; g < x->ngroups; g++) {
		at[g + 1] += at[g];
		x->first[g] = at[g];
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = at[x->group[i]]++;

		x->sorted[k] = x->p->e[i];
		x->sorted[k].group = 0;
	}
	for (uint32_t g = 0; g < x->ngroups; g++)
		x->sorted[x->first[g]].group =
			(g + 1 < x->ngroups ? x->first[g + 1] : n) -
			x->first[g];
	lg_mem_free(at, (x->ngroups + 1) * sizeof(*at));
	return 0;
}

/* The first entry of a group speaks for all: it gets all of their clauses. */
static int join_matches(struct lg_conf *c, struct lg_img_price *first)
{
	const size_t size = sizeof(struct lg_img_clause);
	struct lg_buf all;
	uint32_t n = 0;
	int err = 0;

	lg_buf_init(&all, (size_t)1 << 20);
	for (uint32_t i = 0; i < first->group && !err; i++) {
		struct lg_img_span m = first[i].match;

		first[i].match = (struct lg_img_span){0, 0};
		n += m.n;
		if (m.n && n == m.n)
			first->match = m;
		else if (m.n && all.len == 0)
			err = lg_buf_put(&all, c->b.out->p + first->match.off,
					 first->match.n * size);
		if (m.n && n != m.n && !err)
			err = lg_buf_put(&all, c->b.out->p + m.off, m.n * size);
	}
	if (all.len && !err)
		first->match = lg_build_array(&c->b, all.p, n, size);
	lg_buf_fini(&all);
	return err;
}

/* The first one to take a name keeps it. */
static void insert_name(struct lg_conf *c, struct index *x, struct lg_img_ref t,
			uint32_t price)
{
	uint32_t h = lg_img_hash(lg_build_get(&c->b, t));
	uint32_t s = h & (x->slots - 1);

	if (!t.len)
		return;
	while (x->name[s].text.off) {
		if (x->name[s].text.off == t.off)
			return;
		s = (s + 1) & (x->slots - 1);
	}
	x->name[s] = (struct lg_img_name){t, h, price};
}

static struct lg_img_ref full_name(struct lg_conf *c, struct lg_img_ref a,
				   struct lg_img_ref b)
{
	char text[2 * LG_CONF_NAME_MAX + 2];
	struct lg_slice x = lg_build_get(&c->b, a);
	struct lg_slice y = lg_build_get(&c->b, b);
	struct lg_buf buf;

	lg_buf_init_fixed(&buf, text, sizeof(text));
	lg_buf_put(&buf, x.p, x.len);
	lg_buf_putc(&buf, '/');
	lg_buf_put(&buf, y.p, y.len);
	if (buf.overflow)
		return (struct lg_img_ref){0, 0};
	for (size_t i = 0; i < buf.len; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] |= 0x20;
	return lg_build_text(&c->b, lg_buf_slice(&buf));
}

static uint32_t count_clauses(const struct index *x)
{
	uint32_t n = 0;

	for (uint32_t g = 0; g < x->ngroups; g++)
		n += x->sorted[x->first[g]].match.n;
	return n;
}

/* A name that one single `equals` stands for. */
static void insert_aliases(struct lg_conf *c, struct index *x, uint32_t at)
{
	const struct lg_img_price *e = &x->sorted[at];

	for (uint32_t i = 0; i < e->match.n && !c->b.err; i++) {
		struct lg_img_clause cl;
		struct lg_img_atom a;

		memcpy(&cl, c->b.out->p + e->match.off + i * sizeof(cl),
		       sizeof(cl));
		if (cl.atoms.n != 1)
			continue;
		memcpy(&a, c->b.out->p + cl.atoms.off, sizeof(a));
		if (a.op == LG_MATCH_EQUALS)
			insert_name(c, x, full_name(c, e->provider, a.text),
				    at);
	}
}

static void insert_names(struct lg_conf *c, struct index *x)
{
	for (uint32_t g = 0; g < x->ngroups; g++) {
		const struct lg_img_price *e = &x->sorted[x->first[g]];

		if (!e->variant.len)
			insert_name(c, x, full_name(c, e->provider, e->model),
				    x->first[g]);
		insert_name(c, x, e->pricing_id, x->first[g]);
	}
	for (uint32_t g = 0; g < x->ngroups; g++)
		insert_aliases(c, x, x->first[g]);
	for (uint32_t v = 0; v < x->p->nproviders; v++)
		insert_name(c, x,
			    full_name(c, x->p->provider[v].img.id,
				      (struct lg_img_ref){0, 0}),
			    v);
}

static int emit_names(struct lg_conf *c, struct index *x,
		      struct lg_img_span *out)
{
	uint32_t want =
		2 * (2 * x->ngroups + count_clauses(x) + x->p->nproviders);

	x->slots = 64;
	while (x->slots < want)
		x->slots *= 2;
	x->name = lg_mem_alloc(x->slots * sizeof(*x->name));
	if (!x->name)
		return -ENOMEM;
	insert_names(c, x);
	*out = lg_build_array(&c->b, x->name, x->slots, sizeof(*x->name));
	lg_mem_free(x->name, x->slots * sizeof(*x->name));
	return c->b.err;
}

/* Does the table of names stand for this clause? */
static bool is_alias(const struct lg_conf *c, struct lg_img_span atoms)
{
	struct lg_img_atom a;

	memcpy(&a, c->b.out->p + atoms.off, sizeof(a));
	return atoms.n == 1 && a.op == LG_MATCH_EQUALS;
}

/* Of what stands between wildcards. */
static uint64_t plain_pairs(struct lg_slice s)
{
	struct lg_slice part = {s.p, 0};
	uint64_t set = 0;

	for (size_t i = 0; i < s.len; i++) {
		part.len++;
		if (s.p[i] != '*' && s.p[i] != '?' && s.p[i] != '#')
			continue;
		part.len--;
		set |= lg_img_pairs(part);
		part = (struct lg_slice){s.p + i + 1, 0};
	}
	return set | lg_img_pairs(part);
}

static uint64_t pairs_of(const struct lg_conf *c, struct lg_img_span atoms)
{
	struct lg_img_atom a;
	uint64_t set = 0;

	for (uint32_t i = 0; i < atoms.n; i++) {
		memcpy(&a, c->b.out->p + atoms.off + i * sizeof(a), sizeof(a));
		set |= plain_pairs(lg_build_get(&c->b, a.text));
	}
	return set;
}

/* The clauses of one model that the table of names does not cover. */
static uint32_t put_matchers(const struct lg_conf *c,
			     const struct lg_img_price *e, uint32_t price,
			     struct lg_img_matcher *m)
{
	struct lg_img_clause cl;
	uint32_t n = 0;

	for (uint32_t i = 0; i < e->match.n; i++) {
		memcpy(&cl, c->b.out->p + e->match.off + i * sizeof(cl),
		       sizeof(cl));
		if (is_alias(c, cl.atoms))
			continue;
		m[n++] = (struct lg_img_matcher){pairs_of(c, cl.atoms),
						 cl.atoms, price, 0};
	}
	return n;
}

static int emit_matchers(struct lg_conf *c, const struct index *x,
			 struct lg_img_span *out)
{
	const size_t size =
		(count_clauses(x) + 1) * sizeof(struct lg_img_matcher);
	struct lg_img_matcher *m = lg_mem_alloc(size);
	uint32_t n = 0, k;

	if (!m)
		return -ENOMEM;
	for (uint32_t g = 0; g < x->ngroups; g++) {
		const struct lg_img_price *e = &x->sorted[x->first[g]];
		struct lg_img_provider *v = &x->p->provider[x->of[g]].img;

		if (!v->nprices) {
			v->price = x->first[g];
			v->matcher = n;
		}
		k = put_matchers(c, e, x->first[g], m + n);
		v->nprices += e->group;
		v->nmatchers += k;
		n += k;
	}
	*out = lg_build_array(&c->b, m, n, sizeof(*m));
	lg_mem_free(m, size);
	return c->b.err;
}

static int emit_providers(struct lg_conf *c, struct lg_img_span *out)
{
	const struct lg_conf_prices *p = c->prices;
	const size_t size = sizeof(struct lg_img_provider);
	struct lg_img_provider *v = lg_mem_alloc(p->nproviders * size);

	if (!v)
		return -ENOMEM;
	for (unsigned i = 0; i < p->nproviders; i++)
		v[i] = p->provider[i].img;
	*out = lg_build_array(&c->b, v, p->nproviders, size);
	lg_mem_free(v, p->nproviders * size);
	return c->b.err;
}

/* The entries into groups, and all of them into their order. */
static int arrange(struct lg_conf *c, struct index *x, uint8_t *have)
{
	int err = assign_groups(x);

	if (!err)
		err = assign_providers(x);
	if (err)
		return err;
	fill_entries(x);
	err = add_defaults(c, x, have);
	if (!err)
		err = sort_groups(x);
	x->sorted = err ? NULL : lg_mem_alloc(x->p->n * sizeof(*x->sorted));
	if (!err && !x->sorted)
		err = -ENOMEM;
	return err ? err : place(x);
}

static int emit(struct lg_conf *c, struct index *x, uint8_t *have)
{
	struct lg_img_span prices, names = {0, 0}, matchers = {0, 0};
	struct lg_img_span providers = {0, 0};
	struct lg_image *img;
	int err = arrange(c, x, have);

	for (uint32_t g = 0; g < x->ngroups && !err; g++)
		err = join_matches(c, &x->sorted[x->first[g]]);
	if (!err)
		err = emit_names(c, x, &names);
	if (!err)
		err = emit_matchers(c, x, &matchers);
	if (!err)
		err = emit_providers(c, &providers);
	if (err)
		return err;
	prices = lg_build_array(&c->b, x->sorted, x->p->n, sizeof(*x->sorted));
	img = lg_build_header(&c->b);
	img->prices = prices;
	img->names = names;
	img->matchers = matchers;
	img->providers = providers;
	return c->b.err;
}

/* Rules of providers may stand in a file without any price. */
static int emit_rules_only(struct lg_conf *c)
{
	struct index x = {.p = c->prices};
	struct lg_img_span names = {0, 0}, providers = {0, 0};
	struct lg_image *img;
	int err = emit_names(c, &x, &names);

	if (!err)
		err = emit_providers(c, &providers);
	if (err)
		return err;
	img = lg_build_header(&c->b);
	img->names = names;
	img->providers = providers;
	return c->b.err;
}

int lg_conf_catalog_emit(struct lg_conf *c)
{
	struct index x = {.p = c->prices};
	uint8_t *have;
	size_t n, cap;
	int err;

	if (!x.p || (!x.p->n && !x.p->nproviders))
		return 0;
	if (!x.p->n)
		return emit_rules_only(c);
	n = x.p->n;
	cap = n * (1 + LG_CONF_SERVICES_MAX);
	x.entries_cap = (uint32_t)cap;
	x.group = lg_mem_alloc(cap * sizeof(*x.group));
	x.first = lg_mem_alloc(n * sizeof(*x.first));
	x.of = lg_mem_alloc(n * sizeof(*x.of));
	have = lg_mem_alloc(n);
	err = x.group && x.first && x.of && have ? emit(c, &x, have) : -ENOMEM;
	if (x.sorted)
		lg_mem_free(x.sorted, x.p->n * sizeof(*x.sorted));
	lg_mem_free(have, n);
	lg_mem_free(x.of, n * sizeof(*x.of));
	lg_mem_free(x.first, n * sizeof(*x.first));
	lg_mem_free(x.group, cap * sizeof(*x.group));
	return err;
}
