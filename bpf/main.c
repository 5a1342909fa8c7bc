#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "bpf/able.h"
#include "bpf/check.h"
#include "bpf/options.h"
#include "bpf/trace.h"
#include "tools/tool.h"

#define MEMORY_MAX ((size_t)4 << 30)

static void on_signal(int sig)
{
	(void)sig;
	trace_stop();
}

/* A reader that has gone is seen by the write, not by the signal. */
static void catch_signals(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction sa = {.sa_handler = on_signal};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

static int check_able(void)
{
	char why[400];

	if (able_check(why, sizeof(why)))
		return tool_fail("%s", why);
	return -1;
}

static bool is_version(int argc, char **argv)
{
	return argc > 1 &&
	       (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version"));
}

int main(int argc, char **argv)
{
	static struct options options;
	struct trace *trace = NULL;
	int ret;

	tool_stdio();
	tool_program = "llmguard-trace";
	if (is_version(argc, argv)) {
		printf("llmguard-trace %s\n", tool_version);
		return EXIT_OK;
	}
	ret = options_parse(&options, argc - 1, argv + 1);
	if (ret < 0 && !options.check)
		ret = check_able();
	if (ret >= 0)
		return ret;
	lg_mem_set_cap(MEMORY_MAX);
	lg_log_init(getenv("LLMGUARD_LOG"), getenv("LLMGUARD_LOG_LEVEL"),
		    getenv("LLMGUARD_LOG_FORMAT"));
	catch_signals();
	if (options.check)
		return check_run(&options);
	ret = trace_open(&options, &trace);
	if (ret < 0)
		ret = trace_attach(trace);
	if (ret < 0)
		ret = trace_run(trace);
	return trace_close(trace, ret);
}
