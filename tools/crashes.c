#include "crashes.h"

#include "base/clock.h"
#include "base/mem.h"
#include "guard/crash.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "tool.h"

typedef void crash_fn(void *arg, struct lg_slice path,
		      const struct lg_crash *c);

/* "TIME SIGNAL HOW PATH" */
static struct lg_slice path_of(struct lg_slice line)
{
	struct lg_slice word;

	for (unsigned i = 0; i < 3; i++)
		line = lg_slice_cut(line, ' ', &word);
	return line;
}

static bool is_last(struct lg_slice rest, struct lg_slice path)
{
	struct lg_slice line;

	while (rest.len) {
		rest = lg_slice_cut(rest, '\n', &line);
		if (lg_slice_eq(path_of(line), path))
			return false;
	}
	return true;
}

static void each(struct lg_engine *e, crash_fn *fn, void *arg)
{
	struct lg_slice all, rest, line, path;
	struct lg_crash c;
	char file[512];
	size_t size;
	void *p;

	if (lg_path_join(file, sizeof(file), lg_engine_state_dir(e),
			 LG_CRASH_FILE) ||
	    lg_file_read(file, LG_CRASH_MAX, &p, &size))
		return;
	all = rest = (struct lg_slice){p, size};
	while (rest.len) {
		rest = lg_slice_cut(rest, '\n', &line);
		path = path_of(line);
		if (!path.len || !is_last(rest, path))
			continue;
		lg_crash_judge(all, path, lg_clock_real_ms(), &c);
		if (c.until_ms)
			fn(arg, path, &c);
	}
	lg_mem_free(p, size);
}

static void put_json(void *arg, struct lg_slice path, const struct lg_crash *c)
{
	struct json *j = arg;

	json_open(j, NULL, '{');
	json_slice(j, "program", path);
	json_u64(j, "crashes", c->count);
	json_time(j, "last", c->last_ms);
	json_time(j, "until", c->until_ms);
	json_close(j, '}');
}

void crashes_json(struct json *j, struct lg_engine *e)
{
	json_open(j, "crash_loops", '[');
	each(e, put_json, j);
	json_close(j, ']');
}

struct text {
	struct lg_buf *out;
	struct lg_engine *e;
};

static void put_text(void *arg, struct lg_slice path, const struct lg_crash *c)
{
	struct text *t = arg;
	char shown[300];

	lg_slice_copy(path, shown, sizeof(shown));
	lg_buf_puts(t->out, shown);
	lg_buf_puts(t->out, " crashed again and again at its start: without "
			    "the guard until ");
	lg_buf_puts(t->out, tool_time(t->e, c->until_ms));
	lg_buf_puts(t->out, " (llmguard doctor --reset)\n");
}

void crashes_text(struct lg_buf *out, struct lg_engine *e)
{
	struct text t = {out, e};

	each(e, put_text, &t);
}
