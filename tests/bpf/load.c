/*
 * The two ends of many small calls, to load the tracer with.
 *
 *   load serve CERT KEY      prints its port; at the end of its input, how
 *                            many whole requests came
 *   load ask PORT CONNECTIONS RATE SECONDS CALLS [exec]
 *                            prints "ready"; at a line of input, asks RATE
 *                            times a second over all connections (0: as fast
 *                            as it goes; each is made anew after CALLS, 0:
 *                            never), then prints how many were answered, "N
 *                            seconds-in-ms"; ends at the end of its input
 *                            (exec: as another program)
 *
 * A request has a body of 2 KB, an answer too, with a usage of 10 and 5.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define BODY 2048
#define CONNS_MAX 64

static SSL_CTX *ctx;
static char request[BODY + 512], answer[BODY + 512];
static size_t request_len, answer_len;
static atomic_ulong served, answered;
static atomic_bool over;
static pthread_barrier_t begin;
static long interval_ns;
static unsigned per_conn;
static int port;
static bool execs;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* head, body padded to BODY bytes by spaces inside. */
static size_t message(char *out, size_t cap, const char *head,
		      const char *before, const char *after)
{
	size_t pad = BODY - strlen(before) - strlen(after);
	int n = snprintf(out, cap, "%sContent-Length: %d\r\n\r\n%s%*s%s", head,
			 BODY, before, (int)pad, "", after);

	return (size_t)n;
}

static void make_messages(void)
{
	request_len = message(
		request, sizeof(request),
		"POST /v1/chat/completions HTTP/1.1\r\n"
		"Host: api.openai.com\r\nAuthorization: Bearer sk-load\r\n"
		"Content-Type: application/json\r\n",
		"{\"model\":\"gpt-4o-mini\",\"max_tokens\":50,\"messages\":"
		"[{\"role\":\"user\",\"content\":\"",
		"\"}]}");
	answer_len = message(
		answer, sizeof(answer),
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
		"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\","
		"\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"
		"\"message\":{\"role\":\"assistant\",\"content\":\"",
		"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":"
		"10,\"completion_tokens\":5,\"total_tokens\":15}}");
}

static int write_all(SSL *ssl, const char *p, size_t n)
{
	return SSL_write(ssl, p, (int)n) == (int)n ? 0 : -1;
}

static int read_all(SSL *ssl, char *p, size_t n)
{
	size_t at = 0;
	int got;

	while (at < n) {
		got = SSL_read(ssl, p + at, (int)(n - at));
		if (got <= 0)
			return -1;
		at += (size_t)got;
	}
	return 0;
}

static void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* -- the server ----------------------------------------------------------- */

static void *serve_one(void *arg)
{
	char buf[sizeof(request)];
	int fd = (int)(long)arg;
	SSL *ssl = SSL_new(ctx);

	no_delay(fd);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		while (!read_all(ssl, buf, request_len)) {
			atomic_fetch_add(&served, 1);
			if (write_all(ssl, answer, answer_len))
				break;
		}
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static void *accept_all(void *arg)
{
	int listener = (int)(long)arg, fd;
	pthread_t t;

	while ((fd = accept(listener, NULL, NULL)) >= 0)
		if (!pthread_create(&t, NULL, serve_one, (void *)(long)fd))
			pthread_detach(t);
	return NULL;
}

static int serve(const char *cert, const char *key)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t t;
	char c;

	ctx = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		die(cert);
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) ||
	    listen(listener, CONNS_MAX) ||
	    getsockname(listener, (struct sockaddr *)&sa, &n))
		die("listen");
	printf("%d\n", ntohs(sa.sin_port));
	fflush(stdout);
	if (pthread_create(&t, NULL, accept_all, (void *)(long)listener))
		die("thread");
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	printf("%lu\n", atomic_load(&served));
	fflush(stdout);
	/* its threads are in libssl still, which exit() takes apart */
	_exit(0);
}

/* -- the client ----------------------------------------------------------- */

static SSL *dial(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct linger no_wait = {.l_onoff = 1};
	SSL *ssl = SSL_new(ctx);

	/* a port that waits is no other connection's */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &no_wait, sizeof(no_wait));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("connect");
	no_delay(fd);
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, "api.openai.com");
	if (SSL_connect(ssl) != 1)
		die("handshake");
	return ssl;
}

static void pause_until(struct timespec *at)
{
	at->tv_nsec += interval_ns;
	at->tv_sec += at->tv_nsec / 1000000000;
	at->tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, at, NULL))
		;
}

/* Another connection after so many calls, 0: never. */
static SSL *redial(SSL *ssl, unsigned long calls)
{
	int fd = SSL_get_fd(ssl);

	if (!per_conn || calls % per_conn)
		return ssl;
	SSL_free(ssl);
	close(fd);
	return dial();
}

static void *ask_one(void *arg)
{
	char buf[sizeof(answer)];
	unsigned long calls = 0;
	struct timespec at;
	SSL **own = arg, *ssl = *own;

	pthread_barrier_wait(&begin);
	clock_gettime(CLOCK_MONOTONIC, &at);
	while (!atomic_load(&over)) {
		if (write_all(ssl, request, request_len) ||
		    read_all(ssl, buf, answer_len))
			break;
		atomic_fetch_add(&answered, 1);
		if (interval_ns)
			pause_until(&at);
		ssl = redial(ssl, ++calls);
	}
	*own = ssl;
	return NULL;
}

static int ask(unsigned conns, long rate, long seconds)
{
	pthread_t t[CONNS_MAX];
	struct timespec from, to;
	SSL *ssl[CONNS_MAX];
	unsigned i;
	char c;

	ctx = SSL_CTX_new(TLS_client_method());
	conns = conns < CONNS_MAX ? conns : CONNS_MAX;
	interval_ns = rate ? (long)(1000000000L * conns / rate) : 0;
	pthread_barrier_init(&begin, NULL, conns + 1);
	for (i = 0; i < conns; i++) {
		ssl[i] = dial();
		if (pthread_create(&t[i], NULL, ask_one, &ssl[i]))
			die("thread");
	}
	printf("ready\n");
	fflush(stdout);
	if (read(STDIN_FILENO, &c, 1) != 1)
		return 1;
	pthread_barrier_wait(&begin);
	clock_gettime(CLOCK_MONOTONIC, &from);
	sleep((unsigned)seconds);
	atomic_store(&over, true);
	for (i = 0; i < conns; i++)
		pthread_join(t[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%lu %ld\n", atomic_load(&answered),
	       (to.tv_sec - from.tv_sec) * 1000 +
		       (to.tv_nsec - from.tv_nsec) / 1000000);
	fflush(stdout);
	if (execs)
		execlp("cat", "cat", NULL);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (i = 0; i < conns; i++)
		SSL_free(ssl[i]);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	make_messages();
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3]);
	if ((argc == 7 || argc == 8) && !strcmp(argv[1], "ask")) {
		port = atoi(argv[2]);
		per_conn = (unsigned)atoi(argv[6]);
		execs = argc == 8 && !strcmp(argv[7], "exec");
		return ask((unsigned)atoi(argv[3]), atol(argv[4]),
			   atol(argv[5]));
	}
	fprintf(stderr, "usage: load serve CERT KEY | "
			"ask PORT CONNECTIONS RATE SECONDS CALLS [exec]\n");
	return 2;
}
