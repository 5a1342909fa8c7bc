#include "wire/hpack.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/mem.h"

#define TABLE_MAX 4194304 /* entries take memory only as they come */
#define FIELD_OVERHEAD 32
#define BLOCK_MAX ((size_t)1 << 20)

/* -- memory: sizes stand before the blocks --------------------------------- */

union block {
	size_t size;
	char align[16];
};

static void *take(size_t size, void *user)
{
	union block *b;

	(void)user;
	if (size > BLOCK_MAX)
		return NULL;
	b = lg_mem_alloc(sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	return b + 1;
}

static void give(void *p, void *user)
{
	union block *b = p;

	(void)user;
	if (b--)
		lg_mem_free(b, sizeof(*b) + b->size);
}

static void *take_zero(size_t n, size_t size, void *user)
{
	return size && n > BLOCK_MAX / size ? NULL : take(n * size, user);
}

static void *resize(void *p, size_t size, void *user)
{
	union block *b = p;
	void *fresh;

	if (!b)
		return take(size, user);
	fresh = take(size, user);
	if (!fresh)
		return NULL;
	b--;
	memcpy(fresh, p, b->size < size ? b->size : size);
	give(p, user);
	return fresh;
}

static nghttp2_mem mem = {NULL, take, give, take_zero, resize};

/* -- reading -------------------------------------------------------------- */

struct nghttp2_hd_inflater *lg_hpack_reader_new(void)
{
	nghttp2_hd_inflater *r = NULL;

	return nghttp2_hd_inflate_new2(&r, &mem) ? NULL : r;
}

void lg_hpack_reader_del(struct nghttp2_hd_inflater *r)
{
	if (r)
		nghttp2_hd_inflate_del(r);
}

void lg_hpack_reader_allow(struct nghttp2_hd_inflater *r, uint32_t size)
{
	size_t now = nghttp2_hd_inflate_get_max_dynamic_table_size(r);

	size = size < TABLE_MAX ? size : TABLE_MAX;
	if (size > now)
		nghttp2_hd_inflate_change_table_size(r, size);
}

int lg_hpack_read(struct nghttp2_hd_inflater *r, struct lg_slice block,
		  lg_hpack_field_fn *fn, void *ctx)
{
	const uint8_t *p = (const uint8_t *)(block.len ? block.p : "");
	size_t left = block.len, list = 0;
	bool told = true;

	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t n =
			nghttp2_hd_inflate_hd2(r, &nv, &flags, p, left, true);

		if (n < 0)
			return -EPROTO;
		p += n;
		left -= (size_t)n;
		if (flags & NGHTTP2_HD_INFLATE_EMIT) {
			struct lg_hpack_field f = {
				{(const char *)nv.name, nv.namelen},
				{(const char *)nv.value, nv.valuelen},
				nv.flags & NGHTTP2_NV_FLAG_NO_INDEX};

			list += nv.namelen + nv.valuelen + FIELD_OVERHEAD;
			told = told && list <= LG_HPACK_LIST_MAX && fn(ctx, &f);
		}
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && !left)
			return -EPROTO;
	}
	nghttp2_hd_inflate_end_headers(r);
	return list > LG_HPACK_LIST_MAX ? -EMSGSIZE : 0;
}

/* -- writing -------------------------------------------------------------- */

struct nghttp2_hd_deflater *lg_hpack_writer_new(void)
{
	nghttp2_hd_deflater *w = NULL;

	return nghttp2_hd_deflate_new2(&w, 4096, &mem) ? NULL : w;
}

void lg_hpack_writer_del(struct nghttp2_hd_deflater *w)
{
	if (w)
		nghttp2_hd_deflate_del(w);
}

void lg_hpack_writer_resize(struct nghttp2_hd_deflater *w, uint32_t size)
{
	nghttp2_hd_deflate_change_table_size(w, size < 4096 ? size : 4096);
}

/* The coder takes an array; fields one by one would be blocks of their own. */
int lg_hpack_write(struct nghttp2_hd_deflater *w,
		   const struct lg_hpack_field *f, size_t n, struct lg_buf *out)
{
	nghttp2_nv *nv = lg_mem_take((n ? n : 1) * sizeof(*nv));
	ssize_t len = -1;
	size_t bound;
	int err = -ENOMEM;

	if (!nv)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		nv[i] = (nghttp2_nv){(uint8_t *)f[i].name.p,
				     (uint8_t *)f[i].value.p, f[i].name.len,
				     f[i].value.len,
				     f[i].secret ? NGHTTP2_NV_FLAG_NO_INDEX
						 : NGHTTP2_NV_FLAG_NONE};
	bound = nghttp2_hd_deflate_bound(w, nv, n);
	err = lg_buf_reserve(out, bound);
	if (!err) {
		len = nghttp2_hd_deflate_hd(w, (uint8_t *)out->p + out->len,
					    bound, nv, n);
		err = len < 0 ? -ENOMEM : 0;
	}
	if (!err)
		out->len += (size_t)len;
	lg_mem_free(nv, (n ? n : 1) * sizeof(*nv));
	return err;
}

/* RFC 7541 5.1. */
static void put_int(struct lg_buf *out, uint8_t first, unsigned bits, size_t v)
{
	size_t top = (1u << bits) - 1;

	if (v < top) {
		lg_buf_putc(out, (char)(first | v));
		return;
	}
	lg_buf_putc(out, (char)(first | top));
	for (v -= top; v >= 128; v >>= 7)
		lg_buf_putc(out, (char)(v % 128 + 128));
	lg_buf_putc(out, (char)v);
}

void lg_hpack_put_plain(struct lg_buf *out, struct lg_slice name,
			struct lg_slice value)
{
	lg_buf_putc(out, 0);
	put_int(out, 0, 7, name.len);
	lg_buf_put(out, name.p, name.len);
	put_int(out, 0, 7, value.len);
	lg_buf_put(out, value.p, value.len);
}

void lg_hpack_put_size(struct lg_buf *out, uint32_t size)
{
	put_int(out, 0x20, 5, size);
}
