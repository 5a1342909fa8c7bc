#include "wire/json.h"

#include <string.h>

#include "wire/json_event.h"
#include "base/json_scan.h"

static const struct {
	const char *text;
	uint8_t len;
	enum lg_value_type type;
	bool boolean;
} literals[] = {
	{"true", 4, LG_VALUE_BOOL, true},
	{"false", 5, LG_VALUE_BOOL, false},
	{"null", 4, LG_VALUE_NULL, false},
};

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static uint16_t or_none(uint16_t child)
{
	return child ? child : NONE;
}

static bool is_tracked(const struct lg_json *j)
{
	return j->tracked == j->depth;
}

/* Containers */

static void open_container(struct lg_json *j, bool array)
{
	const struct lg_json_node *n;
	struct lg_value v = {.type = array ? LG_VALUE_ARRAY : LG_VALUE_OBJECT};
	uint64_t bit, off;

	if (j->depth == LG_JSON_DEPTH_MAX) {
		j->state = S_BAD;
		return;
	}
	bit = UINT64_C(1) << (j->depth % 64);
	if (array)
		j->is_array[j->depth / 64] |= bit;
	else
		j->is_array[j->depth / 64] &= ~bit;
	off = lg_json_raw_begin(j);
	lg_json_raw_put(j, array ? "[" : "{", 1);
	j->depth++;
	j->state = array ? S_VALUE_OR_END : S_KEY_OR_END;
	if (j->cur == NONE)
		return;
	n = lg_json_node_of(j, j->cur);
	j->tracked = j->depth;
	j->node[j->depth] = j->cur;
	j->raw_off[j->depth] = off;
	j->deeps += n->deep != 0;
	if (n->id >= 0)
		j->fn(j->ctx, n->id, &v);
	j->cur = or_none(n->elem);
}

static bool in_array(const struct lg_json *j)
{
	unsigned at = j->depth - 1u;

	return j->is_array[at / 64] >> (at % 64) & 1;
}

static void close_container(struct lg_json *j, bool array)
{
	static const struct lg_value v = {.type = LG_VALUE_END};
	const struct lg_json_node *n;

	if (in_array(j) != array) {
		j->state = S_BAD;
		return;
	}
	lg_json_raw_put(j, array ? "]" : "}", 1);
	j->depth--;
	j->state = j->depth ? S_COMMA_OR_END : S_DONE;
	if (j->tracked != j->depth + 1)
		return;
	n = lg_json_node_of(j, j->node[j->tracked]);
	j->tracked--;
	j->deeps -= n->deep != 0;
	if (n->id >= 0)
		j->fn(j->ctx, n->id, &v);
	lg_json_raw_end(j, n->id, j->raw_off[j->depth + 1]);
}

/* Strings and keys */

static uint16_t find_child(const struct lg_json *j, const char *key, size_t len)
{
	const struct lg_json_node *n;
	uint8_t mark;
	uint16_t at;

	if (!is_tracked(j))
		return NONE;
	n = lg_json_node_of(j, j->node[j->depth]);
	mark = lg_json_mark(key, len);
	if (!(n->marks >> mark & 1))
		return NONE;
	for (at = n->first_child; at; at = n->next_sibling) {
		n = lg_json_node_of(j, at);
		if (n->mark == mark && n->key_len == len &&
		    !memcmp(n->key, key, len))
			return at;
	}
	return NONE;
}

static void string_begin(struct lg_json *j, bool is_key)
{
	j->is_key = is_key;
	j->high = 0;
	j->state = S_STRING;
	if (is_key) {
		j->len = 0;
		j->count = false;
		j->keep = is_tracked(j);
	}
	lg_json_raw_put(j, "\"", 1);
}

static void put_code_point(struct lg_json *j, uint32_t c)
{
	char b[4];
	size_t n = 0;

	if (c < 0x80) {
		b[n++] = (char)c;
	} else if (c < 0x800) {
		b[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		b[n++] = (char)(0xe0 | c >> 12);
		b[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		b[n++] = (char)(0xf0 | c >> 18);
		b[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		b[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		b[n++] = (char)(0x80 | (c & 0x3f));
	lg_json_text_put(j, b, n);
}

/* A high surrogate that no low one followed. */
static void flush_high(struct lg_json *j)
{
	if (j->high)
		put_code_point(j, 0xfffd);
	j->high = 0;
}

static void string_end(struct lg_json *j)
{
	flush_high(j);
	lg_json_raw_put(j, "\"", 1);
	if (!j->is_key) {
		lg_json_text_event(j, LG_VALUE_STRING);
		return;
	}
	j->cur = NONE;
	if (j->len <= sizeof(j->text))
		j->cur = find_child(j, j->text, (size_t)j->len);
	j->state = S_COLON;
}

static void escape(struct lg_json *j, char c)
{
	static const char decoded[256] = {
		['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
		['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
	};
	char d = decoded[(unsigned char)c];

	lg_json_raw_put(j, &c, 1);
	if (c == 'u') {
		j->state = S_HEX;
		j->sub = 0;
		j->hex = 0;
		return;
	}
	if (!d) {
		j->state = S_BAD;
		return;
	}
	flush_high(j);
	lg_json_text_put(j, &d, 1);
	j->state = S_STRING;
}

static void hex_done(struct lg_json *j)
{
	uint32_t c = j->hex;

	j->state = S_STRING;
	if (j->high && c >= 0xdc00 && c <= 0xdfff) {
		c = 0x10000 + ((j->high - 0xd800u) << 10) + (c - 0xdc00);
		j->high = 0;
		put_code_point(j, c);
		return;
	}
	flush_high(j);
	if (c >= 0xd800 && c <= 0xdbff)
		j->high = (uint16_t)c;
	else if (c >= 0xdc00 && c <= 0xdfff)
		put_code_point(j, 0xfffd);
	else
		put_code_point(j, c);
}

static void hex_digit(struct lg_json *j, char c)
{
	unsigned v;

	if (c >= '0' && c <= '9')
		v = (unsigned)(c - '0');
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		v = (unsigned)((c | 0x20) - 'a') + 10;
	else {
		j->state = S_BAD;
		return;
	}
	lg_json_raw_put(j, &c, 1);
	j->hex = (uint16_t)(j->hex << 4 | v);
	if (++j->sub == 4)
		hex_done(j);
}

static const char *in_string(struct lg_json *j, const char *p, const char *end)
{
	while (p < end && j->state == S_STRING) {
		const char *q = lg_json_scan_string(p, end);

		if (q > p) {
			if (j->high)
				flush_high(j);
			lg_json_text_put(j, p, (size_t)(q - p));
			lg_json_raw_put(j, p, (size_t)(q - p));
		}
		if (q == end)
			return end;
		p = q + 1;
		if (*q == '"') {
			string_end(j);
		} else if (*q != '\\') {
			j->state = S_BAD;
		} else {
			lg_json_raw_put(j, q, 1);
			j->state = S_ESCAPE;
			if (p < end)
				escape(j, *p++);
		}
	}
	return p;
}

/*
 * Most strings are whole in one feed and without escapes: these are told from
 * where they stand. p is behind the opening quote. NULL: not such a string.
 */
static const char *quick_end(struct lg_json *j, const char *p, const char *end)
{
	const char *q = lg_json_scan_string(p, end);

	if (q == end || *q != '"')
		return NULL;
	lg_json_raw_put(j, p - 1, (size_t)(q - p) + 2);
	return q + 1;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/*
 * The end of a scalar that nobody watches, when it is whole in this feed and
 * plain. NULL: it takes the long way.
 */
static const char *skip_scalar(const char *p, const char *end)
{
	const char *q;
	uint8_t part = 0;

	if (p == end)
		return NULL;
	if (*p == '"') {
		q = lg_json_scan_string(p + 1, end);
		return q < end && *q == '"' ? q + 1 : NULL;
	}
	if (end - p > 5 && !memcmp(p, "null", 4))
		return p + 4;
	q = lg_json_scan_number(p, end, &part);
	return q < end && lg_json_number_is_whole(part) ? q : NULL;
}

/* From behind a key's quote; passes over members that nobody watches. */
static const char *key_begin(struct lg_json *j, const char *p, const char *end)
{
	const char *q;

	for (;;) {
		q = quick_end(j, p, end);
		if (!q) {
			string_begin(j, true);
			return p;
		}
		j->cur = find_child(j, p, (size_t)(q - p) - 1);
		j->state = S_COLON;
		if (q == end || *q != ':')
			return q;
		lg_json_raw_put(j, ":", 1);
		j->state = S_VALUE;
		p = q + 1;
		if (j->cur != NONE || j->raws || j->deeps)
			return p;
		q = skip_scalar(skip_space(p, end), end);
		if (!q)
			return p;
		j->state = S_COMMA_OR_END;
		if (q == end || *q != ',')
			return q;
		j->state = S_KEY;
		p = skip_space(q + 1, end);
		if (p == end || *p != '"')
			return p;
		p++;
	}
}

static const char *text_begin(struct lg_json *j, const char *p, const char *end)
{
	const char *q;

	lg_json_scalar_begin(j, true);
	q = quick_end(j, p, end);
	if (!q) {
		string_begin(j, false);
		return p;
	}
	if (!j->keep) {
		j->state = j->depth ? S_COMMA_OR_END : S_DONE;
		return q;
	}
	lg_json_text_whole(j, p, (size_t)(q - p) - 1);
	return q;
}

/* Numbers and literals */

static void number_done(struct lg_json *j)
{
	if (lg_json_number_is_whole(j->sub))
		lg_json_text_event(j, LG_VALUE_NUMBER);
	else
		j->state = S_BAD;
}

static const char *in_number(struct lg_json *j, const char *p, const char *end)
{
	const char *q = lg_json_scan_number(p, end, &j->sub);

	lg_json_text_put(j, p, (size_t)(q - p));
	lg_json_raw_put(j, p, (size_t)(q - p));
	if (q < end)
		number_done(j);
	return q;
}

/* As with strings: mostly whole in one feed, told from where it stands. */
static const char *number_begin(struct lg_json *j, const char *p,
				const char *end)
{
	struct lg_value v = {.type = LG_VALUE_NUMBER};
	uint8_t part = 0;
	const char *q = lg_json_scan_number(p, end, &part);

	lg_json_scalar_begin(j, false);
	if (q == end || !lg_json_number_is_whole(part)) {
		j->sub = 0;
		j->state = S_NUMBER;
		return p;
	}
	lg_json_raw_put(j, p, (size_t)(q - p));
	v.len = (size_t)(q - p);
	v.truncated = v.len > LG_VALUE_TEXT_MAX;
	v.text = (struct lg_slice){p, v.truncated ? LG_VALUE_TEXT_MAX
						  : (size_t)v.len};
	lg_json_scalar_done(j, &v);
	return q;
}

static const char *in_literal(struct lg_json *j, const char *p, const char *end)
{
	struct lg_value v = {.type = literals[j->sub].type,
			     .boolean = literals[j->sub].boolean};

	if (!j->len && (size_t)(end - p) >= literals[j->sub].len &&
	    !memcmp(p, literals[j->sub].text, literals[j->sub].len)) {
		j->len = literals[j->sub].len;
		lg_json_raw_put(j, p, (size_t)j->len);
		lg_json_scalar_done(j, &v);
		return p + j->len;
	}
	while (p < end && j->state == S_LITERAL) {
		if (*p != literals[j->sub].text[j->len]) {
			j->state = S_BAD;
			return p;
		}
		p++;
		if (++j->len == literals[j->sub].len) {
			lg_json_raw_put(j, literals[j->sub].text,
					(size_t)j->len);
			lg_json_scalar_done(j, &v);
		}
	}
	return p;
}

/* Structure */

static void literal_begin(struct lg_json *j, uint8_t which)
{
	j->sub = which;
	lg_json_scalar_begin(j, false);
	j->state = S_LITERAL;
}

/* One byte of structure; the byte that begins a number or literal stays. */
static const char *value_begin(struct lg_json *j, const char *p,
			       const char *end)
{
	switch (*p) {
	case '"':
		return text_begin(j, p + 1, end);
	case '{':
	case '[':
		open_container(j, *p == '[');
		return p + 1;
	case 't':
	case 'f':
	case 'n':
		literal_begin(j, *p == 't' ? 0 : *p == 'f' ? 1 : 2);
		return p;
	default:
		if (*p != '-' && (*p < '0' || *p > '9')) {
			j->state = S_BAD;
			return p;
		}
		return number_begin(j, p, end);
	}
}

static void comma(struct lg_json *j)
{
	lg_json_raw_put(j, ",", 1);
	if (!in_array(j)) {
		j->state = S_KEY;
		return;
	}
	j->cur = NONE;
	if (is_tracked(j))
		j->cur = or_none(lg_json_node_of(j, j->node[j->depth])->elem);
	j->state = S_VALUE;
}

/* A byte that is not white space, between tokens. */
static const char *structure(struct lg_json *j, const char *p, const char *end)
{
	const char c = *p;

	switch (j->state) {
	case S_VALUE_OR_END:
		if (c != ']')
			return value_begin(j, p, end);
		close_container(j, true);
		return p + 1;
	case S_VALUE:
		return value_begin(j, p, end);
	case S_KEY_OR_END:
		if (c == '}') {
			close_container(j, false);
			return p + 1;
		}
		/* fall through */
	case S_KEY:
		if (c == '"')
			return key_begin(j, p + 1, end);
		j->state = S_BAD;
		return p;
	case S_COLON:
		j->state = c == ':' ? S_VALUE : S_BAD;
		lg_json_raw_put(j, ":", 1);
		return p + 1;
	case S_COMMA_OR_END:
		if (c == '}' || c == ']') {
			close_container(j, c == ']');
			return p + 1;
		}
		if (c != ',') {
			j->state = S_BAD;
			return p;
		}
		comma(j);
		if (j->state == S_KEY && p + 1 < end && p[1] == '"')
			return key_begin(j, p + 2, end);
		return p + 1;
	default: /* S_DONE: only white space may follow */
		j->state = S_BAD;
		return p;
	}
}

void lg_json_init(struct lg_json *j, const struct lg_json_paths *paths,
		  lg_field_fn *fn, void *ctx)
{
	j->paths = paths;
	j->fn = fn;
	j->ctx = ctx;
	j->len = 0;
	j->raw_len = 0;
	j->depth = 0;
	j->tracked = 0;
	j->deeps = 0;
	j->raws = 0;
	j->cur = 0;
	j->hex = 0;
	j->high = 0;
	j->state = S_VALUE;
	j->sub = 0;
	j->is_key = false;
	j->keep = false;
	j->raw_off[0] = NO_RAW;
}

static enum lg_json_status status_of(const struct lg_json *j)
{
	if (j->state == S_BAD)
		return LG_JSON_BAD;
	return j->state == S_DONE ? LG_JSON_DONE : LG_JSON_MORE;
}

enum lg_json_status lg_json_feed(struct lg_json *j, const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end && j->state != S_BAD) {
		switch (j->state) {
		case S_STRING:
			p = in_string(j, p, end);
			break;
		case S_ESCAPE:
			escape(j, *p++);
			break;
		case S_HEX:
			hex_digit(j, *p++);
			break;
		case S_NUMBER:
			p = in_number(j, p, end);
			break;
		case S_LITERAL:
			p = in_literal(j, p, end);
			break;
		default:
			if (is_space(*p))
				p++;
			else
				p = structure(j, p, end);
		}
	}
	return status_of(j);
}

enum lg_json_status lg_json_end(struct lg_json *j)
{
	if (j->state == S_NUMBER && j->depth == 0)
		number_done(j);
	if (j->state != S_DONE)
		j->state = S_BAD;
	return status_of(j);
}
