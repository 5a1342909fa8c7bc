#include "guard/engine.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/log.h"
#include "budget/hold.h"
#include "guard/self.h"

/* A place where no file can ever be. */
#define NOWHERE "/dev/null/llmguard"

#define BUILD_WAIT_NS INT64_C(2000000000)

enum build_state { NOBODY, BUILDING, READY, FAILED };

static struct lg_engine *process_engine;
static uint32_t build_state;

static struct lg_engine *build(void)
{
	struct lg_engine *e = NULL;
	struct lg_env env;
	struct lg_log_kv kv;
	int err;

	lg_log_init(getenv("LLMGUARD_LOG"), getenv("LLMGUARD_LOG_LEVEL"),
		    getenv("LLMGUARD_LOG_FORMAT"));
	lg_env_read(&env);
	env.in_host = true;
	err = lg_engine_open(&env, &e);
	kv = (struct lg_log_kv){"errno", {NULL, 0}, -err};
	if (err) {
		lg_log(LG_LOG_ERROR, "guard_not_built", &kv, 1);
		/* it can still answer as `fail` says, and keep nothing */
		env.state_dir = env.region = env.config = NOWHERE;
		lg_engine_open(&env, &e);
	}
	lg_store_release(&process_engine, e);
	lg_store_seq(&build_state, e ? READY : FAILED);
	/* a sandbox may close the ledger before the first call */
	if (e)
		lg_engine_touch(e);
	return e;
}

struct lg_engine *lg_engine_peek(void)
{
	return lg_load_acquire(&process_engine);
}

struct lg_engine *lg_engine_get(void)
{
	struct lg_engine *e = lg_load_acquire(&process_engine);
	uint32_t was = NOBODY;
	int64_t until;
	int saved = errno;

	if (e || lg_load_seq(&build_state) == FAILED)
		return e;
	if (lg_cas_seq(&build_state, &was, BUILDING)) {
		e = build();
		errno = saved;
		return e;
	}
	/* the builder finishes, or died in a fork: then we give up */
	until = lg_clock_boot_ns() + BUILD_WAIT_NS;
	while (lg_load_seq(&build_state) == BUILDING &&
	       lg_clock_boot_ns() < until)
		sched_yield();
	errno = saved;
	return lg_load_acquire(&process_engine);
}

void lg_engine_after_fork(void)
{
	uint32_t was = BUILDING;
	struct lg_engine *e = lg_load_acquire(&process_engine);

	lg_self_after_fork();
	lg_owner_after_fork();
	/* whoever built is not in this process */
	lg_cas_seq(&build_state, &was, NOBODY);
	if (e)
		lg_engine_forked(e);
}
