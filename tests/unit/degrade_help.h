#ifndef LG_TEST_DEGRADE_HELP_H
#define LG_TEST_DEGRADE_HELP_H

/* What the tests of chains of actions share; after cmocka.h. */

#include "flow_texts.h"

/* 100 tokens of gpt-4o are $0.001, of gpt-4o-mini $0.00006. */
#define ASK(model, more)                                                       \
	"{\"model\":\"" model "\",\"messages\":[{\"role\":\"user\","           \
	"\"content\":\"hello there\"}]" more "}"
#define DEAR ASK("gpt-4o", ",\"max_tokens\":100")

#define BUDGET(name, scope, usd, more)                                         \
	"  - {name: " name ", scope: \"" scope "\", period: monthly, "         \
	"limit_usd: " usd ", hard: true" more "}\n"
#define BUDGETS "version: 1\nbudgets:\n"

static char want[4096];

/* What reaches the server says its own length; its body is returned. */
static inline const char *server_body(struct rig *r)
{
	char *body, *length;

	lg_buf_putc(&r->server, '\0');
	r->server.len--;
	body = strstr(r->server.p, "\r\n\r\n");
	assert_non_null(body);
	length = strcasestr(r->server.p, "content-length: ");
	if (length)
		assert_int_equal(strtoul(length + 16, NULL, 10),
				 strlen(body + 4));
	return body + 4;
}

static inline void assert_body(struct rig *r, const char *body)
{
	assert_string_equal(server_body(r), body);
}

static inline struct lg_row answered(struct rig *r, const char *ans,
				     unsigned rows)
{
	struct lg_row row;

	rig_answer(r, ans, strlen(ans), 0);
	assert_int_equal(rig_rows(r, &row), rows);
	return row;
}

static inline const char *answer_of(const char *model, unsigned out)
{
	static char all[1024];
	char body[512];

	snprintf(body, sizeof(body),
		 "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"%s\""
		 ",\"choices\":[{\"index\":0,\"message\":{\"role\":"
		 "\"assistant\",\"content\":\"hi\"}}],\"usage\":{"
		 "\"prompt_tokens\":9,\"completion_tokens\":%u,"
		 "\"total_tokens\":%u}}",
		 model, out, out + 9);
	snprintf(all, sizeof(all),
		 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
	return all;
}

static inline unsigned long cap_in(struct rig *r, const char *key)
{
	const char *p = strstr(server_body(r), key);

	assert_non_null(p);
	return strtoul(p + strlen(key), NULL, 10);
}

static inline void spend(struct rig *r, unsigned out, unsigned rows)
{
	send_body(r, ASK("gpt-4o", ",\"max_tokens\":10"));
	assert_true(r->server.len);
	answered(r, answer_of("gpt-4o", out), rows);
}

#endif
