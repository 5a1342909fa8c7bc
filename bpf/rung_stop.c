#include "bpf/rung.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard/control.h"
#include "guard/file.h"

#define KIN_MAX 64

/* -- whom ------------------------------------------------------------------ */

int rung_whom_open(uint32_t tgid, struct rung_whom *out)
{
	out->tgid = tgid;
	out->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)tgid, 0);
	out->start = lg_control_start((int32_t)tgid);
	if (out->start)
		return 0;
	rung_whom_close(out);
	return -ESRCH;
}

void rung_whom_close(struct rung_whom *w)
{
	if (w->pidfd >= 0)
		close(w->pidfd);
	w->pidfd = -1;
}

bool rung_is_gone(const struct rung_whom *w)
{
	struct pollfd p = {.fd = w->pidfd, .events = POLLIN};

	if (w->pidfd >= 0)
		return poll(&p, 1, 0) == 1;
	return lg_control_start((int32_t)w->tgid) != w->start;
}

/* "PID (comm) S ppid pgrp session tty_nr ..." */
static bool read_state(const struct rung_whom *w, char *state, uint32_t *ppid,
		       int *tty)
{
	char path[40], text[512];
	const char *end;

	snprintf(path, sizeof(path), "/proc/%u/stat", w->tgid);
	if (lg_file_peek(path, text, sizeof(text)) <= 0)
		return false;
	end = strrchr(text, ')');
	return end &&
	       sscanf(end + 1, " %c %u %*d %*d %d", state, ppid, tty) == 3;
}

bool rung_is_stopped(const struct rung_whom *w)
{
	uint32_t ppid;
	char state;
	int tty;

	return !rung_is_gone(w) && read_state(w, &state, &ppid, &tty) &&
	       state == 'T';
}

#define ENTRY_CODE 16 /* bytes of the instruction that was probed, at most */
#define ENTRY_STACK 8 /* what it may push */

bool rung_waits_at(const struct rung_whom *w, uint32_t tid, int64_t place)
{
	uint64_t was = (uint64_t)place, sp, ip;
	char path[64], text[256];
	const char *end;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/stat", w->tgid, tid);
	if (lg_file_peek(path, text, sizeof(text)) <= 0)
		return false;
	end = strrchr(text, ')');
	if (!end || strncmp(end, ") T", 3) != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%u/task/%u/syscall", w->tgid, tid);
	if (lg_file_peek(path, text, sizeof(text)) <= 0)
		return false;
	/* -1: it was stopped outside of any system call */
	if (sscanf(text, "-1 0x%" SCNx64 " 0x%" SCNx64, &sp, &ip) != 2)
		return false;
	return (was << 16 >> 16) - sp <= ENTRY_STACK &&
	       (uint16_t)(ip - (was >> 48)) < ENTRY_CODE;
}

bool rung_has_terminal(const struct rung_whom *w)
{
	uint32_t ppid;
	char state;
	int tty;

	return read_state(w, &state, &ppid, &tty) && tty != 0;
}

int rung_signal(const struct rung_whom *w, int sig)
{
	if (w->pidfd >= 0)
		return syscall(SYS_pidfd_send_signal, w->pidfd, sig, NULL, 0)
			       ? -errno
			       : 0;
	if (rung_is_gone(w))
		return -ESRCH;
	return kill((pid_t)w->tgid, sig) ? -errno : 0;
}

bool rung_may_continue(const struct rung_whom *w)
{
	return rung_signal(w, 0) != -EPERM;
}

bool rung_is_kin(const struct rung_whom *w)
{
	struct rung_whom up = {.tgid = (uint32_t)getpid(), .pidfd = -1};
	unsigned n = 0;
	char state;
	int tty;

	while (up.tgid > 1 && up.tgid != w->tgid && n++ < KIN_MAX)
		if (!read_state(&up, &state, &up.tgid, &tty))
			break;
	return w->tgid == 1 || up.tgid == w->tgid;
}

/* -- trials -----------------------------------------------------------------
 */

static int tell(char *why_not, const char *what, int err)
{
	snprintf(why_not, RUNG_WHY, "%s: %s", what, strerror(-err));
	return err;
}

/* What the probe at a write's entry does, as a program of its own. */
static int load_signal(int sig)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K,
		 .dst_reg = BPF_REG_1,
		 .imm = sig},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_send_signal},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "lg_signal", "GPL", insns,
			       sizeof(insns) / sizeof(insns[0]), NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

/* Stop a child of our own, continue and kill it. */
static int try_child(bool stop, char *why_not)
{
	pid_t pid = sleeper();
	struct rung_whom w = {.pidfd = -1};
	siginfo_t info = {0};
	int err = pid < 0 ? -errno : rung_whom_open((uint32_t)pid, &w);

	if (!err && stop) {
		err = rung_signal(&w, SIGSTOP);
		if (!err && waitid(P_PID, (id_t)pid, &info, WSTOPPED))
			err = -errno;
		if (!err && !rung_is_stopped(&w))
			err = -EPROTO;
		if (!err)
			err = rung_signal(&w, SIGCONT);
		if (!err && waitid(P_PID, (id_t)pid, &info, WCONTINUED))
			err = -errno;
	}
	if (pid > 0 && rung_signal(&w, SIGKILL))
		kill(pid, SIGKILL);
	if (pid > 0)
		waitid(P_PID, (id_t)pid, &info, WEXITED);
	if (!err && pid > 0 && info.si_code != CLD_KILLED)
		err = -EPROTO;
	rung_whom_close(&w);
	return err ? tell(why_not, "a child of our own", err) : 0;
}

int rung_stop_probe(char *why_not)
{
	int err = load_signal(SIGSTOP);

	if (err)
		return tell(why_not, "bpf_send_signal", err);
	return try_child(true, why_not);
}

/* Who is to be killed was stopped before its bytes left. */
int rung_kill_probe(char *why_not)
{
	int err = load_signal(SIGSTOP);

	if (err)
		return tell(why_not, "bpf_send_signal", err);
	return try_child(false, why_not);
}
