#include "preload.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define NAME "libllmguard.so"

#ifndef LG_PREFIX
#define LG_PREFIX "/usr/local"
#endif

/* Where this program lies; without /proc, how it was called. */
static bool find_self(char out[512])
{
	const char *called = (const char *)getauxval(AT_EXECFN);
	ssize_t n = readlink("/proc/self/exe", out, 511);
	char *real;

	if (n > 0) {
		out[n] = 0;
		return true;
	}
	real = called ? realpath(called, NULL) : NULL;
	n = real ? snprintf(out, 512, "%s", real) : 0;
	free(real);
	return n > 0 && n < 512;
}

/* "/usr/bin/../lib/x" is right and ugly. */
static void tidy(char *path, size_t cap)
{
	char *real = realpath(path, NULL);

	if (real && strlen(real) < cap)
		strcpy(path, real);
	free(real);
}

int preload_find(char *out, size_t cap)
{
	static const char *const places[] = {"", "/../lib", "/../lib/llmguard"};
	char self[512], *slash;
	size_t i;

	if (find_self(self)) {
		slash = strrchr(self, '/');
		if (slash)
			*slash = 0;
		for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			if (snprintf(out, cap, "%s%s/" NAME, self, places[i]) <
				    (int)cap &&
			    !access(out, R_OK)) {
				tidy(out, cap);
				return 0;
			}
		}
	}
	if (snprintf(out, cap, "%s", LG_PREFIX "/lib/" NAME) < (int)cap &&
	    !access(out, R_OK))
		return 0;
	return -ENOENT;
}
