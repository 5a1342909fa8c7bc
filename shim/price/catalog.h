#ifndef LG_PRICE_CATALOG_H
#define LG_PRICE_CATALOG_H

#include <stddef.h>

/*
 * The shipped catalog: the image that the build made of every file of
 * conf/pricing (tools/mkimage.c). Read-only data of this library, 8-aligned,
 * sound by construction.
 */
extern const unsigned char lg_catalog_image[]
	__attribute__((visibility("hidden")));
extern const size_t lg_catalog_image_size __attribute__((visibility("hidden")));

#endif
