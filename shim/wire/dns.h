#ifndef LG_WIRE_DNS_H
#define LG_WIRE_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * As much of DNS (RFC 1035, AAAA: RFC 3596) as it takes to ask a recursive
 * server for the addresses of a name. Bytes only; all that came is untrusted.
 * Any thread, no allocation, bounded by the message's length.
 */
#define LG_DNS_QUERY_MAX 272 /* a header, the longest name, type and class */
#define LG_DNS_ANSWER_MAX 1232

enum { LG_DNS_A = 1, LG_DNS_AAAA = 28 };

struct lg_dns_address {
	uint8_t len; /* 4 or 16 */
	unsigned char ip[16];
};

/*
 * The query for name's addresses of a type, with a random id. Its length; 0:
 * that is no name (a label of 1 to 63 bytes, 253 in all; a dot at the end is
 * left out).
 */
size_t lg_dns_query(struct lg_slice name, uint16_t id, unsigned type,
		    unsigned char out[LG_DNS_QUERY_MAX]);

enum lg_dns_said {
	LG_DNS_FOUND,  /* there are addresses */
	LG_DNS_NONE,   /* there is no such name, or it has none */
	LG_DNS_FAILED, /* ask another server */
	LG_DNS_OTHER,  /* this answers another query, or is none at all */
};

/*
 * What the answer p says to the query q; found addresses go to out[0..max),
 * *n of them.
 */
enum lg_dns_said lg_dns_read(const void *p, size_t len, const void *q,
			     size_t qlen, struct lg_dns_address *out,
			     unsigned max, unsigned *n);

#endif
