#include "wire/hpack_late.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "wire/hpack.h"

#define STATIC_ENTRIES 61
#define ENTRY_OVERHEAD 32
#define TABLE_FIRST 4096 /* RFC 7541 4.2, RFC 9113 6.5.2 */
/* The smallest table that anybody who puts something in it has. */
#define TABLE_LEAST 1024
#define TEXT_MAX ((size_t)64 << 10)
#define ENTRY_MAX ((size_t)8 << 10)

struct entry {
	uint32_t name_len, value_len;
	bool has_name, has_value;
	char *text; /* name, then value */
};

struct lg_hpack_late {
	struct nghttp2_hd_inflater *coder; /* of strings and static entries */
	bool whole;			   /* all of the table is known */
	bool has_max;			   /* how large it is, too */
	uint32_t max, size;
	unsigned n, newest;
	struct entry e[LG_HPACK_LATE_MAX];
	struct lg_buf name, value, block; /* scratch */
};

static void drop(struct entry *e)
{
	size_t len = (size_t)e->name_len + e->value_len;

	if (e->text)
		lg_mem_free(e->text, len ? len : 1);
	memset(e, 0, sizeof(*e));
}

static void clear(struct lg_hpack_late *r)
{
	for (unsigned i = 0; i < LG_HPACK_LATE_MAX; i++)
		drop(&r->e[i]);
	r->n = r->size = 0;
}

struct lg_hpack_late *lg_hpack_late_new(bool whole)
{
	struct lg_hpack_late *r = lg_mem_alloc(sizeof(*r));

	if (!r)
		return NULL;
	r->coder = lg_hpack_reader_new();
	r->whole = r->has_max = whole;
	r->max = TABLE_FIRST;
	lg_buf_init(&r->name, TEXT_MAX);
	lg_buf_init(&r->value, TEXT_MAX);
	lg_buf_init(&r->block, TEXT_MAX + 64);
	if (r->coder)
		return r;
	lg_hpack_late_del(r);
	return NULL;
}

void lg_hpack_late_del(struct lg_hpack_late *r)
{
	if (!r)
		return;
	clear(r);
	lg_hpack_reader_del(r->coder);
	lg_buf_fini(&r->name);
	lg_buf_fini(&r->value);
	lg_buf_fini(&r->block);
	lg_mem_free(r, sizeof(*r));
}

void lg_hpack_late_forget(struct lg_hpack_late *r)
{
	clear(r);
	r->whole = r->has_max = false;
}

/* -- the table ---------------------------------------------------------------
 */

static uint32_t size_of(const struct entry *e)
{
	return e->name_len + e->value_len + ENTRY_OVERHEAD;
}

static struct entry *nth(struct lg_hpack_late *r, uint64_t i)
{
	return i < r->n ? &r->e[(r->newest + LG_HPACK_LATE_MAX - i) %
				LG_HPACK_LATE_MAX]
			: NULL;
}

static void evict(struct lg_hpack_late *r)
{
	while (r->n && r->size > r->max) {
		struct entry *e = nth(r, r->n - 1);

		r->size -= size_of(e);
		drop(e);
		r->n--;
	}
}

static void on_size(struct lg_hpack_late *r, uint64_t size)
{
	r->has_max = true;
	r->max = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
	evict(r);
	/* what we do not know was older, and went first */
	r->whole |= !size;
}

/*
 * Entries are found by their distance from the newest: what the table drops at
 * its other end is never asked for. Only what it did not take at all matters.
 */
static int insert(struct lg_hpack_late *r, bool has_name, bool has_value)
{
	size_t n = has_name ? r->name.len : 0, v = has_value ? r->value.len : 0;
	struct entry *e;

	if (n + v + ENTRY_OVERHEAD > (r->has_max ? r->max : TABLE_LEAST)) {
		clear(r); /* RFC 7541 4.4; or it is not sure whether it fits */
		return 0;
	}
	r->newest = (r->newest + 1) % LG_HPACK_LATE_MAX;
	e = &r->e[r->newest];
	if (r->n == LG_HPACK_LATE_MAX) {
		r->size -= size_of(e);
		r->whole = false;
	} else {
		r->n++;
	}
	drop(e);
	e->has_name = has_name;
	e->has_value = has_value && n + v <= ENTRY_MAX;
	e->name_len = (uint32_t)n;
	e->value_len = e->has_value ? (uint32_t)v : 0;
	e->text = lg_mem_take(n + e->value_len ? n + e->value_len : 1);
	if (!e->text)
		return -ENOMEM;
	if (n)
		memcpy(e->text, r->name.p, n);
	if (e->value_len)
		memcpy(e->text + n, r->value.p, e->value_len);
	r->size += size_of(e);
	if (r->has_max)
		evict(r);
	return 0;
}

/* -- the block ----------------------------------------------------------------
 */

struct reading {
	struct lg_hpack_late *r;
	const uint8_t *p, *end;
};

/* RFC 7541 5.1. */
static bool read_int(struct reading *in, unsigned bits, uint64_t *out)
{
	uint64_t top = (1u << bits) - 1, v;
	unsigned shift = 0;

	if (in->p == in->end)
		return false;
	v = *in->p++ & top;
	if (v == top) {
		uint8_t b;

		do {
			if (in->p == in->end || shift > 28)
				return false;
			b = *in->p++;
			v += (uint64_t)(b & 0x7f) << shift;
			shift += 7;
		} while (b & 0x80);
	}
	*out = v;
	return true;
}

struct pair {
	struct lg_buf *name, *value;
};

static bool keep_pair(void *ctx, const struct lg_hpack_field *f)
{
	struct pair *to = ctx;

	if (to->name)
		lg_buf_put(to->name, f->name.p, f->name.len);
	if (to->value)
		lg_buf_put(to->value, f->value.p, f->value.len);
	return true;
}

/* A string, by a block of its own in which it is the value of "x". */
static int read_string(struct reading *in, struct lg_buf *out)
{
	struct lg_hpack_late *r = in->r;
	struct pair to = {NULL, out};
	const uint8_t *from = in->p;
	uint64_t len;

	out->len = 0;
	out->overflow = false;
	if (in->p == in->end || !read_int(in, 7, &len) ||
	    len > (uint64_t)(in->end - in->p))
		return -EPROTO;
	if (!(*from & 0x80)) {
		if (lg_buf_put(out, in->p, len))
			return -ENOMEM;
		in->p += len;
		return 0;
	}
	in->p += len;
	r->block.len = 0;
	lg_buf_put(&r->block, "\0\1x", 3);
	if (lg_buf_put(&r->block, from, (size_t)(in->p - from)))
		return -ENOMEM;
	return lg_hpack_read(r->coder, lg_buf_slice(&r->block), keep_pair, &to);
}

static int read_static(struct lg_hpack_late *r, uint64_t index, bool value)
{
	char one = (char)(0x80 | index);
	struct pair to = {&r->name, value ? &r->value : NULL};

	return lg_hpack_read(r->coder, (struct lg_slice){&one, 1}, keep_pair,
			     &to);
}

/* Name, and value too, of an entry into the scratch; what of it is known. */
static int look_up(struct lg_hpack_late *r, uint64_t index, bool *has_name,
		   bool *has_value)
{
	bool wants = has_value;
	struct entry *e;

	r->name.len = 0;
	if (wants)
		r->value.len = 0;
	*has_name = true;
	if (wants)
		*has_value = true;
	if (!index)
		return -EPROTO;
	if (index <= STATIC_ENTRIES)
		return read_static(r, index, wants);
	e = nth(r, index - STATIC_ENTRIES - 1);
	if (!e && r->whole)
		return -EPROTO;
	*has_name = e && e->has_name;
	if (wants)
		*has_value = e && e->has_value;
	if (e && lg_buf_put(&r->name, e->text, e->name_len))
		return -ENOMEM;
	return e && wants &&
			       lg_buf_put(&r->value, e->text + e->name_len,
					  e->value_len)
		       ? -ENOMEM
		       : 0;
}

static struct lg_slice known(const struct lg_buf *b, bool is)
{
	return (struct lg_slice){is ? (b->len ? b->p : "") : NULL,
				 is ? b->len : 0};
}

/* One representation that is a field. */
static int read_field(struct reading *in, lg_hpack_late_fn *fn, void *ctx)
{
	struct lg_hpack_late *r = in->r;
	struct lg_hpack_late_field f;
	uint8_t first = *in->p;
	bool indexed = first & 0x80, inserts = (first & 0xc0) == 0x40;
	bool has_name = true, has_value = true;
	uint64_t index;
	int err;

	if (!read_int(in, indexed ? 7 : inserts ? 6 : 4, &index))
		return -EPROTO;
	if (indexed)
		err = look_up(r, index, &has_name, &has_value);
	else if (index)
		err = look_up(r, index, &has_name, NULL);
	else
		err = read_string(in, &r->name);
	if (!err && !indexed)
		err = read_string(in, &r->value);
	if (err)
		return err;
	f.name = known(&r->name, has_name);
	f.value = known(&r->value, has_value);
	fn(ctx, &f);
	return inserts ? insert(r, has_name, has_value) : 0;
}

int lg_hpack_late_read(struct lg_hpack_late *r, struct lg_slice block,
		       lg_hpack_late_fn *fn, void *ctx)
{
	const uint8_t *p = (const uint8_t *)(block.len ? block.p : "");
	struct reading in = {r, p, p + block.len};
	uint64_t size;
	int err = 0;

	while (!err && in.p < in.end) {
		if ((*in.p & 0xe0) != 0x20)
			err = read_field(&in, fn, ctx);
		else if (read_int(&in, 5, &size))
			on_size(r, size);
		else
			err = -EPROTO;
	}
	if (err)
		lg_hpack_late_forget(r);
	return err;
}
