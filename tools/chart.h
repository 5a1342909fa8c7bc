#ifndef LG_TOOLS_CHART_H
#define LG_TOOLS_CHART_H

#include <stdint.h>

struct lg_buf;

/*
 * Bars of Unicode eighths beside their labels, as wide as the terminal (80
 * columns where there is none); one colour on a terminal, unless NO_COLOR is
 * set or the output is none. Negative values have no bar.
 */
struct chart {
	struct lg_buf *out;
	unsigned label, value; /* widths of the texts */
	unsigned bar;	       /* of the longest bar */
	int64_t max;
	int colour;
};

/* max: the largest value; label, value: the longest texts in columns. */
void chart_init(struct chart *c, struct lg_buf *out, unsigned label,
		unsigned value, int64_t max);
void chart_bar(struct chart *c, const char *label, const char *value,
	       int64_t v);
/* Columns of the terminal; 80 where stdout is none. */
unsigned chart_columns(void);

#endif
