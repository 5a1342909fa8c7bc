#ifndef LG_TOOLS_ELFSYMS_H
#define LG_TOOLS_ELFSYMS_H

#include <elf.h>

#include "elffile.h"

/* The parts of an ELF file. Offsets are of the file. */

/* n bytes at off into out; false: they leave the file. */
bool elf_read(const struct elf *e, uint64_t off, void *out, size_t n);
/* A NUL-terminated text inside [off, off + len), at `at` in it; NULL. */
const char *elf_text(const struct elf *e, uint64_t off, uint64_t len,
		     uint64_t at);
/* Where a loaded address stands in the file, and how much follows it there. */
bool elf_offset(const struct elf *e, uint64_t addr, uint64_t *off,
		uint64_t *left);

/* The header of a segment, of the first section of that name. */
bool elf_segment(const struct elf *e, unsigned i, Elf64_Phdr *out);
bool elf_section(const struct elf *e, const char *name, Elf64_Shdr *out);

/*
 * Each symbol that is defined; fn says whether to go on. At most 4 million are
 * looked at.
 */
typedef bool elf_symbol_fn(void *arg, const char *name, const Elf64_Sym *s);
void elf_each_symbol(const struct elf *e, const struct elf_symtab *t,
		     elf_symbol_fn *fn, void *arg);

/* For elffile.c. hash, gnu_hash: addresses that tell how many there are, 0
 * unknown. */
void elf_read_dynsym(struct elf *e, const struct elf_symtab *t, uint64_t hash,
		     uint64_t gnu_hash);
void elf_read_symtab(struct elf *e, const struct elf_symtab *t);
/* off: of the .go.buildinfo section. */
void elf_read_go(struct elf *e, uint64_t off);

#endif
