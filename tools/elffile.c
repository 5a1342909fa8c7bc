#include "elffile.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* n elements of size at off, or NULL when they leave the file. */
static const void *part(const struct elf *e, uint64_t off, uint64_t n,
			uint64_t size)
{
	uint64_t len;

	if (__builtin_mul_overflow(n, size, &len) || off > e->size ||
	    len > e->size - off || off % 8)
		return NULL;
	return e->p + off;
}

/* A NUL-terminated text inside [off, off + len). */
static const char *text(const struct elf *e, uint64_t off, uint64_t len,
			uint64_t at)
{
	if (off > e->size || len > e->size - off || at >= len)
		return NULL;
	return memchr(e->p + off + at, 0, len - at) ? e->p + off + at : NULL;
}

static void read_symbols(struct elf *e, const Elf64_Shdr *sym,
			 const Elf64_Shdr *str)
{
	uint64_t n = sym->sh_size / sizeof(Elf64_Sym), i;
	const Elf64_Sym *s = part(e, sym->sh_offset, n, sizeof(*s));
	const char *name;

	for (i = 0; s && i < n; i++) {
		if (ELF64_ST_TYPE(s[i].st_info) != STT_FUNC &&
		    s[i].st_shndx != SHN_UNDEF)
			continue;
		name = text(e, str->sh_offset, str->sh_size, s[i].st_name);
		if (!name || strcmp(name, "SSL_write"))
			continue;
		if (s[i].st_shndx == SHN_UNDEF)
			e->imports_ssl = true;
		else
			e->defines_ssl = true;
	}
}

static void read_dynamic(struct elf *e, const Elf64_Shdr *dyn,
			 const Elf64_Shdr *str)
{
	uint64_t n = dyn->sh_size / sizeof(Elf64_Dyn), i;
	const Elf64_Dyn *d = part(e, dyn->sh_offset, n, sizeof(*d));
	const char *name;

	for (i = 0; d && i < n && d[i].d_tag != DT_NULL; i++) {
		if (d[i].d_tag != DT_NEEDED && d[i].d_tag != DT_RUNPATH &&
		    d[i].d_tag != DT_RPATH)
			continue;
		name = text(e, str->sh_offset, str->sh_size, d[i].d_un.d_val);
		if (!name)
			continue;
		if (d[i].d_tag != DT_NEEDED)
			e->runpath = name;
		else if (e->nneeded < ELF_NEEDED_MAX)
			e->needed[e->nneeded++] = name;
	}
}

static void read_sections(struct elf *e, const Elf64_Ehdr *h)
{
	const Elf64_Shdr *s =
		part(e, h->e_shoff, h->e_shnum, sizeof(Elf64_Shdr));
	const char *name;
	unsigned i;

	if (!s || h->e_shentsize != sizeof(*s) || h->e_shstrndx >= h->e_shnum)
		return;
	for (i = 0; i < h->e_shnum; i++) {
		name = text(e, s[h->e_shstrndx].sh_offset,
			    s[h->e_shstrndx].sh_size, s[i].sh_name);
		if (name && (!strcmp(name, ".go.buildinfo") ||
			     !strcmp(name, ".note.go.buildid")))
			e->has_go = true;
		if (s[i].sh_link >= h->e_shnum)
			continue;
		if (s[i].sh_type == SHT_DYNSYM || s[i].sh_type == SHT_SYMTAB)
			read_symbols(e, &s[i], &s[s[i].sh_link]);
		else if (s[i].sh_type == SHT_DYNAMIC)
			read_dynamic(e, &s[i], &s[s[i].sh_link]);
	}
}

static void read_segments(struct elf *e, const Elf64_Ehdr *h)
{
	const Elf64_Phdr *p =
		part(e, h->e_phoff, h->e_phnum, sizeof(Elf64_Phdr));
	unsigned i;

	for (i = 0; p && i < h->e_phnum; i++)
		if (p[i].p_type == PT_INTERP)
			e->interp = text(e, p[i].p_offset, p[i].p_filesz, 0);
}

static int machine(void)
{
#if defined(__x86_64__)
	return EM_X86_64;
#elif defined(__aarch64__)
	return EM_AARCH64;
#else
	return EM_NONE;
#endif
}

int elf_open(const char *path, struct elf *e)
{
	const Elf64_Ehdr *h;
	struct stat st;
	int fd, err = 0;

	memset(e, 0, sizeof(*e));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(*h))
		err = -ENOEXEC;
	if (!err) {
		e->size = (size_t)st.st_size;
		e->p = mmap(NULL, e->size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (e->p == MAP_FAILED)
			err = -errno, e->p = NULL;
	}
	close(fd);
	if (err)
		return err;
	h = (const void *)e->p;
	if (memcmp(h->e_ident, ELFMAG, SELFMAG)) {
		elf_close(e);
		return -ENOEXEC;
	}
	e->same_machine =
		h->e_ident[EI_CLASS] == ELFCLASS64 && h->e_machine == machine();
	if (e->same_machine) {
		read_segments(e, h);
		read_sections(e, h);
	}
	return 0;
}

void elf_close(struct elf *e)
{
	if (e->p)
		munmap((void *)(uintptr_t)e->p, e->size);
	e->p = NULL;
}

bool elf_mentions(const struct elf *e, const char *what)
{
	return memmem(e->p, e->size, what, strlen(what)) != NULL;
}
