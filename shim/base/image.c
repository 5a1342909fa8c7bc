#include "base/image.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/hash.h"
#include "base/money.h"

/* The bytes under test, and how many elements may still be looked at. */
struct probe {
	const char *p;
	size_t size;
	size_t left; /* spans may share elements, but not without end */
};

typedef bool check_fn(struct probe *pr, const void *element);

static bool text_ok(const struct probe *pr, struct lg_img_ref r)
{
	if (r.off == 0)
		return r.len == 0;
	if (r.off < sizeof(struct lg_image) || r.off >= pr->size ||
	    r.len >= pr->size - r.off)
		return false;
	return pr->p[(size_t)r.off + r.len] == '\0';
}

static bool each_ok(struct probe *pr, struct lg_img_span s, size_t element,
		    check_fn *check)
{
	const char *p = pr->p + s.off;

	if (s.n == 0)
		return s.off <= pr->size;
	if (s.off % 8 || s.off < sizeof(struct lg_image) || s.off >= pr->size ||
	    s.n > (pr->size - s.off) / element || s.n > pr->left)
		return false;
	pr->left -= s.n;
	for (uint32_t i = 0; check && i < s.n; i++)
		if (!check(pr, p + i * element))
			return false;
	return true;
}

static bool source_ok(struct probe *pr, const void *p)
{
	const struct lg_img_source *s = p;

	return text_ok(pr, s->path);
}

static bool term_ok(struct probe *pr, const void *p)
{
	const struct lg_img_term *t = p;

	return t->key < LG_SCOPE_KEYS && text_ok(pr, t->pattern);
}

static bool action_ok(struct probe *pr, const void *p)
{
	const struct lg_img_action *a = p;

	return a->kind <= LG_ACTION_STOP && text_ok(pr, a->arg) &&
	       text_ok(pr, a->only) && text_ok(pr, a->model) &&
	       text_ok(pr, a->ca);
}

static bool budget_ok(struct probe *pr, const void *p)
{
	const struct lg_img_budget *b = p;

	return text_ok(pr, b->name) && text_ok(pr, b->scope) &&
	       each_ok(pr, b->terms, sizeof(struct lg_img_term), term_ok) &&
	       each_ok(pr, b->on_soft, sizeof(struct lg_img_action),
		       action_ok) &&
	       each_ok(pr, b->on_hard, sizeof(struct lg_img_action),
		       action_ok) &&
	       b->limit_pusd >= 0 && b->limit_pusd <= LG_MONEY_LIMIT_MAX &&
	       b->raised_pusd >= 0 && b->raised_pusd <= b->limit_pusd &&
	       b->warns <= LG_WARN_MAX && b->period <= LG_PERIOD_TOTAL &&
	       b->mode <= LG_MODE_STRICT && b->source <= LG_SOURCE_ENV;
}

static bool host_ok(struct probe *pr, const void *p)
{
	const struct lg_img_host *h = p;

	return text_ok(pr, h->pattern) && text_ok(pr, h->dialect);
}

static bool rule_ok(struct probe *pr, const void *p)
{
	const struct lg_img_rule *r = p;

	return text_ok(pr, r->match) && text_ok(pr, r->host) &&
	       text_ok(pr, r->pricing_id) && text_ok(pr, r->price_version);
}

static bool plain_ok(struct probe *pr, const void *p)
{
	const struct lg_img_plain *e = p;

	return text_ok(pr, e->pattern) && e->bits <= 8 * sizeof(e->addr);
}

static bool program_ok(struct probe *pr, const void *p)
{
	const struct lg_img_program *e = p;

	return text_ok(pr, e->pattern);
}

static bool geo_ok(struct probe *pr, const void *p)
{
	const struct lg_img_geo *g = p;

	return text_ok(pr, g->where);
}

static bool fallback_ok(struct probe *pr, const void *p)
{
	const struct lg_img_fallback *f = p;

	return text_ok(pr, f->id) &&
	       each_ok(pr, f->geo, sizeof(struct lg_img_geo), geo_ok);
}

static bool part_ok(uint32_t first, uint32_t n, uint32_t all)
{
	return first <= all && n <= all - first;
}

static bool provider_ok(struct probe *pr, const void *p)
{
	const struct lg_img_provider *v = p;
	const struct lg_image *img = (const void *)pr->p;

	return text_ok(pr, v->id) &&
	       part_ok(v->price, v->nprices, img->prices.n) &&
	       part_ok(v->matcher, v->nmatchers, img->matchers.n) &&
	       each_ok(pr, v->fallbacks, sizeof(struct lg_img_fallback),
		       fallback_ok);
}

static bool name_ok(struct probe *pr, const void *p)
{
	const struct lg_img_name *n = p;

	return text_ok(pr, n->text);
}

static bool atom_ok(struct probe *pr, const void *p)
{
	const struct lg_img_atom *a = p;

	return a->op <= LG_MATCH_PATTERN && text_ok(pr, a->text);
}

static bool clause_ok(struct probe *pr, const void *p)
{
	const struct lg_img_clause *c = p;

	return each_ok(pr, c->atoms, sizeof(struct lg_img_atom), atom_ok);
}

static bool matcher_ok(struct probe *pr, const void *p)
{
	const struct lg_img_matcher *m = p;

	return each_ok(pr, m->atoms, sizeof(struct lg_img_atom), atom_ok);
}

static bool minute_ok(uint16_t m)
{
	return m < 24 * 60 || m == 0xffff;
}

static bool price_ok(struct probe *pr, const void *p)
{
	const struct lg_img_price *e = p;
	const struct lg_img_ref texts[] = {
		e->provider, e->model, e->pricing_id, e->price_version, e->tier,
		e->variant, e->notes, e->source, e->operator, };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!text_ok(pr, texts[i]))
			return false;
	return each_ok(pr, e->match, sizeof(struct lg_img_clause), clause_ok) &&
	       each_ok(pr, e->tiers, sizeof(struct lg_img_tier), NULL) &&
	       each_ok(pr, e->geo, sizeof(struct lg_img_geo), geo_ok) &&
	       minute_ok(e->tod_start_min) && minute_ok(e->tod_end_min);
}

static bool settings_ok(const struct probe *pr, const struct lg_img_settings *s)
{
	return text_ok(pr, s->timezone) && text_ok(pr, s->price_version) &&
	       text_ok(pr, s->default_tags) && s->week_start <= 6 &&
	       s->fail <= LG_FAIL_CLOSED &&
	       s->unknown_model <= LG_UNKNOWN_ALLOW &&
	       s->http2 <= LG_HTTP2_OFF &&
	       s->durability <= LG_DURABILITY_EACH &&
	       s->stream_usage <= LG_STREAM_USAGE_INJECT &&
	       s->tag_required <= LG_TAG_BLOCK && s->expensive_pusd >= 0;
}

static bool body_ok(struct probe *pr, const struct lg_image *img)
{
	const struct {
		struct lg_img_span span;
		size_t element;
		check_fn *check;
	} spans[] = {
		{img->sources, sizeof(struct lg_img_source), source_ok},
		{img->budgets, sizeof(struct lg_img_budget), budget_ok},
		{img->hosts, sizeof(struct lg_img_host), host_ok},
		{img->rules, sizeof(struct lg_img_rule), rule_ok},
		{img->plain, sizeof(struct lg_img_plain), plain_ok},
		{img->programs, sizeof(struct lg_img_program), program_ok},
		{img->providers, sizeof(struct lg_img_provider), provider_ok},
		{img->prices, sizeof(struct lg_img_price), price_ok},
		{img->names, sizeof(struct lg_img_name), name_ok},
		{img->matchers, sizeof(struct lg_img_matcher), matcher_ok},
	};

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		if (!each_ok(pr, spans[i].span, spans[i].element,
			     spans[i].check))
			return false;
	return settings_ok(pr, &img->settings) && text_ok(pr, img->config_path);
}

int lg_image_check(const void *p, size_t size)
{
	const struct lg_image *img = p;
	struct probe pr = {p, size, size};

	if (!p || (uintptr_t)p % 8 || size < sizeof(*img) ||
	    memcmp(img->magic, LG_IMAGE_MAGIC, sizeof(img->magic)))
		return -EPROTO;
	if (img->version != LG_IMAGE_VERSION ||
	    img->header_size != sizeof(*img))
		return -ENOTSUP;
	if (img->size != size ||
	    img->crc != lg_crc32c(0, (const char *)p + sizeof(*img),
				  size - sizeof(*img)))
		return -EPROTO;
	return body_ok(&pr, img) ? 0 : -EPROTO;
}
