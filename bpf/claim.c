#include "bpf/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define CLAIM_FILE "/run/llmguard-trace.lock"
/* Processes that have ended, until others' rings are read, too. */
#define LINGER 4096u
#define LINGER_NS INT64_C(10000000000)

struct last {
	uint32_t pid;
	int64_t at_ns;
};

static const char *file = CLAIM_FILE;
static int fd = -1;
static bool is_tried;
static uint64_t space;
static struct last last[LINGER];
static unsigned head, tail;

void claim_file(const char *path)
{
	file = path;
}

/* Pids are those of a namespace. */
static void open_file(void)
{
	struct stat st;

	is_tried = true;
	fd = open(file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
		  0600);
	if (fd >= 0 && (fstat(fd, &st) || st.st_uid != geteuid() ||
			(st.st_mode & 077) || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	if (!stat("/proc/self/ns/pid", &st))
		space = (uint64_t)(uint32_t)st.st_ino << 23;
}

/* 0, -errno; type F_UNLCK is never refused. */
static int lock(uint32_t pid, short type, int32_t *by)
{
	struct flock l = {.l_type = type,
			  .l_whence = SEEK_SET,
			  .l_start = (off_t)(space + pid),
			  .l_len = 1};

	if (!fcntl(fd, F_SETLK, &l))
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return -errno;
	*by = !fcntl(fd, F_GETLK, &l) && l.l_type != F_UNLCK ? l.l_pid : 0;
	return -EAGAIN;
}

/* A number that is used again within those seconds is ours at once. */
static void keep(uint32_t pid)
{
	for (unsigned i = head; i != tail; i++)
		if (last[i % LINGER].pid == pid)
			last[i % LINGER].pid = 0;
}

bool claim_take(uint32_t pid, int32_t *by)
{
	*by = 0;
	if (!is_tried)
		open_file();
	if (fd < 0)
		return true;
	if (lock(pid, F_WRLCK, by) == -EAGAIN)
		return false;
	keep(pid);
	return true;
}

static void let_go(int64_t now_ns)
{
	int32_t by;

	for (; head != tail; head++) {
		struct last *l = &last[head % LINGER];

		if (tail - head < LINGER && now_ns - l->at_ns < LINGER_NS)
			return;
		if (l->pid)
			(void)lock(l->pid, F_UNLCK, &by);
	}
}

void claim_drop(uint32_t pid)
{
	int64_t now = lg_clock_boot_ns();

	if (fd < 0 || (tail != head && last[(tail - 1) % LINGER].pid == pid))
		return;
	let_go(now);
	last[tail++ % LINGER] = (struct last){pid, now};
}
