#include "wire/http1.h"

#include <string.h>

#define CHUNK_LINE_MAX 8192
#define TRAILER_MAX LG_HTTP1_HEAD_MAX
#define LENGTH_MAX (UINT64_MAX >> 2)

enum state {
	START, /* before a message; empty lines are skipped */
	START_CR,
	HEAD,
	BODY, /* `left` bytes, then the end */
	CHUNK_SIZE,
	CHUNK_EXT,
	CHUNK_LF, /* of the size line */
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER, /* at the start of a trailer line */
	TRAILER_LINE,
	TRAILER_LF,
	TRAILER_END_LF,
	ENDLESS,   /* body until close */
	ENDING,	   /* the end is still to be told */
	UPGRADING, /* likewise the upgrade */
	ENDED,
	UPGRADED,
	BAD,
	TOO_LARGE,
};

void lg_http1_init(struct lg_http1 *m, enum lg_http1_kind kind, char *head,
		   size_t head_cap)
{
	*m = (struct lg_http1){
		.kind = kind,
		.head = head,
		.head_cap = head_cap,
	};
}

void lg_http1_next(struct lg_http1 *m)
{
	lg_http1_init(m, m->kind, m->head, m->head_cap);
}

/* What the framing fields of one head say, all of them together. */
struct framing {
	uint64_t length;
	bool has_length, has_coding, chunked, close, keep, bad;
};

/* The next of a comma-separated list; false when it was the last. */
static bool take_item(struct lg_slice *list, struct lg_slice *item)
{
	size_t len = list->len;

	*list = lg_slice_cut(*list, ',', item);
	len -= item->len;
	*item = lg_slice_trim(*item);
	return len > 0;
}

/* "5" or "5, 5"; every number of every field must agree (RFC 9112 6.3). */
static void read_length(struct framing *f, struct lg_slice value)
{
	struct lg_slice one;
	bool more;
	uint64_t n;

	do {
		more = take_item(&value, &one);
		if (lg_slice_u64(one, &n) || n > LENGTH_MAX ||
		    (f->has_length && n != f->length)) {
			f->bad = true;
			return;
		}
		f->length = n;
		f->has_length = true;
	} while (more);
}

/* The last coding decides; chunked twice or not last is an attack. */
static void read_codings(struct framing *f, struct lg_slice value)
{
	struct lg_slice one;
	bool more;

	do {
		more = take_item(&value, &one);
		f->bad |= f->chunked || !one.len;
		f->chunked = lg_slice_ieq(one, LG_SLICE("chunked"));
	} while (more);
	f->has_coding = true;
}

static void read_connection(struct framing *f, struct lg_slice value)
{
	struct lg_slice one;
	bool more;

	do {
		more = take_item(&value, &one);
		f->close |= lg_slice_ieq(one, LG_SLICE("close"));
		f->keep |= lg_slice_ieq(one, LG_SLICE("keep-alive"));
	} while (more);
}

/* 1 where the field frames the message, 0 any other, -1 malformed. */
static int read_field(struct framing *f, struct lg_slice line)
{
	struct lg_slice name = {line.p, 0}, value;

	while (name.len < line.len && lg_http1_is_token(line.p[name.len]))
		name.len++;
	if (!name.len || name.len == line.len || line.p[name.len] != ':')
		return -1;
	value.p = line.p + name.len + 1;
	value.len = line.len - name.len - 1;
	value = lg_slice_trim(value);
	if (lg_slice_ieq(name, LG_SLICE("content-length")))
		read_length(f, value);
	else if (lg_slice_ieq(name, LG_SLICE("transfer-encoding")))
		read_codings(f, value);
	else if (lg_slice_ieq(name, LG_SLICE("connection")))
		read_connection(f, value);
	else
		return 0;
	return 1;
}

/*
 * Every line is looked at: NUL, CR without LF, a name that is none, a fold of
 * a framing field or before any field make the head bad.
 */
static struct framing read_framing(struct lg_slice head)
{
	struct framing f = {.bad = memchr(head.p, 0, head.len)};
	struct lg_slice line;
	size_t pos = 0;
	int kind = 1;

	line = lg_http1_take_line(head, &pos);
	while (!f.bad && !memchr(line.p, '\r', line.len)) {
		line = lg_http1_take_line(head, &pos);
		if (!line.len)
			return f;
		if (line.p[0] != ' ' && line.p[0] != '\t')
			kind = read_field(&f, line);
		else if (kind)
			break;
		if (kind < 0)
			break;
	}
	f.bad = true;
	return f;
}

static void set_framing(struct lg_http1 *m, enum lg_http1_framing framing,
			enum state next)
{
	m->framing = framing;
	m->state = (uint8_t)next;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.x NNN" with or without a reason. */
static bool read_status(struct lg_http1 *m)
{
	const char *p = m->head;

	if (m->head_len < 13 || memcmp(p, "HTTP/1.", 7) || !is_digit(p[7]) ||
	    p[8] != ' ' || !is_digit(p[9]) || !is_digit(p[10]) ||
	    !is_digit(p[11]) || is_digit(p[12]))
		return false;
	if (p[12] != ' ' && p[12] != '\r' && p[12] != '\n')
		return false;
	m->minor = (uint8_t)(p[7] - '0');
	m->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + p[11] -
			       '0');
	return m->status >= 100;
}

static void frame_response(struct lg_http1 *m, const struct framing *f)
{
	if (m->status == 101 || (m->connect_request && m->status / 100 == 2))
		set_framing(m, LG_HTTP1_NO_BODY, UPGRADING);
	else if (m->head_request || m->status < 200 || m->status == 204 ||
		 m->status == 304)
		set_framing(m, LG_HTTP1_NO_BODY, ENDING);
	else if (f->has_coding && f->chunked)
		set_framing(m, LG_HTTP1_CHUNKED, CHUNK_SIZE);
	else if (f->has_coding || !f->has_length)
		set_framing(m, LG_HTTP1_UNTIL_CLOSE, ENDLESS);
	else
		set_framing(m, LG_HTTP1_LENGTH, f->length ? BODY : ENDING);
	if (m->framing == LG_HTTP1_UNTIL_CLOSE ||
	    (f->has_coding && f->has_length))
		m->keep_alive = false;
}

static bool frame_request(struct lg_http1 *m, const struct framing *f)
{
	struct lg_slice method, target, head = {m->head, m->head_len};

	if (!lg_http1_request_line(head, &method, &target))
		return false;
	m->minor = (uint8_t)(target.p[target.len + 8] - '0');
	if (f->has_coding && (f->has_length || !f->chunked || !m->minor))
		return false;
	if (lg_slice_eq(method, LG_SLICE("CONNECT")))
		set_framing(m, LG_HTTP1_NO_BODY, UPGRADING);
	else if (f->chunked)
		set_framing(m, LG_HTTP1_CHUNKED, CHUNK_SIZE);
	else if (f->has_length)
		set_framing(m, LG_HTTP1_LENGTH, f->length ? BODY : ENDING);
	else
		set_framing(m, LG_HTTP1_NO_BODY, ENDING);
	return true;
}

static enum lg_http1_event fail(struct lg_http1 *m, enum state why)
{
	m->state = (uint8_t)why;
	return why == BAD ? LG_HTTP1_BAD : LG_HTTP1_TOO_LARGE;
}

static enum lg_http1_event head_done(struct lg_http1 *m)
{
	struct framing f =
		read_framing((struct lg_slice){m->head, m->head_len});

	if (f.bad)
		return fail(m, BAD);
	if (m->kind == LG_HTTP1_RESPONSE) {
		if (!read_status(m))
			return fail(m, BAD);
		m->keep_alive = !f.close && (m->minor || f.keep);
		frame_response(m, &f);
	} else {
		if (!frame_request(m, &f))
			return fail(m, BAD);
		m->keep_alive = !f.close && (m->minor || f.keep);
	}
	if (m->framing == LG_HTTP1_LENGTH)
		m->length = m->left = f.length;
	return LG_HTTP1_HEAD;
}

/* Does the line that ends with p[at], a LF, stand empty? */
static bool is_empty_line(const struct lg_http1 *m, const char *p, size_t at)
{
	if (m->line != 2)
		return m->line == 1;
	return (at ? p[at - 1] : m->head[m->head_len - 1]) == '\r';
}

static size_t feed_head(struct lg_http1 *m, const char *p, size_t len,
			enum lg_http1_event *ev)
{
	size_t room = m->head_cap - m->head_len, used = 0, n;
	bool whole = false;
	const char *nl;

	if (len > room)
		len = room + 1;
	while (used < len && !whole) {
		nl = memchr(p + used, '\n', len - used);
		n = nl ? (size_t)(nl - p) + 1 - used : len - used;
		m->line += (uint32_t)n;
		used += n;
		whole = nl && is_empty_line(m, p, used - 1);
		if (nl)
			m->line = 0;
	}
	if (used > room) {
		*ev = fail(m, TOO_LARGE);
		return 0;
	}
	memcpy(m->head + m->head_len, p, used);
	m->head_len += used;
	*ev = whole ? head_done(m) : LG_HTTP1_MORE;
	return used;
}

static size_t feed_run(struct lg_http1 *m, const char *p, size_t len,
		       enum lg_http1_event *ev, struct lg_slice *body)
{
	size_t n = m->state != ENDLESS && m->left < len ? (size_t)m->left : len;

	if (m->state != ENDLESS) {
		m->left -= n;
		if (!m->left)
			m->state = m->state == BODY ? ENDING : CHUNK_DATA_CR;
	}
	m->body_bytes += n;
	*body = (struct lg_slice){p, n};
	*ev = LG_HTTP1_BODY;
	return n;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum state chunk_size(struct lg_http1 *m, char c)
{
	int digit = hex_digit(c);

	if (digit >= 0) {
		if (m->left > LENGTH_MAX >> 4 || m->line > CHUNK_LINE_MAX)
			return BAD;
		m->left = m->left << 4 | (uint64_t)digit;
		return CHUNK_SIZE;
	}
	if (m->line == 1)
		return BAD;
	if (c == '\r')
		return CHUNK_LF;
	return c == ';' || c == ' ' || c == '\t' ? CHUNK_EXT : BAD;
}

static enum state chunk_ext(struct lg_http1 *m, char c)
{
	if (m->line > CHUNK_LINE_MAX || c == '\n' || !c)
		return BAD;
	return c == '\r' ? CHUNK_LF : CHUNK_EXT;
}

static enum state trailer_line(struct lg_http1 *m, char c)
{
	if (m->line > TRAILER_MAX)
		return TOO_LARGE;
	if (c == '\n' || !c)
		return BAD;
	return c == '\r' ? TRAILER_LF : TRAILER_LINE;
}

/* One byte of what stands around chunk data. */
static enum state step(struct lg_http1 *m, char c)
{
	m->line++;
	switch ((enum state)m->state) {
	case CHUNK_SIZE:
		return chunk_size(m, c);
	case CHUNK_EXT:
		return chunk_ext(m, c);
	case CHUNK_LF:
		m->line = 0;
		if (c != '\n')
			return BAD;
		return m->left ? CHUNK_DATA : TRAILER;
	case CHUNK_DATA_CR:
		return c == '\r' ? CHUNK_DATA_LF : BAD;
	case CHUNK_DATA_LF:
		m->line = 0;
		return c == '\n' ? CHUNK_SIZE : BAD;
	case TRAILER:
		return c == '\r' ? TRAILER_END_LF : trailer_line(m, c);
	case TRAILER_LINE:
		return trailer_line(m, c);
	case TRAILER_LF:
		return c == '\n' ? TRAILER : BAD;
	case TRAILER_END_LF:
		return c == '\n' ? ENDING : BAD;
	case START:
		m->line = 0;
		return c == '\n' ? START : START_CR;
	case START_CR:
		m->line = 0;
		return c == '\n' ? START : BAD;
	default:
		return BAD;
	}
}

static bool tells(struct lg_http1 *m, enum lg_http1_event *ev)
{
	switch ((enum state)m->state) {
	case ENDING:
	case ENDED:
		m->state = ENDED;
		*ev = LG_HTTP1_END;
		return true;
	case UPGRADING:
	case UPGRADED:
		m->state = UPGRADED;
		*ev = LG_HTTP1_UPGRADE;
		return true;
	case BAD:
		*ev = LG_HTTP1_BAD;
		return true;
	case TOO_LARGE:
		*ev = LG_HTTP1_TOO_LARGE;
		return true;
	default:
		return false;
	}
}

/*
 * What stands between two chunks is mostly whole, and short: the end of one
 * and the size of the next. 0: byte by byte.
 */
static size_t quick_size(struct lg_http1 *m, const char *p, size_t len)
{
	size_t from = 0, i;
	uint64_t n = 0;

	if (m->state == CHUNK_DATA_CR && len >= 2 && !memcmp(p, "\r\n", 2)) {
		m->state = CHUNK_SIZE;
		m->line = 0;
		from = 2;
	}
	if (m->state != CHUNK_SIZE || m->line || m->left)
		return from;
	for (i = from; i < len && i - from < 8 && hex_digit(p[i]) >= 0; i++)
		n = n << 4 | (uint64_t)hex_digit(p[i]);
	if (i == from || len - i < 2 || memcmp(p + i, "\r\n", 2))
		return from;
	m->left = n;
	m->state = n ? CHUNK_DATA : TRAILER;
	return i + 2;
}

size_t lg_http1_feed(struct lg_http1 *m, const char *p, size_t len,
		     enum lg_http1_event *ev, struct lg_slice *body)
{
	size_t used = 0, n;

	*body = (struct lg_slice){NULL, 0};
	*ev = LG_HTTP1_MORE;
	while (!tells(m, ev) && used < len) {
		if (m->state == START && p[used] != '\r' && p[used] != '\n')
			m->state = HEAD;
		if (m->state == HEAD)
			return used + feed_head(m, p + used, len - used, ev);
		if (m->state == BODY || m->state == CHUNK_DATA ||
		    m->state == ENDLESS)
			return used +
			       feed_run(m, p + used, len - used, ev, body);
		n = quick_size(m, p + used, len - used);
		if (n) {
			used += n;
			continue;
		}
		m->state = (uint8_t)step(m, p[used]);
		used += m->state != BAD && m->state != TOO_LARGE;
	}
	return used;
}

enum lg_http1_event lg_http1_eof(struct lg_http1 *m)
{
	switch ((enum state)m->state) {
	case START:
	case START_CR:
	case ENDED:
		return LG_HTTP1_MORE;
	case ENDLESS:
	case ENDING:
		m->state = ENDED;
		return LG_HTTP1_END;
	case UPGRADING:
	case UPGRADED:
		m->state = UPGRADED;
		return LG_HTTP1_UPGRADE;
	case TOO_LARGE:
		return LG_HTTP1_TOO_LARGE;
	default:
		m->state = BAD;
		return LG_HTTP1_BAD;
	}
}

bool lg_http1_skip(struct lg_http1 *m, uint64_t missing)
{
	bool counts = m->state == BODY || m->state == CHUNK_DATA;

	if (m->state != ENDLESS && (!counts || m->left < missing))
		return false;
	m->body_bytes += missing;
	if (!counts)
		return true;
	m->left -= missing;
	if (!m->left)
		m->state = m->state == BODY ? ENDING : CHUNK_DATA_CR;
	return true;
}

bool lg_http1_join(struct lg_http1 *m, const char *p, size_t len)
{
	size_t at = len > 2 && !memcmp(p, "\r\n", 2) ? 2 : 0, i = at;
	uint64_t n = 0;

	while (i < len && i - at < 7 && hex_digit(p[i]) >= 0)
		n = n << 4 | (uint64_t)hex_digit(p[i++]);
	if (i == at || len - i < 2 || memcmp(p + i, "\r\n", 2))
		return false;
	i += 2;
	if (!n ? len - i != 2 || memcmp(p + i, "\r\n", 2)
	       : len - i >= n + 2 && memcmp(p + i + n, "\r\n", 2))
		return false;
	m->framing = LG_HTTP1_CHUNKED;
	m->state = at ? CHUNK_DATA_CR : CHUNK_SIZE;
	m->left = 0;
	m->line = 0;
	return true;
}
