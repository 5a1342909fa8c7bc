#ifndef LG_HOOK_SANDBOX_H
#define LG_HOOK_SANDBOX_H

/*
 * A filter may kill a process that opens a file, and after chroot our paths
 * mean other files: the engine hears of both and keeps to its memory. A
 * filter that is loaded by the bare system call (libseccomp) is preceded by
 * PR_SET_NO_NEW_PRIVS, which therefore counts.
 */
void lg_sandbox_bind(void);
void lg_sandbox_after_fork(void);

#endif
