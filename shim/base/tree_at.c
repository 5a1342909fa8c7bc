#include <errno.h>

#include "base/tree.h"

static const struct lg_at nowhere;

static const struct lg_tree_node *node_of(struct lg_at a)
{
	return a.tree && a.n < a.tree->n ? &a.tree->node[a.n] : NULL;
}

struct lg_at lg_tree_root(const struct lg_tree *t)
{
	return (struct lg_at){t, 0};
}

enum lg_tree_type lg_at_type(struct lg_at a)
{
	const struct lg_tree_node *n = node_of(a);

	return n ? (enum lg_tree_type)n->type : LG_TREE_NONE;
}

struct lg_slice lg_at_raw(struct lg_at a)
{
	const struct lg_tree_node *n = node_of(a);

	if (!n)
		return LG_SLICE("");
	return (struct lg_slice){a.tree->text + n->off, n->len};
}

struct lg_slice lg_at_str(struct lg_at a)
{
	struct lg_slice s = lg_at_raw(a);

	if (lg_at_type(a) != LG_TREE_STRING)
		return LG_SLICE("");
	return (struct lg_slice){s.p + 1, s.len - 2};
}

struct lg_at lg_at_first(struct lg_at in)
{
	const struct lg_tree_node *n = node_of(in);

	if (!n || n->type < LG_TREE_OBJECT || n->next == in.n + 1)
		return nowhere;
	return (struct lg_at){in.tree, in.n + 1};
}

struct lg_at lg_at_next(struct lg_at in, struct lg_at a)
{
	const struct lg_tree_node *n = node_of(a), *around = node_of(in);

	if (!n || !around || n->next >= around->next)
		return nowhere;
	return (struct lg_at){a.tree, n->next};
}

/* Is s one of "a|b|c"? */
static bool one_of(struct lg_slice s, const char *names)
{
	struct lg_slice rest = lg_slice_str(names), name;

	while (rest.len) {
		rest = lg_slice_cut(rest, '|', &name);
		if (lg_slice_eq(s, name))
			return true;
	}
	return false;
}

bool lg_at_text_is(struct lg_at a, const char *text)
{
	const struct lg_tree_node *n = node_of(a);
	struct lg_buf b;
	char name[96];

	if (!n || n->type != LG_TREE_STRING)
		return false;
	if (!n->escaped)
		return one_of(lg_at_str(a), text);
	lg_buf_init_fixed(&b, name, sizeof(name));
	return !lg_tree_put_decoded(&b, lg_at_str(a)) &&
	       one_of(lg_buf_slice(&b), text);
}

struct lg_at lg_at_get(struct lg_at a, const char *key)
{
	struct lg_at k, found = nowhere;

	if (lg_at_type(a) != LG_TREE_OBJECT)
		return nowhere;
	for (k = lg_at_first(a); lg_at_is(k);) {
		struct lg_at v = lg_at_next(a, k);

		if (lg_at_text_is(k, key))
			found = v;
		k = lg_at_next(a, v);
	}
	return found;
}

bool lg_at_is_true(struct lg_at a)
{
	return lg_at_type(a) == LG_TREE_TRUE;
}

uint64_t lg_at_u64(struct lg_at a)
{
	uint64_t n;

	if (lg_at_type(a) != LG_TREE_NUMBER || lg_slice_u64(lg_at_raw(a), &n))
		return 0;
	return n;
}

void lg_at_copy(struct lg_at a, char *dst, size_t cap)
{
	struct lg_slice raw = lg_at_str(a);
	struct lg_buf b;

	if (raw.len > cap - 1)
		raw.len = cap - 1;
	lg_buf_init_fixed(&b, dst, cap - 1);
	lg_tree_put_decoded(&b, raw);
	dst[b.len] = 0;
}

/* -- the text of strings -------------------------------------------------- */

static unsigned hex_of(char c)
{
	return c <= '9' ? (unsigned)(c - '0')
			: (unsigned)((c | 0x20) - 'a') + 10;
}

/* The unit behind "\u" at p; false: there is none. */
static bool unit_of(const char *p, const char *end, unsigned *out)
{
	unsigned i, u = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return false;
	for (i = 2; i < 6; i++)
		u = u << 4 | (hex_of(p[i]) & 15);
	*out = u;
	return true;
}

static int put_utf8(struct lg_buf *out, uint32_t c)
{
	char b[4];
	size_t n = 0;

	if (c < 0x80) {
		b[n++] = (char)c;
	} else {
		if (c < 0x800) {
			b[n++] = (char)(0xc0 | c >> 6);
		} else {
			if (c < 0x10000) {
				b[n++] = (char)(0xe0 | c >> 12);
			} else {
				b[n++] = (char)(0xf0 | c >> 18);
				b[n++] = (char)(0x80 | (c >> 12 & 0x3f));
			}
			b[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		}
		b[n++] = (char)(0x80 | (c & 0x3f));
	}
	return lg_buf_put(out, b, n);
}

#define REPLACEMENT 0xfffd

/* The character of the \u at p, of one unit or two; bytes it takes in *len. */
static uint32_t char_of(const char *p, const char *end, size_t *len)
{
	unsigned high, low;

	*len = 6;
	if (!unit_of(p, end, &high)) {
		*len = 2;
		return REPLACEMENT;
	}
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || !unit_of(p + 6, end, &low) || low < 0xdc00 ||
	    low > 0xdfff)
		return REPLACEMENT;
	*len = 12;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static char plain_escape(char c)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at = strchr(from, c);

	return at && c ? to[at - from] : c;
}

int lg_tree_put_decoded(struct lg_buf *out, struct lg_slice raw)
{
	const char *p = raw.len ? raw.p : "", *end = p + raw.len;
	size_t len;
	int err = 0;

	while (p < end && !err) {
		const char *at = memchr(p, '\\', (size_t)(end - p));

		if (!at)
			return lg_buf_put(out, p, (size_t)(end - p));
		err = lg_buf_put(out, p, (size_t)(at - p));
		p = at;
		if (err || end - p < 2)
			return err;
		if (p[1] != 'u') {
			err = lg_buf_putc(out, plain_escape(p[1]));
			p += 2;
			continue;
		}
		err = put_utf8(out, char_of(p, end, &len));
		p += len < (size_t)(end - p) ? len : (size_t)(end - p);
	}
	return err;
}

/* Bytes from p on that may stand as they are. */
static size_t clean_run(const char *p, const char *end)
{
	const char *from = p;
	size_t len;

	while (p < end) {
		unsigned char c = (unsigned char)*p;

		if (c >= 0x80) {
			len = lg_utf8_len((const unsigned char *)p,
					  (size_t)(end - p));
		} else if (c != '\\') {
			len = 1;
		} else if (end - p > 1 && p[1] != 'u') {
			len = 2;
		} else {
			if (char_of(p, end, &len) == REPLACEMENT)
				break;
		}
		if (!len || len > (size_t)(end - p))
			break;
		p += len;
	}
	return (size_t)(p - from);
}

int lg_tree_put_clean(struct lg_buf *out, struct lg_slice raw)
{
	const char *p = raw.len ? raw.p : "", *end = p + raw.len;
	int err = 0;

	while (p < end && !err) {
		size_t n = clean_run(p, end), bad = 1;

		err = lg_buf_put(out, p, n);
		p += n;
		if (p == end || err)
			break;
		if (*p == '\\')
			char_of(p, end, &bad);
		err = put_utf8(out, REPLACEMENT);
		p += bad < (size_t)(end - p) ? bad : (size_t)(end - p);
	}
	return err;
}

int lg_tree_put_escaped(struct lg_buf *out, struct lg_slice bytes)
{
	size_t from = out->len;
	int err = lg_buf_put_json(out, bytes);

	if (err)
		return err;
	memmove(out->p + from, out->p + from + 1, out->len - from - 2);
	out->len -= 2;
	return 0;
}
