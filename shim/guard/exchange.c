#include "guard/exchange.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "guard/engine.h"

struct lg_exchange *lg_exchange_new(struct lg_engine *e,
				    const struct lg_who *who)
{
	struct lg_exchange *x = lg_mem_take(sizeof(*x));

	if (!x)
		return NULL;
	memset(x, 0, offsetof(struct lg_exchange, facts));
	x->engine = e;
	x->who = who;
	x->world = lg_engine_pin(e);
	x->hold.slot = -1;
	lg_facts_init(&x->facts);
	lg_answer_init(&x->answer);
	x->start_boot_ns = lg_who_now_ns(who);
	lg_row_init(&x->row);
	lg_body_init(&x->body, &x->facts, &x->answer);
	x->body.on_part = lg_parts_turn;
	x->body.ctx = x;
	return x;
}

void lg_exchange_del(struct lg_exchange *x)
{
	if (!x)
		return;
	lg_body_fini(&x->body);
	lg_parts_del(x->parts);
	lg_inject_answer_del(x->edit);
	lg_local_del(x->local);
	lg_engine_unpin(x->engine, x->world);
	lg_mem_free(x, sizeof(*x));
}

/* -- request ------------------------------------------------------------- */

void lg_exchange_request_head(struct lg_exchange *x, struct lg_slice type,
			      struct lg_slice coding)
{
	lg_body_request_head(&x->body, type, coding);
	x->row.flags |= x->body.flags;
}

void lg_exchange_request_body(struct lg_exchange *x, const char *p, size_t n)
{
	x->row.request_bytes += n;
	lg_text_hash_feed(&x->seen, p, n);
	lg_body_request_feed(&x->body, p, n);
}

void lg_exchange_request_end(struct lg_exchange *x, bool whole)
{
	x->whole = whole;
	lg_body_request_end(&x->body, whole);
	x->row.flags |= x->body.flags;
	x->body.flags = 0;
	if (!x->facts.n)
		lg_facts_init(&x->facts);
	x->facts.stream |= x->route.stream;
	if (whole)
		lg_row_set_hash(&x->row, lg_text_hash_end(&x->seen));
	if (x->facts.has_max)
		x->row.max_output_tokens =
			x->facts.max_output_tokens < UINT32_MAX
				? (uint32_t)x->facts.max_output_tokens
				: UINT32_MAX - 1;
}

/* -- answer -------------------------------------------------------------- */

void lg_exchange_answer_head(struct lg_exchange *x, struct lg_slice head,
			     unsigned status)
{
	x->answered = true;
	x->row.status = (int32_t)status;
	lg_body_answer_head(&x->body, head, status);
	x->row.stream |= x->body.streamed;
	lg_cut_arm(x);
}

void lg_exchange_answer_body(struct lg_exchange *x, const char *p, size_t n)
{
	if (x->row.ttft_ms < 0 && n)
		x->row.ttft_ms =
			(lg_who_now_ns(x->who) - x->start_boot_ns) / 1000000;
	x->row.response_bytes += n;
	lg_body_answer_feed(&x->body, p, n);
}

void lg_exchange_answer_end(struct lg_exchange *x, bool complete)
{
	x->closed = true;
	x->complete = complete;
	lg_body_answer_end(&x->body, complete);
	x->row.flags |= x->body.flags;
	x->row.stream |= x->body.streamed;
}
