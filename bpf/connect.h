#ifndef LG_BPF_CONNECT_H
#define LG_BPF_CONNECT_H

/* There vmlinux.h comes first. */
#ifndef __bpf__
#include <linux/types.h>
#endif

/* What connect.bpf.c and the tracer say to each other. */
struct connect_peer {
	__u32 addr[4]; /* as on the wire, IPv4 in IPv6's form */
	__u32 port;    /* as on the wire, in the low 16 bits */
};
/* How deep a control group may lie below the one under verdict. */
#define CONNECT_LEVELS 16

#endif
