#ifndef LG_WIRE_CONTENT_LAYER_H
#define LG_WIRE_CONTENT_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One coding of a body, between content.c and the libraries that decode.
 * Private to wire/content*.c.
 */
#define LG_LAYER_OUT 8192

struct lg_layer;
struct lg_content;

struct lg_layer_ops {
	const char *name; /* as in Content-Encoding */
	/* 0, -ENOMEM; sets l->state. */
	int (*open)(struct lg_layer *l);
	/* Decode n bytes: fill l->buf, lg_layer_out(), again. 0 or an error. */
	int (*feed)(struct lg_layer *l, const char *p, size_t n);
	void (*close)(struct lg_layer *l);
};

struct lg_layer {
	const struct lg_layer_ops *ops;
	struct lg_content *content;
	struct lg_layer *next; /* what is below it; NULL: the reader's bytes */
	void *state;
	uint64_t out;  /* decoded so far */
	bool fed;      /* a byte of it was seen */
	bool ended;    /* the coding's end was seen */
	bool in_frame; /* zstd's */
	unsigned char buf[LG_LAYER_OUT];
};

extern const struct lg_layer_ops lg_layer_gzip, lg_layer_deflate;
extern const struct lg_layer_ops lg_layer_brotli, lg_layer_zstd;

/* buf[0..n) goes on. 0, -EMSGSIZE beyond the bounds, or what came of it. */
int lg_layer_out(struct lg_layer *l, size_t n);

/* The libraries' memory, which they free without saying a size. */
void *lg_layer_alloc(void *opaque, size_t size);
void lg_layer_free(void *opaque, void *block);

#endif
