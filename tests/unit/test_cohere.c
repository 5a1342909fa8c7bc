/* What reranking and classification will bill, before they are sent. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "llm/dialect.h"
#include "wire/json.h"

static const struct lg_dialect *dialect;

static void on_request(void *ctx, int id, const struct lg_value *v)
{
	dialect->on_request(ctx, id, v);
}

static struct lg_facts read_request(const char *name, struct lg_slice body)
{
	struct lg_json_paths paths;
	struct lg_facts f;
	struct lg_json j;

	lg_facts_init(&f);
	dialect = lg_dialect_by_name(lg_slice_str(name));
	assert_int_equal(lg_json_paths_init(&paths, dialect->request_fields,
					    dialect->nrequest_fields),
			 0);
	lg_json_init(&j, &paths, on_request, &f);
	lg_json_feed(&j, body.p, body.len);
	f.json_ok = lg_json_end(&j) == LG_JSON_DONE;
	f.body_bytes = body.len;
	return f;
}

static struct lg_slice many(unsigned n, const char *one, const char *more)
{
	static char text[1 << 16];
	struct lg_buf b;

	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_buf_puts(&b, "{\"query\":\"q\",");
	lg_buf_puts(&b, more);
	lg_buf_puts(&b, "\"documents\":[");
	while (n--) {
		lg_buf_puts(&b, one);
		lg_buf_puts(&b, n ? "," : "");
	}
	lg_buf_puts(&b, "]}");
	assert_false(b.overflow);
	return lg_buf_slice(&b);
}

static void units(struct lg_slice body, uint64_t expected, uint64_t worst)
{
	struct lg_facts f = read_request("cohere-rerank", body);
	struct lg_usage u = {.n = {0}};

	assert_true(dialect->expect(&f, false, &u));
	assert_int_equal(u.n[LG_BUCKET_SEARCH_UNITS], expected);
	assert_true(dialect->expect(&f, true, &u));
	assert_int_equal(u.n[LG_BUCKET_SEARCH_UNITS], worst);
}

static void test_rerank(void **state)
{
	(void)state;
	units(many(0, "", ""), 1, 1);
	units(many(1, "\"a\"", ""), 1, 1);
	units(many(100, "{\"text\":\"a\"}", ""), 1, 10);
	units(many(101, "\"a\"", ""), 2, 11);
	units(many(250, "\"a\"", "\"max_chunks_per_doc\":2,"), 3, 5);
	units(many(250, "\"a\"", "\"max_chunks_per_doc\":null,"), 3, 25);
	units(many(3, "\"a\"", "\"max_chunks_per_doc\":99999999,"), 1, 1);
}

static void test_classify(void **state)
{
	struct lg_usage u = {.n = {0}};
	struct lg_facts f = read_request(
		"cohere-classify",
		LG_SLICE("{\"inputs\":[\"a\",\"b\",\"c\"],\"examples\":[]}"));

	(void)state;
	assert_true(dialect->expect(&f, true, &u));
	assert_int_equal(u.n[LG_BUCKET_REQUESTS], 3);
	f = read_request("cohere-classify", LG_SLICE("{\"inputs\":[\"a\""));
	assert_false(dialect->expect(&f, true, &u));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rerank),
		cmocka_unit_test(test_classify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
