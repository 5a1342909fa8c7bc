#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "cmds.h"
#include "tool.h"
#include "tracer.h"

#define NAME "llmguard-trace"

static const struct opt opts[] = {
	[TRACER_PID] = {"pid", 'p', OPT_LIST, "PID",
			"this process; may be given again"},
	[TRACER_COMM] = {"comm", 0, OPT_TEXT, "GLOB",
			 "processes of this name, as ps -o comm has it"},
	[TRACER_EXE] = {"exe", 0, OPT_TEXT, "GLOB",
			"processes of this program: its whole path"},
	[TRACER_UID] = {"uid", 0, OPT_TEXT, "USER", "processes of this user"},
	[TRACER_CGROUP] = {"cgroup", 0, OPT_TEXT, "PATH",
			   "processes of this cgroup (v2) and below"},
	[TRACER_ALL] = {"all", 'a', OPT_FLAG, NULL, "every process"},
	[TRACER_NO_CHILDREN] = {"no-children", 0, OPT_FLAG, NULL,
				"what targets start is not followed"},
	[TRACER_OFFSETS] = {"offsets", 0, OPT_TEXT, "FILE",
			    "where stripped programs have their functions"},
	[TRACER_CONFIG] = {"config", 0, OPT_TEXT, "FILE",
			   "settings, instead of those of a target's user"},
	[TRACER_STATE_DIR] = {"state-dir", 0, OPT_TEXT, "DIR",
			      "state folder, instead of that user's"},
	[TRACER_REGION] = {"region", 0, OPT_TEXT, "FILE",
			   "shared region, instead of that user's"},
	[TRACER_ON_HARD] = {"on-hard", 0, OPT_TEXT, "warn|deny|reset|stop|kill",
			    "what an exhausted hard budget does (stop)"},
	[TRACER_OBSERVE] = {"observe", 0, OPT_FLAG, NULL,
			    "record and charge, never interfere"},
	[TRACER_RING_MB] = {"ring-mb", 0, OPT_COUNT, "N",
			    "memory between kernel and tracer, 1 to 1024 (16)"},
	[TRACER_CALL_MAX] = {"call-max", 0, OPT_COUNT, "BYTES",
			     "at most so much of one write or read (8388608)"},
	[TRACER_DURATION] = {"duration", 'd', OPT_COUNT, "SECONDS",
			     "end after this time"},
	[TRACER_PRINT] = {"print", 0, OPT_FLAG, NULL,
			  "one line a call (default on a terminal)"},
	[TRACER_SUMMARY] = {"summary", 's', OPT_FLAG, NULL,
			    "totals at the end, by process and model"},
	[TRACER_CHECK] = {"check", 0, OPT_FLAG, NULL,
			  "say what works here, trace nothing"},
	[TRACER_VERBOSE] = {"verbose", 'v', OPT_FLAG, NULL,
			    "say more of what is attached, and why not"},
	[TRACER_JSON] = {"json", 0, OPT_FLAG, NULL,
			 "the same as JSON, one record a line"},
	OPT_END,
};

static bool beside(char *out, size_t cap)
{
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	return snprintf(out, cap, "%s/" NAME, self) < (int)cap &&
	       !access(out, X_OK);
}

int tracer_find(char *out, size_t cap)
{
	const char *path = getenv("PATH");
	struct lg_slice rest, dir;

	if (beside(out, cap))
		return 0;
	rest = lg_slice_str(path ? path : "/usr/local/bin:/usr/bin:/bin");
	while (rest.len) {
		rest = lg_slice_cut(rest, ':', &dir);
		if (snprintf(out, cap, "%.*s/" NAME, (int)dir.len, dir.p) <
			    (int)cap &&
		    dir.len && !access(out, X_OK))
			return 0;
	}
	return -ENOENT;
}

/* "--name=value" of everything that was given. */
static char *word(const char *name, const char *text)
{
	char *out;

	if (asprintf(&out, "--%s%s%s", name, text ? "=" : "",
		     text ? text : "") < 0)
		return NULL;
	return out;
}

static int fill(const struct call *c, char **argv)
{
	const struct opt *o;
	unsigned i, n = 0;

	argv[n++] = strdup(NAME);
	for (i = 0; opts[i].name; i++) {
		o = &opts[i];
		if (c->v[i].set && o->type != OPT_LIST)
			argv[n++] =
				word(o->name,
				     o->type == OPT_FLAG ? NULL : c->v[i].text);
	}
	for (i = 0; i < c->nmore; i++)
		argv[n++] = word(c->more[i].opt->name, c->more[i].text);
	argv[n++] = strdup("--");
	for (i = 0; i < (unsigned)c->argc; i++)
		argv[n++] = strdup(c->argv[i]);
	for (i = 0; i < n; i++)
		if (!argv[i])
			return -ENOMEM;
	argv[n] = NULL;
	return 0;
}

static int run(struct call *c)
{
	char path[PATH_MAX];
	char **argv;

	if (tracer_find(path, sizeof(path)))
		return tool_fail(NAME
				 " is neither beside llmguard nor in "
				 "PATH: it is built by `make` where clang, "
				 "bpftool and libbpf-dev are installed, "
				 "and installed by `make install`");
	argv = calloc((size_t)c->argc + c->nmore + OPTS_MAX + 3, sizeof(*argv));
	if (!argv || fill(c, argv))
		return tool_fail("out of memory");
	fflush(NULL);
	execv(path, argv);
	return tool_fail("%s: %s", path, strerror(errno));
}

const struct cmd cmd_trace = {
	.name = "trace",
	.program = NAME,
	.args = "[PID]...",
	.summary = "watch and limit programs that are already running",
	.about =
		"Puts probes on the TLS functions of running programs, reads "
		"their calls as the\npreload would, charges the budgets and "
		"writes the ledger of the user whose programs\nthey are. When "
		"a hard budget is exhausted the program is stopped before its "
		"next\nrequest leaves (--on-hard); `llmguard budget raise NAME "
		"USD --until DATE` or\n`llmguard resume PID` lets it go on. "
		"Needs root, or CAP_BPF, "
		"CAP_PERFMON and what --check names.\n\n"
		"--offsets FILE has lines `build-id HEX`, each followed by "
		"lines `NAME 0xADDRESS` (or\nfile:0xOFFSET) of: SSL_write, "
		"SSL_write_ex, SSL_write_ex2, SSL_read, SSL_read_ex,\n"
		"SSL_get_error, SSL_free, SSL_clear, SSL_set_fd, SSL_ctrl, "
		"SSL_set_tlsext_host_name,\ngnutls_record_send, "
		"gnutls_record_send2, gnutls_record_recv, gnutls_deinit,\n"
		"gnutls_server_name_set, crypto/tls.(*Conn).Write, "
		"crypto/tls.(*Conn).Read,\ncrypto/tls.(*Conn).Close, "
		"_dl_debug_state.\n\n"
		"Calls go to standard output, all else to standard error. "
		"Ends on SIGINT, SIGTERM or\nafter --duration, and takes all "
		"probes away; so does the kernel when it is killed.\n"
		"Programs below the preload are left to it. docs/tracer.md has "
		"it all.\n\n"
		"  llmguard trace 4711\n"
		"  llmguard trace --comm 'python*' --summary\n"
		"  llmguard trace --all --observe --json\n\n"
		"Exit status: 0 done, 1 failed, 2 usage, 3 done and a hard "
		"budget was exhausted.",
	.opts = opts,
	.max_args = 256,
	.run = run,
};
