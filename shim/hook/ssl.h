#ifndef LG_HOOK_SSL_H
#define LG_HOOK_SSL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The part of OpenSSL's ABI (1.1.0 to 3.x) that the hooks speak, and what
 * BoringSSL has instead of some of it (the first of the third block). Declared
 * here, because the preload is built without any one version's headers and
 * must serve every copy that a process brings along.
 */
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_method_st SSL_METHOD;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;

enum {
	LG_SSL_ERROR_NONE = 0,
	LG_SSL_ERROR_SSL = 1,
	LG_SSL_ERROR_WANT_READ = 2,
	LG_SSL_ERROR_WANT_WRITE = 3,
	LG_SSL_ERROR_WANT_X509_LOOKUP = 4,
	LG_SSL_ERROR_SYSCALL = 5,
	LG_SSL_ERROR_ZERO_RETURN = 6,
	LG_SSL_ERROR_WANT_CONNECT = 7,
	LG_SSL_ERROR_WANT_ACCEPT = 8,
};

#define LG_BIO_SHOULD_RETRY 8
#define LG_SSL_CTRL_MODE 33
#define LG_SSL_MODE_PARTIAL_WRITE 1
#define LG_SSL_SENT_SHUTDOWN 1
#define LG_SSL_RECEIVED_SHUTDOWN 2
#define LG_SSL_EARLY_DATA_ACCEPTED 2
#define LG_CRYPTO_EX_SSL 0
#define LG_CRYPTO_EX_SSL_CTX 1

typedef void lg_ex_free_fn(void *parent, void *ptr, void *ad, int idx,
			   long argl, void *argp);
typedef int lg_ex_dup_fn(void *to, const void *from, void *from_d, int idx,
			 long argl, void *argp);

typedef int lg_bio_write_fn(BIO *, const char *, size_t, size_t *);
typedef int lg_bio_read_fn(BIO *, char *, size_t, size_t *);
typedef int lg_bio_puts_fn(BIO *, const char *);
typedef int lg_bio_gets_fn(BIO *, char *, int);
typedef long lg_bio_ctrl_fn(BIO *, int, long, void *);
typedef int lg_bio_life_fn(BIO *);
typedef long lg_bio_cb_ctrl_fn(BIO *, int, void (*)(void));

/*
 * Every function of libssl that is called, LG_TLS_FN(type, name, parameters).
 * The first block are the hooked ones, the second our helpers (all needed
 * before a connection is guarded), the third may be absent.
 */
#define LG_TLS_FUNCTIONS(HOOKED, HELPER, MAYBE)                                \
	HOOKED(SSL_CTX *, SSL_CTX_new, (const SSL_METHOD *))                   \
	HOOKED(int, SSL_CTX_set_alpn_protos,                                   \
	       (SSL_CTX *, const unsigned char *, unsigned int))               \
	HOOKED(SSL *, SSL_new, (SSL_CTX *))                                    \
	HOOKED(int, SSL_set_alpn_protos,                                       \
	       (SSL *, const unsigned char *, unsigned int))                   \
	HOOKED(void, SSL_free, (SSL *))                                        \
	HOOKED(int, SSL_clear, (SSL *))                                        \
	HOOKED(const BIO_METHOD *, BIO_f_ssl, (void))                          \
	HOOKED(void, SSL_set_connect_state, (SSL *))                           \
	HOOKED(void, SSL_set_accept_state, (SSL *))                            \
	HOOKED(int, SSL_connect, (SSL *))                                      \
	HOOKED(int, SSL_do_handshake, (SSL *))                                 \
	HOOKED(int, SSL_shutdown, (SSL *))                                     \
	HOOKED(int, SSL_get_error, (const SSL *, int))                         \
	HOOKED(int, SSL_write, (SSL *, const void *, int))                     \
	HOOKED(int, SSL_write_ex, (SSL *, const void *, size_t, size_t *))     \
	HOOKED(int, SSL_write_ex2,                                             \
	       (SSL *, const void *, size_t, uint64_t, size_t *))              \
	HOOKED(int, SSL_write_early_data,                                      \
	       (SSL *, const void *, size_t, size_t *))                        \
	HOOKED(int, SSL_get_early_data_status, (const SSL *))                  \
	HOOKED(ssize_t, SSL_sendfile, (SSL *, int, off_t, size_t, int))        \
	HOOKED(int, SSL_read, (SSL *, void *, int))                            \
	HOOKED(int, SSL_read_ex, (SSL *, void *, size_t, size_t *))            \
	HOOKED(int, SSL_peek, (SSL *, void *, int))                            \
	HOOKED(int, SSL_peek_ex, (SSL *, void *, size_t, size_t *))            \
	HOOKED(int, SSL_read_early_data, (SSL *, void *, size_t, size_t *))    \
	HOOKED(int, SSL_pending, (const SSL *))                                \
	HOOKED(int, SSL_has_pending, (const SSL *))                            \
	HELPER(void *, SSL_get_ex_data, (const SSL *, int))                    \
	HELPER(int, SSL_set_ex_data, (SSL *, int, void *))                     \
	HELPER(void *, SSL_CTX_get_ex_data, (const SSL_CTX *, int))            \
	HELPER(int, SSL_CTX_set_ex_data, (SSL_CTX *, int, void *))             \
	HELPER(SSL_CTX *, SSL_get_SSL_CTX, (const SSL *))                      \
	HELPER(int, CRYPTO_get_ex_new_index,                                   \
	       (int, long, void *, void *, lg_ex_dup_fn *, lg_ex_free_fn *))   \
	HELPER(const char *, SSL_get_servername, (const SSL *, int))           \
	HELPER(int, SSL_is_server, (const SSL *))                              \
	HELPER(int, SSL_is_init_finished, (const SSL *))                       \
	HELPER(int, SSL_in_before, (const SSL *))                              \
	HELPER(int, SSL_get_shutdown, (const SSL *))                           \
	HELPER(void, SSL_set_shutdown, (SSL *, int))                           \
	HELPER(int, SSL_get_rfd, (const SSL *))                                \
	HELPER(size_t, SSL_get_client_random,                                  \
	       (const SSL *, unsigned char *, size_t))                         \
	HELPER(long, SSL_ctrl, (SSL *, int, long, void *))                     \
	HELPER(int, ERR_set_mark, (void))                                      \
	HELPER(int, ERR_pop_to_mark, (void))                                   \
	MAYBE(uint32_t, SSL_get_mode, (const SSL *))                           \
	MAYBE(int, SSL_get_ex_new_index,                                       \
	      (long, void *, void *, lg_ex_dup_fn *, lg_ex_free_fn *))         \
	MAYBE(int, SSL_CTX_get_ex_new_index,                                   \
	      (long, void *, void *, lg_ex_dup_fn *, lg_ex_free_fn *))         \
	MAYBE(void *, SSL_get_rbio, (const SSL *))                             \
	MAYBE(int, BIO_read, (void *, void *, int))                            \
	MAYBE(int, BIO_test_flags, (const void *, int))                        \
	MAYBE(size_t, BIO_ctrl_pending, (BIO *))                               \
	MAYBE(int, SSL_is_dtls, (const SSL *))                                 \
	MAYBE(int, SSL_is_quic, (const SSL *))                                 \
	MAYBE(int, SSL_get_wfd, (const SSL *))                                 \
	MAYBE(void, BIO_set_flags, (BIO *, int))                               \
	MAYBE(void, BIO_clear_flags, (BIO *, int))                             \
	MAYBE(void, BIO_set_retry_reason, (BIO *, int))                        \
	MAYBE(BIO_METHOD *, BIO_meth_new, (int, const char *))                 \
	MAYBE(void, BIO_meth_free, (BIO_METHOD *))                             \
	MAYBE(lg_bio_write_fn *, BIO_meth_get_write_ex, (const BIO_METHOD *))  \
	MAYBE(int, BIO_meth_set_write_ex, (BIO_METHOD *, lg_bio_write_fn *))   \
	MAYBE(lg_bio_read_fn *, BIO_meth_get_read_ex, (const BIO_METHOD *))    \
	MAYBE(int, BIO_meth_set_read_ex, (BIO_METHOD *, lg_bio_read_fn *))     \
	MAYBE(lg_bio_puts_fn *, BIO_meth_get_puts, (const BIO_METHOD *))       \
	MAYBE(int, BIO_meth_set_puts, (BIO_METHOD *, lg_bio_puts_fn *))        \
	MAYBE(lg_bio_gets_fn *, BIO_meth_get_gets, (const BIO_METHOD *))       \
	MAYBE(int, BIO_meth_set_gets, (BIO_METHOD *, lg_bio_gets_fn *))        \
	MAYBE(lg_bio_ctrl_fn *, BIO_meth_get_ctrl, (const BIO_METHOD *))       \
	MAYBE(int, BIO_meth_set_ctrl, (BIO_METHOD *, lg_bio_ctrl_fn *))        \
	MAYBE(lg_bio_life_fn *, BIO_meth_get_create, (const BIO_METHOD *))     \
	MAYBE(int, BIO_meth_set_create, (BIO_METHOD *, lg_bio_life_fn *))      \
	MAYBE(lg_bio_life_fn *, BIO_meth_get_destroy, (const BIO_METHOD *))    \
	MAYBE(int, BIO_meth_set_destroy, (BIO_METHOD *, lg_bio_life_fn *))     \
	MAYBE(lg_bio_cb_ctrl_fn *, BIO_meth_get_callback_ctrl,                 \
	      (const BIO_METHOD *))                                            \
	MAYBE(int, BIO_meth_set_callback_ctrl,                                 \
	      (BIO_METHOD *, lg_bio_cb_ctrl_fn *))

#endif
