#include "hook/alpn.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
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

void lg_alpn_remember(struct lg_ssl *c, const unsigned char *p, unsigned len)
{
	lg_alpn_free(c->alpn);
	c->alpn = copy(p, len);
}

static bool is_same(const struct lg_alpn *a, const unsigned char *p,
		    unsigned len)
{
	return a->len == len && !memcmp(a->list, p, len);
}

/*
 * Connections point into a context's lists, and some programs set the same
 * list before each connection: a list stays as long as its context, and is
 * kept once.
 */
static struct lg_alpn *keep(struct lg_alpn_set *set, const unsigned char *p,
			    unsigned len)
{
	struct lg_alpn *a = lg_load_acquire(&set->all);

	for (; a; a = a->next)
		if (is_same(a, p, len))
			return a;
	a = copy(p, len);
	if (!a)
		return NULL;
	a->next = lg_load_acquire(&set->all);
	while (!lg_cas_seq(&set->all, &a->next, a))
		;
	return a;
}

static struct lg_alpn_set *set_of(struct lg_tls *t, SSL_CTX *ctx, bool make)
{
	struct lg_alpn_set *set = t->SSL_CTX_get_ex_data(ctx, t->ctx_idx);
	int err = errno;

	if (set || !make)
		return set;
	set = lg_mem_alloc(sizeof(*set));
	errno = err;
	if (!set)
		return NULL;
	t->ERR_set_mark();
	if (!t->SSL_CTX_set_ex_data(ctx, t->ctx_idx, set)) {
		lg_mem_free(set, sizeof(*set));
		set = NULL;
	}
	t->ERR_pop_to_mark();
	return set;
}

void lg_alpn_free_set(struct lg_alpn_set *set)
{
	struct lg_alpn *a = set ? set->all : NULL, *next;

	for (; a; a = next) {
		next = a->next;
		lg_alpn_free(a);
	}
	lg_mem_free(set, sizeof(*set));
}

void lg_alpn_remember_ctx(struct lg_tls *t, SSL_CTX *ctx,
			  const unsigned char *p, unsigned len)
{
	bool some = p && len && len <= LIST_MAX;
	struct lg_alpn_set *set;

	if (!lg_hook_is_on || !lg_ssl_indexed(t))
		return;
	set = set_of(t, ctx, some);
	if (set)
		lg_store_release(&set->now, some ? keep(set, p, len) : NULL);
}

const struct lg_alpn *lg_alpn_of_ctx(struct lg_tls *t, SSL_CTX *ctx)
{
	struct lg_alpn_set *set = set_of(t, ctx, false);

	return set ? lg_load_acquire(&set->now) : NULL;
}

static unsigned strip(const unsigned char *list, unsigned len,
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
	return n;
}

unsigned lg_alpn_for(struct lg_engine *e, const unsigned char *list,
		     unsigned len, unsigned char *out)
{
	enum lg_http2 how = lg_engine_http2(e);
	unsigned n = how == LG_HTTP2_NATIVE ? len : strip(list, len, out);

	/* who offers nothing else is guarded in it, or shall not speak it */
	if (n < len && (n || how == LG_HTTP2_OFF))
		return n;
	memcpy(out, list, len);
	return len;
}

void lg_alpn_without_h2(struct lg_ssl *c)
{
	struct lg_tls *t = c->tls;
	SSL *s = c->conn.handle;
	struct lg_engine *e = lg_conn_engine();
	unsigned char out[LIST_MAX];
	const struct lg_alpn *a = c->alpn ? c->alpn : c->ctx_alpn;
	unsigned n;

	if (!e || !a || !lg_ssl_in_before(t, s))
		return;
	n = lg_alpn_for(e, a->list, a->len, out);
	if (n == a->len)
		return;
	t->ERR_set_mark();
	(void)t->SSL_set_alpn_protos(s, out, n);
	t->ERR_pop_to_mark();
}
