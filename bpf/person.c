#include "bpf/person.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/proc.h"
#include "tools/traced_run.h"

#define ENVIRON_MAX ((size_t)4 << 20)

/* What is kept of an environment: ours, and where a user's files are. */
static const char *const kept[] = {
	"LLMGUARD_",
	"HOME=",
	"XDG_CONFIG_HOME=",
	"XDG_STATE_HOME=",
};

static bool is_kept(const char *v)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (!strncmp(v, kept[i], strlen(kept[i])))
			return true;
	return false;
}

static int open_of(uint32_t tgid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/%s", tgid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* All of a file of /proc, with a NUL behind it; NULL, to be freed. */
static char *read_of(uint32_t tgid, const char *name, size_t *len)
{
	size_t cap = 4096, n = 0;
	char *p = malloc(cap), *more;
	int fd = open_of(tgid, name);
	ssize_t got = -1;

	while (p && fd >= 0) {
		got = read(fd, p + n, cap - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n + 1 < cap)
			continue;
		more = cap < ENVIRON_MAX ? realloc(p, cap * 2) : NULL;
		if (!more)
			break;
		p = more;
		cap *= 2;
	}
	if (fd >= 0)
		close(fd);
	if (p && got >= 0) {
		p[n] = '\0';
		*len = n;
		return p;
	}
	free(p);
	return NULL;
}

uint64_t person_start(uint32_t tgid, int32_t *ppid)
{
	unsigned long long start = 0;
	size_t len;
	char *p = read_of(tgid, "stat", &len);
	char *end = p ? strrchr(p, ')') : NULL;
	int parent = 0;
	char state;

	if (!end || sscanf(end + 1,
			   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u"
			   " %*u %*d %*d %*d %*d %*d %*d %llu",
			   &state, &parent, &start) != 3)
		start = 0;
	if (start && (state == 'Z' || state == 'X'))
		start = 0;
	if (ppid && start)
		*ppid = parent;
	free(p);
	return start;
}

uint32_t person_uid(uint32_t tgid)
{
	size_t len;
	char *p = read_of(tgid, "status", &len);
	char *at = p ? strstr(p, "\nUid:") : NULL;
	unsigned uid = (unsigned)-1;

	if (!at || sscanf(at + 5, "%u", &uid) != 1)
		uid = (unsigned)-1;
	free(p);
	return uid;
}

/* -- the environment ------------------------------------------------------- */

static void keep_vars(struct person *p, const char *block, size_t len)
{
	for (size_t at = 0; at < len; at += strlen(block + at) + 1) {
		size_t n = strlen(block + at) + 1;

		if (!is_kept(block + at) || n > PERSON_TEXT - p->ntext)
			continue;
		memcpy(p->text + p->ntext, block + at, n);
		p->ntext += (uint32_t)n;
	}
}

const char *person_var(const struct person *p, const char *name)
{
	size_t len = strlen(name);

	for (uint32_t at = 0; at < p->ntext;) {
		const char *v = p->text + at;

		if (!strncmp(v, name, len) && v[len] == '=')
			return v + len + 1;
		at += (uint32_t)strlen(v) + 1;
	}
	return NULL;
}

static const char *get_var(void *arg, const char *name)
{
	return person_var(arg, name);
}

/* Another process's relative path leads nowhere from here. */
static const char *rooted(const char *path)
{
	return path && path[0] == '/' ? path : NULL;
}

static void read_vars(struct person *p)
{
	struct lg_env *e = &p->env;

	lg_env_read_from(e, get_var, p);
	e->config = rooted(e->config);
	e->state_dir = rooted(e->state_dir);
	e->region = rooted(e->region);
	e->pricing_dir = rooted(e->pricing_dir);
	e->home = rooted(person_var(p, "HOME"));
	if (!e->home && p->self.home[0])
		e->home = p->self.home;
	e->xdg_config = rooted(person_var(p, "XDG_CONFIG_HOME"));
	e->xdg_state = rooted(person_var(p, "XDG_STATE_HOME"));
	e->foreign = true;
}

static bool has_run_budget(const struct lg_env *e)
{
	return e->max_usd || e->warn_usd || e->max_train_usd ||
	       e->max_infer_usd || e->warn_train_usd || e->warn_infer_usd ||
	       e->experiment_max_usd;
}

/* -- the process ----------------------------------------------------------- */

static void read_program(struct person *p)
{
	char path[64];
	size_t len;
	char *comm = read_of(p->tgid, "comm", &len);
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", p->tgid);
	n = readlink(path, p->self.exe, sizeof(p->self.exe) - 1);
	p->self.exe[n > 0 ? n : 0] = '\0';
	if (comm)
		snprintf(p->self.comm, sizeof(p->self.comm), "%.*s",
			 (int)strcspn(comm, "\n"), comm);
	free(comm);
}

void person_of_uid(struct person *p, uint32_t uid)
{
	memset(p, 0, sizeof(*p));
	p->uid = uid;
	lg_self_login(&p->self, uid);
	read_vars(p);
}

bool person_read(struct person *p, uint32_t tgid, uint32_t uid)
{
	size_t len;
	char *block;

	memset(p, 0, sizeof(*p));
	p->tgid = tgid;
	p->uid = uid;
	lg_self_login(&p->self, uid);
	p->start = person_start(tgid, &p->ppid);
	read_program(p);
	block = read_of(tgid, "environ", &len);
	if (block && !proc_is_secure(tgid))
		keep_vars(p, block, len);
	free(block);
	read_vars(p);
	if (!p->env.run_id && has_run_budget(&p->env)) {
		traced_run_name((int32_t)tgid, p->run_id, sizeof(p->run_id));
		p->env.run_id = p->run_id;
	}
	return p->start;
}
