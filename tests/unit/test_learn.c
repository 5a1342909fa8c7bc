/* What is learned of a model's answers, and what is held by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "budget/hold.h"
#include "budget/stats.h"
#include "flow_texts.h"

/* gpt-4o-mini: 0.15 and 0.60 USD a million */
#define IN INT64_C(150000)
#define OUT INT64_C(600000)
#define TEXT 2000 /* bytes of the prompt: 575 tokens until it knows better */
#define TOKENS ((TEXT * 115 + 399) / 400)

struct call {
	const char *more; /* keys of the body, with a comma behind */
	unsigned bytes;	  /* of the prompt, 0: TEXT */
	unsigned in, out; /* told in the answer */
	const char *head; /* of the answer, NULL: 200 */
};

static struct lg_row last;
static unsigned rows;

static void send_call(struct rig *r, const struct call *c)
{
	static char body[1 << 16], prompt[1 << 15];
	unsigned n = c->bytes ? c->bytes : TEXT;

	memset(prompt, 'x', n);
	prompt[n] = '\0';
	snprintf(body, sizeof(body),
		 "{\"model\":\"gpt-4o-mini\",%s\"messages\":[{\"role\":\"user\""
		 ",\"content\":\"%s\"}]}",
		 c->more, prompt);
	send_body(r, body);
}

static void give_answer(struct rig *r, const struct call *c)
{
	char body[512], text_[1024];

	snprintf(body, sizeof(body),
		 "{\"id\":\"c\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices"
		 "\":[{\"index\":0,\"message\":{\"content\":\"hi\"}}],\"usage\""
		 ":{\"prompt_tokens\":%u,\"completion_tokens\":%u,"
		 "\"total_tokens\":%u}}",
		 c->in, c->out, c->in + c->out);
	snprintf(text_, sizeof(text_),
		 "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 c->head ? c->head : "200 OK", strlen(body), body);
	rig_answer(r, text_, strlen(text_), 0);
	rig_close(r);
}

/* What was held for it. */
static int64_t call(struct rig *r, const struct call *c)
{
	send_call(r, c);
	give_answer(r, c);
	rows = rig_rows(r, &last);
	return last.estimate_pusd;
}

static void calls(struct rig *r, const struct call *c, unsigned n)
{
	while (n--) {
		send_call(r, c);
		give_answer(r, c);
	}
}

static struct lg_stats_view model(struct rig *r)
{
	struct lg_region *region = lg_engine_region(r->e);
	struct lg_stats_view v = {.name = ""};

	for (unsigned i = 0; i < lg_stats_count(region); i++)
		if (!lg_stats_view(region, i, &v) &&
		    !strcmp(v.name, "openai/gpt-4o-mini"))
			return v;
	memset(&v, 0, sizeof(v));
	return v;
}

static const struct call plain = {"\"max_tokens\":4000,", 0, 575, 300, NULL};

static void hold_shrinks(void **state)
{
	int64_t first, then;
	struct rig r;

	(void)state;
	rig_start(&r, CAP("100", ""));
	first = call(&r, &plain);
	assert_int_equal(first, TOKENS * IN + 4000 * OUT);
	for (unsigned i = 1; i < LG_STATS_ENOUGH; i++)
		assert_int_equal(call(&r, &plain), first);
	then = call(&r, &plain);
	assert_true(then >= 575 * IN + 300 * OUT);
	assert_true(then <= 720 * IN + 340 * OUT);
	assert_int_equal(model(&r).outputs, LG_STATS_ENOUGH + 1);
	assert_int_equal(model(&r).ratios, LG_STATS_ENOUGH + 1);
	assert_int_equal(used_of(&r, "cap"),
			 (LG_STATS_ENOUGH + 1) * (575 * IN + 300 * OUT));
	rig_stop(&r);
}

static void declared_is_the_most(void **state)
{
	struct call small = plain, open = plain, two = plain;
	struct rig r;
	int64_t one;

	(void)state;
	small.more = "\"max_tokens\":50,";
	open.more = "";
	two.more = "\"max_tokens\":4000,\"n\":2,";
	rig_start(&r, CAP("100", ""));
	calls(&r, &plain, 40);
	one = call(&r, &plain);
	small.out = 20;
	assert_true(call(&r, &small) < 50 * OUT + 720 * IN);
	assert_true(last.estimate_pusd >= 50 * OUT);
	/* nothing declared: no longer 4,096 */
	assert_int_equal(call(&r, &open), one);
	two.out = 600;
	assert_true(call(&r, &two) >= 600 * OUT + 575 * IN);
	assert_true(last.estimate_pusd <= 2 * (340 * OUT + 720 * IN));
	rig_stop(&r);
}

/* Long answers that their maximum cut off say nothing of their length. */
static void cut_off_holds_the_maximum(void **state)
{
	struct call cut = {"\"max_tokens\":100,", 0, 575, 100, NULL};
	struct call open = {"", 0, 575, 3000, NULL};
	struct rig r;

	(void)state;
	rig_start(&r, CAP("100", ""));
	calls(&r, &cut, 60);
	assert_int_equal(model(&r).unfinished, 60);
	assert_true(call(&r, &cut) >= 100 * OUT);
	assert_true(call(&r, &open) >= 4096 * OUT);
	rig_stop(&r);
}

static void few_tokens_hold_the_floor(void **state)
{
	struct call tiny = {"\"max_tokens\":4000,", 0, 575, 1, NULL};
	struct rig r;

	(void)state;
	rig_start(&r, CAP("100", ""));
	calls(&r, &tiny, 40);
	assert_true(call(&r, &tiny) >= 64 * OUT);
	assert_true(last.estimate_pusd <= 65 * OUT + 720 * IN);
	rig_stop(&r);
}

static void strict_does_not_see_it(void **state)
{
	struct rig r;
	int64_t first;

	(void)state;
	rig_start(&r, CAP("100", ", mode: strict"));
	first = call(&r, &plain);
	assert_true(first >= 4000 * OUT + TEXT * IN);
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(call(&r, &plain), first);
	assert_true(model(&r).learned.output_p99 >= 300);
	rig_stop(&r);
}

/* Wrong statistics move a strict bound in neither direction. */
static void strict_survives_lies(void **state)
{
	static const uint64_t lies[] = {0, 1, UINT64_MAX, 0x0400000000001ull};
	struct rig r;
	int64_t first;

	(void)state;
	rig_start(&r, CAP("100", ", mode: strict"));
	first = call(&r, &plain);
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct lg_map *m = lg_engine_region(r.e)->map;

		for (unsigned k = 0; k < LG_STATS; k++)
			m->stat[k].digest = lies[i];
		assert_int_equal(call(&r, &plain), first);
	}
	rig_stop(&r);
}

static void others_teach_nothing(void **state)
{
	static const struct call none[] = {
		{"\"max_tokens\":4000,", 0, 575, 300, "400 Bad Request"},
		{"\"max_tokens\":4000,", 0, 575, 300, "500 Oops"},
		{"\"max_tokens\":4000,", 0, 575, 300,
		 "200 OK\r\nx-portkey-cache-status: HIT"},
	};
	struct rig r;

	(void)state;
	rig_start(&r, CAP("0", ""));
	send_call(&r, &plain); /* refused */
	rig_close(&r);
	assert_int_equal(model(&r).seen, 0);
	rig_stop(&r);
	rig_start(&r, CAP("100", ""));
	for (unsigned i = 0; i < 3; i++)
		call(&r, &none[i]);
	assert_int_equal(model(&r).seen, 0);
	/* an answer that never ends */
	send_call(&r, &plain);
	rig_answer(&r, "HTTP/1.1 200 OK\r\n\r\n{", 20, 0);
	rig_close(&r);
	assert_int_equal(model(&r).seen, 0);
	rig_stop(&r);
}

static void only_plain_text_is_measured(void **state)
{
	struct call tools = plain, image = plain, brief = plain;
	struct rig r;

	(void)state;
	tools.more = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
		     "\"f\",\"parameters\":{}}}],";
	image.more = "\"x\":1,";
	brief.bytes = 100;
	tools.in = brief.in = 2000;
	rig_start(&r, CAP("100", ""));
	calls(&r, &tools, 30);
	calls(&r, &brief, 30);
	assert_int_equal(model(&r).outputs, 60);
	assert_int_equal(model(&r).ratios, 0);
	/* two bytes a token: half of it more than the guess at first */
	image.in = 1000;
	calls(&r, &image, 30);
	assert_int_equal(model(&r).ratios, 30);
	assert_true(call(&r, &image) >= 1000 * IN + 300 * OUT);
	assert_true(last.estimate_pusd <= 1300 * IN + 350 * OUT);
	rig_stop(&r);
}

/* Adaptive holds stay between the floor and what would be held unlearned. */
static void stays_between(void **state)
{
	uint32_t x = 12345;
	struct rig r;

	(void)state;
	rig_start(&r, CAP("10000", ""));
	for (unsigned i = 0; i < 400; i++) {
		struct call c = {NULL, 0, 575, 0, NULL};
		unsigned max, min;
		char more[64];
		int64_t held;

		x = x * 1664525u + 1013904223u;
		max = 1 + (x >> 8) % (i % 3 ? 5000 : 90);
		c.out = (x >> 4) % max + ((x & 7) == 0);
		snprintf(more, sizeof(more), "\"max_tokens\":%u,", max);
		c.more = more;
		held = call(&r, &c);
		min = max < 64 ? max : 64;
		assert_true(held >= min * OUT);
		assert_true(held <= max * OUT + 2 * TOKENS * IN);
	}
	assert_int_equal(rows, 400);
	rig_stop(&r);
}

/* The draft of a call under way says what it can cost at most. */
static void draft_has_the_worst(void **state)
{
	static _Alignas(16) char draft[LG_DRAFT_MAX];
	const struct lg_row *row = (const void *)draft;
	struct lg_hold_view h;
	struct rig r;
	unsigned n = 0;

	(void)state;
	rig_start(&r, CAP("100", ""));
	calls(&r, &plain, 40);
	send_call(&r, &plain);
	for (unsigned i = 0; i < lg_hold_slots(lg_engine_region(r.e)); i++) {
		if (lg_hold_view(lg_engine_region(r.e), i, &h, draft))
			continue;
		n++;
		assert_true(row->worst_pusd >= 4000 * OUT + TEXT * IN);
		assert_true(h.amount_pusd[0] <= 720 * IN + 340 * OUT);
	}
	assert_int_equal(n, 1);
	give_answer(&r, &plain);
	rig_stop(&r);
}

/* A region that is gone: the next one begins with nothing. */
static void begins_anew(void **state)
{
	struct rig r;
	int64_t first;

	(void)state;
	rig_start(&r, CAP("100", ""));
	first = call(&r, &plain);
	calls(&r, &plain, 40);
	assert_true(call(&r, &plain) < first / 4);
	lg_engine_close(r.e);
	r.e = NULL;
	unlink(r.region);
	rig_open(&r);
	assert_int_equal(call(&r, &plain), first);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hold_shrinks),
		cmocka_unit_test(declared_is_the_most),
		cmocka_unit_test(cut_off_holds_the_maximum),
		cmocka_unit_test(few_tokens_hold_the_floor),
		cmocka_unit_test(strict_does_not_see_it),
		cmocka_unit_test(strict_survives_lies),
		cmocka_unit_test(others_teach_nothing),
		cmocka_unit_test(only_plain_text_is_measured),
		cmocka_unit_test(stays_between),
		cmocka_unit_test(draft_has_the_worst),
		cmocka_unit_test(begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
