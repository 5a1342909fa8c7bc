#include "guard/halt.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "guard/alert.h"
#include "guard/engine.h"
#include "guard/exchange.h"
#include "guard/sandbox.h"

#define SETTLE_NS 2000000 /* until other threads have stopped as well */

static void tell(const struct lg_exchange *x, const char *what)
{
	const struct lg_denial *d = x->denial;
	struct lg_slice budget = {"", 0};

	if (d && d->rule >= 0)
		budget = x->world->rules[d->rule].name;
	struct lg_log_kv kv[] = {
		{"budget", budget, 0},
		{"pid", {NULL, 0}, getpid()},
		{"model", lg_slice_str(x->row.model_requested), 0},
	};
	lg_log(LG_LOG_WARN, what, kv, 3);
}

/* A row that waits while nobody can say how it ends. */
static void keep_row(struct lg_exchange *x, struct lg_hold *keep)
{
	struct lg_region *r = lg_world_region(x->world);
	struct lg_row *row = &x->row;

	row->verdict = LG_VERDICT_STOP;
	lg_slice_copy(lg_slice_str(x->denial ? x->denial->reason : ""),
		      row->reason, sizeof(row->reason));
	row->usage_state = LG_USAGE_EXACT;
	keep->slot = -1;
	if (r && lg_hold_row(r, row, sizeof(*row), keep))
		keep->slot = -1;
}

int lg_halt(struct lg_exchange *x)
{
	struct lg_region *r = lg_world_region(x->world);
	struct timespec nap = {0, SETTLE_NS};
	struct lg_hold keep;
	int err = 0;

	if (getpid() == 1 || lg_sandbox_entered())
		return -EPERM;
	keep_row(x, &keep);
	tell(x, "process_stopped");
	lg_alert_stopped(x);
	if (kill(getpid(), SIGSTOP))
		err = -errno;
	else
		nanosleep(&nap, NULL);
	if (keep.slot >= 0)
		lg_hold_free(r, &keep);
	if (!err)
		tell(x, "process_continued");
	return err;
}
