#include "wire/content_layer.h"

#include <errno.h>
#include <zlib.h>

#include "base/mem.h"

#define FEED_MAX ((size_t)1 << 30)

struct inflater {
	z_stream z;
	bool ready;		/* inflateInit2 was called */
	unsigned char first[2]; /* of deflate: tells zlib from raw */
	unsigned nfirst;
};

static void *z_alloc(void *opaque, unsigned items, unsigned size)
{
	size_t n;

	if (__builtin_mul_overflow((size_t)items, (size_t)size, &n))
		return NULL;
	return lg_layer_alloc(opaque, n);
}

static int start(struct inflater *f, int window_bits)
{
	int z = inflateInit2(&f->z, window_bits);

	f->ready = z == Z_OK;
	if (f->ready)
		return 0;
	return z == Z_MEM_ERROR ? -ENOMEM : -EPROTO;
}

static int open_any(struct lg_layer *l)
{
	struct inflater *f = lg_mem_alloc(sizeof(*f));

	l->state = f;
	if (!f)
		return -ENOMEM;
	f->z.zalloc = z_alloc;
	f->z.zfree = lg_layer_free;
	return 0;
}

static int open_gzip(struct lg_layer *l)
{
	int err = open_any(l);

	return err ? err : start(l->state, 16 + MAX_WBITS);
}

/* After a member's end another may follow (RFC 1952 2.2), or zeros. */
static int next_member(struct lg_layer *l, z_stream *z)
{
	while (z->avail_in && *z->next_in == 0) {
		z->next_in++;
		z->avail_in--;
	}
	if (!z->avail_in)
		return 0;
	if (l->ops != &lg_layer_gzip || inflateReset(z) != Z_OK)
		return -EPROTO;
	l->ended = false;
	return 0;
}

static int inflate_some(struct lg_layer *l, const void *p, size_t len)
{
	z_stream *z = &((struct inflater *)l->state)->z;
	int got, err = 0;

	/* z_stream has no const; zlib does not write to its input */
	z->next_in = (unsigned char *)(uintptr_t)p;
	z->avail_in = (unsigned)len;
	do {
		if (l->ended) {
			err = next_member(l, z);
			if (err || !z->avail_in)
				return err;
		}
		z->next_out = l->buf;
		z->avail_out = LG_LAYER_OUT;
		got = inflate(z, Z_NO_FLUSH);
		if (got == Z_MEM_ERROR)
			return -ENOMEM;
		if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR)
			return -EPROTO;
		err = lg_layer_out(l, LG_LAYER_OUT - z->avail_out);
		l->ended = got == Z_STREAM_END;
	} while (!err && (z->avail_in || !z->avail_out) && got != Z_BUF_ERROR);
	return err;
}

/*
 * "deflate" means zlib (RFC 9110 8.4.1.2), but some send it raw. The first two
 * bytes tell: a zlib header's are a multiple of 31 (RFC 1950 2.2).
 */
static int sniff(struct lg_layer *l, const char **p, size_t *len)
{
	struct inflater *f = l->state;
	unsigned head;
	int err;

	while (f->nfirst < 2 && *len) {
		f->first[f->nfirst++] = (unsigned char)*(*p)++;
		--*len;
	}
	if (f->nfirst < 2)
		return 0;
	head = f->first[0] << 8 | f->first[1];
	err = start(f, (f->first[0] & 15) == 8 && head % 31 == 0 ? MAX_WBITS
								 : -MAX_WBITS);
	return err ? err : inflate_some(l, f->first, 2);
}

static int feed(struct lg_layer *l, const char *p, size_t len)
{
	struct inflater *f = l->state;
	int err = f->ready ? 0 : sniff(l, &p, &len);
	size_t n;

	for (; len && !err; p += n, len -= n) {
		n = len < FEED_MAX ? len : FEED_MAX;
		err = inflate_some(l, p, n);
	}
	return err;
}

static void close_any(struct lg_layer *l)
{
	struct inflater *f = l->state;

	if (f && f->ready)
		inflateEnd(&f->z);
	lg_mem_free(f, sizeof(*f));
}

const struct lg_layer_ops lg_layer_gzip = {"gzip", open_gzip, feed, close_any};
const struct lg_layer_ops lg_layer_deflate = {"deflate", open_any, feed,
					      close_any};
