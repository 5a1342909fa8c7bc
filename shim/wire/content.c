#include "wire/content.h"

#include <errno.h>
#include <stdint.h>
#include <zlib.h>

#include "base/mem.h"

#define OUT_SIZE 8192
#define DECODED_MAX ((uint64_t)256 << 20)
#define RATIO_FREE ((uint64_t)1 << 20)
#define RATIO_MAX 1000
#define BLOCK_HEAD 16

enum coding { CODING_GZIP, CODING_DEFLATE };

struct lg_content {
	lg_content_fn *fn;
	void *ctx;
	z_stream z;
	enum coding coding;
	int err;		/* sticky */
	bool ready;		/* the inflater is set up */
	bool ended;		/* the end of a member was seen */
	unsigned char first[2]; /* of deflate: tells zlib from raw */
	unsigned nfirst;
	uint64_t in, out;
	unsigned char buf[OUT_SIZE];
};

/* zlib frees without a size: it stands before the block. */
static void *z_alloc(void *opaque, unsigned items, unsigned size)
{
	size_t n;
	char *p;

	(void)opaque;
	if (__builtin_mul_overflow((size_t)items, (size_t)size, &n) ||
	    __builtin_add_overflow(n, (size_t)BLOCK_HEAD, &n))
		return NULL;
	p = lg_mem_alloc(n);
	if (!p)
		return NULL;
	*(size_t *)(void *)p = n;
	return p + BLOCK_HEAD;
}

static void z_free(void *opaque, void *block)
{
	char *p = (char *)block - BLOCK_HEAD;

	(void)opaque;
	lg_mem_free(p, *(size_t *)(void *)p);
}

/* The layer's name; false: not one that is known. */
static bool coding_of(struct lg_slice s, enum coding *out)
{
	if (lg_slice_ieq(s, LG_SLICE("gzip")) ||
	    lg_slice_ieq(s, LG_SLICE("x-gzip")))
		*out = CODING_GZIP;
	else if (lg_slice_ieq(s, LG_SLICE("deflate")))
		*out = CODING_DEFLATE;
	else
		return false;
	return true;
}

static int start(struct lg_content *c, int window_bits)
{
	int z = inflateInit2(&c->z, window_bits);

	c->ready = z == Z_OK;
	if (c->ready)
		return 0;
	return z == Z_MEM_ERROR ? -ENOMEM : -EPROTO;
}

/*
 * The list's single layer that is not identity: 0 with *found, -ENOTSUP for
 * another coding or for two layers.
 */
static int find_layer(struct lg_slice list, enum coding *out, bool *found)
{
	struct lg_slice one;

	*found = false;
	while (list.len) {
		list = lg_slice_cut(list, ',', &one);
		one = lg_slice_trim(one);
		if (one.len == 0 || lg_slice_ieq(one, LG_SLICE("identity")))
			continue;
		if (*found || !coding_of(one, out))
			return -ENOTSUP;
		*found = true;
	}
	return 0;
}

int lg_content_new(struct lg_slice coding, lg_content_fn *fn, void *ctx,
		   struct lg_content **out)
{
	struct lg_content *c;
	enum coding layer = CODING_GZIP;
	bool found;
	int err = find_layer(coding, &layer, &found);

	if (err)
		return err;
	if (!found) {
		*out = NULL;
		return 0;
	}
	c = lg_mem_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fn = fn;
	c->ctx = ctx;
	c->coding = layer;
	c->z.zalloc = z_alloc;
	c->z.zfree = z_free;
	if (layer == CODING_GZIP) {
		err = start(c, 16 + MAX_WBITS);
		if (err) {
			lg_content_del(c);
			return err;
		}
	}
	*out = c;
	return 0;
}

static int deliver(struct lg_content *c, size_t n)
{
	if (n == 0)
		return 0;
	c->out += n;
	if (c->out > DECODED_MAX ||
	    (c->out > RATIO_FREE && c->out / RATIO_MAX > c->in))
		return -EMSGSIZE;
	c->fn(c->ctx, (const char *)c->buf, n);
	return 0;
}

/* After a member's end another may follow (RFC 1952 2.2), or zeros. */
static int next_member(struct lg_content *c)
{
	while (c->z.avail_in && *c->z.next_in == 0) {
		c->z.next_in++;
		c->z.avail_in--;
	}
	if (!c->z.avail_in)
		return 0;
	if (c->coding != CODING_GZIP || inflateReset(&c->z) != Z_OK)
		return -EPROTO;
	c->ended = false;
	return 0;
}

static int inflate_some(struct lg_content *c, const void *p, size_t len)
{
	int z, err = 0;

	/* z_stream has no const; zlib does not write to its input */
	c->z.next_in = (unsigned char *)(uintptr_t)p;
	c->z.avail_in = (unsigned)len;
	do {
		if (c->ended) {
			err = next_member(c);
			if (err || !c->z.avail_in)
				return err;
		}
		c->z.next_out = c->buf;
		c->z.avail_out = OUT_SIZE;
		z = inflate(&c->z, Z_NO_FLUSH);
		if (z == Z_MEM_ERROR)
			return -ENOMEM;
		if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
			return -EPROTO;
		err = deliver(c, OUT_SIZE - c->z.avail_out);
		c->ended = z == Z_STREAM_END;
	} while (!err && (c->z.avail_in || !c->z.avail_out) &&
		 z != Z_BUF_ERROR);
	return err;
}

/*
 * "deflate" means zlib (RFC 9110 8.4.1.2), but some send it raw. The first two
 * bytes tell: a zlib header's are a multiple of 31 (RFC 1950 2.2).
 */
static int sniff(struct lg_content *c, const char **p, size_t *len)
{
	unsigned head;
	int err;

	while (c->nfirst < 2 && *len) {
		c->first[c->nfirst++] = (unsigned char)*(*p)++;
		--*len;
	}
	if (c->nfirst < 2)
		return 0;
	head = c->first[0] << 8 | c->first[1];
	err = start(c, (c->first[0] & 15) == 8 && head % 31 == 0 ? MAX_WBITS
								 : -MAX_WBITS);
	return err ? err : inflate_some(c, c->first, 2);
}

int lg_content_feed(struct lg_content *c, const char *p, size_t len)
{
	size_t n;

	if (c->err)
		return c->err;
	c->in += len;
	if (!c->ready)
		c->err = sniff(c, &p, &len);
	for (; len && !c->err; p += n, len -= n) {
		n = len < (size_t)1 << 30 ? len : (size_t)1 << 30;
		c->err = inflate_some(c, p, n);
	}
	return c->err;
}

int lg_content_end(struct lg_content *c)
{
	if (!c->err && !c->ended && c->in)
		c->err = -EPROTO;
	return c->err;
}

void lg_content_del(struct lg_content *c)
{
	if (!c)
		return;
	if (c->ready)
		inflateEnd(&c->z);
	lg_mem_free(c, sizeof(*c));
}
