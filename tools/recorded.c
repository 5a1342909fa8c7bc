#include "recorded.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "guard/attribution.h"
#include "guard/engine.h"
#include "guard/phase.h"
#include "guard/self.h"
#include "guard/tariff.h"
#include "guard/world.h"
#include "price_find.h"

#define PUT(field, text)                                                       \
	lg_slice_copy(lg_slice_str(text), row->field, sizeof(row->field))

static void find_phase(struct lg_engine *e, const struct recorded *r,
		       struct lg_row *row)
{
	char switched[sizeof(row->phase)];

	if (lg_phase_is(lg_slice_str(r->phase)))
		return;
	lg_phase_read(lg_engine_state_dir(e), row->run_id, switched);
	if (switched[0])
		strcpy(row->phase, switched);
}

/* Whose the call is, as of one whose fields are all in the environment. */
static void put_who(struct lg_engine *e, const struct recorded *r,
		    struct lg_row *row)
{
	const struct lg_env env = {
		.run_id = r->run_id,
		.project = r->project,
		.user = r->user,
		.tags = r->tags,
		.conversation = r->conversation,
		.experiment = r->experiment,
		.phase = lg_phase_is(lg_slice_str(r->phase)) ? r->phase
							     : r->env_phase,
	};
	static const struct lg_head head;
	static const struct lg_facts facts;
	struct lg_self self;
	struct lg_world *w;

	lg_self_read(&self);
	PUT(request_type, *r->type ? r->type : "generate");
	lg_attribution_head(&env, &self, &head, LG_SLICE(""), NULL, row);
	find_phase(e, r, row);
	w = lg_engine_pin(e);
	lg_phase_of_model(w, row);
	lg_attribution_body(&self, &facts, row);
	if (w->img)
		lg_attribution_tags(lg_img_text(w->img, w->set.default_tags),
				    row);
	lg_engine_unpin(e, w);
}

static void put_price(const struct lg_price *p, struct lg_row *row)
{
	if (!p->entry)
		return;
	lg_slice_copy(lg_img_text(p->img, p->entry->provider), row->provider,
		      sizeof(row->provider));
	lg_slice_copy(lg_img_text(p->img, p->entry->price_version),
		      row->price_version, sizeof(row->price_version));
}

/* Whose dearest price is taken where nobody knows whose the model is. */
#define CEILING_OF "openai"

static bool trains(const struct lg_row *row)
{
	return !strcmp(row->request_type, "train");
}

/* A model that nobody has is charged as the guard does: at the dearest. */
static void find_price(const struct lg_catalog *cat, const struct recorded *r,
		       struct lg_world *w, struct lg_price *p)
{
	struct price_find q = {
		.provider = lg_slice_str(r->provider),
		.model = lg_slice_str(r->model),
		.tier = lg_slice_str(r->tier),
		.version = w->price_version,
	};
	struct lg_price_query dearest = {
		.provider = q.provider,
		.ceiling_provider = LG_SLICE(CEILING_OF),
		.model = q.model,
		.tier = q.tier,
		.version = q.version,
		.at_ms = lg_clock_real_ms(),
	};

	if (!price_find(cat, &q, p) && cat)
		lg_price_lookup(cat, &dearest, p);
}

/* Its provider, where nothing else says whose training price it takes. */
static bool find_training(const struct lg_catalog *cat,
			  const struct recorded *r, struct lg_world *w,
			  struct lg_price *p)
{
	struct lg_price_query q = {
		.provider = lg_slice_str(r->provider),
		.model = lg_slice_str(r->model),
		.version = w->price_version,
		.at_ms = lg_clock_real_ms(),
	};

	if (p->entry)
		q.provider = lg_img_text(p->img, p->entry->provider);
	return cat && lg_tariff_training(cat, &q, p);
}

static void put_usage(const struct recorded *r, struct lg_usage *u,
		      struct lg_row *row)
{
	if (trains(row)) {
		lg_usage_set(u, LG_BUCKET_TRAINING, r->input_tokens);
	} else {
		lg_usage_set(u, LG_BUCKET_INPUT,
			     r->input_tokens - r->cached_tokens);
		if (r->cached)
			lg_usage_set(u, LG_BUCKET_CACHE_READ, r->cached_tokens);
		lg_usage_set(u, LG_BUCKET_OUTPUT, r->output_tokens);
	}
	lg_row_set_usage(row, u);
	row->usage_state = LG_USAGE_EXACT;
	row->cache_hit =
		r->hit == LG_CACHE_NONE ? row->cache_hit : (uint8_t)r->hit;
}

/* What it used, and what that costs: nothing, out of a cache that is free. */
static void put_money(struct lg_engine *e, const struct recorded *r,
		      struct lg_row *row)
{
	const struct lg_catalog *cat = lg_engine_catalog(e);
	struct lg_usage u = {.n = {0}, .flags = LG_USAGE_PRESENT};
	struct lg_world *w = lg_engine_pin(e);
	struct lg_cost cost;
	struct lg_price p;
	bool untold;

	put_usage(r, &u, row);
	find_price(cat, r, w, &p);
	untold = trains(row) && !find_training(cat, r, w, &p);
	lg_price_cost(&p, &u, &cost);
	row->price_state = lg_tariff_state(&p, true, cost.rate_missing);
	if (untold)
		row->price_state = LG_PRICED_UNKNOWN;
	PUT(provider, r->provider);
	put_price(&p, row);
	if (!lg_tariff_is_known(&p) && w->set.unknown_model == LG_UNKNOWN_ALLOW)
		cost = (struct lg_cost){0};
	lg_engine_unpin(e, w);
	row->economic_pusd = cost.economic_pusd;
	if (r->hit != LG_CACHE_NONE)
		return;
	row->cost_pusd = cost.total_pusd;
	row->input_cost_pusd = cost.input_pusd;
	row->output_cost_pusd = cost.output_pusd;
}

const char *recorded_doubt(struct lg_engine *e, const struct lg_row *row)
{
	struct lg_world *w;
	bool waived;

	if (row->price_state != LG_PRICED_UNKNOWN)
		return NULL;
	if (trains(row) && !row->economic_pusd)
		return "no price of training is known for it: it counts "
		       "nothing, until llmguard pricing set --training-per-1m "
		       "and llmguard reprice";
	w = lg_engine_pin(e);
	waived = w->set.unknown_model == LG_UNKNOWN_ALLOW;
	lg_engine_unpin(e, w);
	if (waived && !row->economic_pusd)
		return "no price is known for it: it counts nothing "
		       "(unknown_model: allow), until llmguard pricing set and "
		       "llmguard reprice";
	if (row->price_version[0])
		return "no price is known for its tier: it counts at the "
		       "standard one, until llmguard pricing set and llmguard "
		       "reprice";
	return "no price is known for it: it counts at the dearest known price "
	       "of its provider (" CEILING_OF
	       " where that is not known), until "
	       "llmguard pricing set and llmguard reprice";
}

void recorded_fill(struct lg_engine *e, const struct recorded *r,
		   struct lg_row *row)
{
	lg_row_init(row);
	row->ts_ms = lg_clock_real_ms();
	row->pid = getpid();
	PUT(model_requested, r->model);
	PUT(model, r->model);
	PUT(tier, r->tier);
	PUT(reason, "recorded");
	put_who(e, r, row);
	put_money(e, r, row);
}
