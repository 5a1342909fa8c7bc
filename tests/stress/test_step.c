/*
 * Ends the real take, settle, release and recovery at each instruction,
 * sweeps, and checks the money to the picodollar. A child steps itself by the
 * trap flag (a signal for each instruction, much faster than ptrace).
 * Exhaustive: one child keeps what the region held after each instruction,
 * and each of these states, which are what a kill there leaves, is swept.
 * Sampled: real kills, also while another stands still in the middle of the
 * same cells, and of the one who recovers.
 */
#include <errno.h>
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
#define NCELLS 3
#define HOLD (USD / 10)
#define ACTUAL (USD / 25)
#define LIMIT (5 * USD)

enum script { SETTLE, RELEASE, REFUSED, REDRAFT, SCRIPTS };

/* What the child tells, in memory that outlives it. */
struct told {
	volatile int sent, written, done;
	volatile long count, stop_at, kill_at;
};

static struct lg_region *r;
static struct told *told;
static int cell[NCELLS];
static const char take_row[48] = "taken", final_row[64] = "final";
static struct {
	int rows, abandoned;
	int bad;
} swept;

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, long a, long b)
{
	fprintf(stderr, "test_step: %s (%ld, %ld)\n", what, a, b);
	exit(1);
}

/* -- the child ----------------------------------------------------------- */

static void play(enum script what, struct told *t)
{
	struct lg_charge c[NCELLS];
	struct lg_hold h;
	int i;

	for (i = 0; i < NCELLS; i++)
		c[i] = (struct lg_charge){cell[i], 1, HOLD, LIMIT};
	/* The look does not see a dead handle, the step does: roll back. */
	if (what == REFUSED)
		c[NCELLS - 1].cell ^= 1 << 20;
	i = lg_hold_take(r, c, NCELLS, take_row, sizeof(take_row), &h, NULL);
	if (i != 0)
		return;
	if (what == RELEASE) {
		lg_hold_release(r, &h);
		return;
	}
	lg_hold_dispatched(r, &h);
	t->sent = 1;
	if (what == REDRAFT)
		lg_hold_redraft(r, &h, take_row, sizeof(take_row));
	lg_hold_settle(r, &h, ACTUAL, final_row, sizeof(final_row));
	t->written = 1;
	lg_hold_free(r, &h);
}

#define SNAPS_MAX 20000 /* a sanitizer adds its own */
#define SNAP_DRAFTS 3
#define SNAP_BYTES 64

/* All that one call can change. */
struct snap {
	struct told told;
	struct lg_cell cell[NCELLS];
	struct lg_slot slot;
	uint32_t hint[LG_HINTS], buf_owner[LG_BUFS];
	uint32_t buf[SNAP_DRAFTS];
	unsigned char bytes[SNAP_DRAFTS][SNAP_BYTES];
};

static struct told *me;
static struct snap *snaps; /* kept by the child when keep is set */
static bool keep;
static uint32_t the_slot; /* that the child will claim */

static void copy_bufs(struct snap *s)
{
	struct lg_map *m = r->map;
	uint32_t i, n = 0;

	for (i = 0; i < SNAP_DRAFTS; i++)
		s->buf[i] = LG_BUFS;
	for (i = 0; i < LG_BUFS && n < SNAP_DRAFTS; i++) {
		if (m->head.buf_owner[i] != the_slot + 1)
			continue;
		s->buf[n] = i;
		memcpy(s->bytes[n++], m->draft[i].bytes, SNAP_BYTES);
	}
}

static void save(struct snap *s)
{
	struct lg_map *m = r->map;
	int i;

	s->told = *me;
	for (i = 0; i < NCELLS; i++)
		s->cell[i] = m->cell[lg_cell_index((uint32_t)cell[i])];
	s->slot = m->slot[the_slot];
	memcpy(s->hint, m->head.hint, sizeof(s->hint));
	memcpy(s->buf_owner, m->head.buf_owner, sizeof(s->buf_owner));
	copy_bufs(s);
}

static void restore(const struct snap *s)
{
	struct lg_map *m = r->map;
	int i;

	*told = s->told;
	for (i = 0; i < NCELLS; i++)
		m->cell[lg_cell_index((uint32_t)cell[i])] = s->cell[i];
	m->slot[the_slot] = s->slot;
	memcpy(m->head.hint, s->hint, sizeof(s->hint));
	memcpy(m->head.buf_owner, s->buf_owner, sizeof(s->buf_owner));
	for (i = 0; i < SNAP_DRAFTS; i++)
		if (s->buf[i] < LG_BUFS)
			memcpy(m->draft[s->buf[i]].bytes, s->bytes[i],
			       SNAP_BYTES);
}

static void on_trap(int sig)
{
	long n = ++me->count;

	(void)sig;
	if (keep && n < SNAPS_MAX)
		save(&snaps[n]);
	if (n == me->stop_at)
		kill(getpid(), SIGSTOP);
	if (n == me->kill_at)
		kill(getpid(), SIGKILL);
}

/* From the next instruction on. */
static void trap_on(struct told *t)
{
	me = t;
	signal(SIGTRAP, on_trap);
#if defined(__x86_64__)
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq;"
			 "orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
				 : "memory", "cc");
#endif
}

static void trap_off(void)
{
#if defined(__x86_64__)
	__asm__ volatile(
		"lea -128(%%rsp), %%rsp; pushfq;"
		"andq $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
			: "memory", "cc");
#endif
}

/* Ends at instruction kill_at, or after the script; waits for a stop. */
static pid_t start(enum script what, struct told *t, long stop_at, long kill_at)
{
	pid_t pid;

	memset(t, 0, sizeof(*t));
	t->stop_at = stop_at;
	t->kill_at = kill_at;
	pid = fork();
	if (pid < 0)
		die("fork", errno, 0);
	if (pid == 0) {
		lg_owner_self();
		trap_on(t);
		play(what, t);
		trap_off();
		t->done = 1;
		_exit(0);
	}
	if (waitpid(pid, NULL, WUNTRACED) != pid)
		die("waitpid", errno, 0);
	return pid;
}

static void end(pid_t pid)
{
	if (kill(pid, SIGKILL) == 0)
		waitpid(pid, NULL, 0);
}

/* -- what must be true --------------------------------------------------- */

static int on_row(void *ctx, enum lg_swept what, const void *draft, size_t len)
{
	(void)ctx;
	swept.rows++;
	if (what == LG_SWEPT_ABANDONED) {
		swept.abandoned++;
		swept.bad += len != sizeof(take_row) ||
			     memcmp(draft, take_row, len) != 0;
	} else {
		swept.bad += len != sizeof(final_row) ||
			     memcmp(draft, final_row, len) != 0;
	}
	return 0;
}

static void sweep(void)
{
	memset(&swept, 0, sizeof(swept));
	lg_hold_sweep(r, true, on_row, NULL);
}

static int64_t used(int c)
{
	return (int64_t)r->map->cell[lg_cell_index((uint32_t)c)].word.lo;
}

static void check_clean(long k)
{
	struct lg_map *m = r->map;
	unsigned i, n = 0;

	for (i = 0; i < LG_SLOTS; i++) {
		uint32_t b = m->slot[i].draft[0] >> 16;

		if (lg_word_state(m->slot[i].word) != LG_SLOT_FREE ||
		    m->slot[i].owner.hi != 0)
			die("a slot is left", k, i);
		if (b >= LG_BUFS || m->head.buf_owner[b] != i + 1)
			die("a slot without a draft", k, i);
	}
	for (i = 0; i < LG_BUFS; i++)
		n += m->head.buf_owner[i] != 0;
	if (n != LG_SLOTS)
		die("a draft leaked", k, (long)n);
}

/* What the rows of one call say it cost. */
static int64_t cost_of(const struct told *t, int rows, int abandoned)
{
	if (t->written)
		return ACTUAL;
	if (rows == 0)
		return 0;
	return abandoned ? HOLD : ACTUAL;
}

static void check_money(long k, int64_t want)
{
	int i;

	for (i = 0; i < NCELLS; i++) {
		if (used(cell[i]) != want) {
			fprintf(stderr, "cell %d: used %lld, want %lld\n", i,
				(long long)used(cell[i]), (long long)want);
			die("money", k, i);
		}
	}
}

static void reset(void)
{
	struct lg_pair old;
	int i;

	for (i = 0; i < NCELLS; i++) {
		uint32_t c = lg_cell_index((uint32_t)cell[i]);

		old = lg_pair_load(&r->map->cell[c].word, false);
		lg_swap_free(r->map, c, old, 0, 1);
	}
}

/* -- phases -------------------------------------------------------------- */

static void check_call(long k, enum script what)
{
	sweep();
	if (swept.bad)
		die("draft", k, what);
	if (told->sent && !told->written && swept.rows == 0)
		die("a sent call without a row", k, what);
	if (what >= RELEASE && what <= REFUSED && swept.rows != 0)
		die("a row for nothing", k, what);
	check_money(k, cost_of(told, swept.rows, swept.abandoned));
	check_clean(k);
	reset();
}

static void each_instruction(enum script what)
{
	long k, n;

	keep = true;
	start(what, told, 0, 0);
	keep = false;
	n = told->count;
	if (n >= SNAPS_MAX)
		die("more instructions than room", n, what);
	check_call(0, what);
	for (k = 1; k <= n; k++) {
		restore(&snaps[k]);
		check_call(k, what);
	}
	printf("script %d: %ld instructions\n", (int)what, n);
}

static void kills(double until_s)
{
	enum script what;
	long n, k;

	for (n = 0; now_s() < until_s; n++) {
		what = (enum script)(rand() % SCRIPTS);
		k = 1 + rand() % 2800;
		start(what, told, 0, k);
		check_call(k, what);
	}
	printf("kills: %ld\n", n);
}

/* One stands still in the middle while another works on the same cells. */
static void pairs(double until_s)
{
	struct told *other = told + 1;
	long n;
	int64_t want;
	pid_t a;

	for (n = 0; now_s() < until_s; n++) {
		long j = 1 + rand() % 2000;

		a = start((enum script)(rand() % SCRIPTS), told, j, 0);
		start((enum script)(rand() % SCRIPTS), other, 0,
		      1 + rand() % 3000);
		sweep();
		want = cost_of(other, swept.rows, swept.abandoned);
		if (told->done) {
			/* nothing: it came to its end before */
		} else if (rand() % 2) {
			told->kill_at = j + rand() % 1500;
			kill(a, SIGCONT);
			waitpid(a, NULL, 0);
		} else {
			end(a);
		}
		sweep();
		want += cost_of(told, swept.rows, swept.abandoned);
		check_money(n, want);
		check_clean(n);
		reset();
	}
	printf("pairs: %ld\n", n);
}

static int32_t find_slot(pid_t pid)
{
	uint32_t i;

	for (i = 0; i < LG_SLOTS; i++)
		if (lg_owner_pid(r->map->slot[i].owner) == (uint32_t)pid)
			return (int32_t)i;
	return -1;
}

static void recover_and_die(uint32_t slot, struct told *t)
{
	struct lg_pair o = r->map->slot[slot].owner;
	pid_t pid = fork();

	if (pid == 0) {
		lg_owner_self();
		trap_on(t);
		lg_slot_seize(r->map, slot, &o);
		lg_recover(r->map, slot, o);
		trap_off();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* The one who recovers is killed too, at any instruction. */
static void recoveries(double until_s)
{
	struct told *by = told + 1;
	long n, done = 0;

	for (n = 0; now_s() < until_s; n++) {
		pid_t a = start((enum script)(rand() % SCRIPTS), told, 0,
				1 + rand() % 2600);
		int32_t slot = find_slot(a);

		if (slot >= 0) {
			memset(by, 0, sizeof(*by));
			/* Half of them beyond the walk over the buffers. */
			by->kill_at =
				1 + (rand() % 2 ? rand() % 150 : rand() % 8000);
			recover_and_die((uint32_t)slot, by);
			done++;
		}
		sweep();
		check_money(n, cost_of(told, swept.rows, swept.abandoned));
		check_clean(n);
		reset();
	}
	printf("recoveries: %ld killed of %ld\n", done, n);
}

int main(void)
{
	struct lg_region_options o = {.create = true};
	struct lg_hold h;
	char path[64];
	bool fresh;
	int i;

	told = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snaps = mmap(NULL, SNAPS_MAX * sizeof(*snaps), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	snprintf(path, sizeof(path), "/dev/shm/llmguard-step-%d", getpid());
	o.path = path;
	if (lg_region_open(&o, &r, NULL) != 0)
		die("region", 0, 0);
	unlink(path);
	for (i = 0; i < NCELLS; i++) {
		struct lg_cell_spec s = {.name = LG_SLICE("b"),
					 .id = {(uint64_t)i + 1, 1},
					 .period = LG_PERIOD_TOTAL,
					 .window = 1};
		cell[i] = lg_cell_find(r, &s, &fresh);
		lg_cell_seed(r, cell[i], 1, 0);
	}
#if !defined(__x86_64__)
	printf("no trap flag on this machine\n");
	return 77;
#elif defined(__SANITIZE_THREAD__)
	printf("ThreadSanitizer adds too many instructions to step through\n");
	return 77;
#endif
	setbuf(stdout, NULL);
	/* Claims the slot that the children, our copies, will claim. */
	if (lg_hold_row(r, "", 0, &h) != 0)
		die("row", 0, 0);
	the_slot = (uint32_t)h.slot;
	lg_hold_free(r, &h);
	srand((unsigned)time(NULL));
	for (i = 0; i < SCRIPTS; i++)
		each_instruction((enum script)i);
	kills(now_s() + 8);
	pairs(now_s() + 7);
	recoveries(now_s() + 7);
	lg_region_close(r);
	return 0;
}
