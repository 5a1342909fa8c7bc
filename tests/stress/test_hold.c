/*
 * Admission under concurrency: a $5.00 strict budget with calls of $0.10
 * admits exactly 50, from 1,000 threads and from 8 processes of 64 threads,
 * alone and beside a budget that is not tight; with kill -9 at random `used`
 * never exceeds the limit, no hold is left after a sweep, and the sums agree
 * to the picodollar.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "budget/swap.h"

#define USD INT64_C(1000000000000)
#define PRICE (USD / 10)
#define PROCS 8
#define THREADS 64
#define CALLS_MAX (4u << 20)

/*
 * ThreadSanitizer changes 16 bytes under a lock of the process, and does not
 * see an order that goes through another process: threads only.
 */
#if defined(__SANITIZE_THREAD__)
#define THREADS_ONLY true
#else
#define THREADS_ONLY false
#endif

struct shared {
	uint64_t admitted, refused, busy, next_call;
	uint64_t looks; /* of the observer */
	uint64_t over;	/* times the observer saw more than the limit */
	/* The "ledger": cost + 1 of each call, 0 none; and who was sent. */
	int64_t row[CALLS_MAX];
	unsigned char sent[CALLS_MAX];
};

struct draft {
	uint64_t call;
	int64_t cost;
	char filler[2896];
};

static struct shared *sh;
static struct lg_region *r;
static char path[64];
static struct lg_charge charge[2];
static unsigned ncharges;
static uint64_t next_cell;

static void die(const char *what, long long a, long long b)
{
	fprintf(stderr, "test_hold: %s (%lld, %lld)\n", what, a, b);
	unlink(path);
	exit(1);
}

static int make_cell(int64_t limit)
{
	struct lg_cell_spec s = {.name = LG_SLICE("b"),
				 .id = {++next_cell, 3},
				 .period = LG_PERIOD_TOTAL,
				 .window = 1,
				 .window_end_ms = INT64_MAX,
				 .limit_pusd = limit};
	bool fresh;
	int c = lg_cell_find(r, &s, &fresh);

	if (c < 0)
		die("cell", c, 0);
	lg_cell_seed(r, c, 1, 0);
	return c;
}

static int64_t used(unsigned i)
{
	struct lg_cell_view v;

	if (lg_cell_view(r, (unsigned)charge[i].cell % LG_CELLS, &v) != 0)
		die("view", i, 0);
	return v.used_pusd;
}

static unsigned live(void)
{
	struct lg_hold_view v;
	unsigned i, n = 0;

	for (i = 0; i < lg_hold_slots(r); i++)
		n += lg_hold_view(r, i, &v, NULL) == 0;
	return n;
}

static uint32_t rnd(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/* -- exactly 50 ---------------------------------------------------------- */

/* One call of one caller; a contended one asks again, as a client would. */
static void *one_call(void *arg)
{
	struct lg_hold h;
	int err;

	pthread_barrier_wait(arg);
	do {
		err = lg_hold_take(r, charge, ncharges, "row", 3, &h, NULL);
		if (err == -EBUSY)
			lg_add_relaxed(&sh->busy, 1);
	} while (err == -EBUSY);
	if (err == 0) {
		lg_add_relaxed(&sh->admitted, 1);
		lg_hold_dispatched(r, &h);
		if (lg_hold_settle(r, &h, PRICE, "row", 3) != 0)
			die("settle", 0, 0);
		lg_hold_free(r, &h);
	} else if (err == -EDQUOT) {
		lg_add_relaxed(&sh->refused, 1);
	} else {
		die("take", err, 0);
	}
	return NULL;
}

static void many_threads(unsigned n)
{
	pthread_t *id = calloc(n, sizeof(*id));
	pthread_barrier_t start;
	pthread_attr_t attr;
	unsigned i;

	pthread_barrier_init(&start, NULL, n);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (i = 0; i < n; i++)
		if (pthread_create(&id[i], &attr, one_call, &start) != 0)
			die("thread", i, 0);
	for (i = 0; i < n; i++)
		pthread_join(id[i], NULL);
	free(id);
}

static void many_processes(void)
{
	pid_t pid[PROCS];
	int i, st;

	for (i = 0; i < PROCS; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			many_threads(THREADS);
			_exit(0);
		}
	}
	for (i = 0; i < PROCS; i++)
		if (waitpid(pid[i], &st, 0) != pid[i] || st != 0)
			die("child", i, st);
}

static void exactly_50(const char *title, int64_t second, bool processes)
{
	unsigned total = processes ? PROCS * THREADS : 1000;

	memset(sh, 0, offsetof(struct shared, row));
	/* The loose one first in the order, so that it is rolled back. */
	ncharges = 0;
	if (second > 0)
		charge[ncharges++] =
			(struct lg_charge){make_cell(second), 1, PRICE, second};
	charge[ncharges++] =
		(struct lg_charge){make_cell(5 * USD), 1, PRICE, 5 * USD};
	if (processes)
		many_processes();
	else
		many_threads(total);
	if (sh->admitted != 50 || sh->refused != total - 50)
		die(title, (long long)sh->admitted, (long long)sh->refused);
	for (unsigned i = 0; i < ncharges; i++)
		if (used(i) != 5 * USD)
			die("sum", (long long)used(i), i);
	if (live() != 0)
		die("holds left", live(), 0);
	printf("%s: 50 of %u, contention %llu\n", title, total,
	       (unsigned long long)sh->busy);
}

/* -- kill -9 ------------------------------------------------------------- */

static void note_row(uint64_t call, int64_t cost)
{
	if (call < CALLS_MAX)
		lg_store_seq(&sh->row[call], cost + 1);
}

static int on_row(void *ctx, enum lg_swept what, const void *p, size_t len)
{
	const struct draft *d = p;

	(void)ctx;
	if (len != sizeof(*d))
		die("draft", (long long)len, what);
	note_row(d->call, what == LG_SWEPT_ABANDONED ? PRICE : d->cost);
	return 0;
}

static void one_exchange(struct draft *d, uint32_t *seed)
{
	struct lg_hold h;
	int err = lg_hold_take(r, charge, ncharges, d, sizeof(*d), &h, NULL);

	if (err == -EBUSY || err == -EDQUOT) {
		lg_add_relaxed(err == -EBUSY ? &sh->busy : &sh->refused, 1);
		return;
	}
	if (err == -ENOSPC) {
		lg_hold_sweep(r, false, on_row, NULL);
		return;
	}
	if (err != 0)
		die("take", err, 0);
	if (rnd(seed) % 4 == 0) {
		lg_hold_release(r, &h);
		return;
	}
	lg_hold_dispatched(r, &h);
	lg_store_seq(&sh->sent[d->call], 1);
	d->cost = (int64_t)(rnd(seed) % 1000);
	if (rnd(seed) % 8 == 0)
		lg_hold_redraft(r, &h, d, sizeof(*d));
	if (lg_hold_settle(r, &h, d->cost, d, sizeof(*d)) != 0)
		die("settle", 0, 0);
	note_row(d->call, d->cost);
	lg_hold_free(r, &h);
	lg_add_relaxed(&sh->admitted, 1);
}

static void *exchanges(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
	struct draft d;

	memset(&d, 0, sizeof(d));
	for (;;) {
		d.call = lg_add_relaxed(&sh->next_call, 1);
		if (d.call >= CALLS_MAX)
			return NULL;
		d.cost = 0;
		one_exchange(&d, &seed);
	}
}

static void victim(unsigned n)
{
	pthread_t id;
	unsigned i;

	for (i = 1; i < THREADS; i++)
		if (pthread_create(&id, NULL, exchanges,
				   (void *)(uintptr_t)(n * THREADS + i)) != 0)
			_exit(9);
	exchanges((void *)(uintptr_t)(n * THREADS));
	for (;;)
		pause();
}

/* A process of its own, which looks all the time. */
static pid_t start_observer(void)
{
	pid_t pid = fork();

	while (pid == 0) {
		for (unsigned i = 0; i < ncharges; i++) {
			uint32_t c = lg_cell_index((uint32_t)charge[i].cell);
			struct lg_pair w =
				lg_pair_load(&r->map->cell[c].word, true);

			if ((int64_t)w.lo > charge[i].limit_pusd)
				lg_add_relaxed(&sh->over, 1);
			lg_add_relaxed(&sh->looks, 1);
		}
	}
	return pid;
}

static pid_t start_victim(unsigned n)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* The one who kills must come to its turn. */
		(void)!nice(10);
		victim(n);
	}
	if (pid < 0)
		die("fork", errno, n);
	return pid;
}

static void end_victim(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void check_sums(const char *title, unsigned kills)
{
	int64_t sum = 0;
	uint64_t i, rows = 0;

	lg_hold_sweep(r, true, on_row, NULL);
	if (live() != 0)
		die("holds left", live(), kills);
	for (i = 0; i < CALLS_MAX; i++) {
		if (sh->row[i] != 0) {
			sum += sh->row[i] - 1;
			rows++;
		} else if (sh->sent[i]) {
			die("a sent call without a row", (long long)i, kills);
		}
	}
	for (i = 0; i < ncharges; i++)
		if (used((unsigned)i) != sum)
			die("ledger and region differ", sum, used((unsigned)i));
	if (sh->over != 0)
		die("over the limit", (long long)sh->over, kills);
	if (rows == 0 || sh->looks == 0)
		die("nothing happened", (long long)rows, (long long)sh->looks);
	printf("%s: %u kills, %llu looks, %llu rows, %llu refused, "
	       "contention %llu\n",
	       title, kills, (unsigned long long)sh->looks,
	       (unsigned long long)rows, (unsigned long long)sh->refused,
	       (unsigned long long)sh->busy);
}

static void tight_cells(void)
{
	memset(sh, 0, sizeof(*sh));
	ncharges = 2;
	/* About 20 holds fit beside what was spent. */
	charge[0] = (struct lg_charge){make_cell(9 * USD), 1, PRICE, 9 * USD};
	charge[1] = (struct lg_charge){make_cell(2 * USD), 1, PRICE, 2 * USD};
}

static void by_threads(void)
{
	pthread_t id[THREADS];
	uintptr_t i;

	tight_cells();
	sh->next_call = CALLS_MAX - 200000;
	sh->looks = 1;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&id[i], NULL, exchanges, (void *)i) != 0)
			die("thread", (long long)i, 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	check_sums("64 threads", 0);
}

static void with_kills(int seconds)
{
	time_t t0 = time(NULL), now = t0;
	unsigned n = 0, i, total = PROCS;
	pid_t pid[PROCS];
	uint32_t seed = 77;
	pid_t watch;

	tight_cells();
	watch = start_observer();
	for (i = 0; i < PROCS; i++)
		pid[i] = start_victim(i);
	/* On a busy machine a process of 64 threads dies slowly. */
	for (; now < t0 + seconds || (n < 30 && now < t0 + 3 * seconds);
	     now = time(NULL)) {
		usleep(2000 + rnd(&seed) % 20000);
		i = rnd(&seed) % PROCS;
		end_victim(pid[i]);
		n++;
		if (rnd(&seed) % 4 == 0)
			lg_hold_sweep(r, false, on_row, NULL);
		pid[i] = start_victim(total++);
	}
	for (i = 0; i < PROCS; i++)
		end_victim(pid[i]);
	end_victim(watch);
	check_sums("kill -9", n);
}

int main(void)
{
	struct lg_region_options o = {.create = true};
	time_t t0 = time(NULL);
	unsigned i;

	setbuf(stdout, NULL);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	snprintf(path, sizeof(path), "/dev/shm/llmguard-stress-%d", getpid());
	o.path = path;
	if (sh == MAP_FAILED || lg_region_open(&o, &r, NULL) != 0)
		die("region", errno, 0);
	unlink(path);
	/* Under a sanitizer one round takes long enough. */
	for (i = 0; i < 5 && time(NULL) - t0 < 10; i++) {
		exactly_50("1,000 threads", 0, false);
		exactly_50("1,000 threads, another loose", 1000 * USD, false);
		exactly_50("1,000 threads, both tight", 5 * USD, false);
		if (THREADS_ONLY)
			continue;
		exactly_50("8 x 64", 0, true);
		exactly_50("8 x 64, another loose", 1000 * USD, true);
		exactly_50("8 x 64, both tight", 5 * USD, true);
	}
	by_threads();
	if (!THREADS_ONLY)
		with_kills(10);
	lg_region_close(r);
	return 0;
}
