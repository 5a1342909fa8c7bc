#ifndef LG_HOOK_CONN_H
#define LG_HOOK_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "guard/flow.h"
#include "hook/carrier.h"

/*
 * What we know about one connection, whatever carries it. Where it lives is
 * its library's matter (an SSL's ex_data slot, a table). The flow is touched
 * under the lock only, and the lock is never held over a call into the
 * library.
 */
enum lg_conn_mode {
	LG_CONN_NEW,	 /* nothing is known yet */
	LG_CONN_PASS,	 /* server side, or given up: never looked at again */
	LG_CONN_LOOK,	 /* not a known host: first writes are looked at */
	LG_CONN_GUARDED, /* all bytes go through the flow */
};

struct lg_local_tls;

struct lg_conn {
	const struct lg_carrier *carrier;
	void *handle;	      /* the carrier's: SSL, session, descriptor */
	struct lg_flow *flow; /* NULL in LOOK until a request begins */
	struct lg_buf queue;  /* arrived, seen by the flow, not yet read */
	/* over which the local server is read, NULL: none, or plain */
	struct lg_local_tls *local;
	size_t local_old;      /* bytes that will come before its first one */
	uint64_t fd_cookie;    /* the socket's identity, 0 unknown */
	size_t consumed;       /* of the program's current logical write */
	int64_t last_write_ms; /* coarse clock */
	int fd;		       /* found by the ClientHello; -1 unknown */
	int saved_errno;       /* while locked */
	int saved_cancel;      /* while locked a thread is not cancelled */
	unsigned lock;	       /* 0 free, else the fork generation */
	uint8_t mode;	       /* enum lg_conn_mode */
	bool look;	       /* LOOK: the next write may begin a request */
	bool watching;	       /* counted in lg_wakeup_watch */
	bool begun;	       /* the first handshake was prepared */
	bool handshaken;       /* and has ended */
	bool pass_pending;     /* the library holds a half-sent PASS write */
	bool released;	       /* lg_flow_out has bytes nobody waits for */
	bool relayed;	       /* a local server is behind the descriptor */
	bool flushing;	       /* a thread is writing lg_flow_out */
	bool stopped;	       /* the socket was shut down both ways */
};

/* May anything be guarded in this process (kill switch, environment)? */
extern bool lg_hook_is_on;
/* Does the environment speak of a guard (config, state folder, run)? */
extern bool lg_hook_is_told;

/*
 * The engine, built on the first call; NULL while there is none or the kill
 * switch is on. May open files: called first from SSL_CTX_new, SSL_new and
 * their like.
 */
struct lg_engine *lg_conn_engine(void);

/* A zeroed c becomes a connection of which nothing is known. */
void lg_conn_init(struct lg_conn *c, const struct lg_carrier *carrier,
		  void *handle);
/*
 * Settle what is under way and forget all: again a connection of which nothing
 * is known. Nothing is left to free but c itself.
 */
void lg_conn_reset(struct lg_conn *c);

/* A flow for this connection; false: no memory. Keeps errno. */
bool lg_conn_begin(struct lg_conn *c, struct lg_slice host, bool guarded);
/* Decide what this connection is; client: the call itself says so. */
void lg_conn_decide(struct lg_conn *c, bool client);
/* Before and after each real call that may do the handshake. */
void lg_conn_before_handshake(struct lg_conn *c, bool client);
void lg_conn_after_handshake(struct lg_conn *c);

/*
 * Lock and unlock the flow; errno is kept from the one to the other. False
 * when another thread does not let go (two threads misuse a connection).
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

/*
 * Libraries call themselves through the hooks (libssl's BIO_f_ssl and early
 * data, gnutls_record_send): calls that one makes on the handle of one of our
 * real calls on this thread pass through. Those of the program from a callback
 * do not: Node writes its request from inside the handshake. The frame tells a
 * call that was left by longjmp.
 */
struct lg_inside {
	const void *handle;
	const void *owner; /* whose function: a struct lg_tls, or NULL */
	const char *frame;
};
extern __thread struct lg_inside lg_inside;

/* Are we below a real call on it? Whose call this is has to be asked, too. */
static inline bool lg_is_inside(const void *handle)
{
	const char *here = __builtin_frame_address(0);

	return lg_inside.handle == handle && here < lg_inside.frame;
}

/* A real call on a handle, marked as such. */
#define LG_REAL(on, call) LG_REAL_OF(NULL, on, call)
#define LG_REAL_OF(whose, on, call)                                            \
	({                                                                     \
		struct lg_inside saved_ = lg_inside;                           \
		__typeof__(call) ret_;                                         \
		lg_inside.handle = (on);                                       \
		lg_inside.owner = (whose);                                     \
		lg_inside.frame = __builtin_frame_address(0);                  \
		ret_ = (call);                                                 \
		lg_inside = saved_;                                            \
		ret_;                                                          \
	})

#define LG_LIKELY(x) __builtin_expect(!!(x), 1)
#define LG_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
