#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/patch/patch.h"
#include "hook/patch/reloc.h"
#include "hook/patch/stub.h"
#include "hook/patch/text.h"

#define SLOT (LG_RELOC_MAX + LG_STUB_MAX)
#define READ_AHEAD (64 * 1024)

/* What is written over one entry. */
struct edit {
	uint8_t *at;
	uint8_t n;
	uint8_t was[LG_RELOC_FAR], now[LG_RELOC_FAR];
};

struct work {
	struct lg_patch_job *job;
	uint8_t *mem; /* a slot for each function: moved, then stub */
	size_t len;
	bool is_far;
	unsigned nedits;
	struct edit edit[LG_PATCH_FNS];
	struct lg_reloc reloc; /* too big for a small stack */
};

static void say(struct lg_patch_job *job, const char *what, const char *name,
		const char *why)
{
	const char *part[3] = {what, name, why};
	size_t n = 0, len;
	unsigned i;

	for (i = 0; i < 3; i++) {
		len = part[i] ? strlen(part[i]) : 0;
		if (len > sizeof(job->why) - 1 - n)
			len = sizeof(job->why) - 1 - n;
		if (len)
			memcpy(job->why + n, part[i], len);
		n += len;
	}
	job->why[n] = '\0';
}

static int refuse(struct lg_patch_job *job, const char *what, const char *name,
		  const char *why)
{
	say(job, what, name, why);
	return -1;
}

/* Has somebody else (a debugger, a probe, another patch) been here? */
static bool is_as_in_file(int fd, const struct lg_patch_fn *f)
{
	uint8_t there[2 * LG_RELOC_FAR];
	size_t n = f->room < sizeof(there) ? f->room : sizeof(there);
	ssize_t got;

	if (fd < 0)
		return true;
	got = pread(fd, there, n, (off_t)f->file_at);
	return got == (ssize_t)n && !memcmp(there, f->at, n);
}

static int plan_one(struct work *w, struct lg_patch_fn *f, uint8_t *slot)
{
	struct lg_patch_job *job = w->job;
	struct lg_reloc *r = &w->reloc;
	struct edit *e = &w->edit[w->nedits];
	struct lg_stub stub = {
		.marker = job->marker,
		.own = job->own,
		.nown = job->nown,
		.hook = (uintptr_t)f->hook,
	};

	r->code = f->at;
	r->avail = f->room < READ_AHEAD ? f->room : READ_AHEAD;
	r->size = f->size;
	r->at = (uintptr_t)f->at;
	/* a call through a pointer may have to meet an endbr64 */
	r->out_at = (uintptr_t)slot + LG_STUB_LANDING;
	r->is_far = w->is_far;
	if (!lg_reloc_make(r))
		return f->is_needed ? refuse(job, f->name, ": ", r->why) : 0;
	lg_stub_landing(slot);
	memcpy(slot + LG_STUB_LANDING, r->out, r->out_len);
	stub.undo = r->undo;
	stub.undo_len = r->undo_len;
	lg_stub_make(&stub, slot + LG_RELOC_MAX);
	e->at = f->at + r->from;
	memset(e->now, 0xcc, sizeof(e->now));
	e->n = (uint8_t)lg_reloc_jump(e->now, (uintptr_t)e->at,
				      (uintptr_t)slot + LG_RELOC_MAX,
				      w->is_far);
	if (r->to - r->from < e->n)
		return refuse(job, f->name, ": ", "too short a function");
	memcpy(e->was, e->at, e->n);
	w->nedits++;
	f->real = slot;
	return 0;
}

static int plan(struct work *w)
{
	struct lg_patch_job *job = w->job;
	int fd = open(job->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	unsigned i;
	int err = 0;

	for (i = 0; i < job->nfns && !err; i++) {
		if (!is_as_in_file(fd, &job->fn[i]))
			err = refuse(job, job->fn[i].name, ": ",
				     "its code is not as in its file (a "
				     "debugger, a probe or another patch)");
		else
			err = plan_one(w, &job->fn[i], w->mem + i * SLOT);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

static int write_all(struct work *w)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < w->nedits && !err; i++)
		err = lg_text_write(w->edit[i].at, w->edit[i].now,
				    w->edit[i].n);
	if (!err)
		return 0;
	for (i--; i--;)
		(void)lg_text_write(w->edit[i].at, w->edit[i].was,
				    w->edit[i].n);
	return refuse(w->job, "the system does not allow to change text", NULL,
		      NULL);
}

static int place(struct work *w)
{
	struct lg_patch_job *job = w->job;
	uintptr_t lo = (uintptr_t)job->fn[0].at, hi = lo, at;
	unsigned i;

	for (i = 0; i < job->nfns; i++) {
		at = (uintptr_t)job->fn[i].at;
		lo = at < lo ? at : lo;
		hi = at + job->fn[i].size > hi ? at + job->fn[i].size : hi;
	}
	w->len = job->nfns * SLOT;
	if (lg_text_alloc(lo, hi, w->len, &w->mem, &w->is_far))
		return refuse(job, "no memory for the moved beginnings", NULL,
			      NULL);
	memset(w->mem, 0xcc, w->len);
	return 0;
}

static int work(struct work *w)
{
	sigset_t all, old;
	int err;

	err = place(w);
	if (!err)
		err = plan(w);
	if (!err && lg_text_seal(w->mem, w->len))
		err = refuse(w->job, "the system does not allow new code", NULL,
			     NULL);
	if (!err) {
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, &old);
		err = write_all(w);
		sigprocmask(SIG_SETMASK, &old, NULL);
	}
	return err;
}

static int check(struct lg_patch_job *job)
{
	int alone;

	if (job->version != LG_PATCH_VERSION || !job->nfns ||
	    job->nfns > LG_PATCH_FNS)
		return refuse(job, "another version of llmguard-patch.so", NULL,
			      NULL);
	alone = lg_text_is_alone();
	if (alone < 0)
		return refuse(job, "/proc cannot be read", NULL, NULL);
	if (!alone)
		return refuse(job, "the program has other threads already",
			      NULL, NULL);
	return 0;
}

__attribute__((visibility("default"))) int lg_patch_apply(
	struct lg_patch_job *job)
{
	struct work *w;
	unsigned i;
	int err;

	if (check(job))
		return -1;
	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w == MAP_FAILED)
		return refuse(job, "no memory", NULL, NULL);
	w->job = job;
	err = work(w);
	if (err) {
		for (i = 0; i < job->nfns; i++)
			job->fn[i].real = NULL;
		lg_text_free(w->mem, w->len);
	}
	munmap(w, sizeof(*w));
	return err;
}
