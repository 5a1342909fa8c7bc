/*
 * What a probed call costs the program: bare, with a probe at the function's
 * first instruction, at the site that is chosen, with the end probed too, with
 * 4 KB of payload a call; all in one run, in turns, by the program's own CPU
 * time. bpftrace beside it where it is there.
 *	bench_trace LOOP [NODE MODULE]
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "bpf/object.h"

#define ROUNDS 9
#define LINKS 200

enum way { BARE, PLAIN, SITE, SITE_END, PAYLOAD, BPFTRACE, WAYS };
static const char *const way_names[WAYS] = {
	"no probe",	     "first instruction",
	"chosen site",	     "chosen site and end",
	"the same, payload", "bpftrace, count()",
};

struct loop {
	pid_t pid;
	FILE *in;
	int out;
	uint64_t write_at, write_ex_at, ssl[2];
	char file[400];
};

struct bench {
	const char *title, *mode;
	int size;
	long count;
	int calls; /* probed ones in a turn of the loop */
	bool has[WAYS];
};

static struct loader *loader;
static struct loader_link *links[LINKS];
static int nlinks;
static uint64_t payload;
static bool has_bpftrace;
static int bpftrace_out;

static void seen(void *arg, const struct probe_event *ev, const void *p)
{
	(void)arg, (void)p;
	payload += ev->cap;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_trace: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A line of the loop's; the ring is read while it works. */
static void read_line(struct loop *l, char *line, size_t size)
{
	struct pollfd p = {.fd = l->out, .events = POLLIN};
	size_t n = 0;

	while (n + 1 < size) {
		while (!poll(&p, 1, 0))
			loader_poll(loader, 5, seen, NULL);
		if (read(l->out, line + n, 1) != 1)
			die("the loop ended");
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
}

static void spawn(char *const *argv, struct loop *l)
{
	int to[2], from[2];

	if (pipe(to) || pipe(from))
		die("pipe");
	l->pid = fork();
	if (!l->pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	l->in = fdopen(to[1], "w");
	l->out = from[0];
}

static void start(char *const *argv, struct loop *l)
{
	char line[600], name[64];
	unsigned long at;

	spawn(argv, l);
	for (;;) {
		read_line(l, line, sizeof(line));
		if (sscanf(line, "ready %*d %lu %lu", &l->ssl[0], &l->ssl[1]) ==
		    2)
			return;
		if (sscanf(line, "%63s %lu %399s", name, &at, l->file) != 3)
			continue;
		if (!strcmp(name, "SSL_write"))
			l->write_at = at;
		else if (!strcmp(name, "SSL_write_ex"))
			l->write_ex_at = at;
	}
}

static uint64_t run(struct loop *l, const char *mode, int size, long count)
{
	char line[64];

	fprintf(l->in, "%s %d %ld\n", mode, size, count);
	fflush(l->in);
	read_line(l, line, sizeof(line));
	return strtoull(line, NULL, 10);
}

static void put(struct loop *l, uint64_t at, uint64_t cookie, bool is_return)
{
	int err = loader_attach(loader, l->file, at, l->pid, is_return, cookie,
				&links[nlinks]);

	if (err) {
		errno = -err;
		die("attach");
	}
	nlinks++;
}

static void put_object(struct loop *l, bool ends)
{
	struct object o;
	int err = object_read(l->file, true, NULL, &o);

	if (err || !o.npoints) {
		errno = -err;
		die("no site found");
	}
	for (unsigned i = 0; i < o.npoints && nlinks < LINKS; i++) {
		struct object_point p = o.points[i];
		bool is_write = p.fn >= PROBE_WRITE && p.fn <= PROBE_WRITE_EX2;
		bool is_read = p.fn == PROBE_READ || p.fn == PROBE_READ_EX;

		if (!is_write && !is_read)
			continue;
		if (!ends && (p.end != PROBE_END_NONE || !is_write))
			continue;
		put(l, p.file_at, object_cookie(&p, 1), p.is_return);
	}
}

/* Attaches, and says of both connections what they are. */
static void set_up(struct loop *l, const struct bench *b, enum way way)
{
	struct probe_target t = {.flags = PROBE_TARGET_SOLO};
	struct probe_conn_key key = {.tgid = l->pid};
	bool ex = !strcmp(b->mode, "write_ex");

	loader_target_set(loader, l->pid, &t);
	if (way == PLAIN)
		put(l, ex ? l->write_ex_at : l->write_at,
		    PROBE_COOKIE(ex ? PROBE_WRITE_EX : PROBE_WRITE, 0, 0, 1),
		    false);
	else
		put_object(l, way != SITE);
	run(l, b->mode, 24, 20);
	for (int i = 0; i < 2; i++) {
		key.ssl = l->ssl[i];
		loader_conn_state(loader, &key,
				  way == PAYLOAD ? PROBE_CONN_LLM
						 : PROBE_CONN_DROP);
	}
}

static pid_t start_bpftrace(struct loop *l, const struct bench *b)
{
	char prog[600], pid[16];
	int from[2], n = 0;
	char buf[256] = "";
	pid_t child;

	snprintf(pid, sizeof(pid), "%d", l->pid);
	snprintf(prog, sizeof(prog), "uprobe:%s:%s { @ = count(); }", l->file,
		 strcmp(b->mode, "write_ex") ? "SSL_write" : "SSL_write_ex");
	if (pipe(from))
		die("pipe");
	child = fork();
	if (!child) {
		dup2(from[1], 1);
		dup2(from[1], 2);
		execlp("bpftrace", "bpftrace", "-p", pid, "-e", prog, NULL);
		_exit(127);
	}
	close(from[1]);
	while (n < (int)sizeof(buf) - 1 && !strstr(buf, "Attach")) {
		ssize_t r = read(from[0], buf + n, sizeof(buf) - 1 - n);

		if (r <= 0)
			break;
		n += r;
		buf[n] = '\0';
	}
	if (!strstr(buf, "Attach"))
		has_bpftrace = false;
	usleep(700000);
	bpftrace_out = from[0]; /* its last words need a reader */
	return child;
}

static double measure(struct loop *l, const struct bench *b, enum way way)
{
	long count = way == PLAIN || way == BPFTRACE ? b->count / 4 : b->count;
	uint64_t ns;
	pid_t other = 0;

	if (way == BPFTRACE)
		other = start_bpftrace(l, b);
	else if (way != BARE)
		set_up(l, b, way);
	run(l, b->mode, b->size, count / 10 + 1);
	ns = run(l, b->mode, b->size, count);
	if (other) {
		kill(other, SIGINT);
		waitpid(other, NULL, 0);
		close(bpftrace_out);
	}
	while (nlinks)
		loader_detach(links[--nlinks]);
	loader_detached(loader);
	loader_target_drop(loader, l->pid);
	return (double)ns / count / b->calls;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static void bench(struct loop *l, const struct bench *b)
{
	double v[WAYS][ROUNDS], bare;
	int n[WAYS] = {0};

	for (int round = 0; round < ROUNDS; round++)
		for (enum way w = 0; w < WAYS; w++) {
			if (!b->has[w] || (w == BPFTRACE && !has_bpftrace) ||
			    (w == BPFTRACE && round % 3))
				continue;
			v[w][n[w]++] = measure(l, b, w);
		}
	bare = median(v[BARE], n[BARE]);
	printf("\n%s\n", b->title);
	for (enum way w = 0; w < WAYS; w++) {
		double m;

		if (!n[w])
			continue;
		m = median(v[w], n[w]);
		printf("  %-22s %8.0f ns a call  %+8.0f ns  x%.2f  (%.0f to "
		       "%.0f, %d runs)\n",
		       way_names[w], m, m - bare, m / bare, v[w][0],
		       v[w][n[w] - 1], n[w]);
	}
	fflush(stdout);
}

static const struct bench libssl[] = {
	{"libssl, SSL_write of 1 KB",
	 "write",
	 1024,
	 20000,
	 1,
	 {true, true, true, true, false, true}},
	{"libssl, SSL_write_ex of 1 KB",
	 "write_ex",
	 1024,
	 20000,
	 1,
	 {true, true, true, true, false, true}},
	{"libssl, SSL_write and SSL_read of 4 KB",
	 "echo",
	 4096,
	 4000,
	 4,
	 {true, false, false, true, true, false}},
};
static const struct bench in_node[] = {
	{"Node's own OpenSSL, SSL_write of 1 KB",
	 "write",
	 1024,
	 20000,
	 1,
	 {true, true, true, true, false, true}},
	{"Node's own OpenSSL, SSL_write and SSL_read of 4 KB",
	 "echo",
	 4096,
	 4000,
	 4,
	 {true, false, false, true, true, false}},
};

static void all(char *const *argv, const struct bench *b, size_t n)
{
	/* A loop that has written into nowhere cannot be answered any more. */
	for (size_t i = 0; i < n; i++) {
		struct loop l = {0};

		start(argv, &l);
		bench(&l, &b[i]);
		fclose(l.in);
		close(l.out);
		waitpid(l.pid, NULL, 0);
	}
}

static bool is_there(const char *cmd)
{
	char line[128];

	snprintf(line, sizeof(line), "command -v %s >/dev/null 2>&1", cmd);
	return !system(line);
}

static void notes(void)
{
	struct probe_lost lost[PROBE_LOSSES];
	FILE *f = fopen("/proc/sys/kernel/bpf_stats_enabled", "r");

	if (f && fgetc(f) == '1')
		puts("kernel.bpf_stats_enabled is 1: each probe costs more");
	if (f)
		fclose(f);
	loader_losses(loader, lost);
	printf("\npayload read: %lu MB, records that found no room: %llu\n",
	       payload >> 20, lost[PROBE_LOSS_RING].records);
}

int main(int argc, char **argv)
{
	struct loader_options o = {.ring_bytes = 64 << 20};
	char *loop[] = {argc > 1 ? argv[1] : NULL, NULL}, text[300], js[600];
	int err = loader_open(&o, &loader, text, sizeof(text));

	if (err) {
		printf("skipped: the kernel refuses: %s\n", text);
		return 77;
	}
	if (!loop[0])
		return 2;
	has_bpftrace = is_there("bpftrace");
	puts("ns of the program's CPU time a call, medians; what the probe "
	     "adds; ratio to no probe");
	if (!has_bpftrace)
		puts("bpftrace is not installed: left out");
	all(loop, libssl, sizeof(libssl) / sizeof(*libssl));
	if (argc > 3 && is_there(argv[2])) {
		snprintf(js, sizeof(js), "process.dlopen({exports: {}}, '%s')",
			 argv[3]);
		char *node[] = {argv[2], (char *)"-e", js, NULL};

		all(node, in_node, sizeof(in_node) / sizeof(*in_node));
	} else {
		puts("no Node: left out");
	}
	notes();
	loader_close(loader);
	return 0;
}
