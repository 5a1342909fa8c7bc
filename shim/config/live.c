#include "config/conf.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/money.h"

static const char line_start[] = "{\"op\":";

/* More for a while. */
struct raise {
	char name[LG_CONF_NAME_MAX];
	int64_t pusd, until_ms, ts_ms;
};

/* What the lines said so far about budgets that are newer than the config. */
struct live {
	struct lg_conf_budget *b;
	unsigned n, cap;
	struct raise *raise;
	unsigned nraise, raise_cap;
};

/* The first bad line is shown, all are counted; none ends the compile. */
static void note_skipped(struct lg_conf *c)
{
	if (!c->err->skipped++)
		memcpy(c->err->warning, c->err->text, sizeof(c->err->warning));
}

static struct lg_conf_budget *find(const struct live *l, const char *name)
{
	for (unsigned i = 0; i < l->n; i++)
		if (!strcmp(l->b[i].name, name))
			return &l->b[i];
	return NULL;
}

static struct lg_conf_budget *add(struct live *l)
{
	const size_t size = sizeof(*l->b);
	unsigned cap = l->cap ? l->cap * 2 : 16;
	struct lg_conf_budget *p;

	if (l->n == l->cap) {
		if (l->n >= LG_CONF_BUDGETS_MAX)
			return NULL;
		p = lg_mem_grow(l->b, l->cap * size, cap * size);
		if (!p)
			return NULL;
		l->b = p;
		l->cap = cap;
	}
	return memset(&l->b[l->n++], 0, size);
}

/* The config's word counts again from here on: newer than the change. */
static void reinstate(struct lg_conf_budget *base, int64_t at_ms)
{
	if (base && base->since_ms < at_ms)
		base->since_ms = at_ms;
}

static int add_raise(struct live *l, const struct lg_conf_budget *line)
{
	const size_t size = sizeof(*l->raise);
	unsigned cap = l->raise_cap ? l->raise_cap * 2 : 16;
	struct raise *p = l->raise;

	if (l->nraise == l->raise_cap) {
		p = lg_mem_grow(p, l->raise_cap * size, cap * size);
		if (!p)
			return -ENOMEM;
		l->raise = p;
		l->raise_cap = cap;
	}
	p = &l->raise[l->nraise++];
	memcpy(p->name, line->name, sizeof(p->name));
	p->pusd = line->limit_pusd;
	p->until_ms = line->until_ms;
	p->ts_ms = line->ts_ms;
	return 0;
}

/* A limit that is said anew says it all. */
static void drop_raises(struct lg_conf *c, struct live *l,
			const struct lg_conf_budget *line)
{
	unsigned n = 0;

	if (line->op == LG_CONFIG_SET &&
	    !lg_conf_budget_is_set(line, "limit_usd"))
		return;
	for (unsigned i = 0; i < l->nraise; i++)
		if (strcmp(l->raise[i].name, line->name) != 0)
			l->raise[n++] = l->raise[i];
	if (n < l->nraise)
		reinstate(lg_conf_budget_find(c, line->name), line->ts_ms);
	l->nraise = n;
}

static int fold(struct lg_conf *c, struct live *l,
		const struct lg_conf_budget *line)
{
	struct lg_conf_budget *old = find(l, line->name);
	struct lg_conf_budget *base = lg_conf_budget_find(c, line->name);

	if (line->op == LG_CONFIG_RAISE)
		return add_raise(l, line);
	drop_raises(c, l, line);
	if (base && line->ts_ms <= c->config_mtime_ms)
		return 0;
	if (line->op == LG_CONFIG_RM) {
		if (old)
			*old = l->b[--l->n];
		reinstate(base, line->ts_ms);
		return 0;
	}
	if (!old)
		old = add(l);
	if (!old)
		return -ENOMEM;
	lg_conf_budget_merge(old, line);
	/* A change without `until` has no end, whatever was said before. */
	if (!lg_conf_budget_is_set(line, "until"))
		old->until_ms = 0;
	old->ts_ms = line->ts_ms;
	old->live_only = !base;
	return 0;
}

static int read_line(struct lg_conf *c, struct lg_slice text,
		     struct lg_conf_budget *b)
{
	struct lg_yaml_arena arena = {0};
	struct lg_yaml_error yerr;
	struct lg_yaml *root;
	int err = lg_yaml_parse(text, &arena, &root, &yerr);

	memset(b, 0, sizeof(*b));
	lg_conf_fail(c, NULL, "a line that is no budget change: skipped");
	if (!err && (!root || root->kind != LG_YAML_MAP))
		err = -EINVAL;
	if (!err)
		err = lg_conf_budget_read(c, root, true, b);
	if (!err && (!lg_conf_budget_is_set(b, "op") ||
		     !lg_conf_budget_is_set(b, "ts") ||
		     !lg_conf_budget_is_set(b, "name")))
		err = -EINVAL;
	if (!err && b->op == LG_CONFIG_RAISE &&
	    (!lg_conf_budget_is_set(b, "limit_usd") ||
	     !lg_conf_budget_is_set(b, "until")))
		err = -EINVAL;
	lg_yaml_arena_fini(&arena);
	return err;
}

/* A torn line may stand before a whole one: look for the last beginning. */
static struct lg_slice resync(struct lg_slice s)
{
	const size_t n = sizeof(line_start) - 1;

	for (size_t i = s.len; i-- > 1;)
		if (s.len - i >= n && !memcmp(s.p + i, line_start, n))
			return (struct lg_slice){s.p + i, s.len - i};
	return (struct lg_slice){NULL, 0};
}

static int take_line(struct lg_conf *c, struct live *l, struct lg_slice text,
		     struct lg_conf_budget *tmp)
{
	struct lg_slice rest;
	int err;

	if (!lg_slice_trim(text).len)
		return 0;
	err = read_line(c, text, tmp);
	if (err && err != -ENOMEM) {
		note_skipped(c);
		rest = resync(text);
		if (!rest.len || read_line(c, rest, tmp))
			return 0;
		err = 0;
	}
	return err ? err : fold(c, l, tmp);
}

static bool is_complete(const struct lg_conf_budget *b)
{
	return lg_conf_budget_is_set(b, "period") &&
	       lg_conf_budget_is_set(b, "limit_usd");
}

static int apply(struct lg_conf *c, struct lg_conf_budget *over,
		 struct lg_conf_budget *tmp)
{
	struct lg_conf_budget *b = lg_conf_budget_find(c, over->name);

	if (over->until_ms && over->until_ms <= c->now_ms) {
		reinstate(b, over->until_ms);
		return 0;
	}
	if (b)
		*tmp = *b;
	else if (is_complete(over))
		memset(tmp, 0, sizeof(*tmp));
	else {
		lg_conf_fail_at(c, 0, LG_SLICE("name"),
				lg_slice_str(over->name),
				"a new budget needs period and limit_usd");
		note_skipped(c);
		return 0;
	}
	lg_conf_budget_merge(tmp, over);
	tmp->until_ms = over->until_ms;
	tmp->since_ms = over->ts_ms;
	tmp->source = LG_SOURCE_LIVE;
	if (lg_conf_budget_finish(c, tmp, 0)) {
		note_skipped(c);
		return 0;
	}
	if (!b)
		b = lg_conf_budget_add(c);
	if (!b)
		return -ENOMEM;
	*b = *tmp;
	return 0;
}

static void apply_raise(struct lg_conf *c, const struct raise *r)
{
	struct lg_conf_budget *b = lg_conf_budget_find(c, r->name);
	int64_t room;

	if (!b)
		return; /* it may come back */
	if (r->until_ms <= c->now_ms) {
		reinstate(b, r->until_ms);
		return;
	}
	room = LG_MONEY_LIMIT_MAX - b->limit_pusd;
	room = r->pusd < room ? r->pusd : room;
	b->limit_pusd += room;
	b->raised_pusd += room;
	if (!b->raised_until_ms || r->until_ms < b->raised_until_ms)
		b->raised_until_ms = r->until_ms;
	reinstate(b, r->ts_ms);
}

static int fold_all(struct lg_conf *c, struct live *l, struct lg_slice text,
		    struct lg_conf_budget *tmp)
{
	struct lg_slice line;
	int err = 0;

	while (text.len && !err) {
		text = lg_slice_cut(text, '\n', &line);
		err = take_line(c, l, line, tmp);
	}
	for (unsigned i = 0; i < l->n && !err; i++)
		err = apply(c, &l->b[i], tmp);
	for (unsigned i = 0; i < l->nraise && !err; i++)
		apply_raise(c, &l->raise[i]);
	return err;
}

int lg_conf_live(struct lg_conf *c, struct lg_slice text)
{
	struct lg_conf_budget *tmp = lg_mem_alloc(sizeof(*tmp));
	struct live l = {0};
	int err;

	if (!tmp)
		return -ENOMEM;
	err = fold_all(c, &l, text, tmp);
	if (!err)
		c->err->text[0] = 0;
	lg_mem_free(tmp, sizeof(*tmp));
	lg_mem_free(l.b, l.cap * sizeof(*l.b));
	lg_mem_free(l.raise, l.raise_cap * sizeof(*l.raise));
	return err;
}
