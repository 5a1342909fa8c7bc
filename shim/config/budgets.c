#include "config/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/maker.h"
#include "base/mem.h"
#include "base/money.h"

#define FIRST_BUDGETS 16u

static const char *const period_names[] = {
	"run", "hourly", "daily", "weekly", "monthly", "yearly", "total",
};
static const char *const mode_names[] = {"adaptive", "strict"};
static const char *const op_names[] = {"set", "rm", "raise"};

#define N(a) (sizeof(a) / sizeof((a)[0]))

int lg_conf_name(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s;
	int err = lg_conf_text(c, v, LG_CONF_NAME_MAX - 1, &s);

	if (!err)
		lg_slice_copy(s, dst, LG_CONF_NAME_MAX);
	return err;
}

static int read_scope(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	const char *why = "must be a text";

	if (v->kind != LG_YAML_SCALAR ||
	    lg_conf_scope_parse(v->text, dst, &why))
		return lg_conf_fail(c, v, why);
	return 0;
}

static int read_period(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return lg_conf_enum(c, v, period_names, N(period_names), dst);
}

static int read_mode(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return lg_conf_enum(c, v, mode_names, N(mode_names), dst);
}

static int read_limit(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return lg_conf_money(c, v, LG_MONEY_LIMIT_MAX,
			     "allowed: US dollars, 0 to 9000000, with at most "
			     "12 decimals",
			     dst);
}

static int read_keys(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	uint64_t n;
	int err = lg_conf_u64(c, v, LG_CONF_KEYS_MAX, &n);

	if (!err && !n)
		return lg_conf_fail(c, v, "allowed: 1 to 65536");
	if (!err)
		*(uint32_t *)dst = (uint32_t)n;
	return err;
}

static int read_op(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return lg_conf_enum(c, v, op_names, N(op_names), dst);
}

static int read_ignored(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	(void)c;
	(void)v;
	(void)dst;
	return 0;
}

static int add_warn(struct lg_conf *c, const struct lg_yaml *v,
		    struct lg_conf_warns *w)
{
	uint32_t ppm;
	unsigned i = 0;
	int err = lg_conf_ratio(c, v, &ppm);

	if (err)
		return err;
	while (i < w->n && w->ppm[i] < ppm)
		i++;
	if (i < w->n && w->ppm[i] == ppm)
		return 0;
	if (w->n == LG_WARN_MAX)
		return lg_conf_fail(c, v, "more than 8 ratios");
	memmove(&w->ppm[i + 1], &w->ppm[i], (w->n - i) * sizeof(w->ppm[0]));
	w->ppm[i] = ppm;
	w->n++;
	return 0;
}

static int read_warns(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_conf_warns *w = dst;
	int err = 0;

	w->n = 0;
	if (v->kind != LG_YAML_LIST)
		return add_warn(c, v, w);
	for (v = v->child; v && !err; v = v->next)
		err = add_warn(c, v, w);
	return err;
}

#define AT(s, field) offsetof(struct s, field)
#define KEY_AT(name, fn, field)                                                \
	{                                                                      \
		name, fn, AT(lg_conf_budget, field)                            \
	}
static const struct lg_conf_key keys[] = {
	KEY_AT("name", lg_conf_name, name),
	KEY_AT("scope", read_scope, scope),
	KEY_AT("period", read_period, period),
	KEY_AT("limit_usd", read_limit, limit_pusd),
	KEY_AT("hard", lg_conf_bool, hard),
	KEY_AT("warn_at", read_warns, warns),
	KEY_AT("mode", read_mode, mode),
	KEY_AT("on_soft", lg_conf_soft, soft),
	KEY_AT("on_hard", lg_conf_hard, hard_actions),
	KEY_AT("each", lg_conf_bool, each),
	KEY_AT("max_keys", read_keys, max_keys),
	KEY_AT("until", lg_conf_time, until_ms),
	/* lines of budgets.jsonl alone */
	KEY_AT("op", read_op, op),
	KEY_AT("ts", lg_conf_time, ts_ms),
	KEY_AT("by", read_ignored, ts_ms),
};
#define CONFIG_KEYS 12u

static const struct {
	size_t off, size;
} fields[CONFIG_KEYS] = {
#define F(f)                                                                   \
	{                                                                      \
		AT(lg_conf_budget, f), sizeof(((struct lg_conf_budget *)0)->f) \
	}
	F(name),	 F(scope), F(period),	F(limit_pusd),
	F(hard),	 F(warns), F(mode),	F(soft),
	F(hard_actions), F(each),  F(max_keys), F(until_ms),
#undef F
};

static uint32_t key_bit(const char *key)
{
	for (unsigned i = 0; i < N(keys); i++)
		if (!strcmp(keys[i].name, key))
			return 1u << i;
	return 0;
}

bool lg_conf_budget_is_set(const struct lg_conf_budget *b, const char *key)
{
	return b->set & key_bit(key);
}

void lg_conf_budget_mark(struct lg_conf_budget *b, const char *key)
{
	b->set |= key_bit(key);
}

int lg_conf_budget_read(struct lg_conf *c, const struct lg_yaml *map, bool live,
			struct lg_conf_budget *b)
{
	return lg_conf_map(c, map, keys, live ? N(keys) : CONFIG_KEYS, b,
			   &b->set);
}

void lg_conf_budget_merge(struct lg_conf_budget *b,
			  const struct lg_conf_budget *over)
{
	for (unsigned i = 0; i < CONFIG_KEYS; i++)
		if (over->set & (1u << i))
			memcpy((char *)b + fields[i].off,
			       (const char *)over + fields[i].off,
			       fields[i].size);
	b->set |= over->set;
}

static void set_defaults(struct lg_conf_budget *b)
{
	static const struct lg_conf_warns warns = {{750000, 900000, 1000000},
						   3};

	if (!lg_conf_budget_is_set(b, "hard"))
		b->hard = b->hard_actions.n > 0;
	if (!b->hard && !lg_conf_budget_is_set(b, "on_hard"))
		b->hard_actions.n = 0;
	if (!lg_conf_budget_is_set(b, "warn_at"))
		b->warns = warns;
	if (!b->soft.at_ppm)
		b->soft.at_ppm = LG_CONF_SOFT_PPM;
	if (!b->max_keys)
		b->max_keys = LG_CONF_KEYS_DEFAULT;
	if (b->hard && !b->hard_actions.n) {
		b->hard_actions.a[0] =
			(struct lg_conf_action){.kind = LG_ACTION_BLOCK};
		b->hard_actions.n = 1;
	}
}

static bool has_glob(const struct lg_conf_scope *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (strpbrk(s->term[i].pattern, "*?"))
			return true;
	return false;
}

/* A fallback that the one provider of the scope does not sell. */
static const char *foreign_model(const struct lg_conf_budget *b)
{
	const struct lg_conf_actions *chain[] = {&b->soft, &b->hard_actions};

	for (unsigned t = 0; t < b->scope.n; t++) {
		const struct lg_conf_term *term = &b->scope.term[t];

		if (term->key != LG_SCOPE_PROVIDER)
			continue;
		for (unsigned i = 0; i < 2 * LG_CONF_ACTIONS_MAX; i++) {
			const struct lg_conf_actions *all = chain[i & 1];
			const struct lg_conf_action *a = &all->a[i / 2];

			if (i / 2 < all->n && a->kind == LG_ACTION_FALLBACK &&
			    lg_maker_is_other(lg_slice_str(term->pattern),
					      lg_slice_str(a->arg)))
				return a->arg;
		}
	}
	return NULL;
}

int lg_conf_budget_finish(struct lg_conf *c, struct lg_conf_budget *b,
			  uint32_t line)
{
	static const char *const needed[] = {"name", "period", "limit_usd"};
	struct lg_slice name = lg_slice_str(b->name);
	struct lg_slice none = {NULL, 0};
	const char *why;

	for (unsigned i = 0; i < N(needed); i++)
		if (!lg_conf_budget_is_set(b, needed[i]))
			return lg_conf_fail_at(c, line, lg_slice_str(needed[i]),
					       name.len ? name : none,
					       "this budget lacks the key");
	if (!b->scope.n)
		lg_conf_scope_parse(LG_SLICE("global"), &b->scope, &why);
	set_defaults(b);
	if (b->each && !has_glob(&b->scope))
		return lg_conf_fail_at(c, line, LG_SLICE("each"),
				       lg_slice_str(b->scope.text),
				       "each: true needs a scope with *, like "
				       "\"user:*\"");
	why = foreign_model(b);
	if (why)
		return lg_conf_fail_at(
			c, line, LG_SLICE("fallback"), lg_slice_str(why),
			"this provider does not have the model; "
			"allowed: models of the scope's provider");
	return 0;
}

struct lg_conf_budget *lg_conf_budget_find(struct lg_conf *c, const char *name)
{
	for (unsigned i = 0; i < c->nbudgets; i++)
		if (!strcmp(c->budget[i].name, name))
			return &c->budget[i];
	return NULL;
}

struct lg_conf_budget *lg_conf_budget_add(struct lg_conf *c)
{
	const size_t size = sizeof(struct lg_conf_budget);
	unsigned cap = c->budgets_cap ? c->budgets_cap * 2 : FIRST_BUDGETS;
	struct lg_conf_budget *p;

	if (c->nbudgets == c->budgets_cap) {
		if (c->nbudgets == LG_CONF_BUDGETS_MAX)
			return NULL;
		p = lg_mem_grow(c->budget, c->budgets_cap * size, cap * size);
		if (!p)
			return NULL;
		c->budget = p;
		c->budgets_cap = cap;
	}
	p = &c->budget[c->nbudgets++];
	memset(p, 0, size);
	return p;
}

static int read_one(struct lg_conf *c, const struct lg_yaml *map)
{
	struct lg_conf_budget *b = lg_conf_budget_add(c);
	const struct lg_conf_budget *other;
	int err;

	if (!b)
		return lg_conf_fail(c, map, "more than 1024 budgets");
	err = lg_conf_budget_read(c, map, false, b);
	if (!err)
		err = lg_conf_budget_finish(c, b, map->line);
	if (err)
		return err;
	other = lg_conf_budget_find(c, b->name);
	if (other != b)
		return lg_conf_fail_at(c, map->line, LG_SLICE("name"),
				       lg_slice_str(b->name),
				       "another budget has this name");
	b->source = LG_SOURCE_CONFIG;
	b->since_ms = c->config_mtime_ms;
	return 0;
}

int lg_conf_budgets(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	int err = 0;

	(void)dst;
	if (v->kind != LG_YAML_LIST)
		return lg_conf_fail(c, v, "must be a list of budgets");
	for (v = v->child; v && !err; v = v->next)
		err = read_one(c, v);
	return err;
}

static void emit_one(struct lg_conf *c, const struct lg_conf_budget *b,
		     struct lg_img_budget *out)
{
	struct lg_img_term t[LG_CONF_TERMS_MAX] = {0};

	for (unsigned i = 0; i < b->scope.n; i++) {
		t[i].key = b->scope.term[i].key;
		t[i].pattern = lg_build_text(
			&c->b, lg_slice_str(b->scope.term[i].pattern));
	}
	*out = (struct lg_img_budget){
		.name = lg_build_text(&c->b, lg_slice_str(b->name)),
		.scope = lg_build_text(&c->b, lg_slice_str(b->scope.text)),
		.terms = lg_build_array(&c->b, t, b->scope.n, sizeof(t[0])),
		.on_soft = lg_conf_actions_emit(c, &b->soft),
		.on_hard = lg_conf_actions_emit(c, &b->hard_actions),
		.limit_pusd = b->limit_pusd,
		.since_ms = b->since_ms,
		.until_ms = b->until_ms,
		.raised_pusd = b->raised_pusd,
		.raised_until_ms = b->raised_until_ms,
		.config_id = c->config_id,
		.warns = b->warns.n,
		.soft_ppm = b->soft.at_ppm,
		.max_keys = b->max_keys,
		.period = b->period,
		.mode = b->mode,
		.hard = b->hard,
		.each = b->each,
		.source = b->source,
	};
	memcpy(out->warn_ppm, b->warns.ppm, sizeof(out->warn_ppm));
}

static int by_name(const void *a, const void *b)
{
	const struct lg_conf_budget *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Heap sort: qsort may take libc's heap for large arrays. */
static void sift(struct lg_conf_budget *a, size_t i, size_t n,
		 struct lg_conf_budget *tmp)
{
	size_t kid;

	for (; (kid = 2 * i + 1) < n; i = kid) {
		if (kid + 1 < n && by_name(&a[kid], &a[kid + 1]) < 0)
			kid++;
		if (by_name(&a[i], &a[kid]) >= 0)
			return;
		*tmp = a[i];
		a[i] = a[kid];
		a[kid] = *tmp;
	}
}

static void sort_budgets(struct lg_conf_budget *a, size_t n,
			 struct lg_conf_budget *tmp)
{
	for (size_t i = n / 2; i-- > 0;)
		sift(a, i, n, tmp);
	for (size_t end = n; end-- > 1;) {
		*tmp = a[0];
		a[0] = a[end];
		a[end] = *tmp;
		sift(a, 0, end, tmp);
	}
}

struct lg_img_span lg_conf_budgets_emit(struct lg_conf *c)
{
	struct lg_img_span span = {0, 0};
	const size_t size = sizeof(struct lg_img_budget);
	struct lg_img_budget *out;
	struct lg_conf_budget *tmp;

	if (!c->nbudgets)
		return span;
	tmp = lg_mem_alloc(sizeof(*tmp));
	out = lg_mem_alloc(c->nbudgets * size);
	if (!tmp || !out) {
		c->b.err = -ENOMEM;
		goto out;
	}
	sort_budgets(c->budget, c->nbudgets, tmp);
	for (unsigned i = 0; i < c->nbudgets; i++)
		emit_one(c, &c->budget[i], &out[i]);
	span = lg_build_array(&c->b, out, c->nbudgets, size);
out:
	lg_mem_free(tmp, sizeof(*tmp));
	lg_mem_free(out, c->nbudgets * size);
	return span;
}
