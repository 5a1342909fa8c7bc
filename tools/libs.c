#include "libs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *prefix;
	enum tls kind;
} known[] = {
	{"libssl.so", TLS_OPENSSL},	 {"libssl3.so", TLS_NSS},
	{"libnss3.so", TLS_NSS},	 {"libgnutls.so", TLS_GNUTLS},
	{"libmbedtls.so", TLS_MBEDTLS},	 {"libwolfssl.so", TLS_WOLFSSL},
	{"libboringssl", TLS_BORINGSSL},
};

static const char *const names[] = {"OpenSSL", "GnuTLS",  "NSS",
				    "mbedTLS", "wolfSSL", "BoringSSL"};

static const char *const dirs[] = {
#if defined(__x86_64__)
	"/lib/x86_64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
	"/lib/aarch64-linux-gnu",
	"/usr/lib/aarch64-linux-gnu",
#endif
	"/lib64",
	"/usr/lib64",
	"/usr/local/lib",
	"/lib",
	"/usr/lib",
};

const char *tls_name(enum tls t)
{
	return t < TLS_KINDS ? names[t] : "none";
}

enum tls tls_of(const char *name)
{
	const char *base = strrchr(name, '/');
	size_t i;

	base = base ? base + 1 : name;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strncmp(base, known[i].prefix, strlen(known[i].prefix)))
			return known[i].kind;
	return TLS_KINDS;
}

static bool in_dir(const char *dir, size_t n, const char *origin,
		   const char *name, char *out, size_t cap)
{
	static const char var[] = "$ORIGIN";
	int len;

	if (n >= 7 && !strncmp(dir, var, 7))
		len = snprintf(out, cap, "%s%.*s/%s", origin, (int)n - 7,
			       dir + 7, name);
	else
		len = snprintf(out, cap, "%.*s/%s", (int)n, dir, name);
	return len > 0 && (size_t)len < cap && !access(out, R_OK);
}

static bool in_path(const char *list, const char *origin, const char *name,
		    char *out, size_t cap)
{
	size_t n;

	for (; list && *list; list += n + (list[n] == ':')) {
		n = strcspn(list, ":");
		if (n && in_dir(list, n, origin, name, out, cap))
			return true;
	}
	return false;
}

/* The folders that /etc/ld.so.conf.d names. */
static bool in_conf(const char *name, char *out, size_t cap)
{
	DIR *d = opendir("/etc/ld.so.conf.d");
	struct dirent *entry;
	char path[512], line[256];
	bool found = false;
	FILE *f;

	while (d && !found && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "/etc/ld.so.conf.d/%s",
			 entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		while (f && !found && fgets(line, sizeof(line), f)) {
			line[strcspn(line, " \t\n#")] = 0;
			found = line[0] == '/' &&
				in_dir(line, strlen(line), "", name, out, cap);
		}
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return found;
}

static bool locate(const char *name, const char *runpath, const char *origin,
		   char *out, size_t cap)
{
	size_t i;

	if (strchr(name, '/'))
		return snprintf(out, cap, "%s", name) < (int)cap &&
		       !access(out, R_OK);
	if (in_path(runpath, origin, name, out, cap) ||
	    in_path(getenv("LD_LIBRARY_PATH"), origin, name, out, cap))
		return true;
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (in_dir(dirs[i], strlen(dirs[i]), "", name, out, cap))
			return true;
	return in_conf(name, out, cap);
}

static bool first_time(struct libs *l, const char *name)
{
	unsigned i;

	for (i = 0; i < l->seen; i++)
		if (!strncmp(l->names[i], name, sizeof(l->names[i]) - 1))
			return false;
	if (l->seen == sizeof(l->names) / sizeof(l->names[0]))
		return false;
	snprintf(l->names[l->seen++], sizeof(l->names[0]), "%s", name);
	return true;
}

static void find(const struct elf *e, const char *path, struct libs *out,
		 int depth)
{
	char origin[512], where[512];
	enum tls kind;
	struct elf lib;
	char *slash;
	unsigned i;

	snprintf(origin, sizeof(origin), "%s", path);
	slash = strrchr(origin, '/');
	if (slash)
		*slash = 0;
	for (i = 0; i < e->nneeded; i++) {
		if (!first_time(out, e->needed[i]))
			continue;
		if (!locate(e->needed[i], e->runpath, origin, where,
			    sizeof(where)))
			strcpy(where, "");
		kind = tls_of(e->needed[i]);
		if (kind < TLS_KINDS && !out->has[kind]) {
			out->has[kind] = true;
			snprintf(out->path[kind], sizeof(out->path[kind]), "%s",
				 *where ? where : e->needed[i]);
		}
		if (!*where || depth > 12 || elf_open(where, &lib))
			continue;
		find(&lib, where, out, depth + 1);
		elf_close(&lib);
	}
}

void libs_find(const struct elf *e, const char *path, struct libs *out)
{
	memset(out, 0, sizeof(*out));
	find(e, path, out, 0);
}
