#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "config/conf.h"

#define ENTRIES_MAX 256
#define PER_ENTRY 3 /* localhost: its name and two nets */
#define BITS 128
#define BITS_V4_OFF 96 /* of an IPv4 address in IPv6's form */

static const char allowed[] =
	"allowed: a host (* and ? match), an address, or a net like 10.0.0.0/8;"
	" each with :port, or without";

/* Split "host:port", "[addr]:port", "[net/8]:port". False: no such port. */
static bool split_port(struct lg_slice *host, uint16_t *port)
{
	struct lg_slice s = *host, digits;
	const char *colon = s.len ? memrchr(s.p, ':', s.len) : NULL;
	const char *close = s.len ? memrchr(s.p, ']', s.len) : NULL;
	uint64_t n;

	*port = 0;
	/* a bare IPv6 address has more colons than one */
	if (colon && (close ? colon < close
			    : memchr(s.p, ':', (size_t)(colon - s.p)) != NULL))
		colon = NULL;
	if (colon) {
		digits.p = colon + 1;
		digits.len = s.len - (size_t)(digits.p - s.p);
		if (lg_slice_u64(digits, &n) || !n || n > 65535)
			return false;
		*port = (uint16_t)n;
		s.len = (size_t)(colon - s.p);
	}
	if (close) {
		if (s.p[0] != '[' || close != s.p + s.len - 1)
			return false;
		s = (struct lg_slice){s.p + 1, s.len - 2};
	}
	*host = s;
	return s.len != 0;
}

/* Is it an address or a net? -EINVAL: one with a wrong length. */
static int read_net(struct lg_slice s, struct lg_img_plain *e)
{
	struct lg_slice addr, rest = lg_slice_cut(s, '/', &addr);
	char text[64];
	uint64_t bits;
	unsigned off = 0;

	if (addr.len >= sizeof(text))
		return 0;
	lg_slice_copy(addr, text, sizeof(text));
	if (inet_pton(AF_INET, text, e->addr + 12) == 1) {
		off = BITS_V4_OFF;
		e->addr[10] = e->addr[11] = 0xff;
	} else if (inet_pton(AF_INET6, text, e->addr) != 1) {
		memset(e->addr, 0, sizeof(e->addr));
		return addr.len < s.len ? -EINVAL : 0;
	}
	e->bits = BITS;
	if (addr.len == s.len)
		return 1;
	if (lg_slice_u64(rest, &bits) || bits > BITS - off)
		return -EINVAL;
	e->bits = (uint8_t)(bits + off);
	return 1;
}

static int read_name(struct lg_conf *c, const struct lg_yaml *v,
		     struct lg_slice s, struct lg_img_plain *e)
{
	char low[LG_CONF_NAME_MAX];
	const char *why = lg_conf_glob_why(s);

	if (why)
		return lg_conf_fail(c, v, why);
	lg_slice_copy(s, low, sizeof(low));
	for (char *p = low; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	if (strpbrk(low, " /:@[]"))
		return lg_conf_fail(c, v, allowed);
	e->pattern = lg_build_text(&c->b, lg_slice_str(low));
	return 0;
}

/* Programs that say localhost in their requests, and those that do not. */
static unsigned add_loopback(struct lg_img_plain *e)
{
	static const char *const nets[] = {"127.0.0.0/8", "::1"};
	unsigned i;

	for (i = 0; i < 2; i++) {
		e[i + 1].port = e->port;
		(void)read_net(lg_slice_str(nets[i]), &e[i + 1]);
	}
	return 2;
}

static int one_entry(struct lg_conf *c, const struct lg_yaml *v,
		     struct lg_img_plain *e, unsigned *n)
{
	struct lg_slice s = v->text;
	int r;

	if (v->kind != LG_YAML_SCALAR || !s.len || s.len >= LG_CONF_NAME_MAX ||
	    !split_port(&s, &e->port))
		return lg_conf_fail(c, v, allowed);
	r = read_net(s, e);
	if (r < 0)
		return lg_conf_fail(c, v, allowed);
	if (!r && (r = read_name(c, v, s, e)))
		return r;
	*n += 1;
	if (lg_slice_ieq(s, LG_SLICE("localhost")))
		*n += add_loopback(e);
	return 0;
}

int lg_conf_plain(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_img_plain *e;
	const size_t cap = v->n * (size_t)PER_ENTRY;
	unsigned n = 0;
	int err = 0;

	(void)dst;
	if (v->kind != LG_YAML_LIST || v->n > ENTRIES_MAX)
		return lg_conf_fail(c, v,
				    "must be a list of at most 256 hosts, "
				    "like [\"localhost:11434\"]");
	if (!v->n)
		return 0;
	e = lg_mem_alloc(cap * sizeof(*e));
	if (!e)
		return -ENOMEM;
	for (v = v->child; v && !err; v = v->next)
		err = one_entry(c, v, &e[n], &n);
	if (!err)
		c->plain = lg_build_array(&c->b, e, n, sizeof(*e));
	lg_mem_free(e, cap * sizeof(*e));
	return err;
}
