#include "config_help.h"

#include <sys/mman.h>

#include "config/build.h"
#include "config/yaml.h"

static const char sample[] = "# comment\n"
			     "a: 1\n"
			     "\"b c\": [x, 'y', {z: ~}]\n"
			     "d:\n"
			     "  - e: |\n"
			     "      two\n"
			     "      lines\n"
			     "  - \"\\u00e4\"\n"
			     "f: {}\n";

static struct lg_yaml *at(struct lg_yaml *v, unsigned i)
{
	v = v->child;
	while (i-- && v)
		v = v->next;
	assert_non_null(v);
	return v;
}

static void test_tree(void **state)
{
	struct lg_yaml_arena arena = {0};
	struct lg_yaml_error err;
	struct lg_yaml *root, *v;

	(void)state;
	assert_int_equal(
		lg_yaml_parse(lg_slice_str(sample), &arena, &root, &err), 0);
	assert_int_equal(root->kind, LG_YAML_MAP);
	assert_int_equal(root->n, 4);
	assert_string_equal(at(root, 0)->text.p, "1");
	assert_int_equal(at(root, 0)->line, 2);
	v = at(root, 1);
	assert_string_equal(v->key.p, "b c");
	assert_int_equal(v->kind, LG_YAML_LIST);
	assert_true(at(v, 0)->plain);
	assert_false(at(v, 1)->plain);
	assert_string_equal(at(v, 1)->key.p, "b c");
	assert_true(lg_yaml_is_null(at(at(v, 2), 0)));
	v = at(root, 2);
	assert_string_equal(at(at(v, 0), 0)->text.p, "two\nlines\n");
	assert_string_equal(at(v, 1)->text.p, "\xc3\xa4");
	assert_int_equal(at(root, 3)->n, 0);
	lg_yaml_arena_fini(&arena);
	assert_null(arena.chunks);
}

/* Every prefix, its last byte right before a page that cannot be read. */
static void test_cut_at_the_edge(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + page, page, PROT_NONE), 0);
	for (size_t n = 0; n < sizeof(sample); n++) {
		struct lg_yaml_arena arena = {0};
		struct lg_yaml_error err;
		struct lg_yaml *root;
		struct lg_slice text = {p + page - n, n};

		memcpy(p + page - n, sample, n);
		if (lg_yaml_parse(text, &arena, &root, &err))
			assert_true(err.line > 0 && err.what[0]);
		lg_yaml_arena_fini(&arena);
	}
	munmap(p, 2 * page);
}

static void test_limits(void **state)
{
	static const struct {
		const char *text, *what;
	} bad[] = {
		{"a: &x 1", "anchors (&name) are not supported"},
		{"&x {a: 1}", "anchors (&name) are not supported"},
		{"a: *x", "aliases (*name) are not supported"},
		{"a: !t x", "tags (!name) are not supported"},
		{"a: !!int 1", "tags (!name) are not supported"},
		{"a: 1\na: 2", "given twice"},
		{"[a]: 1", "a key that is not plain text"},
		{"a: 1\n---\nb: 2", "a second document"},
		{"a: \"x\\0y\"", "text with a NUL byte"},
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]"
		 "]]]]]]",
		 "nested deeper than 32 levels"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lg_yaml_arena arena = {0};
		struct lg_yaml_error err;
		struct lg_yaml *root;

		assert_int_equal(lg_yaml_parse(lg_slice_str(bad[i].text),
					       &arena, &root, &err),
				 -EPROTO);
		assert_string_equal(err.what, bad[i].what);
		assert_null(root);
		lg_yaml_arena_fini(&arena);
	}
}

static void test_image_builder(void **state)
{
	static const uint64_t words[] = {1, 2, 3};
	struct lg_img_ref a, b, many = {0, 0};
	struct lg_img_span s;
	struct lg_build x;
	struct lg_buf out;

	(void)state;
	lg_buf_init(&out, 0);
	assert_int_equal(lg_build_init(&x, &out), 0);
	a = lg_build_text(&x, LG_SLICE("same"));
	b = lg_build_text(&x, LG_SLICE("same"));
	assert_int_equal(a.off, b.off);
	assert_int_equal(lg_build_text(&x, LG_SLICE("")).off, 0);
	s = lg_build_array(&x, words, 3, sizeof(words[0]));
	assert_int_equal(s.off % 8, 0);
	assert_int_equal(lg_build_array(&x, words, 0, 8).n, 0);
	for (unsigned i = 0; i < 5000; i++) {
		char t[16];

		snprintf(t, sizeof(t), "text %u", i);
		many = lg_build_text(&x, lg_slice_str(t));
	}
	assert_string_equal(lg_build_get(&x, many).p, "text 4999");
	assert_int_equal(lg_build_text(&x, LG_SLICE("same")).off, a.off);
	assert_int_equal(lg_build_finish(&x), 0);
	lg_build_fini(&x);
	assert_int_equal(lg_image_check(out.p, out.len), 0);
	lg_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_cut_at_the_edge),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_image_builder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
