#include "guard/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

int lg_path_join(char *out, size_t cap, const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);

	if (na >= cap || nb >= cap - na)
		return -ENAMETOOLONG;
	memcpy(out, a, na);
	memcpy(out + na, b, nb + 1);
	return 0;
}

static int read_all(int fd, char *p, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, p + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EPROTO;
		got += (size_t)n;
	}
	return 0;
}

int lg_file_read(const char *path, size_t max, void **p, size_t *size)
{
	int saved = errno, err;
	struct stat st;
	void *mem = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		err = -errno;
		goto out;
	}
	err = fstat(fd, &st) ? -errno : 0;
	if (!err && (!S_ISREG(st.st_mode) || st.st_size <= 0))
		err = -EPROTO;
	if (!err && (uint64_t)st.st_size > max)
		err = -EMSGSIZE;
	if (err)
		goto out;
	mem = lg_mem_alloc((size_t)st.st_size);
	err = mem ? read_all(fd, mem, (size_t)st.st_size) : -ENOMEM;
	if (err) {
		lg_mem_free(mem, (size_t)st.st_size);
		goto out;
	}
	*p = mem;
	*size = (size_t)st.st_size;
out:
	if (fd >= 0)
		close(fd);
	errno = saved;
	return err;
}

int lg_file_peek(const char *path, char *buf, size_t cap)
{
	int saved = errno, n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		n = -errno;
	} else {
		n = (int)read(fd, buf, cap - 1);
		if (n < 0)
			n = -errno;
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	errno = saved;
	return n;
}

static int write_all(int fd, const char *p, size_t size)
{
	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Beyond the limit SIGXFSZ would kill the host. */
static bool may_write(size_t size)
{
	struct rlimit lim;

	return getrlimit(RLIMIT_FSIZE, &lim) || lim.rlim_cur == RLIM_INFINITY ||
	       size < lim.rlim_cur;
}

/* ".<pid>-<time>" so that two writers never share a temporary file. */
static void temp_suffix(char out[40])
{
	uint64_t v[2] = {(uint64_t)getpid(), (uint64_t)lg_clock_boot_ns()};
	size_t n = 0;

	for (unsigned i = 0; i < 2; i++) {
		out[n++] = i ? '-' : '.';
		for (unsigned k = 0; k < 16; k++)
			out[n++] = "0123456789abcdef"[v[i] >> (4 * k) & 15];
	}
	out[n] = '\0';
}

int lg_file_replace(const char *path, const void *p, size_t size)
{
	int saved = errno, err, fd = -1;
	char temp[400], suffix[40];

	if (!may_write(size))
		return -EFBIG;
	temp_suffix(suffix);
	err = lg_path_join(temp, sizeof(temp), path, suffix);
	if (err)
		return err;
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = -errno;
		goto out;
	}
	err = write_all(fd, p, size);
	close(fd);
	if (!err && rename(temp, path))
		err = -errno;
	if (err)
		unlink(temp);
out:
	errno = saved;
	return err;
}
