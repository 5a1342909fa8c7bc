#ifndef LG_BPF_BINARY_H
#define LG_BPF_BINARY_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/site.h"
#include "tools/elfsyms.h"

/*
 * What probing needs of an ELF file besides its symbols. All is checked
 * against the file. Any thread; the elf outlives what is got.
 */

/* The executable segment with this address. */
bool binary_text(const struct elf *e, uint64_t addr, struct site_text *out);
/* The same by an offset of the file. */
bool binary_address(const struct elf *e, uint64_t file_at, uint64_t *addr);
/* The NT_GNU_BUILD_ID note as hex, "" none. */
#define BINARY_BUILD_ID 129
void binary_build_id(const struct elf *e, char out[static BINARY_BUILD_ID]);
/*
 * The name of the function that a stub of the procedure linkage table at addr
 * leads to; NULL: it is no such stub, or nobody says.
 */
const char *binary_stub_name(const struct elf *e, const struct site_text *text,
			     uint64_t addr);
/* The pointer at this address as the loader will have set it. */
bool binary_pointer(const struct elf *e, uint64_t addr, uint64_t *out);

#endif
