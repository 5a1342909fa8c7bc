/* The user's offsets file: what it may say, and what is said of mistakes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/offsets.h"
#include "tests/unit/edge.h"

#define ID "0123456789abcdef0123456789abcdef01234567"

static void test_good(void **state)
{
	static const char text[] =
		"# of our own builds\n"
		"build-id " ID "\n"
		"  SSL_write 0x1a6b940 # exported by none\r\n"
		"\tSSL_read\t27699584\n"
		"SSL_free file:0x400\n\n"
		"build-id ABCDEF0123456789\n"
		"crypto/tls.(*Conn).Write 0x401000";
	const struct offset *o;
	struct offsets *all;
	char why[200];

	(void)state;
	assert_int_equal(offsets_parse("f", text, sizeof(text) - 1, &all, why,
				       sizeof(why)),
			 0);
	assert_int_equal(offsets_of(all, ID, &o), 3);
	assert_string_equal(tls_functions[o[0].function].name, "SSL_write");
	assert_int_equal(o[0].at, 0x1a6b940);
	assert_int_equal(o[0].line, 3);
	assert_int_equal(o[1].at, 27699584);
	assert_true(o[2].is_file && !o[1].is_file);
	assert_int_equal(offsets_of(all, "abcdef0123456789", &o), 1);
	assert_int_equal(tls_functions[o[0].function].fn, PROBE_GO_WRITE);
	assert_int_equal(offsets_of(all, "", &o), 0);
	assert_int_equal(offsets_of(all, "00", &o), 0);
	assert_int_equal(offsets_of(NULL, ID, &o), 0);
	offsets_close(all);
	offsets_close(NULL);
}

static void test_wrong(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "f: no `build-id` line in it"},
		{"SSL_write 0x10\n", "f:1: SSL_write stands before any"},
		{"build-id xyz\n", "f:1: build-id xyz: not 8 to 128"},
		{"build-id 123456789\n", "f:1: build-id 123456789: not"},
		{"build-id " ID "\n", "f:1: build-id " ID " has no functions"},
		{"\nbuild-id " ID "\nSSL_wirte 0x10\n", "f:3: SSL_wirte: no"},
		{"build-id " ID "\nSSL_write\n", "f:2: SSL_write : not an"},
		{"build-id " ID "\nSSL_write 0x1g\n",
		 "f:2: SSL_write 0x1g: not an address"},
		{"build-id " ID "\nSSL_write -5\n", "f:2: SSL_write -5: not"},
		{"build-id " ID "\nSSL_write 0\n", "f:2: SSL_write 0: not"},
		{"build-id " ID "\nSSL_write 0xffffffffffffffff\n",
		 "f:2: SSL_write 0xffffffffffffffff: not"},
		{"build-id " ID "\nSSL_write 1 2\n", "f:2: 2: one value"},
		{"build-id " ID "\nSSL_write 1\nSSL_write 2\n",
		 "f:3: SSL_write was given in line 2"},
		{"build-id " ID "\nSSL_write 1\nbuild-id " ID "\nSSL_read 1",
		 "f:3: build-id " ID " was given in line 1"},
	};
	struct offsets *all;
	char why[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(offsets_parse("f", cases[i].text,
					       strlen(cases[i].text), &all, why,
					       sizeof(why)),
				 -EINVAL);
		if (strncmp(why, cases[i].why, strlen(cases[i].why)))
			fail_msg("%s\n  is not: %s", why, cases[i].why);
	}
	assert_int_equal(offsets_parse("f", "a\0b", 3, &all, why, sizeof(why)),
			 -EINVAL);
	assert_string_equal(why, "f:1: a NUL byte: not a text file");
	assert_int_equal(offsets_open("/nowhere", &all, why, sizeof(why)),
			 -ENOENT);
	assert_string_equal(why, "/nowhere: No such file or directory");
	assert_int_equal(offsets_open("/tmp", &all, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "/tmp: not a file");
}

static void test_cut(void **state)
{
	static const char text[] = "build-id " ID "\nSSL_write 0x12\n"
				   "build-id 12345678\nSSL_read file:0x7";
	struct edge e = edge_new(4096);
	struct offsets *all;
	char why[8]; /* is cut too */

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		if (!offsets_parse("f", edge_put(&e, text, n), n, &all, why,
				   sizeof(why)))
			offsets_close(all);
		else
			assert_true(strlen(why) < sizeof(why));
	}
	edge_del(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
