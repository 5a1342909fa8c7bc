/*
 * Looking up a price (with an argument: each name by itself), and compiling a
 * catalog of 5,000 entries.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "price/catalog.h"
#include "price/price.h"

#define ROUNDS 2000
#define BATCHES 101
#define ENTRIES 5000

static const struct {
	const char *provider, *model, *tier;
} asked[] = {
	{"openai", "gpt-4o-mini", ""},
	{"openai", "gpt-5-2025-08-07", "default"},
	{"openai", "gpt-4.1", "priority"},
	{"anthropic", "claude-sonnet-4-5-20250929", ""},
	{"anthropic", "claude-opus-4-6", ""},
	{"google", "gemini-2.5-flash", ""},
	{"aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", ""},
	{"openrouter", "anthropic/claude-haiku-4.5", ""},
	{"groq", "llama3-8b-8192", "on_demand"},
	{"azure", "gpt-5.2-2025-12-11", "default"},
	{"mistral", "mistral-small-latest", ""},
	{"deepseek", "deepseek-v4-flash", ""},
};

#define NASKED (sizeof(asked) / sizeof(asked[0]))

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

/* Median of the batches, the mean over the names. */
static double look_ns(size_t from, size_t to)
{
	struct lg_catalog c = {
		{(const struct lg_image *)(const void *)lg_catalog_image}, 1};
	double seen[BATCHES];
	struct lg_price p;
	uint64_t found = 0;

	for (int b = 0; b < BATCHES; b++) {
		int64_t t = now_ns();

		for (int i = 0; i < ROUNDS; i++) {
			size_t k = from + (size_t)i % (to - from);
			struct lg_price_query q = {
				.provider = lg_slice_str(asked[k].provider),
				.model = lg_slice_str(asked[k].model),
				.tier = lg_slice_str(asked[k].tier),
				.at_ms = INT64_C(1795000000000),
			};

			lg_price_lookup(&c, &q, &p);
			found += p.entry != NULL;
		}
		seen[b] = (double)(now_ns() - t) / ROUNDS;
	}
	return found == (uint64_t)BATCHES * ROUNDS ? median(seen, BATCHES) : -1;
}

static int write_catalog(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -1;
	fputs("catalog: 1\nprices:\n", f);
	for (int i = 0; i < ENTRIES; i++)
		fprintf(f,
			"  - provider: p%d\n"
			"    model: model-%d\n"
			"    match: [\"model-%d-*\", alias-%d]\n"
			"    price_version: \"2026-08-21\"\n"
			"    effective_at: 2026-0%d-01\n"
			"    context_window: 128000\n"
			"    input_per_1m: %d.25\n"
			"    cached_input_per_1m: 0.125\n"
			"    output_per_1m: %d.5\n"
			"    source: bench\n",
			i % 36, i / 2, i, i, 1 + i % 2, i % 50, i % 90);
	return fclose(f);
}

static double compile_ms(const char *path)
{
	struct lg_config_error err;
	double seen[9];
	struct lg_buf out;

	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		int64_t t = now_ns();

		lg_buf_init(&out, 0);
		if (lg_config_compile_catalog(&path, 1, &out, &err)) {
			fprintf(stderr, "%s\n", err.text);
			return -1;
		}
		lg_buf_fini(&out);
		seen[i] = (double)(now_ns() - t) / 1e6;
	}
	return median(seen, sizeof(seen) / sizeof(seen[0]));
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/llmguard-bench-XXXXXX";
	int fd = mkstemp(path);
	double ms;

	(void)argv;
	if (fd < 0 || write_catalog(path))
		return 1;
	printf("price_lookup_ns %.0f\n", look_ns(0, NASKED));
	for (size_t i = 0; argc > 1 && i < NASKED; i++)
		fprintf(stderr, "  %4.0f ns %s/%s %s\n", look_ns(i, i + 1),
			asked[i].provider, asked[i].model, asked[i].tier);
	ms = compile_ms(path);
	printf("price_compile_5000_ms %.1f\n", ms);
	close(fd);
	unlink(path);
	return ms < 0;
}
