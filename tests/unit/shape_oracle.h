#ifndef LG_TEST_SHAPE_ORACLE_H
#define LG_TEST_SHAPE_ORACLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json_shape.h"

/*
 * One value told by the scanner and by the shapes: is it the same, also where
 * more bytes follow in a second feed? Included once.
 */
struct told {
	char text[65536];
	size_t len;
};

static void note(void *ctx, int id, const struct lg_value *v)
{
	struct told *t = ctx;
	int n;

	n = snprintf(t->text + t->len, sizeof(t->text) - t->len,
		     "%d %d %d %d %llu %.*s;", id, (int)v->type, v->boolean,
		     v->truncated, (unsigned long long)v->len, (int)v->text.len,
		     v->text.p ? v->text.p : "");
	if (n > 0 && (size_t)n < sizeof(t->text) - t->len)
		t->len += (size_t)n;
}

static const struct lg_json_paths *oracle_paths(void)
{
	static const struct lg_field fields[] = {
		{"id", 1, 0},
		{"model", 2, 0},
		{"choices[].delta.content", 3, 0},
		{"choices[].finish_reason", 4, 0},
		{"choices", 5, 0},
		{"choices.**", 6, 0},
		{"usage", 7, LG_FIELD_RAW},
		{"usage.n", 8, 0},
		{"n", 9, 0},
		{"n[]", 10, 0},
		{"", 11, 0},
		{"[]", 12, 0},
		{"text.**", 13, 0},
		{"d", 14, LG_FIELD_RAW},
	};
	static struct lg_json_paths paths;

	if (!paths.nnodes &&
	    lg_json_paths_init(&paths, fields,
			       sizeof(fields) / sizeof(*fields)))
		abort();
	return &paths;
}

static bool shape_is_same(struct lg_json_shapes *s, const char *p, size_t n)
{
	static struct told want, got;
	static struct lg_json a, b;
	enum lg_json_status first, second;

	want.len = got.len = 0;
	lg_json_init(&a, oracle_paths(), note, &want);
	first = lg_json_feed(&a, p, n);
	second = lg_json_shapes_feed(s, &b, oracle_paths(), note, &got, p, n);
	if (first != second || want.len != got.len ||
	    memcmp(want.text, got.text, want.len))
		return false;
	first = lg_json_feed(&a, " ,", 2);
	second = lg_json_feed(&b, " ,", 2);
	return first == second && want.len == got.len &&
	       !memcmp(want.text, got.text, want.len) &&
	       lg_json_end(&a) == lg_json_end(&b);
}

#endif
