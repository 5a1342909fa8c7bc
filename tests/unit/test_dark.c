#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "budget/dark.h"

static struct lg_region *r;
static char path[64];

static int setup(void **state)
{
	struct lg_region_options o = {.path = path, .create = true};

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/llmguard-dark-%d", getpid());
	unlink(path);
	return lg_region_open(&o, &r, NULL);
}

static int teardown(void **state)
{
	(void)state;
	lg_region_close(r);
	return unlink(path);
}

static void add(const char *exe, const char *host, uint32_t at)
{
	struct lg_dark d = {
		.count = 1, .sent = 10, .received = 20, .last_s = at, .pid = 7};

	snprintf(d.exe, sizeof(d.exe), "%s", exe);
	snprintf(d.host, sizeof(d.host), "%s", host);
	lg_dark_add(r, &d);
}

static unsigned shown(void)
{
	struct lg_dark d;
	unsigned n = 0;

	for (unsigned i = 0; i < LG_DARK_SHOWN; i++)
		n += !lg_dark_view(r, i, &d);
	return n;
}

static void test_add(void **state)
{
	struct lg_dark d;

	(void)state;
	add("java", "api.openai.com", 100);
	add("java", "api.openai.com", 130);
	add("java", "api.anthropic.com", 140);
	add("bun", "api.openai.com", 150);
	assert_int_equal(shown(), 3);
	assert_int_equal(lg_dark_view(r, 0, &d), 0);
	assert_string_equal(d.exe, "java");
	assert_string_equal(d.host, "api.openai.com");
	assert_int_equal(d.count, 2);
	assert_int_equal(d.sent, 20);
	assert_int_equal(d.received, 40);
	assert_int_equal(d.first_s, 100);
	assert_int_equal(d.last_s, 130);
	assert_int_equal(lg_region_counter(r, LG_COUNT_DARK), 4);
	lg_dark_reset(r);
	assert_int_equal(shown(), 0);
	assert_int_equal(lg_dark_view(r, LG_DARK_SHOWN, &d), -ENOENT);
}

/* The one not heard of longest makes room; nothing of it is left. */
static void test_full(void **state)
{
	char host[32];
	struct lg_dark d;
	bool found = false;

	(void)state;
	for (unsigned i = 0; i < LG_DARK_SHOWN; i++) {
		snprintf(host, sizeof(host), "h%u", i);
		add("x", host, 1000 - i);
		add("x", host, 1000 - i);
	}
	add("x", "new", 2000);
	assert_int_equal(shown(), LG_DARK_SHOWN);
	for (unsigned i = 0; i < LG_DARK_SHOWN; i++) {
		assert_int_equal(lg_dark_view(r, i, &d), 0);
		snprintf(host, sizeof(host), "h%u", LG_DARK_SHOWN - 1);
		assert_string_not_equal(d.host, host);
		if (strcmp(d.host, "new") != 0)
			continue;
		found = true;
		assert_int_equal(d.count, 1);
	}
	assert_true(found);
}

static void test_readonly(void **state)
{
	struct lg_region_options o = {.path = path, .readonly = true};
	struct lg_region *rw = r;

	(void)state;
	add("x", "h", 1);
	assert_int_equal(lg_region_open(&o, &r, NULL), 0);
	add("x", "h2", 2);
	assert_int_equal(shown(), 1);
	lg_region_close(r);
	r = rw;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(test_add), T(test_full),
					   T(test_readonly)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
