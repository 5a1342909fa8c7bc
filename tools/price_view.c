#include "price_view.h"

#include <stdio.h>
#include <string.h>

const struct price_unit price_units[3] = {
	{"1m", "per 1M", "rates_per_1m", 1000000},
	{"1k", "per 1k", "rates_per_1k", 1000},
	{"token", "per token", "rates_per_token", 1},
};

const struct price_unit *price_unit(const char *name)
{
	for (unsigned i = 0; name && i < 3; i++)
		if (!strcmp(price_units[i].name, name))
			return &price_units[i];
	return &price_units[0];
}

/* v * 10^-decimals, without zeros behind. */
static void put_decimal(struct lg_buf *b, unsigned __int128 v,
			unsigned decimals)
{
	char d[64];
	unsigned n = 0, from = 0;

	do {
		d[n++] = (char)('0' + (unsigned)(v % 10));
		v /= 10;
	} while (v || n <= decimals);
	while (from < decimals && d[from] == '0')
		from++;
	while (n > decimals)
		lg_buf_putc(b, d[--n]);
	if (from < decimals)
		lg_buf_putc(b, '.');
	while (n > from)
		lg_buf_putc(b, d[--n]);
}

void price_put_amount(struct lg_buf *b, uint64_t n, int64_t rate)
{
	put_decimal(b, (unsigned __int128)n * (uint64_t)rate, 18);
}

const char *price_rate_text(enum lg_bucket b, int64_t rate,
			    const struct price_unit *u,
			    char out[PRICE_RATE_TEXT])
{
	struct lg_buf text;

	if (rate < 0)
		return "-";
	lg_buf_init_fixed(&text, out, PRICE_RATE_TEXT - 1);
	price_put_amount(&text, b >= LG_BUCKET_UNITS ? 1 : (uint64_t)u->per,
			 rate);
	out[text.len] = 0;
	return out;
}

static void put_rates(struct json *j, const char *key, const int64_t *rate,
		      unsigned from, unsigned to, const struct price_unit *u)
{
	char text[PRICE_RATE_TEXT];

	json_open(j, key, '{');
	for (unsigned i = from; i < to; i++)
		if (rate[i] != LG_RATE_ABSENT)
			json_number(j, lg_bucket_name((enum lg_bucket)i),
				    price_rate_text((enum lg_bucket)i, rate[i],
						    u, text));
	json_close(j, '}');
}

void price_rates_json(struct json *j, const int64_t *rate,
		      const struct price_unit *u)
{
	put_rates(j, u->key, rate, 0, LG_BUCKET_UNITS, u);
	put_rates(j, "fees", rate, LG_BUCKET_UNITS, LG_BUCKETS, u);
}

const char *price_hours(const struct lg_img_price *e, char out[16])
{
	if (e->tod_start_min == 0xffff)
		return "";
	snprintf(out, 16, "%02u:%02u-%02u:%02u", e->tod_start_min / 60u % 24,
		 e->tod_start_min % 60u, e->tod_end_min / 60u % 24,
		 e->tod_end_min % 60u);
	return out;
}

static void slice_or_null(struct json *j, const char *key, struct lg_slice s)
{
	if (s.len)
		json_slice(j, key, s);
	else
		json_null(j, key);
}

void price_entry_json(struct json *j, const struct lg_image *img,
		      const struct lg_img_price *e)
{
	char hours[16];

	json_slice(j, "provider", lg_img_text(img, e->provider));
	json_slice(j, "model", lg_img_text(img, e->model));
	json_slice(j, "pricing_id", lg_img_text(img, e->pricing_id));
	json_slice(j, "price_version", lg_img_text(img, e->price_version));
	json_slice(j, "tier", lg_img_text(img, e->tier));
	slice_or_null(j, "variant", lg_img_text(img, e->variant));
	json_time(j, "effective_at", e->effective_at_ms);
	json_time(j, "expires_at", e->expires_at_ms);
	slice_or_null(j, "time_of_day", lg_slice_str(price_hours(e, hours)));
	json_u64(j, "context_window", e->context_window);
	json_u64(j, "max_output_tokens", e->max_output_tokens);
	json_bool(j, "estimate", e->estimate);
	json_bool(j, "unpriced", e->unpriced);
	json_slice(j, "source", lg_img_text(img, e->source));
	slice_or_null(j, "operator", lg_img_text(img, e->operator));
	json_time(j, "added_at", e->added_at_ms);
	slice_or_null(j, "notes", lg_img_text(img, e->notes));
}

void price_steps_json(struct json *j, const struct lg_img_tier *t, unsigned n,
		      const struct price_unit *u)
{
	json_open(j, "long_context", '[');
	for (unsigned i = 0; i < n; i++) {
		json_open(j, NULL, '{');
		json_u64(j, "above_tokens", t[i].above_tokens);
		price_rates_json(j, t[i].rate, u);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void price_cell(struct table *t, struct lg_slice s)
{
	char text[256];

	lg_slice_copy(s, text, sizeof(text));
	table_cell(t, text);
}

void price_clause_text(const struct lg_image *img,
		       const struct lg_img_clause *c, struct lg_buf *b)
{
	static const char *const ops[] = {"equals ",	"starts_with ",
					  "ends_with ", "contains ",
					  "glob ",	"pattern "};
	const struct lg_img_atom *a =
		LG_IMG_ARRAY(img, c->atoms, struct lg_img_atom);

	for (uint32_t i = 0; i < c->atoms.n; i++) {
		lg_buf_puts(b, i ? " and " : "");
		lg_buf_puts(b, a[i].op < sizeof(ops) / sizeof(ops[0])
				       ? ops[a[i].op]
				       : "");
		lg_buf_put_json(b, lg_img_text(img, a[i].text));
	}
}
