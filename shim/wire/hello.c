#include "wire/hello.h"

#include <stdint.h>

struct reader {
	const unsigned char *p;
	size_t left;
	bool bad;
};

static unsigned number(struct reader *r, unsigned bytes)
{
	unsigned v = 0;

	if (r->left < bytes) {
		r->bad = true;
		r->left = 0;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | *r->p++;
	r->left -= bytes;
	return v;
}

static void skip(struct reader *r, size_t n)
{
	if (r->left < n) {
		r->bad = true;
		n = r->left;
	}
	r->p += n;
	r->left -= n;
}

bool lg_hello_is_tls(const void *p, size_t n)
{
	const unsigned char *b = p;

	return n >= 6 && b[0] == 22 && b[1] == 3 && b[5] == 1;
}

bool lg_hello_is_http(const void *p, size_t n)
{
	static const char *const word[] = {"GET ",    "POST ",	  "HEAD ",
					   "PUT ",    "DELETE ",  "PATCH ",
					   "OPTIONS", "CONNECT ", "PRI * "};
	struct lg_slice s = {p, n};

	for (unsigned i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		if (lg_slice_starts(s, lg_slice_str(word[i])))
			return true;
	return false;
}

/* server_name: a list of {type, length, name}; type 0 is a host's. */
static bool read_names(struct reader *r, struct lg_slice *out)
{
	unsigned type, len;

	skip(r, 2);
	while (!r->bad && r->left) {
		type = number(r, 1);
		len = number(r, 2);
		if (r->bad || len > r->left)
			return false;
		if (!type) {
			*out = (struct lg_slice){(const char *)r->p, len};
			return len > 0;
		}
		skip(r, len);
	}
	return false;
}

bool lg_hello_name(const void *p, size_t n, struct lg_slice *out)
{
	struct reader r = {p, n, false};
	unsigned type, len;

	if (!lg_hello_is_tls(p, n))
		return false;
	skip(&r, 5 + 4 + 2 + 32); /* record, message, version, random */
	skip(&r, number(&r, 1));  /* session */
	skip(&r, number(&r, 2));  /* ciphers */
	skip(&r, number(&r, 1));  /* compression */
	skip(&r, 2);		  /* length of the extensions */
	while (!r.bad && r.left) {
		type = number(&r, 2);
		len = number(&r, 2);
		if (r.bad || len > r.left)
			return false;
		if (!type) {
			r.left = len;
			return read_names(&r, out);
		}
		skip(&r, len);
	}
	return false;
}
