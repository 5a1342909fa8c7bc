/* Targets and attached files, over a loader that only writes down. */
#include <spawn.h>

#include "fake_target.h"

/* -- cases ------------------------------------------------------------------
 */

static void test_by_pid(void **state)
{
	pid_t a = child("one", "libtls.so", "ld.so");
	pid_t b = child("two", "libtls.so", NULL);
	uint32_t pid = (uint32_t)a;
	struct target_options o = options(&pid, 1);
	struct targets *t;

	(void)state;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	assert_int_equal(selected.flags, 0);
	assert_int_equal(targets_scan(t), 0);
	assert_int_equal(count(pid), 3);
	assert_int_equal(count(0), 0); /* others pay nothing */
	assert_true(in_kernel[a]);
	assert_false(in_kernel[b]);
	assert_int_equal(kernel[a].flags,
			 PROBE_TARGET_FOLLOW | PROBE_TARGET_SOLO);
	assert_int_equal(targets_count(t), 1);
	assert_int_equal(targets_scan(t), 0);
	assert_int_equal(count_all(), 3);
	assert_int_equal(nsaid, 1);
	assert_true(said[0].on && said[0].pid == pid && !said[0].reason[0]);

	end(a);
	event(t, PROBE_EV_EXIT, a, 0);
	assert_int_equal(count_all(), 0);
	assert_int_equal(targets_count(t), 0);
	assert_false(said[nsaid - 1].on);
	targets_del(t);
	end(b);
}

static void test_fork_widens(void **state)
{
	pid_t a = child("one", "libtls.so", NULL);
	pid_t b = child("two", "libtls.so", NULL); /* as if it were a's */
	uint32_t pid = (uint32_t)a;
	struct target_options o = options(&pid, 1);
	struct targets *t;

	(void)state;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	in_kernel[b] = true; /* as the kernel does */
	event(t, PROBE_EV_FORK, b, a);
	assert_int_equal(count(pid), 0);
	assert_int_equal(count(0), 2);
	assert_int_equal(kernel[a].flags, PROBE_TARGET_FOLLOW);
	assert_true(links[0].used || links[2].cookie >> 32 & PROBE_OBJECT_WIDE);
	assert_int_equal(targets_count(t), 2);
	end(b);
	event(t, PROBE_EV_EXIT, b, 0);
	assert_int_equal(targets_count(t), 1);
	assert_int_equal(count(0), 2);
	targets_del(t);
	assert_int_equal(count_all(), 0);
	assert_false(in_kernel[a]);
	end(a);
}

static void test_no_children(void **state)
{
	pid_t a = child("one", "libtls.so", NULL), b = child("x", NULL, NULL);
	uint32_t pid = (uint32_t)a;
	struct target_options o = options(&pid, 1);
	struct targets *t;

	(void)state;
	o.no_children = true;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	assert_int_equal(kernel[a].flags, PROBE_TARGET_SOLO);
	in_kernel[b] = true;
	event(t, PROBE_EV_FORK, b, a);
	assert_false(in_kernel[b]);
	assert_int_equal(count(pid), 2);
	targets_del(t);
	end(a);
	end(b);
}

static void test_by_comm(void **state)
{
	pid_t a = child("llm-one", "libtls.so", NULL);
	pid_t b = child("llm-two", "other.so", NULL);
	pid_t c = child("another", "other.so", NULL);
	struct target_options o = options(NULL, 0);
	struct targets *t;

	(void)state;
	o.comm = "llm-*";
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	assert_int_equal(selected.flags, PROBE_SELECT_EXECS | PROBE_SELECT_ALL |
						 PROBE_SELECT_MAYBE);
	assert_int_equal(targets_scan(t), 0);
	assert_true(in_kernel[a] && in_kernel[b] && !in_kernel[c]);
	assert_int_equal(kernel[a].flags, PROBE_TARGET_FOLLOW);
	assert_int_equal(count(0), 4);
	/* unlinked and unused: given up at the second look */
	end(b);
	end(c);
	event(t, PROBE_EV_EXIT, b, 0);
	teardown(NULL);
	targets_scan(t);
	targets_scan(t);
	assert_int_equal(count(0), 2);
	targets_del(t);
	assert_int_equal(selected.flags, 0);
	end(a);
	setup(NULL);
}

static void test_select(void **state)
{
	struct target_options o = options(NULL, 0);
	struct targets *t;

	(void)state;
	o.comm = "no-such-name";
	o.uid = 12345;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	assert_int_equal(selected.flags, PROBE_SELECT_EXECS |
						 PROBE_SELECT_COMM |
						 PROBE_SELECT_UID);
	assert_string_equal(selected.comm, "no-such-name");
	assert_int_equal(selected.uid, 12345);
	assert_int_equal(selected.self, getpid());
	targets_del(t);
	o.comm = NULL;
	o.uid = -1;
	o.all = true;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	assert_int_equal(selected.flags, PROBE_SELECT_EXECS | PROBE_SELECT_ALL);
	targets_del(t);
	o.exe = "/no/such/program"; /* only user space can tell */
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	assert_int_equal(selected.flags, PROBE_SELECT_EXECS | PROBE_SELECT_ALL |
						 PROBE_SELECT_MAYBE);
	targets_del(t);
	o.uid = 7;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	assert_int_equal(selected.flags, PROBE_SELECT_EXECS | PROBE_SELECT_ALL |
						 PROBE_SELECT_UID |
						 PROBE_SELECT_MAYBE);
	targets_del(t);
}

/* Numbers that no process has. */
#define GONE 4194200u

/* What the kernel says of the exec of who is gone. */
static void maybe_execs(struct targets *t, uint32_t pid, uint32_t exec,
			uint8_t flags, const char *names, size_t n)
{
	struct probe_event ev = {.kind = PROBE_EV_EXEC,
				 .tgid = pid,
				 .call = exec,
				 .flags = flags | PROBE_FLAG_MAYBE,
				 .cap = sizeof(struct probe_exec)};
	struct probe_exec x = {.comm = "short", .npath = (uint32_t)n};

	memcpy(x.path, names, n);
	kernel[pid] = (struct probe_target){.flags = PROBE_TARGET_MAYBE,
					    .exec = exec};
	in_kernel[pid] = true;
	targets_event(t, &ev, &x);
}

static void maybe_forks(struct targets *t, uint32_t parent, uint32_t child)
{
	struct probe_event ev = {.kind = PROBE_EV_FORK,
				 .tgid = child,
				 .result = parent,
				 .call = kernel[parent].exec,
				 .flags = PROBE_FLAG_MAYBE};

	kernel[child] = kernel[parent];
	in_kernel[child] = true;
	targets_event(t, &ev, NULL);
}

static void test_gone_at_exec(void **state)
{
	static const char it[] = "curl\0bin\0opt", no[] = "curl\0bin\0usr";
	struct target_options o = options(NULL, 0);
	struct targets *t;

	(void)state;
	o.exe = "/opt/*/curl";
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	maybe_execs(t, GONE, 1, 0, it, sizeof(it));
	maybe_execs(t, GONE + 1, 1, 0, no, sizeof(no));
	maybe_execs(t, GONE + 2, 1, 0, no, sizeof(no) - 5);
	assert_true(in_kernel[GONE] && targets_meter(t, GONE));
	for (uint32_t i = 1; i < 3; i++)
		assert_true(!in_kernel[GONE + i] &&
			    targets_refused(t, GONE + i) &&
			    !targets_meter(t, GONE + i));
	/* children are what their parent was */
	maybe_forks(t, GONE, GONE + 3);
	maybe_forks(t, GONE + 1, GONE + 4);
	assert_true(targets_meter(t, GONE + 3) && in_kernel[GONE + 3]);
	assert_true(!targets_meter(t, GONE + 4) && !in_kernel[GONE + 4]);
	/* who was meant stays that, who was not may become it */
	maybe_execs(t, GONE, 2, PROBE_FLAG_STILL, no, sizeof(no));
	maybe_execs(t, GONE + 1, 2, PROBE_FLAG_STILL, it, sizeof(it));
	assert_true(targets_meter(t, GONE) && targets_meter(t, GONE + 1));
	/* the number is another's */
	maybe_execs(t, GONE, 1, 0, no, sizeof(no));
	assert_false(targets_meter(t, GONE));
	targets_del(t);
}

/* It has executed something else before it was known that it is not meant. */
static void test_refused_too_late(void **state)
{
	static const char no[] = "env\0bin";
	struct target_options o = options(NULL, 0);
	struct probe_event ev = {.kind = PROBE_EV_EXEC,
				 .tgid = GONE,
				 .call = 1,
				 .flags = PROBE_FLAG_MAYBE,
				 .cap = sizeof(struct probe_exec)};
	struct probe_exec x = {.comm = "env", .npath = sizeof(no)};
	struct targets *t;

	(void)state;
	o.comm = "cur*";
	memcpy(x.path, no, sizeof(no));
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	kernel[GONE] =
		(struct probe_target){.flags = PROBE_TARGET_MAYBE, .exec = 2};
	in_kernel[GONE] = true;
	targets_event(t, &ev, &x);
	assert_true(in_kernel[GONE]);
	targets_del(t);
}

static void test_preload(void **state)
{
	pid_t a = child("one", "libtls.so", "libllmguard.so");
	uint32_t pid = (uint32_t)a;
	struct target_options o = options(&pid, 1);
	struct targets *t;

	(void)state;
	assert_true(target_has_preload(pid));
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	assert_false(in_kernel[a]);
	assert_int_equal(count_all(), 0);
	assert_int_equal(nsaid, 1);
	assert_false(said[0].on);
	assert_non_null(strstr(said[0].reason, "preload"));
	targets_scan(t);
	assert_int_equal(nsaid, 1);
	targets_del(t);
	end(a);
}

/* Whether its preload was switched off died with it: what came up counts. */
static void test_preload_ends(void **state)
{
	pid_t a = child("one", "libtls.so", "libllmguard.so");
	uint32_t pid = (uint32_t)a;
	struct target_options o = options(&pid, 1);
	struct targets *t;

	(void)state;
	ends_soon = a;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	ends_soon = 0;
	assert_true(targets_meter(t, pid));
	assert_false(in_kernel[a]);
	assert_int_equal(targets_count(t), 0);
	targets_del(t);
	end(a);
}

static bool has_return(void)
{
	for (unsigned i = 0; i < LINKS; i++)
		if (links[i].used && links[i].is_return)
			return true;
	return false;
}

static void test_sandbox(void **state)
{
	const char *files[] = {"libtls.so", "!", NULL};
	pid_t a = child("one", "libtls.so", NULL), b = child_of("two", files);
	uint32_t pid[] = {(uint32_t)a, (uint32_t)b};
	struct target_options o = options(pid, 1);
	struct targets *t;

	(void)state;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	assert_true(has_return());
	targets_del(t);
	o.pids = pid + 1;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	assert_int_equal(count(pid[1]), 2);
	assert_false(has_return());
	targets_del(t);
	end(a);
	end(b);
}

static void test_why_not(void **state)
{
	char *const argv[] = {"sleep", "60", NULL};
	pid_t a = child("one", "none.so", NULL), b;
	uint32_t pid[] = {(uint32_t)a, 0, 4194303};
	struct target_options o = options(pid, 3);
	struct targets *t;

	(void)state;
	assert_int_equal(
		posix_spawn(&b, "/bin/sleep", NULL, NULL, argv, environ), 0);
	pid[1] = (uint32_t)b;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	targets_scan(t);
	assert_int_equal(nsaid, 3);
	for (unsigned i = 0; i < 3; i++)
		if (said[i].pid == pid[0])
			assert_non_null(strstr(said[i].reason, "stripped"));
		else if (said[i].pid == pid[1])
			assert_non_null(strstr(said[i].reason, "no TLS"));
		else
			assert_string_equal(said[i].reason, "no such process");
	targets_del(t);
	end(a);
	end(b);
}

static void test_refused(void **state)
{
	pid_t a = child("one", "libtls.so", NULL);
	uint32_t pid = (uint32_t)a;
	struct target_options o = options(&pid, 1);
	struct targets *t;

	(void)state;
	attach_error = -EOPNOTSUPP;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	assert_int_equal(count_all(), 0);
	assert_false(said[0].on);
	assert_non_null(strstr(said[0].reason, "cannot be probed"));
	attach_error = 0;
	targets_scan(t); /* it may work later */
	assert_int_equal(count(pid), 2);
	assert_true(said[nsaid - 1].on);
	targets_del(t);
	end(a);
}

static void test_self(void **state)
{
	uint32_t pid = (uint32_t)getpid();
	struct target_options o = options(&pid, 1);
	struct targets *t;

	(void)state;
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	assert_int_equal(targets_count(t), 0);
	event(t, PROBE_EV_EXEC, getpid(), 0);
	assert_int_equal(targets_count(t), 0);
	targets_del(t);
}

/* An end that was somebody else's, before this process had the number. */
static void test_old_end(void **state)
{
	pid_t a;
	uint32_t pid;
	struct target_options o;
	struct targets *t;
	struct probe_event ev = {.kind = PROBE_EV_EXIT, .ts_ns = now_ns()};

	(void)state;
	usleep(50000);
	a = child("one", "libtls.so", NULL);
	pid = (uint32_t)a;
	o = options(&pid, 1);
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	ev.tgid = pid;
	targets_event(t, &ev, NULL);
	assert_int_equal(targets_count(t), 1);
	targets_del(t);
	end(a);
}

/* One byte of the process's code: the breakpoint, or what was there before. */
static void poke(pid_t pid, const char *name, uint64_t at, char v)
{
	char path[64], line[512], want[128];
	unsigned long start = 0;
	FILE *f;
	int fd;

	path_of(want, name);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	while (fgets(line, sizeof(line), f))
		if (strstr(line, want))
			start = strtoul(line, NULL, 16);
	fclose(f);
	assert_true(start);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, &v, 1, (off_t)(start + at)), 1);
	close(fd);
}

static void test_canary(void **state)
{
	pid_t a = child("one", "libtls.so", NULL);
	uint32_t pid = (uint32_t)a;
	struct target_options o = options(&pid, 1);
	struct targets *t;
	char path[128];
	int fd;

	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(targets_new(NULL, &o, &t), 0);
	targets_scan(t);
	assert_int_equal(targets_canary(t), 0);
	poke(a, "libtls.so", 80, 0x55); /* somebody took it away */
	assert_int_equal(targets_canary(t), 1);
	assert_int_equal(count(pid), 2);
	poke(a, "libtls.so", 80, (char)0xcc);
	assert_int_equal(targets_canary(t), 0);
	/* overwritten in place: other code, other places */
	usleep(20000);
	path_of(path, "libtls.so");
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "FAKETLS2", 8, 0), 8);
	close(fd);
	assert_int_equal(targets_canary(t), 1);
	assert_int_equal(targets_canary(t), 0);
	targets_del(t);
	assert_int_equal(count_all(), 0);
	end(a);
}

static void test_proc(void **state)
{
	pid_t a = child("a (b) c", "libtls.so", NULL);
	struct stat threads;
	struct proc p;
	char v[64];

	(void)state;
	assert_int_equal(proc_get((uint32_t)a, &p), 0);
	snprintf(v, sizeof(v), "/proc/%d/task", a);
	assert_int_equal(stat(v, &threads), 0); /* a sanitizer has its own */
	assert_string_equal(p.comm, "a (b) c");
	assert_int_equal(p.ppid, getpid());
	assert_int_equal(p.uid, getuid());
	assert_int_equal(p.seccomp, 0);
	assert_int_equal(p.threads, threads.st_nlink - 2);
	assert_true(p.start > 0);
	assert_int_equal(proc_live_thread((uint32_t)a), a);
	setenv("PATH", getenv("PATH"), 1);
	assert_true(proc_env((uint32_t)getpid(), "PATH", v, sizeof(v)));
	assert_false(proc_env((uint32_t)getpid(), "PAT", v, sizeof(v)));
	proc_root((uint32_t)a, v);
	assert_string_equal(v, "");
	end(a);
	assert_int_equal(proc_get((uint32_t)a, &p), -ESRCH);
	assert_int_equal(proc_get(4194303, &p), -ESRCH);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_by_pid),
		CASE(test_fork_widens),
		CASE(test_no_children),
		CASE(test_by_comm),
		CASE(test_select),
		CASE(test_gone_at_exec),
		CASE(test_refused_too_late),
		CASE(test_preload),
		CASE(test_sandbox),
		CASE(test_why_not),
		CASE(test_refused),
		CASE(test_self),
		CASE(test_old_end),
		CASE(test_canary),
		CASE(test_proc),
		CASE(test_preload_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
