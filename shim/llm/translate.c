#include "llm/translate.h"

#include <stdarg.h>

static const struct lg_speech *const speeches[] = {
	&lg_speech_openai_chat,	     &lg_speech_openai_completions,
	&lg_speech_openai_responses, &lg_speech_anthropic,
	&lg_speech_gemini,	     &lg_speech_bedrock,
	&lg_speech_ollama_chat,	     &lg_speech_ollama_generate,
};

const struct lg_speech *lg_speech_of(const char *dialect)
{
	unsigned i;

	for (i = 0; i < sizeof(speeches) / sizeof(*speeches); i++)
		if (!strcmp(speeches[i]->dialect, dialect))
			return speeches[i];
	return NULL;
}

static void put_quoted(struct lg_buf *out, struct lg_slice raw)
{
	lg_buf_putc(out, '"');
	lg_tree_put_clean(out, raw);
	lg_buf_putc(out, '"');
}

/* What one letter behind the % stands for. */
static void put_arg(struct lg_buf *out, char kind, va_list *args)
{
	switch (kind) {
	case 's':
		lg_buf_puts(out, va_arg(*args, const char *));
		break;
	case 'r': {
		struct lg_slice s = va_arg(*args, struct lg_slice);

		lg_buf_put(out, s.p, s.len);
		break;
	}
	case 'q':
		put_quoted(out, va_arg(*args, struct lg_slice));
		break;
	case 't':
		lg_tree_put_clean(out, va_arg(*args, struct lg_slice));
		break;
	case 'j':
		lg_buf_put_json(out, va_arg(*args, struct lg_slice));
		break;
	case 'u':
		lg_buf_put_u64(out, va_arg(*args, uint64_t));
		break;
	case 'd':
		lg_buf_put_u64(out, va_arg(*args, unsigned));
		break;
	case 'b':
		lg_buf_puts(out, va_arg(*args, int) ? "true" : "false");
		break;
	}
}

void lg_put(struct lg_buf *out, const char *pattern, ...)
{
	va_list args;

	va_start(args, pattern);
	while (*pattern) {
		size_t n = strcspn(pattern, "%");

		lg_buf_put(out, pattern, n);
		pattern += n;
		if (!*pattern)
			break;
		put_arg(out, pattern[1], &args);
		pattern += 2;
	}
	va_end(args);
}
