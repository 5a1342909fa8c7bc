#include "config/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static void fill_source(const struct stat *st, struct lg_img_source *src)
{
	src->mtime_ns =
		(int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	src->size = st->st_size;
	src->ino = st->st_ino;
}

void lg_conf_file_stat(const char *path, struct lg_img_source *src)
{
	struct stat st;
	int saved = errno;

	src->mtime_ns = 0;
	src->size = -1;
	src->ino = 0;
	if (path && !stat(path, &st))
		fill_source(&st, src);
	errno = saved;
}

static int read_all(int fd, char *p, size_t *len)
{
	size_t got = 0;
	ssize_t n;

	while (got < *len) {
		n = read(fd, p + got, *len - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += (size_t)n;
	}
	*len = got;
	return 0;
}

static int read_open(int fd, size_t max, struct lg_slice *text,
		     struct lg_img_source *src)
{
	struct stat st;
	size_t len;
	char *p;
	int err;

	if (fstat(fd, &st))
		return -errno;
	fill_source(&st, src);
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	len = (size_t)st.st_size;
	p = lg_mem_alloc(len + 1);
	if (!p)
		return -ENOMEM;
	err = read_all(fd, p, &len);
	if (err) {
		lg_mem_free(p, (size_t)st.st_size + 1);
		return err;
	}
	/* The block's size must be known again at the end. */
	for (size_t i = len; i < (size_t)st.st_size; i++)
		p[i] = '\n';
	*text = (struct lg_slice){p, (size_t)st.st_size};
	return 0;
}

int lg_conf_file_read(const char *path, size_t max, struct lg_slice *text,
		      struct lg_img_source *src)
{
	int saved = errno;
	/* NONBLOCK: a FIFO in the file's place must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int err;

	*text = (struct lg_slice){NULL, 0};
	src->mtime_ns = 0;
	src->size = -1;
	src->ino = 0;
	err = fd < 0 ? -errno : read_open(fd, max, text, src);
	if (fd >= 0)
		close(fd);
	errno = saved;
	return err;
}

void lg_conf_file_free(struct lg_slice *text)
{
	/* The block is ours and writable; slices just do not say so. */
	if (text->p)
		lg_mem_free((void *)(uintptr_t)text->p, text->len + 1);
	*text = (struct lg_slice){NULL, 0};
}
