#include "tests/unit/top_rig.h"

static void draw(struct top_model *m, struct top_ui *ui, struct top_grid *g,
		 unsigned rows, unsigned cols)
{
	top_arrange(m, ui);
	assert_int_equal(top_grid_init(g, rows, cols), 0);
	top_layout(m, ui, g);
}

static const char *text_of(const struct top_grid *g)
{
	static char text[1 << 20];
	struct lg_buf b;

	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	top_grid_text(g, &b);
	text[b.len] = 0;
	return text;
}

static void has(const struct top_grid *g, const char *word)
{
	if (!strstr(text_of(g), word))
		fail_msg("no '%s' in\n%s", word, text_of(g));
}

static void has_not(const struct top_grid *g, const char *word)
{
	if (strstr(text_of(g), word))
		fail_msg("'%s' in\n%s", word, text_of(g));
}

/* Wide characters have their second half, and nothing else is one. */
static void check_grid(const struct top_grid *g)
{
	for (unsigned y = 0; y < g->rows; y++)
		for (unsigned x = 0; x < g->cols; x++) {
			const struct top_cell *c = &g->cell[y * g->cols + x];

			assert_true((c->style & 0x3f) < TOP_STYLES);
			if (c->width == 2) {
				assert_true(x + 1 < g->cols);
				assert_int_equal(c[1].width, 0);
			}
			if (!c->width) {
				assert_true(x > 0);
				assert_int_equal(c[-1].width, 2);
			}
			if (c->width)
				assert_true(c->c >= 0x20 &&
					    !(c->c >= 0x7f && c->c < 0xa0));
		}
}

/* -- cells ------------------------------------------------------------------
 */

static void test_put(void **state)
{
	static const struct {
		const char *text, *shown, *ascii;
		unsigned room;
	} cases[] = {
		{"abc", "abc", "abc", 10},
		{"abcdef", "abc\u2026", "abc~", 4},
		{"\x1b[2Ja", "?[2Ja", "?[2Ja", 10},
		{"a\u0301b", "ab", "a?b", 10},
		{"\u65e5\u672c", "\u65e5\u672c", "??", 10},
		{"\u65e5\u672c\u8a9e", "\u65e5\u2026", "???", 4},
		{"\u65e5\u672c", "\u65e5\u2026", "??", 3},
		{"\u65e5", "\u2026", "?", 1},
		{"x\u202ey\u200bz\u00ad", "x?y?z?", "x?y?z?", 10},
		{"\xff\x80z", "??z", "??z", 10},
		{"\xc2\x9b"
		 "31m",
		 "?31m", "?31m", 10},
		{"\n\t\x7f", "???", "???", 10},
		{"", "", "", 10},
	};
	struct top_grid g = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int unicode = 0; unicode < 2; unicode++) {
			char want[64];

			top_grid_init(&g, 1, 20);
			top_put(&g, 0, 0, cases[i].room, unicode, TOP_PLAIN,
				cases[i].text);
			check_grid(&g);
			snprintf(want, sizeof(want), "%s%s",
				 unicode ? cases[i].shown : cases[i].ascii,
				 cases[i].text[0] ? "\n" : "");
			assert_string_equal(text_of(&g), want);
		}
	/* at the edge, beyond it, and no room */
	top_grid_init(&g, 1, 3);
	assert_int_equal(top_put(&g, 0, 2, 10, true, 0, "\u65e5"), 1);
	assert_int_equal(top_put(&g, 0, 3, 10, true, 0, "a"), 0);
	assert_int_equal(top_put(&g, 1, 0, 10, true, 0, "a"), 0);
	assert_int_equal(top_put(&g, 0, 0, 0, true, 0, "a"), 0);
	check_grid(&g);
	top_grid_fini(&g);
}

static void test_span(void **state)
{
	(void)state;
	assert_string_equal(top_span(-5), "now");
	assert_string_equal(top_span(999), "now");
	assert_string_equal(top_span(59999), "59s");
	assert_string_equal(top_span(61000), "1m01");
	assert_string_equal(top_span(3660000), "1h01");
	assert_string_equal(top_span(INT64_C(90000000)), "1d01h");
	assert_string_equal(top_span(INT64_C(86400000) * 400), "400d");
	assert_true(strlen(top_span(INT64_MAX)) < 32);
	assert_string_equal(top_usd(0), "$0.00");
	assert_string_equal(top_usd(INT64_MIN), "-");
	assert_string_equal(top_usd(CENT / 2), "$0.005");
	assert_string_equal(top_usd(1234 * CENT), "$12.34");
}

/* -- layout -----------------------------------------------------------------
 */

static void test_sizes(void **state)
{
	static const char *const names[] = {
		"gpt-4o-mini",
		"\u65e5\u672c\u8a9e\u30e2\u30c7\u30eb\u65e5\u672c",
		"\x1b[31m\u202e"
		"abc\u0301\xff"};
	struct top_grid g = {0};
	struct top_model m;
	struct top_ui ui;

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		make_model(&m, names[k], 90);
		for (unsigned u = 0; u < 2; u++) {
			top_ui_init(&ui, u);
			for (unsigned cols = 1; cols <= 300; cols += 7)
				for (unsigned rows = 1; rows <= 100;
				     rows += 9) {
					ui.focus = (enum top_section)(
						(cols + rows) % TOP_SECTIONS);
					ui.mode = (enum top_mode)(cols % 5);
					draw(&m, &ui, &g, rows, cols);
					check_grid(&g);
				}
		}
		free_model(&m);
	}
	top_grid_fini(&g);
}

static void test_sections(void **state)
{
	struct top_grid g = {0};
	struct top_model m;
	struct top_ui ui;
	char word[8];

	(void)state;
	make_model(&m, "gpt-4o-mini", 90);
	top_ui_init(&ui, true);
	for (unsigned s = 0; s < TOP_SECTIONS; s++) {
		ui.focus = (enum top_section)s;
		draw(&m, &ui, &g, 15, 60);
		snprintf(word, sizeof(word), ">%u ", s + 1);
		has(&g, word);
		draw(&m, &ui, &g, 60, 200);
		has(&g, word);
		has(&g, "Budgets (3)");
		has(&g, "Holds (0)");
		has(&g, "no call under way");
	}
	m.off = true;
	m.paused_all = true;
	draw(&m, &ui, &g, 24, 80);
	has(&g, "GUARD IS OFF");
	has(&g, "all calls are paused");
	has(&g, "$25.77/h");
	free_model(&m);
	top_grid_fini(&g);
}

static void test_bar(void **state)
{
	struct top_grid g = {0};
	struct top_model m;
	struct top_ui ui;

	(void)state;
	make_model(&m, "m", 1);
	top_ui_init(&ui, false);
	draw(&m, &ui, &g, 24, 80);
	/* 30 spent, 20 held of 100; 80 of 100; and no limit at all */
	has(&g, "###++.....");
	has(&g, "########.. ");
	has(&g, "########## ");
	has(&g, "exceeded");
	has(&g, "80%");
	free_model(&m);
	top_grid_fini(&g);
}

/* -- keys -------------------------------------------------------------------
 */

static void type(struct top_ui *ui, struct top_model *m, const char *keys)
{
	for (; *keys; keys++)
		assert_int_equal(top_key(ui, m,
					 *keys == '\n' ? (wint_t)TOP_KEY_ENTER
						       : (wint_t)*keys),
				 TOP_ACT_NONE);
}

static void test_sort(void **state)
{
	struct top_model m;
	struct top_ui ui;

	(void)state;
	make_model(&m, "m", 90);
	top_ui_init(&ui, true);
	top_arrange(&m, &ui);
	/* what cannot be paid at all comes first */
	assert_string_equal(m.rows[TOP_BUDGETS].row[0].budget, "all");
	assert_string_equal(m.rows[TOP_BUDGETS].row[1].budget, "each");
	type(&ui, &m, "s");
	top_arrange(&m, &ui);
	assert_string_equal(m.rows[TOP_BUDGETS].row[0].budget, "month");
	type(&ui, &m, "<<");
	top_arrange(&m, &ui); /* by name */
	assert_string_equal(m.rows[TOP_BUDGETS].row[0].budget, "all");
	assert_string_equal(m.rows[TOP_BUDGETS].row[2].budget, "month");
	type(&ui, &m, "<"); /* around */
	assert_int_equal(ui.s[TOP_BUDGETS].sort,
			 top_tables[TOP_BUDGETS].ncolumns - 1);
	free_model(&m);
}

static void test_filter(void **state)
{
	struct top_grid g = {0};
	struct top_model m;
	struct top_ui ui;

	(void)state;
	make_model(&m, "Model-X", 9);
	top_ui_init(&ui, true);
	type(&ui, &m, "/PROG1");
	draw(&m, &ui, &g, 60, 120);
	has(&g, "Show only: PROG1_");
	has(&g, "Processes (1 of 3)");
	has(&g, "prog1");
	has_not(&g, "prog2");
	has(&g, "nothing has this text");
	top_key(&ui, &m, TOP_KEY_ERASE);
	type(&ui, &m, "9\n");
	draw(&m, &ui, &g, 60, 120);
	has(&g, "Processes (0 of 3)");
	has(&g, "only: PROG9");
	top_key(&ui, &m, TOP_KEY_ESCAPE);
	draw(&m, &ui, &g, 60, 120);
	has(&g, "Processes (3)");
	free_model(&m);
	top_grid_fini(&g);
}

static void test_selection(void **state)
{
	struct top_model m;
	struct top_ui ui;
	char id[TOP_ID];

	(void)state;
	make_model(&m, "m", 90);
	top_ui_init(&ui, true);
	type(&ui, &m, "4");
	top_arrange(&m, &ui);
	top_key(&ui, &m, TOP_KEY_DOWN);
	type(&ui, &m, "j");
	strcpy(id, top_selected(&m, &ui)->id);
	assert_int_equal(ui.s[TOP_CALLS].index, 2);
	type(&ui, &m, "s"); /* the same row, elsewhere */
	top_arrange(&m, &ui);
	assert_string_equal(top_selected(&m, &ui)->id, id);
	assert_int_equal(ui.s[TOP_CALLS].index, 87);
	top_key(&ui, &m, TOP_KEY_END);
	assert_int_equal(ui.s[TOP_CALLS].index, 89);
	type(&ui, &m, "jG");
	assert_int_equal(ui.s[TOP_CALLS].index, 89);
	type(&ui, &m, "g");
	assert_int_equal(ui.s[TOP_CALLS].index, 0);
	type(&ui, &m, "6"); /* nothing there */
	assert_null(top_selected(&m, &ui));
	type(&ui, &m, "jpr+");
	assert_int_equal(ui.mode, TOP_NORMAL);
	assert_true(ui.is_error);
	free_model(&m);
}

static void test_ask(void **state)
{
	struct top_grid g = {0};
	struct top_model m;
	struct top_ui ui;

	(void)state;
	make_model(&m, "m", 9);
	top_ui_init(&ui, true);
	top_arrange(&m, &ui);
	type(&ui, &m, "p");
	assert_int_equal(ui.mode, TOP_NORMAL);
	type(&ui, &m, "2p");
	assert_int_equal(ui.mode, TOP_CONFIRM);
	draw(&m, &ui, &g, 24, 80);
	has(&g, "Refuse new calls of pid 10");
	type(&ui, &m, "n");
	assert_int_equal(ui.mode, TOP_NORMAL);
	type(&ui, &m, "p");
	assert_int_equal(top_key(&ui, &m, 'y'), TOP_ACT_PAUSE);
	assert_int_equal(top_key(&ui, &m, 'r'), TOP_ACT_RESUME);
	/* a budget with a window, and one without */
	type(&ui, &m, "1jj+2.50x\n");
	draw(&m, &ui, &g, 24, 80);
	has(&g, "Raise month by $2.50 until it resets, in 1h00? y/n");
	assert_int_equal(top_key(&ui, &m, 'y'), TOP_ACT_RAISE);
	assert_int_equal(ui.usd_pusd, 250 * CENT);
	type(&ui, &m, "g+1\n");
	draw(&m, &ui, &g, 24, 80);
	has(&g, "Raise all by $1.00 to $1.00, for good? y/n");
	type(&ui, &m, "x");
	assert_int_equal(ui.mode, TOP_NORMAL);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const bad[] = {"+\n", "+0\n", "+1.2.3\n"};

		type(&ui, &m, bad[i]);
		assert_int_equal(ui.mode, TOP_NORMAL);
		assert_true(ui.is_error);
	}
	for (unsigned i = 0; i < 200; i++) /* longer than there is room */
		type(&ui, &m, i ? "9" : "+");
	type(&ui, &m, "\n");
	assert_true(ui.is_error);
	assert_int_equal(top_key(&ui, &m, 'q'), TOP_ACT_QUIT);
	assert_int_equal(top_key(&ui, &m, 3), TOP_ACT_QUIT);
	free_model(&m);
	top_grid_fini(&g);
}

/* Whatever is pressed: nothing but y after a question does anything. */
static void test_any_key(void **state)
{
	struct top_grid g = {0};
	struct top_model m;
	struct top_ui ui;
	uint64_t seed = 1;

	(void)state;
	make_model(&m, "m", 30);
	top_ui_init(&ui, true);
	for (unsigned i = 0; i < 20000; i++) {
		bool asked = ui.mode == TOP_CONFIRM;
		wint_t key;
		enum top_act act;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		key = (wint_t)(seed >> 33) % 160;
		if (key >= 128)
			key = key - 128 + TOP_KEY_UP;
		act = top_key(&ui, &m, key);
		if (act == TOP_ACT_PAUSE || act == TOP_ACT_RAISE)
			assert_true(asked && (key == 'y' || key == 'Y'));
		if (i % 50 == 0) {
			draw(&m, &ui, &g, 24, 80);
			check_grid(&g);
		}
	}
	free_model(&m);
	top_grid_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),    cmocka_unit_test(test_span),
		cmocka_unit_test(test_sizes),  cmocka_unit_test(test_sections),
		cmocka_unit_test(test_bar),    cmocka_unit_test(test_sort),
		cmocka_unit_test(test_filter), cmocka_unit_test(test_selection),
		cmocka_unit_test(test_ask),    cmocka_unit_test(test_any_key),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8")) {
		puts("no C.UTF-8 locale");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
