#include <stdio.h>
#include <sys/stat.h>

#include "cmds.h"
#include "guard/engine.h"
#include "index.h"
#include "json.h"
#include "tool.h"

enum { O_REBUILD, O_JSON };
static const struct opt opts[] = {
	[O_REBUILD] = {"rebuild", 0, OPT_FLAG, NULL,
		       "throw it away and make it anew from the ledger"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

static int show_json(const struct index *x, const struct index_stats *s,
		     uint64_t bytes)
{
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "index", index_path(x));
	json_bool(&j, "in_memory", index_is_volatile(x));
	json_u64(&j, "bytes", bytes);
	json_u64(&j, "new_rows", s->rows);
	json_u64(&j, "torn_rows", s->torn);
	json_u64(&j, "duplicates", s->duplicates);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

/* With what has not come into it yet from its log. */
static uint64_t bytes_of(const struct index *x)
{
	char log[4096];
	struct stat st;
	uint64_t n = 0;

	if (!stat(index_path(x), &st))
		n = (uint64_t)st.st_size;
	snprintf(log, sizeof(log), "%s-wal", index_path(x));
	if (!stat(log, &st))
		n += (uint64_t)st.st_size;
	return n;
}

static void show_text(const struct index *x, const struct index_stats *s,
		      uint64_t bytes)
{
	printf("%s: %llu new rows, ", index_path(x),
	       (unsigned long long)s->rows);
	if (bytes < 1000000)
		printf("%llu kB", (unsigned long long)(bytes + 999) / 1000);
	else
		printf("%.1f MB", (double)bytes / 1e6);
	if (s->torn)
		printf("; %llu torn lines passed over",
		       (unsigned long long)s->torn);
	printf("\n");
}

static int run(struct call *c)
{
	struct index_stats s;
	struct lg_engine *e;
	struct index *x;
	int ret = tool_open(&e);

	if (ret >= 0)
		return ret;
	ret = c->v[O_REBUILD].set ? index_rebuild(e, &x) : index_open(e, &x);
	if (ret >= 0) {
		lg_engine_close(e);
		return ret;
	}
	index_stats(x, &s);
	if (c->v[O_JSON].set) {
		ret = show_json(x, &s, bytes_of(x));
	} else {
		show_text(x, &s, bytes_of(x));
		ret = EXIT_OK;
	}
	if (s.unread && ret == EXIT_OK)
		ret = EXIT_FAILED;
	index_close(x);
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_index = {
	.name = "index",
	.args = "",
	.summary = "bring the index of the ledger up to date",
	.about = "Reports read an SQLite database beside the ledger "
		 "(docs/index.md) and bring it up\nto date themselves. This "
		 "does the same, and makes it anew when asked.",
	.reads = true,
	.opts = opts,
	.run = run,
};
