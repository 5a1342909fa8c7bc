/* The probe points of real libraries; by offsets; of bad files. */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/object.h"
#include "tests/unit/edge.h"

#define LIBSSL "/usr/lib/x86_64-linux-gnu/libssl.so.3"
#define LIBGNUTLS "/usr/lib/x86_64-linux-gnu/libgnutls.so.30"
#define LIBBORING "/usr/lib/x86_64-linux-gnu/android/libssl.so.0"
#define LOADER "/lib64/ld-linux-x86-64.so.2"

static unsigned count(const struct object *o, enum probe_fn fn, bool ends)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o->npoints; i++)
		n += o->points[i].fn == fn &&
		     (o->points[i].end != PROBE_END_NONE) == ends;
	return n;
}

static void need(const char *path)
{
	if (access(path, R_OK)) {
		print_message("no %s\n", path);
		skip();
	}
}

/* Of the build that this program belongs to. */
static const char *built(const char *name)
{
	static char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = 0;
	for (int i = 0; i < 3; i++)
		*(strrchr(path, '/') ? strrchr(path, '/') : path) = 0;
	strncat(path, name, sizeof(path) - strlen(path) - 1);
	return path;
}

static void test_libssl(void **state)
{
	struct object o;

	(void)state;
	need(LIBSSL);
	assert_int_equal(object_read(LIBSSL, true, NULL, &o), 0);
	assert_int_equal(o.kinds, OBJECT_OPENSSL);
	assert_string_equal(o.what, "OpenSSL, libssl.so.3");
	assert_int_equal(strlen(o.build_id), 40);
	assert_string_equal(o.note, "");
	for (unsigned i = 0; i < o.npoints; i++)
		assert_true(o.points[i].is_cheap);
	/* one pair for SSL_write and SSL_write_ex, one for reading */
	assert_int_equal(count(&o, PROBE_WRITE, false), 0);
	assert_int_equal(count(&o, PROBE_WRITE_EX, false), 1);
	assert_int_equal(count(&o, PROBE_READ, false), 0);
	assert_int_equal(count(&o, PROBE_READ_EX, false), 1);
	assert_int_equal(count(&o, PROBE_READ_EX, true), 1);
	assert_int_equal(count(&o, PROBE_FREE, false), 1);
	assert_int_equal(count(&o, PROBE_CLEAR, false), 1);
	assert_int_equal(count(&o, PROBE_CTRL, false), 1);
	/* in a sandbox no return probe: the internal function ends by a jump */
	assert_int_equal(object_read(LIBSSL, false, NULL, &o), 0);
	assert_int_equal(count(&o, PROBE_READ, true), 1);
	assert_int_equal(count(&o, PROBE_READ_EX, true), 1);
	for (unsigned i = 0; i < o.npoints; i++)
		assert_false(o.points[i].is_return);
}

static void test_others(void **state)
{
	struct object o;

	(void)state;
	if (!access(LIBGNUTLS, R_OK)) {
		assert_int_equal(object_read(LIBGNUTLS, false, NULL, &o), 0);
		assert_int_equal(o.kinds, OBJECT_GNUTLS);
		/* gnutls_record_send jumps to gnutls_record_send2 */
		assert_int_equal(count(&o, PROBE_GNUTLS_SEND, false), 1);
		assert_true(count(&o, PROBE_GNUTLS_RECV, true) > 1);
		assert_string_equal(o.note, "");
	}
	if (!access(LIBBORING, R_OK)) {
		assert_int_equal(object_read(LIBBORING, false, NULL, &o), 0);
		assert_int_equal(o.kinds, OBJECT_BORINGSSL);
		assert_int_equal(count(&o, PROBE_HOST, false), 1);
		assert_true(o.has_reads && o.has_writes);
	}
	if (!access(LOADER, R_OK)) {
		assert_int_equal(object_read(LOADER, true, NULL, &o), 0);
		assert_int_equal(o.kinds, OBJECT_LOADER);
		assert_int_equal(count(&o, PROBE_LOADED, false), 1);
	}
	if (!access(built("/tests/e2e/cclient-static"), R_OK)) {
		assert_int_equal(object_read(built("/tests/e2e/cclient-static"),
					     true, NULL, &o),
				 0);
		assert_int_equal(o.kinds, OBJECT_OPENSSL);
		assert_string_equal(o.what, "OpenSSL, static");
	}
	/* the preload exports everybody's functions and calls the real ones */
	if (!access(built("/libllmguard.so"), R_OK)) {
		assert_int_equal(
			object_read(built("/libllmguard.so"), true, NULL, &o),
			0);
		assert_int_equal(o.npoints, 0);
	}
	assert_int_equal(object_read("/proc/self/exe", true, NULL, &o), 0);
	assert_int_equal(o.npoints, 0);
	assert_int_equal(object_read("/dev/null", true, NULL, &o), -ENOEXEC);
	assert_int_equal(object_read("/proc/self/status", true, NULL, &o),
			 -ENOEXEC);
	assert_int_equal(object_read("/", true, NULL, &o), -ENOEXEC);
	assert_int_equal(object_read("/nowhere", true, NULL, &o), -ENOENT);
}

static char *slurp(const char *path, size_t *n)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	char *p;

	assert_true(fd >= 0 && !fstat(fd, &st));
	*n = (size_t)st.st_size;
	p = malloc(*n);
	assert_non_null(p);
	assert_int_equal(read(fd, p, *n), *n);
	close(fd);
	return p;
}

/* A cut file, and one with any word of its headers made large. */
static void test_damaged(void **state)
{
	struct object o;
	struct edge e;
	size_t n;
	char *p;

	(void)state;
	need(LIBSSL);
	p = slurp(LIBSSL, &n);
	e = edge_new(n);
	for (size_t cut = 0; cut < n; cut = cut < 4096 ? cut + 7 : cut * 9 / 8)
		object_parse(edge_put(&e, p, cut), cut, true, NULL, &o);
	for (size_t at = 0; at < 900; at += 4) {
		char *q = edge_put(&e, p, n);

		memset(q + at, 0xff, 4);
		object_parse(q, n, at & 4, NULL, &o);
		assert_true(o.npoints <= OBJECT_POINTS_MAX);
	}
	edge_del(&e);
	free(p);
}

/* A file made to be slow: its texts have no end, its tables overlap. */
static void test_slow(void **state)
{
	size_t n = 16 << 20, sections = 65000;
	unsigned char *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	Elf64_Ehdr *h = (Elf64_Ehdr *)p;
	Elf64_Shdr *s = (Elf64_Shdr *)(p + 4096);
	Elf64_Phdr *ph = (Elf64_Phdr *)(p + (8 << 20));
	struct object o;

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 'S', n);
	*h = (Elf64_Ehdr){.e_machine = EM_X86_64,
			  .e_shoff = 4096,
			  .e_phoff = 8 << 20,
			  .e_phentsize = sizeof(*ph),
			  .e_phnum = 512,
			  .e_shentsize = sizeof(*s),
			  .e_shnum = (uint16_t)sections};
	memcpy(h->e_ident, ELFMAG "\2\1\1", 7);
	for (size_t i = 0; i < sections; i++)
		s[i] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
				    .sh_offset = 64,
				    .sh_size = n - 64,
				    .sh_name = 9};
	for (size_t i = 0; i < 512; i++)
		ph[i] = (Elf64_Phdr){.p_type = i & 1 ? PT_LOAD : PT_NOTE,
				     .p_flags = PF_X,
				     .p_offset = 64,
				     .p_vaddr = 0x1000,
				     .p_filesz = n - 64};
	for (int i = 0; i < 2; i++) {
		object_parse(p, n, true, NULL, &o);
		assert_int_equal(o.npoints, 0);
		h->e_shnum = 0;
	}
	munmap(p, n);
}

/* Somebody cuts the file while it is read. */
static void test_shrunk(void **state)
{
	char path[] = "/tmp/lg-object-XXXXXX";
	int fd = mkstemp(path);
	struct object o;
	char *p, *map;
	size_t n;

	(void)state;
	need(LIBSSL);
	p = slurp(LIBSSL, &n);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	map = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(object_parse(map, n, true, NULL, &o), 0);
	for (size_t left = n - 4096; left > 4096; left = left * 3 / 4) {
		int err;

		assert_int_equal(ftruncate(fd, (off_t)left), 0);
		err = object_parse(map, n, true, NULL, &o);
		assert_true(err == 0 || err == -EIO);
	}
	assert_int_equal(object_parse(map, n, true, NULL, &o), -EIO);
	assert_int_equal(o.npoints, 0);
	munmap(map, n);
	close(fd);
	unlink(path);
	free(p);
}

static unsigned long address_of(const char *name)
{
	void *lib = dlopen(LIBSSL, RTLD_NOW | RTLD_LOCAL), *at;
	Dl_info info;

	assert_non_null(lib);
	at = dlsym(lib, name);
	assert_true(dladdr(at, &info));
	return (uintptr_t)at - (uintptr_t)info.dli_fbase;
}

/* A stripped program: the same points by the user's offsets. */
static void test_offsets(void **state)
{
	char text[2000], why[200];
	struct object o, by;
	struct offsets *user;
	size_t n;
	char *p;
	int len;

	(void)state;
	need(LIBSSL);
	p = slurp(LIBSSL, &n);
	assert_int_equal(object_parse(p, n, false, NULL, &o), 0);
	len = snprintf(text, sizeof(text), "build-id %s\n", o.build_id);
	for (unsigned i = 0; i < n - 9; i++) /* no name is found any more */
		if (!memcmp(p + i, "\0SSL_", 5))
			p[i + 1] = 'X';
	assert_int_equal(object_parse(p, n, false, NULL, &by), 0);
	assert_int_equal(by.npoints, 0);
	len += snprintf(text + len, sizeof(text) - (size_t)len,
			"SSL_read %#lx # as nm says\n", address_of("SSL_read"));
	assert_int_equal(
		offsets_parse("o", text, (size_t)len, &user, why, sizeof(why)),
		0);
	assert_int_equal(object_parse(p, n, false, user, &by), 0);
	assert_int_equal(by.kinds & OBJECT_OFFSETS, OBJECT_OFFSETS);
	assert_int_equal(count(&by, PROBE_READ, true), 1);
	assert_string_equal(by.note, "no function that writes is known");
	offsets_close(user);
	/* an address that is nowhere */
	len = snprintf(text, sizeof(text),
		       "build-id %s\nSSL_write 0x70000000\n", o.build_id);
	assert_int_equal(
		offsets_parse("o", text, (size_t)len, &user, why, sizeof(why)),
		0);
	assert_int_equal(object_parse(p, n, false, user, &by), 0);
	assert_int_equal(by.npoints, 0);
	assert_non_null(strstr(by.note, "0x70000000 (line 2"));
	offsets_close(user);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libssl),	cmocka_unit_test(test_others),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_slow),
		cmocka_unit_test(test_shrunk),	cmocka_unit_test(test_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
