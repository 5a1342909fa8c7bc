#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/edge.h"
#include "wire/dns.h"

#define MAX 4

static const char alias[] = "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06"
			    "\x03gpu\xc0\x10";
static const char four[] = "\x03gpu\xc0\x10\x00\x01\x00\x01\x00\x00\x00\x3c"
			   "\x00\x04\x0a\x01\x02\x03";
static const char short_four[] = "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c"
				 "\x00\x03\x0a\x01\x02";
static const char six[] = "\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10"
			  "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1";

struct msg {
	unsigned char q[LG_DNS_QUERY_MAX], a[512];
	size_t qlen, len;
};

static void begin(struct msg *m, unsigned type, unsigned code)
{
	m->qlen = lg_dns_query(LG_SLICE("model.example"), 0xabcd, type, m->q);
	assert_int_equal(m->qlen, 12 + 15 + 4);
	memcpy(m->a, m->q, m->qlen);
	m->a[2] = 0x81;
	m->a[3] = (unsigned char)(0x80 | code);
	m->len = m->qlen;
}

static void add(struct msg *m, const char *record, size_t n)
{
	memcpy(m->a + m->len, record, n);
	m->len += n;
	m->a[7]++;
}

static enum lg_dns_said read_msg(struct msg *m, struct lg_dns_address *out,
				 unsigned *n)
{
	return lg_dns_read(m->a, m->len, m->q, m->qlen, out, MAX, n);
}

static void test_query(void **state)
{
	unsigned char q[LG_DNS_QUERY_MAX];
	char longest[256];
	static const unsigned char want[] = "\x12\x34\x01\x00\x00\x01\x00\x00"
					    "\x00\x00\x00\x00\x01x\x02yz\x00"
					    "\x00\x1c\x00\x01";

	(void)state;
	assert_int_equal(
		lg_dns_query(LG_SLICE("x.yz."), 0x1234, LG_DNS_AAAA, q),
		sizeof(want) - 1);
	assert_memory_equal(q, want, sizeof(want) - 1);
	assert_int_equal(lg_dns_query(LG_SLICE(""), 1, LG_DNS_A, q), 0);
	assert_int_equal(lg_dns_query(LG_SLICE("."), 1, LG_DNS_A, q), 0);
	assert_int_equal(lg_dns_query(LG_SLICE("a..b"), 1, LG_DNS_A, q), 0);
	assert_int_equal(lg_dns_query(LG_SLICE(".a"), 1, LG_DNS_A, q), 0);
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < sizeof(longest); i += 64)
		longest[i] = '.';
	assert_int_equal(
		lg_dns_query((struct lg_slice){longest, 253}, 1, LG_DNS_A, q),
		12 + 255 + 4);
	assert_int_equal(
		lg_dns_query((struct lg_slice){longest, 254}, 1, LG_DNS_A, q),
		0);
	longest[63] = 'a';
	assert_int_equal(
		lg_dns_query((struct lg_slice){longest, 100}, 1, LG_DNS_A, q),
		0);
}

static void test_found(void **state)
{
	struct lg_dns_address out[MAX];
	struct msg m;
	unsigned n;

	(void)state;
	begin(&m, LG_DNS_A, 0);
	add(&m, alias, sizeof(alias) - 1);
	add(&m, six, sizeof(six) - 1);
	add(&m, short_four, sizeof(short_four) - 1);
	add(&m, four, sizeof(four) - 1);
	m.a[13] ^= 0x20; /* the server writes M for m */
	assert_int_equal(read_msg(&m, out, &n), LG_DNS_FOUND);
	assert_int_equal(n, 1);
	assert_int_equal(out[0].len, 4);
	assert_memory_equal(out[0].ip, "\x0a\1\2\3", 4);
	begin(&m, LG_DNS_AAAA, 0);
	for (int i = 0; i < 6; i++)
		add(&m, six, sizeof(six) - 1);
	assert_int_equal(read_msg(&m, out, &n), LG_DNS_FOUND);
	assert_int_equal(n, MAX);
	assert_int_equal(out[3].len, 16);
}

static void test_not(void **state)
{
	static const struct {
		size_t at;
		unsigned char with;
		enum lg_dns_said said;
	} t[] = {
		{0, 0, LG_DNS_OTHER},	    {2, 1, LG_DNS_OTHER},
		{15, 'x', LG_DNS_OTHER},    {3, 0x83, LG_DNS_NONE},
		{3, 0x82, LG_DNS_FAILED},   {3, 0x85, LG_DNS_FAILED},
		{5, 0, LG_DNS_OTHER},	    {5, 2, LG_DNS_OTHER},
		{29 - 1, 28, LG_DNS_OTHER}, {7, 0, LG_DNS_NONE},
	};
	struct lg_dns_address out[MAX];
	struct msg m;
	unsigned n;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		begin(&m, LG_DNS_A, 0);
		add(&m, four, sizeof(four) - 1);
		m.a[t[i].at] = t[i].with;
		assert_int_equal(read_msg(&m, out, &n), t[i].said);
	}
	begin(&m, LG_DNS_A, 0);
	m.a[2] |= 2; /* cut */
	assert_int_equal(read_msg(&m, out, &n), LG_DNS_FAILED);
	begin(&m, LG_DNS_A, 5);
	m.a[5] = 0;
	m.len = 12;
	assert_int_equal(read_msg(&m, out, &n), LG_DNS_FAILED);
}

/* Cut anywhere, and each byte another: what is not there is not read. */
static void test_edges(void **state)
{
	struct lg_dns_address out[MAX];
	struct edge e = edge_new(512);
	struct msg m;
	unsigned n;

	(void)state;
	begin(&m, LG_DNS_A, 0);
	add(&m, alias, sizeof(alias) - 1);
	add(&m, four, sizeof(four) - 1);
	for (size_t i = 0; i <= m.len; i++) {
		enum lg_dns_said s = lg_dns_read(edge_put(&e, m.a, i), i, m.q,
						 m.qlen, out, MAX, &n);

		assert_int_equal(s, i == m.len	 ? LG_DNS_FOUND
				    : i < m.qlen ? LG_DNS_OTHER
						 : LG_DNS_NONE);
	}
	for (size_t i = 0; i < m.len; i++)
		for (unsigned v = 0; v < 256; v++) {
			unsigned char was = m.a[i];

			m.a[i] = (unsigned char)v;
			lg_dns_read(edge_put(&e, m.a, m.len), m.len, m.q,
				    m.qlen, out, MAX, &n);
			assert_true(n <= MAX);
			m.a[i] = was;
		}
	edge_del(&e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_not),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
