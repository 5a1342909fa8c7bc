/*
 * What a probed call costs the program: bare, with a probe at the function's
 * first instruction, at the site that is chosen, with the end probed too, with
 * 4 KB of payload a call; all in one run, in turns, by the program's own CPU
 * time. Beside it a program that does nothing at the same places: what the
 * kernel takes for the hit itself; and bpftrace where it is there.
 *	bench_trace LOOP [NODE MODULE]
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "bpf/object.h"
#include "bpf/probe_link.h"

#define ROUNDS 9
#define LINKS 200
/* Nothing here takes as long: whatever does has failed. */
#define WAIT_MS 60000
#define BPFTRACE_MS 20000

enum way { BARE, PLAIN, EMPTY, OTHER, SITE, SITE_END, PAYLOAD, BPFTRACE, WAYS };
static const char *const way_names[WAYS] = {
	"no probe",
	"first instruction",
	"site and end, empty",
	"the same, no target",
	"chosen site",
	"chosen site and end",
	"the same, payload",
	"bpftrace, count()",
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
static int empty_prog = -1, empty_links[LINKS], nempty;
static uint64_t payload;
static bool has_bpftrace;

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

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A line of the loop's; the ring is read while it works. */
static int read_line(struct loop *l, char *line, size_t size)
{
	struct pollfd p = {.fd = l->out, .events = POLLIN};
	int64_t until = now_ms() + WAIT_MS;
	size_t n = 0;

	while (n + 1 < size) {
		while (!poll(&p, 1, 0)) {
			if (now_ms() > until)
				return -ETIMEDOUT;
			loader_poll(loader, 5, seen, NULL);
		}
		if (read(l->out, line + n, 1) != 1)
			return -EPIPE;
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	return 0;
}

/* Its input (with to) and its words are ours; it ends with us. */
static pid_t spawn(char *const *argv, bool errors, int *to, int *from)
{
	int in[2] = {-1, -1}, out[2];
	pid_t pid;

	if ((to && pipe2(in, O_CLOEXEC)) || pipe2(out, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (to)
			dup2(in[0], 0);
		dup2(out[1], 1);
		if (errors)
			dup2(out[1], 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	if (to)
		*to = in[1];
	*from = out[0];
	return pid;
}

/*
 * Asked again and again by that signal (0: it ends by itself): bpftrace
 * forgets one that comes while it does not wait. False: it had to be killed.
 */
static bool end(pid_t pid, int sig, int for_ms)
{
	int64_t until = now_ms() + for_ms;

	do {
		if (sig)
			kill(pid, sig);
		usleep(50000);
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
	} while (now_ms() < until);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return false;
}

/* 0, -errno: it does not get ready. */
static int start(char *const *argv, struct loop *l)
{
	char line[600], name[64];
	unsigned long at;
	int to, err;

	l->pid = spawn(argv, false, &to, &l->out);
	l->in = fdopen(to, "w");
	if (!l->in)
		die("fdopen");
	for (;;) {
		err = read_line(l, line, sizeof(line));
		if (err)
			return err;
		if (sscanf(line, "ready %*d %lu %lu", &l->ssl[0], &l->ssl[1]) ==
		    2)
			return 0;
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
	errno = -read_line(l, line, sizeof(line));
	if (errno)
		die("the loop");
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

/* The same place, but nothing is done there. */
static void put_empty(struct loop *l, const struct object_point *p)
{
	int fd = probe_link_multi(empty_prog, l->file, p->file_at, l->pid,
				  p->is_return, 1);

	if (fd < 0) {
		errno = -fd;
		die("attach");
	}
	empty_links[nempty++] = fd;
}

static void put_object(struct loop *l, bool ends, bool empty)
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
		if (empty)
			put_empty(l, &p);
		else
			put(l, p.file_at, object_cookie(&p, 1), p.is_return);
	}
}

/* Attaches, and says of both connections what they are. */
static void set_up(struct loop *l, const struct bench *b, enum way way)
{
	struct probe_target t = {.flags = PROBE_TARGET_SOLO};
	struct probe_conn_key key = {.tgid = l->pid};
	bool ex = !strcmp(b->mode, "write_ex");

	if (way != OTHER) /* somebody else, who maps a file that is probed */
		loader_target_set(loader, l->pid, &t);
	if (way == PLAIN)
		put(l, ex ? l->write_ex_at : l->write_at,
		    PROBE_COOKIE(ex ? PROBE_WRITE_EX : PROBE_WRITE, 0, 0, 1),
		    false);
	else
		put_object(l, way != SITE, way == EMPTY);
	run(l, b->mode, 24, 20);
	for (int i = 0; i < 2; i++) {
		key.ssl = l->ssl[i];
		loader_conn_state(loader, &key,
				  way == PAYLOAD ? PROBE_CONN_LLM
						 : PROBE_CONN_DROP);
	}
}

/* All that it says until that word, or for so long. */
static bool hear(int fd, const char *word, int for_ms, char *buf, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t until = now_ms() + for_ms;
	size_t n = 0;
	ssize_t r;

	buf[0] = '\0';
	while (n + 1 < size && !strstr(buf, word)) {
		int64_t left = until - now_ms();

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			break;
		r = read(fd, buf + n, size - 1 - n);
		if (r <= 0)
			break;
		n += (size_t)r;
		buf[n] = '\0';
	}
	return strstr(buf, word);
}

/* It says that it attaches; it has when it waits. */
static bool waits(pid_t pid)
{
	char path[64], what[64] = "";
	int64_t until = now_ms() + BPFTRACE_MS;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
	while (now_ms() < until) {
		usleep(100000);
		f = fopen(path, "r");
		if (f && !fgets(what, sizeof(what), f))
			what[0] = '\0';
		if (f)
			fclose(f);
		if (strstr(what, "epoll") || strstr(what, "ep_poll"))
			return true;
	}
	return false;
}

static bool without_bpftrace(const char *why)
{
	has_bpftrace = false;
	printf("bpftrace %s: left out from here on\n", why);
	return false;
}

/* What the loop costs under it; false: it did not count. */
static bool by_bpftrace(struct loop *l, const struct bench *b, long count,
			uint64_t *ns)
{
	char prog[600], pid[16], text[4096];
	char *argv[] = {(char *)"bpftrace", (char *)"-p", pid,
			(char *)"-e",	    prog,	  NULL};
	bool on, counted;
	pid_t other;
	int from;

	snprintf(pid, sizeof(pid), "%d", l->pid);
	snprintf(prog, sizeof(prog), "uprobe:%s:%s { @ = count(); }", l->file,
		 strcmp(b->mode, "write_ex") ? "SSL_write" : "SSL_write_ex");
	other = spawn(argv, true, NULL, &from);
	on = hear(from, "Attach", BPFTRACE_MS, text, sizeof(text)) &&
	     waits(other);
	if (on) {
		run(l, b->mode, b->size, count / 10 + 1);
		*ns = run(l, b->mode, b->size, count);
	}
	if (!end(other, SIGINT, 10000))
		without_bpftrace("does not end");
	counted = on && hear(from, "@: ", 1000, text, sizeof(text)) &&
		  atol(strstr(text, "@: ") + 3) >= count;
	close(from);
	if (!counted && has_bpftrace)
		without_bpftrace(on ? "did not count the calls"
				    : "does not attach in time");
	return counted;
}

static void take_away(struct loop *l)
{
	while (nlinks)
		loader_detach(links[--nlinks]);
	while (nempty)
		close(empty_links[--nempty]);
	loader_detached(loader);
	loader_target_drop(loader, l->pid);
}

/* False: it could not be measured, and that was said. */
static bool measure(struct loop *l, const struct bench *b, enum way way,
		    double *each)
{
	long count = way == PLAIN || way == BPFTRACE ? b->count / 4 : b->count;
	uint64_t ns;

	if (way == BPFTRACE) {
		if (!by_bpftrace(l, b, count, &ns))
			return false;
	} else {
		if (way != BARE)
			set_up(l, b, way);
		run(l, b->mode, b->size, count / 10 + 1);
		ns = run(l, b->mode, b->size, count);
		take_away(l);
	}
	*each = (double)ns / count / b->calls;
	return true;
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
			    (w == BPFTRACE && round % 3) ||
			    (w == EMPTY && empty_prog < 0))
				continue;
			n[w] += measure(l, b, w, &v[w][n[w]]);
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
	 {true, true, true, true, true, true, false, true}},
	{"libssl, SSL_write_ex of 1 KB",
	 "write_ex",
	 1024,
	 20000,
	 1,
	 {true, true, true, true, true, true, false, true}},
	{"libssl, SSL_write and SSL_read of 4 KB",
	 "echo",
	 4096,
	 4000,
	 4,
	 {true, false, true, true, false, true, true, false}},
};
static const struct bench in_node[] = {
	{"Node's own OpenSSL, SSL_write of 1 KB",
	 "write",
	 1024,
	 20000,
	 1,
	 {true, true, true, true, true, true, false, true}},
	{"Node's own OpenSSL, SSL_write and SSL_read of 4 KB",
	 "echo",
	 4096,
	 4000,
	 4,
	 {true, false, true, true, false, true, true, false}},
};

static void all(char *const *argv, const struct bench *b, size_t n)
{
	/* A loop that has written into nowhere cannot be answered any more. */
	for (size_t i = 0; i < n; i++) {
		struct loop l = {0};
		int err = start(argv, &l);

		if (err)
			printf("\n%s: left out, %s does not start: %s\n",
			       b[i].title, argv[0], strerror(-err));
		else
			bench(&l, &b[i]);
		fclose(l.in);
		close(l.out);
		end(l.pid, 0, 5000);
	}
}

static int nothing_load(enum bpf_prog_type type, enum bpf_attach_type attach,
			unsigned flags)
{
	struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, o, .expected_attach_type = attach,
		    .prog_flags = flags);

	return bpf_prog_load(type, "empty", "GPL", insns, 2, &o);
}

static bool is_there(const char *cmd)
{
	char line[128];

	snprintf(line, sizeof(line), "command -v %s >/dev/null 2>&1", cmd);
	return !system(line);
}

/*
 * With kernel.bpf_stats_enabled the kernel takes the time of each run of a
 * program; how long that takes is seen at one that does nothing.
 */
static void note_stats(void)
{
	FILE *f = fopen("/proc/sys/kernel/bpf_stats_enabled", "r");
	char packet[64] = "";
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = packet,
		    .data_size_in = sizeof(packet), .repeat = 1000000);
	int fd;

	if (f && fgetc(f) == '1') {
		fd = nothing_load(BPF_PROG_TYPE_SOCKET_FILTER, 0, 0);
		if (fd >= 0 && !bpf_prog_test_run_opts(fd, &o))
			printf("\nkernel.bpf_stats_enabled is 1: of each "
			       "program's run the kernel takes the time, which "
			       "costs %u ns of it (twice in a call whose end "
			       "is probed)\n",
			       o.duration);
		close(fd);
	}
	if (f)
		fclose(f);
}

static void notes(void)
{
	struct probe_lost lost[PROBE_LOSSES];

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
	signal(SIGPIPE, SIG_IGN);
	has_bpftrace = is_there("bpftrace");
	/* As ours are: it may sleep. */
	if (probe_link_may_be_multi())
		empty_prog =
			nothing_load(BPF_PROG_TYPE_KPROBE,
				     (enum bpf_attach_type)PROBE_LINK_MULTI,
				     BPF_F_SLEEPABLE);
	note_stats();
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
