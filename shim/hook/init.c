#include "hook/init.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "hook/conn.h"
#include "hook/gnutls.h"
#include "hook/dark.h"
#include "hook/hook.h"
#include "hook/plain.h"
#include "hook/resolve.h"
#include "hook/patched.h"
#include "hook/nss.h"
#include "hook/sandbox.h"

#define RUN_ID_NAME "LLMGUARD_RUN_ID="
#define ENV_MAX 1024
#define RANDOM_LEN 8

extern char **environ;
extern void *__dso_handle;
int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *);
#pragma weak __register_atfork

/* No getenv, no setenv: bash brings its own, which are not ready yet. */
static const char *env_get(const char *name)
{
	size_t len = strlen(name);
	char **e;

	for (e = environ; e && *e; e++)
		if (!strncmp(*e, name, len) && (*e)[len] == '=')
			return *e + len + 1;
	return NULL;
}

static bool is_set(const char *name)
{
	const char *v = env_get(name);

	return v && *v;
}

static bool wants_run_id(void)
{
	static const char *const name[] = {
		"LLMGUARD_MAX_USD",
		"LLMGUARD_WARN_USD",
		"LLMGUARD_MAX_TRAIN_USD",
		"LLMGUARD_MAX_INFER_USD",
	};
	unsigned i;

	if (is_set("LLMGUARD_RUN_ID"))
		return false;
	for (i = 0; i < sizeof(name) / sizeof(*name); i++)
		if (is_set(name[i]))
			return true;
	return false;
}

/* Did somebody name a guard to this program? */
static bool is_told(void)
{
	static const char *const name[] = {
		"LLMGUARD_CONFIG",
		"LLMGUARD_UNDER_RUN",
		"LLMGUARD_STATE_DIR",
		"LLMGUARD_REGION",
	};
	unsigned i;

	for (i = 0; i < sizeof(name) / sizeof(*name); i++)
		if (is_set(name[i]))
			return true;
	return false;
}

static char *put_hex(char *p, uint64_t v, char end)
{
	char digits[16];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	while (n)
		*p++ = digits[--n];
	*p++ = end;
	return p;
}

/* Start time, pid, random: one run, on whichever boot and in whichever box. */
static void make_run_id(char *p)
{
	uint64_t random = 0;
	char *q = p + sizeof(RUN_ID_NAME) - 1;

	if (syscall(SYS_getrandom, &random, sizeof(random), 1) !=
	    sizeof(random))
		random = (uint64_t)lg_clock_boot_ns() ^ (uintptr_t)&random;
	memcpy(p, RUN_ID_NAME, sizeof(RUN_ID_NAME) - 1);
	q = put_hex(q, (uint64_t)lg_clock_real_ms(), '-');
	q = put_hex(q, (uint64_t)getpid(), '-');
	put_hex(q, random, '\0');
}

/*
 * libc's own setenv copies an environment that is not on its heap, so an
 * array of ours is as good as the one that the kernel made.
 */
static void put_run_id(void)
{
	static char text[96];
	static char *small[ENV_MAX];
	char **env = small, **e;
	size_t n = 0, at = 0;

	for (e = environ; e && *e; e++)
		n++;
	if (n + 2 > ENV_MAX)
		env = lg_mem_alloc((n + 2) * sizeof(*env));
	if (!env)
		return;
	make_run_id(text);
	for (e = environ; e && *e; e++)
		if (strncmp(*e, RUN_ID_NAME, sizeof(RUN_ID_NAME) - 1))
			env[at++] = *e;
	env[at++] = text;
	env[at] = NULL;
	environ = env;
}

static void after_fork(void)
{
	lg_tls_after_fork();
	lg_library_after_fork(&lg_gnutls_library);
	lg_library_after_fork(&lg_nspr_library);
	lg_library_after_fork(&lg_nss_library);
	lg_sandbox_after_fork();
	lg_plain_after_fork();
	lg_conn_after_fork();
	lg_dark_after_fork();
}

static bool is_disabled(void)
{
	const char *v = env_get("LLMGUARD_DISABLE");

	return (v && *v && strcmp(v, "0") != 0) || getauxval(AT_SECURE);
}

void lg_hook_init(void)
{
	lg_hook_bind_libc();
	lg_hook_bind_net();
	lg_sandbox_bind();
	if (is_disabled() || !lg_can_resolve())
		return;
	if (wants_run_id())
		put_run_id();
	if (__register_atfork)
		(void)__register_atfork(NULL, NULL, after_fork, &__dso_handle);
	lg_hook_is_told = is_told();
	lg_hook_is_on = true;
	lg_patched_init(env_get("LLMGUARD_PATCH"));
	lg_patched_program();
}

__attribute__((constructor)) static void construct(void)
{
	lg_hook_init();
}

__attribute__((destructor)) static void end(void)
{
	lg_dark_finish();
}
