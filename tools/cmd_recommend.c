#include "advice.h"
#include "cmds.h"
#include "report.h"
#include "table.h"
#include "tool.h"

static const struct opt opts[] = {ASK_OPTS, OPT_END};

static int show_json(const struct ask *a, const struct advices *o)
{
	struct json j;

	json_init(&j);
	json_open(&j, NULL, '{');
	ask_json(&j, a);
	json_open(&j, "recommendations", '[');
	for (unsigned i = 0; i < o->n; i++) {
		const struct advice *v = &o->v[i];

		json_open(&j, NULL, '{');
		json_text(&j, "kind", advice_kind_name(v->kind));
		json_text(&j, "subject", v->subject);
		if (v->other[0])
			json_text(&j, "instead", v->other);
		json_i64(&j, "calls", v->calls);
		json_usd(&j, "cost_usd", v->cost_pusd);
		json_usd(&j, "saving_usd",
			 v->saving_pusd ? v->saving_pusd : INT64_MIN);
		json_text(&j, "text", v->text);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "total", '{');
	sums_json(&j, &a->q.total);
	json_close(&j, '}');
	sums_json_coverage(&j, &a->q.total, a->q.x);
	json_close(&j, '}');
	json_line(&j);
	return tool_print(&j.b);
}

static void put_text(struct lg_buf *out, const char *text)
{
	table_put(out, text);
}

static int show_text(const struct ask *a, const struct advices *o)
{
	struct lg_buf out;

	lg_buf_init(&out, (size_t)1 << 20);
	lg_buf_puts(&out, "From ");
	lg_buf_puts(&out, span_text(a, &a->span));
	lg_buf_puts(&out, ", ");
	lg_buf_puts(&out, tool_usd(a->q.total.v[SUM_COST]));
	lg_buf_puts(&out, o->n ? ":\n" : ": nothing to recommend.\n");
	for (unsigned i = 0; i < o->n; i++) {
		const struct advice *v = &o->v[i];

		lg_buf_puts(&out, "\n");
		lg_buf_puts(&out,
			    v->saving_pusd ? tool_usd(v->saving_pusd) : "-");
		lg_buf_puts(&out, "  ");
		lg_buf_puts(&out, advice_kind_name(v->kind));
		lg_buf_puts(&out, "  ");
		put_text(&out, v->subject);
		if (v->other[0]) {
			lg_buf_puts(&out, " -> ");
			put_text(&out, v->other);
		}
		lg_buf_puts(&out, "\n    ");
		put_text(&out, v->text);
		lg_buf_puts(&out, "\n");
	}
	if (o->n)
		lg_buf_puts(&out, "\nSavings overlap: a call that moves to a "
				  "cheaper model saves less by batches.\n");
	sums_text_coverage(&out, &a->q);
	return tool_print(&out);
}

static int run(struct call *c)
{
	static struct advices found;
	struct ask a;
	struct span s;
	int ret = ask_open(&a, c);

	if (ret >= 0)
		return ret;
	if (!c->v[ASK_FROM].set && !c->v[ASK_TO].set && !c->v[ASK_LAST].set &&
	    !span_last(&a.cal, "30d", &s))
		ask_span(&a, &s);
	ret = advice_find(&a, &found);
	if (ret < 0)
		ret = c->v[ASK_JSON].set ? show_json(&a, &found)
					 : show_text(&a, &found);
	ask_close(&a);
	return ret;
}

const struct cmd cmd_recommend = {
	.name = "recommend",
	.args = "",
	.summary = "what could be saved, from what was used",
	.about = "Of the last 30 days without --from, --to or --last. Simple "
		 "calls (at most 2000\ntokens in, 300 out) at the price of a "
		 "smaller model of the same provider; calls with\ntags like "
		 "batch, nightly or eval at the batch tier; prompt caches, "
		 "project beside\nproject; calls made again; estimates far "
		 "above "
		 "the cost; budgets that nobody comes\nnear. Whether a smaller "
		 "model is good enough you must try.",
	.reads = true,
	.opts = opts,
	.run = run,
};
