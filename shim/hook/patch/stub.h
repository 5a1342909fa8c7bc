#ifndef LG_HOOK_PATCH_STUB_H
#define LG_HOOK_PATCH_STUB_H

#include <stddef.h>
#include <stdint.h>

/*
 * The code that a patched entry jumps to: it takes back what the kept
 * instruction did, moves the arguments up by one, puts the marker of the copy
 * first (+ 1 when the caller itself is the copy) and goes to the hook, which
 * returns to the caller.
 */
#define LG_STUB_MAX 128
#define LG_STUB_LANDING 4 /* bytes of an endbr64 */

struct lg_stub {
	uint64_t marker;
	uint64_t own, nown; /* return addresses that are the copy's own */
	uint64_t hook;
	const uint8_t *undo;
	size_t undo_len;
};

void lg_stub_landing(uint8_t *out);
/* At most LG_STUB_MAX bytes, the same wherever they stand. */
void lg_stub_make(const struct lg_stub *s, uint8_t *out);

#endif
