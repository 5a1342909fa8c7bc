/*
 * Admission alone: hold + settle + free on 4 cells, region warm, one thread
 * and all cores on the same cells, with a whole ledger row as the draft.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "budget/hold.h"

#define NCELLS 4
#define ROUNDS 2000 /* short: half a millisecond undisturbed is enough */
#define DRAFT 2912  /* a ledger row */

static struct lg_region *r;
static struct lg_charge charge[NCELLS];

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *work(void *arg)
{
	size_t len = *(size_t *)arg;
	char draft[DRAFT] = {0};
	struct lg_hold h;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (lg_hold_take(r, charge, NCELLS, draft, len, &h, NULL) != 0)
			abort();
		lg_hold_dispatched(r, &h);
		if (lg_hold_settle(r, &h, 1000, draft, len) != 0)
			abort();
		lg_hold_free(r, &h);
	}
	return NULL;
}

static void *find(void *arg)
{
	struct lg_cell_spec s = *(struct lg_cell_spec *)arg;
	bool fresh;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		s.id.a = (uint64_t)(i % NCELLS) + 1;
		if (lg_cell_find(r, &s, &fresh) < 0)
			abort();
	}
	return NULL;
}

static double run(unsigned threads, size_t len)
{
	double best = 1e18, t;
	pthread_t id[64];
	unsigned i, round;

	for (round = 0; round < 400; round++) {
		t = now_ns();
		for (i = 0; i < threads; i++)
			pthread_create(&id[i], NULL, work, &len);
		for (i = 0; i < threads; i++)
			pthread_join(id[i], NULL);
		t = (now_ns() - t) / ROUNDS;
		best = t < best ? t : best;
	}
	return best;
}

int main(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct lg_region_options o = {.create = true};
	char path[64];
	bool fresh;
	unsigned i;

	snprintf(path, sizeof(path), "/dev/shm/llmguard-bench-%d", getpid());
	o.path = path;
	if (lg_region_open(&o, &r, NULL) != 0)
		return 1;
	for (i = 0; i < NCELLS; i++) {
		struct lg_cell_spec s = {.name = LG_SLICE("b"),
					 .id = {i + 1, 1},
					 .period = LG_PERIOD_TOTAL,
					 .window = 1,
					 .window_end_ms = INT64_MAX};
		charge[i].cell = lg_cell_find(r, &s, &fresh);
		lg_cell_seed(r, charge[i].cell, 1, 0);
		charge[i].window = 1;
		charge[i].amount_pusd = 100000;
		charge[i].limit_pusd = INT64_MAX;
	}
	cores = cores > 64 ? 64 : cores;
	{
		struct lg_cell_spec s = {.id = {1, 1}, .window = 1};
		double t = now_ns();

		find(&s);
		printf("find_cell_ns %.0f\n", (now_ns() - t) / ROUNDS);
	}
	printf("admit_4_budgets_ns %.0f\n", run(1, 1));
	printf("admit_with_row_ns %.0f\n", run(1, DRAFT));
	printf("admit_contended_ns %.0f\n", run((unsigned)cores, DRAFT));
	lg_region_close(r);
	unlink(path);
	return 0;
}
