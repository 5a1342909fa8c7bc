#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cover.h"
#include "guard/alert.h"
#include "guard/crash.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "guard/world.h"
#include "run.h"
#include "tool.h"

#define KEEP ((size_t)32 << 10) /* of the file, when it grows */

static bool crash_path(const char *state_dir, char out[512])
{
	return snprintf(out, 512, "%s" LG_CRASH_FILE, state_dir) < 512;
}

/* Only the newest lines are of interest. */
static void cut_front(const char *path)
{
	char *nl;
	size_t size;
	void *p;

	if (lg_file_read(path, LG_CRASH_MAX * 16, &p, &size))
		return;
	nl = size > KEEP ? memchr((char *)p + size - KEEP, '\n', KEEP) : NULL;
	if (nl)
		lg_file_replace(path, nl + 1,
				(size_t)((char *)p + size - nl - 1));
	lg_mem_free(p, size);
}

static int note(const char *path, int sig, bool bare, const char *program)
{
	char line[700];
	int n = snprintf(line, sizeof(line), "%lld %d %s %s\n",
			 (long long)lg_clock_real_ms(), sig,
			 bare ? "bare" : "guarded", program);
	int fd, err = 0;

	if (n >= (int)sizeof(line) || strchr(program, '\n'))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	if (write(fd, line, (size_t)n) != n)
		err = -EIO;
	if (lseek(fd, 0, SEEK_END) > (off_t)LG_CRASH_MAX / 2)
		cut_front(path);
	close(fd);
	return err;
}

static void tell(struct run *r, const char *message)
{
	struct lg_world *w = lg_engine_pin(r->e);

	lg_alert_crash(r->e, lg_world_region(w), lg_slice_str(r->program),
		       message);
	lg_engine_unpin(r->e, w);
	tool_warn("%s", message);
}

static bool is_closed(struct run *r)
{
	struct lg_world *w = lg_engine_pin(r->e);
	bool closed = w->set.fail == LG_FAIL_CLOSED;

	lg_engine_unpin(r->e, w);
	return closed;
}

void run_crash_before(struct run *r)
{
	static struct cover cv;
	char message[700];
	struct lg_crash c;

	if (cover_command(r->c->argc, r->c->argv, &cv))
		return;
	if (!realpath(cv.script[0] ? cv.script : cv.path, r->program))
		return;
	lg_crash_look(lg_engine_state_dir(r->e), r->program, &c);
	if (!c.until_ms)
		return;
	if (is_closed(r)) {
		tool_warn("%s crashed %u times at its start; fail: closed "
			  "keeps it guarded",
			  r->program, c.count);
		return;
	}
	r->passive = true;
	if (r->preload_was)
		setenv("LD_PRELOAD", r->preload_was, 1);
	else
		unsetenv("LD_PRELOAD");
	setenv("LLMGUARD_DISABLE", "1", 1);
	snprintf(message, sizeof(message),
		 "%.400s crashed again and again at its start: it runs "
		 "WITHOUT the guard until %s (llmguard doctor --reset)",
		 r->program, tool_time(r->e, c.until_ms));
	tell(r, message);
}

/* A shell says 128 + signal of what it ran. */
static int crash_signal(const struct run *r)
{
	int sig = WIFSIGNALED(r->status) ? WTERMSIG(r->status) : 0;

	return lg_crash_is_signal(sig) ? sig : 0;
}

void run_crash_after(struct run *r)
{
	int sig = crash_signal(r);
	char path[512], message[700];
	struct lg_crash c;

	if (!sig || !r->program[0] || r->signalled ||
	    lg_clock_real_ms() - r->started_ms > LG_CRASH_START_MS ||
	    !crash_path(lg_engine_state_dir(r->e), path))
		return;
	if (note(path, sig, r->passive, r->program))
		return;
	lg_crash_look(lg_engine_state_dir(r->e), r->program, &c);
	if (r->passive)
		snprintf(message, sizeof(message),
			 "%.400s crashed without the guard too: it is guarded "
			 "again",
			 r->program);
	else if (c.until_ms)
		snprintf(message, sizeof(message),
			 "%.400s crashed %u times at its start: its next runs "
			 "are without the guard until %s",
			 r->program, c.count, tool_time(r->e, c.until_ms));
	else
		return;
	tell(r, message);
}
