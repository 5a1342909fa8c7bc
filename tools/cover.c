#include "cover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "elffile.h"
#include "libs.h"

#define PRELOAD "libllmguard.so"

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
		if (snprintf(out, cap, "%.*s/%s", (int)n, list, command) <
			    (int)cap &&
		    !stat(out, &st) && S_ISREG(st.st_mode) &&
		    !access(out, X_OK))
			return 0;
	}
	return -ENOENT;
}

/* The interpreter of a script's first line; also behind env. */
static bool interpreter(const char *path, char *out, size_t cap)
{
	char line[512], *word, *save = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	const char *base;

	if (fd >= 0)
		close(fd);
	if (n < 3 || line[0] != '#' || line[1] != '!')
		return false;
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	word = strtok_r(line + 2, " \t", &save);
	if (!word)
		return false;
	base = strrchr(word, '/');
	if (base && !strcmp(base, "/env"))
		while ((word = strtok_r(NULL, " \t", &save)) &&
		       (*word == '-' || strchr(word, '=')))
			;
	return word && !find_in_path(word, out, cap);
}

static void no(struct cover *c, const char *tls, const char *why)
{
	c->verdict = COVER_NO;
	snprintf(c->tls, sizeof(c->tls), "%s", tls);
	snprintf(c->why, sizeof(c->why), "%s %s", c->path, why);
}

/* The loader drops LD_PRELOAD where the program has more rights. */
static bool is_privileged(const char *path)
{
	struct stat st;

	if (!stat(path, &st) &&
	    ((st.st_mode & S_ISUID && st.st_uid != geteuid()) ||
	     (st.st_mode & S_ISGID && st.st_mode & S_IXGRP &&
	      st.st_gid != getegid())))
		return true;
	return geteuid() && getxattr(path, "security.capability", NULL, 0) > 0;
}

static void judge_libs(struct cover *c, const struct elf *e)
{
	static struct libs l;
	char why[64];
	unsigned i;

	libs_find(e, c->path, &l);
	if (l.has[TLS_OPENSSL]) {
		c->verdict = COVER_YES;
		strcpy(c->tls, "OpenSSL");
		snprintf(c->library, sizeof(c->library), "%s",
			 l.path[TLS_OPENSSL]);
		snprintf(c->why, sizeof(c->why), "%s uses %s", c->path,
			 c->library);
		return;
	}
	for (i = 0; i < TLS_KINDS; i++) {
		if (!l.has[i])
			continue;
		snprintf(c->library, sizeof(c->library), "%s", l.path[i]);
		snprintf(why, sizeof(why), "uses %s; only OpenSSL is covered",
			 tls_name((enum tls)i));
		no(c, tls_name((enum tls)i), why);
		return;
	}
	c->verdict = COVER_MAYBE;
	snprintf(c->why, sizeof(c->why),
		 "%s loads no TLS library at its start; a libssl.so that it "
		 "loads later is covered",
		 c->path);
}

/* What the name alone tells of a program that shows no TLS library. */
static const struct {
	const char *prefix;
	enum cover_verdict verdict;
	const char *tls, *why;
} by_name[] = {
	{"python", COVER_MAYBE, "OpenSSL, by its ssl module", NULL},
	{"pypy", COVER_MAYBE, "OpenSSL, by its ssl module", NULL},
	{"ruby", COVER_MAYBE, "OpenSSL, by its openssl library", NULL},
	{"perl", COVER_MAYBE, "OpenSSL, by Net::SSLeay", NULL},
	{"php", COVER_MAYBE, "OpenSSL, by its extension", NULL},
	{"java", COVER_NO, "Java's own TLS", "has a TLS of its own (JSSE)"},
	{"bash", COVER_MAYBE, "", "is a shell: ask for each program it starts"},
	{"dash", COVER_MAYBE, "", "is a shell: ask for each program it starts"},
	{"sh", COVER_MAYBE, "", "is a shell: ask for each program it starts"},
	{"zsh", COVER_MAYBE, "", "is a shell: ask for each program it starts"},
};

static void judge_name(struct cover *c)
{
	const char *base = strrchr(c->path, '/');
	size_t i, n;

	base = base ? base + 1 : c->path;
	for (i = 0; i < sizeof(by_name) / sizeof(by_name[0]); i++) {
		n = strlen(by_name[i].prefix);
		if (strncmp(base, by_name[i].prefix, n) ||
		    (base[n] >= 'a' && base[n] <= 'z'))
			continue;
		c->verdict = by_name[i].verdict;
		snprintf(c->tls, sizeof(c->tls), "%s", by_name[i].tls);
		if (by_name[i].why)
			snprintf(c->why, sizeof(c->why), "%s %s", c->path,
				 by_name[i].why);
		return;
	}
}

static void judge(struct cover *c, const struct elf *e)
{
	if (!e->same_machine)
		no(c, "", "is built for another machine than libllmguard.so");
	else if (e->has_go)
		no(c, "Go's own TLS", "is a Go program with its own TLS");
	else if (!e->interp)
		no(c, "", "is statically linked: nothing can be preloaded");
	else if (strstr(e->interp, "ld-musl"))
		no(c, "", "is built for musl; libllmguard.so is for glibc");
	else if (is_privileged(c->path))
		no(c, "",
		   "is setuid, setgid or has capabilities: the loader "
		   "ignores LD_PRELOAD");
	else if (e->defines_ssl)
		no(c, "its own OpenSSL",
		   "has OpenSSL linked into itself; its calls cannot be seen");
	else
		judge_libs(c, e);
	if (c->verdict != COVER_MAYBE)
		return;
	if (elf_mentions(e, "rustls") && !e->imports_ssl)
		no(c, "rustls", "seems to have rustls in itself");
	else if (elf_mentions(e, "BoringSSL"))
		no(c, "BoringSSL", "seems to have BoringSSL in itself");
	else if (elf_mentions(e, "OpenSSL 3.") ||
		 elf_mentions(e, "OpenSSL 1.1"))
		no(c, "its own OpenSSL", "seems to have OpenSSL in itself");
	else
		judge_name(c);
}

static void judge_environment(struct cover *c, const char *disable)
{
	if (c->verdict == COVER_NO || !disable || !*disable ||
	    !strcmp(disable, "0"))
		return;
	c->verdict = COVER_NO;
	snprintf(c->why, sizeof(c->why), "LLMGUARD_DISABLE is set");
}

static int judge_file(struct cover *c)
{
	struct elf e;
	int err = elf_open(c->path, &e);

	if (err)
		return err;
	judge(c, &e);
	elf_close(&e);
	return 0;
}

int cover_command(const char *command, struct cover *c)
{
	char next[512];
	int err, turn;

	memset(c, 0, sizeof(*c));
	err = find_in_path(command, c->path, sizeof(c->path));
	for (turn = 0; !err && turn < 4; turn++) {
		if (!interpreter(c->path, next, sizeof(next)))
			break;
		if (!turn)
			memcpy(c->script, c->path, sizeof(c->script));
		memcpy(c->path, next, sizeof(c->path));
	}
	if (!err)
		err = judge_file(c);
	if (!err)
		judge_environment(c, getenv("LLMGUARD_DISABLE"));
	return err;
}

/* What of /proc/PID/maps matters: our library, and TLS libraries. */
static int read_maps(int pid, struct cover *c, struct libs *l)
{
	char path[64], line[1024], *file;
	enum tls kind;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		file = strchr(line, '/');
		if (!file)
			continue;
		if (strstr(file, PRELOAD))
			c->guarded = true;
		kind = tls_of(file);
		if (kind < TLS_KINDS && !l->has[kind]) {
			l->has[kind] = true;
			snprintf(l->path[kind], sizeof(l->path[kind]), "%.255s",
				 file);
		}
	}
	fclose(f);
	return 0;
}

/* LLMGUARD_DISABLE as the program started with it. */
static void read_environ(int pid, char *out, size_t cap)
{
	static const char key[] = "LLMGUARD_DISABLE=";
	static char buf[1 << 17];
	char path[64], *p;
	ssize_t n;
	int fd;

	*out = 0;
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
	for (p = buf; n > 0 && p < buf + n; p += strlen(p) + 1)
		if (!strncmp(p, key, sizeof(key) - 1))
			snprintf(out, cap, "%s", p + sizeof(key) - 1);
}

static void judge_running(struct cover *c, const struct libs *l)
{
	if (!c->guarded) {
		c->verdict = COVER_NO;
		snprintf(c->why, sizeof(c->why),
			 "%s runs without " PRELOAD
			 ": start it with `llmguard run`",
			 c->path);
		return;
	}
	if (l->has[TLS_OPENSSL] && c->verdict != COVER_NO) {
		c->verdict = COVER_YES;
		strcpy(c->tls, "OpenSSL");
		snprintf(c->library, sizeof(c->library), "%s",
			 l->path[TLS_OPENSSL]);
		snprintf(c->why, sizeof(c->why),
			 "%s has loaded %s and " PRELOAD, c->path, c->library);
	}
}

int cover_pid(int pid, struct cover *c)
{
	static struct libs l;
	char link[64], disable[32];
	ssize_t n;
	int err;

	memset(c, 0, sizeof(*c));
	memset(&l, 0, sizeof(l));
	c->is_pid = true;
	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, c->path, sizeof(c->path) - 1);
	if (n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = read_maps(pid, c, &l);
	if (err)
		return err;
	if (judge_file(c))
		c->verdict = COVER_MAYBE;
	judge_running(c, &l);
	read_environ(pid, disable, sizeof(disable));
	judge_environment(c, disable);
	return 0;
}
