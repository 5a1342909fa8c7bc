#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "amount.h"
#include "cmds.h"
#include "report.h"
#include "table.h"
#include "tool.h"

enum { O_PERIODS = ASK_OPTIONS, O_PROJECTS, O_MODELS, O_METRIC };
static const struct opt opts[] = {
	ASK_OPTS,
	[O_PERIODS] = {"periods", 'p', OPT_COMMAS, "A,B",
		       "months, weeks, years or days: 2026-10,2026-11"},
	[O_PROJECTS] = {"projects", 0, OPT_COMMAS, "A,B",
			"these projects beside each other"},
	[O_MODELS] = {"models", 0, OPT_COMMAS, "A,B",
		      "these models beside each other"},
	[O_METRIC] = {"metric", 'm', OPT_TEXT, "total|average|count|models",
		      "what is compared (total)"},
	OPT_END,
};

#define SIDES_MAX 12

/* One of the things that are beside each other. */
struct side {
	char name[128];
	struct span span;
	struct query q;
};

struct compare {
	struct ask a;
	struct side side[SIDES_MAX];
	unsigned n;
	const char *metric;
};

static const char *kind(const struct compare *m)
{
	const struct opt_value *v = m->a.c->v;

	return v[O_PERIODS].set	   ? "period"
	       : v[O_PROJECTS].set ? "project"
				   : "model";
}

static int add_side(struct compare *m, struct lg_slice name)
{
	struct side *s = &m->side[m->n];
	const struct opt_value *v = m->a.c->v;

	if (m->n == SIDES_MAX)
		return tool_usage(m->a.c->cmd, "at most %d at once", SIDES_MAX);
	snprintf(s->name, sizeof(s->name), "%.*s", (int)name.len, name.p);
	s->span = m->a.span;
	ask_again(&m->a, &s->q);
	s->q.light = false;
	if (v[O_PERIODS].set) {
		if (span_any(&m->a.cal, s->name, &s->span))
			return tool_usage(m->a.c->cmd,
					  "--periods %s: must be like 2026-11, "
					  "2026-W47, 2026 or 2026-11-22",
					  s->name);
		s->q.from_ms = s->span.from_ms;
		s->q.to_ms = s->span.to_ms;
	} else {
		const struct dim *d = dim_by_name(lg_slice_str(kind(m)));

		s->q.filter[d - dims] = s->name;
	}
	s->q.by[s->q.nby++] = dim_by_name(LG_SLICE("model"));
	m->n++;
	return -1;
}

static int take_sides(struct compare *m)
{
	const struct opt_value *v = m->a.c->v;
	struct lg_slice rest, one;
	unsigned given = v[O_PERIODS].set + v[O_PROJECTS].set + v[O_MODELS].set;
	int ret = -1;

	if (given != 1)
		return tool_usage(m->a.c->cmd, "needs --periods A,B or "
					       "--projects A,B or --models "
					       "A,B");
	if (v[O_PERIODS].set &&
	    (v[ASK_FROM].set || v[ASK_TO].set || v[ASK_LAST].set))
		return tool_usage(m->a.c->cmd,
				  "--periods are the stretches of time");
	if ((v[O_PROJECTS].set && v[ASK_PROJECT].set) ||
	    (v[O_MODELS].set && v[ASK_MODEL].set))
		return tool_usage(m->a.c->cmd, "--%s: --%ss says already which",
				  kind(m), kind(m));
	rest = lg_slice_str(v[O_PERIODS].set	? v[O_PERIODS].text
			    : v[O_PROJECTS].set ? v[O_PROJECTS].text
						: v[O_MODELS].text);
	while (ret < 0 && rest.len) {
		rest = lg_slice_cut(rest, ',', &one);
		one = lg_slice_trim(one);
		if (one.len)
			ret = add_side(m, one);
	}
	if (ret < 0 && m->n < 2)
		ret = tool_usage(m->a.c->cmd, "--%s: needs two at least",
				 v[O_PERIODS].set    ? "periods"
				 : v[O_PROJECTS].set ? "projects"
						     : "models");
	return ret;
}

/* The one number that is compared; NULL fmt: money. */
static int64_t measure(const struct compare *m, const struct sums *s)
{
	int64_t made = s->v[SUM_CALLS] - s->v[SUM_BLOCKED];

	if (!strcmp(m->metric, "count"))
		return s->v[SUM_CALLS];
	if (!strcmp(m->metric, "average"))
		return money_share(s->v[SUM_COST], made);
	return s->v[SUM_COST];
}

static void put_gap(struct json *j, const char *key, int64_t ppm)
{
	char text[LG_MONEY_TEXT];

	if (ppm == INT64_MAX || ppm == INT64_MIN) {
		json_null(j, key);
		return;
	}
	/* millionths may be negative: as text */
	lg_money_print(ppm * (LG_PUSD_PER_USD / 1000000), text);
	json_number(j, key, text);
}

static const struct sums *model_of(const struct side *s, const char *key)
{
	static struct sums none;

	for (unsigned i = 0; i < s->q.out[0].n; i++)
		if (!strcmp(s->q.out[0].g[i].key ? s->q.out[0].g[i].key : "",
			    key))
			return &s->q.out[0].g[i].s;
	sums_init(&none);
	return &none;
}

/* All models of all sides, each once, the dearest of the first first. */
static int for_models(const struct compare *m, struct strmap *names)
{
	strmap_init(names, 1);
	for (unsigned i = 0; i < m->n; i++)
		for (unsigned k = 0; k < m->side[i].q.out[0].n; k++) {
			const char *key = m->side[i].q.out[0].g[k].key;

			if (!strmap_put(names, key ? key : ""))
				return tool_fail("out of memory");
		}
	return -1;
}

static void put_models(struct json *j, const struct compare *m,
		       const struct strmap *names)
{
	json_open(j, "models", '[');
	for (size_t i = 0; i < names->n; i++) {
		const char *key;

		strmap_nth(names, i, &key);
		json_open(j, NULL, '{');
		if (*key)
			json_text(j, "model", key);
		else
			json_null(j, "model");
		json_open(j, "cost_usd", '[');
		for (unsigned k = 0; k < m->n; k++)
			json_usd(j, NULL,
				 model_of(&m->side[k], key)->v[SUM_COST]);
		json_close(j, ']');
		json_close(j, '}');
	}
	json_close(j, ']');
}

static int show_json(struct compare *m, const struct strmap *names)
{
	int64_t first = measure(m, &m->side[0].q.total);
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_text(&j, "timezone", ask_zone_name(&m->a));
	json_text(&j, "metric", m->metric);
	json_open(&j, "compared", '[');
	for (unsigned i = 0; i < m->n; i++) {
		const struct side *s = &m->side[i];

		json_open(&j, NULL, '{');
		json_text(&j, kind(m), s->name);
		json_time(&j, "from", s->span.from_ms);
		json_time(&j, "to", s->span.to_ms);
		sums_json(&j, &s->q.total);
		put_gap(&j, "change",
			amount_gap_ppm(measure(m, &s->q.total), first));
		sums_json_coverage(&j, &s->q.total, s->q.x);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	put_models(&j, m, names);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static void put_side(struct table *t, const struct compare *m,
		     const struct side *s)
{
	const int64_t *v = s->q.total.v;
	char gap[32] = "";

	if (s != m->side)
		amount_gap_text(amount_gap_ppm(measure(m, &s->q.total),
					       measure(m, &m->side[0].q.total)),
				gap, sizeof(gap));
	table_cell(t, s->name);
	table_cell(t, count_text(v[SUM_CALLS]));
	table_cell(t, tool_usd(v[SUM_COST]));
	table_cell(t, tool_usd(money_share(v[SUM_COST],
					   v[SUM_CALLS] - v[SUM_BLOCKED])));
	table_cell(t, ppm_text(sums_share_ppm(v[SUM_COVER_COST + SPEND_EXACT],
					      v[SUM_COST])));
	table_cell(t, gap);
}

static void put_model_table(struct compare *m, const struct strmap *names,
			    struct lg_buf *out)
{
	char head[SIDES_MAX * 130 + 16] = "MODEL\t";
	struct table t;

	for (unsigned i = 0; i < m->n; i++) {
		strcat(head, m->side[i].name);
		strcat(head, "\r");
	}
	table_init(&t, head);
	for (size_t i = 0; i < names->n; i++) {
		const char *key;

		strmap_nth(names, i, &key);
		table_cell(&t, key);
		for (unsigned k = 0; k < m->n; k++)
			table_cell(&t, tool_usd(model_of(&m->side[k], key)
							->v[SUM_COST]));
	}
	lg_buf_putc(out, '\n');
	table_print(&t, out);
}

static int show_text(struct compare *m, const struct strmap *names)
{
	char head[128];
	struct lg_buf out;
	struct table t;

	lg_buf_init(&out, (size_t)1 << 26);
	snprintf(head, sizeof(head),
		 "%s\tCALLS\rCOST\rAVERAGE\rEXACT\rCHANGE OF %s\r",
		 !strcmp(kind(m), "period")    ? "PERIOD"
		 : !strcmp(kind(m), "project") ? "PROJECT"
					       : "MODEL",
		 !strcmp(m->metric, "count")	 ? "CALLS"
		 : !strcmp(m->metric, "average") ? "AVERAGE"
						 : "COST");
	table_init(&t, head);
	for (unsigned i = 0; i < m->n; i++)
		put_side(&t, m, &m->side[i]);
	table_print(&t, &out);
	if (!strcmp(m->metric, "models"))
		put_model_table(m, names, &out);
	return tool_print(&out);
}

static int run(struct call *c)
{
	static struct compare m;
	struct strmap names = {0};
	int ret = ask_open(&m.a, c);

	if (ret >= 0)
		return ret;
	m.metric = c->v[O_METRIC].set ? c->v[O_METRIC].text : "total";
	ret = take_sides(&m);
	for (unsigned i = 0; ret < 0 && i < m.n; i++)
		ret = query_run(&m.side[i].q);
	if (ret < 0)
		ret = for_models(&m, &names);
	if (ret < 0)
		ret = c->v[ASK_JSON].set ? show_json(&m, &names)
					 : show_text(&m, &names);
	strmap_fini(&names);
	for (unsigned i = 0; i < m.n; i++)
		query_fini(&m.side[i].q);
	ask_close(&m.a);
	return ret;
}

const struct cmd cmd_compare = {
	.name = "compare",
	.args = "",
	.summary = "months, projects or models beside each other",
	.about = "CHANGE is against the first. --periods takes days, weeks "
		 "(2026-W47), months, years,\ntoday, yesterday, week, month, "
		 "year; the others take --from, --to and --last.\n"
		 "--metric models: what each model cost in each.",
	.reads = true,
	.opts = opts,
	.run = run,
};
