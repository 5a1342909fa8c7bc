#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/image.h"
#include "base/mem.h"
#include "catalog_write.h"
#include "cmds.h"
#include "config/config.h"
#include "guard/engine.h"
#include "json.h"
#include "tool.h"

enum { C_JSON };
static const struct opt check_opts[] = {
	[C_JSON] = OPT_JSON,
	OPT_END,
};

static void tell(const struct call *c, const char *file,
		 const struct lg_config_error *e, bool good, uint32_t n)
{
	struct json j;

	if (!good)
		tool_warn("%s", e->text);
	if (!c->v[C_JSON].set) {
		if (good)
			printf("%s: good, %u prices\n", file, n);
		return;
	}
	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "file", file);
	json_bool(&j, "ok", good);
	if (good)
		json_u64(&j, "prices", n);
	else
		json_text(&j, "error", e->text);
	json_close(&j, '}');
	json_line(&j);
	tool_print(&j.b);
}

static bool check_file(const struct call *c, const char *file)
{
	const char *const files[] = {file};
	const struct lg_image *img;
	struct lg_config_error e;
	struct lg_buf b;
	bool good;

	lg_buf_init(&b, (size_t)1 << 28);
	good = !lg_config_compile_catalog(files, 1, &b, &e);
	if (good && lg_image_check(b.p, b.len)) {
		good = false;
		snprintf(e.text, sizeof(e.text),
			 "%.400s: the compiled image is not sound", file);
	}
	img = (const void *)b.p;
	tell(c, file, &e, good, good ? img->prices.n : 0);
	lg_buf_fini(&b);
	return good;
}

static int check_own(struct call *c)
{
	struct lg_engine *e;
	char file[4096];
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	ret = catalog_user_file(e, NULL, file, sizeof(file))
		      ? tool_fail("the price file's path is too long")
		      : -1;
	lg_engine_close(e);
	if (ret >= 0)
		return ret;
	if (access(file, F_OK)) {
		printf("%s: there is none\n", file);
		return EXIT_OK;
	}
	return check_file(c, file) ? EXIT_OK : EXIT_FAILED;
}

static int check(struct call *c)
{
	bool good = true;

	lg_mem_set_cap((size_t)2 << 30);
	if (!c->argc)
		return check_own(c);
	for (int i = 0; i < c->argc; i++)
		good &= check_file(c, c->argv[i]);
	return good ? EXIT_OK : EXIT_FAILED;
}

const struct cmd cmd_pricing_check = {
	.name = "pricing check",
	.args = "[FILE...]",
	.summary = "is a price file good? Nothing is written",
	.about = "An error names file, line, key, value and what is allowed. "
		 "Without FILE: your price\nfile.",
	.opts = check_opts,
	.max_args = 128,
	.run = check,
};
