#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cover.h"

#define ENV_MAX (1u << 20)
#define SEEN_MAX 512

struct target {
	int pid;
	char root[64]; /* "/proc/PID/root", or "" where it is ours */
	char *env;     /* as it started, NULL unreadable */
	size_t env_len;
	unsigned nseen;
	struct { /* mapped files, each once */
		unsigned long dev, ino;
	} seen[SEEN_MAX];
};

static int read_proc(int pid, const char *name, char *buf, size_t cap)
{
	char path[64];
	size_t len = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	while (len + 1 < cap && (n = read(fd, buf + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	buf[len] = 0;
	return (int)len;
}

static const char *get_env(const char *name, void *arg)
{
	struct target *t = arg;
	size_t n = strlen(name);
	const char *p;

	for (p = t->env; p && p < t->env + t->env_len; p += strlen(p) + 1)
		if (!strncmp(p, name, n) && p[n] == '=')
			return p + n + 1;
	return NULL;
}

static void read_env(struct target *t)
{
	int n;

	t->env = malloc(ENV_MAX);
	n = t->env ? read_proc(t->pid, "environ", t->env, ENV_MAX) : -ENOMEM;
	t->env_len = n > 0 ? (size_t)n : 0;
}

/* A container has files of its own under the same names. */
static void find_root(struct target *t)
{
	char link[64];
	struct stat mine, its;

	snprintf(link, sizeof(link), "/proc/%d/root", t->pid);
	if (!stat(link, &its) && !stat("/", &mine) &&
	    (its.st_dev != mine.st_dev || its.st_ino != mine.st_ino))
		memcpy(t->root, link, sizeof(t->root));
}

static bool is_first(struct target *t, unsigned long dev, unsigned long ino)
{
	for (unsigned i = 0; i < t->nseen; i++)
		if (t->seen[i].dev == dev && t->seen[i].ino == ino)
			return false;
	if (t->nseen == SEEN_MAX)
		return false;
	t->seen[t->nseen].dev = dev;
	t->seen[t->nseen++].ino = ino;
	return true;
}

/* map_files leads to the very file, also when it was replaced; root only. */
static int open_mapped(struct target *t, const char *range, const char *path,
		       struct elf *e)
{
	char full[1200];

	snprintf(full, sizeof(full), "/proc/%d/map_files/%s", t->pid, range);
	if (!elf_open(full, e))
		return 0;
	snprintf(full, sizeof(full), "%s%.1000s", t->root, path);
	return elf_open(full, e);
}

static void look_mapping(struct target *t, struct cover *c, const char *range,
			 const char *path)
{
	const char *base = strrchr(path, '/') + 1;
	struct elf e;
	unsigned n;

	if (!strncmp(base, "libllmguard.so", 14)) {
		c->guarded = true;
		return;
	}
	if (!strncmp(base, "llmguard-patch.so", 17)) {
		c->patching = true;
		return;
	}
	if (!strncmp(base, "libjvm.so", 9) && c->ncopies < COVER_COPIES_MAX) {
		struct tls_copy *j = &c->copy[c->ncopies++];

		memset(j, 0, sizeof(*j));
		j->kind = TLS_JSSE;
		j->form = TLS_RUNTIME;
		snprintf(j->path, sizeof(j->path), "%.399s", path);
	}
	if (!strncmp(base, "libSystem.Security.Cryptography.Native.OpenSsl",
		     46))
		cover_add_cond(c, "dlsym",
			       "Set patch: auto, so that the library's "
			       "entries are patched.",
			       ".NET fetches libssl's functions by dlsym: "
			       "they are not interposed");
	if (!strcmp(path, c->path) || open_mapped(t, range, path, &e))
		return;
	n = c->ncopies;
	cover_add_copies(c, &e, path, true);
	elf_close(&e);
	/* who uses which of several cannot be told here */
	for (; n < c->ncopies; n++)
		c->copy[n].indirect = c->copy[n].form == TLS_SHARED;
}

static int look_maps(struct target *t, struct cover *c)
{
	char path[64], line[1200], range[64], perms[8], file[1024];
	unsigned long ino;
	unsigned major, minor;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", t->pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %7s %*s %x:%x %lu %1023[^\n]", range,
			   perms, &major, &minor, &ino, file) == 6 &&
		    file[0] == '/' && strchr(perms, 'x') &&
		    is_first(t, (unsigned long)major << 20 | minor, ino))
			look_mapping(t, c, range, file);
	fclose(f);
	return 0;
}

static long status_field(const char *text, const char *name, int base)
{
	const char *p = strstr(text, name);

	return p ? strtol(p + strlen(name), NULL, base) : -1;
}

static void look_status(struct target *t, struct cover *c)
{
	char text[8192];
	uint32_t uid;

	if (read_proc(t->pid, "status", text, sizeof(text)) <= 0)
		return;
	if (sscanf(text, "Name:\t%19[^\n]", c->comm) != 1)
		c->comm[0] = 0;
	uid = (uint32_t)status_field(text, "\nUid:\t", 10);
	c->uid = uid;
	if (status_field(text, "\nSeccomp:\t", 10) > 0)
		cover_add_cond(
			c, "seccomp",
			c->guarded ? ""
				   : "Start it with `llmguard run` outside of "
				     "its sandbox.",
			"is in a sandbox (seccomp mode %ld): the guard writes "
			"to memory alone there, rows wait in the region",
			status_field(text, "\nSeccomp:\t", 10));
	if (status_field(text, "\nNoNewPrivs:\t", 10) == 1)
		cover_add_cond(c, "no_new_privs", "",
			       "has no_new_privs set: setuid programs that it "
			       "starts gain nothing, and load the guard");
	if (uid != getuid())
		cover_add_cond(c, "other_user", "",
			       "runs as uid %u: its budgets and region are "
			       "that user's (llmguard as that user shows "
			       "them)",
			       uid);
	if (t->root[0])
		cover_add_cond(c, "container",
			       "Mount one state folder and one region into "
			       "all that shall share a budget.",
			       "has a root folder of its own (a container): "
			       "its own /dev/shm and settings");
}

static int look(struct target *t, struct cover *c)
{
	char link[64];
	struct elf e;
	ssize_t n;
	int err;

	snprintf(link, sizeof(link), "/proc/%d/exe", t->pid);
	n = readlink(link, c->path, sizeof(c->path) - 1);
	if (n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	find_root(t);
	err = elf_open(link, &e);
	if (!err) {
		cover_look_file(c, &e, link);
		if (e.same_machine)
			cover_add_copies(c, &e, c->path, false);
		elf_close(&e);
	} else {
		c->preloads = true;
	}
	return look_maps(t, c);
}

/* What ends meanwhile has fewer mappings and no environment: no verdict. */
static bool is_there(const struct target *t)
{
	char link[64], to[8];

	snprintf(link, sizeof(link), "/proc/%d/exe", t->pid);
	return readlink(link, to, sizeof(to)) >= 0;
}

int cover_pid(int pid, struct cover *c)
{
	static struct target t;
	int err;

	memset(c, 0, sizeof(*c));
	memset(&t, 0, sizeof(t));
	t.pid = pid;
	c->is_pid = true;
	err = look(&t, c);
	if (err)
		return err;
	read_env(&t);
	cover_look_env(c, get_env, &t);
	free(t.env);
	look_status(&t, c);
	if (!is_there(&t))
		return -ESRCH;
	if (c->guarded)
		c->preloads = true;
	cover_judge(c);
	return 0;
}
