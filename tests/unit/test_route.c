#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "llm/gateway.h"
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
		{"aws-external-anthropic.us-east-1.api.aws", "anthropic",
		 "anthropic"},
		{"res.azure.anthropic.com", "azure", "anthropic"},
		{"aiplatform.eu.rep.googleapis.com", "google", "gemini"},
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

enum { NONE, PAID, FREE, UNKNOWN, LATER };

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
	{"openai", "POST", "/v1/batches", PAID, "openai-batch", "", 0},
	{"openai", "GET", "/v1/batches", FREE, "openai-chat", "", 0},
	{"openai", "POST", "/v1/batches/b/cancel", LATER, "openai-batch", "",
	 0},
	{"openai", "POST", "/openai/v1/batches", PAID, "openai-batch", "", 0},
	{"mistral", "POST", "/v1/batch/jobs", PAID, "openai-batch", "", 0},
	{"openai", "POST", "/v1/files", FREE, "openai-chat", "", 0},
	{"openai", "GET", "/v1/files/file-1", FREE, "openai-chat", "", 0},
	{"openai", "GET", "/v1/files/file-1/content", LATER,
	 "openai-batch-output", "", 0},
	{"anthropic", "GET", "/v1/files/file-1/content", FREE,
	 "anthropic-messages", "", 0},
	{"anthropic", "POST", "/v1/messages/batches", PAID, "anthropic-batch",
	 "", 0},
	{"anthropic", "GET", "/v1/messages/batches/m/results", LATER,
	 "anthropic-batch-results", "", 0},
	{"anthropic", "GET", "/v1/messages/batches/m", FREE,
	 "anthropic-messages", "", 0},
	{"anthropic", "POST", "/v1/messages/batches/m/cancel", FREE,
	 "anthropic-messages", "", 0},
	{"openai", "POST", "/v1/fine_tuning/jobs", PAID, "openai-tuning", "",
	 0},
	{"openai", "GET", "/v1/fine_tuning/jobs", FREE, "openai-chat", "", 0},
	{"openai", "GET", "/v1/fine_tuning/jobs/j/events", FREE, "openai-chat",
	 "", 0},
	{"openai", "POST", "/v1/fine_tuning/jobs/j/cancel", LATER,
	 "openai-tuning", "", 0},
	{"gemini", "POST", "/v1beta/models/m:batchGenerateContent", PAID,
	 "gemini-batch", "m", 0},
	{"gemini", "GET", "/v1beta/batches/b", LATER, "gemini-batch", "", 0},
	{"gemini", "GET", "/v1beta/files/f:download", LATER,
	 "gemini-batch-results", "", 0},
	{"openai", "GET", "/v1/responses/resp_1", LATER, "openai-responses", "",
	 0},
	{"openai", "GET", "/v1/responses/resp_1?stream=true", LATER,
	 "openai-responses", "", 0},
	{"openai", "POST", "/v1/responses/resp_1/cancel", LATER,
	 "openai-responses", "", 0},
	{"openai", "GET", "/v1/responses/resp_1/input_items", FREE,
	 "openai-chat", "", 0},
	{"openai", "DELETE", "/v1/responses/resp_1", FREE, "openai-chat", "",
	 0},
	{"openai", "POST", "/v1/responses/compact", PAID, "openai-responses",
	 "", 0},
	{"openai", "GET", "/v1/chat/completions/chatcmpl-1", LATER,
	 "openai-chat", "", 0},
	{"openai", "GET", "/v1/chat/completions/chatcmpl-1/messages", FREE,
	 "openai-chat", "", 0},
	{"openai", "POST", "/v1/chat/completions/chatcmpl-1", FREE,
	 "openai-chat", "", 0},
	{"openai", "POST", "/v1/images/generations", PAID, "openai-images", "",
	 0},
	{"openai", "POST", "/v1/images/edits", PAID, "openai-images", "", 0},
	{"openai", "POST", "/v1/images/variations", PAID, "openai-images", "",
	 0},
	{"openai", "POST", "/openai/deployments/dalle/images/generations", PAID,
	 "openai-images", "dalle", 0},
	{"openai", "POST", "/v1/audio/transcriptions", PAID, "openai-audio", "",
	 0},
	{"openai", "POST", "/v1/audio/translations", PAID, "openai-audio", "",
	 0},
	{"openai", "POST", "/openai/deployments/w/audio/speech", PAID,
	 "openai-audio", "w", 0},
	{"openai", "POST", "/v1/videos", PAID, "openai-videos", "", 0},
	{"openai", "POST", "/v1/videos/video_1/remix", PAID, "openai-videos",
	 "", 0},
	{"openai", "GET", "/v1/videos/video_1", LATER, "openai-videos", "", 0},
	{"openai", "GET", "/v1/videos/video_1/content", FREE, "openai-chat", "",
	 0},
	{"openai", "GET", "/v1/videos", FREE, "openai-chat", "", 0},
	{"openai", "POST", "/v1/rerank", PAID, "jina-rerank", "", 0},
	{"openai", "POST", "/v1/text/chatcompletion_v2", PAID, "openai-chat",
	 "", 0},
	{"voyage", "POST", "/v1/embeddings", PAID, "voyage-embeddings", "", 0},
	{"voyage", "POST", "/v1/multimodalembeddings", PAID,
	 "voyage-embeddings", "", 0},
	{"voyage", "POST", "/v1/rerank", PAID, "voyage-rerank", "", 0},
	{"jina", "POST", "/v1/embeddings", PAID, "jina-embeddings", "", 0},
	{"jina", "POST", "/v1/rerank", PAID, "jina-rerank", "", 0},
	{"jina", "POST", "/v1/chat/completions", PAID, "openai-chat", "", 0},
	{"mistral", "POST", "/v1/conversations", PAID, "openai-chat", "", 0},
	{"mistral", "GET", "/v1/conversations/c", FREE, "openai-chat", "", 0},
	{"mistral", "POST", "/v1/fim/completions", PAID, "openai-completions",
	 "", 0},
	{"mistral", "POST", "/v1/agents/completions", PAID, "openai-chat", "",
	 0},
	{"openai", "POST", "/v1/conversations", FREE, "openai-chat", "", 0},
	{"openai", "POST",
	 "/hf-inference/models/org/some-model/v1/chat/completions", PAID,
	 "openai-chat", "org/some-model", 0},
	{"openai", "GET", "/v1/chat/completions", FREE, "openai-chat", "", 0},
	{"anthropic", "POST", "/v1/messages/count_tokens", FREE,
	 "anthropic-count-tokens", "", 0},
	{"gemini", "POST", "/v1beta/models/m:countTokens", FREE,
	 "gemini-count-tokens", "m", 0},
	{"openai", "POST", "/v1/responses/input_tokens", FREE, "openai-chat",
	 "", 0},
	{"openai", "OPTIONS", "/v1/chat/completions", FREE, "openai-chat", "",
	 0},
	{"openai", "POST", "/v1/audio/speech", PAID, "openai-audio", "", 0},
	{"openai", "POST", "/v1/audio/voices", UNKNOWN, "openai-chat", "", 0},
	{"openai", "POST", "/v1/threads/t/messages", UNKNOWN, "openai-chat", "",
	 0},
	{"openai", "POST", "/v1/models", UNKNOWN, "openai-chat", "", 0},
	{"openai", "GET", "/v1/realtime", UNKNOWN, "openai-chat", "", 0},
	{"openai", "post", "/v1/chat/completions", PAID, "openai-chat", "", 0},
	{"gemini", "POST", "/v1beta/models/m:embedContent", PAID,
	 "gemini-embed", "m", 0},
	{"gemini", "POST", "/v1beta/models/veo-3:predictLongRunning", PAID,
	 "gemini-video", "veo-3", 0},
	{"gemini", "POST", "/v1beta/interactions", PAID, "gemini-interactions",
	 "", 0},
	{"gemini", "DELETE", "/v1beta/interactions/i", FREE, "gemini-generate",
	 "", 0},
	{NULL, "POST", "/v1/interactions", NONE, NULL, "", 0},
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
	 FREE, "anthropic-count-tokens", "", 0},
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

/* A gateway's path or the model names who is behind it. */
static void test_gateways(void **state)
{
	static const struct {
		const char *host, *target, *asked, *provider, *model;
	} want[] = {
		{"router.huggingface.co", "/v1/chat/completions",
		 "org/model:groq", "huggingface_groq", "org/model"},
		{"router.huggingface.co", "/v1/chat/completions",
		 "org/model:fastest", "huggingface", "org/model"},
		{"router.huggingface.co", "/v1/chat/completions", "org/model",
		 "huggingface", ""},
		{"router.huggingface.co", "/together/v1/chat/completions",
		 "org/model", "huggingface_together", ""},
		{"router.huggingface.co",
		 "/fireworks-ai/inference/v1/chat/completions", "m",
		 "huggingface_fireworks-ai", ""},
		{"router.huggingface.co",
		 "/hf-inference/models/org/m/v1/chat/completions", "m",
		 "huggingface_hf-inference", "org/m"},
		{"gateway.ai.cloudflare.com",
		 "/v1/acc/gw/openai/chat/completions", "gpt-4o", "openai", ""},
		{"gateway.ai.cloudflare.com",
		 "/v1/acc/gw/grok/v1/chat/completions", "grok-4", "x-ai", ""},
		{"gateway.ai.cloudflare.com",
		 "/v1/acc/gw/compat/chat/completions", "google-ai-studio/gem",
		 "google", "gem"},
		{"gateway.ai.cloudflare.com",
		 "/v1/acc/gw/compat/chat/completions", "workers-ai/x",
		 "cloudflare", ""},
		{"api.openai.com", "/v1/chat/completions", "a:b", "openai", ""},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(*want); i++) {
		const struct lg_provider_host *h =
			lg_route_host(lg_slice_str(want[i].host));
		struct lg_route r;

		assert_non_null(h);
		lg_route_request(h->family, h->provider,
				 lg_slice_str(want[i].host), LG_SLICE("POST"),
				 lg_slice_str(want[i].target), &r);
		assert_int_equal(r.kind, LG_ROUTE_PAID);
		lg_gateway_model(&r, want[i].asked);
		assert_string_equal(r.provider, want[i].provider);
		assert_string_equal(r.model, want[i].model);
	}
}

static void test_refs(void **state)
{
	static const struct {
		const char *target, *ref;
	} want[] = {
		{"/v1/responses/resp_1", "resp_1"},
		{"/openai/v1/responses/resp_1?include=x", "resp_1"},
		{"/v1/chat/completions/chatcmpl-1", "chatcmpl-1"},
		{"/v1/videos/video_1", "video_1"},
		{"/v1/batches/batch_1", "batch_1"},
		{"/v1/batch/jobs/b-1", "b-1"},
		{"/v1/files/file-1/content", "file-1"},
		{"/v1/fine_tuning/jobs/ftjob-1", "ftjob-1"},
		{"/openai/fine_tuning/jobs/ftjob-1?api-version=1", "ftjob-1"},
		{"/v1/fine-tunes/ft-1", "ft-1"},
	};
	struct lg_route r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(*want); i++) {
		lg_route_request("openai", "openai", LG_SLICE("h"),
				 LG_SLICE("GET"), lg_slice_str(want[i].target),
				 &r);
		assert_int_equal(r.kind, LG_ROUTE_LATER);
		assert_string_equal(r.ref, want[i].ref);
	}
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
		cmocka_unit_test(test_gateways),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_hostile_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
