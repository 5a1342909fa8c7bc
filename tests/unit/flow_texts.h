#ifndef LG_TEST_FLOW_TEXTS_H
#define LG_TEST_FLOW_TEXTS_H

/* Requests and answers of the flow tests; after cmocka.h. */

#include "budget/region.h"
#include "flow_rig.h"

#define BODY                                                                   \
	"{\"model\":\"gpt-4o-mini\",\"max_tokens\":100,\"messages\":[{"        \
	"\"role\":\"user\",\"content\":\"hello there\"}]}"
#define ANSWER_BODY                                                            \
	"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":"     \
	"\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{"   \
	"\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":"        \
	"\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"   \
	"\"total_tokens\":11}}"

static char text[1 << 20];

static inline const char *request(const char *extra)
{
	snprintf(text, sizeof(text),
		 "POST /v1/chat/completions HTTP/1.1\r\n"
		 "Host: api.openai.com\r\nAuthorization: Bearer sk-test\r\n"
		 "Content-Type: application/json\r\n%s"
		 "Content-Length: %zu\r\n\r\n%s",
		 extra, strlen(BODY), BODY);
	return text;
}

static inline const char *answer(void)
{
	static char out[4096];

	snprintf(out, sizeof(out),
		 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(ANSWER_BODY), ANSWER_BODY);
	return out;
}

static inline void assert_buf(const struct lg_buf *b, const char *want)
{
	assert_int_equal(b->len, strlen(want));
	assert_memory_equal(b->p, want, b->len);
}

#define CAP(usd, more)                                                         \
	"version: 1\nbudgets:\n  - {name: cap, scope: global, period: "        \
	"monthly, limit_usd: " usd ", hard: true" more "}\n"

static inline void send_body(struct rig *r, const char *body)
{
	snprintf(text, sizeof(text),
		 "POST /v1/chat/completions HTTP/1.1\r\n"
		 "Host: api.openai.com\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
	rig_connect(r, "api.openai.com");
	rig_write(r, text, strlen(text), 0);
}

/* Is the connection's 429 whole: a head, its length, a JSON object? */
static inline void assert_refused(struct rig *r)
{
	char *body, *length;

	assert_int_equal(r->server.len, 0);
	lg_buf_putc(&r->program, '\0');
	assert_non_null(strstr(r->program.p, "HTTP/1.1 429 "));
	body = strstr(r->program.p, "\r\n\r\n");
	length = strstr(r->program.p, "content-length: ");
	assert_non_null(body);
	assert_non_null(length);
	assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body + 4));
	assert_int_equal(body[4], '{');
	assert_true(lg_flow_is_shut(r->f));
}

static inline int64_t used_of(struct rig *r, const char *name)
{
	struct lg_region *region = lg_engine_region(r->e);
	struct lg_cell_view v;

	for (unsigned i = 0; i < lg_cell_count(region); i++)
		if (!lg_cell_view(region, i, &v) && !strcmp(v.name, name))
			return v.used_pusd;
	return -1;
}

#endif
