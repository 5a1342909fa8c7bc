#include "guard/body_watch.h"

#include <string.h>

#include "guard/body.h"
#include "guard/body_frames.h"

/* Streams that end their lines with a CR alone have no LF at all. */
static size_t line_of(const char *p, size_t len)
{
	const char *end = memchr(p, '\n', len);

	if (!end)
		end = memchr(p, '\r', len);
	return end ? (size_t)(end - p) + 1 : len;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* True behind the last byte of an element. */
static bool array_byte(struct lg_body_array *a, char c)
{
	if (a->in_string) {
		a->in_string = a->escaped || c != '"';
		a->escaped = !a->escaped && c == '\\';
		return false;
	}
	switch (c) {
	case '"':
		a->in_string = true;
		return false;
	case '{':
	case '[':
		a->depth++;
		return false;
	case '}':
	case ']':
		return a->depth && --a->depth == 1;
	default:
		return false;
	}
}

static size_t element_of(struct lg_body_array *a, const char *p, size_t len)
{
	size_t i = 0;

	a->ended = false;
	while (!a->seen && i < len) {
		a->seen = !is_blank(p[i]);
		a->is_array = p[i] == '[';
		i += !a->seen;
	}
	if (!a->is_array)
		return len;
	while (i < len)
		if (array_byte(a, p[i++])) {
			a->ended = true;
			break;
		}
	return i;
}

size_t lg_body_piece(struct lg_body *b, const char *p, size_t len)
{
	switch (b->kind) {
	case LG_BODY_SSE:
	case LG_BODY_LINES:
		return line_of(p, len);
	case LG_BODY_FRAMES:
		return lg_body_frames_rest(b->frames, p, len);
	case LG_BODY_JSON:
		return element_of(&b->array, p, len);
	case LG_BODY_SNIFF:
		return element_of(&b->array, p, 1); /* it says what it is */
	case LG_BODY_UNSEEN:
	case LG_BODY_OPAQUE:
		break;
	}
	return len;
}
