#ifndef LG_HOOK_INIT_H
#define LG_HOOK_INIT_H

/*
 * The constructor's work: the environment only (kill switch; a fresh
 * LLMGUARD_RUN_ID when a budget of the run stands there without one), the
 * libc functions behind our hooks, one fork handler. No memory, no files.
 */
void lg_hook_init(void);

#endif
