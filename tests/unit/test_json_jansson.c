#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "wire/json.h"

/*
 * The scanner against jansson: random documents over a small set of keys;
 * every value at every watched path must be told, with jansson's own text.
 */
#define DOCS 3000
#define TEXT_MAX (1u << 20)

struct text {
	char *p;
	size_t len;
};

static uint64_t seed = 88172645463325252;

static unsigned roll(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static void put(struct text *t, const char *p, size_t n)
{
	assert_true(t->len + n < TEXT_MAX);
	memcpy(t->p + t->len, p, n);
	t->len += n;
}

static void puts_to(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

static const char *const keys[] = {"a", "b", "c", "model", "e", "", "d\\\"e"};

static void space(struct text *t)
{
	static const char *const some[] = {"", "", "", " ", "\n", "\t \r\n"};

	puts_to(t, some[roll(6)]);
}

static void make_string(struct text *t)
{
	static const char *const pieces[] = {
		"x",
		"hello world ",
		"\\n",
		"\\\"",
		"\\\\",
		"\\u00e4",
		"\\/",
		"\xc3\xa4",
		"{",
		"\\ud83d\\ude00",
		"\xf0\x9f\x98\x80",
		"],",
	};

	put(t, "\"", 1);
	for (unsigned n = roll(roll(20) ? 6 : 200); n; n--)
		puts_to(t, pieces[roll(12)]);
	put(t, "\"", 1);
}

static void make_number(struct text *t)
{
	char tmp[64];

	switch (roll(4)) {
	case 0:
		snprintf(tmp, sizeof(tmp), "%d", (int)roll(100000) - 50000);
		break;
	case 1:
		snprintf(tmp, sizeof(tmp), "%u.%u", roll(1000), roll(1000));
		break;
	case 2:
		snprintf(tmp, sizeof(tmp), "-%ue%d", roll(1000),
			 (int)roll(40) - 20);
		break;
	default:
		snprintf(tmp, sizeof(tmp), "%u.0E+%u", roll(9), roll(9));
	}
	puts_to(t, tmp);
}

static void make_value(struct text *t, unsigned depth);

static void make_container(struct text *t, unsigned depth, bool array)
{
	const unsigned first = roll(7);
	const char *name;

	put(t, array ? "[" : "{", 1);
	for (unsigned n = roll(6), i = 0; i < n; i++) {
		if (i)
			put(t, ",", 1);
		space(t);
		if (!array) {
			put(t, "\"", 1);
			name = keys[(first + i) % 7];
			puts_to(t, *name == 'a' && roll(2) ? "\\u0061" : name);
			put(t, "\"", 1);
			space(t);
			put(t, ":", 1);
			space(t);
		}
		make_value(t, depth + 1);
		space(t);
	}
	put(t, array ? "]" : "}", 1);
}

static void make_value(struct text *t, unsigned depth)
{
	static const char *const words[] = {"true", "false", "null"};
	unsigned kind = roll(depth > 6 ? 6 : 12);

	if (kind < 3)
		make_string(t);
	else if (kind < 5)
		make_number(t);
	else if (kind == 5)
		puts_to(t, words[roll(3)]);
	else
		make_container(t, depth, kind < 9);
}

/* One line a value: what is told, by the scanner or by jansson. */
struct lines {
	char *line[20000];
	unsigned n;
};

static void add_line(struct lines *l, char *s)
{
	assert_true(l->n < 20000);
	l->line[l->n++] = s;
}

static void add_scalar(struct lines *l, int id, char kind, uint64_t len,
		       const char *p, size_t n)
{
	size_t size = n + 64;
	char *s = malloc(size);
	int at = snprintf(s, size, "%d %c %llu ", id, kind,
			  (unsigned long long)len);

	for (size_t i = 0; i < n; i++)
		s[at++] = p[i] ? p[i] : '0';
	s[at] = '\0';
	add_line(l, s);
}

static void number_line(struct lines *l, int id, double v)
{
	char tmp[64];
	int n = snprintf(tmp, sizeof(tmp), "%.17g", v);

	add_scalar(l, id, 'n', 0, tmp, (size_t)n);
}

static void hear(void *ctx, int id, const struct lg_value *v)
{
	static const char kinds[] = "0b-soae";
	char tmp[600];

	switch (v->type) {
	case LG_VALUE_RAW:
		return;
	case LG_VALUE_NUMBER:
		snprintf(tmp, sizeof(tmp), "%.*s", (int)v->text.len, v->text.p);
		number_line(ctx, id, strtod(tmp, NULL));
		return;
	case LG_VALUE_BOOL:
		add_scalar(ctx, id, v->boolean ? 't' : 'f', 0, "", 0);
		return;
	default:
		add_scalar(ctx, id, kinds[v->type], v->len, v->text.p,
			   v->text.len);
	}
}

static void want_value(struct lines *l, int id, json_t *v)
{
	size_t n;

	switch (json_typeof(v)) {
	case JSON_STRING:
		n = json_string_length(v);
		add_scalar(l, id, 's', n, json_string_value(v),
			   n < LG_VALUE_TEXT_MAX ? n : LG_VALUE_TEXT_MAX);
		return;
	case JSON_INTEGER:
	case JSON_REAL:
		number_line(l, id, json_number_value(v));
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		add_scalar(l, id, json_is_true(v) ? 't' : 'f', 0, "", 0);
		return;
	case JSON_NULL:
		add_scalar(l, id, '0', 0, "", 0);
		return;
	default:
		add_scalar(l, id, json_is_array(v) ? 'a' : 'o', 0, "", 0);
		add_scalar(l, id, 'e', 0, "", 0);
	}
}

static void want_deep(struct lines *l, int id, json_t *v)
{
	const char *key;
	json_t *e;
	size_t i;

	json_object_foreach(v, key, e)
	{
		if (json_is_string(e))
			want_value(l, id, e);
		want_deep(l, id, e);
	}
	json_array_foreach(v, i, e)
	{
		if (json_is_string(e))
			want_value(l, id, e);
		want_deep(l, id, e);
	}
}

/* Walk a path in jansson's tree; path as in lg_field. */
static void want_path(struct lines *l, int id, json_t *v, const char *path)
{
	char key[64];
	size_t n, i;
	json_t *e;

	if (*path == '.')
		path++;
	if (*path == '\0') {
		want_value(l, id, v);
	} else if (!strcmp(path, "**")) {
		want_deep(l, id, v);
	} else if (*path == '[') {
		json_array_foreach(v, i, e) want_path(l, id, e, path + 2);
	} else {
		n = strcspn(path, ".[");
		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		e = json_is_object(v) ? json_object_get(v, key) : NULL;
		if (e)
			want_path(l, id, e, path + n);
	}
}

static const struct lg_field fields[] = {
	{"", 0, 0},	 {"a", 1, 0},	      {"a.b", 2, 0},
	{"a[]", 3, 0},	 {"a[].model", 4, 0}, {"b.**", 5, 0},
	{"[].a", 6, 0},	 {"[][]", 7, 0},      {"[].b.c[]", 8, 0},
	{"c.c.c", 9, 0}, {"**", 10, 0},	      {"model", 11, 0},
	{"d\"e", 12, 0}, {"a[].b.**", 13, 0},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_lines(struct lines *l)
{
	while (l->n)
		free(l->line[--l->n]);
}

static void compare(const struct text *t, struct lines *got, struct lines *want)
{
	qsort(got->line, got->n, sizeof(char *), by_text);
	qsort(want->line, want->n, sizeof(char *), by_text);
	for (unsigned i = 0; i < got->n && i < want->n; i++)
		if (strcmp(got->line[i], want->line[i]))
			fail_msg("%.*s\n got %s\nwant %s", (int)t->len, t->p,
				 got->line[i], want->line[i]);
	assert_int_equal(got->n, want->n);
}

/* jansson keeps one of two equal keys: such documents are not compared. */
static unsigned one_document(const struct lg_json_paths *paths, struct text *t)
{
	static struct lines got, want;
	struct lg_json j;
	unsigned told;
	json_t *root = json_loadb(
		t->p, t->len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

	if (!root)
		return 0;
	lg_json_init(&j, paths, hear, &got);
	for (size_t at = 0, n; at < t->len; at += n) {
		n = 1 + roll(roll(2) ? 8 : 4096);
		n = n < t->len - at ? n : t->len - at;
		lg_json_feed(&j, t->p + at, n);
	}
	if (lg_json_end(&j) != LG_JSON_DONE)
		fail_msg("refused: %.*s", (int)t->len, t->p);
	for (unsigned i = 0; i < FIELDS; i++)
		want_path(&want, fields[i].id, root, fields[i].path);
	compare(t, &got, &want);
	told = want.n;
	free_lines(&got);
	free_lines(&want);
	json_decref(root);
	return told;
}

static void test_values(void **state)
{
	static struct lg_json_paths paths;
	struct text t = {malloc(TEXT_MAX), 0};
	unsigned told = 0;

	(void)state;
	assert_int_equal(lg_json_paths_init(&paths, fields, FIELDS), 0);
	for (int i = 0; i < DOCS; i++) {
		t.len = 0;
		make_container(&t, 0, roll(2));
		told += one_document(&paths, &t);
	}
	free(t.p);
	assert_in_range(told, 20000, 100000000);
}

/* Damaged documents: both refuse, or both accept. */
static void test_acceptance(void **state)
{
	static const char bytes[] = "{}[],:\"\\0123eE+-.tfnu x";
	static struct lg_json_paths paths;
	static struct lines got;
	struct text t = {malloc(TEXT_MAX), 0};
	unsigned accepted = 0;
	struct lg_json j;

	(void)state;
	assert_int_equal(lg_json_paths_init(&paths, fields, FIELDS), 0);
	for (int i = 0; i < 10 * DOCS; i++) {
		json_error_t error;
		json_t *root;
		bool ours;

		t.len = 0;
		make_container(&t, 4, roll(2));
		for (unsigned n = 1 + roll(2); n; n--)
			t.p[roll((unsigned)t.len)] =
				bytes[roll(sizeof(bytes) - 1)];
		root = json_loadb(t.p, t.len, JSON_DECODE_ANY, &error);
		lg_json_init(&j, &paths, hear, &got);
		lg_json_feed(&j, t.p, t.len);
		ours = lg_json_end(&j) == LG_JSON_DONE;
		accepted += ours;
		/*
		 * jansson also refuses what is not UTF-8, lone surrogates,
		 * \u0000 in a key, and numbers beyond its types.
		 */
		if (ours && !root &&
		    json_error_code(&error) == json_error_invalid_syntax &&
		    !strstr(error.text, "invalid Unicode"))
			fail_msg("%s: %.*s", error.text, (int)t.len, t.p);
		if (root && !ours)
			fail_msg("refused: %.*s", (int)t.len, t.p);
		json_decref(root);
		free_lines(&got);
	}
	free(t.p);
	assert_in_range(accepted, DOCS / 10, 10 * DOCS - DOCS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_acceptance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
