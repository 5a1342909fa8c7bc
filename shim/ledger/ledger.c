#include "ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/image.h"
#include "ledger/month.h"

#define SYNC_INTERVAL_MS 1000
#define CHECK_INTERVAL_MS 1000

/* Where O_APPEND of two hosts may overwrite each other. */
static const uint32_t remote_fs[] = {
	0x6969,	    /* NFS */
	0x517b,	    /* SMB */
	0xff534d42, /* CIFS */
	0xfe534d42, /* SMB2 */
	0x00c36400, /* Ceph */
	0x5346414f, /* AFS */
	0x6b414653, /* kAFS */
	0x73757245, /* Coda */
	0x0bd00bd0, /* Lustre */
	0x01161970, /* GFS2 */
	0x7461636f, /* OCFS2 */
	0x47504653, /* GPFS */
	0x19830326, /* BeeGFS */
};

static int check_fs(const struct statfs *fs)
{
	uint64_t free_blocks =
		geteuid() ? (uint64_t)fs->f_bavail : (uint64_t)fs->f_bfree;
	size_t i;

	for (i = 0; i < sizeof(remote_fs) / sizeof(remote_fs[0]); i++)
		if ((uint32_t)fs->f_type == remote_fs[i])
			return -EREMOTE;
	if (fs->f_blocks &&
	    free_blocks * (uint64_t)fs->f_bsize < LG_ROW_LINE_MAX)
		return -ENOSPC;
	return 0;
}

/* mkdir -p; folders that we make are for the user alone. */
static int make_dirs(const char *dir)
{
	char path[sizeof(((struct lg_ledger *)0)->dir)];
	char *p;

	if (!mkdir(dir, 0700) || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	strcpy(path, dir);
	for (p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(path, 0700) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

static void note_root(struct lg_ledger *l)
{
	struct stat st;

	if (stat("/", &st))
		return;
	l->root_dev = (uint64_t)st.st_dev;
	l->root_ino = (uint64_t)st.st_ino;
}

/* After a chroot the path names another place: nothing is made there. */
static bool is_same_root(const struct lg_ledger *l)
{
	struct stat st;

	return !stat("/", &st) && l->root_dev == (uint64_t)st.st_dev &&
	       l->root_ino == (uint64_t)st.st_ino;
}

int lg_ledger_look(struct lg_ledger *l, const char *state_dir,
		   uint8_t durability)
{
	size_t n = strlen(state_dir);
	int saved = errno;

	memset(l, 0, sizeof(*l));
	l->durability = durability;
	note_root(l);
	errno = saved;
	if (!n || n + sizeof("/ledger/2026-11.jsonl") > sizeof(l->dir))
		return -ENAMETOOLONG;
	memcpy(l->dir, state_dir, n);
	strcpy(l->dir + n, "/ledger");
	return 0;
}

int lg_ledger_init(struct lg_ledger *l, const char *state_dir,
		   uint8_t durability)
{
	int saved = errno, err = lg_ledger_look(l, state_dir, durability);
	struct statfs fs;

	if (err)
		return err;
	err = make_dirs(l->dir);
	if (!err && !statfs(l->dir, &fs)) {
		err = check_fs(&fs);
		if (err == -ENOSPC)
			err = 0;
	}
	errno = saved;
	return err;
}

static int open_month(struct lg_ledger *l, int64_t now_ms)
{
	char path[sizeof(l->dir) + LG_MONTH_NAME];
	int fd, err, tries, make = 0;
	size_t n = strlen(l->dir);

	if (!n)
		return -ENOENT;
	memcpy(path, l->dir, n);
	path[n] = '/';
	lg_month_name(now_ms, path + n + 1);
	for (tries = 0; tries < 3; tries++) {
		fd = open(path,
			  O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW |
				  O_NOCTTY | O_NONBLOCK | make,
			  0600);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT)
			break;
		if (!is_same_root(l))
			return -EPERM;
		err = make ? make_dirs(l->dir) : 0;
		if (err)
			return err;
		make = O_CREAT;
	}
	return -errno;
}

/* A full disk is asked for once a second; a write that meets one fails. */
static int check_fs_maybe(struct lg_ledger *l, int fd, int64_t now_ms)
{
	int64_t last = lg_load_relaxed(&l->last_check_ms);
	struct statfs fs;
	int err;

	if (now_ms >= last && now_ms - last < CHECK_INTERVAL_MS)
		return 0;
	err = fstatfs(fd, &fs) ? 0 : check_fs(&fs);
	if (!err)
		lg_store_relaxed(&l->last_check_ms, now_ms);
	return err;
}

/* Beyond RLIMIT_FSIZE a write would end the host by SIGXFSZ. */
static int check_limit(int fd, size_t len)
{
	struct rlimit lim;
	struct stat st;

	if (getrlimit(RLIMIT_FSIZE, &lim))
		return -errno;
	if (lim.rlim_cur != RLIM_INFINITY) {
		if (fstat(fd, &st))
			return -errno;
		if (lim.rlim_cur < len ||
		    (uint64_t)st.st_size > lim.rlim_cur - len)
			return -EFBIG;
	}
	return 0;
}

static void sync_maybe(struct lg_ledger *l, int fd, int64_t now_ms)
{
	uint8_t how = lg_load_relaxed(&l->durability);
	int64_t last = lg_load_relaxed(&l->last_sync_ms);

	if (how == LG_DURABILITY_NONE)
		return;
	if (how == LG_DURABILITY_INTERVAL && now_ms - last < SYNC_INTERVAL_MS &&
	    now_ms >= last)
		return;
	/* of several threads one is enough */
	if (lg_cas_seq(&l->last_sync_ms, &last, now_ms) ||
	    how == LG_DURABILITY_EACH)
		fdatasync(fd);
}

int lg_ledger_append(struct lg_ledger *l, int64_t now_ms, struct lg_slice line)
{
	int saved = errno, fd, err;
	ssize_t n;

	fd = open_month(l, now_ms);
	if (fd < 0) {
		errno = saved;
		return fd;
	}
	err = check_limit(fd, line.len);
	if (!err)
		err = check_fs_maybe(l, fd, now_ms);
	if (!err) {
		do
			n = write(fd, line.p, line.len);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			err = -errno;
		else if ((size_t)n != line.len)
			err = -EIO;
		else
			sync_maybe(l, fd, now_ms);
	}
	close(fd);
	errno = saved;
	return err;
}
