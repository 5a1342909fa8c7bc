#include "wire/dns.h"

#include <string.h>

#define HEADER 12
#define NAME_MAX_LEN 253
#define LABEL_MAX 63
#define IS_ANSWER 0x80
#define IS_CUT 0x02
#define RECORDS_MAX 64

struct reader {
	const unsigned char *p;
	size_t len, at;
};

static unsigned u16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static size_t put_u16(unsigned char *p, unsigned v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
	return 2;
}

static size_t put_name(struct lg_slice name, unsigned char *out)
{
	size_t at = 0;

	while (name.len) {
		struct lg_slice label, rest = lg_slice_cut(name, '.', &label);

		if (!label.len || label.len > LABEL_MAX)
			return 0;
		out[at++] = (unsigned char)label.len;
		memcpy(out + at, label.p, label.len);
		at += label.len;
		name = rest;
	}
	out[at++] = 0;
	return at;
}

size_t lg_dns_query(struct lg_slice name, uint16_t id, unsigned type,
		    unsigned char out[LG_DNS_QUERY_MAX])
{
	size_t at, n;

	if (name.len && name.p[name.len - 1] == '.')
		name.len--;
	if (!name.len || name.len > NAME_MAX_LEN)
		return 0;
	memset(out, 0, HEADER);
	put_u16(out, id);
	out[2] = 1; /* recursion, please */
	out[5] = 1; /* one question */
	n = put_name(name, out + HEADER);
	if (n < 2)
		return 0;
	at = HEADER + n;
	at += put_u16(out + at, type);
	return at + put_u16(out + at, 1);
}

/* A name, perhaps ending in a pointer (RFC 1035 4.1.4); false: cut. */
static bool skip_name(struct reader *r)
{
	while (r->at < r->len) {
		unsigned n = r->p[r->at++];

		if (!n)
			return true;
		if (n >= 0xc0)
			return r->at++ < r->len;
		if (n > LABEL_MAX || n > r->len - r->at)
			return false;
		r->at += n;
	}
	return false;
}

/* The next record's type, class 1 alone (else 0), and data. */
static bool next_record(struct reader *r, unsigned *type, struct lg_slice *data)
{
	size_t n;

	if (!skip_name(r) || r->len - r->at < 10)
		return false;
	*type = u16(r->p + r->at + 2) == 1 ? u16(r->p + r->at) : 0;
	n = u16(r->p + r->at + 8);
	r->at += 10;
	if (n > r->len - r->at)
		return false;
	*data = (struct lg_slice){(const char *)r->p + r->at, n};
	r->at += n;
	return true;
}

/* The names are the server's chain of aliases: it was asked to follow it. */
static void read_records(struct reader *r, unsigned count, unsigned type,
			 struct lg_dns_address *out, unsigned max, unsigned *n)
{
	size_t want = type == LG_DNS_A ? 4 : 16;
	struct lg_slice data;
	unsigned t;

	while (count-- && *n < max && next_record(r, &t, &data))
		if (t == type && data.len == want) {
			out[*n].len = (uint8_t)want;
			memcpy(out[(*n)++].ip, data.p, want);
		}
}

static unsigned char folded(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Servers repeat the question; some fold its letters. */
static bool is_same_question(const unsigned char *a, const unsigned char *q,
			     size_t n)
{
	for (size_t i = HEADER; i < n; i++)
		if (folded(a[i]) != folded(q[i]))
			return false;
	return true;
}

enum lg_dns_said lg_dns_read(const void *p, size_t len, const void *q,
			     size_t qlen, struct lg_dns_address *out,
			     unsigned max, unsigned *n)
{
	const unsigned char *a = p, *asked = q;
	struct reader r = {a, len, qlen};
	unsigned count, code;

	*n = 0;
	if (len < HEADER || qlen < HEADER + 5 || memcmp(a, asked, 2) != 0 ||
	    !(a[2] & IS_ANSWER))
		return LG_DNS_OTHER;
	code = a[3] & 15;
	/* some leave the question out when they refuse */
	if (u16(a + 4) != 1)
		return code ? LG_DNS_FAILED : LG_DNS_OTHER;
	if (len < qlen || !is_same_question(a, asked, qlen))
		return LG_DNS_OTHER;
	if (code == 3)
		return LG_DNS_NONE;
	if (code)
		return LG_DNS_FAILED;
	count = u16(a + 6);
	read_records(&r, count < RECORDS_MAX ? count : RECORDS_MAX,
		     u16(asked + qlen - 4), out, max, n);
	if (*n)
		return LG_DNS_FOUND;
	return a[2] & IS_CUT ? LG_DNS_FAILED : LG_DNS_NONE;
}
