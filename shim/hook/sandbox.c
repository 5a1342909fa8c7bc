#include "hook/sandbox.h"

#include <errno.h>
#include <stdbool.h>
#include <linux/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "guard/engine.h"
#include "hook/conn.h"
#include "hook/hook.h"
#include "hook/resolve.h"

static int (*next_prctl)(int, unsigned long, unsigned long, unsigned long,
			 unsigned long);
static int (*next_chroot)(const char *);
static pid_t self;

void lg_sandbox_bind(void)
{
	next_prctl = lg_next_symbol("prctl");
	next_chroot = lg_next_symbol("chroot");
	self = getpid();
}

void lg_sandbox_after_fork(void)
{
	self = getpid();
}

/* A vfork'ed child shares our memory: what it does to itself is not ours. */
static void enter(void)
{
	int err = errno;

	if (lg_hook_is_on && getpid() == self)
		lg_engine_enter_sandbox();
	errno = err;
}

/* A container's filter hides a second one from PR_GET_SECCOMP. */
static bool is_filtered(void)
{
	return next_prctl(PR_GET_SECCOMP, 0, 0, 0, 0) > 0;
}

int hook_prctl(int option, unsigned long a, unsigned long b, unsigned long c,
	       unsigned long d)
{
	int r;

	if (LG_UNLIKELY(!next_prctl))
		return (int)syscall(SYS_prctl, option, a, b, c, d);
	r = next_prctl(option, a, b, c, d);
	if (!r && (option == PR_SET_SECCOMP ||
		   (option == PR_SET_NO_NEW_PRIVS && a && is_filtered())))
		enter();
	return r;
}

int hook_chroot(const char *path)
{
	int r;

	if (LG_UNLIKELY(!next_chroot))
		return (int)syscall(SYS_chroot, path);
	r = next_chroot(path);
	if (!r)
		enter();
	return r;
}
