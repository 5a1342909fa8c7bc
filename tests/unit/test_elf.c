/*
 * Tables of a loaded library, read while they lie: a copy of a real one, each
 * segment with nothing readable around it, changed at one place or at many.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook/elf.h"

#define PAGE ((uintptr_t)4096)
#define PHDRS 32
#define KNOWN "_cmocka_run_group_tests"

static struct {
	uint8_t *mem;
	size_t span;
	ElfW(Phdr) phdr[PHDRS], keep[PHDRS];
	unsigned nphdr;
	uint8_t *was; /* of all bytes */
	ElfW(Dyn) * dyn;
	unsigned ndyn;
} lib;

static int find_lib(struct dl_phdr_info *info, size_t size, void *path)
{
	unsigned i;
	uintptr_t end;

	(void)size;
	if (!strstr(info->dlpi_name, "libcmocka") || info->dlpi_phnum > PHDRS)
		return 0;
	strcpy(path, info->dlpi_name);
	lib.nphdr = info->dlpi_phnum;
	memcpy(lib.phdr, info->dlpi_phdr, lib.nphdr * sizeof(*lib.phdr));
	for (i = 0; i < lib.nphdr; i++) {
		end = lib.phdr[i].p_vaddr + lib.phdr[i].p_memsz;
		if (lib.phdr[i].p_type == PT_LOAD && end > lib.span)
			lib.span = end;
	}
	return 1;
}

static int load(void **state)
{
	char path[4096];
	const ElfW(Phdr) * ph;
	uintptr_t lo, hi;
	unsigned i;
	int fd;

	(void)state;
	if (!dl_iterate_phdr(find_lib, path))
		return -1;
	lib.span = (lib.span + 2 * PAGE) & ~(PAGE - 1);
	fd = open(path, O_RDONLY);
	lib.mem = mmap(NULL, lib.span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	for (i = 0; i < lib.nphdr; i++) {
		ph = &lib.phdr[i];
		if (ph->p_type == PT_DYNAMIC) {
			lib.dyn = (void *)(lib.mem + ph->p_vaddr);
			lib.ndyn = (unsigned)(ph->p_filesz / sizeof(*lib.dyn));
		}
		if (ph->p_type != PT_LOAD)
			continue;
		lo = ph->p_vaddr & ~(PAGE - 1);
		hi = (ph->p_vaddr + ph->p_filesz + PAGE - 1) & ~(PAGE - 1);
		mprotect(lib.mem + lo, hi - lo, PROT_READ | PROT_WRITE);
		if (pread(fd, lib.mem + ph->p_vaddr, ph->p_filesz,
			  (off_t)ph->p_offset) != (ssize_t)ph->p_filesz)
			return -1;
	}
	close(fd);
	memcpy(lib.keep, lib.phdr, sizeof(lib.keep));
	lib.was = malloc(lib.span);
	for (i = 0; i < lib.nphdr; i++)
		if (lib.keep[i].p_type == PT_LOAD)
			memcpy(lib.was + lib.keep[i].p_vaddr,
			       lib.mem + lib.keep[i].p_vaddr,
			       lib.keep[i].p_filesz);
	return 0;
}

static void restore(void)
{
	unsigned i;

	memcpy(lib.phdr, lib.keep, sizeof(lib.keep));
	for (i = 0; i < lib.nphdr; i++)
		if (lib.keep[i].p_type == PT_LOAD)
			memcpy(lib.mem + lib.keep[i].p_vaddr,
			       lib.was + lib.keep[i].p_vaddr,
			       lib.keep[i].p_filesz);
}

/* Reads all that the hooks would; the symbol, if it was found. */
static const ElfW(Sym) * look(struct lg_elf *e)
{
	static const char *const name[] = {"SSL_write", "SSL_get_ex_data", "",
					   "mock_assert", KNOWN};
	const struct dl_phdr_info info = {
		.dlpi_addr = (uintptr_t)lib.mem,
		.dlpi_phdr = lib.phdr,
		.dlpi_phnum = (ElfW(Half))lib.nphdr,
	};
	const ElfW(Sym) *s = NULL;
	uint64_t at;
	unsigned i;

	if (!lg_elf_info(e, &info))
		return NULL;
	for (i = 0; i < sizeof(name) / sizeof(*name); i++) {
		s = lg_elf_find(e, name[i]);
		if (s)
			(void)lg_elf_text(e, e->base + s->st_value, &at);
	}
	return s;
}

static ElfW(Dyn) * entry(ElfW(Sxword) tag)
{
	unsigned i;

	for (i = 0; i < lib.ndyn; i++)
		if (lib.dyn[i].d_tag == tag)
			return &lib.dyn[i];
	return NULL;
}

static void test_good(void **state)
{
	struct lg_elf e;
	const ElfW(Sym) * s;
	uint64_t at = 0;
	size_t room;

	(void)state;
	restore();
	s = look(&e);
	assert_non_null(s);
	assert_null(lg_elf_find(&e, "SSL_write"));
	room = lg_elf_text(&e, e.base + s->st_value, &at);
	assert_true(room >= s->st_size && at);
	assert_int_equal(lg_elf_text(&e, (uintptr_t)&at, &at), 0);
}

static void test_hash(void **state)
{
	static const uint32_t evil[] = {0,	    1,		0x7fffffff,
					0xffffffff, 0x80000000, 4};
	struct lg_elf e;
	uint32_t *gnu;
	unsigned i, k;

	(void)state;
	restore();
	assert_non_null(look(&e));
	gnu = (uint32_t *)(uintptr_t)e.gnu;
	assert_non_null(gnu);
	for (k = 0; k < 4; k++) {
		for (i = 0; i < sizeof(evil) / sizeof(*evil); i++) {
			restore();
			gnu[k] = evil[i];
			(void)look(&e);
		}
	}
	restore(); /* no chain ever ends */
	k = 4 + gnu[2] * 2 + gnu[0];
	for (i = 0; i < 4096 && (uint8_t *)&gnu[k + i] < lib.mem + PAGE; i++)
		gnu[k + i] &= ~1u;
	(void)look(&e);
	restore();
	gnu[0] = 0;
	assert_null(look(&e));
}

/* The old table: absurd counts, a chain that bites its own tail. */
static void test_sysv(void **state)
{
	static uint32_t n[] = {0, 1, 0xffffffff, 0x40000000, 16};
	struct lg_elf e;
	uint32_t *t;
	unsigned i, k, j;

	(void)state;
	restore();
	assert_non_null(look(&e));
	t = (uint32_t *)(uintptr_t)e.gnu;
	for (i = 0; i < 5; i++) {
		for (k = 0; k < 5; k++) {
			restore();
			entry(DT_GNU_HASH)->d_tag = DT_HASH;
			t[0] = n[i];
			t[1] = n[k];
			for (j = 2; j < 40; j++)
				t[j] = j & 7;
			assert_null(look(&e));
		}
	}
}

static void test_dynamic(void **state)
{
	static const ElfW(Sxword)
		tag[] = {DT_SYMTAB, DT_STRTAB, DT_STRSZ, DT_GNU_HASH};
	struct lg_elf e;
	unsigned i, k;

	(void)state;
	for (i = 0; i < 4; i++) {
		for (k = 0; k < 64; k++) {
			restore();
			entry(tag[i])->d_un.d_ptr ^= UINT64_C(1) << k;
			(void)look(&e);
			entry(tag[i])->d_un.d_ptr = UINT64_MAX - k;
			assert_null(look(&e));
		}
	}
	restore(); /* no end */
	for (i = 0; i < lib.ndyn; i++)
		if (lib.dyn[i].d_tag == DT_NULL)
			lib.dyn[i].d_tag = DT_DEBUG;
	assert_non_null(look(&e));
	for (i = 0; i < lib.nphdr; i++) {
		restore();
		if (lib.phdr[i].p_type != PT_DYNAMIC)
			continue;
		lib.phdr[i].p_vaddr = UINT64_MAX - 8;
		assert_null(look(&e));
		restore();
		lib.phdr[i].p_filesz = UINT64_MAX;
		assert_null(look(&e));
		lib.phdr[i].p_filesz = 0;
		assert_null(look(&e));
		lib.phdr[i].p_type = PT_NULL;
		assert_null(look(&e));
	}
	lib.nphdr = 0;
	assert_null(look(&e));
	lib.nphdr = PHDRS;
	while (lib.nphdr && !lib.keep[lib.nphdr - 1].p_type)
		lib.nphdr--;
}

/* Anything anywhere in the tables. */
static void test_noise(void **state)
{
	struct lg_elf e;
	const ElfW(Phdr) * ph;
	unsigned i, k, n;

	(void)state;
	srandom(5);
	for (n = 0; n < 4000; n++) {
		restore();
		for (k = 0; k < 1 + n % 40; k++) {
			i = (unsigned)random() % lib.nphdr;
			ph = &lib.keep[i];
			if ((ph->p_type == PT_LOAD && !(ph->p_flags & PF_X)) ||
			    ph->p_type == PT_DYNAMIC)
				lib.mem[ph->p_vaddr + (unsigned long)random() %
							      ph->p_filesz] =
					(uint8_t)random();
		}
		(void)look(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),  cmocka_unit_test(test_hash),
		cmocka_unit_test(test_sysv),  cmocka_unit_test(test_dynamic),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
