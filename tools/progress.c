#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FIRST_MS 1000
#define EVERY_MS 100

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void progress_init(struct progress *p, const char *what, uint64_t total)
{
	memset(p, 0, sizeof(*p));
	p->what = what;
	p->total = total;
	p->start_ms = p->shown_ms = now_ms();
	p->terminal = isatty(STDERR_FILENO);
}

static unsigned columns(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || w.ws_col < 20)
		return 80;
	return w.ws_col;
}

static void draw(struct progress *p, uint64_t done)
{
	unsigned width = columns(), percent, bar, i;
	size_t text = strlen(p->what);

	if (done > p->total)
		done = p->total;
	percent = p->total ? (unsigned)(done * 100 / p->total) : 100;
	bar = width > text + 12 ? width - (unsigned)text - 12 : 0;
	bar = bar > 50 ? 50 : bar;
	fprintf(stderr, "\r%s ", p->what);
	for (i = 0; i < bar; i++)
		fputs(i * 100 < percent * bar ? "\xe2\x96\x88" : "\xe2\x96\x91",
		      stderr);
	fprintf(stderr, " %3u %%", percent);
	fflush(stderr);
	p->shown = true;
}

void progress_show(struct progress *p, uint64_t done)
{
	int64_t now;

	if (!p->terminal)
		return;
	now = now_ms();
	if (now - p->start_ms < FIRST_MS || now - p->shown_ms < EVERY_MS)
		return;
	p->shown_ms = now;
	draw(p, done);
}

void progress_fini(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
