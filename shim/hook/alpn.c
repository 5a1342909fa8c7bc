#include "hook/alpn.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define LIST_MAX 1024

static struct lg_alpn *copy(const unsigned char *p, unsigned len)
{
	struct lg_alpn *a = NULL;
	int err = errno;

	if (p && len && len <= LIST_MAX)
		a = lg_mem_alloc(sizeof(*a) + len);
	if (a) {
		a->len = len;
		memcpy(a->list, p, len);
	}
	errno = err;
	return a;
}

void lg_alpn_free(struct lg_alpn *a)
{
	int err = errno;

	if (a)
		lg_mem_free(a, sizeof(*a) + a->len);
	errno = err;
}

void lg_alpn_remember(struct lg_conn *c, const unsigned char *p, unsigned len)
{
	lg_alpn_free(c->alpn);
	c->alpn = copy(p, len);
}

void lg_alpn_remember_ctx(struct lg_tls *t, SSL_CTX *ctx,
			  const unsigned char *p, unsigned len)
{
	struct lg_alpn *old, *a;

	if (!lg_hook_is_on || !lg_conn_indexed(t))
		return;
	a = copy(p, len);
	old = t->SSL_CTX_get_ex_data(ctx, t->ctx_idx);
	if (!a && !old)
		return;
	t->ERR_set_mark();
	if (t->SSL_CTX_set_ex_data(ctx, t->ctx_idx, a))
		lg_alpn_free(old);
	else
		lg_alpn_free(a);
	t->ERR_pop_to_mark();
}

unsigned lg_alpn_strip(const unsigned char *list, unsigned len,
		       unsigned char *out)
{
	unsigned i, n = 0, size;

	for (i = 0; i < len; i += size) {
		size = list[i] + 1u;
		if (size > len - i)
			return len;
		if (size == 3 && !memcmp(list + i + 1, "h2", 2))
			continue;
		memcpy(out + n, list + i, size);
		n += size;
	}
	return n ? n : len;
}

void lg_alpn_without_h2(struct lg_conn *c, SSL *s)
{
	struct lg_tls *t = c->tls;
	struct lg_engine *e = lg_conn_engine();
	unsigned char out[LIST_MAX];
	struct lg_alpn *a = c->alpn;
	unsigned n;

	if (!e || lg_engine_http2(e) == LG_HTTP2_NATIVE || !t->SSL_in_before(s))
		return;
	if (!a)
		a = t->SSL_CTX_get_ex_data(t->SSL_get_SSL_CTX(s), t->ctx_idx);
	if (!a)
		return;
	n = lg_alpn_strip(a->list, a->len, out);
	if (n == a->len)
		return;
	t->ERR_set_mark();
	(void)t->SSL_set_alpn_protos(s, out, n);
	t->ERR_pop_to_mark();
}
