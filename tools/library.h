#ifndef LG_TOOLS_LIBRARY_H
#define LG_TOOLS_LIBRARY_H

/*
 * A shared library that only some commands need: loaded by them, so that it
 * costs the others nothing. Functions are named in a table.
 */
struct library_need {
	const char *name;
	void *to; /* a pointer to the function's pointer */
};

/*
 * file: "libhpdf-2.3.0.so"; package: Debian's. 0; -ENOSYS with why. Stays
 * loaded.
 */
int library_load(const char *file, const char *package,
		 const struct library_need *need, unsigned n, char why[256]);

#endif
