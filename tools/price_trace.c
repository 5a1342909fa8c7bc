#include "price_trace.h"

#include <stdio.h>
#include <string.h>

#include "price/match.h"
#include "price_view.h"

static void add(struct lg_price_trace *base, const struct lg_price_step *s)
{
	struct price_trace *t = (struct price_trace *)base;
	struct price_step *p = &t->step[t->n];

	if (s->kind == LG_STEP_NAME && !s->img->prices.n)
		return; /* no price file: nothing to look into */
	if (t->n == PRICE_STEPS_MAX) {
		t->lost++;
		return;
	}
	t->n++;
	*p = (struct price_step){.kind = s->kind,
				 .img = s->img,
				 .entry = s->entry,
				 .how = s->how,
				 .no_tier = s->no_tier};
	lg_slice_copy(s->provider, p->provider, sizeof(p->provider));
	lg_slice_copy(s->name, p->name, sizeof(p->name));
}

void price_trace_init(struct price_trace *t, const struct lg_catalog *cat)
{
	memset(t, 0, sizeof(*t));
	t->t.step = add;
	t->cat = cat;
}

/* The shipped image is the last one. */
static const char *catalog_name(const struct price_trace *t,
				const struct lg_image *img)
{
	return t->cat->n && img == t->cat->img[t->cat->n - 1] ? "shipped"
							      : "yours";
}

/* The clause by which the name was found, of any entry of the model. */
static bool put_clause(const struct price_step *s, struct lg_buf *b)
{
	const struct lg_img_price *e = lg_price_entries(s->img);
	const struct lg_img_clause *c;
	struct lg_price_key k;

	if (s->how != LG_PRICE_MATCH_RULE || !s->entry ||
	    !lg_price_key_make(&k, lg_slice_str(s->provider),
			       lg_slice_str(s->name)))
		return false;
	for (uint32_t i = 0; i < s->img->prices.n; i++) {
		if (!lg_slice_eq(lg_img_text(s->img, e[i].provider),
				 lg_img_text(s->img, s->entry->provider)) ||
		    !lg_slice_eq(lg_img_text(s->img, e[i].model),
				 lg_img_text(s->img, s->entry->model)))
			continue;
		c = LG_IMG_ARRAY(s->img, e[i].match, struct lg_img_clause);
		for (uint32_t n = 0; n < e[i].match.n; n++)
			if (lg_price_clause_holds(s->img, &c[n], k.name)) {
				price_clause_text(s->img, &c[n], b);
				return true;
			}
	}
	return false;
}

static void put_result(const struct price_trace *t, const struct price_step *s,
		       struct lg_buf *b)
{
	lg_buf_puts(b, catalog_name(t, s->img));
	lg_buf_putc(b, ' ');
	if (s->no_tier)
		lg_buf_puts(b, "without this tier");
	else if (!s->entry)
		lg_buf_puts(b, "no");
	else
		lg_buf_puts(b, lg_price_how_name(s->how));
	if (s->entry && s->how == LG_PRICE_MATCH_RULE) {
		lg_buf_puts(b, " (");
		if (!put_clause(s, b))
			lg_buf_puts(b, "another spelling");
		lg_buf_puts(b, ")");
	}
	if (s->entry) {
		lg_buf_puts(b, ": ");
		lg_buf_puts(b, lg_img_text(s->img, s->entry->pricing_id).p);
	}
}

static bool is_same_name(const struct price_step *a, const struct price_step *b)
{
	return a->kind == LG_STEP_NAME && b->kind == LG_STEP_NAME &&
	       !strcmp(a->provider, b->provider) && !strcmp(a->name, b->name);
}

static void print_step(const struct price_trace *t, const struct price_step *s,
		       struct lg_buf *b)
{
	switch (s->kind) {
	case LG_STEP_RULE:
		lg_buf_puts(b, "models: rule ");
		lg_buf_puts(b, s->name);
		lg_buf_puts(b, " fits");
		lg_buf_puts(b, s->how == LG_PRICE_FREE ? ": free" : "");
		break;
	case LG_STEP_CEILING:
		lg_buf_puts(b, "dearest price of ");
		lg_buf_puts(b, s->provider);
		lg_buf_puts(b, s->how == LG_PRICE_CEILING ? ": taken"
							  : ": it has none");
		break;
	case LG_STEP_NAME:
		lg_buf_puts(b, s->provider);
		lg_buf_putc(b, '/');
		lg_buf_puts(b, s->name);
		lg_buf_puts(b, ": ");
		put_result(t, s, b);
		break;
	}
}

void price_trace_print(const struct price_trace *t)
{
	struct lg_buf b;
	unsigned turn = 0;

	lg_buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < t->n; i++) {
		if (i && is_same_name(&t->step[i - 1], &t->step[i])) {
			lg_buf_puts(&b, ", ");
			put_result(t, &t->step[i], &b);
			continue;
		}
		lg_buf_puts(&b, turn ? "\n  " : "  ");
		lg_buf_put_u64(&b, ++turn);
		lg_buf_puts(&b, ". ");
		print_step(t, &t->step[i], &b);
	}
	if (t->lost)
		lg_buf_puts(&b, "\n  ...");
	if (turn)
		lg_buf_putc(&b, '\n');
	fwrite(b.p, 1, b.len, stdout);
	lg_buf_fini(&b);
}

void price_trace_json(const struct price_trace *t, struct json *j)
{
	static const char *const kinds[] = {"rule", "name", "ceiling"};
	struct lg_buf b;

	lg_buf_init(&b, 65536);
	json_open(j, "steps", '[');
	for (unsigned i = 0; i < t->n; i++) {
		const struct price_step *s = &t->step[i];

		json_open(j, NULL, '{');
		json_text(j, "kind", kinds[s->kind]);
		json_text(j, "provider", s->provider);
		json_text(j, "name", s->name);
		if (s->img)
			json_text(j, "catalog", catalog_name(t, s->img));
		if (s->entry)
			json_slice(j, "pricing_id",
				   lg_img_text(s->img, s->entry->pricing_id));
		json_text(j, "result",
			  s->no_tier ? "without this tier"
			  : s->kind == LG_STEP_NAME && !s->entry
				  ? "no"
				  : lg_price_how_name(s->how));
		b.len = 0;
		if (s->kind == LG_STEP_NAME && put_clause(s, &b))
			json_slice(j, "clause", lg_buf_slice(&b));
		json_close(j, '}');
	}
	json_close(j, ']');
	lg_buf_fini(&b);
}
