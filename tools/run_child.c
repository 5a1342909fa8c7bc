#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "guard/file.h"
#include "run.h"
#include "tool.h"

#define LOOK_EVERY_MS 100
#define LATE_EVERY_MS 5000 /* artifacts of a run that is under way */
#define GRACE_S 5
#define KILL_S 10 /* then somebody cannot be killed */

static const int watched[] = {SIGCHLD, SIGINT,	SIGQUIT, SIGTERM,
			      SIGHUP,  SIGUSR1, SIGUSR2};
static sigset_t before;

/* They are taken one by one, by run_child_wait; the child has its own mask. */
static void hold_signals(sigset_t *set)
{
	size_t i;

	sigemptyset(set);
	for (i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		sigaddset(set, watched[i]);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, set, &before);
}

int run_child_start(struct run *r)
{
	sigset_t set;
	pid_t pid;
	int err;

	hold_signals(&set);
	/* orphans of the command stay in reach until the run ends */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		err = -errno;
		sigprocmask(SIG_SETMASK, &before, NULL);
		return err;
	}
	if (!pid) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		execvp(r->c->argv[0], r->c->argv);
		tool_warn("%s: %s", r->c->argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	r->child = pid;
	return 0;
}

/* -- the whole tree -------------------------------------------------------- */

struct member {
	pid_t pid, parent;
	bool ours;
};

struct tree {
	struct member *m; /* heap, by pid */
	size_t n, cap;
};

static pid_t parent_of(pid_t pid)
{
	char path[64], buf[512], *p;
	int parent = 0;
	char state = 'Z';

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (lg_file_peek(path, buf, sizeof(buf)) <= 0)
		return 0;
	p = strrchr(buf, ')');
	if (!p || sscanf(p + 1, " %c %d", &state, &parent) != 2)
		return 0;
	return state == 'Z' ? 0 : parent;
}

static bool grow(struct tree *t)
{
	size_t cap = t->cap ? t->cap * 2 : 512;
	struct member *m = realloc(t->m, cap * sizeof(*m));

	if (!m)
		return false;
	t->m = m;
	t->cap = cap;
	return true;
}

static int by_pid(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void list(struct tree *t)
{
	DIR *d = opendir("/proc");
	struct dirent *de;

	t->n = 0;
	while (d && (de = readdir(d))) {
		pid_t pid = (pid_t)atoi(de->d_name);

		if (pid <= 0 || (t->n == t->cap && !grow(t)))
			continue;
		t->m[t->n++] = (struct member){pid, parent_of(pid), false};
	}
	if (d)
		closedir(d);
	if (t->n)
		qsort(t->m, t->n, sizeof(*t->m), by_pid);
}

static bool is_ours(const struct tree *t, pid_t parent)
{
	struct member key = {parent, 0, false};
	const struct member *m;

	if (parent == getpid())
		return true;
	m = bsearch(&key, t->m, t->n, sizeof(key), by_pid);
	return m && m->ours;
}

static void mark(struct tree *t)
{
	bool more = true;
	size_t i;

	while (more) {
		more = false;
		for (i = 0; i < t->n; i++) {
			if (t->m[i].ours || !t->m[i].parent ||
			    !is_ours(t, t->m[i].parent))
				continue;
			t->m[i].ours = more = true;
		}
	}
}

/*
 * How many there were. Nobody else can be meant: a descendant's id is its own
 * until its parent, or this process, has waited for it.
 */
static size_t signal_tree(int sig)
{
	static struct tree t;
	size_t i, n = 0;

	list(&t);
	mark(&t);
	for (i = 0; i < t.n; i++) {
		if (!t.m[i].ours)
			continue;
		n++;
		if (sig && !kill(t.m[i].pid, sig) && sig == SIGTERM)
			kill(t.m[i].pid, SIGCONT);
	}
	return n;
}

/* -- waiting --------------------------------------------------------------- */

static void reap(struct run *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != r->child)
			continue;
		r->status = status;
		r->over = true;
	}
	if (pid < 0 && errno == ECHILD && !r->over) {
		r->status = 127 << 8;
		r->over = true;
	}
}

/* The terminal itself sends INT and QUIT to the child. */
static void pass_on(struct run *r, const siginfo_t *si)
{
	int sig = si->si_signo;
	bool terminal = si->si_code == SI_KERNEL;

	if (sig == SIGCHLD)
		return;
	if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP)
		r->signalled = sig;
	if (!r->over && !((sig == SIGINT || sig == SIGQUIT) && terminal))
		kill(r->child, sig);
}

static void wait_a_while(struct run *r, int64_t ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
	siginfo_t si;
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		sigaddset(&set, watched[i]);
	if (sigtimedwait(&set, &si, &ts) > 0)
		pass_on(r, &si);
	reap(r);
}

static uint64_t grace_ms(const struct run *r)
{
	const struct opt_value *v = &r->c->v[RO_GRACE];

	return v->set ? (v->n > 86400 ? 86400 : v->n) * 1000 : GRACE_S * 1000;
}

/* Nobody of the tree goes on, whatever it made of itself. */
static void end_tree(struct run *r)
{
	int64_t until = lg_clock_boot_ns() / 1000000 + (int64_t)grace_ms(r);

	tool_warn("cancelled: %s", r->reason);
	signal_tree(SIGTERM);
	while (lg_clock_boot_ns() / 1000000 < until) {
		wait_a_while(r, 50);
		if (!signal_tree(0))
			break;
	}
	until = lg_clock_boot_ns() / 1000000 + KILL_S * 1000;
	while (signal_tree(SIGKILL) && lg_clock_boot_ns() / 1000000 < until)
		wait_a_while(r, 20);
	if (signal_tree(0))
		tool_warn("some of its processes cannot be ended; their calls "
			  "go on being refused");
	while (!r->over)
		wait_a_while(r, 20);
}

static void cancel(struct run *r, const char *why)
{
	r->end = RUN_CANCELLED;
	snprintf(r->reason, sizeof(r->reason), "%s", why);
	end_tree(r);
}

/* A breach, here or in another run of the experiment. */
static void look(struct run *r)
{
	bool before_it = r->breached;
	char text[256];

	if (run_watch_look(r) && !before_it) {
		if (r->c->v[RO_HALT].set && !r->ignored)
			run_halt_write(r);
		if (r->on_breach == BREACH_STOP && !r->ignored && !r->nested) {
			cancel(r, r->breach);
			return;
		}
		if (r->on_breach == BREACH_CONTINUE && !r->ignored)
			tool_warn("warning: %s; it goes on (--on-breach "
				  "continue)",
				  r->breach);
	}
	if (!r->over && run_halt_is(r, text))
		cancel(r, text);
}

void run_child_wait(struct run *r)
{
	int64_t now = lg_clock_boot_ns() / 1000000;
	int64_t next = now, late = now + LATE_EVERY_MS, took;

	r->end = RUN_COMPLETED;
	while (!r->over) {
		now = lg_clock_boot_ns() / 1000000;
		if (now >= next) {
			look(r);
			next = now + LOOK_EVERY_MS;
		} else {
			wait_a_while(r, next - now);
		}
		if (!r->over && r->artifacts[0] && now >= late) {
			run_artifacts_write(r, true);
			took = lg_clock_boot_ns() / 1000000 - now;
			late = now + took * 20 + LATE_EVERY_MS;
		}
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}
