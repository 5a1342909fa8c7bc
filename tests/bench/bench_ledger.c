/*
 * The ledger's figures, in CPU time: an appended row (id, formatting, open,
 * checks, write, close), a walk over ROWS rows, and a lost region built anew
 * from them with four budgets. bench_ledger [ROWS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/image.h"
#include "guard/engine.h"
#include "ledger/ledger.h"

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void sample(struct lg_row *r, unsigned i)
{
	lg_row_init(r);
	r->ts_ms = 1795357852123 + i;
	lg_row_new_id(r->ts_ms, r->id);
	r->end_ms = r->ts_ms + 800;
	r->pid = 4242;
	r->uid = 1000;
	strcpy(r->exe, "/usr/bin/python3.11");
	strcpy(r->comm, "python3");
	strcpy(r->run_id, "run-6921c8a1-4242-1a2b3c4d");
	strcpy(r->project, "customer-support");
	strcpy(r->user, "someone");
	strcpy(r->key, "0123456789ab");
	strcpy(r->provider, "openai");
	strcpy(r->host, "api.openai.com");
	strcpy(r->dialect, "openai-chat");
	strcpy(r->endpoint, "/v1/chat/completions");
	strcpy(r->model_requested, "gpt-4o");
	strcpy(r->model, "gpt-4o-2024-08-06");
	strcpy(r->price_version, "2026-08-21");
	strcpy(r->budgets, "month\x1frun\x1fgpt4o\x1f"
			   "everyone");
	strcpy(r->response_id, "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG");
	strcpy(r->usage_raw, "{\"prompt_tokens\":1117,\"completion_tokens\":46,"
			     "\"total_tokens\":1163,\"prompt_tokens_details\":"
			     "{\"cached_tokens\":0,\"audio_tokens\":0}}");
	r->status = 200;
	r->input_tokens = 1117;
	r->output_tokens = 46;
	r->cost_pusd = r->economic_pusd = 3252500000;
	r->duration_ms = 800;
}

static int64_t fill(struct lg_ledger *l, unsigned rows, unsigned timed)
{
	static char text[LG_ROW_LINE_MAX];
	static struct lg_row r;
	struct lg_buf b;
	int64_t start = 0, end = 0;
	unsigned i;

	for (i = 0; i < rows; i++) {
		if (i == 1000)
			start = now_ns();
		if (i == 1000 + timed)
			end = now_ns();
		sample(&r, i);
		lg_buf_init_fixed(&b, text, sizeof(text));
		if (lg_row_format(&r, &b) ||
		    lg_ledger_append(l, 1795357852123, lg_buf_slice(&b))) {
			fprintf(stderr, "cannot append\n");
			exit(1);
		}
	}
	return end - start;
}

static int64_t format_only(unsigned n)
{
	static char text[LG_ROW_LINE_MAX];
	static struct lg_row r;
	int64_t start = now_ns();
	struct lg_buf b;
	unsigned i;

	for (i = 0; i < n; i++) {
		sample(&r, i);
		lg_buf_init_fixed(&b, text, sizeof(text));
		lg_row_format(&r, &b);
	}
	return now_ns() - start;
}

static int add(void *ctx, const struct lg_row *r,
	       const struct lg_ledger_pos *after)
{
	(void)after;
	*(int64_t *)ctx += r->cost_pusd;
	return 0;
}

static const char config[] =
	"version: 1\n"
	"budgets:\n"
	"  - {name: a, scope: global, period: total, limit_usd: 1000000}\n"
	"  - {name: b, scope: \"project:customer-*\", period: yearly, "
	"limit_usd: 1000000}\n"
	"  - {name: c, scope: \"model:gpt-4o*\", period: hourly, "
	"limit_usd: 1000000}\n"
	"  - {name: d, scope: \"provider:openai\", period: weekly, "
	"limit_usd: 1000000}\n";

static void put_path(char *out, const char *dir, const char *name)
{
	strcpy(out, dir);
	strcat(out, name);
}

/* From nothing but the ledger to cells that know what was spent. */
static int64_t rebuild(const char *dir)
{
	char config_path[128], region[128];
	struct lg_env env = {.state_dir = dir};
	struct lg_engine *e;
	int64_t start;
	FILE *f;

	put_path(config_path, dir, "/llmguard.yaml");
	put_path(region, dir, "/region");
	env.config = config_path;
	env.region = region;
	f = fopen(config_path, "w");
	if (!f || fputs(config, f) < 0 || fclose(f))
		return -1;
	start = now_ns();
	if (lg_engine_open(&env, &e))
		return -1;
	lg_engine_touch(e);
	start = now_ns() - start;
	lg_engine_close(e);
	return start;
}

int main(int argc, char **argv)
{
	unsigned rows = argc > 1 ? (unsigned)atoi(argv[1]) : 100000;
	unsigned timed = rows > 21000 ? 20000 : rows / 2;
	char dir[] = "/tmp/lg_bench_ledger_XXXXXX", cmd[64];
	struct lg_ledger_stats st = {0};
	struct lg_ledger_pos pos;
	int64_t append, took, best = INT64_MAX, sum;
	struct lg_ledger l;
	int i;

	if (rows < 2100)
		rows = 2100, timed = 1000;
	if (!mkdtemp(dir) || lg_ledger_init(&l, dir, LG_DURABILITY_NONE))
		return 1;
	append = fill(&l, rows, timed);
	for (i = 0; i < 3; i++) {
		memset(&pos, 0, sizeof(pos));
		memset(&st, 0, sizeof(st));
		sum = 0;
		took = now_ns();
		lg_ledger_walk(l.dir, &pos, 0, add, &sum, &st);
		took = now_ns() - took;
		if (took < best)
			best = took;
	}
	printf("ledger_row_us %.2f\n", (double)append / timed / 1000);
	printf("ledger_row_format_us %.2f\n",
	       (double)format_only(20000) / 20000 / 1000);
	printf("ledger_walk_rows_per_s %.0f\n",
	       (double)st.rows * 1e9 / (double)best);
	printf("ledger_row_bytes %llu\n",
	       (unsigned long long)(st.bytes / rows));
	took = rebuild(dir);
	if (took > 0)
		printf("rebuild_rows_per_s %.0f\n",
		       (double)rows * 1e9 / (double)took);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd) || st.rows != rows || st.torn || st.duplicates;
}
