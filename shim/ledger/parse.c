#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/civil.h"
#include "base/hash.h"
#include "base/money.h"
#include "ledger/field.h"

struct cursor {
	const char *p, *end;
	bool negative; /* a count was: only a difference may be */
	bool huge;     /* a count was: no difference can be */
};

static bool accept(struct cursor *c, char ch)
{
	if (c->p == c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}

/* A string's bytes between its quotes, escapes as they stand. */
static int raw_string(struct cursor *c, struct lg_slice *out)
{
	const char *start = c->p + 1, *q;

	if (c->p == c->end || *c->p != '"')
		return -EPROTO;
	q = memchr(start, '"', (size_t)(c->end - start));
	if (q && q[-1] == '\\')
		for (q = start; q < c->end && *q != '"'; q++)
			if (*q == '\\')
				q++;
	if (!q || q >= c->end)
		return -EPROTO;
	*out = (struct lg_slice){start, (size_t)(q - start)};
	c->p = q + 1;
	return 0;
}

static unsigned hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return (unsigned)(ch - '0');
	return ((unsigned)ch | 0x20) - 'a' < 6
		       ? ((unsigned)ch | 0x20) - 'a' + 10
		       : 0;
}

static unsigned unit_of(const char *p)
{
	return hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 |
	       hex_digit(p[2]) << 4 | hex_digit(p[3]);
}

/* The 4 digits at p, two such where they make a pair; how many digits. */
static size_t char_of(const char *p, const char *end, unsigned *out)
{
	unsigned v = unit_of(p), low = 0;

	*out = v;
	if (v >> 11 != 0xd800 >> 11)
		return 4;
	*out = 0xfffd;
	if (v < 0xdc00 && end - p >= 10 && p[4] == '\\' && p[5] == 'u')
		low = unit_of(p + 6);
	if (low >> 10 != 0xdc00 >> 10)
		return 4;
	*out = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
	return 10;
}

/* 0: no room for all of it. */
static size_t put_char(char *dst, size_t room, unsigned c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	if (n > room)
		return 0;
	for (size_t i = n; i-- > 1; c >>= 6)
		dst[i] = (char)(0x80 | (c & 0x3f));
	dst[0] = (char)(lead[n] | c);
	return n;
}

/* The writer escapes controls alone, others may escape all. No NUL. */
static size_t unescape(struct lg_slice s, char *dst, size_t cap)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *hit;
	size_t i, len, n = 0;
	unsigned v;

	for (i = 0; i < s.len && n + 1 < cap; i++) {
		if (s.p[i] != '\\' || i + 1 == s.len) {
			dst[n++] = s.p[i];
			continue;
		}
		i++;
		hit = memchr(from, s.p[i], sizeof(from) - 1);
		if (hit) {
			dst[n++] = to[hit - from];
		} else if (s.p[i] == 'u' && s.len - i > 4) {
			i += char_of(s.p + i + 1, s.p + s.len, &v);
			len = put_char(dst + n, cap - 1 - n, v ? v : '?');
			if (!len)
				break;
			n += len;
		} else {
			dst[n++] = s.p[i];
		}
	}
	dst[n] = 0;
	return n;
}

static size_t copy_text(struct lg_slice s, char *dst, size_t cap)
{
	if (s.len < cap && !memchr(s.p, '\\', s.len)) {
		memcpy(dst, s.p, s.len);
		dst[s.len] = 0;
		return s.len;
	}
	return unescape(s, dst, cap);
}

/* Any value, as it stands. */
static int skip_value(struct cursor *c, struct lg_slice *out)
{
	const char *start = c->p;
	struct lg_slice s;
	int depth = 0;

	do {
		if (c->p == c->end)
			return -EPROTO;
		if (*c->p == '"') {
			if (raw_string(c, &s))
				return -EPROTO;
		} else if (*c->p == '{' || *c->p == '[') {
			depth++;
			c->p++;
		} else if (*c->p == '}' || *c->p == ']') {
			if (--depth < 0)
				return -EPROTO;
			c->p++;
		} else {
			c->p++;
			while (!depth && c->p < c->end && *c->p != ',' &&
			       *c->p != '}' && *c->p != ']')
				c->p++;
		}
	} while (depth);
	*out = (struct lg_slice){start, (size_t)(c->p - start)};
	return 0;
}

static int list(struct cursor *c, char *dst, size_t cap)
{
	struct lg_slice s;
	size_t n = 0;

	if (!accept(c, '['))
		return -EPROTO;
	while (!accept(c, ']')) {
		if (raw_string(c, &s))
			return -EPROTO;
		if (n && n + 2 < cap)
			dst[n++] = '\x1f';
		n += copy_text(s, dst + n, cap - n);
		accept(c, ',');
	}
	return 0;
}

static int flags(struct cursor *c, uint32_t *out)
{
	struct lg_slice s;
	unsigned i;

	if (!accept(c, '['))
		return -EPROTO;
	while (!accept(c, ']')) {
		if (raw_string(c, &s))
			return -EPROTO;
		for (i = 0; i < LG_ROW_FLAGS; i++)
			if (lg_slice_eq(s, lg_slice_str(lg_row_flag_name(i))))
				*out |= 1u << i;
		accept(c, ',');
	}
	return 0;
}

static int integer(struct cursor *c, uint64_t *out)
{
	const char *start = c->p;
	uint64_t v = 0;

	while (c->p < c->end && (unsigned)(*c->p - '0') < 10)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*c->p++ - '0'), &v))
			return -EPROTO;
	*out = v;
	return c->p > start ? 0 : -EPROTO;
}

static int signed_integer(struct cursor *c, int64_t *out)
{
	bool negative = accept(c, '-');
	uint64_t v;

	if (integer(c, &v) || v > INT64_MAX)
		return -EPROTO;
	*out = negative ? -(int64_t)v : (int64_t)v;
	return 0;
}

/* A count, or a difference of counts: which, the row's kind says later. */
static int count(struct cursor *c, uint64_t *out)
{
	bool negative = accept(c, '-');

	if (integer(c, out))
		return -EPROTO;
	c->negative |= negative;
	c->huge |= *out > INT64_MAX;
	if (negative && *out <= INT64_MAX)
		*out = lg_row_delta(-(int64_t)*out);
	return 0;
}

static int units(struct cursor *c, uint64_t *u)
{
	struct lg_slice s;
	unsigned i;
	uint64_t v;

	if (!accept(c, '{'))
		return -EPROTO;
	while (!accept(c, '}')) {
		if (raw_string(c, &s) || !accept(c, ':') || count(c, &v))
			return -EPROTO;
		i = lg_row_unit_by_name(s);
		if (i < LG_ROW_UNITS)
			u[i] = v;
		accept(c, ',');
	}
	return 0;
}

static int two(const char *p)
{
	return (p[0] - '0') * 10 + p[1] - '0';
}

/*
 * "2026-11-22T14:30:52.123Z", as we write it. A day or an hour that there is
 * not is damage, not the next one.
 */
static int timestamp(struct cursor *c, int64_t *out)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	struct lg_civil back;
	int64_t days;
	struct lg_slice s;
	int i, month, day, hour, min, sec;

	if (raw_string(c, &s) || s.len != sizeof(shape) - 1)
		return -EPROTO;
	for (i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? (unsigned)(s.p[i] - '0') > 9
				    : s.p[i] != shape[i])
			return -EPROTO;
	month = two(s.p + 5), day = two(s.p + 8), hour = two(s.p + 11);
	min = two(s.p + 14), sec = two(s.p + 17);
	/* 60: a leap second */
	if (month < 1 || month > 12 || hour > 23 || min > 59 || sec > 60)
		return -EPROTO;
	days = lg_civil_days(two(s.p) * 100 + two(s.p + 2), (unsigned)month,
			     (unsigned)day);
	lg_civil_from_days(days, &back);
	if (back.month != (unsigned)month || back.day != (unsigned)day)
		return -EPROTO;
	*out = ((days * 24 + hour) * 60 + min) * 60000 + sec * 1000 +
	       (s.p[20] - '0') * 100 + two(s.p + 21);
	return 0;
}

static int money(struct cursor *c, int64_t *out)
{
	struct lg_slice s;

	return skip_value(c, &s) || lg_money_parse(s, out) ? -EPROTO : 0;
}

/* A name that a later version knows: a row kind without money, else 0. */
static int name(struct cursor *c, const struct lg_row_field *f, uint8_t *out)
{
	struct lg_slice s;
	unsigned i;

	if (raw_string(c, &s))
		return -EPROTO;
	for (i = 0; i < f->cap; i++)
		if (strlen(f->names[i]) == s.len &&
		    !memcmp(f->names[i], s.p, s.len))
			break;
	if (i == f->cap)
		i = f->off == offsetof(struct lg_row, kind) ? LG_ROW_AUDIT : 0;
	*out = (uint8_t)i;
	return 0;
}

/* What is not as we write it is none. */
static int hash(struct cursor *c, uint8_t *out)
{
	uint8_t got[LG_ROW_HASH_LEN] = {0};
	struct lg_slice s;

	if (raw_string(c, &s))
		return -EPROTO;
	if (s.len != 2 * LG_ROW_HASH_LEN)
		return 0;
	for (unsigned i = 0; i < s.len; i++) {
		int d = s.p[i] >= '0' && s.p[i] <= '9'	 ? s.p[i] - '0'
			: s.p[i] >= 'a' && s.p[i] <= 'f' ? s.p[i] - 'a' + 10
							 : -1;

		if (d < 0)
			return 0;
		got[i / 2] = (uint8_t)(got[i / 2] << 4 | d);
	}
	memcpy(out, got, sizeof(got));
	return 0;
}

static int boolean(struct cursor *c, uint8_t *out)
{
	struct lg_slice s;

	if (skip_value(c, &s))
		return -EPROTO;
	*out = s.len == 4 && s.p[0] == 't';
	return 0;
}

/* A flat switch over the types of the table. */
static int value(struct cursor *c, const struct lg_row_field *f,
		 struct lg_row *r)
{
	void *dst = (char *)r + f->off;
	struct lg_slice s;
	int64_t v = 0;
	int err;

	if (c->end - c->p >= 4 && !memcmp(c->p, "null", 4)) {
		c->p += 4;
		return 0;
	}
	switch (f->type) {
	case LG_F_ID:
	case LG_F_TEXT:
		err = raw_string(c, &s);
		if (!err)
			copy_text(s, dst, f->cap);
		return err;
	case LG_F_LIST:
		return list(c, dst, f->cap);
	case LG_F_RAW:
		err = skip_value(c, &s);
		if (!err && s.len < f->cap)
			memcpy(dst, s.p, s.len);
		return err;
	case LG_F_TIME:
		return timestamp(c, dst);
	case LG_F_MS:
		return signed_integer(c, dst);
	case LG_F_I32:
	case LG_F_STATUS:
		err = signed_integer(c, &v);
		*(int32_t *)dst = (int32_t)v;
		return err;
	case LG_F_U32:
		err = signed_integer(c, &v);
		*(uint32_t *)dst = (uint32_t)v;
		return err;
	case LG_F_BOOL:
		return boolean(c, dst);
	case LG_F_COUNT:
		return count(c, dst);
	case LG_F_MONEY:
		return money(c, dst);
	case LG_F_RATIO:
		err = money(c, &v);
		*(uint32_t *)dst = (uint32_t)(v / (LG_PUSD_PER_USD / 1000000));
		return err;
	case LG_F_ENUM:
		return name(c, f, dst);
	case LG_F_UNITS:
		return units(c, dst);
	case LG_F_FLAGS:
		return flags(c, dst);
	case LG_F_HASH:
		return hash(c, dst);
	case LG_F_CAP:
		err = signed_integer(c, &v);
		*(uint32_t *)dst = v > 0 && v < UINT32_MAX ? (uint32_t)v : 0;
		return err;
	}
	return skip_value(c, &s);
}

/*
 * The next key and its colon. Keys mostly come in the table's order: compared
 * with the next ones before they are read as text. NULL field: not known.
 */
static int next_key(struct cursor *c, unsigned *hint,
		    const struct lg_row_field **out)
{
	const struct lg_row_field *f;
	struct lg_slice key;
	unsigned i;

	for (i = *hint; i < lg_row_nfields && i < *hint + 3; i++) {
		f = &lg_row_fields[i];
		if (c->end - c->p < f->key_len + 3 ||
		    memcmp(c->p, f->open + 1, f->key_len + 3u))
			continue;
		c->p += f->key_len + 3u;
		*hint = i + 1;
		*out = f;
		return 0;
	}
	if (raw_string(c, &key) || !accept(c, ':'))
		return -EPROTO;
	*out = NULL;
	for (i = 0; i < lg_row_nfields && !*out; i++) {
		f = &lg_row_fields[i];
		if (f->key_len == key.len && !memcmp(f->key, key.p, key.len)) {
			*hint = i + 1;
			*out = f;
		}
	}
	return 0;
}

bool lg_row_check(struct lg_slice line)
{
	size_t n = line.len - LG_ROW_CRC_LEN;
	uint32_t crc = 0;
	const char *t;
	int i;

	if (line.len < sizeof(LG_ROW_START) + LG_ROW_CRC_LEN ||
	    memcmp(line.p, LG_ROW_START, sizeof(LG_ROW_START) - 1))
		return false;
	t = line.p + n;
	if (memcmp(t, ",\"crc\":\"", 8) || memcmp(t + 16, "\"}", 2))
		return false;
	for (i = 8; i < 16; i++) {
		if ((unsigned)(t[i] - '0') > 9 && (unsigned)(t[i] - 'a') > 5)
			return false;
		crc = crc << 4 | hex_digit(t[i]);
	}
	return crc == lg_crc32c(0, line.p, n);
}

/* What nobody wrote is no cost of 0: other writers leave it out, or null. */
static void look_at_cost(struct lg_row *row)
{
	if (row->cost_pusd != INT64_MIN)
		return;
	row->cost_pusd = 0;
	if (row->kind == LG_ROW_CALL)
		row->price_state = LG_PRICED_UNKNOWN;
}

int lg_row_read(struct lg_slice line, struct lg_row *out)
{
	const struct lg_row_field *f;
	struct lg_slice skipped;
	struct cursor c = {.p = line.p + 1};
	unsigned hint = 0;

	lg_row_init(out);
	out->cost_pusd = INT64_MIN;
	c.end = line.p + line.len - LG_ROW_CRC_LEN;
	do {
		if (next_key(&c, &hint, &f))
			return -EPROTO;
		if (f ? value(&c, f, out) : skip_value(&c, &skipped))
			return -EPROTO;
	} while (accept(&c, ','));
	look_at_cost(out);
	if ((c.negative && out->kind == LG_ROW_CALL) ||
	    (c.huge && out->kind != LG_ROW_CALL))
		return -EPROTO;
	return c.p == c.end && out->id[0] ? 0 : -EPROTO;
}

int lg_row_parse(struct lg_slice line, struct lg_row *out)
{
	return lg_row_check(line) ? lg_row_read(line, out) : -EPROTO;
}
