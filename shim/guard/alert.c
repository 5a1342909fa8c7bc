#include "guard/alert.h"

#include <string.h>

#include "base/atomic.h"
#include "base/log.h"
#include "base/money.h"

static const char *level_name(uint32_t ppm)
{
	if (ppm >= 1000000)
		return "exceeded";
	return ppm >= 950000 ? "critical" : "warning";
}

static bool reached(int64_t spent, int64_t limit, uint32_t ppm)
{
	return (__int128)spent * 1000000 >= (__int128)limit * ppm &&
	       (limit > 0 || spent > 0);
}

static void tell(const struct lg_exchange *x, const struct lg_rule *r,
		 const struct lg_cell_view *v, uint32_t ppm, int64_t spent)
{
	char money[2][LG_MONEY_TEXT];
	struct lg_log_kv kv[] = {
		{"level", lg_slice_str(level_name(ppm)), 0},
		{"budget", r->name, 0},
		{"scope", r->scope, 0},
		{"value", lg_slice_str(v->value), 0},
		{"threshold_ppm", {NULL, 0}, ppm},
		{"spent_usd", {money[0], lg_money_print(spent, money[0])}, 0},
		{"limit_usd",
		 {money[1], lg_money_print(v->limit_pusd, money[1])},
		 0},
		{"phase", lg_slice_str(x->row.phase), 0},
		{"model", lg_slice_str(x->row.model), 0},
		{"usage",
		 lg_slice_str(lg_usage_state_name(
			 (enum lg_usage_state)x->row.usage_state)),
		 0},
	};

	lg_log(ppm >= 1000000 ? LG_LOG_ERROR : LG_LOG_WARN, "budget_threshold",
	       kv, sizeof(kv) / sizeof(kv[0]));
}

/* Thresholds of this window that are known to have fired. */
static uint32_t fired(const struct lg_rule *r, uint32_t window)
{
	uint64_t memo = lg_load_relaxed(&r->memo);

	return memo >> 32 == window ? (uint32_t)memo : 0;
}

static void cross(struct lg_exchange *x, const struct lg_charged *c)
{
	struct lg_rule *r = &x->world->rules[c->rule];
	const struct lg_img_budget *b = r->b;
	uint32_t known = b->each ? 0 : fired(r, c->window);
	int64_t used = lg_cell_used(x->region->r, c->cell, c->window);
	struct lg_cell_view v;
	unsigned n = b->warns < LG_WARN_MAX ? b->warns : LG_WARN_MAX;
	bool looked = false;
	int64_t spent = 0;

	for (unsigned i = 0; i < n; i++) {
		if (known >> i & 1 ||
		    !reached(used, c->limit_pusd, b->warn_ppm[i]))
			continue;
		if (!looked &&
		    lg_cell_view(x->region->r, (unsigned)c->cell, &v))
			return;
		looked = true;
		spent = lg_money_sub(v.used_pusd, v.held_pusd);
		if (v.window != c->window ||
		    !reached(spent, c->limit_pusd, b->warn_ppm[i]))
			continue;
		known |= 1u << i;
		if (lg_cell_warn_once(x->region->r, c->cell, c->window, i))
			tell(x, r, &v, b->warn_ppm[i], spent);
	}
	if (!b->each)
		lg_store_relaxed(&r->memo, (uint64_t)c->window << 32 | known);
}

void lg_alert_crossed(struct lg_exchange *x)
{
	if (!x->region)
		return;
	for (unsigned i = 0; i < x->ncharged; i++)
		cross(x, &x->charged[i]);
}

void lg_alert_blocked(const struct lg_exchange *x)
{
	const struct lg_denial *d = x->denial;
	struct lg_slice budget = {NULL, 0};
	char money[3][LG_MONEY_TEXT];

	if (d->rule >= 0)
		budget = x->world->rules[d->rule].name;
	struct lg_log_kv kv[] = {
		{"reason", lg_slice_str(d->reason), 0},
		{"budget", budget.p ? budget : LG_SLICE(""), 0},
		{"model", lg_slice_str(x->row.model_requested), 0},
		{"estimate_usd",
		 {money[0], lg_money_print(x->row.estimate_pusd, money[0])},
		 0},
		{"spent_usd",
		 {money[1], lg_money_print(d->spent_pusd, money[1])},
		 0},
		{"limit_usd",
		 {money[2], lg_money_print(d->limit_pusd, money[2])},
		 0},
		{"phase", lg_slice_str(x->row.phase), 0},
		{"process", lg_slice_str(x->row.comm), 0},
	};
	lg_log(LG_LOG_WARN, "request_blocked", kv, sizeof(kv) / sizeof(kv[0]));
}

static struct lg_log_kv text(const char *key, const char *value)
{
	return (struct lg_log_kv){key, lg_slice_str(value), 0};
}

static struct lg_log_kv count(const char *key, uint64_t n)
{
	return (struct lg_log_kv){key, {NULL, 0}, (int64_t)n};
}

void lg_alert_settled(const struct lg_exchange *x)
{
	static const char *const caches[] = {"none", "provider", "gateway",
					     "local"};
	const struct lg_row *r = &x->row;
	char money[LG_MONEY_TEXT];
	struct lg_log_kv kv[16];
	unsigned n = 0;

	if (x->denial || !lg_log_is_on(LG_LOG_INFO))
		return;
	kv[n++] = text("verdict", lg_verdict_name((enum lg_verdict)r->verdict));
	kv[n++] = text("provider", r->provider);
	kv[n++] = text("model", r->model);
	kv[n++] = text("fine_tuned",
		       strncmp(r->model, "ft:", 3) ? "false" : "true");
	kv[n++] = text("phase", r->phase);
	kv[n++] = (struct lg_log_kv){
		"cost_usd", {money, lg_money_print(r->cost_pusd, money)}, 0};
	kv[n++] =
		text("usage",
		     lg_usage_state_name((enum lg_usage_state)r->usage_state));
	kv[n++] =
		text("price",
		     lg_price_state_name((enum lg_price_state)r->price_state));
	kv[n++] = text("cache", caches[r->cache_hit % 4]);
	if (r->status)
		kv[n++] = count("status", (uint64_t)r->status);
	if (r->input_tokens != LG_ROW_ABSENT)
		kv[n++] = count("input_tokens", r->input_tokens);
	if (r->output_tokens != LG_ROW_ABSENT)
		kv[n++] = count("output_tokens", r->output_tokens);
	kv[n++] = text("process", r->comm);
	kv[n++] = text("id", r->id);
	lg_log(LG_LOG_INFO, "request_settled", kv, n);
}
