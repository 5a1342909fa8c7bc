#include "bpf/binary.h"

#include <string.h>

#include "bpf/code.h"

#define RELAS_MAX (8u << 20)
#define NOTES_MAX 65536 /* bytes of a segment */

/* .eh_frame_hdr as every linker writes it: a sorted table of 4-byte pairs. */
struct eh_table {
	uint64_t addr, off; /* of the header */
	uint64_t n;
};

static bool eh_table(const struct elf *e, struct eh_table *t)
{
	uint8_t enc[4];
	Elf64_Phdr p;
	uint32_t n;

	for (unsigned i = 0; elf_segment(e, i, &p); i++) {
		if (p.p_type != PT_GNU_EH_FRAME)
			continue;
		if (!elf_read(e, p.p_offset, enc, 4) || enc[0] != 1 ||
		    enc[1] != 0x1b || enc[2] != 0x03 || enc[3] != 0x3b ||
		    !elf_read(e, p.p_offset + 8, &n, 4) || p.p_filesz < 12 ||
		    n > (p.p_filesz - 12) / 8)
			return false;
		*t = (struct eh_table){p.p_vaddr, p.p_offset, n};
		return n;
	}
	return false;
}

static uint64_t eh_start(const struct elf *e, const struct eh_table *t,
			 uint64_t i)
{
	int32_t d;

	return i < t->n && elf_read(e, t->off + 12 + i * 8, &d, 4)
		       ? t->addr + (uint64_t)(int64_t)d
		       : 0;
}

/* Functions begin where their unwinding tables do. */
static uint64_t end_of(const void *arg, uint64_t addr)
{
	const struct elf *e = arg;
	uint64_t lo = 0, hi, mid;
	struct eh_table t;

	if (!eh_table(e, &t))
		return 0;
	for (hi = t.n; lo < hi;) {
		mid = lo + (hi - lo) / 2;
		if (eh_start(e, &t, mid) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && lo < t.n ? eh_start(e, &t, lo) : 0;
}

bool binary_text(const struct elf *e, uint64_t addr, struct site_text *out)
{
	uint64_t off, left;
	Elf64_Phdr p;

	for (unsigned i = 0; elf_segment(e, i, &p); i++) {
		if (p.p_type != PT_LOAD || !(p.p_flags & PF_X) ||
		    addr < p.p_vaddr || addr - p.p_vaddr >= p.p_filesz ||
		    !elf_offset(e, p.p_vaddr, &off, &left) || off != p.p_offset)
			continue;
		*out = (struct site_text){.p = (const uint8_t *)e->p + off,
					  .len = left,
					  .file_at = off,
					  .addr = p.p_vaddr,
					  .end_of = end_of,
					  .arg = e};
		return addr - p.p_vaddr < left;
	}
	return false;
}

bool binary_address(const struct elf *e, uint64_t file_at, uint64_t *addr)
{
	Elf64_Phdr p;

	for (unsigned i = 0; elf_segment(e, i, &p); i++) {
		if (p.p_type != PT_LOAD || !(p.p_flags & PF_X) ||
		    file_at < p.p_offset || file_at - p.p_offset >= p.p_filesz)
			continue;
		*addr = p.p_vaddr + (file_at - p.p_offset);
		return true;
	}
	return false;
}

static bool note_in(const struct elf *e, uint64_t off, uint64_t end, char *out)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char id[(BINARY_BUILD_ID - 1) / 2];
	Elf64_Nhdr n;
	uint64_t at;
	char name[4];

	while (off < end && elf_read(e, off, &n, sizeof(n))) {
		at = off + sizeof(n);
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 &&
		    elf_read(e, at, name, 4) && !memcmp(name, "GNU", 4) &&
		    n.n_descsz && n.n_descsz <= sizeof(id) &&
		    elf_read(e, at + 4, id, n.n_descsz)) {
			for (unsigned i = 0; i < n.n_descsz; i++) {
				*out++ = hex[id[i] >> 4];
				*out++ = hex[id[i] & 15];
			}
			*out = 0;
			return true;
		}
		off = at + (((uint64_t)n.n_namesz + 3) & ~3ull) +
		      (((uint64_t)n.n_descsz + 3) & ~3ull);
	}
	return false;
}

void binary_build_id(const struct elf *e, char out[static BINARY_BUILD_ID])
{
	Elf64_Phdr p;

	out[0] = 0;
	for (unsigned i = 0; elf_segment(e, i, &p); i++)
		if (p.p_type == PT_NOTE && p.p_offset <= e->size &&
		    p.p_filesz <= e->size - p.p_offset &&
		    p.p_filesz <= NOTES_MAX &&
		    note_in(e, p.p_offset, p.p_offset + p.p_filesz, out))
			return;
}

static bool find_rela(const struct elf *e, const struct elf_part *t,
		      uint64_t addr, Elf64_Rela *out)
{
	uint64_t n = t->len / sizeof(*out);

	for (uint64_t i = 0; i < n && i < RELAS_MAX; i++) {
		if (!elf_read(e, t->off + i * sizeof(*out), out, sizeof(*out)))
			return false;
		if (out->r_offset == addr)
			return true;
	}
	return false;
}

static const char *symbol_name(const struct elf *e, uint64_t i)
{
	Elf64_Sym s;

	if (i >= e->dynsym.nsyms ||
	    !elf_read(e, e->dynsym.sym + i * sizeof(s), &s, sizeof(s)))
		return NULL;
	return elf_text(e, e->dynsym.str, e->dynsym.strsz, s.st_name);
}

const char *binary_stub_name(const struct elf *e, const struct site_text *text,
			     uint64_t addr)
{
	Elf64_Rela r;
	struct code c;
	uint64_t slot;

	if (!code_decode(text, addr, &c))
		return NULL;
	if (c.z.mnemonic == ZYDIS_MNEMONIC_ENDBR64 &&
	    !code_decode(text, c.next, &c))
		return NULL;
	if (c.flow != CODE_JMP_FAR_OFF ||
	    c.op[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    c.op[0].mem.base != ZYDIS_REGISTER_RIP)
		return NULL;
	slot = c.next + (uint64_t)c.op[0].mem.disp.value;
	if (!find_rela(e, &e->plt_rela, slot, &r) &&
	    !find_rela(e, &e->rela, slot, &r))
		return NULL;
	return symbol_name(e, ELF64_R_SYM(r.r_info));
}

bool binary_pointer(const struct elf *e, uint64_t addr, uint64_t *out)
{
	uint64_t off, left;
	Elf64_Rela r;

	if (!elf_offset(e, addr, &off, &left) || left < sizeof(*out) ||
	    !elf_read(e, off, out, sizeof(*out)))
		return false;
	if (find_rela(e, &e->rela, addr, &r) &&
	    ELF64_R_TYPE(r.r_info) == R_X86_64_RELATIVE)
		*out = (uint64_t)r.r_addend;
	return true;
}
