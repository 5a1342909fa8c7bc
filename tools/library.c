#include "library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int library_load(const char *file, const char *package,
		 const struct library_need *need, unsigned n, char why[256])
{
	void *h = dlopen(file, RTLD_NOW | RTLD_LOCAL), *f;

	if (!h) {
		snprintf(why, 256, "needs %s (Debian: %s)", file, package);
		return -ENOSYS;
	}
	for (unsigned i = 0; i < n; i++) {
		f = dlsym(h, need[i].name);
		if (!f) {
			snprintf(why, 256, "%s has no %s", file, need[i].name);
			return -ENOSYS;
		}
		memcpy(need[i].to, &f, sizeof(f));
	}
	return 0;
}
