#include "bpf/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf/reader.h"

int ring_open(struct ring *r, int fd, uint32_t size, uint32_t *reader)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *p;

	*r = (struct ring){.fd = fd, .size = size, .reader = reader};
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->consumer = p;
	p = mmap(NULL, page + 2 * (size_t)size, PROT_READ, MAP_SHARED, fd,
		 page);
	if (p == MAP_FAILED) {
		ring_close(r);
		return -errno;
	}
	r->producer = p;
	r->data = (uint8_t *)p + page;
	return 0;
}

void ring_close(struct ring *r)
{
	size_t page = sysconf(_SC_PAGESIZE);

	if (r->producer)
		munmap((void *)r->producer, page + 2 * (size_t)r->size);
	if (r->consumer)
		munmap(r->consumer, page);
	*r = (struct ring){.fd = -1};
}

uint64_t ring_written(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_SEQ_CST);
}

uint64_t ring_taken(const struct ring *r)
{
	return *r->consumer;
}

static bool is_empty(const struct ring *r)
{
	return ring_written(r) == ring_taken(r);
}

/* One record; false: none that is finished. */
static bool read_one(struct ring *r, loader_event_fn *fn, void *arg, int *n)
{
	const uint8_t *at = r->data + (*r->consumer & (r->size - 1));
	uint32_t head, len;

	if (*r->consumer >= __atomic_load_n(r->producer, __ATOMIC_ACQUIRE))
		return false;
	head = __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
	if (head & BPF_RINGBUF_BUSY_BIT)
		return false;
	len = head & ~BPF_RINGBUF_DISCARD_BIT;
	if (!(head & BPF_RINGBUF_DISCARD_BIT)) {
		const struct probe_event *ev =
			(const void *)(at + BPF_RINGBUF_HDR_SZ);

		fn(arg, ev, ev + 1);
		++*n;
	}
	__atomic_store_n(r->consumer,
			 *r->consumer + ((len + BPF_RINGBUF_HDR_SZ + 7) & ~7u),
			 __ATOMIC_RELEASE);
	return true;
}

static int read_some(struct ring *r, loader_event_fn *fn, void *arg)
{
	int n = 0;

	while (n < READER_BATCH && read_one(r, fn, arg, &n))
		;
	r->busy = n > 0;
	return n;
}

static void say(struct ring *r, enum reader_state state)
{
	/* a full barrier: what is read after it is read after it */
	(void)__atomic_exchange_n(r->reader, state, __ATOMIC_SEQ_CST);
}

/*
 * Who waits says so first and looks once more then: a writer has either seen
 * the word, or its record is seen here. A record that is not finished yet is
 * waited for in small steps, its writer does not wake.
 */
static int wait_as(struct ring *r, enum reader_state state, int ms)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	struct timespec step = {.tv_nsec = 50000};
	int err = 0;

	say(r, state);
	if (!is_empty(r))
		nanosleep(&step, NULL);
	else if (poll(&p, 1, ms) < 0)
		err = -errno;
	say(r, READER_AWAKE);
	return err;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

int ring_poll(struct ring *r, int timeout_ms, loader_event_fn *fn, void *arg)
{
	int64_t end = timeout_ms < 0 ? INT64_MAX / 2 : now_ms() + timeout_ms;
	int n = read_some(r, fn, arg), err;
	int64_t left;

	while (!n && (left = end - now_ms()) > 0) {
		if (left > 3600 * 1000)
			left = 3600 * 1000;
		err = wait_as(r, READER_NAPS,
			      left < READER_NAP_MS ? left : READER_NAP_MS);
		if (!err && !(n = read_some(r, fn, arg)) && is_empty(r) &&
		    (left = end - now_ms()) > 0) {
			err = wait_as(r, READER_IDLE,
				      left < 1000 ? left : 1000);
			n = read_some(r, fn, arg);
		}
		if (err)
			return n ? n : err;
	}
	/* Who asked for no waiting waits on the descriptor himself. */
	if (!timeout_ms)
		say(r, n ? READER_NAPS : READER_IDLE);
	if (!n && !timeout_ms && !is_empty(r))
		n = read_some(r, fn, arg);
	return n;
}
