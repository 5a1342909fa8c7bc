#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/attach_file.h"

#define BUCKETS (sizeof(((struct attach *)0)->bucket) / sizeof(void *))
#define TLS_KINDS_MASK (~(unsigned)OBJECT_LOADER)

int attach_new(struct loader *l, const struct offsets *user,
	       attach_told_fn *told, void *arg, struct attach **out)
{
	struct attach *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->loader = l;
	a->user = user;
	a->told = told;
	a->arg = arg;
	a->next_number = 1;
	*out = a;
	return 0;
}

static void file_del(struct attach_file *f)
{
	while (f->links)
		attach_links_del(f, f->links);
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

void attach_del(struct attach *a)
{
	struct attach_file *f;

	for (size_t i = 0; a && i < BUCKETS; i++)
		while ((f = a->bucket[i])) {
			a->bucket[i] = f->next;
			file_del(f);
		}
	free(a);
}

/* -- files ------------------------------------------------------------- */

static struct attach_file **bucket_of(struct attach *a, const struct stat *st)
{
	return &a->bucket[(st->st_ino ^ st->st_dev * 31) % BUCKETS];
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Whom nobody holds may be another one below the same number. */
static bool is_of(const struct attach_file *f, const struct stat *st)
{
	return f->dev == st->st_dev && f->ino == st->st_ino &&
	       (f->fd >= 0 ||
		(f->size == st->st_size && same_time(f->ctime, st->st_ctim)));
}

static void note_stat(struct attach_file *f, const struct stat *st)
{
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->size = st->st_size;
	f->mtime = st->st_mtim;
	f->ctime = st->st_ctim;
}

/* The one that is there; one that died below this number goes. */
static struct attach_file *find(struct attach *a, const struct stat *st)
{
	struct attach_file **at = bucket_of(a, st), *f;

	while ((f = *at)) {
		if (is_of(f, st))
			return f;
		if (f->fd < 0 && f->dev == st->st_dev && f->ino == st->st_ino) {
			*at = f->next;
			file_del(f);
			continue;
		}
		at = &f->next;
	}
	return NULL;
}

static void copy_text(char *dst, size_t cap, const char *src)
{
	size_t n = strnlen(src, cap - 1);

	memcpy(dst, src, n);
	dst[n] = 0;
}

/* A program without a loader that moves itself: DF_1_PIE, no PT_INTERP. */
static bool is_static_pie(const struct attach_file *f)
{
	Elf64_Ehdr e;
	Elf64_Phdr p = {0}, dyn = {0};
	Elf64_Dyn d;

	if (pread(f->fd, &e, sizeof(e), 0) != sizeof(e) || e.e_type != ET_DYN ||
	    e.e_phentsize != sizeof(p))
		return false;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		if (pread(f->fd, &p, sizeof(p),
			  (off_t)(e.e_phoff + i * sizeof(p))) != sizeof(p) ||
		    p.p_type == PT_INTERP)
			return false;
		if (p.p_type == PT_DYNAMIC)
			dyn = p;
	}
	for (uint64_t at = 0; at + sizeof(d) <= dyn.p_filesz; at += sizeof(d)) {
		if (pread(f->fd, &d, sizeof(d), (off_t)(dyn.p_offset + at)) !=
			    sizeof(d) ||
		    d.d_tag == DT_NULL)
			return false;
		if (d.d_tag == DT_FLAGS_1)
			return d.d_un.d_val & DF_1_PIE;
	}
	return false;
}

/* Who gave offsets knows the file; all else would be a guess there. */
static void refuse_static_pie(struct object *o)
{
	if (o->kinds & OBJECT_OFFSETS)
		return;
	o->kinds = o->npoints = 0;
	snprintf(o->note, sizeof(o->note),
		 "is a static-pie program: not probed without --offsets");
}

int attach_read(struct attach_file *f, bool may_return)
{
	struct object *o = &f->owner->object;
	char path[40];
	int err;

	memset(o, 0, sizeof(*o));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	err = object_read(path, may_return, f->owner->user, o);
	if (err == -ENOEXEC)
		err = 0; /* mapped code without an ELF head: a JIT's, a VM's */
	if (err)
		return err;
	if (o->npoints && is_static_pie(f))
		refuse_static_pie(o);
	f->kinds = o->npoints ? o->kinds : 0;
	copy_text(f->what, sizeof(f->what), o->what);
	copy_text(f->note, sizeof(f->note), o->note);
	return 0;
}

static int add(struct attach *a, const char *path, const char *name,
	       const struct stat *want, struct attach_file **out)
{
	struct attach_file *f = calloc(1, sizeof(*f)), **at;
	struct stat st;
	int err = f ? 0 : -ENOMEM;

	if (err)
		return err;
	f->owner = a;
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (f->fd < 0)
		err = -errno;
	else if (fstat(f->fd, &st))
		err = -errno;
	else if (st.st_dev != want->st_dev || st.st_ino != want->st_ino)
		err = -EAGAIN; /* exchanged in between: the next look */
	else
		err = attach_read(f, false);
	if (err) {
		file_del(f);
		return err;
	}
	note_stat(f, &st);
	copy_text(f->name, sizeof(f->name), name);
	if (!f->kinds) {
		close(f->fd);
		f->fd = -1;
	} else {
		f->number = a->next_number++;
	}
	at = bucket_of(a, &st);
	f->next = *at;
	*at = f;
	*out = f;
	return 0;
}

struct attach_file *attach_get(struct attach *a, const char *path,
			       const char *name, int *err, const char **note)
{
	struct attach_file *f;
	struct stat st;

	*err = 0;
	*note = "";
	if (stat(path, &st)) {
		*err = -errno;
		return NULL;
	}
	if (!S_ISREG(st.st_mode))
		return NULL;
	f = find(a, &st);
	if (!f)
		*err = add(a, path, name, &st, &f);
	if (*err)
		return NULL;
	f->marked = true;
	*note = f->note;
	return f->fd >= 0 ? f : NULL;
}

const char *attach_name(const struct attach_file *f)
{
	return f->name;
}

unsigned attach_kinds(const struct attach_file *f)
{
	return f->kinds;
}

const char *attach_what(const struct attach_file *f)
{
	return f->what;
}

bool attach_is_tls(const struct attach_file *f)
{
	return f->kinds & TLS_KINDS_MASK;
}

void attach_each(struct attach *a, void (*fn)(void *arg, struct attach_file *f),
		 void *arg)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct attach_file *f = a->bucket[i]; f; f = f->next)
			if (f->fd >= 0)
				fn(arg, f);
}

void attach_mark(struct attach_file *f)
{
	f->marked = true;
}

/* A file that has a name may be mapped again at any time. */
static bool is_gone(const struct attach_file *f)
{
	struct stat st;

	return f->fd < 0 || fstat(f->fd, &st) || !st.st_nlink;
}

static void forget_alias(struct attach *a, const struct attach_file *gone)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct attach_file *f = a->bucket[i]; f; f = f->next)
			if (f->alias == gone)
				f->alias = NULL;
}

void attach_sweep(struct attach *a)
{
	struct attach_file **at, *f;

	for (size_t i = 0; i < BUCKETS; i++)
		for (at = &a->bucket[i]; (f = *at);) {
			bool unused = !f->marked;

			f->marked = false;
			if (!unused || !is_gone(f)) {
				at = &f->next;
				continue;
			}
			*at = f->next;
			forget_alias(a, f);
			file_del(f);
		}
}
