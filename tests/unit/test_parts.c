#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "flow_rig.h"

/* A batch's results: any number of calls in one answer, priced one by one. */
static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_start(&rig, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static unsigned batch; /* each result is of a batch of its own */

static size_t line(char *dst, const char *model, unsigned in, unsigned out)
{
	return (size_t)sprintf(
		dst,
		"{\"custom_id\":\"r\",\"result\":{\"type\":\"succeeded\","
		"\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"model\":"
		"\"%s\",\"content\":[{\"type\":\"text\",\"text\":\"hello\"}],"
		"\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":%u,"
		"\"output_tokens\":%u}}}}\n",
		model, in, out);
}

/* Fetch lines as chunks; cut: the connection ends behind them. */
static struct lg_row fetch(const char *lines, size_t len, size_t piece,
			   bool cut)
{
	char text[400];
	struct lg_row row = {0};
	size_t n = (size_t)sprintf(
		text,
		"GET /v1/messages/batches/msgbatch_%u/results HTTP/1.1\r\n"
		"Host: api.anthropic.com\r\nx-api-key: k\r\n\r\n",
		batch++);

	rig_connect(&rig, "api.anthropic.com");
	rig_write(&rig, text, n, 0);
	n = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\nContent-Type: "
				  "application/x-jsonl\r\n"
				  "Transfer-Encoding: chunked\r\n\r\n");
	rig_answer(&rig, text, n, 0);
	for (size_t at = 0, k; at < len; at += k) {
		k = len - at < piece ? len - at : piece;
		n = (size_t)sprintf(text, "%zx\r\n", k);
		rig_answer(&rig, text, n, 0);
		rig_answer(&rig, lines + at, k, 0);
		rig_answer(&rig, "\r\n", 2, 0);
		rig.program.len = 0;
	}
	if (!cut)
		rig_answer(&rig, "0\r\n\r\n", 5, 0);
	rig_close(&rig);
	assert_true(rig_rows(&rig, &row) > 0);
	return row;
}

static void test_sum(void **state)
{
	static const char *const models[] = {
		"claude-haiku-4-5",
		"claude-sonnet-4-5",
	};
	static char lines[1 << 16];
	int64_t cost = 0, economic = 0;
	struct lg_row row;
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		n = line(lines, models[i], 1000 + i, 7);
		row = fetch(lines, n, 50, false);
		assert_int_equal(row.usage_state, LG_USAGE_EXACT);
		assert_int_equal(row.price_state, LG_PRICED_EXACT);
		assert_true(row.cost_pusd > 0);
		cost += row.cost_pusd * 10;
		economic += row.economic_pusd * 10;
	}
	n = 0;
	for (unsigned i = 0; i < 20; i++)
		n += line(lines + n, models[i % 2], 1000 + i % 2, 7);
	for (size_t piece = 1; piece < n; piece = piece * 6 + 1) {
		row = fetch(lines, n, piece, false);
		assert_int_equal(row.cost_pusd, cost);
		assert_int_equal(row.economic_pusd, economic);
		assert_int_equal(row.input_cost_pusd + row.output_cost_pusd,
				 cost);
		assert_int_equal(row.input_tokens, 20010);
		assert_int_equal(row.output_tokens, 140);
		assert_int_equal(row.usage_state, LG_USAGE_EXACT);
		assert_string_equal(row.model, models[0]);
	}
}

/* One whose price nobody knows makes the sum's price unknown, not less. */
static void test_unknown(void **state)
{
	static char lines[4096];
	size_t n = line(lines, "claude-haiku-4-5", 1000, 7);
	struct lg_row known = fetch(lines, n, n, false), row;

	(void)state;
	n += line(lines + n, "claude-unheard-of", 1000, 7);
	row = fetch(lines, n, n, false);
	assert_int_equal(row.price_state, LG_PRICED_UNKNOWN);
	assert_true(row.cost_pusd > known.cost_pusd);
}

/* 50,000 lines: the sum of all, and no more memory than one takes. */
static void test_many(void **state)
{
	const unsigned many = 50000;
	char *lines = malloc((size_t)many * 300);
	struct lg_row one, row;
	size_t n = line(lines, "claude-haiku-4-5", 123, 45), before;

	(void)state;
	one = fetch(lines, n, n, false);
	for (unsigned i = 1; i < many; i++)
		n += line(lines + n, "claude-haiku-4-5", 123, 45);
	before = lg_mem_mapped();
	row = fetch(lines, n, 16384, false);
	assert_true(lg_mem_mapped() <= before + (256 << 10));
	assert_int_equal(row.cost_pusd, one.cost_pusd * many);
	assert_int_equal(row.input_tokens, 123 * many);
	assert_int_equal(row.output_tokens, 45 * many);
	free(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
