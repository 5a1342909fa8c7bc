#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "guard/env.h"
#include "guard/file.h"
#include "guard/phase.h"
#include "guard/world.h"

static void paths(void **state)
{
	char out[400], other[400], small[20];

	(void)state;
	assert_int_equal(lg_run_path("/s", "run-1", ".x", out, sizeof(out)), 0);
	assert_string_equal(out, "/s/runs/run-1.x");
	/* nothing leaves the folder, nothing hides, two ids are two files */
	assert_int_equal(lg_run_path("/s", "../a", "", out, sizeof(out)), 0);
	assert_null(strstr(out, ".."));
	assert_int_equal(lg_run_path("/s", "../b", "", other, sizeof(other)),
			 0);
	assert_string_not_equal(out, other);
	assert_int_equal(lg_run_path("/s", ".a", "", out, sizeof(out)), 0);
	assert_null(strstr(out, "/."));
	assert_int_equal(lg_run_path("/s", "", "", out, sizeof(out)), -EINVAL);
	assert_int_equal(lg_run_path("/s", NULL, "", out, sizeof(out)),
			 -EINVAL);
	assert_int_equal(lg_run_path("/s", "run-1", ".x", small, 10),
			 -ENAMETOOLONG);
	assert_int_equal(lg_run_path("/s", "run-1", ".x", small, 0),
			 -ENAMETOOLONG);
	assert_int_equal(lg_run_path("/s", "run-1", ".x", small, 16), 0);
	assert_int_equal(lg_run_path("/s", "run-1", ".x", small, 15),
			 -ENAMETOOLONG);
}

static void switches(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"train\n", "train"}, {"INFER", "infer"},   {"", ""},
		{"trainx", ""},	      {" train ", "train"}, {"\n\n", ""},
		{"infer\ntrain", ""},
	};
	char dir[] = "/tmp/llmguard-phase-XXXXXX", path[100], out[8];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/runs", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/runs/r.phase", dir);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(cases[i].text, f);
		fclose(f);
		lg_phase_read(dir, "r", out);
		assert_string_equal(out, cases[i].want);
	}
	lg_phase_read(dir, "other", out);
	assert_string_equal(out, "");
	lg_phase_read(NULL, "r", out);
	assert_string_equal(out, "");
	lg_phase_read(dir, NULL, out);
	assert_string_equal(out, "");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0); /* no file at all */
	lg_phase_read(dir, "r", out);
	assert_string_equal(out, "");
	rmdir(path);
	snprintf(path, sizeof(path), "%s/runs", dir);
	rmdir(path);
	rmdir(dir);
}

static void headers_win(void **state)
{
	static struct lg_world w = {.phase = "train"};
	static struct lg_row row;

	(void)state;
	lg_phase_switched(&w, LG_SLICE(""), &row);
	assert_string_equal(row.phase, "train");
	strcpy(row.phase, "infer");
	lg_phase_switched(&w, LG_SLICE("Infer"), &row);
	assert_string_equal(row.phase, "infer");
	lg_phase_switched(&w, LG_SLICE("nonsense"), &row);
	assert_string_equal(row.phase, "train");
	w.phase[0] = '\0';
	strcpy(row.phase, "infer");
	lg_phase_switched(&w, LG_SLICE(""), &row);
	assert_string_equal(row.phase, "infer");
	lg_phase_of_model(&w, &row); /* no settings */
	assert_string_equal(row.phase, "infer");
}

static const struct lg_img_budget *budget(struct lg_buf *b, const char *name,
					  const struct lg_image **img)
{
	const struct lg_img_budget *all;

	if (!b->len)
		return NULL;
	*img = (const void *)b->p;
	assert_int_equal(lg_image_check(b->p, b->len), 0);
	all = LG_IMG_ARRAY(*img, (*img)->budgets, struct lg_img_budget);
	for (uint32_t i = 0; i < (*img)->budgets.n; i++)
		if (lg_slice_eq(lg_img_text(*img, all[i].name),
				lg_slice_str(name)))
			return &all[i];
	return NULL;
}

static void experiments(void **state)
{
	static const char *const bad[] = {"",	 "a*",	"a b", "a?",  "a&b",
					  "a:b", "[x]", "\n",  "\xff"};
	char longest[65];
	struct lg_env env = {.experiment_max_usd = "5"};
	const struct lg_img_budget *b;
	const struct lg_image *img;
	struct lg_env_bad said[LG_ENV_BAD_MAX];
	struct lg_buf buf;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[63] = '\0';
	assert_true(lg_env_is_experiment(longest));
	longest[63] = 'x';
	longest[64] = '\0';
	assert_false(lg_env_is_experiment(longest));
	assert_false(lg_env_is_experiment(NULL));
	lg_buf_init(&buf, 1 << 20);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(lg_env_is_experiment(bad[i]));
		env.experiment = bad[i];
		buf.len = 0;
		/* never without a limit, never another's */
		assert_int_equal(lg_env_budgets(&env, false, &buf), 0);
		b = budget(&buf, "experiment", &img);
		assert_non_null(b);
		assert_int_equal(b->period, LG_PERIOD_RUN);
		assert_int_equal(lg_env_check(&env, said), 1);
		assert_string_equal(said[0].variable, "LLMGUARD_EXPERIMENT");
	}
	env.experiment = "a/b=1";
	buf.len = 0;
	assert_int_equal(lg_env_budgets(&env, false, &buf), 0);
	b = budget(&buf, "experiment", &img);
	assert_non_null(b);
	assert_int_equal(b->period, LG_PERIOD_TOTAL);
	assert_true(lg_slice_eq(lg_img_text(img, b->scope),
				LG_SLICE("experiment:a/b=1")));
	assert_int_equal(lg_env_check(&env, said), 0);
	lg_buf_fini(&buf);
}

static void breaches(void **state)
{
	struct lg_env env = {.max_usd = "5", .monthly_usd = "9"};
	const struct lg_image *img;
	struct lg_buf buf;

	(void)state;
	lg_buf_init(&buf, 1 << 20);
	assert_int_equal(lg_env_budgets(&env, false, &buf), 0);
	assert_true(budget(&buf, "run", &img)->hard);
	buf.len = 0;
	env.on_breach = "continue";
	assert_int_equal(lg_env_budgets(&env, false, &buf), 0);
	assert_false(budget(&buf, "run", &img)->hard);
	assert_true(budget(&buf, "monthly", &img)->hard);
	buf.len = 0;
	env.on_breach = "nonsense";
	assert_int_equal(lg_env_budgets(&env, false, &buf), 0);
	assert_true(budget(&buf, "run", &img)->hard);
	lg_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),       cmocka_unit_test(switches),
		cmocka_unit_test(headers_win), cmocka_unit_test(experiments),
		cmocka_unit_test(breaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
