#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/edge.h"
#include "wire/http1.h"

#define REQ LG_HTTP1_REQUEST
#define RESP LG_HTTP1_RESPONSE

/* A message stream told as text: "H200 B:hello E" and so on. */
struct tale {
	char text[4096];
	size_t n;
	char body[8192];
	size_t nbody;
	bool head_request, connect_request;
	char head[LG_HTTP1_HEAD_MAX];
	struct lg_http1 m;
	bool over;
};

static struct tale t;

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t.n += (size_t)vsnprintf(t.text + t.n, sizeof(t.text) - t.n, fmt, ap);
	va_end(ap);
}

static void begin(enum lg_http1_kind kind, size_t cap)
{
	bool head = t.head_request, connect = t.connect_request;

	memset(&t, 0, sizeof(t));
	lg_http1_init(&t.m, kind, t.head, cap);
	t.m.head_request = t.head_request = head;
	t.m.connect_request = t.connect_request = connect;
}

static void tell(enum lg_http1_event ev, struct lg_slice body)
{
	switch (ev) {
	case LG_HTTP1_HEAD:
		say("H%d%s ", t.m.kind == RESP ? t.m.status : 0,
		    t.m.keep_alive ? "" : "c");
		break;
	case LG_HTTP1_BODY:
		assert_true(body.len > 0);
		memcpy(t.body + t.nbody, body.p, body.len);
		t.nbody += body.len;
		break;
	case LG_HTTP1_END:
		assert_int_equal(t.nbody, t.m.body_bytes);
		say("E%d:%.*s ", (int)t.nbody, (int)t.nbody, t.body);
		t.nbody = 0;
		lg_http1_next(&t.m);
		t.m.head_request = t.head_request;
		break;
	case LG_HTTP1_UPGRADE:
		say("UP");
		t.over = true;
		break;
	case LG_HTTP1_BAD:
		say("BAD");
		t.over = true;
		break;
	case LG_HTTP1_TOO_LARGE:
		say("LARGE");
		t.over = true;
		break;
	case LG_HTTP1_MORE:
		break;
	}
}

static void feed(const char *p, size_t len)
{
	enum lg_http1_event ev;
	struct lg_slice body;
	size_t used = 0, n;

	while (!t.over) {
		n = lg_http1_feed(&t.m, p + used, len - used, &ev, &body);
		used += n;
		assert_true(used <= len);
		if (ev == LG_HTTP1_MORE) {
			assert_int_equal(used, len);
			return;
		}
		tell(ev, body);
	}
}

static void eof(void)
{
	enum lg_http1_event ev;

	if (t.over)
		return;
	ev = lg_http1_eof(&t.m);
	if (ev == LG_HTTP1_MORE)
		say("$");
	else
		tell(ev, (struct lg_slice){NULL, 0});
}

/* Whole, byte by byte, cut at each offset, and at the edge of a page. */
static void expect(enum lg_http1_kind kind, const char *in, size_t len,
		   const char *want)
{
	struct edge e = edge_new(4096);
	char *p = edge_put(&e, in, len);
	size_t i;

	begin(kind, sizeof(t.head));
	feed(p, len);
	eof();
	assert_string_equal(t.text, want);
	begin(kind, sizeof(t.head));
	for (i = 0; i < len; i++)
		feed(p + i, 1);
	eof();
	assert_string_equal(t.text, want);
	for (i = 0; i <= len; i++) {
		begin(kind, sizeof(t.head));
		feed(p, i);
		feed(p + i, len - i);
		eof();
		assert_string_equal(t.text, want);
	}
	edge_del(&e);
}

#define EXPECT(kind, in, want) expect(kind, in, sizeof(in) - 1, want)
#define BODY(head, want) EXPECT(RESP, "HTTP/1.1 200 OK\r\n" head, "H200 " want)

static void test_requests(void **state)
{
	(void)state;
	EXPECT(REQ, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "H0 E0: $");
	EXPECT(REQ, "\r\n\r\nGET / HTTP/1.0\r\n\r\n", "H0c E0: $");
	EXPECT(REQ, "GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n",
	       "H0 E0: $");
	EXPECT(REQ, "POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
	       "H0 E5:hello $");
	EXPECT(REQ, "POST /a HTTP/1.1\nContent-Length:5\n\nhello",
	       "H0 E5:hello $");
	EXPECT(REQ,
	       "POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET / "
	       "HTTP/1.1\r\nConnection: close\r\n\r\n",
	       "H0 E1:x H0c E0: $");
	EXPECT(REQ,
	       "POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n"
	       "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
	       "H0 E13:abc0123456789 $");
	EXPECT(REQ, "CONNECT a:443 HTTP/1.1\r\n\r\n\x16\x03", "H0 UP");
	EXPECT(REQ, "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello",
	       "H0 E5:hello $");
	EXPECT(REQ,
	       "POST / HTTP/1.1\r\nContent-Length: 2\r\nX: a\r\n b\r\n"
	       "content-length: 2\r\n\r\nok",
	       "H0 E2:ok $");
}

static void test_smuggling(void **state)
{
	static const char *const bad[] = {
		"POST / HTTP/1.1\r\nContent-Length: 5\r\n"
		"Content-Length: 6\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5,\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5x\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\n 2\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length:\r\n 12\r\nA: b\r\n\r\n",
		"POST / HTTP/1.1\r\n"
		"Content-Length: 99999999999999999999\r\n\r\n",
		"POST / HTTP/1.1\r\n"
		"Content-Length: 18446744073709551615\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
		"Content-Length: 5\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n"
		"\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
		"Transfer-Encoding: identity\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked;a\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n"
		"X:y\r\n z\r\n\r\n",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
		"POST / HTTP/1.1\r\n Content-Length: 5\r\n\r\n",
		"POST / HTTP/1.1\r\nA b: 5\r\n\r\n",
		"POST / HTTP/1.1\r\n: 5\r\n\r\n",
		"POST / HTTP/1.1\r\nnocolon\r\n\r\n",
		"POST / HTTP/1.1\r\nX: a\rContent-Length: 5\r\n\r\n",
		"POST  / HTTP/1.1\r\n\r\n",
		"POST / x HTTP/1.1\r\n\r\n",
		"POST / HTTP/2.0\r\n\r\n",
		"POST /\r\n\r\n",
		"P(ST / HTTP/1.1\r\n\r\n",
		" POST / HTTP/1.1\r\n\r\n",
		"POST / http/1.1\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\n",
		"\rGET / HTTP/1.1\r\n\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		expect(REQ, bad[i], strlen(bad[i]), "BAD");
	EXPECT(REQ, "GET / HTTP/1.1\r\nA: \0\r\n\r\n", "BAD");
}

static void test_chunks(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"g\r\n",
		"-1\r\n",
		"0x1\r\na",
		"1 ;\n",
		"1\na\r\n",
		"1\r\nab",
		"1\r\na\n",
		"1\r\na\rx",
		"10000000000000000\r\n",
		"ffffffffffffffff\r\n",
		"7fffffffffffffff\r\n",
		"1;a\nb\r\n",
		"0\r\nA: b\n\r\n",
		"0\r\n\n",
		"0\r\nA\rb",
		";a\r\n",
	};
	char in[256], want[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(in, sizeof(in),
			 "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
			 "chunked\r\n\r\n%s",
			 bad[i]);
		snprintf(want, sizeof(want), "H200 BAD");
		expect(RESP, in, strlen(in), want);
	}
	BODY("Transfer-Encoding: chunked\r\n\r\n0003 \t;q\r\nabc\r\n000\r\n"
	     "\r\n",
	     "E3:abc $");
	BODY("Transfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	     "E1:a $");
}

static void test_long_chunk_lines(void **state)
{
	static char in[200000];
	int n = sprintf(in, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
			    "\r\n\r\n1;");

	(void)state;
	memset(in + n, 'x', 100000);
	begin(RESP, sizeof(t.head));
	feed(in, (size_t)n + 100000);
	assert_string_equal(t.text, "H200 BAD");
	begin(RESP, sizeof(t.head));
	memset(in + n - 2, '0', 100000);
	feed(in, (size_t)n + 99998);
	assert_string_equal(t.text, "H200 BAD");
	n = sprintf(in, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
			"\r\n\r\n0\r\nX: ");
	memset(in + n, 'x', 100000);
	begin(RESP, sizeof(t.head));
	feed(in, (size_t)n + 100000);
	assert_string_equal(t.text, "H200 LARGE");
}

static void test_responses(void **state)
{
	(void)state;
	BODY("Content-Length: 2\r\n\r\nok", "E2:ok $");
	BODY("Content-Length: 0\r\n\r\n", "E0: $");
	EXPECT(RESP, "HTTP/1.1 200 OK\r\n\r\nall of it", "H200c E9:all of it ");
	EXPECT(RESP, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxy",
	       "H200c E2:xy ");
	EXPECT(RESP, "HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n",
	       "H204 E0: $");
	EXPECT(RESP, "HTTP/1.1 304\r\nTransfer-Encoding: chunked\r\n\r\n",
	       "H304 E0: $");
	EXPECT(RESP,
	       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: "
	       "x\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
	       "H100 E0: H103 E0: H200c E1:x $");
	EXPECT(RESP, "HTTP/1.1 101 Up\r\nUpgrade: websocket\r\n\r\n\x81\x05",
	       "H101 UP");
	EXPECT(RESP,
	       "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: "
	       "chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	       "H200c E1:a $");
	EXPECT(RESP, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
	       "H200 BAD");
	EXPECT(RESP, "HTTP/1.1 200 OK\r\nContent-", "BAD");
	EXPECT(RESP, "", "$");
	EXPECT(RESP, "HTTP/1.1 2000 OK\r\n\r\n", "BAD");
	EXPECT(RESP, "HTTP/1.1 20 OK\r\n\r\n", "BAD");
	EXPECT(RESP, "HTTP/1.1 099 OK\r\n\r\n", "BAD");
	EXPECT(RESP, "HTTP/1.1200 OK\r\n\r\n", "BAD");
	EXPECT(RESP, "ICY 200 OK\r\n\r\n", "BAD");
	EXPECT(RESP,
	       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2"
	       "\r\n\r\nab",
	       "BAD");
	t.head_request = true;
	EXPECT(RESP, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
	       "H200 E0: $");
	t.head_request = false;
	t.connect_request = true;
	EXPECT(RESP, "HTTP/1.1 200 OK\r\n\r\n\x16\x03", "H200 UP");
	t.connect_request = false;
}

static void test_large_head(void **state)
{
	static char big[10 << 20];
	size_t i;

	(void)state;
	memset(big, 'a', sizeof(big));
	memcpy(big, "GET /", 5);
	begin(REQ, sizeof(t.head));
	feed(big, sizeof(big));
	assert_string_equal(t.text, "LARGE");
	begin(REQ, sizeof(t.head));
	for (i = 0; i < sizeof(big); i += 1000)
		feed(big + i, 1000);
	assert_string_equal(t.text, "LARGE");
	begin(REQ, 27);
	feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
	assert_string_equal(t.text, "H0 E0: ");
	begin(REQ, 26);
	feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
	assert_string_equal(t.text, "LARGE");
	lg_http1_init(&t.m, REQ, NULL, 0);
}

/* A copy goes its own way; the original does not notice. */
static void test_copy(void **state)
{
	static const char in[] = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
				 "hello";
	static char head[LG_HTTP1_HEAD_MAX];
	enum lg_http1_event ev;
	struct lg_slice body;
	struct lg_http1 dry;
	size_t n;

	(void)state;
	begin(REQ, sizeof(t.head));
	feed(in, 20);
	dry = t.m;
	memcpy(head, t.head, t.m.head_len);
	dry.head = head;
	n = lg_http1_feed(&dry, in + 20, sizeof(in) - 21, &ev, &body);
	assert_int_equal(ev, LG_HTTP1_HEAD);
	lg_http1_feed(&dry, in + 20 + n, sizeof(in) - 21 - n, &ev, &body);
	assert_int_equal(ev, LG_HTTP1_BODY);
	assert_int_equal(body.len, 5);
	feed(in + 20, sizeof(in) - 21);
	assert_string_equal(t.text, "H0 E5:hello ");
}

static struct lg_slice field(const char *head, const char *name, unsigned nth)
{
	return lg_http1_field(lg_slice_str(head), lg_slice_str(name), nth);
}

#define SAME(slice, text)                                                      \
	do {                                                                   \
		struct lg_slice s_ = (slice);                                  \
		assert_int_equal(s_.len, sizeof(text) - 1);                    \
		assert_memory_equal(s_.p, text, s_.len);                       \
	} while (0)

static void test_fields(void **state)
{
	static const char h[] = "GET /x HTTP/1.1\r\nHost:\t a.b \r\n"
				"X-Long: one\r\n\ttwo\r\nx: 1\r\nX: 2\n"
				"Empty:\r\n\r\nX: body";
	struct lg_slice name, value, method, target;
	size_t pos = 0;
	int n = 0;

	(void)state;
	SAME(field(h, "HOST", 0), "a.b");
	SAME(field(h, "x-long", 0), "one\r\n\ttwo");
	SAME(field(h, "X", 0), "1");
	SAME(field(h, "X", 1), "2");
	assert_null(field(h, "X", 2).p);
	assert_null(field(h, "GET /x HTTP/1.1\r\nHost", 0).p);
	assert_non_null(field(h, "empty", 0).p);
	assert_int_equal(field(h, "empty", 0).len, 0);
	assert_null(field("", "a", 0).p);
	assert_null(field("GET / HTTP/1.1", "a", 0).p);
	while (lg_http1_next_field(lg_slice_str(h), &pos, &name, &value))
		n++;
	assert_int_equal(n, 5);
	assert_true(lg_http1_request_line(lg_slice_str(h), &method, &target));
	SAME(method, "GET");
	SAME(target, "/x");
	assert_false(lg_http1_request_line(LG_SLICE(""), &method, &target));
	assert_false(lg_http1_request_line(LG_SLICE("G H"), &method, &target));
}

/* Finding a field by name is the walk, stopped at that name. */
static void test_fields_random(void **state)
{
	static const char *const bits[] = {
		"X",	   "x:", "X: 1", "xx: 2", "Host: a", " x: no",
		"\tX: no", ":",	 "x",	 "\r\n",  "\n",	     "\r\n",
		"\r\n",	   "\r", "\n",	 "X:",
	};
	struct edge e = edge_new(4096);
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		char text[256] = "GET / HTTP/1.1\r\n";
		struct lg_slice h, name, value, got;
		unsigned nth = 0;
		size_t pos = 0;

		for (int i = 0; i < 12; i++) {
			seed = seed * 1664525 + 1013904223;
			strcat(text, bits[seed >> 28]);
		}
		h.len = strlen(text);
		h.p = edge_put(&e, text, h.len);
		while (lg_http1_next_field(h, &pos, &name, &value)) {
			if (!lg_slice_ieq(name, LG_SLICE("x")))
				continue;
			got = lg_http1_field(h, LG_SLICE("x"), nth++);
			assert_ptr_equal(got.p, value.p);
			assert_int_equal(got.len, value.len);
		}
		assert_null(lg_http1_field(h, LG_SLICE("x"), nth).p);
	}
	edge_del(&e);
}

static void sniff(const char *in, size_t len, int want)
{
	struct edge e = edge_new(4096);
	char *p = edge_put(&e, in, len);
	size_t i;
	int r, last = 0;

	assert_int_equal(lg_http1_sniff(p, len), want);
	for (i = 0; i < len; i++) {
		r = lg_http1_sniff(p, i);
		if (want >= 0)
			assert_true(r == 0 || (want == 1 && r == 1));
		/* what was refused stays refused */
		assert_true(last != -1 || r == -1);
		last = r;
	}
	edge_del(&e);
}

#define SNIFF(in, want) sniff(in, sizeof(in) - 1, want)

static void test_sniff(void **state)
{
	static char big[LG_HTTP1_HEAD_MAX + 10];

	(void)state;
	SNIFF("", 0);
	SNIFF("P", 0);
	SNIFF("POST /v1/chat", 0);
	SNIFF("POST /v1/messages HTTP/1.", 0);
	SNIFF("POST /v1/messages HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n", 1);
	SNIFF("POST /v1/messages HTTP/1.1\r\nHost: a\r\nA: b\r\n\r", 0);
	SNIFF("GET / HTTP/1.1\n\nrest", 1);
	SNIFF("\x16\x03\x01", -1);
	SNIFF("get / HTTP/1.1\r\n\r\n", -1);
	SNIFF("GET / HTTP/2.0\r\n", -1);
	SNIFF("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -1);
	SNIFF("GET  / HTTP/1.1\r\n\r\n", -1);
	SNIFF("SSH-2.0-x\r\n", -1);
	SNIFF("EHLO mail\r\n", -1);
	SNIFF("AAAAAAAAAAAAAAAAAAAAAAAAAA", -1);
	SNIFF("GET / HTTP/1.1\r\n\x01\r\n\r\n", -1);
	SNIFF("GET / HTTP/1.1\r\nA: b\r\nnonsense\r\n\r\n", -1);
	SNIFF("POST /v1/\x01", 0 - 1);
	memset(big, 'a', sizeof(big));
	memcpy(big, "GET /", 5);
	assert_int_equal(lg_http1_sniff(big, sizeof(big)), -1);
}

static void test_other(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} u[] = {
		{"X\x16\x03\x01", true},
		{"USER me\r\n", true},
		{"POST / \x7f", true},
		{"EHLO HTTP\n", true},
		{"P", false},
		{"POST /v1/x", false},
		{"\r\nPOST /", false},
		{"\nPOST /", false},
		{"POST / HTTP/1.1\r", false},
		{"post\t/ http/1.0\n", false},
		{"GET /\xc3\xa4 HTTP/1.1\r\n\x01", false},
	};
	size_t i;

	(void)state;
	assert_false(lg_http1_is_other("", 0));
	for (i = 0; i < sizeof(u) / sizeof(*u); i++)
		assert_int_equal(
			lg_http1_is_other(u[i].text, strlen(u[i].text)),
			u[i].is);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_smuggling),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_long_chunk_lines),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_large_head),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_fields_random),
		cmocka_unit_test(test_sniff),
		cmocka_unit_test(test_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
