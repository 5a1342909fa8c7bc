#include "guard/learn.h"

#include <string.h>

/* In less, what a chat's frame adds to the text says more than the text. */
#define PROMPT_MIN 256

struct name {
	struct lg_slice provider, model;
};

/* The catalog's names where it has them: aliases and dates are one model. */
static struct name name_of(const struct lg_exchange *x)
{
	const struct lg_price *p = &x->price;

	if (p->entry)
		return (struct name){lg_img_text(p->img, p->entry->provider),
				     lg_img_text(p->img, p->entry->model)};
	return (struct name){lg_slice_str(x->row.host),
			     lg_slice_str(x->row.model_requested)};
}

static bool is_learned(const struct lg_exchange *x)
{
	return x->route.kind == LG_ROUTE_PAID &&
	       x->route.type == LG_REQUEST_GENERATE && !x->facts.requests &&
	       !x->facts.unsized && !(x->d && x->d->expect);
}

void lg_learn_get(const struct lg_exchange *x, struct lg_learned *out)
{
	struct name n;

	*out = (struct lg_learned){0};
	if (!is_learned(x) || !x->world->region)
		return;
	n = name_of(x);
	lg_stats_get(x->world->region->r, lg_stats_id(n.provider, n.model),
		     out);
}

bool lg_learn_look(const struct lg_exchange *x, struct lg_stats_view *out)
{
	struct name n;

	if (!is_learned(x) || !x->world->region)
		return false;
	n = name_of(x);
	return !lg_stats_look(x->world->region->r,
			      lg_stats_id(n.provider, n.model), out);
}

/* Did text alone make the input's tokens? */
static bool is_plain(const struct lg_exchange *x)
{
	const struct lg_facts *f = &x->facts;

	return x->whole && f->json_ok && !f->tools && !f->images &&
	       !f->audios && !f->file_bytes && !f->upload_bytes &&
	       !f->remote_refs && !f->server_tools &&
	       f->prompt_bytes >= PROMPT_MIN;
}

/* Its maximum ended it: how long it would have been is open. */
static bool is_unfinished(const struct lg_exchange *x, uint64_t output)
{
	return x->facts.has_max && output >= x->facts.max_output_tokens;
}

/* An answer of this model, whole or ended by the guard. */
static bool is_answer(const struct lg_exchange *x)
{
	const struct lg_row *row = &x->row;

	return !x->denial && x->answered && row->status == 200 &&
	       row->verdict != LG_VERDICT_LOCAL &&
	       row->cache_hit != LG_CACHE_GATEWAY && !x->answer.failed &&
	       !(row->flags & (LG_ROW_PARTS | LG_ROW_DUPLICATE |
			       LG_ROW_PENDING | LG_ROW_MISMATCH));
}

static uint64_t of_one(uint64_t tokens, uint64_t choices)
{
	return choices ? tokens / choices + !!(tokens % choices) : tokens;
}

static void sample(const struct lg_exchange *x, struct lg_sample *s)
{
	const struct lg_row *row = &x->row;
	bool exact = row->usage_state == LG_USAGE_EXACT;

	*s = (struct lg_sample){.has_output = false};
	if (row->verdict == LG_VERDICT_CUT) {
		s->has_output = s->unfinished = true;
	} else if (exact && row->output_tokens != LG_ROW_ABSENT) {
		s->has_output = true;
		s->output_tokens = of_one(row->output_tokens, x->facts.n);
		s->unfinished = is_unfinished(x, s->output_tokens);
	}
	if (exact && is_plain(x) && row->input_tokens != LG_ROW_ABSENT) {
		s->prompt_bytes = x->facts.prompt_bytes;
		s->prompt_tokens = row->input_tokens;
	}
}

void lg_learn_settled(const struct lg_exchange *x, struct lg_region *r)
{
	struct lg_sample s;
	struct name n;

	if (!is_learned(x) || !is_answer(x))
		return;
	sample(x, &s);
	n = name_of(x);
	lg_stats_learn(r, lg_stats_id(n.provider, n.model), n.provider, n.model,
		       &s);
}
