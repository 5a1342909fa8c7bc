#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_rig.h"
#include "wire/http1.h"

#define INJECT                                                                 \
	"version: 1\nstream_usage: inject\n"                                   \
	"hosts: {llm.example: openai, c.example: anthropic}\n"
#define ASKED "\"stream_options\":{\"include_usage\":true},"

static struct rig rig;
static char request[4096], wire[1 << 17], plain[1 << 17];

static int setup(void **state)
{
	(void)state;
	rig_start(&rig, INJECT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static size_t post(const char *host, const char *fields, const char *body)
{
	return (size_t)sprintf(
		request,
		"POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n"
		"Authorization: Bearer sk-x\r\n%sContent-Length: %zu\r\n"
		"Content-Type: application/json\r\n\r\n%s",
		host, fields, strlen(body), body);
}

/* The body behind a message's head, chunks put together. */
static struct lg_slice body_of(enum lg_http1_kind kind, struct lg_slice all,
			       bool *whole)
{
	static char head[LG_HTTP1_HEAD_MAX], out[1 << 17];
	enum lg_http1_event ev = LG_HTTP1_MORE;
	struct lg_slice piece;
	struct lg_http1 m;
	size_t used = 0, n = 0;

	lg_http1_init(&m, kind, head, sizeof(head));
	do {
		used += lg_http1_feed(&m, all.p + used, all.len - used, &ev,
				      &piece);
		if (ev == LG_HTTP1_BODY) {
			memcpy(out + n, piece.p, piece.len);
			n += piece.len;
		}
		assert_int_not_equal(ev, LG_HTTP1_BAD);
	} while (ev == LG_HTTP1_HEAD || ev == LG_HTTP1_BODY);
	*whole = ev == LG_HTTP1_END && used == all.len;
	return (struct lg_slice){out, n};
}

static void same(struct lg_slice got, const char *want)
{
	if (!lg_slice_eq(got, lg_slice_str(want)))
		fail_msg("got:\n%.*s\nwant:\n%s", (int)got.len, got.p, want);
}

#define BODY(x) "{\"model\":\"gpt-4o\",\"stream\":true" x "}"

static const struct {
	const char *body, *want;
} bodies[] = {
	{BODY(""), "{" ASKED "\"model\":\"gpt-4o\",\"stream\":true}"},
	{" \n{ \"model\":\"gpt-4o\",\"stream\":true}\n",
	 " \n{" ASKED " \"model\":\"gpt-4o\",\"stream\":true}\n"},
	{BODY(",\"stream_options\":null"),
	 BODY(",\"stream_options\":{\"include_usage\":true}")},
	{BODY(",\"stream_options\":{}"),
	 BODY(",\"stream_options\":{\"include_usage\":true}")},
	{BODY(",\"stream_options\":{ }"),
	 BODY(",\"stream_options\":{\"include_usage\":true }")},
	{BODY(",\"stream_options\" : {\"include_obfuscation\":false} "),
	 BODY(",\"stream_options\" : {\"include_usage\":true,"
	      "\"include_obfuscation\":false} ")},
	{BODY(",\"stream_options\":{\"include_usage\":null}"),
	 BODY(",\"stream_options\":{\"include_usage\":true}")},
	{BODY(",\"messages\":[{\"content\":\"\\\"stream_options\\\":{}\"}]"),
	 "{" ASKED "\"model\":\"gpt-4o\",\"stream\":true,\"messages\":"
	 "[{\"content\":\"\\\"stream_options\\\":{}\"}]}"},
	/* left alone */
	{BODY(",\"stream_options\":{\"include_usage\":false}"), NULL},
	{BODY(",\"stream_options\":{\"include_usage\":true}"), NULL},
	{BODY(",\"stream_options\":7"), NULL},
	{BODY(",\"stream_options\":{},\"stream_options\":{}"), NULL},
	{BODY(",\"stream\\u005foptions\":{}"), NULL},
	{"{\"model\":\"gpt-4o\",\"stream\":false}", NULL},
	{"{\"model\":\"gpt-4o\"}", NULL},
	{"{\"model\":\"gpt-4o\",\"stream\":true", NULL},
	{"[]", NULL},
};

static void test_bodies(void **state)
{
	static const size_t steps[] = {0, 1, 9};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		for (size_t k = 0; k < 3; k++) {
			size_t n = post("api.openai.com", "", bodies[i].body);
			bool whole;

			rig_connect(&rig, "api.openai.com");
			rig_write(&rig, request, n, steps[k]);
			same(body_of(LG_HTTP1_REQUEST,
				     lg_buf_slice(&rig.server), &whole),
			     bodies[i].want ? bodies[i].want : bodies[i].body);
			assert_true(whole);
			if (!bodies[i].want)
				assert_memory_equal(rig.server.p, request, n);
		}
}

static const char *field(const char *name)
{
	static char out[64];
	struct lg_slice v = lg_http1_field(lg_buf_slice(&rig.server),
					   lg_slice_str(name), 0);

	snprintf(out, sizeof(out), "%.*s", (int)v.len, v.p ? v.p : "");
	return out;
}

static void test_heads(void **state)
{
	static const struct {
		const char *host, *fields;
		bool edited;
	} heads[] = {
		{"api.openai.com", "accept-encoding: gzip, br\r\n", true},
		{"api.deepseek.com", "", true},
		{"llm.example", "", true},
		{"api.groq.com", "", false},
		{"c.example", "", false},
		{"api.openai.com", "Content-Encoding: identity\r\n", false},
		{"api.openai.com", "Content-MD5: x\r\n", false},
		{"api.openai.com", "X-A: b\r\n c\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t n = post(heads[i].host, heads[i].fields, BODY(""));
		char len[24];

		rig_connect(&rig, heads[i].host);
		rig_write(&rig, request, n, 0);
		if (!heads[i].edited) {
			assert_int_equal(rig.server.len, n);
			assert_memory_equal(rig.server.p, request, n);
			continue;
		}
		snprintf(len, sizeof(len), "%zu", strlen(bodies[0].want));
		assert_string_equal(field("content-length"), len);
		assert_string_equal(field("authorization"), "Bearer sk-x");
		assert_string_equal(field("accept-encoding"),
				    i ? "" : "identity");
	}
}

static void test_chunked_request(void **state)
{
	const char *head = "POST /v1/chat/completions HTTP/1.1\r\n"
			   "Host: api.openai.com\r\n"
			   "Transfer-Encoding: chunked\r\n\r\n";
	const char *body = BODY("");
	bool whole;

	(void)state;
	for (size_t piece = 1; piece <= strlen(body); piece++) {
		size_t n = (size_t)sprintf(request, "%s", head);

		for (size_t at = 0, k; at < strlen(body); at += k) {
			k = strlen(body) - at < piece ? strlen(body) - at
						      : piece;
			n += (size_t)sprintf(request + n, "%zX;x=y\r\n%.*s\r\n",
					     k, (int)k, body + at);
		}
		n += (size_t)sprintf(request + n, "0\r\n\r\n");
		rig_connect(&rig, "api.openai.com");
		rig_write(&rig, request, n, piece);
		same(body_of(LG_HTTP1_REQUEST, lg_buf_slice(&rig.server),
			     &whole),
		     bodies[0].want);
		assert_true(whole);
	}
}

/* -- answers --------------------------------------------------------------- */

#define USAGE                                                                  \
	"\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":4,"             \
	"\"total_tokens\":15}"

/* %s is what asking for usage adds: a member, an event. */
#define CHUNK(text)                                                            \
	"data: {\"id\":\"c-1\",\"model\":\"gpt-4o\",\"choices\":[{\"delta\":"  \
	"{\"content\":\"" text "\"}}]%s,\"obfuscation\":\"x\"}%s%s"

enum { EVENTS = 5 };

static size_t events(char *out, const char *nl, bool asked)
{
	const char *null = asked ? ",\"usage\":null" : "";
	size_t n = 0;

	n += (size_t)sprintf(out + n, ": comment%s%s", nl, nl);
	n += (size_t)sprintf(out + n, CHUNK("Hello"), null, nl, nl);
	n += (size_t)sprintf(out + n, CHUNK(" \\\"usage\\\":null"), null, nl,
			     nl);
	n += (size_t)sprintf(out + n,
			     "data: {%s\"model\":\"gpt-4o\",\"choices\":[]"
			     ",\"prompt_filter_results\":[]}%s%s",
			     asked ? "\"usage\":null," : "", nl, nl);
	if (asked)
		n += (size_t)sprintf(out + n,
				     "data: {\"model\":\"gpt-4o\","
				     "\"choices\":[]," USAGE "}%s%s",
				     nl, nl);
	n += (size_t)sprintf(out + n, "data: [DONE]%s%s", nl, nl);
	return n;
}

#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

static size_t chunks(char *out, const char *head, const char *body, size_t len,
		     size_t piece)
{
	size_t n = (size_t)sprintf(out, "%s", head);

	for (size_t at = 0, k; at < len; at += k) {
		k = len - at < piece ? len - at : piece;
		n += (size_t)sprintf(out + n, "%zx\r\n", k);
		memcpy(out + n, body + at, k);
		n += k;
		n += (size_t)sprintf(out + n, "\r\n");
	}
	return n + (size_t)sprintf(out + n, "0\r\n\r\n");
}

static void ask(void)
{
	size_t n = post("api.openai.com", "", BODY(""));

	rig_connect(&rig, "api.openai.com");
	rig_write(&rig, request, n, 0);
}

static void check_row(uint8_t state, uint64_t out)
{
	struct lg_row row;

	rig_close(&rig);
	assert_true(rig_rows(&rig, &row) > 0);
	assert_int_equal(row.usage_state, state);
	if (state == LG_USAGE_EXACT)
		assert_int_equal(row.output_tokens, out);
}

/* Any line ends, chunks, reads: what it would have been, and exact. */
static void test_answers(void **state)
{
	static const char *const ends[] = {"\n", "\r\n", "\r"};
	static const size_t pieces[] = {1, 2, 7, 40, 133, 100000};
	static char raw[1 << 14];
	bool whole;

	(void)state;
	for (size_t e = 0; e < 3; e++)
		for (size_t p = 0; p < 6; p++)
			for (size_t r = 0; r < 6; r++) {
				size_t len = events(raw, ends[e], true);
				size_t n = chunks(
					wire,
					STREAM "Transfer-Encoding: chunked\r\n"
					       "\r\n",
					raw, len, pieces[p]);

				plain[events(plain, ends[e], false)] = 0;
				ask();
				rig_answer(&rig, wire, n, pieces[r]);
				same(body_of(LG_HTTP1_RESPONSE,
					     lg_buf_slice(&rig.program),
					     &whole),
				     plain);
				assert_true(whole);
				check_row(LG_USAGE_EXACT, 4);
			}
}

static void test_until_close(void **state)
{
	static char raw[1 << 14];
	size_t len = events(raw, "\n", true), n;
	bool whole;

	(void)state;
	n = (size_t)sprintf(wire, "%sConnection: close\r\n\r\n%.*s", STREAM,
			    (int)len, raw);
	plain[events(plain, "\n", false)] = 0;
	for (size_t step = 1; step < n; step = step * 3 + 1) {
		ask();
		rig_answer(&rig, wire, n, step);
		lg_flow_eof(rig.f);
		take_synth(&rig);
		same(body_of(LG_HTTP1_RESPONSE, lg_buf_slice(&rig.program),
			     &whole),
		     plain);
		check_row(LG_USAGE_EXACT, 4);
	}
}

/* Cut anywhere the program has all but what is ours. */
static void test_cut(void **state)
{
	static char raw[1 << 14];
	size_t len = events(raw, "\n", true);
	size_t n = chunks(wire, STREAM "Transfer-Encoding: chunked\r\n\r\n",
			  raw, len, 100000);
	struct lg_slice got;
	bool whole;

	(void)state;
	events(plain, "\n", false);
	for (size_t cut = 80; cut < n; cut++) {
		ask();
		rig_answer(&rig, wire, cut, 0);
		lg_flow_eof(rig.f);
		take_synth(&rig);
		got = body_of(LG_HTTP1_RESPONSE, lg_buf_slice(&rig.program),
			      &whole);
		assert_false(whole);
		assert_true(got.len + 600 > cut);
		/* the event that is cut stands there as it came */
		for (size_t i = 0; i < got.len; i++)
			if (got.p[i] != plain[i]) {
				assert_true(got.len - i < 120);
				break;
			}
		rig_close(&rig);
	}
}

/* What cannot be edited, or need not be, passes byte for byte. */
static void test_untouched(void **state)
{
	static char raw[1 << 14];
	size_t len = events(raw, "\n", true), n;
	char head[300];

	(void)state;
	snprintf(head, sizeof(head), "%sContent-Length: %zu\r\n\r\n", STREAM,
		 len);
	n = (size_t)sprintf(wire, "%s%.*s", head, (int)len, raw);
	ask();
	rig_answer(&rig, wire, n, 33);
	assert_int_equal(rig.program.len, n);
	assert_memory_equal(rig.program.p, wire, n);
	check_row(LG_USAGE_EXACT, 4);
	n = chunks(wire,
		   STREAM "Content-Encoding: gzip\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n",
		   raw, len, 50);
	ask();
	rig_answer(&rig, wire, n, 0);
	assert_int_equal(rig.program.len, n);
	assert_memory_equal(rig.program.p, wire, n);
	rig_close(&rig);
	n = chunks(wire,
		   "HTTP/1.1 400 Bad Request\r\nContent-Type: "
		   "text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
		   raw, len, 50);
	ask();
	rig_answer(&rig, wire, n, 0);
	assert_int_equal(rig.program.len, n);
	assert_memory_equal(rig.program.p, wire, n);
	rig_close(&rig);
}

/* An event longer than is kept passes; the ones behind it are edited. */
static void test_long_event(void **state)
{
	static char raw[1 << 19], big[1 << 20], want[1 << 19];
	size_t n = 0, w, len;
	struct lg_slice got;

	(void)state;
	n += (size_t)sprintf(raw, "data: {\"choices\":[],\"x\":\"");
	memset(raw + n, 'x', 300000);
	n += 300000;
	n += (size_t)sprintf(raw + n, "\"}\n\n");
	memcpy(want, raw, n);
	w = n + events(want + n, "\n", false);
	n += events(raw + n, "\n", true);
	len = (size_t)sprintf(big, "%sConnection: close\r\n\r\n", STREAM);
	memcpy(big + len, raw, n);
	ask();
	rig_answer(&rig, big, len + n, 16384);
	lg_flow_eof(rig.f);
	take_synth(&rig);
	got = lg_buf_slice(&rig.program);
	assert_int_equal(got.len, len + w);
	assert_memory_equal(got.p + len, want, w);
	check_row(LG_USAGE_EXACT, 4);
}

/* Behind an edited answer another one, in the same bytes. */
static void test_pipelined(void **state)
{
	static char raw[1 << 14];
	size_t len = events(raw, "\n", true), n, one;
	const char *second = "HTTP/1.1 200 OK\r\nContent-Type: application/"
			     "json\r\nContent-Length: 2\r\n\r\n{}";

	(void)state;
	n = chunks(wire, STREAM "Transfer-Encoding: chunked\r\n\r\n", raw, len,
		   77);
	n += (size_t)sprintf(wire + n, "%s", second);
	for (size_t step = 1; step <= n; step = step * 5 + 2) {
		size_t q = post("api.openai.com", "", BODY(""));

		rig_connect(&rig, "api.openai.com");
		rig_write(&rig, request, q, 0);
		q = post("api.openai.com", "", "{\"model\":\"gpt-4o\"}");
		rig_write(&rig, request, q, 0);
		rig_answer(&rig, wire, n, step);
		one = rig.program.len - strlen(second);
		assert_memory_equal(rig.program.p + one, second,
				    strlen(second));
		assert_memory_equal(rig.program.p + one - 5, "0\r\n\r\n", 5);
		rig_close(&rig);
	}
}

/* A chunk that is none: the rest passes, also what was withheld. */
static void test_bad_framing(void **state)
{
	const char *text = STREAM "Transfer-Encoding: chunked\r\n\r\n"
				  "8\r\ndata: {}\r\nzz\r\nrest";

	(void)state;
	for (size_t step = 1; step < 200; step += 11) {
		ask();
		rig_answer(&rig, text, strlen(text), step);
		assert_non_null(
			memmem(rig.program.p, rig.program.len, "data: {}", 8));
		assert_memory_equal(rig.program.p + rig.program.len - 4, "rest",
				    4);
		rig_close(&rig);
	}
}

/* Off is the default: nothing is touched, the row is an estimate. */
static void test_off(void **state)
{
	static char raw[1 << 14];
	size_t len = events(raw, "\n", false), n;
	struct rig keep = rig;

	(void)state;
	rig_start(&rig, NULL);
	n = post("api.openai.com", "Accept-Encoding: gzip\r\n", BODY(""));
	rig_connect(&rig, "api.openai.com");
	rig_write(&rig, request, n, 0);
	assert_int_equal(rig.server.len, n);
	assert_memory_equal(rig.server.p, request, n);
	n = chunks(wire, STREAM "Transfer-Encoding: chunked\r\n\r\n", raw, len,
		   60);
	rig_answer(&rig, wire, n, 0);
	assert_int_equal(rig.program.len, n);
	assert_memory_equal(rig.program.p, wire, n);
	check_row(LG_USAGE_ESTIMATED, 0);
	rig_stop(&rig);
	rig = keep;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_chunked_request),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_until_close),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_untouched),
		cmocka_unit_test(test_long_event),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_bad_framing),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
