#ifndef LG_BPF_CONN_BPF_H
#define LG_BPF_CONN_BPF_H

/* Connections by (process, SSL*). */
#include "bpf/who.bpf.h"

enum conn_op { CONN_NONE, CONN_WROTE, CONN_FAILED, CONN_READ };
enum conn_proto { CONN_UNKNOWN, CONN_HTTP1, CONN_H2 };

static __always_inline void lost(__u32 why, __u64 bytes, __u32 requests)
{
	struct probe_lost *l = bpf_map_lookup_elem(&losses, &why);

	if (!l)
		return;
	__sync_fetch_and_add(&l->records, 1);
	__sync_fetch_and_add(&l->bytes, bytes);
	if (requests)
		__sync_fetch_and_add(&l->requests, requests);
}

#define OWNED_MAX 16384

static __noinline __u32 *owned_of(__u32 tgid)
{
	__u32 *n = bpf_map_lookup_elem(&owned, &tgid), zero = 0;

	if (n)
		return n;
	bpf_map_update_elem(&owned, &tgid, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&owned, &tgid);
}

static __noinline void conn_delete(struct probe_conn_key *key)
{
	__u32 tgid = key->tgid, *n;

	if (bpf_map_delete_elem(&conns, key))
		return;
	n = bpf_map_lookup_elem(&owned, &tgid);
	if (n && *n)
		__sync_fetch_and_sub(n, 1);
}

#define UNHEARD_MAX 16384

/* Its end goes up with no record: what was counted there waits to be taken. */
static __noinline void conn_unheard(struct probe_conn_key *key,
				    struct probe_conn *c)
{
	struct probe_conn_key k = {
		.ssl = key->ssl,
		.tgid = key->tgid,
		.id = c->id,
	};

	if (c->state == PROBE_CONN_DROP || unheard - heard >= UNHEARD_MAX)
		return;
	if (!bpf_map_update_elem(&conns, &k, c, BPF_NOEXIST))
		__sync_fetch_and_add(&unheard, 1);
}

/* late: whatever it is was not seen from its beginning. */
static __noinline struct probe_conn *conn_new(struct probe_conn_key *key,
					      __u64 gen, bool late)
{
	__u32 *n = owned_of(key->tgid);
	struct probe_conn c = {};

	if (!n || *n >= OWNED_MAX)
		return NULL;
	c.id = __sync_fetch_and_add(&conn_ids, 1) + 1;
	c.gen = gen;
	c.late = late;
	if (!bpf_map_update_elem(&conns, key, &c, BPF_NOEXIST))
		__sync_fetch_and_add(n, 1);
	return bpf_map_lookup_elem(&conns, key);
}

static __always_inline struct probe_conn *conn_find(struct who *w, __u64 ssl)
{
	struct probe_conn_key key = {.ssl = ssl, .tgid = w->tgid};
	struct probe_conn *c = bpf_map_lookup_elem(&conns, &key);

	if (c && c->gen != w->gen) {
		if (c->lost)
			conn_unheard(&key, c);
		conn_delete(&key);
		return NULL;
	}
	return c;
}

static __always_inline struct probe_conn *conn_get(struct who *w, __u64 ssl,
						   bool late)
{
	struct probe_conn_key key = {.ssl = ssl, .tgid = w->tgid};
	struct probe_conn *c = conn_find(w, ssl);

	return c ? c : conn_new(&key, w->gen, late);
}

/* is_told: its end went up. */
static __always_inline void conn_forget(struct who *w, __u64 ssl,
					struct probe_conn *c, bool is_told)
{
	struct probe_conn_key key = {.ssl = ssl, .tgid = w->tgid};

	if (!is_told)
		conn_unheard(&key, c);
	conn_delete(&key);
}

#endif
