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
#include "guard/body.h"
#include "guard/translate.h"

/*
 * Answers: whatever the cut, the program reads the same; and what it reads
 * our own reader of its dialect understands as the provider's.
 */

struct from {
	const char *dialect, *target, *body, *type;
};

#define USER "{\"role\":\"user\",\"content\":\"x\"}"
#define PLAIN "{\"model\":\"g\",\"messages\":[" USER "]"
#define GEMINI "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}]}"
#define CONVERSE                                                               \
	"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]}"
#define SSE "text/event-stream; charset=utf-8"

static const struct from froms[] = {
	{"openai-chat", "/v1/chat/completions", PLAIN "}", "application/json"},
	{"openai-chat", "/v1/chat/completions",
	 PLAIN ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
	 SSE},
	{"openai-responses", "/v1/responses",
	 "{\"model\":\"g\",\"input\":\"x\"}", "application/json"},
	{"openai-responses", "/v1/responses",
	 "{\"model\":\"g\",\"input\":\"x\",\"stream\":true}", SSE},
	{"anthropic-messages", "/v1/messages", PLAIN "}", "application/json"},
	{"anthropic-messages", "/v1/messages", PLAIN ",\"stream\":true}", SSE},
	{"gemini-generate", "/v1beta/models/g:generateContent", GEMINI,
	 "application/json"},
	{"gemini-generate", "/v1beta/models/g:streamGenerateContent", GEMINI,
	 "application/json; charset=UTF-8"},
	{"gemini-generate",
	 "/v1beta/models/g:streamGenerateContent?key=k&alt=sse", GEMINI, SSE},
	{"bedrock-converse", "/model/g/converse", CONVERSE, "application/json"},
	{"bedrock-converse", "/model/g/converse-stream", CONVERSE,
	 "application/vnd.amazon.eventstream"},
	{"ollama-chat", "/api/chat", PLAIN ",\"stream\":false}",
	 "application/json"},
	{"ollama-chat", "/api/chat", PLAIN "}", "application/x-ndjson"},
	{"ollama-generate", "/api/generate",
	 "{\"model\":\"g\",\"prompt\":\"x\",\"stream\":false}",
	 "application/json"},
	{"ollama-generate", "/api/generate",
	 "{\"model\":\"g\",\"prompt\":\"x\"}", "application/x-ndjson"},
};
#define NFROMS (sizeof(froms) / sizeof(*froms))

#define CHUNK(delta, stop)                                                     \
	"data: "                                                               \
	"{\"model\":\"local\",\"choices\":[{\"index\":0,\"delta\":{" delta     \
	"},\"finish_reason\":" stop "}]}\r\n\r\n"

struct answer {
	enum lg_local_kind kind;
	const char *type, *body;
	unsigned text, calls; /* bytes of text, calls of tools */
};

/* The same said in every way in which a server may say it. */
static const struct answer answers[] = {
	{LG_LOCAL_OPENAI, "application/json",
	 " {\"model\":\"local\",\"choices\":[{\"message\":{\"role\":"
	 "\"assistant\",\"content\":\"h\\u00e9 \\\"\\n\\ud83d\\ude00\"},"
	 "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11,"
	 "\"completion_tokens\":7,\"prompt_tokens_details\":{"
	 "\"cached_tokens\":4}}}\n",
	 10, 0},
	{LG_LOCAL_OPENAI, "text/event-stream",
	 ": hello\n\n" CHUNK("\"role\":\"assistant\"",
			     "null") CHUNK("\"content\":\"h\xc3\xa9 \"", "null")
		 CHUNK("\"content\":\"\\\"\\n\\ud83d\\ude00\"", "null")
			 CHUNK("", "\"stop\"") "data: "
					       "{\"choices\":[],\"usage\":{"
					       "\"prompt_tokens\":11,"
					       "\"completion_tokens\":7}}"
					       "\n\ndata: [DONE]\n\n",
	 10, 0},
	{LG_LOCAL_OPENAI, "text/event-stream",
	 CHUNK("\"content\":\"text\"", "null") CHUNK(
		 "\"tool_calls\":[{\"index\":0,\"id\":\"c_1\","
		 "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]",
		 "null") CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{"
			       "\"arguments\":\"{\\n\\\"a\"}}]",
			       "null") CHUNK("\"tool_calls\":[{\"index\":0,"
					     "\"function\":{\"arguments\":"
					     "\"\\\": 1}\"}}]",
					     "null")
		 CHUNK("\"tool_calls\":[{\"index\":1,"
		       "\"id\":\"no good\","
		       "\"function\":{\"name\":\"g\","
		       "\"arguments\":\"{}\"}}]",
		       "\"tool_calls\"") "data: "
					 "{\"choices\":[],\"usage\":{\"prompt_"
					 "tokens\":11,"
					 "\"completion_tokens\":7}}\n\n",
	 4, 2},
	{LG_LOCAL_OLLAMA, "application/x-ndjson",
	 "{\"model\":\"local\",\"message\":{\"content\":\"te\"},\"done\":"
	 "false}\n{\"message\":{\"content\":\"xt\",\"tool_calls\":[{"
	 "\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}},{"
	 "\"function\":{\"name\":\"g\"}}]},\"done\":false}\n\n{\"message\":{"
	 "\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\","
	 "\"prompt_eval_count\":11,\"eval_count\":7}",
	 4, 2},
	{LG_LOCAL_OLLAMA, "application/json; charset=utf-8",
	 "{\"model\":\"local\",\"message\":{\"content\":\"text\"},\"done\":"
	 "true,\"done_reason\":\"stop\",\"prompt_eval_count\":11,"
	 "\"eval_count\":7}",
	 4, 0},
};
#define NANSWERS (sizeof(answers) / sizeof(*answers))

static struct lg_translation *new_of(const struct from *f,
				     enum lg_local_kind kind)
{
	struct lg_translate_ask a = {
		.dialect = lg_dialect_by_name(lg_slice_str(f->dialect)),
		.target = lg_slice_str(f->target),
		.body = lg_slice_str(f->body),
		.kind = kind,
		.model = LG_SLICE("asked"),
		.now_ms = 1790000000123,
		.seed = 42,
	};
	struct lg_translation *t = NULL;
	const char *why = NULL;
	struct lg_buf body;

	lg_buf_init(&body, 1 << 20);
	if (lg_translation_new(&a, &body, &t, &why))
		fail_msg("%s: %s", f->dialect, why);
	lg_buf_fini(&body);
	return t;
}

/* Fed up to at, then the rest; in pieces of step. */
static struct lg_translation *run(const struct from *f, enum lg_local_kind kind,
				  unsigned status, const char *type,
				  struct lg_slice body, size_t step, size_t at,
				  bool whole, struct lg_buf *out)
{
	struct lg_translation *t = new_of(f, kind);
	struct edge e = edge_new(body.len + 1);
	size_t i, n;

	lg_buf_init(out, (size_t)16 << 20);
	lg_translation_head(t, status, lg_slice_str(type));
	for (i = 0; i < body.len; i += n) {
		n = i < at && i + step > at ? at - i : step;
		n = n < body.len - i ? n : body.len - i;
		assert_int_equal(
			lg_translation_feed(t, edge_put(&e, body.p + i, n), n,
					    out),
			0);
	}
	assert_int_equal(lg_translation_end(t, whole, out), 0);
	edge_del(&e);
	return t;
}

static struct lg_facts facts;
static struct lg_answer answer;

/* What the provider's own reader makes of it. */
static void read_back(const struct from *f, const struct lg_translation *t,
		      struct lg_buf *out)
{
	static struct lg_body body;
	char head[256];

	lg_facts_init(&facts);
	lg_answer_init(&answer);
	facts.stream = lg_translation_streams(t);
	lg_body_init(&body, &facts, &answer);
	lg_body_speak(&body, lg_dialect_by_name(lg_slice_str(f->dialect)));
	snprintf(head, sizeof(head),
		 "HTTP/1.1 %u X\r\nContent-Type: %s\r\n%s\r\n",
		 lg_translation_status(t), lg_translation_type(t),
		 lg_translation_fields(t));
	lg_body_answer_head(&body, lg_slice_str(head),
			    lg_translation_status(t));
	lg_body_answer_feed(&body, out->p, out->len);
	lg_body_answer_end(&body, true);
	assert_int_equal(body.flags, 0);
	lg_body_fini(&body);
}

static bool is_same(const struct from *f, enum lg_local_kind kind)
{
	bool chat = !strcmp(f->dialect, "openai-chat");
	bool ollama =
		lg_slice_starts(lg_slice_str(f->dialect), LG_SLICE("ollama"));

	return kind == LG_LOCAL_OPENAI ? chat : ollama;
}

static void judge(const struct from *f, const struct answer *a,
		  const struct lg_translation *t, struct lg_buf *out)
{
	struct lg_usage u;

	assert_int_equal(lg_translation_status(t), 200);
	assert_string_equal(lg_translation_type(t), f->type);
	lg_translation_usage(t, &u);
	assert_int_equal(lg_usage_input(&u), 11);
	assert_int_equal(lg_usage_output(&u), 7);
	assert_true(lg_slice_eq(lg_translation_model(t), LG_SLICE("local")));
	read_back(f, t, out);
	assert_false(answer.error);
	assert_true(answer.usage.flags & LG_USAGE_PRESENT);
	assert_false(answer.usage.flags & LG_USAGE_MISMATCH);
	assert_true(answer.usage_final);
	assert_int_equal(lg_usage_input(&answer.usage), 11);
	assert_int_equal(lg_usage_output(&answer.usage), 7);
	if (strcmp(f->dialect, "bedrock-converse"))
		assert_string_equal(answer.model, "local");
	if (!a->calls)
		assert_int_equal(answer.delivered_bytes, a->text);
	else if (strcmp(f->dialect, "ollama-generate"))
		assert_true(answer.delivered_bytes >= a->text);
}

static void test_pairs(void **state)
{
	unsigned i, k;

	(void)state;
	for (i = 0; i < NFROMS; i++)
		for (k = 0; k < NANSWERS; k++) {
			const struct from *f = &froms[i];
			const struct answer *a = &answers[k];
			struct lg_slice body = lg_slice_str(a->body);
			struct lg_translation *t;
			struct lg_buf out;

			if (is_same(f, a->kind))
				continue;
			t = run(f, a->kind, 200, a->type, body, body.len,
				body.len, true, &out);
			judge(f, a, t, &out);
			lg_translation_del(t);
			lg_buf_fini(&out);
		}
}

/* The program reads the same however the server's bytes arrive. */
static void test_pieces(void **state)
{
	unsigned i, k;
	size_t at, step;

	(void)state;
	for (i = 0; i < NFROMS; i++)
		for (k = 0; k < NANSWERS; k++) {
			const struct answer *a = &answers[k];
			struct lg_slice body = lg_slice_str(a->body);
			struct lg_translation *t;
			struct lg_buf want, got;

			t = run(&froms[i], a->kind, 200, a->type, body,
				body.len, body.len, true, &want);
			lg_translation_del(t);
			for (at = 0; at <= body.len; at++) {
				step = at < 4 ? at + 1 : body.len;
				t = run(&froms[i], a->kind, 200, a->type, body,
					step, at, true, &got);
				lg_translation_del(t);
				assert_int_equal(got.len, want.len);
				assert_memory_equal(got.p, want.p, got.len);
				lg_buf_fini(&got);
			}
			lg_buf_fini(&want);
		}
}

/* Cut short anywhere: never an answer that looks whole. */
static void test_short(void **state)
{
	unsigned i, k;
	size_t n;

	(void)state;
	for (i = 0; i < NFROMS; i++)
		for (k = 0; k < NANSWERS; k++) {
			const struct from *f = &froms[i];
			const struct answer *a = &answers[k];
			struct lg_slice all = lg_slice_str(a->body);
			const char *done = strstr(a->body, "[DONE]");
			size_t max = done ? (size_t)(done - a->body) : all.len;

			if (is_same(f, a->kind))
				continue;
			for (n = 0; n < max; n++) {
				struct lg_slice body = {all.p, n};
				struct lg_translation *t;
				struct lg_buf out;

				t = run(f, a->kind, 200, a->type, body, n + 1,
					n, false, &out);
				assert_true(out.len > 0);
				read_back(f, t, &out);
				if (lg_translation_status(t) == 200)
					assert_false(answer.usage_final &&
						     !answer.error);
				else
					assert_int_equal(
						lg_translation_status(t), 502);
				lg_translation_del(t);
				lg_buf_fini(&out);
			}
		}
}

static const struct {
	enum lg_local_kind kind;
	unsigned status, want;
	const char *body, *text;
} errors[] = {
	{LG_LOCAL_OPENAI, 404, 404,
	 "{\"error\":{\"message\":\"no \\\"m\\\"\"}}", "no \\\"m\\\""},
	{LG_LOCAL_OLLAMA, 404, 404, "{\"error\":\"no m\"}", "no m"},
	{LG_LOCAL_OPENAI, 422, 422, "{\"detail\":\"no m\"}", "no m"},
	{LG_LOCAL_OPENAI, 400, 400, "{\"object\":\"error\",\"message\":\"no\"}",
	 "no"},
	{LG_LOCAL_OPENAI, 503, 503, "<html>", "refused"},
	{LG_LOCAL_OPENAI, 500, 500, "", "refused"},
	{LG_LOCAL_OPENAI, 301, 502, "", "refused"},
	{LG_LOCAL_OPENAI, 200, 502, "<html>", "early"},
	{LG_LOCAL_OPENAI, 200, 500, "{\"error\":{\"message\":\"oh\"}}", "oh"},
	{LG_LOCAL_OPENAI, 200, 502, "{\"choices\":[]}", "early"},
	{LG_LOCAL_OPENAI, 200, 502, "[]", "early"},
	{LG_LOCAL_OLLAMA, 200, 502, "{}", "early"},
};

static void test_errors(void **state)
{
	unsigned i, k;

	(void)state;
	for (i = 0; i < NFROMS; i++)
		for (k = 0; k < sizeof(errors) / sizeof(*errors); k++) {
			struct lg_slice body = lg_slice_str(errors[k].body);
			struct lg_translation *t;
			struct lg_buf out;

			if (is_same(&froms[i], errors[k].kind))
				continue;
			t = run(&froms[i], errors[k].kind, errors[k].status,
				"application/json", body, body.len + 1, 0, true,
				&out);
			assert_int_equal(lg_translation_status(t),
					 errors[k].want);
			assert_string_equal(lg_translation_type(t),
					    "application/json");
			lg_buf_putc(&out, 0);
			if (!strstr(out.p, errors[k].text) &&
			    !strstr(out.p, "JSON"))
				fail_msg("%s: %s", errors[k].text, out.p);
			lg_translation_del(t);
			lg_buf_fini(&out);
		}
}

static const char *const hostile[] = {
	"{\"choices\":[{\"message\":{\"content\":5}}]}",
	"{\"choices\":{\"message\":[]}}",
	"{\"choices\":[{\"message\":{\"content\":\"\\ud83d \\udc00 \xff\xc3\"},"
	"\"finish_reason\":\"stop\"}]}",
	"{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":"
	"\"f\",\"arguments\":\"not {json\"}}]},\"finish_reason\":7}]}",
	"{\"choices\":[{\"message\":{\"tool_calls\":[{\"index\":3},{\"index\":"
	"1,\"function\":{\"name\":\"f\",\"arguments\":\"[]\"}},{\"index\":0,"
	"\"function\":{\"arguments\":\"xyz\"}}]}}]}",
	"{\"choices\":[{\"message\":{\"content\":[{\"text\":\"a\"},{}]}}],"
	"\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1e999}}",
	"{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":"
	"\"stop\"}],\"usage\":{\"prompt_tokens\":99999999999999999999,"
	"\"completion_tokens\":18446744073709551615,"
	"\"prompt_tokens_details\":{\"cached_tokens\":99}}}",
};

static bool is_utf8(const struct lg_buf *b)
{
	size_t i = 0, n;

	while (i < b->len) {
		n = (unsigned char)b->p[i] < 0x80
			    ? 1
			    : lg_utf8_len((unsigned char *)b->p + i,
					  b->len - i);
		if (!n)
			return false;
		i += n;
	}
	return true;
}

static void test_hostile(void **state)
{
	unsigned i, k;

	(void)state;
	for (i = 0; i < NFROMS; i++)
		for (k = 0; k < sizeof(hostile) / sizeof(*hostile); k++) {
			struct lg_slice body = lg_slice_str(hostile[k]);
			struct lg_translation *t;
			struct lg_tree tree = {0};
			struct lg_buf out;

			if (is_same(&froms[i], LG_LOCAL_OPENAI))
				continue;
			t = run(&froms[i], LG_LOCAL_OPENAI, 200,
				"application/json", body, 3, 0, true, &out);
			assert_true(out.len > 0);
			if (strcmp(lg_translation_type(t),
				   "application/vnd.amazon.eventstream"))
				assert_true(is_utf8(&out));
			if (!strcmp(lg_translation_type(t), "application/json"))
				assert_int_equal(
					lg_tree_parse(&tree,
						      lg_buf_slice(&out)),
					0);
			lg_tree_fini(&tree);
			lg_translation_del(t);
			lg_buf_fini(&out);
		}
}

/* The same dialect is copied, and its tokens are counted beside it. */
static void test_same(void **state)
{
	unsigned k;

	(void)state;
	for (k = 0; k < NANSWERS; k++) {
		const struct answer *a = &answers[k];
		const struct from *f =
			&froms[a->kind == LG_LOCAL_OPENAI ? 1 : 12];
		struct lg_slice body = lg_slice_str(a->body);
		struct lg_translation *t;
		struct lg_usage u;
		struct lg_buf out;

		t = run(f, a->kind, 200, a->type, body, 5, 0, true, &out);
		assert_true(lg_slice_eq(lg_buf_slice(&out), body));
		assert_string_equal(lg_translation_type(t), a->type);
		lg_translation_usage(t, &u);
		assert_int_equal(lg_usage_input(&u), 11);
		assert_int_equal(lg_usage_output(&u), 7);
		lg_translation_del(t);
		lg_buf_fini(&out);
	}
}

/* No room: it is told, and nothing is written beyond. */
static void test_no_room(void **state)
{
	const struct answer *a = &answers[2];
	struct lg_slice body = lg_slice_str(a->body);
	unsigned i;
	size_t max;

	(void)state;
	for (i = 2; i < NFROMS; i++)
		for (max = 0; max < 200; max += 13) {
			struct lg_translation *t = new_of(&froms[i], a->kind);
			struct lg_buf out;
			int err, end;

			lg_buf_init(&out, max);
			lg_translation_head(t, 200, lg_slice_str(a->type));
			err = lg_translation_feed(t, body.p, body.len, &out);
			end = lg_translation_end(t, true, &out);
			assert_true(err == -EMSGSIZE || end == -EMSGSIZE);
			assert_true(out.len <= max);
			lg_translation_del(t);
			lg_buf_fini(&out);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),	cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_short),	cmocka_unit_test(test_errors),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_same),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
