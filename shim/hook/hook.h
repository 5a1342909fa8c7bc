#ifndef LG_HOOK_HOOK_H
#define LG_HOOK_HOOK_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "hook/conn.h"
#include "hook/ssl.h"

/*
 * The logic behind each exported function of hooks.def. Those that get the
 * caller's address find the copy of libssl by it. All of them return exactly
 * what the real function would, keep errno and OpenSSL's error queue, and
 * pass straight through where nothing is guarded. A program without any real
 * function to be found (then it could not have called us) gets the failure
 * value.
 */
#define LG_CALLER __builtin_return_address(0)
#define LG_EXPORT __attribute__((visibility("default")))

SSL_CTX *hook_SSL_CTX_new(const void *pc, const SSL_METHOD *m);
int hook_SSL_CTX_set_alpn_protos(const void *pc, SSL_CTX *ctx,
				 const unsigned char *p, unsigned int len);
SSL *hook_SSL_new(const void *pc, SSL_CTX *ctx);
int hook_SSL_set_alpn_protos(const void *pc, SSL *s, const unsigned char *p,
			     unsigned int len);
void hook_SSL_free(const void *pc, SSL *s);
int hook_SSL_clear(const void *pc, SSL *s);
void hook_SSL_set_connect_state(const void *pc, SSL *s);
void hook_SSL_set_accept_state(const void *pc, SSL *s);
int hook_SSL_connect(const void *pc, SSL *s);
int hook_SSL_do_handshake(const void *pc, SSL *s);
int hook_SSL_shutdown(const void *pc, SSL *s);
int hook_SSL_get_error(const void *pc, const SSL *s, int ret);

int hook_SSL_write(const void *pc, SSL *s, const void *buf, int num);
int hook_SSL_write_ex(const void *pc, SSL *s, const void *buf, size_t num,
		      size_t *written);
int hook_SSL_write_ex2(const void *pc, SSL *s, const void *buf, size_t num,
		       uint64_t flags, size_t *written);
int hook_SSL_write_early_data(const void *pc, SSL *s, const void *buf,
			      size_t num, size_t *written);
int hook_SSL_get_early_data_status(const void *pc, const SSL *s);
ssize_t hook_SSL_sendfile(const void *pc, SSL *s, int fd, off_t offset,
			  size_t size, int flags);

int hook_SSL_read(const void *pc, SSL *s, void *buf, int num);
int hook_SSL_read_ex(const void *pc, SSL *s, void *buf, size_t num,
		     size_t *got);
int hook_SSL_peek(const void *pc, SSL *s, void *buf, int num);
int hook_SSL_peek_ex(const void *pc, SSL *s, void *buf, size_t num,
		     size_t *got);
int hook_SSL_read_early_data(const void *pc, SSL *s, void *buf, size_t num,
			     size_t *got);
/*
 * For programs that write and read through a BIO over an SSL: the filter's
 * functions stand in libssl and go to the SSL without any exported function.
 * They get a filter of the same type and with the same functions, but for
 * writing and reading, which ask the guard first. BIO_puts, BIO_gets over a
 * buffer, BIO_pending and the rest come by these two or by functions that are
 * hooked anyway. OpenSSL before 1.1.1 calls SSL_write and SSL_read in its
 * filter: there nothing is replaced.
 */
const BIO_METHOD *hook_BIO_f_ssl(const void *pc);

int hook_SSL_pending(const void *pc, const SSL *s);
int hook_SSL_has_pending(const void *pc, const SSL *s);

void *hook_dlopen(const void *pc, const char *file, int flags);
struct addrinfo;
int hook_getaddrinfo(const char *node, const char *service,
		     const struct addrinfo *hints, struct addrinfo **res);
ssize_t hook_write(const void *pc, int fd, const void *buf, size_t n);
ssize_t hook_writev(const void *pc, int fd, const struct iovec *iov, int n);
ssize_t hook_send(const void *pc, int fd, const void *buf, size_t n, int flags);
ssize_t hook_sendto(const void *pc, int fd, const void *buf, size_t n,
		    int flags, __CONST_SOCKADDR_ARG addr, socklen_t len);
ssize_t hook_sendmsg(const void *pc, int fd, const struct msghdr *msg,
		     int flags);
ssize_t hook_read(const void *pc, int fd, void *buf, size_t n);
ssize_t hook_readv(const void *pc, int fd, const struct iovec *iov, int n);
ssize_t hook_recv(const void *pc, int fd, void *buf, size_t n, int flags);
ssize_t hook_recvfrom(const void *pc, int fd, void *buf, size_t n, int flags,
		      __SOCKADDR_ARG addr, socklen_t *len);
ssize_t hook_recvmsg(const void *pc, int fd, struct msghdr *msg, int flags);
ssize_t hook___read_chk(const void *pc, int fd, void *buf, size_t n,
			size_t size);
ssize_t hook___recv_chk(const void *pc, int fd, void *buf, size_t n,
			size_t size, int flags);
ssize_t hook___recvfrom_chk(const void *pc, int fd, void *buf, size_t n,
			    size_t size, int flags, __SOCKADDR_ARG addr,
			    socklen_t *len);
struct mmsghdr;
struct pollfd;
struct epoll_event;
int hook_sendmmsg(const void *pc, int fd, struct mmsghdr *v, unsigned n,
		  int flags);
int hook_recvmmsg(const void *pc, int fd, struct mmsghdr *v, unsigned n,
		  int flags, struct timespec *timeout);
int hook_poll(const void *pc, struct pollfd *v, unsigned long n, int timeout);
int hook___poll_chk(const void *pc, struct pollfd *v, unsigned long n,
		    int timeout, size_t size);
int hook_ppoll(const void *pc, struct pollfd *v, unsigned long n,
	       const struct timespec *timeout, const sigset_t *mask);
int hook___ppoll_chk(const void *pc, struct pollfd *v, unsigned long n,
		     const struct timespec *timeout, const sigset_t *mask,
		     size_t size);
int hook_select(const void *pc, int n, fd_set *in, fd_set *out, fd_set *err,
		struct timeval *timeout);
int hook_pselect(const void *pc, int n, fd_set *in, fd_set *out, fd_set *err,
		 const struct timespec *timeout, const sigset_t *mask);
int hook_epoll_wait(const void *pc, int ep, struct epoll_event *v, int n,
		    int timeout);
int hook_epoll_pwait(const void *pc, int ep, struct epoll_event *v, int n,
		     int timeout, const sigset_t *mask);
int hook_connect(const void *pc, int fd, __CONST_SOCKADDR_ARG addr,
		 socklen_t len);
int hook_shutdown(const void *pc, int fd, int how);
int hook_close(const void *pc, int fd);
int hook_dup(const void *pc, int fd);
int hook_dup2(const void *pc, int fd, int to);
int hook_dup3(const void *pc, int fd, int to, int flags);
int hook_fcntl(const void *pc, int fd, int cmd, void *arg);
int hook_fcntl64(const void *pc, int fd, int cmd, void *arg);
int hook_ioctl(const void *pc, int fd, unsigned long request, void *arg);
ssize_t hook_sendfile(const void *pc, int out, int in, off_t *offset, size_t n);
ssize_t hook_sendfile64(const void *pc, int out, int in, off_t *offset,
			size_t n);
ssize_t hook_splice(const void *pc, int in, off_t *in_at, int out,
		    off_t *out_at, size_t n, unsigned flags);
int hook_dlclose(void *handle);
int hook_prctl(int option, unsigned long a, unsigned long b, unsigned long c,
	       unsigned long d);
int hook_chroot(const char *path);
/* Look up libc's functions behind these, before any signal. */
void lg_hook_bind_libc(void);
void lg_hook_bind_net(void);
void lg_hook_bind_recv(void);
void lg_hook_bind_life(void);

#endif
