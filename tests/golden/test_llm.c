/*
 * tests/golden/llm/<case>/input is a request and, right behind it, its
 * response; expect is what is read from them. Fed whole, byte by byte and in
 * random pieces. With LG_GOLDEN_WRITE set, expect is written anew.
 */
#include <dirent.h>
#include <stdarg.h>

#include "tests/golden/exchange.h"
#include "tests/golden/fixtures.h"

#define ROOT "tests/golden/llm"

static char dump[1 << 14];
static size_t ndump;
static unsigned ran, failed;

static void put(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ndump += (size_t)vsnprintf(dump + ndump, sizeof(dump) - ndump, fmt, ap);
	va_end(ap);
}

static void put_text(const char *key, const char *text)
{
	if (text[0])
		put("%s: %s\n", key, text);
}

static void put_n(const char *key, uint64_t n)
{
	if (n)
		put("%s: %llu\n", key, (unsigned long long)n);
}

static void put_facts(const struct exchange *x)
{
	const struct lg_facts *f = &x->facts;

	put("dialect: %s\nprovider: %s\n", x->dialect->name, x->route.provider);
	if (x->route.kind == LG_ROUTE_LATER)
		put("later: %s\n", x->route.ref);
	put_text("path model", x->route.model);
	put_text("geo", x->route.geo);
	put_text("model", f->model);
	put_text("tier", f->tier);
	put_text("asked geo", f->geo);
	put_text("user", f->user);
	put_text("conversation", f->conversation);
	put_text("previous", f->previous_id);
	put_text("variant", f->variant);
	put_n("requests", f->requests);
	put_n("prompt bytes", f->prompt_bytes);
	put_n("input estimate", lg_facts_input_estimate(f));
	if (f->has_max)
		put("max output: %llu\n",
		    (unsigned long long)f->max_output_tokens);
	put_n("thinking", f->reasoning_budget);
	put_text("effort", f->effort);
	put_n("characters", f->characters);
	put_n("file bytes", f->file_bytes);
	put("n: %u\n", f->n);
	put_n("images", f->images);
	put_n("images in low detail", f->images_low);
	put_n("audios", f->audios);
	put_n("tools", f->tools);
	put("flags:%s%s%s%s%s%s%s%s%s%s%s\n",
	    f->stream || x->route.stream ? " stream" : "",
	    f->include_usage ? " include_usage" : "",
	    f->include_usage_set ? " include_usage_set" : "",
	    f->background ? " background" : "", f->cache_1h ? " 1h" : "",
	    f->remote_refs ? " remote" : "",
	    f->server_tools ? " server_tools" : "",
	    f->unstored ? " unstored" : "", f->unsized ? " unsized" : "",
	    f->mixed ? " mixed" : "", f->json_ok ? "" : " BAD_JSON");
}

static void put_answer(const struct exchange *x)
{
	const struct lg_answer *a = &x->answer;
	const struct lg_usage *u = &a->usage;
	unsigned i;

	put("--\nstatus: %u\n", x->status);
	put_text("model", a->model);
	put_text("id", a->id);
	put_text("tier", a->tier);
	put_text("provider behind", a->provider);
	put_text("geo", a->geo);
	put_text("variant", a->variant);
	if (x->nparts)
		put("%s", x->parts);
	put_n("parts", x->nparts);
	put_n("requests", a->requests);
	for (i = 0; i < LG_BUCKETS; i++)
		if (u->has >> i & 1)
			put("%s: %llu\n", lg_bucket_name((enum lg_bucket)i),
			    (unsigned long long)u->n[i]);
	put_n("total", u->total);
	if (u->flags & LG_USAGE_PROVIDER_COST)
		put("provider cost: %lld\n", (long long)u->provider_cost_pusd);
	put_n("created", (uint64_t)a->created_s);
	put("usage:%s%s%s%s%s\n", u->flags & LG_USAGE_COUNTED ? " counted" : "",
	    u->flags & LG_USAGE_PRESENT ? " present" : "",
	    u->flags & LG_USAGE_TOTAL ? " total" : "",
	    u->flags & LG_USAGE_MISMATCH ? " MISMATCH" : "",
	    u->flags & LG_USAGE_CACHE_5M_ASSUMED ? " 5m_assumed" : "");
	put("answer:%s%s%s%s%s%s%s\n", a->done ? " done" : "",
	    a->usage_final ? " final" : "", a->error ? " error" : "",
	    a->pending ? " pending" : "", a->failed ? " failed" : "",
	    a->from_gateway_cache ? " gateway_cache" : "",
	    a->background ? " background" : "");
	put_n("events", a->events);
	put_n("delivered", a->delivered_bytes);
	put_n("delivered reasoning", a->delivered_reasoning_bytes);
	put_n("output estimate", lg_answer_output_estimate(a));
	put_text("usage_raw", a->usage_raw);
}

/* Where the response begins: behind the request that stands before it. */
static size_t request_len(const char *p, size_t len)
{
	static char head[LG_HTTP1_HEAD_MAX];
	enum lg_http1_event ev = LG_HTTP1_MORE;
	struct lg_slice body;
	struct lg_http1 m;
	size_t used = 0;

	lg_http1_init(&m, LG_HTTP1_REQUEST, head, sizeof(head));
	do
		used += lg_http1_feed(&m, p + used, len - used, &ev, &body);
	while (ev == LG_HTTP1_HEAD || ev == LG_HTTP1_BODY);
	return used;
}

static void run(const char *p, size_t len, unsigned step)
{
	static char head[LG_HTTP1_HEAD_MAX];
	static struct exchange x;
	struct lg_http1 m;
	size_t used = request_len(p, len), n;

	ndump = 0;
	if (!exchange_request(&x, p, used)) {
		put("request: refused\n");
		return;
	}
	lg_http1_init(&m, LG_HTTP1_RESPONSE, head, sizeof(head));
	for (; used < len; used += n) {
		n = step < 2 ? step : (size_t)rand() % step + 1;
		n = n && n < len - used ? n : len - used;
		if (!exchange_response(&x, &m, p + used, n))
			break;
	}
	exchange_finish(&x, &m);
	put_facts(&x);
	put_answer(&x);
	if (x.broken)
		put("BROKEN\n");
}

static void one(const char *name)
{
	char path[512];
	size_t len = 0, nwant = 0;
	char *in, *want;
	unsigned i;
	FILE *f;

	snprintf(path, sizeof(path), ROOT "/%s/input", name);
	in = read_whole(path, &len);
	if (!in)
		return;
	snprintf(path, sizeof(path), ROOT "/%s/expect", name);
	if (getenv("LG_GOLDEN_WRITE") && (f = fopen(path, "w"))) {
		run(in, len, 0);
		fwrite(dump, 1, ndump, f);
		fclose(f);
	}
	want = read_whole(path, &nwant);
	for (i = 0; i < 6; i++) {
		run(in, len, i < 2 ? i : i * i * 3);
		ran++;
		if (want && nwant == ndump && !memcmp(want, dump, ndump))
			continue;
		fprintf(stderr, "%s, way %u:\n%.*s\n", name, i, (int)ndump,
			dump);
		failed++;
		break;
	}
	free(in);
	free(want);
}

int main(void)
{
	DIR *d = opendir(ROOT);
	struct dirent *e;

	srand(11);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			one(e->d_name);
	if (d)
		closedir(d);
	printf("%u runs, %u failed\n", ran, failed);
	return failed || !ran;
}
