#ifndef LG_BPF_GUARDED_H
#define LG_BPF_GUARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Who counts a process's calls already, and why another one cannot be seen.
 * One thread.
 */

/* Is this the preload's file? */
bool guarded_is_preload(const char *path);
/* Does its environment ask for it? */
bool guarded_is_meant(uint32_t pid);
/*
 * The preload is mapped there: does it guard? Not where it was switched off
 * (LLMGUARD_DISABLE, `programs:`, after crashes), nor where it stands beside
 * functions that it does not reach. False of who has ended, too: it cannot be
 * known of him any more.
 */
bool guarded_is_live(uint32_t pid);
/* Why nothing can be seen of what this process says; "" nothing is known. */
void guarded_why_not(uint32_t pid, char *out, size_t cap);

#endif
