#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow_texts.h"
#include "frames.h"
#include "tests/golden/recode.h"

/* Coded bodies, both ways, and what cannot be read: never free of charge. */
static char wire[1 << 16];

static size_t message(const char *head, const char *p, size_t n)
{
	size_t h =
		(size_t)sprintf(wire, "%sContent-Length: %zu\r\n\r\n", head, n);

	memcpy(wire + h, p, n);
	return h + n;
}

static struct lg_buf coded(const char *body, const char *how)
{
	struct lg_buf b;

	lg_buf_init(&b, 1 << 20);
	lg_buf_puts(&b, body);
	assert_true(recode_body(&b, how));
	return b;
}

static void ask(struct rig *r)
{
	rig_connect(r, "api.openai.com");
	rig_write(r, request(""), strlen(request("")), 0);
}

static struct lg_row ended(struct rig *r, size_t n, size_t step)
{
	struct lg_row row;
	unsigned before = rig_rows(r, NULL);

	rig_answer(r, wire, n, step);
	assert_int_equal(r->program.len, n);
	assert_memory_equal(r->program.p, wire, n);
	lg_flow_eof(r->f);
	rig_close(r);
	assert_int_equal(rig_rows(r, &row), before + 1);
	return row;
}

/* Each answer cut at every byte: exact when it is whole, else the hold. */
static void test_answers(void **state)
{
	struct rig r;
	char head[200];

	(void)state;
	rig_start(&r, CAP("5", ""));
	for (size_t i = 0; i < RECODINGS; i++) {
		struct lg_buf b = coded(ANSWER_BODY, recodings[i]);
		struct lg_row row;

		snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: application/json"
			 "\r\nContent-Encoding: %s\r\n",
			 recodings[i]);
		for (size_t step = 0; step < 3; step++) {
			ask(&r);
			row = ended(&r, message(head, b.p, b.len), step);
			assert_int_equal(row.usage_state, LG_USAGE_EXACT);
			assert_int_equal(row.output_tokens, 2);
			assert_int_equal(row.flags, 0);
		}
		for (size_t cut = 0; cut < b.len; cut += 3) {
			ask(&r);
			row = ended(&r, message(head, b.p, cut), 0);
			assert_true(row.cost_pusd > 0);
			if (row.usage_state != LG_USAGE_EXACT)
				assert_true(row.cost_pusd <= row.estimate_pusd);
		}
		/* damaged from its first byte on */
		b.p[0] ^= 0x5a;
		b.p[1] ^= 0x5a;
		ask(&r);
		row = ended(&r, message(head, b.p, b.len), 1);
		assert_int_equal(row.usage_state, LG_USAGE_MISSING);
		assert_int_equal(row.cost_pusd, row.estimate_pusd);
		assert_true(row.flags & (LG_ROW_UNDECODABLE | LG_ROW_CUT_SHORT |
					 LG_ROW_BAD_JSON));
		lg_buf_fini(&b);
	}
	rig_stop(&r);
}

/* A request's own coding: read like a plain one, the server gets it coded. */
static void test_requests(void **state)
{
	struct rig r;
	struct lg_row plain, row;
	char head[300];

	(void)state;
	rig_start(&r, CAP("5", ""));
	ask(&r);
	plain = ended(&r, (size_t)sprintf(wire, "%s", answer()), 0);
	for (size_t i = 0; i < RECODINGS; i++) {
		struct lg_buf b = coded(BODY, recodings[i]);
		size_t n;

		snprintf(head, sizeof(head),
			 "POST /v1/chat/completions HTTP/1.1\r\n"
			 "Host: api.openai.com\r\nContent-Type: "
			 "application/json\r\nContent-Encoding: %s\r\n",
			 recodings[i]);
		for (size_t step = 0; step < 3; step++) {
			rig_connect(&r, "api.openai.com");
			n = message(head, b.p, b.len);
			rig_write(&r, wire, n, step);
			assert_int_equal(r.server.len, n);
			assert_memory_equal(r.server.p, wire, n);
			row = ended(&r, (size_t)sprintf(wire, "%s", answer()),
				    0);
			assert_string_equal(row.model_requested,
					    plain.model_requested);
			assert_int_equal(row.estimate_pusd,
					 plain.estimate_pusd);
			assert_int_equal(row.flags, 0);
		}
		rig_connect(&r, "api.openai.com");
		n = message(head, b.p, b.len / 2);
		rig_write(&r, wire, n, 0);
		row = ended(&r, (size_t)sprintf(wire, "%s", answer()), 0);
		assert_true(row.flags & LG_ROW_UNDECODABLE);
		assert_true(row.estimate_pusd > 0);
		lg_buf_fini(&b);
	}
	rig_stop(&r);
}

#define POST                                                                   \
	"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"       \
	"Content-Type: application/json\r\n"
#define LONG                                                                   \
	"{\"model\":\"gpt-4o\",\"max_tokens\":400,\"messages\":[{\"role\":"    \
	"\"user\",\"content\":\"hi\"}]}"
#define SHORT "\"model\":\"gpt-4o-mini\",\"max_tokens\":400,"

static size_t in_chunks(const char *head, const char *p, size_t n)
{
	size_t at = (size_t)sprintf(
		wire, "%sTransfer-Encoding: chunked\r\n\r\n", head);

	for (size_t i = 0; i < n; i++) {
		memcpy(wire + at, "1\r\n", 3);
		wire[at + 3] = p[i];
		memcpy(wire + at + 4, "\r\n", 2);
		at += 6;
	}
	memcpy(wire + at, "0\r\n\r\n", 5);
	return at + 5;
}

/* To be rewritten it is decoded, and goes out without its coding. */
static void test_rewritten(void **state)
{
	struct rig r;
	char head[300];

	(void)state;
	rig_start(&r, CAP("0.0005", ", on_hard: [{fallback: gpt-4o-mini}]"));
	for (size_t i = 0; i < 2 * RECODINGS; i++) {
		struct lg_buf b = coded(LONG, recodings[i / 2]);
		size_t n, len = strlen(LONG) + 5;
		const char *at;

		snprintf(head, sizeof(head), POST "content-encoding: %s\r\n",
			 recodings[i / 2]);
		for (size_t step = 0; step < 3; step++) {
			rig_connect(&r, "api.openai.com");
			r.server.len = 0;
			n = i % 2 ? in_chunks(head, b.p, b.len)
				  : message(head, b.p, b.len);
			rig_write(&r, wire, n, step);
			lg_buf_putc(&r.server, '\0');
			assert_null(strcasestr(r.server.p, "encoding: gz"));
			assert_null(strcasestr(r.server.p, "content-encod"));
			assert_non_null(strstr(r.server.p, SHORT));
			snprintf(head + 200, 100,
				 i % 2 ? "\r\n\r\n%zx\r\n{"
				       : "Content-Length: %zu\r\n\r\n{",
				 len);
			at = strstr(r.server.p, head + 200);
			assert_non_null(at);
			ended(&r, (size_t)sprintf(wire, "%s", answer()), 0);
		}
		lg_buf_fini(&b);
	}
	rig_stop(&r);
}

/* What lies about its coding, or has two fields of it, is not guessed at. */
static void test_not_rewritten(void **state)
{
	static const char *const fields[] = {
		"content-encoding: br\r\n",
		"content-encoding: gzip\r\nContent-Encoding: gzip\r\n",
		"content-encoding: gzip\r\nContent-MD5: x\r\n",
		"content-encoding: exi\r\n",
		"content-encoding: gzip\r\nTransfer-Encoding: gzip\r\n",
	};
	struct lg_buf b = coded(LONG, "gzip");
	char head[300];
	struct rig r;
	size_t n;

	(void)state;
	rig_start(&r, CAP("0.0005", ", on_hard: [{fallback: gpt-4o-mini}]"));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		snprintf(head, sizeof(head), POST "%s", fields[i]);
		rig_connect(&r, "api.openai.com");
		r.server.len = 0;
		n = message(head, b.p, b.len);
		rig_write(&r, wire, n, 0);
		assert_int_equal(r.server.len, 0);
		rig_close(&r);
	}
	lg_buf_fini(&b);
	rig_stop(&r);
}

/* Strict: what cannot be read has no bound. */
static void test_strict(void **state)
{
	struct rig r;
	size_t n;

	(void)state;
	rig_start(&r, CAP("5", ", mode: strict"));
	for (int i = 0; i < 2; i++) {
		rig_connect(&r, "api.openai.com");
		n = message(i ? "POST /v1/chat/completions HTTP/1.1\r\nHost: "
				"api.openai.com\r\nContent-Encoding: br\r\n"
			      : "POST /v1/chat/completions HTTP/1.1\r\nHost: "
				"api.openai.com\r\nContent-Encoding: exi\r\n",
			    BODY, strlen(BODY));
		rig_write(&r, wire, n, 0);
		assert_refused(&r);
	}
	rig_stop(&r);
}

/* Frames: a wrong checksum in the usage's makes it an estimate. */
static void test_frames(void **state)
{
	static const char path[] =
		"POST /model/anthropic.claude-3-haiku-20240307-v1%3A0/"
		"converse-stream HTTP/1.1\r\n"
		"Host: bedrock-runtime.us-east-1.amazonaws.com\r\n"
		"Content-Type: application/json\r\nContent-Length: 79\r\n\r\n"
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":"
		"\"hi\"}]}],\"inferenceConfig\":{    }}";
	static const char head[] =
		"HTTP/1.1 200 OK\r\n"
		"Content-Type: application/vnd.amazon.eventstream\r\n";
	char frames[2000];
	struct lg_row row;
	struct rig r;
	size_t text_len, n;

	(void)state;
	text_len = frame_put(frames, "event", "contentBlockDelta",
			     "{\"contentBlockIndex\":0,\"delta\":{\"text\":"
			     "\"twelve bytes\"}}");
	text_len += frame_put(frames + text_len, "event", "messageStop",
			      "{\"stopReason\":\"end_turn\"}");
	n = text_len + frame_put(frames + text_len, "event", "metadata",
				 "{\"usage\":{\"inputTokens\":900000,"
				 "\"outputTokens\":900000,"
				 "\"totalTokens\":1800000}}");
	rig_start(&r, CAP("500", ""));
	for (size_t i = text_len - 1; i < n; i++)
		for (size_t step = 0; step < 12; step += 11) {
			if (i >= text_len)
				frames[i] ^= 1;
			rig_connect(&r, "bedrock-runtime.us-east-1.amazonaws."
					"com");
			rig_write(&r, path, sizeof(path) - 1, 0);
			row = ended(&r, message(head, frames, n), step);
			if (i < text_len) {
				assert_int_equal(row.usage_state,
						 LG_USAGE_EXACT);
				assert_int_equal(row.output_tokens, 900000);
				continue;
			}
			frames[i] ^= 1;
			assert_int_equal(row.usage_state, LG_USAGE_ESTIMATED);
			assert_int_equal(row.output_tokens, 3);
			assert_true(row.flags & LG_ROW_UNDECODABLE);
			assert_true(row.cost_pusd > 0);
		}
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_rewritten),
		cmocka_unit_test(test_not_rewritten),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
