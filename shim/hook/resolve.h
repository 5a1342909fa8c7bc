#ifndef LG_HOOK_RESOLVE_H
#define LG_HOOK_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "hook/ssl.h"

struct link_map;
struct lg_elf;

/*
 * The program's own functions behind the hooks. A process may hold several
 * copies of libssl, found by name, by dlopen(RTLD_LOCAL) or inside a plugin:
 * which one is meant follows from the module that calls.
 */

/* One copy of libssl. Lives for ever; the copy is pinned (never unloaded). */
struct lg_tls {
#define LG_TLS_FN(type, name, params) type(*name) params;
	LG_TLS_FUNCTIONS(LG_TLS_FN, LG_TLS_FN, LG_TLS_FN)
#undef LG_TLS_FN
	const void *module;   /* its link_map: identity of the copy */
	unsigned claimed;     /* 0 free, 1 being filled, 2 ready */
	unsigned indexed;     /* 0 none, 1 being made, 2 made, 3 cannot */
	unsigned told;	      /* that it cannot be guarded */
	int ssl_idx, ctx_idx; /* our ex_data slots in this copy, or -1 */
	const char
		*missing; /* the last needed one that is not there, or NULL */
	bool whole;	  /* every hooked function and helper is there */
	bool is_patched;  /* its entries lead to the hooks (patched.h) */
	bool was_tried;	  /* to be patched */
};

/*
 * The copy that the code at this return address means; NULL when none can be
 * found. Any thread; after the first call from a place lock-free and without
 * any libc call. Keeps errno.
 */
struct lg_tls *lg_tls_of(const void *caller);

/* Does this return address lie in the copy itself? */
bool lg_tls_is_own(const struct lg_tls *t, const void *caller);

/*
 * The copy that this module has in itself, before anybody called it; NULL: no
 * room. e: the executable, whose symbols no handle leads to, else NULL. Only
 * while the process has one thread.
 */
struct lg_tls *lg_tls_adopt(struct link_map *lib, const struct lg_elf *e);
/*
 * What patched entries pass as their caller: stands for this copy; one more
 * stands for a call of the copy itself.
 */
uintptr_t lg_tls_marker(const struct lg_tls *t);

/*
 * Another function of this copy, or of the libcrypto that it calls; NULL: it
 * has none. Not fast.
 */
void *lg_tls_symbol(const struct lg_tls *t, const char *name);
/* The file that it was loaded from; "program" for the executable. */
const char *lg_tls_name(const struct lg_tls *t);

/* Forget what is known about callers (a module was unloaded). */
void lg_tls_forget_callers(void);
/* In a forked child: what another thread was just doing is done anew. */
void lg_tls_after_fork(void);

/*
 * The next definition of a libc function behind ours, NULL when there is
 * none (very early, or no dynamic loader functions on an old system).
 */
void *lg_next_symbol(const char *name);

/* The module of an address, NULL: none. */
struct link_map *lg_module_of(const void *addr);
/* The loader's own dlopen: ours is a hook. NULL where there is none. */
void *lg_real_dlopen(const char *file, int flags);
/*
 * The folder from which this library was loaded, to a buffer of PATH_MAX
 * bytes. False: unknown.
 */
bool lg_own_folder(char *out);

/* By a handle. Only where lg_can_resolve. */
void *lg_symbol_in(void *handle, const char *name);
/* What our own lookups left for dlerror is not the program's. */
void lg_forget_dlerror(void);

/* dlsym and friends may be absent (weak): then nothing is hooked. */
bool lg_can_resolve(void);

#endif
