#include "bpf/engines.h"

#include <stdlib.h>
#include <string.h>

#include "guard/engine.h"

#define IDLE_MS 60000
#define SWEEP_MS 5000
/* Each has memory of its own, and programs may be many and short. */
#define IDLE_MAX 32u

void engines_init(struct engines *s, const struct engines_options *o)
{
	memset(s, 0, sizeof(*s));
	s->o = *o;
}

static void del(struct engines_one *one)
{
	become(&one->user);
	lg_engine_close(one->engine);
	become(NULL);
	free(one->person);
	free(one);
}

void engines_fini(struct engines *s)
{
	struct engines_one *next;

	for (; s->first; s->first = next) {
		next = s->first->next;
		del(s->first);
	}
}

/* What an engine is made from; all else only names its calls. */
static const size_t key[] = {
	offsetof(struct lg_env, config),
	offsetof(struct lg_env, state_dir),
	offsetof(struct lg_env, region),
	offsetof(struct lg_env, run_id),
	offsetof(struct lg_env, experiment),
	offsetof(struct lg_env, max_usd),
	offsetof(struct lg_env, warn_usd),
	offsetof(struct lg_env, max_train_usd),
	offsetof(struct lg_env, max_infer_usd),
	offsetof(struct lg_env, warn_train_usd),
	offsetof(struct lg_env, warn_infer_usd),
	offsetof(struct lg_env, monthly_usd),
	offsetof(struct lg_env, experiment_max_usd),
	offsetof(struct lg_env, on_breach),
	offsetof(struct lg_env, ignore_budget),
	offsetof(struct lg_env, fail),
	offsetof(struct lg_env, pricing_dir),
	offsetof(struct lg_env, price_version),
	offsetof(struct lg_env, home),
	offsetof(struct lg_env, xdg_config),
	offsetof(struct lg_env, xdg_state),
};

static const char *value(const struct lg_env *e, size_t at)
{
	return *(const char *const *)(const void *)((const char *)e + at);
}

static bool is_same(const struct person *a, const struct person *b)
{
	if (a->uid != b->uid || a->env.under_run != b->env.under_run)
		return false;
	for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++) {
		const char *x = value(&a->env, key[i]);
		const char *y = value(&b->env, key[i]);

		if (x != y && (!x || !y || strcmp(x, y) != 0))
			return false;
	}
	return true;
}

/* A copy whose env points into itself. */
static struct person *copy_of(const struct person *p)
{
	struct person *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = *p;
	for (size_t at = 0; at < offsetof(struct lg_env, foreign);
	     at += sizeof(char *)) {
		const char **v = (const char **)(void *)((char *)&c->env + at);
		const char *from = (const char *)p;

		if (*v >= from && *v < from + sizeof(*p))
			*v = (const char *)c + (*v - from);
	}
	return c;
}

static struct engines_one *open_one(struct engines *s, const struct person *p)
{
	struct engines_one *one = calloc(1, sizeof(*one));
	struct lg_env env;
	int err;

	if (!one)
		return NULL;
	one->person = copy_of(p);
	if (!one->person) {
		free(one);
		return NULL;
	}
	become_user_init(&one->user, p->uid);
	env = one->person->env;
	env.config = s->o.config ? s->o.config : env.config;
	env.state_dir = s->o.state_dir ? s->o.state_dir : env.state_dir;
	env.region = s->o.region ? s->o.region : env.region;
	if (s->o.ignore_budget)
		env.ignore_budget = "1";
	err = become(&one->user);
	if (!err)
		err = lg_engine_open(&env, &one->engine);
	if (!err)
		lg_engine_touch(one->engine);
	become(NULL);
	if (!err)
		return one;
	del(one);
	return NULL;
}

/* Makes room: of those that nobody has, the one that was opened first. */
static void close_idle(struct engines *s)
{
	struct engines_one **at = &s->first, **last = NULL, *one;
	unsigned n = 0;

	for (; *at; at = &(*at)->next) {
		if ((*at)->refs)
			continue;
		last = at;
		n++;
	}
	if (n < IDLE_MAX)
		return;
	one = *last;
	*last = one->next;
	del(one);
}

struct engines_one *engines_get(struct engines *s, const struct person *p)
{
	struct engines_one *one = s->first;

	while (one && !is_same(one->person, p))
		one = one->next;
	if (!one) {
		close_idle(s);
		one = open_one(s, p);
		if (!one)
			return NULL;
		one->next = s->first;
		s->first = one;
	}
	one->refs++;
	one->idle_since_ms = 0;
	return one;
}

struct engines_one *engines_find(struct engines *s, const struct lg_engine *e)
{
	struct engines_one *one = s->first;

	while (one && one->engine != e)
		one = one->next;
	return one;
}

void engines_drop(struct engines_one *one)
{
	if (one)
		one->refs--;
}

void engines_tick(struct engines *s, int64_t now_ms)
{
	bool sweep = now_ms >= s->next_sweep_ms;
	struct engines_one **at = &s->first, *one;

	if (sweep)
		s->next_sweep_ms = now_ms + SWEEP_MS;
	while ((one = *at)) {
		if (!one->refs && !one->idle_since_ms)
			one->idle_since_ms = now_ms;
		if (!one->refs && now_ms - one->idle_since_ms > IDLE_MS) {
			*at = one->next;
			del(one);
			continue;
		}
		if (one->refs && sweep) {
			become(&one->user);
			lg_engine_refresh(one->engine);
			lg_engine_sweep(one->engine);
			become(NULL);
		}
		at = &one->next;
	}
}
