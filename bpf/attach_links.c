#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/attach_file.h"
#include "bpf/proc.h"

struct attach_links *attach_links_of(const struct attach_file *f, uint32_t pid)
{
	struct attach_links *l = f->links;

	while (l && l->pid != pid)
		l = l->next;
	return l;
}

void attach_links_del(struct attach_file *f, struct attach_links *l)
{
	struct attach_links **at = &f->links;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	for (unsigned i = 0; i < l->n; i++)
		loader_detach(l->link[i]);
	free(l->link);
	free(l->point);
	free(l);
}

static bool is_write(enum probe_fn fn)
{
	return fn == PROBE_WRITE || fn == PROBE_WRITE_EX ||
	       fn == PROBE_WRITE_EX2 || fn == PROBE_GNUTLS_SEND ||
	       fn == PROBE_GO_WRITE || fn == PROBE_LOADED;
}

static int put_point(struct attach_file *f, struct attach_links *l,
		     const struct object_point *p)
{
	uint32_t number = f->number | (l->pid ? 0 : PROBE_OBJECT_WIDE);
	uint32_t pid = l->pid;
	char path[40];
	int err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	err = loader_attach(f->owner->loader, path, p->file_at, pid,
			    p->is_return, object_cookie(p, number),
			    &l->link[l->n]);
	/* a first thread that ended leaves the process to the others */
	if (err == -ESRCH && pid && (pid = proc_live_thread(pid)) &&
	    pid != l->pid)
		err = loader_attach(f->owner->loader, path, p->file_at, pid,
				    p->is_return, object_cookie(p, number),
				    &l->link[l->n]);
	if (!err)
		l->point[l->n++] = *p;
	return err;
}

/* Where not one write can be seen nothing is worth probing. */
static int put_points(struct attach_file *f, struct attach_links *l,
		      const struct object *o)
{
	int err = 0, first = 0;
	unsigned writes = 0;

	for (unsigned i = 0; i < o->npoints; i++) {
		err = put_point(f, l, &o->points[i]);
		if (!err)
			writes += is_write(o->points[i].fn);
		else if (!first)
			first = err;
		if (err == -ESRCH || err == -EMFILE || err == -ENOMEM)
			return err;
	}
	return writes ? 0 : first ? first : -ENOENT;
}

/* What it is, and what its probes cost. */
static void tell(const struct attach_file *f, const struct attach_links *l,
		 const struct object *o)
{
	unsigned i, stepped = 0, returns = 0;
	char what[160 + OBJECT_NOTE];

	for (i = 0; i < o->npoints; i++) {
		returns += o->points[i].is_return;
		stepped += !o->points[i].is_return && !o->points[i].is_cheap;
	}
	snprintf(what, sizeof(what),
		 "%s; %u emulated, %u stepped, %u returns%s%s", f->what,
		 o->npoints - stepped - returns, stepped, returns,
		 f->note[0] ? "; " : "", f->note);
	f->owner->told(f->owner->arg, f->name, what, l->n);
}

static int put_new(struct attach_file *f, uint32_t pid, bool may_return)
{
	const struct object *o = &f->owner->object;
	struct attach_links *l;
	int err;

	err = attach_read(f, may_return);
	if (err)
		return err;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->pid = pid;
	l->may_return = may_return;
	l->link = calloc(o->npoints + 1, sizeof(*l->link));
	l->point = calloc(o->npoints + 1, sizeof(*l->point));
	l->next = f->links;
	f->links = l;
	err = l->link && l->point ? put_points(f, l, o) : -ENOMEM;
	if (err)
		attach_links_del(f, l);
	else if (f->owner->told)
		tell(f, l, o);
	return err;
}

int attach_put(struct attach_file *f, uint32_t pid, bool may_return)
{
	struct attach_links *l = attach_links_of(f, pid);

	may_return = may_return && pid;
	if (l && (may_return || !l->may_return))
		return 0;
	if (l)
		attach_links_del(f, l); /* a sandbox was entered since */
	if (!pid && !f->alias)
		f->alias = attach_find_alias(f);
	if (!pid && f->alias)
		return 0;
	return put_new(f, pid, may_return);
}

void attach_take(struct attach_file *f, uint32_t pid)
{
	struct attach_links *l = attach_links_of(f, pid);

	if (l)
		attach_links_del(f, l);
}

bool attach_is_put(const struct attach_file *f, uint32_t pid)
{
	return attach_links_of(f, pid) || (!pid && f->alias);
}

static void take_one(void *arg, struct attach_file *f)
{
	attach_take(f, *(uint32_t *)arg);
}

void attach_take_pid(struct attach *a, uint32_t pid)
{
	attach_each(a, take_one, &pid);
}
