#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"
#include "cmds.h"
#include "guard/engine.h"
#include "tool.h"
#include "top.h"

enum { O_INTERVAL, O_ONCE, O_SECTION, O_FILTER, O_ASCII, O_PLAIN, O_JSON };
static const struct opt opts[] = {
	[O_INTERVAL] = {"interval", 'i', OPT_COUNT, "SECONDS",
			"how often it looks (1)"},
	[O_ONCE] = {"once", '1', OPT_FLAG, NULL,
		    "print it once, plain, also where there is no terminal"},
	[O_SECTION] = {"section", 's', OPT_TEXT,
		       "budgets|processes|models|calls|blocked|holds",
		       "the section to begin with (budgets)"},
	[O_FILTER] = {"filter", 0, OPT_TEXT, "TEXT",
		      "only rows with this text"},
	[O_ASCII] = {"ascii", 0, OPT_FLAG, NULL, "no character beyond ASCII"},
	[O_PLAIN] = {"no-color", 0, OPT_FLAG, NULL,
		     "no colour (as with NO_COLOR in the environment)"},
	[O_JSON] = {"json", 0, OPT_FLAG, NULL, "one record, once"},
	OPT_END,
};

#define INTERVAL_MAX 3600
#define ONCE_ROWS 60
#define ONCE_COLS 80
#define SIZE_MAX_ 1000

struct top {
	struct top_look look;
	struct top_model m;
	struct top_ui ui;
	struct top_grid g;
	int64_t every_ms, next_ms;
};

/* May bars and other scripts be shown, each as wide as we believe? */
static bool has_unicode(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8") && wcwidth(0x2588) == 1 &&
	       wcwidth(0x2591) == 1 && wcwidth(0x2026) == 1;
}

static bool wants_colour(const struct call *c)
{
	const char *no = getenv("NO_COLOR");

	return !c->v[O_PLAIN].set && !(no && *no);
}

static void choose_section(struct top_ui *ui, const char *name)
{
	for (unsigned i = 0; name && i < TOP_SECTIONS; i++)
		if (!strcasecmp(name, top_tables[i].title))
			ui->focus = (enum top_section)i;
}

/* COLUMNS and LINES, the terminal's, or a usual size. */
static unsigned size_of(const char *name, unsigned terminal, unsigned usual)
{
	const char *text = getenv(name);
	long n = text ? strtol(text, NULL, 10) : 0;

	if (n >= 20 && n <= SIZE_MAX_)
		return (unsigned)n;
	return terminal >= 20 && terminal <= SIZE_MAX_ ? terminal : usual;
}

static int print_frame(struct top *t)
{
	struct winsize ws = {0};
	struct lg_buf out;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws))
		memset(&ws, 0, sizeof(ws));
	if (top_grid_init(&t->g, size_of("LINES", 0, ONCE_ROWS) + 1,
			  size_of("COLUMNS", ws.ws_col, ONCE_COLS)))
		return tool_fail("out of memory");
	top_arrange(&t->m, &t->ui);
	top_layout(&t->m, &t->ui, &t->g);
	/* nobody presses a key here, and nothing is selected */
	for (unsigned x = 0; x < t->g.cols; x++)
		t->g.cell[(size_t)(t->g.rows - 1) * t->g.cols + x] =
			(struct top_cell){L' ', 1, TOP_PLAIN};
	lg_buf_init(&out, (size_t)1 << 26);
	top_grid_text(&t->g, &out);
	return tool_print(&out);
}

static int once(struct top *t, bool as_json)
{
	struct json j;
	int err = top_look_read(&t->look, &t->m);

	if (err)
		return tool_fail("%s", strerror(-err));
	if (!as_json)
		return print_frame(t);
	json_init(&j);
	top_json(&j, &t->m);
	return tool_print(&j.b);
}

/* -- live -------------------------------------------------------------------
 */

static int draw(struct top *t)
{
	unsigned rows, cols;
	int err;

	top_screen_size(&rows, &cols);
	err = top_grid_init(&t->g, rows, cols);
	if (err)
		return err;
	top_arrange(&t->m, &t->ui);
	top_layout(&t->m, &t->ui, &t->g);
	top_screen_draw(&t->g);
	return 0;
}

static int look_again(struct top *t)
{
	t->next_ms = lg_clock_boot_ns() / 1000000 + t->every_ms;
	return t->ui.frozen ? 0 : top_look_read(&t->look, &t->m);
}

/* -1: go on. */
static int press(struct top *t, wint_t key)
{
	enum top_act act = key ? top_key(&t->ui, &t->m, key) : TOP_ACT_NONE;

	if (act == TOP_ACT_QUIT)
		return 0;
	if (act == TOP_ACT_NONE)
		return -1;
	if (act != TOP_ACT_LOOK)
		top_act(&t->ui, act);
	return look_again(t) ? -ENOMEM : -1;
}

static int live(struct top *t)
{
	int err = look_again(t), got, done = -1;
	wint_t key = 0;

	while (!err && done < 0) {
		int64_t left = t->next_ms - lg_clock_boot_ns() / 1000000;

		err = draw(t);
		if (err)
			break;
		got = top_screen_wait(left > 0 ? left : 0, &key);
		if (got == TOP_WAIT_END)
			break;
		if (got == TOP_WAIT_TIME)
			err = look_again(t);
		if (got == TOP_WAIT_KEY)
			done = press(t, key);
		if (done == -ENOMEM)
			err = done;
	}
	return err;
}

static int show(struct top *t, struct call *c)
{
	int ret;

	if (c->v[O_ONCE].set || c->v[O_JSON].set)
		return once(t, c->v[O_JSON].set);
	ret = top_screen_open(wants_colour(c));
	if (ret)
		return ret;
	ret = live(t);
	top_screen_close();
	return ret ? tool_fail("%s", strerror(-ret)) : EXIT_OK;
}

static int open_look(struct top *t)
{
	struct lg_engine *e;
	int ret = tool_open(&e), err;

	if (ret >= 0)
		return ret;
	/* as `status` does: counters, and rows that waited */
	lg_engine_touch(e);
	err = top_look_open(&t->look, e);
	lg_engine_close(e);
	return err ? tool_fail("cannot open the guard's state: %s",
			       strerror(-err))
		   : -1;
}

static int run(struct call *c)
{
	static struct top t;
	uint64_t every = c->v[O_INTERVAL].set ? c->v[O_INTERVAL].n : 1;
	bool live_ = !c->v[O_ONCE].set && !c->v[O_JSON].set;
	int ret;

	if (every < 1 || every > INTERVAL_MAX)
		return tool_usage(c->cmd, "--interval: from 1 to %d",
				  INTERVAL_MAX);
	if (live_ && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return tool_fail("top: needs a terminal; without one: --once "
				 "or --json");
	setlocale(LC_CTYPE, "");
	top_ui_init(&t.ui, !c->v[O_ASCII].set && has_unicode());
	choose_section(&t.ui, c->v[O_SECTION].text);
	if (c->v[O_FILTER].set)
		snprintf(t.ui.filter, sizeof(t.ui.filter), "%s",
			 c->v[O_FILTER].text);
	t.every_ms = (int64_t)every * 1000;
	ret = open_look(&t);
	if (ret >= 0)
		return ret;
	ret = show(&t, c);
	top_grid_fini(&t.g);
	top_model_fini(&t.m);
	top_look_close(&t.look);
	return ret;
}

const struct cmd cmd_top = {
	.name = "top",
	.args = "",
	.summary = "live view: budgets, burn rate, programs, calls",
	.about =
		"Budgets with what is spent and held, how fast, and when they "
		"will be used up; the\nprograms that call, their models, the "
		"last calls, what was blocked, and what is\nunder way. "
		"Processes and models count today. $/H is of the last five "
		"minutes (or\nsince the spending began in them, at least one). "
		"It only looks: the region is\nmapped read-only.\n\n"
		"Keys: 1-6 or tab a section; up, down a row; < > the column "
		"to sort by, s the other\nway round; / only rows with a text; "
		"p refuses new calls of the selected process\n(as `llmguard "
		"pause`), r lets it go on; + raises the selected budget until "
		"its\nwindow ends, or for good where it has none; f freezes; h "
		"help; q leaves.\n\n"
		"  llmguard top --once --section calls --filter gpt",
	.opts = opts,
	.run = run,
};
