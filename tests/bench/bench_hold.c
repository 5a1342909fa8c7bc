/*
 * Admission alone: hold + settle + free on 1, 4 and 16 cells, region warm, one
 * thread and all cores on the same cells, with a whole ledger row as the draft;
 * one of 10,000 users' counters found, held and settled; what a model's answer
 * teaches, and what that costs the next call.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "budget/hold.h"
#include "budget/stats.h"

#define NCELLS 16
#define USERS 10000
#define ROUNDS 2000 /* short: half a millisecond undisturbed is enough */
#define DRAFT 2912  /* a ledger row */

static struct lg_region *r;
static struct lg_charge charge[NCELLS];
static unsigned ncells = 4;

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
		if (lg_hold_take(r, charge, ncells, draft, len, &h, NULL) != 0)
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
		s.id.a = (uint64_t)(i % 4) + 1;
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

static int user_cell(unsigned user, unsigned max_keys)
{
	char value[16];
	struct lg_cell_spec s = {
		.name = LG_SLICE("users"),
		.scope = LG_SLICE("user:*"),
		.value = {value, 0},
		.id = {user * UINT64_C(0x9e3779b97f4a7c15), 2},
		.period = LG_PERIOD_TOTAL,
		.window = 1,
		.window_end_ms = INT64_MAX,
		.max_keys = max_keys,
		.each = true,
	};
	bool fresh;
	int cell;

	s.value.len = (size_t)snprintf(value, sizeof(value), "u%u", user);
	cell = lg_cell_find(r, &s, &fresh);
	if (cell < 0)
		abort();
	if (fresh)
		lg_cell_seed(r, cell, 1, 0);
	return cell;
}

/* Of 10,000 users a thousand have a counter, the rest share one. */
static double run_users(unsigned from, unsigned n, unsigned max_keys)
{
	struct lg_charge c = charge[0];
	struct lg_hold h;
	double best = 1e18, t;

	for (unsigned round = 0; round < 20; round++) {
		t = now_ns();
		for (unsigned i = 0; i < n; i++) {
			c.cell = user_cell(from + i * 7 % n, max_keys);
			if (lg_hold_take(r, &c, 1, "", 1, &h, NULL) != 0)
				abort();
			lg_hold_dispatched(r, &h);
			if (lg_hold_settle(r, &h, 1000, "", 1) != 0)
				abort();
			lg_hold_free(r, &h);
		}
		t = (now_ns() - t) / n;
		best = t < best ? t : best;
	}
	return best;
}

static void run_learned(void)
{
	struct lg_sample s = {true, false, 300, 4000, 1000};
	struct lg_slice provider = LG_SLICE("openai"),
			model = LG_SLICE("gpt-4o-mini");
	struct lg_hash128 id;
	struct lg_learned l;
	double learn = 1e18, get = 1e18, t;

	for (unsigned round = 0; round < 50; round++) {
		t = now_ns();
		for (unsigned i = 0; i < ROUNDS; i++) {
			s.output_tokens = i % 1000;
			id = lg_stats_id(provider, model);
			lg_stats_learn(r, id, provider, model, &s);
		}
		t = (now_ns() - t) / ROUNDS;
		learn = t < learn ? t : learn;
		t = now_ns();
		for (unsigned i = 0; i < ROUNDS; i++) {
			id = lg_stats_id(provider, model);
			if (!lg_stats_get(r, id, &l))
				abort();
		}
		t = (now_ns() - t) / ROUNDS;
		get = t < get ? t : get;
	}
	printf("learned_get_ns %.0f\nlearned_put_ns %.0f\n", get, learn);
}

static double run_n(unsigned n, unsigned threads)
{
	ncells = n;
	return run(threads, 1);
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
	printf("admit_1_budget_ns %.0f\n", run_n(1, 1));
	printf("admit_16_budgets_ns %.0f\n", run_n(16, 1));
	printf("admit_4_budgets_ns %.0f\n", run_n(4, 1));
	printf("admit_with_row_ns %.0f\n", run(1, DRAFT));
	printf("admit_contended_ns %.0f\n", run((unsigned)cores, DRAFT));
	run_users(0, 1000, 1000);
	printf("admit_user_ns %.0f\n", run_users(0, 1000, 1000));
	printf("admit_10000_users_ns %.0f\n", run_users(0, USERS, 1000));
	run_learned();
	lg_region_close(r);
	unlink(path);
	return 0;
}
