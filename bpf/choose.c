#include "bpf/choose.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "tools/ldcache.h"
#include "tools/libs.h"

bool choose_by_pid_alone(const struct target_options *o)
{
	return o->npids && !o->comm && !o->exe && o->uid < 0 && !o->cgroup &&
	       !o->all;
}

bool choose_has_pid(const struct target_options *o, uint32_t pid)
{
	for (unsigned i = 0; i < o->npids; i++)
		if (o->pids[i] == pid)
			return true;
	return false;
}

static bool glob(const char *text, const char *pattern)
{
	return lg_slice_glob(lg_slice_str(text), lg_slice_str(pattern));
}

/* /usr/bin/python3 is a link: the process runs what it leads to. */
static bool exe_fits(const char *exe, const char *pattern)
{
	const char *base = strrchr(exe, '/');
	char real[PATH_MAX];

	if (!strchr(pattern, '/'))
		return glob(base ? base + 1 : exe, pattern);
	return glob(exe, pattern) ||
	       (realpath(pattern, real) && !strcmp(real, exe));
}

bool choose_fits(const struct target_options *o, const struct proc *p,
		 const char *exe)
{
	if (choose_has_pid(o, p->pid))
		return true;
	if (!o->comm && !o->exe && o->uid < 0 && !o->cgroup)
		return o->all;
	return (!o->comm || glob(p->comm, o->comm)) &&
	       (!o->exe || exe_fits(exe, o->exe)) &&
	       (o->uid < 0 || p->uid == (uint64_t)o->uid) &&
	       (!o->cgroup || proc_in_cgroup(p->pid, o->cgroup));
}

/* From its names, the last one first. False: it was too long. */
static bool join(const struct probe_exec *x, char *out, size_t cap)
{
	size_t at = cap - 1, from = 0, n;

	out[at] = 0;
	for (; from < x->npath && from < sizeof(x->path); from += n + 1) {
		n = strnlen(x->path + from, sizeof(x->path) - from);
		if (n + 1 > at)
			return false;
		at -= n;
		memcpy(out + at, x->path + from, n);
		out[--at] = '/';
	}
	memmove(out, out + at, cap - at);
	return from;
}

bool choose_fits_exec(const struct target_options *o, uint32_t pid,
		      const struct probe_exec *x)
{
	char exe[PATH_MAX], comm[sizeof(x->comm) + 1];

	if (choose_has_pid(o, pid))
		return true;
	snprintf(comm, sizeof(comm), "%.*s", (int)sizeof(x->comm), x->comm);
	if (o->comm && !glob(comm, o->comm))
		return false;
	return !o->exe || ((join(x, exe, sizeof(exe)) ||
			    !proc_exe(pid, exe, sizeof(exe))) &&
			   exe_fits(exe, o->exe));
}

/* With a pattern, or a program's path, only user space can tell. */
static bool kernel_can_tell(const struct target_options *o)
{
	return !o->exe &&
	       (!o->comm || (!strpbrk(o->comm, "*?") && strlen(o->comm) < 16));
}

void choose_select(const struct target_options *o, struct probe_select *out)
{
	memset(out, 0, sizeof(*out));
	out->self = (uint32_t)getpid();
	out->target = o->no_children ? 0 : PROBE_TARGET_FOLLOW;
	if (choose_by_pid_alone(o))
		return;
	out->flags = PROBE_SELECT_EXECS;
	if (!kernel_can_tell(o)) {
		out->flags |= PROBE_SELECT_MAYBE;
	} else if (o->comm) {
		out->flags |= PROBE_SELECT_COMM;
		snprintf(out->comm, sizeof(out->comm), "%s", o->comm);
	}
	if (o->uid >= 0) {
		out->flags |= PROBE_SELECT_UID;
		out->uid = (uint32_t)o->uid;
	}
	if (o->cgroup) {
		out->flags |= PROBE_SELECT_CGROUP;
		out->cgroup = o->cgroup;
	}
	if (o->all || out->flags & PROBE_SELECT_MAYBE)
		out->flags |= PROBE_SELECT_ALL;
}

/* -- before they start ---------------------------------------------------- */

static const char *const tls_libs[] = {"libssl.so", "libgnutls.so"};
#define NTLS_LIBS (sizeof(tls_libs) / sizeof(tls_libs[0]))

static bool is_tls_lib(const char *name)
{
	for (size_t i = 0; i < NTLS_LIBS; i++)
		if (!strncmp(name, tls_libs[i], strlen(tls_libs[i])))
			return true;
	return false;
}

void choose_foresee_libs(const char *path, const char *shown, const char *root,
			 choose_file_fn *fn, void *arg)
{
	static struct libs libs;
	char full[800];
	struct elf e;

	if (elf_open(path, &e))
		return;
	libs.n = 0;
	if (e.same_machine && e.nneeded)
		libs_find(&e, shown, root, &libs);
	if (e.interp) {
		snprintf(full, sizeof(full), "%s%.400s", root, e.interp);
		fn(arg, full);
	}
	for (unsigned i = 0; i < libs.n; i++) {
		if (!libs.lib[i].path[0] || !is_tls_lib(libs.lib[i].name))
			continue;
		snprintf(full, sizeof(full), "%s%s", root, libs.lib[i].path);
		fn(arg, full);
	}
	elf_close(&e);
}

static const char *const dirs[] = {
	"/usr/lib/x86_64-linux-gnu",
	"/lib/x86_64-linux-gnu",
	"/usr/lib64",
	"/lib64",
	"/usr/lib",
	"/lib",
	"/usr/local/lib",
};

void choose_foresee_system(const char *root, choose_file_fn *fn, void *arg)
{
	static const char *const names[] = {"libssl.so.3", "libssl.so.1.1",
					    "libgnutls.so.30"};
	char path[800];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!root[0] && ldcache_find(names[i], path, 400))
			fn(arg, path);
		for (size_t d = 0; d < sizeof(dirs) / sizeof(dirs[0]); d++) {
			snprintf(path, sizeof(path), "%s%s/%s", root, dirs[d],
				 names[i]);
			if (!access(path, R_OK))
				fn(arg, path);
		}
	}
}

static void foresee_program(const char *path, choose_file_fn *fn, void *arg)
{
	char real[PATH_MAX];

	if (!realpath(path, real) || access(real, X_OK))
		return;
	fn(arg, real);
	choose_foresee_libs(real, real, "", fn, arg);
}

static void foresee_name(const char *name, choose_file_fn *fn, void *arg)
{
	const char *list = getenv("PATH");
	char path[PATH_MAX];
	size_t n;

	for (; list && *list; list += n + (list[n] == ':')) {
		n = strcspn(list, ":");
		if (snprintf(path, sizeof(path), "%.*s/%s", (int)n, list,
			     name) < (int)sizeof(path))
			foresee_program(path, fn, arg);
	}
}

void choose_foresee(const struct target_options *o, choose_file_fn *fn,
		    void *arg)
{
	if (choose_by_pid_alone(o))
		return;
	choose_foresee_system("", fn, arg);
	choose_foresee_libs("/proc/self/exe", "/proc/self/exe", "", fn, arg);
	if (o->comm)
		foresee_name(o->comm, fn, arg);
	if (o->exe && strchr(o->exe, '/'))
		foresee_program(o->exe, fn, arg);
	else if (o->exe)
		foresee_name(o->exe, fn, arg);
}
