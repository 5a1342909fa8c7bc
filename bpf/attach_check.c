#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/attach_file.h"
#include "bpf/proc.h"

/* A uprobe's instruction, as a program that maps the file has it there. */
#if defined(__x86_64__) || defined(__i386__)
typedef uint8_t insn_t;
#else
typedef uint32_t insn_t;
#endif

static bool is_breakpoint(insn_t got, insn_t orig)
{
#if defined(__x86_64__) || defined(__i386__)
	(void)orig;
	return got == 0xcc;
#else
	return got != orig;
#endif
}

static insn_t read_file(int fd, uint64_t at)
{
	insn_t v = 0;

	return pread(fd, &v, sizeof(v), (off_t)at) == sizeof(v) ? v : 0;
}

bool attach_site_is_live(int fd, uint64_t file_at)
{
	long page = sysconf(_SC_PAGESIZE);
	uint64_t start = file_at & ~(uint64_t)(page - 1);
	struct stat st;
	bool live;
	void *map;
	insn_t v;

	if (fstat(fd, &st) || (uint64_t)st.st_size < file_at + sizeof(v))
		return false;
	map = mmap(NULL, (size_t)page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd,
		   (off_t)start);
	if (map == MAP_FAILED)
		return true; /* not to be told */
	/* not by the pointer: the file may be cut meanwhile (SIGBUS) */
	live = proc_peek((uint32_t)getpid(),
			 (uint64_t)(uintptr_t)map + (file_at - start), &v,
			 sizeof(v)) &&
	       is_breakpoint(v, read_file(fd, file_at));
	munmap(map, (size_t)page);
	return live;
}

/* -- one inode below several devices (overlay mounts of one image) ------ */

struct alias {
	struct attach_file *f, *found;
};

static void look_alias(void *arg, struct attach_file *g)
{
	struct alias *a = arg;
	const struct attach_links *l = attach_links_of(g, 0);

	if (a->found || !l || !l->n || g->dev == a->f->dev ||
	    g->ino != a->f->ino || g->size != a->f->size ||
	    g->mtime.tv_sec != a->f->mtime.tv_sec ||
	    g->mtime.tv_nsec != a->f->mtime.tv_nsec)
		return;
	if (attach_site_is_live(a->f->fd, l->point[0].file_at))
		a->found = g;
}

struct attach_file *attach_find_alias(struct attach_file *f)
{
	struct alias a = {.f = f};

	attach_each(f->owner, look_alias, &a);
	return a.found;
}

/* -- the canary --------------------------------------------------------- */

struct place {
	const struct attach_file *f;
	uint32_t pid;
	const struct attach_links *l;
	bool mapped, live;
};

static bool is_code_of(const struct proc_map *m, const struct place *p)
{
	char path[80];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%s", p->pid, m->range);
	return !stat(path, &st) && st.st_dev == p->f->dev &&
	       st.st_ino == p->f->ino;
}

static bool look_map(void *arg, const struct proc_map *m)
{
	struct place *p = arg;

	if (m->ino != p->f->ino || !is_code_of(m, p))
		return true;
	for (unsigned i = 0; i < p->l->n; i++) {
		uint64_t at = p->l->point[i].file_at;
		insn_t v;

		if (at < m->offset || at - m->offset >= m->end - m->start)
			continue;
		p->mapped = true;
		if (proc_peek(p->pid, m->start + (at - m->offset), &v,
			      sizeof(v)) &&
		    !is_breakpoint(v, read_file(p->f->fd, at)))
			p->live = false;
	}
	return true;
}

static bool are_live(const struct attach_file *f, const struct attach_links *l)
{
	struct place p = {.f = f, .l = l, .pid = l->pid, .live = true};

	if (l->pid) {
		proc_maps(l->pid, false, look_map, &p);
		return !p.mapped || p.live;
	}
	for (unsigned i = 0; i < l->n; i++)
		if (!attach_site_is_live(f->fd, l->point[i].file_at))
			return false;
	return true;
}

static bool was_changed(const struct attach_file *f)
{
	struct stat st;

	return !fstat(f->fd, &st) &&
	       (st.st_size != f->size || st.st_mtim.tv_sec != f->mtime.tv_sec ||
		st.st_mtim.tv_nsec != f->mtime.tv_nsec);
}

/* The places of the old code are nothing in the new one. */
static bool renew(struct attach_file *f, struct attach_links *l)
{
	bool may_return = l->may_return;
	uint32_t pid = l->pid;

	attach_links_del(f, l);
	return !attach_put(f, pid, may_return);
}

static void restat(struct attach_file *f)
{
	struct stat st;

	if (fstat(f->fd, &st))
		return;
	f->size = st.st_size;
	f->mtime = st.st_mtim;
	f->ctime = st.st_ctim;
}

struct pids {
	uint32_t pid[4096];
	bool may_return[4096];
	unsigned n;
};

/* First all goes, then all comes: a probe of the old code must not stay. */
static unsigned renew_all(struct attach_file *f)
{
	static struct pids p;
	unsigned done = 0;

	p.n = 0;
	while (f->links) {
		if (p.n < sizeof(p.pid) / sizeof(p.pid[0])) {
			p.pid[p.n] = f->links->pid;
			p.may_return[p.n++] = f->links->may_return;
		}
		attach_links_del(f, f->links);
	}
	restat(f);
	for (unsigned i = 0; i < p.n; i++)
		done += !attach_put(f, p.pid[i], p.may_return[i]);
	return done;
}

static void check(void *arg, struct attach_file *f)
{
	struct attach_links *l, *next;
	int *count = arg;

	if (was_changed(f)) {
		*count += (int)renew_all(f);
		return;
	}
	for (l = f->links; l; l = next) {
		next = l->next;
		if (!are_live(f, l) && renew(f, l))
			++*count;
	}
}

int attach_canary(struct attach *a)
{
	int n = 0;

	attach_each(a, check, &n);
	return n;
}
