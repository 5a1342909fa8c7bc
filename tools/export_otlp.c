#include <string.h>

#include "base/hash.h"
#include "export.h"
#include "spend.h"
#include "tool.h"

/*
 * OTLP/JSON as the file exporter writes it (opentelemetry.io, File Exporter,
 * read 2026-11): a line is one message with its spans. Attributes: GenAI
 * semantic conventions 1.37; what they have no name for begins with llmguard.
 */
#define SPANS 256u

static const struct {
	const char *ours, *theirs;
} providers[] = {
	{"aws", "aws.bedrock"},
	{"azure", "azure.ai.openai"},
	{"google", "gcp.gemini"},
	{"mistral", "mistral_ai"},
	{"x-ai", "x_ai"},
	{"openai", "openai"},
	{"anthropic", "anthropic"},
	{"cohere", "cohere"},
	{"deepseek", "deepseek"},
	{"groq", "groq"},
	{"perplexity", "perplexity"},
};

static const char *provider_of(const struct lg_row *row)
{
	if (strstr(row->host, "aiplatform.googleapis.com"))
		return "gcp.vertex_ai";
	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		if (!strcmp(providers[i].ours, row->provider))
			return providers[i].theirs;
	return row->provider;
}

static const char *operation_of(const struct lg_row *row)
{
	if (!strcmp(row->request_type, "embed"))
		return "embeddings";
	if (strcmp(row->request_type, "generate"))
		return row->request_type[0] ? row->request_type : "other";
	if (strstr(row->dialect, "gemini"))
		return "generate_content";
	return strstr(row->dialect, "completion") ? "text_completion" : "chat";
}

/* -- attributes ------------------------------------------------------------ */

struct attributes {
	struct lg_buf *out;
	bool some;
};

static void key(struct attributes *a, const char *name, const char *type)
{
	lg_buf_puts(a->out, a->some ? ",{\"key\":\"" : "{\"key\":\"");
	lg_buf_puts(a->out, name);
	lg_buf_puts(a->out, "\",\"value\":{\"");
	lg_buf_puts(a->out, type);
	lg_buf_puts(a->out, "\":");
	a->some = true;
}

static void text(struct attributes *a, const char *name, const char *value)
{
	if (!*value)
		return;
	key(a, name, "stringValue");
	lg_buf_put_json(a->out, lg_slice_str(value));
	lg_buf_puts(a->out, "}}");
}

static void whole(struct attributes *a, const char *name, uint64_t n)
{
	if (n == LG_ROW_ABSENT)
		return;
	key(a, name, "intValue");
	lg_buf_putc(a->out, '"');
	lg_buf_put_u64(a->out, n);
	lg_buf_puts(a->out, "\"}}");
}

/* The literal is exact; what a reader makes of it is its own. */
static void money(struct attributes *a, const char *name, int64_t pusd)
{
	if (pusd == INT64_MIN)
		return;
	key(a, name, "doubleValue");
	lg_buf_put_money(a->out, pusd);
	lg_buf_puts(a->out, "}}");
}

static void list(struct attributes *a, const char *name, const char *joined)
{
	struct lg_slice rest = lg_slice_str(joined), one;
	const char *sep = "";

	if (!rest.len)
		return;
	key(a, name, "arrayValue");
	lg_buf_puts(a->out, "{\"values\":[");
	while (rest.len) {
		rest = lg_slice_cut(rest, '\x1f', &one);
		lg_buf_puts(a->out, sep);
		lg_buf_puts(a->out, "{\"stringValue\":");
		lg_buf_put_json(a->out, one);
		lg_buf_putc(a->out, '}');
		sep = ",";
	}
	lg_buf_puts(a->out, "]}}}");
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	if (a == LG_ROW_ABSENT || b == LG_ROW_ABSENT)
		return a == LG_ROW_ABSENT ? b : a;
	return a + b;
}

static const char *error_of(const struct lg_row *row)
{
	if (spend_is_refusal(row))
		return row->reason[0] ? row->reason : "blocked";
	if (row->status < 400)
		return "";
	return row->status < 500 ? "client_error" : "server_error";
}

static void conventions(struct attributes *a, const struct lg_row *row)
{
	text(a, "gen_ai.operation.name", operation_of(row));
	text(a, "gen_ai.provider.name", provider_of(row));
	text(a, "gen_ai.request.model", row->model_requested);
	text(a, "gen_ai.response.model", row->model);
	text(a, "gen_ai.response.id", row->response_id);
	text(a, "gen_ai.conversation.id", row->conversation);
	whole(a, "gen_ai.usage.input_tokens", row->input_tokens);
	whole(a, "gen_ai.usage.output_tokens", row->output_tokens);
	whole(a, "gen_ai.usage.cache_read.input_tokens",
	      row->cache_read_tokens);
	whole(a, "gen_ai.usage.cache_creation.input_tokens",
	      sum(row->cache_write_5m_tokens, row->cache_write_1h_tokens));
	text(a, "server.address", row->host);
	text(a, "url.path", row->endpoint);
	if (row->status > 0)
		whole(a, "http.response.status_code", (uint64_t)row->status);
	text(a, "error.type", error_of(row));
	if (row->pid > 0)
		whole(a, "process.pid", (uint64_t)row->pid);
	text(a, "process.executable.path", row->exe);
	text(a, "user.name", row->user);
}

static void ours(struct attributes *a, const struct lg_row *row)
{
	text(a, "llmguard.id", row->id);
	money(a, "llmguard.cost_usd", row->cost_pusd);
	money(a, "llmguard.input_cost_usd", row->input_cost_pusd);
	money(a, "llmguard.output_cost_usd", row->output_cost_pusd);
	money(a, "llmguard.economic_usd", row->economic_pusd);
	whole(a, "llmguard.reasoning_tokens", row->reasoning_tokens);
	text(a, "llmguard.usage_state",
	     lg_usage_state_name((enum lg_usage_state)row->usage_state));
	text(a, "llmguard.price_state",
	     lg_price_state_name((enum lg_price_state)row->price_state));
	text(a, "llmguard.verdict",
	     lg_verdict_name((enum lg_verdict)row->verdict));
	text(a, "llmguard.project", row->project);
	list(a, "llmguard.tags", row->tags);
	text(a, "llmguard.phase", row->phase);
	text(a, "llmguard.tier", row->tier);
	text(a, "llmguard.run_id", row->run_id);
	text(a, "llmguard.experiment", row->experiment);
}

/* -- spans ----------------------------------------------------------------- */

static void put_hex(struct lg_buf *out, uint64_t v)
{
	static const char digit[] = "0123456789abcdef";

	for (int shift = 60; shift >= 0; shift -= 4)
		lg_buf_putc(out, digit[v >> shift & 15]);
}

static void put_nanos(struct lg_buf *out, const char *name, int64_t ms)
{
	lg_buf_puts(out, name);
	lg_buf_put_i64(out, ms > 0 ? ms : 0);
	lg_buf_puts(out, "000000\"");
}

/* A conversation is a trace; a call without one is its own. */
static void put_ids(struct lg_buf *out, const struct lg_row *row)
{
	const char *trace = row->conversation[0] ? row->conversation : row->id;
	struct lg_hash128 t = lg_hash128(trace, strlen(trace), 71);
	struct lg_hash128 s = lg_hash128(row->id, strlen(row->id), 73);

	lg_buf_puts(out, "{\"traceId\":\"");
	put_hex(out, t.a);
	put_hex(out, t.b | 1);
	lg_buf_puts(out, "\",\"spanId\":\"");
	put_hex(out, s.a | 1);
}

static void put_name(struct lg_buf *out, const struct lg_row *row)
{
	char name[200];
	struct lg_buf b;

	lg_buf_init_fixed(&b, name, sizeof(name));
	lg_buf_puts(&b, operation_of(row));
	lg_buf_putc(&b, ' ');
	lg_buf_puts(&b, row->model_requested[0] ? row->model_requested
						: row->model);
	lg_buf_puts(out, "\",\"name\":");
	lg_buf_put_json(out, lg_buf_slice(&b));
}

static void put_span(struct lg_buf *out, const struct lg_row *row, bool first)
{
	struct attributes a = {out, false};

	if (!first)
		lg_buf_putc(out, ',');
	put_ids(out, row);
	put_name(out, row);
	lg_buf_puts(out, ",\"kind\":3");
	put_nanos(out, ",\"startTimeUnixNano\":\"", row->ts_ms);
	put_nanos(out, ",\"endTimeUnixNano\":\"",
		  row->end_ms >= row->ts_ms ? row->end_ms : row->ts_ms);
	lg_buf_puts(out, ",\"attributes\":[");
	conventions(&a, row);
	ours(&a, row);
	lg_buf_puts(out, *error_of(row) ? "],\"status\":{\"code\":2}}"
					: "],\"status\":{}}");
}

static void open_message(struct lg_buf *out)
{
	lg_buf_puts(out,
		    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{"
		    "\"key\":\"service.name\",\"value\":{\"stringValue\":"
		    "\"llmguard\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":"
		    "\"llmguard\",\"version\":\"");
	lg_buf_puts(out, tool_version);
	lg_buf_puts(out, "\"},\"spans\":[");
}

static void close_message(struct lg_buf *out)
{
	lg_buf_puts(out, "]}]}]}\n");
}

const struct export_form export_otlp = {
	.name = "otlp-json",
	.row = put_span,
	.piece = SPANS,
	.open = open_message,
	.close = close_message,
	.calls_only = true,
};
