#include "llm/shape.h"

#include <string.h>

/* A member, its value's beginning, and whose it is. */
static const struct shape {
	const char *name, *value, *dialect, *owner;
} shapes[] = {
	{"\"object\"", "\"chat.completion", "openai-chat", "openai"},
	{"\"object\"", "\"response\"", "openai-responses", "openai"},
	{"\"type\"", "\"response.", "openai-responses", "openai"},
	{"\"object\"", "\"text_completion", "openai-completions", "openai"},
	{"\"object\"", "\"embedding\"", "openai-embeddings", "openai"},
	{"\"type\"", "\"message_start\"", "anthropic-messages", "anthropic"},
	{"\"type\"", "\"message_delta\"", "anthropic-messages", "anthropic"},
	{"\"type\"", "\"content_block_", "anthropic-messages", "anthropic"},
	{"\"type\"", "\"message\"", "anthropic-messages", "anthropic"},
	{"\"usageMetadata\"", "{", "gemini-generate", "google"},
	{"\"candidates\"", "[", "gemini-generate", "google"},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(struct lg_slice s, size_t at)
{
	while (at < s.len && is_blank(s.p[at]))
		at++;
	return at;
}

static bool has_member(struct lg_slice s, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value), at;
	const char *hit;

	while (s.len && (hit = memmem(s.p, s.len, name, n))) {
		s.len -= (size_t)(hit - s.p) + n;
		s.p = hit + n;
		at = skip_blanks(s, 0);
		if (at >= s.len || s.p[at] != ':')
			continue;
		at = skip_blanks(s, at + 1);
		if (s.len - at >= v && !memcmp(s.p + at, value, v))
			return true;
	}
	return false;
}

const struct lg_dialect *lg_shape_answer(struct lg_slice text)
{
	for (size_t i = 0; i < SHAPES; i++)
		if (has_member(text, shapes[i].name, shapes[i].value))
			return lg_dialect_by_name(
				lg_slice_str(shapes[i].dialect));
	return NULL;
}

bool lg_shape_is_sse(struct lg_slice text)
{
	for (struct lg_slice line; text.len;) {
		text = lg_slice_cut(text, '\n', &line);
		if (lg_slice_starts(line, LG_SLICE("data: {")) ||
		    lg_slice_starts(line, LG_SLICE("data:{")))
			return true;
	}
	return false;
}

const char *lg_shape_owner(const struct lg_dialect *d)
{
	for (size_t i = 0; d && i < SHAPES; i++)
		if (!strcmp(shapes[i].dialect, d->name))
			return shapes[i].owner;
	return NULL;
}
