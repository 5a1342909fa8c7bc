#include "bpf/able.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "guard/file.h"

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 8
#define BTF "/sys/kernel/btf/vmlinux"
#define UPROBES "/sys/bus/event_source/devices/uprobe/type"
#define LOCKDOWN "/sys/kernel/security/lockdown"

/* What is needed of a process that is not root, and for what. */
static const struct {
	unsigned bit;
	const char *name, *why;
} needed[] = {
	{CAP_BPF, "CAP_BPF", "to load its programs"},
	{CAP_PERFMON, "CAP_PERFMON", "to put probes"},
	{CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "to look at /proc/PID"},
	{CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE",
	 "to open the files that processes map"},
};

static uint64_t capabilities(void)
{
	char text[8192], *p;

	if (lg_file_peek("/proc/self/status", text, sizeof(text)) <= 0)
		return 0;
	p = strstr(text, "\nCapEff:");
	return p ? strtoull(p + 8, NULL, 16) : 0;
}

static int check_rights(char *text, size_t n)
{
	uint64_t caps = capabilities();
	size_t i;

	if (caps >> CAP_SYS_ADMIN & 1)
		return 0;
	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (caps >> needed[i].bit & 1)
			continue;
		snprintf(text, n,
			 "%s is missing (%s): run it as root, by its systemd "
			 "unit, or give it CAP_BPF, CAP_PERFMON, "
			 "CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE",
			 geteuid() ? needed[i].name : "right to trace",
			 geteuid() ? needed[i].why
				   : "root of a container without its "
				     "capabilities");
		return -EPERM;
	}
	return 0;
}

static int check_kernel(char *text, size_t n)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return 0;
	if (major > KERNEL_MAJOR ||
	    (major == KERNEL_MAJOR && minor >= KERNEL_MINOR))
		return 0;
	snprintf(text, n,
		 "Linux %u.%u is too old: %d.%d or newer is needed (ring "
		 "buffer); guard programs from their start with `llmguard run`",
		 major, minor, KERNEL_MAJOR, KERNEL_MINOR);
	return -ENOSYS;
}

/* "none [integrity] confidentiality" */
static bool is_locked_down(void)
{
	char text[128];

	return lg_file_peek(LOCKDOWN, text, sizeof(text)) > 0 &&
	       strstr(text, "[confidentiality]");
}

static int check_features(char *text, size_t n)
{
	if (is_locked_down()) {
		snprintf(text, n,
			 "kernel lockdown is in confidentiality mode: BPF may "
			 "not read programs' memory; boot with "
			 "lockdown=integrity, or use `llmguard run`");
		return -EPERM;
	}
	if (access(BTF, F_OK)) {
		snprintf(text, n,
			 BTF " is not there: the kernel needs "
			     "CONFIG_DEBUG_INFO_BTF=y (Debian's and Ubuntu's "
			     "have it), and /sys must be mounted");
		return -ENOENT;
	}
	if (access(BTF, R_OK)) {
		snprintf(text, n, BTF ": %s", strerror(errno));
		return -EACCES;
	}
	if (access(UPROBES, F_OK)) {
		snprintf(text, n,
			 UPROBES " is not there: the kernel needs "
				 "CONFIG_UPROBE_EVENTS=y, and /sys must be "
				 "mounted");
		return -ENOENT;
	}
	return 0;
}

int able_check(char *text, size_t n)
{
	int err = check_kernel(text, n);

	if (!err)
		err = check_rights(text, n);
	return err ? err : check_features(text, n);
}

void able_explain(int err, const char *said, char *text, size_t n)
{
	const char *hint = "";

	switch (-err) {
	case EPERM:
	case EACCES:
		hint = "; in a container, its seccomp profile must allow "
		       "bpf() and perf_event_open()";
		break;
	case ENOMEM:
		hint = "; choose a smaller --ring-mb, or raise the memory "
		       "limit of this cgroup (RLIMIT_MEMLOCK before Linux "
		       "5.11)";
		break;
	case EINVAL:
	case ENOTSUP:
		hint = "; --verbose prints what the verifier says";
		break;
	}
	snprintf(text, n, "the kernel refuses: %s%s%s%s", said,
		 *said ? ": " : "", strerror(-err), hint);
}
