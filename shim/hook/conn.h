#ifndef LG_HOOK_CONN_H
#define LG_HOOK_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "guard/flow.h"
#include "hook/resolve.h"

/*
 * What we know about one SSL. It lives in the SSL's own ex_data slot and goes
 * with it. The flow is touched under the lock only, and the lock is never
 * held over a call into libssl.
 */
enum lg_conn_mode {
	LG_CONN_NEW,	 /* nothing is known yet */
	LG_CONN_PASS,	 /* server side, or given up: never looked at again */
	LG_CONN_LOOK,	 /* not a known host: first writes are looked at */
	LG_CONN_GUARDED, /* all bytes go through the flow */
};

struct lg_alpn {
	struct lg_alpn *next;
	unsigned len;
	unsigned char list[]; /* wire format: length, name, ... */
};

/* The lists ever set on one SSL_CTX, in its ex_data. */
struct lg_alpn_set {
	struct lg_alpn *all;
	const struct lg_alpn *now; /* in force, or NULL */
};

struct lg_conn {
	struct lg_tls *tls;
	SSL *ssl;	      /* whose it is: it goes with that */
	struct lg_flow *flow; /* NULL in LOOK until a request begins */
	struct lg_buf queue;  /* arrived, seen by the flow, not yet read */
	struct lg_alpn *alpn; /* set on this SSL, or NULL */
	const struct lg_alpn *ctx_alpn; /* of its context at SSL_new */
	uint64_t fd_cookie;		/* the socket's identity, 0 unknown */
	size_t consumed;       /* of the program's current logical write */
	int64_t last_write_ms; /* coarse clock */
	int fd;		       /* carries the connection; -1 unknown */
	int fake_error;	       /* what SSL_get_error says next, 0: the truth */
	int saved_errno;       /* while locked */
	unsigned lock;	       /* 0 free, else the fork generation */
	uint8_t mode;	       /* enum lg_conn_mode */
	bool look;	       /* LOOK: the next write may begin a request */
	bool watching;	       /* counted in lg_wakeup_watch */
	bool begun;	       /* the first handshake was prepared */
	bool handshaken;       /* and has ended */
	bool pass_pending;     /* libssl holds a half-sent PASS write */
	bool released;	       /* lg_flow_out has bytes nobody waits for */
	bool early;	       /* early data went through the flow */
	bool stopped;	       /* the socket was shut down both ways */
};

/* May anything be guarded in this process (kill switch, environment)? */
extern bool lg_hook_is_on;

/*
 * The engine, built on the first call; NULL while there is none or the kill
 * switch is on. May open files: called first from SSL_CTX_new and SSL_new.
 */
struct lg_engine *lg_conn_engine(void);

/* Our ex_data slots on this copy. False: nothing of it can be guarded. */
bool lg_conn_indexed(struct lg_tls *t);

/*
 * The state of an SSL that may be guarded, or NULL: pass the call through.
 * get never creates.
 */
struct lg_conn *lg_conn_get(struct lg_tls *t, const SSL *s);
struct lg_conn *lg_conn_make(struct lg_tls *t, SSL *s);

/* Back to a connection of which nothing is known (SSL_clear). */
void lg_conn_reset(struct lg_conn *c);

/* Decide what this connection is; client: the call itself says so. */
void lg_conn_decide(struct lg_conn *c, SSL *s, bool client);
/* Before and after each real call that may do the handshake. */
void lg_conn_before_handshake(struct lg_conn *c, SSL *s, bool client);
void lg_conn_after_handshake(struct lg_conn *c, SSL *s);

/*
 * Lock and unlock the flow; errno is kept from the one to the other. False
 * when another thread does not let go (misuse of one SSL by two threads).
 */
bool lg_conn_lock(struct lg_conn *c);
/* After a real call in between: waits as long, then takes it anyway. */
void lg_conn_relock(struct lg_conn *c);
/* In a forked child: the parent threads' locks are nobody's; the engine. */
void lg_conn_after_fork(void);
void lg_conn_unlock(struct lg_conn *c);

/*
 * Is it a descriptor that blocks? Not known is no. conn: a struct lg_conn.
 */
bool lg_conn_may_sleep(void *conn);

/* Settle and forget the flow; all passes from here on. Locked. */
void lg_conn_give_up(struct lg_conn *c);
/*
 * Has the flow let go of the connection and nothing is left of it? Then it
 * is dropped; to a host that nobody named the next request is looked at
 * again. Locked.
 */
bool lg_conn_is_passing(struct lg_conn *c);

/* SSL_get_error says nothing final (WANT_*) about this result. */
bool lg_conn_is_transient(struct lg_conn *c, SSL *s, int ret);

/*
 * libssl calls itself through the hooks (BIO_f_ssl, early data): calls that
 * it makes on the SSL of one of our real calls on this thread pass through.
 * Those of the program from a callback do not: Node writes its request from
 * inside the handshake. The frame tells a call that was left by longjmp.
 */
struct lg_inside {
	const SSL *ssl;
	const char *frame;
};
extern __thread struct lg_inside lg_inside;

static inline bool lg_is_inner(struct lg_tls *t, const SSL *s, const void *pc)
{
	const char *here = __builtin_frame_address(0);

	return lg_inside.ssl == s && here < lg_inside.frame &&
	       lg_tls_is_own(t, pc);
}

/* A real call on s, marked as such. */
#define LG_REAL(s, call)                                                       \
	({                                                                     \
		struct lg_inside saved_ = lg_inside;                           \
		__typeof__(call) ret_;                                         \
		lg_inside.ssl = (s);                                           \
		lg_inside.frame = __builtin_frame_address(0);                  \
		ret_ = (call);                                                 \
		lg_inside = saved_;                                            \
		ret_;                                                          \
	})

#endif
