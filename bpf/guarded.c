#include "bpf/guarded.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/slice.h"
#include "bpf/become.h"
#include "bpf/proc.h"
#include "guard/engine.h"
#include "guard/env.h"
#include "guard/program.h"
#include "guard/self.h"
#include "tools/cover.h"

#define VALUE_MAX 4096

bool guarded_is_preload(const char *path)
{
	const char *base = strrchr(path, '/');

	return base && !strncmp(base + 1, "libllmguard.so", 14);
}

static bool is_off(uint32_t pid)
{
	char v[16];

	return proc_env(pid, "LLMGUARD_DISABLE", v, sizeof(v)) && *v &&
	       strcmp(v, "0") != 0;
}

bool guarded_is_meant(uint32_t pid)
{
	char v[VALUE_MAX];

	return proc_env(pid, "LD_PRELOAD", v, sizeof(v)) &&
	       strstr(v, "libllmguard") && !is_off(pid);
}

/* -- is it let alone? Its own settings say so, read as its own user. ------ */

static void take_env(uint32_t pid)
{
	static const char *const names[] = {"HOME",
					    "XDG_CONFIG_HOME",
					    "XDG_STATE_HOME",
					    "LLMGUARD_CONFIG",
					    "LLMGUARD_REGION",
					    "LLMGUARD_STATE_DIR",
					    "LLMGUARD_FAIL",
					    "LLMGUARD_MAX_USD",
					    "LLMGUARD_UNDER_RUN",
					    "LLMGUARD_WARN_USD"};
	size_t n = sizeof(names) / sizeof(names[0]);
	char value[VALUE_MAX];
	bool has[16];
	char *kept[16];

	for (size_t i = 0; i < n; i++) {
		has[i] = proc_env(pid, names[i], value, sizeof(value));
		kept[i] = has[i] ? strdup(value) : NULL;
	}
	clearenv();
	for (size_t i = 0; i < n; i++)
		if (kept[i])
			setenv(names[i], kept[i], 1);
}

static void be_user(uint32_t uid)
{
	struct become_user u;

	if (geteuid() || !uid)
		return;
	become_user_init(&u, uid);
	if (setgroups((size_t)u.ngroups, u.groups) ||
	    setresgid(u.gid, u.gid, u.gid) || setresuid(uid, uid, uid))
		_exit(2);
}

static bool ask_settings(uint32_t pid, const struct proc *p)
{
	struct lg_self self = {.uid = p->uid};
	struct lg_engine *e;
	struct lg_world *w;
	struct lg_env env;
	bool alone;

	proc_exe(pid, self.exe, sizeof(self.exe));
	lg_slice_copy(lg_slice_str(p->comm), self.comm, sizeof(self.comm));
	take_env(pid);
	be_user(p->uid);
	lg_env_read(&env);
	if (lg_engine_open(&env, &e))
		return false;
	w = lg_engine_pin(e);
	alone = lg_program_is_let_alone(w, &self, lg_engine_state_dir(e));
	lg_engine_unpin(e, w);
	return alone;
}

/* In a child, so that neither its rights nor its environment stay. */
static bool is_let_alone(uint32_t pid)
{
	struct proc p;
	pid_t child;
	int st = 0;

	if (proc_get(pid, &p))
		return false;
	child = fork();
	if (child < 0)
		return false;
	if (!child)
		_exit(ask_settings(pid, &p) ? 1 : 0);
	while (waitpid(child, &st, 0) < 0)
		;
	return WIFEXITED(st) && WEXITSTATUS(st) == 1;
}

bool guarded_is_live(uint32_t pid)
{
	static struct cover c;
	char exe[64];

	if (is_off(pid))
		return false;
	/* what is linked in and not patched it does not reach */
	if (cover_guard()->preload[0] && !cover_pid((int)pid, &c) &&
	    c.verdict == COVER_NO)
		return false;
	if (is_let_alone(pid))
		return false;
	/* of who has ended meanwhile it cannot be known */
	return proc_exe(pid, exe, sizeof(exe)) != -ESRCH;
}

/* -- why not --------------------------------------------------------------
 */

static const char *copy_reason(const struct tls_copy *t)
{
	switch (t->kind) {
	case TLS_JSSE:
		return "Java has a TLS of its own (JSSE)";
	case TLS_NSS:
	case TLS_MBEDTLS:
	case TLS_WOLFSSL:
	case TLS_S2N:
	case TLS_RUSTLS:
		return "the tracer has no probes for this library";
	default:
		break;
	}
	return t->form == TLS_STRIPPED
		       ? "its functions have no names there (--offsets FILE "
			 "can tell where they are)"
		       : "none of its functions can be probed";
}

static bool keeps_out(const struct cover_cond *k)
{
	return !strcmp(k->id, "machine") || !strcmp(k->id, "bits32") ||
	       !strcmp(k->id, "damaged");
}

void guarded_why_not(uint32_t pid, char *out, size_t cap)
{
	static struct cover c;

	*out = 0;
	if (cover_pid((int)pid, &c))
		return;
	for (unsigned i = 0; i < c.nconds; i++)
		if (keeps_out(&c.cond[i])) {
			snprintf(out, cap, "%s", c.cond[i].text);
			return;
		}
	for (unsigned i = 0; i < c.ncopies && !*out; i++) {
		const struct tls_copy *t = &c.copy[i];

		snprintf(out, cap, "%s%s%s in %s: %s", tls_name(t->kind),
			 t->version[0] ? " " : "", t->version, t->path,
			 copy_reason(t));
	}
}
