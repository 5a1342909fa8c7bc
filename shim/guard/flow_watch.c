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

static void mark(struct lg_exchange *x, int verdict, const char *reason)
{
	x->row.verdict = (uint8_t)verdict;
	lg_slice_copy(lg_slice_str(reason), x->row.reason,
		      sizeof(x->row.reason));
}

void lg_flow_mark(struct lg_flow *f, int verdict, const char *reason,
		  bool newest)
{
	struct lg_exchange *x = newest ? f->last : f->first;

	for (; x; x = x->next)
		mark(x, verdict, reason);
}
