#include "bpf/loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bpf/probe_link.h"
#include "bpf/reader.h"
#include "bpf/reap.h"
#include "bpf/ring.h"
#include "tls.skel.h"

#define RING_MIN (256u << 10)
#define RING_DEFAULT (16u << 20)
#define RING_MAX (1u << 30)
#define CALL_DEFAULT (16u << 20)
#define PIDNS_OF_MACHINE 0xEFFFFFFCu

/* Connections of who ended, until the ring was read up to there. */
struct endings {
	struct probe_conn_key *p;
	size_t n, cap;
	uint64_t up_to;
};

struct loader {
	struct tls *skel;
	struct ring ring;
	struct reap reap;
	struct endings endings;
	loader_conn_fn *on_end;
	void *arg;
	uint32_t ncgroup_verdicts, exits;
	bool is_multi; /* uprobe_multi links, not perf events */
};

struct loader_link {
	struct loader *loader;
	struct bpf_link *link; /* NULL: */
	int fd;
};

/* libbpf knows one place for its words, for the whole process. */
static char last_words[512];
static bool aloud;

static int words(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[sizeof(last_words)];

	if (aloud && level != LIBBPF_DEBUG) {
		va_list copy;

		va_copy(copy, ap);
		vfprintf(stderr, fmt, copy);
		va_end(copy);
	}
	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	if (!strncmp(line, "libbpf: ", 8))
		memmove(line, line + 8, strlen(line + 8) + 1);
	if (!*last_words)
		memcpy(last_words, line, sizeof(last_words));
	return 0;
}

uint32_t loader_pidns(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == PIDNS_OF_MACHINE)
		return 0;
	return st.st_ino;
}

static int settle(struct loader *l, const struct loader_options *o)
{
	uint32_t bytes = o->ring_bytes ? o->ring_bytes : RING_DEFAULT;
	uint64_t most = o->call_max ? o->call_max : CALL_DEFAULT;

	if (bytes & (bytes - 1) || bytes < RING_MIN || bytes > RING_MAX)
		return -EINVAL;
	if (most > 1ull << 32)
		most = 1ull << 32;
	most = (most + PROBE_PIECE - 1) / PROBE_PIECE * PROBE_PIECE;
	l->skel->rodata->ring_bytes = bytes;
	l->skel->rodata->call_max = most;
	l->skel->rodata->ns_inum = loader_pidns();
	bpf_program__set_autoload(l->skel->progs.process_forked, o->follow);
	return bpf_map__set_max_entries(l->skel->maps.ring, bytes);
}

static int attach_tracepoints(struct loader *l, const struct loader_options *o)
{
	struct tls *s = l->skel;

	s->links.process_execed = bpf_program__attach(s->progs.process_execed);
	if (!s->links.process_execed)
		return -errno;
	s->links.process_exited = bpf_program__attach(s->progs.process_exited);
	if (!s->links.process_exited)
		return -errno;
	if (!o->follow)
		return 0;
	s->links.process_forked = bpf_program__attach(s->progs.process_forked);
	return s->links.process_forked ? 0 : -errno;
}

static void set_multi(struct loader *l)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p,
				     l->skel->obj) if (bpf_program__type(p) ==
						       BPF_PROG_TYPE_KPROBE)
		bpf_program__set_expected_attach_type(p, PROBE_LINK_MULTI);
}

static int load_programs(struct loader *l, const struct loader_options *o)
{
	int err;

	l->skel = tls__open();
	if (!l->skel)
		return -errno;
	err = settle(l, o);
	if (err)
		return err;
	if (l->is_multi)
		set_multi(l);
	return tls__load(l->skel);
}

static int load(struct loader *l, const struct loader_options *o)
{
	int err;

	l->is_multi = probe_link_may_be_multi();
	err = load_programs(l, o);
	if (err && l->is_multi) {
		tls__destroy(l->skel);
		l->is_multi = false;
		*last_words = '\0';
		err = load_programs(l, o);
	}
	if (!err)
		err = ring_open(&l->ring, bpf_map__fd(l->skel->maps.ring),
				l->skel->rodata->ring_bytes,
				&l->skel->bss->reader);
	if (!err)
		err = attach_tracepoints(l, o);
	return err;
}

int loader_open(const struct loader_options *o, struct loader **out, char *text,
		size_t ntext)
{
	struct loader *l = calloc(1, sizeof(*l));
	int err;

	if (ntext)
		*text = '\0';
	if (!l)
		return -ENOMEM;
	l->ring.fd = -1;
	l->on_end = o->on_end;
	l->arg = o->arg;
	reap_init(&l->reap);
	*last_words = '\0';
	aloud = o->verbose;
	libbpf_set_print(words);
	err = load(l, o);
	if (err) {
		if (ntext)
			snprintf(text, ntext, "%s%s%s", last_words,
				 *last_words ? ": " : "", strerror(-err));
		loader_close(l);
		return err;
	}
	*out = l;
	return 0;
}

void loader_close(struct loader *l)
{
	if (!l)
		return;
	reap_wait(&l->reap);
	ring_close(&l->ring);
	tls__destroy(l->skel);
	free(l->endings.p);
	free(l);
}

static struct bpf_program *program_of(struct loader *l, uint64_t cookie,
				      bool is_return)
{
	if (is_return || (uint8_t)(cookie >> 8) != PROBE_END_NONE)
		return l->skel->progs.call_end;
	switch ((enum probe_fn)(uint8_t)cookie) {
	case PROBE_WRITE:
	case PROBE_WRITE_EX:
	case PROBE_WRITE_EX2:
	case PROBE_GNUTLS_SEND:
	case PROBE_GO_WRITE:
		return l->skel->progs.write_entry;
	case PROBE_READ:
	case PROBE_READ_EX:
	case PROBE_GNUTLS_RECV:
	case PROBE_GO_READ:
		return l->skel->progs.read_entry;
	case PROBE_ERROR:
		return l->skel->progs.error_entry;
	case PROBE_FREE:
	case PROBE_CLEAR:
	case PROBE_GNUTLS_FREE:
	case PROBE_GO_FREE:
		return l->skel->progs.free_entry;
	case PROBE_SET_FD:
	case PROBE_CTRL:
	case PROBE_GNUTLS_NAME:
	case PROBE_HOST:
		return l->skel->progs.name_entry;
	case PROBE_LOADED:
		return l->skel->progs.loaded_entry;
	case PROBE_NONE:
		break;
	}
	return NULL;
}

static int attach_perf(struct loader_link *link, struct bpf_program *prog,
		       const char *path, uint64_t file_at, uint32_t pid,
		       bool is_return, uint64_t cookie)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = is_return,
		    .bpf_cookie = cookie);

	link->link = bpf_program__attach_uprobe_opts(prog, pid ? (int)pid : -1,
						     path, file_at, &opts);
	return link->link ? 0 : errno ? -errno : -EINVAL;
}

int loader_attach(struct loader *l, const char *path, uint64_t file_at,
		  uint32_t pid, bool is_return, uint64_t cookie,
		  struct loader_link **out)
{
	struct bpf_program *prog = program_of(l, cookie, is_return);
	struct loader_link *link;
	int err = 0;

	if (!prog)
		return -EINVAL;
	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->loader = l;
	if (l->is_multi) {
		link->fd = probe_link_multi(bpf_program__fd(prog), path,
					    file_at, pid, is_return, cookie);
		err = link->fd < 0 ? link->fd : 0;
	} else {
		err = attach_perf(link, prog, path, file_at, pid, is_return,
				  cookie);
	}
	if (err) {
		free(link);
		return err;
	}
	*out = link;
	return 0;
}

void loader_detach(struct loader_link *link)
{
	if (!link)
		return;
	reap_link(&link->loader->reap, link->link, link->fd);
	free(link);
}

void loader_detached(struct loader *l)
{
	reap_wait(&l->reap);
}

/* -- who ended -------------------------------------------------------------
 */

static void end_conns(struct loader *l)
{
	struct endings *e = &l->endings;
	struct probe_conn conn;

	for (size_t i = 0; i < e->n; i++)
		if (!loader_conn_take(l, &e->p[i], &conn) && l->on_end)
			l->on_end(l->arg, &e->p[i], &conn);
	e->n = 0;
}

/* One that finds no memory is found again by the next sweep. */
static void will_end(void *arg, const struct probe_conn_key *key,
		     const struct probe_conn *conn)
{
	struct endings *e = arg;
	size_t cap = e->cap ? e->cap * 2 : 64;
	void *p;

	if (e->n == e->cap) {
		p = reallocarray(e->p, cap, sizeof(*e->p));
		if (!p)
			return;
		e->p = p;
		e->cap = cap;
	}
	e->p[e->n] = *key;
	e->p[e->n++].id = (uint32_t)conn->id;
}

static bool is_target(struct loader *l, const void *tgid)
{
	struct probe_target t;

	return bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.targets), tgid,
				   &t) != -ENOENT;
}

static void will_end_if_over(void *arg, const struct probe_conn_key *key,
			     const struct probe_conn *conn)
{
	struct loader *l = arg;

	if (key->id || !is_target(l, &key->tgid))
		will_end(&l->endings, key, conn);
}

static void sweep_calls(struct loader *l)
{
	int fd = bpf_map__fd(l->skel->maps.calls);
	unsigned most = 2 * bpf_map__max_entries(l->skel->maps.calls);
	char key[16], next[16];
	bool more = !bpf_map_get_next_key(fd, NULL, key);

	while (more && most--) {
		more = !bpf_map_get_next_key(fd, key, next);
		if (!is_target(l, key + 8))
			bpf_map_delete_elem(fd, key);
		memcpy(key, next, sizeof(key));
	}
}

/* A connection's records may wait in the ring: they are handed out first. */
static void sweep(struct loader *l)
{
	loader_conns(l, will_end_if_over, l);
	l->endings.up_to = ring_written(&l->ring);
	sweep_calls(l);
}

void loader_conns_end(struct loader *l)
{
	l->endings.n = 0;
	loader_conns(l, will_end, &l->endings);
	end_conns(l);
}

/* -- the ring -------------------------------------------------------------- */

int loader_poll(struct loader *l, int timeout_ms, loader_event_fn *fn,
		void *arg)
{
	uint32_t exits = __atomic_load_n(&l->skel->bss->exits, 0) +
			 __atomic_load_n(&l->skel->bss->unheard, 0);
	int n = ring_poll(&l->ring, timeout_ms, fn, arg);

	if (l->endings.n && ring_taken(&l->ring) >= l->endings.up_to)
		end_conns(l);
	if (l->endings.n)
		return n;
	if (exits - l->exits >= 64 || (exits != l->exits && !n)) {
		l->exits = exits;
		sweep(l);
	}
	return n;
}

int loader_poll_fd(const struct loader *l)
{
	return l->ring.fd;
}

void loader_ring_at(const struct loader *l, uint64_t *written, uint64_t *taken)
{
	*written = ring_written(&l->ring);
	*taken = ring_taken(&l->ring);
}

int loader_target_set(struct loader *l, uint32_t tgid,
		      const struct probe_target *t)
{
	int fd = bpf_map__fd(l->skel->maps.targets);
	struct probe_target old, set = *t;

	if (!bpf_map_lookup_elem(fd, &tgid, &old))
		set.flags |= old.flags & PROBE_TARGET_NEAR;
	return bpf_map_update_elem(fd, &tgid, &set, BPF_ANY);
}

int loader_select(struct loader *l, const struct probe_select *s)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_map__fd(l->skel->maps.select), &zero, s,
				   BPF_ANY);
}

int loader_target_near(struct loader *l, uint32_t tgid, bool near)
{
	int fd = bpf_map__fd(l->skel->maps.targets), err;
	struct probe_target t;

	err = bpf_map_lookup_elem(fd, &tgid, &t);
	if (err)
		return err;
	if (!(t.flags & PROBE_TARGET_NEAR) == !near)
		return 0;
	t.flags ^= PROBE_TARGET_NEAR;
	return bpf_map_update_elem(fd, &tgid, &t, BPF_EXIST);
}

int loader_target_refuse(struct loader *l, uint32_t tgid, uint32_t exec)
{
	struct probe_target t;
	int err = bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.targets), &tgid,
				      &t);

	if (err || !(t.flags & PROBE_TARGET_MAYBE) || t.exec != exec)
		return err;
	return loader_target_drop(l, tgid);
}

int loader_target_drop(struct loader *l, uint32_t tgid)
{
	int err =
		bpf_map_delete_elem(bpf_map__fd(l->skel->maps.targets), &tgid);

	/* whose connections have to be swept */
	if (!err)
		l->skel->bss->exits++;
	return err;
}

static int verdict_set(int fd, const void *key, uint32_t v)
{
	int err;

	if (v != PROBE_GO)
		return bpf_map_update_elem(fd, key, &v, BPF_ANY);
	err = bpf_map_delete_elem(fd, key);
	return err == -ENOENT ? 0 : err;
}

int loader_verdict_set(struct loader *l, uint32_t tgid, enum probe_verdict v)
{
	return verdict_set(bpf_map__fd(l->skel->maps.verdicts), &tgid, v);
}

uint32_t loader_stops(struct loader *l, uint32_t tgid)
{
	uint32_t n = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.stops), &tgid, &n))
		return 0;
	return n;
}

int loader_cgroup_verdict_set(struct loader *l, uint64_t cgroup,
			      enum probe_verdict v)
{
	int fd = bpf_map__fd(l->skel->maps.cgroup_verdicts);
	uint32_t was;
	bool had = !bpf_map_lookup_elem(fd, &cgroup, &was);
	int err = verdict_set(fd, &cgroup, v);

	if (err)
		return err;
	l->ncgroup_verdicts += (v != PROBE_GO) - had;
	__atomic_store_n(&l->skel->bss->ncgroup_verdicts, l->ncgroup_verdicts,
			 __ATOMIC_SEQ_CST);
	return 0;
}

int loader_conn_state(struct loader *l, const struct probe_conn_key *key,
		      enum probe_conn_state state)
{
	struct reader_state_args args = {
		.ssl = key->ssl,
		.tgid = key->tgid,
		.id = key->id,
		.state = state,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args,
		    .ctx_size_in = sizeof(args));
	int err = bpf_prog_test_run_opts(
		bpf_program__fd(l->skel->progs.set_state), &opts);

	if (err)
		return err;
	return args.result ? 0 : -ENOENT;
}

int loader_conns(struct loader *l, loader_conn_fn *fn, void *arg)
{
	int fd = bpf_map__fd(l->skel->maps.conns), n = 0;
	struct probe_conn_key key, *prev = NULL;
	struct probe_conn conn;
	unsigned most = 2 * bpf_map__max_entries(l->skel->maps.conns);

	/* A key that goes while we are there begins the walk anew. */
	while (most-- && !bpf_map_get_next_key(fd, prev, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &conn)) {
			fn(arg, &key, &conn);
			n++;
		}
		prev = &key;
	}
	return n;
}

int loader_conn_take(struct loader *l, const struct probe_conn_key *key,
		     struct probe_conn *out)
{
	struct probe_conn_key k = {.ssl = key->ssl, .tgid = key->tgid};
	int fd = bpf_map__fd(l->skel->maps.conns);

	if (!bpf_map_lookup_elem(fd, &k, out) &&
	    (!key->id || (uint32_t)out->id == key->id))
		return bpf_map_delete_elem(fd, &k);
	if (!key->id || bpf_map_lookup_elem(fd, key, out) ||
	    bpf_map_delete_elem(fd, key))
		return -ENOENT;
	l->skel->bss->heard++;
	return 0;
}

int loader_host_add(struct loader *l, const char *pattern)
{
	char key[64] = "";
	uint32_t one = 1;
	size_t i;

	if (!*pattern || strlen(pattern) >= sizeof(key) ||
	    strchr(pattern + 1, '*') || (*pattern == '*' && pattern[1] != '.'))
		return -EINVAL;
	for (i = 0; pattern[i]; i++)
		key[i] = pattern[i] >= 'A' && pattern[i] <= 'Z'
				 ? pattern[i] | 0x20
				 : pattern[i];
	return bpf_map_update_elem(bpf_map__fd(l->skel->maps.hosts), key, &one,
				   BPF_ANY);
}

void loader_losses(struct loader *l, struct probe_lost out[PROBE_LOSSES])
{
	int ncpus = libbpf_num_possible_cpus(), i;
	struct probe_lost *each;
	uint32_t why;

	memset(out, 0, PROBE_LOSSES * sizeof(*out));
	each = ncpus > 0 ? calloc(ncpus, sizeof(*each)) : NULL;
	if (!each)
		return;
	for (why = 0; why < PROBE_LOSSES; why++) {
		if (bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.losses), &why,
					each))
			continue;
		for (i = 0; i < ncpus; i++) {
			out[why].records += each[i].records;
			out[why].bytes += each[i].bytes;
			out[why].requests += each[i].requests;
		}
	}
	free(each);
}
