#ifndef LG_BPF_PROBE_LINK_H
#define LG_BPF_PROBE_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct bpf_program;

/*
 * One probe by the kernel's newer way: a uprobe_multi link, which is cheaper
 * a hit than a perf event's and let go of without a lock that all share.
 * libbpf 1.1 does not know it yet. One thread.
 */
#define PROBE_LINK_MULTI 48 /* BPF_TRACE_UPROBE_MULTI, the program's type */

/* Linux 6.12: before, a link by pid missed the process's other threads. */
bool probe_link_may_be_multi(void);
/* The link's descriptor, -errno. pid 0: all processes. */
int probe_link_multi(int prog_fd, const char *path, uint64_t file_at,
		     uint32_t pid, bool is_return, uint64_t cookie);

#endif
