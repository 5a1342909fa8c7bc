#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/buf.h"
#include "base/clock.h"

#define LINE_MAX_BYTES 2048
#define PATH_MAX_BYTES 1024

enum dest { DEST_NONE, DEST_STDERR, DEST_FILE };

static char path[PATH_MAX_BYTES];
static bool json;
static int threshold = LG_LOG_WARN;
static int dest = DEST_NONE; /* set last: what it guards is complete */

static const char *const level_name[] = {"error", "warn", "info", "debug"};

static int level_of(const char *s)
{
	for (int i = LG_LOG_ERROR; s && i <= LG_LOG_DEBUG; i++)
		if (lg_slice_ieq(lg_slice_str(s), lg_slice_str(level_name[i])))
			return i;
	return LG_LOG_WARN;
}

void lg_log_init(const char *to, const char *level, const char *format)
{
	struct lg_slice s = lg_slice_str(to);

	lg_store_release(&dest, DEST_NONE);
	if (s.len == 0 || s.len >= sizeof(path))
		return;
	threshold = level_of(level);
	json = lg_slice_ieq(lg_slice_str(format), LG_SLICE("json"));
	if (lg_slice_eq(s, LG_SLICE("stderr"))) {
		lg_store_release(&dest, DEST_STDERR);
		return;
	}
	memcpy(path, s.p, s.len + 1);
	lg_store_release(&dest, DEST_FILE);
}

void lg_log_enter_sandbox(void)
{
	lg_store_release(&dest, DEST_NONE);
}

bool lg_log_is_on(enum lg_log_level level)
{
	return lg_load_acquire(&dest) != DEST_NONE && (int)level <= threshold;
}

static void put_json_line(struct lg_buf *b, enum lg_log_level level,
			  const char *event, const struct lg_log_kv *kv,
			  unsigned n)
{
	lg_buf_puts(b, "{\"ts\":\"");
	lg_buf_put_time(b, lg_clock_real_ms());
	lg_buf_puts(b, "\",\"level\":\"");
	lg_buf_puts(b, level_name[level]);
	lg_buf_puts(b, "\",\"pid\":");
	lg_buf_put_i64(b, getpid());
	lg_buf_puts(b, ",\"event\":");
	lg_buf_put_json(b, lg_slice_str(event));
	for (unsigned i = 0; i < n; i++) {
		size_t mark = b->len;
		int err = lg_buf_putc(b, ',');

		err |= lg_buf_put_json(b, lg_slice_str(kv[i].key));
		err |= lg_buf_putc(b, ':');
		err |= kv[i].text.p ? lg_buf_put_json(b, kv[i].text)
				    : lg_buf_put_i64(b, kv[i].number);
		if (err)
			b->len = mark;
	}
	lg_buf_putc(b, '}');
}

static bool is_plain(struct lg_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '"' ||
		    s.p[i] == '\\' || s.p[i] == '=')
			return false;
	return s.len > 0;
}

static void put_text_line(struct lg_buf *b, enum lg_log_level level,
			  const char *event, const struct lg_log_kv *kv,
			  unsigned n)
{
	lg_buf_put_time(b, lg_clock_real_ms());
	lg_buf_puts(b, " llmguard[");
	lg_buf_put_i64(b, getpid());
	lg_buf_puts(b, "] ");
	lg_buf_puts(b, level_name[level]);
	lg_buf_putc(b, ' ');
	lg_buf_puts(b, event);
	for (unsigned i = 0; i < n; i++) {
		size_t mark = b->len;
		int err = lg_buf_putc(b, ' ');

		err |= lg_buf_puts(b, kv[i].key);
		err |= lg_buf_putc(b, '=');
		if (!kv[i].text.p)
			err |= lg_buf_put_i64(b, kv[i].number);
		else if (is_plain(kv[i].text))
			err |= lg_buf_put(b, kv[i].text.p, kv[i].text.len);
		else
			err |= lg_buf_put_json(b, kv[i].text);
		if (err)
			b->len = mark;
	}
}

/*
 * One write(2) that may raise SIGPIPE or SIGXFSZ in this thread only: both
 * are held off, and taken back when this call raised them.
 */
static void write_quietly(int fd, struct lg_slice line)
{
	const struct timespec now = {0, 0};
	sigset_t ours, before, pending;

	sigemptyset(&ours);
	sigaddset(&ours, SIGPIPE);
	sigaddset(&ours, SIGXFSZ);
	sigpending(&pending);
	if (sigismember(&pending, SIGPIPE))
		sigdelset(&ours, SIGPIPE);
	if (sigismember(&pending, SIGXFSZ))
		sigdelset(&ours, SIGXFSZ);
	if (pthread_sigmask(SIG_BLOCK, &ours, &before))
		return;
	if (write(fd, line.p, line.len) < 0 &&
	    (errno == EPIPE || errno == EFBIG))
		while (sigtimedwait(&ours, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void write_stderr(struct lg_slice line)
{
	struct pollfd p = {.fd = 2, .events = POLLOUT};

	/* a reader that does not read must not hold the program up */
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
		write_quietly(2, line);
}

/* Above the standard descriptors, where the program may have closed those. */
static int open_high(void)
{
	int fd = open(path,
		      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
			      O_NOCTTY | O_NONBLOCK,
		      0600);
	int high;

	if (fd < 0 || fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return high;
}

static bool fits(int fd, size_t n)
{
	struct rlimit lim;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	if (getrlimit(RLIMIT_FSIZE, &lim) || lim.rlim_cur == RLIM_INFINITY)
		return true;
	return (rlim_t)st.st_size <= lim.rlim_cur &&
	       n <= lim.rlim_cur - (rlim_t)st.st_size;
}

static void write_file(struct lg_slice line)
{
	int fd = open_high();

	if (fd < 0)
		return;
	if (fits(fd, line.len))
		write_quietly(fd, line);
	close(fd);
}

void lg_log(enum lg_log_level level, const char *event,
	    const struct lg_log_kv *kv, unsigned n)
{
	char storage[LINE_MAX_BYTES + 2];
	int saved = errno;
	struct lg_buf b;

	if (!lg_log_is_on(level))
		return;
	/* the end of the line always fits */
	lg_buf_init_fixed(&b, storage, LINE_MAX_BYTES);
	if (json)
		put_json_line(&b, level, event, kv, n);
	else
		put_text_line(&b, level, event, kv, n);
	storage[b.len++] = '\n';
	if (lg_load_acquire(&dest) == DEST_STDERR)
		write_stderr(lg_buf_slice(&b));
	else
		write_file(lg_buf_slice(&b));
	errno = saved;
}
