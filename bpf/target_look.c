#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bpf/choose.h"
#include "bpf/claim.h"
#include "bpf/guarded.h"
#include "bpf/target_table.h"

struct look {
	struct targets *ts;
	struct target *t;
	bool has_preload, has_loader, is_denied;
	unsigned ncode;		/* mapped files of code */
	char note[OBJECT_NOTE]; /* of a TLS that cannot be probed */
	char note_name[200];
};

/* map_files needs more rights; then by name, if that is still this file. */
static struct attach_file *get_by_name(struct look *l, const struct proc_map *m,
				       int *err, const char **note)
{
	char path[1200];
	struct stat st;

	if (m->path[0] != '/' || m->is_deleted)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%u/root%.1100s", l->t->pid,
		 m->path);
	if (stat(path, &st) || st.st_ino != m->ino)
		return NULL;
	return attach_get(l->ts->attach, path, m->path, err, note);
}

static void take_file(struct look *l, struct attach_file *f)
{
	struct target *t = l->t;

	for (unsigned i = 0; i < t->nfiles; i++)
		if (t->file[i] == f)
			return;
	if (t->nfiles < TARGET_FILES)
		t->file[t->nfiles++] = f;
}

static bool is_loader(const char *path)
{
	const char *base = strrchr(path, '/');

	return base &&
	       (!strncmp(base, "/ld-", 4) || !strncmp(base, "/ld.so", 6));
}

static bool look_map(void *arg, const struct proc_map *m)
{
	struct look *l = arg;
	const char *note = "";
	struct attach_file *f;
	char path[80];
	int err;

	l->ncode++;
	if (guarded_is_preload(m->path)) {
		l->has_preload = true;
		return true;
	}
	l->has_loader |= is_loader(m->path);
	snprintf(path, sizeof(path), "/proc/%u/map_files/%s", l->t->pid,
		 m->range);
	f = attach_get(l->ts->attach, path, m->path, &err, &note);
	if (err == -EPERM || err == -EACCES) {
		l->is_denied = true;
		f = get_by_name(l, m, &err, &note);
	}
	if (f)
		take_file(l, f);
	if (note[0] && !l->note[0]) {
		snprintf(l->note, sizeof(l->note), "%s", note);
		snprintf(l->note_name, sizeof(l->note_name), "%s", m->path);
	}
	return true;
}

/* -- the kernel's side of it -------------------------------------------- */

/* It still runs: what its files in /proc say is not what they lack. */
static bool is_same(const struct target *t)
{
	char exe[64];
	struct proc p;

	return !proc_get(t->pid, &p) && p.start == t->start &&
	       proc_exe(t->pid, exe, sizeof(exe)) != -ESRCH;
}

/* An entry for who has just ended would be his who gets the number next. */
static int set_target(struct targets *ts, struct target *t)
{
	struct probe_target k = {.uid = t->uid};
	int err;

	if (!ts->o.no_children)
		k.flags |= PROBE_TARGET_FOLLOW;
	if (t->solo)
		k.flags |= PROBE_TARGET_SOLO;
	if (t->awaits)
		k.flags |= PROBE_TARGET_AWAITS;
	err = loader_target_set(ts->loader, t->pid, &k);
	if (err)
		return err;
	if (!is_same(t)) {
		loader_target_drop(ts->loader, t->pid);
		return -ESRCH;
	}
	if (t->state != TARGET_TRACED)
		ts->ntraced++;
	t->state = TARGET_TRACED;
	t->changed = false;
	return 0;
}

static void leave_alone(struct targets *ts, struct target *t,
			const char *reason)
{
	loader_target_drop(ts->loader, t->pid);
	if (t->solo)
		attach_take_pid(ts->attach, t->pid);
	if (t->state == TARGET_TRACED)
		ts->ntraced--;
	t->state = TARGET_GUARDED;
	t->nfiles = 0;
	target_tell(ts, t, false, reason);
}

/* Each process is one tracer's, else its calls count twice. */
static bool is_ours(struct targets *ts, struct target *t)
{
	char why[80];
	int32_t by;

	if (t->claimed)
		return true;
	t->claimed = claim_take(t->pid, &by);
	if (t->claimed && t->taken) {
		t->taken = false;
		t->state = TARGET_NEW;
	}
	if (t->claimed || (t->taken && t->state == TARGET_GUARDED))
		return t->claimed;
	t->taken = true;
	snprintf(why, sizeof(why), "llmguard-trace (pid %d) traces it already",
		 by);
	leave_alone(ts, t, why);
	return false;
}

/* The first error, where no TLS at all could be probed. */
static int put_files(struct target *t, unsigned *ntls)
{
	uint32_t pid = t->solo ? t->pid : 0;
	int err, first = 0;

	*ntls = 0;
	for (unsigned i = 0; i < t->nfiles; i++) {
		err = attach_put(t->file[i], pid, !t->sandboxed);
		if (!attach_is_tls(t->file[i]))
			continue;
		if (!err)
			++*ntls;
		else if (!first)
			first = err;
	}
	return *ntls ? 0 : first;
}

/* -- what is said of it ------------------------------------------------- */

/* Whether to look for a reason: it costs some milliseconds. */
static bool is_named(const struct targets *ts, const struct target *t)
{
	return t->chosen &&
	       (ts->o.comm || ts->o.exe || choose_has_pid(&ts->o, t->pid));
}

/* Its first call comes soon after it has loaded one. */
static void wait_for_one(struct targets *ts, struct target *t)
{
	target_foresee(ts, t);
	target_tell(ts, t, true,
		    "no TLS library is mapped yet: waiting for one");
}

static void explain(struct look *l, int err)
{
	struct target *t = l->t;
	char why[400] = "";

	if (l->note[0] && (!err || err == -ENOENT))
		snprintf(why, sizeof(why), "%s: %s", l->note_name, l->note);
	else if (err)
		snprintf(why, sizeof(why), "its TLS cannot be probed: %s",
			 strerror(-err));
	else if (is_named(l->ts, t) && !t->is_told)
		guarded_why_not(t->pid, why, sizeof(why));
	else if (t->is_told)
		return;
	if (why[0])
		target_tell(l->ts, t, false, why);
	else if (l->is_denied && !l->ncode)
		target_tell(l->ts, t, false, "its mappings may not be read");
	else if (choose_has_pid(&l->ts->o, t->pid))
		wait_for_one(l->ts, t);
}

/* The second look sees what was mapped before ld.so's probe stood. */
static int look_twice(struct look *l, unsigned *ntls)
{
	struct target *t = l->t;
	int err = 0, refused = 0;

	for (int i = 0; i < 2; i++) {
		unsigned before = t->nfiles;

		err = proc_maps(t->pid, false, look_map, l);
		if (err)
			return err;
		if (l->has_preload && !t->checked) {
			t->checked = true;
			if (guarded_is_live(t->pid))
				return -EALREADY;
		}
		/* a static program loads none */
		if (t->awaits && (l->has_preload || !l->has_loader)) {
			t->awaits = 0;
			t->changed = true;
		}
		if (i && before == t->nfiles)
			break;
		refused = put_files(t, ntls);
		if (t->state != TARGET_TRACED || t->changed)
			err = set_target(l->ts, t);
		if (err)
			return err;
	}
	return refused;
}

void target_look(struct targets *ts, struct target *t, bool may_explain)
{
	struct look l = {.ts = ts, .t = t};
	unsigned ntls = 0;
	int err;

	if (!is_ours(ts, t) || t->state == TARGET_GUARDED)
		return;
	t->nfiles = 0; /* no pointer to what it maps no more */
	err = look_twice(&l, &ntls);
	if (err == -ESRCH)
		target_forget(ts, t);
	else if (err == -EALREADY)
		leave_alone(ts, t,
			    "its preload (libllmguard.so) guards it already");
	else if (ntls && !err)
		target_tell(ts, t, true, NULL);
	else if (may_explain || err)
		explain(&l, err);
}

/* -- before it maps them ------------------------------------------------ */

void target_foresee_file(void *arg, const char *path)
{
	struct targets *ts = arg;
	struct attach_file *f;
	const char *note;
	int err;

	f = attach_get(ts->attach, path, path, &err, &note);
	if (f)
		attach_put(f, 0, false);
}

struct foresight {
	struct targets *ts;
	struct target *t;
};

static void foresee_solo(void *arg, const char *path)
{
	struct foresight *s = arg;
	struct attach_file *f;
	const char *note;
	int err;

	f = attach_get(s->ts->attach, path, path, &err, &note);
	if (f)
		attach_put(f, s->t->pid, !s->t->sandboxed);
}

void target_foresee(struct targets *ts, struct target *t)
{
	struct foresight s = {ts, t};
	choose_file_fn *fn = t->solo ? foresee_solo : target_foresee_file;
	char link[40], exe[1024], root[32];
	void *arg = t->solo ? (void *)&s : ts;

	if (t->state == TARGET_GUARDED || proc_exe(t->pid, exe, sizeof(exe)))
		return;
	snprintf(link, sizeof(link), "/proc/%u/exe", t->pid);
	proc_root(t->pid, root);
	choose_foresee_libs(link, exe, root, fn, arg);
	choose_foresee_system(root, fn, arg);
}

static void widen_one(struct targets *ts, struct target *t)
{
	unsigned ntls;

	if (!t->solo || t->state != TARGET_TRACED)
		return;
	t->solo = false;
	put_files(t, &ntls);
	if (!set_target(ts, t))
		attach_take_pid(ts->attach, t->pid);
}

void target_widen(struct targets *ts)
{
	ts->wide = true;
	choose_foresee_system("", target_foresee_file, ts);
	target_each(ts, widen_one);
}
