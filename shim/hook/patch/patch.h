#ifndef LG_HOOK_PATCH_PATCH_H
#define LG_HOOK_PATCH_PATCH_H

#include <stdint.h>
#include <stddef.h>

/*
 * What the preload and llmguard-patch.so say to each other. The preload finds
 * the functions and says what is to run instead; llmguard-patch.so knows
 * instructions and memory protection and nothing of TLS.
 */
#define LG_PATCH_VERSION 1
#define LG_PATCH_FNS 48
#define LG_PATCH_WHY 160
#define LG_PATCH_ENTRY "lg_patch_apply"

/* One function of the copy. */
struct lg_patch_fn {
	const char *name;
	uint8_t *at;	    /* its entry */
	size_t size;	    /* by its symbol, 0 unknown */
	size_t room;	    /* readable bytes of its text from there */
	uint64_t file_at;   /* of the entry in the file */
	const void *hook;   /* gets marker, then the function's arguments */
	unsigned is_needed; /* else it stays as it is if it cannot be moved */
	const void *real;   /* out: the function as it was, NULL: not patched */
};

struct lg_patch_job {
	uint32_t version; /* LG_PATCH_VERSION */
	uint32_t nfns;
	const char *file;    /* what the text was mapped from */
	uintptr_t marker;    /* the hooks' first argument, + 1 if the caller */
	uintptr_t own, nown; /* stands in these bytes */
	struct lg_patch_fn fn[LG_PATCH_FNS];
	char why[LG_PATCH_WHY]; /* out: why not */
};

/*
 * Patch all needed functions or none: 0, or -1 and why says what stood
 * against it, with nothing changed. At most five arguments of integers and
 * pointers each (they move up one register). Only while the process has one
 * thread, which is checked; signals are blocked meanwhile. Memory is never
 * writable and executable at once, protections are put back. Never to be
 * unloaded and never to be undone: the moved beginnings stay for ever.
 */
int lg_patch_apply(struct lg_patch_job *job);

#endif
