#include "guard/attribution.h"
#include "guard/engine.h"
#include "guard/flow_state.h"
#include "wire/http1.h"

void lg_row_read_tier(struct lg_exchange *x, struct lg_slice head)
{
	const char *name = x->d ? x->d->tier_field : NULL;

	if (name)
		lg_slice_copy(lg_slice_trim(lg_http1_field(
				      head, lg_slice_str(name), 0)),
			      x->facts.tier, sizeof(x->facts.tier));
}

const struct lg_self *lg_row_self(const struct lg_flow *f)
{
	return f->who ? f->who->self : lg_engine_self(f->engine);
}

void lg_row_attribute(struct lg_flow *f, struct lg_exchange *x,
		      const struct lg_head *fields, struct lg_slice target)
{
	const struct lg_env *env =
		f->who ? f->who->env : lg_engine_env(f->engine);

	lg_attribution_head(env, lg_row_self(f), fields, target, f->memo,
			    &x->row);
	if (!f->who)
		return;
	x->row.pid = f->who->pid;
	x->row.ppid = f->who->ppid;
}

/* What was asked for: the body's word; what will answer: the URL's. */
void lg_row_name_model(struct lg_exchange *x)
{
	struct lg_slice body = lg_slice_str(x->facts.model);
	struct lg_slice url = lg_slice_str(x->route.model);

	lg_slice_copy(body.len ? body : url, x->row.model_requested,
		      sizeof(x->row.model_requested));
	lg_slice_copy(url.len ? url : body, x->row.model, sizeof(x->row.model));
}
