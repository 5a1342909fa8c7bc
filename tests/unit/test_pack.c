#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "ledger/pack.h"

#define TEXT 20000

static char text[TEXT], packed[2 * TEXT + 1024];

/* A file of these bytes. */
static int file_of(const void *p, size_t n)
{
	char name[] = "/tmp/llmguard-pack-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	return fd;
}

static size_t make(size_t at, const char *p, size_t n)
{
	size_t len = ZSTD_compress(packed + at, sizeof(packed) - at, p, n, 3);

	assert_false(ZSTD_isError(len));
	return len;
}

static void fill(void)
{
	for (unsigned i = 0; i < TEXT; i++)
		text[i] = (char)('a' + (i * i / 7 + i % 13) % 26);
}

/* All of it, in pieces of `step`; its length or an error. */
static ssize_t read_all(int fd, size_t step)
{
	static char got[TEXT + 1];
	struct lg_pack *p;
	size_t n = 0;
	ssize_t k;

	assert_int_equal(lg_pack_open(fd, &p), 0);
	while ((k = lg_pack_read(p, got + n, step)) > 0) {
		n += (size_t)k;
		if (n + step > sizeof(got))
			step = sizeof(got) - n;
	}
	lg_pack_close(p);
	assert_memory_equal(got, text, n);
	return k < 0 ? k : (ssize_t)n;
}

static void test_whole(void **state)
{
	size_t n;
	uint64_t size;
	int fd;

	(void)state;
	fill();
	n = make(0, text, TEXT);
	fd = file_of(packed, n);
	assert_true(lg_pack_is(fd));
	assert_int_equal(read_all(fd, 1), TEXT);
	assert_int_equal(read_all(fd, 7), TEXT);
	assert_int_equal(read_all(fd, TEXT), TEXT);
	assert_int_equal(lg_pack_size(fd, &size), 0);
	assert_int_equal(size, TEXT);
	close(fd);
}

static void test_two_frames(void **state)
{
	size_t n;
	uint64_t size;
	int fd;

	(void)state;
	fill();
	n = make(0, text, 1000);
	n += make(n, text + 1000, TEXT - 1000);
	fd = file_of(packed, n);
	assert_int_equal(read_all(fd, 100), TEXT);
	assert_int_equal(lg_pack_size(fd, &size), 0);
	assert_int_equal(size, TEXT);
	close(fd);
}

/* Never more than was there, and an end within a frame is told. */
static void test_cut(void **state)
{
	size_t n, i;
	uint64_t size;
	int fd;

	(void)state;
	fill();
	n = make(0, text, TEXT);
	for (i = 1; i < n; i++) {
		fd = file_of(packed, i);
		assert_int_equal(read_all(fd, 4096), -EPROTO);
		assert_int_equal(lg_pack_size(fd, &size), -EPROTO);
		close(fd);
	}
}

static void test_noise(void **state)
{
	size_t n, i;
	uint64_t size;
	int fd;

	(void)state;
	fill();
	n = make(0, text, TEXT);
	for (i = 4; i < n; i += 3) {
		struct lg_pack *p;
		static char got[TEXT];
		ssize_t k;

		packed[i] ^= 0x55;
		fd = file_of(packed, n);
		assert_int_equal(lg_pack_open(fd, &p), 0);
		while ((k = lg_pack_read(p, got, sizeof(got))) > 0)
			;
		assert_true(k == 0 || k == -EPROTO || k == -ENOMEM);
		lg_pack_close(p);
		lg_pack_size(fd, &size);
		close(fd);
		packed[i] ^= 0x55;
	}
}

static void test_others(void **state)
{
	static const char *const other[] = {"", "{", "(\xb5/", "{\"v\":1,"};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		int fd = file_of(other[i], strlen(other[i]));

		assert_false(lg_pack_is(fd));
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_two_frames),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
