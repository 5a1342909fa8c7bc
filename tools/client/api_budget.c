#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "config/config.h"
#include "guard/engine.h"
#include "guard/rule.h"
#include "tools/budget_change.h"
#include "tools/client/client.h"

int llmguard_budgets_read(llmguard *g, uint32_t flags, llmguard_budgets **out)
{
	llmguard_budgets *list;
	int err;

	if (!g || !out)
		return client_fail(g, LLMGUARD_EARGUMENT, "nothing to read to");
	*out = NULL;
	list = calloc(1, sizeof(*list));
	if (!list)
		return client_errno(g, -ENOMEM, "");
	err = views_read(g->e, flags & LLMGUARD_ALL_RUNS, &list->views);
	if (!err) {
		*out = list;
		return LLMGUARD_OK;
	}
	free(list);
	if (err == -ENOENT)
		return client_fail(g, LLMGUARD_EREGION,
				   "%s: no shared region: nothing is counted",
				   lg_engine_region_path(g->e));
	return client_errno(g, err, "budgets");
}

void llmguard_budgets_free(llmguard_budgets *list)
{
	if (!list)
		return;
	views_fini(&list->views);
	free(list);
}

size_t llmguard_budgets_count(const llmguard_budgets *list)
{
	return list ? list->views.n : 0;
}

size_t llmguard_budgets_hidden(const llmguard_budgets *list)
{
	return list ? list->views.hidden : 0;
}

static uint32_t flags_of(const struct lg_cell_view *c)
{
	return (c->hard ? LLMGUARD_BUDGET_HARD : 0) |
	       (c->strict ? LLMGUARD_BUDGET_STRICT : 0) |
	       (c->each ? LLMGUARD_BUDGET_EACH : 0) |
	       (c->refusing ? LLMGUARD_BUDGET_REFUSING : 0);
}

int llmguard_budgets_get(const llmguard_budgets *list, size_t i,
			 struct llmguard_budget *out, size_t size)
{
	const struct view *v;
	const struct lg_cell_view *c;
	struct llmguard_budget b;

	if (i >= llmguard_budgets_count(list))
		return LLMGUARD_ENOTFOUND;
	v = &list->views.v[i];
	c = &v->cell;
	b = (struct llmguard_budget){
		.name = c->name,
		.scope = c->scope,
		.period = lg_period_name(c->period),
		.value = c->value,
		.state = view_state_name(v->state),
		.source = v->source,
		.note = v->note,
		.limit = c->limit_pusd,
		.spent = v->spent_pusd,
		.held = c->held_pusd,
		.remaining = v->remaining_pusd,
		.overshoot = v->overshoot_pusd,
		.raised = v->raised_pusd,
		.raised_until_ms = v->raised_until_ms,
		.window_start_ms = c->window_start_ms,
		.window_end_ms = c->window_end_ms,
		.ratio_ppm = v->ratio_ppm,
		.calls = c->calls,
		.blocked = c->blocked,
		.flags = flags_of(c),
	};
	client_give(out, size, &b, sizeof(b));
	return LLMGUARD_OK;
}

static bool is_asked(const struct view *v, const char *name, const char *value)
{
	return !strcmp(v->cell.name, name) &&
	       (!value || !strcmp(v->cell.value, value));
}

/* The counter with the least left, where the name has several. */
int llmguard_budget_check(llmguard *g, const char *name, const char *value,
			  int64_t amount, int64_t *left)
{
	int64_t least = INT64_MAX, room;
	llmguard_budgets *list;
	bool found = false;
	unsigned i;
	int ret;

	if (!g || !name || amount < 0)
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "a name, and an amount not below 0");
	ret = llmguard_budgets_read(g, LLMGUARD_ALL_RUNS, &list);
	if (ret)
		return ret;
	for (i = 0; i < list->views.n; i++) {
		const struct view *v = &list->views.v[i];

		if (!is_asked(v, name, value))
			continue;
		found = true;
		room = lg_money_sub(v->cell.limit_pusd, v->cell.used_pusd);
		if (room < least)
			least = room;
	}
	llmguard_budgets_free(list);
	if (!found)
		return client_fail(g, LLMGUARD_ENOTFOUND,
				   "%s: no such budget is counted", name);
	if (left)
		*left = least;
	return amount > least ? LLMGUARD_OVER : LLMGUARD_OK;
}

/* -- changes --------------------------------------------------------------- */

static bool is_live(const struct before *was)
{
	return was->there &&
	       (was->b.source == LG_SOURCE_LIVE || was->b.raised_pusd);
}

static int change(llmguard *g, const struct lg_budget_text *t,
		  enum lg_config_op op, const char *what)
{
	struct lg_config_error err = {.skipped = 0};
	struct before was;
	struct change ch;
	char why[CHANGE_WHY];
	int ret;

	if (change_init(&ch, g->e)) {
		lg_buf_fini(&ch.line);
		return client_fail(g, LLMGUARD_ESTATE,
				   "the state folder's path is too long");
	}
	change_look(&ch, t->name, &was);
	if (op == LG_CONFIG_RM && !is_live(&was)) {
		lg_buf_fini(&ch.line);
		return client_fail(g, LLMGUARD_ENOTFOUND,
				   "%s: no live change of it to take back",
				   t->name);
	}
	ret = lg_config_budget_line(t, op, lg_clock_real_ms(), "client",
				    &ch.line, &err);
	if (ret) {
		ret = client_fail(g, LLMGUARD_EARGUMENT, "%s", err.text);
	} else if (change_try(&ch, why)) {
		ret = client_fail(g, LLMGUARD_ECONFIG, "%s", why);
	} else {
		ret = change_write(&ch);
		if (ret)
			ret = client_errno(g, ret, ch.path);
	}
	if (!ret) {
		(void)change_note(&ch, what, t->name, &was);
		if (lg_engine_region(g->e) && !lg_engine_is_readonly(g->e))
			lg_engine_touch(g->e);
	}
	lg_buf_fini(&ch.line);
	return ret;
}

int llmguard_budget_set(llmguard *g, const struct llmguard_budget_spec *spec)
{
	struct llmguard_budget_spec s;
	struct lg_budget_text t = {.source = LG_SOURCE_LIVE};
	int ret = client_may_write(g);

	if (ret)
		return ret;
	if (!client_take(&s, sizeof(s), spec) || !s.name || !*s.name)
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "a budget has a name");
	if (s.hard < -1 || s.hard > 1 || s.each < 0 || s.each > 1)
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "hard is 1, 0 or -1, each 1 or 0");
	t.name = s.name;
	t.scope = s.scope;
	t.period = s.period;
	t.limit_usd = s.limit_usd;
	t.mode = s.mode;
	t.warn_at = s.warn_at;
	t.until = s.until;
	t.hard = s.hard;
	t.each = s.each;
	return change(g, &t, LG_CONFIG_SET, "budget set");
}

int llmguard_budget_remove(llmguard *g, const char *name)
{
	struct lg_budget_text t = {.name = name, .hard = -1};
	int ret = client_may_write(g);

	if (ret)
		return ret;
	if (!name || !*name)
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "a budget has a name");
	return change(g, &t, LG_CONFIG_RM, "budget rm");
}
