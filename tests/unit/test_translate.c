#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/tree.h"
#include "edge.h"
#include "guard/translate.h"

/* Requests: what is carried over, what is left out, what cannot be said. */

#define OPENAI LG_LOCAL_OPENAI
#define OLLAMA LG_LOCAL_OLLAMA

static int ask(const char *dialect, const char *target, enum lg_local_kind kind,
	       const char *model, struct lg_slice body, struct lg_buf *out,
	       const char **path, const char **why)
{
	struct lg_translate_ask a = {
		.dialect = lg_dialect_by_name(lg_slice_str(dialect)),
		.target = lg_slice_str(target),
		.body = body,
		.kind = kind,
		.model = lg_slice_str(model),
		.seed = 1,
	};
	struct lg_translation *t = NULL;
	int err;

	assert_non_null(a.dialect);
	err = lg_translation_new(&a, out, &t, why);
	assert_int_equal(err != 0, *why != NULL);
	*path = err ? "" : lg_translation_path(t);
	if (err)
		assert_null(t);
	lg_translation_del(t);
	return err;
}

struct good {
	const char *dialect, *target;
	enum lg_local_kind kind;
	const char *body, *path, *want;
};

#define CHAT "/v1/chat/completions"

static const struct good good[] = {
	/* the same dialect: the model alone, and roles that are unknown */
	{"openai-chat", CHAT, OPENAI,
	 "{ \"messages\":[{\"role\":\"developer\",\"content\":\"x\"}],"
	 "\"model\" : \"gpt\",\"n\":2,\"logprobs\":true,\"odd\":[1e5] }",
	 CHAT,
	 "{ \"messages\":[{\"role\":\"system\",\"content\":\"x\"}],"
	 "\"model\" : \"m\",\"n\":2,\"logprobs\":true,\"odd\":[1e5] }"},
	{"openai-chat", "/openai/deployments/d/chat/completions", OPENAI,
	 "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", CHAT,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
	 "\"x\"}]}"},
	{"openai-completions", "/v1/completions", OPENAI,
	 "{\"model\":\"g\",\"prompt\":[1,2],\"echo\":true}", "/v1/completions",
	 "{\"model\":\"m\",\"prompt\":[1,2],\"echo\":true}"},
	{"openai-completions", "/v1/completions", OLLAMA,
	 "{\"model\":\"g\",\"prompt\":[\"a\\n\"],\"max_tokens\":5,"
	 "\"stop\":\"\\n\"}",
	 "/api/generate",
	 "{\"model\":\"m\",\"prompt\":\"a\\n\",\"raw\":true,\"options\":{"
	 "\"num_predict\":5,\"stop\":[\"\\n\"]},\"stream\":false}"},
	{"ollama-generate", "/api/generate", OLLAMA,
	 "{\"model\":\"g\",\"prompt\":\"a\",\"context\":[1]}", "/api/generate",
	 "{\"model\":\"m\",\"prompt\":\"a\",\"context\":[1]}"},
	{"ollama-generate", "/api/generate", OPENAI,
	 "{\"model\":\"g\",\"system\":\"s\",\"prompt\":\"a\",\"images\":"
	 "[\"QUJD\"],\"stream\":false,\"options\":{\"num_predict\":-1}}",
	 CHAT,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":"
	 "\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
	 "\"a\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
	 "\"data:image/png;base64,QUJD\"}}]}]}"},
	/* chat completions to Ollama */
	{"openai-chat", CHAT, OLLAMA,
	 "{\"model\":\"g\",\"messages\":[{\"role\":\"user\",\"content\":[{"
	 "\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"},"
	 "{\"type\":\"image_url\",\"image_url\":{\"url\":"
	 "\"data:image\\/png;base64,QU\\/D\"}}]}],"
	 "\"max_completion_tokens\":9,\"max_tokens\":8,\"temperature\":0.5,"
	 "\"stop\":[\"x\"],\"seed\":3,\"response_format\":{\"type\":"
	 "\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{"
	 "\"type\":\"object\"}}},\"logit_bias\":{\"5\":1},\"user\":\"u\"}",
	 "/api/chat",
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
	 "\"a\\nb\",\"images\":[\"QU\\/D\"]}],\"format\":{\"type\":"
	 "\"object\"},\"options\":{\"num_predict\":9,\"temperature\":0.5,"
	 "\"seed\":3,\"stop\":[\"x\"]},\"stream\":false}"},
	{"openai-chat", CHAT, OLLAMA,
	 "{\"model\":\"g\",\"stream\":true,\"messages\":[{\"role\":"
	 "\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":"
	 "\"f\",\"arguments\":\"{\\\"a\\\":\\\"\\\\n\\\"}\"}}]},{\"role\":"
	 "\"tool\",\"tool_call_id\":\"c\",\"content\":\"r\"}],"
	 "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
	 "\"tool_choice\":\"none\"}",
	 "/api/chat",
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":"
	 "\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{"
	 "\"a\":\"\\n\"}}}]},{\"role\":\"tool\",\"tool_name\":\"f\","
	 "\"content\":\"r\"}],\"stream\":true}"},
	/* Ollama to chat completions: calls without ids get some */
	{"ollama-chat", "/api/chat", OPENAI,
	 "{\"model\":\"g\",\"messages\":[{\"role\":\"assistant\",\"content\":"
	 "\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{"
	 "\"a\":1}}},{\"function\":{\"name\":\"g\",\"arguments\":{}}}]},{"
	 "\"role\":\"tool\",\"tool_name\":\"g\",\"content\":\"x\"},{\"role\":"
	 "\"tool\",\"tool_name\":\"f\",\"content\":\"y\"}],\"format\":"
	 "\"json\"}",
	 CHAT,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":"
	 "null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\","
	 "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},{"
	 "\"id\":\"call_2\",\"type\":\"function\",\"function\":{\"name\":"
	 "\"g\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
	 "\"call_2\",\"content\":\"x\"},{\"role\":\"tool\",\"tool_call_id\":"
	 "\"call_1\",\"content\":\"y\"}],\"response_format\":{\"type\":"
	 "\"json_object\"},\"stream\":true,\"stream_options\":{"
	 "\"include_usage\":true}}"},
	/* messages */
	{"anthropic-messages", "/v1/messages", OPENAI,
	 "{\"model\":\"c\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\","
	 "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
	 "\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
	 "\"text\":\"b\"}]},{\"type\":\"tool_result\",\"tool_use_id\":\"u\"},{"
	 "\"type\":\"text\",\"text\":\"c\"},{\"type\":\"image\",\"source\":{"
	 "\"type\":\"url\",\"url\":\"https:\\/\\/h\\/p\"}}]}],\"tools\":[{"
	 "\"name\":\"f\",\"input_schema\":{\"a\":{}}}],\"tool_choice\":{"
	 "\"type\":\"tool\",\"name\":\"f\","
	 "\"disable_parallel_tool_use\":true},\"thinking\":{\"type\":"
	 "\"enabled\",\"budget_tokens\":5},\"metadata\":{\"user_id\":\"u\"}}",
	 CHAT,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":"
	 "\"t\",\"content\":\"a\\nb\"},{\"role\":\"tool\",\"tool_call_id\":"
	 "\"u\",\"content\":\"\"},{\"role\":\"user\",\"content\":[{\"type\":"
	 "\"text\",\"text\":\"c\"},{\"type\":\"image_url\",\"image_url\":{"
	 "\"url\":\"https:\\/\\/h\\/p\"}}]}],\"tools\":[{\"type\":"
	 "\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"a\":{}}}}"
	 "],\"parallel_tool_calls\":false,\"tool_choice\":{\"type\":"
	 "\"function\",\"function\":{\"name\":\"f\"}},\"max_tokens\":9}"},
	/* generateContent */
	{"gemini-generate", "/v1beta/models/g:generateContent?key=k", OLLAMA,
	 "{\"system_instruction\":{\"parts\":{\"text\":\"s\"}},\"contents\":{"
	 "\"parts\":[{\"text\":\"a\"},{\"inline_data\":{\"mime_type\":"
	 "\"image/png\",\"data\":\"QQ==\"}}]},\"generationConfig\":{\"topK\":4,"
	 "\"maxOutputTokens\":3,\"responseMimeType\":\"application/json\","
	 "\"responseSchema\":{\"type\":\"OBJECT\",\"properties\":{\"type\":{"
	 "\"type\":\"STRING\",\"enum\":[\"OBJECT\"]}}}},\"safetySettings\":[]}",
	 "/api/chat",
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":"
	 "\"s\"},{\"role\":\"user\",\"content\":\"a\",\"images\":[\"QQ==\"]}],"
	 "\"format\":{\"type\":\"object\",\"properties\":{\"type\":{\"type\":"
	 "\"string\",\"enum\":[\"OBJECT\"]}}},\"options\":{\"num_predict\":3,"
	 "\"top_k\":4},\"stream\":false}"},
	{"gemini-generate", "/v1/models/g:streamGenerateContent", OPENAI,
	 "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"t\","
	 "\"thought\":true},{\"functionCall\":{\"name\":\"f\",\"args\":{}}},{"
	 "\"functionCall\":{\"name\":\"f\",\"args\":{}}}]},{\"role\":\"user\","
	 "\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{\"a\":"
	 "\"b\"}}},{\"functionResponse\":{\"name\":\"f\",\"response\":[]}}]}],"
	 "\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\"}},"
	 "\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\"}]}]}",
	 CHAT,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":"
	 "null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\","
	 "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":"
	 "\"call_2\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	 "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
	 "\"call_1\",\"content\":\"{\\\"a\\\":\\\"b\\\"}\"},{\"role\":"
	 "\"tool\",\"tool_call_id\":\"call_2\",\"content\":\"[]\"}],\"tools\":"
	 "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":"
	 "{\"type\":\"object\",\"properties\":{}}}}],\"tool_choice\":"
	 "\"required\",\"stream\":true,\"stream_options\":{\"include_usage\":"
	 "true}}"},
	/* converse */
	{"bedrock-converse", "/model/a.b/converse-stream", OLLAMA,
	 "{\"messages\":[{\"role\":\"user\",\"content\":[{\"image\":{"
	 "\"format\":\"jpeg\",\"source\":{\"bytes\":\"QQ==\"}}},{\"text\":"
	 "\"a\"},{\"cachePoint\":{\"type\":\"default\"}}]}],"
	 "\"inferenceConfig\":{\"topP\":0.1},\"outputConfig\":{\"textFormat\":"
	 "{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"name\":"
	 "\"n\",\"schema\":\"{\\\"type\\\":\\\"object\\\"}\"}}}}}",
	 "/api/chat",
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\","
	 "\"images\":[\"QQ==\"]}],\"format\":{\"type\":\"object\"},"
	 "\"options\":{\"top_p\":0.1},\"stream\":true}"},
	/* responses */
	{"openai-responses", "/v1/responses", OPENAI,
	 "{\"model\":\"g\",\"instructions\":\"i\",\"input\":[{\"role\":"
	 "\"developer\",\"content\":\"d\"},{\"type\":\"message\",\"role\":"
	 "\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"u\"},{"
	 "\"type\":\"input_image\",\"image_url\":\"data:image/gif;base64,QQ\","
	 "\"detail\":\"low\"}]},{\"type\":\"reasoning\",\"id\":\"rs\","
	 "\"summary\":[]},{\"type\":\"message\",\"role\":\"assistant\","
	 "\"content\":[{\"type\":\"output_text\",\"text\":\"o\"}]},{\"type\":"
	 "\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":"
	 "\"\"},{\"type\":\"function_call_output\",\"call_id\":\"c\","
	 "\"output\":\"r\"}],\"text\":{\"format\":{\"type\":\"json_schema\","
	 "\"name\":\"n\",\"strict\":true,\"schema\":{}}},"
	 "\"max_output_tokens\":7,\"store\":false,\"background\":false,"
	 "\"top_logprobs\":0,\"previous_response_id\":null}",
	 CHAT,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":"
	 "\"i\"},{\"role\":\"system\",\"content\":\"d\"},{\"role\":\"user\","
	 "\"content\":[{\"type\":\"text\",\"text\":\"u\"},{\"type\":"
	 "\"image_url\",\"image_url\":{\"url\":\"data:image/gif;base64,QQ\"}}]"
	 "},{\"role\":\"assistant\",\"content\":\"o\",\"tool_calls\":[{\"id\":"
	 "\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	 "\"arguments\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\","
	 "\"content\":\"r\"}],\"response_format\":{\"type\":\"json_schema\","
	 "\"json_schema\":{\"name\":\"n\",\"schema\":{},\"strict\":true}},"
	 "\"max_tokens\":7}"},
};

static void test_good(void **state)
{
	struct lg_buf out;
	const char *path, *why;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const struct good *c = &good[i];
		size_t n = strlen(c->body);
		struct edge e = edge_new(n);

		lg_buf_init(&out, 1 << 20);
		why = NULL;
		if (ask(c->dialect, c->target, c->kind, "m",
			(struct lg_slice){edge_put(&e, c->body, n), n}, &out,
			&path, &why))
			fail_msg("%s: %s: %s", c->dialect, why, c->body);
		assert_string_equal(path, c->path);
		lg_buf_putc(&out, 0);
		assert_string_equal(out.p, c->want);
		lg_buf_fini(&out);
		edge_del(&e);
	}
}

struct bad {
	const char *dialect, *target;
	enum lg_local_kind kind;
	const char *body, *why;
};

#define U "{\"role\":\"user\",\"content\":\"x\"}"
#define MESSAGES(m) "{\"model\":\"g\",\"messages\":[" m "]"
#define PARTS(p) MESSAGES("{\"role\":\"user\",\"content\":[" p "]}") "}"
#define TOOL "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"
#define INPUT(i) "{\"model\":\"g\",\"input\":[" i "]}"

static const struct bad bad[] = {
	{"openai-chat", CHAT, OPENAI, "{\"model\":\"g\"}", "messages"},
	{"openai-chat", CHAT, OPENAI, MESSAGES("") "}", "messages"},
	{"openai-chat", CHAT, OPENAI,
	 PARTS("{\"type\":\"input_audio\",\"input_audio\":{}}"), "content"},
	{"openai-chat", CHAT, OPENAI,
	 PARTS("{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}"), "content"},
	{"openai-chat", CHAT, OPENAI, MESSAGES(U) ",\"web_search_options\":{}}",
	 "web_search"},
	{"openai-chat", CHAT, OPENAI,
	 MESSAGES(U) ",\"tools\":[{\"type\":\"custom\",\"custom\":{}}]}",
	 "tools"},
	{"openai-chat", CHAT, OLLAMA, MESSAGES(U) ",\"n\":2}", "n"},
	{"openai-chat", CHAT, OLLAMA, MESSAGES(U) ",\"logprobs\":true}",
	 "logprobs"},
	{"openai-chat", CHAT, OLLAMA,
	 PARTS("{\"type\":\"image_url\",\"image_url\":{\"url\":"
	       "\"https://h/p\"}}"),
	 "image_url"},
	{"openai-chat", CHAT, OLLAMA,
	 MESSAGES(U) "," TOOL ",\"tool_choice\":\"required\"}", "tool_choice"},
	{"openai-chat", CHAT, OLLAMA,
	 MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{"
		  "\"name\":\"f\",\"arguments\":\"[1]\"}}]}") "}",
	 "object"},
	{"openai-chat", CHAT, OLLAMA,
	 MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{"
		  "\"name\":\"f\",\"arguments\":\"{},\\\"x\\\":{}\"}}]}") "}",
	 "object"},
	{"openai-chat", CHAT, OLLAMA, MESSAGES("{\"role\":\"x\"}") "}", "role"},
	{"openai-completions", "/v1/completions", OLLAMA,
	 "{\"model\":\"g\",\"prompt\":[1]}", "prompt"},
	{"openai-completions", "/v1/completions", OLLAMA,
	 "{\"model\":\"g\",\"prompt\":[\"a\",\"b\"]}", "prompt"},
	{"ollama-generate", "/api/generate", OPENAI,
	 "{\"model\":\"g\",\"prompt\":\"a\",\"context\":[1]}", "context"},
	{"openai-responses", "/v1/responses", OPENAI,
	 "{\"model\":\"g\",\"input\":\"x\",\"previous_response_id\":\"r\"}",
	 "previous_response_id"},
	{"openai-responses", "/v1/responses", OPENAI,
	 "{\"model\":\"g\",\"input\":\"x\",\"background\":true}", "background"},
	{"openai-responses", "/v1/responses", OPENAI,
	 "{\"model\":\"g\",\"input\":\"x\",\"tools\":[{\"type\":"
	 "\"web_search\"}]}",
	 "server tool"},
	{"openai-responses", "/v1/responses", OPENAI,
	 INPUT("{\"type\":\"item_reference\",\"id\":\"x\"}"), "input item"},
	{"openai-responses", "/v1/responses", OPENAI,
	 INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_file\"}]}"),
	 "content"},
	{"anthropic-messages", "/v1/messages", OPENAI,
	 MESSAGES(U) ",\"tools\":[{\"type\":\"web_search_20250305\"}]}",
	 "server tool"},
	{"anthropic-messages", "/v1/messages", OPENAI,
	 PARTS("{\"type\":\"document\",\"source\":{\"type\":\"base64\"}}"),
	 "document"},
	{"anthropic-messages", "/v1/messages", OPENAI,
	 PARTS("{\"type\":\"image\",\"source\":{\"type\":\"file\"}}"), "image"},
	{"anthropic-messages", "/v1/messages", OPENAI,
	 MESSAGES(U) ",\"container\":\"c\"}", "container"},
	{"gemini-generate", "/v1/models/g:generateContent", OPENAI,
	 "{\"contents\":[{\"parts\":[{\"fileData\":{}}]}]}", "part"},
	{"gemini-generate", "/v1/models/g:generateContent", OPENAI,
	 "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}],\"cachedContent\":"
	 "\"c\"}",
	 "cachedContent"},
	{"gemini-generate", "/v1/models/g:generateContent", OPENAI,
	 "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}],\"tools\":[{"
	 "\"googleSearch\":{}}]}",
	 "server tool"},
	{"gemini-generate", "/v1/models/g:generateContent", OPENAI,
	 "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}],\"generationConfig\":{"
	 "\"candidateCount\":2}}",
	 "candidateCount"},
	{"bedrock-converse", "/model/m/converse", OPENAI,
	 PARTS("{\"document\":{}}"), "content"},
	{"bedrock-converse", "/model/m/converse", OPENAI,
	 MESSAGES(
		 "{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}") ",\"guar"
								       "drailCo"
								       "nfig\":"
								       "{}}",
	 "guardrailConfig"},
	{"openai-embeddings", "/v1/embeddings", OPENAI,
	 "{\"model\":\"g\",\"input\":\"x\"}", "dialect"},
	{"cohere-chat-v2", "/v2/chat", OPENAI, MESSAGES(U) "}", "dialect"},
	{"openai-chat", CHAT, OPENAI, "{\"model\":\"g\"", "body"},
	{"openai-chat", CHAT, OPENAI, "[]", "body"},
	{"openai-chat", CHAT, OPENAI, "", "body"},
};

static void test_bad(void **state)
{
	struct lg_buf out;
	const char *path, *why;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const struct bad *c = &bad[i];

		lg_buf_init(&out, 1 << 20);
		why = NULL;
		if (!ask(c->dialect, c->target, c->kind, "m",
			 lg_slice_str(c->body), &out, &path, &why))
			fail_msg("%s: %s", c->dialect, c->body);
		assert_string_equal(why, c->why);
		lg_buf_fini(&out);
	}
}

/* The server's model is the request's where none is said. */
static void test_model(void **state)
{
	const char *path, *why = NULL;
	struct lg_buf out;

	(void)state;
	lg_buf_init(&out, 4096);
	assert_int_equal(ask("anthropic-messages", "/v1/messages", OPENAI, "",
			     LG_SLICE(MESSAGES(U) "}"), &out, &path, &why),
			 0);
	assert_true(lg_slice_starts(lg_buf_slice(&out),
				    LG_SLICE("{\"model\":\"g\",")));
	assert_int_equal(ask("gemini-generate", "/v1/models/g:generateContent",
			     OPENAI, "",
			     LG_SLICE("{\"contents\":[{\"parts\":[{\"text\":"
				      "\"x\"}]}]}"),
			     &out, &path, &why),
			 -ENOTSUP);
	assert_string_equal(why, "model");
	lg_buf_fini(&out);
}

/* Every piece of every request, and what has no room. */
static void test_cut(void **state)
{
	const char *path, *why;
	struct lg_buf out;
	unsigned i;
	size_t n, k;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const struct good *c = &good[i];

		n = strlen(c->body);
		for (k = 0; k < n; k++) {
			struct edge e = edge_new(n);

			lg_buf_init(&out, 1 << 20);
			why = NULL;
			assert_int_equal(
				ask(c->dialect, c->target, c->kind, "m",
				    (struct lg_slice){edge_put(&e, c->body, k),
						      k},
				    &out, &path, &why),
				-EPROTO);
			lg_buf_fini(&out);
			edge_del(&e);
		}
		for (k = 0; k < strlen(c->want); k += 7) {
			lg_buf_init(&out, k);
			why = NULL;
			assert_int_equal(ask(c->dialect, c->target, c->kind,
					     "m", lg_slice_str(c->body), &out,
					     &path, &why),
					 -EMSGSIZE);
			lg_buf_fini(&out);
		}
	}
}

static void test_large(void **state)
{
	const char *path, *why = NULL;
	size_t n = 0, size = (size_t)3 << 20, i;
	char *p = malloc(size + 64);
	struct lg_buf out;

	(void)state;
	assert_non_null(p);
	lg_buf_init(&out, (size_t)64 << 20);
	/* nested beyond what is read */
	memset(p, '[', size);
	assert_int_equal(ask("openai-chat", CHAT, OLLAMA, "m",
			     (struct lg_slice){p, size}, &out, &path, &why),
			 -EPROTO);
	/* too many values */
	p[n++] = '[';
	for (; n < size; n += 2)
		memcpy(p + n, "1,", 2);
	memcpy(p + n, "1]", 2);
	assert_int_equal(ask("openai-chat", CHAT, OLLAMA, "m",
			     (struct lg_slice){p, n + 2}, &out, &path, &why),
			 -EMSGSIZE);
	/* a long text passes */
	n = (size_t)sprintf(p, "{\"messages\":[{\"role\":\"user\",\"content\":"
			       "\"");
	memset(p + n, 'x', size - n);
	n = size + (size_t)sprintf(p + size, "\"}]}");
	why = NULL;
	assert_int_equal(ask("openai-chat", CHAT, OLLAMA, "m",
			     (struct lg_slice){p, n}, &out, &path, &why),
			 0);
	assert_true(out.len > size);
	/* too many messages */
	n = (size_t)sprintf(p, "{\"messages\":[");
	for (i = 0; i < 20000; i++)
		n += (size_t)sprintf(p + n, "%s" U, i ? "," : "");
	n += (size_t)sprintf(p + n, "]}");
	assert_int_equal(ask("openai-chat", CHAT, OLLAMA, "m",
			     (struct lg_slice){p, n}, &out, &path, &why),
			 -EMSGSIZE);
	lg_buf_fini(&out);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),  cmocka_unit_test(test_bad),
		cmocka_unit_test(test_model), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
