#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "ledger/row.h"

static void sample(struct lg_row *r)
{
	lg_row_init(r);
	lg_row_new_id(1795357852123, r->id);
	r->ts_ms = 1795357852123;
	r->end_ms = 1795357853001;
	r->pid = 4242;
	r->ppid = 1;
	r->uid = 1000;
	strcpy(r->exe, "/usr/bin/python3.11");
	strcpy(r->comm, "python3");
	strcpy(r->project, "quote \" back \\ slash");
	strcpy(r->user, "\xc3\xa4\xe2\x82\xac");
	strcpy(r->tags, "nightly\x1f"
			"a,b\x1f"
			"c");
	strcpy(r->budgets, "month\x1frun");
	strcpy(r->key, "0123456789ab");
	strcpy(r->host, "api.openai.com");
	strcpy(r->model, "gpt-4o\x01\n");
	strcpy(r->usage_raw, "{\"a\":{\"b\":[1,2,\"}\\\"\"]},\n \"c\":1.5e3}");
	r->status = 200;
	r->stream = 1;
	r->verdict = LG_VERDICT_CUT;
	r->usage_state = LG_USAGE_ESTIMATED;
	r->price_state = LG_PRICED_UNKNOWN;
	r->cache_hit = LG_CACHE_PROVIDER;
	r->flags = LG_ROW_ABANDONED | LG_ROW_OVERSHOOT;
	r->input_tokens = 12;
	r->output_tokens = 0;
	r->units[1] = 3;
	r->cost_pusd = 123456789;
	r->estimate_pusd = -1;
	r->economic_pusd = INT64_MAX;
	r->input_cost_pusd = 1;
	r->output_cost_pusd = 123456788;
	r->budget_ratio_ppm = 750001;
	r->duration_ms = 878;
}

static struct lg_slice format(const struct lg_row *r, char *buf)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, buf, LG_ROW_LINE_MAX);
	assert_int_equal(lg_row_format(r, &b), 0);
	assert_int_equal(b.p[b.len - 1], '\n');
	return (struct lg_slice){b.p, b.len - 1};
}

/* With a memo of another row a row reads as without one, whatever differs. */
static void test_memo_of_another_row(void **state)
{
	static struct lg_row a, b;
	static struct lg_row_memo kept, m;
	static char want[LG_ROW_LINE_MAX], got[LG_ROW_LINE_MAX];
	struct lg_buf out;
	struct lg_slice s;
	unsigned hits = 0;

	(void)state;
	sample(&a);
	for (unsigned turn = 0; turn < 2; turn++) {
		lg_buf_init_fixed(&out, got, sizeof(got));
		assert_int_equal(lg_row_format_like(&a, &kept, &out), 0);
		s = format(&a, want);
		assert_int_equal(out.len, s.len + 1);
		assert_memory_equal(got, want, out.len);
		assert_true(kept.valid);
	}
	for (size_t i = 0; i < sizeof(a); i++) {
		b = a;
		((unsigned char *)&b)[i] ^= 1;
		if (!lg_row_is_sound(&b, sizeof(b)))
			continue;
		m = kept;
		s = format(&b, want);
		lg_buf_init_fixed(&out, got, sizeof(got));
		assert_int_equal(lg_row_format_like(&b, &m, &out), 0);
		assert_int_equal(out.len, s.len + 1);
		assert_memory_equal(got, want, out.len);
		hits += !memcmp(&m, &kept, sizeof(m));
	}
	assert_true(hits > 100); /* bytes that the memo does not speak of */
}

/* What does not fit is not kept; what falls back to plain text neither. */
static void test_memo_of_a_long_row(void **state)
{
	static struct lg_row a;
	static struct lg_row_memo m;
	static char want[LG_ROW_LINE_MAX], got[LG_ROW_LINE_MAX];
	struct lg_buf out;
	struct lg_slice s;

	(void)state;
	sample(&a);
	memset(a.budgets, '\\', sizeof(a.budgets) - 1);
	memset(a.endpoint, '\\', sizeof(a.endpoint) - 1);
	memset(a.exe, '\x01', sizeof(a.exe) - 1);
	for (unsigned turn = 0; turn < 2; turn++) {
		s = format(&a, want);
		lg_buf_init_fixed(&out, got, sizeof(got));
		assert_int_equal(lg_row_format_like(&a, &m, &out), 0);
		assert_int_equal(out.len, s.len + 1);
		assert_memory_equal(got, want, out.len);
		assert_false(m.valid);
	}
	sample(&a);
	lg_buf_init_fixed(&out, got, sizeof(got));
	assert_int_equal(lg_row_format_like(&a, &m, &out), 0);
	assert_true(m.valid);
}

static void test_there_and_back(void **state)
{
	static struct lg_row a, b;
	static char line[LG_ROW_LINE_MAX];
	struct lg_slice s;

	(void)state;
	sample(&a);
	s = format(&a, line);
	assert_memory_equal(s.p, "{\"v\":1,\"id\":\"", 13);
	assert_int_equal(lg_row_parse(s, &b), 0);
	/* the raw object's line break became a blank */
	*strchr(a.usage_raw, '\n') = ' ';
	assert_memory_equal(&a, &b, sizeof(a));
	assert_true(lg_row_is_sound(&b, sizeof(b)));
	assert_non_null(memmem(s.p, s.len, "\"cost_usd\":0.000123456789,", 26));
	assert_non_null(memmem(s.p, s.len, "\"cache_read_tokens\":null,", 25));
	assert_non_null(memmem(s.p, s.len, "\"output_tokens\":0,", 18));
	assert_non_null(memmem(s.p, s.len, "\"budget_ratio\":0.750001,", 24));
	assert_non_null(memmem(s.p, s.len, "[\"nightly\",\"a,b\",\"c\"]", 21));
}

static void test_kinds(void **state)
{
	static struct lg_row a, b;
	static char line[LG_ROW_LINE_MAX];
	struct lg_slice s;

	(void)state;
	sample(&a);
	a.kind = LG_ROW_ADJUST;
	a.verdict = 0;
	a.cost_pusd = -5;
	strcpy(a.ref, a.id);
	strcpy(a.note, "repriced");
	s = format(&a, line);
	assert_null(memmem(s.p, s.len, "\"verdict\"", 9));
	assert_int_equal(lg_row_parse(s, &b), 0);
	assert_int_equal(b.kind, LG_ROW_ADJUST);
	assert_int_equal(b.cost_pusd, -5);
	assert_string_equal(b.ref, a.id);
	assert_string_equal(b.note, "repriced");
}

static void test_differences(void **state)
{
	static const int64_t d[] = {
		0, -1, 1, -2, 42, -123456789, INT64_MAX - 1, INT64_MIN + 2};
	static struct lg_row a, b;
	static char line[LG_ROW_LINE_MAX];
	struct lg_slice s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(d) / sizeof(d[0]); i++) {
		sample(&a);
		a.kind = LG_ROW_ADJUST;
		a.verdict = 0;
		strcpy(a.ref, a.id);
		a.input_tokens = lg_row_delta(d[i]);
		a.reasoning_tokens = LG_ROW_ABSENT;
		a.units[2] = lg_row_delta(d[i]);
		a.units[LG_ROW_UNITS - 1] = lg_row_delta(-d[i]);
		a.cost_pusd = d[i];
		s = format(&a, line);
		assert_int_equal(lg_row_parse(s, &b), 0);
		assert_true(lg_row_delta_of(b.input_tokens) == d[i]);
		assert_true(b.reasoning_tokens == LG_ROW_ABSENT);
		assert_true(lg_row_delta_of(b.reasoning_tokens) == 0);
		assert_true(lg_row_delta_of(b.units[2]) == d[i]);
		assert_true(lg_row_delta_of(b.units[LG_ROW_UNITS - 1]) ==
			    -d[i]);
		assert_true(lg_row_is_sound(&b, sizeof(b)));
	}
	a.input_tokens = lg_row_delta(-7);
	s = format(&a, line);
	assert_non_null(memmem(s.p, s.len, "\"input_tokens\":-7,", 18));
	assert_true(lg_row_delta_of(lg_row_delta(INT64_MIN)) == INT64_MIN + 1);
}

/* Only differences are negative, and they have 63 bits. */
static void test_signs(void **state)
{
	static const struct {
		const char *kind, *tokens;
		int want;
	} rows[] = {
		{"call", "-1", -EPROTO},
		{"call", "18446744073709551614", 0},
		{"call", "18446744073709551616", -EPROTO},
		{"adjust", "-1", 0},
		{"adjust", "18446744073709551614", -EPROTO},
		{"adjust", "-18446744073709551614", -EPROTO},
		{"adjust", "--1", -EPROTO},
		{"adjust", "-", -EPROTO},
		{"audit", "-1", 0},
		{"new kind", "-1", 0},
	};
	static const char hex[] = "0123456789abcdef";
	static struct lg_row r;
	char line[512];
	size_t i, n;
	uint32_t crc;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = (size_t)snprintf(line, sizeof(line),
				     "{\"v\":1,\"id\":\"X\",\"input_tokens\":"
				     "%s,\"kind\":\"%s\"",
				     rows[i].tokens, rows[i].kind);
		crc = lg_crc32c(0, line, n);
		strcpy(line + n, ",\"crc\":\"00000000\"}");
		for (int k = 0; k < 8; k++, crc <<= 4)
			line[n + 8 + (size_t)k] = hex[crc >> 28];
		assert_int_equal(
			lg_row_parse((struct lg_slice){line, n + 18}, &r),
			rows[i].want);
	}
}

/* A row with every text full of the worst bytes must still be written. */
static void test_worst(void **state)
{
	static struct lg_row a, b;
	static char line[LG_ROW_LINE_MAX];
	static const char bad[] = {1, '"', (char)0xff, '\\'};
	size_t i, k;

	(void)state;
	for (k = 0; k < sizeof(bad); k++) {
		sample(&a);
		memset(a.id, bad[k],
		       sizeof(struct lg_row) - offsetof(struct lg_row, id));
		a.id[26] = a.key[12] = a.phase[7] = a.tier[23] = 0;
		a.request_type[11] = a.provider[63] = a.dialect[31] = 0;
		a.exe[127] = a.comm[15] = a.run_id[63] = a.experiment[63] = 0;
		a.project[63] = a.user[95] = a.tags[159] = 0;
		a.conversation[95] = a.label[63] = a.host[95] = 0;
		a.endpoint[159] = a.model_requested[127] = a.model[127] = 0;
		a.price_version[39] = a.reason[63] = a.budgets[319] = 0;
		a.response_id[95] = a.usage_raw[511] = a.ref[26] = 0;
		a.note[100] = a.geo[23] = a.variant[31] = 0;
		for (i = 0; i < sizeof(a.units) / 8; i++)
			a.units[i] = UINT64_MAX;
		a.cost_pusd = a.estimate_pusd = INT64_MIN + 1;
		a.flags = (1u << LG_ROW_FLAGS) - 1;
		assert_int_equal(lg_row_parse(format(&a, line), &b), 0);
		assert_int_equal(b.cost_pusd, a.cost_pusd);
		assert_int_equal(b.units[3], UINT64_MAX);
	}
}

static void test_damage(void **state)
{
	static struct lg_row a, b;
	static char line[LG_ROW_LINE_MAX];
	struct lg_slice s;
	size_t i, len, room;
	char *map, *p;

	(void)state;
	sample(&a);
	s = format(&a, line);
	len = s.len;
	room = (len + 4095) / 4096 * 4096;
	map = mmap(NULL, room + 4096, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	mprotect(map + room, 4096, PROT_NONE);
	for (i = 0; i < len; i++) {
		p = map + room - i;
		memcpy(p, line, i);
		assert_int_equal(lg_row_parse((struct lg_slice){p, i}, &b),
				 -EPROTO);
	}
	for (i = 0; i < len * 8; i++) {
		line[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(lg_row_parse(s, &b), -EPROTO);
		line[i / 8] ^= (char)(1 << i % 8);
	}
	munmap(map, room + 4096);
}

static void test_raw_objects(void **state)
{
	static const char *const bad[] = {
		"{",
		"}",
		"{]",
		"{\"a}",
		"[]",
		"{}{}",
		"{\"a\":\"\x80\"}",
		"{\"a\":1}x",
		"{\"\\\"}",
		"{x}",
		"null",
		"{\"a\":\"b\\",
	};
	static struct lg_row a, b;
	static char line[LG_ROW_LINE_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sample(&a);
		strcpy(a.usage_raw, bad[i]);
		assert_int_equal(lg_row_parse(format(&a, line), &b), 0);
		assert_string_equal(b.usage_raw, "");
		assert_int_equal(b.cost_pusd, a.cost_pusd);
	}
}

/* Readers ignore keys they do not know and accept missing ones. */
static void test_other_versions(void **state)
{
	static const char text[] =
		"{\"v\":1,\"id\":\"X\",\"later\":{\"a\":[\"]\\\"}\",{}]},"
		"\"cost_usd\":0.5,\"more\":\"x\",\"ts\":null,"
		"\"verdict\":\"unheard\",\"last\":[[]]";
	static const char hex[] = "0123456789abcdef";
	static struct lg_row r;
	char line[512];
	uint32_t crc = lg_crc32c(0, text, sizeof(text) - 1);
	struct lg_slice s = {line, sizeof(text) - 1 + 18};
	int i;

	(void)state;
	strcpy(line, text);
	strcat(line, ",\"crc\":\"00000000\"}");
	for (i = 0; i < 8; i++, crc <<= 4)
		line[sizeof(text) - 1 + 8 + (size_t)i] = hex[crc >> 28];
	assert_int_equal(lg_row_parse(s, &r), 0);
	assert_int_equal(r.cost_pusd, 500000000000);
	assert_int_equal(r.verdict, 0);
	assert_true(r.input_tokens == LG_ROW_ABSENT);
	assert_string_equal(r.id, "X");
}

/* A row with this string. */
static int parse_with(const char *key, const char *json, struct lg_row *out)
{
	static const char hex[] = "0123456789abcdef";
	char line[512];
	size_t n = (size_t)snprintf(line, sizeof(line),
				    "{\"v\":1,\"id\":"
				    "\"01ARZ3NDEKTSV4RRFFQ69G5FAV\","
				    "\"%s\":\"%s\"",
				    key, json);
	uint32_t crc = lg_crc32c(0, line, n);

	strcpy(line + n, ",\"crc\":\"00000000\"}");
	for (size_t k = 0; k < 8; k++, crc <<= 4)
		line[n + 8 + k] = hex[crc >> 28];
	return lg_row_parse(lg_slice_str(line), out);
}

static void parse_model(const char *json, struct lg_row *out)
{
	assert_int_equal(parse_with("model", json, out), 0);
}

/* A day or an hour that there is not is damage, not the next one. */
static void test_times(void **state)
{
	static const char *const good[] = {
		"2024-02-29T00:00:00.000Z", "2000-02-29T23:59:59.999Z",
		"2026-12-31T23:59:60.000Z", "1970-01-01T00:00:00.000Z",
		"2026-04-30T12:00:00.000Z",
	};
	static const char *const bad[] = {
		"2026-02-29T00:00:00.000Z", "2026-02-30T00:00:00.000Z",
		"1900-02-29T00:00:00.000Z", "2026-04-31T00:00:00.000Z",
		"2026-00-10T00:00:00.000Z", "2026-13-10T00:00:00.000Z",
		"2026-04-00T00:00:00.000Z", "2026-04-99T00:00:00.000Z",
		"2026-04-01T24:00:00.000Z", "2026-04-01T00:60:00.000Z",
		"2026-04-01T00:00:61.000Z",
	};
	static struct lg_row r;

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(parse_with("ts", good[i], &r), 0);
	assert_int_equal(r.ts_ms, 1777550400000);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse_with("ts", bad[i], &r), -EPROTO);
		assert_int_equal(parse_with("end_ts", bad[i], &r), -EPROTO);
	}
}

static void test_escapes_of_others(void **state)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{"\\u0041\\u00e9\\u65e5", "A\xc3\xa9\xe6\x97\xa5"},
		{"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!"},
		{"\\ud83d", "\xef\xbf\xbd"},
		{"\\ud83dx", "\xef\xbf\xbdx"},
		{"\\ude00\\ud83d", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\\ud83d\\u0041", "\xef\xbf\xbd"
				   "A"},
		{"\\ud83d\\ude0", "\xef\xbf\xbdude0"},
		{"a\\u0000b", "a?b"},
		{"\\u12", "u12"},
	};
	static struct lg_row r;
	char many[400] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parse_model(cases[i].json, &r);
		assert_string_equal(r.model, cases[i].text);
	}
	/* whole letters, as many as there is room for */
	for (size_t i = 0; i < 60; i++)
		strcat(many, "\\u65e5");
	parse_model(many, &r);
	assert_int_equal(strlen(r.model) % 3, 0);
	assert_in_range(strlen(r.model), sizeof(r.model) - 3,
			sizeof(r.model) - 1);
}

static void test_soundness(void **state)
{
	static struct lg_row r;

	(void)state;
	sample(&r);
	assert_true(lg_row_is_sound(&r, sizeof(r)));
	assert_false(lg_row_is_sound(&r, sizeof(r) - 1));
	r.verdict = 200;
	assert_false(lg_row_is_sound(&r, sizeof(r)));
	sample(&r);
	memset(r.model, 'x', sizeof(r.model));
	assert_false(lg_row_is_sound(&r, sizeof(r)));
	sample(&r);
	r.flags = 1u << 31;
	assert_false(lg_row_is_sound(&r, sizeof(r)));
	sample(&r);
	r.size = 7;
	assert_false(lg_row_is_sound(&r, sizeof(r)));
}

static int by_text(const void *a, const void *b)
{
	return memcmp(a, b, 26);
}

static void test_ids(void **state)
{
	enum { N = 2000, PROCS = 8 };
	static char(*ids)[27];
	size_t size = sizeof(*ids) * N * (PROCS + 1);
	int i, p;

	(void)state;
	ids = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(ids != MAP_FAILED);
	for (i = 0; i < N; i++)
		lg_row_new_id(1795357852123, ids[i]);
	assert_int_equal(strlen(ids[0]), 26);
	for (i = 1; i < N; i++)
		assert_true(strcmp(ids[i - 1], ids[i]) < 0);
	for (p = 1; p <= PROCS; p++)
		if (!fork()) {
			for (i = 0; i < N; i++)
				lg_row_new_id(1795357852123, ids[p * N + i]);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	qsort(ids, N * (PROCS + 1), 27, by_text);
	for (i = 1; i < N * (PROCS + 1); i++)
		assert_int_not_equal(strcmp(ids[i - 1], ids[i]), 0);
	lg_row_new_id(1795357852124, ids[0]);
	assert_true(strcmp(ids[1], ids[0]) < 0);
	munmap(ids, size);
}

/* Their bytes were padding: what they hold is left out when it is nothing. */
static void test_request(void **state)
{
	struct lg_row a, b;
	char line[LG_ROW_LINE_MAX];
	struct lg_buf out;

	(void)state;
	lg_row_init(&a);
	lg_row_new_id(1, a.id);
	lg_buf_init_fixed(&out, line, sizeof(line));
	assert_int_equal(lg_row_format(&a, &out), 0);
	assert_null(memmem(line, out.len, "request_hash", 12));
	assert_null(memmem(line, out.len, "max_output", 10));
	lg_row_set_hash(&a, UINT64_C(0x0123456789abcdef));
	assert_true(lg_row_hash(&a) == UINT64_C(0x0123456789abcd));
	a.max_output_tokens = 4096;
	out.len = 0;
	assert_int_equal(lg_row_format(&a, &out), 0);
	assert_non_null(memmem(line, out.len,
			       "\"request_hash\":\"0123456789abcd\","
			       "\"max_output_tokens\":4096",
			       55));
	assert_int_equal(lg_row_parse((struct lg_slice){line, out.len - 1}, &b),
			 0);
	assert_memory_equal(&a, &b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_memo_of_another_row),
		cmocka_unit_test(test_memo_of_a_long_row),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_signs),
		cmocka_unit_test(test_worst),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_raw_objects),
		cmocka_unit_test(test_other_versions),
		cmocka_unit_test(test_escapes_of_others),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_soundness),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
