#include "guard/self.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/slice.h"
#include "guard/file.h"

#define PASSWD_MAX ((size_t)1 << 20)

static int32_t self_pid;
static int32_t self_ppid;
static uint32_t forks;

int32_t lg_self_pid(void)
{
	int32_t pid = lg_load_relaxed(&self_pid);

	if (!pid) {
		pid = getpid();
		lg_store_relaxed(&self_pid, pid);
	}
	return pid;
}

int32_t lg_self_ppid(void)
{
	int32_t pid = lg_load_relaxed(&self_ppid);

	if (!pid) {
		pid = getppid();
		lg_store_relaxed(&self_ppid, pid);
	}
	return pid;
}

uint32_t lg_self_forks(void)
{
	return lg_load_relaxed(&forks);
}

void lg_self_after_fork(void)
{
	lg_store_relaxed(&self_pid, getpid());
	lg_store_relaxed(&self_ppid, getppid());
	lg_add_relaxed(&forks, 1);
}

/* "name:x:uid:gid:comment:home:shell" */
static bool is_entry(struct lg_slice line, uint32_t uid, struct lg_slice *name,
		     struct lg_slice *home)
{
	struct lg_slice field;
	uint64_t n;

	line = lg_slice_cut(line, ':', name);
	line = lg_slice_cut(line, ':', &field);
	line = lg_slice_cut(line, ':', &field);
	if (!name->len || lg_slice_u64(field, &n) || n != uid)
		return false;
	line = lg_slice_cut(line, ':', &field);
	line = lg_slice_cut(line, ':', &field);
	lg_slice_cut(line, ':', home);
	return true;
}

static bool find_login(struct lg_self *s)
{
	struct lg_slice rest, line, name, home;
	bool found = false;
	size_t size;
	void *p;

	if (lg_file_read("/etc/passwd", PASSWD_MAX, &p, &size))
		return false;
	rest = (struct lg_slice){p, size};
	while (!found && rest.len) {
		rest = lg_slice_cut(rest, '\n', &line);
		found = is_entry(line, s->uid, &name, &home);
	}
	if (found) {
		lg_slice_copy(name, s->login, sizeof(s->login));
		lg_slice_copy(home, s->home, sizeof(s->home));
	}
	lg_mem_free(p, size);
	return found;
}

bool lg_self_login(struct lg_self *s, uint32_t uid)
{
	s->uid = uid;
	s->login[0] = s->home[0] = '\0';
	return find_login(s);
}

void lg_self_read(struct lg_self *s)
{
	int saved = errno;
	ssize_t n;
	char *nl;

	memset(s, 0, sizeof(*s));
	s->uid = (uint32_t)geteuid();
	n = readlink("/proc/self/exe", s->exe, sizeof(s->exe) - 1);
	s->exe[n > 0 ? n : 0] = '\0';
	lg_file_peek("/proc/self/comm", s->comm, sizeof(s->comm));
	nl = strchr(s->comm, '\n');
	if (nl)
		*nl = '\0';
	if (!find_login(s))
		lg_slice_copy(lg_slice_str(getenv("USER")), s->login,
			      sizeof(s->login));
	errno = saved;
}
