#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/hash.h"
#include "ledger/row.h"

/*
 * On a page of its own that the kernel wipes in a forked child (also one
 * made by a bare clone): ready is 0 there and a new start is drawn.
 */
struct source {
	uint32_t ready;
	uint32_t high;
	uint64_t low; /* counts up */
};

static struct source *shared;
static struct source fallback;
static uint64_t fallback_pid;

static struct source *source_get(void)
{
	struct source *s = lg_load_acquire(&shared), *none = NULL;
	uint64_t pid;

	if (!s) {
		s = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (s != MAP_FAILED && madvise(s, 4096, MADV_WIPEONFORK)) {
			munmap(s, 4096);
			s = MAP_FAILED;
		}
		if (s == MAP_FAILED) {
			s = &fallback;
		}
		if (!lg_cas_seq(&shared, &none, s)) {
			if (s != &fallback)
				munmap(s, 4096);
			s = none;
		}
	}
	if (s == &fallback) {
		pid = (uint64_t)getpid();
		if (lg_xchg_seq(&fallback_pid, pid) != pid)
			lg_store_release(&s->ready, 0);
	}
	return s;
}

static void draw(struct source *s)
{
	struct lg_hash128 h;
	uint64_t seed[4];

	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed)) {
		seed[0] = (uint64_t)lg_clock_boot_ns();
		seed[1] = (uint64_t)getpid();
		seed[2] = (uint64_t)(uintptr_t)&h;
		seed[3] = (uint64_t)lg_clock_real_ms();
	}
	h = lg_hash128(seed, sizeof(seed), 0);
	lg_store_relaxed(&s->low, h.a);
	lg_store_relaxed(&s->high, (uint32_t)h.b & 0xffff);
	lg_store_release(&s->ready, 1);
}

void lg_row_new_id(int64_t unix_ms, char out[27])
{
	static const char digit[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	int saved = errno;
	struct source *s = source_get();
	unsigned __int128 v;
	uint64_t low, high;
	int i;

	if (!lg_load_acquire(&s->ready))
		draw(s);
	low = lg_add_relaxed(&s->low, 1);
	high = lg_load_relaxed(&s->high);
	v = (unsigned __int128)((uint64_t)unix_ms & 0xffffffffffff) << 80 |
	    (unsigned __int128)high << 64 | low;
	for (i = 25; i >= 0; i--, v >>= 5)
		out[i] = digit[(unsigned)v & 31];
	out[26] = 0;
	errno = saved;
}
