#ifndef LG_TOOLS_REPORT_PLAN_H
#define LG_TOOLS_REPORT_PLAN_H

#include <stdbool.h>

#define REPORT_FORMATS_MAX 8

/* `reports:` of a config. */
struct report_plan {
	unsigned nformats; /* 0: none is asked for */
	char format[REPORT_FORMATS_MAX][8];
	char by[256];	/* with commas */
	char dir[1024]; /* absolute */
	char name[128]; /* {month}, {user} */
	bool chart;
};

/*
 * What the config says; defaults where it does not. It is not checked here:
 * not for one that is refused (tool_opened). One that cannot be read asks for
 * nothing (every command has said so by then).
 */
void report_plan_read(struct report_plan *p, const char *config,
		      const char *state);
/* dir/name.format. 0, or -ENAMETOOLONG. */
int report_plan_path(const struct report_plan *p, unsigned format,
		     const char *month, char *out, unsigned long cap);

#endif
