/* A mapped file's probe points, Go's tables, offsets: any bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/gofunc.h"
#include "bpf/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Whatever they are, they are code. */
static void as_code(const uint8_t *data, size_t size)
{
	struct site_text t = {.p = data, .len = size, .addr = 0x1000};
	struct site s;
	enum probe_fn as;
	uint64_t callee;

	for (unsigned fn = PROBE_WRITE; fn <= PROBE_LOADED; fn++) {
		if (site_find(&t, t.addr, 0, (enum probe_fn)fn, fn & 1, &s))
			continue;
		if (s.nends > SITE_RETS_MAX || s.entry_at >= size)
			abort();
		for (unsigned i = 0; i < s.nends; i++)
			if (s.ends[i] >= size)
				abort();
	}
	site_callee(&t, t.addr, PROBE_WRITE, &callee, &as);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct offsets *user;
	struct object o;
	char why[64];

	if (!offsets_parse("f", (const char *)data, size, &user, why,
			   sizeof(why))) {
		object_parse(data, size, true, user, &o);
		offsets_close(user);
	} else if (strlen(why) >= sizeof(why)) {
		abort();
	}
	if (!object_parse(data, size, size & 1, NULL, &o))
		for (unsigned i = 0; i < o.npoints; i++)
			if (o.points[i].file_at >= size)
				abort();
	if (size < 4096)
		as_code(data, size);
	return 0;
}
