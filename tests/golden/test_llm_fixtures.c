/*
 * Every recorded exchange of ../shared/fixtures: what the adapters read must
 * be what expected.json says, whatever the cuts, and buckets that do not
 * overlap must sum to the provider's total. Prints what was covered.
 */
#include <stdarg.h>

#include <jansson.h>

#include "tests/golden/exchange.h"
#include "tests/golden/fixtures.h"
#include "tests/golden/recode.h"

static unsigned ran, failed, sums;

struct want {
	json_t *json;
	const char *name;
};

static void complain(const char *name, const char *what, const char *got,
		     const char *want)
{
	fprintf(stderr, "%s: %s is %s, want %s\n", name, what, got, want);
	failed++;
}

static void check_n(struct want *w, const char *key, uint64_t got)
{
	json_t *v = json_object_get(w->json, key);
	char a[32], b[32];

	if (json_is_integer(v) && (uint64_t)json_integer_value(v) == got)
		return;
	snprintf(a, sizeof(a), "%llu", (unsigned long long)got);
	snprintf(b, sizeof(b), "%lld",
		 json_is_integer(v) ? json_integer_value(v) : -1);
	complain(w->name, key, a, b);
}

static void check_text(struct want *w, const char *key, const char *got)
{
	const char *want = json_string_value(json_object_get(w->json, key));

	if (strcmp(want ? want : "", got))
		complain(w->name, key, got, want ? want : "nothing");
}

/* With one's own key the fee and what the provider behind it takes. */
static void check_cost(struct want *w, const struct lg_usage *u)
{
	json_t *v = json_object_get(w->json, "provider_reported_cost_usd");
	json_t *extra = json_object_get(w->json, "extra");
	double usd = json_number_value(v);
	char got[40], want[40];
	bool has = u->flags & LG_USAGE_PROVIDER_COST;

	if (!json_is_number(v)) {
		if (has)
			complain(w->name, "provider cost", "there", "none");
		return;
	}
	if (json_is_true(json_object_get(extra, "is_byok")))
		usd += json_number_value(
			json_object_get(extra, "upstream_inference_cost_usd"));
	snprintf(got, sizeof(got), "%.12f",
		 (double)u->provider_cost_pusd / 1e12);
	snprintf(want, sizeof(want), "%.12f", usd);
	if (!has || strcmp(got, want))
		complain(w->name, "provider cost", has ? got : "none", want);
}

/* No token is in two buckets, and none is lost. */
static void check_sum(struct want *w, const struct lg_usage *u)
{
	json_t *notes = json_object_get(w->json, "notes");
	uint64_t sum = 0;
	char got[32], want[32];

	if (!(u->flags & LG_USAGE_TOTAL))
		return;
	if (u->flags & LG_USAGE_MISMATCH) {
		if (!json_array_size(notes))
			complain(w->name, "buckets", "MISMATCH", "a sum");
		return;
	}
	for (unsigned b = 0; b < LG_BUCKET_UNITS; b++)
		sum += u->n[b];
	snprintf(got, sizeof(got), "%llu", (unsigned long long)sum);
	snprintf(want, sizeof(want), "%llu", (unsigned long long)u->total);
	if (sum != u->total || sum != lg_usage_input(u) + lg_usage_output(u))
		complain(w->name, "sum of buckets", got, want);
	else
		sums++;
}

static void check_usage(struct want *w, const struct lg_answer *a)
{
	const struct lg_usage *u = &a->usage;
	bool present = u->flags & LG_USAGE_PRESENT;

	if (present != json_is_true(json_object_get(w->json, "usage_present")))
		complain(w->name, "usage_present", present ? "true" : "false",
			 "the other");
	if (!present)
		return;
	check_n(w, "input_tokens", lg_usage_input(u));
	check_n(w, "output_tokens", lg_usage_output(u));
	check_n(w, "reasoning_tokens", u->n[LG_BUCKET_REASONING]);
	check_n(w, "cached_input_tokens",
		u->n[LG_BUCKET_CACHE_READ] + u->n[LG_BUCKET_AUDIO_CACHE_READ] +
			u->n[LG_BUCKET_IMAGE_CACHE_READ]);
	check_n(w, "cache_write_tokens",
		u->n[LG_BUCKET_CACHE_WRITE_5M] +
			u->n[LG_BUCKET_CACHE_WRITE_1H]);
	check_cost(w, u);
	check_sum(w, u);
	if (!a->usage_raw[0])
		complain(w->name, "usage_raw", "empty", "the object");
	else
		json_decref(json_loads(a->usage_raw, 0, NULL)
				    ?: (complain(w->name, "usage_raw",
						 a->usage_raw, "JSON"),
					json_null()));
}

static void check_extra(struct want *w, const struct lg_usage *u)
{
	static const struct {
		const char *key;
		enum lg_bucket bucket;
	} extra[] = {
		{"cache_write_5m_tokens", LG_BUCKET_CACHE_WRITE_5M},
		{"cache_write_1h_tokens", LG_BUCKET_CACHE_WRITE_1H},
		{"web_search_requests", LG_BUCKET_WEB_SEARCHES},
		{"web_search_calls", LG_BUCKET_WEB_SEARCHES},
		{"input_audio_tokens", LG_BUCKET_AUDIO_INPUT},
		{"output_audio_tokens", LG_BUCKET_AUDIO_OUTPUT},
		{"input_image_tokens", LG_BUCKET_IMAGE_INPUT},
	};
	struct want e = {json_object_get(w->json, "extra"), w->name};
	size_t i;

	for (i = 0; i < sizeof(extra) / sizeof(*extra); i++)
		if (json_object_get(e.json, extra[i].key))
			check_n(&e, extra[i].key, u->n[extra[i].bucket]);
}

/* Hosts that nobody knows are routed by their paths under their own name. */
static void check_provider(struct want *w, const char *got)
{
	const char *want =
		json_string_value(json_object_get(w->json, "provider"));

	if (strcmp(want, "other") && strcmp(want, got))
		complain(w->name, "provider", got, want);
}

/* expected.json has nothing of what a form says. */
static void check_request(struct want *w, const struct exchange *x)
{
	bool stream = x->facts.stream || x->route.stream;
	const char *model = x->facts.model[0] ? x->facts.model : x->route.model;

	check_provider(w, x->route.provider);
	check_n(w, "request_body_bytes", x->request_body);
	if (!x->facts.json_ok && x->request_body)
		complain(w->name, "request", "not read", "JSON or a form");
	if (x->is_form) {
		if (!model[0])
			complain(w->name, "form's model", "none", "there");
		return;
	}
	check_text(w, "model_requested", model);
	if (stream != json_is_true(json_object_get(w->json, "stream")))
		complain(w->name, "stream", stream ? "true" : "false", "not");
}

static void check(struct want *w, const struct exchange *x)
{
	const struct lg_answer *a = &x->answer;
	const char *transfer =
		json_string_value(json_object_get(w->json, "transfer"));
	bool cut = strstr(transfer, "cut") != NULL;

	check_request(w, x);
	check_text(w, "model_returned", a->model);
	check_n(w, "http_status", x->status);
	/* what is not read is not decoded either */
	if (x->body.kind != LG_BODY_OPAQUE)
		check_n(w, "response_body_bytes", x->response_body);
	if (x->broken || x->response_ended == cut)
		complain(w->name, "framing", "broken", "whole");
	check_usage(w, a);
	check_extra(w, &a->usage);
	if (a->usage.flags & LG_USAGE_PRESENT && !cut &&
	    a->usage_final == a->error)
		complain(w->name, "usage_final", a->usage_final ? "yes" : "no",
			 "the other");
}

enum cuts { WHOLE, BYTES, RANDOM };

static void run(struct want *w, const struct fixture *f, const char *resp,
		size_t len, enum cuts cuts)
{
	static char head[LG_HTTP1_HEAD_MAX];
	static struct exchange x;
	struct lg_http1 m;
	size_t used = 0, n;

	if (!exchange_request(&x, f->request, f->request_len)) {
		if (x.route.kind == LG_ROUTE_FREE) {
			check_text(w, "api", x.route.dialect->name);
			ran++;
			return;
		}
		complain(w->name, "request", "refused", "read");
		return;
	}
	lg_http1_init(&m, LG_HTTP1_RESPONSE, head, sizeof(head));
	for (; used < len; used += n) {
		n = cuts == WHOLE   ? len
		    : cuts == BYTES ? 1
				    : (size_t)rand() % 400 + 1;
		n = n < len - used ? n : len - used;
		if (!exchange_response(&x, &m, resp + used, n))
			break;
	}
	exchange_finish(&x, &m);
	check(w, &x);
	ran++;
}

/* The same in every content coding. */
static void run_recoded(struct want *w, const struct fixture *f)
{
	for (unsigned i = 0; i < RECODINGS; i++) {
		struct lg_buf b;

		if (recode(f->answer, f->answer_len, i,
			   1 + (size_t)rand() % 2000, &b)) {
			run(w, f, b.p, b.len, WHOLE);
			run(w, f, b.p, b.len, BYTES);
		} else {
			complain(w->name, "recoding", recodings[i], "done");
		}
		lg_buf_fini(&b);
	}
}

/* -- what was covered ------------------------------------------------------ */

static struct cover {
	char api[40];
	unsigned n, usage;
	bool known;
} covers[64];

static struct cover *cover_of(const char *api)
{
	struct cover *c = covers;

	while (c->api[0] && strcmp(c->api, api))
		c++;
	if (c == &covers[63])
		abort();
	snprintf(c->api, sizeof(c->api), "%s", api);
	return c;
}

static bool note_cover(json_t *json)
{
	const char *api = json_string_value(json_object_get(json, "api"));
	struct cover *c = cover_of(api);

	c->n++;
	c->usage += json_is_true(json_object_get(json, "usage_present"));
	c->known = lg_dialect_by_name(lg_slice_str(api)) ||
		   !strcmp(json_string_value(json_object_get(json, "kind")),
			   "count");
	return c->known;
}

static void print_covers(void)
{
	const struct cover *c;

	for (c = covers; c->api[0]; c++)
		printf("%-24s %3u exchanges, %3u with a usage%s\n", c->api,
		       c->n, c->usage, c->known ? "" : ": NO ADAPTER");
}

/* Counting tokens is free: its route says so, and nothing is read. */
static void check_free(struct want *w, const char *req, size_t len)
{
	static struct exchange x;

	if (exchange_request(&x, req, len))
		complain(w->name, "route", "paid", "free");
	else if (x.route.kind != LG_ROUTE_FREE)
		complain(w->name, "route", "unknown", "free");
	check_provider(w, x.route.provider);
	ran++;
}

static void one(void *ctx, const struct fixture *f)
{
	struct want w = {f->want, f->name};
	const char *kind;

	(void)ctx;
	if (!note_cover(f->want))
		return;
	kind = json_string_value(json_object_get(f->want, "kind"));
	if (!strcmp(kind, "count")) {
		check_free(&w, f->request, f->request_len);
		return;
	}
	for (enum cuts cuts = WHOLE; cuts <= RANDOM; cuts++)
		run(&w, f, f->answer, f->answer_len, cuts);
	run_recoded(&w, f);
}

int main(void)
{
	srand(7);
	if (!fixtures_walk(one, NULL))
		return 77;
	print_covers();
	printf("%u runs, %u complaints, %u sums equal the total\n", ran, failed,
	       sums);
	return failed || !ran;
}
