/*
 * Denies new connections, and datagrams, to LLM peers for processes and
 * control groups under verdict. All else passes after one look-up.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/connect.h"
#include "bpf/pid.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct connect_peer);
	__type(value, __u8);
} peers SEC(".maps");

/* How often each was denied. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} denied SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, __u64);
} denied_cgroups SEC(".maps");

static __always_inline __u32 caller(void)
{
	if (!ns_inum)
		return bpf_get_current_pid_tgid() >> 32;
	return tgid_here((void *)bpf_get_current_task());
}

static __always_inline __u64 *counter_of(void)
{
	__u32 tgid = caller();
	__u64 *n = bpf_map_lookup_elem(&denied, &tgid);
	__u64 id;

	if (n)
		return n;
	for (int level = 1; level < CONNECT_LEVELS; level++) {
		id = bpf_get_current_ancestor_cgroup_id(level);
		if (!id)
			return 0;
		n = bpf_map_lookup_elem(&denied_cgroups, &id);
		if (n)
			return n;
	}
	return 0;
}

static __always_inline int judge(const struct connect_peer *p)
{
	__u64 *n = counter_of();

	if (!n || !bpf_map_lookup_elem(&peers, p))
		return 1;
	__sync_fetch_and_add(n, 1);
	return 0;
}

static __always_inline int judge4(struct bpf_sock_addr *ctx)
{
	struct connect_peer p = {};

	p.addr[2] = bpf_htonl(0xffff);
	p.addr[3] = ctx->user_ip4;
	p.port = ctx->user_port;
	return judge(&p);
}

static __always_inline int judge6(struct bpf_sock_addr *ctx)
{
	struct connect_peer p = {};

	p.addr[0] = ctx->user_ip6[0];
	p.addr[1] = ctx->user_ip6[1];
	p.addr[2] = ctx->user_ip6[2];
	p.addr[3] = ctx->user_ip6[3];
	p.port = ctx->user_port;
	return judge(&p);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return judge4(ctx);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return judge6(ctx);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return judge4(ctx);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return judge6(ctx);
}
