#include "elfsyms.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

#define SYMS_MAX (4u << 20)

static const struct {
	const char *name;
	enum elf_mark mark;
} marks[] = {
	{"SSL_write", ELF_SSL_WRITE},
	{"SSL_write_ex", ELF_SSL_WRITE_EX},
	{"BIO_f_ssl", ELF_BIO_SSL},
	{"BIO_new_ssl", ELF_BIO_SSL},
	{"BIO_new_ssl_connect", ELF_BIO_SSL},
	{"BIO_write", ELF_BIO_WRITE},
	{"SSL_CTX_set_grease_enabled", ELF_BORING},
	{"gnutls_record_send", ELF_GNUTLS},
	{"SSL_ImportFD", ELF_NSS},
	{"PR_Send", ELF_PR_SEND},
	{"mbedtls_ssl_write", ELF_MBEDTLS},
	{"wolfSSL_write", ELF_WOLFSSL},
	{"s2n_send", ELF_S2N},
	{"send", ELF_SEND},
	{"dlsym", ELF_DLSYM},
	{"__libc_start_main", ELF_LIBC_START},
};

static unsigned mark_of(const char *name)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (!strcmp(name, marks[i].name))
			return ELF_BIT(marks[i].mark);
	if ((!strncmp(name, "_ZN", 3) || !strncmp(name, "_R", 2)) &&
	    strstr(name, "6rustls"))
		return ELF_BIT(ELF_RUST);
	return 0;
}

static const char *name_of(const struct elf *e, const struct elf_symtab *t,
			   const Elf64_Sym *s)
{
	return s->st_name ? elf_text(e, t->str, t->strsz, s->st_name) : NULL;
}

static void walk(struct elf *e, const struct elf_symtab *t, unsigned *defined,
		 unsigned *undefined)
{
	const char *name;
	Elf64_Sym s;
	uint64_t i;

	for (i = 1; i < t->nsyms && i < SYMS_MAX; i++) {
		if (!elf_read(e, t->sym + i * sizeof(s), &s, sizeof(s)))
			return;
		name = name_of(e, t, &s);
		if (!name)
			continue;
		if (s.st_shndx == SHN_UNDEF)
			*undefined |= mark_of(name);
		else
			*defined |= mark_of(name);
	}
}

void elf_each_symbol(const struct elf *e, const struct elf_symtab *t,
		     elf_symbol_fn *fn, void *arg)
{
	const char *name;
	Elf64_Sym s;

	for (uint64_t i = 1; i < t->nsyms && i < SYMS_MAX; i++) {
		if (!elf_read(e, t->sym + i * sizeof(s), &s, sizeof(s)))
			return;
		name = s.st_shndx == SHN_UNDEF ? NULL : name_of(e, t, &s);
		if (name && !fn(arg, name, &s))
			return;
	}
}

static uint64_t count_by_hash(const struct elf *e, uint64_t addr)
{
	uint64_t off, left;
	uint32_t n[2]; /* nbucket, nchain */

	return elf_offset(e, addr, &off, &left) && elf_read(e, off, n, 8) ? n[1]
									  : 0;
}

/* The longest chain's end is the last symbol. */
static uint64_t count_by_gnu_hash(const struct elf *e, uint64_t addr)
{
	uint32_t h[4]; /* nbuckets, symoffset, bloom words, shift */
	uint64_t off, left, at, last = 0, chain;
	uint32_t v;

	if (!elf_offset(e, addr, &off, &left) || !elf_read(e, off, h, 16) ||
	    h[0] > SYMS_MAX || h[2] > SYMS_MAX)
		return 0;
	at = off + 16 + (uint64_t)h[2] * 8;
	for (uint32_t i = 0; i < h[0]; i++) {
		if (!elf_read(e, at + (uint64_t)i * 4, &v, 4))
			return 0;
		last = v > last ? v : last;
	}
	if (last < h[1])
		return h[1];
	chain = at + (uint64_t)h[0] * 4;
	for (; last < SYMS_MAX; last++) {
		if (!elf_read(e, chain + (last - h[1]) * 4, &v, 4))
			return 0;
		if (v & 1)
			return last + 1;
	}
	return 0;
}

void elf_read_dynsym(struct elf *e, const struct elf_symtab *t, uint64_t hash,
		     uint64_t gnu_hash)
{
	struct elf_symtab own = *t;
	uint64_t n = hash ? count_by_hash(e, hash) : 0;

	if (!n && gnu_hash)
		n = count_by_gnu_hash(e, gnu_hash);
	/* the symbols' names follow them in every linker's layout */
	if (!n && own.str > own.sym)
		n = (own.str - own.sym) / sizeof(Elf64_Sym);
	if (n < own.nsyms)
		own.nsyms = n;
	e->dynsym = own;
	walk(e, &own, &e->exports, &e->imports);
}

void elf_read_symtab(struct elf *e, const struct elf_symtab *t)
{
	unsigned ignored = 0;

	e->symtab = *t;
	walk(e, t, &e->locals, &ignored);
}

/* Since Go 1.18: magic, flags with bit 2, and at 32 a length and the text. */
void elf_read_go(struct elf *e, uint64_t off)
{
	static const char magic[] = "\xff Go buildinf:";
	unsigned char b[64];

	strcpy(e->go, "go");
	if (!elf_read(e, off, b, sizeof(b)) ||
	    memcmp(b, magic, sizeof(magic) - 1) || !(b[15] & 2) || !b[32] ||
	    b[32] >= sizeof(e->go) || b[32] > sizeof(b) - 33 ||
	    memcmp(b + 33, "go", 2))
		return;
	snprintf(e->go, sizeof(e->go), "%.*s", b[32], (const char *)b + 33);
}
