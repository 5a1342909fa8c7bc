#include <stdio.h>
#include <string.h>

#include "cmds.h"
#include "completion.h"
#include "tool.h"

static const struct opt opts[] = {OPT_END};

static void words_after(const char *first)
{
	size_t n = strlen(first);
	unsigned i;

	for (i = 0; i < tool_ncmds; i++)
		if (!strncmp(tool_cmds[i]->name, first, n) &&
		    tool_cmds[i]->name[n] == ' ')
			printf(" %s", tool_cmds[i]->name + n + 1);
}

static bool seen_before(unsigned i, size_t n)
{
	unsigned k;

	for (k = 0; k < i; k++)
		if (!strncmp(tool_cmds[k]->name, tool_cmds[i]->name, n) &&
		    (tool_cmds[k]->name[n] == ' ' || !tool_cmds[k]->name[n]))
			return true;
	return false;
}

static void first_words(void)
{
	unsigned i;
	size_t n;

	printf("    local cmds=\"");
	for (i = 0; i < tool_ncmds; i++) {
		n = strcspn(tool_cmds[i]->name, " ");
		if (!seen_before(i, n))
			printf("%s%.*s", i ? " " : "", (int)n,
			       tool_cmds[i]->name);
	}
	printf("\"\n");
}

/* Of several with commas, the last is what is completed. */
static void choices(const struct cmd *c, const struct opt *o)
{
	if (!completion_has_words(o))
		return;
	printf("    '%s '*'|--%s'", c->name, o->name);
	if (o->letter)
		printf("|'%s '*'|-%c'", c->name, o->letter);
	printf(") COMPREPLY=($(compgen %s -W '",
	       o->type == OPT_COMMAS ? "-P \"${cur%\"${cur##*,}\"}\"" : "");
	completion_words(o);
	printf("' -- \"%s\")); return ;;\n",
	       o->type == OPT_COMMAS ? "${cur##*,}" : "$cur");
}

static void options(void)
{
	const struct opt *o;
	unsigned i;

	printf("    case \"$at\" in\n");
	for (i = 0; i < tool_ncmds; i++) {
		printf("    '%s '*) opts='", tool_cmds[i]->name);
		for (o = tool_cmds[i]->opts; o->name; o++)
			printf("--%s ", o->name);
		printf("--help' ;;\n");
	}
	printf("    esac\n    case \"$at|$prev\" in\n");
	for (i = 0; i < tool_ncmds; i++)
		for (o = tool_cmds[i]->opts; o->name; o++)
			choices(tool_cmds[i], o);
	printf("    esac\n");
}

static void verbs(void)
{
	unsigned i;
	size_t n;
	char first[32];

	printf("    case \"$at\" in\n");
	for (i = 0; i < tool_ncmds; i++) {
		n = strcspn(tool_cmds[i]->name, " ");
		if (!tool_cmds[i]->name[n] || seen_before(i, n))
			continue;
		snprintf(first, sizeof(first), "%.*s", (int)n,
			 tool_cmds[i]->name);
		printf("    '%s ') words='", first);
		words_after(first);
		printf("' ;;\n");
	}
	printf("    esac\n");
}

static int run(struct call *c)
{
	if (!strcmp(c->argv[0], "zsh")) {
		completion_zsh();
		return EXIT_OK;
	}
	if (!strcmp(c->argv[0], "fish")) {
		completion_fish();
		return EXIT_OK;
	}
	if (strcmp(c->argv[0], "bash"))
		return tool_usage(c->cmd, "%s: must be bash, zsh or fish",
				  c->argv[0]);
	printf("# bash completion of llmguard, made by `llmguard completion "
	       "bash`\n_llmguard()\n{\n"
	       "    local cur=${COMP_WORDS[COMP_CWORD]} opts='' words=''\n"
	       "    local prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "    local at=\"${COMP_WORDS[*]:1:COMP_CWORD-1} \"\n");
	first_words();
	printf("    if [ \"$COMP_CWORD\" = 1 ]; then\n"
	       "        COMPREPLY=($(compgen -W \"$cmds\" -- \"$cur\"))\n"
	       "        return\n    fi\n");
	verbs();
	options();
	printf("    if [ -n \"$words\" ]; then\n"
	       "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "    elif [[ $cur == -* ]]; then\n"
	       "        COMPREPLY=($(compgen -W \"$opts\" -- \"$cur\"))\n"
	       "    else\n"
	       "        COMPREPLY=($(compgen -o default -c -- \"$cur\"))\n"
	       "    fi\n}\ncomplete -o default -F _llmguard llmguard\n");
	return EXIT_OK;
}

const struct cmd cmd_completion = {
	.name = "completion",
	.args = "bash|zsh|fish",
	.summary = "print the shell's completion",
	.about = "  source <(llmguard completion bash)\n"
		 "  source <(llmguard completion zsh)\n"
		 "  llmguard completion fish | source",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
