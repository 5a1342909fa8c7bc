#include "wire/wrapped.h"

#include <string.h>

#define PIECE 1024 /* characters decoded at once */

enum state { OUT, KEY, STRING, BYTES, KEY_ESCAPE, STRING_ESCAPE, ESCAPE, HEX };

static const char wanted[] = "bytes";

void lg_wrapped_init(struct lg_wrapped *w, lg_wrapped_fn *fn, void *ctx)
{
	*w = (struct lg_wrapped){.fn = fn, .ctx = ctx};
}

static void decode(struct lg_wrapped *w, const char *p, size_t len)
{
	char out[LG_BASE64_ROOM(PIECE)];

	while (len) {
		size_t n = len < PIECE ? len : PIECE;
		size_t got = lg_base64_feed(&w->base64, p, n, out);

		if (got)
			w->fn(w->ctx, (struct lg_slice){out, got});
		p += n;
		len -= n;
	}
}

static void end_bytes(struct lg_wrapped *w)
{
	char out[2];
	size_t n = lg_base64_end(&w->base64, out);

	if (n)
		w->fn(w->ctx, (struct lg_slice){out, n});
	w->state = OUT;
}

static void begin_string(struct lg_wrapped *w)
{
	if (w->depth != 1) {
		w->state = STRING;
	} else if (w->key_next) {
		w->state = KEY;
		w->match = 0;
		w->same = true;
	} else {
		w->state = w->is_bytes ? BYTES : STRING;
	}
}

static void outside(struct lg_wrapped *w, char c)
{
	switch (c) {
	case '{':
	case '[':
		w->depth += w->depth < UINT32_MAX;
		w->key_next = w->depth == 1 && c == '{';
		break;
	case '}':
	case ']':
		w->depth -= w->depth > 0;
		break;
	case ',':
		if (w->depth != 1)
			break;
		w->key_next = true;
		w->is_bytes = false;
		break;
	case ':':
		if (w->depth == 1)
			w->key_next = false;
		break;
	case '"':
		begin_string(w);
		break;
	default:
		break;
	}
}

static void in_key(struct lg_wrapped *w, char c)
{
	if (c == '"') {
		w->is_bytes = w->same && w->match == sizeof(wanted) - 1;
		w->state = OUT;
	} else if (c == '\\') {
		w->same = false;
		w->state = KEY_ESCAPE;
	} else if (w->match < sizeof(wanted) - 1 && c == wanted[w->match]) {
		w->match++;
	} else {
		w->same = false;
	}
}

/* Of the alphabet '/' is escaped by some, '+' and '=' as \uXXXX. */
static void in_escape(struct lg_wrapped *w, char c)
{
	w->state = BYTES;
	if (c == 'u') {
		w->state = HEX;
		w->hex = w->nhex = 0;
	} else if (c != 'n' && c != 'r' && c != 't') {
		decode(w, &c, 1);
	}
}

static void in_hex(struct lg_wrapped *w, char c)
{
	unsigned low = (unsigned)(c | 0x20);
	unsigned v = c >= '0' && c <= '9'	? (unsigned)(c - '0')
		     : low >= 'a' && low <= 'f' ? low - 'a' + 10
						: 16;
	char one;

	w->base64.bad |= v > 15;
	w->hex = (uint16_t)(w->hex << 4 | (v & 15));
	if (++w->nhex < 4)
		return;
	w->state = BYTES;
	w->base64.bad |= w->hex > 127;
	one = (char)w->hex;
	decode(w, &one, 1);
}

/* A run of the value's characters. */
static const char *in_bytes(struct lg_wrapped *w, const char *p,
			    const char *end)
{
	const char *q = p;

	while (q < end && *q != '"' && *q != '\\')
		q++;
	decode(w, p, (size_t)(q - p));
	if (q == end)
		return q;
	if (*q == '"')
		end_bytes(w);
	else
		w->state = ESCAPE;
	return q + 1;
}

static void step(struct lg_wrapped *w, char c)
{
	switch ((enum state)w->state) {
	case OUT:
	case BYTES:
		outside(w, c);
		break;
	case KEY:
		in_key(w, c);
		break;
	case KEY_ESCAPE:
		w->state = KEY;
		break;
	case STRING:
		if (c == '"')
			w->state = OUT;
		else if (c == '\\')
			w->state = STRING_ESCAPE;
		break;
	case STRING_ESCAPE:
		w->state = STRING;
		break;
	case ESCAPE:
		in_escape(w, c);
		break;
	case HEX:
		in_hex(w, c);
		break;
	}
}

void lg_wrapped_feed(struct lg_wrapped *w, const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end) {
		if (w->state == BYTES)
			p = in_bytes(w, p, end);
		else
			step(w, *p++);
	}
}
