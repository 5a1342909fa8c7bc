#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"
#include "wire/json.h"

/* What the scanner told, as text: "id:type value;" in order. */
struct heard {
	char text[8192];
	size_t len;
};

static void hear(void *ctx, int id, const struct lg_value *v)
{
	static const char *const names[] = {"null", "bool", "num", "str",
					    "obj",  "arr",  "end", "raw"};
	struct heard *h = ctx;

	h->len += (size_t)snprintf(h->text + h->len, sizeof(h->text) - h->len,
				   "%d:%s", id, names[v->type]);
	if (v->type == LG_VALUE_BOOL)
		h->len += (size_t)snprintf(h->text + h->len,
					   sizeof(h->text) - h->len, " %s",
					   v->boolean ? "true" : "false");
	if (v->type == LG_VALUE_NUMBER || v->type == LG_VALUE_STRING ||
	    v->type == LG_VALUE_RAW)
		h->len += (size_t)snprintf(
			h->text + h->len, sizeof(h->text) - h->len,
			" %.*s%s(%llu)", (int)v->text.len, v->text.p,
			v->truncated ? ".." : "", (unsigned long long)v->len);
	h->len += (size_t)snprintf(h->text + h->len, sizeof(h->text) - h->len,
				   ";");
	assert_true(h->len < sizeof(h->text));
}

static struct lg_json_paths paths;
static struct heard heard;
static struct lg_json scanner;

static void watch(const struct lg_field *f, unsigned n)
{
	assert_int_equal(lg_json_paths_init(&paths, f, n), 0);
}

#define WATCH(...)                                                             \
	do {                                                                   \
		const struct lg_field f_[] = {__VA_ARGS__};                    \
		watch(f_, sizeof(f_) / sizeof(f_[0]));                         \
	} while (0)

static void begin(void)
{
	heard.len = 0;
	heard.text[0] = '\0';
	lg_json_init(&scanner, &paths, hear, &heard);
}

/* In two feeds, cut at `cut`, each flush against the unreadable page. */
static enum lg_json_status scan_cut(struct edge *e, const char *doc, size_t n,
				    size_t cut)
{
	begin();
	lg_json_feed(&scanner, edge_put(e, doc, cut), cut);
	lg_json_feed(&scanner, edge_put(e, doc + cut, n - cut), n - cut);
	return lg_json_end(&scanner);
}

/* Whole, cut at every offset and byte by byte: always the same. */
static void tells(const char *doc, enum lg_json_status status, const char *want)
{
	size_t n = strlen(doc);
	struct edge e = edge_new(n);

	for (size_t cut = 0; cut <= n; cut++) {
		enum lg_json_status got = scan_cut(&e, doc, n, cut);

		if (got != status || strcmp(heard.text, want))
			fail_msg("%s\n cut at %zu: %d %s\n wanted: %d %s", doc,
				 cut, got, heard.text, status, want);
	}
	begin();
	for (size_t i = 0; i < n; i++)
		lg_json_feed(&scanner, edge_put(&e, doc + i, 1), 1);
	assert_int_equal(lg_json_end(&scanner), status);
	assert_string_equal(heard.text, want);
	edge_del(&e);
}

static void good(const char *doc, const char *want)
{
	tells(doc, LG_JSON_DONE, want);
}

static void test_paths(void **state)
{
	static const char *const bad[] = {
		".",	".a",	"a.",	  "a..b",   "a[",  "a]b[", "a[0]",
		"a[]b", "**.a", "a.**.b", "a.**[]", "[]]", "[].",  "[]..a"};
	struct lg_field f = {"", 1, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f.path = bad[i];
		if (lg_json_paths_init(&paths, &f, 1) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	}
	f = (struct lg_field){"a.**", 1, LG_FIELD_RAW};
	assert_int_equal(lg_json_paths_init(&paths, &f, 1), -EINVAL);
	f = (struct lg_field){"a", -1, 0};
	assert_int_equal(lg_json_paths_init(&paths, &f, 1), -EINVAL);
	WATCH({"", 1, 0}, {"[][].a[].b[][]", 2, 0}, {"**", 3, 0});
	{
		const struct lg_field twice[] = {{"a.b", 1, 0}, {"a.b", 2, 0}};

		assert_int_equal(lg_json_paths_init(&paths, twice, 2), -EINVAL);
	}
}

static void test_paths_limits(void **state)
{
	static char names[300][8];
	static struct lg_field f[300];
	char deep[200] = "a";
	int err;

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(names[i], sizeof(names[i]), "k%d", i);
		f[i] = (struct lg_field){names[i], i, 0};
	}
	assert_int_equal(lg_json_paths_init(&paths, f, 300), -E2BIG);
	assert_int_equal(lg_json_paths_init(&paths, f, 255), 0);
	begin();
	lg_json_feed(&scanner, "{\"k254\":1,\"k255\":2,\"k0\":3}", 26);
	assert_int_equal(lg_json_end(&scanner), LG_JSON_DONE);
	assert_string_equal(heard.text, "254:num 1(1);0:num 3(1);");
	for (int i = 1; i < LG_JSON_STEPS_MAX; i++)
		strcat(deep, ".a");
	f[0].path = deep;
	assert_int_equal(lg_json_paths_init(&paths, f, 1), 0);
	begin();
	for (int i = 0; i < LG_JSON_STEPS_MAX; i++)
		lg_json_feed(&scanner, "{\"a\":", 5);
	lg_json_feed(&scanner, "7", 1);
	for (int i = 0; i < LG_JSON_STEPS_MAX; i++)
		lg_json_feed(&scanner, "}", 1);
	assert_int_equal(lg_json_end(&scanner), LG_JSON_DONE);
	assert_string_equal(heard.text, "0:num 7(1);");
	strcat(deep, ".a");
	err = lg_json_paths_init(&paths, f, 1);
	assert_int_equal(err, -EINVAL);
}

static void test_scalars(void **state)
{
	(void)state;
	WATCH({"", 1, LG_FIELD_RAW});
	good("true", "1:bool true;1:raw true(4);");
	good(" false\r\n\t ", "1:bool false;1:raw false(5);");
	good("null", "1:null;1:raw null(4);");
	good("\"a\"", "1:str a(1);1:raw \"a\"(3);");
	good("\"\"", "1:str (0);1:raw \"\"(2);");
	good("0", "1:num 0(1);1:raw 0(1);");
	good("-0.5e+10 ", "1:num -0.5e+10(8);1:raw -0.5e+10(8);");
	good("[]", "1:arr;1:end;1:raw [](2);");
	good("{ }", "1:obj;1:end;1:raw {}(2);");
	WATCH({"", 1, 0});
	good("120E5", "1:num 120E5(5);");
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"tru",
		"truE",
		"nul",
		"nulll",
		"-",
		"01",
		"1.",
		"1.e1",
		".5",
		"+1",
		"1e",
		"1e+",
		"1e+-1",
		"--1",
		"0x10",
		"1 2",
		"\"",
		"\"\\",
		"\"\\x\"",
		"\"\\u12",
		"\"\\u12g4\"",
		"\"\t\"",
		"\"\x01\"",
		"[",
		"[1",
		"[1,",
		"[1,]",
		"[,1]",
		"[1 2]",
		"[1}",
		"{",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":1",
		"{\"a\":1,",
		"{\"a\":1,}",
		"{\"a\" 1}",
		"{a:1}",
		"{1:1}",
		"{\"a\":1]",
		"{\"a\"}",
		"{,}",
		"]",
		"}",
		",",
		":",
		"[]]",
		"{}}",
		"{}x",
		"[tru]",
		"[1.]",
		"\xef\xbb\xbf{}",
		"NaN",
		"Infinity",
		"'a'",
		"[\"a\\u00\"]",
	};

	(void)state;
	WATCH({"zzz", 1, 0});
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		tells(bad[i], LG_JSON_BAD, "");
	begin();
	assert_int_equal(lg_json_feed(&scanner, "[x", 2), LG_JSON_BAD);
	assert_int_equal(lg_json_feed(&scanner, "[]", 2), LG_JSON_BAD);
	assert_int_equal(lg_json_end(&scanner), LG_JSON_BAD);
	begin();
	assert_int_equal(lg_json_feed(&scanner, "{}", 2), LG_JSON_DONE);
	assert_int_equal(lg_json_feed(&scanner, " ", 1), LG_JSON_DONE);
	assert_int_equal(lg_json_feed(&scanner, "{", 1), LG_JSON_BAD);
}

static void test_escapes(void **state)
{
	(void)state;
	WATCH({"", 1, 0});
	good("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "1:str \"\\/\b\f\n\r\t(8);");
	good("\"\\u0041\\u00e4\\u20AC\"", "1:str A\xc3\xa4\xe2\x82\xac(6);");
	good("\"\\ud83d\\ude00!\"", "1:str \xf0\x9f\x98\x80!(5);");
	/* lone surrogates, in every company */
	good("\"\\ud83d\"", "1:str \xef\xbf\xbd(3);");
	good("\"\\ud83dx\"", "1:str \xef\xbf\xbdx(4);");
	good("\"\\ud83d\\n\"", "1:str \xef\xbf\xbd\n(4);");
	good("\"\\ud83d\\ud83d\\ude00\"",
	     "1:str \xef\xbf\xbd\xf0\x9f\x98\x80(7);");
	good("\"\\ude00\\ud83d\"", "1:str \xef\xbf\xbd\xef\xbf\xbd(6);");
	good("\"\\ud83d\\u0041\"", "1:str \xef\xbf\xbd"
				   "A(4);");
	good("\"\\uDBFF\\uDFFF\"", "1:str \xf4\x8f\xbf\xbf(4);");
	/* bytes that are not UTF-8 pass as they stand */
	good("\"\xff\xc3\"", "1:str \xff\xc3(2);");
	WATCH({"m\"\xc3\xa4", 2, 0}, {"", 1, 0});
	good("{\"m\\\"\\u00e4\":1}", "1:obj;2:num 1(1);1:end;");
}

static void test_nesting(void **state)
{
	(void)state;
	WATCH({"a.b", 1, 0}, {"a", 2, 0}, {"x[].y", 3, 0}, {"x[]", 4, 0},
	      {"b", 5, 0});
	good("{\"a\":{\"b\":1,\"c\":{\"b\":2}},\"b\":3,\"c\":{\"b\":4}}",
	     "2:obj;1:num 1(1);2:end;5:num 3(1);");
	good("{\"x\":[{\"y\":1},[{\"y\":2}],5,{\"z\":0,\"y\":[{}]},null]}",
	     "4:obj;3:num 1(1);4:end;4:arr;4:end;4:num 5(1);4:obj;3:arr;"
	     "3:end;4:end;4:null;");
	/* another kind of container than the path's */
	good("{\"x\":{\"[]\":1,\"y\":2},\"a\":[{\"b\":1},\"b\"]}",
	     "2:arr;2:end;");
	/* a key that comes twice tells twice */
	good("{\"b\":1,\"b\":2}", "5:num 1(1);5:num 2(1);");
	good("{\"b\":{\"a\":{\"b\":1}},\"a\":\"s\"}",
	     "5:obj;5:end;2:str s(1);");
	WATCH({"[][]", 1, 0}, {"[].k[].v", 2, 0});
	good("[[1,[2]],{\"k\":[{\"v\":3},4]},5]",
	     "1:num 1(1);1:arr;1:end;2:num 3(1);");
}

static void test_deep(void **state)
{
	(void)state;
	WATCH({"m[].c.**", 1, 0}, {"m[].c", 2, 0}, {"m[].c.t", 3, 0});
	good("{\"m\":[{\"c\":\"at\"},{\"c\":[{\"k\":\"in\",\"n\":1,"
	     "\"o\":{\"p\":[[\"deeper\"]]}}],\"d\":\"no\"}],\"e\":\"no\"}",
	     "2:str at(2);2:arr;1:str in(2);1:str deeper(6);2:end;");
	good("{\"m\":[{\"c\":{\"t\":\"both\",\"u\":\"x\"}}]}",
	     "2:obj;3:str both(4);1:str both(4);1:str x(1);2:end;");
	WATCH({"**", 1, 0}, {"a.**", 2, 0});
	good("{\"k\":\"s\",\"a\":{\"b\":\"t\",\"c\":[\"u\\n\"]},\"d\":\"v\"}",
	     "1:str s(1);1:str t(1);2:str t(1);1:str u\n(2);2:str u\n(2);"
	     "1:str v(1);");
	good("\"root\"", "");
}

static void test_raw(void **state)
{
	(void)state;
	WATCH({"u", 1, LG_FIELD_RAW}, {"u.v", 2, LG_FIELD_RAW},
	      {"u.w[]", 3, LG_FIELD_RAW}, {"u.x", 4, 0});
	good("{ \"t\" : 1, \"u\" : { \"v\" : [ 1 , true ] , \"x\" : "
	     "\"a b\\u00e4\\\"\" } , \"z\" : 0 }",
	     "1:obj;2:arr;2:end;2:raw [1,true](8);4:str a b\xc3\xa4\"(6);"
	     "1:end;1:raw {\"v\":[1,true],\"x\":\"a b\\u00e4\\\"\"}(32);");
	good("{\"u\":{\"w\":[1, {\"a\" : null},\"s\"]}}",
	     "1:obj;3:num 1(1);3:raw 1(1);3:obj;3:end;3:raw {\"a\":null}(10);"
	     "3:str s(1);3:raw \"s\"(3);1:end;"
	     "1:raw {\"w\":[1,{\"a\":null},\"s\"]}(24);");
	good("{\"u\":1.5,\"u\":2}", "1:num 1.5(3);1:raw 1.5(3);1:num 2(1);"
				    "1:raw 2(1);");
	good("{\"u\":{\"v\":-1}}", "1:obj;2:num -1(2);2:raw -1(2);1:end;"
				   "1:raw {\"v\":-1}(8);");
}

static uint64_t last_len;
static size_t last_text;
static bool last_cut;
static int last_bad;

static void measure(void *ctx, int id, const struct lg_value *v)
{
	(void)ctx;
	(void)id;
	last_len = v->len;
	last_text = v->text.len;
	last_cut = v->truncated;
	for (size_t i = 0; i < v->text.len; i++)
		last_bad += v->text.p[i] != "x\n"[v->text.p[i] == '\n'] &&
			    v->text.p[i] != '"';
}

/* One string of n decoded bytes, plain or with escapes, in pieces. */
static void long_string(size_t n, size_t piece, bool escapes)
{
	char *doc = malloc(2 * n + 2);
	size_t len = 1;

	doc[0] = '"';
	for (size_t i = 0; i < n; i++) {
		if (escapes && i % 7 == 3) {
			doc[len++] = '\\';
			doc[len++] = 'n';
		} else {
			doc[len++] = 'x';
		}
	}
	doc[len++] = '"';
	last_bad = 0;
	lg_json_init(&scanner, &paths, measure, NULL);
	for (size_t at = 0; at < len; at += piece)
		lg_json_feed(&scanner, doc + at,
			     len - at < piece ? len - at : piece);
	assert_int_equal(lg_json_end(&scanner), LG_JSON_DONE);
	free(doc);
	assert_int_equal(last_bad, 0);
}

static void test_truncation(void **state)
{
	static const size_t sizes[] = {0, 1, 511, 512, 513, 514, 1024, 100000};
	static const size_t pieces[] = {1, 7, 512, 1000000};

	(void)state;
	for (size_t i = 0; i < 8; i++)
		for (size_t k = 0; k < 8; k++) {
			size_t n = sizes[i];

			WATCH({"", 1, 0});
			long_string(n, pieces[k % 4], k >= 4);
			assert_int_equal(last_len, n);
			assert_int_equal(last_text, n < 512 ? n : 512);
			assert_int_equal(last_cut, n > 512);
			WATCH({"", 1, LG_FIELD_RAW});
			long_string(n, pieces[k % 4], false);
			assert_int_equal(last_len, n + 2);
			assert_int_equal(last_text,
					 n + 2 < 1024 ? n + 2 : 1024);
			assert_int_equal(last_cut, n + 2 > 1024);
		}
}

static uint64_t chars;

static void count(void *ctx, int id, const struct lg_value *v)
{
	(void)ctx;
	if (id == 1 && v->type == LG_VALUE_STRING)
		chars = v->chars;
	else
		assert_int_equal(v->chars, 0);
}

/* Characters, not bytes, where they are asked for; whatever the cut. */
static void test_chars(void **state)
{
	static const struct {
		const char *doc;
		uint64_t chars;
	} want[] = {
		{"{\"a\":\"\",\"b\":\"x\"}", 0},
		{"{\"a\":\"abc\",\"b\":\"x\"}", 3},
		{"{\"a\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z\"}", 4},
		{"{\"a\":\"\\u00e4\\ud83d\\ude00\\n\\ud83d!\"}", 5},
		{"{\"\xc3\xa4\":1,\"a\":\"\xc3\xa4\",\"\xc3\xa4z\":2}", 1},
	};

	(void)state;
	WATCH({"a", 1, LG_FIELD_CHARS}, {"b", 2, 0});
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		size_t n = strlen(want[i].doc);

		for (size_t cut = 0; cut <= n; cut++) {
			chars = 99;
			lg_json_init(&scanner, &paths, count, NULL);
			lg_json_feed(&scanner, want[i].doc, cut);
			lg_json_feed(&scanner, want[i].doc + cut, n - cut);
			assert_int_equal(lg_json_end(&scanner), LG_JSON_DONE);
			assert_int_equal(chars, want[i].chars);
		}
	}
}

/* A capture within a capture that is already full. */
static void test_raw_overflow(void **state)
{
	char doc[3000] = "{\"u\":{\"p\":\"";

	(void)state;
	WATCH({"u", 1, LG_FIELD_RAW}, {"u.v", 2, LG_FIELD_RAW});
	memset(doc + strlen(doc), 'x', 2000);
	strcat(doc, "\",\"v\":12}}");
	begin();
	lg_json_feed(&scanner, doc, strlen(doc));
	assert_int_equal(lg_json_end(&scanner), LG_JSON_DONE);
	assert_non_null(strstr(heard.text, "2:num 12(2);2:raw ..(2);1:end;"));
	assert_non_null(strstr(heard.text, "xx..(2015);"));
}

/* A number too long to keep is told as cut, never as another number. */
static void test_long_number(void **state)
{
	char doc[1000];

	(void)state;
	WATCH({"", 1, 0});
	memset(doc, '1', sizeof(doc));
	lg_json_init(&scanner, &paths, measure, NULL);
	lg_json_feed(&scanner, doc, 600);
	lg_json_feed(&scanner, doc, 400);
	assert_int_equal(lg_json_end(&scanner), LG_JSON_DONE);
	assert_int_equal(last_len, 1000);
	assert_true(last_cut);
}

static void test_depth(void **state)
{
	char doc[2 * LG_JSON_DEPTH_MAX + 2];

	(void)state;
	WATCH({"", 1, LG_FIELD_RAW}, {"**", 2, 0});
	for (int odd = 0; odd < 2; odd++) {
		size_t n = LG_JSON_DEPTH_MAX + (size_t)odd;

		memset(doc, '[', n);
		memset(doc + n, ']', n);
		begin();
		lg_json_feed(&scanner, doc, 2 * n);
		assert_int_equal(lg_json_end(&scanner),
				 odd ? LG_JSON_BAD : LG_JSON_DONE);
	}
	/* the kinds of all levels are remembered */
	begin();
	for (int i = 0; i < LG_JSON_DEPTH_MAX / 2; i++)
		assert_int_equal(lg_json_feed(&scanner, "[{\"\":", 5),
				 LG_JSON_MORE);
	lg_json_feed(&scanner, "0", 1);
	for (int i = 0; i < LG_JSON_DEPTH_MAX / 2; i++)
		lg_json_feed(&scanner, "}]", 2);
	assert_int_equal(lg_json_end(&scanner), LG_JSON_DONE);
}

/* Long keys match only themselves. */
static void test_keys(void **state)
{
	char doc[2000], path[513];

	(void)state;
	memset(path, 'k', 512);
	path[512] = '\0';
	WATCH({path, 1, 0}, {"k", 2, 0}, {"kk", 3, 0}, {"mod", 4, 0});
	snprintf(doc, sizeof(doc),
		 "{\"%s\":1,\"%sk\":2,\"%s\\u006b\":3,\"k\":4,\"\":5,"
		 "\"model\":6,\"mo\":7,\"m\\u006fd\":8}",
		 path, path, path + 1);
	good(doc, "1:num 1(1);1:num 3(1);2:num 4(1);4:num 8(1);");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_paths_limits),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_chars),
		cmocka_unit_test(test_raw_overflow),
		cmocka_unit_test(test_long_number),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
