#ifndef LG_HOOK_ELF_H
#define LG_HOOK_ELF_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One loaded module as the dynamic linker mapped it: what it exports itself,
 * whatever others define before it. Tables are checked against the mapped
 * segments at each step; no libc call but dl_iterate_phdr. Borrowed from the
 * module.
 */
struct lg_elf {
	uintptr_t base;
	const ElfW(Phdr) * phdr;
	unsigned nphdr;
	uintptr_t dynamic;
	const ElfW(Sym) * sym;
	const char *str;
	size_t nstr;
	const uint32_t *gnu;  /* DT_GNU_HASH, or NULL */
	const uint32_t *sysv; /* DT_HASH, or NULL */
	bool has_rpath;	      /* DT_RPATH */
	bool has_runpath;     /* DT_RUNPATH */
};

/* The executable. False: not to be read. */
bool lg_elf_program(struct lg_elf *e);
/* The one that dl_iterate_phdr shows. */
bool lg_elf_info(struct lg_elf *e, const struct dl_phdr_info *info);
/* The module whose dynamic section stands there (link_map's l_ld). */
bool lg_elf_module(struct lg_elf *e, const void *dynamic);

/* The function of this name that the module defines; NULL: none. */
const ElfW(Sym) * lg_elf_find(const struct lg_elf *e, const char *name);

/*
 * The bytes of readable, executable, not writable text from the address to
 * the end of its segment, 0: it is no such text. *file_at: where it stands in
 * the file.
 */
size_t lg_elf_text(const struct lg_elf *e, uintptr_t at, uint64_t *file_at);

#endif
