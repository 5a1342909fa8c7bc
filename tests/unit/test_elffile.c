#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tools/elffile.h"
#include "tools/ldcache.h"
#include "tools/tlscopy.h"
#include "tests/unit/edge.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

/* A file without sections, as strippers leave it: all by its segments. */
struct small {
	Elf64_Ehdr h;
	Elf64_Phdr p[3];
	Elf64_Dyn d[9];
	Elf64_Sym s[4];
	uint32_t hash[2];
	char str[128];
	char interp[32];
};

#define AT(f) (0x1000 + offsetof(struct small, f))

static uint32_t add(struct small *m, uint32_t *at, const char *text)
{
	uint32_t was = *at;

	strcpy(m->str + was, text);
	*at += (uint32_t)strlen(text) + 1;
	return was;
}

static void make(struct small *m)
{
	uint32_t at = 1;
	unsigned d = 0;

	memset(m, 0, sizeof(*m));
	memcpy(m->h.e_ident, ELFMAG, SELFMAG);
	m->h.e_ident[EI_CLASS] = ELFCLASS64;
	m->h.e_ident[EI_DATA] = ELFDATA2LSB;
	m->h.e_type = ET_DYN;
	m->h.e_machine = MACHINE;
	m->h.e_phoff = offsetof(struct small, p);
	m->h.e_phentsize = sizeof(Elf64_Phdr);
	m->h.e_phnum = 3;
	m->p[0] = (Elf64_Phdr){.p_type = PT_LOAD,
			       .p_vaddr = 0x1000,
			       .p_filesz = sizeof(*m),
			       .p_memsz = sizeof(*m)};
	m->p[1] = (Elf64_Phdr){.p_type = PT_INTERP,
			       .p_offset = offsetof(struct small, interp),
			       .p_filesz = sizeof(m->interp)};
	m->p[2] = (Elf64_Phdr){.p_type = PT_DYNAMIC,
			       .p_offset = offsetof(struct small, d),
			       .p_filesz = sizeof(m->d)};
	strcpy(m->interp, "/lib64/ld-linux-x86-64.so.2");
	m->d[d++] = (Elf64_Dyn){DT_STRTAB, {AT(str)}};
	m->d[d++] = (Elf64_Dyn){DT_STRSZ, {sizeof(m->str)}};
	m->d[d++] = (Elf64_Dyn){DT_SYMTAB, {AT(s)}};
	m->d[d++] = (Elf64_Dyn){DT_HASH, {AT(hash)}};
	m->d[d++] = (Elf64_Dyn){DT_NEEDED, {add(m, &at, "libssl.so.3")}};
	m->d[d++] = (Elf64_Dyn){DT_RUNPATH, {add(m, &at, "$ORIGIN/x")}};
	m->d[d++] = (Elf64_Dyn){DT_SONAME, {add(m, &at, "libx.so")}};
	m->s[1] = (Elf64_Sym){.st_name = add(m, &at, "SSL_write")};
	m->s[2] = (Elf64_Sym){.st_name = add(m, &at, "gnutls_record_send"),
			      .st_shndx = 1};
	m->hash[1] = 4;
}

static void test_segments(void **state)
{
	struct small m;
	struct elf e;

	(void)state;
	make(&m);
	assert_int_equal(elf_parse(&m, sizeof(m), &e), 0);
	assert_true(e.same_machine);
	assert_false(e.damaged);
	assert_string_equal(e.interp, "/lib64/ld-linux-x86-64.so.2");
	assert_int_equal(e.nneeded, 1);
	assert_string_equal(e.needed[0], "libssl.so.3");
	assert_string_equal(e.runpath, "$ORIGIN/x");
	assert_string_equal(e.soname, "libx.so");
	assert_int_equal(e.imports, ELF_BIT(ELF_SSL_WRITE));
	assert_int_equal(e.exports, ELF_BIT(ELF_GNUTLS));
}

static void ask(const void *p, size_t n)
{
	struct tls_copy copy[4];
	struct elf e;

	if (!elf_parse(p, n, &e))
		tls_copies_in(&e, "x", true, true, copy, 4);
}

static void test_cut(void **state)
{
	struct edge e = edge_new(sizeof(struct small));
	struct small m;

	(void)state;
	make(&m);
	for (size_t n = 0; n <= sizeof(m); n++)
		ask(edge_put(&e, &m, n), n);
	edge_del(&e);
}

/* Each byte of the headers and tables at values that hurt. */
static void test_flips(void **state)
{
	static const unsigned char value[] = {0, 1, 7, 0x7f, 0x80, 0xff};
	struct edge e = edge_new(sizeof(struct small));
	struct small m;
	size_t i, v;
	char *p;

	(void)state;
	make(&m);
	for (i = 0; i < sizeof(m); i++) {
		for (v = 0; v < sizeof(value); v++) {
			p = edge_put(&e, &m, sizeof(m));
			p[i] = (char)value[v];
			ask(p, sizeof(m));
		}
	}
	edge_del(&e);
}

static void test_others(void **state)
{
	struct small m;
	struct elf e;

	(void)state;
	make(&m);
	m.h.e_ident[EI_CLASS] = ELFCLASS32;
	m.h.e_machine = EM_386;
	assert_int_equal(elf_parse(&m, 52, &e), 0);
	assert_false(e.same_machine);
	assert_int_equal(e.bits, 32);
	assert_string_equal(elf_machine_name(&e), "i386");
	m.h.e_ident[EI_CLASS] = 9;
	assert_int_equal(elf_parse(&m, sizeof(m), &e), -ENOEXEC);
	assert_int_equal(elf_parse("#!/bin/sh\n", 10, &e), -ENOEXEC);
	assert_int_equal(elf_parse("", 0, &e), -ENOEXEC);
}

static void test_cache(void **state)
{
	struct {
		char magic[20];
		uint32_t n, rest[6];
		struct {
			int32_t flags;
			uint32_t key, value, os;
			uint64_t hwcap;
		} e[2];
		char text[64];
	} c = {.magic = "glibc-ld.so.cache1.1", .n = 2};
	struct edge edge = edge_new(sizeof(c));
	char out[64];

	(void)state;
	_Static_assert(offsetof(__typeof__(c), e) == 48, "the file's own");
	strcpy(c.text, "libssl.so.3");
	strcpy(c.text + 16, "/i386/libssl.so.3");
	strcpy(c.text + 40, "/ours/libssl.so.3");
	c.e[0].flags = 3, c.e[0].key = offsetof(__typeof__(c), text);
	c.e[0].value = offsetof(__typeof__(c), text) + 16;
	c.e[1] = c.e[0];
	c.e[1].flags = MACHINE == EM_X86_64 ? 0x303 : 0xa03;
	c.e[1].value += 24;
	assert_true(ldcache_search(&c, sizeof(c), "libssl.so.3", out, 64));
	assert_string_equal(out, "/ours/libssl.so.3");
	assert_false(ldcache_search(&c, sizeof(c), "libfoo.so", out, 64));
	c.n = UINT32_MAX;
	for (size_t n = 0; n <= sizeof(c); n++)
		ldcache_search(edge_put(&edge, &c, n), n, "libssl.so.3", out,
			       64);
	edge_del(&edge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_flips),	 cmocka_unit_test(test_others),
		cmocka_unit_test(test_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
