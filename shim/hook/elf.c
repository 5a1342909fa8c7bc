#include "hook/elf.h"

#include <string.h>

#define CHAIN_MAX 65536

/* n bytes at p lie in what was mapped from the file for reading. */
static bool is_mapped(const struct lg_elf *e, uintptr_t p, size_t n)
{
	const ElfW(Phdr) * ph;
	uintptr_t off;
	unsigned i;

	for (i = 0; i < e->nphdr; i++) {
		ph = &e->phdr[i];
		off = p - (e->base + ph->p_vaddr);
		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_R) &&
		    off <= ph->p_filesz && n <= ph->p_filesz - off)
			return true;
	}
	return false;
}

/*
 * The linker writes the address into the table, or leaves the offset. What
 * does not stand as the format has it is none of ours.
 */
static uintptr_t table(const struct lg_elf *e, uintptr_t ptr, size_t n,
		       size_t align)
{
	if (!is_mapped(e, ptr, n))
		ptr += e->base;
	return is_mapped(e, ptr, n) && !(ptr % align) ? ptr : 0;
}

static void note_entry(struct lg_elf *e, const ElfW(Dyn) * d)
{
	switch (d->d_tag) {
	case DT_SYMTAB:
		e->sym = (const void *)table(e, d->d_un.d_ptr, sizeof(*e->sym),
					     _Alignof(ElfW(Sym)));
		break;
	case DT_STRTAB:
		e->str = (const void *)table(e, d->d_un.d_ptr, 1, 1);
		break;
	case DT_STRSZ:
		e->nstr = d->d_un.d_val;
		break;
	case DT_GNU_HASH:
		e->gnu = (const void *)table(e, d->d_un.d_ptr, 16, 4);
		break;
	case DT_HASH:
		e->sysv = (const void *)table(e, d->d_un.d_ptr, 8, 4);
		break;
	case DT_RPATH:
		e->has_rpath = true;
		break;
	case DT_RUNPATH:
		e->has_runpath = true;
		break;
	}
}

static bool read_dynamic(struct lg_elf *e)
{
	const ElfW(Phdr) *ph = NULL;
	const ElfW(Dyn) * d;
	unsigned i, n;

	for (i = 0; i < e->nphdr; i++)
		if (e->phdr[i].p_type == PT_DYNAMIC)
			ph = &e->phdr[i];
	if (!ph || !is_mapped(e, e->base + ph->p_vaddr, ph->p_filesz))
		return false;
	e->dynamic = e->base + ph->p_vaddr;
	if (e->dynamic % _Alignof(ElfW(Dyn)))
		return false;
	d = (const void *)e->dynamic;
	n = (unsigned)(ph->p_filesz / sizeof(*d));
	for (i = 0; i < n && d[i].d_tag != DT_NULL; i++)
		note_entry(e, &d[i]);
	return e->sym && e->str && is_mapped(e, (uintptr_t)e->str, e->nstr) &&
	       (e->gnu || e->sysv);
}

static void take_phdr(struct lg_elf *e, const struct dl_phdr_info *info)
{
	memset(e, 0, sizeof(*e));
	e->base = info->dlpi_addr;
	e->phdr = info->dlpi_phdr;
	e->nphdr = info->dlpi_phnum;
}

/* The executable comes first. */
static int take_first(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	take_phdr(ctx, info);
	return 1;
}

bool lg_elf_program(struct lg_elf *e)
{
	return dl_iterate_phdr(take_first, e) && read_dynamic(e);
}

bool lg_elf_info(struct lg_elf *e, const struct dl_phdr_info *info)
{
	take_phdr(e, info);
	return read_dynamic(e);
}

struct wanted {
	struct lg_elf *e;
	uintptr_t dynamic;
};

static int take_wanted(struct dl_phdr_info *info, size_t size, void *ctx)
{
	const struct wanted *w = ctx;
	unsigned i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_DYNAMIC ||
		    info->dlpi_addr + info->dlpi_phdr[i].p_vaddr != w->dynamic)
			continue;
		take_phdr(w->e, info);
		return 1;
	}
	return 0;
}

bool lg_elf_module(struct lg_elf *e, const void *dynamic)
{
	struct wanted w = {e, (uintptr_t)dynamic};

	return dynamic && dl_iterate_phdr(take_wanted, &w) && read_dynamic(e);
}

static const ElfW(Sym) *
	at_index(const struct lg_elf *e, uint32_t i, const char *name)
{
	const ElfW(Sym) *s = e->sym + i;
	size_t len = strlen(name) + 1;

	if (!is_mapped(e, (uintptr_t)s, sizeof(*s)) || s->st_name >= e->nstr ||
	    len > e->nstr - s->st_name ||
	    memcmp(e->str + s->st_name, name, len))
		return NULL;
	if (s->st_shndx == SHN_UNDEF || !s->st_value ||
	    ELF64_ST_TYPE(s->st_info) != STT_FUNC)
		return NULL;
	return s;
}

static const ElfW(Sym) * find_gnu(const struct lg_elf *e, const char *name)
{
	uint32_t h = 5381, nbuckets = e->gnu[0], first = e->gnu[1];
	uint32_t bloom = e->gnu[2], i, n;
	const uint32_t *buckets, *chain;
	const ElfW(Sym) * s;
	const char *p;

	for (p = name; *p; p++)
		h = h * 33 + (unsigned char)*p;
	buckets = e->gnu + 4 + (size_t)bloom * (sizeof(ElfW(Addr)) / 4);
	if (!nbuckets || !is_mapped(e, (uintptr_t)buckets,
				    (size_t)nbuckets * sizeof(*buckets)))
		return NULL;
	chain = buckets + nbuckets;
	i = buckets[h % nbuckets];
	for (n = 0; i >= first && n < CHAIN_MAX; i++, n++) {
		if (!is_mapped(e, (uintptr_t)&chain[i - first], 4))
			return NULL;
		s = (chain[i - first] | 1) == (h | 1) ? at_index(e, i, name)
						      : NULL;
		if (s || (chain[i - first] & 1))
			return s;
	}
	return NULL;
}

static const ElfW(Sym) * find_sysv(const struct lg_elf *e, const char *name)
{
	uint32_t h = 0, nbuckets = e->sysv[0], nchain = e->sysv[1], i, n;
	const ElfW(Sym) * s;
	const char *p;

	for (p = name; *p; p++) {
		h = (h << 4) + (unsigned char)*p;
		h ^= (h & 0xf0000000) >> 24;
		h &= 0x0fffffff;
	}
	if (!nbuckets || !is_mapped(e, (uintptr_t)(e->sysv + 2),
				    ((size_t)nbuckets + nchain) * 4))
		return NULL;
	i = e->sysv[2 + h % nbuckets];
	for (n = 0; i && i < nchain && n < CHAIN_MAX; n++) {
		s = at_index(e, i, name);
		if (s)
			return s;
		i = e->sysv[2 + nbuckets + i];
	}
	return NULL;
}

const ElfW(Sym) * lg_elf_find(const struct lg_elf *e, const char *name)
{
	return e->gnu ? find_gnu(e, name) : find_sysv(e, name);
}

size_t lg_elf_text(const struct lg_elf *e, uintptr_t at, uint64_t *file_at)
{
	const ElfW(Phdr) * ph;
	uintptr_t off;
	unsigned i;

	for (i = 0; i < e->nphdr; i++) {
		ph = &e->phdr[i];
		off = at - (e->base + ph->p_vaddr);
		if (ph->p_type != PT_LOAD || off >= ph->p_filesz)
			continue;
		if ((ph->p_flags & (PF_R | PF_W | PF_X)) != (PF_R | PF_X))
			return 0;
		*file_at = ph->p_offset + off;
		return ph->p_filesz - off;
	}
	return 0;
}
