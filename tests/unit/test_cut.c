#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"
#include "cut_rig.h"
#include "wire/eventstream.h"
#include "wire/http1.h"

/* Streams that are cut at the limit (guard/cut.h): what the program sees. */

/* The body that the program received; the framing has to be whole. */
static void unframe(const struct lg_buf *seen, struct lg_buf *body)
{
	static char head[LG_HTTP1_HEAD_MAX];
	struct lg_http1 m;
	size_t at = 0;
	enum lg_http1_event ev = LG_HTTP1_MORE;

	lg_http1_init(&m, LG_HTTP1_RESPONSE, head, sizeof(head));
	body->len = 0;
	while (ev != LG_HTTP1_END) {
		struct lg_slice run;
		size_t n = lg_http1_feed(&m, seen->p + at, seen->len - at, &ev,
					 &run);

		assert_true(ev != LG_HTTP1_BAD);
		assert_false(ev == LG_HTTP1_MORE && at + n == seen->len);
		if (ev == LG_HTTP1_BODY)
			lg_buf_put(body, run.p, run.len);
		at += n;
	}
	assert_int_equal(at, seen->len);
}

struct frames {
	unsigned n, errors;
	bool is_error;
	struct lg_eventstream s;
	struct lg_buf payload;
};

static void frame_begin(void *ctx, bool checked)
{
	struct frames *f = ctx;

	(void)checked;
	f->is_error =
		lg_slice_eq(lg_eventstream_name(&f->s), LG_SLICE("exception"));
}

static void frame_payload(void *ctx, struct lg_slice piece)
{
	struct frames *f = ctx;

	if (f->is_error)
		lg_buf_put(&f->payload, piece.p, piece.len);
}

static void frame_end(void *ctx, bool good)
{
	struct frames *f = ctx;

	assert_true(good);
	f->n++;
	f->errors += f->is_error;
}

static void check_frames(const struct stream *s, const struct lg_buf *body,
			 const char *from)
{
	static const struct lg_eventstream_sink sink = {
		frame_begin, frame_payload, frame_end};
	struct frames f = {.n = 0};

	lg_buf_init(&f.payload, 4 << 20);
	lg_eventstream_init(&f.s, &sink, &f);
	assert_true(lg_eventstream_feed(&f.s, from,
					(size_t)(body->p + body->len - from)));
	assert_true(lg_eventstream_end(&f.s));
	assert_int_equal(f.n, 1);
	assert_int_equal(f.errors, 1);
	assert_memory_equal(f.payload.p, s->last, strlen(s->last));
	lg_buf_fini(&f.payload);
}

/* Whole events of the server's, then the error, then nothing. */
static void check_body(const struct stream *s, const struct lg_buf *body,
		       const struct lg_buf *server, size_t event, unsigned want)
{
	size_t same = strlen(s->first) + want * event;
	const char *rest = body->p + same;
	const char *end = body->p + body->len;
	size_t close = strlen(s->close);

	assert_true(body->len > same && server->len >= same);
	assert_memory_equal(body->p, server->p, same);
	if (s->frames) {
		check_frames(s, body, rest);
		return;
	}
	while (*rest == '\n' || *rest == ' ')
		rest++;
	assert_true((size_t)(end - rest) > strlen(s->last));
	assert_memory_equal(rest, s->last, strlen(s->last));
	assert_memory_equal(end - close, s->close, close);
}

/* -- one stream ------------------------------------------------------------ */

/* The limit that pays the hold and about three events more, in USD. */
static void start_tight(struct rig *r, const struct stream *s, int64_t *limit,
			int64_t *held)
{
	char yaml[512], money[LG_MONEY_TEXT];

	rig_start(r, BUDGET("5", ""));
	ask(r, s);
	*held = used_of(r, "cap");
	assert_true(*held > 0);
	rig_stop(r);
	*limit = *held * 2;
	money[lg_money_print(*limit, money)] = '\0';
	snprintf(yaml, sizeof(yaml), BUDGET("%s", ""), money);
	rig_start(r, yaml);
}

static void run_one(const struct stream *s, size_t chunk, size_t step)
{
	struct lg_buf answer, server, body;
	struct rig r;
	struct lg_row row;
	int64_t limit, held, one;
	size_t event;

	lg_buf_init(&answer, 64 << 20);
	lg_buf_init(&server, 64 << 20);
	lg_buf_init(&body, 64 << 20);
	put_event(&body, s);
	event = body.len;
	make_answer(s, 40, chunk, &answer, &server);
	start_tight(&r, s, &limit, &held);
	ask(&r, s);
	rig_answer(&r, answer.p, answer.len, step);
	assert_true(lg_flow_is_shut(r.f));
	assert_true(lg_flow_wants_close(r.f));
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.verdict, LG_VERDICT_CUT);
	assert_string_equal(row.reason, "over_budget");
	assert_int_equal(row.usage_state, LG_USAGE_ESTIMATED);
	assert_int_equal(row.output_tokens % 12, 0);
	/* within one event of the limit, and not before it */
	one = row.output_cost_pusd / (int64_t)(row.output_tokens / 12);
	assert_true(row.cost_pusd > limit);
	assert_true(row.cost_pusd <= limit + one + 1);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	assert_int_equal(live_slots(&r), 0);
	unframe(&r.program, &body);
	check_body(s, &body, &server, event,
		   (unsigned)(row.output_tokens / 12));
	/* late bytes are dropped, and nothing is settled twice */
	body.len = r.program.len;
	rig_answer(&r, answer.p, answer.len, 0);
	lg_flow_eof(r.f);
	assert_int_equal(r.program.len, body.len);
	rig_close(&r);
	assert_int_equal(rig_rows(&r, NULL), 1);
	rig_stop(&r);
	lg_buf_fini(&answer);
	lg_buf_fini(&server);
	lg_buf_fini(&body);
}

static void test_dialects(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSTREAMS; i++) {
		print_message("%s\n", streams[i].name);
		run_one(&streams[i], 0, 0);
		run_one(&streams[i], 0, 1);
	}
}

/* Chunks that know nothing of events; the whole answer in one chunk. */
static void test_chunks(void **state)
{
	static const size_t chunk[] = {1, 2, 7, 100, 333, 1000, 1 << 20};

	(void)state;
	for (size_t i = 0; i < NSTREAMS; i++)
		for (size_t k = 0; k < sizeof(chunk) / sizeof(*chunk); k++) {
			run_one(&streams[i], chunk[k], 0);
			run_one(&streams[i], chunk[k], 13);
		}
}

/* Every place where the answer may be cut into two reads. */
static void test_splits(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSTREAMS; i++)
		for (size_t step = 90; step < 400; step += 7)
			run_one(&streams[i], 211, step);
}

/* Usage was asked for by us: events are written anew, and cut the same. */
static void test_injected(void **state)
{
	static const struct stream s = {
		"unasked",
		"api.openai.com",
		"/v1/chat/completions",
		"{\"model\":\"gpt-4o-mini\",\"max_tokens\":20,\"stream\":true,"
		"\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
		"text/event-stream",
		"",
		"data: {\"id\":\"c\",\"model\":\"gpt-4o-mini\",\"choices\":[{"
		"\"index\":0,\"delta\":{\"content\":\"" LONG "\"}}]}\n\n",
		"data: {\"error\":{\"message\":\"llmguard ended this stream",
		"\n\n",
		false};

	(void)state;
	for (size_t step = 0; step < 300; step += 13) {
		run_one(&s, 0, step);
		run_one(&s, 7, step);
		run_one(&s, 1 << 20, step);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialects),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_injected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
