#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/tree.h"
#include "guard/translate.h"

/*
 * Translation for the action local: a request that comes out is one JSON
 * value; an answer is the same however it was cut, and one that is a single
 * value is JSON. The first bytes choose dialect, server, status and cut.
 */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const struct {
	const char *dialect, *target, *body;
} froms[] = {
	{"openai-chat", "/v1/chat/completions",
	 "{\"model\":\"g\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
	 ",\"stream\":true}"},
	{"openai-responses", "/v1/responses",
	 "{\"model\":\"g\",\"input\":\"x\",\"stream\":true}"},
	{"openai-responses", "/v1/responses",
	 "{\"model\":\"g\",\"input\":\"x\"}"},
	{"openai-completions", "/v1/completions",
	 "{\"model\":\"g\",\"prompt\":\"x\"}"},
	{"anthropic-messages", "/v1/messages",
	 "{\"model\":\"g\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
	 ",\"stream\":true}"},
	{"anthropic-messages", "/v1/messages",
	 "{\"model\":\"g\",\"messages\":[{\"role\":\"user\",\"content\":"
	 "\"x\"}]}"},
	{"gemini-generate", "/v1/models/g:generateContent",
	 "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}]}"},
	{"gemini-generate", "/v1/models/g:streamGenerateContent",
	 "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}]}"},
	{"bedrock-converse", "/model/m/converse",
	 "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]}"},
	{"bedrock-converse", "/model/m/converse-stream",
	 "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]}"},
	{"ollama-chat", "/api/chat",
	 "{\"model\":\"g\",\"messages\":[{\"role\":\"user\",\"content\":"
	 "\"x\"}]}"},
	{"ollama-generate", "/api/generate",
	 "{\"model\":\"g\",\"prompt\":\"x\"}"},
};
#define NFROMS (sizeof(froms) / sizeof(*froms))

static void must(bool what)
{
	if (!what)
		abort();
}

static bool is_json(struct lg_slice s)
{
	struct lg_tree t = {0};
	bool is = !lg_tree_parse(&t, s);

	lg_tree_fini(&t);
	return is;
}

static struct lg_translation *begin(unsigned from, unsigned kind,
				    struct lg_slice body, struct lg_buf *out)
{
	struct lg_translate_ask a = {
		.dialect =
			lg_dialect_by_name(lg_slice_str(froms[from].dialect)),
		.target = lg_slice_str(froms[from].target),
		.body = body,
		.kind = kind ? LG_LOCAL_OLLAMA : LG_LOCAL_OPENAI,
		.model = LG_SLICE("m"),
	};
	struct lg_translation *t = NULL;
	const char *why;

	return lg_translation_new(&a, out, &t, &why) ? NULL : t;
}

static void request(unsigned from, unsigned kind, struct lg_slice body)
{
	struct lg_translation *t;
	struct lg_buf out;

	lg_buf_init(&out, 1 << 22);
	t = begin(from, kind, body, &out);
	if (t)
		must(is_json(lg_buf_slice(&out)));
	lg_translation_del(t);
	lg_buf_fini(&out);
}

static const char *const types[] = {"application/json", "text/event-stream",
				    "application/x-ndjson", ""};

static struct lg_translation *answer(unsigned from, unsigned kind,
				     unsigned flags, struct lg_slice body,
				     size_t cut, struct lg_buf *out)
{
	struct lg_translation *t;
	size_t n = cut < body.len ? cut : body.len;

	lg_buf_init(out, 1 << 24);
	t = begin(from, kind, lg_slice_str(froms[from].body), out);
	out->len = 0;
	if (!t)
		return NULL;
	lg_translation_head(t, flags & 4 ? 500 : 200,
			    lg_slice_str(types[flags & 3]));
	lg_translation_feed(t, body.p, n, out);
	lg_translation_feed(t, body.p + n, body.len - n, out);
	lg_translation_end(t, flags & 8, out);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lg_translation *t, *u;
	struct lg_buf one, two;
	struct lg_slice body;
	unsigned from, kind;

	if (size < 4)
		return 0;
	from = data[0] % NFROMS;
	kind = data[1] & 1;
	body = (struct lg_slice){(const char *)data + 4, size - 4};
	if (data[1] & 2) {
		request(from, kind, body);
		return 0;
	}
	t = answer(from, kind, data[2], body, data[3], &one);
	u = answer(from, kind, data[2], body, body.len, &two);
	must(!t == !u);
	if (t) {
		must(lg_slice_eq(lg_buf_slice(&one), lg_buf_slice(&two)));
		must(lg_translation_status(t) == lg_translation_status(u));
		if (lg_translation_path(t)[0] == '/' && !one.overflow &&
		    !strcmp(lg_translation_type(t), "application/json") &&
		    (froms[from].dialect[0] != 'o'))
			must(is_json(lg_buf_slice(&one)));
	}
	lg_translation_del(t);
	lg_translation_del(u);
	lg_buf_fini(&one);
	lg_buf_fini(&two);
	return 0;
}
