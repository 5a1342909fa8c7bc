/* Beginnings of functions, moved: by hand, and all that libraries export. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/patch/reloc.h"

#define AT UINT64_C(0x10000000)
#define NEAR UINT64_C(0x30000000)
#define FAR UINT64_C(0x7f0000000000)
#define N(x) (sizeof(x) / sizeof(*(x)))

struct prologue {
	const char *hex;
	int from, to; /* from < 0: refused */
	const char *why;
	unsigned size; /* 0: all of it */
};

static const struct prologue prologues[] = {
	/* push rbp; mov rbp, rsp; push r14; push r13; push r12; sub */
	{"55 4889e5 4156 4155 4154 4883ec48 85d2", 1, 6, NULL, 0},
	/* sub rsp, 24; mov rax, fs:40 */
	{"4883ec18 64488b042528000000 4889442408", 4, 13, NULL, 0},
	/* sub rsp, 4000 */
	{"4881eca00f0000 4889e5 4889fb c3", 7, 13, NULL, 0},
	/* endbr64; push r12; push rbp; push rbx; test */
	{"f30f1efa 4154 55 53 4885ff 90", 4, 11, NULL, 0},
	/* push r15; push r14; mov rbx, rdi */
	{"4157 4156 4889fb c3", 2, 7, NULL, 0},
	/* xor eax, eax; test esi, esi; jle +10; ret */
	{"31c0 85f6 7e0a c3 660f1f840000000000 5590909090c3", 2, 7, NULL, 0},
	/* mov rdx, rdi; xor; xor; jmp: the first cannot be taken back */
	{"4889fa 31f6 31ff e9a432feff", 0, 5, NULL, 0},
	/* mov eax, [rdi + 0xb30]; ret */
	{"8b87300b0000 c3", 0, 6, NULL, 0},
	/* test rdi, rdi; je far away; mov */
	{"4885ff 7416 b8ffffffff c3 9090909090909090909090909090", 3, 10, NULL,
	 0},
	/* sub rsp, 8; call; xor */
	{"4883ec08 e887fbffff 31d2 85c0 c3", 4, 9, NULL, 0},
	/* lea rax, [rip + x]; ret: a function of eight bytes */
	{"488d0510000000 c3", 0, 7, NULL, 0},
	/* cmp qword [rip + x], 0; jne */
	{"48833d1000000000 7508 c3 9090909090909090", 8, 13, NULL, 11},
	/* xor eax, eax; ret, filled up to the next */
	{"31c0 c3 0f1f440000 90 90 90 90 90 90 90 90", 2, 7, NULL, 3},
	/* the same, filled by int3 */
	{"31c0 c3 cccccccccccccccccccccccccc", 2, 7, NULL, 3},
	/* and right behind it another one */
	{"31c0 c3 55 4889e5 4154 c3", -1, 0, "too short a function", 3},
	{"c3 90 90", -1, 0, "too short a function", 1},
	/* int3 of a debugger or a uprobe */
	{"cc 4889e5 4156 4155 4154", -1, 0, "a breakpoint or trap", 0},
	{"55 cc 89e5 4156 4155 4154", -1, 0, "a breakpoint or trap", 0},
	{"0f0b 4889e5 4156 4155", -1, 0, "a breakpoint or trap", 0},
	/* somebody's patch */
	{"e9aabbcc00 4156 4155", -1, 0, "a jump stands at its entry", 0},
	{"ff2500000000 1122334455667788", -1, 0, "a jump stands at its entry",
	 0},
	/* push; loop */
	{"55 e2fe 4889e5 4889fb c3", -1, 0, "a branch that cannot be moved", 0},
	/* push rax; jmp back to the push */
	{"57 4889fb 4885ff 75f7 c3 90909090", -1, 0,
	 "a branch back to its beginning", 10},
	/* a branch into the moved part, from behind */
	{"55 4889e5 4156 4155 85ff 75f6 c3", -1, 0,
	 "a branch back to its beginning", 0},
	/* a branch within it */
	{"7401 55 90 90 90 90 c3", -1, 0, "a branch within the moved part", 0},
	{"06 4889e5 4156", -1, 0, "bytes that are no instruction", 0},
};

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		sscanf(hex, "%2x", &v);
		out[n++] = (uint8_t)v;
		hex++;
	}
	return n;
}

static struct lg_reloc r;

static void test_prologues(void **state)
{
	uint8_t code[64];
	bool ok;
	unsigned i;

	(void)state;
	for (i = 0; i < N(prologues); i++) {
		const struct prologue *p = &prologues[i];

		memset(&r, 0, sizeof(r));
		r.code = code;
		r.avail = from_hex(p->hex, code);
		r.size = p->size ? p->size : r.avail;
		r.at = AT;
		r.out_at = NEAR;
		ok = lg_reloc_make(&r);
		if (ok != (p->from >= 0))
			fail_msg("%s: %s", p->hex, ok ? "taken" : r.why);
		if (!ok) {
			assert_string_equal(r.why, p->why);
			continue;
		}
		if (r.from != p->from || r.to != p->to)
			fail_msg("%s: %d to %d", p->hex, r.from, r.to);
	}
}

static void test_undo(void **state)
{
	static const struct {
		const char *code, *undo;
	} t[] = {
		{"55 4889e5 4156 c3", "488d642408"},
		{"4157 4889e5 4156 c3", "488d642408"},
		{"4883ec18 4889e5 4156 c3", "488da42418000000"},
		{"4881eca00f0000 4889e5 4156 c3", "488da424a00f0000"},
		{"f30f1efa 4889e5 4156 c3", ""},
		{"4885ff 4889e5 4156 c3", ""},
	};
	uint8_t code[64], undo[16];
	unsigned i;

	(void)state;
	for (i = 0; i < N(t); i++) {
		memset(&r, 0, sizeof(r));
		r.code = code;
		r.avail = r.size = from_hex(t[i].code, code);
		r.at = AT;
		r.out_at = NEAR;
		assert_true(lg_reloc_make(&r));
		assert_int_equal(r.undo_len, from_hex(t[i].undo, undo));
		assert_memory_equal(r.undo, undo, r.undo_len);
	}
}

/* Cut at every byte, against a page that cannot be read. */
static void test_cut(void **state)
{
	long page = sysconf(_SC_PAGESIZE);
	uint8_t code[64], *p;
	unsigned i;
	size_t n, k;

	(void)state;
	p = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	mprotect(p + page, (size_t)page, PROT_NONE);
	for (i = 0; i < N(prologues); i++) {
		n = from_hex(prologues[i].hex, code);
		for (k = 0; k <= n; k++) {
			memset(&r, 0, sizeof(r));
			r.code = p + page - k;
			memcpy(p + page - k, code, k);
			r.avail = k;
			r.size = n;
			r.at = AT;
			r.out_at = NEAR;
			r.is_far = k & 1;
			(void)lg_reloc_make(&r);
		}
	}
	munmap(p, (size_t)page * 2);
}

static bool decode(const uint8_t *p, size_t n, ZydisDecodedInstruction *z)
{
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, p, n, z));
}

/* Where an instruction points to, by branch or operand; 0: nowhere. */
static uint64_t points_to(const ZydisDecodedInstruction *z, uint64_t at)
{
	if (z->raw.imm[0].is_relative)
		return at + z->length + (uint64_t)z->raw.imm[0].value.s;
	if ((z->attributes & ZYDIS_ATTRIB_HAS_MODRM) && !z->raw.modrm.mod &&
	    z->raw.modrm.rm == 5 && z->raw.disp.size == 32)
		return at + z->length + (uint64_t)z->raw.disp.value;
	return 0;
}

/* The moved part does what the beginning did, then goes on behind it. */
static bool is_same(void)
{
	ZydisDecodedInstruction a, b;
	size_t i = 0, k = 0;
	bool ended = false;

	while (i < r.to && !ended) {
		if (!decode(r.code + i, r.avail - i, &a) ||
		    !decode(r.out + k, r.out_len - k, &b))
			return false;
		if (a.mnemonic != b.mnemonic ||
		    points_to(&a, r.at + i) != points_to(&b, r.out_at + k))
			return false;
		if (!points_to(&a, 0) &&
		    (a.length != b.length ||
		     memcmp(r.code + i, r.out + k, a.length)))
			return false;
		ended = a.meta.category == ZYDIS_CATEGORY_RET ||
			a.meta.category == ZYDIS_CATEGORY_UNCOND_BR;
		i += a.length;
		k += b.length;
	}
	if (ended)
		return k == r.out_len;
	return decode(r.out + k, r.out_len - k, &b) &&
	       b.mnemonic == ZYDIS_MNEMONIC_JMP && k + b.length == r.out_len &&
	       points_to(&b, r.out_at + k) == r.at + r.to;
}

struct corpus {
	unsigned all, moved, kept, far;
};

static void one(struct corpus *c, const uint8_t *p, size_t avail, size_t size,
		uint64_t at)
{
	memset(&r, 0, sizeof(r));
	r.code = p;
	r.avail = avail;
	r.size = size;
	r.at = at;
	r.out_at = at + NEAR;
	c->all++;
	if (lg_reloc_make(&r)) {
		c->moved++;
		c->kept += r.from > 0;
		if (!is_same() || r.to - r.from < LG_RELOC_NEAR)
			fail_msg("function at %lx", (unsigned long)at);
	}
	r.is_far = true;
	r.out_at = FAR;
	c->far += lg_reloc_make(&r);
}

static void walk(struct corpus *c, const uint8_t *f, size_t n)
{
	const Elf64_Ehdr *eh = (const void *)f;
	const Elf64_Shdr *sh = (const void *)(f + eh->e_shoff);
	const Elf64_Phdr *ph = (const void *)(f + eh->e_phoff);
	const Elf64_Sym *s = NULL;
	size_t count = 0, i, k;
	uint64_t off;

	for (i = 0; i < eh->e_shnum; i++)
		if (sh[i].sh_type == SHT_DYNSYM) {
			s = (const void *)(f + sh[i].sh_offset);
			count = sh[i].sh_size / sizeof(*s);
		}
	for (i = 0; i < count; i++) {
		if (ELF64_ST_TYPE(s[i].st_info) != STT_FUNC || !s[i].st_size)
			continue;
		for (k = 0; k < eh->e_phnum; k++) {
			off = s[i].st_value - ph[k].p_vaddr;
			if (ph[k].p_type != PT_LOAD ||
			    !(ph[k].p_flags & PF_X) || off >= ph[k].p_filesz)
				continue;
			assert_true(ph[k].p_offset + ph[k].p_filesz <= n);
			one(c, f + ph[k].p_offset + off, ph[k].p_filesz - off,
			    s[i].st_size, s[i].st_value);
		}
	}
}

static void corpus_of(const char *path, unsigned least_per_cent)
{
	struct corpus c = {0, 0, 0, 0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *f;

	if (fd < 0) {
		print_message("%s: not here\n", path);
		return;
	}
	assert_int_equal(fstat(fd, &st), 0);
	f = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(f != MAP_FAILED);
	close(fd);
	walk(&c, f, (size_t)st.st_size);
	munmap(f, (size_t)st.st_size);
	print_message("%s: %u functions, %u can be moved (%u keep their first "
		      "instruction), %u far away\n",
		      path, c.all, c.moved, c.kept, c.far);
	/* Node over a shared OpenSSL is a few functions, which say nothing. */
	if (c.all < 100)
		return;
	assert_true(c.moved * 100 >= c.all * least_per_cent);
	assert_true(c.far > 0);
}

static void test_corpus(void **state)
{
	(void)state;
	corpus_of("/usr/lib/x86_64-linux-gnu/libssl.so.3", 90);
	corpus_of("/usr/lib/x86_64-linux-gnu/libcrypto.so.3", 90);
	corpus_of("/usr/lib/x86_64-linux-gnu/libgnutls.so.30", 80);
	corpus_of("/usr/lib/x86_64-linux-gnu/libc.so.6", 60);
	corpus_of("/usr/bin/node", 90);
}

static void test_jumps(void **state)
{
	uint8_t out[16];
	ZydisDecodedInstruction z;
	uint64_t to;

	(void)state;
	assert_int_equal(lg_reloc_jump(out, AT, NEAR, false), 5);
	assert_true(decode(out, 5, &z));
	assert_true(points_to(&z, AT) == NEAR);
	assert_int_equal(lg_reloc_jump(out, NEAR, AT, false), 5);
	assert_true(decode(out, 5, &z));
	assert_true(points_to(&z, NEAR) == AT);
	assert_int_equal(lg_reloc_jump(out, AT, FAR, true), 14);
	memcpy(&to, out + 6, 8);
	assert_true(to == FAR);
	assert_false(lg_reloc_reaches(AT, FAR));
	assert_true(lg_reloc_reaches(FAR, FAR - NEAR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prologues), cmocka_unit_test(test_undo),
		cmocka_unit_test(test_cut),	  cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
