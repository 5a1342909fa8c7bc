#include "bpf/gofunc.h"

#include <errno.h>
#include <string.h>

#include "bpf/binary.h"

/*
 * src/debug/gosym/pclntab.go and src/runtime/symtab.go of Go: a header of
 * magic, two zero bytes, the instruction quantum and the pointer's size; then
 * words: functions, files, [the text's address since 1.18,] and the offsets
 * of names, units, files, pc tables and functions.
 */
#define MAGIC_1_2 0xfffffffbu
#define MAGIC_1_16 0xfffffffau
#define MAGIC_1_18 0xfffffff0u
#define MAGIC_1_20 0xfffffff1u
#define FUNCS_MAX (4u << 20)
#define SEARCH_MAX ((uint64_t)1 << 30) /* bytes of all segments */
#define NAME_LEN 64		       /* of those we look for, at most */

struct head {
	uint32_t magic;
	uint8_t zero[2], quantum, ptr;
};

static bool is_head(const struct head *h)
{
	return (h->magic == MAGIC_1_2 || h->magic == MAGIC_1_16 ||
		h->magic == MAGIC_1_18 || h->magic == MAGIC_1_20) &&
	       !h->zero[0] && !h->zero[1] && h->quantum == 1 && h->ptr == 8;
}

static bool word(const struct elf *e, const struct gotab *t, unsigned i,
		 uint64_t *out)
{
	return elf_read(e, t->off + sizeof(struct head) + i * 8, out, 8);
}

static bool has_func_range(const struct elf *e, const struct gotab *t)
{
	uint64_t each = t->is_wide ? 16 : 8;

	return t->nfuncs && t->nfuncs <= FUNCS_MAX && t->funcs < t->len &&
	       t->names < t->len && t->nfuncs < (t->len - t->funcs) / each &&
	       t->len <= e->size;
}

/* The linker leaves the text's address to the loader, or (1.26) out. */
static bool text_of(const struct elf *e, struct gotab *t)
{
	Elf64_Phdr p;
	Elf64_Shdr s;

	if (!word(e, t, 2, &t->text))
		return false;
	for (unsigned i = 0; !t->text && elf_segment(e, i, &p); i++)
		if (p.p_type == PT_LOAD && t->off >= p.p_offset &&
		    t->off - p.p_offset < p.p_filesz)
			binary_pointer(e,
				       p.p_vaddr + (t->off - p.p_offset) +
					       sizeof(struct head) + 16,
				       &t->text);
	if (!t->text && elf_section(e, ".text", &s))
		t->text = s.sh_addr;
	return true;
}

static bool read_table(const struct elf *e, uint64_t off, uint64_t len,
		       struct gotab *t)
{
	struct head h;
	unsigned skip;

	memset(t, 0, sizeof(*t));
	t->off = off;
	t->len = len;
	if (!elf_read(e, off, &h, sizeof(h)) || !is_head(&h))
		return false;
	if (h.magic == MAGIC_1_2)
		return true;
	t->is_wide = h.magic == MAGIC_1_16;
	t->version = t->is_wide		     ? "1.16"
		     : h.magic == MAGIC_1_18 ? "1.18"
					     : "1.20";
	skip = t->is_wide ? 2 : 3;
	return word(e, t, 0, &t->nfuncs) && word(e, t, skip, &t->names) &&
	       word(e, t, skip + 4, &t->funcs) && has_func_range(e, t) &&
	       (t->is_wide || text_of(e, t));
}

/* Without sections: the header's bytes at an aligned place of a segment. */
static bool search_segment(const struct elf *e, const Elf64_Phdr *p,
			   uint64_t *left, struct gotab *t)
{
	uint64_t end = p->p_offset + p->p_filesz;
	struct head h;

	if (p->p_type != PT_LOAD || p->p_offset > e->size ||
	    p->p_filesz > e->size - p->p_offset || p->p_filesz > *left)
		return false;
	*left -= p->p_filesz;
	for (uint64_t at = (p->p_offset + 31) & ~31ull; at + 72 < end; at += 32)
		if (elf_read(e, at, &h, sizeof(h)) && is_head(&h) &&
		    read_table(e, at, end - at, t))
			return true;
	return false;
}

int gofunc_table(const struct elf *e, struct gotab *t)
{
	static const char *const sections[] = {".gopclntab",
					       ".data.rel.ro.gopclntab"};
	Elf64_Shdr s;
	Elf64_Phdr p;
	uint64_t left = SEARCH_MAX;
	bool found = false;

	for (unsigned i = 0; i < 2 && !found; i++)
		found = elf_section(e, sections[i], &s) &&
			s.sh_offset <= e->size &&
			s.sh_size <= e->size - s.sh_offset &&
			read_table(e, s.sh_offset, s.sh_size, t);
	for (unsigned i = 0; !found && elf_segment(e, i, &p); i++)
		found = search_segment(e, &p, &left, t);
	if (!found)
		return -ENOENT;
	return t->version ? 0 : -EPROTONOSUPPORT;
}

/* Entry i: where it begins, and where its description stands. */
static bool entry(const struct elf *e, const struct gotab *t, uint64_t i,
		  uint64_t *addr, uint64_t *desc)
{
	uint64_t at = t->off + t->funcs, wide[2];
	uint32_t narrow[2];

	if (t->is_wide) {
		if (!elf_read(e, at + i * 16, wide, sizeof(wide)))
			return false;
		*addr = wide[0];
		*desc = t->funcs + wide[1];
		return wide[1] < t->len;
	}
	if (!elf_read(e, at + i * 8, narrow, sizeof(narrow)))
		return false;
	*addr = t->text + narrow[0];
	*desc = t->funcs + narrow[1];
	return true;
}

static bool is_named(const struct elf *e, const struct gotab *t, uint64_t desc,
		     const char *name)
{
	uint64_t at = desc + (t->is_wide ? 8 : 4);
	size_t len = strlen(name) + 1;
	char own[NAME_LEN];
	int32_t off;

	return len <= sizeof(own) && at < t->len &&
	       elf_read(e, t->off + at, &off, sizeof(off)) && off >= 0 &&
	       t->names + (uint64_t)off < t->len &&
	       elf_read(e, t->off + t->names + (uint64_t)off, own, len) &&
	       !memcmp(own, name, len);
}

static void by_table(const struct elf *e, const struct gotab *t,
		     struct gofunc *f, unsigned n)
{
	uint64_t addr, desc, next, ignored;

	for (uint64_t i = 0; i < t->nfuncs; i++) {
		if (!entry(e, t, i, &addr, &desc))
			return;
		for (unsigned k = 0; k < n; k++) {
			if (f[k].addr || !is_named(e, t, desc, f[k].name))
				continue;
			f[k].addr = addr;
			/* behind the last one stands the text's end */
			f[k].len = entry(e, t, i + 1, &next, &ignored) &&
						   next > addr
					   ? next - addr
					   : 0;
		}
	}
}

struct by_name {
	struct gofunc *f;
	unsigned n, found;
};

static bool match(void *arg, const char *name, const Elf64_Sym *s)
{
	struct by_name *b = arg;

	if (strncmp(name, "crypto/tls.", 11))
		return true;
	for (unsigned i = 0; i < b->n; i++) {
		if (b->f[i].addr || strcmp(name, b->f[i].name))
			continue;
		b->f[i].addr = s->st_value;
		b->f[i].len = s->st_size;
		b->found++;
	}
	return b->found < b->n;
}

unsigned gofunc_find(const struct elf *e, struct gofunc *f, unsigned n)
{
	struct by_name b = {f, n, 0};
	unsigned found = 0;
	struct gotab t;

	elf_each_symbol(e, &e->symtab, match, &b);
	if (b.found < n && !gofunc_table(e, &t))
		by_table(e, &t, f, n);
	for (unsigned i = 0; i < n; i++)
		found += f[i].addr != 0;
	return found;
}

bool gofunc_is_go(const struct elf *e)
{
	struct gotab t;
	Elf64_Shdr s;

	if (e->go[0] || elf_section(e, ".gopclntab", &s) ||
	    elf_section(e, ".go.buildinfo", &s))
		return true;
	return !elf_section(e, ".text", &s) && gofunc_table(e, &t) != -ENOENT;
}
