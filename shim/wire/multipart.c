#include "wire/multipart.h"

#include <stddef.h>
#include <string.h>

enum state {
	DATA,	   /* of a part, or before the first one */
	DELIMITER, /* some of it was seen */
	AFTER,	   /* all of it was: what follows decides */
	DASH,	   /* a first dash behind it */
	PADDING,   /* white space up to the line's end */
	PADDING_LF,
	LINE, /* a header */
	LINE_LF,
	CLOSED, /* what follows is of no meaning */
	BAD,
};

/* -- parameters of a header's value ---------------------------------------- */

/* A quoted string without its quotes, or a token; *rest is what follows. */
static struct lg_slice take_value(struct lg_slice s, struct lg_slice *rest)
{
	size_t i = 0;

	if (s.len && *s.p == '"') {
		for (i = 1; i < s.len && s.p[i] != '"'; i++)
			if (s.p[i] == '\\' && i + 1 < s.len)
				i++;
		*rest = (struct lg_slice){s.p + i, s.len - i};
		return (struct lg_slice){s.p + 1, i - 1};
	}
	while (i < s.len && s.p[i] != ';')
		i++;
	*rest = (struct lg_slice){s.p + i, s.len - i};
	return lg_slice_trim((struct lg_slice){s.p, i});
}

/* The named parameter of "x; a=b; c=\"d\""; false when there is none. */
static bool find_param(struct lg_slice s, struct lg_slice want,
		       struct lg_slice *out)
{
	struct lg_slice key, value;
	size_t i = 0;

	while (s.len) {
		while (i < s.len && s.p[i] != ';')
			i++;
		if (i == s.len)
			return false;
		s = (struct lg_slice){s.p + i + 1, s.len - i - 1};
		for (i = 0; i < s.len && s.p[i] != '=' && s.p[i] != ';';)
			i++;
		if (i == s.len || s.p[i] == ';')
			continue;
		key = lg_slice_trim((struct lg_slice){s.p, i});
		s = (struct lg_slice){s.p + i + 1, s.len - i - 1};
		while (s.len && (*s.p == ' ' || *s.p == '\t'))
			s = (struct lg_slice){s.p + 1, s.len - 1};
		value = take_value(s, &s);
		i = 0;
		if (!lg_slice_ieq(key, want))
			continue;
		*out = value;
		return true;
	}
	return false;
}

bool lg_multipart_init(struct lg_multipart *m, struct lg_slice type,
		       const struct lg_multipart_sink *sink, void *ctx)
{
	struct lg_slice boundary;

	memset(m, 0, offsetof(struct lg_multipart, delimiter));
	m->sink = sink;
	m->ctx = ctx;
	m->state = BAD;
	if (!lg_slice_istarts(type, LG_SLICE("multipart/form-data")) ||
	    !find_param(type, LG_SLICE("boundary"), &boundary) ||
	    !boundary.len || boundary.len > LG_MULTIPART_BOUNDARY_MAX ||
	    memchr(boundary.p, '\r', boundary.len) ||
	    memchr(boundary.p, '\n', boundary.len) ||
	    memchr(boundary.p, '\\', boundary.len))
		return false;
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary.p, boundary.len);
	m->ndelimiter = (uint8_t)(4 + boundary.len);
	m->state = DELIMITER;
	m->match = 2; /* the first one needs no line before it */
	return true;
}

/* -- a part's headers ------------------------------------------------------ */

static void line_done(struct lg_multipart *m)
{
	struct lg_slice line = {m->line, m->nline}, name, file, value;

	value = lg_slice_cut(line, ':', &name);
	m->nline = 0;
	if (!lg_slice_ieq(lg_slice_trim(name), LG_SLICE("content-disposition")))
		return;
	if (find_param(value, LG_SLICE("name"), &name)) {
		m->name_len =
			(uint8_t)(name.len < sizeof(m->name) ? name.len
							     : sizeof(m->name));
		memcpy(m->name, name.p, m->name_len);
	}
	m->is_file = find_param(value, LG_SLICE("filename"), &file) ||
		     find_param(value, LG_SLICE("filename*"), &file);
}

/* The empty line: what follows is the part. */
static void head_done(struct lg_multipart *m)
{
	m->in_part = true;
	m->state = DATA;
	m->sink->part(m->ctx, (struct lg_slice){m->name, m->name_len},
		      m->is_file);
}

static void line_byte(struct lg_multipart *m, char c)
{
	if (++m->nhead > LG_MULTIPART_HEAD_MAX ||
	    m->nline == LG_MULTIPART_LINE_MAX || c == '\n') {
		m->state = BAD;
		return;
	}
	if (c == '\r')
		m->state = LINE_LF;
	else
		m->line[m->nline++] = c;
}

static void line_end(struct lg_multipart *m, char c)
{
	m->state = c == '\n' ? LINE : BAD;
	if (m->state == BAD)
		return;
	if (m->nline)
		line_done(m);
	else
		head_done(m);
}

/* -- parts ----------------------------------------------------------------- */

static void pass(struct lg_multipart *m, const char *p, size_t n)
{
	if (n && m->in_part)
		m->sink->data(m->ctx, (struct lg_slice){p, n});
}

/*
 * What looked like a delimiter is data. A CR stands only at a delimiter's
 * beginning: none can begin inside of another.
 */
static void not_one(struct lg_multipart *m, const char *more, size_t n)
{
	pass(m, m->delimiter, m->match);
	pass(m, more, n);
	m->match = 0;
	m->state = DATA;
}

static void part_done(struct lg_multipart *m)
{
	if (m->in_part)
		m->sink->end(m->ctx);
	m->in_part = m->is_file = false;
	m->match = 0;
	m->name_len = 0;
	m->nline = 0;
	m->nhead = 0;
}

/* Data up to a CR at once. */
static const char *in_data(struct lg_multipart *m, const char *p,
			   const char *end)
{
	const char *cr = memchr(p, '\r', (size_t)(end - p));

	if (!cr)
		cr = end;
	pass(m, p, (size_t)(cr - p));
	if (cr == end)
		return end;
	m->state = DELIMITER;
	m->match = 1;
	return cr + 1;
}

/* True when c was used up. */
static bool in_delimiter(struct lg_multipart *m, char c)
{
	if (c != m->delimiter[m->match]) {
		not_one(m, NULL, 0);
		return false;
	}
	if (++m->match == m->ndelimiter)
		m->state = AFTER;
	return true;
}

static bool after(struct lg_multipart *m, char c)
{
	if (c != '-' && c != '\r' && c != ' ' && c != '\t') {
		not_one(m, NULL, 0);
		return false;
	}
	if (c == '-') {
		m->state = DASH;
		return true;
	}
	part_done(m);
	m->state = c == '\r' ? PADDING_LF : PADDING;
	return true;
}

static bool after_dash(struct lg_multipart *m, char c)
{
	if (c != '-') {
		not_one(m, "-", 1);
		return false;
	}
	part_done(m);
	m->state = CLOSED;
	return true;
}

/* One byte outside of data; false: it has to be looked at again. */
static bool step(struct lg_multipart *m, char c)
{
	switch ((enum state)m->state) {
	case DELIMITER:
		return in_delimiter(m, c);
	case AFTER:
		return after(m, c);
	case DASH:
		return after_dash(m, c);
	case PADDING:
		if (c == '\r')
			m->state = PADDING_LF;
		else if (c != ' ' && c != '\t')
			m->state = BAD;
		return true;
	case PADDING_LF:
		m->state = c == '\n' ? LINE : BAD;
		return true;
	case LINE:
		line_byte(m, c);
		return true;
	case LINE_LF:
		line_end(m, c);
		return true;
	case DATA:
	case CLOSED:
	case BAD:
		break;
	}
	return true;
}

bool lg_multipart_feed(struct lg_multipart *m, const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end && m->state != BAD && m->state != CLOSED) {
		if (m->state == DATA)
			p = in_data(m, p, end);
		else if (step(m, *p))
			p++;
	}
	return m->state != BAD;
}

bool lg_multipart_is_whole(const struct lg_multipart *m)
{
	return m->state == CLOSED;
}
