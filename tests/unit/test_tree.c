#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/tree.h"
#include "edge.h"
#include "wire/json.h"

static void nothing(void *ctx, int id, const struct lg_value *v)
{
	(void)ctx;
	(void)id;
	(void)v;
}

/* What the scanner takes for one whole value. */
static bool scans(struct lg_slice s)
{
	static struct lg_json_paths paths;
	struct lg_json j;

	lg_json_paths_init(&paths, NULL, 0);
	lg_json_init(&j, &paths, nothing, NULL);
	lg_json_feed(&j, s.p, s.len);
	return lg_json_end(&j) == LG_JSON_DONE;
}

static const char *const texts[] = {
	"",
	" ",
	"{",
	"}",
	"[]",
	"{}",
	" [ ] ",
	"[,]",
	"[1,]",
	"[1,2",
	"[1 2]",
	"{\"a\"}",
	"{\"a\":}",
	"{\"a\":1,}",
	"{a:1}",
	"{\"a\":1 \"b\":2}",
	"{\"a\":[{\"b\":null}],\"c\":\"\"}",
	"tru",
	"true",
	"truex",
	"nul",
	"null",
	"false",
	"falsefalse",
	"1",
	"01",
	"-",
	"-0",
	"1.",
	"1.5e",
	"1e+9",
	".5",
	"+1",
	"\"",
	"\"a",
	"\"a\"",
	"\"\\x\"",
	"\"\\u12\"",
	"\"\\u12g4\"",
	"\"\\ud800\"",
	"\"\\",
	"\"\x01\"",
	"\"\xff\"",
	"[}",
	"{]",
	"{\"a\":1]",
	"[[[[]]]]",
	"[\"a\",\"b\\\"\"]",
	"{\"\":{}}",
	"1 2",
	"[1]x",
	"\xef\xbb\xbf[]",
};

/* Both readers agree, whole and cut anywhere, and read nothing beyond. */
static void test_texts(void **state)
{
	struct edge e = edge_new(4096);
	struct lg_tree t = {0};
	unsigned i;
	size_t n, k;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		n = strlen(texts[i]);
		for (k = 0; k <= n; k++) {
			struct lg_slice s = {edge_put(&e, texts[i], k), k};
			int err = lg_tree_parse(&t, s);

			if ((err == 0) != scans(s))
				fail_msg("%.*s: %d", (int)k, texts[i], err);
			assert_true(!err || err == -EPROTO);
			assert_int_equal(lg_at_is(lg_tree_root(&t)), !err);
		}
	}
	lg_tree_fini(&t);
	edge_del(&e);
}

static struct lg_at parse(struct lg_tree *t, const char *text)
{
	assert_int_equal(lg_tree_parse(t, lg_slice_str(text)), 0);
	return lg_tree_root(t);
}

static void is(struct lg_at a, const char *raw)
{
	struct lg_slice s = lg_at_raw(a);

	assert_true(lg_slice_eq(s, lg_slice_str(raw)));
}

static void test_places(void **state)
{
	struct lg_at root, list, v;
	struct lg_tree t = {0};
	char text[8];

	(void)state;
	root = parse(&t,
		     "{\"a\":{\"b\":[1,{\"c\":2},\"x\\ty\"]},\"\\u0061b\":3,"
		     "\"d\":null,\"a_b\":true,\"a_b\":false}");
	list = lg_at_get(lg_at_get(root, "a"), "b");
	is(list, "[1,{\"c\":2},\"x\\ty\"]");
	v = lg_at_first(list);
	assert_int_equal(lg_at_u64(v), 1);
	v = lg_at_next(list, v);
	is(lg_at_get(v, "c"), "2");
	v = lg_at_next(list, v);
	assert_true(lg_slice_eq(lg_at_str(v), LG_SLICE("x\\ty")));
	assert_true(lg_at_text_is(v, "z|x\ty"));
	assert_false(lg_at_text_is(v, "x"));
	lg_at_copy(v, text, 3);
	assert_string_equal(text, "x");
	lg_at_copy(v, text, sizeof(text));
	assert_string_equal(text, "x\ty");
	assert_false(lg_at_is(lg_at_next(list, v)));
	/* a key with an escape, null, the last of two, another spelling */
	is(lg_at_get(root, "ab"), "3");
	assert_true(lg_at_is(lg_at_get(root, "d")));
	assert_false(lg_at_says(lg_at_get(root, "d")));
	is(lg_at_get(root, "a_b"), "false");
	is(lg_at_get(root, "aB|ab"), "3");
	/* what is not there is fit for all */
	v = lg_at_get(lg_at_get(root, "no"), "a");
	assert_false(lg_at_is(v) || lg_at_is(lg_at_first(v)) ||
		     lg_at_is(lg_at_next(v, v)) || lg_at_is_true(v));
	assert_int_equal(lg_at_u64(v) + lg_at_raw(v).len + lg_at_str(v).len, 0);
	assert_false(lg_at_is(lg_at_first(parse(&t, "[]"))));
	lg_tree_fini(&t);
}

static void test_limits(void **state)
{
	size_t n = (size_t)LG_TREE_NODES_MAX * 2 + 2;
	char *p = malloc(n);
	struct lg_tree t = {0};

	(void)state;
	assert_non_null(p);
	memset(p, '[', LG_TREE_DEPTH_MAX + 1);
	memset(p + LG_TREE_DEPTH_MAX + 1, ']', LG_TREE_DEPTH_MAX + 1);
	assert_int_equal(
		lg_tree_parse(&t,
			      (struct lg_slice){p, 2 * LG_TREE_DEPTH_MAX + 2}),
		-EPROTO);
	assert_int_equal(
		lg_tree_parse(&t,
			      (struct lg_slice){p + 1, 2 * LG_TREE_DEPTH_MAX}),
		0);
	memset(p, ',', n);
	for (size_t i = 1; i < n; i += 2)
		p[i] = '1';
	p[0] = '[';
	assert_int_equal(lg_tree_parse(&t, (struct lg_slice){p, n}), -EMSGSIZE);
	lg_tree_fini(&t);
	free(p);
}

static const struct {
	const char *raw, *decoded, *clean;
} strings[] = {
	{"", "", ""},
	{"abc\\n\\\"\\\\\\/\\b\\f\\r\\t", "abc\n\"\\/\b\f\r\t",
	 "abc\\n\\\"\\\\\\/\\b\\f\\r\\t"},
	{"\\u0041\\u00e9\\u20ac\\ud83d\\ude00",
	 "A\xc3\xa9\xe2\x82\xac"
	 "\xf0\x9f\x98\x80",
	 "\\u0041\\u00e9\\u20ac\\ud83d\\ude00"},
	{"\\ud83dx\\ude00", "\xef\xbf\xbdx\xef\xbf\xbd",
	 "\xef\xbf\xbdx\xef\xbf\xbd"},
	{"\\ud83d\\u0041",
	 "\xef\xbf\xbd"
	 "A",
	 "\xef\xbf\xbd\\u0041"},
	{"\xc3\xa9\xff\xc3", "\xc3\xa9\xff\xc3",
	 "\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd"},
	{"\\ufffd\\u", "\xef\xbf\xbd\xef\xbf\xbd", NULL},
};

static void test_strings(void **state)
{
	struct edge e = edge_new(256);
	struct lg_buf b;
	unsigned i;

	(void)state;
	lg_buf_init(&b, 4096);
	for (i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		size_t n = strlen(strings[i].raw);
		struct lg_slice s = {edge_put(&e, strings[i].raw, n), n};

		b.len = 0;
		assert_int_equal(lg_tree_put_decoded(&b, s), 0);
		lg_buf_putc(&b, 0);
		assert_string_equal(b.p, strings[i].decoded);
		b.len = 0;
		assert_int_equal(lg_tree_put_clean(&b, s), 0);
		lg_buf_putc(&b, 0);
		if (strings[i].clean)
			assert_string_equal(b.p, strings[i].clean);
	}
	b.len = 0;
	lg_tree_put_escaped(&b, LG_SLICE("a\"\n"));
	assert_true(lg_slice_eq(lg_buf_slice(&b), LG_SLICE("a\\\"\\n")));
	lg_buf_fini(&b);
	edge_del(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
