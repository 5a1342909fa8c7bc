#ifndef LG_TESTS_FAKE_TARGET_H
#define LG_TESTS_FAKE_TARGET_H

/*
 * A loader and a reader of objects that only write down, and children that
 * map files. Included once, by a test program.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "bpf/attach.h"
#include "bpf/object.h"
#include "bpf/proc.h"
#include "bpf/target.h"

/* -- the fake: what was attached, and to whom ----------------------------- */

#define LINKS 512

struct loader_link {
	bool used;
	uint32_t pid;
	bool is_return;
	uint64_t at, cookie;
	dev_t dev;
	ino_t ino;
};
static struct loader_link links[LINKS];
static struct probe_target kernel[1 << 22];
static bool in_kernel[1 << 22];
static struct probe_select selected;
static int attach_error;

int loader_attach(struct loader *l, const char *path, uint64_t file_at,
		  uint32_t pid, bool is_return, uint64_t cookie,
		  struct loader_link **out)
{
	struct stat st;

	(void)l;
	if (attach_error)
		return attach_error;
	assert_int_equal(stat(path, &st), 0);
	for (unsigned i = 0; i < LINKS; i++)
		if (!links[i].used) {
			links[i] = (struct loader_link){
				true,	file_at,   is_return, file_at,
				cookie, st.st_dev, st.st_ino};
			links[i].pid = pid;
			*out = &links[i];
			return 0;
		}
	return -EMFILE;
}

void loader_detach(struct loader_link *link)
{
	assert_true(link->used);
	link->used = false;
}

int loader_target_set(struct loader *l, uint32_t tgid,
		      const struct probe_target *t)
{
	(void)l;
	kernel[tgid] = *t;
	in_kernel[tgid] = true;
	return 0;
}

int loader_target_drop(struct loader *l, uint32_t tgid)
{
	(void)l;
	in_kernel[tgid] = false;
	return 0;
}

int loader_target_refuse(struct loader *l, uint32_t tgid, uint32_t exec)
{
	if (in_kernel[tgid] && kernel[tgid].flags & PROBE_TARGET_MAYBE &&
	    kernel[tgid].exec == exec)
		loader_target_drop(l, tgid);
	return 0;
}

int loader_select(struct loader *l, const struct probe_select *s)
{
	(void)l;
	selected = *s;
	return 0;
}

/* It ends while its files are looked at, and nobody has waited for it. */
static pid_t ends_soon;

static void end_soon(void)
{
	siginfo_t si;

	if (!ends_soon)
		return;
	kill(ends_soon, SIGKILL);
	waitid(P_PID, (id_t)ends_soon, &si, WEXITED | WNOWAIT);
}

/* "FAKETLS" begins a library, "FAKELD" a loader, "FAKENONE" a stripped one. */
int object_read(const char *path, bool may_return, const struct offsets *user,
		struct object *out)
{
	char head[16] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, head, sizeof(head) - 1);

	(void)user;
	close(fd);
	end_soon();
	if (n < 8)
		return -ENOEXEC;
	if (!strncmp(head, "FAKENONE", 8))
		strcpy(out->note, "it is stripped");
	if (strncmp(head, "FAKETLS", 7) && strncmp(head, "FAKELD", 6))
		return strncmp(head, "FAKENONE", 8) ? -ENOEXEC : 0;
	if (head[4] == 'L') {
		out->kinds = OBJECT_LOADER;
		out->points[out->npoints++] = (struct object_point){
			.file_at = 64, .fn = PROBE_LOADED};
		return 0;
	}
	out->kinds = OBJECT_OPENSSL;
	strcpy(out->what, "a fake");
	out->points[out->npoints++] =
		(struct object_point){.file_at = 64, .fn = PROBE_WRITE};
	out->points[out->npoints++] =
		(struct object_point){.file_at = 80,
				      .fn = PROBE_READ,
				      .end = PROBE_END_RAX,
				      .is_return = may_return};
	return 0;
}

uint64_t object_cookie(const struct object_point *p, uint32_t number)
{
	return PROBE_COOKIE(p->fn, p->end, p->end_arg, number);
}

int offsets_open(const char *path, struct offsets **out, char *text,
		 size_t ntext)
{
	(void)path;
	(void)out;
	snprintf(text, ntext, "none here");
	return -ENOENT;
}

void offsets_close(struct offsets *o)
{
	(void)o;
}

static unsigned count(uint32_t pid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LINKS; i++)
		n += links[i].used && links[i].pid == pid;
	return n;
}

static unsigned count_all(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LINKS; i++)
		n += links[i].used;
	return n;
}

/* -- files, and children that map them ------------------------------------ */

static char dir[64];

static void path_of(char out[128], const char *name)
{
	snprintf(out, 128, "%s/%s", dir, name);
}

static void make_file(const char *name, const char *head)
{
	char path[128], page[4096];
	int fd;

	path_of(path, name);
	memset(page, 0x90, sizeof(page));
	memcpy(page, head, strlen(head));
	page[64] = page[80] = (char)0xcc; /* as if the kernel had been there */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	close(fd);
}

static void *map_file(const char *name)
{
	char path[128];
	int fd;
	void *p;

	path_of(path, name);
	fd = open(path, O_RDONLY);
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	return p;
}

/* Sandboxed as far as /proc says: a filter that allows everything. */
static void enter_sandbox(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = {1, &all};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* A child that maps these files, "!" enters a sandbox, and waits. */
static pid_t child_of(const char *name, const char *const *files)
{
	int p[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		for (; *files; files++)
			if (!strcmp(*files, "!"))
				enter_sandbox();
			else if (map_file(*files) == MAP_FAILED)
				_exit(1);
		c = 1;
		while (write(p[1], &c, 1) == 1)
			pause();
		_exit(0);
	}
	close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	close(p[0]);
	return pid;
}

static pid_t child(const char *name, const char *a, const char *b)
{
	const char *files[] = {a, b, NULL};

	return child_of(name, files);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static struct {
	uint32_t pid;
	bool on;
	char reason[256];
} said[64];
static unsigned nsaid;

static void on_target(void *arg, uint32_t tgid, bool on, const char *reason)
{
	(void)arg;
	if (nsaid == 64)
		return;
	said[nsaid].pid = tgid;
	said[nsaid].on = on;
	snprintf(said[nsaid++].reason, 256, "%s", reason ? reason : "");
}

static struct target_options options(const uint32_t *pids, unsigned n)
{
	return (struct target_options){
		.pids = pids, .npids = n, .uid = -1, .on_target = on_target};
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void event(struct targets *t, enum probe_kind kind, pid_t pid,
		  int64_t result)
{
	struct probe_event ev = {.kind = (uint8_t)kind,
				 .tgid = (uint32_t)pid,
				 .ts_ns = now_ns(),
				 .result = result};

	targets_event(t, &ev, NULL);
}

/* What a comm selects foresees the system's own libraries: fakes need none. */
static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test-target-XXXXXX");
	assert_non_null(mkdtemp(dir));
	make_file("libtls.so", "FAKETLS");
	make_file("other.so", "FAKETLS");
	make_file("ld.so", "FAKELD ");
	make_file("none.so", "FAKENONE");
	make_file("libllmguard.so", "whatever");
	memset(links, 0, sizeof(links));
	memset(in_kernel, 0, sizeof(in_kernel));
	nsaid = 0;
	attach_error = 0;
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

#endif
