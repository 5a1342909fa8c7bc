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
#include "shape_oracle.h"

static struct lg_json_shapes shapes;

static void check(struct edge *e, const char *doc, size_t n, bool known)
{
	uint64_t before = shapes.scanned;

	assert_true(shape_is_same(&shapes, edge_put(e, doc, n), n));
	if (known)
		assert_int_equal(shapes.scanned, before);
}

#define CHUNK(id, text)                                                        \
	"{\"id\":\"" id "\",\"created\":1741570283,\"model\":\"gpt-4o\","      \
	"\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"},"      \
	"\"finish_reason\":null}],\"usage\":null}"

static void check_text(struct edge *e, const char *doc, bool known)
{
	check(e, doc, strlen(doc), known);
}

static void test_repeats(void **state)
{
	struct edge e = edge_new(8192);

	(void)state;
	memset(&shapes, 0, sizeof(shapes));
	check_text(&e, CHUNK("a", "one"), false);
	check_text(&e, CHUNK("a", "one"), true);
	check_text(&e, CHUNK("a", "another"), true);
	check_text(&e, CHUNK("a", ""), true);
	check_text(&e, CHUNK("longer", "x"), true);
	check_text(&e, CHUNK("", "\xc3\xa4"), true);
	/* escapes are decoded the long way, and forget nothing */
	check_text(&e, CHUNK("a", "\\n"), false);
	check_text(&e, CHUNK("a", "two"), true);
	edge_del(&e);
}

static void test_kinds(void **state)
{
	static const char *const docs[] = {
		"{\"n\":1}",
		"{\"n\":12}",
		"{\"n\":1}",
		"{\"n\":1.5e3}",
		"{\"n\":1e}",
		"{\"n\":01}",
		"{\"n\":-}",
		"{\"n\":\"1\"}",
		"{\"n\":null}",
		"{\"n\":true}",
		"{\"n\":false}",
		"{\"n\":1} ",
		"{\"n\":1",
		"{\"n\":1}}",
		"{ \"n\" : 1 }",
		"{\"n\":[1]}",
		"[1,2,3]",
		"[1,2,33]",
		"[1,2]",
		"[1,2,3,4]",
		"\"text\"",
		"\"texts\"",
		"12",
		"-1",
		"",
		"{}",
		"{\"usage\":{\"n\":1}}",
		"{\"usage\":{\"n\":2}}",
		"{\"usage\":null}",
		"{\"usage\":null}",
		"{\"usage\":7}",
		"{\"usage\":8}",
		"[DONE]",
	};
	struct edge e = edge_new(8192);

	(void)state;
	memset(&shapes, 0, sizeof(shapes));
	for (unsigned i = 0; i < sizeof(docs) / sizeof(*docs); i++)
		for (unsigned k = 0; k < sizeof(docs) / sizeof(*docs); k++) {
			check_text(&e, docs[i], false);
			check_text(&e, docs[k], false);
		}
	edge_del(&e);
}

/* Values beyond the limits of a shape, and text longer than an event shows. */
static void test_long(void **state)
{
	static char doc[4096];
	struct edge e = edge_new(8192);

	(void)state;
	memset(&shapes, 0, sizeof(shapes));
	for (unsigned n = 0; n < 1200; n += 7) {
		char text[1300];

		memset(text, 'x', n);
		text[n] = '\0';
		snprintf(doc, sizeof(doc), CHUNK("%s", "%s"), "id", text);
		check_text(&e, doc, false);
	}
	for (unsigned n = 1; n < 80; n++) {
		size_t len = (size_t)sprintf(doc, "{\"n\":[");

		for (unsigned i = 0; i < n; i++)
			len += (size_t)sprintf(doc + len, "%u,", i);
		sprintf(doc + len - 1, "]}");
		check_text(&e, doc, false);
	}
	edge_del(&e);
}

/* Any byte of a value changed, put in or taken out: told as by the scanner. */
static void test_mutants(void **state)
{
	static const char spare[] = "\"\\{}[]:,0123456789eE+-. \tntfux\x01\xff";
	static const char doc[] = CHUNK("abc", "a text");
	char text[sizeof(doc) + 1];
	size_t n = sizeof(doc) - 1;
	struct edge e = edge_new(8192);

	(void)state;
	memset(&shapes, 0, sizeof(shapes));
	for (size_t i = 0; i < n; i++) {
		for (const char *c = spare; *c; c++) {
			memcpy(text, doc, n);
			text[i] = *c;
			check(&e, doc, n, false);
			check(&e, text, n, false);
			memmove(text + i + 1, doc + i, n - i);
			check(&e, text, n + 1, false);
		}
		memcpy(text, doc, n);
		memmove(text + i, doc + i + 1, n - i - 1);
		check(&e, doc, n, false);
		check(&e, text, n - 1, false);
		check(&e, doc, i, false);
	}
	edge_del(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_mutants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
