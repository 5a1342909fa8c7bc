#include "ledger/month.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/civil.h"
#include "ledger/pack.h"

#define PACKED ".zst"

struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static void digits(char *p, unsigned v, int n)
{
	while (n--) {
		p[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void lg_month_name(int64_t unix_ms, char out[LG_MONTH_NAME])
{
	struct lg_civil c;
	int64_t days = unix_ms < 0 ? 0 : unix_ms / 86400000;

	/* 9999-12-31 */
	lg_civil_from_days(days > 2932896 ? 2932896 : days, &c);
	memcpy(out, "0000-00.jsonl", LG_MONTH_NAME);
	digits(out, (unsigned)c.year, 4);
	digits(out + 5, c.month, 2);
}

bool lg_month_is_name(const char *name)
{
	static const char shape[] = "dddd-dd.jsonl";
	int i;

	for (i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? (unsigned)(name[i] - '0') > 9
				    : name[i] != shape[i])
			return false;
	i = (name[5] - '0') * 10 + name[6] - '0';
	return !name[sizeof(shape) - 1] && i >= 1 && i <= 12;
}

/* "2026-11.jsonl.zst" is the month's file too. */
static bool take_name(const char *entry, char out[LG_MONTH_NAME])
{
	size_t n = strlen(entry);

	if (n == LG_MONTH_NAME - 1 + sizeof(PACKED) - 1 &&
	    !strcmp(entry + LG_MONTH_NAME - 1, PACKED))
		n = LG_MONTH_NAME - 1;
	if (n != LG_MONTH_NAME - 1)
		return false;
	memcpy(out, entry, n);
	out[n] = 0;
	return lg_month_is_name(out);
}

/* way: 1 the nearest name above, -1 the nearest below. */
static bool is_nearer(const char *name, const char *from, const char *best,
		      int way)
{
	if (strcmp(name, from) * way <= 0)
		return false;
	return !best[0] || strcmp(name, best) * way < 0;
}

static int step(int dir, char name[LG_MONTH_NAME], int way)
{
	char out[LG_MONTH_NAME] = "", found[LG_MONTH_NAME];
	_Alignas(8) char buf[1024];
	const struct entry *e;
	long n, at;

	if (lseek(dir, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n; at += e->reclen) {
			e = (const struct entry *)(const void *)(buf + at);
			if (take_name(e->name, found) &&
			    is_nearer(found, name, out, way))
				memcpy(out, found, LG_MONTH_NAME);
		}
	}
	if (n < 0)
		return -errno;
	memcpy(name, out, sizeof(out));
	return out[0] ? 0 : -ENOENT;
}

int lg_month_next(int dir, char name[LG_MONTH_NAME])
{
	return step(dir, name, 1);
}

int lg_month_before(int dir, char name[LG_MONTH_NAME])
{
	return step(dir, name, -1);
}

static int open_entry(int dir, const char *name)
{
	return openat(dir, name,
		      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

int lg_month_open(int dir, const char *name)
{
	char packed[LG_MONTH_NAME + sizeof(PACKED)];
	struct stat st;
	int fd = open_entry(dir, name);

	if (fd < 0 && errno == ENOENT && strlen(name) < LG_MONTH_NAME) {
		strcpy(packed, name);
		strcat(packed, PACKED);
		fd = open_entry(dir, packed);
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

int lg_month_size(int dir, const char *name, uint64_t *size)
{
	struct stat st;
	int fd, err = 0;

	if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (!S_ISREG(st.st_mode))
			return -EINVAL;
		*size = (uint64_t)st.st_size;
		return 0;
	}
	if (errno != ENOENT)
		return -errno;
	fd = lg_month_open(dir, name);
	if (fd < 0)
		return fd;
	if (lg_pack_is(fd))
		err = lg_pack_size(fd, size);
	else if (!fstat(fd, &st))
		*size = (uint64_t)st.st_size;
	close(fd);
	return err;
}
