#include "report_auto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmds.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "report.h"
#include "report_plan.h"
#include "tool.h"
#include "when.h"

#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)
#define GRACE_MS                                                               \
	(15 * INT64_C(60000)) /* for calls that are still under way            \
			       */
#define MONTHS_MAX 12	      /* caught up with at most */

/* What reports.done says: the month before `due`, year * 12 + month - 1. */
struct mark {
	int month; /* -1: none */
	int64_t due_ms;
};

struct work {
	struct report_plan plan;
	struct mark mark;
	char done[600];
	int lock;
	bool asked, json;
	struct json j;
	unsigned made;
};

static void month_text(int month, char out[16])
{
	snprintf(out, 16, "%04d-%02d", month / 12, month % 12 + 1);
}

static struct mark read_mark(const char *path)
{
	struct mark m = {-1, 0};
	char text[64];
	int year, month;
	long long due;

	if (lg_file_peek(path, text, sizeof(text)) > 0 &&
	    sscanf(text, "%4d-%2d %lld", &year, &month, &due) == 3 &&
	    year > 1969 && month >= 1 && month <= 12)
		m = (struct mark){year * 12 + month - 1, due};
	/* written by a clock that was far ahead */
	if (m.due_ms > lg_clock_real_ms() + 40 * DAY_MS)
		m.month = -1;
	return m;
}

static int write_mark(struct work *w, int month, int64_t due_ms)
{
	char text[64], name[16];
	int n;

	month_text(month, name);
	n = snprintf(text, sizeof(text), "%s %lld\n", name, (long long)due_ms);
	return lg_file_replace(w->done, text, (size_t)n);
}

static int make_dir(const char *dir)
{
	char part[1024];

	for (size_t i = 1; dir[i - 1] && i < sizeof(part); i++) {
		if (dir[i] && dir[i] != '/')
			continue;
		memcpy(part, dir, i);
		part[i] = 0;
		if (mkdir(part, 0700) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* -- one month --------------------------------------------------------------
 */

static int write_files(struct work *w, struct report *r, const char *month)
{
	char path[1300];
	int ret = make_dir(w->plan.dir);

	if (ret)
		return tool_fail("%s: %s", w->plan.dir, strerror(-ret));
	for (unsigned i = 0; i < w->plan.nformats; i++) {
		if (report_plan_path(&w->plan, i, month, path, sizeof(path)))
			return tool_fail("reports: the name is too long");
		ret = report_export(r, path);
		if (ret != EXIT_OK)
			return ret;
		if (w->json)
			json_text(&w->j, NULL, path);
		else if (w->asked)
			printf("%s: %s\n", month, path);
		else
			tool_warn("report of %s: %s", month, path);
		w->made++;
	}
	return EXIT_OK;
}

static int make_month(struct work *w, int month)
{
	static struct call c;
	struct ask a;
	struct report r = {.a = &a, .title = "Report", .chart = w->plan.chart};
	struct span s;
	char name[16];
	int ret;

	c = (struct call){.cmd = &cmd_report};
	ret = ask_open(&a, &c);
	if (ret >= 0)
		return ret;
	month_text(month, name);
	ret = span_month(&a.cal, name, &s) ? tool_fail("%s: no month", name)
					   : -1;
	if (ret < 0) {
		ask_span(&a, &s);
		ret = ask_by(&a, w->plan.by);
	}
	if (ret < 0)
		ret = report_run(&r);
	if (ret < 0 && !a.q.total.v[SUM_CALLS] && !a.q.total.v[SUM_COST]) {
		if (w->asked && !w->json)
			printf("%s: no calls, no report\n", name);
		ret = EXIT_OK;
	}
	if (ret < 0)
		ret = write_files(w, &r, name);
	ask_close(&a);
	return ret;
}

/* -- which ------------------------------------------------------------------
 */

/* This month, where it begins, and where the next one does. */
static int this_month(const struct ask *a, int *month, struct span *s)
{
	char day[16];
	int year, m;

	if (span_month(&a->cal, "", s))
		return -EINVAL;
	when_day_text(when_day(a->cal.zone, a->cal.now_ms), day);
	if (sscanf(day, "%4d-%2d", &year, &m) != 2)
		return -EINVAL;
	*month = year * 12 + m - 1;
	return 0;
}

static int calendar(int *month, struct span *s)
{
	static struct call c;
	struct ask a;
	int ret;

	c = (struct call){.cmd = &cmd_report};
	ret = ask_open(&a, &c);
	if (ret >= 0)
		return ret;
	ret = this_month(&a, month, s) ? tool_fail("no calendar") : -1;
	ask_close(&a);
	return ret;
}

/* Those between the last that was written and this one. */
static int make_due(struct work *w)
{
	struct span now;
	int month, from, ret = calendar(&month, &now);

	if (ret >= 0)
		return ret;
	if (!w->asked && lg_clock_real_ms() < now.from_ms + GRACE_MS)
		return EXIT_OK;
	from = w->mark.month < 0 ? month - 1 : w->mark.month + 1;
	if (from < month - MONTHS_MAX)
		from = month - MONTHS_MAX;
	for (; from < month; from++) {
		ret = make_month(w, from);
		if (ret != EXIT_OK)
			return ret;
		ret = write_mark(w, from, now.to_ms + GRACE_MS);
		if (ret)
			return tool_fail("%s: %s", w->done, strerror(-ret));
	}
	return EXIT_OK;
}

/* "2026-11", and nothing else that scanf takes for it. */
static bool is_month(const char *text)
{
	static const char digits[] = "0123456789";

	return strlen(text) == 7 && strspn(text, digits) == 4 &&
	       text[4] == '-' && strspn(text + 5, digits) == 2;
}

static int make_one(struct work *w, const char *month)
{
	unsigned year = 0, m = 0;
	struct span now;
	int current, ret = calendar(&current, &now);

	if (ret >= 0)
		return ret;
	if (*month &&
	    (!is_month(month) || sscanf(month, "%4u-%2u", &year, &m) != 2 ||
	     !m || m > 12))
		return tool_usage(&cmd_report,
				  "--month %s: must be a month like 2026-11",
				  month);
	return make_month(w, *month ? (int)(year * 12 + m - 1) : current);
}

/* -- one at a time ----------------------------------------------------------
 */

static int lock(const char *state, bool wait)
{
	char path[600];
	int fd, err;

	snprintf(path, sizeof(path), "%s/" REPORT_LOCK_FILE, state);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (!flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* A failure leaves a byte in the lock's file, and the time of it. */
static bool failed_lately(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_size &&
	       lg_clock_real_ms() - st.st_mtime * INT64_C(1000) < HOUR_MS &&
	       st.st_mtime * INT64_C(1000) <= lg_clock_real_ms();
}

static void note_failure(int fd, bool failed)
{
	if (ftruncate(fd, 0) || (failed && pwrite(fd, "!", 1, 0) != 1))
		tool_warn("%s: %s", REPORT_LOCK_FILE, strerror(errno));
}

void report_auto_due(void)
{
	const struct tool_paths *at = tool_opened();
	struct work w = {.lock = -1};
	int ret;

	if (!at || at->refused)
		return;
	snprintf(w.done, sizeof(w.done), "%s/" REPORT_DONE_FILE, at->state);
	w.mark = read_mark(w.done);
	if (w.mark.month >= 0 && lg_clock_real_ms() < w.mark.due_ms)
		return;
	report_plan_read(&w.plan, at->config, at->state);
	if (!w.plan.nformats)
		return;
	w.lock = lock(at->state, false);
	if (w.lock < 0)
		return;
	w.mark = read_mark(w.done);
	if (!failed_lately(w.lock) &&
	    (w.mark.month < 0 || lg_clock_real_ms() >= w.mark.due_ms)) {
		ret = make_due(&w);
		note_failure(w.lock, ret != EXIT_OK);
		if (ret != EXIT_OK)
			tool_warn("the monthly report (reports: in %s) is "
				  "tried again in an hour, or now: llmguard "
				  "report --auto",
				  at->config);
	}
	close(w.lock);
}

static int make_asked(struct work *w, const char *month)
{
	int ret;

	if (w->json) {
		json_init(&w->j);
		json_open(&w->j, NULL, '{');
		json_open(&w->j, "files", '[');
	}
	ret = month ? make_one(w, month) : make_due(w);
	if (!month)
		note_failure(w->lock, ret != EXIT_OK);
	if (w->json) {
		json_close(&w->j, ']');
		json_close(&w->j, '}');
		json_line(&w->j);
		tool_print(&w->j.b);
	} else if (ret == EXIT_OK && !w->made) {
		printf("Nothing to write.\n");
	}
	return ret;
}

int report_auto(const char *month, bool json)
{
	struct work w = {.lock = -1, .asked = true, .json = json};
	const struct tool_paths *at;
	struct lg_engine *e;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	lg_engine_close(e);
	at = tool_opened();
	if (at->refused)
		return tool_fail("%s is refused: no report is written by it",
				 *at->config ? at->config : "the config");
	report_plan_read(&w.plan, at->config, at->state);
	if (!w.plan.nformats)
		return tool_fail("%s asks for none: give it reports: "
				 "{formats: [xlsx]}",
				 *at->config ? at->config : "the config");
	w.lock = lock(at->state, true);
	if (w.lock < 0)
		return tool_fail("%s/" REPORT_LOCK_FILE ": %s", at->state,
				 strerror(-w.lock));
	snprintf(w.done, sizeof(w.done), "%s/" REPORT_DONE_FILE, at->state);
	w.mark = read_mark(w.done);
	ret = make_asked(&w, month);
	close(w.lock);
	return ret;
}
