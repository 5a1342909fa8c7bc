#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/money.h"
#include "budget/hold.h"
#include "guard/cut.h"
#include "flow_texts.h"
#include "wire/eventstream.h"
#include "wire/http1.h"

/* Streams that are cut at the limit (guard/cut.h). */

#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define TWELVE "twelve bytes"
/* As above and again: 48 bytes, twelve tokens. */
#define LONG TWELVE TWELVE TWELVE TWELVE

/* One dialect's stream: what is asked, and an event of 48 bytes of text. */
struct stream {
	const char *name, *host, *path, *body, *type;
	const char *first; /* may be "" */
	const char *event;
	const char *last; /* how the error begins */
	const char *close;
	bool frames;
};

static const struct stream streams[] = {
	{"openai-chat", "api.openai.com", "/v1/chat/completions",
	 "{\"model\":\"gpt-4o-mini\",\"max_tokens\":20,\"stream\":true,"
	 "\"stream_options\":{\"include_usage\":true},"
	 "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
	 "text/event-stream", "",
	 "data: {\"id\":\"c\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\""
	 ":0,\"delta\":{\"content\":\"" LONG "\"}}]}\n\n",
	 "data: {\"error\":{\"message\":\"llmguard ended this stream", "\n\n",
	 false},
	{"openai-chat, CRLF", "api.openai.com", "/v1/chat/completions",
	 "{\"model\":\"gpt-4o-mini\",\"max_tokens\":20,\"stream\":true,"
	 "\"stream_options\":{\"include_usage\":true},"
	 "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
	 "text/event-stream", ": hello\r\n\r\n",
	 "data: {\"id\":\"c\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\""
	 ":0,\"delta\":{\"content\":\"" LONG "\"}}]}\r\n\r\n",
	 "data: {\"error\":{\"message\":\"llmguard ended this stream", "\n\n",
	 false},
	{"openai-responses", "api.openai.com", "/v1/responses",
	 "{\"model\":\"gpt-4o-mini\",\"max_output_tokens\":20,\"stream\":true,"
	 "\"input\":\"hi\"}",
	 "text/event-stream", "",
	 "event: response.output_text.delta\ndata: {\"type\":"
	 "\"response.output_text.delta\",\"delta\":\"" LONG "\"}\n\n",
	 "event: error\ndata: {\"type\":\"error\",", "\n\n", false},
	{"anthropic-messages", "api.anthropic.com", "/v1/messages",
	 "{\"model\":\"claude-haiku-4-5\",\"max_tokens\":20,\"stream\":true,"
	 "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
	 "text/event-stream",
	 "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"
	 "{\"id\":\"m\",\"model\":\"claude-haiku-4-5\",\"usage\":{"
	 "\"input_tokens\":8,\"output_tokens\":1}}}\n\n",
	 "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
	 "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" LONG
	 "\"}}\n\n",
	 "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":", "\n\n",
	 false},
	{"gemini, events", "generativelanguage.googleapis.com",
	 "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
	 "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],"
	 "\"generationConfig\":{\"maxOutputTokens\":20}}",
	 "text/event-stream", "",
	 "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" LONG
	 "\"}]}}],\"modelVersion\":\"gemini-2.5-flash\"}\r\n\r\n",
	 "{\"error\":{\"code\":429,", "\n\n", false},
	{"gemini, array", "generativelanguage.googleapis.com",
	 "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
	 "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],"
	 "\"generationConfig\":{\"maxOutputTokens\":20}}",
	 "application/json", "[{\"responseId\":\"x\"}",
	 ",\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" LONG
	 "\"}]}}],\"modelVersion\":\"gemini-2.5-flash\"}",
	 ",\n{\"error\":{\"code\":429,", "]", false},
	{"cohere v2", "api.cohere.com", "/v2/chat",
	 "{\"model\":\"command-r-08-2024\",\"max_tokens\":20,\"stream\":true,"
	 "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
	 "text/event-stream", "",
	 "event: content-delta\ndata: {\"type\":\"content-delta\",\"delta\":{"
	 "\"message\":{\"content\":{\"text\":\"" LONG "\"}}}}\n\n",
	 "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{"
	 "\"finish_reason\":\"ERROR\",",
	 "\n\n", false},
	{"cohere v1", "api.cohere.com", "/v1/chat",
	 "{\"model\":\"command-r-08-2024\",\"max_tokens\":20,\"stream\":true,"
	 "\"message\":\"hi\"}",
	 "application/stream+json", "",
	 "{\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":"
	 "\"" LONG "\"}\n",
	 "{\"is_finished\":true,\"event_type\":\"stream-end\",", "\n", false},
	{"ollama", "ollama.com", "/api/chat",
	 "{\"model\":\"gpt-oss:120b\",\"options\":{\"num_predict\":20},"
	 "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
	 "application/x-ndjson", "",
	 "{\"model\":\"gpt-oss:120b\",\"message\":{\"role\":\"assistant\","
	 "\"content\":\"" LONG "\"},\"done\":false}\n",
	 "{\"error\":\"llmguard ended this stream", "\n", false},
	{"bedrock", "bedrock-runtime.us-east-1.amazonaws.com",
	 "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream",
	 "{\"inferenceConfig\":{\"maxTokens\":20},"
	 "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}",
	 "application/vnd.amazon.eventstream", "",
	 "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"" LONG "\"}}",
	 "{\"message\":\"llmguard ended this stream", "", true},
};

#define NSTREAMS (sizeof(streams) / sizeof(*streams))

/* -- texts --------------------------------------------------------------- */

static void put32(struct lg_buf *b, uint32_t n)
{
	lg_buf_putc(b, (char)(n >> 24));
	lg_buf_putc(b, (char)(n >> 16));
	lg_buf_putc(b, (char)(n >> 8));
	lg_buf_putc(b, (char)n);
}

static uint32_t crc_of(const char *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	while (n--) {
		crc ^= (unsigned char)*p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void put_header(struct lg_buf *b, const char *name, const char *value)
{
	lg_buf_putc(b, (char)strlen(name));
	lg_buf_puts(b, name);
	lg_buf_putc(b, 7);
	lg_buf_putc(b, 0);
	lg_buf_putc(b, (char)strlen(value));
	lg_buf_puts(b, value);
}

static void put_frame(struct lg_buf *out, const char *json)
{
	struct lg_buf h;
	size_t from = out->len;

	lg_buf_init(&h, 4096);
	put_header(&h, ":message-type", "event");
	put_header(&h, ":event-type", "contentBlockDelta");
	put32(out, (uint32_t)(16 + h.len + strlen(json)));
	put32(out, (uint32_t)h.len);
	put32(out, crc_of(out->p + from, 8));
	lg_buf_put(out, h.p, h.len);
	lg_buf_puts(out, json);
	put32(out, crc_of(out->p + from, out->len - from));
	lg_buf_fini(&h);
}

static void put_event(struct lg_buf *b, const struct stream *s)
{
	if (s->frames)
		put_frame(b, s->event);
	else
		lg_buf_puts(b, s->event);
}

/* How the chunks are cut: one an event, `size` bytes each, or all in one. */
static void put_chunked(struct lg_buf *out, const char *p, size_t n,
			size_t size)
{
	for (size_t at = 0; at < n; at += size) {
		size_t len = n - at < size ? n - at : size;

		lg_buf_put_hex(out, len);
		lg_buf_puts(out, "\r\n");
		lg_buf_put(out, p + at, len);
		lg_buf_puts(out, "\r\n");
	}
}

/* An endless answer of n events; *body gets it without its framing. */
static void make_answer(const struct stream *s, unsigned n, size_t chunk,
			struct lg_buf *out, struct lg_buf *body)
{
	struct lg_buf event;

	lg_buf_init(&event, 1 << 20);
	lg_buf_puts(body, s->first);
	lg_buf_puts(out, "HTTP/1.1 200 OK\r\nContent-Type: ");
	lg_buf_puts(out, s->type);
	lg_buf_puts(out, "\r\n" CHUNKED "\r\n");
	if (chunk == 0 && *s->first)
		put_chunked(out, s->first, strlen(s->first), SIZE_MAX / 2);
	for (unsigned i = 0; i < n; i++) {
		event.len = 0;
		put_event(&event, s);
		lg_buf_put(body, event.p, event.len);
		if (chunk == 0)
			put_chunked(out, event.p, event.len, SIZE_MAX / 2);
	}
	if (chunk)
		put_chunked(out, body->p, body->len, chunk);
	lg_buf_fini(&event);
}

static void ask(struct rig *r, const struct stream *s)
{
	snprintf(text, sizeof(text),
		 "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: "
		 "application/json\r\nContent-Length: %zu\r\n\r\n%s",
		 s->path, s->host, strlen(s->body), s->body);
	rig_connect(r, s->host);
	rig_write(r, text, strlen(text), 0);
	assert_true(r->server.len > 0);
}

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

static unsigned live_slots(struct rig *r)
{
	struct lg_region *region = lg_engine_region(r->e);
	struct lg_hold_view v;
	unsigned n = 0;

	for (unsigned i = 0; i < lg_hold_slots(region); i++)
		n += !lg_hold_view(region, i, &v, NULL);
	return n;
}

/* -- one stream ------------------------------------------------------------ */

#define BUDGET(usd, more)                                                      \
	"version: 1\nmodels: [{match: \"gpt-oss*\", pricing_id: "              \
	"openai/gpt-4o-mini}]\nbudgets:\n  - {name: cap, "                     \
	"scope: global, period: monthly, limit_usd: " usd ", hard: true" more  \
	"}\n"

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

/* -- money ----------------------------------------------------------------- */

#define CHAT (&streams[0])
#define CHAT_HEAD                                                              \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" CHUNKED "\r"  \
									 "\n"

static void send_events(struct rig *r, const struct stream *s, unsigned n)
{
	struct lg_buf b, body;

	lg_buf_init(&b, 64 << 20);
	lg_buf_init(&body, 64 << 20);
	put_event(&body, s);
	while (n--)
		put_chunked(&b, body.p, body.len, SIZE_MAX / 2);
	rig_answer(r, b.p, b.len, 0);
	lg_buf_fini(&b);
	lg_buf_fini(&body);
}

static void send_head(struct rig *r)
{
	rig_answer(r, CHAT_HEAD, strlen(CHAT_HEAD), 0);
}

static int sum_row(void *ctx, const struct lg_row *row,
		   const struct lg_ledger_pos *after)
{
	int64_t *sum = ctx;

	(void)after;
	*sum += row->cost_pusd;
	return 0;
}

static int64_t ledger_sum(struct rig *r)
{
	struct lg_ledger_pos pos = {.file = ""};
	struct lg_ledger_stats stats = {0};
	int64_t sum = 0;

	lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, INT64_MIN, sum_row,
		       &sum, &stats);
	return sum;
}

/* With room more and more is held; all of it comes back. */
static void test_room(void **state)
{
	struct rig r;
	struct lg_row row;
	int64_t first;
	unsigned most = 0;

	(void)state;
	rig_start(&r, BUDGET("5", ""));
	ask(&r, CHAT);
	first = used_of(&r, "cap");
	send_head(&r);
	for (unsigned i = 0; i < 2000; i++) {
		unsigned n;

		send_events(&r, CHAT, 1);
		n = live_slots(&r);
		most = n > most ? n : most;
	}
	assert_false(lg_flow_is_shut(r.f));
	assert_true(used_of(&r, "cap") > first * 500);
	assert_true(most > 3 && most <= LG_CUT_HOLDS_MAX + 1);
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.output_tokens, 2000 * 12);
	assert_int_equal(row.verdict, LG_VERDICT_ALLOW);
	assert_false(row.flags & LG_ROW_OVERSHOOT);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	assert_int_equal(live_slots(&r), 0);
	rig_stop(&r);
}

/* What is held grows beyond all slots of a call. */
static void test_endless(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, BUDGET("5", ""));
	ask(&r, CHAT);
	send_head(&r);
	for (unsigned i = 0; i < 60000; i += 200) {
		send_events(&r, CHAT, 200);
		assert_true(live_slots(&r) <= LG_CUT_HOLDS_MAX + 1);
	}
	rig_close(&r);
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.output_tokens, 60000 * 12);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	assert_int_equal(live_slots(&r), 0);
	rig_stop(&r);
}

static void test_soft(void **state)
{
	static const char *const yaml[] = {
		"version: 1\nbudgets:\n  - {name: cap, scope: global, period: "
		"monthly, limit_usd: 0.00002}\n",
		"version: 1\nbudgets:\n  - {name: cap, scope: global, period: "
		"monthly, limit_usd: 0.00002, hard: true, on_hard: warn}\n",
		"version: 1\n",
	};
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		rig_start(&r, yaml[i]);
		ask(&r, CHAT);
		send_head(&r);
		send_events(&r, CHAT, 100);
		assert_false(lg_flow_is_shut(r.f));
		assert_true(live_slots(&r) <= 1);
		assert_false(lg_flow_edits(r.f));
		rig_stop(&r);
	}
}

/* The limit is raised while the stream is near it, then lowered. */
static void test_raised(void **state)
{
	struct rig r;
	struct lg_row row;

	(void)state;
	rig_start(&r, BUDGET("0.0001", ""));
	ask(&r, CHAT);
	send_head(&r);
	send_events(&r, CHAT, 13);
	assert_false(lg_flow_is_shut(r.f));
	put_file(r.config, BUDGET("0.0002", ""));
	lg_engine_refresh(r.e);
	send_events(&r, CHAT, 13);
	assert_false(lg_flow_is_shut(r.f));
	assert_true(used_of(&r, "cap") > 100000000);
	put_file(r.config, BUDGET("0.00015", ""));
	lg_engine_refresh(r.e);
	send_events(&r, CHAT, 13);
	assert_true(lg_flow_is_shut(r.f));
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.verdict, LG_VERDICT_CUT);
	assert_int_equal(used_of(&r, "cap"), row.cost_pusd);
	assert_int_equal(live_slots(&r), 0);
	rig_stop(&r);
}

/* Two streams share what is left; together they stay within an event each. */
static void test_two(void **state)
{
	const int64_t limit = 100000000, event = 12 * 600000;
	struct rig r;
	struct lg_flow *one;
	struct lg_row row;
	unsigned n = 0;

	(void)state;
	rig_start(&r, BUDGET("0.0001", ""));
	ask(&r, CHAT);
	send_head(&r);
	one = r.f;
	r.f = NULL;
	ask(&r, CHAT);
	send_head(&r);
	while (n++ < 100) {
		struct lg_flow *other = r.f;

		if (!lg_flow_is_shut(r.f))
			send_events(&r, CHAT, 1);
		r.f = one;
		one = other;
		if (lg_flow_is_shut(r.f) && lg_flow_is_shut(one))
			break;
	}
	assert_true(n < 30);
	assert_int_equal(rig_rows(&r, &row), 2);
	assert_int_equal(row.verdict, LG_VERDICT_CUT);
	assert_true(used_of(&r, "cap") <= limit + 2 * event);
	assert_true(used_of(&r, "cap") > limit - 2 * event);
	assert_int_equal(used_of(&r, "cap"), ledger_sum(&r));
	assert_int_equal(live_slots(&r), 0);
	lg_flow_del(one);
	rig_stop(&r);
}

/* Killed anywhere in its stream: what was held is charged, once. */
static void test_killed(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, BUDGET("5", ""));
	lg_engine_touch(r.e);
	for (unsigned turn = 0; turn < 30; turn++) {
		pid_t pid = fork();

		if (!pid) {
			lg_engine_after_fork();
			lg_engine_forked(r.e);
			for (;;) {
				ask(&r, CHAT);
				send_head(&r);
				for (unsigned i = 0; i < 100; i++)
					send_events(&r, CHAT, 1);
				rig_close(&r);
			}
		}
		usleep(2000 + 731 * turn);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	lg_engine_sweep(r.e);
	assert_int_equal(live_slots(&r), 0);
	assert_true(rig_rows(&r, NULL) > 30);
	assert_int_equal(used_of(&r, "cap"), ledger_sum(&r));
	/* the same from the ledger alone */
	lg_engine_close(r.e);
	r.e = NULL;
	unlink(r.region);
	rig_open(&r);
	lg_engine_touch(r.e);
	assert_int_equal(used_of(&r, "cap"), ledger_sum(&r));
	rig_stop(&r);
}

/* -- a call's other ends ----------------------------------------------------
 */

/* The last word comes behind the limit: it is exact, and nothing is cut. */
static void test_last_word(void **state)
{
	static const char end[] =
		"data: {\"id\":\"c\",\"model\":\"gpt-4o-mini\",\"choices\":[{"
		"\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],"
		"\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4000,"
		"\"total_tokens\":4009}}\n\n";
	struct lg_buf b;
	struct rig r;
	struct lg_row row;

	(void)state;
	lg_buf_init(&b, 4096);
	put_chunked(&b, end, sizeof(end) - 1, SIZE_MAX / 2);
	lg_buf_puts(&b, "0\r\n\r\n");
	rig_start(&r, BUDGET("0.0001", ""));
	ask(&r, CHAT);
	send_head(&r);
	send_events(&r, CHAT, 2);
	rig_answer(&r, b.p, b.len, 0);
	assert_false(lg_flow_is_shut(r.f));
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.usage_state, LG_USAGE_EXACT);
	assert_int_equal(row.output_tokens, 4000);
	assert_true(row.flags & LG_ROW_OVERSHOOT);
	rig_stop(&r);
	lg_buf_fini(&b);
}

/* Interim usage counts where it says more than the text that came. */
static void test_interim(void **state)
{
	const struct stream *s = &streams[4];
	static const char event[] =
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
		"\"x\"}]}}],\"usageMetadata\":{\"promptTokenCount\":10,"
		"\"candidatesTokenCount\":%u,\"thoughtsTokenCount\":%u,"
		"\"totalTokenCount\":%u},\"modelVersion\":"
		"\"gemini-2.5-flash\"}\r\n\r\n";
	char one[512];
	struct lg_buf b;
	struct rig r;
	struct lg_row row;
	unsigned n = 0;

	(void)state;
	lg_buf_init(&b, 4096);
	rig_start(&r, BUDGET("0.001", ""));
	ask(&r, s);
	send_head(&r);
	while (!lg_flow_is_shut(r.f) && n++ < 1000) {
		snprintf(one, sizeof(one), event, n, 10 * n, 11 * n + 10);
		b.len = 0;
		put_chunked(&b, one, strlen(one), SIZE_MAX / 2);
		rig_answer(&r, b.p, b.len, 0);
	}
	assert_int_equal(rig_rows(&r, &row), 1);
	assert_int_equal(row.verdict, LG_VERDICT_CUT);
	assert_int_equal(row.output_tokens, 11 * n);
	assert_int_equal(row.reasoning_tokens, 10 * n);
	assert_true(row.cost_pusd > INT64_C(1000000000));
	assert_true(row.cost_pusd <= INT64_C(1000000000) + 11 * 2500000);
	rig_stop(&r);
	lg_buf_fini(&b);
}

/* Framings that hold no more: the answer ends short, the row says so. */
static void test_short(void **state)
{
	static const char *const heads[] = {
		"Content-Length: 100000\r\n",
		"Content-Encoding: identity\r\nContent-Length: 100000\r\n",
	};
	char head[256];
	struct rig r;
	struct lg_row row;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		rig_start(&r, BUDGET("0.0001", ""));
		ask(&r, CHAT);
		snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream"
			 "\r\n%s\r\n",
			 heads[i]);
		rig_answer(&r, head, strlen(head), 0);
		for (unsigned n = 0; n < 40; n++)
			rig_answer(&r, CHAT->event, strlen(CHAT->event), 0);
		assert_true(lg_flow_is_shut(r.f));
		assert_int_equal(rig_rows(&r, &row), 1);
		assert_int_equal(row.verdict, LG_VERDICT_CUT);
		assert_true(row.flags & LG_ROW_CUT_SHORT);
		assert_int_equal(r.program.len,
				 strlen(head) + row.output_tokens / 12 *
							strlen(CHAT->event));
		rig_stop(&r);
	}
}

/* Until the connection closes: the error, and it is closed. */
static void test_until_close(void **state)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
	struct rig r;
	struct lg_row row;
	size_t same;

	(void)state;
	rig_start(&r, BUDGET("0.0001", ""));
	ask(&r, CHAT);
	rig_answer(&r, head, sizeof(head) - 1, 0);
	for (unsigned n = 0; n < 40; n++)
		rig_answer(&r, CHAT->event, strlen(CHAT->event), 11);
	assert_true(lg_flow_is_shut(r.f));
	assert_int_equal(rig_rows(&r, &row), 1);
	same = sizeof(head) - 1 + row.output_tokens / 12 * strlen(CHAT->event);
	assert_true(r.program.len > same);
	assert_memory_equal(r.program.p + same, CHAT->last, strlen(CHAT->last));
	rig_stop(&r);
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
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_soft),
		cmocka_unit_test(test_raised),
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_last_word),
		cmocka_unit_test(test_interim),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_until_close),
		cmocka_unit_test(test_injected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
