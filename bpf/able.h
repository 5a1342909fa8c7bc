#ifndef LG_BPF_ABLE_H
#define LG_BPF_ABLE_H

#include <stddef.h>

/*
 * May this process trace on this kernel? 0; else -errno, and text says what is
 * missing and what to do about it. Looks at /proc and /sys only.
 */
int able_check(char *text, size_t n);
/*
 * What a refusal of the kernel most likely means. said: its own words, may be
 * "". Writes a sentence.
 */
void able_explain(int err, const char *said, char *text, size_t n);

#endif
