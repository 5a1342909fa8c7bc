/* A call's line: its columns at any width, and text that would steer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "bpf/print.h"
#include "tools/table.h"

static char text[1 << 16];

static const char *cell(const char *in, unsigned width, bool right)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	print_cell(&b, in, width, right);
	text[b.len] = 0;
	return text;
}

static void cells(void **state)
{
	(void)state;
	assert_string_equal(cell("abc", 5, false), "abc  ");
	assert_string_equal(cell("abc", 5, true), "  abc");
	assert_string_equal(cell("abc", 3, false), "abc");
	assert_string_equal(cell("abcd", 3, false), "ab+");
	assert_string_equal(cell("", 2, true), "  ");
	assert_string_equal(cell("x", 0, true), "");
	/* one column a character, none cut in two */
	assert_string_equal(cell("\xc3\xa4\xc3\xb6\xc3\xbc", 4, true),
			    " \xc3\xa4\xc3\xb6\xc3\xbc");
	assert_string_equal(cell("\xc3\xa4\xc3\xb6\xc3\xbc", 2, false),
			    "\xc3\xa4+");
	/* escapes, C1 in both forms, overrides, torn UTF-8 */
	assert_string_equal(cell("\033[2J", 4, false), "?[2J");
	assert_string_equal(cell("a\x9b"
				 "31m",
				 5, false),
			    "a?31m");
	assert_string_equal(cell("a\xc2\x9b"
				 "b",
				 3, false),
			    "a?b");
	assert_string_equal(cell("\xe2\x80\xae"
				 "x\xe2\x81\xa6",
				 3, false),
			    "?x?");
	assert_string_equal(cell("\xe2\x82", 3, false), "?? ");
	assert_string_equal(cell("\xff\xfe\r\n", 4, false), "????");
}

static void fill(struct lg_row *r, bool evil)
{
	lg_row_init(r);
	r->pid = 4711;
	r->ts_ms = 1790000000123;
	r->end_ms = r->ts_ms + 1234;
	r->duration_ms = 1234;
	r->input_tokens = 1200;
	r->output_tokens = 7;
	r->cost_pusd = 420000000;
	r->status = 200;
	strcpy(r->id, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
	strcpy(r->comm, evil ? "\033]0;x\007" : "python3");
	strcpy(r->provider, "openai");
	strcpy(r->model, evil ? "\xc2\x9b\xe2\x80\xae\xff\x80 \t\n\r\x7f"
			      : "gpt-4o-mini");
}

static const char *line_of(struct print *p, const struct lg_row *r)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	print_call(p, r, &b);
	assert_false(b.overflow);
	text[b.len] = 0;
	return text;
}

static unsigned columns_of(const char *line, const char **end)
{
	unsigned n = 0;

	for (; *line && *line != '\n'; line++)
		n += ((unsigned char)*line & 0xc0) != 0x80;
	*end = *line ? line + 1 : line;
	return n;
}

static void whole(void **state)
{
	struct print p = {.headed = true};
	struct lg_row r;

	(void)state;
	setenv("TZ", "UTC0", 1);
	fill(&r, false);
	assert_string_equal(
		line_of(&p, &r),
		"14:13:20     4711  python3       openai      gpt-4o-mini      "
		"                 1200       7    $0.00042  allow      1.23 "
		"s\n");
	r.input_tokens = r.output_tokens = LG_ROW_ABSENT;
	r.usage_state = LG_USAGE_MISSING;
	r.price_state = LG_PRICED_UNKNOWN;
	r.flags = LG_ROW_LOST | LG_ROW_JOINED_LATE;
	r.status = 500;
	r.duration_ms = -1;
	strcpy(r.reason, "budget");
	line_of(&p, &r);
	assert_non_null(strstr(text, "budget, HTTP 500, bytes lost, missing, "
				     "price unknown, joined late\n"));
}

/* Nothing reaches the terminal but text, nothing beyond its right side. */
static void widths(void **state)
{
	const char *at, *end;
	struct lg_row r;
	unsigned w, i;

	(void)state;
	for (w = 40; w < 300; w++) {
		for (i = 0; i < 2; i++) {
			struct print p = {.width = w};

			fill(&r, i);
			memset(r.reason, 'r', sizeof(r.reason) - 1);
			at = line_of(&p, &r);
			assert_true(p.headed);
			for (; *at; at = end)
				assert_in_range(columns_of(at, &end), 1, w);
			for (at = text; *at; at++)
				assert_true(*at == '\n' || !table_hostile(at));
		}
	}
}

static void colours(void **state)
{
	struct print p = {.headed = true, .colour = true, .width = 120};
	struct lg_row r;

	(void)state;
	fill(&r, false);
	assert_null(strchr(line_of(&p, &r), '\033'));
	r.verdict = LG_VERDICT_STOP;
	assert_non_null(strstr(line_of(&p, &r), "\033[31mstop   \033[0m"));
	r.verdict = LG_VERDICT_WARN;
	r.usage_state = LG_USAGE_ESTIMATED;
	assert_non_null(strstr(line_of(&p, &r), "\033[33mwarn   \033[0m"));
	assert_non_null(strstr(text, "\033[33m  $0.00042\033[0m"));
}

static void json(void **state)
{
	struct print p = {.json = true, .width = 40};
	struct lg_row r, back;
	size_t n;

	(void)state;
	fill(&r, true);
	line_of(&p, &r);
	n = strlen(text);
	assert_int_equal(text[n - 1], '\n');
	assert_int_equal(strcspn(text, "\n"), n - 1);
	assert_int_equal(lg_row_parse((struct lg_slice){text, n - 1}, &back),
			 0);
	assert_int_equal(back.input_tokens, 1200);
	assert_null(strchr(text, '\033'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells),  cmocka_unit_test(whole),
		cmocka_unit_test(widths), cmocka_unit_test(colours),
		cmocka_unit_test(json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
