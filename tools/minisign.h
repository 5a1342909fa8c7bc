#ifndef LG_TOOLS_MINISIGN_H
#define LG_TOOLS_MINISIGN_H

#include "base/slice.h"

/*
 * Signatures of minisign (https://jedisct1.github.io/minisign/): Ed25519 over
 * the file or its BLAKE2b-512, and over the trusted comment. libcrypto is
 * loaded at the first call.
 */

/* key: the base64 line of the public key. */
bool minisign_is_key(const char *key);
/* 0; -EINVAL with *why static. */
int minisign_check(const char *key, struct lg_slice file,
		   struct lg_slice signature, const char **why);

#endif
