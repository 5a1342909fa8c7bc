#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "budget/region.h"
#include "cmds.h"
#include "guard/engine.h"
#include "json.h"
#include "tool.h"

enum { O_JSON };
static const struct opt opts[] = {[O_JSON] = OPT_JSON, OPT_END};

static int turn(struct call *c, bool off)
{
	struct lg_engine *e;
	struct lg_region *r;
	struct json j;
	int ret = tool_open(&e), err;

	if (ret >= 0)
		return ret;
	r = lg_engine_region(e);
	if (!r || lg_engine_is_readonly(e)) {
		ret = tool_fail("%s: cannot be written",
				lg_engine_region_path(e));
		goto out;
	}
	lg_region_set_disabled(r, off);
	lg_region_bump(r);
	err = tool_audit(e, off ? "disable" : "enable");
	if (err)
		tool_warn("the ledger has no row of it: %s", strerror(-err));
	if (c->v[O_JSON].set) {
		json_init(&j);
		json_open(&j, NULL, '{');
		json_text(&j, "region", lg_engine_region_path(e));
		json_bool(&j, "disabled", off);
		json_close(&j, '}');
		json_line(&j);
		ret = tool_print(&j.b);
	} else {
		printf("%s\n", off ? "The guard lets everything pass, in all "
				     "running programs too."
				   : "The guard is on.");
		ret = EXIT_OK;
	}
out:
	lg_engine_close(e);
	return ret;
}

static int enable(struct call *c)
{
	return turn(c, false);
}

static int disable(struct call *c)
{
	return turn(c, true);
}

const struct cmd cmd_enable = {
	.name = "enable",
	.args = "",
	.summary = "switch the guard on again",
	.about = "",
	.opts = opts,
	.run = enable,
};

const struct cmd cmd_disable = {
	.name = "disable",
	.args = "",
	.summary = "let everything pass, in running programs too",
	.about = "Calls are still recorded; nothing is blocked until `llmguard "
		 "enable`.",
	.opts = opts,
	.run = disable,
};
