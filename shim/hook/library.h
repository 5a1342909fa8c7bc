#ifndef LG_HOOK_LIBRARY_H
#define LG_HOOK_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The program's own functions of a library other than OpenSSL (whose many
 * copies have resolve.h). Found as the dynamic linker binds: the global scope
 * first, then what the calling module depends on, then any such file that is
 * loaded. Nothing is looked up before the first call.
 */

/* Stands first in what a library keeps of one of its copies. */
struct lg_copy {
	const void *module; /* its link_map */
	unsigned state;	    /* 0 free, 1 being filled, 2 ready */
	bool whole;	    /* all functions that are needed are there */
};

struct lg_library {
	const char *file;  /* part of its file's name */
	const char *probe; /* a function that each copy has */
	/* Look up the rest with lg_library_find. */
	void (*fill)(struct lg_copy *copy, const struct lg_library *lib,
		     const void *caller);
	void *copies; /* ncopies of size bytes each, zero at first */
	size_t size;
	unsigned ncopies;
};

/*
 * The copy that the code at this return address means, NULL when there is
 * none. Any thread; after the first call from a place without a lock or a
 * libc call. Keeps errno. It is never unloaded again.
 */
void *lg_library_copy(const struct lg_library *lib, const void *caller);

/* A function behind ours, for fill. NULL: there is none. */
void *lg_library_find(const struct lg_library *lib, const void *caller,
		      const char *name);

/* Forget what is known about callers (a module was unloaded). */
void lg_library_forget_callers(void);
/* In a forked child: what another thread was just filling is free. */
void lg_library_after_fork(const struct lg_library *lib);

#endif
