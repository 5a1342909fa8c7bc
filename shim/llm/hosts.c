#include "llm/hosts.h"

#include <stddef.h>

#include "llm/adapter.h"

/*
 * Who answers behind which name. provider: the published price list's ids.
 * First match wins.
 */
static const struct lg_provider_host hosts[] = {
	{"api.openai.com", "openai", "openai"},
	{"*.api.openai.com", "openai", "openai"},
	{"api.anthropic.com", "anthropic", "anthropic"},
	{"*.api.anthropic.com", "anthropic", "anthropic"},
	{"aws-external-anthropic.*.api.aws", "anthropic", "anthropic"},
	{"*.azure.anthropic.com", "azure", "anthropic"},
	{"generativelanguage.googleapis.com", "google", "gemini"},
	{"aiplatform.googleapis.com", "google", "gemini"},
	{"*-aiplatform.googleapis.com", "google", "gemini"},
	{"aiplatform.*.rep.googleapis.com", "google", "gemini"},
	{"*.openai.azure.com", "azure", "openai"},
	{"*.openai.azure.us", "azure", "openai"},
	{"*.services.ai.azure.com", "azure", "openai"},
	{"*.cognitiveservices.azure.com", "azure", "openai"},
	{"*.inference.ai.azure.com", "azure", "openai"},
	{"*.models.ai.azure.com", "azure", "openai"},
	{"bedrock-mantle.*.api.aws", "aws", "openai"},
	{"bedrock-runtime.*.amazonaws.com", "aws", "aws"},
	{"bedrock-runtime-fips.*.amazonaws.com", "aws", "aws"},
	{"bedrock-runtime.*.api.aws", "aws", "aws"},
	{"bedrock-runtime-fips.*.api.aws", "aws", "aws"},
	{"*.bedrock-runtime.*.vpce.amazonaws.com", "aws", "aws"},
	{"*.bedrock-runtime-fips.*.vpce.amazonaws.com", "aws", "aws"},
	{"bedrock-agent-runtime.*.amazonaws.com", "aws", "aws"},
	{"api.x.ai", "x-ai", "openai"},
	{"*.api.x.ai", "x-ai", "openai"},
	{"api.groq.com", "groq", "openai"},
	{"api.deepseek.com", "deepseek", "openai"},
	{"api.mistral.ai", "mistral", "mistral"},
	{"codestral.mistral.ai", "mistral", "mistral"},
	{"openrouter.ai", "openrouter", "openai"},
	{"*.openrouter.ai", "openrouter", "openai"},
	{"api.together.xyz", "together", "openai"},
	{"api.together.ai", "together", "openai"},
	{"api.fireworks.ai", "fireworks", "openai"},
	{"api.perplexity.ai", "perplexity", "openai"},
	{"api.cerebras.ai", "cerebras", "openai"},
	{"api.moonshot.ai", "moonshotai", "openai"},
	{"api.moonshot.cn", "moonshotai", "openai"},
	{"api.minimax.io", "minimax", "openai"},
	{"api.minimax.chat", "minimax", "openai"},
	{"api.minimaxi.com", "minimax", "openai"},
	{"api.minimaxi.chat", "minimax", "openai"},
	{"api.z.ai", "zai", "openai"},
	{"open.bigmodel.cn", "zhipuai", "openai"},
	{"api.novita.ai", "novita", "openai"},
	{"api.avian.io", "avian", "openai"},
	{"api.doubleword.ai", "doubleword", "openai"},
	{"oai.endpoints.kepler.ai.cloud.ovh.net", "ovhcloud", "openai"},
	{"*.endpoints.kepler.ai.cloud.ovh.net", "ovhcloud", "openai"},
	{"router.huggingface.co", "huggingface", "openai"},
	{"api.cohere.com", "cohere", "cohere"},
	{"api.cohere.ai", "cohere", "cohere"},
	{"api.voyageai.com", "voyageai", "voyage"},
	{"ai.mongodb.com", "voyageai", "voyage"},
	{"api.jina.ai", "jina", "jina"},
	{"deepsearch.jina.ai", "jina", "jina"},
	{"ollama.com", "ollama", "ollama"},
	{"*:11434", "ollama", "ollama"},
	{"api.writer.com", "writer", "writer"},
	{"api.sambanova.ai", "sambanova", "openai"},
	{"api.hyperbolic.xyz", "hyperbolic", "openai"},
	{"api.studio.nebius.ai", "nebius", "openai"},
	{"api.studio.nebius.com", "nebius", "openai"},
	{"api.deepinfra.com", "deepinfra", "openai"},
	{"integrate.api.nvidia.com", "nvidia", "openai"},
	{"dashscope.aliyuncs.com", "alibaba", "openai"},
	{"dashscope-intl.aliyuncs.com", "alibaba", "openai"},
	{"models.github.ai", "github", "openai"},
	{"models.inference.ai.azure.com", "github", "openai"},
	{"ai-gateway.vercel.sh", "vercel", "openai"},
	{"gateway.ai.cloudflare.com", "cloudflare", "openai"},
	{"oai.helicone.ai", "openai", "openai"},
	{"oai.hconeai.com", "openai", "openai"},
	{"anthropic.helicone.ai", "anthropic", "anthropic"},
	{"ai-gateway.helicone.ai", "helicone", "openai"},
	{"api.portkey.ai", "portkey", "openai"},
};

const struct lg_path_rule lg_path_rules[] = {
#define RULE(methods, pattern, dialect, kind, type, model, listed, stream,     \
	     family, ref)                                                      \
	{                                                                      \
		methods, pattern, dialect, LG_ROUTE_##kind, LG_REQUEST_##type, \
			model, listed, stream, family, ref                     \
	}
#define PAID(pattern, dialect, type, model, listed, stream)                    \
	RULE("POST", pattern, &(dialect), PAID, type, model, listed, stream,   \
	     NULL, NULL)
#define FREE(methods, pattern, type)                                           \
	RULE(methods, pattern, NULL, FREE, type, LG_MODEL_NOWHERE, true,       \
	     false, NULL, NULL)
/* Free, and told from its family's other calls. */
#define FREE_AS(pattern, dialect, model)                                       \
	RULE("POST", pattern, &(dialect), FREE, COUNT, model, true, false,     \
	     NULL, NULL)
/* On a provider's host only where the provider is of this family. */
#define OWN(family, pattern, dialect, type, model, stream)                     \
	RULE("POST", pattern, &(dialect), PAID, type, model, true, stream,     \
	     family, NULL)
#define OWN_FREE(family, methods, pattern, type)                               \
	RULE(methods, pattern, NULL, FREE, type, LG_MODEL_NOWHERE, true,       \
	     false, family, NULL)
/* Free to ask, but may bill a call made earlier; its id follows ref. */
#define OWN_LATER(family, methods, pattern, dialect, type, ref)                \
	RULE(methods, pattern, &(dialect), LATER, type, LG_MODEL_NOWHERE,      \
	     true, false, family, ref)
#define LATER(methods, pattern, dialect, type, ref)                            \
	RULE(methods, pattern, &(dialect), LATER, type, LG_MODEL_NOWHERE,      \
	     true, false, NULL, ref)
	/* before all: other hosts' files and batches are told by their family
	 */
	OWN_LATER("anthropic", "GET", "*/messages/batches/*/results",
		  lg_anthropic_results, BATCH, "/batches/"),
	OWN("anthropic", "*/messages/batches", lg_anthropic_batch, BATCH,
	    LG_MODEL_NOWHERE, false),
	OWN_FREE("anthropic", "POST DELETE", "*/messages/batches/*", OTHER),
	OWN_FREE("anthropic", "GET HEAD DELETE POST", "*/files*", OTHER),
	OWN("gemini", "*:batchGenerateContent", lg_gemini_batch, BATCH,
	    LG_MODEL_METHOD, false),
	OWN("gemini", "*/batchPredictionJobs", lg_gemini_batch, BATCH,
	    LG_MODEL_NOWHERE, false),
	OWN_FREE("gemini", "GET HEAD DELETE", "*/batchPredictionJobs*", OTHER),
	OWN_LATER("gemini", "GET", "*/batches/*", lg_gemini_batch, BATCH,
		  "/batches/"),
	OWN_FREE("gemini", "POST DELETE", "*/batches/*", OTHER),
	OWN_LATER("gemini", "GET", "*/files/*:download", lg_gemini_results,
		  BATCH, "/files/"),
	PAID("*/model/*/converse", lg_bedrock_converse, GENERATE,
	     LG_MODEL_MIDDLE, false, false),
	PAID("*/model/*/converse-stream", lg_bedrock_converse, GENERATE,
	     LG_MODEL_MIDDLE, false, true),
	PAID("*/model/*/invoke-with-response-stream", lg_bedrock_invoke,
	     GENERATE, LG_MODEL_MIDDLE, false, true),
	OWN("aws", "*/model/*/invoke", lg_bedrock_invoke, GENERATE,
	    LG_MODEL_MIDDLE, false),
	OWN_FREE("aws", "POST", "*/model/*/count-tokens", COUNT),
	OWN_FREE("aws", "GET HEAD", "*", OTHER),
	OWN("cohere", "*/v2/chat", lg_cohere_chat_v2, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("cohere", "*/v1/chat", lg_cohere_chat_v1, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("cohere", "*/v1/generate", lg_cohere_generate, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("cohere", "*/v?/embed", lg_cohere_embed, EMBED, LG_MODEL_NOWHERE,
	    false),
	OWN("cohere", "*/v?/rerank", lg_cohere_rerank, RERANK, LG_MODEL_NOWHERE,
	    false),
	OWN("cohere", "*/v1/classify", lg_cohere_classify, OTHER,
	    LG_MODEL_NOWHERE, false),
	OWN_FREE("cohere", "POST", "*/v1/tokenize", COUNT),
	OWN_FREE("cohere", "POST", "*/v1/detokenize", COUNT),
	OWN_FREE("cohere", "POST", "*/v1/check-api-key", OTHER),
	OWN_FREE("cohere", "GET HEAD", "*", OTHER),
	OWN("openai", "*/completion", lg_llama_completion, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("openai", "*/infill", lg_llama_completion, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("writer", "*/v1/chat", lg_openai_chat, GENERATE, LG_MODEL_NOWHERE,
	    false),
	OWN("ollama", "*/api/chat", lg_ollama_chat, GENERATE, LG_MODEL_NOWHERE,
	    false),
	OWN("ollama", "*/api/generate", lg_ollama_generate, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("ollama", "*/api/embed", lg_ollama_embed, EMBED, LG_MODEL_NOWHERE,
	    false),
	OWN("ollama", "*/api/embeddings", lg_ollama_embed, EMBED,
	    LG_MODEL_NOWHERE, false),
	OWN_FREE("ollama", "POST", "*/api/show", OTHER),
	OWN_FREE("ollama", "POST", "*/api/pull", OTHER),
	OWN_FREE("ollama", "POST", "*/api/push", OTHER),
	OWN_FREE("ollama", "POST", "*/api/create", OTHER),
	OWN_FREE("ollama", "POST", "*/api/copy", OTHER),
	OWN_FREE("ollama", "DELETE", "*/api/delete", OTHER),
	OWN_FREE("ollama", "POST", "*/api/blobs/*", OTHER),
	OWN_FREE("ollama", "GET HEAD", "*", OTHER),
	OWN("voyage", "*/embeddings", lg_voyage_embeddings, EMBED,
	    LG_MODEL_NOWHERE, false),
	OWN("voyage", "*/contextualizedembeddings", lg_voyage_embeddings, EMBED,
	    LG_MODEL_NOWHERE, false),
	OWN("voyage", "*/multimodalembeddings", lg_voyage_embeddings, EMBED,
	    LG_MODEL_NOWHERE, false),
	OWN("voyage", "*/rerank", lg_voyage_rerank, RERANK, LG_MODEL_NOWHERE,
	    false),
	OWN("jina", "*/embeddings", lg_jina_embeddings, EMBED, LG_MODEL_NOWHERE,
	    false),
	OWN("jina", "*/rerank", lg_jina_rerank, RERANK, LG_MODEL_NOWHERE,
	    false),
	OWN("openai", "*/rerank", lg_jina_rerank, RERANK, LG_MODEL_NOWHERE,
	    false),
	OWN("openai", "*/text/chatcompletion_v2", lg_openai_chat, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("mistral", "*/v1/conversations", lg_openai_chat, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("mistral", "*/v1/conversations/*", lg_openai_chat, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("mistral", "*/agents/completions", lg_openai_chat, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN("mistral", "*/v1/ocr", lg_mistral_ocr, OTHER, LG_MODEL_NOWHERE,
	    false),
	PAID("*/deployments/*/chat/completions", lg_openai_chat, GENERATE,
	     LG_MODEL_DEPLOYMENT, true, false),
	PAID("*/deployments/*/completions", lg_openai_completions, GENERATE,
	     LG_MODEL_DEPLOYMENT, true, false),
	PAID("*/deployments/*/embeddings", lg_openai_embeddings, EMBED,
	     LG_MODEL_DEPLOYMENT, true, false),
	PAID("*/deployments/*/images/generations", lg_openai_images, IMAGE,
	     LG_MODEL_DEPLOYMENT, true, false),
	PAID("*/deployments/*/images/edits", lg_openai_images, IMAGE,
	     LG_MODEL_DEPLOYMENT, true, false),
	PAID("*/deployments/*/audio/transcriptions", lg_openai_audio, AUDIO,
	     LG_MODEL_DEPLOYMENT, true, false),
	PAID("*/deployments/*/audio/translations", lg_openai_audio, AUDIO,
	     LG_MODEL_DEPLOYMENT, true, false),
	PAID("*/deployments/*/audio/speech", lg_openai_audio, AUDIO,
	     LG_MODEL_DEPLOYMENT, true, false),
	PAID("*/models/*/v1/chat/completions", lg_openai_chat, GENERATE,
	     LG_MODEL_MODELS, true, false),
	PAID("*/chat/completions", lg_openai_chat, GENERATE, LG_MODEL_NOWHERE,
	     false, false),
	PAID("*/v1/responses", lg_openai_responses, GENERATE, LG_MODEL_NOWHERE,
	     false, false),
	PAID("*/responses", lg_openai_responses, GENERATE, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/responses/compact", lg_openai_responses, GENERATE,
	     LG_MODEL_NOWHERE, true, false),
	PAID("*/v1/embeddings", lg_openai_embeddings, EMBED, LG_MODEL_NOWHERE,
	     false, false),
	PAID("*/embeddings", lg_openai_embeddings, EMBED, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/v1/images/generations", lg_openai_images, IMAGE,
	     LG_MODEL_NOWHERE, false, false),
	PAID("*/images/generations", lg_openai_images, IMAGE, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/v1/images/edits", lg_openai_images, IMAGE, LG_MODEL_NOWHERE,
	     false, false),
	PAID("*/images/edits", lg_openai_images, IMAGE, LG_MODEL_NOWHERE, true,
	     false),
	PAID("*/images/variations", lg_openai_images, IMAGE, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/v1/audio/transcriptions", lg_openai_audio, AUDIO,
	     LG_MODEL_NOWHERE, false, false),
	PAID("*/audio/transcriptions", lg_openai_audio, AUDIO, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/v1/audio/translations", lg_openai_audio, AUDIO,
	     LG_MODEL_NOWHERE, false, false),
	PAID("*/audio/translations", lg_openai_audio, AUDIO, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/v1/audio/speech", lg_openai_audio, AUDIO, LG_MODEL_NOWHERE,
	     false, false),
	PAID("*/audio/speech", lg_openai_audio, AUDIO, LG_MODEL_NOWHERE, true,
	     false),
	PAID("*/videos", lg_openai_videos, OTHER, LG_MODEL_NOWHERE, true,
	     false),
	PAID("*/videos/*/remix", lg_openai_videos, OTHER, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/v1/messages", lg_anthropic_messages, GENERATE, LG_MODEL_NOWHERE,
	     false, false),
	PAID("*/v1/complete", lg_anthropic_complete, GENERATE, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/v1/completions", lg_openai_completions, GENERATE,
	     LG_MODEL_NOWHERE, false, false),
	PAID("*/completions", lg_openai_completions, GENERATE, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/models/*:generateContent", lg_gemini_generate, GENERATE,
	     LG_MODEL_METHOD, false, false),
	PAID("*/models/*:streamGenerateContent", lg_gemini_generate, GENERATE,
	     LG_MODEL_METHOD, false, true),
	PAID("*:generateContent", lg_gemini_generate, GENERATE, LG_MODEL_METHOD,
	     true, false),
	PAID("*:streamGenerateContent", lg_gemini_generate, GENERATE,
	     LG_MODEL_METHOD, true, true),
	OWN("gemini", "*/interactions", lg_gemini_interactions, GENERATE,
	    LG_MODEL_NOWHERE, false),
	OWN_FREE("gemini", "POST", "*/interactions/*/cancel", OTHER),
	OWN_LATER("gemini", "GET", "*/interactions/*", lg_gemini_interactions,
		  GENERATE, "/interactions/"),
	OWN_FREE("gemini", "HEAD DELETE", "*/interactions/*", OTHER),
	PAID("*:embedContent", lg_gemini_embed, EMBED, LG_MODEL_METHOD, true,
	     false),
	PAID("*:batchEmbedContents", lg_gemini_embed, EMBED, LG_MODEL_METHOD,
	     true, false),
	PAID("*/models/imag*:predict", lg_vertex_predict, IMAGE,
	     LG_MODEL_METHOD, true, false),
	PAID("*/models/*:predict", lg_vertex_predict, EMBED, LG_MODEL_METHOD,
	     true, false),
	PAID("*/models/*:predictLongRunning", lg_gemini_video, IMAGE,
	     LG_MODEL_METHOD, true, false),
	OWN_LATER("gemini", "GET", "*/models/*/operations/*", lg_gemini_video,
		  IMAGE, "/operations/"),
	OWN_LATER("gemini", "POST", "*:fetchPredictOperation", lg_gemini_video,
		  IMAGE, "/operations/"),
	FREE_AS("*/models/count-tokens:rawPredict", lg_anthropic_count_tokens,
		LG_MODEL_NOWHERE),
	PAID("*/publishers/anthropic/models/*:rawPredict",
	     lg_anthropic_messages, GENERATE, LG_MODEL_METHOD, false, false),
	PAID("*/publishers/anthropic/models/*:streamRawPredict",
	     lg_anthropic_messages, GENERATE, LG_MODEL_METHOD, false, true),
	PAID("*/publishers/*/models/*:rawPredict", lg_openai_chat, GENERATE,
	     LG_MODEL_METHOD, false, false),
	PAID("*/publishers/*/models/*:streamRawPredict", lg_openai_chat,
	     GENERATE, LG_MODEL_METHOD, false, true),
	FREE("GET HEAD", "*/videos/*/content", OTHER),
	LATER("GET", "*/videos/*", lg_openai_videos, OTHER, "/videos/"),
	FREE("GET HEAD DELETE", "*/videos*", OTHER),
	FREE("GET HEAD", "*/responses/*/input_items", OTHER),
	LATER("GET", "*/responses/*", lg_openai_responses, GENERATE,
	      "/responses/"),
	LATER("POST", "*/responses/*/cancel", lg_openai_responses, GENERATE,
	      "/responses/"),
	FREE("GET HEAD", "*/chat/completions/*/messages", OTHER),
	LATER("GET", "*/chat/completions/*", lg_openai_chat, GENERATE,
	      "/chat/completions/"),
	FREE_AS("*/messages/count_tokens", lg_anthropic_count_tokens,
		LG_MODEL_NOWHERE),
	FREE("POST", "*/responses/input_tokens", COUNT),
	FREE_AS("*:countTokens", lg_gemini_count_tokens, LG_MODEL_METHOD),
	FREE_AS("*:computeTokens", lg_gemini_count_tokens, LG_MODEL_METHOD),
	FREE("POST", "*/v1/tokenize-text", COUNT),
	FREE("POST", "*/moderations", OTHER),
	FREE("POST", "*/realtime/sessions", OTHER),
	FREE("POST", "*/realtime/client_secrets", OTHER),
	FREE("POST", "*/realtime/transcription_sessions", OTHER),
	FREE("GET HEAD", "*/models", OTHER),
	FREE("GET HEAD", "*/models/*", OTHER),
	FREE("GET HEAD", "*/tunedModels*", OTHER),
	FREE("GET HEAD", "*/deployments*", OTHER),
	FREE("HEAD DELETE", "*/responses/*", OTHER),
	FREE("GET HEAD DELETE POST", "*/conversations*", OTHER),
	FREE("GET HEAD DELETE POST", "*/chat/completions*", OTHER),
	FREE("GET HEAD", "*/messages/batches*", OTHER),
	PAID("*/batches", lg_openai_batch, BATCH, LG_MODEL_NOWHERE, true,
	     false),
	PAID("*/batch/jobs", lg_openai_batch, BATCH, LG_MODEL_NOWHERE, true,
	     false),
	LATER("GET", "*/batches/*", lg_openai_batch, BATCH, "/batches/"),
	LATER("POST", "*/batches/*/cancel", lg_openai_batch, BATCH,
	      "/batches/"),
	LATER("GET", "*/batch/jobs/*", lg_openai_batch, BATCH, "/jobs/"),
	LATER("POST", "*/batch/jobs/*/cancel", lg_openai_batch, BATCH,
	      "/jobs/"),
	FREE("GET HEAD", "*/batch/jobs", OTHER),
	LATER("GET", "*/files/*/content", lg_openai_batch_output, BATCH,
	      "/files/"),
	PAID("*/fine_tuning/jobs", lg_openai_tuning, TRAIN, LG_MODEL_NOWHERE,
	     true, false),
	PAID("*/fine-tunes", lg_openai_tuning, TRAIN, LG_MODEL_NOWHERE, true,
	     false),
	FREE("GET HEAD", "*/fine_tuning/jobs/*/events", OTHER),
	FREE("GET HEAD", "*/fine_tuning/jobs/*/checkpoints", OTHER),
	FREE("GET HEAD", "*/fine-tunes/*/events", OTHER),
	FREE("GET HEAD", "*/fine-tunes/*/checkpoints", OTHER),
	LATER("GET POST", "*/fine_tuning/jobs/*", lg_openai_tuning, TRAIN,
	      "/jobs/"),
	LATER("GET POST", "*/fine-tunes/*", lg_openai_tuning, TRAIN,
	      "/fine-tunes/"),
	FREE("GET HEAD", "*/fine-tunes", OTHER),
	FREE("GET HEAD", "*/batches*", OTHER),
	FREE("GET HEAD DELETE POST", "*/v1/files*", OTHER),
	FREE("GET HEAD DELETE POST", "*/openai/files*", OTHER),
	FREE("GET HEAD DELETE POST", "*/v1beta/files*", OTHER),
	FREE("GET HEAD DELETE POST", "*/v1/uploads*", OTHER),
	FREE("GET HEAD DELETE", "*/cachedContents*", OTHER),
	FREE("GET HEAD", "*/fine_tuning/jobs*", OTHER),
	FREE("GET HEAD", "*/organization/*", OTHER),
	FREE("GET HEAD", "*/operations/*", OTHER),
	FREE("GET HEAD", "*/api/v1/key", OTHER),
	FREE("GET HEAD", "*/api/v1/credits", OTHER),
	FREE("GET HEAD", "*/api/v1/generation", OTHER),
	FREE("GET HEAD", "*/user/balance", OTHER),
	FREE("OPTIONS", "*", OTHER),
#undef RULE
#undef LATER
#undef OWN_LATER
#undef PAID
#undef FREE
#undef FREE_AS
#undef OWN
#undef OWN_FREE
};

const unsigned lg_npath_rules = LG_COUNT_OF(lg_path_rules);

/* Most patterns differ in their last bytes: those first. */
bool lg_route_fits(struct lg_slice text, struct lg_slice pattern)
{
	size_t i;

	for (i = 1; i <= 4 && i <= pattern.len; i++) {
		char c = pattern.p[pattern.len - i];

		if (c == '*' || c == '?')
			break;
		if (i > text.len || (c ^ text.p[text.len - i]) & ~0x20)
			return false;
	}
	return lg_slice_glob(text, pattern);
}

struct lg_slice lg_route_host_name(struct lg_slice host)
{
	const char *p = host.p;
	size_t n;

	if (host.len && p[0] == '[') {
		for (n = 0; n < host.len && p[n] != ']'; n++)
			;
		return (struct lg_slice){p + 1, n - 1};
	}
	for (n = host.len; n && p[n - 1] >= '0' && p[n - 1] <= '9'; n--)
		;
	if (n && p[n - 1] == ':')
		host.len = n - 1;
	if (host.len && p[host.len - 1] == '.')
		host.len--;
	return host;
}

const struct lg_provider_host *lg_route_nth_host(unsigned i)
{
	return i < LG_COUNT_OF(hosts) ? &hosts[i] : NULL;
}

const struct lg_provider_host *lg_route_host(struct lg_slice host)
{
	struct lg_slice name = lg_route_host_name(host);
	unsigned i;

	for (i = 0; name.len && i < LG_COUNT_OF(hosts); i++) {
		struct lg_slice pattern = lg_slice_str(hosts[i].pattern);

		if (lg_route_fits(name, pattern) ||
		    (pattern.len > 1 && pattern.p[1] == ':' &&
		     lg_route_fits(host, pattern)))
			return &hosts[i];
	}
	return NULL;
}
