#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "base/image.h"
#include "cmds.h"
#include "config/config.h"
#include "guard/engine.h"
#include "guard/settings.h"
#include "guard/world.h"
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

static const char *const fails[] = {"open", "closed"};
static const char *const unknowns[] = {"ceiling", "block", "allow"};
static const char *const http2s[] = {"auto", "native", "off"};
static const char *const patches[] = {"auto", "off"};
static const char *const tag_requireds[] = {"false", "warn", "true"};
static const char *const stream_usages[] = {"off", "inject"};
static const char *const durabilities[] = {"none", "interval", "each"};
static const char *const days[] = {"monday",   "tuesday", "wednesday",
				   "thursday", "friday",  "saturday",
				   "sunday"};

struct shown {
	const char *key;
	char text[160];
	bool is_number;
};

static unsigned collect(struct lg_engine *e, struct shown *s)
{
	struct lg_world *w = lg_engine_pin(e);
	const struct lg_img_settings *set = &w->set;
	struct lg_slice pin = {"", 0}, tags = {"", 0};
	char money[LG_MONEY_TEXT];
	unsigned n = 0;

#define SHOW(k, number, ...)                                                   \
	(s[n].key = (k), s[n].is_number = (number),                            \
	 snprintf(s[n].text, sizeof(s[n].text), __VA_ARGS__), n++)
	if (w->img)
		pin = lg_img_text(w->img, set->price_version);
	if (w->img)
		tags = lg_img_text(w->img, set->default_tags);
	SHOW("config", false, "%s", lg_engine_config_path(e));
	SHOW("state_dir", false, "%s", lg_engine_state_dir(e));
	SHOW("region", false, "%s", lg_engine_region_path(e));
	SHOW("timezone", false, "%s", w->zone ? lg_zone_name(w->zone) : "UTC");
	SHOW("week_start", false, "%s", days[set->week_start % 7]);
	SHOW("fail", false, "%s", fails[set->fail % 2]);
	SHOW("unknown_model", false, "%s", unknowns[set->unknown_model % 3]);
	SHOW("http2", false, "%s", http2s[set->http2 % 3]);
	SHOW("patch", false, "%s", patches[set->patch % 2]);
	SHOW("stream_usage", false, "%s", stream_usages[set->stream_usage % 2]);
	SHOW("durability", false, "%s", durabilities[set->durability % 3]);
	SHOW("hold_max_bytes", true, "%llu",
	     (unsigned long long)set->hold_max_bytes);
	SHOW("admit_wait_ms", true, "%u", set->admit_wait_ms);
	SHOW("price_version", false, "%.*s",
	     (int)(pin.len < 100 ? pin.len : 100), pin.len ? pin.p : "");
	SHOW("default_tags", false, "%.*s",
	     (int)(tags.len < 158 ? tags.len : 158), tags.len ? tags.p : "");
	SHOW("tag_required", false, "%s", tag_requireds[set->tag_required % 3]);
	lg_money_print(set->expensive_pusd, money);
	SHOW("expensive_threshold", true, "%s", money);
	SHOW("budgets", true, "%u", w->nrules);
#undef SHOW
	lg_engine_unpin(e, w);
	return n;
}

static int show(struct call *c)
{
	struct shown s[20];
	struct lg_engine *e;
	struct json j;
	unsigned i, n;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	n = collect(e, s);
	json_init(&j);
	json_open(&j, NULL, '{');
	for (i = 0; i < n; i++) {
		if (s[i].is_number)
			json_number(&j, s[i].key, s[i].text);
		else
			json_text(&j, s[i].key, s[i].text);
		if (!c->v[O_JSON].set)
			printf("%-15s %s\n", s[i].key,
			       s[i].text[0] ? s[i].text : "-");
	}
	json_close(&j, '}');
	json_line(&j);
	if (c->v[O_JSON].set)
		ret = tool_print(&j.b);
	else
		ret = EXIT_OK;
	lg_buf_fini(&j.b);
	lg_engine_close(e);
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

const struct cmd cmd_config_show = {
	.name = "config show",
	.args = "",
	.summary = "the settings in force and where state lies",
	.about = "",
	.opts = opts,
	.run = show,
};
