#ifndef LG_BASE_HASH_H
#define LG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* 128-bit identity of a budget cell or a key; all zero never occurs. */
struct lg_hash128 {
	uint64_t a, b;
};

/*
 * A keyed-by-constant 128-bit hash, stable across builds and machines (it is
 * part of the region's ABI). Any thread, no allocation.
 */
struct lg_hash128 lg_hash128(const void *p, size_t len, uint64_t seed);
/*
 * 64 bits of a text that comes in pieces, however it is cut: 16 bytes at a
 * step, about 8 GB/s. Zeroed: nothing yet. Stable across builds and machines
 * (the ledger keeps it). Not secret and not keyed: who knows a text knows its
 * hash; nobody gets a text out of it.
 */
struct lg_text_hash {
	uint64_t h, len;
	unsigned char part[16];
};
void lg_text_hash_feed(struct lg_text_hash *t, const void *p, size_t len);
/* Never 0 in its upper 56 bits; 0 when nothing was fed. */
uint64_t lg_text_hash_end(const struct lg_text_hash *t);
uint32_t lg_crc32c(uint32_t crc, const void *p, size_t len);
/* The first 12 hex digits of SHA-256 and a NUL, for API keys. */
void lg_sha256_hex12(const void *p, size_t len, char out[13]);
/* All 64 hex digits and a NUL. */
void lg_sha256_hex(const void *p, size_t len, char out[65]);

#endif
