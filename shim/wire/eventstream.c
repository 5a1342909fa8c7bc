#include "wire/eventstream.h"

#include <errno.h>

#include <string.h>
#include <zlib.h>

#define PRELUDE 12
#define CHECK 4
#define OVERHEAD (PRELUDE + CHECK)

enum state { AT_PRELUDE, AT_HEADERS, AT_PAYLOAD, AT_CHECK, AT_BAD };
enum part { P_NAME_LEN, P_NAME, P_TYPE, P_SIZE_HIGH, P_SIZE_LOW, P_VALUE };
enum keep { K_NOTHING, K_TYPE, K_EVENT, K_EXCEPTION };

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint32_t crc_of(uint32_t crc, const void *p, size_t n)
{
	return (uint32_t)crc32(crc, p, (unsigned)n);
}

void lg_eventstream_init(struct lg_eventstream *s,
			 const struct lg_eventstream_sink *sink, void *ctx)
{
	memset(s, 0, sizeof(*s));
	s->sink = sink;
	s->ctx = ctx;
}

struct lg_slice lg_eventstream_name(const struct lg_eventstream *s)
{
	struct lg_slice type = {s->type, s->type_len};

	if (s->is_exception || lg_slice_eq(type, LG_SLICE("exception")) ||
	    lg_slice_eq(type, LG_SLICE("error")))
		return LG_SLICE("exception");
	return (struct lg_slice){s->event, s->event_len};
}

/* -- headers -------------------------------------------------------------- */

static enum keep keep_of(struct lg_slice name)
{
	if (lg_slice_eq(name, LG_SLICE(":event-type")))
		return K_EVENT;
	if (lg_slice_eq(name, LG_SLICE(":message-type")))
		return K_TYPE;
	if (lg_slice_eq(name, LG_SLICE(":exception-type")))
		return K_EXCEPTION;
	return K_NOTHING;
}

static void name_done(struct lg_eventstream *s)
{
	s->keep = K_NOTHING;
	if (s->hname_len <= sizeof(s->hname))
		s->keep = (uint8_t)keep_of(
			(struct lg_slice){s->hname, s->hname_len});
	if (s->keep == K_EXCEPTION)
		s->is_exception = true;
	else if (s->keep == K_EVENT)
		s->event_len = 0;
	else if (s->keep == K_TYPE)
		s->type_len = 0;
	s->at = P_TYPE;
}

/* Sizes of the types 0..9; the variable ones say theirs themselves. */
static bool begin_value(struct lg_eventstream *s, unsigned char type)
{
	static const uint8_t sizes[] = {0, 0, 1, 2, 4, 8, 255, 255, 8, 16};

	if (type >= sizeof(sizes))
		return false;
	if (type != 7 && s->keep != K_EXCEPTION)
		s->keep = K_NOTHING;
	s->value_left = sizes[type];
	s->at = s->value_left == 255 ? P_SIZE_HIGH
		: s->value_left	     ? P_VALUE
				     : P_NAME_LEN;
	return true;
}

static void append(char *dst, size_t cap, uint8_t *len, const char *p, size_t n)
{
	size_t room = cap - *len;

	n = n < room ? n : room;
	memcpy(dst + *len, p, n);
	*len = (uint8_t)(*len + n);
}

static size_t take_value(struct lg_eventstream *s, const char *p, size_t len)
{
	size_t n = len < s->value_left ? len : s->value_left;

	if (s->keep == K_EVENT)
		append(s->event, sizeof(s->event), &s->event_len, p, n);
	else if (s->keep == K_TYPE)
		append(s->type, sizeof(s->type), &s->type_len, p, n);
	s->value_left -= (uint32_t)n;
	if (!s->value_left)
		s->at = P_NAME_LEN;
	return n;
}

static size_t take_name(struct lg_eventstream *s, const char *p, size_t len)
{
	size_t n = len < s->hname_left ? len : s->hname_left;
	size_t at = (size_t)(s->hname_len - s->hname_left);
	size_t room = at < sizeof(s->hname) ? sizeof(s->hname) - at : 0;

	if (room)
		memcpy(s->hname + at, p, n < room ? n : room);
	s->hname_left = (uint8_t)(s->hname_left - n);
	if (!s->hname_left)
		name_done(s);
	return n;
}

/* Exactly one byte; false when it cannot be. */
static bool header_byte(struct lg_eventstream *s, unsigned char c)
{
	switch ((enum part)s->at) {
	case P_NAME_LEN:
		s->hname_len = s->hname_left = c;
		s->at = P_NAME;
		return c > 0;
	case P_TYPE:
		return begin_value(s, c);
	case P_SIZE_HIGH:
		s->value_left = (uint32_t)c << 8;
		s->at = P_SIZE_LOW;
		return true;
	case P_SIZE_LOW:
		s->value_left |= c;
		s->at = s->value_left ? P_VALUE : P_NAME_LEN;
		return true;
	case P_NAME:
	case P_VALUE:
		break;
	}
	return false;
}

static bool take_headers(struct lg_eventstream *s, const char *p, size_t len)
{
	while (len) {
		size_t n = 1;

		if (s->at == P_NAME)
			n = take_name(s, p, len);
		else if (s->at == P_VALUE)
			n = take_value(s, p, len);
		else if (!header_byte(s, (unsigned char)*p))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* -- frames --------------------------------------------------------------- */

/* The 12 fixed bytes are whole: true when a frame can follow them. */
static bool take_prelude(struct lg_eventstream *s, const unsigned char *p)
{
	uint32_t total = get32(p);

	s->headers = get32(p + 4);
	if (total < OVERHEAD || total > LG_EVENTSTREAM_MAX ||
	    s->headers > LG_EVENTSTREAM_HEADERS_MAX ||
	    s->headers > total - OVERHEAD ||
	    crc_of(0, p, PRELUDE - CHECK) != get32(p + PRELUDE - CHECK))
		return false;
	s->payload = total - OVERHEAD - s->headers;
	s->crc = crc_of(0, p, PRELUDE);
	s->at = P_NAME_LEN;
	s->is_exception = false;
	s->type_len = s->event_len = 0;
	s->left = s->headers;
	s->state = AT_HEADERS;
	return true;
}

static bool headers_done(struct lg_eventstream *s, bool checked)
{
	if (s->at != P_NAME_LEN)
		return false;
	s->sink->begin(s->ctx, checked);
	s->left = s->payload;
	s->state = AT_PAYLOAD;
	return true;
}

static void frame_done(struct lg_eventstream *s, bool good)
{
	s->frames += good;
	s->nfixed = 0;
	s->state = good ? AT_PRELUDE : AT_BAD;
	s->sink->end(s->ctx, good);
}

/*
 * A frame that lies whole before us is checked before anything is told. How
 * many bytes it has; 0: it has to be taken step by step.
 */
static size_t take_whole(struct lg_eventstream *s, const char *p, size_t len)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t total;

	if (s->state != AT_PRELUDE || s->nfixed || len < OVERHEAD)
		return 0;
	total = get32(u);
	if (total > len || !take_prelude(s, u)) {
		s->state = AT_PRELUDE;
		return 0;
	}
	if (crc_of(0, p, total - CHECK) != get32(u + total - CHECK) ||
	    !take_headers(s, p + PRELUDE, s->headers) ||
	    !headers_done(s, true)) {
		s->state = AT_BAD;
		return total;
	}
	if (s->payload)
		s->sink->payload(s->ctx,
				 (struct lg_slice){p + PRELUDE + s->headers,
						   s->payload});
	frame_done(s, true);
	return total;
}

static size_t fill(struct lg_eventstream *s, const char *p, size_t len,
		   size_t want)
{
	size_t n = want - s->nfixed;

	n = n < len ? n : len;
	memcpy(s->fixed + s->nfixed, p, n);
	s->nfixed = (uint8_t)(s->nfixed + n);
	return n;
}

static size_t take_section(struct lg_eventstream *s, const char *p, size_t len)
{
	size_t n = len < s->left ? len : s->left;

	s->crc = crc_of(s->crc, p, n);
	s->left -= (uint32_t)n;
	if (s->state == AT_PAYLOAD)
		s->sink->payload(s->ctx, (struct lg_slice){p, n});
	else if (!take_headers(s, p, n))
		s->state = AT_BAD;
	return n;
}

/* Sections that are over; a frame without headers or payload has no bytes. */
static void advance(struct lg_eventstream *s)
{
	if (s->state == AT_PRELUDE && s->nfixed == PRELUDE) {
		s->nfixed = 0;
		if (!take_prelude(s, s->fixed))
			s->state = AT_BAD;
	}
	if (s->state == AT_HEADERS && !s->left && !headers_done(s, false))
		s->state = AT_BAD;
	if (s->state == AT_PAYLOAD && !s->left)
		s->state = AT_CHECK;
	if (s->state == AT_CHECK && s->nfixed == CHECK)
		frame_done(s, s->crc == get32(s->fixed));
}

bool lg_eventstream_feed(struct lg_eventstream *s, const char *p, size_t len)
{
	while (len && s->state != AT_BAD) {
		size_t n = take_whole(s, p, len);

		if (!n && s->state == AT_PRELUDE)
			n = fill(s, p, len, PRELUDE);
		else if (!n && s->state == AT_CHECK)
			n = fill(s, p, len, CHECK);
		else if (!n)
			n = take_section(s, p, len);
		advance(s);
		p += n;
		len -= n;
	}
	return s->state != AT_BAD;
}

bool lg_eventstream_end(struct lg_eventstream *s)
{
	if (s->state == AT_PAYLOAD || s->state == AT_CHECK)
		frame_done(s, false);
	return s->state == AT_PRELUDE && !s->nfixed;
}

size_t lg_eventstream_rest(const struct lg_eventstream *s, const char *p,
			   size_t len)
{
	uint64_t n = 1;

	switch ((enum state)s->state) {
	case AT_PRELUDE:
		n = PRELUDE - s->nfixed;
		if (!s->nfixed && len >= PRELUDE)
			n = get32((const unsigned char *)p);
		if (n < PRELUDE && !s->nfixed)
			n = PRELUDE; /* no length of a frame */
		break;
	case AT_HEADERS:
		n = (uint64_t)s->left + s->payload + CHECK;
		break;
	case AT_PAYLOAD:
		n = (uint64_t)s->left + CHECK;
		break;
	case AT_CHECK:
		n = CHECK - s->nfixed;
		break;
	case AT_BAD:
		n = len;
		break;
	}
	return n < len ? (size_t)n : len;
}

/* -- writing -------------------------------------------------------------- */

static void put32(struct lg_buf *out, uint32_t n)
{
	const char b[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8),
			   (char)n};

	lg_buf_put(out, b, sizeof(b));
}

#define TYPE_STRING 7
#define HEADER_OVERHEAD 4 /* a name's length, the type, a value's length */

static const struct lg_slice message_type = {":message-type", 13};
static const struct lg_slice content_type = {":content-type", 13};
static const struct lg_slice json = {"application/json", 16};

/* What a frame is, and the header in which its name stands. */
struct frame_kind {
	struct lg_slice is, named_by;
};

static const struct frame_kind event = {{"event", 5}, {":event-type", 11}};
static const struct frame_kind exception = {{"exception", 9},
					    {":exception-type", 15}};

static void put_header(struct lg_buf *out, struct lg_slice name,
		       struct lg_slice value)
{
	lg_buf_putc(out, (char)name.len);
	lg_buf_put(out, name.p, name.len);
	lg_buf_putc(out, TYPE_STRING);
	lg_buf_putc(out, (char)(value.len >> 8));
	lg_buf_putc(out, (char)value.len);
	lg_buf_put(out, value.p, value.len);
}

static size_t overhead(const struct frame_kind *k, struct lg_slice name)
{
	return OVERHEAD + 3 * HEADER_OVERHEAD + message_type.len + k->is.len +
	       k->named_by.len + name.len + content_type.len + json.len;
}

static int put_frame(struct lg_buf *out, const struct frame_kind *k,
		     struct lg_slice name, struct lg_slice payload)
{
	size_t from = out->len;
	size_t over = overhead(k, name);
	int err = payload.len < LG_EVENTSTREAM_MAX - over
			  ? lg_buf_reserve(out, over + payload.len)
			  : -EMSGSIZE;

	if (err)
		return err;
	put32(out, (uint32_t)(over + payload.len));
	put32(out, (uint32_t)(over - OVERHEAD));
	put32(out, crc_of(0, out->p + from, PRELUDE - CHECK));
	put_header(out, message_type, k->is);
	put_header(out, k->named_by, name);
	put_header(out, content_type, json);
	lg_buf_put(out, payload.p, payload.len);
	put32(out, crc_of(0, out->p + from, out->len - from));
	return 0;
}

size_t lg_eventstream_exception_overhead(struct lg_slice name)
{
	return overhead(&exception, name);
}

int lg_eventstream_put_exception(struct lg_buf *out, struct lg_slice name,
				 struct lg_slice payload)
{
	return put_frame(out, &exception, name, payload);
}

int lg_eventstream_put_event(struct lg_buf *out, struct lg_slice name,
			     struct lg_slice payload)
{
	return put_frame(out, &event, name, payload);
}
