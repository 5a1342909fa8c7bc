#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/image.h"
#include "cmds.h"
#include "config/config.h"
#include "guard/settings.h"
#include "json.h"
#include "tool.h"

enum { O_JSON };
static const struct opt opts[] = {[O_JSON] = OPT_JSON, OPT_END};

static int report(struct call *c, const char *file, int err, const char *text,
		  const struct lg_image *img)
{
	struct json j;
	int ret = EXIT_OK;

	if (c->v[O_JSON].set) {
		json_init(&j);
		json_open(&j, NULL, '{');
		json_text(&j, "file", file);
		json_bool(&j, "ok", !err);
		json_text(&j, "error", err ? text : "");
		json_u64(&j, "budgets", img ? img->budgets.n : 0);
		json_u64(&j, "prices", img ? img->prices.n : 0);
		json_close(&j, '}');
		json_line(&j);
		ret = tool_print(&j.b);
	} else if (!err) {
		printf("%s: good, %u budget%s\n", file,
		       img ? img->budgets.n : 0,
		       img && img->budgets.n == 1 ? "" : "s");
	}
	if (err) {
		tool_warn("%s", text);
		ret = EXIT_FAILED;
	}
	return ret;
}

static int check(struct call *c)
{
	struct lg_config_error e = {0};
	struct lg_config_paths paths = {
		.pricing_dir = getenv("LLMGUARD_PRICING_DIR"),
	};
	char found[512], dir[512], live[600], prices[600];
	struct lg_buf img;
	int err, ret;

	if (c->argc)
		snprintf(found, sizeof(found), "%s", c->argv[0]);
	else
		lg_config_find(found, sizeof(found));
	paths.config = found[0] ? found : NULL;
	if (!c->argc && !lg_config_state_dir(dir, sizeof(dir))) {
		snprintf(live, sizeof(live), "%s/budgets.jsonl", dir);
		paths.live = live;
		snprintf(prices, sizeof(prices), "%s%s", dir, LG_PRICING_DIR);
		if (!paths.pricing_dir)
			paths.pricing_dir = prices;
	}
	lg_buf_init(&img, (size_t)1 << 28);
	err = lg_config_compile(&paths, &img, &e);
	if (err && !e.text[0])
		snprintf(e.text, sizeof(e.text), "%.300s: %s",
			 found[0] ? found : "config", strerror(-err));
	if (!err && lg_image_check(img.p, img.len)) {
		err = -EPROTO;
		snprintf(e.text, sizeof(e.text),
			 "the compiled image is not "
			 "sound");
	}
	ret = report(c, found[0] ? found : "no config file", err, e.text,
		     err ? NULL : (const void *)img.p);
	if (!err && e.skipped)
		tool_warn("%s (%u line%s passed over)", e.warning, e.skipped,
			  e.skipped == 1 ? "" : "s");
	lg_buf_fini(&img);
	return ret;
}

const struct cmd cmd_config_check = {
	.name = "config check",
	.args = "[FILE]",
	.summary = "is the config file good",
	.about = "Without FILE the one that programs would use, live changes "
		 "included. An error names\nfile, line, key, value and what "
		 "was allowed.",
	.opts = opts,
	.max_args = 1,
	.run = check,
};
