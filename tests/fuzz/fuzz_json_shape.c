#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/shape_oracle.h"

/*
 * Lines are values of one stream: told by their shapes as by the scanner. A
 * line is also followed by itself with one byte changed.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lg_json_shapes *s = calloc(1, sizeof(*s));
	const uint8_t *end = data + size, *nl;
	size_t n;
	char *line;

	for (; data < end; data += n + 1) {
		nl = memchr(data, '\n', (size_t)(end - data));
		n = (size_t)((nl ? nl : end) - data);
		line = malloc(n + 1);
		memcpy(line, data, n);
		if (!shape_is_same(s, line, n))
			abort();
		if (n > 2)
			line[data[0] % n] ^= (char)(data[n - 1] & 15);
		if (!shape_is_same(s, line, n))
			abort();
		free(line);
		if (!nl)
			break;
	}
	free(s);
	return 0;
}
