#include "preload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "libllmguard.so"

#ifndef LG_PREFIX
#define LG_PREFIX "/usr/local"
#endif

int preload_find(char *out, size_t cap)
{
	static const char *const places[] = {"", "/../lib", "/../lib/llmguard"};
	char self[512], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t i;

	if (n > 0) {
		self[n] = 0;
		slash = strrchr(self, '/');
		if (slash)
			*slash = 0;
		for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			if (snprintf(out, cap, "%s%s/" NAME, self, places[i]) <
				    (int)cap &&
			    !access(out, R_OK))
				return 0;
		}
	}
	if (snprintf(out, cap, "%s", LG_PREFIX "/lib/" NAME) < (int)cap &&
	    !access(out, R_OK))
		return 0;
	return -ENOENT;
}
