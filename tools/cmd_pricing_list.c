#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmds.h"
#include "guard/engine.h"
#include "price_view.h"
#include "tool.h"

enum { L_PROVIDER, L_MATCH, L_TIER, L_SOURCE, L_PER, L_ALL, L_JSON };
static const struct opt list_opts[] = {
	[L_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME", "only this one"},
	[L_MATCH] = {"match", 'm', OPT_TEXT, "GLOB", "only these models"},
	[L_TIER] = {"tier", 't', OPT_TEXT, "NAME",
		    "only this service tier; standard: none"},
	[L_SOURCE] = {"source", 0, OPT_TEXT, "GLOB",
		      "only of this source: manual, api"},
	[L_PER] = PRICE_UNIT_OPT,
	[L_ALL] = {"all", 'a', OPT_FLAG, NULL,
		   "also service tiers whose price is an estimate, and prices "
		   "that are not in force now"},
	[L_JSON] = OPT_JSON,
	OPT_END,
};

struct list {
	const struct call *c;
	const struct price_unit *unit;
	struct json j;
	struct table t;
	int64_t now_ms;
	unsigned shown, minor, past;
};

static bool fits(struct lg_slice s, const struct opt_value *v)
{
	return !v->set || lg_slice_glob(s, lg_slice_str(v->text));
}

static bool is_wanted(const struct list *l, const struct lg_image *img,
		      const struct lg_img_price *p)
{
	const struct opt_value *v = l->c->v;
	struct lg_slice tier = lg_img_text(img, p->tier);

	if (!tier.len)
		tier = LG_SLICE("standard");
	return (!v[L_PROVIDER].set ||
		lg_slice_ieq(lg_img_text(img, p->provider),
			     lg_slice_str(v[L_PROVIDER].text))) &&
	       (fits(lg_img_text(img, p->model), &v[L_MATCH]) ||
		fits(lg_img_text(img, p->pricing_id), &v[L_MATCH])) &&
	       fits(tier, &v[L_TIER]) &&
	       fits(lg_img_text(img, p->source), &v[L_SOURCE]);
}

/* A later one of the same model, tier and hours holds already. */
static bool is_past(const struct lg_img_price *group, uint32_t n,
		    const struct lg_img_price *p, int64_t now_ms)
{
	const struct lg_img_price *e;

	if (p->effective_at_ms > now_ms || p->expires_at_ms <= now_ms)
		return true;
	for (e = group; e < group + n; e++)
		if (e != p && e->tier.off == p->tier.off &&
		    e->variant.off == p->variant.off &&
		    e->tod_start_min == p->tod_start_min &&
		    e->effective_at_ms <= now_ms && e->expires_at_ms > now_ms &&
		    (e->effective_at_ms > p->effective_at_ms ||
		     (e->effective_at_ms == p->effective_at_ms && e > p)))
			return true;
	return false;
}

static void put(struct list *l, const struct lg_image *img,
		const struct lg_img_price *p)
{
	static const enum lg_bucket columns[] = {
		LG_BUCKET_INPUT, LG_BUCKET_CACHE_READ, LG_BUCKET_CACHE_WRITE_5M,
		LG_BUCKET_OUTPUT};
	char text[PRICE_RATE_TEXT], hours[16];

	json_open(&l->j, NULL, '{');
	price_entry_json(&l->j, img, p);
	price_rates_json(&l->j, p->rate, l->unit);
	price_steps_json(&l->j, LG_IMG_ARRAY(img, p->tiers, struct lg_img_tier),
			 p->tiers.n, l->unit);
	json_close(&l->j, '}');
	json_line(&l->j);
	price_cell(&l->t, lg_img_text(img, p->provider));
	price_cell(&l->t, lg_img_text(img, p->model));
	price_cell(&l->t, lg_img_text(img, p->tier.len ? p->tier : p->variant));
	for (unsigned i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		table_cell(&l->t,
			   price_rate_text(columns[i], p->rate[columns[i]],
					   l->unit, text));
	price_cell(&l->t, lg_img_text(img, p->price_version));
	table_cell(&l->t, p->unpriced		   ? "no price"
			  : p->estimate		   ? "estimate"
			  : *price_hours(p, hours) ? hours
						   : "");
	l->shown++;
}

static void list_group(struct list *l, const struct lg_image *img,
		       const struct lg_img_price *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!is_wanted(l, img, &p[i]))
			continue;
		if (!l->c->v[L_ALL].set && p[i].estimate && p[i].tier.len)
			l->minor++;
		else if (!l->c->v[L_ALL].set && is_past(p, n, &p[i], l->now_ms))
			l->past++;
		else
			put(l, img, &p[i]);
	}
}

static void list_image(struct list *l, const struct lg_image *img)
{
	const struct lg_img_price *p =
		LG_IMG_ARRAY(img, img->prices, struct lg_img_price);
	uint32_t n;

	for (uint32_t i = 0; i < img->prices.n; i += n) {
		n = p[i].group ? p[i].group : 1;
		if (n > img->prices.n - i)
			n = img->prices.n - i;
		list_group(l, img, p + i, n);
	}
}

static void put_left(const struct list *l, struct lg_buf *out)
{
	if (!l->minor && !l->past)
		return;
	lg_buf_puts(out, "(");
	if (l->minor) {
		lg_buf_put_u64(out, l->minor);
		lg_buf_puts(out, " estimated prices of service tiers");
	}
	lg_buf_puts(out, l->minor && l->past ? ", " : "");
	if (l->past) {
		lg_buf_put_u64(out, l->past);
		lg_buf_puts(out, " that are not in force now");
	}
	lg_buf_puts(out, ": --all)\n");
}

static int list(struct call *c)
{
	struct list l = {.c = c, .now_ms = lg_clock_real_ms()};
	const struct lg_catalog *cat;
	struct lg_engine *e;
	struct lg_buf out;
	char head[160];
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	l.unit = price_unit(c->v[L_PER].text);
	json_init(&l.j);
	lg_buf_init(&out, (size_t)1 << 28);
	snprintf(head, sizeof(head),
		 "PROVIDER\tMODEL\tTIER\tINPUT/%s\rCACHED/%s\rWRITE/%s\r"
		 "OUTPUT/%s\rVERSION\tNOTE",
		 l.unit->name, l.unit->name, l.unit->name, l.unit->name);
	table_init(&l.t, head);
	cat = lg_engine_catalog(e);
	for (unsigned i = 0; cat && i < cat->n; i++)
		list_image(&l, cat->img[i]);
	table_print(&l.t, &out);
	put_left(&l, &out);
	ret = tool_print(c->v[L_JSON].set ? &l.j.b : &out);
	lg_buf_fini(&l.j.b);
	lg_buf_fini(&out);
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_pricing_list = {
	.name = "pricing list",
	.args = "",
	.summary = "the prices of the catalog, in US dollars",
	.about = "Yours first, then the shipped ones, as they are asked. With "
		 "--json one entry a line.",
	.opts = list_opts,
	.run = list,
};
