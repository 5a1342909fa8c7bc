#include "opt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "base/slice.h"
#include "tool.h"

static const struct opt *find_long(const struct cmd *cmd, const char *name,
				   size_t len)
{
	const struct opt *o;

	for (o = cmd->opts; o->name; o++)
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	return NULL;
}

static const struct opt *find_short(const struct cmd *cmd, char letter)
{
	const struct opt *o;

	for (o = cmd->opts; o->name; o++)
		if (o->letter && o->letter == letter)
			return o;
	return NULL;
}

static bool is_listed(const char *list, const char *text)
{
	struct lg_slice rest = lg_slice_str(list), head;

	if (!strchr(list, '|'))
		return true;
	while (rest.len) {
		rest = lg_slice_cut(rest, '|', &head);
		if (lg_slice_eq(head, lg_slice_str(text)))
			return true;
	}
	return false;
}

/* Kept until the next one for the same option. */
static const char *join(unsigned at, const char *a, const char *b)
{
	static char *kept[OPTS_MAX];
	size_t n = strlen(a) + strlen(b) + 2;
	char *text = malloc(n);

	if (!text)
		return b;
	snprintf(text, n, "%s,%s", a, b);
	free(kept[at]);
	kept[at] = text;
	return text;
}

static int set(struct call *c, const struct opt *o, const char *text)
{
	struct lg_slice s = lg_slice_str(text);
	struct opt_value *v;
	int64_t pusd;

	while (o->type == OPT_SAME)
		o--;
	v = &c->v[o - c->cmd->opts];
	if (o->type == OPT_COUNT && lg_slice_u64(s, &v->n))
		return tool_usage(c->cmd, "--%s %s: not a whole number",
				  o->name, text);
	if (o->type == OPT_MONEY &&
	    (lg_money_parse(s, &pusd) || pusd < 0 || pusd > LG_MONEY_LIMIT_MAX))
		return tool_usage(c->cmd,
				  "--%s %s: not an amount of USD from 0 to "
				  "9000000",
				  o->name, text);
	if (o->type == OPT_TEXT && !is_listed(o->arg, text))
		return tool_usage(c->cmd, "--%s %s: must be one of %s", o->name,
				  text, o->arg);
	if (o->type == OPT_LIST) {
		if (c->nmore == OPT_MORE_MAX)
			return tool_usage(c->cmd, "--%s: at most %d in all",
					  o->name, OPT_MORE_MAX);
		c->more[c->nmore].opt = o;
		c->more[c->nmore++].text = text;
	}
	if (o->type == OPT_COMMAS && v->set)
		text = join((unsigned)(o - c->cmd->opts), v->text, text);
	v->set = true;
	v->text = text;
	return -1;
}

const char *opt_more(const struct call *c, unsigned opt, unsigned i)
{
	unsigned k;

	for (k = 0; k < c->nmore; k++)
		if (c->more[k].opt == &c->cmd->opts[opt] && !i--)
			return c->more[k].text;
	return NULL;
}

const char *opt_title(const struct cmd *cmd)
{
	static char title[64];

	if (tool_program)
		return tool_program;
	snprintf(title, sizeof(title), "llmguard %s", cmd->name);
	return title;
}

/* One argument that begins with '-'; *i moves over its value. */
static int take(struct call *c, int argc, char **argv, int *i)
{
	const char *a = argv[*i], *text = NULL, *eq = NULL;
	const struct opt *o;

	if (!strcmp(a, "--help") || !strcmp(a, "-h")) {
		opt_help(c->cmd);
		return EXIT_OK;
	}
	if (a[1] == '-') {
		eq = strchr(a, '=');
		o = find_long(c->cmd, a + 2,
			      eq ? (size_t)(eq - a - 2) : strlen(a + 2));
		text = eq ? eq + 1 : NULL;
	} else {
		o = find_short(c->cmd, a[1]);
		text = a[2] ? a + 2 : NULL;
	}
	if (!o)
		return tool_usage(c->cmd, "%s: no such option", a);
	if (o->type == OPT_FLAG) {
		if (text)
			return tool_usage(c->cmd, "%s: takes no value", a);
		return set(c, o, "");
	}
	if (!text && o->type == OPT_MAYBE)
		text = *i + 1 < argc && argv[*i + 1][0] >= '0' &&
				       argv[*i + 1][0] <= '9'
			       ? argv[++*i]
			       : "";
	if (!text) {
		if (*i + 1 >= argc)
			return tool_usage(c->cmd, "%s: needs %s", a, o->arg);
		text = argv[++*i];
	}
	return set(c, o, text);
}

int opt_parse(struct call *c, const struct cmd *cmd, int argc, char **argv)
{
	bool rest_is_command = cmd->max_args < 0;
	int i, err, kept = 0;

	memset(c, 0, sizeof(*c));
	c->cmd = cmd;
	c->argv = argv;
	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (argv[i][0] == '-' && argv[i][1]) {
			err = take(c, argc, argv, &i);
			if (err >= 0)
				return err;
			continue;
		}
		rest_is_command |=
			!kept && cmd->rest && !strcmp(argv[i], cmd->rest);
		if (rest_is_command)
			break;
		argv[kept++] = argv[i];
	}
	if (rest_is_command && !kept)
		c->argv = argv + i, kept = argc - i;
	else
		while (i < argc)
			argv[kept++] = argv[i++];
	c->argc = kept;
	if (kept < cmd->min_args)
		return tool_usage(cmd, "needs %s", cmd->args);
	if (!rest_is_command && kept > cmd->max_args)
		return tool_usage(cmd, "%s: one argument too many",
				  c->argv[cmd->max_args]);
	return -1;
}

void opt_help(const struct cmd *cmd)
{
	const struct opt *o;
	char left[64];

	printf("%s - %s\n", opt_title(cmd), cmd->summary);
	printf("\nusage: %s%s%s%s\n", opt_title(cmd),
	       cmd->opts->name ? " [OPTIONS]" : "", *cmd->args ? " " : "",
	       cmd->args);
	if (*cmd->about)
		printf("\n%s\n", cmd->about);
	printf("\noptions:\n");
	for (o = cmd->opts; o->name; o++) {
		snprintf(left, sizeof(left), "%c%c%s --%s%s%s",
			 o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
			 o->letter ? "," : " ", o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		printf("  %-28s %s\n", left, o->help);
	}
	printf("  %-28s %s\n", "-h, --help", "print this");
	if (tool_program)
		printf("  %-28s %s\n", "-V, --version", "print the version");
}
