#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <setjmp.h>
#include <cmocka.h>

#include "tools/curl_line.h"

static void gives(const char *line, const char *want)
{
	struct doc_arena a = {0};
	struct doc_error err;
	struct lg_slice out;

	if (curl_line_text(&a, lg_slice_str(line), &out, &err))
		fail_msg("%s: %s", line, err.text);
	if (!lg_slice_eq(out, lg_slice_str(want)))
		fail_msg("%s:\n%.*s\nnot\n%s", line, (int)out.len, out.p, want);
	doc_arena_fini(&a);
}

static void wrong(const char *line, const char *want)
{
	struct doc_arena a = {0};
	struct doc_error err;
	struct lg_slice out;

	if (!curl_line_text(&a, lg_slice_str(line), &out, &err))
		fail_msg("%s: %.*s", line, (int)out.len, out.p);
	if (!strstr(err.text, want))
		fail_msg("%s: %s", line, err.text);
	doc_arena_fini(&a);
}

#define POST(host, path, body)                                                 \
	"POST " path " HTTP/1.1\r\nHost: " host                                \
	"\r\nContent-Type: application/json\r\n\r\n" body

static void test_forms(void **state)
{
	(void)state;
	gives("curl https://a.example/x", "GET /x HTTP/1.1\r\nHost: a.example"
					  "\r\n\r\n");
	gives("curl a.example", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
	gives("curl 'https://a.example?q=1#frag'",
	      "GET /?q=1 HTTP/1.1\r\nHost: a.example\r\n\r\n");
	gives("$ curl -d '{}' https://a.example/x",
	      POST("a.example", "/x", "{}"));
	gives("curl https://a.example/x -d{} -s -S -o /dev/null -w '%{time}'",
	      POST("a.example", "/x", "{}"));
	gives("curl a.example/x -d {} --noproxy '*' --max-filesize 1000 "
	      "--proxy-user a:b -U a:b -x p:1 --no-keepalive --insec -#4 "
	      "--connect-to ::b: -z now --preproxy p -C 5 -t x -0",
	      POST("a.example", "/x", "{}"));
	gives("curl -G a.example/x -d q=1 -- ",
	      "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
	gives("curl -sSd '{}' --url https://a.example/x",
	      POST("a.example", "/x", "{}"));
	gives("curl --data={} https://a.example/x",
	      POST("a.example", "/x", "{}"));
	gives("curl https://a.example/x \\\n -d \\\n '{\"a\": 1}'",
	      POST("a.example", "/x", "{\"a\": 1}"));
	gives("curl https://a.example/x \\\r\n  -d '{}'\r\n",
	      POST("a.example", "/x", "{}"));
	gives("curl a.example/x -d a -d b --json c",
	      POST("a.example", "/x", "a&bc"));
	gives("curl -X PUT -H 'X-A: 1' -H 'Content-Length: 9' -H 'host: b' "
	      "-H 'X-B;' a.example/x",
	      "PUT /x HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\n\r\n");
	gives("curl -H 'content-type: text/plain' -d x a.example/",
	      "POST / HTTP/1.1\r\nHost: a.example\r\n"
	      "content-type: text/plain\r\n\r\nx");
	gives("curl -d '{}' a.example/ | jq . > out; rm -rf x",
	      POST("a.example", "/", "{}"));
}

static void test_quotes(void **state)
{
	(void)state;
	gives("curl -d 'it'\\''s' a.example/", POST("a.example", "/", "it's"));
	gives("curl -d 'it'\"'\"'s' a.example/",
	      POST("a.example", "/", "it's"));
	gives("curl -d \"a\\\"b\\\\c\\$d\\n$HOME\" a.example/",
	      POST("a.example", "/", "a\"b\\c$d\\n$HOME"));
	gives("curl -d $'it\\'s\\n\\t\\u00e9\\u20ac\\x41' a.example/",
	      POST("a.example", "/",
		   "it's\n\t\xc3\xa9\xe2\x82\xac"
		   "A"));
	gives("curl -d a\\ b a.example/", POST("a.example", "/", "a b"));
	gives("curl -d '' a.example/", POST("a.example", "/", ""));
	wrong("curl -d 'x", "quote");
	wrong("curl -d \"x", "quote");
	wrong("curl -d $'x", "quote");
	wrong("curl -d", "value");
	wrong("curl --data", "value");
	wrong("curl", "no URL");
	wrong("curl --nosuch a.example", "--nosuch");
	wrong("curl -@ a.example", "-@");
	wrong("curl --no-user a.example", "--no-user");
	wrong("curl --http a.example", "--http"); /* of several */
	wrong("curl --silent=x a.example", "no value");
	wrong("curl a.example b.example", "b.example");
	wrong("curl a.example --url b.example", "b.example");
	wrong("curl a.example --next b.example", "--next");
	wrong("curl -K file a.example", "--config");
	wrong("curl -F a=b a.example", "forms");
	wrong("curl -T f a.example", "uploads");
	wrong("curl -H $'A: b\\r\\nC: d' a.example", "line's end");
	wrong("curl -d @/no/such/file a.example", "No such file");
}

static void test_is(void **state)
{
	(void)state;
	assert_true(curl_line_is(LG_SLICE("curl https://x")));
	assert_true(curl_line_is(LG_SLICE("  $ curl \\\nx")));
	assert_false(curl_line_is(LG_SLICE("curl")));
	assert_false(curl_line_is(LG_SLICE("curly x")));
	assert_false(curl_line_is(LG_SLICE("")));
	assert_false(curl_line_is(LG_SLICE("{}")));
}

/* Cut anywhere, flush against a page that may not be read. */
static void test_bounds(void **state)
{
	static const char text[] =
		"$ curl -sSd $'a\\u00e9\\x4' -H \"A: \\\"b\" \\\n --json 'c' "
		"--url=https://a.example/x?y#z \\\r\n -X POST # end";
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
	for (size_t n = 0; n < sizeof(text); n++) {
		struct doc_arena a = {0};
		struct doc_error err;
		struct lg_slice out;
		char *p = page + 4096 - n;

		memcpy(p, text, n);
		curl_line_is((struct lg_slice){p, n});
		(void)curl_line_text(&a, (struct lg_slice){p, n}, &out, &err);
		doc_arena_fini(&a);
	}
	munmap(page, 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
