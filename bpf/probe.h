#ifndef LG_BPF_PROBE_H
#define LG_BPF_PROBE_H

/*
 * What the kernel side and the tracer say to each other. Plain types of fixed
 * width, explicit padding; included by both (there vmlinux.h comes first).
 */
#ifndef __bpf__
#include <linux/types.h>
#endif

/* Which function a probe stands in: the low byte of a probe's cookie. */
enum probe_fn {
	PROBE_NONE,
	PROBE_WRITE,	 /* (ssl, buf, int num) */
	PROBE_WRITE_EX,	 /* (ssl, buf, size_t num, size_t *written) */
	PROBE_WRITE_EX2, /* (ssl, buf, size_t num, u64 flags, *written) */
	PROBE_READ,	 /* (ssl, buf, int num) */
	PROBE_READ_EX,	 /* (ssl, buf, size_t num, size_t *readbytes) */
	PROBE_ERROR,	 /* SSL_get_error(ssl, ret) */
	PROBE_FREE,	 /* SSL_free(ssl) */
	PROBE_CLEAR,	 /* SSL_clear(ssl): by libssl too, at a handshake */
	PROBE_SET_FD,	 /* (ssl, fd) */
	PROBE_CTRL,	 /* SSL_ctrl(ssl, cmd, larg, parg): SNI is cmd 55 */
	PROBE_HOST,	 /* BoringSSL: SSL_set_tlsext_host_name(ssl, name) */
	PROBE_GNUTLS_SEND,
	PROBE_GNUTLS_RECV,
	PROBE_GNUTLS_FREE,
	PROBE_GNUTLS_NAME, /* server_name_set(session, type, name, len) */
	/* Go's ABIInternal: rax conn, rbx buf, rcx len; the result in rax. A
	 * goroutine (r14) may end a call on another thread than it began it. */
	PROBE_GO_WRITE,
	PROBE_GO_READ,
	PROBE_GO_FREE, /* (*Conn).Close */
	PROBE_LOADED,  /* ld.so has mapped something: look at the maps again */
};

/* How the result is found where the call's end is probed. */
enum probe_end {
	PROBE_END_NONE,	 /* this is the entry's probe */
	PROBE_END_RAX,	 /* at a RET or as a return probe: in rax */
	PROBE_END_STACK, /* at a jcc after the inner call: eax > 0 says that
			    the count stands at rsp + arg */
};
/*
 * arg of an entry's cookie. Of functions that call each other (SSL_write_ex
 * and _ex2, both and their common callee) only one may be probed: each probe
 * is a write of its own.
 */
#define PROBE_ARG_ENDS 1u /* the call's end is probed too */
/* arg of an end's cookie, PROBE_END_RAX: the function that SSL_read and
 * SSL_read_ex both call; it tells 0 (the end) from -1 (try again). */
#define PROBE_ARG_INNER 1u
/* Go: the arguments stand at rsp + 8, + 16, + 24 as well. */
#define PROBE_ARG_SPILLED 2u
/* A cookie: fn | end << 8 | arg << 16 | object << 32 (the loader's number of
 * the mapped file). */
#define PROBE_COOKIE(fn, end, arg, object)                                     \
	((__u64)(fn) | (__u64)(end) << 8 | (__u64)(__u16)(arg) << 16 |         \
	 (__u64)(__u32)(object) << 32)

/* A process under trace: value of the map `targets`, key tgid (u32). All
 * process ids are those of the tracer's own pid namespace. */
struct probe_target {
	__u32 uid;
	__u32 flags;
	__u32 exec; /* of PROBE_TARGET_MAYBE: which program it was set for */
	__u32 pad;
};
#define PROBE_TARGET_FOLLOW 1u /* children belong too */
#define PROBE_TARGET_NEAR 2u   /* wake the reader at each record */
/*
 * Its environment names our preload: nothing goes up until the tracer has seen
 * whether that guards it, for both would count its calls.
 */
#define PROBE_TARGET_AWAITS 8u
/*
 * Attached by pid: only links without PROBE_OBJECT_WIDE count, else only those
 * with it. So one store changes from one kind to the other, and no call is
 * seen twice or missed. A child that is forked is never SOLO.
 */
#define PROBE_TARGET_SOLO 4u
/*
 * Whether it is meant only the tracer can tell, once its EXEC is read: its
 * records go up till then, and no verdict is carried out on it.
 */
#define PROBE_TARGET_MAYBE 16u
/* Of the object's number in a cookie: attached in all processes. */
#define PROBE_OBJECT_WIDE 0x80000000u

/*
 * Which programs become targets (with `target`) in the kernel, at their exec:
 * value of the array `select` (one entry, all 0: none). All that its flags name
 * must hold. Never `self`.
 */
struct probe_select {
	__u32 flags;
	__u32 self; /* tgid of the tracer */
	__u64 cgroup;
	__u32 uid;
	__u32 target; /* flags of their struct probe_target */
	char comm[16];
};
#define PROBE_SELECT_ALL 1u
#define PROBE_SELECT_UID 2u
#define PROBE_SELECT_CGROUP 4u
#define PROBE_SELECT_COMM 8u   /* exactly this name */
#define PROBE_SELECT_EXECS 16u /* EXEC goes up of every process */
#define PROBE_SELECT_MAYBE 32u /* they are PROBE_TARGET_MAYBE */

/* What is done at the next write of a guarded connection: value of the maps
 * `verdicts` (key tgid u32) and `cgroup_verdicts` (key cgroup id u64). */
enum probe_verdict {
	PROBE_GO,
	PROBE_STOP, /* SIGSTOP, before the bytes leave */
	PROBE_KILL,
};

/* A connection: key {tgid, ssl} of the map `conns`. */
struct probe_conn_key {
	__u64 ssl;
	__u32 tgid;
	__u32 id; /* to the loader: low half of probe_conn.id, or 0 for
		   * whichever is there; in the map 0, but of one whose end
		   * found no room in the ring */
};
enum probe_conn_state {
	PROBE_CONN_NEW,	 /* not known yet: records go up as they come */
	PROBE_CONN_LLM,	 /* guarded: whole payloads */
	PROBE_CONN_DROP, /* none of ours: nothing goes up */
};
struct probe_conn {
	__u64 id;	/* unique; another one after free or address reuse */
	__u32 state;	/* enum probe_conn_state; the tracer may set it */
	__u32 seq;	/* of its last record, also those that were lost */
	__u32 begun;	/* requests whose first bytes were seen here */
	__u32 lost;	/* records that found no room */
	__u64 lost_len; /* bytes of them */
	__u32 fd;	/* + 1; 0 unknown */
	__u32 calls;
	/* The kernel side's own from here on. */
	__u64 gen;	/* of the process: another one after exec */
	__u64 last_len; /* of the last write */
	__u64 h2_left;	/* bytes to the next frame's header */
	__u8 op, proto, late, misses;
	__u32 pad;
	char host[128]; /* SNI, "" unknown */
};

enum probe_kind {
	PROBE_EV_WRITE = 1, /* a write's bytes at entry; none for length 0 */
	PROBE_EV_WROTE,	    /* a write failed (result <= 0) or was partial;
			     * silence until the next record: it was whole */
	PROBE_EV_READ,	    /* bytes that a read delivered */
	PROBE_EV_CLOSED,    /* a read said that the peer has ended: result */
	PROBE_EV_FREE,
	PROBE_EV_NAME, /* payload: host */
	PROBE_EV_FD,   /* result: descriptor */
	PROBE_EV_EXEC, /* with PROBE_SELECT_MAYBE a struct probe_exec */
	PROBE_EV_FORK, /* tgid is the child, result the parent */
	PROBE_EV_EXIT,
	PROBE_EV_LOADED,
	PROBE_EV_STOPPED, /* a verdict was carried out: result is the verdict,
			   * or -errno of what the kernel refused */
};

/*
 * One record of the ring; payload follows. A call's bytes come in pieces of
 * at most PROBE_PIECE: the same call number, growing `at`, whole length `len`.
 */
struct probe_event {
	__u8 kind;
	__u8 fn;
	__u8 flags;
	__u8 pad;
	__u32 tgid, tid;
	__u32 uid;
	__u64 ts_ns; /* CLOCK_BOOTTIME */
	__u64 ssl;
	__u64 conn; /* probe_conn.id */
	__u32 seq;  /* probe_conn.seq at this record */
	__u32 begun;
	/* of this connection, grows; EXEC, FORK: the target's exec */
	__u32 call;
	__u32 cap;    /* payload bytes in this record */
	__u64 len;    /* of the whole call */
	__u64 at;     /* of the payload in the call */
	__s64 result; /* of a write: PROBE_PLACE */
	__u64 buf;    /* the program's buffer: tells a repeated write */
};
#define PROBE_PIECE 16384
/* Where the thread stands at a write's entry: enough to know it again. */
#define PROBE_PLACE(sp, ip)                                                    \
	((__s64)(((__u64)(sp) << 16 >> 16) | (__u64)(ip) << 48))
#define PROBE_FLAG_CUT 1u   /* the last piece: the call has more, not taken */
#define PROBE_FLAG_FAULT 2u /* bytes could not be read */
#define PROBE_FLAG_LATE                                                        \
	4u /* the connection may have been there before us:                    \
	    * neither its name nor its descriptor was seen */
#define PROBE_FLAG_REPEAT                                                      \
	8u /* the write before failed, was delivered whole,                    \
	    * and this is the same one again: no payload */

/* Of EXEC, FORK: it is PROBE_TARGET_MAYBE; EXEC: it was that before, too. */
#define PROBE_FLAG_MAYBE 16u
#define PROBE_FLAG_STILL 32u

/* The program that an EXEC is of: names from the last to the root's first. */
#define PROBE_PATH 1000
struct probe_exec {
	char comm[16];
	__u32 npath; /* bytes of path, each name with its NUL; 0: too long */
	__u32 pad;
	char path[PROBE_PATH];
};

/* Why something did not go up: index of the per-CPU array `losses`. */
enum probe_loss {
	PROBE_LOSS_RING, /* no room in the ring */
	PROBE_LOSS_FAULT,
	PROBE_LOSS_LIMIT, /* beyond the limit of one call */
	PROBE_LOSS_CONNS, /* no room for the connection */
	PROBE_LOSS_CALLS, /* no room for a call under way */
	PROBE_LOSSES
};
struct probe_lost {
	__u64 records, bytes, requests;
};

#endif
