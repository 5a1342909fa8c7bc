#ifndef LG_BASE_SHA256_H
#define LG_BASE_SHA256_H

#include <stddef.h>

/*
 * SHA-256 (FIPS 180-4) of short texts: keys, names. Ours, because the static
 * libraries that have one ask the processor in a constructor what it can do:
 * on virtual machines 30 us in every process that loads the preload.
 * Any thread, no allocation.
 */
void lg_sha256(const void *p, size_t len, unsigned char out[32]);

#endif
