#ifndef LG_TOOLS_OPT_H
#define LG_TOOLS_OPT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A command's options as a table: it feeds the parser, --help, the manual
 * pages and the completion.
 */
enum opt_type {
	OPT_FLAG,
	OPT_TEXT,
	OPT_MONEY,  /* a decimal amount of USD, 0..9000000; text is kept */
	OPT_COUNT,  /* a whole number */
	OPT_LIST,   /* text that may be given again and again: opt_more() */
	OPT_COMMAS, /* a text; given again, they are joined by commas */
	OPT_SAME,   /* another name of the option that stands before it */
	OPT_MAYBE,  /* a text that begins with a digit, or nothing: "" */
};

struct opt {
	const char *name; /* long name without dashes; NULL ends the table */
	char letter;	  /* short name, or 0 */
	enum opt_type type;
	const char *arg; /* name of its argument; "a|b" lists what it may be */
	const char *help;
};

#define OPTS_MAX 48
#define OPT_MORE_MAX 256

struct opt_value {
	bool set;
	const char *text; /* borrowed from argv */
	uint64_t n;	  /* of OPT_COUNT */
};

struct call;

struct cmd {
	const char *name;    /* "status", "budget set" */
	const char *args;    /* "NAME", "[FILE]", "" */
	const char *summary; /* one line */
	const char *about;   /* paragraphs for --help and the manual */
	const char *program; /* the program that it is; NULL: llmguard */
	const struct opt *opts;
	int min_args, max_args; /* max -1: the rest belongs to a command */
	const char *rest; /* so does it behind this first word; NULL: none */
	bool reads;	  /* the ledger: reports that are due come with it */
	int (*run)(struct call *c);
};

struct call {
	const struct cmd *cmd;
	struct opt_value v[OPTS_MAX];
	int argc; /* what is left after the options */
	char **argv;
	unsigned nmore; /* values of the OPT_LISTs, in their order */
	struct {
		const struct opt *opt;
		const char *text;
	} more[OPT_MORE_MAX];
};

/* Exit codes (docs/man/llmguard.1). */
enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_OVER };

/*
 * argv[0] is the first word after the command's name. -1: go on; otherwise
 * the exit code (--help was printed, or what is wrong was said).
 */
int opt_parse(struct call *c, const struct cmd *cmd, int argc, char **argv);
/* The i-th value of an OPT_LIST, NULL: there are no more. */
const char *opt_more(const struct call *c, unsigned opt, unsigned i);
/* How it is called: "llmguard status", or its program. Static storage. */
const char *opt_title(const struct cmd *cmd);
/* The usage line and the options, to stdout. */
void opt_help(const struct cmd *cmd);

/* Every option table ends with these two. */
#define OPT_JSON                                                               \
	{                                                                      \
		"json", 0, OPT_FLAG, NULL, "print JSON"                        \
	}
#define OPT_END                                                                \
	{                                                                      \
		0                                                              \
	}

#endif
