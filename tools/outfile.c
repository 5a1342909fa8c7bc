#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"

/* Which of our own descriptors does the name mean? -1: none. */
static int own_fd(const char *name)
{
	static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
	uint64_t n;

	if (!strcmp(name, "-") || !strcmp(name, "/dev/stdout"))
		return STDOUT_FILENO;
	if (!strcmp(name, "/dev/stderr"))
		return STDERR_FILENO;
	for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (!strncmp(name, folders[i], strlen(folders[i])) &&
		    !lg_slice_u64(lg_slice_str(name + strlen(folders[i])),
				  &n) &&
		    n <= INT_MAX)
			return (int)n;
	return -1;
}

static int open_direct(struct outfile *o, int fd)
{
	o->is_direct = true;
	o->fd = fd;
	return fd < 0 ? -errno : 0;
}

/* The file behind a link, where we may write to it. */
static int follow(struct outfile *o, const char *name)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *real;

	if (fd < 0)
		return -errno;
	close(fd);
	real = realpath(name, NULL);
	if (!real)
		return -errno;
	snprintf(o->path, sizeof(o->path), "%s", real);
	free(real);
	return 0;
}

/* In the same folder, so that it can be renamed. */
static int open_beside(struct outfile *o)
{
	static const char form[] = ".llmguard-XXXXXX";
	const char *slash = strrchr(o->path, '/');
	int n = slash ? (int)(slash + 1 - o->path) : 0;

	if (snprintf(o->temp, sizeof(o->temp), "%.*s%s", n, o->path, form) >=
	    (int)sizeof(o->temp))
		return -ENAMETOOLONG;
	o->fd = mkostemp(o->temp, O_CLOEXEC);
	return o->fd < 0 ? -errno : 0;
}

int outfile_open(struct outfile *o, const char *name)
{
	struct stat st, at;
	int fd = own_fd(name), err = 0;

	o->fd = -1;
	o->is_direct = false;
	o->temp[0] = 0;
	if (snprintf(o->path, sizeof(o->path), "%s", name) >=
	    (int)sizeof(o->path))
		return -ENAMETOOLONG;
	if (fd >= 0)
		return open_direct(o, fcntl(fd, F_DUPFD_CLOEXEC, 0));
	if (lstat(name, &at))
		return errno == ENOENT ? open_beside(o) : -errno;
	if (stat(name, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return open_direct(o,
				   open(name, O_WRONLY | O_CLOEXEC | O_NOCTTY));
	if (S_ISLNK(at.st_mode))
		err = follow(o, name);
	return err ? err : open_beside(o);
}

int outfile_close(struct outfile *o, int err)
{
	if (!err && !o->is_direct && fsync(o->fd))
		err = -errno;
	if (close(o->fd) && !err)
		err = -errno;
	if (o->is_direct)
		return err;
	if (!err && rename(o->temp, o->path))
		err = -errno;
	if (err)
		unlink(o->temp);
	return err;
}

int outfile_write(struct outfile *o, const void *p, unsigned long n)
{
	const char *at = p;

	while (n) {
		ssize_t k = write(o->fd, at, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? -errno : -EIO;
		at += k;
		n -= (unsigned long)k;
	}
	return 0;
}
