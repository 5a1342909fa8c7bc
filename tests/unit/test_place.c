/* Hosts and paths of Bedrock, Cohere and Ollama, and where a host stands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "llm/place.h"
#include "llm/route.h"

#define AWS "bedrock-runtime.us-east-1.amazonaws.com"
#define SONNET "anthropic.claude-sonnet-4-5-20250929-v1:0"

static const struct {
	const char *host, *method, *target;
	enum lg_route_kind kind;
	const char *provider, *dialect, *model, *geo;
	bool stream, own;
} routes[] = {
	{AWS, "POST",
	 "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
	 LG_ROUTE_PAID, "aws", "bedrock-converse", "us." SONNET, "us", false,
	 false},
	{AWS, "POST", "/model/global." SONNET "/converse-stream", LG_ROUTE_PAID,
	 "aws", "bedrock-converse", "global." SONNET, "global", true, false},
	{AWS, "POST", "/model/" SONNET "/invoke", LG_ROUTE_PAID, "aws",
	 "bedrock-invoke", SONNET, "us-east-1", false, false},
	{AWS, "POST", "/model/" SONNET "/invoke-with-response-stream",
	 LG_ROUTE_PAID, "aws", "bedrock-invoke", SONNET, "us-east-1", true,
	 false},
	{AWS, "POST", "/model/" SONNET "/count-tokens", LG_ROUTE_FREE, "aws",
	 "bedrock-converse", "", "", false, false},
	{AWS, "POST",
	 "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3A"
	 "inference-profile%2Feu.anthropic.claude-haiku-4-5-20251001-v1%3A0"
	 "/converse",
	 LG_ROUTE_PAID, "aws", "bedrock-converse",
	 "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
	 "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
	 "eu", false, false},
	{AWS, "POST",
	 "/model/arn:aws:bedrock:us-east-1:123456789012:"
	 "application-inference-profile%2Fa1b2c3/invoke",
	 LG_ROUTE_PAID, "aws", "bedrock-invoke",
	 "arn:aws:bedrock:us-east-1:123456789012:"
	 "application-inference-profile/a1b2c3",
	 "us-east-1", false, false},
	{AWS, "POST",
	 "/model/arn:aws:bedrock:us-east-1:123456789012:provisioned-model%2Fx"
	 "/converse",
	 LG_ROUTE_PAID, "aws", "bedrock-converse",
	 "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/x",
	 "us-east-1", false, false},
	{AWS, "POST", "/guardrail/g/version/1/apply", LG_ROUTE_UNKNOWN, "aws",
	 "bedrock-converse", "", "", false, false},
	{AWS, "GET", "/async-invoke/x", LG_ROUTE_FREE, "aws",
	 "bedrock-converse", "", "", false, false},
	{"bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "POST",
	 "/model/us-gov." SONNET "/converse", LG_ROUTE_PAID, "aws",
	 "bedrock-converse", "us-gov." SONNET, "us-gov", false, false},
	{"bedrock-runtime.eu-west-3.api.aws:443", "POST",
	 "/model/" SONNET "/converse", LG_ROUTE_PAID, "aws", "bedrock-converse",
	 SONNET, "eu-west-3", false, false},
	{"vpce-0a-1b.bedrock-runtime.ap-south-1.vpce.amazonaws.com", "POST",
	 "/model/" SONNET "/converse", LG_ROUTE_PAID, "aws", "bedrock-converse",
	 SONNET, "ap-south-1", false, false},
	{"bedrock-mantle.us-east-1.api.aws", "POST", "/v1/chat/completions",
	 LG_ROUTE_PAID, "aws", "openai-chat", "", "", false, false},
	{"gateway.example", "POST", "/bedrock/model/" SONNET "/converse",
	 LG_ROUTE_PAID, "gateway.example", "bedrock-converse", SONNET, "",
	 false, false},
	{"gateway.example", "POST", "/model/x/invoke", LG_ROUTE_NONE, NULL,
	 NULL, "", "", false, false},
	{"api.cohere.com", "POST", "/v2/chat", LG_ROUTE_PAID, "cohere",
	 "cohere-chat-v2", "", "", false, false},
	{"api.cohere.ai", "POST", "/v1/chat", LG_ROUTE_PAID, "cohere",
	 "cohere-chat-v1", "", "", false, false},
	{"api.cohere.com", "POST", "/v1/generate", LG_ROUTE_PAID, "cohere",
	 "cohere-generate", "", "", false, false},
	{"api.cohere.com", "POST", "/v1/embed", LG_ROUTE_PAID, "cohere",
	 "cohere-embed", "", "", false, false},
	{"api.cohere.com", "POST", "/v2/rerank", LG_ROUTE_PAID, "cohere",
	 "cohere-rerank", "", "", false, false},
	{"api.cohere.com", "POST", "/v1/classify", LG_ROUTE_PAID, "cohere",
	 "cohere-classify", "", "", false, false},
	{"api.cohere.com", "POST", "/v1/tokenize", LG_ROUTE_FREE, "cohere",
	 "cohere-chat-v2", "", "", false, false},
	{"api.cohere.com", "GET", "/v1/models?page_size=5", LG_ROUTE_FREE,
	 "cohere", "cohere-chat-v2", "", "", false, false},
	{"api.cohere.com", "POST", "/compatibility/v1/chat/completions",
	 LG_ROUTE_PAID, "cohere", "openai-chat", "", "", false, false},
	{"api.openai.com", "POST", "/v1/chat", LG_ROUTE_UNKNOWN, "openai",
	 "openai-chat", "", "", false, false},
	{"127.0.0.1:11434", "POST", "/api/chat", LG_ROUTE_PAID, "ollama",
	 "ollama-chat", "", "", false, true},
	{"localhost:11434", "POST", "/api/generate", LG_ROUTE_PAID, "ollama",
	 "ollama-generate", "", "", false, true},
	{"[::1]:11434", "POST", "/api/embed", LG_ROUTE_PAID, "ollama",
	 "ollama-embed", "", "", false, true},
	{"gpu-box:11434", "POST", "/api/embeddings", LG_ROUTE_PAID, "ollama",
	 "ollama-embed", "", "", false, true},
	{"gpu-box:11434", "POST", "/v1/chat/completions", LG_ROUTE_PAID,
	 "ollama", "openai-chat", "", "", false, true},
	{"gpu.example.com:11434", "POST", "/api/chat", LG_ROUTE_PAID, "ollama",
	 "ollama-chat", "", "", false, false},
	{"ollama.com", "POST", "/api/chat", LG_ROUTE_PAID, "ollama",
	 "ollama-chat", "", "", false, false},
	{"localhost:11434", "POST", "/api/show", LG_ROUTE_FREE, "ollama",
	 "ollama-chat", "", "", false, true},
	{"localhost:11434", "GET", "/api/tags", LG_ROUTE_FREE, "ollama",
	 "ollama-chat", "", "", false, true},
	{"localhost:11434", "DELETE", "/api/delete", LG_ROUTE_FREE, "ollama",
	 "ollama-chat", "", "", false, true},
	{"x.eastus.models.ai.azure.com", "POST", "/v2/chat", LG_ROUTE_PAID,
	 "azure", "cohere-chat-v2", "", "", false, false},
	{"localhost:3000", "POST", "/api/chat", LG_ROUTE_NONE, NULL, NULL, "",
	 "", false, false},
};

static void test_routes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		struct lg_slice host = lg_slice_str(routes[i].host);
		const struct lg_provider_host *h = lg_route_host(host);
		struct lg_route r;

		lg_route_request(h ? h->family : NULL, h ? h->provider : NULL,
				 host, lg_slice_str(routes[i].method),
				 lg_slice_str(routes[i].target), &r);
		if (r.kind != routes[i].kind ||
		    strcmp(r.model, routes[i].model) ||
		    strcmp(r.geo, routes[i].geo))
			fail_msg("%s %s: kind %d model %s geo %s",
				 routes[i].host, routes[i].target, r.kind,
				 r.model, r.geo);
		if (r.kind == LG_ROUTE_NONE)
			continue;
		assert_string_equal(r.provider, routes[i].provider);
		if (strcmp(r.dialect->name, routes[i].dialect))
			fail_msg("%s: %s", routes[i].target, r.dialect->name);
		assert_int_equal(r.stream, routes[i].stream);
		assert_int_equal(r.own, routes[i].own);
	}
}

/* Whoever names a host himself may find any family's paths there. */
static void test_own_names(void **state)
{
	struct lg_route r;

	(void)state;
	lg_route_request("openai", NULL, LG_SLICE("llm.example"),
			 LG_SLICE("POST"), LG_SLICE("/v2/rerank"), &r);
	assert_int_equal(r.kind, LG_ROUTE_PAID);
	assert_int_equal(r.type, LG_REQUEST_RERANK);
	lg_route_request("openai", NULL, LG_SLICE("llm.example"),
			 LG_SLICE("POST"), LG_SLICE("/api/embeddings"), &r);
	assert_string_equal(r.dialect->name, "openai-embeddings");
	lg_route_request("ollama", NULL, LG_SLICE("box.lan"), LG_SLICE("POST"),
			 LG_SLICE("/api/embeddings"), &r);
	assert_string_equal(r.dialect->name, "ollama-embed");
	assert_true(r.own);
	lg_route_request("openai", NULL, LG_SLICE("llm.example"),
			 LG_SLICE("GET"), LG_SLICE("/any"), &r);
	assert_int_equal(r.kind, LG_ROUTE_UNKNOWN);
}

static void test_local(void **state)
{
	static const char *const yes[] = {
		"localhost",   "a.localhost", "127.0.0.1",  "127.9.9.9",
		"10.0.0.1",    "172.16.0.1",  "172.31.2.3", "192.168.1.2",
		"169.254.1.1", "100.64.0.1",  "::1",	    "fe80::1",
		"fd00::1",     "ollama",      "Box.LOCAL",  "x.lan",
		"y.internal",  "z.home.arpa",
	};
	static const char *const no[] = {
		"",	      "8.8.8.8",	   "172.15.0.1",
		"172.32.0.1", "172.160.0.1",	   "192.169.0.1",
		"100.63.0.1", "2001:db8::1",	   "::2",
		"ollama.com", "localhost.example", "10.example.com",
		"1270.0.0.1", "local.example",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		if (!lg_place_is_local(lg_slice_str(yes[i])))
			fail_msg("%s is not local", yes[i]);
	for (i = 0; i < sizeof(no) / sizeof(*no); i++)
		if (lg_place_is_local(lg_slice_str(no[i])))
			fail_msg("%s is local", no[i]);
	assert_true(lg_place_is_cloud_model(LG_SLICE("gpt-oss:120b-cloud")));
	assert_true(lg_place_is_cloud_model(LG_SLICE("kimi:cloud")));
	assert_false(lg_place_is_cloud_model(LG_SLICE("cloud")));
	assert_false(lg_place_is_cloud_model(LG_SLICE("llama3")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_own_names),
		cmocka_unit_test(test_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
