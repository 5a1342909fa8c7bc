/*
 * The two ends of a keep-alive HTTPS exchange, small enough that what a
 * preload adds shows.
 *
 *   net serve CERT KEY PORT_FILE
 *   net load PORT N HOST PATH BODY_BYTES     prints "N wall_ns cpu_ns"
 *   net pipe N HOST CERT KEY                 TLS over memory: "N ns_per_call"
 *   net files N PORT                         write and read: "N ns_per_call"
 *   net idle PORT N HOST PATH                N connections, one call each;
 *                                            prints the pages that are ours
 *   net spawn N PROGRAM [PRELOAD]            prints "N cpu_ns_per_process"
 *
 * The server answers a target with `stream` in it by 64 events, one TLS record
 * each, and any other by 1.5 KB of JSON that carries a usage.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define EVENTS 64
#define REPLY_BODY 1500

extern char **environ;
static SSL_CTX *ctx;
static char reply[4096], events[EVENTS + 2][512];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t usage_ns(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000000) +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * INT64_C(1000);
}

static int64_t cpu_ns(void)
{
	return usage_ns(RUSAGE_SELF);
}

static int64_t children_ns(void)
{
	return usage_ns(RUSAGE_CHILDREN);
}

/* -- the server -- */

static void make_reply(void)
{
	static const char head[] =
		"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\","
		"\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"
		"\"message\":{\"role\":\"assistant\",\"content\":\"";
	static const char tail[] =
		"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":"
		"250,\"completion_tokens\":20,\"total_tokens\":270}}";
	char body[REPLY_BODY + 1];

	memset(body, 'a', sizeof(body));
	memcpy(body, head, sizeof(head) - 1);
	memcpy(body + REPLY_BODY - (sizeof(tail) - 1), tail, sizeof(tail));
	snprintf(reply, sizeof(reply),
		 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		 "Content-Length: %d\r\n\r\n%s",
		 REPLY_BODY, body);
}

static void make_event(char *out, const char *data)
{
	snprintf(out, sizeof(events[0]), "%zx\r\ndata: %s\n\n\r\n",
		 strlen(data) + 8, data);
}

static void make_events(void)
{
	char data[400];
	int i;

	for (i = 0; i < EVENTS; i++) {
		snprintf(data, sizeof(data),
			 "{\"id\":\"chatcmpl-1\",\"object\":"
			 "\"chat.completion.chunk\",\"created\":1741570283,"
			 "\"model\":\"gpt-4o-mini\",\"system_fingerprint\":"
			 "\"fp_fc9f1d7035\",\"choices\":[{\"index\":0,"
			 "\"delta\":{\"content\":\" word%d\"},\"logprobs\":"
			 "null,\"finish_reason\":null}],\"usage\":null}",
			 i);
		make_event(events[i], data);
	}
	make_event(events[EVENTS],
		   "{\"id\":\"chatcmpl-1\",\"object\":"
		   "\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\","
		   "\"choices\":[],\"usage\":{\"prompt_tokens\":250,"
		   "\"completion_tokens\":64,\"total_tokens\":314}}");
	make_event(events[EVENTS + 1], "[DONE]");
	strcat(events[EVENTS + 1], "0\r\n\r\n");
}

/* Read one request; is it for the stream? -1 at the end. */
static int read_request(SSL *s)
{
	char buf[65536];
	size_t n = 0, want = 0;
	char *end, *len;
	int r;

	do {
		r = SSL_read(s, buf + n, (int)(sizeof(buf) - 1 - n));
		if (r <= 0)
			return -1;
		n += (size_t)r;
		buf[n] = 0;
		if (!want && (end = strstr(buf, "\r\n\r\n"))) {
			len = strcasestr(buf, "content-length:");
			want = (size_t)(end + 4 - buf) +
			       (len ? strtoul(len + 15, NULL, 10) : 0);
		}
	} while (!want || n < want);
	end = strchr(buf, '\r');
	*end = 0;
	return strstr(buf, "stream") != NULL;
}

static void *serve_one(void *arg)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		"Transfer-Encoding: chunked\r\n\r\n";
	int fd = (int)(intptr_t)arg, on = 1, i, r;
	SSL *s = SSL_new(ctx);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	SSL_set_fd(s, fd);
	if (SSL_accept(s) == 1) {
		while ((r = read_request(s)) >= 0) {
			if (!r) {
				SSL_write(s, reply, (int)strlen(reply));
				continue;
			}
			SSL_write(s, head, sizeof(head) - 1);
			for (i = 0; i < EVENTS + 2; i++)
				SSL_write(s, events[i], (int)strlen(events[i]));
		}
	}
	SSL_free(s);
	close(fd);
	return NULL;
}

static int serve(const char *cert, const char *key, const char *port_file)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0), c;
	pthread_t t;
	FILE *f;

	signal(SIGPIPE, SIG_IGN);
	alarm(1200);
	ctx = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		die("certificate");
	make_reply();
	make_events();
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&a, len) || listen(fd, 512) ||
	    getsockname(fd, (struct sockaddr *)&a, &len))
		die("listen");
	f = fopen(port_file, "w");
	if (!f)
		die(port_file);
	fprintf(f, "%d\n", ntohs(a.sin_port));
	fclose(f);
	while ((c = accept(fd, NULL, NULL)) >= 0) {
		if (pthread_create(&t, NULL, serve_one, (void *)(intptr_t)c))
			die("thread");
		pthread_detach(t);
	}
	return 1;
}

/* -- the client -- */

static SSL *dial(int port, const char *host)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	SSL *s = SSL_new(ctx);

	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	SSL_set_tlsext_host_name(s, host);
	SSL_set_fd(s, fd);
	if (SSL_connect(s) != 1)
		die("SSL_connect");
	return s;
}

static size_t make_request(char *out, size_t size, const char *host,
			   const char *path, size_t body)
{
	static const char head[] =
		"{\"model\":\"gpt-4o-mini\",\"max_tokens\":64,%s\"messages\":["
		"{\"role\":\"user\",\"content\":\"";
	bool stream = strstr(path, "stream") != NULL;
	size_t n, start;

	n = (size_t)snprintf(out, size,
			     "POST %s HTTP/1.1\r\nHost: %s\r\n"
			     "Content-Type: application/json\r\n"
			     "Authorization: Bearer sk-bench\r\n"
			     "Content-Length: %zu\r\n\r\n",
			     path, host, body);
	start = n;
	n += (size_t)snprintf(out + n, size - n, head,
			      stream ? "\"stream\":true," : "");
	while (n - start < body - 4)
		out[n] = (n - start) % 7 ? 'w' : ' ', n++;
	memcpy(out + n, "\"}]}", 5);
	return n + 4;
}

static void exchange(SSL *s, const char *req, size_t len)
{
	char buf[16384];
	size_t n = 0, want = 0;
	char *end, *cl;
	int r;

	if (SSL_write(s, req, (int)len) != (int)len)
		die("SSL_write");
	for (;;) {
		r = SSL_read(s, buf + n, (int)(sizeof(buf) - 1 - n));
		if (r <= 0)
			die("SSL_read");
		n += (size_t)r;
		buf[n] = 0;
		if (!want && (end = strstr(buf, "\r\n\r\n"))) {
			if (memcmp(buf, "HTTP/1.1 200", 12))
				die(buf);
			cl = strcasestr(buf, "content-length:");
			want = cl ? (size_t)(end + 4 - buf) +
					       strtoul(cl + 15, NULL, 10)
				  : SIZE_MAX;
		}
		if (want == SIZE_MAX
			    ? n >= 5 && !memcmp(buf + n - 5, "0\r\n\r\n", 5)
			    : n >= want)
			return;
		if (want == SIZE_MAX && n > 8192) {
			memmove(buf, buf + n - 8, 8);
			n = 8;
		}
	}
}

static int load(int port, int n, const char *host, const char *path,
		size_t body)
{
	static char req[1 << 17];
	size_t len = make_request(req, sizeof(req), host, path, body);
	int64_t wall, cpu;
	SSL *s;
	int i;

	s = dial(port, host);
	for (i = 0; i < 20; i++)
		exchange(s, req, len);
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = cpu_ns();
	for (i = 0; i < n; i++)
		exchange(s, req, len);
	cpu = cpu_ns() - cpu;
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	printf("%d %lld %lld\n", n, (long long)wall, (long long)cpu);
	SSL_free(s);
	return 0;
}

/* Private and shared pages of the guard's own mappings, in KB. */
static void print_memory(void)
{
	char line[512];
	long total = 0, region = 0, kb;
	bool anon = false, ours = false, reg = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, ' ') &&
		    strspn(line, "0123456789abcdef-") >= 17) {
			reg = strstr(line, "/dev/shm/llmguard");
			ours = strstr(line, "llmguard") && !reg;
			anon = !strchr(line, '/') && !strchr(line, '[');
		} else if (sscanf(line, "Rss: %ld", &kb) == 1) {
			region += reg ? kb : 0;
			total += ours || anon ? kb : 0;
		}
	}
	if (f)
		fclose(f);
	printf("%ld %ld\n", total, region);
}

static int idle(int port, int n, const char *host, const char *path)
{
	static char req[1 << 16];
	size_t len = make_request(req, sizeof(req), host, path, 1000);
	int i;

	for (i = 0; i < n; i++)
		exchange(dial(port, host), req, len);
	print_memory();
	return 0;
}

/* SSL_write and SSL_read of 100 bytes between two SSLs joined by memory. */
static int pipe_calls(int n, const char *host, const char *cert,
		      const char *key)
{
	SSL_CTX *sctx = SSL_CTX_new(TLS_server_method());
	SSL *c, *s;
	BIO *a, *b;
	char buf[256];
	int64_t t, best = INT64_MAX;
	int i, k;

	if (SSL_CTX_use_certificate_file(sctx, cert, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(sctx, key, SSL_FILETYPE_PEM) != 1 ||
	    BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16) != 1)
		die("certificate");
	c = SSL_new(ctx);
	s = SSL_new(sctx);
	SSL_set_tlsext_host_name(c, host);
	SSL_set_bio(c, a, a);
	SSL_set_bio(s, b, b);
	SSL_set_connect_state(c);
	SSL_set_accept_state(s);
	for (i = 0; i < 20; i++) {
		SSL_do_handshake(c);
		SSL_do_handshake(s);
	}
	memset(buf, 'x', sizeof(buf));
	for (k = 0; k < 7; k++) {
		t = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		for (i = 0; i < n; i++)
			if (SSL_write(c, buf, 100) != 100 ||
			    SSL_read(s, buf, 100) != 100)
				die("pipe");
		t = clock_ns(CLOCK_THREAD_CPUTIME_ID) - t;
		best = t < best ? t : best;
	}
	printf("%d %lld\n", n, (long long)(best / n / 2));
	return 0;
}

/*
 * write and read of two files that cost the kernel nearly nothing. A
 * connection to port stands meanwhile (0: none).
 */
static int file_calls(int n, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int out = open("/dev/null", O_WRONLY), in = open("/dev/zero", O_RDONLY);
	int64_t t, best = INT64_MAX;
	int fd = -1, i, k;
	char buf[64] = "";

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)port);
	if (port)
		fd = socket(AF_INET, SOCK_STREAM, 0);
	if (out < 0 || in < 0 ||
	    (port && connect(fd, (struct sockaddr *)&a, sizeof(a))))
		die("files");
	for (k = 0; k < 7; k++) {
		t = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		for (i = 0; i < n; i++)
			if (write(out, buf, 1) != 1 || read(in, buf, 1) != 1)
				die("files");
		t = clock_ns(CLOCK_THREAD_CPUTIME_ID) - t;
		best = t < best ? t : best;
	}
	printf("%d %lld\n", n, (long long)(best / n / 2));
	return 0;
}

static int spawn(int n, const char *program, const char *preload)
{
	char var[4096], *argv[] = {(char *)(uintptr_t)program, NULL};
	char *env[] = {var, NULL};
	int64_t t;
	pid_t pid;
	int i;

	snprintf(var, sizeof(var), "LD_PRELOAD=%s", preload);
	t = children_ns();
	for (i = 0; i < n; i++)
		if (posix_spawn(&pid, program, NULL, NULL, argv, env) ||
		    waitpid(pid, NULL, 0) != pid)
			die(program);
	printf("%d %lld\n", n, (long long)((children_ns() - t) / n));
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "spawn") && argc >= 4)
		return spawn(atoi(argv[2]), argv[3], argc > 4 ? argv[4] : "");
	if (!strcmp(what, "serve") && argc == 5)
		return serve(argv[2], argv[3], argv[4]);
	if (!strcmp(what, "files") && argc == 4)
		return file_calls(atoi(argv[2]), atoi(argv[3]));
	ctx = SSL_CTX_new(TLS_client_method());
	if (!strcmp(what, "load") && argc == 7)
		return load(atoi(argv[2]), atoi(argv[3]), argv[4], argv[5],
			    strtoul(argv[6], NULL, 10));
	if (!strcmp(what, "idle") && argc == 6)
		return idle(atoi(argv[2]), atoi(argv[3]), argv[4], argv[5]);
	if (!strcmp(what, "pipe") && argc == 6)
		return pipe_calls(atoi(argv[2]), argv[3], argv[4], argv[5]);
	fprintf(stderr, "usage: see the head of net.c\n");
	return 2;
}
