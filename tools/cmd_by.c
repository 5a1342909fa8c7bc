#include <string.h>

#include "cmds.h"
#include "report.h"
#include "tool.h"

/* by-conversation and by-tag: reports with one grouping. */
enum { O_TOP = ASK_OPTIONS, O_FORMAT, O_EXPORT };
static const struct opt opts[] = {
	ASK_OPTS,
	[O_TOP] = {"top", 'n', OPT_COUNT, "N",
		   "so many at most; 0: all (table: 10)"},
	[O_FORMAT] = {"format", 0, OPT_TEXT, "table|json|csv",
		      "how it is printed"},
	[O_EXPORT] = {"export", 'o', OPT_TEXT, "FILE",
		      "into a file: .csv .json .html .xlsx .pdf"},
	OPT_END,
};

#define TOP_SHOWN 10

static const char *format_of(const struct opt_value *v)
{
	if (v[ASK_JSON].set)
		return "json";
	return v[O_FORMAT].set ? v[O_FORMAT].text : "table";
}

static int show(struct report *r)
{
	const struct opt_value *v = r->a->c->v;
	const char *format = format_of(v);

	if (v[O_EXPORT].set)
		return report_export(r, v[O_EXPORT].text);
	if (!strcmp(format, "json"))
		return report_json(r);
	return strcmp(format, "csv") ? report_text(r) : report_csv(r);
}

static int run_by(struct call *c, const char *by, const char *title)
{
	struct ask a;
	struct report r = {.a = &a, .title = title};
	const struct dim *d = dim_by_name(lg_slice_str(by));
	int ret = ask_open(&a, c);

	if (ret >= 0)
		return ret;
	r.top = ask_top(&c->v[O_TOP],
			!c->v[O_EXPORT].set &&
				!strcmp(format_of(c->v), "table"),
			TOP_SHOWN);
	/* calls without a conversation are none */
	if (d->kind == DIM_OF_FACT && !a.q.filter[d - dims])
		a.q.filter[d - dims] = "?*";
	ret = ask_by(&a, by);
	if (ret < 0)
		ret = report_run(&r);
	if (ret < 0)
		ret = show(&r);
	ask_close(&a);
	return ret;
}

static int run_conversation(struct call *c)
{
	return run_by(c, "conversation", "Conversations");
}

static int run_tag(struct call *c)
{
	return run_by(c, "tag", "Tags");
}

const struct cmd cmd_by_conversation = {
	.name = "by-conversation",
	.args = "",
	.summary = "the dearest conversations",
	.about = "Of all time without --from, --to or --last. Calls that "
		 "belong to none are left out.",
	.reads = true,
	.opts = opts,
	.run = run_conversation,
};

const struct cmd cmd_by_tag = {
	.name = "by-tag",
	.args = "",
	.summary = "what each tag cost",
	.about = "Of all time without --from, --to or --last. --tag a,b: calls "
		 "with any of them. A call\nwith several tags counts in each "
		 "of their lines, in the total once.",
	.reads = true,
	.opts = opts,
	.run = run_tag,
};
