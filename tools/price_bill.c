#include "price_bill.h"

#include <stdio.h>

#include "base/money.h"

#include "price_view.h"
#include "tool.h"

static const char *amount(uint64_t n, int64_t rate, char out[64])
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, out, 63);
	price_put_amount(&b, n, rate);
	out[b.len] = 0;
	return out;
}

static bool has_factor(const struct lg_price *p)
{
	return p->factor_ppm && p->factor_ppm != 1000000;
}

void price_bill_print(const struct lg_price *p, const struct lg_usage *u)
{
	const struct lg_img_tier *step = lg_price_step(p, u);
	char rate_text[PRICE_RATE_TEXT], text[64], usd[LG_MONEY_TEXT];
	struct lg_cost cost;
	int64_t rate;
	uint64_t n;

	if (step)
		printf("  all at the long-context rates: more than %llu input "
		       "tokens\n",
		       (unsigned long long)step->above_tokens);
	for (unsigned i = 0; i < LG_BUCKETS; i++) {
		enum lg_bucket b = (enum lg_bucket)i;
		bool unit = i >= LG_BUCKET_UNITS;

		if (lg_price_line(p, u, b, &n, &rate))
			printf("  %-18s %12llu x $%s %s = $%s\n",
			       lg_bucket_name(b), (unsigned long long)n,
			       price_rate_text(b, rate, &price_units[0],
					       rate_text),
			       unit ? "each" : "per 1M", amount(n, rate, text));
		else if (n && b != LG_BUCKET_REQUESTS)
			printf("  %-18s %12llu, no rate: not charged\n",
			       lg_bucket_name(b), (unsigned long long)n);
	}
	if (has_factor(p))
		printf("  tokens times %u.%06u, for the place or stacked "
		       "tiers\n",
		       p->factor_ppm / 1000000, p->factor_ppm % 1000000);
	lg_price_cost(p, u, &cost);
	lg_money_print(cost.total_pusd, usd);
	printf("  %-18s $%s, rounded half to even at 1e-12\n", "total", usd);
	if (cost.economic_pusd != cost.total_pusd) {
		lg_money_print(cost.economic_pusd, usd);
		printf("  %-18s $%s, as if nothing came from a cache\n",
		       "economic", usd);
	}
}

void price_bill_json(const struct lg_price *p, const struct lg_usage *u,
		     struct json *j)
{
	const struct lg_img_tier *step = lg_price_step(p, u);
	char text[64];
	struct lg_cost cost;
	int64_t rate;
	uint64_t n;

	json_open(j, "lines", '[');
	for (unsigned i = 0; i < LG_BUCKETS; i++) {
		enum lg_bucket b = (enum lg_bucket)i;
		bool charged = lg_price_line(p, u, b, &n, &rate);

		if (!charged && (!n || b == LG_BUCKET_REQUESTS))
			continue;
		json_open(j, NULL, '{');
		json_text(j, "bucket", lg_bucket_name(b));
		json_u64(j, "n", n);
		json_number(j, "rate_per_1m",
			    charged ? amount(1000000, rate, text) : "null");
		json_number(j, "amount_usd",
			    charged ? amount(n, rate, text) : "null");
		json_close(j, '}');
	}
	json_close(j, ']');
	if (step)
		json_u64(j, "long_context_above", step->above_tokens);
	else
		json_null(j, "long_context_above");
	json_ppm(j, "factor", p->factor_ppm ? p->factor_ppm : 1000000);
	lg_price_cost(p, u, &cost);
	json_usd(j, "cost_usd", cost.total_pusd);
	json_usd(j, "input_cost_usd", cost.input_pusd);
	json_usd(j, "output_cost_usd", cost.output_pusd);
	json_usd(j, "economic_usd", cost.economic_pusd);
	json_bool(j, "rate_missing", cost.rate_missing);
}
