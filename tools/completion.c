#include "completion.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "dim.h"
#include "tool.h"

/* Within single quotes; `special`: what this shell's specs need escaped. */
static void put_quoted(const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			printf("'\\''");
		else if (strchr(special, *text))
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

static size_t first_len(const struct cmd *c)
{
	return strcspn(c->name, " ");
}

static bool is_first(unsigned i)
{
	size_t n = first_len(tool_cmds[i]);

	for (unsigned k = 0; k < i; k++)
		if (first_len(tool_cmds[k]) == n &&
		    !memcmp(tool_cmds[k]->name, tool_cmds[i]->name, n))
			return false;
	return true;
}

/* --by takes what calls are grouped by; its help names a few alone. */
static bool is_dims(const struct opt *o)
{
	return o->type == OPT_COMMAS && !strcmp(o->name, "by");
}

bool completion_has_words(const struct opt *o)
{
	return is_dims(o) || (o->arg && strchr(o->arg, '|'));
}

void completion_words(const struct opt *o)
{
	if (!is_dims(o)) {
		for (const char *p = o->arg; *p; p++)
			putchar(*p == '|' ? ' ' : *p);
		return;
	}
	for (unsigned i = 0; i < ndims; i++)
		printf("%s%s", i ? " " : "", dims[i].name);
}

/* "set" of "budget set"; NULL: one word. */
static const char *verb(const struct cmd *c)
{
	const char *space = strchr(c->name, ' ');

	return space ? space + 1 : NULL;
}

static void put_summary(const struct cmd *c, const char *special)
{
	put_quoted(verb(c) ? "" : c->summary, special);
	if (verb(c))
		printf("%.*s ...", (int)first_len(c), c->name);
}

/* -- fish ------------------------------------------------------------------ */

static void fish_options(const struct cmd *c)
{
	const struct opt *o;
	char when[160];

	if (verb(c))
		snprintf(when, sizeof(when),
			 "__fish_seen_subcommand_from %.*s; and "
			 "__fish_seen_subcommand_from %s",
			 (int)first_len(c), c->name, verb(c));
	else
		snprintf(when, sizeof(when), "__fish_seen_subcommand_from %s",
			 c->name);
	for (o = c->opts; o->name; o++) {
		printf("complete -c llmguard -n '%s' -l %s", when, o->name);
		if (o->letter)
			printf(" -s %c", o->letter);
		if (o->type != OPT_FLAG && o->type != OPT_MAYBE)
			printf(" -r");
		if (completion_has_words(o)) {
			bool many = o->type == OPT_COMMAS;

			printf(" -f -a '%s", many ? "(__fish_append , " : "");
			completion_words(o);
			printf("%s'", many ? ")" : "");
		}
		printf(" -d '");
		put_quoted(o->help, "\\");
		printf("'\n");
	}
}

void completion_fish(void)
{
	printf("# fish completion of llmguard, made by `llmguard completion "
	       "fish`\n");
	for (unsigned i = 0; i < tool_ncmds; i++) {
		const struct cmd *c = tool_cmds[i];

		if (is_first(i)) {
			printf("complete -c llmguard -f -n "
			       "__fish_use_subcommand -a %.*s -d '",
			       (int)first_len(c), c->name);
			put_summary(c, "\\");
			printf("'\n");
		}
		if (verb(c)) {
			printf("complete -c llmguard -f -n "
			       "'__fish_seen_subcommand_from %.*s' -a %s -d '",
			       (int)first_len(c), c->name, verb(c));
			put_quoted(c->summary, "\\");
			printf("'\n");
		}
	}
	for (unsigned i = 0; i < tool_ncmds; i++)
		fish_options(tool_cmds[i]);
}

/* -- zsh ------------------------------------------------------------------- */

static void zsh_option(const struct opt *o)
{
	printf(" '--%s", o->name);
	if (o->type != OPT_FLAG && o->type != OPT_MAYBE)
		putchar('=');
	putchar('[');
	put_quoted(o->help, "[]:\\");
	putchar(']');
	if (completion_has_words(o)) {
		bool many = o->type == OPT_COMMAS;

		printf(":value:%s", many ? " _values -s , value " : "(");
		completion_words(o);
		printf("%s", many ? "" : ")");
	} else if (o->type != OPT_FLAG && o->type != OPT_MAYBE) {
		printf(":value:%s",
		       o->arg && strstr(o->arg, "FILE") ? "_files" : " ");
	}
	putchar('\'');
}

static void zsh_command(const struct cmd *c)
{
	printf("    '%s '*) _arguments", c->name);
	for (const struct opt *o = c->opts; o->name; o++)
		zsh_option(o);
	printf(" '--help[print this]' '*:argument:_files' ;;\n");
}

static void zsh_verbs(unsigned i)
{
	const struct cmd *c = tool_cmds[i];
	size_t n = first_len(c);

	printf("    '%.*s') words_of=(", (int)n, c->name);
	for (unsigned k = 0; k < tool_ncmds; k++) {
		if (first_len(tool_cmds[k]) != n || !verb(tool_cmds[k]) ||
		    memcmp(tool_cmds[k]->name, c->name, n))
			continue;
		printf(" '%s:", verb(tool_cmds[k]));
		put_quoted(tool_cmds[k]->summary, ":\\");
		putchar('\'');
	}
	printf(") ;;\n");
}

void completion_zsh(void)
{
	unsigned i;

	printf("#compdef llmguard\n# zsh completion of llmguard, made by "
	       "`llmguard completion zsh`\n_llmguard()\n{\n"
	       "    local -a words_of\n    words_of=(");
	for (i = 0; i < tool_ncmds; i++) {
		if (!is_first(i))
			continue;
		printf(" '%.*s:", (int)first_len(tool_cmds[i]),
		       tool_cmds[i]->name);
		put_summary(tool_cmds[i], ":\\");
		putchar('\'');
	}
	printf(")\n    if (( CURRENT == 2 )); then\n"
	       "        _describe command words_of\n        return\n    fi\n"
	       "    words_of=()\n    case $words[2] in\n");
	for (i = 0; i < tool_ncmds; i++)
		if (is_first(i) && verb(tool_cmds[i]))
			zsh_verbs(i);
	printf("    esac\n"
	       "    if (( CURRENT == 3 && $#words_of )); then\n"
	       "        _describe command words_of\n        return\n    fi\n"
	       "    case \"$words[2,-1] \" in\n");
	for (i = 0; i < tool_ncmds; i++)
		if (verb(tool_cmds[i]))
			zsh_command(tool_cmds[i]);
	for (i = 0; i < tool_ncmds; i++)
		if (!verb(tool_cmds[i]))
			zsh_command(tool_cmds[i]);
	printf("    esac\n}\n"
	       "[ \"$funcstack[1]\" != _llmguard ] || _llmguard \"$@\"\n"
	       "(( ! $+functions[compdef] )) || compdef _llmguard llmguard\n");
}
