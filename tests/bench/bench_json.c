/* Throughput of the JSON scanner: prints GB/s, or ns for a small event. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/json.h"

#define PROMPT_SIZE (1u << 20)

static const struct lg_field fields[] = {
	{"model", 1, 0},
	{"stream", 2, 0},
	{"max_tokens", 3, 0},
	{"messages[].content", 4, 0},
	{"messages[].role", 5, 0},
	{"choices[].delta.content", 6, 0},
	{"choices[].finish_reason", 7, 0},
	{"usage", 8, LG_FIELD_RAW},
	{"usage.prompt_tokens", 9, 0},
	{"tools[].**", 10, 0},
};

static const char event[] =
	"{\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":"
	"\"chat.completion.chunk\",\"created\":1741570283,\"model\":"
	"\"gpt-4o-2024-08-06\",\"service_tier\":\"default\","
	"\"system_fingerprint\":\"fp_fc9f1d7035\",\"choices\":[{\"index\":0,"
	"\"delta\":{\"content\":\" image\"},\"logprobs\":null,"
	"\"finish_reason\":null}],\"usage\":null}";

static void count(void *ctx, int id, const struct lg_value *v)
{
	uint64_t *sum = ctx;

	*sum += (uint64_t)id + v->len;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A request with one long string that has an escape every 80 bytes. */
static char *make_prompt(size_t *len)
{
	static const char head[] = "{\"model\":\"gpt-4o\",\"stream\":true,"
				   "\"messages\":[{\"role\":\"user\","
				   "\"content\":\"";
	char *doc = malloc(PROMPT_SIZE + 256);
	size_t n = sizeof(head) - 1;

	if (!doc)
		exit(1);
	memcpy(doc, head, n);
	for (size_t i = 0; i < PROMPT_SIZE; i += 80) {
		memset(doc + n, 'a' + (int)(i % 26), 78);
		memcpy(doc + n + 78, "\\n", 2);
		n += 80;
	}
	memcpy(doc + n, "\"}]}", 4);
	*len = n + 4;
	return doc;
}

static uint64_t run(const struct lg_json_paths *paths, const char *doc,
		    size_t len, unsigned rounds)
{
	uint64_t best = UINT64_MAX, sum = 0;
	struct lg_json j;

	for (unsigned batch = 0; batch < 10; batch++) {
		uint64_t start = now_ns(), took;

		for (unsigned i = 0; i < rounds; i++) {
			lg_json_init(&j, paths, count, &sum);
			lg_json_feed(&j, doc, len);
			if (lg_json_end(&j) != LG_JSON_DONE)
				exit(1);
		}
		took = (now_ns() - start) / rounds;
		best = took < best ? took : best;
	}
	return best ? best : 1;
}

int main(void)
{
	static struct lg_json_paths paths;
	size_t len;
	char *doc = make_prompt(&len);
	uint64_t ns;

	if (lg_json_paths_init(&paths, fields,
			       sizeof(fields) / sizeof(fields[0])))
		return 1;
	ns = run(&paths, doc, len, 20);
	printf("json_prompt_1mb_gb_per_s %.2f\n", (double)len / (double)ns);
	ns = run(&paths, event, sizeof(event) - 1, 20000);
	printf("json_event_%zu_bytes_ns %llu\n", sizeof(event) - 1,
	       (unsigned long long)ns);
	free(doc);
	return 0;
}
