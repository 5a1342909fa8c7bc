#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cover.h"

/* What keeps the preload out comes first: cond[0] is the reason. */

static void look_interp(struct cover *c, const struct elf *e)
{
	c->preloads = false;
	if (!e->interp && e->dynamic && e->nneeded == 0)
		cover_add_cond(
			c, "static",
			"Install a dynamically linked build of it, or set a "
			"spending limit at the provider.",
			"is statically linked (static-pie): no loader, "
			"nothing can be preloaded");
	else if (!e->interp)
		cover_add_cond(
			c, "static",
			"Install a dynamically linked build of it, or set a "
			"spending limit at the provider.",
			"is statically linked: nothing can be preloaded");
	else if (strstr(e->interp, "ld-musl"))
		cover_add_cond(
			c, "musl",
			"Use the build for glibc, or set a spending limit at "
			"the provider.",
			"is built for musl (%s); libllmguard.so is for glibc",
			e->interp);
	else
		c->preloads = true;
}

static bool has_capabilities(const char *file)
{
	return getxattr(file, "security.capability", NULL, 0) > 0;
}

/* The loader drops LD_PRELOAD where the program has more rights. */
static void look_rights(struct cover *c, const char *file)
{
	static const char remedy[] =
		"Run it as the user whose rights it takes (root: `sudo "
		"llmguard run ...`), so that nothing is gained.";
	struct stat st;
	const char *what = NULL;

	if (c->is_pid || stat(file, &st))
		return;
	if (st.st_mode & S_ISUID && st.st_uid != geteuid())
		what = "setuid";
	else if (st.st_mode & S_ISGID && st.st_mode & S_IXGRP &&
		 st.st_gid != getegid())
		what = "setgid";
	else if (geteuid() && has_capabilities(file))
		what = "capabilities";
	if (!what)
		return;
	cover_add_cond(c, what, remedy,
		       "%s: the loader ignores LD_PRELOAD there",
		       !strcmp(what, "capabilities") ? "has file capabilities"
		       : !strcmp(what, "setuid")     ? "is setuid"
						     : "is setgid");
	c->preloads = false;
}

static void look_libc(struct cover *c, const struct elf *e)
{
	for (unsigned i = 0; i < e->nneeded; i++)
		if (!strncmp(e->needed[i], "libc.so", 7))
			return;
	/* a libc may come by another library; a program that needs none... */
	if (e->nneeded)
		return;
	cover_add_cond(c, "libc_free", "",
		       "needs no libc of its own: the loader brings one along "
		       "with libllmguard.so");
}

void cover_look_file(struct cover *c, const struct elf *e, const char *file)
{
	c->preloads = true;
	if (!e->same_machine) {
		c->preloads = false;
		cover_add_cond(
			c, e->bits == 32 ? "bits32" : "machine",
			"Install the build for this machine, or set a "
			"spending limit at the provider.",
			"is built for %s (%u bits), another machine than "
			"libllmguard.so",
			elf_machine_name(e), e->bits);
		return;
	}
	if (e->damaged)
		cover_add_cond(c, "damaged", "",
			       "is damaged: something in it points out of it");
	look_interp(c, e);
	if (!c->preloads)
		return;
	look_rights(c, file);
	look_libc(c, e);
}

static bool is_on(const char *v)
{
	return v && *v && strcmp(v, "0");
}

/* Others beside us; NULL when there are none. */
static const char *other_preloads(const char *list)
{
	static char out[200];
	size_t n, at = 0;

	out[0] = 0;
	for (; *list; list += n + (list[n] != 0)) {
		n = strcspn(list, ": ");
		if (!n || memmem(list, n, "libllmguard.so", 14))
			continue;
		if (at + n + 2 >= sizeof(out))
			break;
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s",
				       at ? " " : "", (int)n, list);
	}
	return at ? out : NULL;
}

static void look_preload(struct cover *c, const char *list)
{
	const char *other = list ? other_preloads(list) : NULL;

	if (c->is_pid && !c->guarded && list && strstr(list, "libllmguard.so"))
		cover_add_cond(
			c, "preload_refused",
			"Look at the first lines of its stderr: the loader "
			"says there why it left the library out.",
			"started with libllmguard.so in LD_PRELOAD, and it is "
			"not mapped");
	else if (c->is_pid && !c->guarded)
		cover_add_cond(c, "preload_missing",
			       "Start it with `llmguard run`.",
			       "runs without libllmguard.so%s%s",
			       list && *list ? "; its LD_PRELOAD is " : "",
			       list && *list ? list : "");
	if (other)
		cover_add_cond(c, "preload_other", "",
			       "has other preloads beside libllmguard.so: %s",
			       other);
}

void cover_look_env(struct cover *c,
		    const char *(*get)(const char *name, void *arg), void *arg)
{
	const char *v = get("LLMGUARD_PATCH", arg);

	c->patch_off = v && (!strcmp(v, "off") || !strcmp(v, "0"));
	if (c->is_pid && !c->guarded && is_on(get("LLMGUARD_UNDER_RUN", arg)) &&
	    !(get("LD_PRELOAD", arg) &&
	      strstr(get("LD_PRELOAD", arg), "libllmguard.so")))
		cover_add_cond(
			c, "preload_cleared",
			"Find which parent clears or overwrites LD_PRELOAD "
			"(sudo, su, env -i, a wrapper script) and start it "
			"with `llmguard run` behind that.",
			"belongs to a guarded run, but its LD_PRELOAD was "
			"cleared or overwritten on the way");
	else
		look_preload(c, get("LD_PRELOAD", arg));
	if (is_on(get("LLMGUARD_DISABLE", arg))) {
		c->disabled = true;
		cover_add_cond(c, "disabled", "Unset LLMGUARD_DISABLE.",
			       "LLMGUARD_DISABLE is set");
	}
	if (is_on(get("LLMGUARD_IGNORE_BUDGET", arg)))
		cover_add_cond(c, "ignore_budget",
			       "Unset LLMGUARD_IGNORE_BUDGET.",
			       "LLMGUARD_IGNORE_BUDGET is set: calls are "
			       "recorded, none is blocked");
	if (c->patch_off)
		cover_add_cond(c, "patch_off", "",
			       "LLMGUARD_PATCH is off: functions that are "
			       "linked in are not patched");
}
