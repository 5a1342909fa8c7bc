/*
 * What bpf/code.c says that the kernel does with a probed instruction, asked
 * of this kernel: a counting uprobe on each, and the time that a call takes.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bpf/code.h"
#include "bpf/object.h"

#define CALLS 1000
#define ROUNDS 5

static const struct probe {
	const char *name;
	const char *bytes; /* the probed instruction, and back to the caller */
	unsigned len;
} probes[] = {
#define P(name, bytes)                                                         \
	{                                                                      \
		name, bytes, sizeof(bytes) - 1                                 \
	}
	P("push rbp", "\x55\x5d\xc3"),
	P("push r12", "\x41\x54\x41\x5c\xc3"),
	P("nop", "\x90\xc3"),
	P("jmp +0", "\xeb\0\xc3"),
	P("jmp +1", "\xeb\1\x90\xc3"),
	P("jmp rel32", "\xe9\1\0\0\0\x90\xc3"),
	P("js", "\x78\0\xc3"),
	P("jne rel32", "\x0f\x85\0\0\0\0\xc3"),
	P("call", "\xe8\1\0\0\0\xc3\xc3"),
	P("nopl, 5 bytes", "\x0f\x1f\x44\0\0\xc3"),
	P("nopl, 8 bytes", "\x0f\x1f\x84\0\0\0\0\0\xc3"),
	P("sub rsp, 24", "\x48\x83\xec\x18\x48\x83\xc4\x18\xc3"),
	P("endbr64", "\xf3\x0f\x1e\xfa\xc3"),
	P("pop rcx", "\x59\x51\xc3"),
	P("xor eax, eax", "\x31\xc0\xc3"),
	P("ret", "\xc3"),
	P("mov rdi, rdi", "\x48\x89\xff\xc3"),
	P("cs nopw", "\x66\x2e\x0f\x1f\x84\0\0\0\0\0\xc3"),
#undef P
};
#define N (sizeof(probes) / sizeof(probes[0]))
#define STEP 64

static int type_of_uprobes(void)
{
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type = -1;

	if (f && fscanf(f, "%d", &type) != 1)
		type = -1;
	if (f)
		fclose(f);
	return type;
}

static int probe(int type, const char *path, uint64_t at, int pid)
{
	struct perf_event_attr a = {.type = (uint32_t)type, .size = sizeof(a)};

	a.config1 = (uint64_t)(uintptr_t)path;
	a.config2 = at;
	return (int)syscall(SYS_perf_event_open, &a, pid, pid < 0 ? 0 : -1, -1,
			    PERF_FLAG_FD_CLOEXEC);
}

static double once(void (*fn)(void))
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < CALLS; i++)
		fn();
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 +
		(double)(b.tv_nsec - a.tv_nsec)) /
	       CALLS;
}

/* Nanoseconds of a call, the quickest of some rounds; 0: not to be probed. */
static double measure(int type, const char *path, char *text, unsigned i)
{
	double ns, best = 1e18;
	uint64_t hits = 0;
	int fd = probe(type, path, (uint64_t)i * STEP, getpid());
	void (*fn)(void);

	if (fd < 0)
		return 0;
	*(void **)&fn = text + (size_t)i * STEP;
	for (int r = 0; r < ROUNDS; r++) {
		ns = once(fn);
		best = ns < best ? ns : best;
	}
	if (read(fd, &hits, sizeof(hits)) != sizeof(hits) ||
	    hits != (uint64_t)CALLS * ROUNDS) {
		printf("%s: %llu hits of %d\n", probes[i].name,
		       (unsigned long long)hits, CALLS * ROUNDS);
		exit(1);
	}
	close(fd);
	return best;
}

static char *write_code(char *path)
{
	char page[4096];
	int fd = mkstemp(path);
	void *p;

	memset(page, 0xc3, sizeof(page));
	for (unsigned i = 0; i < N; i++)
		memcpy(page + (size_t)i * STEP, probes[i].bytes, probes[i].len);
	if (fd < 0 || write(fd, page, sizeof(page)) != sizeof(page))
		return NULL;
	p = mmap(NULL, sizeof(page), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int judge(unsigned i, const char *text, double ns, double middle)
{
	static const char *const names[] = {"emulated", "emulated since 6.18",
					    "single-stepped", "refused"};
	struct site_text t = {.p = (const uint8_t *)text, .len = 4096};
	enum code_cost cost, seen;
	struct code c;

	if (!code_decode(&t, (uint64_t)i * STEP, &c))
		return 1;
	cost = code_cost(&c);
	seen = !ns			    ? CODE_REFUSED
	       : ns > middle		    ? CODE_STEPPED
	       : cost == CODE_EMULATED_LATE ? cost
					    : CODE_EMULATED;
	printf("%-14s %7.0f ns  %s\n", probes[i].name, ns, names[seen]);
	if (cost == CODE_EMULATED_LATE && !code_kernel_has_nopl())
		cost = CODE_STEPPED;
	if (seen == cost)
		return 0;
	printf("  but bpf/code.c says: %s\n", names[cost]);
	return 1;
}

/* A file that is probed everywhere is read as if it were not. */
static int read_probed(int type)
{
	static const char path[] = "/usr/lib/x86_64-linux-gnu/libssl.so.3";
	struct object bare, probed;
	int fd, same;

	if (object_read(path, true, NULL, &bare) || !bare.npoints)
		return 0;
	fd = probe(type, path, bare.points[0].file_at, -1);
	if (fd < 0 || object_read(path, true, NULL, &probed))
		return 1;
	same = !memcmp(&bare, &probed, sizeof(bare));
	close(fd);
	if (!same)
		puts("a probed file's breakpoints were read");
	return !same;
}

int main(void)
{
	char path[] = "/tmp/lg-code-XXXXXX", *text;
	int type = type_of_uprobes(), bad = 0;
	double ns[N], middle;

	if (type < 0 || geteuid()) {
		puts(type < 0 ? "this kernel has no uprobes" : "not root");
		return 77;
	}
	text = write_code(path);
	ns[0] = text ? measure(type, path, text, 0) : 0;
	if (!ns[0]) {
		printf("a uprobe is refused: %s\n", strerror(errno));
		unlink(path);
		return 77;
	}
	for (unsigned i = 0; i < N; i++)
		ns[i] = measure(type, path, text, i);
	unlink(path);
	middle = ns[0]; /* between push and the first that is stepped */
	for (unsigned i = 0; i < N; i++)
		if (!strcmp(probes[i].name, "sub rsp, 24"))
			middle = (ns[0] * 2 + ns[i]) / 3;
	for (unsigned i = 0; i < N; i++)
		bad += judge(i, text, ns[i], middle);
	return bad || read_probed(type) ? 1 : 0;
}
