#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "budget/events.h"
#include "cmds.h"
#include "doc.h"
#include "guard/crossing.h"
#include "guard/engine.h"
#include "guard/event.h"
#include "guard/file.h"
#include "guard/world.h"
#include "table.h"
#include "tool.h"
#include "when.h"

enum { O_FOLLOW, O_SINCE, O_LEVEL, O_EVENT, O_JSON };
static const struct opt opts[] = {
	[O_FOLLOW] = {"follow", 'f', OPT_FLAG, NULL, "and those that come"},
	[O_SINCE] = {"since", 's', OPT_TEXT, "DATE",
		     "from this day or RFC 3339 time on"},
	[O_LEVEL] = {"level", 'l', OPT_TEXT, "info|warning|critical|exceeded",
		     "this level and above"},
	[O_EVENT] = {"event", 'e', OPT_TEXT, "NAME",
		     "threshold, window_start, blocked, unknown_price, "
		     "tracking_failure, forecast, control, expensive_call"},
	[O_JSON] = {"json", 0, OPT_FLAG, NULL,
		    "print the lines as they are (docs/events.md)"},
	OPT_END,
};

#define POLL_MS 250

struct alerts {
	struct lg_engine *e;
	const char *event;
	unsigned level;
	int64_t since_ms;
	bool json;
	uint64_t seen[LG_EVENTS_SHOWN * 4]; /* shown from the ring alone */
	unsigned nseen;
	ino_t ino; /* of the file that is followed */
	off_t at;
};

static unsigned level_of(struct lg_slice s)
{
	unsigned i = LG_EVENT_EXCEEDED;

	while (i && !lg_slice_eq(s, lg_slice_str(lg_event_level_name(
					    (enum lg_event_level)i))))
		i--;
	return i;
}

static void put_clean(struct lg_slice s)
{
	char text[LG_EVENT_LINE_MAX + 1];
	size_t bad;

	lg_slice_copy(s, text, sizeof(text));
	for (const char *p = text; *p; p += bad ? bad : 1) {
		bad = table_hostile(p);
		putchar(bad ? '?' : *p);
	}
}

static void print_text(struct alerts *a, const struct doc *v, int64_t ts)
{
	printf("%s  %-8.*s  %-16.*s  ", tool_time(a->e, ts),
	       (int)doc_text(doc_get(v, "level")).len,
	       doc_text(doc_get(v, "level")).p,
	       (int)doc_text(doc_get(v, "event")).len,
	       doc_text(doc_get(v, "event")).p);
	put_clean(doc_text(doc_get(v, "message")));
	putchar('\n');
}

static bool was_seen(const struct alerts *a, struct lg_slice id)
{
	char text[20];

	lg_slice_copy(id, text, sizeof(text));
	for (unsigned i = 0; i < a->nseen; i++)
		if (a->seen[i] == strtoull(text, NULL, 16))
			return true;
	return false;
}

/* One line, if it is one and was asked for. Torn ones are passed over. */
static void show(struct alerts *a, struct lg_slice line)
{
	struct doc_arena arena = {0};
	struct doc_error err;
	struct doc *v;
	int64_t ts;

	if (!line.len || doc_parse_json(&arena, "events", line, &v, &err) ||
	    v->kind != DOC_MAP || !doc_get(v, "event") ||
	    when_parse(doc_text(doc_get(v, "ts")), NULL, false, &ts))
		goto out;
	if (ts < a->since_ms ||
	    level_of(doc_text(doc_get(v, "level"))) < a->level ||
	    (a->event && !doc_is(doc_get(v, "event"), a->event)) ||
	    was_seen(a, doc_text(doc_get(v, "id"))))
		goto out;
	if (a->json)
		printf("%.*s\n", (int)line.len, line.p);
	else
		print_text(a, v, ts);
out:
	doc_arena_fini(&arena);
}

/* What lies behind `at` and is whole. */
static void show_from(struct alerts *a, const char *path, off_t *at)
{
	struct lg_slice rest, line;
	const char *end;
	size_t size;
	void *p;

	if (lg_file_read(path, 4 * LG_EVENT_FILE_MAX, &p, &size))
		return;
	rest = (struct lg_slice){p, size};
	if (*at > 0 && (size_t)*at <= size)
		rest = (struct lg_slice){(char *)p + *at, size - (size_t)*at};
	end = rest.len ? memrchr(rest.p, '\n', rest.len) : NULL;
	rest.len = end ? (size_t)(end - rest.p) + 1 : 0;
	*at = rest.p + rest.len - (char *)p;
	while (rest.len) {
		rest = lg_slice_cut(rest, '\n', &line);
		show(a, line);
	}
	lg_mem_free(p, size);
}

static void path_of(struct alerts *a, const char *name, char out[512])
{
	snprintf(out, 512, "%s%s", lg_engine_state_dir(a->e), name);
}

/* Lines that no file could take, where they cannot be written now either. */
static void show_ring(struct alerts *a)
{
	struct lg_region *r = lg_engine_region(a->e);
	struct lg_event_view v;

	for (unsigned i = 0; r && i < LG_EVENTS_SHOWN; i++) {
		if (lg_events_view(r, i, &v) || v.saved || v.len < 2)
			continue;
		show(a, (struct lg_slice){v.line, v.len - 1});
		if (a->nseen < sizeof(a->seen) / sizeof(a->seen[0]))
			a->seen[a->nseen++] = v.id;
	}
}

/* A file that was renamed is read to its end before the new one. */
static void show_new(struct alerts *a)
{
	char path[512], old[512];
	struct stat st;
	off_t at = a->at;

	path_of(a, LG_EVENT_FILE, path);
	path_of(a, LG_EVENT_FILE_OLD, old);
	if (stat(path, &st))
		return;
	if (st.st_ino != a->ino && a->ino) {
		show_from(a, old, &at);
		a->at = 0;
	}
	a->ino = st.st_ino;
	if (st.st_size > a->at)
		show_from(a, path, &a->at);
}

static void follow(struct alerts *a)
{
	struct timespec nap = {0, POLL_MS * 1000000L};

	while (!fflush(stdout) && !ferror(stdout)) {
		nanosleep(&nap, NULL);
		show_new(a);
		show_ring(a);
	}
}

static int read_since(struct call *c, struct alerts *a)
{
	struct lg_world *w = lg_engine_pin(a->e);
	int err = when_parse(lg_slice_str(c->v[O_SINCE].text), w->zone, false,
			     &a->since_ms);

	lg_engine_unpin(a->e, w);
	return err ? tool_usage(c->cmd,
				"--since %s: must be a day or an RFC "
				"3339 time",
				c->v[O_SINCE].text)
		   : -1;
}

static bool is_kind(const char *name)
{
	for (unsigned i = 0; i < LG_EVENT_KINDS; i++)
		if (!strcmp(name, lg_event_kind_name((enum lg_event_kind)i)))
			return true;
	return false;
}

static int run(struct call *c)
{
	static struct alerts a;
	char old[512];
	off_t at = 0;
	int ret;

	a.json = c->v[O_JSON].set;
	a.event = c->v[O_EVENT].text;
	a.since_ms = INT64_MIN;
	if (c->v[O_LEVEL].set) {
		a.level = level_of(lg_slice_str(c->v[O_LEVEL].text));
		if (strcmp(c->v[O_LEVEL].text,
			   lg_event_level_name((enum lg_event_level)a.level)))
			return tool_usage(c->cmd,
					  "--level: must be info, warning, "
					  "critical or exceeded");
	}
	if (a.event && !is_kind(a.event))
		return tool_usage(c->cmd,
				  "--event %s: must be threshold, "
				  "window_start, blocked, unknown_price, "
				  "tracking_failure, forecast, control or "
				  "expensive_call",
				  a.event);
	ret = tool_open(&a.e);
	if (ret < 0 && c->v[O_SINCE].set)
		ret = read_since(c, &a);
	if (ret >= 0)
		return ret;
	lg_crossing_heal(a.e);
	path_of(&a, LG_EVENT_FILE_OLD, old);
	show_from(&a, old, &at);
	show_new(&a);
	show_ring(&a);
	if (c->v[O_FOLLOW].set)
		follow(&a);
	ret = fflush(stdout) ? EXIT_FAILED : EXIT_OK;
	lg_engine_close(a.e);
	return ret;
}

const struct cmd cmd_alerts = {
	.name = "alerts",
	.args = "",
	.summary = "what the guard had to say: thresholds, refusals, forecasts",
	.about = "From events.jsonl in the state folder, oldest first. Each "
		 "is told once a window by\nall programs together. What no "
		 "file could take is written first, or shown from the\n"
		 "shared region.",
	.reads = true,
	.opts = opts,
	.run = run,
};
