/*
 * A small HTTPS program in C, whose process is as awkward as asked.
 *
 *   cclient [-n COUNT] [-t THREADS] [-k STACK_KB] [-w WHEN] [-s errno|kill]
 *           [-c DIR] [-f BYTES] [-a BYTES] [-d] [-u NAME] [-b] [-r]
 *           [-x HEADER] HOST PATH BODYFILE
 *
 * Every thread opens a connection to 127.0.0.1:$TEST_PORT, sends COUNT
 * requests and prints each answer's status, in one line at the end.
 * -s: no opening of files any more (seccomp: an error, or death); -c: chroot;
 * -f: RLIMIT_FSIZE; -a: RLIMIT_AS, what is in use and BYTES more; -r: a new
 * connection for each request; -d: the SSL is a copy by SSL_dup; -u: every
 * request bears a name, for the server and for its row: NAME-THREAD-NUMBER,
 * for %p this process and the moment stand; -b: the
 * threads make their first call of libssl all at once. They are applied after
 * SSL_CTX_new, or with -w N after N requests.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define MAX_THREADS 2048
#define ANSWER_MAX (1 << 16)

static pthread_barrier_t gate;
static struct {
	int count, threads, stack_kb, when, dup, rush, renew;
	const char *seccomp, *root, *extra, *host, *path;
	const char *name; /* of every request, or NULL */
	long fsize, more_as;
	char *body;
	size_t body_len;
	SSL_CTX *ctx;
} o = {.count = 1, .threads = 1, .fsize = -1, .more_as = -1};

struct job {
	pthread_t t;
	int *status;
	char *answer;
	int tid;
};

/* A pid comes again after some thousand processes. */
static const char *own_name(void)
{
	static char name[48];
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	snprintf(name, sizeof(name), "%d.%lld", (int)getpid(),
		 now.tv_sec * 1000000000LL + now.tv_nsec);
	return name;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void forbid_open(bool kill)
{
	unsigned verdict =
		kill ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EACCES;
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 2, 0),
#ifdef SYS_open
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 1, 0),
#else
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffffffff),
#endif
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, verdict),
	};
	struct sock_fprog prog = {sizeof(f) / sizeof(f[0]), f};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		die("seccomp");
}

static void limit_memory(void)
{
	struct rlimit r;
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu", &pages) != 1)
		die("statm");
	fclose(f);
	r.rlim_cur = r.rlim_max = pages * 4096 + (rlim_t)o.more_as;
	if (setrlimit(RLIMIT_AS, &r))
		die("RLIMIT_AS");
}

static void confine(void)
{
	struct rlimit r = {(rlim_t)o.fsize, (rlim_t)o.fsize};

	if (o.fsize >= 0 && setrlimit(RLIMIT_FSIZE, &r))
		die("RLIMIT_FSIZE");
	if (o.more_as >= 0)
		limit_memory();
	if (o.root && (chroot(o.root) || chdir("/")))
		die("chroot");
	if (o.seccomp)
		forbid_open(!strcmp(o.seccomp, "kill"));
}

static int dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	const char *port = getenv("TEST_PORT");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_port = htons((uint16_t)atoi(port ? port : "443"));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	return fd;
}

/* Read one answer: its status, or -1. Content-Length or until the end. */
static int answer(SSL *s, char *buf)
{
	size_t n = 0, want = 0;
	char *end = NULL, *len;
	int r;

	while (!end || n < want) {
		if (n >= ANSWER_MAX - 1)
			return -1;
		r = SSL_read(s, buf + n, (int)(ANSWER_MAX - 1 - n));
		if (r <= 0)
			break;
		n += (size_t)r;
		buf[n] = 0;
		if (end || !(end = strstr(buf, "\r\n\r\n")))
			continue;
		len = strcasestr(buf, "\r\ncontent-length:");
		want = (size_t)(end + 4 - buf);
		want += len && len < end ? strtoul(len + 17, NULL, 10)
					 : ANSWER_MAX;
	}
	return end ? atoi(buf + 9) : -1;
}

static SSL *open_tls(SSL_CTX *ctx)
{
	SSL *s = SSL_new(ctx), *copy;

	if (!s)
		die("SSL_new");
	if (o.dup) {
		copy = SSL_dup(s);
		SSL_free(s);
		s = copy;
	}
	SSL_set_tlsext_host_name(s, o.host);
	SSL_set_fd(s, dial());
	return s;
}

static SSL *close_tls(SSL *s)
{
	if (s) {
		close(SSL_get_fd(s));
		SSL_free(s);
	}
	return NULL;
}

static SSL_CTX *new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || !SSL_CTX_set_default_verify_paths(ctx))
		die("SSL_CTX_new");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

static void make_head(char *head, size_t cap, int tid, int i)
{
	char name[128] = "";

	if (o.name)
		snprintf(name, sizeof(name),
			 "x-test-id: %s-%d-%d\r\n"
			 "x-llmguard-conversation: %s-%d-%d\r\n",
			 o.name, tid, i, o.name, tid, i);
	snprintf(head, cap,
		 "POST %s HTTP/1.1\r\nHost: %s\r\n%s%s%s"
		 "Content-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n",
		 o.path, o.host, name, o.extra ? o.extra : "",
		 o.extra ? "\r\n" : "", o.body_len);
}

static void *work(void *arg)
{
	struct job *j = arg;
	char head[1024];
	SSL_CTX *ctx = o.ctx;
	SSL *s = NULL;
	int i, st;

	if (o.rush) {
		pthread_barrier_wait(&gate);
		ctx = new_ctx();
	}
	for (i = 0; i < o.count; i++) {
		if (i && i == o.when)
			confine();
		if (!s && SSL_connect(s = open_tls(ctx)) != 1)
			die("SSL_connect");
		make_head(head, sizeof(head), j->tid, i);
		if (SSL_write(s, head, (int)strlen(head)) <= 0 ||
		    (o.body_len &&
		     SSL_write(s, o.body, (int)o.body_len) <= 0)) {
			j->status[i] = -2;
			s = close_tls(s);
			continue;
		}
		j->status[i] = st = answer(s, j->answer);
		if (st != 200 || o.renew)
			s = close_tls(s);
	}
	close_tls(s);
	return NULL;
}

static void load_body(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f)
		die(path);
	o.body = malloc(1 << 26);
	o.body_len = fread(o.body, 1, 1 << 26, f);
	fclose(f);
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "n:t:k:w:s:c:f:a:x:u:dbr")) != -1) {
		switch (c) {
		case 'n':
			o.count = atoi(optarg);
			break;
		case 't':
			o.threads = atoi(optarg);
			break;
		case 'k':
			o.stack_kb = atoi(optarg);
			break;
		case 'w':
			o.when = atoi(optarg);
			break;
		case 's':
			o.seccomp = optarg;
			break;
		case 'c':
			o.root = optarg;
			break;
		case 'f':
			o.fsize = atol(optarg);
			break;
		case 'a':
			o.more_as = atol(optarg);
			break;
		case 'r':
			o.renew = 1;
			break;
		case 'x':
			o.extra = optarg;
			break;
		case 'd':
			o.dup = 1;
			break;
		case 'u':
			o.name = strcmp(optarg, "%p") ? optarg : own_name();
			break;
		case 'b':
			o.rush = 1;
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 3 || o.threads > MAX_THREADS)
		exit(2);
	o.host = argv[optind];
	o.path = argv[optind + 1];
	load_body(argv[optind + 2]);
}

int main(int argc, char **argv)
{
	static struct job jobs[MAX_THREADS];
	pthread_attr_t at;
	int i, k;

	options(argc, argv);
	tzset(); /* libcrypto would open /etc/localtime at the handshake */
	if (!o.rush)
		o.ctx = new_ctx();
	pthread_barrier_init(&gate, NULL, (unsigned)o.threads);
	if (!o.when)
		confine();
	pthread_attr_init(&at);
	if (o.stack_kb)
		pthread_attr_setstacksize(&at, (size_t)o.stack_kb * 1024);
	for (i = 0; i < o.threads; i++) {
		jobs[i].tid = i;
		jobs[i].status = calloc((size_t)o.count, sizeof(int));
		jobs[i].answer = malloc(ANSWER_MAX);
		if (pthread_create(&jobs[i].t, &at, work, &jobs[i]))
			die("pthread_create");
	}
	for (i = 0; i < o.threads; i++)
		pthread_join(jobs[i].t, NULL);
	for (i = 0; i < o.threads; i++)
		for (k = 0; k < o.count; k++)
			printf("%d ", jobs[i].status[k]);
	printf("\n");
	return 0;
}
