#include "hook/local.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIST 2048 /* of a directory, of a file: on the stack */
#define LINE_MAX_LEN 160

/* The kernel's struct linux_dirent64. */
struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	unsigned char type;
	char name[];
};

/* By itself: no hook of ours or of anybody else comes between. */
static int open_file(const char *path, int flags)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path,
			    flags | O_RDONLY | O_CLOEXEC);
}

static int number_of(const char *name)
{
	int n = 0;

	for (; *name >= '0' && *name <= '9' && n < 100000000; name++)
		n = n * 10 + (*name - '0');
	return *name ? -1 : n;
}

/* "tfd: 5 events: 19 data: 5 pos:0 ...", numbers but the first in hex. */
static bool read_number(const char **p, const char *end, const char *key,
			unsigned base, uint64_t *out)
{
	const char *s = memmem(*p, (size_t)(end - *p), key, strlen(key));
	uint64_t n = 0;

	if (!s)
		return false;
	for (s += strlen(key); s < end && *s == ' '; s++)
		;
	for (; s<end && * s> ' '; s++) {
		unsigned d = *s <= '9' ? (unsigned)(*s - '0')
				       : (unsigned)(*s - 'a') + 10;

		if (d >= base)
			return false;
		n = n * base + d;
	}
	*p = s;
	*out = n;
	return true;
}

static bool note_line(const char *p, const char *end, int epfd, int fd,
		      struct lg_epolls *e)
{
	uint64_t tfd, events, data;

	if (!read_number(&p, end, "tfd:", 10, &tfd) || tfd != (uint64_t)fd ||
	    !read_number(&p, end, "events:", 16, &events) ||
	    !read_number(&p, end, "data:", 16, &data))
		return true;
	if (e->n == LG_EPOLLS_MAX)
		return false;
	e->at[e->n].fd = epfd;
	e->at[e->n].events = (uint32_t)events;
	e->at[e->n++].data = data;
	return true;
}

/* Lines as they come, one that is cut waits for its end. */
static bool scan(int info, int epfd, int fd, struct lg_epolls *e)
{
	char text[LIST];
	size_t have = 0;
	bool ok = true;
	ssize_t n;

	while (ok && (n = syscall(SYS_read, info, text + have,
				  sizeof(text) - have)) > 0) {
		char *at = text, *nl;

		have += (size_t)n;
		while (ok &&
		       (nl = memchr(at, '\n', have - (size_t)(at - text)))) {
			ok = note_line(at, nl, epfd, fd, e);
			at = nl + 1;
		}
		have -= (size_t)(at - text);
		memmove(text, at, have);
		if (have > LINE_MAX_LEN)
			have = 0;
	}
	return ok && !n;
}

static bool scan_epoll(int epfd, int fd, struct lg_epolls *e)
{
	char path[40] = "/proc/self/fdinfo/", *p = path + strlen(path);
	char digits[12];
	unsigned n = 0, left = (unsigned)epfd;
	bool ok;
	int info;

	do
		digits[n++] = (char)('0' + left % 10);
	while (left /= 10);
	while (n)
		*p++ = digits[--n];
	*p = '\0';
	info = open_file(path, 0);
	if (info < 0)
		return false;
	ok = scan(info, epfd, fd, e);
	syscall(SYS_close, info);
	return ok;
}

static bool look_at(int dir, const char *name, int fd, struct lg_epolls *e)
{
	static const char poll[] = "anon_inode:[eventpoll]";
	static const char ring[] = "anon_inode:[io_uring]";
	char what[64];
	int epfd = number_of(name);
	ssize_t n;

	if (epfd < 0 || epfd == dir)
		return true;
	n = syscall(SYS_readlinkat, dir, name, what, sizeof(what));
	if (n == sizeof(ring) - 1 && !memcmp(what, ring, sizeof(ring) - 1))
		e->ring = true;
	if (n != sizeof(poll) - 1 || memcmp(what, poll, sizeof(poll) - 1))
		return true;
	return scan_epoll(epfd, fd, e);
}

static bool look_at_all(int dir, int fd, struct lg_epolls *e)
{
	_Alignas(struct entry) char list[LIST];
	long n, at;

	while ((n = syscall(SYS_getdents64, dir, list, sizeof(list))) > 0)
		for (at = 0; at < n;) {
			const struct entry *d = (const void *)(list + at);

			if (!look_at(dir, d->name, fd, e))
				return false;
			at += d->len;
		}
	return !n;
}

bool lg_epolls_in(int ep, int fd, struct lg_epolls *e)
{
	e->n = 0;
	e->ring = false;
	return scan_epoll(ep, fd, e) && e->n;
}

bool lg_epolls_find(int fd, struct lg_epolls *e)
{
	int dir = open_file("/proc/self/fd", O_DIRECTORY);
	bool ok;

	e->n = 0;
	e->ring = false;
	if (dir < 0)
		return false;
	ok = look_at_all(dir, fd, e);
	syscall(SYS_close, dir);
	return ok;
}

void lg_epolls_drop(const struct lg_epolls *e, int fd)
{
	struct epoll_event ev = {0};

	for (unsigned i = 0; i < e->n; i++)
		epoll_ctl(e->at[i].fd, EPOLL_CTL_DEL, fd, &ev);
}

void lg_epolls_join(const struct lg_epolls *e, int fd)
{
	for (unsigned i = 0; i < e->n; i++) {
		struct epoll_event ev = {.events = e->at[i].events,
					 .data.u64 = e->at[i].data};

		epoll_ctl(e->at[i].fd, EPOLL_CTL_ADD, fd, &ev);
	}
}
