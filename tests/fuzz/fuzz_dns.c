/* Answers to a DNS query: nothing read beyond, no more addresses than fit. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char q[LG_DNS_QUERY_MAX];
	struct lg_dns_address out[4];
	size_t qlen, name = size ? data[0] % 40 : 0;
	enum lg_dns_said said;
	unsigned n;

	if (size < 1 + name)
		return 0;
	qlen = lg_dns_query((struct lg_slice){(const char *)data + 1, name},
			    0x1234, size & 1 ? LG_DNS_A : LG_DNS_AAAA, q);
	if (qlen > sizeof(q))
		abort();
	said = lg_dns_read(data, size, q, qlen, out, 4, &n);
	if (n > 4 || (said == LG_DNS_FOUND) != (n > 0))
		abort();
	return 0;
}
