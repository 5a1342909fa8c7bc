#include "estimate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "explain_request.h"
#include "guard/engine.h"
#include "guard/exchange.h"
#include "guard/learn.h"
#include "guard/tariff.h"
#include "price_find.h"
#include "prompt_body.h"
#include "tokens.h"

const char *const estimate_by_names[ESTIMATE_BY] = {
	"given", "exact", "nearly exact", "learned", "declared", "assumed",
};

/* One request while it is worked on. */
struct one {
	struct lg_exchange *x;
	const struct doc *body;
	struct lg_estimate est;
	struct lg_stats_view seen; /* zero: nothing */
	struct tokens tokens;
	struct estimate_sum sum;
};

static uint64_t add_u64(uint64_t a, uint64_t b)
{
	uint64_t out;

	return __builtin_add_overflow(a, b, &out) ? UINT64_MAX : out;
}

static uint64_t mul_u64(uint64_t a, uint64_t b)
{
	uint64_t out;

	return __builtin_mul_overflow(a, b, &out) ? UINT64_MAX : out;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void estimate_init(struct estimate *s, struct lg_engine *e)
{
	memset(s, 0, sizeof(*s));
	s->e = e;
	s->w = lg_engine_pin(e);
	s->total.bounded = s->total.ranged = true;
}

void estimate_fini(struct estimate *s)
{
	tokenizer_fini(&s->tokens);
	lg_engine_unpin(s->e, s->w);
}

/* -- counts ---------------------------------------------------------------- */

/* Text of prompts at another ratio; the rest of the estimate stays. */
static uint64_t by_ratio(const struct one *o, uint32_t ratio)
{
	return ratio ? lg_facts_input_by_ratio(&o->x->facts, ratio)
		     : o->est.input_tokens;
}

/* As the engine does it, without its 15 % where the median is known. */
static uint64_t without_margin(uint64_t n)
{
	return n / 115 * 100 + n % 115 * 100 / 115;
}

static int count_input(struct estimate *s, struct one *o)
{
	struct estimate_sum *m = &o->sum;
	int ret = 0;

	if (o->body && o->x->d)
		ret = tokens_of_request(&s->tokens, o->x->d->name,
					lg_slice_str(lg_tariff_name(o->x)),
					o->body, &o->tokens);
	if (ret < 0) {
		snprintf(s->why, sizeof(s->why), "%s", s->tokens.why);
		return -EINVAL;
	}
	if (ret) {
		m->input = m->input_low = m->input_high = o->tokens.n;
		m->in_by = o->tokens.exact ? ESTIMATE_EXACT : ESTIMATE_NEARLY;
	} else if (o->seen.learned.ratio) {
		m->input = without_margin(by_ratio(o, o->seen.learned.ratio));
		m->input_low = without_margin(by_ratio(o, o->seen.ratio_high));
		m->input_high = without_margin(by_ratio(o, o->seen.ratio_low));
		m->in_by = ESTIMATE_LEARNED;
	} else {
		m->input = m->input_low = m->input_high = o->est.input_tokens;
		m->in_by = ESTIMATE_ASSUMED;
		m->ranged = false;
	}
	return 0;
}

/* What answers of this model had on average, else what it may have. */
static void count_output(const struct estimate *s, struct one *o)
{
	const struct lg_facts *f = &o->x->facts;
	struct estimate_sum *m = &o->sum;
	uint64_t n = 0;

	m->output = o->est.output_tokens;
	m->worst_output = o->est.worst_output;
	m->out_by = f->has_max ? ESTIMATE_DECLARED : ESTIMATE_ASSUMED;
	if (!m->output || o->x->d->expect) {
		m->out_by = ESTIMATE_EXACT;
		return;
	}
	if (s->o.has_output) {
		n = s->o.output_tokens;
		m->out_by = ESTIMATE_GIVEN;
	} else if (o->seen.output_mean) {
		n = o->seen.output_mean;
		m->out_by = ESTIMATE_LEARNED;
	} else {
		return;
	}
	if (f->has_max && f->max_output_tokens)
		n = min_u64(n, f->max_output_tokens);
	if (o->x->price.max_output_tokens)
		n = min_u64(n, o->x->price.max_output_tokens);
	m->output = mul_u64(n, mul_u64(f->n, f->requests ? f->requests : 1));
}

static int64_t cost_of(const struct one *o, uint64_t input, uint64_t output)
{
	struct lg_usage u = {.n = {0}};
	struct lg_cost cost;

	if (lg_tariff_is_waived(o->x, &o->x->price) || o->x->facts.unsized)
		return 0;
	lg_usage_set(&u, LG_BUCKET_INPUT, input);
	lg_usage_set(&u, LG_BUCKET_OUTPUT, output);
	lg_price_cost(&o->x->price, &u, &cost);
	return cost.total_pusd;
}

static void cost(struct one *o)
{
	struct estimate_sum *m = &o->sum;
	int64_t worst;

	m->bounded = o->est.bounded;
	m->worst_pusd = o->est.worst_pusd;
	if (o->x->d->expect) {
		m->expected_pusd = o->est.expected_pusd;
		m->low_pusd = m->high_pusd = m->expected_pusd;
		return;
	}
	m->expected_pusd = cost_of(o, m->input, m->output);
	m->low_pusd = cost_of(o, m->input_low, m->output);
	m->high_pusd = cost_of(o, m->input_high, m->output);
	if (m->in_by == ESTIMATE_EXACT && m->bounded) {
		worst = lg_price_worst(&o->x->price, m->input, m->worst_output);
		if (worst < m->worst_pusd)
			m->worst_pusd = worst;
	}
	if (m->worst_pusd < m->expected_pusd)
		m->worst_pusd = m->expected_pusd;
}

static int figure(struct estimate *s, struct one *o)
{
	struct estimate_sum *m = &o->sum;
	int err;

	*m = (struct estimate_sum){.requests = 1, .ranged = true};
	if (o->x->route.kind != LG_ROUTE_PAID) {
		m->unread = o->x->route.kind == LG_ROUTE_NONE ||
			    o->x->route.kind == LG_ROUTE_UNKNOWN;
		m->free = !m->unread;
		m->bounded = !m->unread;
		return 0;
	}
	lg_tariff_requested(o->x);
	lg_tariff_estimate(o->x, &o->est);
	if (!lg_learn_look(o->x, &o->seen))
		memset(&o->seen, 0, sizeof(o->seen));
	m->unknown = !lg_tariff_is_known(&o->x->price);
	err = count_input(s, o);
	if (err)
		return err;
	count_output(s, o);
	cost(o);
	return 0;
}

/* -- sums ------------------------------------------------------------------ */

static void add(struct estimate_sum *to, const struct estimate_sum *m)
{
	to->requests += m->requests;
	to->free += m->free;
	to->unknown += m->unknown;
	to->unread += m->unread;
	to->input = add_u64(to->input, m->input);
	to->input_low = add_u64(to->input_low, m->input_low);
	to->input_high = add_u64(to->input_high, m->input_high);
	to->output = add_u64(to->output, m->output);
	to->worst_output = add_u64(to->worst_output, m->worst_output);
	to->expected_pusd = lg_money_add(to->expected_pusd, m->expected_pusd);
	to->worst_pusd = lg_money_add(to->worst_pusd, m->worst_pusd);
	to->low_pusd = lg_money_add(to->low_pusd, m->low_pusd);
	to->high_pusd = lg_money_add(to->high_pusd, m->high_pusd);
	to->bounded &= m->bounded;
	to->ranged &= m->ranged;
	if (m->in_by > to->in_by)
		to->in_by = m->in_by;
	if (m->out_by > to->out_by)
		to->out_by = m->out_by;
}

static void note(const struct one *o, struct estimate_note *n)
{
	const struct lg_price *p = &o->x->price;
	const struct lg_stats_view *v = &o->seen;

	snprintf(n->url, sizeof(n->url), "https://%s%s", o->x->row.host,
		 o->x->row.endpoint);
	snprintf(n->price, sizeof(n->price), "%s%s%s",
		 p->entry ? lg_img_text(p->img, p->entry->pricing_id).p
			  : lg_price_how_name(p->how),
		 p->entry && p->entry->price_version.len ? ", version " : "",
		 p->entry ? lg_img_text(p->img, p->entry->price_version).p
			  : "");
	n->price_estimate = p->estimate || p->tier_missing;
	n->encoding = o->tokens.encoding;
	n->tokens = o->tokens.note;
	n->ratio = v->learned.ratio;
	n->ratio_low = v->ratio_low;
	n->ratio_high = v->ratio_high;
	n->prompts = v->ratios;
	n->answers = v->outputs;
	n->mean = v->output_mean;
	n->p99 = v->learned.output_p99;
}

static void add_model(struct estimate *s, const struct one *o)
{
	const struct lg_exchange *x = o->x;
	struct estimate_model *m;
	char name[200];
	unsigned i;

	snprintf(name, sizeof(name), "%s/%s%s%s%s", x->row.provider,
		 lg_tariff_name(x), x->facts.tier[0] ? " (" : "", x->facts.tier,
		 x->facts.tier[0] ? ")" : "");
	for (i = 0; i < s->nmodels; i++)
		if (!strcmp(s->model[i].name, name))
			break;
	if (i == ESTIMATE_MODELS_MAX)
		strcpy(s->model[--i].name, "(others)");
	m = &s->model[i];
	if (i == s->nmodels) {
		s->nmodels++;
		strcpy(m->name, name);
		m->sum.bounded = m->sum.ranged = true;
		note(o, &m->note);
	}
	add(&m->sum, &o->sum);
}

/* -- the same of another model --------------------------------------------- */

/* A body that says no more than whose it is: the prompt comes from facts. */
static struct lg_exchange *other_exchange(struct estimate *s,
					  struct doc_arena *a, const char *name)
{
	const char *slash = strchr(name, '/');
	struct price_find q = {.model = lg_slice_str(name)};
	struct explain_request r = {.file = name, .memo = &s->other_memo};
	struct prompt_body p = {.model = lg_slice_str(name)};
	struct lg_exchange *x;
	struct lg_price price;
	char provider[64];

	if (slash && (size_t)(slash - name) < sizeof(provider)) {
		q.provider = (struct lg_slice){name, (size_t)(slash - name)};
		q.model = lg_slice_str(slash + 1);
		if (!price_find(lg_engine_catalog(s->e), &q, &price))
			q = (struct price_find){.model = lg_slice_str(name)};
	}
	if (!price_find(lg_engine_catalog(s->e), &q, &price) || !price.entry) {
		snprintf(s->why, sizeof(s->why),
			 "%s: no price is known for it (llmguard pricing set)",
			 name);
		return NULL;
	}
	lg_slice_copy(lg_img_text(price.img, price.entry->provider), provider,
		      sizeof(provider));
	p.model = q.model;
	r.provider = provider;
	x = explain_request_text(s->e, a, &r, prompt_body(a, provider, &p));
	if (!x)
		snprintf(s->why, sizeof(s->why), "%s", r.err.text);
	return x;
}

static void take_facts(struct lg_exchange *x, const struct lg_exchange *from)
{
	struct lg_facts *f = &x->facts;
	const struct lg_facts *g = &from->facts;

	f->prompt_bytes = g->prompt_bytes;
	f->body_bytes = g->body_bytes;
	f->upload_bytes = g->upload_bytes;
	f->file_bytes = g->file_bytes;
	f->characters = g->characters;
	f->max_output_tokens = g->max_output_tokens;
	f->has_max = g->has_max;
	f->n = g->n;
	f->images = g->images;
	f->images_low = g->images_low;
	f->audios = g->audios;
	f->tools = g->tools;
	f->remote_refs = g->remote_refs;
	f->requests = g->requests;
	x->whole = from->whole;
	memcpy(f->tier, g->tier, sizeof(f->tier));
}

static int compare(struct estimate *s, const struct one *o, unsigned i,
		   struct doc_arena *a)
{
	struct estimate_model *m = &s->other[i];
	struct one c = {.body = o->body};
	int err;

	c.x = other_exchange(s, a, s->compare[i]);
	if (!c.x)
		return -EINVAL;
	take_facts(c.x, o->x);
	err = figure(s, &c);
	if (!err && !m->sum.requests) {
		snprintf(m->name, sizeof(m->name), "%s/%s", c.x->row.provider,
			 lg_tariff_name(c.x));
		m->sum.bounded = m->sum.ranged = true;
		note(&c, &m->note);
	}
	if (!err)
		add(&m->sum, &c.sum);
	lg_exchange_del(c.x);
	return err;
}

/* -- one request ----------------------------------------------------------- */

static int take(struct estimate *s, struct one *o, struct doc_arena *a)
{
	int err = figure(s, o);

	if (err)
		return err;
	add(&s->total, &o->sum);
	if (o->sum.unread && !s->unread[0])
		snprintf(s->unread, sizeof(s->unread), "https://%s%s",
			 o->x->row.host, o->x->row.endpoint);
	if (o->x->route.kind != LG_ROUTE_PAID)
		return 0;
	add_model(s, o);
	s->untagged +=
		s->w->set.tag_required == LG_TAG_BLOCK && !o->x->row.tags[0];
	s->expensive += s->w->set.expensive_pusd &&
			o->est.expected_pusd > s->w->set.expensive_pusd;
	estimate_charge(s, o->x, &o->sum, o->est.expected_pusd,
			o->est.bounded ? o->est.worst_pusd : INT64_MAX);
	for (unsigned i = 0; i < s->ncompare && !err; i++)
		err = compare(s, o, i, a);
	return err;
}

int estimate_add(struct estimate *s, const struct estimate_request *r)
{
	const char *tier = s->o.tier ? s->o.tier : r->tier;
	struct explain_request q = {
		.file = r->name,
		.url = s->o.url ? s->o.url : r->url,
		.memo = &s->memo,
	};
	struct one o = {.x = NULL};
	int err;

	q.provider = s->o.provider;
	o.x = explain_request_text(s->e, r->a, &q, r->text);
	if (!o.x) {
		snprintf(s->why, sizeof(s->why), "%s", q.err.text);
		return -EINVAL;
	}
	o.body = q.body;
	if (s->o.has_max && !o.x->facts.has_max) {
		o.x->facts.max_output_tokens = s->o.max_tokens;
		o.x->facts.has_max = true;
	}
	s->bytes += r->text.len;
	if (tier) {
		lg_slice_copy(lg_slice_str(tier), o.x->facts.tier,
			      sizeof(o.x->facts.tier));
		lg_slice_copy(lg_slice_str(tier), o.x->row.tier,
			      sizeof(o.x->row.tier));
	}
	err = take(s, &o, r->a);
	lg_exchange_del(o.x);
	return err;
}
