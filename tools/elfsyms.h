#ifndef LG_TOOLS_ELFSYMS_H
#define LG_TOOLS_ELFSYMS_H

#include "elffile.h"

/* Symbols and Go's build info; for elffile.c. Offsets are of the file. */
struct elf_symtab {
	uint64_t sym, nsyms; /* at most */
	uint64_t str, strsz;
};

/* n bytes at off into out; false: they leave the file. */
bool elf_read(const struct elf *e, uint64_t off, void *out, size_t n);
/* A NUL-terminated text inside [off, off + len), at `at` in it; NULL. */
const char *elf_text(const struct elf *e, uint64_t off, uint64_t len,
		     uint64_t at);
/* Where a loaded address stands in the file, and how much follows it there. */
bool elf_offset(const struct elf *e, uint64_t addr, uint64_t *off,
		uint64_t *left);

/* hash, gnu_hash: addresses that tell how many there are, 0 unknown. */
void elf_read_dynsym(struct elf *e, const struct elf_symtab *t, uint64_t hash,
		     uint64_t gnu_hash);
void elf_read_symtab(struct elf *e, const struct elf_symtab *t);
/* off: of the .go.buildinfo section. */
void elf_read_go(struct elf *e, uint64_t off);

#endif
