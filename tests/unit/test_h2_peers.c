/*
 * A guarded HTTP/2 connection between nghttp2's own client and server: many
 * streams, windows of all sizes, pieces cut anywhere. Nothing may stall.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/h2_peers.h"

static const char yaml[] =
	"version: 1\ndurability: none\nbudgets:\n"
	"  - {name: dear, scope: \"model:gpt-4o\", period: total, limit_usd: "
	"0, hard: true}\n"
	"  - {name: all, scope: global, period: total, limit_usd: 100000, "
	"hard: true}\n";

static void check(const struct peers *p, const struct rig *r)
{
	for (unsigned i = 0; i < p->n; i++) {
		const struct ask *a = &p->ask[i];

		if (!a->closed)
			print_error("stream %u: sent %zu of %zu, got %zu\n", i,
				    a->sent, a->len, a->got);
		assert_true(a->closed);
		if (a->reset)
			continue;
		assert_int_equal(a->error, 0);
		assert_int_equal(a->status, a->blocked ? 429 : 200);
		assert_int_equal(a->arrived, !a->blocked);
		if (!a->blocked)
			assert_int_equal(a->got, a->answer);
		else
			assert_true(a->got > 100);
	}
	assert_false(lg_flow_is_passing(r->f));
}

static void random_peers(struct rig *r, unsigned seed)
{
	static const uint32_t windows[] = {65535, 1000, 1 << 20, 70000};
	static const uint32_t tables[] = {4096, 0, 65536, 100};
	nghttp2_settings_entry c[] = {
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, windows[seed % 4]},
		{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, tables[seed / 2 % 4]},
	};
	nghttp2_settings_entry s[] = {
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, windows[seed / 4 % 4]},
		{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, tables[seed / 8 % 4]},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100},
	};
	unsigned before = rig_rows(r, NULL), n = 2 + seed % 40, sure = 0;
	struct peers p;

	peers_open(&p, r, seed * 7919 + 1, c, 2, s, 3);
	p.pad = seed % 3 ? 0 : 100;
	for (unsigned i = 0; i < n; i++) {
		bool blocked = any(&p, 4) == 0;
		struct ask *a =
			peers_ask(&p, blocked ? "gpt-4o" : "gpt-4o-mini",
				  any(&p, i % 5 ? 900 : 150000), any(&p, 2),
				  any(&p, 60000));

		a->blocked = blocked;
		a->reset = !blocked && any(&p, 10) == 0;
		sure += !a->reset;
		for (unsigned k = any(&p, 30); k && peers_step(&p); k--)
			;
	}
	peers_run(&p);
	check(&p, r);
	peers_close(&p);
	assert_true(rig_rows(r, NULL) - before >= sure);
	assert_true(rig_rows(r, NULL) - before <= n);
}

static void test_random(void **state)
{
	unsigned n = getenv("H2_RUNS") ? (unsigned)atoi(getenv("H2_RUNS")) : 64;
	struct rig r;

	(void)state;
	rig_start(&r, yaml);
	for (unsigned i = 0; i < n; i++)
		random_peers(&r, i);
	rig_stop(&r);
}

/* 1 MB and more, 100 at a time, one refused, against a window of 64 KB. */
static void test_large(void **state)
{
	struct rig r;
	struct peers p;
	struct lg_row row;

	(void)state;
	rig_start(&r, yaml);
	peers_open(&p, &r, 5, NULL, 0, NULL, 0);
	for (unsigned i = 0; i < 100; i++)
		peers_ask(&p, i == 57 ? "gpt-4o" : "gpt-4o-mini",
			  1000000 + i * 999, i & 1, 100000)
			->blocked = i == 57;
	peers_run(&p);
	check(&p, &r);
	peers_close(&p);
	assert_int_equal(rig_rows(&r, &row), 100);
	rig_stop(&r);
}

/* The memory of a connection whose streams are all over. */
static void test_memory(void **state)
{
	struct rig r;
	struct peers p;

	(void)state;
	rig_start(&r, yaml);
	for (unsigned k = 0; k < 3; k++) {
		peers_open(&p, &r, k, NULL, 0, NULL, 0);
		for (unsigned i = 0; i < PEER_STREAMS; i++) {
			peers_ask(&p, "gpt-4o-mini", 20000, true, 500);
			if (i % 8 == 7)
				peers_run(&p);
		}
		peers_run(&p);
		check(&p, &r);
		assert_true(lg_mem_mapped() < (size_t)32 << 20);
		peers_close(&p);
	}
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
