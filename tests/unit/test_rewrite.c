#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "flow_texts.h"
#include "guard/exchange.h"
#include "guard/reframe.h"
#include "guard/rewrite.h"

/*
 * Requests as their clients send them, rewritten. '`' stands for a quote, so
 * that the bodies can be read.
 */
struct change {
	const char *host, *path, *body;
	const char *model;	       /* NULL: stays */
	uint64_t cap;		       /* 0: stays */
	const char *to_path, *to_body; /* NULL: not possible */
};

#define OPENAI "api.openai.com", "/v1/chat/completions"
#define GEMINI "generativelanguage.googleapis.com"
#define G "/v1beta/models/"
#define AZURE "x.openai.azure.com"
#define BEDROCK "bedrock-runtime.us-east-1.amazonaws.com"
#define HI "`messages`:[{`role`:`user`,`content`:`hi`}]"
#define CONTENTS "`contents`:[{`parts`:[{`text`:`hi`}]}]"
#define SAME NULL

static const struct change changes[] = {
	/* the model, wherever and however it stands */
	{OPENAI, "{`model`:`gpt-4o`," HI "}", "gpt-4o-mini", 0, SAME,
	 "{`model`:`gpt-4o-mini`," HI "}"},
	{OPENAI, "{ " HI " , `model` : `gpt-4o` }", "gpt-4o-mini", 0, SAME,
	 "{ " HI " , `model` : `gpt-4o-mini` }"},
	{OPENAI, "{`model`:`a`,`model`:`b`," HI "}", "c", 0, NULL, NULL},
	{OPENAI, "{`mod\\u0065l`:`a`," HI "}", "c", 0, NULL, NULL},
	{OPENAI, "{`model`:[`a`]," HI "}", "c", 0, NULL, NULL},
	{OPENAI, "{`model`:`a`,`models`:[`b`]," HI "}", "c", 0, NULL, NULL},
	{OPENAI, "{" HI "}", "c", 0, NULL, NULL},
	{OPENAI, "{`x`:{`model`:`no`},`model`:`a`," HI "}", "c`d", 0, SAME,
	 "{`x`:{`model`:`no`},`model`:`c\\`d`," HI "}"},
	/* those that think take another name of the cap */
	{OPENAI, "{`model`:`gpt-4o`,`max_tokens`:9," HI "}", "o4-mini", 0, SAME,
	 "{`model`:`o4-mini`,`max_completion_tokens`:9," HI "}"},
	{OPENAI, "{`model`:`gpt-4o`,`max_tokens`:90," HI "}", "gpt-5-nano", 9,
	 SAME, "{`model`:`gpt-5-nano`,`max_completion_tokens`:9," HI "}"},
	{OPENAI,
	 "{`model`:`a`,`max_tokens`:9,`max_completion_tokens`:9," HI "}", "o3",
	 0, NULL, NULL},
	{"api.groq.com", "/openai/v1/chat/completions",
	 "{`model`:`a`,`max_tokens`:9," HI "}", "o3", 0, SAME,
	 "{`model`:`o3`,`max_tokens`:9," HI "}"},
	/* the cap: lowered, put in, never raised */
	{OPENAI, "{`model`:`a`,`max_tokens`:100," HI "}", NULL, 50, SAME,
	 "{`model`:`a`,`max_tokens`:50," HI "}"},
	{OPENAI, "{`model`:`a`,`max_tokens`:40," HI "}", NULL, 50, SAME,
	 "{`model`:`a`,`max_tokens`:40," HI "}"},
	{OPENAI, "{`model`:`a`,`max_tokens`:null," HI "}", NULL, 50, SAME,
	 "{`model`:`a`,`max_tokens`:50," HI "}"},
	{OPENAI, "{`model`:`a`,`max_tokens`:1e3," HI "}", NULL, 50, NULL, NULL},
	{OPENAI, "{`model`:`a`,`max_tokens`:`9`," HI "}", NULL, 50, NULL, NULL},
	{OPENAI, "{`model`:`a`," HI "}", NULL, 50, SAME,
	 "{`max_completion_tokens`:50,`model`:`a`," HI "}"},
	{"api.mistral.ai", "/v1/chat/completions", "{`model`:`a`," HI "}", NULL,
	 50, SAME, "{`max_tokens`:50,`model`:`a`," HI "}"},
	{"api.mistral.ai", "/v1/chat/completions",
	 "{`model`:`a`,`inputs`:`hi`}", NULL, 50, NULL, NULL},
	{OPENAI,
	 "{`max_completion_tokens`:60,`model`:`a`,`max_tokens`:70," HI "}",
	 NULL, 50, SAME,
	 "{`max_completion_tokens`:50,`model`:`a`,`max_tokens`:50," HI "}"},
	{"api.openai.com", "/v1/responses", "{`model`:`a`,`input`:`hi`}", "b",
	 50, SAME, "{`max_output_tokens`:50,`model`:`b`,`input`:`hi`}"},
	{"api.openai.com", "/v1/completions",
	 "{`model`:`a`,`max_tokens`:99,`prompt`:`hi`}", "b", 50, SAME,
	 "{`model`:`b`,`max_tokens`:50,`prompt`:`hi`}"},
	{"api.anthropic.com", "/v1/messages",
	 "{`model`:`a`,`max_tokens`:99," HI "}", "b", 50, SAME,
	 "{`model`:`b`,`max_tokens`:50," HI "}"},
	{"api.anthropic.com", "/v1/messages",
	 "{`model`:`a`,`max_tokens`:99,`fallbacks`:[{`model`:`c`}]," HI "}",
	 "b", 50, NULL, NULL},
	{"api.anthropic.com", "/v1/complete",
	 "{`model`:`a`,`max_tokens_to_sample`:99,`prompt`:`hi`}", "b", 50, SAME,
	 "{`model`:`b`,`max_tokens_to_sample`:50,`prompt`:`hi`}"},
	{"api.cohere.com", "/v2/chat", "{`model`:`a`," HI "}", "b", 50, SAME,
	 "{`max_tokens`:50,`model`:`b`," HI "}"},
	{"api.cohere.com", "/v1/chat", "{`model`:`a`,`message`:`hi`}", "b", 50,
	 SAME, "{`max_tokens`:50,`model`:`b`,`message`:`hi`}"},
	{"ollama.com", "/api/chat", "{`model`:`a`," HI "}", "b", 50, SAME,
	 "{`options`:{`num_predict`:50},`model`:`b`," HI "}"},
	{"ollama.com", "/api/chat",
	 "{`model`:`a`,`options`:{`num_predict`:-1,`seed`:1}," HI "}", NULL, 50,
	 SAME, "{`model`:`a`,`options`:{`num_predict`:50,`seed`:1}," HI "}"},
	{"ollama.com", "/api/generate",
	 "{`model`:`a`,`options`:{`seed`:1},`prompt`:`hi`}", NULL, 50, SAME,
	 "{`model`:`a`,`options`:{`num_predict`:50,`seed`:1},`prompt`:`hi`}"},
	{"ollama.com", "/api/chat", "{`model`:`a`,`options`:{ }," HI "}", NULL,
	 50, SAME, "{`model`:`a`,`options`:{`num_predict`:50 }," HI "}"},
	{"ollama.com", "/api/chat", "{`model`:`a`,`options`:null," HI "}", NULL,
	 50, SAME, "{`model`:`a`,`options`:{`num_predict`:50}," HI "}"},
	{"ollama.com", "/api/chat", "{`model`:`a`,`options`:7," HI "}", NULL,
	 50, NULL, NULL},
	/* the model in the path */
	{GEMINI, G "gemini-2.5-pro:generateContent", "{" CONTENTS "}",
	 "gemini-2.5-flash", 50, G "gemini-2.5-flash:generateContent",
	 "{`generationConfig`:{`maxOutputTokens`:50}," CONTENTS "}"},
	{GEMINI, G "gemini-2.5-pro:streamGenerateContent?alt=sse&key=k",
	 "{`generation_config`:{`temperature`:1}," CONTENTS "}", "gemini-x", 50,
	 G "gemini-x:streamGenerateContent?alt=sse&key=k",
	 "{`generation_config`:{`max_output_tokens`:50,`temperature`:1}"
	 "," CONTENTS "}"},
	{GEMINI, G "a:generateContent",
	 "{`generationConfig`:{`maxOutputTokens`:99}," CONTENTS "}", NULL, 50,
	 SAME, "{`generationConfig`:{`maxOutputTokens`:50}," CONTENTS "}"},
	{AZURE, "/openai/deployments/big/chat/completions?api-version=1",
	 "{`model`:`big`," HI "}", "small one", 0,
	 "/openai/deployments/small%20one/chat/completions?api-version=1",
	 "{`model`:`small one`," HI "}"},
	{AZURE, "/openai/deployments/big/chat/completions?api-version=1",
	 "{" HI "}", "small", 50,
	 "/openai/deployments/small/chat/completions?api-version=1",
	 "{`max_completion_tokens`:50," HI "}"},
	{BEDROCK, "/model/anthropic.claude-x-v1%3A0/converse", "{" HI "}",
	 "us.amazon.nova-lite-v1:0", 50,
	 "/model/us.amazon.nova-lite-v1%3A0/converse",
	 "{`inferenceConfig`:{`maxTokens`:50}," HI "}"},
	{BEDROCK, "/model/anthropic.claude-x-v1:0/invoke",
	 "{`max_tokens`:99," HI "}", "anthropic.claude-y-v1:0", 50,
	 "/model/anthropic.claude-y-v1%3A0/invoke", "{`max_tokens`:50," HI "}"},
	{BEDROCK, "/model/amazon.titan/invoke", "{`inputText`:`hi`}", NULL, 50,
	 NULL, NULL},
	/* no output, no model of a kind */
	{"api.openai.com", "/v1/embeddings", "{`model`:`a`,`input`:`hi`}", "b",
	 0, NULL, NULL},
};

static char *quoted(const char *s)
{
	char *out = strdup(s ? s : "");

	for (char *p = out; (p = strchr(p, '`'));)
		*p = '"';
	return out;
}

static void put_request(struct lg_buf *b, const struct change *c,
			const char *path, const char *body, bool chunked)
{
	char line[64];

	snprintf(line, sizeof(line),
		 chunked ? "Transfer-Encoding: chunked\r\n\r\n%zx\r\n"
			 : "Content-Length: %zu\r\n\r\n",
		 strlen(body));
	lg_buf_puts(b, "POST ");
	lg_buf_puts(b, path);
	lg_buf_puts(b, " HTTP/1.1\r\nHost: ");
	lg_buf_puts(b, c->host);
	lg_buf_puts(b, "\r\nauthorization: Bearer x\r\nContent-Type: "
		       "application/json\r\n");
	lg_buf_puts(b, line);
	lg_buf_puts(b, body);
	if (chunked)
		lg_buf_puts(b, "\r\n0\r\n\r\n");
}

/* As the flow makes one from a head and a body. */
static struct lg_exchange *exchange(struct rig *r, const struct change *c,
				    const char *body)
{
	struct lg_exchange *x = lg_exchange_new(r->e, NULL);
	const struct lg_provider_host *h = lg_route_host(lg_slice_str(c->host));

	assert_non_null(x);
	lg_route_request(h ? h->family : NULL, h ? h->provider : NULL,
			 lg_slice_str(c->host), LG_SLICE("POST"),
			 lg_slice_str(c->path), &x->route);
	assert_int_equal(x->route.kind, LG_ROUTE_PAID);
	x->d = x->route.dialect;
	lg_body_speak(&x->body, x->d);
	strcpy(x->row.host, c->host);
	strcpy(x->row.provider, x->route.provider);
	lg_exchange_request_head(x, LG_SLICE("application/json"),
				 (struct lg_slice){NULL, 0});
	lg_exchange_request_body(x, body, strlen(body));
	lg_exchange_request_end(x, true);
	return x;
}

static void check(struct rig *r, const struct change *c, bool chunked)
{
	char *body = quoted(c->body), *to = quoted(c->to_body);
	char *model = quoted(c->model);
	struct lg_rewrite w = {lg_slice_str(model), c->cap};
	struct lg_exchange *x = exchange(r, c, body);
	struct lg_buf held, out, want;
	bool ok;

	lg_buf_init(&held, 1 << 20);
	lg_buf_init(&out, 1 << 20);
	lg_buf_init(&want, 1 << 20);
	put_request(&held, c, c->path, body, chunked);
	ok = lg_rewrite_request(x, lg_buf_slice(&held), &w, &out);
	if (ok != (c->to_body != NULL))
		print_error("%s: %s\n", body, ok ? "rewritten" : "not");
	assert_int_equal(ok, c->to_body != NULL);
	if (ok) {
		put_request(&want, c, c->to_path ? c->to_path : c->path, to,
			    chunked);
		lg_buf_putc(&out, 0);
		lg_buf_putc(&want, 0);
		assert_string_equal(out.p, want.p);
	}
	lg_buf_fini(&held);
	lg_buf_fini(&out);
	lg_buf_fini(&want);
	lg_exchange_del(x);
	free(body);
	free(to);
	free(model);
}

static void test_all(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		for (unsigned chunked = 0; chunked < 2; chunked++)
			check(&r, &changes[i], chunked);
	rig_stop(&r);
}

/* Every cut of the message is refused or left alone, none is overrun. */
static void test_cut(void **state)
{
	const struct change *c = &changes[0];
	char *body = quoted(c->body);
	struct rig r;
	struct lg_exchange *x;
	struct lg_rewrite w = {LG_SLICE("gpt-4o-mini"), 5};
	struct lg_buf held;

	(void)state;
	rig_start(&r, NULL);
	x = exchange(&r, c, body);
	for (unsigned chunked = 0; chunked < 2; chunked++) {
		lg_buf_init(&held, 1 << 20);
		put_request(&held, c, c->path, body, chunked);
		for (size_t n = 0; n < held.len; n++) {
			char *copy = malloc(n + 1);
			struct lg_buf out;

			memcpy(copy, held.p, n);
			lg_buf_init(&out, 1 << 20);
			assert_false(lg_rewrite_request(
				x, (struct lg_slice){copy, n}, &w, &out));
			lg_buf_fini(&out);
			free(copy);
		}
		/* and something behind it */
		lg_buf_putc(&held, 'P');
		assert_false(lg_rewrite_request(x, lg_buf_slice(&held), &w,
						&(struct lg_buf){.max = 9999}));
		lg_buf_fini(&held);
	}
	lg_exchange_del(x);
	free(body);
	rig_stop(&r);
}

static void test_edits(void **state)
{
	struct lg_slice body = LG_SLICE("0123456789");
	struct lg_edits e;

	(void)state;
	lg_edits_init(&e, body);
	lg_edits_add(&e, body.p + 5, 2, LG_SLICE("b"), "");
	lg_edits_add(&e, body.p, 1, LG_SLICE("a"), ",");
	assert_int_equal(e.n, 2);
	assert_int_equal(e.e[0].at, 0);
	for (unsigned i = 0; i < LG_EDITS_MAX; i++)
		lg_edits_add(&e, body.p + 9, 0, LG_SLICE("x"), "");
	assert_true(e.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
