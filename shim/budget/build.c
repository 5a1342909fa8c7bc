#include "budget/build.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "budget/swap.h"

#define PATH_CAP 512

static size_t read_file(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, buf, cap - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void boot_id(char out[37])
{
	char buf[64];

	memset(out, 0, 37);
	if (read_file("/proc/sys/kernel/random/boot_id", buf, sizeof(buf)) >=
	    36)
		memcpy(out, buf, 36);
}

/* 128 bits that no other build has. */
static struct lg_hash128 fresh_id(void)
{
	static uint64_t counter;
	struct {
		unsigned char rnd[32];
		int64_t real_ms, boot_ns;
		uint64_t n, pid;
		const void *stack;
	} seed;
	const void *at = (const void *)getauxval(AT_RANDOM);
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	memset(&seed, 0, sizeof(seed));
	if (fd >= 0) {
		if (read(fd, seed.rnd, 16) != 16)
			seed.rnd[0] = 1;
		close(fd);
	}
	if (at != NULL)
		memcpy(seed.rnd + 16, at, 16);
	seed.real_ms = lg_clock_real_ms();
	seed.boot_ns = lg_clock_boot_ns();
	seed.n = lg_add_relaxed(&counter, 1);
	seed.pid = (uint64_t)getpid();
	seed.stack = &seed;
	return lg_hash128(&seed, sizeof(seed), 7);
}

static void print_hex(struct lg_hash128 h, char out[33])
{
	static const char digit[] = "0123456789abcdef";
	unsigned i;

	for (i = 0; i < 16; i++) {
		out[i] = digit[h.a >> (60 - 4 * i) & 15];
		out[16 + i] = digit[h.b >> (60 - 4 * i) & 15];
	}
	out[32] = '\0';
}

/* "/proc/self/fd/N". */
static void proc_fd(int fd, char out[40])
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, out, 40);
	lg_buf_puts(&b, "/proc/self/fd/");
	lg_buf_put_u64(&b, (uint64_t)fd);
	lg_buf_putc(&b, '\0');
}

uint64_t lg_region_state_id(const char *state_dir)
{
	char proc[40], real[PATH_CAP];
	ssize_t n;
	int fd;

	if (state_dir == NULL)
		return 0;
	fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	proc_fd(fd, proc);
	n = readlink(proc, real, sizeof(real));
	close(fd);
	return n <= 0 ? 0 : lg_hash128(real, (size_t)n, 8).a | 1;
}

/* -- build --------------------------------------------------------------- */

static void init_map(struct lg_map *m, const char *state_dir)
{
	struct lg_head *h = &m->head;
	char uuid[33];
	uint32_t i;

	print_hex(fresh_id(), uuid);
	memcpy(h->uuid, uuid, sizeof(uuid));
	boot_id(h->boot);
	h->major = LG_REGION_MAJOR;
	h->minor = LG_REGION_MINOR;
	h->header_size = sizeof(*h);
	h->size = sizeof(*m);
	h->ncells = LG_CELLS;
	h->nslots = LG_SLOTS;
	h->nbufs = LG_BUFS;
	h->ntexts = LG_TEXTS;
	h->state_dir = lg_region_state_id(state_dir);
	h->built_ms = lg_clock_real_ms();
	h->generation = 1;
	for (i = 0; i < LG_SLOTS; i++) {
		m->slot[i].draft[0] = m->slot[i].draft[1] = i << 16;
		h->buf_owner[i] = i + 1;
	}
	for (i = 0; i < LG_HINTS; i++)
		h->hint[i] = LG_SLOTS + i % (LG_BUFS - LG_SLOTS);
	memcpy(h->magic, LG_REGION_MAGIC, sizeof(h->magic));
}

static int fill_file(int fd, const char *state_dir)
{
	struct lg_map *m;
	int err;

	if (fchmod(fd, 0600) != 0)
		return -errno;
	do {
		err = posix_fallocate(fd, 0, sizeof(*m));
	} while (err == EINTR);
	if (err != 0)
		return -err;
	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED)
		return -errno;
	init_map(m, state_dir);
	munmap(m, sizeof(*m));
	return 0;
}

static int path_join(char *out, size_t cap, const char *a, const char *b)
{
	size_t n = strlen(a), k = strlen(b);

	if (n + k + 1 > cap)
		return -ENAMETOOLONG;
	memcpy(out, a, n);
	memcpy(out + n, b, k + 1);
	return 0;
}

/* A file without a name: a death leaves nothing behind. */
static int build_unnamed(const char *path, const char *state_dir)
{
	char dir[PATH_CAP], proc[40], *slash;
	int fd, err;

	err = path_join(dir, sizeof(dir), path, "");
	if (err != 0)
		return err;
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return -ENOTSUP;
	slash[slash == dir] = '\0';
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -ENOTSUP;
	err = fill_file(fd, state_dir);
	proc_fd(fd, proc);
	if (err == 0 &&
	    linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0)
		err = errno == EEXIST ? -EEXIST : -ENOTSUP;
	close(fd);
	return err;
}

static int build_named(const char *path, const char *state_dir)
{
	char tmp[PATH_CAP + 40], hex[34] = ".";
	int fd, err;

	print_hex(fresh_id(), hex + 1);
	err = path_join(tmp, sizeof(tmp), path, hex);
	if (err != 0)
		return err;
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return -errno;
	err = fill_file(fd, state_dir);
	if (err == 0 && link(tmp, path) != 0)
		err = -errno;
	unlink(tmp);
	close(fd);
	return err;
}

int lg_region_build(const char *path, const char *state_dir)
{
	struct rlimit lim;
	int err;

	/* Growing a file past the limit would send SIGXFSZ to the host. */
	if (getrlimit(RLIMIT_FSIZE, &lim) == 0 &&
	    lim.rlim_cur < sizeof(struct lg_map))
		return -EFBIG;
	err = build_unnamed(path, state_dir);
	return err == -ENOTSUP ? build_named(path, state_dir) : err;
}

/* -- one ledger, one region ---------------------------------------------- */

/* $STATE/region: "UUID BOOT PATH\nDEVICE\n". */
struct record {
	char uuid[33], boot[37];
	char path[PATH_CAP];
	uint64_t dev; /* of the region's file, 0 not told */
};

static bool read_record(const char *file, struct record *rec)
{
	char buf[PATH_CAP + 112], *nl;
	size_t n = read_file(file, buf, sizeof(buf));

	if (n < 33 + 37 + 2 || buf[32] != ' ' || buf[69] != ' ')
		return false;
	nl = strchr(buf, '\n');
	if (nl == NULL || (size_t)(nl - buf - 70) >= sizeof(rec->path))
		return false;
	*nl = '\0';
	memcpy(rec->uuid, buf, 32);
	rec->uuid[32] = '\0';
	memcpy(rec->boot, buf + 33, 36);
	rec->boot[36] = '\0';
	strcpy(rec->path, buf + 70);
	for (rec->dev = 0, nl++; *nl >= '0' && *nl <= '9'; nl++)
		rec->dev = rec->dev * 10 + (uint64_t)(*nl - '0');
	return true;
}

/* Is the file system of the region another one at that place (a container)? */
static bool is_out_of_sight(const struct record *rec)
{
	char dir[PATH_CAP], *slash;
	struct stat st;

	strcpy(dir, rec->path);
	slash = strrchr(dir, '/');
	if (rec->dev == 0 || slash == NULL)
		return false;
	slash[slash == dir] = '\0';
	return stat(dir, &st) != 0 || st.st_dev != rec->dev;
}

/*
 * Whoever uses a region maps its record, open for writing: then nobody gets a
 * lease on it. Kept by the kernel, over containers, as long as one of them
 * lives. A lease that is broken meanwhile sends a signal that all ignore.
 */
static bool is_mapped(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool mapped = false;

	if (fd < 0)
		return false;
	if (fcntl(fd, F_SETSIG, SIGURG) == 0) {
		mapped = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
		if (!mapped)
			fcntl(fd, F_SETLEASE, F_UNLCK);
	}
	close(fd);
	return mapped;
}

static void map_record(const char *file, struct lg_region *r)
{
	int fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return;
	if (r->live != NULL)
		munmap(r->live, 4096);
	r->live = p;
}

/* Is the region that the record names one that somebody uses? */
static bool is_live(const char *file, const struct record *rec)
{
	struct lg_head *head;
	bool live = false;
	char boot[37];
	int fd;

	boot_id(boot);
	if (strcmp(boot, rec->boot) != 0)
		return false;
	if (is_out_of_sight(rec))
		return is_mapped(file);
	fd = open(rec->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	head = lg_mem_alloc(sizeof(*head));
	if (head && read(fd, head, sizeof(*head)) == (ssize_t)sizeof(*head))
		live = memcmp(head->magic, LG_REGION_MAGIC,
			      sizeof(head->magic)) == 0 &&
		       memcmp(head->uuid, rec->uuid, 32) == 0;
	lg_mem_free(head, sizeof(*head));
	close(fd);
	return live;
}

/* The first to link wins; a dead one is replaced by rename. */
static void write_record(const char *file, const struct lg_region *r,
			 const char *path, bool replace)
{
	char tmp[PATH_CAP + 48], text[PATH_CAP + 112], hex[34] = ".", boot[37];
	struct lg_buf b;
	int fd;

	boot_id(boot);
	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_buf_put(&b, r->map->head.uuid, 32);
	lg_buf_putc(&b, ' ');
	lg_buf_put(&b, boot, 36);
	lg_buf_putc(&b, ' ');
	lg_buf_puts(&b, path);
	lg_buf_putc(&b, '\n');
	lg_buf_put_u64(&b, r->dev);
	lg_buf_putc(&b, '\n');
	print_hex(fresh_id(), hex + 1);
	if (b.overflow || path_join(tmp, sizeof(tmp), file, hex) != 0)
		return;
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return;
	if (write(fd, b.p, b.len) == (ssize_t)b.len) {
		if (replace)
			rename(tmp, file);
		else
			(void)!link(tmp, file);
	}
	close(fd);
	unlink(tmp);
}

static int check_state(struct lg_region *r, const char *state_dir)
{
	uint64_t id = lg_region_state_id(state_dir), none = 0;

	if (id == 0 || lg_load_seq(&r->map->head.state_dir) == id)
		return 0;
	if (r->readonly)
		return 0;
	if (lg_cas_seq(&r->map->head.state_dir, &none, id) || none == id)
		return 0;
	return -EXDEV;
}

/*
 * Another region was the ledger's after this one was built: rows of it may be
 * missing here. One with holds or rows that wait is kept all the same.
 */
static bool is_behind(struct lg_region *r, const char *file)
{
	struct stat st;
	unsigned i;

	if (stat(file, &st) != 0 ||
	    r->map->head.built_ms >= (int64_t)st.st_mtim.tv_sec * 1000)
		return false;
	for (i = 0; i < LG_SLOTS; i++)
		if (lg_owner_pid((struct lg_pair){
			    lg_load_relaxed(&r->map->slot[i].owner.lo), 0}) ||
		    lg_word_state(lg_load_relaxed(&r->map->slot[i].word)) !=
			    LG_SLOT_FREE)
			return false;
	return true;
}

int lg_region_register(struct lg_region *r, const struct lg_region_options *o,
		       bool created)
{
	char file[PATH_CAP];
	struct record rec;
	struct rlimit lim;
	unsigned tries;
	bool there;
	int err;

	if (o->state_dir == NULL || o->readonly ||
	    path_join(file, sizeof(file), o->state_dir, "/region") != 0)
		return 0;
	err = check_state(r, o->state_dir);
	if (err != 0)
		return err;
	if (getrlimit(RLIMIT_FSIZE, &lim) == 0 && lim.rlim_cur < PATH_CAP + 112)
		return 0;
	for (tries = 0; tries < 4; tries++) {
		there = read_record(file, &rec);
		if (there && memcmp(rec.uuid, r->map->head.uuid, 32) == 0) {
			if (r->live != NULL)
				return 0;
			/* and look again: nobody has replaced it meanwhile */
			map_record(file, r);
			if (r->live == NULL)
				return 0;
			continue;
		}
		if (there && is_live(file, &rec))
			return -EEXIST;
		if (there && !created && is_behind(r, file))
			return -ESTALE;
		write_record(file, r, o->path,
			     there || access(file, F_OK) == 0);
	}
	return 0;
}

int lg_region_rival(const char *state_dir, char *out, size_t cap)
{
	char file[PATH_CAP];
	struct record rec;
	int keep = errno, err = -ENOENT;

	if (path_join(file, sizeof(file), state_dir, "/region") == 0 &&
	    read_record(file, &rec)) {
		lg_slice_copy(lg_slice_str(rec.path), out, cap);
		err = 0;
	}
	errno = keep;
	return err;
}

/* -- where --------------------------------------------------------------- */

int lg_region_default_path(const char *state_dir, bool state_is_default,
			   char *out, size_t cap)
{
	static const char digit[] = "0123456789abcdef";
	char hex[10] = "-";
	struct lg_hash128 h;
	struct lg_buf b;
	unsigned i;

	lg_buf_init_fixed(&b, out, cap);
	lg_buf_puts(&b, "/dev/shm/llmguard-");
	lg_buf_put_u64(&b, geteuid());
	if (!state_is_default) {
		h = lg_hash128(state_dir, strlen(state_dir), 9);
		for (i = 0; i < 8; i++)
			hex[1 + i] = digit[h.a >> (60 - 4 * i) & 15];
		lg_buf_put(&b, hex, 9);
	}
	lg_buf_puts(&b, ".v");
	lg_buf_put_u64(&b, LG_REGION_MAJOR);
	lg_buf_putc(&b, '\0');
	return b.overflow ? -ENAMETOOLONG : 0;
}
