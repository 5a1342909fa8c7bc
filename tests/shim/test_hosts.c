/* What programs do around their TLS: fork, exec, threads, small stacks. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"

#define HEAD "POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\n"
#define BLOCK "POST /a HTTP/1.1\r\nx-fake: block\r\nContent-Length: 2\r\n\r\nhi"

static int send_text(SSL *s, const char *text)
{
	return SSL_write(s, text, (int)strlen(text)) == (int)strlen(text);
}

static bool ask(SSL *s, int fd)
{
	char out[1024];

	return send_text(s, HEAD) && send_text(s, "abcd") &&
	       client_answer(s, fd, out, sizeof(out)) > 0 &&
	       strstr(out, "got 4 ");
}

static int fork_in_request(void)
{
	int fd = client_socket(false), status;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char out[1024];
	pid_t pid;

	CHECK(send_text(s, HEAD) && send_text(s, "ab"));
	pid = fork();
	if (!pid) {
		int fd2 = client_socket(false);
		SSL *s2 = client_ssl(client_ctx(), fd2, "localhost");

		_exit(ask(s2, fd2) ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(send_text(s, "cd"));
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	CHECK(peer.requests == 2);
	client_close(s, fd);
	return 0;
}

/* The child goes on with a connection that the parent began. */
static int fork_hands_over(void)
{
	int fd = client_socket(false), status;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char out[1024];
	pid_t pid;

	CHECK(send_text(s, HEAD) && send_text(s, "ab"));
	pid = fork();
	if (!pid)
		_exit(!(send_text(s, "cd") &&
			client_answer(s, fd, out, sizeof(out)) > 0));
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(peer.requests == 1 && peer.body == 4);
	return 0;
}

static int vfork_and_exec(void)
{
	int fd = client_socket(false), status;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	char out[1024];
	pid_t pid;

	CHECK(send_text(s, HEAD) && send_text(s, "ab"));
	pid = vfork();
	if (!pid) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(9);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(send_text(s, "cd"));
	CHECK(client_answer(s, fd, out, sizeof(out)) > 0);
	client_close(s, fd);
	return 0;
}

static int exec_in_request(void)
{
	int fd = client_socket(false);
	SSL *s = client_ssl(client_ctx(), fd, "localhost");

	CHECK(ask(s, fd));
	CHECK(send_text(s, HEAD) && send_text(s, "ab"));
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static int close_all(void)
{
	int fd, i;
	SSL *s;
	SSL_CTX *ctx = client_ctx();

	SSL_free(SSL_new(ctx));
	for (i = 3; i < 64; i++)
		if (dup2(0, i) == i && i % 2)
			close(i);
	/* The listener is gone, too: nobody is asked, nothing may break. */
	fd = open("/dev/null", 0);
	s = client_ssl(ctx, -1, "localhost");
	SSL_set_fd(s, fd);
	CHECK(SSL_write(s, "x", 1) == -1);
	ERR_clear_error();
	SSL_free(s);
	CHECK(fd == 3 || fd > 3);
	return 0;
}

static void *ask_often(void *arg)
{
	long bad = 0;
	int i;

	for (i = 0; i < 20; i++) {
		int fd = client_socket(false);
		SSL *s = client_ssl(arg, fd, "localhost");

		bad += !ask(s, fd) || !ask(s, fd);
		client_close(s, fd);
	}
	return (void *)bad;
}

static int many_threads(size_t stack, int n)
{
	SSL_CTX *ctx = client_ctx();
	pthread_attr_t attr;
	pthread_t t[16];
	void *bad;
	int i;

	pthread_attr_init(&attr);
	if (stack)
		CHECK(!pthread_attr_setstacksize(&attr, stack));
	for (i = 0; i < n; i++)
		CHECK(!pthread_create(&t[i], &attr, ask_often, ctx));
	for (i = 0; i < n; i++) {
		pthread_join(t[i], &bad);
		CHECK(!bad);
	}
	CHECK(peer.requests >= 1);
	return 0;
}

static int threads(void)
{
	return many_threads(0, 8);
}

static int small_stacks(void)
{
	return many_threads(64 * 1024, 4);
}

static SSL *shared;

static void *read_all(void *arg)
{
	char buf[256];
	int i;

	(void)arg;
	for (i = 0; i < 2000; i++)
		(void)SSL_read(shared, buf, sizeof(buf));
	return NULL;
}

/* Against the rules of OpenSSL; it must neither crash nor hang. */
static int misused_ssl(void)
{
	int fd = client_socket(true), r, i;
	pthread_t t;

	shared = client_ssl(client_ctx(), fd, "localhost");
	while ((r = SSL_connect(shared)) != 1)
		CHECK(client_wait(shared, fd, r));
#ifdef __SANITIZE_THREAD__
	return 0; /* it would tell of libcrypto's own race */
#endif
	CHECK(!pthread_create(&t, NULL, read_all, NULL));
	for (i = 0; i < 200; i++)
		(void)SSL_write(shared, HEAD "abcd", sizeof(HEAD) + 3);
	pthread_join(t, NULL);
	return 0;
}

static void *read_answer(void *arg)
{
	static char buf[256];
	int n = SSL_read(arg, buf, sizeof(buf) - 1);

	return n > 0 ? buf : NULL;
}

/*
 * A thread waits in SSL_read while another's write ends the guarding of the
 * connection, as behind a WebSocket's upgrade.
 */
static int reader_outlives_flow(void)
{
	int fd = client_socket(false);
	void *text = NULL;
	pthread_t t;
	SSL *s;

	s = client_ssl(client_ctx(), fd, "localhost");
	CHECK(ask(s, fd));
	CHECK(!pthread_create(&t, NULL, read_answer, s));
	usleep(100000);
	CHECK(send_text(s, "PRI "));
	CHECK(send_text(s, "/a HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd"));
	pthread_join(t, &text);
	CHECK(text && !strncmp(text, "HTTP/1.1 200", 12));
	client_close(s, fd);
	return 0;
}

static int dup_of_ssl(void)
{
	int fd = client_socket(false), fd2 = client_socket(false);
	static const unsigned char proto[] = "\x08http/1.1";
	SSL *s = client_ssl(client_ctx(), -1, "localhost"), *d;

	SSL_set_alpn_protos(s, proto, 9);
	d = SSL_dup(s);
	CHECK(d);
	SSL_set_tlsext_host_name(d, "localhost");
	SSL_set_fd(s, fd);
	SSL_set_fd(d, fd2);
	CHECK(ask(s, fd) && ask(d, fd2));
	client_close(s, fd);
	CHECK(ask(d, fd2));
	client_close(d, fd2);
	return 0;
}

static int cleared(void)
{
	int fd = client_socket(false), i;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");

	for (i = 0; i < 3; i++) {
		CHECK(ask(s, fd));
		CHECK(send_text(s, HEAD) && send_text(s, "a"));
		SSL_set_quiet_shutdown(s, 1);
		SSL_shutdown(s);
		CHECK(SSL_clear(s) == 1);
		close(fd);
		fd = client_socket(false);
		SSL_set_fd(s, fd);
	}
	CHECK(ask(s, fd));
	client_close(s, fd);
	return 0;
}

/* Half a request and then the end: the server gets what it would have got. */
static int shut_in_request(void)
{
	int fd = client_socket(false), i;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");

	CHECK(send_text(s, HEAD) && send_text(s, "ab"));
	CHECK(SSL_shutdown(s) >= 0);
	for (i = 0; i < 100 && peer.body < 2; i++)
		usleep(10000);
	CHECK(peer.requests == 1 && peer.body == 2);
	SSL_free(s);
	close(fd);
	return 0;
}

/* A BIO_f_ssl filter's handshake comes to us from inside libssl. */
static int filter_bio(void)
{
	SSL_CTX *ctx = client_ctx();
	BIO *b = BIO_new_ssl(ctx, 1), *sock;
	int fd = client_socket(false), n;
	char out[512];
	SSL *s;

	BIO_get_ssl(b, &s);
	SSL_set_tlsext_host_name(s, "localhost");
	sock = BIO_new_socket(fd, BIO_NOCLOSE);
	BIO_push(b, sock);
	CHECK(BIO_do_handshake(b) == 1);
	CHECK(BIO_puts(b, HEAD "abcd") == sizeof(HEAD) + 3);
	n = BIO_read(b, out, sizeof(out));
	CHECK(n > 0);
	BIO_free_all(b);
	close(fd);
	return 0;
}

/* SIGSYS on any open after the start; the guard needs none. */
static int sandboxed(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(*code), code};
	SSL_CTX *ctx = client_ctx();
	int fd = client_socket(false);
	SSL *s = client_ssl(ctx, fd, "localhost");
	char out[1024];

	CHECK(ask(s, fd));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 77;
	CHECK(ask(s, fd));
	client_close(s, fd);
	fd = client_socket(false);
	s = client_ssl(ctx, fd, "localhost");
	CHECK(ask(s, fd));
	CHECK(send_text(s, BLOCK));
	CHECK(SSL_read(s, out, sizeof(out)) > 0);
	return 0;
}

/* dlclose of a module that had nothing to do with TLS. */
static int unloads(void)
{
	int fd = client_socket(false), i;
	SSL *s = client_ssl(client_ctx(), fd, "localhost");
	void *h;

	for (i = 0; i < 300; i++) {
		CHECK(ask(s, fd));
		h = dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL);
		CHECK(h && dlclose(h) == 0);
	}
	CHECK(dlerror() == NULL);
	client_close(s, fd);
	return 0;
}

static void *wait_for_ever(void *arg)
{
	char buf[64];

	(void)SSL_read(arg, buf, sizeof(buf));
	return NULL;
}

/* A thread that is cancelled in a read leaves no lock behind. */
static int cancelled(void)
{
	SSL_CTX *ctx = client_ctx();
	pthread_t t;
	int i;

#ifdef __SANITIZE_ADDRESS__
	puts("ASan takes the frames that a cancelled thread left for live");
	return 77;
#endif
	for (i = 0; i < 5; i++) {
		int fd = client_socket(false);
		SSL *s = client_ssl(ctx, fd, "localhost");

		CHECK(ask(s, fd));
		CHECK(!pthread_create(&t, NULL, wait_for_ever, s));
		usleep(20000);
		CHECK(!pthread_cancel(t) && !pthread_join(t, NULL));
		CHECK(ask(s, fd));
		client_close(s, fd);
	}
	return 0;
}

static sigjmp_buf way_out;

static void jump(int sig)
{
	siglongjmp(way_out, sig);
}

/* Some programs leave a read that takes too long by a jump. */
static int jumped_out(void)
{
	SSL_CTX *ctx = client_ctx();
	volatile int i;

	signal(SIGUSR1, jump);
	for (i = 0; i < 5; i++) {
		int fd = client_socket(false);
		SSL *s = client_ssl(ctx, fd, "localhost");
		char buf[64];

		CHECK(ask(s, fd));
		if (!sigsetjmp(way_out, 1)) {
			timer_t t;
			struct sigevent e = {.sigev_notify = SIGEV_SIGNAL,
					     .sigev_signo = SIGUSR1};
			struct itimerspec in = {.it_value.tv_nsec = 20000000};

			CHECK(!timer_create(CLOCK_MONOTONIC, &e, &t));
			CHECK(!timer_settime(t, 0, &in, NULL));
			(void)SSL_read(s, buf, sizeof(buf));
			return 1;
		}
		CHECK(ask(s, fd));
		if (preloaded) {
			CHECK(send_text(s, BLOCK));
			CHECK(SSL_read(s, buf, sizeof(buf)) > 0);
		}
		client_close(s, fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"fork_in_request", fork_in_request, false},
		{"fork_hands_over", fork_hands_over, false},
		{"vfork_and_exec", vfork_and_exec, false},
		{"exec_in_request", exec_in_request, false},
		{"close_all", close_all, false},
		{"threads", threads, false},
		{"small_stacks", small_stacks, false},
		{"misused_ssl", misused_ssl, true},
		{"reader_outlives_flow", reader_outlives_flow, false},
		{"dup_of_ssl", dup_of_ssl, false},
		{"cleared", cleared, false},
		{"shut_in_request", shut_in_request, false},
		{"filter_bio", filter_bio, false},
		{"sandboxed", sandboxed, false},
		{"unloads", unloads, false},
		{"cancelled", cancelled, false},
		{"jumped_out", jumped_out, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
