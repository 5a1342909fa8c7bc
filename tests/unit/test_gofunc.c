/* Go's functions by symbols and by pclntab: real programs, tables by hand. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/gofunc.h"
#include "bpf/object.h"
#include "tests/unit/edge.h"

#define NAME "crypto/tls.(*Conn).Write"
#define TEXT 0x401000

/* Two functions; behind them the end of the text. No sections. */
struct small {
	Elf64_Ehdr h;
	Elf64_Phdr p[2];
	_Alignas(32) unsigned char tab[512];
	_Alignas(32) unsigned char code[64];
};

static void put(unsigned char *p, uint64_t v, unsigned n)
{
	memcpy(p, &v, n);
}

/* words: what follows the header; the offsets of names and functions in it. */
static void make(struct small *m, uint32_t magic, bool has_text)
{
	unsigned skip = has_text ? 3 : 2;
	bool wide = magic == 0xfffffffa;
	uint64_t names = 128, funcs = 256, at, desc;

	memset(m, 0, sizeof(*m));
	memcpy(m->h.e_ident, ELFMAG, SELFMAG);
	m->h.e_ident[EI_CLASS] = ELFCLASS64;
	m->h.e_ident[EI_DATA] = ELFDATA2LSB;
	m->h.e_machine = EM_X86_64;
	m->h.e_phoff = offsetof(struct small, p);
	m->h.e_phentsize = sizeof(Elf64_Phdr);
	m->h.e_phnum = 2;
	m->p[0] = (Elf64_Phdr){.p_type = PT_LOAD,
			       .p_flags = PF_X,
			       .p_vaddr = TEXT,
			       .p_offset = offsetof(struct small, code),
			       .p_filesz = sizeof(m->code)};
	m->p[1] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_vaddr = 0x500000, .p_filesz = sizeof(*m)};
	put(m->tab, magic, 4);
	m->tab[6] = 1;
	m->tab[7] = 8;
	put(m->tab + 8, 2, 8);
	if (has_text)
		put(m->tab + 24, TEXT, 8);
	put(m->tab + 8 + skip * 8, names, 8);
	put(m->tab + 8 + (skip + 4) * 8, funcs, 8);
	strcpy((char *)m->tab + names, "main.main");
	strcpy((char *)m->tab + names + 10, NAME);
	for (unsigned i = 0; i < 3; i++) {
		at = funcs + i * (wide ? 16 : 8);
		desc = 100 + i * 16;
		put(m->tab + at, wide ? TEXT + i * 16 : i * 16, wide ? 8 : 4);
		put(m->tab + at + (wide ? 8 : 4), desc, wide ? 8 : 4);
		put(m->tab + funcs + desc + (wide ? 8 : 4), i ? 10 : 0, 4);
	}
	memset(m->code, 0xc3, sizeof(m->code));
}

static int find(const void *p, size_t n, struct gofunc *f)
{
	struct elf e;

	*f = (struct gofunc){.name = NAME};
	return elf_parse(p, n, &e) ? -1 : (int)gofunc_find(&e, f, 1);
}

static void test_layouts(void **state)
{
	static const struct {
		uint32_t magic;
		bool has_text;
	} all[] = {{0xfffffffa, false}, {0xfffffff0, true}, {0xfffffff1, true}};
	struct gofunc f;
	struct small m;
	struct elf e;
	struct gotab t;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		make(&m, all[i].magic, all[i].has_text);
		assert_int_equal(find(&m, sizeof(m), &f), 1);
		assert_int_equal(f.addr, TEXT + 16);
		assert_int_equal(f.len, 16);
	}
	make(&m, 0xfffffffb, false); /* up to 1.15 */
	assert_int_equal(elf_parse(&m, sizeof(m), &e), 0);
	assert_int_equal(gofunc_table(&e, &t), -EPROTONOSUPPORT);
	make(&m, 0xfffffff2, true);
	assert_int_equal(elf_parse(&m, sizeof(m), &e), 0);
	assert_int_equal(gofunc_table(&e, &t), -ENOENT);
}

static void test_damaged(void **state)
{
	struct edge e = edge_new(sizeof(struct small));
	struct object o;
	struct gofunc f;
	struct small m;

	(void)state;
	for (unsigned wide = 0; wide < 2; wide++) {
		make(&m, wide ? 0xfffffffa : 0xfffffff1, !wide);
		for (size_t n = 0; n <= sizeof(m); n++)
			find(edge_put(&e, &m, n), n, &f);
		for (size_t at = 0; at < sizeof(m) - 4; at++)
			for (unsigned k = 0; k < 2; k++) {
				make(&m, wide ? 0xfffffffa : 0xfffffff1, !wide);
				memset((char *)&m + at, k ? 0x7f : 0xff, 4);
				find(edge_put(&e, &m, sizeof(m)), sizeof(m),
				     &f);
				object_parse(edge_put(&e, &m, sizeof(m)),
					     sizeof(m), true, NULL, &o);
			}
	}
	edge_del(&e);
}

static const char program[] =
	"package main\n"
	"import (\"crypto/tls\"; \"fmt\")\n"
	"func main() {\n"
	"  c, err := tls.Dial(\"tcp\", \"127.0.0.1:1\", nil)\n"
	"  if err != nil { fmt.Println(err); return }\n"
	"  var b [9]byte\n"
	"  c.Write(b[:]); c.Read(b[:]); c.Close()\n"
	"}\n";

/* Of the build that this program belongs to. */
static void build_folder(char *out, size_t n)
{
	ssize_t len = readlink("/proc/self/exe", out, n - 16);

	out[len > 0 ? len : 0] = 0;
	for (int i = 0; i < 3; i++)
		*(strrchr(out, '/') ? strrchr(out, '/') : out) = 0;
	strcat(out, "/go-cache");
}

static unsigned count(const struct object *o, enum probe_fn fn, bool ends)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o->npoints; i++) {
		assert_false(o->points[i].is_return);
		n += o->points[i].fn == fn &&
		     (o->points[i].end != PROBE_END_NONE) == ends;
	}
	return n;
}

static void test_builds(void **state)
{
	static const char *const how[] = {"", "-ldflags='-s -w'"};
	char dir[] = "/tmp/lg-go-XXXXXX", path[64], cmd[1200];
	struct object first = {0}, o;
	char cache[600];
	unsigned made = 0;
	FILE *f;

	(void)state;
	if (system("command -v go >/dev/null 2>&1")) {
		print_message("no go (golang-go): not built\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	build_folder(cache, sizeof(cache));
	snprintf(path, sizeof(path), "%s/c.go", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(program, f);
	fclose(f);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(cmd, sizeof(cmd),
			 "cd %s && GO111MODULE=off GOFLAGS= GOCACHE=%s "
			 "HOME=%s nice go build %s -o c c.go 2>/dev/null",
			 dir, cache, dir, how[i]);
		snprintf(path, sizeof(path), "%s/c", dir);
		if (system(cmd))
			continue;
		made++;
		assert_int_equal(object_read(path, true, NULL, &o), 0);
		assert_int_equal(o.kinds, OBJECT_GO);
		assert_memory_equal(o.what, "Go 1.", 5);
		assert_string_equal(o.note, "");
		assert_int_equal(count(&o, PROBE_GO_WRITE, false), 1);
		assert_int_equal(count(&o, PROBE_GO_READ, false), 1);
		assert_int_equal(count(&o, PROBE_GO_FREE, false), 1);
		assert_true(count(&o, PROBE_GO_READ, true) > 2);
		assert_int_equal(count(&o, PROBE_GO_WRITE, true), 0);
		for (unsigned k = 0; k < o.npoints; k++)
			if (o.points[k].end != PROBE_END_NONE)
				assert_int_equal(o.points[k].end_arg,
						 PROBE_ARG_SPILLED);
		if (i == 1) /* stripped: the same places by the table */
			assert_int_equal(o.npoints, first.npoints);
		if (i == 0)
			first = o;
		unlink(path);
	}
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	assert_int_equal(system(cmd), 0);
	if (!made)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_builds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
