#include "wire/content.h"

#include <errno.h>

#include "base/mem.h"
#include "wire/content_layer.h"

#define LAYERS_MAX 3
#define DECODED_MAX ((uint64_t)256 << 20)
#define RATIO_FREE ((uint64_t)1 << 20)
#define RATIO_MAX 1000
#define BLOCK_HEAD 16

struct lg_content {
	lg_content_fn *fn;
	void *ctx;
	struct lg_layer *first; /* the outermost coding */
	uint64_t in;		/* bytes as they came */
	int err;		/* sticky */
};

static const struct {
	struct lg_slice name;
	const struct lg_layer_ops *ops;
} codings[] = {
	{{"gzip", 4}, &lg_layer_gzip}, {{"x-gzip", 6}, &lg_layer_gzip},
	{{"br", 2}, &lg_layer_brotli}, {{"deflate", 7}, &lg_layer_deflate},
	{{"zstd", 4}, &lg_layer_zstd},
};

void *lg_layer_alloc(void *opaque, size_t size)
{
	size_t n;
	char *p;

	(void)opaque;
	if (__builtin_add_overflow(size, (size_t)BLOCK_HEAD, &n))
		return NULL;
	p = lg_mem_take(n);
	if (!p)
		return NULL;
	*(size_t *)(void *)p = n;
	return p + BLOCK_HEAD;
}

void lg_layer_free(void *opaque, void *block)
{
	char *p = block;

	(void)opaque;
	if (!p)
		return;
	p -= BLOCK_HEAD;
	lg_mem_free(p, *(size_t *)(void *)p);
}

/* -- the layers ------------------------------------------------------------ */

static const struct lg_layer_ops *ops_of(struct lg_slice name)
{
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
		if (lg_slice_ieq(name, codings[i].name))
			return codings[i].ops;
	return NULL;
}

/* In front of the others: what was applied last is undone first. */
static int push(struct lg_content *c, const struct lg_layer_ops *ops)
{
	struct lg_layer *l = lg_mem_take(sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->ops = ops;
	l->content = c;
	l->next = c->first;
	l->state = NULL;
	l->out = 0;
	l->fed = l->ended = l->in_frame = false;
	c->first = l;
	return ops->open(l);
}

/* How many codings the list names; -ENOTSUP for others or too many. */
static int count_layers(struct lg_slice list)
{
	struct lg_slice one;
	int n = 0;

	while (list.len) {
		list = lg_slice_cut(list, ',', &one);
		one = lg_slice_trim(one);
		if (one.len == 0 || lg_slice_ieq(one, LG_SLICE("identity")))
			continue;
		if (n++ == LAYERS_MAX || !ops_of(one))
			return -ENOTSUP;
	}
	return n;
}

static int push_all(struct lg_content *c, struct lg_slice list)
{
	const struct lg_layer_ops *ops;
	struct lg_slice one;
	int err = 0;

	while (list.len && !err) {
		list = lg_slice_cut(list, ',', &one);
		ops = ops_of(lg_slice_trim(one));
		if (ops)
			err = push(c, ops);
	}
	return err;
}

int lg_content_new(struct lg_slice coding, lg_content_fn *fn, void *ctx,
		   struct lg_content **out)
{
	struct lg_content *c;
	int n = count_layers(coding), err;

	if (n < 0)
		return n;
	*out = NULL;
	if (!n)
		return 0;
	c = lg_mem_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fn = fn;
	c->ctx = ctx;
	err = push_all(c, coding);
	if (err) {
		lg_content_del(c);
		return err;
	}
	*out = c;
	return 0;
}

void lg_content_del(struct lg_content *c)
{
	struct lg_layer *l, *next;

	if (!c)
		return;
	for (l = c->first; l; l = next) {
		next = l->next;
		l->ops->close(l);
		lg_mem_free(l, sizeof(*l));
	}
	lg_mem_free(c, sizeof(*c));
}

/* -- the bytes ------------------------------------------------------------- */

static int feed(struct lg_layer *l, const char *p, size_t n)
{
	l->fed |= n > 0;
	return l->ops->feed(l, p, n);
}

int lg_layer_out(struct lg_layer *l, size_t n)
{
	struct lg_content *c = l->content;

	if (n == 0)
		return 0;
	l->out += n;
	if (l->out > DECODED_MAX ||
	    (l->out > RATIO_FREE && l->out / RATIO_MAX > c->in))
		return -EMSGSIZE;
	if (l->next)
		return feed(l->next, (const char *)l->buf, n);
	c->fn(c->ctx, (const char *)l->buf, n);
	return 0;
}

int lg_content_feed(struct lg_content *c, const char *p, size_t len)
{
	if (c->err)
		return c->err;
	c->in += len;
	c->err = feed(c->first, p, len);
	return c->err;
}

int lg_content_end(struct lg_content *c)
{
	for (struct lg_layer *l = c->first; l; l = l->next)
		if (!c->err && !l->ended && l->fed)
			c->err = -EPROTO;
	return c->err;
}
