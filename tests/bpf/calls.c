/*
 * A program that calls functions shaped like those of a TLS library, as its
 * input says; a test probes them. Prints where they are in the file, then
 * "ok" after each command. Bytes are a pattern: byte i of a buffer is
 * (i * 31 + (i >> 8)) & 255, or begin with a request head ("post").
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* push at +0, nop at +7, ret at +8; the body is in C. */
#define ENTRY(name, body)                                                      \
	long name(void *ssl, void *buf, long n, void *x);                      \
	asm(".text\n.type " #name ",@function\n" #name                         \
	    ":\n\tpush %rbx\n\tcall " #body "\n\tpop %rbx\n\tnop\n\tret\n");

static long next_result;
static int out = -1;

__attribute__((used, noinline)) static long do_write(void *ssl, void *buf,
						     long n, void *x)
{
	(void)ssl, (void)x;
	if (out >= 0 && write(out, buf, n) < 0)
		return -1;
	return next_result;
}

__attribute__((used, noinline)) static long do_write_ex(void *ssl, void *buf,
							long n, size_t *x)
{
	(void)ssl, (void)buf, (void)n;
	if (next_result <= 0)
		return next_result;
	*x = next_result;
	return 1;
}

__attribute__((used, noinline)) static long do_read_ex(void *ssl, void *buf,
						       long n, size_t *x)
{
	return do_write_ex(ssl, buf, n, x);
}

__attribute__((used, noinline)) static long do_nothing(void)
{
	return next_result;
}

ENTRY(tls_write, do_write)
ENTRY(tls_write_ex, do_write_ex)
ENTRY(tls_read, do_nothing)
ENTRY(tls_read_ex, do_read_ex)
ENTRY(tls_error, do_nothing)
ENTRY(tls_free, do_nothing)
ENTRY(tls_name, do_nothing)
ENTRY(tls_ctrl, do_nothing)
ENTRY(tls_fd, do_nothing)
ENTRY(tls_go_write, do_nothing)
/* Its inner read reads itself: TLS in TLS. */
__attribute__((used, noinline)) static long do_outer(void *ssl, void *buf,
						     long n, void *x)
{
	long want = next_result;

	next_result = 10;
	tls_read((char *)ssl + 8, (char *)buf + n, 10, x);
	next_result = want;
	return want;
}
ENTRY(tls_outer, do_outer)
/* Its inner write fails. */
__attribute__((used, noinline)) static long do_outer_write(void *ssl, void *buf,
							   long n, void *x)
{
	long want = next_result;

	next_result = -1;
	tls_write((char *)ssl + 8, buf, n, x);
	next_result = want;
	return want;
}
ENTRY(tls_outer_write, do_outer_write)

#define FN(f)                                                                  \
	{                                                                      \
#f, (uintptr_t)(f)                                             \
	}

static void print_offsets(void)
{
	static const struct {
		const char *name;
		uintptr_t at;
	} fns[] = {FN(tls_write),   FN(tls_write_ex),	 FN(tls_read),
		   FN(tls_read_ex), FN(tls_error),	 FN(tls_free),
		   FN(tls_name),    FN(tls_ctrl),	 FN(tls_fd),
		   FN(tls_outer),   FN(tls_outer_write), FN(tls_go_write)};
	unsigned long from, to, off;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	if (!f)
		exit(1);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &off) != 3)
			continue;
		for (size_t i = 0; i < sizeof(fns) / sizeof(*fns); i++)
			if (fns[i].at >= from && fns[i].at < to)
				printf("%s %lu\n", fns[i].name,
				       fns[i].at - from + off);
	}
	fclose(f);
	printf("pid %d\n", getpid());
	fflush(stdout);
}

static char *pattern(size_t n, bool post)
{
	char *p = mmap(NULL, n + 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 31 + (i >> 8));
	if (post)
		memcpy(p, "POST /v1/x HTTP/1.1\r\n", n < 21 ? n : 21);
	return p;
}

static void *in_thread(void *arg)
{
	char *buf = pattern(2048, true);
	long n = (long)arg;

	while (n--)
		tls_write(arg, buf, 2048, NULL);
	return NULL;
}

/* The file's own pages, not yet in memory: what a page fault would fetch. */
static char *cold(size_t n)
{
	char name[] = "/tmp/llmguard-cold-XXXXXX";
	int fd = mkstemp(name);
	char *p = pattern(n, false), *q;

	unlink(name);
	if (write(fd, p, n) != (ssize_t)n)
		exit(1);
	munmap(p, n + 4096);
	q = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return q;
}

static long call(long (*fn)(void *, void *, long, void *), long id, void *buf,
		 long n, long result, void *x)
{
	next_result = result;
	return fn((void *)id, buf, n, x);
}

static void many(long id, long n, long count)
{
	char *buf = pattern(n, true);

	next_result = n;
	while (count--)
		tls_write((void *)id, buf, n, NULL);
	munmap(buf, n + 4096);
}

static void threads(long count, long each)
{
	pthread_t t[16];

	for (long i = 0; i < count && i < 16; i++)
		pthread_create(&t[i], NULL, in_thread, (void *)(each + i));
	for (long i = 0; i < count && i < 16; i++)
		pthread_join(t[i], NULL);
}

static void children(const char *self, bool exec)
{
	char *args[] = {(char *)self, (char *)"quiet", NULL};
	pid_t pid = fork();

	if (!pid) {
		if (exec)
			execv("/proc/self/exe", args);
		many(77, 100, 3);
		_exit(0);
	}
	printf("child %d\n", pid);
	waitpid(pid, NULL, 0);
}

/* Registers as Go has them: conn, buf and length in rax, rbx, rcx. */
static void go_write(long id, char *buf, long n)
{
	asm volatile("sub $128, %%rsp\n\tmov $0x1234, %%r14\n\t"
		     "call tls_go_write\n\tadd $128, %%rsp"
		     : "+a"(id), "+b"(buf), "+c"(n)
		     :
		     : "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
		       "r13", "r14", "r15", "memory", "cc");
}

static bool command(char *line)
{
	char verb[32], word[128] = "";
	long id = 0, n = 0, r = 0;
	static size_t done;
	char *buf;

	if (sscanf(line, "%31s %ld %ld %ld", verb, &id, &n, &r) < 1)
		return true;
	sscanf(line, "%*s %*d %127s", word);
	if (!strcmp(verb, "quit"))
		return false;
	buf = pattern(n > 0 ? n : 0, strstr(verb, "post") != NULL);
	if (!strcmp(verb, "write") || !strcmp(verb, "post"))
		call(tls_write, id, buf, n, r, NULL);
	else if (!strncmp(verb, "write_ex", 8))
		call(tls_write_ex, id, buf, n, r, &done);
	else if (!strcmp(verb, "read"))
		call(tls_read, id, buf, n, r, NULL);
	else if (!strcmp(verb, "read_ex"))
		call(tls_read_ex, id, buf, n, r, &done);
	else if (!strcmp(verb, "outer"))
		call(tls_outer, id, buf, n, r, NULL);
	else if (!strcmp(verb, "outer_post"))
		call(tls_outer_write, id, buf, n, r, NULL);
	else if (!strcmp(verb, "error"))
		call(tls_error, id, (void *)n, 0, 0, NULL);
	else if (!strcmp(verb, "free"))
		call(tls_free, id, NULL, 0, 0, NULL);
	else if (!strcmp(verb, "name"))
		call(tls_name, id, word, 0, 0, NULL);
	else if (!strcmp(verb, "ctrl"))
		call(tls_ctrl, id, (void *)55, 0, 0, word);
	else if (!strcmp(verb, "fd"))
		call(tls_fd, id, (void *)n, 0, 0, NULL);
	else if (!strcmp(verb, "go"))
		go_write(id, buf, n);
	else if (!strcmp(verb, "cold"))
		call(tls_write, id, cold(n), n, n, NULL);
	else if (!strcmp(verb, "bad"))
		call(tls_write, id, (void *)0x10, n, -1, NULL);
	else if (!strcmp(verb, "many"))
		many(id, n, r);
	else if (!strcmp(verb, "threads"))
		threads(id, n);
	else if (!strcmp(verb, "fork") || !strcmp(verb, "exec"))
		children("calls", verb[0] == 'e');
	else if (!strcmp(verb, "out"))
		out = dup(2);
	munmap(buf, (n > 0 ? n : 0) + 4096);
	printf("ok\n");
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	char line[256];

	(void)argv;
	if (argc > 1) {
		many(78, 100, 2);
		return 0;
	}
	print_offsets();
	while (fgets(line, sizeof(line), stdin))
		if (!command(line))
			break;
	return 0;
}
