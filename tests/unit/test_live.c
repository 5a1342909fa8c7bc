#include "base/clock.h"
#include "base/money.h"
#include "config_help.h"

#define T(n) "\"ts\":\"2026-11-2" n "T00:00:00.000Z\""
#define CONFIG_S 1795392000 /* 2026-11-23 */

static const char config[] =
	"version: 1\n"
	"budgets:\n"
	"  - {name: month, scope: \"project:x\", period: monthly, limit_usd: "
	"50, on_hard: [clamp, block], warn_at: [0.5]}\n"
	"  - {name: day, period: daily, limit_usd: 5}\n";

static const struct lg_image *merged(struct lg_buf *out, const char *live)
{
	put_text(dir.config, config);
	set_mtime(dir.config, CONFIG_S);
	put_text(dir.live, live);
	return compile_files(out, dir.config, dir.live);
}

static unsigned skipped(const char *live, const char **warning)
{
	static struct lg_config_error err;
	struct lg_config_paths paths = {.config = dir.config, .live = dir.live};
	struct lg_buf out;

	put_text(dir.config, config);
	set_mtime(dir.config, CONFIG_S);
	put_text(dir.live, live);
	lg_buf_init(&out, 0);
	assert_int_equal(lg_config_compile(&paths, &out, &err), 0);
	assert_int_equal(lg_image_check(out.p, out.len), 0);
	lg_buf_fini(&out);
	if (warning)
		*warning = err.warning;
	return err.skipped;
}

static void test_set_keeps_the_rest(void **state)
{
	struct lg_buf out;
	const struct lg_image *img = merged(
		&out, "{\"op\":\"set\"," T("4") ",\"name\":\"month\","
						"\"limit_usd\":\"60.5\"}\n");
	const struct lg_img_budget *b = budget(img, "month");

	(void)state;
	assert_int_equal(b->limit_pusd, INT64_C(60500000000000));
	assert_int_equal(b->source, LG_SOURCE_LIVE);
	assert_int_equal(b->since_ms, INT64_C(1795478400000));
	assert_string_equal(text(img, b->scope), "project:x");
	assert_int_equal(b->on_hard.n, 2);
	assert_int_equal(b->hard, 1);
	assert_int_equal(b->warns, 1);
	b = budget(img, "day");
	assert_int_equal(b->source, LG_SOURCE_CONFIG);
	assert_int_equal(b->since_ms, (int64_t)CONFIG_S * 1000);
	lg_buf_fini(&out);
}

static void test_newer_wins(void **state)
{
	struct lg_buf out;
	const struct lg_image *img = merged(
		&out,
		"{\"op\":\"set\"," T("2") ",\"name\":\"month\","
					  "\"limit_usd\":1}\n"
					  "{\"op\":\"set\"," T(
						  "2") ",\"name\":\"own\","
						       "\"limit_usd\":2,"
						       "\"period\":\"run\"}\n");

	(void)state;
	assert_int_equal(budget(img, "month")->limit_pusd,
			 INT64_C(50000000000000));
	assert_int_equal(budget(img, "own")->limit_pusd,
			 INT64_C(2000000000000));
	lg_buf_fini(&out);
}

static void test_rm_and_order(void **state)
{
	struct lg_buf out;
	const struct lg_image *img = merged(
		&out,
		"{\"op\":\"set\"," T(
			"4") ",\"name\":\"month\","
			     "\"limit_usd\":1}\n"
			     "{\"op\":\"set\"," T(
				     "4") ",\"name\":\"own\","
					  "\"limit_usd\":2,"
					  "\"period\":\"run\"}\n"
					  "{\"op\":\"set\"," T(
						  "5") ",\"name\":"
						       "\"own\","
						       "\"hard\":"
						       "true}\n"
						       "{\"op\":"
						       "\"rm\"," T(
							       "5") ",\"name\":"
								    "\"month\"}"
								    "\n");

	(void)state;
	assert_int_equal(budget(img, "month")->source, LG_SOURCE_CONFIG);
	assert_int_equal(budget(img, "month")->limit_pusd,
			 INT64_C(50000000000000));
	assert_int_equal(budget(img, "own")->hard, 1);
	assert_int_equal(budget(img, "own")->on_hard.n, 1);
	assert_int_equal(budget(img, "own")->limit_pusd,
			 INT64_C(2000000000000));
	lg_buf_fini(&out);
}

static void test_soft_again(void **state)
{
	struct lg_buf out;
	const struct lg_image *img = merged(
		&out, "{\"op\":\"set\"," T("4") ",\"name\":\"day\","
						"\"hard\":true}\n"
						"{\"op\":\"set\"," T(
							"4") ",\"name\":"
							     "\"day\",\"hard\":"
							     "false}\n");

	(void)state;
	assert_int_equal(budget(img, "day")->hard, 0);
	assert_int_equal(budget(img, "day")->on_hard.n, 0);
	lg_buf_fini(&out);
}

static void test_until(void **state)
{
	static const char live[] = "{\"op\":\"set\"," T(
		"4") ",\"name\":\"day\",\"limit_usd\":9,"
		     "\"until\":\"2026-11-25T00:00:00Z\"}\n";
	struct lg_config_paths paths = {.config = dir.config, .live = dir.live};
	struct lg_buf out;
	const struct lg_image *img;

	(void)state;
	lg_clock_set_real_ms(INT64_C(1795500000000)); /* the 24th */
	img = merged(&out, live);
	assert_int_equal(budget(img, "day")->limit_pusd,
			 INT64_C(9000000000000));
	assert_int_equal(budget(img, "day")->until_ms, INT64_C(1795564800000));
	assert_true(lg_config_is_fresh(img, &paths));
	lg_clock_set_real_ms(INT64_C(1795564800000));
	assert_false(lg_config_is_fresh(img, &paths));
	lg_buf_fini(&out);
	img = merged(&out, live);
	assert_int_equal(budget(img, "day")->limit_pusd,
			 INT64_C(5000000000000));
	assert_true(lg_config_is_fresh(img, &paths));
	lg_clock_set_real_ms(0);
	lg_buf_fini(&out);
}

static void test_torn_and_wrong_lines(void **state)
{
	const char *why;
	struct lg_buf out;
	const struct lg_image *img;

	(void)state;
	assert_int_equal(skipped("", NULL), 0);
	assert_int_equal(skipped("\n\n", NULL), 0);
	assert_int_equal(skipped("{\"op\":\"set\",\"na", &why), 1);
	assert_non_null(strstr(why, "skipped"));
	assert_int_equal(skipped("garbage\n{}\n[]\n\x80\xff\n", NULL), 4);
	assert_int_equal(skipped("{\"op\":\"set\"," T("4") ",\"name\":\"n\","
							   "\"limit_usd\":-1,"
							   "\"period\":"
							   "\"run\"}\n",
				 &why),
			 1);
	assert_non_null(strstr(why, "limit_usd: value \"-1\""));
	assert_int_equal(
		skipped("{\"op\":\"set\"," T("4") ",\"name\":\"n\"}\n", &why),
		1);
	assert_non_null(strstr(why, "period and limit_usd"));
	/* a torn line, and a whole one behind it on the same line */
	img = merged(&out, "{\"op\":\"set\",\"ts\":\"2026{\"op\":\"set\"," T(
				   "4") ",\"name\":\"day\",\"limit_usd\":7}\n");
	assert_int_equal(budget(img, "day")->limit_pusd,
			 INT64_C(7000000000000));
	lg_buf_fini(&out);
}

/* Whatever is lost at the end, the lines before it hold. */
static void test_cut_anywhere(void **state)
{
	static const char first[] = "{\"op\":\"set\"," T(
		"4") ",\"name\":\"day\",\"limit_usd\":7}\n";
	char both[2 * sizeof(first)];
	size_t n = sizeof(first) - 1;
	struct lg_buf out;
	const struct lg_image *img;

	(void)state;
	memcpy(both, first, n);
	memcpy(both + n, first, n);
	both[n + n - 3] = '8';
	for (size_t cut = n; cut <= 2 * n; cut++) {
		char t[sizeof(both) + 1];

		memcpy(t, both, cut);
		t[cut] = 0;
		img = merged(&out, t);
		assert_int_equal(budget(img, "day")->limit_pusd,
				 cut + 1 >= 2 * n ? INT64_C(8000000000000)
						  : INT64_C(7000000000000));
		lg_buf_fini(&out);
	}
}

static void test_format_a_line(void **state)
{
	struct lg_budget_text t = {.name = "odd \"name\" \xc3\xa4",
				   .scope = "user:*",
				   .period = "weekly",
				   .limit_usd = "1.25",
				   .mode = "strict",
				   .hard = 1,
				   .each = 1,
				   .warn_at = "0.5, 0.75",
				   .until = "2036-01-01"};
	struct lg_config_error err;
	struct lg_buf line, out;
	const struct lg_img_budget *b;
	const struct lg_image *img;

	(void)state;
	lg_buf_init(&line, 65536);
	assert_int_equal(lg_config_budget_line(&t, LG_CONFIG_SET,
					       INT64_C(1795478400000), "me",
					       &line, &err),
			 0);
	assert_int_equal(line.p[line.len - 1], '\n');
	assert_int_equal(lg_buf_putc(&line, 0), 0);
	img = merged(&out, line.p);
	b = budget(img, t.name);
	assert_non_null(b);
	assert_string_equal(text(img, b->scope), "user:*");
	assert_int_equal(b->limit_pusd, INT64_C(1250000000000));
	assert_int_equal(b->period, LG_PERIOD_WEEKLY);
	assert_int_equal(b->mode, LG_MODE_STRICT);
	assert_int_equal(b->each, 1);
	assert_int_equal(b->warns, 2);
	lg_buf_fini(&out);
	line.len = 0;
	t = (struct lg_budget_text){.name = "x", .limit_usd = "-3", .hard = -1};
	assert_int_equal(
		lg_config_budget_line(&t, LG_CONFIG_SET, 0, NULL, &line, &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "limit_usd: value \"-3\""));
	assert_int_equal(line.len, 0);
	t.limit_usd = NULL;
	assert_int_equal(
		lg_config_budget_line(&t, LG_CONFIG_RM, 0, NULL, &line, &err),
		0);
	assert_non_null(memmem(line.p, line.len, "\"op\":\"rm\"", 9));
	t.name = NULL;
	assert_int_equal(
		lg_config_budget_line(&t, LG_CONFIG_RM, 0, NULL, &line, &err),
		-EINVAL);
	lg_buf_fini(&line);
}

/* More for a while: it adds up, and ends by itself. */
static void test_raise(void **state)
{
#define RAISE(t, usd, until)                                                   \
	"{\"op\":\"raise\"," T(t) ",\"name\":\"day\",\"limit_usd\":" usd       \
				  ",\"until\":\"" until "\"}\n"
	const struct lg_img_budget *b;
	struct lg_buf out;
	const struct lg_image *img;
	int64_t base;
	const char *why;

	(void)state;
	img = merged(&out, "");
	base = budget(img, "day")->limit_pusd;
	lg_buf_fini(&out);
	img = merged(&out, RAISE("4", "10", "2036-01-02")
				   RAISE("5", "0.5", "2036-01-01"));
	b = budget(img, "day");
	assert_int_equal(b->limit_pusd, base + INT64_C(10500000000000));
	assert_int_equal(b->raised_pusd, INT64_C(10500000000000));
	assert_int_equal(b->raised_until_ms, INT64_C(2082758400000));
	assert_int_equal(b->until_ms, 0);
	assert_int_equal(b->source, LG_SOURCE_CONFIG);
	lg_buf_fini(&out);
	/* one is over, one goes on */
	img = merged(&out, RAISE("4", "10", "2036-01-02")
				   RAISE("5", "0.5", "2001-01-01"));
	b = budget(img, "day");
	assert_int_equal(b->raised_pusd, INT64_C(10000000000000));
	lg_buf_fini(&out);
	/* rm, and a new limit, end it; another key leaves it */
	img = merged(&out, RAISE("4", "10", "2036-01-02") "{\"op\":\"rm\"," T(
				   "5") ",\"name\":\"day\"}\n");
	assert_int_equal(budget(img, "day")->limit_pusd, base);
	lg_buf_fini(&out);
	img = merged(&out, RAISE("4", "10", "2036-01-02") "{\"op\":\"set\"," T(
				   "5") ",\"name\":\"day\",\"limit_usd\":7}\n");
	b = budget(img, "day");
	assert_int_equal(b->limit_pusd, INT64_C(7000000000000));
	assert_int_equal(b->raised_pusd, 0);
	lg_buf_fini(&out);
	img = merged(&out, RAISE("4", "10", "2036-01-02") "{\"op\":\"set\"," T(
				   "5") ",\"name\":\"day\",\"hard\":true}\n");
	assert_int_equal(budget(img, "day")->raised_pusd,
			 INT64_C(10000000000000));
	lg_buf_fini(&out);
	/* never beyond the largest limit; an unknown name is no fault */
	img = merged(&out, RAISE("4", "9000000", "2036-01-02"));
	assert_int_equal(budget(img, "day")->limit_pusd, LG_MONEY_LIMIT_MAX);
	lg_buf_fini(&out);
	assert_int_equal(
		skipped("{\"op\":\"raise\"," T("4") ",\"name\":\"no\","
						    "\"limit_usd\":1,\"until\":"
						    "\"2036-01-01\"}\n",
			&why),
		0);
	assert_int_equal(
		skipped("{\"op\":\"raise\"," T("4") ",\"name\":\"day\","
						    "\"limit_usd\":1}\n",
			&why),
		1);
#undef RAISE
}

static void test_environment_budgets(void **state)
{
	struct lg_budget_text t[] = {
		{.name = "run",
		 .period = "run",
		 .limit_usd = "5",
		 .hard = 1,
		 .source = LG_SOURCE_ENV},
		{.name = "month",
		 .period = "monthly",
		 .limit_usd = "0.5",
		 .scope = "phase:train",
		 .hard = -1,
		 .source = LG_SOURCE_ENV},
	};
	struct lg_config_error err;
	const struct lg_img_budget *b;
	const struct lg_image *img;
	struct lg_buf out;

	(void)state;
	lg_buf_init(&out, 0);
	assert_int_equal(lg_config_compile_budgets(t, 2, &out, &err), 0);
	assert_int_equal(lg_image_check(out.p, out.len), 0);
	img = (const struct lg_image *)(const void *)out.p;
	b = budget(img, "run");
	assert_int_equal(b->hard, 1);
	assert_int_equal(b->source, LG_SOURCE_ENV);
	assert_int_equal(b->on_hard.n, 1);
	assert_string_equal(text(img, b->scope), "global");
	assert_int_equal(budget(img, "month")->hard, 0);
	t[0].limit_usd = "five";
	assert_int_equal(lg_config_compile_budgets(t, 2, &out, &err), -EINVAL);
	assert_string_equal(err.text, "limit_usd: value \"five\": allowed: US "
				      "dollars, 0 to 9000000, with at most 12 "
				      "decimals");
	t[0].limit_usd = "5";
	t[1].name = "run";
	assert_int_equal(lg_config_compile_budgets(t, 2, &out, &err), -EINVAL);
	lg_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_keeps_the_rest),
		cmocka_unit_test(test_newer_wins),
		cmocka_unit_test(test_rm_and_order),
		cmocka_unit_test(test_soft_again),
		cmocka_unit_test(test_until),
		cmocka_unit_test(test_torn_and_wrong_lines),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_format_a_line),
		cmocka_unit_test(test_raise),
		cmocka_unit_test(test_environment_budgets),
	};

	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
