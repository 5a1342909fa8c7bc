#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmds.h"
#include "tool.h"

enum { O_MAN };
static const struct opt opts[] = {
	[O_MAN] = {"man", 0, OPT_FLAG, NULL, "print the manual page's source"},
	OPT_END,
};

static const char environment[] =
	"LLMGUARD_CONFIG\tconfiguration file\n"
	"LLMGUARD_STATE_DIR\tledger, live budgets, compiled settings\n"
	"LLMGUARD_REGION\tshared memory file\n"
	"LLMGUARD_PROJECT, LLMGUARD_USER, LLMGUARD_TAGS\twhom rows name\n"
	"LLMGUARD_CONVERSATION, LLMGUARD_PHASE\tthe same\n"
	"LLMGUARD_MAX_USD, LLMGUARD_WARN_USD\tbudget of this run\n"
	"LLMGUARD_MAX_TRAIN_USD, LLMGUARD_MAX_INFER_USD\tthe same by phase\n"
	"LLMGUARD_WARN_TRAIN_USD, LLMGUARD_WARN_INFER_USD\tlikewise\n"
	"LLMGUARD_EXPERIMENT_MAX_USD\tone budget for all runs of "
	"LLMGUARD_EXPERIMENT\n"
	"LLMGUARD_ON_BREACH\tstop, block or continue: what a run's budgets do\n"
	"LLMGUARD_MONTHLY_USD\tbudget of the month\n"
	"LLMGUARD_RUN_ID, LLMGUARD_EXPERIMENT\tthe run's name\n"
	"LLMGUARD_IGNORE_BUDGET=1\tobserve only; rows say so\n"
	"LLMGUARD_DISABLE=1\tthe preload does nothing\n"
	"LLMGUARD_PATCH=off\tfunctions are not patched: Node is not seen\n"
	"LLMGUARD_FAIL\topen or closed\n"
	"LLMGUARD_PRICING_DIR\tmore price files: each *.yaml of this folder\n"
	"LLMGUARD_PRICING_NONINTERACTIVE=1\tprices are not asked for\n"
	"LLMGUARD_PRICE_VERSION\tprices of this version, like pricing: "
	"{version}\n"
	"LLMGUARD_LOG, LLMGUARD_LOG_LEVEL, LLMGUARD_LOG_FORMAT\tlog lines\n";

int help_overview(void)
{
	unsigned i;

	printf("llmguard - a spending guard for programs that call LLM APIs\n\n"
	       "usage: llmguard COMMAND [OPTIONS] [ARGS]\n\n");
	for (i = 0; i < tool_ncmds; i++)
		printf("  %-16s  %s\n", tool_cmds[i]->name,
		       tool_cmds[i]->summary);
	printf("\nNo command: status. Every command knows --help.\n"
	       "Exit status: 0 done, 1 failed, 2 usage, 3 over budget.\n");
	return EXIT_OK;
}

/* Text for troff: a leading dot or quote, dashes and backslashes. */
static void roff(const char *text)
{
	bool start = true;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			printf("\\&");
		if (*text == '\\')
			printf("\\e");
		else if (*text == '-')
			printf("\\-");
		else
			putchar(*text);
		if (*text == '\n' && text[1] == '\n')
			printf(".PP"), start = true;
		else
			start = *text == '\n';
	}
}

static void man_title(const char *name, const char *summary)
{
	char upper[64];
	size_t i;

	for (i = 0; name[i] && i + 1 < sizeof(upper); i++)
		upper[i] = (char)toupper((unsigned char)name[i]);
	upper[i] = 0;
	printf(".TH %s 1 \"\" \"llmguard %s\"\n.SH NAME\n", upper,
	       tool_version);
	roff(name);
	printf(" \\- %s\n", summary);
}

static void man_usage(const struct cmd *cmd, const char *before,
		      const char *name)
{
	printf(".B ");
	roff(before);
	roff(name);
	printf("\n[\\fIOPTIONS\\fR]");
	if (*cmd->args) {
		printf(" \\fI");
		roff(cmd->args);
		printf("\\fR");
	}
	printf("\n");
}

static void man_cmd(const struct cmd *cmd)
{
	const struct opt *o;

	printf(".SH SYNOPSIS\n");
	man_usage(cmd, "llmguard ", cmd->name);
	if (cmd->program) {
		printf(".PP\n");
		man_usage(cmd, "", cmd->program);
	}
	printf(".SH DESCRIPTION\n");
	roff(*cmd->about ? cmd->about : cmd->summary);
	printf("\n.SH OPTIONS\n");
	for (o = cmd->opts; o->name; o++) {
		printf(".TP\n\\fB");
		if (o->letter)
			printf("\\-%c\\fR, \\fB", o->letter);
		printf("\\-\\-");
		roff(o->name);
		printf("\\fR");
		if (o->arg)
			printf(" \\fI%s\\fR", o->arg);
		printf("\n");
		roff(o->help);
		printf("\n");
	}
	printf(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint a summary\n");
}

static int man_overview(void)
{
	struct lg_slice rest = lg_slice_str(environment), line, name;
	unsigned i;

	man_title("llmguard", "a spending guard for programs that call LLM "
			      "APIs");
	printf(".SH SYNOPSIS\n.B llmguard\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR] "
	       "[\\fIARGS\\fR]\n.PP\n.B LD_PRELOAD=libllmguard.so\n"
	       "\\fIPROGRAM\\fR\n.SH COMMANDS\n");
	for (i = 0; i < tool_ncmds; i++) {
		printf(".TP\n.B ");
		roff(tool_cmds[i]->name);
		printf("\n");
		roff(tool_cmds[i]->summary);
		printf("\n");
	}
	printf(".SH EXIT STATUS\n0 done, 1 failed, 2 usage, 3 over budget; "
	       "\\fBrun\\fR exits as its child.\n.SH ENVIRONMENT\n");
	while (rest.len) {
		rest = lg_slice_cut(rest, '\n', &line);
		line = lg_slice_cut(line, '\t', &name);
		printf(".TP\n.B %.*s\n%.*s\n", (int)name.len, name.p,
		       (int)line.len, line.p);
	}
	return EXIT_OK;
}

/* The words after `help` name a command: "budget set". */
static const struct cmd *named(const struct call *c)
{
	char name[64];
	unsigned i;

	snprintf(name, sizeof(name), "%s%s%s", c->argv[0],
		 c->argc > 1 ? " " : "", c->argc > 1 ? c->argv[1] : "");
	for (i = 0; i < tool_ncmds; i++)
		if (!strcmp(tool_cmds[i]->name, name))
			return tool_cmds[i];
	return NULL;
}

static int run(struct call *c)
{
	const struct cmd *cmd;
	char page[64], *space;

	if (!c->argc)
		return c->v[O_MAN].set ? man_overview() : help_overview();
	cmd = named(c);
	if (!cmd)
		return tool_usage(c->cmd, "%s: no such command", c->argv[0]);
	if (!c->v[O_MAN].set) {
		opt_help(cmd);
		return EXIT_OK;
	}
	snprintf(page, sizeof(page), "llmguard-%s", cmd->name);
	space = strchr(page, ' ');
	if (space)
		*space = '-';
	man_title(page, cmd->summary);
	man_cmd(cmd);
	printf(".SH SEE ALSO\n.BR llmguard (1)\n");
	return EXIT_OK;
}

const struct cmd cmd_help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "explain a command, or print its manual page",
	.about = "",
	.opts = opts,
	.max_args = 2,
	.run = run,
};
