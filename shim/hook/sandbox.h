#ifndef LG_HOOK_SANDBOX_H
#define LG_HOOK_SANDBOX_H

/*
 * A filter may kill a process that opens a file, and after chroot our paths
 * mean other files: the engine hears of both and keeps to its memory. A
 * filter that is loaded by the bare system call (libseccomp) the engine finds
 * by PR_GET_SECCOMP; where a filter was there from the start (containers)
 * PR_SET_NO_NEW_PRIVS, which libseccomp calls first, counts as one.
 */
void lg_sandbox_bind(void);
void lg_sandbox_after_fork(void);

#endif
