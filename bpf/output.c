#include "bpf/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES_MAX ((size_t)64 << 20)
#define LINE_MAX_LEN ((size_t)1 << 20)

/* Ours alone: O_NONBLOCK on fd 1 would be everybody's who shares it. */
static int open_again(void)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) ||
	    !(S_ISFIFO(st.st_mode) || isatty(STDOUT_FILENO)))
		return -1;
	return open("/proc/self/fd/1",
		    O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void output_init(struct output *o)
{
	memset(o, 0, sizeof(*o));
	lg_buf_init(&o->lines, LINES_MAX);
	o->fd = open_again();
	o->own = o->fd >= 0;
	if (!o->own)
		o->fd = STDOUT_FILENO;
}

void output_fini(struct output *o)
{
	if (o->own)
		close(o->fd);
	lg_buf_fini(&o->lines);
}

bool output_has_room(struct output *o)
{
	bool has = o->lines.len + LINE_MAX_LEN <= LINES_MAX;

	o->dropped += !has;
	return has;
}

static bool is_writable(const struct output *o, int wait_ms)
{
	struct pollfd p = {.fd = o->fd, .events = POLLOUT};

	return poll(&p, 1, wait_ms) == 1;
}

static void forget_written(struct output *o)
{
	if (o->at < o->lines.len / 2)
		return;
	o->lines.len -= o->at;
	memmove(o->lines.p, o->lines.p + o->at, o->lines.len);
	o->at = 0;
}

void output_flush(struct output *o, int idle_ms)
{
	size_t left;
	ssize_t n;

	while (o->at < o->lines.len && !o->err && is_writable(o, idle_ms)) {
		left = o->lines.len - o->at;
		/* so much goes into a pipe that has room at all */
		n = write(o->fd, o->lines.p + o->at,
			  left < PIPE_BUF ? left : PIPE_BUF);
		if (n < 0 && errno == EAGAIN && !idle_ms)
			break;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			o->err = errno;
		else if (n > 0)
			o->at += (size_t)n;
	}
	if (o->lines.len)
		forget_written(o);
}
