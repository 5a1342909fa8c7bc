#ifndef LG_HOOK_PATCHED_H
#define LG_HOOK_PATCHED_H

#include <stdbool.h>

/*
 * Copies of OpenSSL that interposition does not reach: inside the executable
 * (its calls are bound inside), or in a library whose functions are fetched
 * by handle or bound by RTLD_DEEPBIND. The entries of their functions are
 * patched by llmguard-patch.so, which stands beside this library and is
 * loaded only then, as long as the process has one thread. All functions of a
 * copy or none; why not is logged (tls_library_not_patched).
 */

/* LLMGUARD_PATCH: "off", or else; NULL: the config says it. */
void lg_patched_init(const char *setting);

/* The executable, before its main. One lookup in its table, else nothing. */
void lg_patched_program(void);

/* May this dlopen bring a copy that has to be patched? No libc call. */
bool lg_patched_cares(const char *file, int flags);
/*
 * Would the linker search the same way if this library asked for the file
 * instead of the code at pc?
 */
bool lg_patched_may_open(const void *pc, const char *file);
/*
 * It has arrived: patch the copy that it has in itself or that it is bound to,
 * unless it is. Others may be closed by another thread meanwhile, this one
 * cannot. Keeps errno.
 */
void lg_patched_arrived(void *handle);

#endif
