#include <stdio.h>
#include <string.h>

#include "cmds.h"
#include "report_auto.h"
#include "tool.h"

const struct cmd *const tool_cmds[] = {
	&cmd_status,
	&cmd_top,
	&cmd_run,
	&cmd_phase,
	&cmd_record,
	&cmd_estimate,
	&cmd_export,
	&cmd_archive,
	&cmd_budget_set,
	&cmd_budget_raise,
	&cmd_budget_import,
	&cmd_budget_status,
	&cmd_budget_list,
	&cmd_budget_rm,
	&cmd_holds,
	&cmd_tail,
	&cmd_alerts,
	&cmd_pricing_list,
	&cmd_pricing_show,
	&cmd_pricing_import,
	&cmd_pricing_set,
	&cmd_pricing_update,
	&cmd_pricing_history,
	&cmd_pricing_explain,
	&cmd_pricing_check,
	&cmd_pricing_export,
	&cmd_config_check,
	&cmd_config_show,
	&cmd_doctor,
	&cmd_pause,
	&cmd_resume,
	&cmd_enable,
	&cmd_disable,
	&cmd_checkpoint,
	&cmd_completion,
	&cmd_help,
	&cmd_reprice,
	&cmd_reconcile,
	&cmd_replay,
	&cmd_trace,
	&cmd_index,
	&cmd_costs,
	&cmd_report,
	&cmd_by_conversation,
	&cmd_by_tag,
	&cmd_compare,
	&cmd_forecast,
	&cmd_recommend,
	&cmd_cost_per_million,
};
const unsigned tool_ncmds = sizeof(tool_cmds) / sizeof(tool_cmds[0]);

/* "budget set" takes two words, or one: "budget-set". How many, 0: not it. */
static int match(const struct cmd *cmd, int argc, char **argv)
{
	const char *space = strchr(cmd->name, ' ');
	size_t n = space ? (size_t)(space - cmd->name) : strlen(cmd->name);

	if (space && !strncmp(argv[0], cmd->name, n) && argv[0][n] == '-' &&
	    !strcmp(argv[0] + n + 1, space + 1))
		return 1;
	if (strlen(argv[0]) != n || memcmp(argv[0], cmd->name, n))
		return 0;
	if (!space)
		return 1;
	return argc > 1 && !strcmp(argv[1], space + 1) ? 2 : 0;
}

/* "budget" alone, or with a second word that is none of its own. */
static int complete_me(const char *word, const char *next)
{
	size_t n = strlen(word);
	bool first = true;
	unsigned i;

	for (i = 0; i < tool_ncmds; i++) {
		const char *name = tool_cmds[i]->name;

		if (strncmp(name, word, n) || name[n] != ' ')
			continue;
		if (first && next)
			fprintf(stderr, "llmguard %s %s: no such command\n",
				word, next);
		else if (first)
			fprintf(stderr, "llmguard %s: which one?\n", word);
		first = false;
		fprintf(stderr, "  llmguard %-16s %s\n", name,
			tool_cmds[i]->summary);
	}
	if (first)
		fprintf(stderr,
			"llmguard: %s: no such command\n"
			"try: llmguard help\n",
			word);
	return EXIT_USAGE;
}

static int dispatch(int argc, char **argv)
{
	struct call c;
	unsigned i;
	int n, ret;

	for (i = 0; i < tool_ncmds; i++) {
		n = match(tool_cmds[i], argc, argv);
		if (!n)
			continue;
		ret = opt_parse(&c, tool_cmds[i], argc - n, argv + n);
		if (ret >= 0)
			return ret;
		ret = tool_cmds[i]->run(&c);
		if (tool_cmds[i]->reads)
			report_auto_due();
		return ret;
	}
	return complete_me(argv[0],
			   argc > 1 && argv[1][0] != '-' ? argv[1] : NULL);
}

int main(int argc, char **argv)
{
	static char status[] = "status";
	char *fallback[] = {status, NULL};
	int ret;

	tool_stdio();
	if (argc < 2)
		return dispatch(1, fallback);
	if (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version")) {
		printf("llmguard %s\n", tool_version);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))
		ret = help_overview();
	else if (argv[1][0] == '-') {
		/* llmguard --json is llmguard status --json */
		argv[0] = status;
		ret = dispatch(argc, argv);
	} else {
		ret = dispatch(argc - 1, argv + 1);
	}
	if (fflush(stdout) && ret == EXIT_OK)
		ret = EXIT_FAILED;
	return ret;
}
