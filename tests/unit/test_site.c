/* Where functions are probed: bytes by hand, and what compilers make. */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/code.h"
#include "tests/unit/edge.h"
#include "tests/unit/trap_rig.h"

static struct site_text text_of(const void *p, size_t n)
{
	return (struct site_text){
		.p = p, .len = n, .file_at = 0x400, .addr = 0x1400};
}

static enum code_cost cost_of(const char *bytes, size_t n)
{
	struct site_text t = text_of(bytes, n);
	struct code c;

	assert_true(code_decode(&t, t.addr, &c));
	assert_int_equal(c.z.length, n);
	return code_cost(&c);
}
#define COST(bytes) cost_of(bytes, sizeof(bytes) - 1)

static void test_cost(void **state)
{
	(void)state;
	assert_int_equal(COST("\x55"), CODE_EMULATED);
	assert_int_equal(COST("\x41\x57"), CODE_EMULATED);
	assert_int_equal(COST("\x40\x55"), CODE_STEPPED); /* REX is not 41 */
	assert_int_equal(COST("\x66\x55"), CODE_STEPPED);
	assert_int_equal(COST("\xff\x30"), CODE_STEPPED); /* push [rax] */
	assert_int_equal(COST("\x68\1\2\3\4"), CODE_STEPPED);
	assert_int_equal(COST("\x90"), CODE_EMULATED);
	assert_int_equal(COST("\x66\x90"), CODE_EMULATED);
	assert_int_equal(COST("\xf3\x90"), CODE_STEPPED); /* pause */
	assert_int_equal(COST("\x41\x90"), CODE_STEPPED); /* xchg r8, rax */
	assert_int_equal(COST("\x0f\x1f\x44\0\0"), CODE_EMULATED_LATE);
	assert_int_equal(COST("\x66\x2e\x0f\x1f\x84\0\0\0\0\0"), CODE_REFUSED);
	assert_int_equal(COST("\xf3\x0f\x1e\xfa"), CODE_STEPPED); /* endbr64 */
	assert_int_equal(COST("\xe8\0\0\0\0"), CODE_EMULATED);
	assert_int_equal(COST("\xf2\xe8\0\0\0\0"), CODE_EMULATED); /* bnd */
	assert_int_equal(COST("\xff\xd0"), CODE_STEPPED);
	assert_int_equal(COST("\xeb\0"), CODE_EMULATED);
	assert_int_equal(COST("\xe9\0\0\0\0"), CODE_EMULATED);
	assert_int_equal(COST("\x3e\xff\xe0"), CODE_REFUSED); /* notrack */
	for (char op = 0x70; op != (char)0x80; op++)
		assert_int_equal(cost_of((char[]){op, 5}, 2), CODE_EMULATED);
	assert_int_equal(COST("\x0f\x84\0\0\0\0"), CODE_EMULATED);
	assert_int_equal(COST("\xe3\0"), CODE_STEPPED); /* jrcxz */
	assert_int_equal(COST("\xe2\0"), CODE_STEPPED); /* loop */
	assert_int_equal(COST("\xc3"), CODE_STEPPED);
	assert_int_equal(COST("\x48\x83\xec\x18"), CODE_STEPPED);
	assert_int_equal(COST("\xf0\xff\0"), CODE_REFUSED);
	assert_int_equal(COST("\xcc"), CODE_REFUSED);
}

static int find(const char *bytes, size_t n, enum probe_fn fn, bool may_return,
		struct site *s)
{
	struct site_text t = text_of(bytes, n);

	return site_find(&t, t.addr, n, fn, may_return, s);
}
#define FIND(bytes, fn, ret, s) find(bytes, sizeof(bytes) - 1, fn, ret, s)

static void test_entry(void **state)
{
	struct site s;

	(void)state;
	/* endbr64; push */
	assert_int_equal(
		FIND("\xf3\x0f\x1e\xfa\x55\x5d\xc3", PROBE_FREE, 0, &s), 0);
	assert_int_equal(s.entry_at, 0x404);
	assert_true(s.entry_is_cheap);
	/* mov rdi, rax; push: too late for who looks at rdi */
	assert_int_equal(FIND("\x48\x89\xc7\x55\x5d\xc3", PROBE_FREE, 0, &s),
			 0);
	assert_int_equal(s.entry_at, 0x400);
	assert_false(s.entry_is_cheap);
	/* mov edx, ecx: a part of rdx; fine for who looks at rdi alone */
	assert_int_equal(FIND("\x89\xca\x55\x5d\xc3", PROBE_WRITE, 0, &s), 0);
	assert_false(s.entry_is_cheap);
	assert_int_equal(FIND("\x89\xca\x55\x5d\xc3", PROBE_FREE, 0, &s), 0);
	assert_int_equal(s.entry_at, 0x402);
	/* inc eax; push; pop; jne back to the push: a loop's head */
	assert_int_equal(
		FIND("\xff\xc0\x55\x5d\x75\xfc\xc3", PROBE_FREE, 0, &s), 0);
	assert_int_equal(s.entry_at, 0x400);
	/* the entry itself is a loop's head: there is nothing better */
	assert_int_equal(FIND("\x55\x5d\x75\xfc\xc3", PROBE_FREE, 0, &s), 0);
	assert_int_equal(s.entry_at, 0x400);
	/* an entry that the kernel refuses: the next one */
	assert_int_equal(FIND("\x66\x2e\x0f\x1f\x84\0\0\0\0\0\x31\xc0\xc3",
			      PROBE_FREE, 0, &s),
			 0);
	assert_int_equal(s.entry_at, 0x40a);
	/* a jcc: the arguments are there on both ways; nothing behind it */
	assert_int_equal(FIND("\x85\xd2\x78\x01\x55\xc3", PROBE_WRITE, 0, &s),
			 0);
	assert_int_equal(s.entry_at, 0x402);
	/* no code */
	assert_int_equal(FIND("\x06\x06", PROBE_WRITE, 0, &s), -EILSEQ);
	assert_int_equal(FIND("", PROBE_WRITE, 0, &s), -EILSEQ);
}

static void test_ends(void **state)
{
	struct site s;

	(void)state;
	/* push; xor eax; sub rdx, fs:[28]; jne +3; pop; ret; int3; call */
#define GUARD "\x64\x48\x2b\x14\x25\x28\0\0\0"
	assert_int_equal(FIND("\x55\x31\xc0" GUARD
			      "\x75\x02\x5d\xc3\xe8\0\0\0\0",
			      PROBE_READ, 0, &s),
			 0);
	assert_int_equal(s.nends, 1);
	assert_int_equal(s.ends[0], 0x40c);
	assert_true(s.end_is_cheap && !s.leaves);
	assert_int_equal(s.end, PROBE_END_RAX);
	/* rax is set behind it: the RET itself, or where it may a return */
	assert_int_equal(FIND("\x55" GUARD
			      "\x75\x04\x31\xc0\x5d\xc3\xe8\0\0\0\0",
			      PROBE_READ, 0, &s),
			 0);
	assert_int_equal(s.ends[0], 0x40f);
	assert_false(s.end_is_cheap || s.end_is_return);
	assert_int_equal(FIND("\x55" GUARD
			      "\x75\x04\x31\xc0\x5d\xc3\xe8\0\0\0\0",
			      PROBE_READ, 1, &s),
			 0);
	assert_true(s.end_is_cheap && s.end_is_return);
	assert_int_equal(s.ends[0], 0x400);
	/* a write's end: only where it is cheap */
	assert_int_equal(FIND("\x48\x83\xec\x08\x48\x83\xc4\x08\xc3",
			      PROBE_WRITE, 1, &s),
			 0);
	assert_int_equal(s.end, PROBE_END_NONE);
	/* sub; jmp rax: nothing of it is seen at a RET */
	assert_int_equal(FIND("\x48\x83\xec\x08\x48\x83\xc4\x08\xff\xe0",
			      PROBE_READ, 0, &s),
			 0);
	assert_true(s.leaves);
	assert_int_equal(s.end, PROBE_END_NONE);
	assert_int_equal(FIND("\x48\x83\xec\x08\x48\x83\xc4\x08\xff\xe0",
			      PROBE_READ, 1, &s),
			 0);
	assert_true(s.end_is_return && !s.leaves && !s.end_is_cheap);
	/* a jump through a table is none */
	assert_int_equal(
		FIND("\x55\xff\x24\xc5\0\0\0\0\x5d\xc3", PROBE_READ, 0, &s), 0);
	assert_false(s.leaves);
	assert_int_equal(s.ends[0], 0x409);
}

/* All lengths and one flip after the other, flush against the page's end. */
static void test_any_bytes(void **state)
{
	static const char code[] =
		"\x48\x83\xec\x18\x64\x48\x8b\x04\x25\x28\0\0\0\x48\x89\x44"
		"\x24\x08\x31\xc0\x85\xd2\x78\x2f\x48\x89\xe1\x48\x63\xd2\xe8"
		"\xfd\xfb\xff\xff\x85\xc0\x7e\x03\x8b\x04\x24\x48\x8b\x54\x24"
		"\x08" GUARD "\x75\x44\x48\x83\xc4\x18\xc3";
	struct edge e = edge_new(4096);
	char b[sizeof(code)];
	struct site s;
	uint64_t callee;
	enum probe_fn as;

	(void)state;
	for (size_t n = 0; n < sizeof(code); n++)
		for (unsigned fn = 0; fn <= PROBE_LOADED; fn++) {
			const char *p = edge_put(&e, code, n);
			struct site_text t = text_of(p, n);

			site_find(&t, t.addr, n, (enum probe_fn)fn, n & 1, &s);
			site_callee(&t, t.addr, (enum probe_fn)fn, &callee,
				    &as);
		}
	for (size_t i = 0; i < sizeof(code) * 8; i++) {
		memcpy(b, code, sizeof(b));
		b[i / 8] ^= (char)(1 << i % 8);
		find(edge_put(&e, b, sizeof(b)), sizeof(b), PROBE_READ, i & 1,
		     &s);
		assert_true(s.nends <= SITE_RETS_MAX);
	}
	edge_del(&e);
}

static void test_callee(void **state)
{
	/* mov rcx, rsp; movsxd rdx, edx; call +0x20 */
	static const char write[] = "\x48\x89\xe1\x48\x63\xd2\xe8\x20\0\0\0";
	static const char write3[] =
		"\x4c\x8d\x44\x24\x08\x31\xc9\x48\x63\xd2\xe8\x20\0\0\0";
	struct site_text t = text_of(write, sizeof(write) - 1);
	enum probe_fn as;
	uint64_t at;

	(void)state;
	assert_int_equal(site_callee(&t, t.addr, PROBE_WRITE, &at, &as), 0);
	assert_int_equal(at, 0x142b);
	assert_int_equal(as, PROBE_WRITE_EX);
	assert_int_equal(site_callee(&t, t.addr, PROBE_WRITE_EX, &at, &as),
			 -ENOENT);
	t = text_of(write + 6, 5); /* only the call */
	assert_int_equal(site_callee(&t, t.addr, PROBE_WRITE_EX, &at, &as), 0);
	assert_int_equal(site_callee(&t, t.addr, PROBE_WRITE, &at, &as),
			 -ENOENT);
	t = text_of(write3, sizeof(write3) - 1); /* with flags, as 3.3 has */
	assert_int_equal(site_callee(&t, t.addr, PROBE_WRITE, &at, &as), 0);
	assert_int_equal(as, PROBE_WRITE_EX2);
}

static void test_go(void **state)
{
	struct site s;

	(void)state;
	/* cmp rsp, [r14+10]; jbe; push rbp; ...; call; jmp back */
	static const char now[] =
		"\x49\x3b\x66\x10\x76\x06\x55\x48\x89\xe5\x5d\xc3\xe8\0\0\0\0"
		"\xeb\xed";
	/* the same, sub rsp, 16, and the arguments above the return address */
	static const char kept[] =
		"\x49\x3b\x66\x10\x76\x1e\x55\x48\x89\xe5\x48\x83\xec\x10"
		"\x48\x89\x44\x24\x20\x48\x89\x4c\x24\x30\x48\x89\x5c\x24"
		"\x28\x48\x83\xc4\x10\x5d\xc3\xe8\0\0\0\0\xeb\xd5";
	/* mov rcx, fs:[-8]: before 1.17 */
	static const char old[] =
		"\x64\x48\x8b\x0c\x25\xf8\xff\xff\xff\x48\x3b\x61\x10\x76\0"
		"\xc3";

	assert_int_equal(FIND(now, PROBE_GO_READ, 1, &s), 0);
	assert_int_equal(s.entry_at, 0x406);
	assert_true(s.entry_is_cheap);
	assert_false(s.end_is_return);
	assert_int_equal(s.nends, 1);
	assert_int_equal(s.ends[0], 0x40b);
	assert_int_equal(s.end_arg, 0);
	assert_int_equal(FIND(kept, PROBE_GO_READ, 1, &s), 0);
	assert_int_equal(s.end_arg, PROBE_ARG_SPILLED);
	assert_int_equal(FIND(old, PROBE_GO_READ, 1, &s), -EOPNOTSUPP);
}

/* As OpenSSL's ssl_lib.c is built: 1.1 and 3.0, and as BoringSSL's. */
static const char source[] =
	"#include <stddef.h>\n"
	"#include <string.h>\n"
	"struct ssl { int (*go)(void *, void *, size_t, size_t *); long k; };\n"
	"int failed;\n"
	"__attribute__((noinline)) void raise_(int a, int b) { failed += a + "
	"b;\n"
	"  __asm__ volatile(\"\"); }\n"
	"#ifdef FLAGS\n"
	"#define EXTRA , unsigned long flags\n"
	"#define ZERO , 0\n"
	"#else\n"
	"#define EXTRA\n"
	"#define ZERO\n"
	"#endif\n"
	"#ifdef BORING\n"
	"int SSL_write(struct ssl *s, void *b, int num) { size_t n = 0; int "
	"r;\n"
	"  if (num < 0 || !s->k) { raise_(1, 2); return -1; }\n"
	"  do { r = s->go(s, b, (size_t)num, &n); } while (r == -7);\n"
	"  return r <= 0 ? r : (int)n; }\n"
	"int SSL_read(struct ssl *s, void *b, int num) { size_t n = 0;\n"
	"  int r = s->go(s, b, (size_t)num, &n); if (r <= 0) return r;\n"
	"  if (n) raise_(0, 0); return (int)n; }\n"
	"#else\n"
	"__attribute__((noinline)) static int in(struct ssl *s, void *b, "
	"size_t n\n"
	"  EXTRA, size_t *w) { if (!s->go) { raise_(3, 4); return -1; }\n"
	"  if (s->k & 2) { raise_(5, 6); return 0; }\n"
	"  { struct ssl tmp = *s; if (s->k & 4) { raise_(7, (int)tmp.k);\n"
	"    return s->go(&tmp, b, n, w); } }\n"
	"  return s->go(s, b, n, w); }\n"
	"__attribute__((noinline)) static int out(struct ssl *s, void *b, "
	"size_t n,\n"
	"  size_t *w) { if (!s->go) { raise_(3, 4); return -1; }\n"
	"  if (s->k & 2) { raise_(5, 7); return 0; }\n"
	"  return s->go(s, b, n, w); }\n"
	"int SSL_write(struct ssl *s, void *b, int num) { int r; size_t n;\n"
	"  if (num < 0) { raise_(1, 2); return -1; }\n"
	"  r = in(s, b, (size_t)num ZERO, &n); if (r > 0) r = (int)n; return "
	"r; }\n"
	"int SSL_write_ex(struct ssl *s, void *b, size_t num, size_t *n) {\n"
	"  int r = in(s, b, num ZERO, n); if (r < 0) r = 0; return r; }\n"
	"int SSL_read(struct ssl *s, void *b, int num) { int r; size_t n;\n"
	"  if (num < 0) { raise_(1, 3); return -1; }\n"
	"  r = out(s, b, (size_t)num, &n); if (r > 0) r = (int)n; return r; }\n"
	"int SSL_read_ex(struct ssl *s, void *b, size_t num, size_t *n) {\n"
	"  int r = out(s, b, num, n); if (r < 0) r = 0; return r; }\n"
	"#endif\n";

static const char *const builds[] = {
	"gcc -O0",
	"gcc -O1",
	"gcc -O2 -fstack-protector-strong",
	"gcc -O2 -fstack-protector-strong -fcf-protection",
	"gcc -O2 -fstack-protector-all -fno-omit-frame-pointer",
	"gcc -O3 -fno-stack-protector",
	"gcc -Os -fcf-protection",
	"gcc -O2 -fcf-protection -DFLAGS -fstack-protector-strong",
	"gcc -O2 -DBORING -fstack-protector-strong",
	"gcc -O0 -fcf-protection -DBORING -fstack-protector-all",
	"gcc -O2 -fpatchable-function-entry=5 -fstack-protector-strong",
	"clang -O0",
	"clang -O2",
	"clang -O2 -fstack-protector-strong -fcf-protection",
	"clang -O2 -DFLAGS -fstack-protector-all",
	"clang -O2 -DBORING -fno-omit-frame-pointer",
	"clang -Os -fcf-protection -DBORING -fstack-protector-strong",
};

struct ssl {
	int (*go)(void *, void *, size_t, size_t *);
	long k;
};

static int moves(void *s, void *b, size_t n, size_t *w)
{
	(void)s;
	(void)b;
	*w = n > 100 ? 100 : n;
	return 1;
}

static int waits(void *s, void *b, size_t n, size_t *w)
{
	(void)s;
	(void)b;
	(void)n;
	*w = 12345;
	return -1;
}

static int ends(void *s, void *b, size_t n, size_t *w)
{
	waits(s, b, n, w);
	return 0;
}

typedef int io_fn(void *, void *, int);
typedef int io_ex_fn(void *, void *, size_t, size_t *);

static void expect(const struct object *o, bool is_read, const void *ssl,
		   const void *buf, uint64_t num, long moved, const char *what)
{
	const struct rig_hit *in = rig_entry(is_read, 0);
	const struct rig_hit *end = rig_end(is_read, 0);
	bool is_int = in && (in->p.fn == PROBE_WRITE || in->p.fn == PROBE_READ);

	if (!in || rig_entry(is_read, 1) || in->arg[0] != (uint64_t)ssl ||
	    in->arg[1] != (uint64_t)buf ||
	    (is_int ? (uint32_t)in->arg[2] : in->arg[2]) != num)
		fail_msg("%s: entry %s", what, in ? "is wrong" : "is not hit");
	if (!(in->p.end_arg & PROBE_ARG_ENDS) || (!end && o->note[0]))
		return;
	if (!end || rig_end(is_read, 1))
		fail_msg("%s: end %s", what, end ? "hit twice" : "not hit");
	if (moved > 0 ? end->result != moved : end->result > 0)
		fail_msg("%s: result %ld, not %ld", what, end->result, moved);
}

static void call_all(void *lib, const struct object *o, const char *build)
{
	io_fn *f[2] = {(io_fn *)dlsym(lib, "SSL_write"),
		       (io_fn *)dlsym(lib, "SSL_read")};
	io_ex_fn *ex[2] = {(io_ex_fn *)dlsym(lib, "SSL_write_ex"),
			   (io_ex_fn *)dlsym(lib, "SSL_read_ex")};
	struct ssl s[] = {
		{moves, 1}, {waits, 1}, {ends, 1}, {moves, 3}, {moves, 5}};
	char buf[400], what[200];
	size_t n = 0;
	int r;

	for (unsigned i = 0; i < 5 * 2 * 3; i++) {
		struct ssl *one = &s[i % 5];
		bool is_read = i / 5 % 2;
		int num = i / 10 == 0 ? 300 : i / 10 == 1 ? 60 : 0;

		snprintf(what, sizeof(what), "%s: %s %d of kind %u", build,
			 is_read ? "read" : "write", num, i % 5);
		rig_clear();
		r = f[is_read](one, buf, num);
		expect(o, is_read, one, buf, (uint64_t)num, r, what);
		if (!ex[0])
			continue;
		rig_clear();
		r = ex[is_read](one, buf, (size_t)num, &n);
		expect(o, is_read, one, buf, (uint64_t)num, r > 0 ? (long)n : r,
		       what);
	}
}

static bool make(const char *build, const char *dir, unsigned i, char *so,
		 size_t nso)
{
	char cmd[600];

	snprintf(so, nso, "%s/rig%u.so", dir, i);
	snprintf(cmd, sizeof(cmd),
		 "%s -fPIC -shared -w -Wl,-soname,libssl.so.9 -Wl,--build-id "
		 "-o %s %s/rig.c 2>/dev/null",
		 build, so, dir);
	return !system(cmd);
}

static void test_builds(void **state)
{
	char dir[] = "/tmp/lg-site-XXXXXX", path[64], so[96];
	unsigned made = 0, cheap = 0, all = 0;
	struct object o;
	void *lib;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/rig.c", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(source, f);
	fclose(f);
	for (unsigned i = 0; i < sizeof(builds) / sizeof(builds[0]); i++) {
		if (!make(builds[i], dir, i, so, sizeof(so)))
			continue;
		made++;
		lib = dlopen(so, RTLD_NOW | RTLD_LOCAL);
		assert_non_null(lib);
		for (int may_return = 0; may_return < 2; may_return++) {
			assert_int_equal(object_read(so, may_return, NULL, &o),
					 0);
			assert_int_equal(o.kinds, OBJECT_OPENSSL);
			assert_true(o.has_reads && o.has_writes);
			if (may_return)
				assert_string_equal(o.note, "");
			assert_true(rig_arm(so, &o));
			call_all(lib, &o, builds[i]);
			rig_disarm();
			for (unsigned k = 0; k < o.npoints; k++) {
				cheap += o.points[k].is_cheap;
				all++;
			}
		}
		dlclose(lib);
		unlink(so);
	}
	unlink(path);
	rmdir(dir);
	if (!made)
		skip();
	print_message("%u builds, %u of %u points are cheap\n", made, cheap,
		      all);
	assert_true(cheap * 2 > all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cost),   cmocka_unit_test(test_entry),
		cmocka_unit_test(test_ends),   cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_callee), cmocka_unit_test(test_go),
		cmocka_unit_test(test_builds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
