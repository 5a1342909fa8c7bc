#include "ledger/row.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "base/money.h"
#include "ledger/field.h"

static const void *cat(const struct lg_row *r, const struct lg_row_field *f)
{
	return (const char *)r + f->off;
}

bool lg_row_add_budget(struct lg_row *r, struct lg_slice name)
{
	size_t at = strlen(r->budgets);

	if (at + name.len + 2 > sizeof(r->budgets))
		return false;
	if (at)
		r->budgets[at++] = '\x1f';
	lg_slice_copy(name, r->budgets + at, sizeof(r->budgets) - at);
	return true;
}

void lg_row_init(struct lg_row *r)
{
	memset(r, 0, sizeof(*r));
	r->size = sizeof(*r);
	r->v = 1;
	r->ttft_ms = r->duration_ms = -1;
	r->provider_cost_pusd = INT64_MIN;
	r->budget_ratio_ppm = UINT32_MAX;
	/* all of LG_ROW_ABSENT is ones */
	memset(&r->input_tokens, 0xff,
	       offsetof(struct lg_row, units) -
		       offsetof(struct lg_row, input_tokens));
}

/* -- writing -------------------------------------------------------------- */

static struct lg_slice text_of(const struct lg_row *r,
			       const struct lg_row_field *f)
{
	const char *p = cat(r, f);

	return (struct lg_slice){p, strnlen(p, f->cap)};
}

/* One byte for one: what a row falls back to when it grows too long. */
static void put_plain(struct lg_buf *b, struct lg_slice s)
{
	size_t i;

	lg_buf_putc(b, '"');
	for (i = 0; i < s.len; i++)
		lg_buf_putc(b, s.p[i] < 0x20 || s.p[i] > 0x7e ||
					       s.p[i] == '"' || s.p[i] == '\\'
				       ? '?'
				       : s.p[i]);
	lg_buf_putc(b, '"');
}

static void put_text(struct lg_buf *b, struct lg_slice s, bool plain)
{
	if (plain)
		put_plain(b, s);
	else
		lg_buf_put_json(b, s);
}

static void put_list(struct lg_buf *b, struct lg_slice s, bool plain)
{
	struct lg_slice head;
	bool first = true;

	lg_buf_putc(b, '[');
	while (s.len) {
		s = lg_slice_cut(s, '\x1f', &head);
		if (!head.len)
			continue;
		if (!first)
			lg_buf_putc(b, ',');
		first = false;
		put_text(b, head, plain);
	}
	lg_buf_putc(b, ']');
}

enum { RAW_BAD, RAW_PLAIN, RAW_BLANK, RAW_QUOTE, RAW_OPEN, RAW_CLOSE };
static const uint8_t raw_class[256] = {
	['0' ... '9'] = RAW_PLAIN, ['+'] = RAW_PLAIN,  ['-'] = RAW_PLAIN,
	['.'] = RAW_PLAIN,	   [','] = RAW_PLAIN,  [':'] = RAW_PLAIN,
	['e'] = RAW_PLAIN,	   ['E'] = RAW_PLAIN,  ['t'] = RAW_PLAIN,
	['r'] = RAW_PLAIN,	   ['u'] = RAW_PLAIN,  ['f'] = RAW_PLAIN,
	['a'] = RAW_PLAIN,	   ['l'] = RAW_PLAIN,  ['s'] = RAW_PLAIN,
	['n'] = RAW_PLAIN,	   [' '] = RAW_PLAIN,  ['\t'] = RAW_BLANK,
	['\r'] = RAW_BLANK,	   ['\n'] = RAW_BLANK, ['"'] = RAW_QUOTE,
	['{'] = RAW_OPEN,	   ['['] = RAW_OPEN,   ['}'] = RAW_CLOSE,
	[']'] = RAW_CLOSE,
};

/* Printable ASCII that stands for itself in a string. */
static const bool raw_in_string[256] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... '~'] = true,
};

static bool is_printable(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c <= 0x7e;
}

/* Where the closing quote stands; s.len when there is none in printables. */
static size_t raw_string_end(struct lg_slice s, size_t i)
{
	for (;; i += 2) {
		while (i < s.len && raw_in_string[(unsigned char)s.p[i]])
			i++;
		if (i < s.len && s.p[i] == '"')
			return i;
		if (i + 1 >= s.len || s.p[i] != '\\' ||
		    !is_printable(s.p[i + 1]))
			return s.len;
	}
}

/*
 * Brackets in balance, strings closed, nothing else than JSON is made of: a
 * damaged object must not damage its row.
 */
static bool raw_is_sound(struct lg_slice s, bool *blanks)
{
	uint64_t kinds = 0;
	int depth = 0;
	size_t i;
	char c;

	*blanks = false;
	if (s.len < 2 || s.p[0] != '{')
		return false;
	for (i = 0; i < s.len; i++) {
		c = s.p[i];
		switch (raw_class[(unsigned char)c]) {
		case RAW_PLAIN:
			break;
		case RAW_BLANK:
			*blanks = true;
			break;
		case RAW_QUOTE:
			i = raw_string_end(s, i + 1);
			if (i >= s.len)
				return false;
			break;
		case RAW_OPEN:
			if (++depth > 60)
				return false;
			kinds = kinds << 1 | (c == '{');
			break;
		case RAW_CLOSE:
			if (--depth < 0 || (kinds & 1) != (c == '}'))
				return false;
			kinds >>= 1;
			if (!depth && i != s.len - 1)
				return false;
			break;
		default:
			return false;
		}
	}
	return !depth;
}

static void put_raw(struct lg_buf *b, struct lg_slice s)
{
	size_t i, from = b->len;
	bool blanks;

	if (!raw_is_sound(s, &blanks)) {
		lg_buf_puts(b, "null");
		return;
	}
	if (lg_buf_put(b, s.p, s.len) || !blanks)
		return;
	for (i = from; i < b->len; i++)
		if ((unsigned char)b->p[i] < 0x20)
			b->p[i] = ' ';
}

static void put_ratio(struct lg_buf *b, uint32_t ppm)
{
	lg_buf_put_money(b, (int64_t)ppm * (LG_PUSD_PER_USD / 1000000));
}

static void put_count(struct lg_buf *b, uint64_t n, bool is_delta)
{
	if (is_delta)
		lg_buf_put_i64(b, lg_row_delta_of(n));
	else
		lg_buf_put_u64(b, n);
}

static void put_units(struct lg_buf *b, const uint64_t *u, bool is_delta)
{
	bool first = true;
	unsigned i;

	lg_buf_putc(b, '{');
	for (i = 0; i < LG_ROW_UNITS; i++) {
		if (!u[i])
			continue;
		lg_buf_puts(b, first ? "\"" : ",\"");
		first = false;
		lg_buf_puts(b, lg_row_unit_name(i));
		lg_buf_puts(b, "\":");
		put_count(b, u[i], is_delta);
	}
	lg_buf_putc(b, '}');
}

static void put_flags(struct lg_buf *b, uint32_t flags)
{
	bool first = true;
	unsigned i;

	lg_buf_putc(b, '[');
	for (i = 0; flags && i < LG_ROW_FLAGS; i++) {
		if (!(flags & 1u << i))
			continue;
		lg_buf_puts(b, first ? "\"" : ",\"");
		first = false;
		lg_buf_puts(b, lg_row_flag_name(i));
		lg_buf_putc(b, '"');
	}
	lg_buf_putc(b, ']');
}

static void put_hash(struct lg_buf *b, const uint8_t *p)
{
	static const char digits[] = "0123456789abcdef";
	char text[LG_ROW_HASH_LEN * 2 + 2];
	unsigned n = 0;

	text[n++] = '"';
	for (unsigned i = 0; i < LG_ROW_HASH_LEN; i++) {
		text[n++] = digits[p[i] >> 4];
		text[n++] = digits[p[i] & 15];
	}
	text[n++] = '"';
	lg_buf_put(b, text, n);
}

static void put_name(struct lg_buf *b, const struct lg_row_field *f, uint8_t i)
{
	lg_buf_putc(b, '"');
	lg_buf_puts(b, f->names[i < f->cap ? i : 0]);
	lg_buf_putc(b, '"');
}

/* A flat switch over the types of the table. */
static bool put_scalar(struct lg_buf *b, const struct lg_row_field *f,
		       const void *p, bool is_delta)
{
	switch (f->type) {
	case LG_F_V:
		return lg_buf_putc(b, '1'), true;
	case LG_F_TIME:
		if (!*(const int64_t *)p)
			return false;
		lg_buf_putc(b, '"');
		lg_buf_put_time(b, *(const int64_t *)p);
		return lg_buf_putc(b, '"'), true;
	case LG_F_MS:
		if (*(const int64_t *)p < 0)
			return false;
		return lg_buf_put_i64(b, *(const int64_t *)p), true;
	case LG_F_I32:
		return lg_buf_put_i64(b, *(const int32_t *)p), true;
	case LG_F_U32:
		return lg_buf_put_u64(b, *(const uint32_t *)p), true;
	case LG_F_STATUS:
		if (!*(const int32_t *)p)
			return false;
		return lg_buf_put_i64(b, *(const int32_t *)p), true;
	case LG_F_BOOL:
		return lg_buf_puts(b, *(const uint8_t *)p ? "true" : "false"),
		       true;
	case LG_F_COUNT:
		if (*(const uint64_t *)p == LG_ROW_ABSENT)
			return false;
		return put_count(b, *(const uint64_t *)p, is_delta), true;
	case LG_F_MONEY:
		if (*(const int64_t *)p == INT64_MIN)
			return false;
		return lg_buf_put_money(b, *(const int64_t *)p), true;
	case LG_F_RATIO:
		if (*(const uint32_t *)p == UINT32_MAX)
			return false;
		return put_ratio(b, *(const uint32_t *)p), true;
	case LG_F_ENUM:
		return put_name(b, f, *(const uint8_t *)p), true;
	case LG_F_UNITS:
		return put_units(b, p, is_delta), true;
	case LG_F_FLAGS:
		return put_flags(b, *(const uint32_t *)p), true;
	case LG_F_HASH:
		return put_hash(b, p), true;
	case LG_F_CAP:
		return lg_buf_put_u64(b, *(const uint32_t *)p), true;
	}
	return false;
}

static void put_value(struct lg_buf *b, const struct lg_row *r,
		      const struct lg_row_field *f, bool plain)
{
	struct lg_slice s;

	if (f->type > LG_F_RAW || f->type == LG_F_V) {
		if (!put_scalar(b, f, cat(r, f), r->kind == LG_ROW_ADJUST))
			lg_buf_puts(b, "null");
		return;
	}
	s = text_of(r, f);
	if (plain && f->type == LG_F_RAW)
		lg_buf_puts(b, "null");
	else if (f->type == LG_F_LIST)
		put_list(b, s, plain);
	else if (f->type == LG_F_RAW)
		put_raw(b, s);
	else if (s.len || f->type == LG_F_ID)
		put_text(b, s, plain);
	else
		lg_buf_puts(b, "null");
}

/* Only calls carry a verdict; these few keys are rare. */
static bool is_left_out(const struct lg_row *r, const struct lg_row_field *f)
{
	if (f->type == LG_F_HASH)
		return !lg_row_hash(r);
	if (f->type == LG_F_CAP)
		return !r->max_output_tokens;
	if (f->type > LG_F_RAW && f->type != LG_F_ENUM)
		return false;
	if (f->off == offsetof(struct lg_row, verdict) && f->type == LG_F_ENUM)
		return r->kind != LG_ROW_CALL;
	if (f->off == offsetof(struct lg_row, ref))
		return !r->ref[0];
	if (f->off == offsetof(struct lg_row, geo))
		return !r->geo[0];
	if (f->off == offsetof(struct lg_row, variant))
		return !r->variant[0];
	if (f->off == offsetof(struct lg_row, note))
		return !r->note[0];
	return false;
}

static void put_key(struct lg_buf *b, const struct lg_row_field *f)
{
	if (b->cap - b->len < sizeof(f->open)) {
		lg_buf_put(b, f->open, f->key_len + 4u);
		return;
	}
	/* all of it, which the compiler does in two moves */
	memcpy(b->p + b->len, f->open, sizeof(f->open));
	b->len += f->key_len + 4u;
}

static void put_field(struct lg_buf *out, const struct lg_row *r, unsigned i,
		      bool plain)
{
	const struct lg_row_field *f = &lg_row_fields[i];

	if (is_left_out(r, f))
		return;
	put_key(out, f);
	if (!i && !out->overflow)
		out->p[out->len - f->key_len - 4] = '{';
	put_value(out, r, f, plain);
}

/* Is the field made of those bytes that a memo compares? */
static bool is_kept(unsigned i)
{
	size_t off = lg_row_fields[i].off;

	return off < sizeof(((struct lg_row_memo *)0)->head) ||
	       (off >= LG_ROW_MEMO_FROM && off < LG_ROW_MEMO_TO);
}

static bool is_known(const struct lg_row_memo *m, const struct lg_row *r)
{
	return m->valid && !memcmp(m->head, r, sizeof(m->head)) &&
	       !memcmp(m->body, (const char *)r + LG_ROW_MEMO_FROM,
		       sizeof(m->body));
}

/* One more run of fields; false when it does not fit. */
static bool keep_run(struct lg_row_memo *m, unsigned next, struct lg_slice text)
{
	if (m->nruns == LG_ROW_MEMO_RUNS || text.len > sizeof(m->text) - m->len)
		return false;
	memcpy(m->text + m->len, text.p, text.len);
	m->len += (uint16_t)text.len;
	m->run[m->nruns].next = (uint16_t)next;
	m->run[m->nruns++].len = (uint16_t)text.len;
	return true;
}

/* The row as it is, without a memo or into an empty one. */
static int put_fields(struct lg_buf *out, const struct lg_row *r, bool plain,
		      struct lg_row_memo *m)
{
	bool keeping = m, kept;
	unsigned i = 0;
	size_t from;

	while (i < lg_row_nfields) {
		from = out->len;
		kept = is_kept(i);
		do
			put_field(out, r, i++, plain);
		while (i < lg_row_nfields && is_kept(i) == kept);
		if (out->overflow)
			return -EMSGSIZE;
		if (keeping && kept)
			keeping = keep_run(m, i,
					   (struct lg_slice){out->p + from,
							     out->len - from});
	}
	if (!keeping)
		return 0;
	memcpy(m->head, r, sizeof(m->head));
	memcpy(m->body, (const char *)r + LG_ROW_MEMO_FROM, sizeof(m->body));
	m->valid = true;
	return 0;
}

static int put_known(struct lg_buf *out, const struct lg_row *r,
		     const struct lg_row_memo *m)
{
	unsigned i = 0, run = 0;
	size_t at = 0;

	while (i < lg_row_nfields) {
		if (run < m->nruns && is_kept(i)) {
			lg_buf_put(out, m->text + at, m->run[run].len);
			at += m->run[run].len;
			i = m->run[run++].next;
		} else {
			put_field(out, r, i++, false);
		}
	}
	return out->overflow ? -EMSGSIZE : 0;
}

static int put_all(struct lg_buf *out, const struct lg_row *r,
		   struct lg_row_memo *m)
{
	if (m && is_known(m, r))
		return put_known(out, r, m);
	if (m) {
		m->valid = false;
		m->nruns = 0;
		m->len = 0;
	}
	return put_fields(out, r, false, m);
}

int lg_row_format_like(const struct lg_row *r, struct lg_row_memo *m,
		       struct lg_buf *out)
{
	static const char hex[] = "0123456789abcdef";
	char tail[LG_ROW_CRC_LEN + 2] = ",\"crc\":\"00000000\"}\n";
	size_t start = out->len;
	uint32_t crc;
	unsigned i;

	if (put_all(out, r, m) ||
	    out->len - start > LG_ROW_LINE_MAX - LG_ROW_CRC_LEN - 1) {
		out->len = start;
		out->overflow = false;
		if (put_fields(out, r, true, NULL))
			return -EMSGSIZE;
	}
	crc = lg_crc32c(0, out->p + start, out->len - start);
	for (i = 0; i < 8; i++, crc <<= 4)
		tail[8 + i] = hex[crc >> 28];
	return lg_buf_put(out, tail, LG_ROW_CRC_LEN + 1) ? -EMSGSIZE : 0;
}

int lg_row_format(const struct lg_row *r, struct lg_buf *out)
{
	return lg_row_format_like(r, NULL, out);
}

/* -- checking a row out of shared memory ---------------------------------- */

bool lg_row_is_sound(const void *p, size_t len)
{
	const struct lg_row *r = p;
	const struct lg_row_field *f;
	const uint8_t *b = p;
	unsigned i;

	if (len != sizeof(*r) || r->size != sizeof(*r) || r->v != 1)
		return false;
	for (i = 0; i < lg_row_nfields; i++) {
		f = &lg_row_fields[i];
		if (f->type == LG_F_ENUM && b[f->off] >= f->cap)
			return false;
		if (f->type >= LG_F_ID && f->type <= LG_F_RAW &&
		    !memchr(b + f->off, 0, f->cap))
			return false;
	}
	return r->id[0] && !(r->flags >> LG_ROW_FLAGS);
}
