#ifndef LG_HOOK_GNUTLS_H
#define LG_HOOK_GNUTLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hook/conn.h"
#include "hook/keyed.h"
#include "hook/library.h"

/*
 * GnuTLS (3.4 and later) as a carrier, client side. The part of its ABI that
 * the hooks speak is declared here: the preload is built without its headers.
 */
typedef struct gnutls_session_int *gnutls_session_t;
typedef struct mbuffer_st *gnutls_packet_t;

struct lg_datum { /* gnutls_datum_t */
	unsigned char *data;
	unsigned int size;
};

/* gnutls_pull_func: how a program moves the bytes itself. */
typedef ssize_t lg_gnutls_pull_fn(void *ptr, void *p, size_t n);

enum {
	LG_GNUTLS_E_INVALID_REQUEST = -50,
	LG_GNUTLS_E_MEMORY_ERROR = -25,
	LG_GNUTLS_E_AGAIN = -28,
	LG_GNUTLS_E_INTERRUPTED = -52,
	LG_GNUTLS_E_PUSH_ERROR = -53,
	LG_GNUTLS_E_TIMEDOUT = -319,
	LG_GNUTLS_E_UNAVAILABLE_DURING_HANDSHAKE = -408,
};
#define LG_GNUTLS_SERVER 1u
#define LG_GNUTLS_DATAGRAM 4u
#define LG_GNUTLS_NAME_DNS 1
#define LG_GNUTLS_SFLAGS_EARLY_DATA (1u << 10)
#define LG_GNUTLS_SHUT_WR 1
#define LG_GNUTLS_RECORD_MAX 16384

/* Hooked and needed; hooked and maybe absent; helpers that are needed; maybe.
 */
#define LG_GNUTLS_FUNCTIONS(HOOKED, LATE, HELPER, MAYBE)                       \
	HOOKED(int, gnutls_init, (gnutls_session_t *, unsigned))               \
	HOOKED(void, gnutls_deinit, (gnutls_session_t))                        \
	HOOKED(int, gnutls_handshake, (gnutls_session_t))                      \
	HOOKED(int, gnutls_bye, (gnutls_session_t, int))                       \
	HOOKED(int, gnutls_server_name_set,                                    \
	       (gnutls_session_t, int, const void *, size_t))                  \
	LATE(int, gnutls_alpn_set_protocols,                                   \
	     (gnutls_session_t, const struct lg_datum *, unsigned, unsigned))  \
	HOOKED(ssize_t, gnutls_record_send,                                    \
	       (gnutls_session_t, const void *, size_t))                       \
	LATE(ssize_t, gnutls_record_send2,                                     \
	     (gnutls_session_t, const void *, size_t, size_t, unsigned))       \
	LATE(ssize_t, gnutls_record_send_range,                                \
	     (gnutls_session_t, const void *, size_t, const void *))           \
	LATE(ssize_t, gnutls_record_send_early_data,                           \
	     (gnutls_session_t, const void *, size_t))                         \
	HOOKED(ssize_t, gnutls_record_recv,                                    \
	       (gnutls_session_t, void *, size_t))                             \
	HOOKED(ssize_t, gnutls_record_recv_seq,                                \
	       (gnutls_session_t, void *, size_t, unsigned char *))            \
	LATE(ssize_t, gnutls_record_recv_packet,                               \
	     (gnutls_session_t, gnutls_packet_t *))                            \
	LATE(void, gnutls_packet_get,                                          \
	     (gnutls_packet_t, struct lg_datum *, unsigned char *))            \
	LATE(void, gnutls_packet_deinit, (gnutls_packet_t))                    \
	HOOKED(size_t, gnutls_record_check_pending, (gnutls_session_t))        \
	LATE(void, gnutls_record_cork, (gnutls_session_t))                     \
	LATE(int, gnutls_record_uncork, (gnutls_session_t, unsigned))          \
	LATE(unsigned, gnutls_session_get_flags, (gnutls_session_t))           \
	HELPER(int, gnutls_error_is_fatal, (int))                              \
	HELPER(void, gnutls_session_get_random,                                \
	       (gnutls_session_t, struct lg_datum *, struct lg_datum *))       \
	MAYBE(int, gnutls_transport_get_int, (gnutls_session_t))               \
	LATE(void, gnutls_transport_set_pull_function,                         \
	     (gnutls_session_t, lg_gnutls_pull_fn *))                          \
	MAYBE(void, gnutls_transport_get_ptr2,                                 \
	      (gnutls_session_t, void **, void **))                            \
	MAYBE(size_t, gnutls_record_get_max_early_data_size, (gnutls_session_t))

/* One copy of libgnutls. */
struct lg_gnutls {
	struct lg_copy copy;
#define LG_GNUTLS_FN(type, name, params) type(*name) params;
	LG_GNUTLS_FUNCTIONS(LG_GNUTLS_FN, LG_GNUTLS_FN, LG_GNUTLS_FN,
			    LG_GNUTLS_FN)
#undef LG_GNUTLS_FN
};

#define LG_GNUTLS_HOST_MAX 256
#define LG_GNUTLS_ALPN_MAX 272 /* 8 names of 32 bytes with their lengths */

/* What we know of one client session, from gnutls_init to gnutls_deinit. */
struct lg_session {
	struct lg_keyed keyed;	 /* by the session */
	struct lg_conn conn;	 /* its handle is the session */
	struct lg_gnutls *lib;	 /* that it was made by */
	lg_gnutls_pull_fn *pull; /* the program's own, or NULL */
	char *saved; /* of a write that has to be repeated, or NULL */
	size_t saved_len;
	size_t corked;	    /* bytes that the program wrote while corked */
	unsigned char *seq; /* where this thread's read wants its number */
	uint16_t host_len;
	uint16_t alpn_len;   /* set, but not told to the library yet */
	unsigned alpn_flags; /* as given */
	bool is_corked;
	bool early; /* the program's early data were not sent */
	bool open;  /* gnutls_handshake has said 0 */
	char host[LG_GNUTLS_HOST_MAX];
	unsigned char alpn[LG_GNUTLS_ALPN_MAX]; /* length, name, ... */
};

extern const struct lg_library lg_gnutls_library;
extern const struct lg_carrier lg_gnutls_carrier;

/* The copy that a call means; NULL when there is none. */
static inline struct lg_gnutls *lg_gnutls_of(const void *pc)
{
	return lg_library_copy(&lg_gnutls_library, pc);
}

/* NULL: not a client's that we saw being made; its calls pass. */
struct lg_session *lg_session_get(gnutls_session_t s);
/* A new one; NULL out of memory or nothing can be guarded. */
struct lg_session *lg_session_new(struct lg_gnutls *lib, gnutls_session_t s);
void lg_session_del(struct lg_session *g);

int hook_gnutls_init(const void *pc, gnutls_session_t *s, unsigned flags);
void hook_gnutls_deinit(const void *pc, gnutls_session_t s);
void hook_gnutls_transport_set_pull_function(const void *pc, gnutls_session_t s,
					     lg_gnutls_pull_fn *pull);
int hook_gnutls_handshake(const void *pc, gnutls_session_t s);
int hook_gnutls_bye(const void *pc, gnutls_session_t s, int how);
int hook_gnutls_server_name_set(const void *pc, gnutls_session_t s, int type,
				const void *name, size_t len);
int hook_gnutls_alpn_set_protocols(const void *pc, gnutls_session_t s,
				   const struct lg_datum *p, unsigned n,
				   unsigned flags);
ssize_t hook_gnutls_record_send(const void *pc, gnutls_session_t s,
				const void *p, size_t n);
ssize_t hook_gnutls_record_send2(const void *pc, gnutls_session_t s,
				 const void *p, size_t n, size_t pad,
				 unsigned flags);
ssize_t hook_gnutls_record_send_range(const void *pc, gnutls_session_t s,
				      const void *p, size_t n,
				      const void *range);
ssize_t hook_gnutls_record_send_early_data(const void *pc, gnutls_session_t s,
					   const void *p, size_t n);
ssize_t hook_gnutls_record_recv(const void *pc, gnutls_session_t s, void *p,
				size_t n);
ssize_t hook_gnutls_record_recv_seq(const void *pc, gnutls_session_t s, void *p,
				    size_t n, unsigned char *seq);
ssize_t hook_gnutls_record_recv_packet(const void *pc, gnutls_session_t s,
				       gnutls_packet_t *out);
void hook_gnutls_packet_get(const void *pc, gnutls_packet_t packet,
			    struct lg_datum *data, unsigned char *seq);
void hook_gnutls_packet_deinit(const void *pc, gnutls_packet_t packet);
size_t hook_gnutls_record_check_pending(const void *pc, gnutls_session_t s);
unsigned hook_gnutls_session_get_flags(const void *pc, gnutls_session_t s);
void hook_gnutls_record_cork(const void *pc, gnutls_session_t s);
int hook_gnutls_record_uncork(const void *pc, gnutls_session_t s,
			      unsigned flags);

#endif
