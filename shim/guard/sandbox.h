#ifndef LG_GUARD_SANDBOX_H
#define LG_GUARD_SANDBOX_H

#include <stdbool.h>

/*
 * Has this process shut itself in since lg_sandbox_note(): another root
 * folder, or a seccomp filter where there was none? A further filter over
 * one that was there at the start (containers have one) is not seen; what it
 * forbids then fails like any other call. The root folder is looked at once a
 * second (the hooks hear of chroot(2), and the ledger makes no file under
 * another root). One cheap system call; keeps errno. Any thread.
 */
void lg_sandbox_note(void);
bool lg_sandbox_entered(void);

#endif
