#include "wire/lines.h"

#include <string.h>

void lg_lines_feed(const struct lg_lines_sink *sink, void *ctx, const char *p,
		   size_t len)
{
	const char *end = p + len, *nl;

	while (p < end) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl) {
			sink->data(ctx,
				   (struct lg_slice){p, (size_t)(end - p)});
			return;
		}
		if (nl > p)
			sink->data(ctx, (struct lg_slice){p, (size_t)(nl - p)});
		sink->end(ctx);
		p = nl + 1;
	}
}
