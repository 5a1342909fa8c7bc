#ifndef LG_BPF_CLAIM_H
#define LG_BPF_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whose a process is, where several tracers run: each call is counted once.
 * A lock of one byte a process in a file that only root can open; the kernel
 * lets it go when the tracer ends, however it ends. One thread.
 */

/*
 * False: another tracer has it, *by its pid. True where it is ours already, or
 * where nothing can be known of others (not root).
 */
bool claim_take(uint32_t pid, int32_t *by);
/* Its records may still come: it stays ours for some seconds. */
void claim_drop(uint32_t pid);
/* The file, for tests; before the first claim. */
void claim_file(const char *path);

#endif
