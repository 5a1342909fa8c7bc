#ifndef LG_HOOK_NSS_H
#define LG_HOOK_NSS_H

#include <stddef.h>
#include <stdint.h>

#include "hook/conn.h"
#include "hook/keyed.h"
#include "hook/library.h"

/*
 * NSS as a carrier, client side: descriptors of NSPR that SSL_ImportFD made
 * into TLS. PR_Write and the like serve files and pipes as well: those cost a
 * load and a jump as long as no such descriptor is there, else a lookup.
 */
typedef struct PRFileDesc PRFileDesc;

struct lg_pr_iov { /* PRIOVec */
	char *iov_base;
	int iov_len;
};
struct lg_pr_option { /* PRSocketOptionData */
	int option;
	union {
		int flag;
		uint64_t room[16]; /* the real one is not larger */
	} value;
};

#define LG_PR_MSG_PEEK 2
#define LG_PR_NO_TIMEOUT UINT32_MAX
#define LG_PR_OPTION_NONBLOCKING 0
enum {
	LG_PR_NOT_IMPLEMENTED_ERROR = -5992,
	LG_PR_WOULD_BLOCK_ERROR = -5998,
	LG_PR_PENDING_INTERRUPT_ERROR = -5993,
	LG_PR_IO_TIMEOUT_ERROR = -5990,
	LG_PR_CONNECT_RESET_ERROR = -5961,
};

#define LG_NSPR_FUNCTIONS(FN)                                                  \
	FN(int, PR_Write, (PRFileDesc *, const void *, int))                   \
	FN(int, PR_Send, (PRFileDesc *, const void *, int, int, uint32_t))     \
	FN(int, PR_Writev,                                                     \
	   (PRFileDesc *, const struct lg_pr_iov *, int, uint32_t))            \
	FN(int, PR_Read, (PRFileDesc *, void *, int))                          \
	FN(int, PR_Recv, (PRFileDesc *, void *, int, int, uint32_t))           \
	FN(int, PR_Shutdown, (PRFileDesc *, int))                              \
	FN(int, PR_Close, (PRFileDesc *))                                      \
	FN(int, PR_GetError, (void))                                           \
	FN(void, PR_SetError, (int, int))                                      \
	FN(int, PR_GetOSError, (void))                                         \
	FN(int, PR_FileDesc2NativeHandle, (PRFileDesc *))                      \
	FN(int, PR_GetSocketOption, (PRFileDesc *, struct lg_pr_option *))

#define LG_NSS_FUNCTIONS(FN)                                                   \
	FN(PRFileDesc *, SSL_ImportFD, (PRFileDesc *, PRFileDesc *))           \
	FN(int, SSL_SetURL, (PRFileDesc *, const char *))                      \
	FN(int, SSL_SetNextProtoNego,                                          \
	   (PRFileDesc *, const unsigned char *, unsigned))                    \
	FN(int, SSL_ResetHandshake, (PRFileDesc *, int))                       \
	FN(int, SSL_ForceHandshake, (PRFileDesc *))                            \
	FN(int, SSL_ForceHandshakeWithTimeout, (PRFileDesc *, uint32_t))       \
	FN(int, SSL_DataPending, (PRFileDesc *))                               \
	FN(int, SSL_SecurityStatus,                                            \
	   (PRFileDesc *, int *, char **, int *, int *, char **, char **))

/* One copy of libnspr4, and one of NSS's libssl3. */
struct lg_nspr {
	struct lg_copy copy;
#define LG_NSS_FN(type, name, params) type(*name) params;
	LG_NSPR_FUNCTIONS(LG_NSS_FN)
};
struct lg_nss {
	struct lg_copy copy;
	LG_NSS_FUNCTIONS(LG_NSS_FN)
#undef LG_NSS_FN
};

#define LG_NSS_HOST_MAX 256
#define LG_NSS_ALPN_MAX 256

/* What we know of one descriptor, from SSL_ImportFD to PR_Close. */
struct lg_desc {
	struct lg_keyed keyed; /* by the descriptor */
	struct lg_conn conn;   /* its handle is the descriptor */
	struct lg_nspr *nspr;
	struct lg_nss *nss;
	uint32_t read_timeout, write_timeout; /* of the call under way */
	uint16_t alpn_len;
	bool is_server;
	char host[LG_NSS_HOST_MAX]; /* ends with a 0 */
	unsigned char alpn[LG_NSS_ALPN_MAX];
};

extern const struct lg_library lg_nspr_library, lg_nss_library;
extern const struct lg_carrier lg_nss_carrier;
extern struct lg_keyed_table lg_descs;

static inline struct lg_nspr *lg_nspr_of(const void *pc)
{
	return lg_library_copy(&lg_nspr_library, pc);
}
static inline struct lg_nss *lg_nss_of(const void *pc)
{
	return lg_library_copy(&lg_nss_library, pc);
}

/* NULL: not a TLS client's that we saw being made; its calls pass. */
struct lg_desc *lg_desc_get(PRFileDesc *fd);
void lg_desc_del(struct lg_desc *d);

PRFileDesc *hook_SSL_ImportFD(const void *pc, PRFileDesc *model,
			      PRFileDesc *fd);
int hook_SSL_SetURL(const void *pc, PRFileDesc *fd, const char *url);
int hook_SSL_SetNextProtoNego(const void *pc, PRFileDesc *fd,
			      const unsigned char *p, unsigned n);
int hook_SSL_ResetHandshake(const void *pc, PRFileDesc *fd, int server);
int hook_SSL_ForceHandshake(const void *pc, PRFileDesc *fd);
int hook_SSL_ForceHandshakeWithTimeout(const void *pc, PRFileDesc *fd,
				       uint32_t timeout);
int hook_SSL_DataPending(const void *pc, PRFileDesc *fd);

int hook_PR_Write(const void *pc, PRFileDesc *fd, const void *p, int n);
int hook_PR_Send(const void *pc, PRFileDesc *fd, const void *p, int n,
		 int flags, uint32_t timeout);
int hook_PR_Writev(const void *pc, PRFileDesc *fd, const struct lg_pr_iov *iov,
		   int n, uint32_t timeout);
int hook_PR_Read(const void *pc, PRFileDesc *fd, void *p, int n);
int hook_PR_Recv(const void *pc, PRFileDesc *fd, void *p, int n, int flags,
		 uint32_t timeout);
int hook_PR_Shutdown(const void *pc, PRFileDesc *fd, int how);
int hook_PR_Close(const void *pc, PRFileDesc *fd);

#endif
