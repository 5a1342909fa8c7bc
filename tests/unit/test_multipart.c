#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"
#include "wire/multipart.h"

static char told[1 << 16];
static size_t ntold;

static void say(const char *p, size_t n)
{
	assert_true(ntold + n < sizeof(told));
	memcpy(told + ntold, p, n);
	ntold += n;
	told[ntold] = 0;
}

static void part(void *ctx, struct lg_slice name, bool is_file)
{
	(void)ctx;
	say(is_file ? "{" : "<", 1);
	say(name.p, name.len);
	say("|", 1);
}

static void data(void *ctx, struct lg_slice piece)
{
	(void)ctx;
	assert_true(piece.len > 0);
	say(piece.p, piece.len);
}

static void end(void *ctx)
{
	(void)ctx;
	say(">", 1);
}

static const struct lg_multipart_sink sink = {part, data, end};

/* 'w' whole, 'm' more is missing, 'b' bad, '-' no form at all. */
static char run(const char *type, const char *p, size_t n, size_t piece)
{
	struct edge e = edge_new(n + 1);
	struct lg_multipart m;
	bool good = true;

	ntold = 0;
	told[0] = 0;
	if (!lg_multipart_init(&m, lg_slice_str(type), &sink, NULL)) {
		assert_false(lg_multipart_feed(&m, p, n));
		edge_del(&e);
		return '-';
	}
	for (size_t at = 0, k; at < n; at += k) {
		k = n - at < piece ? n - at : piece;
		good = lg_multipart_feed(&m, edge_put(&e, p + at, k), k);
	}
	edge_del(&e);
	return !good ? 'b' : lg_multipart_is_whole(&m) ? 'w' : 'm';
}

#define TYPE "multipart/form-data; boundary=XyZ"
#define HEAD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"

static const struct {
	const char *text, *want;
	char how;
} cases[] = {
	{"--XyZ\r\n" HEAD("model") "\r\nwhisper-1\r\n--XyZ--\r\n",
	 "<model|whisper-1>", 'w'},
	{"--XyZ\r\n" HEAD("a") "\r\n1\r\n--XyZ\r\n" HEAD("b") "\r\n2\r\n"
							      "--XyZ--",
	 "<a|1><b|2>", 'w'},
	{"preamble\r\n--XyZ  \t\r\n" HEAD("a") "\r\n1\r\n--XyZ--epilogue "
					       "\r\n--XyZ\r\n",
	 "<a|1>", 'w'},
	{"\r\n--XyZ\r\n" HEAD("a") "\r\n\r\n--XyZ--\r\n", "<a|>", 'w'},
	{"--XyZ--\r\n", "", 'w'},
	/* almost a boundary */
	{"--XyZ\r\n" HEAD("a") "\r\n\r\r\n-\r\n--\r\n--Xy\r\n--XyZa\r\n"
			       "--XyZ-\r\n--XyZ--",
	 "<a|\r\r\n-\r\n--\r\n--Xy\r\n--XyZa\r\n--XyZ->", 'w'},
	{"--XyZ\r\n" HEAD("a") "\r\n--XyZ\r\n--XyZ--", "<a|--XyZ>", 'w'},
	/* headers */
	{"--XyZ\r\ncontent-disposition:form-data;filename=\"a;b.wav\"; "
	 "name=file\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--XyZ--",
	 "{file|RIFF>", 'w'},
	{"--XyZ\r\nContent-Disposition: form-data; name=\"x\\\"y; "
	 "name=z\"\r\n\r\n1\r\n--XyZ--",
	 "<x\\\"y; name=z|1>", 'w'},
	{"--XyZ\r\nContent-Disposition: form-data; name=f; "
	 "filename*=UTF-8''a.png\r\n\r\n1\r\n--XyZ--",
	 "{f|1>", 'w'},
	{"--XyZ\r\nContent-Type: text/plain\r\n\r\n1\r\n--XyZ--", "<|1>", 'w'},
	{"--XyZ\r\n\r\n1\r\n--XyZ--", "<|1>", 'w'},
	{"--XyZ\r\nno colon\r\n: x\r\n" HEAD("a") "\r\n1\r\n--XyZ--", "<a|1>",
	 'w'},
	/* cut short */
	{"--XyZ\r\n" HEAD("a") "\r\n1\r\n--XyZ", "<a|1", 'm'},
	{"--XyZ\r\n" HEAD("a"), "", 'm'},
	{"--XyZ", "", 'm'},
	{"", "", 'm'},
	{"{\"model\":\"x\"}", "", 'm'},
	/* not to be */
	{"--XyZ\n" HEAD("a") "\r\n1\r\n--XyZ--", "", 'w'},
	{"--XyZ x\r\n" HEAD("a") "\r\n1", "", 'b'},
	{"--XyZ\rx", "", 'b'},
	{"--XyZ\r\nA: b\n\r\n1", "", 'b'},
	{"--XyZ\r\nA: b\rc\r\n1", "", 'b'},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = strlen(cases[i].text);

		for (size_t piece = 1; piece <= n + 1; piece++) {
			assert_int_equal(run(TYPE, cases[i].text, n, piece),
					 cases[i].how);
			assert_string_equal(told, cases[i].want);
		}
		for (size_t cut = 0; cut < n; cut++)
			run(TYPE, cases[i].text, cut, cut + 1);
	}
}

static void test_types(void **state)
{
	static const struct {
		const char *type;
		char how;
	} types[] = {
		{"multipart/form-data; boundary=XyZ", 'w'},
		{"Multipart/Form-Data;charset=utf-8;BOUNDARY=\"XyZ\"", 'w'},
		{"multipart/form-data; a; boundary = XyZ ; b=c", 'w'},
		{"multipart/form-data; x=\"; boundary=no\"; boundary=XyZ", 'w'},
		{"multipart/form-data", '-'},
		{"multipart/form-data; boundary=", '-'},
		{"multipart/form-data; boundary=\"\"", '-'},
		{"multipart/form-data; boundary=\"X\\yZ\"", '-'},
		{"multipart/form-data; boundary=\"X\r\nyZ\"", '-'},
		{"multipart/mixed; boundary=XyZ", '-'},
		{"application/json", '-'},
		{"", '-'},
		{"multipart/form-data; boundary="
		 "0123456789012345678901234567890123456789"
		 "0123456789012345678901234567890",
		 '-'},
		{"multipart/form-data; boundary=other", 'm'},
		{"multipart/form-data; boundary=\"XyZ", 'w'},
	};
	const char *text = cases[0].text;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		assert_int_equal(run(types[i].type, text, strlen(text), 9),
				 types[i].how);
}

/* Headers without end, names without end: bounded. */
static void test_hostile(void **state)
{
	size_t n, cap = 1 << 20;
	char *text = malloc(cap);

	(void)state;
	n = (size_t)sprintf(text, "--XyZ\r\n");
	memset(text + n, 'a', cap - n);
	assert_int_equal(run(TYPE, text, cap, 1000), 'b');
	for (size_t at = n; at + 8 < cap; at += 8)
		memcpy(text + at, "A: bcd\r\n", 8);
	assert_int_equal(run(TYPE, text, cap, 4096), 'b');
	n = (size_t)sprintf(text, "--XyZ\r\nContent-Disposition: x; name=");
	memset(text + n, 'n', 500);
	strcpy(text + n + 500, "\r\n\r\nv\r\n--XyZ--");
	assert_int_equal(run(TYPE, text, strlen(text), 10), 'w');
	assert_int_equal(ntold, 1 + LG_MULTIPART_NAME_MAX + 1 + 1 + 1);
	free(text);
}

static uint64_t bytes;

static void count(void *ctx, struct lg_slice piece)
{
	(void)ctx;
	bytes += piece.len;
}

/* A file of which every byte is a CR, and one of boundaries cut short. */
static void test_big(void **state)
{
	static const struct lg_multipart_sink counter = {part, count, end};
	size_t cap = 3 << 20, n, file;
	char *text = malloc(cap);
	struct lg_multipart m;

	(void)state;
	for (int k = 0; k < 2; k++) {
		n = (size_t)sprintf(text, "--XyZ\r\n" HEAD("a") "\r\n");
		file = n;
		while (n + 32 < cap)
			n += (size_t)sprintf(text + n,
					     k ? "\r\n--Xy" : "\r\r\r\r\r\r");
		file = n - file;
		n += (size_t)sprintf(text + n, "\r\n--XyZ--\r\n");
		bytes = ntold = 0;
		lg_multipart_init(&m, LG_SLICE(TYPE), &counter, NULL);
		assert_true(lg_multipart_feed(&m, text, n));
		assert_true(lg_multipart_is_whole(&m));
		assert_int_equal(bytes, file);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
