#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "budget/stats.h"
#include "budget/swap.h"

#define NOW INT64_C(1790000000000)

static struct lg_region *r;
static char path[64];

static int setup(void **state)
{
	struct lg_region_options o = {.path = path, .create = true};

	(void)state;
	lg_clock_set_real_ms(NOW);
	snprintf(path, sizeof(path), "/dev/shm/llmguard-stats-%d", getpid());
	unlink(path);
	return lg_region_open(&o, &r, NULL);
}

static int teardown(void **state)
{
	(void)state;
	lg_clock_set_real_ms(0);
	lg_region_close(r);
	return unlink(path);
}

static struct lg_hash128 id_of(const char *model)
{
	return lg_stats_id(LG_SLICE("openai"), lg_slice_str(model));
}

static void learn(const char *model, const struct lg_sample *s)
{
	lg_stats_learn(r, id_of(model), LG_SLICE("openai"), lg_slice_str(model),
		       s);
}

static void output(const char *model, uint64_t n)
{
	learn(model,
	      &(struct lg_sample){.has_output = true, .output_tokens = n});
}

static void prompt(const char *model, uint64_t bytes, uint64_t tokens)
{
	learn(model, &(struct lg_sample){.prompt_bytes = bytes,
					 .prompt_tokens = tokens});
}

static struct lg_learned learned(const char *model)
{
	struct lg_learned l;

	lg_stats_get(r, id_of(model), &l);
	return l;
}

static int find_view(const char *name, struct lg_stats_view *v)
{
	for (unsigned i = 0; i < lg_stats_count(r); i++)
		if (!lg_stats_view(r, i, v) && !strcmp(v->name, name))
			return 0;
	return -ENOENT;
}

static void assert_near(uint64_t is, uint64_t want, unsigned percent)
{
	if (is * 100 + 100 < want * (100 - percent) ||
	    is * 100 > want * (100 + percent) + 100)
		fail_msg("%llu is not within %u %% of %llu",
			 (unsigned long long)is, percent,
			 (unsigned long long)want);
}

static void needs_enough(void **state)
{
	(void)state;
	assert_int_equal(learned("m").output_p99, 0);
	for (unsigned i = 1; i < LG_STATS_ENOUGH; i++)
		output("m", 100);
	assert_int_equal(learned("m").output_p99, 0);
	output("m", 100);
	assert_near(learned("m").output_p99, 100, 12);
	assert_near(learned("m").output_p50, 100, 12);
	assert_int_equal(learned("m").ratio, 0);
	assert_int_equal(learned("other").output_p99, 0);
}

/* What estimates are made of: the average, and where 9 of 10 prompts lie. */
static void tells_spread(void **state)
{
	struct lg_stats_view v;

	(void)state;
	assert_int_equal(lg_stats_look(r, id_of("m"), &v), -ENOENT);
	for (unsigned i = 0; i < 100; i++) {
		output("m", i < 90 ? 100 : 2000);
		prompt("m", 1000, i < 4 ? 900 : i < 96 ? 250 : 125);
	}
	assert_int_equal(lg_stats_look(r, id_of("m"), &v), 0);
	assert_near(v.output_mean, 290, 7);
	assert_near(v.learned.output_p50, 100, 12);
	assert_near(v.learned.ratio, 4 * 1024, 8);
	assert_near(v.ratio_low, 4 * 1024, 8);
	assert_near(v.ratio_high, 4 * 1024, 8);
	for (unsigned i = 0; i < 20; i++)
		prompt("m", 1000, i < 10 ? 500 : 125);
	assert_int_equal(lg_stats_look(r, id_of("m"), &v), 0);
	assert_near(v.ratio_low, 2 * 1024, 8);
	assert_near(v.ratio_high, 8 * 1024, 8);
	assert_near(v.learned.ratio, 4 * 1024, 8);
	for (unsigned i = 1; i < LG_STATS_ENOUGH; i++)
		output("few", 100);
	assert_int_equal(lg_stats_look(r, id_of("few"), &v), 0);
	assert_int_equal(v.output_mean, 0);
	assert_int_equal(v.ratio_low, 0);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t rnd(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* Uniform, heavy-tailed, two humps; before anything fades. */
static uint64_t draw(unsigned kind)
{
	uint64_t u = rnd() % 1000000;

	if (kind == 0)
		return u % 4000;
	if (kind == 1)
		return 20 + UINT64_C(2000000) / (u + 50);
	return u % 10 ? 30 + u % 20 : 9000 + u % 3000;
}

static void quantiles_match(void **state)
{
	static uint64_t v[LG_STATS_FADE];
	const size_t n = 1000;

	(void)state;
	for (unsigned kind = 0; kind < 3; kind++)
		for (unsigned round = 0; round < 20; round++) {
			char model[32];
			struct lg_stats_view view;

			snprintf(model, sizeof(model), "q%u-%u", kind, round);
			for (size_t i = 0; i < n; i++)
				output(model, v[i] = draw(kind));
			qsort(v, n, sizeof(*v), by_size);
			snprintf(model, sizeof(model), "openai/q%u-%u", kind,
				 round);
			assert_int_equal(find_view(model, &view), 0);
			assert_int_equal(view.outputs, n);
			assert_int_equal(view.seen, n);
			assert_near(view.learned.output_p50, v[n / 2 - 1], 13);
			assert_near(view.learned.output_p99,
				    v[n * 99 / 100 - 1], 13);
			assert_near(learned(model + 7).output_p99,
				    view.learned.output_p99, 3);
		}
}

/* Every value's bucket reads as that value, never below it. */
static void scale_is_tight(void **state)
{
	(void)state;
	for (uint64_t n = 0; n <= 300000; n += 1 + n / 37) {
		struct lg_learned l;
		char model[32];

		snprintf(model, sizeof(model), "n%llu", (unsigned long long)n);
		for (unsigned i = 0; i < LG_STATS_ENOUGH; i++)
			output(model, n);
		l = learned(model);
		if (n > LG_STATS_OUTPUT_MAX) {
			assert_int_equal(l.output_p99, 0);
			continue;
		}
		assert_true(l.output_p99 >= n);
		assert_true(l.output_p99 <= n + n / 8 + 1);
	}
}

static void forgets(void **state)
{
	struct lg_stats_view v;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		output("m", 5000);
	assert_int_equal(find_view("openai/m", &v), 0);
	assert_true(v.outputs <= LG_STATS_FADE);
	assert_true(v.outputs >= LG_STATS_FADE / 2 - 1);
	assert_int_equal(v.seen, 5000);
	for (unsigned i = 0; i < 8 * LG_STATS_FADE; i++)
		output("m", 50);
	assert_near(learned("m").output_p99, 50, 13);
}

/* A thin tail stays while it is still drawn from. */
static void keeps_the_tail(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++)
		output("m", i % 50 ? 40 : 3000 + 37 * (i % 1000));
	assert_true(learned("m").output_p99 > 3000);
}

static void cut_off_is_unknown(void **state)
{
	struct lg_sample cut = {
		.has_output = true, .unfinished = true, .output_tokens = 100};
	struct lg_stats_view v;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		output("m", 80);
	assert_near(learned("m").output_p99, 80, 13);
	learn("m", &cut);
	assert_near(learned("m").output_p50, 80, 13);
	for (unsigned i = 0; i < 8; i++)
		learn("m", &cut);
	/* more than one of a hundred: nobody knows how long those were */
	assert_int_equal(learned("m").output_p99, 0);
	assert_int_equal(find_view("openai/m", &v), 0);
	assert_int_equal(v.unfinished, 9);
	assert_int_equal(v.outputs, 109);
	assert_near(v.learned.output_p50, 80, 13);
	for (unsigned i = 0; i < 20 * LG_STATS_FADE; i++)
		output("m", 80);
	assert_near(learned("m").output_p99, 80, 13);
}

static void learns_text(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		prompt("m", 3000, 1000 + i % 7);
	assert_near(learned("m").ratio, 3 * 1024, 8);
	assert_int_equal(learned("m").output_p99, 0);
	/* a third of nonsense does not move it far */
	for (unsigned i = 0; i < 49; i++)
		prompt("m", 1 << 20, 1 + i % 2);
	assert_near(learned("m").ratio, 3 * 1024, 20);
	for (unsigned i = 0; i < 40; i++)
		prompt("low", 10, UINT64_MAX);
	assert_true(learned("low").ratio >= LG_STATS_RATIO_ONE);
	assert_true(learned("low").ratio <= LG_STATS_RATIO_ONE * 11 / 10);
	for (unsigned i = 0; i < 40; i++)
		prompt("high", UINT64_MAX, 1);
	assert_true(learned("high").ratio <= LG_STATS_RATIO_MAX);
	assert_true(learned("high").ratio >= LG_STATS_RATIO_MAX * 9 / 10);
}

/* More models than places: the oldest makes room, and nothing is mixed. */
static void makes_room(void **state)
{
	struct lg_stats_view v;
	char model[32];
	unsigned there = 0;

	(void)state;
	for (unsigned k = 0; k < 200; k++) {
		lg_clock_set_real_ms(NOW + 1000 * (int64_t)k);
		snprintf(model, sizeof(model), "m%u", k);
		for (unsigned i = 0; i < LG_STATS_ENOUGH; i++)
			output(model, 100 + k);
		assert_near(learned(model).output_p99, 100 + k, 13);
		assert_near(learned(model).output_p50, 100 + k, 13);
	}
	for (unsigned i = 0; i < lg_stats_count(r); i++)
		if (!lg_stats_view(r, i, &v)) {
			uint64_t k = strtoul(v.name + 8, NULL, 10);

			assert_int_equal(v.outputs, LG_STATS_ENOUGH);
			assert_near(v.learned.output_p99, 100 + k, 13);
			there++;
		}
	assert_true(there > LG_STATS * 3 / 4);
	/* a name that is too long, and one that is not text */
	memset(model, 'x', sizeof(model));
	lg_stats_learn(r, (struct lg_hash128){2, 2},
		       LG_SLICE("a\nprovider that is quite long, really: it is "
				"longer than half of the room"),
		       LG_SLICE("and a model\x1b[2J whose name goes on and on "
				"and on, beyond the end of the room"),
		       &(struct lg_sample){.has_output = true});
	for (unsigned i = 0; i < lg_stats_count(r); i++)
		if (!lg_stats_view(r, i, &v) && v.name[0] == 'a')
			break;
	assert_int_equal(v.name[1], '?');
	assert_true(strlen(v.name) < sizeof(v.name));
	assert_non_null(strchr(v.name, '/'));
}

static void ends_half_emptied(void **state)
{
	struct lg_hash128 id = id_of("m");
	struct lg_stat *s = &r->map->stat[id.b / 2 % LG_STATS];
	struct lg_stats_view v;

	(void)state;
	/* somebody died while this place was being emptied for it */
	for (unsigned i = 0; i < LG_STAT_OUTPUTS; i++)
		s->output[i] = 500;
	s->digest = UINT64_MAX;
	s->touched_s = 5;
	s->id = (struct lg_pair){id.a, id.b | 1};
	assert_int_equal(learned("m").output_p99, 0);
	assert_int_equal(find_view("openai/m", &v), -ENOENT);
	for (unsigned i = 0; i < LG_STATS_ENOUGH; i++)
		output("m", 70);
	assert_near(learned("m").output_p99, 70, 13);
	/* ... and while it was being emptied for another model */
	s->id = (struct lg_pair){1, 3};
	for (unsigned i = 0; i < LG_STATS_ENOUGH; i++)
		output("m", 90);
	assert_near(learned("m").output_p99, 90, 13);
}

static void survives_garbage(void **state)
{
	unsigned char *at = (unsigned char *)r->map->stat;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct lg_stats_view v;
		struct lg_learned l;

		for (size_t i = 0; i < sizeof(r->map->stat); i++)
			at[i] = (unsigned char)(rnd() >> 11);
		if (round % 2) {
			struct lg_hash128 id = id_of("m");

			r->map->stat[id.b / 2 % LG_STATS].id =
				(struct lg_pair){id.a, id.b};
		}
		l = learned("m");
		assert_true(l.output_p99 <= LG_STATS_OUTPUT_MAX);
		assert_true(!l.ratio || (l.ratio >= LG_STATS_RATIO_ONE &&
					 l.ratio <= LG_STATS_RATIO_MAX));
		for (unsigned i = 0; i < 30; i++) {
			output("m", i);
			prompt("m", 1000, 300);
		}
		for (unsigned i = 0; i < lg_stats_count(r); i++)
			lg_stats_view(r, i, &v);
	}
	/* wrong counts fade like right ones */
	memset(at, 0, sizeof(r->map->stat));
	output("m", 1);
	r->map->stat[id_of("m").b / 2 % LG_STATS].output[100] = 65535;
	r->map->stat[id_of("m").b / 2 % LG_STATS].outputs = UINT32_MAX - 3;
	for (unsigned i = 0; i < 40 * LG_STATS_FADE; i++)
		output("m", 60);
	assert_near(learned("m").output_p99, 60, 13);
}

static void *many(void *arg)
{
	uintptr_t k = (uintptr_t)arg;
	char model[32];

	for (unsigned i = 0; i < 4000; i++) {
		struct lg_stats_view v;

		output("shared", 200);
		prompt("shared", 4000, 1000);
		snprintf(model, sizeof(model), "own%u",
			 (unsigned)(k * 13 + i / 100));
		output(model, 10);
		learned("shared");
		lg_stats_view(r, i % LG_STATS, &v);
	}
	return NULL;
}

static void threads_agree(void **state)
{
	struct lg_stats_view v;
	pthread_t t[6];

	(void)state;
	lg_clock_set_real_ms(NOW);
	for (uintptr_t i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, many, (void *)i);
	for (unsigned i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < LG_STATS_ENOUGH; i++) {
		output("shared", 200);
		prompt("shared", 4000, 1000);
	}
	assert_int_equal(find_view("openai/shared", &v), 0);
	assert_true(v.outputs <= LG_STATS_FADE + 64);
	assert_near(v.learned.output_p99, 200, 14);
	assert_near(v.learned.ratio, 4 * 1024, 9);
}

/* Writers that are killed at random leave statistics that hold. */
static void survives_kills(void **state)
{
	struct lg_stats_view v;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			many((void *)(uintptr_t)i);
			many((void *)(uintptr_t)i);
			_exit(0);
		}
		usleep((useconds_t)(rnd() % 4000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	for (unsigned i = 0; i < 2 * LG_STATS_FADE; i++)
		output("shared", 200);
	assert_int_equal(find_view("openai/shared", &v), 0);
	assert_true(v.outputs <= LG_STATS_FADE + 64);
	assert_near(v.learned.output_p99, 200, 14);
}

static void readonly_is_read(void **state)
{
	struct lg_region_options o = {.path = path, .readonly = true};
	struct lg_learned l;
	struct lg_region *ro;

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		output("m", 100);
	assert_int_equal(lg_region_open(&o, &ro, NULL), 0);
	assert_true(lg_stats_get(ro, id_of("m"), &l));
	assert_near(l.output_p99, 100, 13);
	lg_stats_learn(ro, id_of("n"), LG_SLICE("openai"), LG_SLICE("n"),
		       &(struct lg_sample){.has_output = true});
	assert_false(lg_stats_get(ro, id_of("n"), &l));
	lg_region_close(ro);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(needs_enough),       T(tells_spread),	    T(quantiles_match),
		T(scale_is_tight),     T(forgets),	    T(keeps_the_tail),
		T(cut_off_is_unknown), T(learns_text),	    T(makes_room),
		T(ends_half_emptied),  T(survives_garbage), T(threads_agree),
		T(survives_kills),     T(readonly_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
