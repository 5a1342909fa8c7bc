#include "libs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ldcache.h"

#define PATH_CAP 400

#if defined(__x86_64__)
#define TRIPLET "x86_64-linux-gnu"
#define PLATFORM "x86_64"
#elif defined(__aarch64__)
#define TRIPLET "aarch64-linux-gnu"
#define PLATFORM "aarch64"
#else
#define TRIPLET "none"
#define PLATFORM "none"
#endif

static const char *const dirs[] = {
	"/lib/" TRIPLET, "/usr/lib/" TRIPLET, "/lib64", "/usr/lib64",
	"/lib",		 "/usr/lib",
};

struct finder {
	const struct elf *program;
	const char *root;
	char origin[PATH_CAP]; /* of the program */
	struct libs *out;
};

static void folder_of(const char *path, char out[PATH_CAP])
{
	char *slash;

	snprintf(out, PATH_CAP, "%s", path);
	slash = strrchr(out, '/');
	if (slash)
		*slash = 0;
}

/* $ORIGIN, $LIB and $PLATFORM, with or without braces. */
static const char *token(const char **s, const char *origin)
{
	static const struct {
		const char *name;
		const char *value; /* NULL: the origin */
	} tokens[] = {
		{"$ORIGIN", NULL},	  {"${ORIGIN}", NULL},
		{"$LIB", "lib/" TRIPLET}, {"${LIB}", "lib/" TRIPLET},
		{"$PLATFORM", PLATFORM},  {"${PLATFORM}", PLATFORM},
	};
	size_t n;

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		n = strlen(tokens[i].name);
		if (strncmp(*s, tokens[i].name, n))
			continue;
		*s += n;
		return tokens[i].value ? tokens[i].value : origin;
	}
	return NULL;
}

/* The folder [dir, dir + n) with its tokens replaced. */
static bool expand(const char *dir, size_t n, const char *origin,
		   char out[PATH_CAP])
{
	const char *end = dir + n, *v;
	size_t at = 0;

	while (dir < end && at + 1 < PATH_CAP) {
		v = *dir == '$' ? token(&dir, origin) : NULL;
		if (!v) {
			out[at++] = *dir++;
			continue;
		}
		if (strlen(v) + at + 1 >= PATH_CAP)
			return false;
		at += (size_t)snprintf(out + at, PATH_CAP - at, "%s", v);
	}
	out[at] = 0;
	return dir == end;
}

/* The loader passes over files of another machine. */
static bool is_usable(const struct finder *f, const char *path)
{
	char full[PATH_CAP * 2];
	struct elf e;
	bool yes;

	snprintf(full, sizeof(full), "%s%s", f->root, path);
	if (access(full, R_OK) || elf_open(full, &e))
		return false;
	yes = e.same_machine == f->program->same_machine;
	elf_close(&e);
	return yes;
}

static bool in_dir(const struct finder *f, const char *dir, const char *name,
		   char out[PATH_CAP])
{
	return snprintf(out, PATH_CAP, "%s/%s", dir, name) < PATH_CAP &&
	       is_usable(f, out);
}

static bool in_list(const struct finder *f, const char *list,
		    const char *origin, const char *name, char out[PATH_CAP])
{
	char dir[PATH_CAP];
	size_t n;

	for (; list && *list; list += n + (list[n] == ':')) {
		n = strcspn(list, ":");
		if (n && expand(list, n, origin, dir) &&
		    in_dir(f, dir, name, out))
			return true;
	}
	return false;
}

/* ld.so(8): DT_RPATH of whoever asks and of those who asked for it. */
static bool in_rpaths(const struct finder *f, int who, const char *name,
		      char out[PATH_CAP])
{
	char origin[PATH_CAP];

	for (; who >= 0; who = f->out->lib[who].parent) {
		const struct lib *l = &f->out->lib[who];

		if (l->has_runpath)
			continue;
		folder_of(l->path, origin);
		if (in_list(f, l->rpath, origin, name, out))
			return true;
	}
	return !f->program->runpath &&
	       in_list(f, f->program->rpath, f->origin, name, out);
}

static bool locate(const struct finder *f, const struct elf *e, int who,
		   const char *name, char out[PATH_CAP])
{
	char origin[PATH_CAP], dir[PATH_CAP];

	if (strchr(name, '/'))
		return snprintf(out, PATH_CAP, "%s", name) < PATH_CAP &&
		       is_usable(f, out);
	folder_of(who < 0 ? "" : f->out->lib[who].path, origin);
	if (who < 0)
		memcpy(origin, f->origin, sizeof(origin));
	if (!e->runpath && in_rpaths(f, who, name, out))
		return true;
	if (in_list(f, getenv("LD_LIBRARY_PATH"), f->origin, name, out) ||
	    in_list(f, e->runpath, origin, name, out))
		return true;
	if (!f->root[0] && ldcache_find(name, dir, sizeof(dir)) &&
	    is_usable(f, dir))
		return snprintf(out, PATH_CAP, "%s", dir) < PATH_CAP;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (in_dir(f, dirs[i], name, out))
			return true;
	return false;
}

static bool is_new(const struct libs *l, const char *name)
{
	for (unsigned i = 0; i < l->n; i++)
		if (!strcmp(l->lib[i].name, name))
			return false;
	return l->n < LIBS_MAX;
}

static void add_needed(const struct finder *f, const struct elf *e, int who)
{
	for (unsigned i = 0; i < e->nneeded; i++) {
		struct lib *l = &f->out->lib[f->out->n];

		if (strlen(e->needed[i]) >= sizeof(l->name) ||
		    !is_new(f->out, e->needed[i]))
			continue;
		memset(l, 0, sizeof(*l));
		strcpy(l->name, e->needed[i]);
		l->parent = who;
		if (!locate(f, e, who, l->name, l->path))
			l->path[0] = 0;
		f->out->n++;
	}
}

void libs_find(const struct elf *e, const char *path, const char *root,
	       struct libs *out)
{
	struct finder f = {.program = e, .root = root, .out = out};
	char full[PATH_CAP * 2];
	struct elf lib;
	unsigned i;

	out->n = 0;
	folder_of(path, f.origin);
	add_needed(&f, e, -1);
	/* breadth first, as the loader */
	for (i = 0; i < out->n; i++) {
		struct lib *l = &out->lib[i];

		snprintf(full, sizeof(full), "%s%s", root, l->path);
		if (!l->path[0] || elf_open(full, &lib))
			continue;
		l->has_runpath = lib.runpath;
		snprintf(l->rpath, sizeof(l->rpath), "%s",
			 lib.rpath ? lib.rpath : "");
		add_needed(&f, &lib, (int)i);
		elf_close(&lib);
	}
}
