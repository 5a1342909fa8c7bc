/*
 * The meter fed with any records: several connections, both directions, gaps,
 * repeats, frees, whatever is in them. It never crashes, takes memory without
 * end, keeps a hold, or loses count of the calls under way.
 */
#include <stdint.h>

#include "tests/golden/records.h"
#include "tests/unit/flow_rig.h"

static struct rig rig;

static void stop(void)
{
	rig_stop(&rig);
}

static void start(void)
{
	static unsigned runs;

	if (runs++ % 2000)
		return;
	if (rig.e)
		stop();
	else
		atexit(stop);
	rig_start(&rig, "version: 1\ndurability: none\nbudgets:\n"
			"  - {name: a, scope: global, period: total, "
			"limit_usd: 0.0001, hard: true}\n");
}

/*
 * A record is 8 bytes and its payload: kind and flags, connection, skipped
 * sequence numbers, call's step, length (2), result or offset (2).
 */
static size_t feed_one(struct records *c, const uint8_t *p, size_t len)
{
	size_t n = (size_t)p[4] | (size_t)(p[5] & 3) << 8;
	struct probe_event ev = {
		.kind = 1 + p[0] % 12,
		.fn = PROBE_WRITE,
		.flags = p[0] >> 4,
		.at = p[5] & 4 ? p[6] : 0,
		.result = (int16_t)(p[6] | p[7] << 8),
		.buf = 0x1000 + (p[5] >> 4) * 16,
	};
	char *copy;

	n = n < len - 8 ? n : len - 8;
	c->seq += p[2] & 7;
	c->call += p[3] & 1;
	c->begun += p[3] >> 1 & 1;
	ev.call = c->call;
	ev.cap = (uint32_t)n;
	ev.len = ev.at + n + (p[3] & 8 ? p[7] : 0);
	copy = malloc(n + 1);
	memcpy(copy, p + 8, n);
	records_put(c, &ev, copy);
	free(copy);
	return 8 + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const hosts[] = {"api.openai.com", NULL,
					    "api.anthropic.com", "example.org"};
	struct meter_options o = {.on_call = NULL};
	struct records c[4];
	struct meter_totals t;
	struct meter *m;

	start();
	o.config = rig.config;
	o.state_dir = rig.state;
	o.region = rig.region;
	assert(!meter_new(&o, &m));
	for (unsigned i = 0; i < 4; i++) {
		records_open(&c[i], m, hosts[i]);
		c[i].ssl += i * 4096;
	}
	while (size >= 8) {
		size_t n = feed_one(&c[data[1] & 3], data, size);

		data += n;
		size -= n;
		if (data[-1] == 't')
			meter_tick(m, lg_clock_real_ms());
	}
	meter_end(m);
	meter_totals(m, &t);
	assert(!t.in_flight && !t.conns);
	meter_del(m);
	return 0;
}
