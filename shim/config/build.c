#include "config/build.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#define FIRST_SLOTS 1024u

static void note(struct lg_build *b, int err)
{
	if (!b->err)
		b->err = err;
}

int lg_build_init(struct lg_build *b, struct lg_buf *out)
{
	static const struct lg_image blank = {
		.magic = LG_IMAGE_MAGIC,
		.version = LG_IMAGE_VERSION,
		.header_size = sizeof(struct lg_image),
	};

	*b = (struct lg_build){.out = out, .slots = FIRST_SLOTS};
	if (out->max < LG_BUILD_IMAGE_MAX)
		out->max = LG_BUILD_IMAGE_MAX;
	out->len = 0;
	out->overflow = false;
	b->seen = lg_mem_alloc(b->slots * sizeof(*b->seen));
	if (!b->seen)
		return -ENOMEM;
	if (lg_buf_put(out, &blank, sizeof(blank)))
		return -ENOMEM;
	return 0;
}

void lg_build_fini(struct lg_build *b)
{
	lg_mem_free(b->seen, b->slots * sizeof(*b->seen));
	b->seen = NULL;
}

struct lg_slice lg_build_get(const struct lg_build *b, struct lg_img_ref r)
{
	return (struct lg_slice){r.off ? b->out->p + r.off : "", r.len};
}

struct lg_image *lg_build_header(struct lg_build *b)
{
	return (struct lg_image *)(void *)b->out->p;
}

static struct lg_img_ref *find_slot(const struct lg_build *b,
				    struct lg_img_ref *seen, uint32_t slots,
				    struct lg_slice s)
{
	uint32_t i = lg_img_hash(s) & (slots - 1);

	while (seen[i].off && !lg_slice_eq(lg_build_get(b, seen[i]), s))
		i = (i + 1) & (slots - 1);
	return &seen[i];
}

static int grow_set(struct lg_build *b)
{
	uint32_t slots = b->slots * 2;
	struct lg_img_ref *seen = lg_mem_alloc(slots * sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->slots; i++)
		if (b->seen[i].off)
			*find_slot(b, seen, slots,
				   lg_build_get(b, b->seen[i])) = b->seen[i];
	lg_mem_free(b->seen, b->slots * sizeof(*b->seen));
	b->seen = seen;
	b->slots = slots;
	return 0;
}

struct lg_img_ref lg_build_text(struct lg_build *b, struct lg_slice s)
{
	struct lg_img_ref none = {0, 0};
	struct lg_img_ref *slot;
	size_t off = b->out->len;

	if (!s.len || b->err)
		return none;
	slot = find_slot(b, b->seen, b->slots, s);
	if (slot->off)
		return *slot;
	if (b->used >= b->slots / 2) {
		if (grow_set(b)) {
			note(b, -ENOMEM);
			return none;
		}
		slot = find_slot(b, b->seen, b->slots, s);
	}
	note(b, lg_buf_put(b->out, s.p, s.len));
	note(b, lg_buf_putc(b->out, 0));
	if (b->err)
		return none;
	b->used++;
	*slot = (struct lg_img_ref){(uint32_t)off, (uint32_t)s.len};
	return *slot;
}

struct lg_img_span lg_build_array(struct lg_build *b, const void *p, size_t n,
				  size_t size)
{
	static const char zero[8];
	struct lg_img_span none = {0, 0};
	size_t off;

	if (!n || b->err)
		return none;
	note(b, lg_buf_put(b->out, zero, -b->out->len & 7));
	off = b->out->len;
	note(b, lg_buf_put(b->out, p, n * size));
	if (b->err)
		return none;
	return (struct lg_img_span){(uint32_t)off, (uint32_t)n};
}

int lg_build_finish(struct lg_build *b)
{
	struct lg_image *img;

	if (b->err)
		return b->err;
	img = lg_build_header(b);
	img->size = b->out->len;
	img->built_ms = lg_clock_real_ms();
	img->crc = lg_crc32c(0, b->out->p + sizeof(*img),
			     b->out->len - sizeof(*img));
	return 0;
}
