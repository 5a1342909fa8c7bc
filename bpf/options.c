#include "bpf/options.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"
#include "bpf/cgroup.h"
#include "tools/cmds.h"
#include "tools/tool.h"
#include "tools/tracer.h"

#define RING_MB 16
#define RING_MB_MAX 1024
#define CALL_MAX ((uint64_t)8 << 20)
#define CALL_MIN 4096
#define CALL_MOST ((uint64_t)1 << 30)
#define DURATION_MAX ((uint64_t)10 * 366 * 86400)

static int take_pid(struct options *o, const struct call *c, const char *text)
{
	uint64_t n;

	if (lg_slice_u64(lg_slice_str(text), &n) || !n || n > INT32_MAX)
		return tool_usage(c->cmd, "--pid %s: not a process's number",
				  text);
	if (o->target.npids == OPT_MORE_MAX)
		return tool_usage(c->cmd, "--pid: at most %d", OPT_MORE_MAX);
	if (n == (uint64_t)getpid())
		return tool_usage(c->cmd, "--pid %s: that is the tracer", text);
	if (kill((pid_t)n, 0) && errno == ESRCH)
		return tool_fail("--pid %s: no such process", text);
	o->pids[o->target.npids++] = (uint32_t)n;
	return -1;
}

static int take_pids(struct options *o, const struct call *c)
{
	const char *text;
	int ret = -1, i;

	for (i = 0; ret < 0 && (text = opt_more(c, TRACER_PID, (unsigned)i));
	     i++)
		ret = take_pid(o, c, text);
	for (i = 0; ret < 0 && i < c->argc; i++)
		ret = take_pid(o, c, c->argv[i]);
	o->target.pids = o->pids;
	return ret;
}

static int take_uid(struct options *o, const struct call *c)
{
	const char *text = c->v[TRACER_UID].text;
	struct passwd *pw;
	uint64_t n;

	o->target.uid = -1;
	if (!text)
		return -1;
	if (!lg_slice_u64(lg_slice_str(text), &n) && n < UINT32_MAX) {
		o->target.uid = (int64_t)n;
		return -1;
	}
	pw = getpwnam(text);
	if (!pw)
		return tool_usage(c->cmd, "--uid %s: no such user", text);
	o->target.uid = (int64_t)pw->pw_uid;
	return -1;
}

static int take_cgroup(struct options *o, const struct call *c)
{
	const char *text = c->v[TRACER_CGROUP].text;
	int err = text ? cgroup_id(text, &o->target.cgroup) : 0;

	if (err == -ENODEV)
		return tool_fail("--cgroup %s: no cgroup2 is mounted here; "
				 "mount -t cgroup2 none /sys/fs/cgroup/unified",
				 text);
	if (err)
		return tool_usage(c->cmd,
				  "--cgroup %s: neither a folder of cgroup2 "
				  "nor a path below its mount (systemd-cgls "
				  "shows them)",
				  text);
	return -1;
}

/* An amount that was given must lie between the two. */
static int take_count(const struct call *c, unsigned opt, uint64_t least,
		      uint64_t most, uint64_t *out)
{
	const struct opt_value *v = &c->v[opt];

	if (!v->set)
		return -1;
	if (v->n < least || v->n > most)
		return tool_usage(c->cmd, "--%s %s: must be from %llu to %llu",
				  c->cmd->opts[opt].name, v->text,
				  (unsigned long long)least,
				  (unsigned long long)most);
	*out = v->n;
	return -1;
}

static int take_counts(struct options *o, const struct call *c)
{
	uint64_t mb = RING_MB;
	int ret;

	o->call_max = CALL_MAX;
	ret = take_count(c, TRACER_RING_MB, 1, RING_MB_MAX, &mb);
	if (ret < 0)
		ret = take_count(c, TRACER_CALL_MAX, CALL_MIN, CALL_MOST,
				 &o->call_max);
	if (ret < 0)
		ret = take_count(c, TRACER_DURATION, 1, DURATION_MAX,
				 &o->duration_s);
	/* the kernel wants a power of two */
	for (o->ring_bytes = 1u << 20; o->ring_bytes < mb << 20;)
		o->ring_bytes <<= 1;
	return ret;
}

/* Absolute: what is kept of it is shown to others, and it must be there. */
static int take_folder(struct options *o, const struct call *c)
{
	static char real[PATH_MAX];
	const char *text = c->v[TRACER_STATE_DIR].text;
	struct stat st;

	if (!text)
		return -1;
	if (mkdir(text, 0700) && errno != EEXIST)
		return tool_fail("--state-dir %s: %s", text, strerror(errno));
	if (!realpath(text, real) || stat(real, &st))
		return tool_fail("--state-dir %s: %s", text, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return tool_fail("--state-dir %s: must be a folder", text);
	o->state_dir = real;
	return -1;
}

static int take_words(struct options *o, const struct call *c)
{
	const char *hard = c->v[TRACER_ON_HARD].text;

	o->target.comm = c->v[TRACER_COMM].text;
	o->target.exe = c->v[TRACER_EXE].text;
	o->target.all = c->v[TRACER_ALL].set;
	o->target.no_children = c->v[TRACER_NO_CHILDREN].set;
	o->target.offsets = c->v[TRACER_OFFSETS].text;
	o->config = c->v[TRACER_CONFIG].text;
	o->region = c->v[TRACER_REGION].text;
	o->observe = c->v[TRACER_OBSERVE].set;
	o->hard = hard ? enforce_rung_by_name(hard) : ENFORCE_STOP;
	o->hard_asked = hard != NULL;
	o->json = c->v[TRACER_JSON].set;
	o->summary = c->v[TRACER_SUMMARY].set;
	o->check = c->v[TRACER_CHECK].set;
	o->verbose = c->v[TRACER_VERBOSE].set;
	o->print = c->v[TRACER_PRINT].set || isatty(STDOUT_FILENO);
	if (hard && o->observe)
		return tool_usage(c->cmd,
				  "--on-hard %s: --observe never "
				  "interferes",
				  hard);
	if (o->config && access(o->config, R_OK))
		return tool_fail("--config %s: %s", o->config, strerror(errno));
	return -1;
}

static int want_target(struct options *o, const struct call *c)
{
	const struct target_options *t = &o->target;
	bool wide = t->comm || t->exe || t->uid >= 0 || t->cgroup || t->all;

	o->pids_only = !wide;
	if (!wide && !t->npids && !o->check)
		return tool_usage(c->cmd, "what shall be traced? --pid, "
					  "--comm, --exe, --uid, --cgroup or "
					  "--all");
	return -1;
}

/* A variable of a script that was not set must not mean everything. */
static int refuse_empty(const struct call *c)
{
	static const unsigned words[] = {
		TRACER_COMM,   TRACER_EXE,	 TRACER_UID,	TRACER_CGROUP,
		TRACER_CONFIG, TRACER_STATE_DIR, TRACER_REGION, TRACER_OFFSETS,
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *text = c->v[words[i]].text;

		if (text && !*text)
			return tool_usage(c->cmd, "--%s '': must not be empty",
					  c->cmd->opts[words[i]].name);
	}
	return -1;
}

int options_parse(struct options *o, int argc, char **argv)
{
	static struct call c;
	int ret;

	memset(o, 0, sizeof(*o));
	ret = opt_parse(&c, &cmd_trace, argc, argv);
	if (ret < 0)
		ret = refuse_empty(&c);
	if (ret < 0)
		ret = take_words(o, &c);
	if (ret < 0)
		ret = take_folder(o, &c);
	if (ret < 0)
		ret = take_counts(o, &c);
	if (ret < 0)
		ret = take_uid(o, &c);
	if (ret < 0)
		ret = take_cgroup(o, &c);
	if (ret < 0)
		ret = take_pids(o, &c);
	return ret < 0 ? want_target(o, &c) : ret;
}
