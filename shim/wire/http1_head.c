#include "wire/http1_head.h"

#include <string.h>
#include <strings.h>

#include "wire/http1.h"

#define METHOD_MAX 20
#define LINE_LOOK 256
#define VERSION_LEN 8 /* "HTTP/1.1" */

const bool lg_http1_token[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true,  ['a' ... 'z'] = true,
	['!'] = true,	      ['#' ... '\''] = true, ['*'] = true,
	['+'] = true,	      ['-'] = true,	     ['.'] = true,
	['^' ... '`'] = true, ['|'] = true,	     ['~'] = true,
};

struct lg_slice lg_http1_take_line(struct lg_slice head, size_t *pos)
{
	struct lg_slice line = {head.p + *pos, head.len - *pos};
	const char *nl = line.len ? memchr(line.p, '\n', line.len) : NULL;

	if (nl)
		line.len = (size_t)(nl - line.p);
	*pos += line.len + (nl != NULL);
	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool is_version(const char *p)
{
	return !memcmp(p, "HTTP/1.", VERSION_LEN - 1) && p[7] >= '0' &&
	       p[7] <= '9';
}

static bool is_target_byte(char c)
{
	return (unsigned char)c > 0x20 && c != 0x7f;
}

static bool is_fold(struct lg_slice head, size_t pos)
{
	return pos < head.len && (head.p[pos] == ' ' || head.p[pos] == '\t');
}

bool lg_http1_request_line(struct lg_slice head, struct lg_slice *method,
			   struct lg_slice *target)
{
	size_t pos = 0, i;
	struct lg_slice line = lg_http1_take_line(head, &pos), rest;

	rest = lg_slice_cut(line, ' ', method);
	if (!method->len || rest.len < VERSION_LEN + 2)
		return false;
	target->p = rest.p;
	target->len = rest.len - VERSION_LEN - 1;
	if (rest.p[target->len] != ' ' || !is_version(rest.p + target->len + 1))
		return false;
	for (i = 0; i < method->len; i++)
		if (!lg_http1_is_token(method->p[i]))
			return false;
	for (i = 0; i < target->len; i++)
		if (!is_target_byte(target->p[i]))
			return false;
	return true;
}

bool lg_http1_next_field(struct lg_slice head, size_t *pos,
			 struct lg_slice *name, struct lg_slice *value)
{
	struct lg_slice line;
	const char *colon;

	if (!*pos)
		lg_http1_take_line(head, pos);
	while (*pos < head.len) {
		line = lg_http1_take_line(head, pos);
		if (!line.len)
			return false;
		while (is_fold(head, *pos)) {
			struct lg_slice more = lg_http1_take_line(head, pos);

			line.len = (size_t)(more.p + more.len - line.p);
		}
		colon = memchr(line.p, ':', line.len);
		if (!colon || colon == line.p)
			continue;
		name->p = line.p;
		name->len = (size_t)(colon - line.p);
		value->p = colon + 1;
		value->len = line.len - name->len - 1;
		*value = lg_slice_trim(*value);
		return true;
	}
	return false;
}

/* Does the line at p begin with this name and its colon? */
static bool is_named(const char *p, size_t left, struct lg_slice name)
{
	return left > name.len && p[name.len] == ':' &&
	       lg_slice_ieq((struct lg_slice){p, name.len}, name);
}

struct lg_slice lg_http1_field(struct lg_slice head, struct lg_slice name,
			       unsigned nth)
{
	struct lg_slice key, value;
	const char *p, *nl, *end = head.p + head.len;
	size_t pos = 0;

	for (p = head.p; head.len && name.len; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl || nl + 1 == end || nl[1] == '\n' ||
		    (nl[1] == '\r' && nl + 2 < end && nl[2] == '\n'))
			break;
		if (!is_named(nl + 1, (size_t)(end - nl) - 1, name) || nth--)
			continue;
		pos = (size_t)(nl + 1 - head.p);
		if (lg_http1_next_field(head, &pos, &key, &value))
			return value;
		break;
	}
	return (struct lg_slice){NULL, 0};
}

static bool is_field_line(struct lg_slice line)
{
	size_t i;

	for (i = 0; i < line.len && lg_http1_is_token(line.p[i]); i++)
		;
	return i && i < line.len && line.p[i] == ':';
}

/* The start line of a connection's first bytes: 1, 0 or -1 as sniff does. */
static int sniff_line(struct lg_slice head, size_t *pos)
{
	struct lg_slice method, target, line = {head.p, head.len};
	const char *nl = memchr(head.p, '\n', head.len);
	size_t i;

	for (i = 0; i < head.len && head.p[i] >= 'A' && head.p[i] <= 'Z'; i++)
		;
	if (i > METHOD_MAX || (i < head.len && (!i || head.p[i] != ' ')))
		return -1;
	if (i + 1 < head.len && !is_target_byte(head.p[i + 1]))
		return -1;
	if (nl) {
		lg_http1_take_line(head, pos);
		return lg_http1_request_line(head, &method, &target) ? 1 : -1;
	}
	for (i++; i < line.len && is_target_byte(line.p[i]); i++)
		;
	if (i >= line.len)
		return 0;
	line.p += i + 1;
	line.len -= i + 1;
	if (head.p[i] != ' ' || line.len > VERSION_LEN + 1)
		return -1;
	i = line.len < VERSION_LEN - 1 ? line.len : VERSION_LEN - 1;
	return memcmp(line.p, "HTTP/1.", i) ? -1 : 0;
}

/* Can this line (or, cut, its beginning) stand in a header section? */
static bool could_be_field(struct lg_slice line, bool whole)
{
	size_t i;

	if (line.len && (line.p[0] == ' ' || line.p[0] == '\t'))
		return true;
	if (whole)
		return is_field_line(line);
	for (i = 0; i < line.len && lg_http1_is_token(line.p[i]); i++)
		;
	return i == line.len || (i && line.p[i] == ':');
}

int lg_http1_sniff(const char *p, size_t len)
{
	struct lg_slice head = {p, len}, line;
	size_t pos = 0;
	int r = len ? sniff_line(head, &pos) : 0;

	if (r < 0 || (!r && len > LG_HTTP1_HEAD_MAX))
		return -1;
	if (!r)
		return 0;
	while (pos < len) {
		bool whole = memchr(p + pos, '\n', len - pos);

		line = lg_http1_take_line(head, &pos);
		if (whole && pos > LG_HTTP1_HEAD_MAX)
			return -1;
		if (whole && !line.len)
			return 1;
		if (!could_be_field(line, whole))
			return -1;
	}
	return len > LG_HTTP1_HEAD_MAX ? -1 : 0;
}

static bool is_control(unsigned char c)
{
	return (c < ' ' && c != '\r' && c != '\t') || c == 0x7f;
}

bool lg_http1_is_other(const char *p, size_t len)
{
	size_t i, n = len < LINE_LOOK ? len : LINE_LOOK;

	for (i = 0; i < n && p[i] != '\n'; i++)
		if (is_control((unsigned char)p[i]))
			return true;
	if (i == n || i < 2)
		return false; /* not complete; empty lines before a request */
	for (; i >= 5; i--)
		if (!strncasecmp(p + i - 5, "HTTP/", 5))
			return false;
	return true;
}
