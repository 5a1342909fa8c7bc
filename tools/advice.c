#include "advice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "base/clock.h"
#include "base/money.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "index_db.h"
#include "price/price.h"
#include "report.h"
#include "tool.h"
#include "view.h"

/* A call is simple when it has no more than these. */
#define SIMPLE_INPUT 2000
#define SIMPLE_OUTPUT 300
/* Less than a cent, or a thousandth of all, is not worth a line. */
#define WORTH(out) ((out)->worth_pusd)
#define DAY_MS INT64_C(86400000)
#define CAPS_MIN 20 /* calls before their largest answer says anything */
#define CENT (LG_PUSD_PER_USD / 100)

/* Who can do a simple call of whom, the closest first. */
static const struct {
	const char *provider, *model, *instead;
} cheaper[] = {
	{"openai", "gpt-4o-mini*", "gpt-4.1-nano"},
	{"openai", "gpt-4o*", "gpt-4o-mini"},
	{"openai", "gpt-4.1-mini*", "gpt-4.1-nano"},
	{"openai", "gpt-4.1-nano*", ""},
	{"openai", "gpt-4.1*", "gpt-4.1-mini"},
	{"openai", "gpt-5-mini*", "gpt-5-nano"},
	{"openai", "gpt-5-nano*", ""},
	{"openai", "gpt-5*", "gpt-5-mini"},
	{"openai", "o3-mini*", ""},
	{"openai", "o3*", "o4-mini"},
	{"openai", "o1*", "o4-mini"},
	{"openai", "gpt-4*", "gpt-4o-mini"},
	{"openai", "text-embedding-3-large*", "text-embedding-3-small"},
	{"anthropic", "claude-opus-*", "claude-sonnet-4-5"},
	{"anthropic", "claude-3-opus-*", "claude-sonnet-4-5"},
	{"anthropic", "claude-sonnet-*", "claude-haiku-4-5"},
	{"anthropic", "claude-3-?-sonnet-*", "claude-haiku-4-5"},
	{"google", "gemini-2.5-flash-lite*", ""},
	{"google", "gemini-2.5-flash*", "gemini-2.5-flash-lite"},
	{"google", "gemini-*-pro*", "gemini-2.5-flash"},
	{"x-ai", "grok-4-fast*", ""},
	{"x-ai", "grok-4*", "grok-4-fast"},
	{"mistral", "mistral-large*", "mistral-small-latest"},
	{"anthropic", "claude-*", ""},
	{"google", "gemini-*", ""},
	{"openai", "text-embedding-*", ""},
};

static const char *const kinds[] = {"cheaper_model", "batch",
				    "cache",	     "retries",
				    "max_tokens",    "idle_budget"};

const char *advice_kind_name(enum advice_kind k)
{
	return kinds[k];
}

static struct advice *add(struct advices *o, enum advice_kind kind,
			  const char *subject, const struct sums *s)
{
	struct advice *a;

	if (o->n == ADVICE_MAX)
		return NULL;
	a = &o->v[o->n++];
	*a = (struct advice){.kind = kind};
	snprintf(a->subject, sizeof(a->subject), "%s", subject);
	if (s) {
		a->calls = s->v[SUM_CALLS] - s->v[SUM_BLOCKED];
		a->cost_pusd = s->v[SUM_COST];
	}
	return a;
}

/* -- other prices -----------------------------------------------------------
 */

static int64_t part(int64_t tokens, int64_t rate)
{
	__int128 v = (__int128)tokens * rate / 1000000;

	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static int64_t rate_or(const struct lg_price *p, enum lg_bucket b,
		       enum lg_bucket other)
{
	return p->rate[b] >= 0 ? p->rate[b] : p->rate[other];
}

/*
 * The same tokens at another price, that of their last call's time, as their
 * cost is of then; INT64_MIN: it has none.
 */
static int64_t price_as(const struct ask *a, const char *provider,
			const char *model, const char *tier,
			const struct sums *s)
{
	struct lg_price_query q = {
		.provider = lg_slice_str(provider),
		.model = lg_slice_str(model),
		.tier = lg_slice_str(tier),
		.at_ms = s->v[SUM_LAST],
	};
	int64_t in = s->v[SUM_INPUT], read = s->v[SUM_CACHE_READ];
	int64_t written = s->v[SUM_CACHE_WRITE], sum;
	struct lg_price p;

	lg_price_lookup(&a->w->catalog, &q, &p);
	if (!p.entry || p.tier_missing || p.rate[LG_BUCKET_INPUT] < 0)
		return INT64_MIN;
	sum = part(in - read - written, p.rate[LG_BUCKET_INPUT]);
	sum = lg_money_add(sum, part(read, rate_or(&p, LG_BUCKET_CACHE_READ,
						   LG_BUCKET_INPUT)));
	sum = lg_money_add(sum,
			   part(written, rate_or(&p, LG_BUCKET_CACHE_WRITE_5M,
						 LG_BUCKET_INPUT)));
	if (s->v[SUM_OUTPUT] && p.rate[LG_BUCKET_OUTPUT] < 0)
		return INT64_MIN;
	return lg_money_add(
		sum, s->v[SUM_OUTPUT]
			     ? part(s->v[SUM_OUTPUT], p.rate[LG_BUCKET_OUTPUT])
			     : 0);
}

static const char *provider_of(const char *model, const char **instead)
{
	for (unsigned i = 0; i < sizeof(cheaper) / sizeof(cheaper[0]); i++)
		if (lg_slice_glob(lg_slice_str(model),
				  lg_slice_str(cheaper[i].model))) {
			*instead = cheaper[i].instead;
			return cheaper[i].provider;
		}
	return NULL;
}

/* -- the rules --------------------------------------------------------------
 */

static int models(struct ask *a, struct advices *o)
{
	const char *provider, *instead;
	struct query q;
	int ret;

	ask_again(a, &q);
	q.light = false;
	q.max_input = SIMPLE_INPUT;
	q.max_output = SIMPLE_OUTPUT;
	q.by[q.nby++] = dim_by_name(LG_SLICE("model"));
	ret = query_run(&q);
	for (unsigned i = 0; ret < 0 && i < q.out[0].n; i++) {
		const struct group *g = &q.out[0].g[i];
		int64_t cost = g->s.v[SUM_COST], other;
		struct advice *v;

		provider = g->key ? provider_of(g->key, &instead) : NULL;
		if (!provider || !*instead)
			continue;
		other = price_as(a, provider, instead, "", &g->s);
		if (other == INT64_MIN || cost - other < WORTH(o))
			continue;
		v = add(o, ADVICE_MODEL, g->key, &g->s);
		if (!v)
			break;
		v->saving_pusd = cost - other;
		snprintf(v->other, sizeof(v->other), "%s", instead);
		snprintf(v->text, sizeof(v->text),
			 "%s of its calls were simple (at most %d tokens in, "
			 "%d out) and cost %s; with %s the same tokens cost %s",
			 count_text(v->calls), SIMPLE_INPUT, SIMPLE_OUTPUT,
			 tool_usd(cost), instead, tool_usd(other));
	}
	query_fini(&q);
	return ret;
}

/* Tags of work that nobody waits for. */
#define PATIENT "*batch*,*nightly*,*cron*,*offline*,*eval*,*backfill*"

static int batch(struct ask *a, struct advices *o)
{
	const struct dim *tag = dim_by_name(LG_SLICE("tag"));
	const char *provider, *instead;
	struct query q;
	int ret;

	if (a->q.filter[tag - dims])
		return -1;
	ask_again(a, &q);
	q.light = false;
	q.filter[tag - dims] = PATIENT;
	q.filter[dim_by_name(LG_SLICE("tier")) - dims] = "-,default,standard";
	q.by[q.nby++] = dim_by_name(LG_SLICE("model"));
	ret = query_run(&q);
	for (unsigned i = 0; ret < 0 && i < q.out[0].n; i++) {
		const struct group *g = &q.out[0].g[i];
		int64_t now, then;
		struct advice *v;

		provider = g->key ? provider_of(g->key, &instead) : NULL;
		if (!provider)
			continue;
		now = price_as(a, provider, g->key, "", &g->s);
		then = price_as(a, provider, g->key, "batch", &g->s);
		if (now == INT64_MIN || then == INT64_MIN ||
		    now - then < WORTH(o))
			continue;
		v = add(o, ADVICE_BATCH, g->key, &g->s);
		if (!v)
			break;
		v->saving_pusd = now - then;
		snprintf(v->text, sizeof(v->text),
			 "%s of its calls have tags of work that can wait; at "
			 "the batch tier they cost %s instead of %s",
			 count_text(v->calls), tool_usd(then), tool_usd(now));
	}
	query_fini(&q);
	return ret;
}

/* Of a million input tokens, how many came from a cache. */
static int64_t hit_ppm(const struct sums *s)
{
	return sums_share_ppm(s->v[SUM_CACHE_READ], s->v[SUM_INPUT]);
}

/* What a project would save with the hit rate of the best one. */
static void cache(const struct query *q, const struct grouping *by,
		  struct advices *o)
{
	const struct group *best = NULL;

	for (unsigned i = 0; i < by->n; i++)
		if (by->g[i].s.v[SUM_CALLS] >= 20 &&
		    (!best || hit_ppm(&by->g[i].s) > hit_ppm(&best->s)))
			best = &by->g[i];
	for (unsigned i = 0; best && i < by->n; i++) {
		const struct sums *s = &by->g[i].s;
		int64_t read = s->v[SUM_CACHE_READ], gain = 0;
		int64_t saved = s->v[SUM_ECONOMIC] - s->v[SUM_COST];
		int64_t all = q->total.v[SUM_CACHE_READ], each;
		struct advice *v;

		/* what one cached token saved on average, all projects */
		each = all ? money_share(q->total.v[SUM_ECONOMIC] -
						 q->total.v[SUM_COST],
					 all)
			   : 0;
		if (hit_ppm(s) < hit_ppm(&best->s))
			gain = part(s->v[SUM_INPUT],
				    hit_ppm(&best->s) - hit_ppm(s)) *
			       each;
		if (gain < WORTH(o) || &by->g[i] == best)
			continue;
		v = add(o, ADVICE_CACHE, by->g[i].key ? by->g[i].key : "(none)",
			s);
		if (!v)
			return;
		v->saving_pusd = gain;
		snprintf(v->text, sizeof(v->text),
			 "%s of its input came from a cache (%s tokens, %s "
			 "saved); with the %s of %s it would save that more",
			 ppm_text(hit_ppm(s)), count_text(read),
			 tool_usd(saved), ppm_text(hit_ppm(&best->s)),
			 best->key ? best->key : "(none)");
	}
}

static void retries(const struct grouping *by, struct advices *o)
{
	for (unsigned i = 0; i < by->n; i++) {
		const struct group *g = &by->g[i];
		struct advice *v;
		bool retry;

		if (!g->key ||
		    (strcmp(g->key, "retry") && strcmp(g->key, "repeat")))
			continue;
		retry = !strcmp(g->key, "retry");
		v = add(o, ADVICE_RETRY, g->key, &g->s);
		if (!v)
			return;
		v->saving_pusd = g->s.v[SUM_COST];
		snprintf(v->text, sizeof(v->text),
			 retry ? "%s calls were made again after no answer "
				 "came, and cost %s"
			       : "%s calls were made again though the same "
				 "request had been answered, and cost %s: keep "
				 "the answer",
			 count_text(v->calls), tool_usd(v->cost_pusd));
	}
}

/* What calls of a model asked for at most, and what came. */
struct cap {
	int64_t calls, asked, used, largest;
};

/* SQLite's code; calls is 0 where nothing is known. */
static int read_cap(const struct ask *a, const char *model, struct cap *c)
{
	sqlite3_stmt *st;
	int code = sqlite3_prepare_v2(
		a->x->db,
		"SELECT sum(calls), sum(asked), sum(used), max(largest)"
		" FROM caps WHERE model = (SELECT id FROM texts WHERE text"
		" = ?1) AND day BETWEEN ?2 AND ?3",
		-1, &st, NULL);

	*c = (struct cap){0};
	if (code)
		return code;
	sqlite3_bind_text(st, 1, model, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, lg_floor_div(a->q.from_ms, DAY_MS));
	sqlite3_bind_int64(st, 3, lg_floor_div(a->q.to_ms - 1, DAY_MS));
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*c = (struct cap){sqlite3_column_int64(st, 0),
				  sqlite3_column_int64(st, 1),
				  sqlite3_column_int64(st, 2),
				  sqlite3_column_int64(st, 3)};
	sqlite3_finalize(st);
	return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* A quarter above the largest answer, to a multiple of 64. */
static int64_t enough(int64_t largest)
{
	return (largest + largest / 4 + 63) / 64 * 64;
}

static void say_hold(struct advice *v, const struct cap *c, int64_t held,
		     int64_t cost)
{
	if (!c)
		snprintf(v->text, sizeof(v->text),
			 "its calls were held at %s and cost %s: a smaller "
			 "max_tokens lets more calls run side by side",
			 tool_usd(held), tool_usd(cost));
	else
		snprintf(v->text, sizeof(v->text),
			 "%s calls asked for at most %s tokens on average and "
			 "got %s, at most %s: with max_tokens %s more calls "
			 "run side by side, and a runaway ends sooner",
			 count_text(c->calls), count_text(c->asked / c->calls),
			 count_text(c->used / c->calls), count_text(c->largest),
			 count_text(enough(c->largest)));
}

/*
 * A maximum of twice the largest answer and more; of calls without one, holds
 * that are five times the cost keep others out of a budget.
 */
static int holds(const struct ask *a, const struct grouping *by,
		 struct advices *o)
{
	for (unsigned i = 0; i < by->n; i++) {
		const struct group *g = &by->g[i];
		int64_t cost = g->s.v[SUM_COST], held = g->s.v[SUM_ESTIMATE];
		struct cap c;
		struct advice *v;
		bool known;
		int code;

		if (!g->key || cost < WORTH(o) || !g->s.v[SUM_OUTPUT])
			continue;
		code = read_cap(a, g->key, &c);
		if (code)
			return tool_fail("index: %s", sqlite3_errstr(code));
		known = c.calls >= CAPS_MIN;
		if (known ? c.asked / c.calls < 2 * enough(c.largest)
			  : held / 5 < cost)
			continue;
		v = add(o, ADVICE_HOLD, g->key, &g->s);
		if (!v)
			break;
		say_hold(v, known ? &c : NULL, held, cost);
	}
	return -1;
}

static void budgets(const struct ask *a, struct advices *o)
{
	int64_t now = lg_clock_real_ms();
	struct views vs;

	if (views_read(a->e, false, &vs))
		return;
	for (unsigned i = 0; i < vs.n; i++) {
		const struct view *b = &vs.v[i];
		const struct lg_cell_view *c = &b->cell;
		struct advice *v;

		if (c->window_end_ms == INT64_MAX || c->window_start_ms <= 0 ||
		    now - c->window_start_ms <
			    (c->window_end_ms - c->window_start_ms) / 2 ||
		    b->ratio_ppm < 0 || b->ratio_ppm > 100000)
			continue;
		v = add(o, ADVICE_BUDGET, c->name, NULL);
		if (!v)
			break;
		v->calls = (int64_t)c->calls;
		v->cost_pusd = b->spent_pusd;
		snprintf(v->text, sizeof(v->text),
			 "%s of %s was used when half of its window was over: "
			 "a lower limit would notice a runaway sooner",
			 tool_usd(b->spent_pusd), tool_usd(c->limit_pusd));
	}
	views_fini(&vs);
}

static int by_saving(const void *x, const void *y)
{
	const struct advice *a = x, *b = y;

	if (a->saving_pusd != b->saving_pusd)
		return a->saving_pusd < b->saving_pusd ? 1 : -1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->subject, b->subject);
}

int advice_find(struct ask *a, struct advices *out)
{
	struct query *q = &a->q;
	int ret = ask_by(a, "project,flag,model");

	out->n = 0;
	if (ret < 0)
		ret = query_run(q);
	out->worth_pusd = q->total.v[SUM_COST] / 1000;
	if (out->worth_pusd < CENT)
		out->worth_pusd = CENT;
	if (ret < 0)
		ret = models(a, out);
	if (ret < 0)
		ret = batch(a, out);
	if (ret >= 0)
		return ret;
	cache(q, &q->out[0], out);
	retries(&q->out[1], out);
	ret = holds(a, &q->out[2], out);
	if (ret >= 0)
		return ret;
	budgets(a, out);
	qsort(out->v, out->n, sizeof(out->v[0]), by_saving);
	return -1;
}
