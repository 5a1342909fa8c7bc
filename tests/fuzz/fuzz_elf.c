/* ELF files and the loader's cache as doctor reads them: any bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/elffile.h"
#include "tools/ldcache.h"
#include "tools/tlscopy.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void inside(const struct elf *e, const char *text)
{
	if (text && (text < e->p || text + strlen(text) >= e->p + e->size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_copy copy[4];
	char path[64];
	struct elf e;

	if (!elf_parse(data, size, &e)) {
		inside(&e, e.interp);
		inside(&e, e.soname);
		inside(&e, e.runpath);
		for (unsigned i = 0; i < e.nneeded; i++)
			inside(&e, e.needed[i]);
		if (tls_copies_in(&e, "x", false, true, copy, 4) > 4)
			abort();
	}
	ldcache_search(data, size, "libssl.so.3", path, sizeof(path));
	return 0;
}
