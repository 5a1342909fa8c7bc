#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmds.h"
#include "config/config.h"
#include "decimal.h"
#include "doc.h"
#include "estimate.h"
#include "guard/engine.h"
#include "tool.h"

enum {
	O_MODEL,
	O_PROMPT,
	O_SYSTEM,
	O_MAX,
	O_OUTPUT,
	O_COLUMN,
	O_URL,
	O_PROVIDER,
	O_TIER,
	O_COMPARE,
	O_BUFFER,
	O_TOKENIZER,
	O_PROJECT,
	O_USER,
	O_TAG,
	O_CONVERSATION,
	O_YES,
	O_JSON,
};
static const struct opt opts[] = {
	[O_MODEL] = {"model", 'm', OPT_TEXT, "NAME",
		     "the model, where a request does not name it"},
	[O_PROMPT] = {"prompt-file", 'f', OPT_TEXT, "FILE",
		      "a prompt as plain text, - is stdin"},
	[O_SYSTEM] = {"system-file", 0, OPT_TEXT, "FILE",
		      "a system prompt beside prompts and CSV columns"},
	[O_MAX] = {"max-tokens", 'x', OPT_COUNT, "N",
		   "the largest output, where a request declares none"},
	[O_OUTPUT] = {"output-tokens", 'o', OPT_COUNT, "N",
		      "output of one answer, instead of what was learned"},
	[O_COLUMN] = {"column", 'c', OPT_TEXT, "NAME",
		      "the prompt's column of a CSV file"},
	[O_URL] = {"url", 'u', OPT_TEXT, "URL",
		   "where requests go to; default: their provider's"},
	[O_PROVIDER] = {"provider", 'p', OPT_TEXT, "NAME",
			"whose model it is; default: the first that has it"},
	[O_TIER] = {"tier", 't', OPT_TEXT, "NAME",
		    "the service tier: batch, flex, priority"},
	[O_COMPARE] = {"compare", 0, OPT_LIST, "MODELS",
		       "the same of other models, separated by commas"},
	[O_BUFFER] = {"buffer", 'b', OPT_TEXT, "PERCENT",
		      "so much more for the budgets: 30%"},
	[O_TOKENIZER] = {"tokenizer", 0, OPT_LIST, "FILE",
			 "a .tiktoken file instead of the config's; none"},
	[O_PROJECT] = {"project", 0, OPT_TEXT, "NAME", "LLMGUARD_PROJECT"},
	[O_USER] = {"user", 0, OPT_TEXT, "NAME", "LLMGUARD_USER"},
	[O_TAG] = {"tags", 0, OPT_TEXT, "LIST", "LLMGUARD_TAGS"},
	[O_CONVERSATION] = {"conversation", 0, OPT_TEXT, "ID",
			    "LLMGUARD_CONVERSATION"},
	[O_YES] = {"yes", 'y', OPT_FLAG, NULL, "do not ask"},
	[O_JSON] = OPT_JSON,
	OPT_END,
};

/* -- options --------------------------------------------------------------- */

/* "30%", "30", "12.5%": millionths; false: none of these. */
static bool parse_percent(const char *text, uint32_t *ppm)
{
	struct lg_slice s = lg_slice_trim(lg_slice_str(text));
	char out[DECIMAL_TEXT];
	uint64_t n;

	if (s.len && s.p[s.len - 1] == '%')
		s.len--;
	s = lg_slice_trim(s);
	if (!decimal_is(s) || decimal_shift(s, 4, out) ||
	    lg_slice_u64(lg_slice_str(out), &n) || n > 100000000)
		return false;
	*ppm = (uint32_t)n;
	return true;
}

static void attribute(const struct call *c)
{
	static const struct {
		unsigned opt;
		const char *name;
	} env[] = {
		{O_PROJECT, "LLMGUARD_PROJECT"},
		{O_USER, "LLMGUARD_USER"},
		{O_TAG, "LLMGUARD_TAGS"},
		{O_CONVERSATION, "LLMGUARD_CONVERSATION"},
	};

	for (size_t i = 0; i < sizeof(env) / sizeof(env[0]); i++)
		if (c->v[env[i].opt].set)
			setenv(env[i].name, c->v[env[i].opt].text, 1);
}

static const char *beside(struct doc_arena *a, const char *config,
			  struct lg_slice path)
{
	const char *slash = strrchr(config, '/');
	size_t n = slash ? (size_t)(slash + 1 - config) : 0;
	char *out;

	if (!path.len || path.p[0] == '/')
		n = 0;
	out = doc_alloc(a, n + path.len + 1);
	memcpy(out, config, n);
	memcpy(out + n, path.p, path.len);
	return out;
}

/* `tokenizer:` is for us alone: it is no part of the compiled settings. */
static void configured(struct estimate *s, struct doc_arena *a)
{
	const char *path = lg_engine_config_path(s->e);
	const struct doc *v;
	struct doc_error err;
	struct lg_slice text;
	struct doc *root;

	if (!*path || doc_read(a, path, &text, &err) ||
	    doc_parse_yaml(a, path, text, &root, &err))
		return;
	v = doc_get(root, "tokenizer");
	if (v && v->kind == DOC_STRING && v->text.len)
		s->tokens.file[s->tokens.nfiles++] = beside(a, path, v->text);
	if (!v || v->kind != DOC_LIST)
		return;
	for (v = v->child; v && s->tokens.nfiles < TOKENIZER_FILES_MAX;
	     v = v->next)
		s->tokens.file[s->tokens.nfiles++] =
			beside(a, path, doc_text(v));
}

static void choose_tokenizer(const struct call *c, struct estimate *s,
			     struct doc_arena *a)
{
	const char *file;

	if (!c->v[O_TOKENIZER].set) {
		configured(s, a);
		return;
	}
	for (unsigned i = 0; (file = opt_more(c, O_TOKENIZER, i)); i++)
		if (strcmp(file, "none") &&
		    s->tokens.nfiles < TOKENIZER_FILES_MAX)
			s->tokens.file[s->tokens.nfiles++] = file;
}

static int choose_compare(const struct call *c, struct estimate *s,
			  struct doc_arena *a)
{
	const char *list;

	for (unsigned i = 0; (list = opt_more(c, O_COMPARE, i)); i++) {
		struct lg_slice rest = lg_slice_str(list), one;

		while (rest.len) {
			rest = lg_slice_cut(rest, ',', &one);
			one = lg_slice_trim(one);
			if (!one.len)
				continue;
			if (s->ncompare == ESTIMATE_COMPARE_MAX)
				return tool_usage(c->cmd,
						  "--compare: at most %u "
						  "models",
						  ESTIMATE_COMPARE_MAX);
			s->compare[s->ncompare++] = doc_copy(a, one).p;
		}
	}
	return -1;
}

static int choose(const struct call *c, struct estimate *s, struct doc_arena *a)
{
	const struct opt_value *v = c->v;

	s->o = (struct estimate_options){
		.provider = v[O_PROVIDER].text,
		.url = v[O_URL].text,
		.tier = v[O_TIER].text,
		.model = v[O_MODEL].text,
		.output_tokens = v[O_OUTPUT].n,
		.has_output = v[O_OUTPUT].set,
		.max_tokens = v[O_MAX].n,
		.has_max = v[O_MAX].set,
	};
	if (v[O_BUFFER].set &&
	    !parse_percent(v[O_BUFFER].text, &s->o.buffer_ppm))
		return tool_usage(c->cmd,
				  "--buffer %s: a percentage from 0 to 10000",
				  v[O_BUFFER].text);
	choose_tokenizer(c, s, a);
	return choose_compare(c, s, a);
}

/* -- the question ---------------------------------------------------------- */

static bool can_ask(const struct call *c)
{
	return !c->v[O_YES].set && !c->v[O_JSON].set && isatty(STDIN_FILENO) &&
	       isatty(STDOUT_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* EXIT_OK; EXIT_FAILED: no. What is over budget is over it after a no. */
static int ask(const struct estimate *s, bool over)
{
	char line[64];
	ssize_t n;

	fflush(stdout);
	if (s->expensive)
		fprintf(stderr,
			"%llu of %llu may cost more than %s each "
			"(expensive_threshold). ",
			(unsigned long long)s->expensive,
			(unsigned long long)s->total.requests,
			tool_usd(s->w->set.expensive_pusd));
	fputs("Proceed? (y/n) ", stderr);
	n = read(STDIN_FILENO, line, sizeof(line));
	if (n <= 0)
		fputc('\n', stderr);
	if (n > 0 && (line[0] == 'y' || line[0] == 'Y'))
		return EXIT_OK;
	return over ? EXIT_OVER : EXIT_FAILED;
}

/* -- all of it ------------------------------------------------------------- */

static int read_all(const struct call *c, struct estimate *s)
{
	const struct opt_value *v = c->v;
	struct estimate_source from = {
		.file = c->argc ? c->argv[0] : "-",
		.column = v[O_COLUMN].text,
		.system = v[O_SYSTEM].text,
		.prompt = v[O_PROMPT].text,
		.max_tokens = v[O_MAX].n,
		.has_max = v[O_MAX].set,
	};

	if (c->argc && !strcmp(c->argv[0], "curl"))
		return estimate_read_curl(s, c->argc, c->argv);
	return estimate_read(s, &from);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell_speed(const struct estimate *s, int64_t ms)
{
	uint64_t tenths;

	if (ms < 1000 || s->total.requests < 2)
		return;
	tenths = s->bytes / 100 / (uint64_t)ms;
	tool_warn("%llu requests, %llu.%llu MB/s",
		  (unsigned long long)s->total.requests,
		  (unsigned long long)tenths / 10,
		  (unsigned long long)tenths % 10);
}

static int show(const struct call *c, const struct estimate *s)
{
	struct lg_buf out;

	lg_buf_init(&out, (size_t)1 << 26);
	if (c->v[O_JSON].set)
		estimate_json(s, &out);
	else
		estimate_print(s, &out);
	return tool_print(&out);
}

static int work(const struct call *c, struct estimate *s)
{
	int64_t since = now_ms();
	bool over;
	int ret;

	if (read_all(c, s))
		return tool_fail("%s", s->why);
	if (!s->total.requests)
		return tool_fail("there is no request in it");
	ret = show(c, s);
	tell_speed(s, now_ms() - since);
	if (ret)
		return ret;
	over = estimate_any_over(s);
	if (s->total.unread)
		tool_warn("%s: no request of an API that is known here: what "
			  "it costs is not known",
			  s->unread);
	if (can_ask(c))
		return ask(s, over);
	return over ? EXIT_OVER : s->total.unread ? EXIT_FAILED : EXIT_OK;
}

static int run(struct call *c)
{
	struct estimate *s = calloc(1, sizeof(*s));
	struct doc_arena a = {0};
	struct lg_engine *e;
	int ret;

	if (c->v[O_PROMPT].set && c->argc) {
		free(s);
		return tool_usage(c->cmd, "--prompt-file and a file of "
					  "requests exclude each other");
	}
	attribute(c);
	ret = s ? tool_open(&e) : tool_fail("not enough memory");
	if (ret >= 0) {
		free(s);
		return ret;
	}
	estimate_init(s, e);
	ret = choose(c, s, &a);
	if (ret < 0)
		ret = work(c, s);
	estimate_fini(s);
	free(s);
	doc_arena_fini(&a);
	lg_engine_close(e);
	return ret;
}

const struct cmd cmd_estimate = {
	.name = "estimate",
	.args = "[FILE|-|curl ...]",
	.summary = "what requests will cost, and what it does to budgets",
	.about = "A request (a JSON body, a whole HTTP request, or a curl "
		 "command line), a batch\n(.jsonl of requests, OpenAI's, "
		 "Anthropic's, Gemini's and Bedrock's batch files, .csv\nwith "
		 "a column of prompts), or a prompt with --model. Shows input "
		 "tokens, the\nexpected and the worst cost, and what each "
		 "budget will have spent. Nothing is sent,\nheld or recorded. "
		 "On a terminal it asks \"Proceed?\" and names requests that "
		 "may cost\nmore than tracking's expensive_threshold. Exit 3: "
		 "over budget, or the guard would\nrefuse it; 1: the answer "
		 "was no.",
	.opts = opts,
	.max_args = 1,
	.rest = "curl",
	.run = run,
};
