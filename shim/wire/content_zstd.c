#include "wire/content_layer.h"

#include <errno.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "base/atomic.h"

/* The library asks whoever defines these; here nobody but us. */
unsigned long long ZSTD_trace_decompress_begin(const ZSTD_DCtx *d);
void ZSTD_trace_decompress_end(unsigned long long ctx, const void *trace);

unsigned long long ZSTD_trace_decompress_begin(const ZSTD_DCtx *d)
{
	(void)d;
	return 0;
}

void ZSTD_trace_decompress_end(unsigned long long ctx, const void *trace)
{
	(void)ctx;
	(void)trace;
}

/*
 * RFC 8878, without dictionaries. RFC 9659 3 allows windows of 8 MiB in HTTP;
 * one step more is taken.
 */
#define WINDOW_LOG_MAX 24
#define SPARE_MAX ((size_t)512 << 10)

/*
 * One that was used waits for the next body: making one asks the processor
 * what it can do, which costs 35 us in a virtual machine.
 */
static ZSTD_DCtx *spare;

static int open_zstd(struct lg_layer *l)
{
	ZSTD_customMem mem = {lg_layer_alloc, lg_layer_free, NULL};

	l->state = lg_xchg_seq(&spare, NULL);
	if (l->state)
		return 0;
	l->state = ZSTD_createDCtx_advanced(mem);
	if (!l->state)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(l->state, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	return 0;
}

static int failure(size_t got)
{
	return ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation ? -ENOMEM
								      : -EPROTO;
}

/*
 * By its first byte: zstd's or to be skipped (RFC 8878 3.1). The library may
 * know formats from before the RFC, which take memory of libc.
 */
static bool begins_frame(char c)
{
	return c == 0x28 || ((unsigned char)c & 0xf0) == 0x50;
}

/* Frames may follow each other, also such as are to be skipped. */
static int feed_zstd(struct lg_layer *l, const char *p, size_t len)
{
	ZSTD_inBuffer in = {p, len, 0};
	ZSTD_outBuffer out;

	if (!len)
		return 0;
	do {
		size_t got;
		int err;

		if (!l->in_frame && in.pos < len && !begins_frame(p[in.pos]))
			return -EPROTO;
		l->in_frame = true;
		out = (ZSTD_outBuffer){l->buf, LG_LAYER_OUT, 0};
		got = ZSTD_decompressStream(l->state, &out, &in);
		if (ZSTD_isError(got))
			return failure(got);
		l->ended = got == 0;
		l->in_frame = !l->ended;
		err = lg_layer_out(l, out.pos);
		if (err)
			return err;
	} while (in.pos < in.size || (out.pos == out.size && !l->ended));
	return 0;
}

static void close_zstd(struct lg_layer *l)
{
	ZSTD_DCtx *d = l->state;

	if (!d)
		return;
	ZSTD_DCtx_reset(d, ZSTD_reset_session_only);
	if (ZSTD_sizeof_DCtx(d) <= SPARE_MAX)
		d = lg_xchg_seq(&spare, d);
	if (d)
		ZSTD_freeDCtx(d);
}

const struct lg_layer_ops lg_layer_zstd = {"zstd", open_zstd, feed_zstd,
					   close_zstd};
