/* The first bytes of a connection: the name lies within them, or there is none.
 */
#include <stdint.h>
#include <stdlib.h>

#include "wire/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct lg_slice name;

	if (lg_hello_name(p, size, &name) &&
	    (!name.len || name.p < p || name.p + name.len > p + size))
		abort();
	if (lg_hello_is_tls(p, size) && lg_hello_is_http(p, size))
		abort();
	return 0;
}
