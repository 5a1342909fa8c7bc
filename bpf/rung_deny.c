#include "bpf/rung.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "connect.skel.h"

#define NPROGS 4

struct rung_deny {
	struct connect *skel;
	struct bpf_link *link[NPROGS];
};

static int tell(char *why_not, const char *what, int err)
{
	snprintf(why_not, RUNG_WHY, "%s: %s", what, strerror(-err));
	return err;
}

/* Where the second version's hierarchy is mounted, also beside the first's. */
static int open_root(void)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char line[1024], path[256], type[32];
	int fd = -ENOENT;

	if (!f)
		return -errno;
	while (fd < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %255s %31s", path, type) == 2 &&
		    !strcmp(type, "cgroup2")) {
			fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			fd = fd < 0 ? -errno : fd;
		}
	fclose(f);
	return fd;
}

static int attach(struct rung_deny *d, int root)
{
	struct bpf_program *prog[NPROGS] = {
		d->skel->progs.connect4,
		d->skel->progs.connect6,
		d->skel->progs.sendmsg4,
		d->skel->progs.sendmsg6,
	};

	for (unsigned i = 0; i < NPROGS; i++) {
		d->link[i] = bpf_program__attach_cgroup(prog[i], root);
		if (!d->link[i])
			return -errno;
	}
	return 0;
}

static int silence(enum libbpf_print_level level, const char *format,
		   va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int rung_deny_open(struct rung_deny **out, char *why_not)
{
	libbpf_print_fn_t was = libbpf_set_print(silence);
	struct rung_deny *d = calloc(1, sizeof(*d));
	int err = d ? 0 : -ENOMEM, root = -1;

	if (d)
		d->skel = connect__open();
	if (d && !d->skel)
		err = -errno;
	if (d && d->skel) {
		d->skel->rodata->ns_inum = loader_pidns();
		err = connect__load(d->skel);
	}
	libbpf_set_print(was);
	if (err) {
		tell(why_not, "cgroup/connect4", err);
		goto out;
	}
	root = open_root();
	if (root < 0) {
		err = tell(why_not, "no cgroup2 hierarchy", root);
		goto out;
	}
	err = attach(d, root);
	if (err) {
		tell(why_not, "attaching to the control groups", err);
		goto out;
	}
	*out = d;
out:
	if (root >= 0)
		close(root);
	if (err)
		rung_deny_close(d);
	return err;
}

void rung_deny_close(struct rung_deny *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < NPROGS; i++)
		bpf_link__destroy(d->link[i]);
	connect__destroy(d->skel);
	free(d);
}

int rung_deny_peer(struct rung_deny *d, const struct connect_peer *peer)
{
	uint8_t one = 1;

	return bpf_map__update_elem(d->skel->maps.peers, peer, sizeof(*peer),
				    &one, sizeof(one), BPF_ANY);
}

static int set(struct bpf_map *map, const void *key, size_t len, bool on)
{
	uint64_t none = 0;
	int err;

	if (!on) {
		err = bpf_map__delete_elem(map, key, len, 0);
		return err == -ENOENT ? 0 : err;
	}
	err = bpf_map__update_elem(map, key, len, &none, sizeof(none),
				   BPF_NOEXIST);
	return err == -EEXIST ? 0 : err;
}

int rung_deny_set(struct rung_deny *d, uint32_t tgid, bool on)
{
	return set(d->skel->maps.denied, &tgid, sizeof(tgid), on);
}

int rung_deny_cgroup(struct rung_deny *d, uint64_t cgroup, bool on)
{
	return set(d->skel->maps.denied_cgroups, &cgroup, sizeof(cgroup), on);
}

static uint64_t count(struct bpf_map *map, const void *key, size_t len)
{
	uint64_t n = 0;

	if (bpf_map__lookup_elem(map, key, len, &n, sizeof(n), 0))
		return 0;
	return n;
}

uint64_t rung_deny_count(struct rung_deny *d, uint32_t tgid)
{
	return count(d->skel->maps.denied, &tgid, sizeof(tgid));
}

uint64_t rung_deny_cgroup_count(struct rung_deny *d, uint64_t cgroup)
{
	return count(d->skel->maps.denied_cgroups, &cgroup, sizeof(cgroup));
}

/* -- a trial ----------------------------------------------------------------
 */

/* A socket of our own that listens; its address. */
static int listen_here(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*at);

	memset(at, 0, sizeof(*at));
	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && (bind(fd, (void *)at, sizeof(*at)) || listen(fd, 1) ||
			getsockname(fd, (void *)at, &len))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int try_connect(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? -errno : 0;

	if (!err && connect(fd, (const void *)to, sizeof(*to)))
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

int rung_deny_probe(char *why_not)
{
	struct connect_peer peer = {.addr = {0, 0, htonl(0xffff), 0}};
	struct rung_deny *d = NULL;
	struct sockaddr_in at;
	int err = rung_deny_open(&d, why_not), before, after, fd;

	if (err)
		return err;
	fd = listen_here(&at);
	peer.addr[3] = at.sin_addr.s_addr;
	peer.port = at.sin_port;
	rung_deny_peer(d, &peer);
	before = fd < 0 ? -errno : try_connect(&at);
	rung_deny_set(d, (uint32_t)getpid(), true);
	after = fd < 0 ? -errno : try_connect(&at);
	if (before)
		err = tell(why_not, "a socket of our own", before);
	else if (after != -EPERM) {
		snprintf(why_not, RUNG_WHY, "the connection was not refused");
		err = -ENOTSUP;
	}
	if (fd >= 0)
		close(fd);
	rung_deny_close(d);
	return err;
}
