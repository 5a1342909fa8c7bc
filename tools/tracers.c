#include "tracers.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "guard/control.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "tool.h"

#define NOTE_MAX 4096
#define DAY_MS INT64_C(86400000)

void tracer_note_format(const struct tracer_note *n, struct json *j)
{
	json_open(j, NULL, '{');
	json_i64(j, "pid", n->pid);
	json_u64(j, "start", n->start);
	json_i64(j, "since_ms", n->since_ms);
	json_i64(j, "at_ms", n->at_ms);
	json_bool(j, "ended", n->ended);
	json_bool(j, "observe", n->observe);
	json_text(j, "on_hard", n->on_hard);
	json_u64(j, "programs", n->programs);
	json_u64(j, "calls", n->calls);
	json_i64(j, "cost_pusd", n->cost_pusd);
	json_u64(j, "lost_calls", n->lost_calls);
	json_u64(j, "lost_bytes", n->lost_bytes);
	json_close(j, '}');
	json_line(j);
}

static bool is_live(const struct tracer_note *n)
{
	return !n->ended && lg_control_start(n->pid) == n->start;
}

/* Live ones beside each other; of the others the last, while none lives. */
static void keep(struct tracers *t, const struct tracer_note *n)
{
	if (is_live(n)) {
		if (!t->live)
			t->n = 0;
		if (t->n < TRACERS_MAX)
			t->note[t->n++] = *n;
		t->live = t->n;
	} else if (!t->live && (!t->n || n->at_ms > t->note[0].at_ms)) {
		t->note[0] = *n;
		t->n = 1;
	}
}

void tracers_read(const char *state_dir, struct tracers *out)
{
	char path[600], text[NOTE_MAX];
	struct tracer_note n;
	struct dirent *entry;
	DIR *d = opendir(state_dir);

	memset(out, 0, sizeof(*out));
	while (d && (entry = readdir(d))) {
		if (strncmp(entry->d_name, TRACERS_PREFIX,
			    strlen(TRACERS_PREFIX)) ||
		    strchr(entry->d_name, '~') ||
		    snprintf(path, sizeof(path), "%s/%s", state_dir,
			     entry->d_name) >= (int)sizeof(path))
			continue;
		if (lg_file_peek(path, text, sizeof(text)) > 0 &&
		    tracer_note_parse(text, &n))
			keep(out, &n);
	}
	if (d)
		closedir(d);
}

void tracers_json(struct json *j, struct lg_engine *e)
{
	uint64_t calls = 0, lost_calls = 0, lost_bytes = 0, programs = 0;
	struct tracers t;
	int64_t cost = 0;
	unsigned i;

	tracers_read(lg_engine_state_dir(e), &t);
	if (!t.n) {
		json_null(j, "tracer");
		return;
	}
	json_open(j, "tracer", '{');
	json_bool(j, "live", t.live > 0);
	json_open(j, "pids", '[');
	for (i = 0; i < t.live; i++)
		json_i64(j, NULL, t.note[i].pid);
	json_close(j, ']');
	for (i = 0; i < t.n; i++) {
		calls += t.note[i].calls;
		cost = lg_money_add(cost, t.note[i].cost_pusd);
		programs += t.live ? t.note[i].programs : 0;
		lost_calls += t.note[i].lost_calls;
		lost_bytes += t.note[i].lost_bytes;
	}
	json_text(j, "on_hard",
		  t.note[0].observe ? "observe" : t.note[0].on_hard);
	json_time(j, "since", t.note[0].since_ms);
	json_time(j, "seen", t.note[0].at_ms);
	json_u64(j, "programs", programs);
	json_u64(j, "calls", calls);
	json_usd(j, "cost_usd", cost);
	json_u64(j, "lost_calls", lost_calls);
	json_u64(j, "lost_bytes", lost_bytes);
	json_bool(j, "lower_bound", lost_calls || lost_bytes);
	json_close(j, '}');
}

static void put_count(struct lg_buf *out, uint64_t n, const char *what)
{
	lg_buf_put_u64(out, n);
	lg_buf_puts(out, what);
	lg_buf_puts(out, n == 1 ? "" : "s");
}

static void put_one(struct lg_buf *out, struct lg_engine *e,
		    const struct tracer_note *n, bool live)
{
	lg_buf_puts(out, "Tracer: pid ");
	lg_buf_put_i64(out, n->pid);
	if (live) {
		lg_buf_puts(out, " watches ");
		put_count(out, n->programs, " program");
		lg_buf_puts(out, " since ");
		lg_buf_puts(out, tool_time(e, n->since_ms));
	} else {
		lg_buf_puts(out,
			    n->ended ? " ended at " : " was killed about ");
		lg_buf_puts(out, tool_time(e, n->at_ms));
	}
	lg_buf_puts(out, ": ");
	put_count(out, n->calls, " call");
	lg_buf_puts(out, ", ");
	lg_buf_puts(out, tool_usd(n->cost_pusd));
	if (n->lost_calls || n->lost_bytes) {
		lg_buf_puts(out, "; lost ");
		put_count(out, n->lost_calls, " call");
		lg_buf_puts(out, " and ");
		put_count(out, n->lost_bytes, " byte");
		lg_buf_puts(out, ", so that is a lower bound");
	}
	lg_buf_puts(out, "\n");
}

void tracers_text(struct lg_buf *out, struct lg_engine *e)
{
	struct tracers t;

	tracers_read(lg_engine_state_dir(e), &t);
	for (unsigned i = 0; i < t.n; i++)
		if (t.live || lg_clock_real_ms() - t.note[i].at_ms < DAY_MS)
			put_one(out, e, &t.note[i], t.live > 0);
}
