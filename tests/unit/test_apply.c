/*
 * Functions of this program and of libcrypto, patched while they run: in a
 * child each, because nothing takes a patch back.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hook/elf.h"
#include "hook/patch/patch.h"

#define MARKER UINT64_C(0x1000)
#define NOT_ITS_FILE "/nowhere"

/* As the preload has it: its own code must not stand in a patched page. */
static int (*apply)(struct lg_patch_job *);

static struct lg_patch_job job;
static uintptr_t seen;
static unsigned calls;
static long arg[5];

#ifdef __clang__
#define APART __attribute__((noinline))
#else
#define APART __attribute__((noipa))
#endif

typedef long five_fn(long, long, long, long, long);

/* Each bends the stack or the flags in another way. */
APART static long five(long a, long b, long c, long d, long e)
{
	volatile long v[16];

	v[3] = a;
	__asm__ volatile("" ::: "rbx", "r12", "r13", "memory");
	return v[3] + 10 * b + 100 * c + 1000 * d + 10000 * e;
}

APART static long early(long a, long b, long c, long d, long e)
{
	if (!a)
		return -1;
	__asm__ volatile("" ::: "rbx", "memory");
	return five(a, b, c, d, e) + 1;
}

APART static long nothing(long a, long b, long c, long d, long e)
{
	(void)a, (void)b, (void)c, (void)d, (void)e;
	return 7;
}

static long hook(uintptr_t marker, long a, long b, long c, long d, long e)
{
	seen = marker;
	calls++;
	arg[0] = a, arg[1] = b, arg[2] = c, arg[3] = d, arg[4] = e;
	return ((five_fn *)(uintptr_t)job.fn[0].real)(a, b, c, d, e) + 100000;
}

static void add(const void *at, size_t size, const void *to, bool needed)
{
	struct lg_patch_fn *f = &job.fn[job.nfns++];

	f->name = "it";
	f->at = (uint8_t *)(uintptr_t)at;
	f->size = size;
	f->room = size ? size + 16 : 64;
	f->hook = to;
	f->is_needed = needed;
}

static void prepare(void)
{
	memset(&job, 0, sizeof(job));
	job.version = LG_PATCH_VERSION;
	job.file = NOT_ITS_FILE;
	job.marker = MARKER;
}

APART static long call(five_fn *volatile f)
{
	long v = f(1, 2, 3, 4, 5);

	__asm__ volatile("" : "+r"(v)); /* no jump instead of a call */
	return v;
}

/* Run in a child; its exit status is what went wrong. */
static void in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("status %x", (unsigned)status);
}

/* No mapping may be both, at any time; and text is what it was. */
static bool is_clean(const void *text)
{
	char line[512], mode[5];
	unsigned long lo, hi;
	bool clean = true, found = false;
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %4s", &lo, &hi, mode) != 3)
			continue;
		if (mode[1] == 'w' && mode[2] == 'x')
			clean = false;
		if ((uintptr_t)text >= lo && (uintptr_t)text < hi)
			found = !strcmp(mode, "r-xp");
	}
	if (f)
		fclose(f);
	return clean && found;
}

static int patched_is(five_fn *f, long want)
{
	if (apply(&job)) {
		puts(job.why);
		return 1;
	}
	if (call(f) != want + 100000 || calls != 1 || seen != MARKER)
		return 2;
	if (arg[0] != 1 || arg[1] != 2 || arg[2] != 3 || arg[3] != 4 ||
	    arg[4] != 5)
		return 3;
	return is_clean((void *)(uintptr_t)f) ? 0 : 4;
}

static int do_five(void)
{
	prepare();
	add(five, 0, hook, true);
	return patched_is(five, 54321);
}

static int do_early(void)
{
	prepare();
	add(early, 0, hook, true);
	if (patched_is(early, 54322))
		return 1;
	return ((five_fn *volatile)early)(0, 2, 3, 4, 5) == 99999 ? 0 : 5;
}

static int do_nothing(void)
{
	prepare();
	add(nothing, 0, hook, true);
	return patched_is(nothing, 7);
}

/* The caller is told apart by its address. */
static int do_own(void)
{
	prepare();
	add(five, 0, hook, true);
	job.own = (uintptr_t)call & ~(uintptr_t)15;
	job.nown = 256;
	if (apply(&job))
		return 1;
	(void)call(five);
	return seen == MARKER + 1 ? 0 : 2;
}

static const uint8_t breaks[] = {0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
				 0xcc, 0xcc, 0xcc, 0xc3};

/* All of a copy or none. */
static int do_refuse(void)
{
	uint8_t before[16];

	memcpy(before, (void *)(uintptr_t)five, sizeof(before));
	prepare();
	add(five, 0, hook, true);
	add(breaks, sizeof(breaks), hook, true);
	if (!apply(&job) || strcmp(job.why, "it: a breakpoint or trap"))
		return 1;
	if (job.fn[0].real ||
	    memcmp(before, (void *)(uintptr_t)five, sizeof(before)))
		return 2;
	prepare(); /* one that may stay as it is */
	add(five, 0, hook, true);
	add(breaks, sizeof(breaks), hook, false);
	if (apply(&job) || job.fn[1].real || !job.fn[0].real)
		return 3;
	return call(five) == 154321 ? 0 : 4;
}

/* The file says otherwise than memory. */
static int do_changed(void)
{
	prepare();
	add(five, 0, hook, true);
	job.file = "/proc/self/exe";
	job.fn[0].file_at = 0;
	return apply(&job) && strstr(job.why, "not as in its file") &&
			       call(five) == 54321
		       ? 0
		       : 1;
}

static void *sleeper(void *p)
{
	(void)p;
	for (;;)
		pause();
	return NULL;
}

static int do_threads(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, sleeper, NULL))
		return 1;
	prepare();
	add(five, 0, hook, true);
	return apply(&job) && strstr(job.why, "has other threads") &&
			       call(five) == 54321
		       ? 0
		       : 2;
}

/* mprotect of this page with these bits is refused. */
static int forbid(const void *text, unsigned bits, bool only_text)
{
	uint32_t page = (uint32_t)((uintptr_t)text & ~(uintptr_t)4095);
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, page, 1, only_text ? 0 : 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(f) / sizeof(*f), f};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static int is_refused_cleanly(void)
{
	prepare();
	add(five, 0, hook, true);
	if (!apply(&job) || !strstr(job.why, "does not allow"))
		return 1;
	return call(five) == 54321 && !calls && !job.fn[0].real &&
			       is_clean((void *)(uintptr_t)five)
		       ? 0
		       : 2;
}

/* A page of text that may not be written (PaX). */
static int do_no_write(void)
{
	if (forbid((void *)(uintptr_t)five, PROT_WRITE, true))
		return 0;
	return is_refused_cleanly();
}

/* One that may not become executable again (SELinux's execmod). */
static int do_no_exec(void)
{
	if (forbid((void *)(uintptr_t)five, PROT_EXEC, true))
		return 0;
	return is_refused_cleanly();
}

/* No new code at all. */
static int do_no_code(void)
{
	if (forbid((void *)(uintptr_t)five, PROT_EXEC, false))
		return 0;
	return is_refused_cleanly();
}

static int do_version(void)
{
	prepare();
	add(five, 0, hook, true);
	job.version = 0;
	return apply(&job) && strstr(job.why, "version") ? 0 : 1;
}

/* Functions of a real library do what they did, through both ways. */
static const struct {
	const char *name;
	unsigned first, second; /* 0 text, else the argument */
} functions[] = {
	{"CRYPTO_memcmp", 0, 0},       {"OPENSSL_hexchar2int", 'c', 1},
	{"BN_num_bits_word", 4711, 1}, {"OpenSSL_version_num", 1, 1},
	{"OPENSSL_strlcpy", 0, 0},     {"OPENSSL_strnlen", 0, 8},
};

static int ask(five_fn *f, unsigned i)
{
	char a[32] = "17c0ffee", b[32] = "17c0ffee";

	return (int)f(functions[i].first ? functions[i].first : (long)a,
		      functions[i].second ? functions[i].second : (long)b, 8, 0,
		      0);
}

static int one_function(const struct link_map *lm, const struct lg_elf *e,
			unsigned i)
{
	const ElfW(Sym) *s = lg_elf_find(e, functions[i].name);
	five_fn *f = s ? (five_fn *)(e->base + s->st_value) : NULL;
	int before;

	if (!f)
		return 2;
	prepare();
	add((void *)(uintptr_t)f, s->st_size, hook, true);
	job.fn[0].room = lg_elf_text(e, (uintptr_t)f, &job.fn[0].file_at);
	job.file = lm->l_name;
	before = ask(f, i);
	if (apply(&job)) {
		printf("%s: %s\n", functions[i].name, job.why);
		return 3;
	}
	calls = 0;
	if (ask(f, i) - 100000 != before || calls != 1)
		return 10 + (int)i;
	return is_clean((void *)(uintptr_t)f) ? 0 : 5;
}

static int do_library(void)
{
	void *h = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
	struct link_map *lm = h;
	struct lg_elf e;
	unsigned i;
	int err;

	if (!h)
		return 0;
	if (!lg_elf_module(&e, lm->l_ld) || lg_elf_find(&e, "SSL_write"))
		return 1;
	for (i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		err = one_function(lm, &e, i);
		if (err)
			return err;
	}
	return 0;
}

static bool fill(uintptr_t p, size_t n)
{
	void *at = mmap((void *)p, n, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				MAP_FIXED_NOREPLACE,
			-1, 0);

	return at == (void *)p;
}

/* No memory within the reach of a near jump. */
static void fence(const void *text)
{
	uintptr_t step = (uintptr_t)1 << 20, reach = (uintptr_t)0x80000000;
	uintptr_t at = (uintptr_t)text & ~(step - 1);
	uintptr_t lo = at > reach ? at - reach : step, p, q;

	for (p = lo; p < at + reach; p += step)
		if (!fill(p, step))
			for (q = p; q < p + step; q += 4096)
				(void)fill(q, 4096);
}

static bool is_far(const struct lg_patch_fn *f)
{
	unsigned i;

	for (i = 0; i < 16; i++)
		if (f->at[i] == 0xff && f->at[i + 1] == 0x25)
			return true;
	return false;
}

/* The long jump, there and back, over a condition and a call. */
static int do_far(void)
{
	fence((void *)(uintptr_t)five);
	prepare();
	add(five, 0, hook, true);
	if (patched_is(five, 54321))
		return 1;
	return is_far(&job.fn[0]) ? 0 : 6;
}

static int do_far_early(void)
{
	fence((void *)(uintptr_t)early);
	prepare();
	add(early, 0, hook, true);
	if (patched_is(early, 54322) || !is_far(&job.fn[0]))
		return 1;
	return ((five_fn *volatile)early)(0, 2, 3, 4, 5) == 99999 ? 0 : 5;
}

/* What had been written before one page refuses is taken back. */
__attribute__((aligned(4096))) APART static long apart(long a, long b, long c,
						       long d, long e)
{
	return five(a, b, c, d, e) + five(b, a, c, d, e);
}

static int do_rollback(void)
{
	uint8_t before[32];

	memcpy(before, (void *)(uintptr_t)five, sizeof(before));
	if (forbid((void *)(uintptr_t)apart, PROT_WRITE, true))
		return 0;
	prepare();
	add(five, 0, hook, true);
	add(apart, 0, hook, true);
	if (!apply(&job) || !strstr(job.why, "does not allow"))
		return 1;
	if (memcmp(before, (void *)(uintptr_t)five, sizeof(before)) ||
	    job.fn[0].real || job.fn[1].real)
		return 2;
	return call(five) == 54321 && call(apart) == 54321 + 54312 && !calls &&
			       is_clean((void *)(uintptr_t)five) &&
			       is_clean((void *)(uintptr_t)apart)
		       ? 0
		       : 3;
}

static void *nap(void *p)
{
	(void)p;
	return NULL;
}

/* Threads that have ended are none. */
static int do_ended(void)
{
	pthread_t t;
	int i;

	for (i = 0; i < 20; i++) {
		if (pthread_create(&t, NULL, nap, NULL) ||
		    pthread_join(t, NULL))
			return 1;
	}
	for (i = 0; i < 100; i++) { /* the kernel may still be at it */
		prepare();
		add(five, 0, hook, true);
		if (!apply(&job))
			return call(five) == 154321 ? 0 : 2;
		usleep(10000);
	}
	return 3;
}

/* A file under the library's name that nobody writes to. */
static int do_fifo(void)
{
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/tmp/llmguard-fifo-%d", (int)getpid());
	if (mkfifo(path, 0600))
		return 1;
	alarm(10);
	prepare();
	add(five, 0, hook, true);
	job.file = path;
	err = apply(&job);
	unlink(path);
	return err && strstr(job.why, "not as in its file") ? 0 : 2;
}

#define CASE(name)                                                             \
	static void test_##name(void **state)                                  \
	{                                                                      \
		(void)state;                                                   \
		in_child(do_##name);                                           \
	}
CASE(five)
CASE(early)
CASE(nothing)
CASE(own)
CASE(refuse)
CASE(changed)
CASE(threads)
CASE(no_write)
CASE(no_exec)
CASE(no_code)
CASE(version)
CASE(library)
CASE(far)
CASE(far_early)
CASE(rollback)
CASE(ended)
CASE(fifo)

int main(void)
{
#ifdef __SANITIZE_THREAD__
	puts("ThreadSanitizer has a thread of its own: nothing is patched");
	return 77;
#endif
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_five),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_no_write),
		cmocka_unit_test(test_no_exec),
		cmocka_unit_test(test_no_code),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_library),
		cmocka_unit_test(test_far),
		cmocka_unit_test(test_far_early),
		cmocka_unit_test(test_rollback),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_fifo),
	};

	char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	void *h = NULL;
	int k;

	for (k = 0; n > 0 && k < 3; n--)
		k += path[n - 1] == '/';
	if (n > 0) {
		strcpy(path + n, "/llmguard-patch.so");
		h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	}
	if (!h || !(*(void **)&apply = dlsym(h, LG_PATCH_ENTRY))) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
