#include "bpf/bus.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static sigjmp_buf back;
static volatile sig_atomic_t is_guarded;

static void on_bus(int sig)
{
	if (is_guarded)
		siglongjmp(back, 1);
	signal(sig, SIG_DFL); /* none of ours: it comes again, and ends us */
}

int bus_guard(int (*fn)(void *arg), void *arg)
{
	struct sigaction old, now = {.sa_handler = on_bus};
	int err;

	sigemptyset(&now.sa_mask);
	if (sigaction(SIGBUS, &now, &old))
		return -errno;
	if (sigsetjmp(back, 1)) {
		err = -EIO;
	} else {
		is_guarded = 1;
		err = fn(arg);
	}
	is_guarded = 0;
	sigaction(SIGBUS, &old, NULL);
	return err;
}
