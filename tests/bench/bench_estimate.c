/*
 * What it takes to know the worst case of a request with a prompt of 4 KB:
 * read its facts, find its price, multiply.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "llm/dialect.h"
#include "price/catalog.h"
#include "price/price.h"
#include "wire/json.h"

#define PROMPT 4096
#define ROUNDS 20000

struct reading {
	const struct lg_dialect *d;
	struct lg_facts facts;
};

static void on_value(void *ctx, int id, const struct lg_value *v)
{
	struct reading *r = ctx;

	r->d->on_request(&r->facts, id, v);
}

static size_t make_body(char *out)
{
	static const char head[] =
		"{\"model\":\"gpt-4o-mini\",\"max_tokens\":200,\"messages\":"
		"[{\"role\":\"user\",\"content\":\"";
	size_t n = sizeof(head) - 1, i;

	memcpy(out, head, n);
	for (i = 0; i < PROMPT; i += 2)
		memcpy(out + n + i, i % 80 ? "ab" : "\\n", 2);
	memcpy(out + n + PROMPT, "\"}]}", 5);
	return n + PROMPT + 4;
}

static int64_t estimate(const struct lg_json_paths *paths,
			const struct lg_dialect *d, const char *body,
			size_t len)
{
	static struct reading r;
	struct lg_catalog c = {.n = 1};
	struct lg_price_query q = {.provider = lg_slice_str("openai")};
	struct lg_price price;
	struct lg_json j;

	c.img[0] = (const struct lg_image *)(const void *)lg_catalog_image;
	r.d = d;
	memset(&r.facts, 0, sizeof(r.facts));
	lg_json_init(&j, paths, on_value, &r);
	lg_json_feed(&j, body, len);
	if (lg_json_end(&j) != LG_JSON_DONE)
		return -1;
	q.model = lg_slice_str(r.facts.model);
	q.at_ms = INT64_C(1795000000000);
	lg_price_lookup(&c, &q, &price);
	return lg_price_worst(&price, lg_facts_input_estimate(&r.facts), 200);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(void)
{
	static struct lg_json_paths paths;
	static char body[PROMPT + 512];
	const struct lg_dialect *d =
		lg_dialect_by_name(lg_slice_str("openai-chat"));
	size_t len = make_body(body);
	int64_t best = INT64_MAX, t, sum = 0;

	if (!d ||
	    lg_json_paths_init(&paths, d->request_fields, d->nrequest_fields))
		return 1;
	for (int batch = 0; batch < 7; batch++) {
		t = now_ns();
		for (int i = 0; i < ROUNDS; i++)
			sum += estimate(&paths, d, body, len) > 0;
		t = now_ns() - t;
		best = t < best ? t : best;
	}
	if (sum != 7 * ROUNDS)
		return 1;
	printf("estimate_4kb_us %.2f\n", (double)best / ROUNDS / 1000);
	return 0;
}
