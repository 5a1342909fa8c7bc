#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmds.h"
#include "guard/engine.h"
#include "price_find.h"
#include "price_view.h"
#include "tool.h"

enum { H_PROVIDER, H_TIER, H_PER, H_JSON };
static const struct opt history_opts[] = {
	[H_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME",
			"whose model it is; default: the first that has it"},
	[H_TIER] = {"tier", 't', OPT_TEXT, "NAME",
		    "only this service tier; standard: none"},
	[H_PER] = PRICE_UNIT_OPT,
	[H_JSON] = OPT_JSON,
	OPT_END,
};

#define ENTRIES_MAX 4096

struct item {
	const struct lg_image *img;
	const struct lg_img_price *e;
	unsigned image;
	bool in_force;
};

struct history {
	struct item *item; /* ENTRIES_MAX */
	unsigned n, images;
};

static bool is_tier(const struct call *c, const struct lg_image *img,
		    const struct lg_img_price *e)
{
	struct lg_slice tier = lg_img_text(img, e->tier);

	if (!tier.len)
		tier = LG_SLICE("standard");
	return !c->v[H_TIER].set ||
	       lg_slice_ieq(tier, lg_slice_str(c->v[H_TIER].text));
}

static void gather(struct history *h, const struct call *c, unsigned i,
		   const struct lg_image *img, const struct lg_price *found)
{
	const struct lg_img_price *e =
		LG_IMG_ARRAY(img, img->prices, struct lg_img_price);
	struct lg_slice provider =
		lg_img_text(found->img, found->entry->provider);
	struct lg_slice model = lg_img_text(found->img, found->entry->model);

	for (uint32_t k = 0; k < img->prices.n && h->n < ENTRIES_MAX; k++)
		if (lg_slice_eq(lg_img_text(img, e[k].provider), provider) &&
		    lg_slice_ieq(lg_img_text(img, e[k].model), model) &&
		    is_tier(c, img, &e[k]))
			h->item[h->n++] = (struct item){img, &e[k], i, false};
}

/* The one that a call of now would be charged at. */
static void mark(struct history *h, const struct lg_catalog *cat)
{
	struct lg_price p;

	for (unsigned i = 0; i < h->n; i++) {
		const struct lg_img_price *e = h->item[i].e;
		struct price_find q = {
			.provider = lg_img_text(h->item[i].img, e->provider),
			.model = lg_img_text(h->item[i].img, e->model),
			.tier = lg_img_text(h->item[i].img, e->tier),
			.variant = lg_img_text(h->item[i].img, e->variant),
		};

		h->item[i].in_force = price_find(cat, &q, &p) && p.entry == e;
	}
}

/* Oldest first; of those from the same instant the shipped ones first. */
static int by_time(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->e->effective_at_ms != y->e->effective_at_ms)
		return x->e->effective_at_ms > y->e->effective_at_ms ? 1 : -1;
	if (x->image != y->image)
		return x->image < y->image ? 1 : -1;
	return (x->e > y->e) - (x->e < y->e);
}

static const char *when(struct lg_engine *e, int64_t ms, const char *none)
{
	return ms == INT64_MIN || ms == INT64_MAX ? none : tool_time(e, ms);
}

static void put_row(struct table *t, struct lg_engine *e, const struct item *it,
		    const struct price_unit *u)
{
	static const enum lg_bucket columns[] = {
		LG_BUCKET_INPUT, LG_BUCKET_CACHE_READ, LG_BUCKET_OUTPUT};
	const struct lg_img_price *p = it->e;
	char text[PRICE_RATE_TEXT], hours[16];

	table_cell(t, it->in_force ? "*" : " ");
	table_cell(t, when(e, p->effective_at_ms, "always"));
	table_cell(t, when(e, p->expires_at_ms, ""));
	table_cell(t, price_hours(p, hours));
	price_cell(t, lg_img_text(it->img, p->tier.len ? p->tier : p->variant));
	for (unsigned i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		table_cell(t, price_rate_text(columns[i], p->rate[columns[i]],
					      u, text));
	price_cell(t, lg_img_text(it->img, p->price_version));
	price_cell(t, lg_img_text(it->img, p->source));
	price_cell(t, lg_img_text(it->img, p->operator));
	table_cell(t, when(e, p->added_at_ms, ""));
}

static int print(struct call *c, struct lg_engine *e, const struct history *h)
{
	const struct price_unit *u = price_unit(c->v[H_PER].text);
	const struct lg_img_price *p;
	struct lg_buf out;
	struct table t;
	struct json j;
	char head[200];
	int ret;

	json_init(&j);
	lg_buf_init(&out, (size_t)1 << 28);
	snprintf(head, sizeof(head),
		 " \tFROM\tTO\tHOURS\tTIER\tINPUT/%s\rCACHED/%s\rOUTPUT/%s\r"
		 "VERSION\tSOURCE\tOPERATOR\tENTERED",
		 u->name, u->name, u->name);
	table_init(&t, head);
	for (unsigned i = 0; i < h->n; i++) {
		p = h->item[i].e;
		json_open(&j, NULL, '{');
		json_bool(&j, "in_force", h->item[i].in_force);
		json_text(&j, "catalog",
			  h->item[i].image + 1 < h->images ? "user"
							   : "shipped");
		price_entry_json(&j, h->item[i].img, p);
		price_rates_json(&j, p->rate, u);
		price_steps_json(&j,
				 LG_IMG_ARRAY(h->item[i].img, p->tiers,
					      struct lg_img_tier),
				 p->tiers.n, u);
		json_close(&j, '}');
		json_line(&j);
		put_row(&t, e, &h->item[i], u);
	}
	table_print(&t, &out);
	ret = tool_print(c->v[H_JSON].set ? &j.b : &out);
	lg_buf_fini(&j.b);
	lg_buf_fini(&out);
	return ret;
}

static int run_history(struct call *c, struct lg_engine *e)
{
	struct price_find q = {
		.provider = lg_slice_str(c->v[H_PROVIDER].text),
		.model = lg_slice_str(c->argv[0]),
	};
	const struct lg_catalog *cat = lg_engine_catalog(e);
	struct history h = {0};
	struct lg_price p;
	int ret;

	if (!price_find(cat, &q, &p) || !p.entry)
		return tool_fail("%s: no price is known", c->argv[0]);
	h.item = calloc(ENTRIES_MAX, sizeof(*h.item));
	if (!h.item)
		return tool_fail("not enough memory");
	h.images = cat->n;
	for (unsigned i = 0; i < cat->n; i++)
		gather(&h, c, i, cat->img[i], &p);
	mark(&h, cat);
	qsort(h.item, h.n, sizeof(*h.item), by_time);
	ret = print(c, e, &h);
	free(h.item);
	return ret;
}

static int history(struct call *c)
{
	struct lg_engine *e;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	ret = run_history(c, e);
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_pricing_history = {
	.name = "pricing history",
	.args = "MODEL",
	.summary = "all prices that a model had, has and will have",
	.about = "With effective dates, version, source and who entered them; "
		 "* marks what holds now.",
	.opts = history_opts,
	.min_args = 1,
	.max_args = 1,
	.run = history,
};
