#include "guard/event_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "budget/events.h"
#include "guard/event.h"
#include "guard/file.h"

#define PATH_CAP 300

/* Above the standard descriptors, where the program may have closed those. */
static int open_high(const char *path, int flags)
{
	int fd = open(path,
		      flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
		      0600);
	int high, err;

	if (fd < 0)
		return -errno;
	if (fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	err = errno;
	close(fd);
	return high < 0 ? -err : high;
}

/* Of several who see it full one renames it. */
static bool rotate(int fd, const struct stat *st, const char *path,
		   const char *state_dir)
{
	char old[PATH_CAP];
	struct stat now;

	if (lg_path_join(old, sizeof(old), state_dir, LG_EVENT_FILE_OLD) ||
	    flock(fd, LOCK_EX | LOCK_NB))
		return false;
	if (lstat(path, &now) || now.st_ino != st->st_ino)
		return true; /* done already */
	return !rename(path, old);
}

static int check(int fd, size_t len, struct stat *st)
{
	struct rlimit lim;

	if (fstat(fd, st))
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EPERM;
	/* SIGXFSZ would end the host */
	if (!getrlimit(RLIMIT_FSIZE, &lim) && lim.rlim_cur != RLIM_INFINITY &&
	    (lim.rlim_cur < len || (uint64_t)st->st_size > lim.rlim_cur - len))
		return -EFBIG;
	return 0;
}

static bool is_torn(int fd, const struct stat *st)
{
	char last = '\n';

	return st->st_size > 0 && pread(fd, &last, 1, st->st_size - 1) == 1 &&
	       last != '\n';
}

static int put(int fd, const struct stat *st, struct lg_slice line)
{
	char buf[LG_EVENT_LINE_MAX + 1];
	size_t n = 0;
	ssize_t done;

	if (line.len > LG_EVENT_LINE_MAX)
		return -EMSGSIZE;
	if (is_torn(fd, st))
		buf[n++] = '\n';
	memcpy(buf + n, line.p, line.len);
	n += line.len;
	do {
		done = write(fd, buf, n);
	} while (done < 0 && errno == EINTR);
	if (done < 0)
		return -errno;
	return (size_t)done == n ? 0 : -EIO;
}

static int append(const char *state_dir, const char *path, struct lg_slice line)
{
	struct stat st;
	int fd, err = 0;

	for (unsigned turn = 0; turn < 3; turn++) {
		fd = open_high(path, O_RDWR | O_APPEND | O_CREAT);
		if (fd < 0)
			return fd;
		err = check(fd, line.len + 1, &st);
		if (!err && turn < 2 &&
		    (size_t)st.st_size + line.len > LG_EVENT_FILE_MAX &&
		    rotate(fd, &st, path, state_dir)) {
			close(fd);
			continue;
		}
		if (!err)
			err = put(fd, &st, line);
		close(fd);
		break;
	}
	return err;
}

int lg_event_file_append(const char *state_dir, struct lg_slice line)
{
	char path[PATH_CAP];
	int saved = errno;
	int err = lg_path_join(path, sizeof(path), state_dir, LG_EVENT_FILE);

	if (!err)
		err = append(state_dir, path, line);
	errno = saved;
	return err;
}

static bool has(const char *state_dir, const char *name, struct lg_slice mark)
{
	char path[PATH_CAP];
	size_t size;
	bool found;
	void *p;

	if (lg_path_join(path, sizeof(path), state_dir, name) ||
	    lg_file_read(path, 2 * LG_EVENT_FILE_MAX, &p, &size))
		return false;
	found = memmem(p, size, mark.p, mark.len);
	lg_mem_free(p, size);
	return found;
}

bool lg_event_file_has(const char *state_dir, uint64_t id)
{
	char text[40];
	struct lg_buf b;

	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_buf_puts(&b, "\"id\":\"");
	lg_buf_put_hex(&b, id);
	lg_buf_putc(&b, '"');
	return has(state_dir, LG_EVENT_FILE, lg_buf_slice(&b)) ||
	       has(state_dir, LG_EVENT_FILE_OLD, lg_buf_slice(&b));
}

bool lg_event_file_is_whole(const char *state_dir)
{
	char path[PATH_CAP];
	struct stat st;
	int saved = errno;
	bool whole = !lg_path_join(path, sizeof(path), state_dir,
				   LG_EVENT_FILE_OLD) &&
		     stat(path, &st);

	errno = saved;
	return whole;
}
