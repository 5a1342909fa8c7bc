#include "budget/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "budget/hold.h"

#define BITS(v, n) ((v) & ((UINT64_C(1) << (n)) - 1))

/* What /proc/PID/stat says (proc(5); field numbers are from there). */
struct stat_line {
	int64_t pid;	  /* 1 */
	char state;	  /* 3 */
	uint64_t threads; /* 20 */
	uint64_t start;	  /* 22 */
	uint64_t stack;	  /* 28, 0 when it is not ours to know */
};

struct self {
	struct lg_pair id;
	uint64_t ready; /* 1 once id is whole */
};

static uint32_t sandboxed; /* opening a file may end the process */

/*
 * On a page that the kernel empties in every child, so that a fork which
 * passed by pthread_atfork is noticed too.
 */
static struct self *self_page;
static struct self self_fallback;

static size_t read_small(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	do {
		n = read(fd, buf, cap - 1);
	} while (n < 0 && errno == EINTR);
	close(fd);
	if (n < 0)
		n = 0;
	buf[n] = '\0';
	return (size_t)n;
}

static const char *parse_u64(const char *p, uint64_t *out)
{
	uint64_t v = 0;

	while (*p == ' ' || *p == '-')
		p++;
	for (; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	*out = v;
	return p;
}

static int parse_stat(const char *line, struct stat_line *out)
{
	const char *p = strrchr(line, ')');
	uint64_t pid, v;
	unsigned field;

	memset(out, 0, sizeof(*out));
	parse_u64(line, &pid);
	out->pid = (int64_t)pid;
	if (p == NULL || p[1] != ' ' || p[2] == '\0')
		return -EPROTO;
	out->state = p[2];
	p += 3;
	for (field = 4; field <= 28 && *p == ' '; field++) {
		p = parse_u64(p, &v);
		if (field == 20)
			out->threads = v;
		else if (field == 22)
			out->start = v;
		else if (field == 28)
			out->stack = v;
	}
	return field > 22 ? 0 : -EPROTO;
}

/* /proc/<who>/stat. 0, -ENOENT it is not there, -EPROTO not understood. */
static int read_stat(const char *who, struct stat_line *out)
{
	char path[40] = "/proc/", line[1024];

	strcat(path, who);
	strcat(path, "/stat");
	if (read_small(path, line, sizeof(line)) == 0)
		return -ENOENT;
	return parse_stat(line, out);
}

static void print_pid(uint32_t pid, char out[12])
{
	char tmp[12];
	int n = 0, i = 0;

	do {
		tmp[n++] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid != 0);
	while (n > 0)
		out[i++] = tmp[--n];
	out[i] = '\0';
}

/* The inode behind /proc/<who>/ns/<which>; 0 unknown. */
static uint64_t read_ns(const char *who, const char *which)
{
	char path[48] = "/proc/", link[64];
	const char *p;
	uint64_t v = 0;
	ssize_t n;

	strcat(path, who);
	strcat(path, "/ns/");
	strcat(path, which);
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0)
		return 0;
	link[n] = '\0';
	p = strchr(link, '[');
	if (p != NULL)
		parse_u64(p + 1, &v);
	return v;
}

static uint64_t stack_bits(uint64_t stack)
{
	/* 0 means unknown, so a real one is never 0. */
	return stack == 0
		       ? 0
		       : 1 + (lg_hash128(&stack, sizeof(stack), 11).a % 2047);
}

static uint64_t random_bits(void)
{
	const void *p = (const void *)getauxval(AT_RANDOM);

	return p == NULL ? 0 : 1 + lg_hash128(p, 16, 12).a % 2047;
}

static uint64_t boot_bits(void)
{
	char id[64];
	size_t n =
		read_small("/proc/sys/kernel/random/boot_id", id, sizeof(id));

	return n < 36 ? 0 : 1 + lg_hash128(id, 36, 13).a % 1023;
}

/*
 * A child in a chroot or sandbox cannot read what it has from its parent:
 * everything but pid and start time stays as it was.
 */
static uint64_t or_before(uint64_t v, uint64_t *before)
{
	if (v == 0)
		return lg_load_relaxed(before);
	lg_store_relaxed(before, v);
	return v;
}

void lg_owner_enter_sandbox(void)
{
	lg_store_relaxed(&sandboxed, 1);
}

static struct lg_pair compute_self(void)
{
	static uint64_t last_ns, last_boot, last_stack;
	uint64_t ns = 0, boot = 0, start = 0, stack = 0;
	struct stat_line st;
	struct lg_pair id;

	if (!lg_load_relaxed(&sandboxed)) {
		ns = BITS(read_ns("self", "pid"), 28);
		boot = boot_bits();
		if (read_stat("self", &st) == 0) {
			start = BITS(st.start, 32);
			stack = st.stack;
		}
	}
	ns = or_before(ns, &last_ns);
	stack = or_before(stack_bits(stack), &last_stack);
	id.lo = ns << 36 | BITS((uint64_t)getpid(), 22) << 14;
	id.hi = start << 32 | or_before(boot, &last_boot) << 22 | stack << 11 |
		random_bits();
	return id;
}

static struct self *get_page(void)
{
	struct self *page = lg_load_acquire(&self_page), *none = NULL;

	if (page != NULL)
		return page;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return &self_fallback;
	if (madvise(page, 4096, MADV_WIPEONFORK) != 0) {
		munmap(page, 4096);
		page = &self_fallback;
	}
	if (!lg_cas_seq(&self_page, &none, page)) {
		if (page != &self_fallback)
			munmap(page, 4096);
		page = none;
	}
	return page;
}

static struct lg_pair renew_self(void)
{
	int err = errno;
	struct self *s = get_page();
	struct lg_pair id = compute_self();

	/* Threads that race here store the same. */
	lg_store_relaxed(&s->id.lo, id.lo);
	lg_store_relaxed(&s->id.hi, id.hi);
	lg_store_release(&s->ready, 1);
	errno = err;
	return id;
}

struct lg_pair lg_owner_self(void)
{
	struct self *s = lg_load_acquire(&self_page);

	if (s == NULL || lg_load_acquire(&s->ready) == 0)
		return renew_self();
	return (struct lg_pair){lg_load_relaxed(&s->id.lo),
				lg_load_relaxed(&s->id.hi)};
}

void lg_owner_after_fork(void)
{
	struct self *s = lg_load_acquire(&self_page);

	if (s != NULL)
		lg_store_release(&s->ready, 0);
}

/* Without a /proc of our own namespace only the signal's errno tells. */
static enum lg_owner_state judge_blind(uint32_t pid)
{
	return kill((pid_t)pid, 0) != 0 && errno == ESRCH ? LG_OWNER_DEAD
							  : LG_OWNER_ALIVE;
}

static bool other_clock(const char *who)
{
	uint64_t theirs = read_ns(who, "time"), ours = read_ns("self", "time");

	return theirs != 0 && ours != 0 && theirs != ours;
}

static enum lg_owner_state judge_stat(struct lg_pair o, const char *who,
				      const struct stat_line *st)
{
	uint64_t start = o.hi >> 32, stack = BITS(o.hi >> 11, 11);

	if (start != 0 && BITS(st->start, 32) != start)
		return other_clock(who) ? LG_OWNER_FOREIGN : LG_OWNER_DEAD;
	/* A leader that ended before its threads is a zombie too. */
	if ((st->state == 'Z' || st->state == 'X') && st->threads <= 1)
		return LG_OWNER_DEAD;
	if (stack != 0 && st->stack != 0 && st->state != 'Z' &&
	    stack_bits(st->stack) != stack)
		return LG_OWNER_DEAD;
	return LG_OWNER_ALIVE;
}

/* Our pid: used before us, or we before an exec. Unknown parts say nothing. */
static bool is_me_before(struct lg_pair o, struct lg_pair me)
{
	uint64_t rnd = BITS(o.hi, 11), my_rnd = BITS(me.hi, 11);
	uint64_t stack = BITS(o.hi >> 11, 11), mine = BITS(me.hi >> 11, 11);

	return (o.hi >> 32 != 0 && me.hi >> 32 != 0 &&
		o.hi >> 32 != me.hi >> 32) ||
	       (stack != 0 && mine != 0 && stack != mine) ||
	       (rnd != 0 && my_rnd != 0 && rnd != my_rnd);
}

static enum lg_owner_state judge(struct lg_pair o)
{
	struct lg_pair me = lg_owner_self();
	uint64_t boot = BITS(o.hi >> 22, 10), my_boot = BITS(me.hi >> 22, 10);
	uint32_t pid = lg_owner_pid(o);
	struct stat_line self, st;
	char who[12];

	if (boot != 0 && my_boot != 0 && boot != my_boot)
		return LG_OWNER_DEAD;
	if (lg_owner_same(o, me))
		return LG_OWNER_ALIVE;
	if (o.lo >> 36 != me.lo >> 36)
		return LG_OWNER_FOREIGN;
	if (pid == lg_owner_pid(me))
		return is_me_before(o, me) ? LG_OWNER_DEAD : LG_OWNER_ALIVE;
	if (pid == 0)
		return LG_OWNER_DEAD;
	if (lg_load_relaxed(&sandboxed))
		return LG_OWNER_ALIVE;
	print_pid(pid, who);
	if (read_stat("self", &self) != 0 || self.pid != getpid() ||
	    read_stat(who, &st) != 0)
		return judge_blind(pid);
	return judge_stat(o, who, &st);
}

enum lg_owner_state lg_owner_judge(struct lg_pair owner)
{
	int err = errno;
	enum lg_owner_state s = judge(owner);

	errno = err;
	return s;
}
