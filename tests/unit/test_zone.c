#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "budget/zone.h"

static const char *const zones[] = {
	"Europe/Berlin",       "America/New_York", "America/St_Johns",
	"Australia/Lord_Howe", "Asia/Kathmandu",   "Africa/Casablanca",
	"America/Sao_Paulo",   "Pacific/Apia",	   "Europe/Dublin",
	"America/Havana",      "Asia/Gaza",	   "America/Nuuk",
	"Antarctica/Troll",    "Pacific/Chatham",  "Africa/Monrovia",
	"Asia/Tehran",	       "Etc/GMT+12",	   "Pacific/Kiritimati",
};

/* libc's own reading of the same files is the oracle. */
static int32_t libc_offset(int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	localtime_r(&t, &tm);
	return (int32_t)tm.tm_gmtoff;
}

static void test_against_libc(void **state)
{
	struct lg_zone *z;
	struct lg_zone_span s;
	uint64_t x = 88172645463325252u;
	int64_t t;
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		if (lg_zone_open(zones[i], &z)) {
			print_message("no %s here\n", zones[i]);
			continue;
		}
		assert_string_equal(lg_zone_name(z), zones[i]);
		setenv("TZ", zones[i], 1);
		tzset();
		for (k = 0; k < 20000; k++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			t = (int64_t)(x % 5000000000u) - 400000000;
			if (lg_zone_offset(z, t) != libc_offset(t))
				fail_msg("%s at %lld: %d, libc %d", zones[i],
					 (long long)t, lg_zone_offset(z, t),
					 libc_offset(t));
		}
		for (t = 946684800; t < 2600000000; t = s.end_s) {
			lg_zone_span(z, t, &s);
			assert_true(s.start_s <= t && s.end_s > t);
			assert_int_equal(s.offset_s, libc_offset(t));
			if (s.end_s == INT64_MAX)
				break;
			assert_int_equal(libc_offset(s.end_s - 1), s.offset_s);
			assert_int_equal(lg_zone_offset(z, s.end_s),
					 libc_offset(s.end_s));
		}
		lg_zone_close(z);
	}
	unsetenv("TZ");
}

static void test_names(void **state)
{
	static const char *const bad[] = {
		"",
		"/etc/localtime",
		"../zoneinfo/UTC",
		"Mars/Olympus",
		"Europe",
		"Europe/",
		"a\nb",
		"zone.tab\x7f",
	};
	struct lg_zone *z = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(lg_zone_open(bad[i], &z), -ENOENT);
		assert_null(z);
	}
	assert_int_equal(lg_zone_open("tzdata.zi", &z) == -EPROTO ||
				 lg_zone_open("tzdata.zi", &z) == -ENOENT,
			 1);
	assert_int_equal(lg_zone_open("UTC", &z), 0);
	assert_string_equal(lg_zone_name(z), "UTC");
	assert_int_equal(lg_zone_offset(z, 1700000000), 0);
	lg_zone_close(z);
	assert_int_equal(lg_zone_open(NULL, &z), 0);
	assert_true(strlen(lg_zone_name(z)) > 0);
	lg_zone_close(z);
	lg_zone_close(NULL);
}

static char *guarded(const char *p, size_t len, char **map)
{
	size_t room = (len + 4095) / 4096 * 4096;
	char *m = mmap(NULL, room + 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(m != MAP_FAILED);
	mprotect(m + room, 4096, PROT_NONE);
	memcpy(m + room - len, p, len);
	*map = m;
	return m + room - len;
}

static void unguard(char *map, size_t len)
{
	munmap(map, (len + 4095) / 4096 * 4096 + 4096);
}

static void test_damaged(void **state)
{
	static char file[65536];
	int fd = open("/usr/share/zoneinfo/Europe/Berlin", O_RDONLY);
	struct lg_zone *z;
	char *map, *p;
	ssize_t n;
	size_t i;

	(void)state;
	if (fd < 0)
		skip();
	n = read(fd, file, sizeof(file));
	close(fd);
	for (i = 0; i < (size_t)n; i++) {
		p = guarded(file, i, &map);
		if (!lg_zone_parse((struct lg_slice){p, i}, "cut", &z))
			fail_msg("cut at %zu was taken", i);
		unguard(map, i);
	}
	for (i = 0; i < (size_t)n * 8; i++) {
		file[i / 8] ^= (char)(1 << i % 8);
		p = guarded(file, (size_t)n, &map);
		if (!lg_zone_parse((struct lg_slice){p, (size_t)n}, "flip",
				   &z)) {
			lg_zone_offset(z, 1700000000);
			lg_zone_offset(z, 4000000000);
			lg_zone_close(z);
		}
		unguard(map, (size_t)n);
		file[i / 8] ^= (char)(1 << i % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_libc),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
