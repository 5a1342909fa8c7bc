#include "guard/flow_state.h"

bool lg_flow_is_guarding(const struct lg_flow *f)
{
	return f->h2 || f->first || f->begun ||
	       (f->in != LG_IN_LOOK && f->in != LG_IN_SKIP &&
		f->in != LG_IN_PASSING);
}

uint32_t lg_flow_begun(const struct lg_flow *f)
{
	return f->begun;
}

void lg_flow_unsent(struct lg_flow *f, bool unsent)
{
	struct lg_exchange *x = f->last;

	if (x && !x->answered && x != f->writing)
		x->written = !unsent;
}
