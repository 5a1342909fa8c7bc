#include <stdio.h>
#include <string.h>

#include "cmds.h"
#include "guard/engine.h"
#include "json.h"
#include "tool.h"

enum { O_JSON };
static const struct opt opts[] = {[O_JSON] = OPT_JSON, OPT_END};

static int run(struct call *c)
{
	struct lg_engine *e;
	struct json j;
	int64_t rows;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	rows = lg_engine_checkpoint(e, true);
	lg_engine_close(e);
	if (rows < 0)
		return tool_fail("checkpoint: %s", strerror((int)-rows));
	if (c->v[O_JSON].set) {
		json_init(&j);
		json_open(&j, NULL, '{');
		json_i64(&j, "rows", rows);
		json_close(&j, '}');
		json_line(&j);
		return tool_print(&j.b);
	}
	printf("%lld rows of the ledger were added to the checkpoint\n",
	       (long long)rows);
	return EXIT_OK;
}

const struct cmd cmd_checkpoint = {
	.name = "checkpoint",
	.args = "",
	.summary = "sum up the ledger, so that a rebuild is quick",
	.about = "Made from the ledger's rows, never from counters. Other "
		 "commands write one too\nwhen many rows came since the last.",
	.opts = opts,
	.run = run,
};
