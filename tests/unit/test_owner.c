#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "budget/hold.h"
#include "budget/owner.h"

static struct lg_pair *shared; /* what children say of themselves */

static int setup(void **state)
{
	(void)state;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED;
}

static void await_said(void)
{
	while (lg_load_acquire(&shared->hi) == 0)
		usleep(1000);
}

static void say_self(void)
{
	struct lg_pair me = lg_owner_self();

	lg_store_relaxed(&shared->lo, me.lo);
	lg_store_release(&shared->hi, me.hi);
}

static pid_t start(void (*then)(void))
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	lg_owner_self();
	pid = fork();
	if (pid == 0) {
		say_self();
		if (then != NULL)
			then();
		for (;;)
			pause();
	}
	await_said();
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void self_is_alive(void **state)
{
	struct lg_pair me = lg_owner_self();

	(void)state;
	assert_int_equal(lg_owner_pid(me), getpid());
	assert_int_equal(lg_owner_judge(me), LG_OWNER_ALIVE);
	me.lo |= LG_OWNER_BUSY | 0x100;
	assert_int_equal(lg_owner_judge(me), LG_OWNER_ALIVE);
	assert_true(lg_owner_same(me, lg_owner_self()));
}

static void child_lives_and_dies(void **state)
{
	pid_t pid = start(NULL);
	struct lg_pair c = *shared;

	(void)state;
	assert_int_equal(lg_owner_pid(c), pid);
	assert_false(lg_owner_same(c, lg_owner_self()));
	assert_int_equal(lg_owner_judge(c), LG_OWNER_ALIVE);
	kill(pid, SIGKILL);
	siginfo_t si;
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	/* A zombie still has its pid. */
	assert_int_equal(lg_owner_judge(c), LG_OWNER_DEAD);
	waitpid(pid, NULL, 0);
	assert_int_equal(lg_owner_judge(c), LG_OWNER_DEAD);
}

static int go[2];

static void exec_it(void)
{
	char c;

	close(go[1]);
	while (read(go[0], &c, 1) > 0)
		;
	execl("/bin/sleep", "sleep", "60", (char *)NULL);
}

/* exec keeps pid and start time; what the old image held is nobody's. */
static void exec_is_a_death(void **state)
{
	struct lg_pair c;
	unsigned i;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(go), 0);
	pid = start(exec_it);
	c = *shared;
	assert_int_equal(lg_owner_judge(c), LG_OWNER_ALIVE);
	close(go[0]);
	close(go[1]);
	for (i = 0; i < 3000 && lg_owner_judge(c) != LG_OWNER_DEAD; i++)
		usleep(10000);
	assert_int_equal(lg_owner_judge(c), LG_OWNER_DEAD);
	assert_int_equal(kill(pid, 0), 0);
	end(pid);
}

static void *stay(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void leave_a_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, stay, NULL);
	usleep(100000);
	syscall(SYS_exit, 0);
}

static void zombie_leader_with_threads_lives(void **state)
{
	pid_t pid = start(leave_a_thread);
	struct lg_pair c = *shared;

	(void)state;
	usleep(300000);
	assert_int_equal(lg_owner_judge(c), LG_OWNER_ALIVE);
	end(pid);
	assert_int_equal(lg_owner_judge(c), LG_OWNER_DEAD);
}

static void strangers(void **state)
{
	struct lg_pair me = lg_owner_self(), o;
	pid_t pid = start(NULL);
	struct lg_pair c = *shared;

	(void)state;
	o = c; /* the pid was used again: another start time */
	o.hi ^= UINT64_C(5) << 32;
	assert_int_equal(lg_owner_judge(o), LG_OWNER_DEAD);
	o = c; /* another boot */
	o.hi ^= UINT64_C(1) << 22;
	assert_int_equal(lg_owner_judge(o), LG_OWNER_DEAD);
	o = c; /* another pid namespace */
	o.lo ^= UINT64_C(1) << 40;
	assert_int_equal(lg_owner_judge(o), LG_OWNER_FOREIGN);
	o = me; /* our pid before our exec */
	o.hi ^= 1;
	assert_int_equal(lg_owner_judge(o), LG_OWNER_DEAD);
	o = c; /* start time not known: the pid alone */
	o.hi &= UINT64_C(0xffffffff);
	assert_int_equal(lg_owner_judge(o), LG_OWNER_ALIVE);
	end(pid);
	assert_int_equal(lg_owner_judge(o), LG_OWNER_DEAD);
}

/* A fork that no handler of pthread_atfork sees. */
static void raw_fork_is_noticed(void **state)
{
	struct lg_pair me = lg_owner_self(), c;
	long pid;

	(void)state;
	memset(shared, 0, sizeof(*shared));
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		say_self();
		syscall(SYS_exit_group, 0);
	}
	await_said();
	c = *shared;
	waitpid((pid_t)pid, NULL, 0);
	assert_int_equal(lg_owner_pid(c), pid);
	assert_true(lg_owner_same(me, lg_owner_self()));
}

/* Opening any file ends the process. */
static void forbid_files(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_readlinkat, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = {5, code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(77);
}

/* In a sandbox a child knows itself and judges nobody, without a file. */
static int live_in_sandbox(struct lg_pair parent)
{
	struct lg_pair me;
	int st;
	pid_t pid;

	forbid_files();
	lg_owner_enter_sandbox();
	pid = fork();
	if (pid) {
		waitpid(pid, &st, 0);
		return WIFEXITED(st) ? WEXITSTATUS(st) : 99;
	}
	lg_owner_after_fork();
	me = lg_owner_self();
	if (lg_owner_pid(me) != (uint32_t)getpid() || me.lo >> 36 == 0)
		return 1;
	return lg_owner_judge(parent) == LG_OWNER_ALIVE ? 0 : 2;
}

static void sandbox_opens_nothing(void **state)
{
	struct lg_pair me = lg_owner_self();
	pid_t pid = fork();
	int st;

	(void)state;
	if (pid == 0)
		_exit(live_in_sandbox(me));
	waitpid(pid, &st, 0);
	assert_true(WIFEXITED(st));
	if (WEXITSTATUS(st) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(st), 0);
}

static void after_fork_renews(void **state)
{
	struct lg_pair me = lg_owner_self();

	(void)state;
	lg_owner_after_fork();
	assert_true(lg_owner_same(me, lg_owner_self()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(self_is_alive),
		cmocka_unit_test(child_lives_and_dies),
		cmocka_unit_test(exec_is_a_death),
		cmocka_unit_test(zombie_leader_with_threads_lives),
		cmocka_unit_test(strangers),
		cmocka_unit_test(raw_fork_is_noticed),
		cmocka_unit_test(after_fork_renews),
		cmocka_unit_test(sandbox_opens_nothing),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
