#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "cmds.h"
#include "report.h"
#include "run.h"
#include "table.h"
#include "tool.h"

enum { O_PER_EXAMPLE = ASK_OPTIONS, O_RUNS };
static const struct opt opts[] = {
	ASK_OPTS,
	[O_PER_EXAMPLE] = {"calls-per-example", 'c', OPT_COUNT, "N",
			   "so many inference calls are one run of the "
			   "program"},
	[O_RUNS] = {"runs", 'r', OPT_COUNT, "N",
		    "the program ran so many times"},
	OPT_END,
};

#define MILLION 1000000

struct million {
	struct ask a;
	struct query train;
	struct query local; /* hits alone, by model */
	int64_t calls;	    /* inference calls that crossed the wire */
	int64_t hits; /* and those that the program's own cache answered */
	int64_t runs; /* of the program, times `per` */
	int64_t per;
	const char *by; /* how runs were counted */
};

/* A million of them in billionths of a dollar, half up; -1: by is 0. */
static int64_t of_million(int64_t pusd, int64_t times, int64_t by)
{
	__int128 n;

	if (by <= 0)
		return -1;
	n = ((__int128)pusd * (MILLION / 1000) * times + by / 2) / by;
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static void put_nano(struct json *j, const char *key, int64_t nano)
{
	char text[32];

	if (nano < 0) {
		json_null(j, key);
		return;
	}
	run_nano_text(nano, text);
	json_number(j, key, text);
}

/* For people: cents. */
static const char *nano_text(int64_t nano, char out[40])
{
	if (nano < 0)
		return "-";
	snprintf(out, 40, "$%lld.%02lld", (long long)(nano / 1000000000),
		 (long long)(nano / 10000000 % 100));
	return out;
}

static int64_t made(const struct sums *s)
{
	return s->v[SUM_CALLS] - s->v[SUM_BLOCKED];
}

static const struct dim *dim(const char *name)
{
	return dim_by_name(lg_slice_str(name));
}

/* Of a model's calls those that crossed the wire. */
static int64_t crossed(const struct million *m, const struct group *g)
{
	const struct grouping *by = &m->local.out[0];
	const char *key = g->key ? g->key : "";

	for (unsigned i = 0; i < by->n; i++)
		if (!strcmp(by->g[i].key ? by->g[i].key : "", key))
			return made(&g->s) - made(&by->g[i].s);
	return made(&g->s);
}

static void count_runs(struct million *m)
{
	const struct opt_value *v = m->a.c->v;
	const struct grouping *runs = &m->a.q.out[1];

	m->per = 1;
	if (v[O_RUNS].set) {
		m->runs = (int64_t)v[O_RUNS].n;
		m->by = "--runs";
	} else if (v[O_PER_EXAMPLE].set) {
		m->runs = m->calls + m->hits;
		m->per = (int64_t)v[O_PER_EXAMPLE].n;
		m->by = "calls";
	} else {
		for (unsigned i = 0; i < runs->n; i++)
			m->runs += runs->g[i].key != NULL;
		m->by = "run ids";
	}
}

static int collect(struct million *m)
{
	struct query *q = &m->a.q;
	unsigned phase = (unsigned)(dim("phase") - dims);
	int ret;

	ask_again(&m->a, &m->train);
	m->train.light = false;
	m->train.filter[phase] = "train";
	q->filter[phase] = "infer,-";
	ask_again(&m->a, &m->local);
	m->local.filter[dim("cache_hit") - dims] = "local";
	m->local.by[m->local.nby++] = dim("model");
	q->by[q->nby++] = dim("model");
	q->by[q->nby++] = dim("run");
	ret = query_run(q);
	if (ret < 0)
		ret = query_run(&m->train);
	if (ret < 0)
		ret = query_run(&m->local);
	if (ret >= 0)
		return ret;
	m->hits = made(&m->local.total);
	m->calls = made(&q->total) - m->hits;
	count_runs(m);
	return -1;
}

static void put_figures(struct json *j, const char *key, int64_t pusd,
			int64_t economic, int64_t times, int64_t by)
{
	json_open(j, key, '{');
	put_nano(j, "cost_usd", of_million(pusd, times, by));
	put_nano(j, "economic_usd", of_million(economic, times, by));
	json_close(j, '}');
}

static int show_json(struct million *m)
{
	const struct query *q = &m->a.q;
	const int64_t *v = q->total.v;
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	ask_json(&j, &m->a);
	json_open(&j, "inference", '{');
	sums_json(&j, &q->total);
	json_i64(&j, "dispatched", m->calls);
	json_i64(&j, "local_cache_hits", m->hits);
	json_close(&j, '}');
	json_open(&j, "training", '{');
	sums_json(&j, &m->train.total);
	json_close(&j, '}');
	put_figures(&j, "per_million_calls", v[SUM_COST], v[SUM_ECONOMIC], 1,
		    m->calls);
	put_figures(&j, "per_million_runs", v[SUM_COST], v[SUM_ECONOMIC],
		    m->per, m->runs);
	json_i64(&j, "program_runs", m->per ? m->runs / m->per : 0);
	json_text(&j, "runs_counted_by", m->by);
	json_open(&j, "models", '[');
	for (unsigned i = 0; i < q->out[0].n; i++) {
		const struct group *g = &q->out[0].g[i];

		if (!made(&g->s))
			continue;
		json_open(&j, NULL, '{');
		json_text(&j, "model", ask_key(q->by[0], g));
		json_i64(&j, "dispatched", crossed(m, g));
		json_i64(&j, "local_cache_hits", made(&g->s) - crossed(m, g));
		put_figures(&j, "per_million_calls", g->s.v[SUM_COST],
			    g->s.v[SUM_ECONOMIC], 1, crossed(m, g));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	sums_json_coverage(&j, &q->total, q->x);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static void put_line(struct table *t, const char *what, int64_t n,
		     const int64_t *v, int64_t times, int64_t by)
{
	char text[40];

	table_cell(t, what);
	table_cell(t, count_text(n));
	table_cell(t, tool_usd(v[SUM_COST]));
	table_cell(t, nano_text(of_million(v[SUM_COST], times, by), text));
	table_cell(t, nano_text(of_million(v[SUM_ECONOMIC], times, by), text));
}

static int show_text(struct million *m)
{
	const struct query *q = &m->a.q;
	const int64_t *v = q->total.v;
	struct lg_buf out;
	struct table t;

	lg_buf_init(&out, (size_t)1 << 26);
	lg_buf_puts(&out, "Inference, ");
	lg_buf_puts(&out, span_text(&m->a, &m->a.span));
	lg_buf_puts(&out, "\n");
	table_init(&t, "OF A MILLION\tCOUNT\rCOST\rACTUAL\rECONOMIC\r");
	put_line(&t, "calls that crossed the wire", m->calls, v, 1, m->calls);
	put_line(&t, "program runs", m->per ? m->runs / m->per : 0, v, m->per,
		 m->runs);
	for (unsigned i = 0; i < q->out[0].n; i++) {
		const struct group *g = &q->out[0].g[i];

		if (made(&g->s))
			put_line(&t, ask_key(q->by[0], g), crossed(m, g),
				 g->s.v, 1, crossed(m, g));
	}
	table_print(&t, &out);
	lg_buf_puts(&out, "Program runs are counted by ");
	lg_buf_puts(&out, m->by);
	lg_buf_puts(&out, ". Training besides: ");
	lg_buf_puts(&out, tool_usd(m->train.total.v[SUM_COST]));
	lg_buf_puts(&out, "\n");
	sums_text_coverage(&out, q);
	return tool_print(&out);
}

#define RUNS_MAX INT64_C(1000000000000)

static int run(struct call *c)
{
	struct million m = {0};
	int ret;

	if (c->v[ASK_PHASE].set)
		return tool_usage(c->cmd, "--phase: it is inference that is "
					  "counted");
	if ((c->v[O_PER_EXAMPLE].set && !c->v[O_PER_EXAMPLE].n) ||
	    c->v[O_PER_EXAMPLE].n > MILLION)
		return tool_usage(c->cmd,
				  "--calls-per-example %s: from 1 to 1000000",
				  c->v[O_PER_EXAMPLE].text);
	if (c->v[O_RUNS].set && (!c->v[O_RUNS].n || c->v[O_RUNS].n > RUNS_MAX))
		return tool_usage(c->cmd, "--runs %s: from 1 to %lld",
				  c->v[O_RUNS].text, (long long)RUNS_MAX);
	ret = ask_open(&m.a, c);
	if (ret >= 0)
		return ret;
	ret = collect(&m);
	if (ret < 0)
		ret = c->v[ASK_JSON].set ? show_json(&m) : show_text(&m);
	query_fini(&m.train);
	query_fini(&m.local);
	ask_close(&m.a);
	return ret;
}

const struct cmd cmd_cost_per_million = {
	.name = "cost-per-million",
	.args = "",
	.summary = "what a million calls, or runs of a program, cost",
	.about =
		"Inference alone, refused calls left out. A run of the program "
		"is a LLMGUARD_RUN_ID;\nwith --calls-per-example so many "
		"calls; with --runs you say it. Economic: as if\nnothing had "
		"come from a cache.",
	.reads = true,
	.opts = opts,
	.run = run,
};
