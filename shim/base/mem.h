#ifndef LG_BASE_MEM_H
#define LG_BASE_MEM_H

#include <stddef.h>

/*
 * The engine's own memory inside a host process: mmap'ed, never libc's heap,
 * with a cap over all. Size classes with lock-free free lists; large blocks
 * are mapped and unmapped one by one. Any thread; safe after fork (no lock);
 * not for signal handlers. Contents of a new block are zero.
 */

/* NULL when the cap is reached or the kernel refuses. size > 0. */
void *lg_mem_alloc(size_t size);
/* The same, its contents undefined: for what is filled anyway. */
void *lg_mem_take(size_t size);
/* size must be the one given to lg_mem_alloc. p may be NULL. */
void lg_mem_free(void *p, size_t size);
/* Like realloc with both sizes; NULL leaves p as it was. */
void *lg_mem_grow(void *p, size_t old_size, size_t new_size);

/* Bytes taken from the kernel now, and the cap (default 256 MiB). */
size_t lg_mem_mapped(void);
void lg_mem_set_cap(size_t bytes);

#endif
