#include "recorded.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "guard/engine.h"
#include "guard/phase.h"
#include "guard/self.h"
#include "guard/world.h"
#include "price_find.h"

#define PUT(field, text)                                                       \
	lg_slice_copy(lg_slice_str(text), row->field, sizeof(row->field))

static void put_tags(struct lg_row *row, const char *tags)
{
	char *p;

	PUT(tags, tags);
	for (p = row->tags; *p; p++)
		if (*p == ',')
			*p = '\x1f';
}

static void put_phase(struct lg_engine *e, const struct recorded *r,
		      struct lg_row *row)
{
	struct lg_world *w;

	PUT(phase, r->phase);
	if (!row->phase[0])
		lg_phase_read(lg_engine_state_dir(e), row->run_id, row->phase);
	if (!row->phase[0] && lg_phase_is(lg_slice_str(r->env_phase)))
		strcpy(row->phase, *r->env_phase == 't' || *r->env_phase == 'T'
					   ? "train"
					   : "infer");
	w = lg_engine_pin(e);
	lg_phase_of_model(w, row);
	lg_engine_unpin(e, w);
	if (!row->phase[0])
		strcpy(row->phase,
		       strcmp(row->request_type, "train") ? "infer" : "train");
}

static void put_who(struct lg_engine *e, const struct recorded *r,
		    struct lg_row *row)
{
	struct lg_self self;

	lg_self_read(&self);
	row->uid = self.uid;
	PUT(exe, self.exe);
	PUT(comm, self.comm);
	PUT(run_id, r->run_id);
	PUT(project, r->project);
	PUT(user, r->user);
	if (!row->user[0])
		PUT(user, self.login);
	PUT(conversation, r->conversation);
	PUT(experiment, r->experiment);
	put_tags(row, r->tags);
	PUT(request_type, *r->type ? r->type : "generate");
	put_phase(e, r, row);
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

/* What it used, and what that costs: nothing, out of a cache that is free. */
static void put_money(struct lg_engine *e, const struct recorded *r,
		      struct lg_row *row)
{
	struct price_find q = {
		.provider = lg_slice_str(r->provider),
		.model = lg_slice_str(r->model),
		.tier = lg_slice_str(r->tier),
	};
	struct lg_usage u = {.n = {0}, .flags = LG_USAGE_PRESENT};
	struct lg_price p;
	struct lg_cost cost;
	bool known =
		price_find(lg_engine_catalog(e), &q, &p) && price_is_found(&p);

	lg_usage_set(&u, LG_BUCKET_INPUT, r->input_tokens - r->cached_tokens);
	if (r->cached)
		lg_usage_set(&u, LG_BUCKET_CACHE_READ, r->cached_tokens);
	lg_usage_set(&u, LG_BUCKET_OUTPUT, r->output_tokens);
	lg_row_set_usage(row, &u);
	row->cache_hit =
		r->hit == LG_CACHE_NONE ? row->cache_hit : (uint8_t)r->hit;
	row->usage_state = LG_USAGE_EXACT;
	row->price_state = known ? LG_PRICED_EXACT : LG_PRICED_UNKNOWN;
	if (known && p.estimate)
		row->price_state = LG_PRICED_ESTIMATED;
	PUT(provider, r->provider);
	if (!known)
		return;
	put_price(&p, row);
	lg_price_cost(&p, &u, &cost);
	row->economic_pusd = cost.economic_pusd;
	if (r->hit != LG_CACHE_NONE)
		return;
	row->cost_pusd = cost.total_pusd;
	row->input_cost_pusd = cost.input_pusd;
	row->output_cost_pusd = cost.output_pusd;
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
