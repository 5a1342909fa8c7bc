#ifndef LG_TEST_CUT_RIG_H
#define LG_TEST_CUT_RIG_H

#include "budget/hold.h"
#include "flow_texts.h"

/*
 * Streams of every dialect and the answers that they make, for tests of
 * guard/cut.h. After cmocka.h.
 */

#define BUDGET(usd, more)                                                      \
	"version: 1\nmodels: [{match: \"gpt-oss*\", pricing_id: "              \
	"openai/gpt-4o-mini}]\nbudgets:\n  - {name: cap, "                     \
	"scope: global, period: monthly, limit_usd: " usd ", hard: true" more  \
	"}\n"

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

static inline void put32(struct lg_buf *b, uint32_t n)
{
	lg_buf_putc(b, (char)(n >> 24));
	lg_buf_putc(b, (char)(n >> 16));
	lg_buf_putc(b, (char)(n >> 8));
	lg_buf_putc(b, (char)n);
}

static inline uint32_t crc_of(const char *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	while (n--) {
		crc ^= (unsigned char)*p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static inline void put_header(struct lg_buf *b, const char *name,
			      const char *value)
{
	lg_buf_putc(b, (char)strlen(name));
	lg_buf_puts(b, name);
	lg_buf_putc(b, 7);
	lg_buf_putc(b, 0);
	lg_buf_putc(b, (char)strlen(value));
	lg_buf_puts(b, value);
}

static inline void put_frame(struct lg_buf *out, const char *json)
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

static inline void put_event(struct lg_buf *b, const struct stream *s)
{
	if (s->frames)
		put_frame(b, s->event);
	else
		lg_buf_puts(b, s->event);
}

/* How the chunks are cut: one an event, `size` bytes each, or all in one. */
static inline void put_chunked(struct lg_buf *out, const char *p, size_t n,
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
static inline void make_answer(const struct stream *s, unsigned n, size_t chunk,
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

static inline void ask(struct rig *r, const struct stream *s)
{
	snprintf(text, sizeof(text),
		 "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: "
		 "application/json\r\nContent-Length: %zu\r\n\r\n%s",
		 s->path, s->host, strlen(s->body), s->body);
	rig_connect(r, s->host);
	rig_write(r, text, strlen(text), 0);
	assert_true(r->server.len > 0);
}

static inline unsigned live_slots(struct rig *r)
{
	struct lg_region *region = lg_engine_region(r->e);
	struct lg_hold_view v;
	unsigned n = 0;

	for (unsigned i = 0; i < lg_hold_slots(region); i++)
		n += !lg_hold_view(region, i, &v, NULL);
	return n;
}

#endif
