#include <errno.h>
#include <string.h>

#include "catalog_genai.h"
#include "decimal.h"

#define STEPS_MAX 16u

/* genai-prices' units.yml against our buckets (docs/pricing.md). */
const struct catalog_key catalog_genai_keys[] = {
	{"input_mtok", "input_per_1m"},
	{"cache_read_mtok", "cached_input_per_1m"},
	{"cache_write_mtok", "cache_write_5m_per_1m"},
	{"cache_write_1h_mtok", "cache_write_1h_per_1m"},
	{"output_mtok", "output_per_1m"},
	{"output_reasoning_mtok", "reasoning_per_1m"},
	{"input_audio_mtok", "audio_input_per_1m"},
	{"cache_audio_read_mtok", "audio_cached_input_per_1m"},
	{"output_audio_mtok", "audio_output_per_1m"},
	{"input_image_mtok", "image_input_per_1m"},
	{"cache_image_read_mtok", "image_cached_input_per_1m"},
	{"output_image_mtok", "image_output_per_1m"},
	{"input_video_mtok", "video_input_per_1m"},
	{"output_video_mtok", "video_output_per_1m"},
	{"output_citation_mtok", "citation_per_1m"},
	{"requests_kcount", "request_per_1k"},
	{"web_searches_kcount", "web_search_per_1k"},
};
const unsigned catalog_genai_nkeys =
	sizeof(catalog_genai_keys) / sizeof(catalog_genai_keys[0]);

static int take_usd(struct genai_in *g, const struct doc *v, struct doc **out)
{
	char text[DECIMAL_TEXT];

	if (v->kind != DOC_NUMBER || decimal_is_negative(v->text))
		return genai_bad(g, v,
				 "must be a number of US dollars, 0 or more");
	if (decimal_shift(v->text, 0, text) ||
	    decimal_cmp(v->text, LG_SLICE("1000000")) > 0)
		return genai_bad(g, v, "allowed: 0 to 1000000 US dollars");
	*out = doc_new(g->f->a, DOC_NUMBER, text);
	return 0;
}

int genai_take_count(struct genai_in *g, const struct doc *v, struct doc **out)
{
	char text[DECIMAL_TEXT];

	if (v->kind != DOC_NUMBER || decimal_shift(v->text, 0, text) ||
	    strpbrk(text, ".-") || strlen(text) > 9)
		return genai_bad(g, v,
				 "must be a whole number, 0 to 999999999");
	*out = doc_new(g->f->a, DOC_NUMBER, text);
	return 0;
}

static const char *our_key(const struct doc *v)
{
	for (unsigned i = 0; i < catalog_genai_nkeys; i++)
		if (lg_slice_eq(v->key,
				lg_slice_str(catalog_genai_keys[i].genai)))
			return catalog_genai_keys[i].ours;
	return NULL;
}

static int bad_key(struct genai_in *g, const struct doc *v)
{
	char text[512];
	struct lg_buf b;

	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	lg_buf_puts(&b, "no such price here; allowed:");
	for (unsigned i = 0; i < catalog_genai_nkeys; i++) {
		lg_buf_putc(&b, ' ');
		lg_buf_puts(&b, catalog_genai_keys[i].genai);
	}
	text[b.len] = 0;
	return genai_bad(g, v, text);
}

/* Long-context steps of all rates of an entry, by their starts. */
struct steps {
	struct doc *start[STEPS_MAX], *map[STEPS_MAX];
	unsigned n;
};

static struct doc *step_at(struct genai_in *g, struct steps *s,
			   struct doc *start)
{
	struct doc_arena *a = g->f->a;
	unsigned i;

	for (i = 0; i < s->n; i++)
		if (decimal_cmp(s->start[i]->text, start->text) >= 0)
			break;
	if (i < s->n && !decimal_cmp(s->start[i]->text, start->text))
		return s->map[i];
	if (s->n == STEPS_MAX)
		return NULL;
	memmove(&s->start[i + 1], &s->start[i],
		(s->n - i) * sizeof(s->start[0]));
	memmove(&s->map[i + 1], &s->map[i], (s->n - i) * sizeof(s->map[0]));
	s->n++;
	s->start[i] = start;
	s->map[i] = doc_new(a, DOC_MAP, NULL);
	doc_add(a, s->map[i], "above_tokens", start);
	return s->map[i];
}

static int take_tier(struct genai_in *g, const struct doc *t, const char *key,
		     struct steps *s, struct doc **last)
{
	static const char *const keys[] = {"start", "price", NULL};
	const struct doc *start = doc_get(t, "start"),
			 *price = doc_get(t, "price");
	struct doc *at, *usd, *map;
	int err;

	if (!start || !price)
		return genai_bad(g, t, "a tier needs start and price");
	err = genai_only(g, t, keys, "allowed in a tier: start price");
	if (!err)
		err = genai_take_count(g, start, &at);
	if (!err)
		err = take_usd(g, price, &usd);
	if (err)
		return err;
	if (*last && decimal_cmp(at->text, (*last)->text) <= 0)
		return genai_bad(g, start,
				 "starts must rise from tier to tier");
	*last = at;
	map = step_at(g, s, at);
	if (!map)
		return genai_bad(g, start, "more than 16 tiers");
	doc_add(g->f->a, map, key, usd);
	return 0;
}

static int take_rate(struct genai_in *g, const struct doc *v, struct doc *entry,
		     struct steps *s)
{
	static const char *const keys[] = {"base", "tiers", NULL};
	const char *key = our_key(v);
	const struct doc *base = v, *tiers = NULL, *t;
	struct doc *usd, *last = NULL;
	int err = 0;

	if (!key)
		return bad_key(g, v);
	if (v->kind == DOC_MAP) {
		base = doc_get(v, "base");
		tiers = doc_get(v, "tiers");
		if (!base || !tiers)
			return genai_bad(g, v, "needs base and tiers");
		if (tiers->kind != DOC_LIST)
			return genai_bad(g, tiers, "must be a list");
		err = genai_only(g, v, keys, "allowed: base tiers");
	}
	if (!err)
		err = take_usd(g, base, &usd);
	if (!err)
		doc_add(g->f->a, entry, key, usd);
	for (t = tiers ? tiers->child : NULL; t && !err; t = t->next)
		err = take_tier(g, t, key, s, &last);
	return err;
}

/*
 * A step names what it changes from the base; a rate that has a lower step and
 * none here keeps that one.
 */
static void carry(struct genai_in *g, struct steps *s)
{
	const struct doc *v;

	for (unsigned i = 1; i < s->n; i++)
		for (v = s->map[i - 1]->child; v; v = v->next)
			if (!doc_get(s->map[i], v->key.p))
				doc_add(g->f->a, s->map[i], v->key.p,
					doc_new_slice(g->f->a, DOC_NUMBER,
						      v->text));
}

int genai_take_prices(struct genai_in *g, const struct doc *map,
		      struct doc *entry)
{
	struct doc_arena *a = g->f->a;
	struct steps s = {.n = 0};
	const struct doc *v;
	struct doc *list;
	int err = 0;

	if (map->kind != DOC_MAP)
		return genai_bad(g, map, "must be a map of prices");
	for (v = map->child; v && !err; v = v->next)
		err = take_rate(g, v, entry, &s);
	if (err)
		return err;
	/* The list says no price, which is another thing than a price of 0. */
	if (!map->n)
		doc_add(a, entry, "unpriced", doc_new(a, DOC_BOOL, "true"));
	if (!s.n)
		return 0;
	carry(g, &s);
	list = doc_new(a, DOC_LIST, NULL);
	for (unsigned i = 0; i < s.n; i++)
		doc_add(a, list, NULL, s.map[i]);
	doc_add(a, entry, "tiers", list);
	return 0;
}

/* -- when a price holds -------------------------------------------------- */

static bool two(const char *p, unsigned max, unsigned *out)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*out = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
	return *out <= max;
}

static bool is_date(struct lg_slice s)
{
	static const unsigned days[] = {31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31};
	unsigned c, y, m, d;

	if (s.len != 10 || s.p[4] != '-' || s.p[7] != '-' ||
	    !two(s.p, 99, &c) || !two(s.p + 2, 99, &y) ||
	    !two(s.p + 5, 12, &m) || !two(s.p + 8, 31, &d) || !m || !d)
		return false;
	y += c * 100;
	return d <= days[m - 1] +
			    (m == 2 && y % 4 == 0 && (y % 100 || y % 400 == 0));
}

/* "00:30:00Z" to "00:30" */
static int take_minute(struct genai_in *g, const struct doc *v, struct doc *tod,
		       const char *key)
{
	struct lg_slice s = doc_text(v), rest;
	unsigned h, m;

	rest = (struct lg_slice){s.p + 5, s.len < 5 ? 0 : s.len - 5};
	if (v->kind != DOC_STRING || s.len < 5 || s.p[2] != ':' ||
	    !two(s.p, 23, &h) || !two(s.p + 3, 59, &m) ||
	    !(lg_slice_eq(rest, LG_SLICE(":00Z")) ||
	      lg_slice_eq(rest, LG_SLICE(":00+00:00"))))
		return genai_bad(g, v,
				 "allowed: HH:MM:00Z, a whole minute in UTC");
	doc_add(g->f->a, tod, key,
		doc_new_slice(g->f->a, DOC_STRING, (struct lg_slice){s.p, 5}));
	return 0;
}

static int take_hours(struct genai_in *g, const struct doc *c,
		      struct doc *entry)
{
	const struct doc *from = doc_get(c, "start_time"),
			 *to = doc_get(c, "end_time");
	struct doc *tod = doc_new(g->f->a, DOC_MAP, NULL);
	int err;

	if (!from || !to || c->n != 2)
		return genai_bad(
			g, c,
			"allowed: start_date, or start_time and end_time");
	err = take_minute(g, from, tod, "from");
	if (!err)
		err = take_minute(g, to, tod, "to");
	doc_add(g->f->a, entry, "time_of_day", tod);
	return err;
}

/*
 * In the list the last price whose constraint holds wins. Here the one with
 * the latest effective_at does, then hours before the whole day: the same
 * where hours come first and dates rise.
 */
int genai_take_constraint(struct genai_in *g, const struct doc *c,
			  const struct doc **date, struct doc *entry)
{
	const struct doc *v;

	if (c->kind != DOC_MAP)
		return genai_bad(g, c, "must be a map");
	v = doc_get(c, "start_date");
	if (!v && *date)
		return genai_bad(g, c, "hours must come before dates");
	if (!v)
		return take_hours(g, c, entry);
	if (c->n != 1)
		return genai_bad(
			g, c,
			"allowed: start_date, or start_time and end_time");
	if (v->kind != DOC_STRING || !is_date(v->text))
		return genai_bad(g, v, "must be a date, YYYY-MM-DD");
	if (*date && memcmp(v->text.p, (*date)->text.p, 10) <= 0)
		return genai_bad(g, v, "dates must rise from price to price");
	*date = v;
	doc_add(g->f->a, entry, "effective_at",
		doc_new_slice(g->f->a, DOC_STRING, v->text));
	return 0;
}
