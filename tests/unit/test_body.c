#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <brotli/encode.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "edge.h"
#include "frames.h"
#include "guard/body.h"
#include "ledger/row.h"

/* A dialect of our own: {"model", "n", "text", "part", "reset"}. */
enum { MODEL, COUNT, TEXT, PART, RESET };

static const struct lg_field fields[] = {
	{"model", MODEL, 0}, {"n", COUNT, 0},	  {"text", TEXT, 0},
	{"part", PART, 0},   {"reset", RESET, 0},
};
static const struct lg_field form_fields[] = {
	{"model", MODEL, 0},
	{"file", TEXT, 0},
};

static char ends[256]; /* names of events, each with a comma */

static void on_request(struct lg_facts *f, int id, const struct lg_value *v)
{
	if (id == MODEL)
		lg_slice_copy(v->text, f->model, sizeof(f->model));
	if (id == TEXT)
		f->prompt_bytes += v->len;
}

static void on_value(struct lg_answer *a, int id, const struct lg_value *v)
{
	uint64_t n;

	if (id == MODEL)
		lg_slice_copy(v->text, a->model, sizeof(a->model));
	if (id == COUNT && !lg_value_u64(v, &n))
		a->raw[0] = n;
	if (id == TEXT)
		a->delivered_bytes += v->len;
	if (id == PART)
		a->part = LG_PART_DUE;
	if (id == RESET)
		a->part = LG_PART_RESET;
}

static void end_event(struct lg_answer *a, struct lg_slice name, bool done)
{
	strncat(ends, name.p, name.len);
	strcat(ends, done ? "!" : ",");
	a->events++;
}

static void finish(struct lg_answer *a)
{
	memset(&a->usage, 0, sizeof(a->usage));
	if (!a->raw[0])
		return;
	lg_usage_set(&a->usage, LG_BUCKET_OUTPUT, a->raw[0]);
	a->usage.flags |= LG_USAGE_PRESENT;
	a->usage_final = true;
}

static void on_header(struct lg_answer *a, struct lg_slice name,
		      struct lg_slice value)
{
	if (lg_slice_ieq(name, LG_SLICE("x-id")))
		lg_slice_copy(value, a->id, sizeof(a->id));
}

static struct lg_dialect d = {
	.name = "test",
	.family = "test",
	.request_fields = fields,
	.nrequest_fields = 5,
	.on_request = on_request,
	.form_fields = form_fields,
	.nform_fields = 2,
	.on_header = on_header,
	.response_fields = fields,
	.nresponse_fields = 5,
	.on_response = on_value,
	.event_fields = fields,
	.nevent_fields = 5,
	.on_event = on_value,
	.end_event = end_event,
	.finish = finish,
};

static struct lg_codec codec;
static struct lg_facts facts;
static struct lg_answer answer;
static struct lg_body body;
static char parts[1024];

static void on_part(void *ctx, enum lg_part part)
{
	(void)ctx;
	if (part == LG_PART_RESET)
		parts[0] = 0;
	else
		sprintf(parts + strlen(parts), "%s=%llu,", answer.model,
			(unsigned long long)answer.usage.n[LG_BUCKET_OUTPUT]);
}

static void begin(void)
{
	lg_facts_init(&facts);
	lg_answer_init(&answer);
	lg_body_init(&body, &facts, &answer);
	body.d = &d;
	body.codec = &codec;
	body.on_part = on_part;
	ends[0] = parts[0] = 0;
}

static void feed(const char *p, size_t n, size_t piece, bool request)
{
	struct edge e = edge_new(n + 1);

	for (size_t at = 0, k; at < n; at += k) {
		k = n - at < piece ? n - at : piece;
		if (request)
			lg_body_request_feed(&body, edge_put(&e, p + at, k), k);
		else
			lg_body_answer_feed(&body, edge_put(&e, p + at, k), k);
	}
	edge_del(&e);
}

static void answer_of(const char *head, const char *p, size_t n, size_t piece,
		      unsigned status)
{
	char text[512];

	snprintf(text, sizeof(text), "HTTP/1.1 %u X\r\n%s\r\n\r\n", status,
		 head);
	lg_body_answer_head(&body, lg_slice_str(text), status);
	feed(p, n, piece, false);
	lg_body_answer_end(&body, true);
	lg_body_fini(&body);
}

static uint64_t output(void)
{
	return answer.usage.n[LG_BUCKET_OUTPUT];
}

static int setup(void **state)
{
	(void)state;
	return lg_json_paths_init(&codec.request, fields, 5) ||
	       lg_json_paths_init(&codec.response, fields, 5) ||
	       lg_json_paths_init(&codec.event, fields, 5);
}

/* -- lines ----------------------------------------------------------------- */

static void test_lines(void **state)
{
	static const char *const types[] = {
		"application/x-ndjson",
		"application/jsonl; charset=utf-8",
		"application/stream+json",
		"Application/X-JSONLines",
	};
	static const char text[] =
		"{\"model\":\"m\",\"n\":1,\"text\":\"ab\"}\n\r\n"
		"  {\"n\":2,\"text\":\"c \"} \r\n\n"
		"{\"n\":3,\n\"text\":\"ef\"}\n{\"n\":4,\"text\":\"gh\"}";
	char head[100];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t piece = 1; piece <= sizeof(text); piece++) {
			snprintf(head, sizeof(head), "Content-Type: %s",
				 types[i]);
			begin();
			answer_of(head, text, sizeof(text) - 1, piece, 200);
			assert_string_equal(answer.model, "m");
			assert_int_equal(output(), 4);
			assert_int_equal(answer.delivered_bytes, 8);
			assert_string_equal(ends, ",,,,");
			assert_int_equal(body.flags, 0);
			assert_true(body.streamed);
		}
}

/* A damaged line costs itself and at most the one behind it. */
static void test_lines_damaged(void **state)
{
	static const char *const texts[] = {
		"{\"n\":1}\nnonsense\n{\"n\":3}\n",
		"{\"n\":1}\n{\"n\":2\n{\"text\":\"lost\"}\n{\"n\":3}\n",
		"{\"n\":1}\n{\"text\":\"cut\n{\"n\":3}\n",
		"{\"n\":1}\n{\"n\":2}{\"n\":9}\n{\"n\":3}\n",
		"{\"n\":3}\n{\"n\":",
	};

	(void)state;
	for (size_t i = 0; i < 5; i++)
		for (size_t piece = 1; piece < 60; piece++) {
			begin();
			answer_of("Content-Type: application/x-ndjson",
				  texts[i], strlen(texts[i]), piece, 200);
			assert_int_equal(output(), 3);
			assert_int_equal(body.flags, LG_ROW_BAD_JSON);
		}
}

/* By the dialect, where the type does not say it; errors are plain JSON. */
static void test_lines_by_dialect(void **state)
{
	static const char two[] = "{\"n\":1}\n{\"n\":2}\n";
	static const char error[] = "{\n\"n\":\n7\n}\n";

	(void)state;
	d.lines = true;
	begin();
	facts.stream = true;
	answer_of("Content-Type: application/json", two, sizeof(two) - 1, 3,
		  200);
	assert_string_equal(ends, ",,");
	begin();
	answer_of("Content-Type: application/json", error, sizeof(error) - 1, 3,
		  200);
	assert_string_equal(ends, "");
	assert_int_equal(output(), 7);
	begin();
	facts.stream = true;
	answer_of("Content-Type: application/x-ndjson", error,
		  sizeof(error) - 1, 1, 429);
	assert_string_equal(ends, "");
	assert_int_equal(output(), 7);
	d.response_fields = NULL;
	begin();
	answer_of("Content-Type: application/octet-stream", two,
		  sizeof(two) - 1, 3, 200);
	assert_string_equal(ends, ",,");
	d.response_fields = fields;
	d.lines = false;
}

/* -- frames ---------------------------------------------------------------- */

#define STREAM "Content-Type: application/vnd.amazon.eventstream"

static void test_frames(void **state)
{
	char wire[2000];
	size_t n = 0;

	(void)state;
	n += frame_put(wire + n, "event", "start", "{\"model\":\"m\"}");
	n += frame_put(wire + n, "event", "delta", "{\"text\":\"abc\"}");
	n += frame_put(wire + n, "event", "metadata", "{\"n\":5}");
	for (size_t piece = 1; piece <= n; piece++) {
		begin();
		answer_of(STREAM, wire, n, piece, 200);
		assert_string_equal(ends, "start,delta,metadata,");
		assert_int_equal(output(), 5);
		assert_int_equal(body.flags, 0);
		assert_false(answer.error);
	}
	n += frame_put(wire + n, "exception", "throttlingException",
		       "{\"message\":\"x\"}");
	begin();
	answer_of(STREAM, wire, n, 7, 200);
	assert_string_equal(ends, "start,delta,metadata,exception,");
	assert_true(answer.error);
}

/* What a damaged frame said does not count, but that text arrived does. */
static void test_frames_damaged(void **state)
{
	char wire[2000], copy[2000];
	size_t one, two, n;

	(void)state;
	one = frame_put(wire, "event", "delta", "{\"n\":1,\"text\":\"abc\"}");
	two = one + frame_put(wire + one, "event", "metadata",
			      "{\"model\":\"m\",\"n\":5,\"text\":\"de\"}");
	n = two + frame_put(wire + two, "event", "after", "{\"n\":7}");
	for (size_t piece = 1; piece <= n; piece = piece * 2 + 1)
		for (size_t i = one; i < two; i++) {
			memcpy(copy, wire, n);
			copy[i] ^= 4;
			begin();
			answer_of(STREAM, copy, n, piece, 200);
			assert_int_equal(output(), 1);
			assert_string_equal(answer.model, "");
			assert_string_equal(ends, "delta,");
			assert_true(answer.delivered_bytes >= 3);
			assert_true(answer.delivered_bytes <= 5);
			assert_true(body.flags & LG_ROW_UNDECODABLE);
		}
	for (size_t cut = one + 1; cut < two; cut++) {
		begin();
		answer_of(STREAM, wire, cut, cut, 200);
		assert_int_equal(output(), 1);
		assert_true(body.flags & LG_ROW_CUT_SHORT);
	}
}

static void test_wrapped(void **state)
{
	/* {"text":"hi"} and {"model":"m","n":5} */
	static const char one[] =
		"{\"bytes\":\"eyJ0ZXh0IjoiaGkifQ==\",\"p\":\"abcdef\"}";
	static const char two[] =
		"{\"bytes\":\"eyJtb2RlbCI6Im0iLCJuIjo1fQ==\"}";
	char wire[2000];
	size_t n = 0;

	(void)state;
	d.wrapped = true;
	n += frame_put(wire + n, "event", "chunk", one);
	n += frame_put(wire + n, "event", "chunk", two);
	n += frame_put(wire + n, "event", "chunk", "{\"p\":\"none\"}");
	for (size_t piece = 1; piece <= n; piece++) {
		begin();
		answer_of(STREAM, wire, n, piece, 200);
		assert_string_equal(ends, "chunk,chunk,chunk,");
		assert_string_equal(answer.model, "m");
		assert_int_equal(output(), 5);
		assert_int_equal(answer.delivered_bytes, 2);
		assert_int_equal(body.flags, 0);
	}
	n += frame_put(wire + n, "exception", "modelStreamErrorException",
		       "{\"n\":6}");
	begin();
	answer_of(STREAM, wire, n, 11, 200);
	assert_int_equal(output(), 6);
	assert_true(answer.error);
	d.wrapped = false;
}

/* -- parts ----------------------------------------------------------------- */

static void test_parts(void **state)
{
	static const char text[] =
		"{\"model\":\"old\",\"n\":9,\"part\":1}\n{\"reset\":1}\n"
		"{\"model\":\"a\",\"n\":1,\"part\":1}\n"
		"{\"model\":\"b\",\"n\":2,\"part\":1}\n{\"part\":1}\n";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		begin();
		answer_of("Content-Type: application/jsonl", text,
			  sizeof(text) - 1, piece, 200);
		assert_string_equal(parts, "a=1,b=2,=0,");
		assert_int_equal(output(), 0);
		assert_string_equal(answer.model, "");
	}
}

/* -- the rest -------------------------------------------------------------- */

static void test_headers(void **state)
{
	(void)state;
	begin();
	answer_of("X-Id:  r-1 \r\nContent-Type: application/json\r\n"
		  "CF-AIG-Cache-Status: HIT",
		  "{\"n\":3}", 7, 7, 200);
	assert_string_equal(answer.id, "r-1");
	assert_true(answer.from_gateway_cache);
	assert_int_equal(output(), 3);
	begin();
	answer_of("Content-Type: application/json\r\nContent-Encoding: zz",
		  "{\"n\":3}", 7, 7, 200);
	assert_int_equal(output(), 0);
	assert_int_equal(body.flags, LG_ROW_UNDECODABLE);
}

static void test_codings(void **state)
{
	/* {"n":3}, by gzip, then by br; and by gzip alone */
	static const char both[] =
		"\013\015\200\037\213\010\000\000\000\000\000\002\003\253"
		"\126\312\123\262\062\256\005\000\374\131\175\346\007\000"
		"\000\000\003";
	static const char gz[] =
		"\037\213\010\000\000\000\000\000\002\003\253\126\312\123"
		"\262\062\256\005\000\374\131\175\346\007\000\000\000";
	static const char *const heads[] = {
		"Content-Encoding: gzip, br",
		"Content-Encoding: gzip\r\ncontent-encoding: br",
		"Content-Encoding: gzip\r\nTransfer-Encoding: br, chunked",
		"Transfer-Encoding: gzip\r\nTransfer-Encoding: br, chunked",
	};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		begin();
		answer_of(heads[i], both, sizeof(both) - 1, 7, 200);
		assert_int_equal(output(), 3);
		assert_int_equal(body.flags, 0);
	}
	begin();
	answer_of("Transfer-Encoding: gzip, chunked", gz, sizeof(gz) - 1, 7,
		  200);
	assert_int_equal(output(), 3);
	assert_int_equal(body.flags, 0);
	begin();
	answer_of("Content-Encoding: gzip\r\nContent-Encoding: zz", gz,
		  sizeof(gz) - 1, 7, 200);
	assert_int_equal(body.flags, LG_ROW_UNDECODABLE);
}

/* What the first byte says wins over a type that is wrong. */
static void test_wrong_type(void **state)
{
	static const char sse[] = "data: {\"n\":3}\n\ndata: [DONE]\n\n";

	(void)state;
	for (size_t piece = 1; piece < sizeof(sse); piece++) {
		begin();
		answer_of("Content-Type: application/json", sse,
			  sizeof(sse) - 1, piece, 200);
		assert_int_equal(output(), 3);
		assert_int_equal(body.flags, 0);
		assert_true(body.streamed);
	}
	begin();
	answer_of("Content-Type: text/event-stream", " {\"n\":3}", 8, 3, 200);
	assert_int_equal(output(), 3);
	assert_int_equal(body.flags, 0);
	assert_false(body.streamed);
	begin();
	answer_of("Content-Type: application/json", "  \n", 3, 1, 200);
	assert_int_equal(body.flags, LG_ROW_BAD_JSON);
}

static void request_of(const char *type, const char *coding, const char *p,
		       size_t n, size_t piece, bool whole)
{
	begin();
	lg_body_request_head(&body, lg_slice_str(type), lg_slice_str(coding));
	feed(p, n, piece, true);
	lg_body_request_end(&body, whole);
	lg_body_fini(&body);
}

static void test_form(void **state)
{
	static const char text[] =
		"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"
		"whisper-1\r\n--b\r\nContent-Disposition: form-data; "
		"name=\"file\"; filename=\"a\"\r\n\r\n0123456789\r\n--b--\r\n";
	static const char type[] = "multipart/form-data; boundary=b";
	const size_t n = sizeof(text) - 1;

	(void)state;
	for (size_t piece = 1; piece <= n; piece++) {
		request_of(type, "", text, n, piece, true);
		assert_string_equal(facts.model, "whisper-1");
		assert_int_equal(facts.prompt_bytes, 10);
		assert_int_equal(facts.body_bytes, n);
		assert_true(facts.json_ok);
		assert_int_equal(body.flags, 0);
	}
	request_of(type, "", text, n - 20, 5, true);
	assert_false(facts.json_ok);
	assert_int_equal(body.flags, LG_ROW_BAD_JSON);
	request_of("multipart/form-data", "", text, n, 5, true);
	assert_int_equal(body.flags, LG_ROW_BAD_JSON);
	/* what will not be seen of a file counts as file */
	begin();
	lg_body_request_head(&body, lg_slice_str(type), LG_SLICE(""));
	feed(text, n - 15, 9, true);
	lg_body_request_rest(&body, 100);
	lg_body_request_end(&body, false);
	lg_body_fini(&body);
	assert_int_equal(facts.prompt_bytes, 104);
	assert_string_equal(facts.model, "whisper-1");
}

static void test_request_coding(void **state)
{
	unsigned char z[200];
	uLongf n = sizeof(z);
	size_t packed;
	static const char text[] = "{\"model\":\"m\",\"text\":\"abc\"}";

	(void)state;
	assert_int_equal(
		compress(z, &n, (const unsigned char *)text, sizeof(text) - 1),
		Z_OK);
	request_of("application/json", "deflate", (char *)z, n, 3, true);
	assert_string_equal(facts.model, "m");
	assert_int_equal(facts.body_bytes, sizeof(text) - 1);
	assert_true(facts.json_ok);
	request_of("application/json", "deflate", (char *)z, n - 1, 3, true);
	assert_false(facts.json_ok);
	assert_true(body.flags & LG_ROW_UNDECODABLE);
	request_of("application/json", "br", (char *)z, n, 3, true);
	assert_true(body.flags & LG_ROW_UNDECODABLE);
	packed = sizeof(z);
	assert_true(BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT,
					  sizeof(text) - 1,
					  (const uint8_t *)text, &packed, z));
	request_of("application/json", "br", (char *)z, packed, 3, true);
	assert_string_equal(facts.model, "m");
	assert_true(facts.json_ok);
	packed = ZSTD_compress(z, sizeof(z), text, sizeof(text) - 1, 3);
	request_of("application/json", "zstd", (char *)z, packed, 3, true);
	assert_string_equal(facts.model, "m");
	assert_int_equal(facts.body_bytes, sizeof(text) - 1);
	request_of("application/json", "exi", (char *)z, n, 3, true);
	assert_int_equal(facts.body_bytes, n);
	assert_true(body.flags & LG_ROW_UNDECODABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_damaged),
		cmocka_unit_test(test_lines_by_dialect),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_frames_damaged),
		cmocka_unit_test(test_wrapped),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_codings),
		cmocka_unit_test(test_wrong_type),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_request_coding),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
