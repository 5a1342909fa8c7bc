#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cover.h"
#include "libs.h"

#define TURNS_MAX 6 /* binfmt_script allows 4, and env stands between */

static int find_in_path(const char *command, char *out, size_t cap)
{
	const char *list = getenv("PATH");
	struct stat st;
	size_t n;

	if (strchr(command, '/'))
		return snprintf(out, cap, "%s", command) < (int)cap &&
				       !access(out, F_OK)
			       ? 0
			       : -ENOENT;
	for (list = list ? list : "/usr/bin:/bin"; *list;
	     list += n + (list[n] == ':')) {
		n = strcspn(list, ":");
		if (snprintf(out, cap, "%.*s/%s", n ? (int)n : 1,
			     n ? list : ".", command) < (int)cap &&
		    !stat(out, &st) && S_ISREG(st.st_mode) &&
		    !access(out, X_OK))
			return 0;
	}
	return -ENOENT;
}

static bool is_env(const char *path)
{
	const char *base = strrchr(path, '/');

	return !strcmp(base ? base + 1 : path, "env");
}

/* The words of a script's first line; n of them, at most 16. */
static int first_line(const char *path, char line[512], char *word[16])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), k = 0;
	ssize_t n = fd < 0 ? -1 : read(fd, line, 511);
	char *save = NULL, *w;

	if (fd >= 0)
		close(fd);
	if (n < 3 || line[0] != '#' || line[1] != '!')
		return 0;
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	for (w = strtok_r(line + 2, " \t", &save); w && k < 16;
	     w = strtok_r(NULL, " \t", &save))
		word[k++] = w;
	return k;
}

/* What env runs: behind its options and NAME=value. NULL: nothing. */
static const char *behind_env(int n, char **word)
{
	int i = 1;

	for (; i < n; i++) {
		if (!strcmp(word[i], "-u") || !strcmp(word[i], "-C"))
			i++;
		else if (word[i][0] != '-' && !strchr(word[i], '='))
			return word[i];
	}
	return NULL;
}

/* Follow #! and env to the program that the kernel would load. */
static int follow(int argc, char **argv, struct cover *c)
{
	char line[512], next[512], *word[16];
	const char *w;
	int err = find_in_path(argv[0], c->path, sizeof(c->path)), n, turn;

	if (!err && is_env(c->path) && (w = behind_env(argc, argv)))
		err = find_in_path(w, c->path, sizeof(c->path));
	for (turn = 0; !err && turn < TURNS_MAX; turn++) {
		n = first_line(c->path, line, word);
		if (!n)
			return 0;
		if (!c->script[0])
			memcpy(c->script, c->path, sizeof(c->script));
		w = is_env(word[0]) ? behind_env(n, word) : word[0];
		err = w ? find_in_path(w, next, sizeof(next)) : -ENOEXEC;
		if (!err)
			memcpy(c->path, next, sizeof(c->path));
	}
	return err ? err : -ELOOP;
}

/* What an interpreter loads when a script asks for TLS. */
static const struct {
	const char *prefix;
	const char *module; /* glob; NULL none */
	const char *id, *text;
} runtimes[] = {
	{"python", "/usr/lib/%s/lib-dynload/_ssl.*.so", NULL, NULL},
	{"python", "../lib/python3*/lib-dynload/_ssl.*.so", NULL, NULL},
	{"ruby", "/usr/lib/*-linux-gnu/ruby/*/openssl.so", NULL, NULL},
	{"perl", "/usr/lib/*-linux-gnu/perl5/*/auto/Net/SSLeay/SSLeay.so", NULL,
	 NULL},
	{"lua", "/usr/lib/*-linux-gnu/lua/*/ssl.so", NULL, NULL},
	{"php", NULL, "deepbind",
	 "loads its extensions with RTLD_DEEPBIND: what they write by libcurl "
	 "may pass unseen, its https:// streams are seen"},
	{"git", "/usr/lib/git-core/git-remote-https", NULL, NULL},
	{"bash", NULL, "shell", "is a shell: ask for each program it starts"},
	{"dash", NULL, "shell", "is a shell: ask for each program it starts"},
	{"sh", NULL, "shell", "is a shell: ask for each program it starts"},
	{"zsh", NULL, "shell", "is a shell: ask for each program it starts"},
	{"make", NULL, "shell", "starts programs: ask for each of them"},
};

/* Is it there for some other protocol of a library? HTTP is libcurl's. */
static bool is_indirect(const struct libs *l, const struct lib *lib)
{
	return lib->parent >= 0 &&
	       strncmp(l->lib[lib->parent].name, "libcurl", 7) != 0;
}

static void add_java(struct cover *c, const char *path)
{
	struct tls_copy *t = &c->copy[c->ncopies];

	if (c->ncopies == COVER_COPIES_MAX)
		return;
	memset(t, 0, sizeof(*t));
	t->kind = TLS_JSSE;
	t->form = TLS_RUNTIME;
	snprintf(t->path, sizeof(t->path), "%s", path);
	c->ncopies++;
}

static void add_library(struct cover *c, const struct libs *l,
			const struct lib *lib)
{
	unsigned n = c->ncopies;
	struct elf e;

	if (!strncmp(lib->name, "libjvm.so", 9) ||
	    !strncmp(lib->name, "libjli.so", 9))
		add_java(c, lib->path);
	if (elf_open(lib->path, &e))
		return;
	cover_add_copies(c, &e, lib->path, true);
	elf_close(&e);
	for (; n < c->ncopies; n++)
		c->copy[n].indirect = is_indirect(l, lib);
}

static void add_closure(struct cover *c, const char *path)
{
	static struct libs l;
	struct elf e;
	unsigned i;

	if (elf_open(path, &e))
		return;
	libs_find(&e, path, "", &l);
	elf_close(&e);
	for (i = 0; i < l.n; i++) {
		if (!l.lib[i].path[0] && !c->preloads)
			continue; /* another loader finds it elsewhere */
		if (!l.lib[i].path[0]) {
			cover_add_cond(c, "library_missing",
				       "Install the library: the program does "
				       "not start without it.",
				       "needs %s, which is not found",
				       l.lib[i].name);
			continue;
		}
		add_library(c, &l, &l.lib[i]);
	}
}

static void add_module(struct cover *c, const char *pattern, const char *base)
{
	char full[1200], dir[512], want[600];
	glob_t g;

	snprintf(want, sizeof(want), "%.500s", pattern);
	if (strstr(pattern, "%s"))
		snprintf(want, sizeof(want), "/usr/lib/%.64s%s", base,
			 strstr(pattern, "%s") + 2);
	snprintf(dir, sizeof(dir), "%s", c->path);
	if (strrchr(dir, '/'))
		*strrchr(dir, '/') = 0;
	snprintf(full, sizeof(full), "%s%s%s", want[0] == '/' ? "" : dir,
		 want[0] == '/' ? "" : "/", want);
	if (glob(full, 0, NULL, &g))
		return;
	add_closure(c, g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
}

static void look_runtime(struct cover *c, const char *path)
{
	const char *base = strrchr(path, '/');
	size_t i, n;

	base = base ? base + 1 : path;
	for (i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
		n = strlen(runtimes[i].prefix);
		if (strncmp(base, runtimes[i].prefix, n) ||
		    (base[n] >= 'a' && base[n] <= 'z'))
			continue;
		if (runtimes[i].module && !c->ncopies)
			add_module(c, runtimes[i].module, base);
		else if (runtimes[i].id)
			cover_add_cond(c, runtimes[i].id, "", "%s",
				       runtimes[i].text);
	}
}

static const char *own_env(const char *name, void *arg)
{
	const char *v = getenv(name);

	(void)arg;
	/* `llmguard run` puts ours before what stands there */
	return v;
}

int cover_command(int argc, char **argv, struct cover *c)
{
	char real[PATH_MAX];
	struct elf e;
	int err;

	memset(c, 0, sizeof(*c));
	err = follow(argc, argv, c);
	if (err)
		return err;
	if (!realpath(c->path, real) || strlen(real) >= 512)
		snprintf(real, sizeof(real), "%.511s", c->path);
	err = elf_open(real, &e);
	if (err)
		return err;
	cover_look_file(c, &e, real);
	cover_look_env(c, own_env, NULL);
	if (e.same_machine)
		cover_add_copies(c, &e, real, false);
	elf_close(&e);
	add_closure(c, real);
	look_runtime(c, real);
	cover_judge(c);
	return 0;
}
