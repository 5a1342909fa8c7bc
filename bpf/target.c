#include "bpf/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bpf/choose.h"
#include "bpf/claim.h"
#include "bpf/guarded.h"
#include "bpf/target_table.h"

/* A program that has not loaded its preload by then never does. */
#define AWAIT_SCANS 2
/* So many are probed one by one; above, each probe is put once for all. */
#define SOLO_MAX 16

static void told(void *arg, const char *path, const char *what,
		 unsigned nprobes)
{
	struct targets *ts = arg;

	if (ts->o.on_object)
		ts->o.on_object(ts->o.arg, path, what, nprobes);
}

/* Each probe is a descriptor or two. */
static void want_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur == r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

static int open_parts(struct targets *ts)
{
	char text[200];
	int err = 0;

	if (ts->o.offsets)
		err = offsets_open(ts->o.offsets, &ts->offsets, text,
				   sizeof(text));
	if (err) {
		fprintf(stderr, "llmguard-trace: %s\n", text);
		return -EINVAL;
	}
	return attach_new(ts->loader, ts->offsets, told, ts, &ts->attach);
}

static int make_room(struct targets *ts, const struct probe_select *sel)
{
	if (sel->flags & PROBE_SELECT_MAYBE)
		ts->refused = calloc(TARGET_PIDS / 64, sizeof(*ts->refused));
	return sel->flags & PROBE_SELECT_MAYBE && !ts->refused ? -ENOMEM : 0;
}

int targets_new(struct loader *l, const struct target_options *o,
		struct targets **out)
{
	struct targets *ts = calloc(1, sizeof(*ts));
	struct probe_select sel;
	int err;

	if (!ts)
		return -ENOMEM;
	ts->loader = l;
	ts->o = *o;
	ts->self = (uint32_t)getpid();
	ts->wide = !choose_by_pid_alone(o) || o->npids > SOLO_MAX;
	want_descriptors();
	err = open_parts(ts);
	if (!err) {
		choose_select(o, &sel);
		err = make_room(ts, &sel);
	}
	if (!err)
		err = loader_select(l, &sel);
	if (err) {
		targets_del(ts);
		return err;
	}
	choose_foresee(o, target_foresee_file, ts);
	*out = ts;
	return 0;
}

static void drop_one(struct targets *ts, struct target *t)
{
	if (t->state == TARGET_TRACED)
		loader_target_drop(ts->loader, t->pid);
	t->told_on = false;
	target_forget(ts, t);
}

void targets_del(struct targets *ts)
{
	struct probe_select none = {0};

	if (!ts)
		return;
	loader_select(ts->loader, &none);
	target_each(ts, drop_one);
	attach_del(ts->attach);
	offsets_close(ts->offsets);
	free(ts->refused);
	free(ts);
}

/* -- who is meant ---------------------------------------------------------
 */

static bool is_child(struct targets *ts, const struct proc *p)
{
	struct target *parent;

	if (ts->o.no_children)
		return false;
	parent = target_find(ts, p->ppid);
	return parent && parent->state == TARGET_TRACED;
}

/* The process of this number as it is now, if it is one of ours. */
static struct target *consider(struct targets *ts, const struct proc *p)
{
	struct target *t = target_find(ts, p->pid);
	char exe[4096];
	bool chosen;

	if (p->pid == ts->self || p->state == 'Z' || p->state == 'X')
		return NULL;
	if (t && t->start != p->start) {
		target_forget(ts, t);
		t = NULL;
	}
	if (t)
		return t;
	/* a thread of the kernel runs no program */
	if (proc_exe(p->pid, exe, sizeof(exe)))
		return NULL;
	chosen = choose_fits(&ts->o, p, exe);
	if (!chosen && !is_child(ts, p))
		return NULL;
	t = target_add(ts, p);
	if (t)
		t->chosen = chosen;
	return t;
}

struct scan {
	struct targets *ts;
	unsigned found;
};

static bool scan_pid(void *arg, uint32_t pid)
{
	struct scan *s = arg;
	struct target *t = target_find(s->ts, pid);
	struct proc p;

	if ((t && t->seen) || proc_get(pid, &p))
		return true;
	t = consider(s->ts, &p);
	if (!t)
		return true;
	s->found++;
	t->seen = true;
	t->sandboxed = p.seccomp;
	t->uid = p.uid;
	if (t->awaits && !--t->awaits)
		t->changed = true;
	target_look(s->ts, t, true);
	return true;
}

static void unsee(struct targets *ts, struct target *t)
{
	(void)ts;
	t->seen = false;
}

static void mark(struct targets *ts, struct target *t)
{
	(void)ts;
	for (unsigned i = 0; i < t->nfiles; i++)
		attach_mark(t->file[i]);
}

/* It ended, and its record was lost. */
static void bury(struct targets *ts, struct target *t)
{
	if (t->seen)
		return;
	if (t->state == TARGET_TRACED)
		loader_target_drop(ts->loader, t->pid);
	target_forget(ts, t);
}

static const char *why_missing(uint32_t pid)
{
	char exe[4096];
	struct proc p;
	int err = proc_get(pid, &p);

	if (err == -ESRCH)
		return "no such process";
	if (!err && (p.state == 'Z' || p.state == 'X'))
		return "it has ended";
	if (!err)
		err = proc_exe(pid, exe, sizeof(exe));
	if (err == -EACCES || err == -EPERM)
		return "it may not be looked at (/proc/PID/exe is denied)";
	return "a thread of the kernel, which runs no program";
}

static void say_missing(struct targets *ts)
{
	for (unsigned i = 0; i < ts->o.npids && ts->o.on_target; i++)
		if (!target_find(ts, ts->o.pids[i]))
			ts->o.on_target(ts->o.arg, ts->o.pids[i], false,
					why_missing(ts->o.pids[i]));
}

int targets_scan(struct targets *ts)
{
	struct scan s = {.ts = ts};
	int err;

	target_each(ts, unsee);
	/* until no more children of those that were found are found */
	do {
		s.found = 0;
		err = proc_each(scan_pid, &s);
	} while (!err && s.found && !ts->o.no_children);
	if (err)
		return err;
	if (!ts->is_scanned)
		say_missing(ts);
	ts->is_scanned = true;
	target_each(ts, bury);
	target_each(ts, mark);
	attach_sweep(ts->attach);
	return 0;
}

/* -- events ----------------------------------------------------------------
 */

/* Whatever was known is of the program that it was. */
static struct target *renew(struct targets *ts, struct target *t,
			    const struct proc *p, bool fits)
{
	t->checked = t->is_told = false;
	t->uid = p->uid;
	t->sandboxed = p->seccomp;
	if (t->state == TARGET_GUARDED)
		t->state = TARGET_NEW;
	t->chosen = fits;
	if (t->chosen || !ts->o.no_children)
		return t;
	target_forget(ts, t);
	return NULL;
}

/*
 * What the kernel could not tell, by the record: the program may have ended,
 * or be another by now.
 */
static bool is_meant(struct targets *ts, const struct probe_event *ev,
		     const struct probe_exec *x, bool *fits)
{
	bool was = !(ev->flags & PROBE_FLAG_MAYBE) ||
		   (ev->flags & PROBE_FLAG_STILL &&
		    !targets_refused(ts, ev->tgid));
	bool is;

	*fits = choose_fits_exec(&ts->o, ev->tgid, x);
	is = *fits || (was && !ts->o.no_children);
	target_refuse(ts, ev->tgid, !is);
	return is;
}

static void forget_pid(struct targets *ts, const struct probe_event *ev)
{
	struct target *t = target_find(ts, ev->tgid);

	if (ev->flags & PROBE_FLAG_MAYBE)
		loader_target_refuse(ts->loader, ev->tgid, ev->call);
	else
		loader_target_drop(ts->loader, ev->tgid);
	if (t)
		target_forget(ts, t);
}

/* Its number may be another's by now. */
static bool is_later(const struct proc *p, uint64_t at_ns)
{
	uint64_t tick_ns = 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);

	return p->start * tick_ns > at_ns + tick_ns;
}

static struct target *judged(struct targets *ts, const struct probe_event *ev,
			     const struct probe_exec *x)
{
	bool fits;
	struct target *t;
	struct proc p;

	if (!is_meant(ts, ev, x, &fits)) {
		forget_pid(ts, ev);
		return NULL;
	}
	if (proc_get(ev->tgid, &p) || is_later(&p, ev->ts_ns))
		return NULL;
	t = target_find(ts, ev->tgid);
	if (t && t->start == p.start)
		return renew(ts, t, &p, fits);
	if (t)
		target_forget(ts, t);
	t = target_add(ts, &p);
	if (t)
		t->chosen = fits;
	return t;
}

static struct target *looked_up(struct targets *ts, uint32_t pid)
{
	char exe[4096];
	struct target *t;
	struct proc p;
	bool fits;

	if (proc_get(pid, &p))
		return NULL;
	t = target_find(ts, pid);
	fits = !proc_exe(pid, exe, sizeof(exe)) && choose_fits(&ts->o, &p, exe);
	t = t && t->start == p.start ? renew(ts, t, &p, fits)
				     : consider(ts, &p);
	if (!t)
		loader_target_drop(ts->loader, pid);
	return t;
}

static void on_exec(struct targets *ts, const struct probe_event *ev,
		    const void *payload)
{
	bool is_told = ev->cap >= sizeof(struct probe_exec);
	uint32_t pid = ev->tgid;
	struct target *t =
		is_told ? judged(ts, ev, payload) : looked_up(ts, pid);

	if (!t)
		return;
	t->awaits = guarded_is_meant(pid) ? AWAIT_SCANS : 0;
	t->changed = true;
	target_foresee(ts, t);
	target_look(ts, t, false);
}

/* The kernel has made the child a target already. */
static void on_fork(struct targets *ts, const struct probe_event *ev)
{
	uint32_t child = ev->tgid, parent = (uint32_t)ev->result;
	struct target *of = target_find(ts, parent), *t;
	struct proc p;

	target_refuse(ts, child, !of && targets_refused(ts, parent));
	if (targets_refused(ts, child)) {
		forget_pid(ts, ev);
		return;
	}
	/* a parent that is not known any more was a target all the same */
	if ((of && of->state != TARGET_TRACED) || ts->o.no_children) {
		loader_target_drop(ts->loader, child);
		return;
	}
	if (!ts->wide)
		target_widen(ts);
	if (proc_get(child, &p))
		return;
	t = target_find(ts, child);
	if (t && t->start != p.start)
		target_forget(ts, t);
	else if (t)
		return;
	t = target_add(ts, &p);
	if (!t)
		return;
	t->checked = of && of->checked;
	target_look(ts, t, false);
}

static void on_end(struct targets *ts, uint32_t pid, uint64_t at_ns)
{
	struct target *t = target_find(ts, pid);
	uint64_t tick_ns = 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);

	/* the end of somebody who had this number before */
	if (!t || at_ns + tick_ns < t->start * tick_ns)
		return;
	target_forget(ts, t);
}

static void on_loaded(struct targets *ts, uint32_t pid)
{
	struct target *t = target_find(ts, pid);

	if (t && t->state == TARGET_TRACED)
		target_look(ts, t, false);
}

void targets_event(struct targets *ts, const struct probe_event *ev,
		   const void *payload)
{
	if (ev->tgid == ts->self)
		return;
	switch (ev->kind) {
	case PROBE_EV_EXEC:
		on_exec(ts, ev, payload);
		break;
	case PROBE_EV_FORK:
		on_fork(ts, ev);
		break;
	case PROBE_EV_EXIT:
		on_end(ts, ev->tgid, ev->ts_ns);
		break;
	case PROBE_EV_LOADED:
		on_loaded(ts, ev->tgid);
		break;
	default:
		break;
	}
}

/* -- questions --------------------------------------------------------------
 */

static bool look_preload(void *arg, const struct proc_map *m)
{
	bool *has = arg;

	*has = guarded_is_preload(m->path);
	return !*has;
}

bool target_has_preload(uint32_t tgid)
{
	bool has = false;

	proc_maps(tgid, false, look_preload, &has);
	return has && guarded_is_live(tgid);
}

bool targets_meter(struct targets *ts, uint32_t pid)
{
	struct target *t = target_find(ts, pid);
	int32_t by;

	if (t)
		return t->state != TARGET_GUARDED;
	if (targets_refused(ts, pid))
		return false;
	/* it was over before it could be looked at */
	if (!claim_take(pid, &by))
		return false;
	claim_drop(pid);
	return true;
}

unsigned targets_count(const struct targets *ts)
{
	return ts->ntraced;
}

int targets_canary(struct targets *ts)
{
	return attach_canary(ts->attach);
}
