#include "guard/flow_state.h"

#include "guard/settle.h"

bool lg_flow_may_leave(const struct lg_flow *f, const struct lg_exchange *x)
{
	return f->first == x && !f->resp.in_body && !f->resp.m.head_len &&
	       !f->stash.len;
}

void lg_flow_leave(struct lg_flow *f, struct lg_exchange *x)
{
	f->held.len = f->sent = 0;
	f->in = LG_IN_SWALLOW;
	f->writing = NULL;
	x->continues = false;
	x->released = x->written = true;
}

bool lg_flow_is_local(const struct lg_flow *f)
{
	return f->first && f->first->local && !f->first->local->done;
}

/* It was the connection's last exchange. */
static void end_local(struct lg_flow *f)
{
	struct lg_exchange *x = f->first;

	if (!x->local->done)
		return;
	f->ending = f->deaf = true;
	if (!x->closed)
		lg_exchange_answer_end(x, false);
	lg_settle(x);
	lg_flow_retire(f, x);
	f->shut = f->told == f->synth.len;
}

void lg_flow_local_arrived(struct lg_flow *f, const char *p, size_t n)
{
	lg_flow_own(f);
	lg_local_arrived(f->first, p, n, &f->synth);
	end_local(f);
}

uint64_t lg_flow_local_got(const struct lg_flow *f)
{
	return lg_local_got(f->first->local);
}

void lg_flow_local_eof(struct lg_flow *f)
{
	lg_flow_own(f);
	lg_local_eof(f->first, &f->synth);
	end_local(f);
}
