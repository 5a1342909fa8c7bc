#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/url.h"
#include "edge.h"

static void assert_text(struct lg_slice s, const char *want)
{
	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(s.p ? s.p : "", want, s.len);
}

static void test_good(void **state)
{
	static const struct {
		const char *url, *host, *name, *path;
		unsigned port;
		bool tls, local;
	} t[] = {
		{"http://127.0.0.1", "127.0.0.1", "127.0.0.1", "", 80, 0, 0},
		{"http://127.0.0.1:11434/", "127.0.0.1", "127.0.0.1:11434", "",
		 11434, 0, 0},
		{"HTTP://localhost:8000/v1", "localhost", "localhost:8000",
		 "/v1", 8000, 0, 0},
		{"http://[::1]:8000/v1//", "::1", "[::1]:8000", "/v1", 8000, 0,
		 0},
		{"http://[::1]", "::1", "[::1]", "", 80, 0, 0},
		{"https://models.internal.example/x/y",
		 "models.internal.example", "models.internal.example", "/x/y",
		 443, 1, 0},
		{"unix:/run/model.sock", "/run/model.sock", "localhost", "", 80,
		 0, 1},
		{"unix:/run/model.sock:/v1/", "/run/model.sock", "localhost",
		 "/v1", 80, 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lg_url u;
		const char *why;

		assert_int_equal(lg_url_parse(lg_slice_str(t[i].url), &u, &why),
				 0);
		assert_text(u.host, t[i].host);
		assert_text(u.name, t[i].name);
		assert_text(u.path, t[i].path);
		assert_int_equal(u.port, t[i].port);
		assert_int_equal(u.tls, t[i].tls);
		assert_int_equal(u.local_socket, t[i].local);
	}
}

static void test_bad(void **state)
{
	static const char *const t[] = {
		"",
		"http",
		"http://",
		"http:///v1",
		"ftp://h",
		"http://u:p@h",
		"http://h:",
		"http://h:0",
		"http://h:65536",
		"http://h:12x",
		"http://[::1",
		"http://[::1]x",
		"http://h/?q",
		"http://h/#f",
		"http://h h/",
		"unix:",
		"unix:/",
		"unix:model.sock",
		"unix:/s:v1",
		"//h",
		"http://[]:1",
		"http://h\x7f/",
		"http://h:-1",
		"http://h%41/",
		"http://h:1:2/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lg_url u;
		const char *why = NULL;

		if (!lg_url_parse(lg_slice_str(t[i]), &u, &why))
			fail_msg("%s was accepted", t[i]);
		assert_non_null(why);
	}
}

/* Cut anywhere, flush against a page that cannot be read. */
static void test_edge(void **state)
{
	static const char *const t[] = {"https://[fe80::1]:8000/a/b/",
					"unix:/run/model.sock:/v1/x"};

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t n = 0; n <= strlen(t[i]); n++) {
			struct edge e = edge_new(64);
			struct lg_url u;
			const char *why;
			char *p = edge_put(&e, t[i], n);

			lg_url_parse((struct lg_slice){p, n}, &u, &why);
			edge_del(&e);
		}
}

static void test_loopback(void **state)
{
	static const struct {
		const char *url;
		bool yes;
	} t[] = {
		{"https://127.0.0.1", true},
		{"https://127.8.9.10:1/x", true},
		{"https://LOCALHOST:2", true},
		{"https://[::1]:3", true},
		{"unix:/run/x", true},
		{"https://127.0.0.1.example", false},
		{"https://127.1", false},
		{"https://128.0.0.1", false},
		{"https://localhost.example", false},
		{"https://[::2]", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct lg_url u;
		const char *why;

		assert_int_equal(lg_url_parse(lg_slice_str(t[i].url), &u, &why),
				 0);
		assert_int_equal(lg_url_is_loopback(&u), t[i].yes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_edge),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
