#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

#include "base/clock.h"
#include "tool.h"
/* ncurses has macros of these names */
#undef columns
#undef lines
#include "top.h"

static SCREEN *screen;
static bool coloured;
static int kept_stderr = -1;
static volatile sig_atomic_t ended;

static void on_end(int sig)
{
	(void)sig;
	ended = 1;
}

static void catch_signals(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction sa = {.sa_handler = on_end};

	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &sa, NULL);
}

/* What is logged meanwhile must not be written across the screen. */
static void mute(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stderr);
	kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (null >= 0 && kept_stderr >= 0)
		dup2(null, STDERR_FILENO);
	if (null >= 0)
		close(null);
}

static void unmute(void)
{
	if (kept_stderr < 0)
		return;
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	kept_stderr = -1;
}

static const struct {
	short fg;
	attr_t attr;
} looks[TOP_STYLES] = {
	[TOP_PLAIN] = {-1, A_NORMAL},
	[TOP_DIM] = {-1, A_DIM},
	[TOP_BOLD] = {-1, A_BOLD},
	[TOP_BAR] = {-1, A_REVERSE | A_BOLD},
	[TOP_TITLE] = {COLOR_CYAN, A_BOLD | A_UNDERLINE},
	[TOP_HEAD] = {-1, A_BOLD},
	[TOP_OK] = {COLOR_GREEN, A_NORMAL},
	[TOP_WARN] = {COLOR_YELLOW, A_NORMAL},
	[TOP_BAD] = {COLOR_RED, A_BOLD},
	[TOP_HELD] = {COLOR_BLUE, A_NORMAL},
};

static void init_colours(bool colour)
{
	coloured = colour && has_colors() && start_color() != ERR;
	if (!coloured)
		return;
	use_default_colors();
	for (short i = 0; i < TOP_STYLES; i++)
		if (looks[i].fg >= 0)
			init_pair((short)(i + 1), looks[i].fg, -1);
}

/* newterm would end the program, or draw without a cursor. */
static int check_terminal(void)
{
	const char *term = getenv("TERM");
	bool moves;
	int err = 0;

	if (!term || !*term)
		return tool_fail("top: TERM is not set; try --once");
	if (setupterm(term, STDOUT_FILENO, &err) == ERR)
		return tool_fail("top: TERM=%s: no such terminal is known; try "
				 "--once",
				 term);
	moves = cursor_address && clear_screen;
	del_curterm(cur_term);
	return moves ? 0
		     : tool_fail("top: TERM=%s: its cursor cannot be moved; "
				 "try --once",
				 term);
}

int top_screen_open(bool colour)
{
	int ret = check_terminal();

	if (ret)
		return ret;
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return tool_fail("top: this terminal cannot be used; try "
				 "--once");
	set_term(screen);
	mute();
	catch_signals();
	cbreak();
	noecho();
	nonl();
	set_escdelay(50);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	init_colours(colour);
	return 0;
}

void top_screen_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
	unmute();
}

void top_screen_size(unsigned *rows, unsigned *cols)
{
	int y, x;

	getmaxyx(stdscr, y, x);
	*rows = y > 0 ? (unsigned)y : 1;
	*cols = x > 0 ? (unsigned)x : 1;
}

static void put_cell(const struct top_cell *c)
{
	uint8_t style = c->style & (TOP_SELECTED - 1);
	attr_t attr = looks[style % TOP_STYLES].attr;
	short pair = coloured && looks[style].fg >= 0 ? (short)(style + 1) : 0;
	wchar_t text[2] = {c->c, 0};
	cchar_t cell;

	if (c->style & TOP_SELECTED)
		attr |= A_REVERSE;
	if (setcchar(&cell, text, attr, pair, NULL) != ERR)
		add_wch(&cell);
}

void top_screen_draw(const struct top_grid *g)
{
	erase();
	for (unsigned y = 0; y < g->rows; y++)
		for (unsigned x = 0; x < g->cols; x++) {
			const struct top_cell *c =
				&g->cell[(size_t)y * g->cols + x];

			if (!c->width || (c->c == L' ' && !c->style))
				continue;
			move((int)y, (int)x);
			put_cell(c);
		}
	refresh();
}

static const struct {
	wint_t theirs, ours;
} keys[] = {
	{KEY_UP, TOP_KEY_UP},	      {KEY_DOWN, TOP_KEY_DOWN},
	{KEY_PPAGE, TOP_KEY_PAGE_UP}, {KEY_NPAGE, TOP_KEY_PAGE_DOWN},
	{KEY_HOME, TOP_KEY_HOME},     {KEY_END, TOP_KEY_END},
	{KEY_BTAB, TOP_KEY_BACKTAB},  {KEY_BACKSPACE, TOP_KEY_ERASE},
	{KEY_ENTER, TOP_KEY_ENTER},
};

/* Of a function key (ours: 0), or of a character. */
static wint_t key_of(int kind, wint_t c)
{
	if (kind == KEY_CODE_YES) {
		for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (keys[i].theirs == c)
				return keys[i].ours;
		return 0;
	}
	if (c == 127 || c == 8)
		return TOP_KEY_ERASE;
	if (c == '\n' || c == '\r')
		return TOP_KEY_ENTER;
	return c == 27 ? (wint_t)TOP_KEY_ESCAPE : c;
}

/* What is there to be read now; TOP_WAIT_TIME: nothing. */
static int read_key(wint_t *key)
{
	wint_t c;
	int kind = get_wch(&c);

	if (kind == ERR)
		return TOP_WAIT_TIME;
	if (kind == KEY_CODE_YES && c == KEY_RESIZE)
		return TOP_WAIT_RESIZED;
	*key = key_of(kind, c);
	return TOP_WAIT_KEY;
}

/* Readable, and there is nothing: its other end is gone. */
static bool is_gone(struct pollfd *p)
{
	int n = 0;

	if (p->revents & (POLLHUP | POLLERR | POLLNVAL))
		return true;
	return poll(p, 1, 0) > 0 && !ioctl(STDIN_FILENO, FIONREAD, &n) && !n;
}

int top_screen_wait(int64_t ms, wint_t *key)
{
	int64_t until = lg_clock_boot_ns() / 1000000 + ms, left;
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	int got;

	for (;;) {
		if (ended)
			return TOP_WAIT_END;
		got = read_key(key);
		if (got != TOP_WAIT_TIME)
			return got;
		left = until - lg_clock_boot_ns() / 1000000;
		if (left <= 0)
			return TOP_WAIT_TIME;
		if (poll(&p, 1, left > 60000 ? 60000 : (int)left) <= 0)
			continue;
		got = read_key(key);
		if (got != TOP_WAIT_TIME)
			return got;
		if (is_gone(&p))
			return TOP_WAIT_END;
	}
}
