#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "llm/route.h"
#include "tests/unit/edge.h"

static void test_hosts(void **state)
{
	static const struct {
		const char *host, *provider, *family;
	} want[] = {
		{"api.openai.com", "openai", "openai"},
		{"API.OpenAI.com:443", "openai", "openai"},
		{"api.openai.com.", "openai", "openai"},
		{"eu.api.openai.com", "openai", "openai"},
		{"api.anthropic.com", "anthropic", "anthropic"},
		{"generativelanguage.googleapis.com", "google", "gemini"},
		{"us-central1-aiplatform.googleapis.com", "google", "gemini"},
		{"my-res.openai.azure.com", "azure", "openai"},
		{"api.x.ai", "x-ai", "openai"},
		{"bedrock-mantle.eu-west-1.api.aws", "aws", "openai"},
		{"api.openai.com.evil.example", NULL, NULL},
		{"xapi.openai.com", NULL, NULL},
		{"openai.com", NULL, NULL},
		{"example.com", NULL, NULL},
		{"127.0.0.1:8080", NULL, NULL},
		{"[::1]:443", NULL, NULL},
		{"[", NULL, NULL},
		{":443", NULL, NULL},
		{"", NULL, NULL},
	};
	const struct lg_provider_host *h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(*want); i++) {
		h = lg_route_host(lg_slice_str(want[i].host));
		assert_int_equal(h != NULL, want[i].provider != NULL);
		if (!h)
			continue;
		assert_string_equal(h->provider, want[i].provider);
		assert_string_equal(h->family, want[i].family);
	}
}

enum { NONE, PAID, FREE, UNKNOWN };

struct route {
	const char *family, *method, *target;
	int kind;
	const char *dialect, *model;
	int stream;
};

static const struct route routes[] = {
	{"openai", "POST", "/v1/chat/completions", PAID, "openai-chat", "", 0},
	{"openai", "POST", "/v1/chat/completions?x=/v1/models", PAID,
	 "openai-chat", "", 0},
	{"openai", "POST", "//v1//chat/./completions/", PAID, "openai-chat", "",
	 0},
	{"openai", "POST", "/v1/x/../chat/completions#f", PAID, "openai-chat",
	 "", 0},
	{"openai", "POST", "/v1/%63hat%2Fcompletions", PAID, "openai-chat", "",
	 0},
	{"openai", "POST", "https://api.openai.com/v1/chat/completions", PAID,
	 "openai-chat", "", 0},
	{"openai", "POST", "/V1/Chat/Completions", PAID, "openai-chat", "", 0},
	{"openai", "POST", "/api/v1/responses", PAID, "openai-responses", "",
	 0},
	{"openai", "POST", "/openai/responses?api-version=1", PAID,
	 "openai-responses", "", 0},
	{"openai", "POST", "/openai/v1/embeddings", PAID, "openai-embeddings",
	 "", 0},
	{"openai", "POST", "/v1/completions", PAID, "openai-completions", "",
	 0},
	{"openai", "POST", "/beta/completions", PAID, "openai-completions", "",
	 0},
	{"openai", "POST", "/openai/deployments/d%201/chat/completions", PAID,
	 "openai-chat", "d 1", 0},
	{"openai", "POST", "/openai/deployments/d/embeddings", PAID,
	 "openai-embeddings", "d", 0},
	{"openai", "POST", "/openai/deployments/d/completions", PAID,
	 "openai-completions", "d", 0},
	{"anthropic", "POST", "/v1/messages?beta=true", PAID,
	 "anthropic-messages", "", 0},
	{"openai", "POST", "/anthropic/v1/messages", PAID, "anthropic-messages",
	 "", 0},
	{"gemini", "POST", "/v1beta/models/gemini-2.5-pro:generateContent",
	 PAID, "gemini-generate", "gemini-2.5-pro", 0},
	{"gemini", "POST",
	 "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", PAID,
	 "gemini-generate", "gemini-2.5-pro", 1},
	{"gemini", "POST",
	 "/v1/projects/p/locations/l/publishers/google/models/"
	 "m%3AgenerateContent",
	 PAID, "gemini-generate", "m", 0},
	{"gemini", "POST", "/v1beta/tunedModels/t:generateContent", PAID,
	 "gemini-generate", "t", 0},
	{"gemini", "POST", "/v1beta/openai/chat/completions", PAID,
	 "openai-chat", "", 0},
	{"openai", "GET", "/v1/models", FREE, "openai-chat", "", 0},
	{"openai", "GET", "/v1/models/gpt-4o", FREE, "openai-chat", "", 0},
	{"openai", "GET", "/v1/responses/resp_1", FREE, "openai-chat", "", 0},
	{"openai", "GET", "/v1/chat/completions", FREE, "openai-chat", "", 0},
	{"anthropic", "POST", "/v1/messages/count_tokens", FREE,
	 "anthropic-messages", "", 0},
	{"gemini", "POST", "/v1beta/models/m:countTokens", FREE,
	 "gemini-generate", "", 0},
	{"openai", "POST", "/v1/responses/input_tokens", FREE, "openai-chat",
	 "", 0},
	{"openai", "OPTIONS", "/v1/chat/completions", FREE, "openai-chat", "",
	 0},
	{"openai", "POST", "/v1/audio/speech", UNKNOWN, "openai-chat", "", 0},
	{"openai", "POST", "/v1/threads/t/messages", UNKNOWN, "openai-chat", "",
	 0},
	{"openai", "POST", "/v1/models", UNKNOWN, "openai-chat", "", 0},
	{"openai", "GET", "/v1/realtime", UNKNOWN, "openai-chat", "", 0},
	{"openai", "post", "/v1/chat/completions", PAID, "openai-chat", "", 0},
	{"gemini", "POST", "/v1beta/models/m:embedContent", PAID,
	 "gemini-embed", "m", 0},
	{"gemini", "POST", "/v1beta/models/m:batchEmbedContents", PAID,
	 "gemini-embed", "m", 0},
	{"gemini", "POST",
	 "/v1/projects/p/locations/l/publishers/google/models/e:predict", PAID,
	 "vertex-predict", "e", 0},
	{"gemini", "POST", "/v1/projects/p/locations/l/endpoints/1:predict",
	 UNKNOWN, "gemini-generate", "", 0},
	{"gemini", "POST",
	 "/v1/projects/p/locations/l/publishers/anthropic/models/"
	 "claude-sonnet-4-5@20250929:rawPredict",
	 PAID, "anthropic-messages", "claude-sonnet-4-5@20250929", 0},
	{"gemini", "POST",
	 "/v1/projects/p/locations/l/publishers/anthropic/models/"
	 "claude-sonnet-4-5@20250929:streamRawPredict",
	 PAID, "anthropic-messages", "claude-sonnet-4-5@20250929", 1},
	{"gemini", "POST",
	 "/v1/projects/p/locations/l/publishers/anthropic/models/"
	 "count-tokens:rawPredict",
	 FREE, "gemini-generate", "", 0},
	{"gemini", "POST",
	 "/v1/projects/p/locations/l/publishers/mistralai/models/"
	 "mistral-large:streamRawPredict",
	 PAID, "openai-chat", "mistral-large", 1},
	{"gemini", "POST",
	 "/v1/projects/p/locations/l/endpoints/openapi/chat/completions", PAID,
	 "openai-chat", "", 0},
	{"anthropic", "POST", "/v1/complete", PAID, "anthropic-complete", "",
	 0},
	{"openai", "POST", "/api/anthropic/v1/messages", PAID,
	 "anthropic-messages", "", 0},
	{"openai", "POST", "/v1/completions/..", UNKNOWN, "openai-chat", "", 0},
	{"openai", "POST", "*", UNKNOWN, "openai-chat", "", 0},
	{"openai", "POST", "", UNKNOWN, "openai-chat", "", 0},
	{"no such", "POST", "/", UNKNOWN, "openai-chat", "", 0},
	{NULL, "POST", "/v1/chat/completions", PAID, "openai-chat", "", 0},
	{NULL, "POST", "/chat/completions", PAID, "openai-chat", "", 0},
	{NULL, "POST", "/v1/messages", PAID, "anthropic-messages", "", 0},
	{NULL, "POST", "/x/v1/responses", PAID, "openai-responses", "", 0},
	{NULL, "POST", "/v1beta/models/m:generateContent", PAID,
	 "gemini-generate", "m", 0},
	{NULL, "POST", "/messages", NONE, NULL, "", 0},
	{NULL, "POST", "/responses", NONE, NULL, "", 0},
	{NULL, "POST", "/embeddings", NONE, NULL, "", 0},
	{NULL, "GET", "/v1/models", NONE, NULL, "", 0},
	{NULL, "OPTIONS", "/v1/chat/completions", NONE, NULL, "", 0},
	{NULL, "POST", "/", NONE, NULL, "", 0},
	{NULL, "CONNECT", "a:443", NONE, NULL, "", 0},
};

static void test_paths(void **state)
{
	struct edge e = edge_new(4096);
	struct lg_route r;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		const struct route *w = &routes[i];

		n = strlen(w->target);
		lg_route_request(
			w->family, NULL, LG_SLICE("Host.Example:8443"),
			lg_slice_str(w->method),
			(struct lg_slice){edge_put(&e, w->target, n), n}, &r);
		if ((int)r.kind != w->kind || strcmp(r.model, w->model))
			fail_msg("%s %s: kind %d model %s", w->method,
				 w->target, r.kind, r.model);
		assert_int_equal(r.stream, w->stream);
		assert_int_equal(r.dialect != NULL, w->dialect != NULL);
		if (!r.dialect)
			continue;
		if (strcmp(r.dialect->name, w->dialect))
			fail_msg("%s: %s", w->target, r.dialect->name);
		assert_string_equal(r.provider, "Host.Example");
	}
	edge_del(&e);
}

static void test_hostile_targets(void **state)
{
	static char big[100000];
	struct lg_route r;
	struct lg_slice t = {big, sizeof(big)};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(big); i++)
		big[i] = "/../%2e%2e/%"[i % 12];
	lg_route_request("openai", "openai", t, LG_SLICE("POST"), t, &r);
	assert_int_equal(r.kind, LG_ROUTE_UNKNOWN);
	memset(big, 'a', sizeof(big));
	big[0] = '/';
	memcpy(big + sizeof(big) - 20, "/v1/chat/completions", 20);
	lg_route_request("openai", "openai", t, LG_SLICE("POST"), t, &r);
	assert_int_equal(r.kind, LG_ROUTE_PAID);
	lg_route_request("gemini", NULL, t, LG_SLICE("POST"),
			 LG_SLICE("/models/%00%1b[2J:generateContent"), &r);
	assert_string_equal(r.model, "??[2J");
	assert_int_equal(strlen(r.provider), LG_NAME_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_hostile_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
