#include "bpf/probe_link.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* union bpf_attr's link_create, as <linux/bpf.h> has it since Linux 6.6. */
struct link_create {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};
#define MULTI_RETURN 1u

bool probe_link_may_be_multi(void)
{
	struct utsname u;
	unsigned major, minor;

	return !uname(&u) && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 12));
}

int probe_link_multi(int prog_fd, const char *path, uint64_t file_at,
		     uint32_t pid, bool is_return, uint64_t cookie)
{
	struct link_create a = {
		.prog_fd = prog_fd,
		.attach_type = PROBE_LINK_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)&file_at,
		.cookies = (uintptr_t)&cookie,
		.cnt = 1,
		.multi_flags = is_return ? MULTI_RETURN : 0,
		.pid = pid,
	};
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &a, sizeof(a));

	return fd < 0 ? -errno : (int)fd;
}
