#ifndef LG_TOOLS_ELFFILE_H
#define LG_TOOLS_ELFFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* What can be read of a 64-bit ELF file of this machine's byte order. */
#define ELF_NEEDED_MAX 128

struct elf {
	const char *p; /* the mapped file */
	size_t size;
	bool same_machine;  /* it can load our library */
	const char *interp; /* program interpreter, NULL: static */
	const char *needed[ELF_NEEDED_MAX];
	unsigned nneeded;
	const char *runpath; /* DT_RUNPATH or DT_RPATH, NULL none */
	bool has_go;
	bool defines_ssl; /* SSL_write stands in it, exported or not */
	bool imports_ssl; /* SSL_write comes from a library */
};

/* 0; -ENOEXEC not ELF, or damaged; -errno. */
int elf_open(const char *path, struct elf *out);
void elf_close(struct elf *e);
/* Does this text stand anywhere in the file? */
bool elf_mentions(const struct elf *e, const char *text);

#endif
