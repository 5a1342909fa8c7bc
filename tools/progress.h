#ifndef LG_TOOLS_PROGRESS_H
#define LG_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* A bar on stderr, where that is a terminal and it takes over a second. */
struct progress {
	const char *what;
	uint64_t total;
	int64_t start_ms, shown_ms;
	bool terminal, shown;
};

void progress_init(struct progress *p, const char *what, uint64_t total);
/* May be called often. */
void progress_show(struct progress *p, uint64_t done);
/* Wipes it away. */
void progress_fini(struct progress *p);

#endif
