#include "budget/region.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "budget/build.h"
#include "budget/swap.h"

#define NLINK_ROUNDS 50
/* The steps of one hook follow each other faster: they look once. */
#define LOOK_AGAIN_NS 20000

/* -- what we find -------------------------------------------------------- */

/* 0; -EAGAIN it is being published (two links for an instant). */
static int check_file(const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() ||
	    (st->st_mode & 07077) != 0)
		return -EPERM;
	if (st->st_nlink == 2)
		return -EAGAIN;
	if (st->st_nlink != 1)
		return -EPERM;
	return st->st_size < (off_t)sizeof(struct lg_head) ? -EPROTO : 0;
}

static int check_head(const struct lg_head *h, off_t size)
{
	if (memcmp(h->magic, LG_REGION_MAGIC, sizeof(h->magic)) != 0)
		return -EPROTO;
	if (h->major != LG_REGION_MAJOR)
		return -ENOTSUP;
	if (h->header_size != sizeof(*h) || h->size != sizeof(struct lg_map) ||
	    size != (off_t)sizeof(struct lg_map) || h->ncells != LG_CELLS ||
	    h->nslots != LG_SLOTS || h->nbufs != LG_BUFS ||
	    h->ntexts != LG_TEXTS || h->uuid[32] != '\0')
		return -EPROTO;
	return 0;
}

/* Holes could not be filled later without SIGBUS. */
static int fill_holes(int fd, const struct stat *st, bool readonly)
{
	int err;

	if (readonly || st->st_blocks * 512 >= (off_t)sizeof(struct lg_map))
		return 0;
	do {
		err = posix_fallocate(fd, 0, sizeof(struct lg_map));
	} while (err == EINTR);
	return -err;
}

/* The head is two pages: too much for the stack of a hook. */
static int read_head(int fd, off_t size)
{
	struct lg_head *head = lg_mem_alloc(sizeof(*head));
	int err = -EPROTO;

	if (!head)
		return -ENOMEM;
	if (pread(fd, head, sizeof(*head), 0) == (ssize_t)sizeof(*head))
		err = check_head(head, size);
	lg_mem_free(head, sizeof(*head));
	return err;
}

static int map_file(int fd, const struct stat *st, bool readonly,
		    struct lg_map **out)
{
	struct lg_map *map;
	int err = read_head(fd, st->st_size);

	if (err == 0)
		err = fill_holes(fd, st, readonly);
	if (err != 0)
		return err;
	map = mmap(NULL, sizeof(*map), PROT_READ | (readonly ? 0 : PROT_WRITE),
		   MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*out = map;
	return 0;
}

static int attach_once(const char *path, bool readonly, struct lg_region *r)
{
	int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_NOFOLLOW |
				    O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int err;

	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	err = fstat(fd, &st) != 0 ? -errno : check_file(&st);
	if (err == 0)
		err = map_file(fd, &st, readonly, &r->map);
	close(fd);
	if (err != 0)
		return err;
	r->dev = st.st_dev;
	r->ino = st.st_ino;
	r->readonly = readonly;
	return 0;
}

static int attach(const char *path, bool readonly, struct lg_region *r)
{
	int err = -EAGAIN;
	unsigned i;

	for (i = 0; i < NLINK_ROUNDS && err == -EAGAIN; i++) {
		if (i > 0)
			usleep(1000);
		err = attach_once(path, readonly, r);
	}
	return err == -EAGAIN ? -EPERM : err;
}

/* -- open ---------------------------------------------------------------- */

static int open_region(const struct lg_region_options *o, struct lg_region *r,
		       bool *created)
{
	unsigned tries;
	int err;

	/* Another process may publish or unlink between our two looks. */
	for (tries = 0; tries < 8; tries++) {
		err = attach(o->path, o->readonly, r);
		if (err != -ENOENT || !o->create || o->readonly)
			return err;
		err = lg_region_build(o->path, o->state_dir);
		if (err == 0)
			*created = true;
		else if (err != -EEXIST)
			return err;
	}
	return -EAGAIN;
}

static void unmap(struct lg_region *r)
{
	munmap(r->map, sizeof(*r->map));
	if (r->live != NULL)
		munmap(r->live, 4096);
	r->live = NULL;
}

/* Attach and register; a region that is behind its ledger goes. */
static int enter_region(const struct lg_region_options *o, struct lg_region *r,
			bool *made)
{
	unsigned tries;
	int err = 0;

	for (tries = 0; tries < 3; tries++) {
		err = open_region(o, r, made);
		if (err != 0)
			return err;
		err = lg_region_register(r, o, *made);
		if (err == 0)
			return 0;
		if (err == -ESTALE && lg_region_is_current(r, o->path) &&
		    unlink(o->path) != 0)
			err = -errno;
		unmap(r);
		if (err != -ESTALE)
			break;
	}
	return err;
}

int lg_region_open(const struct lg_region_options *o, struct lg_region **out,
		   bool *created)
{
	int keep = errno, err;
	bool made = false;
	struct lg_region *r = lg_mem_alloc(sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	err = enter_region(o, r, &made);
	if (err != 0) {
		lg_mem_free(r, sizeof(*r));
	} else {
		/* Known before a sandbox may forbid to open /proc. */
		lg_owner_self();
		if (created != NULL)
			*created = made;
		*out = r;
	}
	errno = keep;
	return err;
}

void lg_region_close(struct lg_region *r)
{
	if (r == NULL)
		return;
	unmap(r);
	lg_mem_free(r, sizeof(*r));
}

bool lg_region_is_current(const struct lg_region *r, const char *path)
{
	struct stat st;
	int keep = errno;
	bool same = stat(path, &st) == 0 && st.st_dev == r->dev &&
		    st.st_ino == r->ino;

	errno = keep;
	return same;
}

/*
 * The kernel copies the mask before it looks at the first argument, which is
 * no such thing: EFAULT or EINVAL, and nothing is changed. Sandboxes allow it.
 */
static bool can_read(const void *p)
{
	return syscall(SYS_rt_sigprocmask, -1, p, NULL, 8) == 0 ||
	       errno != EFAULT;
}

bool lg_region_is_whole(struct lg_region *r)
{
	int64_t now = lg_clock_boot_ns(), last = lg_load_relaxed(&r->whole_ns);
	int keep = errno;
	bool whole;

	if (last && now >= last && now - last < LOOK_AGAIN_NS)
		return true;
	whole = can_read((const char *)(r->map + 1) - 8);
	if (!whole)
		mmap(r->map, sizeof(*r->map),
		     PROT_READ | (r->readonly ? 0 : PROT_WRITE),
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	lg_store_relaxed(&r->whole_ns, whole ? now : 0);
	errno = keep;
	return whole;
}

bool lg_region_is_sound(struct lg_region *r)
{
	return lg_region_is_whole(r) &&
	       !check_head(&r->map->head, sizeof(struct lg_map));
}

/* -- words --------------------------------------------------------------- */

void lg_region_uuid(const struct lg_region *r, char out[33])
{
	memcpy(out, r->map->head.uuid, 32);
	out[32] = '\0';
}

uint64_t lg_region_generation(const struct lg_region *r)
{
	return lg_load_relaxed(&r->map->head.generation);
}

void lg_region_bump(struct lg_region *r)
{
	if (!r->readonly)
		lg_add_seq(&r->map->head.generation, 1);
}

bool lg_region_is_disabled(const struct lg_region *r)
{
	return lg_load_relaxed(&r->map->head.disabled) != 0;
}

void lg_region_set_disabled(struct lg_region *r, bool off)
{
	if (!r->readonly)
		lg_store_seq(&r->map->head.disabled, (uint64_t)off);
}

void lg_region_count(struct lg_region *r, enum lg_counter c, uint64_t n)
{
	if (!r->readonly && c < LG_COUNTS)
		lg_add_relaxed(&r->map->head.counter[c], n);
}

bool lg_region_row_written(struct lg_region *r)
{
	uint64_t n;

	if (r->readonly)
		return false;
	n = lg_add_relaxed(&r->map->head.counter[LG_COUNT_ROWS], 1);
	return n % LG_CHECKPOINT_ROWS == LG_CHECKPOINT_ROWS - 1;
}

uint64_t lg_region_counter(const struct lg_region *r, enum lg_counter c)
{
	return c < LG_COUNTS ? lg_load_relaxed(&r->map->head.counter[c]) : 0;
}
