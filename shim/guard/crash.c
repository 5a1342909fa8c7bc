#include "guard/crash.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "guard/file.h"

bool lg_crash_is_signal(int sig)
{
	static const int crash[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE,
				    SIGTRAP, SIGSYS, SIGABRT};

	for (size_t i = 0; i < sizeof(crash) / sizeof(crash[0]); i++)
		if (sig == crash[i])
			return true;
	return false;
}

struct line {
	int64_t at_ms;
	int signal;
	bool bare;
	struct lg_slice path;
};

static bool read_line(struct lg_slice s, struct line *l)
{
	struct lg_slice at, sig, how;
	uint64_t ms, n;

	s = lg_slice_cut(s, ' ', &at);
	s = lg_slice_cut(s, ' ', &sig);
	l->path = lg_slice_cut(s, ' ', &how);
	l->bare = lg_slice_eq(how, LG_SLICE("bare"));
	if (lg_slice_u64(at, &ms) || ms > INT64_MAX / 2 ||
	    lg_slice_u64(sig, &n) || n > 128 ||
	    (!l->bare && !lg_slice_eq(how, LG_SLICE("guarded"))))
		return false;
	l->at_ms = (int64_t)ms;
	l->signal = (int)n;
	return true;
}

struct judge {
	struct lg_crash *out;
	int64_t when[LG_CRASH_TIMES]; /* the last ones under the guard */
	unsigned n;
	int64_t tripped_ms, cleared_ms;
};

static void count(struct judge *j, const struct line *l)
{
	int64_t first;

	j->out->last_ms = l->at_ms;
	j->out->signal = l->signal;
	if (l->bare) {
		j->cleared_ms = l->at_ms;
		j->tripped_ms = 0;
		j->n = 0;
		return;
	}
	if (j->cleared_ms && l->at_ms - j->cleared_ms < LG_CRASH_INNOCENT_MS)
		return;
	j->when[j->n++ % LG_CRASH_TIMES] = l->at_ms;
	first = j->when[j->n % LG_CRASH_TIMES]; /* the oldest of the last */
	if (j->n >= LG_CRASH_TIMES && l->at_ms - first >= 0 &&
	    l->at_ms - first <= LG_CRASH_WITHIN_MS)
		j->tripped_ms = l->at_ms;
}

void lg_crash_judge(struct lg_slice text, struct lg_slice path, int64_t now_ms,
		    struct lg_crash *out)
{
	struct judge j = {.out = out};
	struct lg_slice one;
	struct line l;

	memset(out, 0, sizeof(*out));
	while (text.len) {
		text = lg_slice_cut(text, '\n', &one);
		if (read_line(one, &l) && lg_slice_eq(l.path, path) &&
		    l.at_ms <= now_ms)
			count(&j, &l);
	}
	for (unsigned i = 0; i < LG_CRASH_TIMES && i < j.n; i++)
		out->count += now_ms - j.when[i] <= LG_CRASH_WITHIN_MS;
	out->innocent =
		j.cleared_ms && now_ms - j.cleared_ms < LG_CRASH_INNOCENT_MS;
	if (j.tripped_ms && now_ms - j.tripped_ms < LG_CRASH_PASSIVE_MS)
		out->until_ms = j.tripped_ms + LG_CRASH_PASSIVE_MS;
}

void lg_crash_look(const char *state_dir, const char *path,
		   struct lg_crash *out)
{
	char file[300];
	size_t size;
	void *p;

	memset(out, 0, sizeof(*out));
	if (lg_path_join(file, sizeof(file), state_dir, LG_CRASH_FILE) ||
	    lg_file_read(file, LG_CRASH_MAX, &p, &size))
		return;
	lg_crash_judge((struct lg_slice){p, size}, lg_slice_str(path),
		       lg_clock_real_ms(), out);
	lg_mem_free(p, size);
}

bool lg_crash_is_passive(const char *state_dir, const char *path)
{
	struct lg_crash c;

	lg_crash_look(state_dir, path, &c);
	return c.until_ms != 0;
}
