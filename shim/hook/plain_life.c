#include "hook/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "hook/io.h"
#include "hook/plain.h"
#include "hook/resolve.h"

#define FILE_PIECE 16384
#define FILE_HEAD 2048

static int (*next_shutdown)(int, int);
static int (*next_dup)(int);
static int (*next_dup2)(int, int);
static int (*next_dup3)(int, int, int);
static int (*next_fcntl)(int, int, void *);
static int (*next_fcntl64)(int, int, void *);
static int (*next_ioctl)(int, unsigned long, void *);
static ssize_t (*next_sendfile)(int, int, off_t *, size_t);
static ssize_t (*next_splice)(int, off_t *, int, off_t *, size_t, unsigned);

void lg_hook_bind_life(void)
{
	next_shutdown = lg_next_symbol("shutdown");
	next_dup = lg_next_symbol("dup");
	next_dup2 = lg_next_symbol("dup2");
	next_dup3 = lg_next_symbol("dup3");
	next_fcntl = lg_next_symbol("fcntl");
	next_fcntl64 = lg_next_symbol("fcntl64");
	next_ioctl = lg_next_symbol("ioctl");
	next_sendfile = lg_next_symbol("sendfile64");
	next_splice = lg_next_symbol("splice");
}

/* Is there something to do about a call of the program's? */
static bool is_ours_to_see(const void *pc)
{
	return lg_plain_is_any() && !lg_plain_is_ours(pc) && lg_plain_is_self();
}

/* The bytes of a request that ends with its stream go before the end. */
int hook_shutdown(const void *pc, int fd, int how)
{
	struct lg_plain *p;

	if (LG_UNLIKELY(!next_shutdown))
		return (int)syscall(SYS_shutdown, fd, how);
	if (!is_ours_to_see(pc) || how == SHUT_RD)
		return next_shutdown(fd, how);
	p = lg_plain_get(fd);
	if (p) {
		lg_plain_end(p, fd);
		lg_plain_put(p);
	}
	return next_shutdown(fd, how);
}

/* What never became a request is not lost with its connection. */
static void end_cut(int fd)
{
	struct lg_plain *p = lg_plain_get(fd);

	if (!p)
		return;
	if (p->conn.flow && lg_flow_is_cut(p->conn.flow))
		lg_plain_end(p, fd);
	lg_plain_put(p);
}

void lg_plain_closing(const void *pc, int fd)
{
	int err = errno;

	if (is_ours_to_see(pc)) {
		end_cut(fd);
		lg_plain_leave(fd);
	}
	errno = err;
}

/* fd leads to the same connection as was does. */
static int copied(const void *pc, int was, int fd)
{
	struct lg_plain *p;
	int err = errno;

	if (fd < 0 || fd == was || !is_ours_to_see(pc))
		return fd;
	lg_plain_leave(fd);
	p = lg_plain_get(was);
	if (p) {
		(void)lg_plain_enter(fd, p);
		lg_plain_put(p);
	}
	errno = err;
	return fd;
}

int hook_dup(const void *pc, int fd)
{
	if (LG_UNLIKELY(!next_dup))
		return (int)syscall(SYS_dup, fd);
	return copied(pc, fd, next_dup(fd));
}

int hook_dup2(const void *pc, int fd, int to)
{
	if (LG_UNLIKELY(!next_dup2))
		return fd == to ? (int)syscall(SYS_fcntl, fd, F_GETFD) < 0 ? -1
									   : fd
				: (int)syscall(SYS_dup3, fd, to, 0);
	return copied(pc, fd, next_dup2(fd, to));
}

int hook_dup3(const void *pc, int fd, int to, int flags)
{
	if (LG_UNLIKELY(!next_dup3))
		return (int)syscall(SYS_dup3, fd, to, flags);
	return copied(pc, fd, next_dup3(fd, to, flags));
}

static bool is_copying(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;
}

int hook_fcntl(const void *pc, int fd, int cmd, void *arg)
{
	int r;

	if (LG_UNLIKELY(!next_fcntl))
		return (int)syscall(SYS_fcntl, fd, cmd, arg);
	r = next_fcntl(fd, cmd, arg);
	return is_copying(cmd) ? copied(pc, fd, r) : r;
}

int hook_fcntl64(const void *pc, int fd, int cmd, void *arg)
{
	int r;

	if (LG_UNLIKELY(!next_fcntl64))
		return hook_fcntl(pc, fd, cmd, arg);
	r = next_fcntl64(fd, cmd, arg);
	return is_copying(cmd) ? copied(pc, fd, r) : r;
}

/* A connection that is readable has something to read: ours counts. */
static void add_ready(int fd, int *n)
{
	struct lg_plain *p = lg_plain_get(fd);
	bool shut;
	size_t ours;

	if (!p)
		return;
	ours = lg_io_ready(&p->conn, &shut);
	*n = (int)ours + (shut || *n < 0 ? 0 : *n);
	lg_plain_put(p);
}

int hook_ioctl(const void *pc, int fd, unsigned long request, void *arg)
{
	int r, err;

	if (LG_UNLIKELY(!next_ioctl))
		return (int)syscall(SYS_ioctl, fd, request, arg);
	r = next_ioctl(fd, request, arg);
	if (LG_UNLIKELY(request == FIONREAD) && !r && is_ours_to_see(pc)) {
		err = errno;
		add_ready(fd, arg);
		errno = err;
	}
	return r;
}

/* -- bytes that would not come by us ----------------------------------------
 */

static ssize_t copy_piece(struct lg_plain *p, int out, int in, off_t at,
			  size_t n, char *piece)
{
	size_t done = 0, len;
	ssize_t got, r;

	while (done < n) {
		len = n - done < FILE_PIECE ? n - done : FILE_PIECE;
		got = pread(in, piece, len, at + (off_t)done);
		if (got <= 0)
			return done || !got ? (ssize_t)done : -1;
		r = lg_plain_write(p, out, piece, (size_t)got, 0);
		if (r <= 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
		if (r < got)
			break;
	}
	return (ssize_t)done;
}

/* What cannot be read at a place is refused: then programs copy themselves. */
static ssize_t copy_file(struct lg_plain *p, int out, int in, off_t *offset,
			 size_t n)
{
	off_t at = offset ? *offset : lseek(in, 0, SEEK_CUR);
	char *piece = at < 0 ? NULL : lg_mem_alloc(FILE_PIECE);
	ssize_t r;

	if (!piece) {
		errno = EINVAL;
		return -1;
	}
	r = copy_piece(p, out, in, at, n, piece);
	lg_mem_free(piece, FILE_PIECE);
	if (r > 0 && offset)
		*offset = at + r;
	else if (r > 0)
		(void)lseek(in, at + r, SEEK_SET);
	return r;
}

/* A file's first bytes may be a head; what is not to be seen is let go. */
static struct lg_plain *plain_of_file(const void *pc, int out, int in,
				      const off_t *offset, size_t n)
{
	struct lg_plain *p = lg_plain_get(out);
	bool begun = p && p->begun;
	char piece[FILE_HEAD];
	ssize_t got;

	if (!p)
		return NULL;
	lg_plain_put(p);
	if (begun)
		return lg_plain_for_write(pc, out, "", 1, 0);
	got = pread(in, piece, n < FILE_HEAD ? n : FILE_HEAD,
		    offset ? *offset : lseek(in, 0, SEEK_CUR));
	return got > 0 ? lg_plain_for_write(pc, out, piece, (size_t)got, 0)
		       : NULL;
}

ssize_t hook_sendfile(const void *pc, int out, int in, off_t *offset, size_t n)
{
	struct lg_plain *p = NULL;
	int err = errno;
	ssize_t r;

	if (LG_UNLIKELY(!next_sendfile))
		return syscall(SYS_sendfile, out, in, offset, n);
	if (n && is_ours_to_see(pc))
		p = plain_of_file(pc, out, in, offset, n);
	errno = err;
	if (!p)
		return next_sendfile(out, in, offset, n);
	r = copy_file(p, out, in, offset, n);
	lg_plain_put(p);
	return r;
}

ssize_t hook_sendfile64(const void *pc, int out, int in, off_t *offset,
			size_t n)
{
	return hook_sendfile(pc, out, in, offset, n);
}

/* Nothing is known yet of what has not begun. */
static bool is_watched(int fd)
{
	struct lg_plain *p = lg_plain_get(fd);
	bool has = p && (!p->begun || p->conn.flow);

	if (p)
		lg_plain_put(p);
	return has;
}

/* splice(2): EINVAL where a file system knows no splicing. */
ssize_t hook_splice(const void *pc, int in, off_t *in_at, int out,
		    off_t *out_at, size_t n, unsigned flags)
{
	if (LG_UNLIKELY(!next_splice))
		return syscall(SYS_splice, in, in_at, out, out_at, n, flags);
	if (is_ours_to_see(pc) && (is_watched(in) || is_watched(out))) {
		errno = EINVAL;
		return -1;
	}
	return next_splice(in, in_at, out, out_at, n, flags);
}
