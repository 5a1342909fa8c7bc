#include "wire/content_layer.h"

#include <brotli/decode.h>
#include <errno.h>

/* RFC 7932; the window is 16 MiB at most without its large-window form. */

static int open_brotli(struct lg_layer *l)
{
	l->state = BrotliDecoderCreateInstance(lg_layer_alloc, lg_layer_free,
					       NULL);
	return l->state ? 0 : -ENOMEM;
}

static int failure(const struct lg_layer *l)
{
	BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(l->state);

	/* the codes of failed allocations, 1.0.9's decode.h */
	if (code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
	    code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES)
		return -ENOMEM;
	return -EPROTO;
}

static int feed_brotli(struct lg_layer *l, const char *p, size_t len)
{
	const uint8_t *in = (const uint8_t *)p;
	BrotliDecoderResult got;

	if (l->ended)
		return len ? -EPROTO : 0;
	do {
		uint8_t *out = l->buf;
		size_t room = LG_LAYER_OUT;
		int err;

		got = BrotliDecoderDecompressStream(l->state, &len, &in, &room,
						    &out, NULL);
		err = lg_layer_out(l, LG_LAYER_OUT - room);
		if (err)
			return err;
		if (got == BROTLI_DECODER_RESULT_ERROR)
			return failure(l);
	} while (got == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT);
	l->ended = got == BROTLI_DECODER_RESULT_SUCCESS;
	return l->ended && len ? -EPROTO : 0;
}

static void close_brotli(struct lg_layer *l)
{
	if (l->state)
		BrotliDecoderDestroyInstance(l->state);
}

const struct lg_layer_ops lg_layer_brotli = {"br", open_brotli, feed_brotli,
					     close_brotli};
