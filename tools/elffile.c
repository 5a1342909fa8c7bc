#include "elffile.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elfsyms.h"

#define PHDRS_MAX 512
#define SHDRS_MAX 65535
#define DYNS_MAX 4096
#define TEXT_MAX 4096 /* a file without NULs is not read n times */

/* Copies an element, however it is aligned. */
bool elf_read(const struct elf *e, uint64_t off, void *out, size_t n)
{
	if (off > e->size || n > e->size - off)
		return false;
	memcpy(out, e->p + off, n);
	return true;
}

/* A NUL-terminated text inside [off, off + len). */
const char *elf_text(const struct elf *e, uint64_t off, uint64_t len,
		     uint64_t at)
{
	if (off > e->size || len > e->size - off || at >= len)
		return NULL;
	len = len - at < TEXT_MAX ? len - at : TEXT_MAX;
	return memchr(e->p + off + at, 0, len) ? e->p + off + at : NULL;
}

static bool header(const struct elf *e, Elf64_Ehdr *h)
{
	return elf_read(e, 0, h, sizeof(*h));
}

static bool segment(const struct elf *e, const Elf64_Ehdr *h, unsigned i,
		    Elf64_Phdr *out)
{
	uint64_t at;

	return i < PHDRS_MAX && h->e_phentsize == sizeof(*out) &&
	       !__builtin_add_overflow(h->e_phoff, i * sizeof(*out), &at) &&
	       elf_read(e, at, out, sizeof(*out));
}

static bool section(const struct elf *e, const Elf64_Ehdr *h, unsigned i,
		    Elf64_Shdr *out)
{
	uint64_t at;

	return i < SHDRS_MAX && h->e_shentsize == sizeof(*out) && h->e_shoff &&
	       !__builtin_add_overflow(h->e_shoff, i * sizeof(*out), &at) &&
	       elf_read(e, at, out, sizeof(*out));
}

bool elf_segment(const struct elf *e, unsigned i, Elf64_Phdr *out)
{
	Elf64_Ehdr h;

	return header(e, &h) && i < h.e_phnum && segment(e, &h, i, out);
}

bool elf_section(const struct elf *e, const char *name, Elf64_Shdr *out)
{
	Elf64_Shdr names;
	const char *own;
	Elf64_Ehdr h;

	if (!header(e, &h) || h.e_shstrndx >= h.e_shnum ||
	    !section(e, &h, h.e_shstrndx, &names))
		return false;
	for (unsigned i = 0; i < h.e_shnum && section(e, &h, i, out); i++) {
		own = elf_text(e, names.sh_offset, names.sh_size, out->sh_name);
		if (own && !strcmp(own, name))
			return true;
	}
	return false;
}

bool elf_offset(const struct elf *e, uint64_t addr, uint64_t *off,
		uint64_t *left)
{
	Elf64_Ehdr h;
	Elf64_Phdr p;

	memcpy(&h, e->p, sizeof(h));
	for (unsigned i = 0; i < h.e_phnum; i++) {
		if (!segment(e, &h, i, &p) || p.p_type != PT_LOAD ||
		    addr < p.p_vaddr || addr - p.p_vaddr >= p.p_filesz ||
		    p.p_offset > e->size ||
		    addr - p.p_vaddr >= e->size - p.p_offset)
			continue;
		*off = p.p_offset + (addr - p.p_vaddr);
		*left = p.p_filesz - (addr - p.p_vaddr);
		if (*left > e->size - *off)
			*left = e->size - *off;
		return true;
	}
	return false;
}

/* What the dynamic section names, as addresses. */
struct dyn {
	uint64_t strtab, strsz, symtab, hash, gnu_hash;
	uint64_t rela, relasz, jmprel, pltrelsz;
};

static void keep_address(struct dyn *d, const Elf64_Dyn *v)
{
	switch (v->d_tag) {
	case DT_STRTAB:
		d->strtab = v->d_un.d_ptr;
		break;
	case DT_STRSZ:
		d->strsz = v->d_un.d_val;
		break;
	case DT_SYMTAB:
		d->symtab = v->d_un.d_ptr;
		break;
	case DT_HASH:
		d->hash = v->d_un.d_ptr;
		break;
	case DT_GNU_HASH:
		d->gnu_hash = v->d_un.d_ptr;
		break;
	case DT_RELA:
		d->rela = v->d_un.d_ptr;
		break;
	case DT_RELASZ:
		d->relasz = v->d_un.d_val;
		break;
	case DT_JMPREL:
		d->jmprel = v->d_un.d_ptr;
		break;
	case DT_PLTRELSZ:
		d->pltrelsz = v->d_un.d_val;
		break;
	}
}

static void read_addresses(struct elf *e, const Elf64_Phdr *p, struct dyn *d)
{
	Elf64_Dyn v;
	unsigned i;

	for (i = 0; i < DYNS_MAX && (i + 1) * sizeof(v) <= p->p_filesz; i++) {
		if (!elf_read(e, p->p_offset + i * sizeof(v), &v, sizeof(v))) {
			e->damaged = true;
			return;
		}
		if (v.d_tag == DT_NULL)
			return;
		keep_address(d, &v);
	}
}

static void name_it(struct elf *e, int64_t tag, const char *name)
{
	if (!name)
		e->damaged = true;
	else if (tag == DT_RPATH)
		e->rpath = name;
	else if (tag == DT_RUNPATH)
		e->runpath = name;
	else if (tag == DT_SONAME)
		e->soname = name;
	else if (e->nneeded < ELF_NEEDED_MAX)
		e->needed[e->nneeded++] = name;
}

static void read_names(struct elf *e, const Elf64_Phdr *p, uint64_t off,
		       uint64_t len)
{
	Elf64_Dyn v;
	unsigned i;

	for (i = 0; i < DYNS_MAX && (i + 1) * sizeof(v) <= p->p_filesz; i++) {
		if (!elf_read(e, p->p_offset + i * sizeof(v), &v, sizeof(v)) ||
		    v.d_tag == DT_NULL)
			return;
		if (v.d_tag == DT_NEEDED || v.d_tag == DT_RPATH ||
		    v.d_tag == DT_RUNPATH || v.d_tag == DT_SONAME)
			name_it(e, v.d_tag,
				elf_text(e, off, len, v.d_un.d_val));
	}
}

static void read_rela(struct elf *e, uint64_t addr, uint64_t len,
		      struct elf_part *out)
{
	uint64_t left;

	if (!addr || !elf_offset(e, addr, &out->off, &left))
		return;
	out->len = len < left ? len : left;
}

static void read_dynamic(struct elf *e, const Elf64_Phdr *p)
{
	struct dyn d = {0};
	struct elf_symtab t = {0};
	uint64_t left;

	e->dynamic = true;
	read_addresses(e, p, &d);
	read_rela(e, d.rela, d.relasz, &e->rela);
	read_rela(e, d.jmprel, d.pltrelsz, &e->plt_rela);
	if (!d.strtab || !elf_offset(e, d.strtab, &t.str, &left)) {
		e->damaged = e->damaged || d.strtab;
		return;
	}
	t.strsz = d.strsz < left ? d.strsz : left;
	read_names(e, p, t.str, t.strsz);
	if (!d.symtab || !elf_offset(e, d.symtab, &t.sym, &left))
		return;
	t.nsyms = left / sizeof(Elf64_Sym);
	elf_read_dynsym(e, &t, d.hash, d.gnu_hash);
}

static void read_segments(struct elf *e, const Elf64_Ehdr *h)
{
	Elf64_Phdr p;

	for (unsigned i = 0; i < h->e_phnum; i++) {
		if (!segment(e, h, i, &p)) {
			e->damaged = true;
			return;
		}
		if (p.p_type == PT_INTERP) {
			e->interp = elf_text(e, p.p_offset, p.p_filesz, 0);
			if (!e->interp)
				e->damaged = true;
		} else if (p.p_type == PT_DYNAMIC && !e->dynamic) {
			read_dynamic(e, &p);
		}
	}
}

static void note_go(struct elf *e, const char *name, const Elf64_Shdr *s)
{
	if (!name)
		return;
	if (!strcmp(name, ".go.buildinfo"))
		elf_read_go(e, s->sh_offset);
	else if (!strcmp(name, ".note.go.buildid") && !e->go[0])
		strcpy(e->go, "go");
}

/* Sections are for linkers: what is damaged there does not keep a program. */
static void read_sections(struct elf *e, const Elf64_Ehdr *h)
{
	Elf64_Shdr names = {0}, s, str;

	if (h->e_shstrndx >= h->e_shnum ||
	    !section(e, h, h->e_shstrndx, &names))
		return;
	for (unsigned i = 0; i < h->e_shnum; i++) {
		if (!section(e, h, i, &s))
			return;
		note_go(e,
			elf_text(e, names.sh_offset, names.sh_size, s.sh_name),
			&s);
		if (s.sh_type != SHT_SYMTAB || e->symtab.nsyms ||
		    s.sh_link >= h->e_shnum || !section(e, h, s.sh_link, &str))
			continue;
		elf_read_symtab(
			e, &(struct elf_symtab){s.sh_offset,
						s.sh_size / sizeof(Elf64_Sym),
						str.sh_offset, str.sh_size});
	}
}

static int our_machine(void)
{
#if defined(__x86_64__)
	return EM_X86_64;
#elif defined(__aarch64__)
	return EM_AARCH64;
#else
	return EM_NONE;
#endif
}

int elf_parse(const void *p, size_t size, struct elf *e)
{
	unsigned char ident[EI_NIDENT];
	Elf64_Ehdr h;

	memset(e, 0, sizeof(*e));
	e->p = p;
	e->size = size;
	if (!elf_read(e, 0, ident, sizeof(ident)) ||
	    memcmp(ident, ELFMAG, SELFMAG) ||
	    !elf_read(e, offsetof(Elf32_Ehdr, e_machine), &e->machine, 2))
		return -ENOEXEC;
	e->bits = ident[EI_CLASS] == ELFCLASS64	  ? 64
		  : ident[EI_CLASS] == ELFCLASS32 ? 32
						  : 0;
	if (!e->bits)
		return -ENOEXEC;
	e->same_machine = e->bits == 64 && ident[EI_DATA] == ELFDATA2LSB &&
			  e->machine == our_machine();
	if (!e->same_machine)
		return 0;
	if (!header(e, &h))
		return -ENOEXEC;
	read_segments(e, &h);
	read_sections(e, &h);
	return 0;
}

int elf_open(const char *path, struct elf *e)
{
	struct stat st;
	void *p = NULL;
	int fd, err = 0;

	memset(e, 0, sizeof(*e));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size < EI_NIDENT)
		err = -ENOEXEC;
	if (!err) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
			 0);
		err = p == MAP_FAILED ? -errno : 0;
	}
	close(fd);
	if (err)
		return err;
	err = elf_parse(p, (size_t)st.st_size, e);
	if (err)
		elf_close(e);
	return err;
}

void elf_close(struct elf *e)
{
	if (e->p)
		munmap((void *)(uintptr_t)e->p, e->size);
	e->p = NULL;
}

const char *elf_find(const struct elf *e, const char *text)
{
	return memmem(e->p, e->size, text, strlen(text));
}

const char *elf_machine_name(const struct elf *e)
{
	switch (e->machine) {
	case EM_X86_64:
		return e->bits == 32 ? "x32" : "x86-64";
	case EM_386:
		return "i386";
	case EM_AARCH64:
		return "aarch64";
	case EM_ARM:
		return "arm";
	case EM_RISCV:
		return "risc-v";
	case EM_PPC64:
		return "ppc64";
	case EM_S390:
		return "s390x";
	default:
		return "another machine";
	}
}
