#include "bpf/proc.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DELETED " (deleted)"

static int open_of(uint32_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

/* The start of a file of /proc, as a string. Its length, -errno. */
static int slurp(uint32_t pid, const char *name, char *buf, size_t cap)
{
	int fd = open_of(pid, name), err = 0;
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return fd;
	while (len + 1 < cap) {
		n = read(fd, buf + len, cap - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (n < 0)
		err = -errno;
	close(fd);
	buf[len] = 0;
	return err ? err : (int)len;
}

static int read_stat(struct proc *p)
{
	char text[1024], *q;
	unsigned long long start;
	unsigned ppid, threads;
	int n = slurp(p->pid, "stat", text, sizeof(text));

	if (n < 0)
		return n;
	q = strrchr(text, ')');
	if (!q || sscanf(q,
			 ") %c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
			 "%*d %*d %*d %*d %u %*d %llu",
			 &p->state, &ppid, &threads, &start) != 4)
		return -ESRCH;
	p->ppid = ppid;
	p->threads = threads;
	p->start = start;
	return 0;
}

static uint64_t field(const char *line, const char *name, uint64_t was)
{
	size_t n = strlen(name);

	return strncmp(line, name, n) ? was : strtoull(line + n, NULL, 10);
}

/* Its groups may be a line of hundreds of KB. */
static int read_status(struct proc *p)
{
	uint64_t tgid = 0, uid = 0, seccomp = 0;
	char *line = NULL;
	size_t cap = 0;
	int fd = open_of(p->pid, "status");
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f) {
		if (fd >= 0)
			close(fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	while (getline(&line, &cap, f) > 0) {
		(void)sscanf(line, "Name:\t%15[^\n]", p->comm);
		tgid = field(line, "Tgid:", tgid);
		uid = field(line, "Uid:", uid);
		seccomp = field(line, "Seccomp:", seccomp);
	}
	free(line);
	fclose(f);
	p->uid = (uint32_t)uid;
	p->seccomp = (unsigned)seccomp;
	return tgid == p->pid ? 0 : -ESRCH;
}

int proc_get(uint32_t pid, struct proc *out)
{
	int n;

	memset(out, 0, sizeof(*out));
	out->pid = pid;
	n = read_stat(out);
	return n < 0 ? n : read_status(out);
}

/* The kernel's word for a file that has no name any more. */
static bool cut_deleted(char *path)
{
	size_t n = strlen(path), d = strlen(DELETED);

	if (n <= d || strcmp(path + n - d, DELETED))
		return false;
	path[n - d] = 0;
	return true;
}

int proc_exe(uint32_t pid, char *out, size_t cap)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, out, cap - 1);
	if (n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	out[n] = 0;
	cut_deleted(out);
	return 0;
}

/* A hybrid setup has version 2 below "unified". */
static uint64_t cgroup_id(const char *path)
{
	static const char *const roots[] = {"/sys/fs/cgroup/unified",
					    "/sys/fs/cgroup"};
	char full[4200];
	struct stat st;

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		snprintf(full, sizeof(full), "%s/cgroup.procs", roots[i]);
		if (access(full, F_OK))
			continue;
		snprintf(full, sizeof(full), "%s%.4095s", roots[i], path);
		if (!stat(full, &st))
			return st.st_ino;
	}
	return 0;
}

bool proc_in_cgroup(uint32_t pid, uint64_t id)
{
	char text[8192], *p, *slash;

	if (slurp(pid, "cgroup", text, sizeof(text)) <= 0)
		return false;
	p = !strncmp(text, "0::", 3) ? text : strstr(text, "\n0::");
	if (!p)
		return false;
	p += *p == '\n' ? 4 : 3;
	p[strcspn(p, "\n")] = 0;
	/* upwards, the root last */
	while (cgroup_id(p) != id) {
		slash = strrchr(p, '/');
		if (!slash || !p[0])
			return false;
		*slash = 0;
	}
	return true;
}

void proc_root(uint32_t pid, char out[32])
{
	struct stat mine, its;

	snprintf(out, 32, "/proc/%u/root", pid);
	if (stat(out, &its) || stat("/", &mine) ||
	    (its.st_dev == mine.st_dev && its.st_ino == mine.st_ino))
		out[0] = 0;
}

bool proc_is_secure(uint32_t pid)
{
	unsigned long aux[128];
	int n = slurp(pid, "auxv", (char *)aux, sizeof(aux));

	for (int i = 0; n > 0 && i + 1 < n / (int)sizeof(*aux); i += 2)
		if (aux[i] == AT_SECURE)
			return aux[i + 1];
	return true;
}

bool proc_env(uint32_t pid, const char *name, char *out, size_t cap)
{
	size_t max = 1u << 20, len = strlen(name);
	char *env = malloc(max), *p;
	bool found = false;
	int n = env && !proc_is_secure(pid) ? slurp(pid, "environ", env, max)
					    : -ENOMEM;

	for (p = env; n > 0 && p < env + n; p += strlen(p) + 1) {
		if (strncmp(p, name, len) || p[len] != '=')
			continue;
		snprintf(out, cap, "%s", p + len + 1);
		found = true;
		break;
	}
	free(env);
	return found;
}

static int each_number(const char *dir, bool (*fn)(void *arg, uint32_t n),
		       void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned long n;
	char *end;

	if (!d)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((e = readdir(d))) {
		n = strtoul(e->d_name, &end, 10);
		if (end == e->d_name || *end || n > UINT32_MAX)
			continue;
		if (!fn(arg, (uint32_t)n))
			break;
	}
	closedir(d);
	return 0;
}

int proc_each(bool (*fn)(void *arg, uint32_t pid), void *arg)
{
	return each_number("/proc", fn, arg);
}

struct living {
	uint32_t pid, tid;
};

static bool see_thread(void *arg, uint32_t tid)
{
	struct living *l = arg;
	char name[40], text[1024], *q;

	snprintf(name, sizeof(name), "task/%u/stat", tid);
	if (slurp(l->pid, name, text, sizeof(text)) <= 0)
		return true;
	q = strrchr(text, ')');
	if (!q || strlen(q) < 3 || q[2] == 'Z' || q[2] == 'X')
		return true;
	l->tid = tid;
	return false;
}

uint32_t proc_live_thread(uint32_t pid)
{
	struct living l = {.pid = pid};
	char dir[40];

	snprintf(dir, sizeof(dir), "/proc/%u/task", pid);
	each_number(dir, see_thread, &l);
	return l.tid;
}

/* A line of maps; its text is cut up. */
static bool parse_map(char *line, struct proc_map *m)
{
	unsigned long long start, end, offset, ino;
	unsigned major, minor;
	char perms[5];
	int at = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu%n", &start, &end, perms,
		   &offset, &major, &minor, &ino, &at) != 7)
		return false;
	m->start = start;
	m->end = end;
	m->offset = offset;
	m->dev = (uint64_t)major << 32 | minor;
	m->ino = ino;
	m->is_exec = perms[2] == 'x';
	line += at;
	line += strspn(line, " ");
	line[strcspn(line, "\n")] = 0;
	m->is_deleted = cut_deleted(line);
	m->path = line;
	snprintf(m->range, sizeof(m->range), "%llx-%llx", start, end);
	return true;
}

int proc_maps(uint32_t pid, bool all,
	      bool (*fn)(void *arg, const struct proc_map *m), void *arg)
{
	int fd = open_of(pid, "maps"), err = 0;
	char *line = NULL;
	struct proc_map m;
	size_t cap = 0;
	FILE *f;

	if (fd < 0)
		return fd;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	errno = 0;
	while (getline(&line, &cap, f) > 0)
		if (parse_map(line, &m) && (all || (m.is_exec && m.ino)) &&
		    !fn(arg, &m))
			break;
	if (ferror(f))
		err = errno ? -errno : -EIO;
	free(line);
	fclose(f);
	return err;
}

bool proc_peek(uint32_t pid, uint64_t addr, void *out, size_t n)
{
	int fd = open_of(pid, "mem");
	ssize_t got;

	if (fd < 0)
		return false;
	got = pread(fd, out, n, (off_t)addr);
	close(fd);
	return got == (ssize_t)n;
}
