#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmds.h"
#include "guard/engine.h"
#include "ledger/ledger.h"
#include "table.h"
#include "tool.h"

enum { O_LINES, O_FOLLOW, O_JSON };
static const struct opt opts[] = {
	[O_LINES] = {"lines", 'n', OPT_COUNT, "N", "so many rows (10)"},
	[O_FOLLOW] = {"follow", 'f', OPT_FLAG, NULL, "and those that come"},
	[O_JSON] = {"json", 0, OPT_FLAG, NULL, "print the rows as they are"},
	OPT_END,
};

#define POLL_MS 250
#define LINES_MAX 100000

struct tail {
	struct lg_engine *e;
	struct lg_row *ring;
	uint64_t want, n; /* n rows were seen, the last `want` are kept */
	bool follow, json;
	int failed;
};

static void tokens(char *out, size_t cap, uint64_t n, bool is_delta)
{
	if (n == LG_ROW_ABSENT)
		snprintf(out, cap, "-");
	else if (is_delta)
		snprintf(out, cap, "%+lld", (long long)lg_row_delta_of(n));
	else
		snprintf(out, cap, "%llu", (unsigned long long)n);
}

static const char *clean(const char *s, char *buf, size_t cap)
{
	table_copy(*s ? s : "-", buf, cap);
	return buf;
}

static void print_text(struct tail *t, const struct lg_row *r)
{
	char in[24], out[24], a[32], b[64], c[128];
	const char *model = r->model[0] ? r->model : r->model_requested;
	bool adjust;

	if (r->kind == LG_ROW_AUDIT) {
		printf("%s  %-14s audit: %s\n", tool_time(t->e, r->ts_ms),
		       clean(r->user, a, sizeof(a)),
		       clean(r->note, c, sizeof(c)));
		return;
	}
	adjust = r->kind == LG_ROW_ADJUST;
	tokens(in, sizeof(in), r->input_tokens, adjust);
	tokens(out, sizeof(out), r->output_tokens, adjust);
	printf("%s  %-14s %-26s %7s in %6s out  %12s  %s", /* one line */
	       tool_time(t->e, r->ts_ms), clean(r->comm, a, sizeof(a)),
	       clean(model, b, sizeof(b)), in, out, tool_usd(r->cost_pusd),
	       adjust ? "correction"
		      : lg_verdict_name((enum lg_verdict)r->verdict));
	if (adjust && r->note[0])
		printf(" (%s)", clean(r->note, c, sizeof(c)));
	if (r->reason[0])
		printf(" (%s)", clean(r->reason, c, sizeof(c)));
	if (r->usage_state != LG_USAGE_EXACT)
		printf(" %s", lg_usage_state_name(
				      (enum lg_usage_state)r->usage_state));
	if (r->price_state == LG_PRICED_UNKNOWN)
		printf(" price unknown");
	if (r->status >= 400 && r->verdict != LG_VERDICT_BLOCK)
		printf(" HTTP %d", r->status);
	if (r->flags & LG_ROW_ABANDONED)
		printf(" abandoned");
	if (r->flags & LG_ROW_PENDING)
		printf(" pending");
	putchar('\n');
}

static void print_row(struct tail *t, const struct lg_row *r)
{
	char line[LG_ROW_LINE_MAX];
	struct lg_buf b;

	if (!t->json) {
		print_text(t, r);
		return;
	}
	lg_buf_init_fixed(&b, line, sizeof(line));
	if (!lg_row_format(r, &b))
		fwrite(b.p, 1, b.len, stdout);
}

static int keep(void *ctx, const struct lg_row *r,
		const struct lg_ledger_pos *after)
{
	struct tail *t = ctx;

	(void)after;
	if (t->want)
		t->ring[t->n % t->want] = *r;
	t->n++;
	return 0;
}

static int print_now(void *ctx, const struct lg_row *r,
		     const struct lg_ledger_pos *after)
{
	(void)after;
	print_row(ctx, r);
	return 0;
}

static int last_rows(struct tail *t, struct lg_ledger_pos *pos)
{
	const char *dir = lg_engine_ledger(t->e)->dir;
	uint64_t i, first;
	int err = 0;

	if (tool_ledger_end(t->e, (t->want + 2) * LG_ROW_LINE_MAX, pos))
		err = lg_ledger_walk(dir, pos, 0, keep, t, NULL);
	if (!err && t->n < t->want) {
		t->n = 0;
		memset(pos, 0, sizeof(*pos));
		err = lg_ledger_walk(dir, pos, 0, keep, t, NULL);
	}
	if (!err && !t->want && !pos->file[0])
		err = lg_ledger_walk(dir, pos, 0, keep, t, NULL);
	first = t->n > t->want ? t->n - t->want : 0;
	for (i = first; i < t->n; i++)
		print_row(t, &t->ring[i % t->want]);
	return err;
}

static int follow(struct tail *t, struct lg_ledger_pos *pos)
{
	struct timespec nap = {0, POLL_MS * 1000000L};
	int err = 0;

	while (!err && !fflush(stdout) && !ferror(stdout)) {
		nanosleep(&nap, NULL);
		err = lg_ledger_walk(lg_engine_ledger(t->e)->dir, pos, 0,
				     print_now, t, NULL);
		if (err == -ESTALE && pos->before != LG_LEDGER_ANY) {
			/* a late row in an old month: go on here */
			pos->before = LG_LEDGER_ANY;
			err = 0;
		}
	}
	return err;
}

static int run(struct call *c)
{
	struct tail t = {.want = c->v[O_LINES].set ? c->v[O_LINES].n : 10,
			 .follow = c->v[O_FOLLOW].set,
			 .json = c->v[O_JSON].set};
	struct lg_ledger_pos pos = {0};
	int err, ret;

	if (t.want > LINES_MAX)
		return tool_usage(c->cmd, "--lines: at most %d", LINES_MAX);
	t.ring = calloc(t.want ? t.want : 1, sizeof(*t.ring));
	if (!t.ring)
		return tool_fail("out of memory");
	ret = tool_open(&t.e);
	if (ret >= 0) {
		free(t.ring);
		return ret;
	}
	err = last_rows(&t, &pos);
	if (!err && t.follow)
		err = follow(&t, &pos);
	ret = err ? tool_fail("ledger: %s", strerror(-err)) : EXIT_OK;
	lg_engine_close(t.e);
	free(t.ring);
	return ret;
}

const struct cmd cmd_tail = {
	.name = "tail",
	.args = "",
	.summary = "the last rows of the ledger",
	.about = "Rows that waited for being written are written first. "
		 "docs/ledger.md explains\neach key of --json.",
	.opts = opts,
	.run = run,
};
