#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmds.h"
#include "guard/engine.h"
#include "guard/phase.h"
#include "json.h"
#include "phase_switch.h"
#include "tool.h"

enum { O_JSON };
static const struct opt opts[] = {[O_JSON] = OPT_JSON, OPT_END};

static int switch_to(struct lg_engine *e, const char *run, const char *phase)
{
	bool unaudited;
	int err = phase_switch(e, run, phase, &unaudited);

	if (err)
		return tool_fail("%s: %s", run, strerror(-err));
	if (unaudited)
		tool_warn("the phase is switched, but the ledger has no row "
			  "of it");
	return -1;
}

static int tell(struct lg_engine *e, const struct call *c, const char *run)
{
	char phase[8];
	struct json j;

	lg_phase_read(lg_engine_state_dir(e), run, phase);
	if (!c->v[O_JSON].set) {
		printf("%s: %s\n", run, *phase ? phase : "auto");
		return EXIT_OK;
	}
	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "run_id", run);
	json_text(&j, "phase", *phase ? phase : "auto");
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static int run(struct call *c)
{
	const char *run = c->argv[0], *outer = getenv("LLMGUARD_RUN_ID");
	struct lg_engine *e;
	int ret = -1;

	if (!strcmp(run, ".")) {
		if (!outer || !*outer)
			return tool_usage(c->cmd, ". means $LLMGUARD_RUN_ID, "
						  "which is not set");
		run = outer;
	}
	if (!*run)
		return tool_usage(c->cmd, "needs the run's id");
	if (c->argc > 1 && !phase_is_word(c->argv[1]))
		return tool_usage(c->cmd, "%s: must be infer, train or auto",
				  c->argv[1]);
	ret = tool_open(&e);
	if (ret >= 0)
		return ret;
	if (c->argc > 1)
		ret = switch_to(e, run, c->argv[1]);
	if (ret < 0)
		ret = tell(e, c, run);
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_phase = {
	.name = "phase",
	.args = "RUN [infer|train|auto]",
	.summary = "switch the phase of a run while it goes on",
	.about = "From its next request on each program of the run counts as "
		 "training or as inference\n(--max-train-usd and "
		 "--max-infer-usd "
		 "of run); auto takes the switch back. RUN is the\nrun's id, "
		 "or . "
		 "inside of it. A request's own x-llmguard-phase header wins; "
		 "the switch\nwins over LLMGUARD_PHASE and over phase: of a "
		 "models: rule. Without a phase: what\nthe switch says.",
	.opts = opts,
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
