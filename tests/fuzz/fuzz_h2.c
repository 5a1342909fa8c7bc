/*
 * A guarded HTTP/2 connection fed with anything on both sides: it never
 * crashes, takes memory without end, or keeps a hold. The frame reader also
 * runs alone: cut anywhere it says the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include "tests/unit/flow_rig.h"
#include "wire/h2.h"

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
	rig_start(&rig, "version: 1\ndurability: none\nhold_max_bytes: 65536\n"
			"stream_usage: inject\nbudgets:\n"
			"  - {name: a, scope: \"model:gpt-4o\", period: total, "
			"limit_usd: 0.0001, hard: true}\n");
}

/* What the reader says, as one number; steps of n bytes. */
static uint64_t read_frames(const uint8_t *p, size_t len, size_t step)
{
	uint64_t sum = 0;
	struct lg_h2 h;

	lg_h2_init(&h);
	for (size_t at = 0; at < len; at += step) {
		size_t n = step < len - at ? step : len - at, used = 0;
		enum lg_h2_event ev;
		struct lg_slice run;

		do {
			used += lg_h2_feed(&h, (const char *)p + at + used,
					   n - used, &ev, &run);
			if (ev == LG_H2_BAD)
				return sum * 31 + 9;
			if (ev == LG_H2_FRAME || ev == LG_H2_END)
				sum = sum * 31 + ev + h.f.len + h.f.stream;
			for (size_t i = 0; i < run.len; i++)
				sum = sum * 31 + (uint8_t)run.p[i] + ev;
		} while (ev != LG_H2_MORE || used < n);
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char mark[] = "\xff\xfe\xfd";
	size_t wstep, rstep;
	bool answer = false;

	if (n < 2 || n > 1 << 16)
		return 0;
	start();
	wstep = p[0] % 64;
	rstep = p[1] % 64;
	p += 2;
	n -= 2;
	if (read_frames(p, n, n ? n : 1) != read_frames(p, n, 1) ||
	    read_frames(p, n, 1) != read_frames(p, n, 1 + wstep))
		abort();
	rig_connect(&rig, "api.openai.com");
	rig_write(&rig, LG_H2_PREFACE, LG_H2_PREFACE_LEN, 0);
	while (n) {
		const uint8_t *end = memmem(p, n, mark, 3);
		size_t len = end ? (size_t)(end - p) : n;

		if (answer)
			rig_answer(&rig, (const char *)p, len, rstep);
		else
			rig_write(&rig, (const char *)p, len, wstep);
		flush(&rig);
		answer = !answer;
		p += len + (end ? 3 : 0);
		n -= len + (end ? 3 : 0);
	}
	if (wstep & 1)
		lg_flow_release(rig.f);
	if (wstep & 2)
		lg_flow_eof(rig.f);
	rig_close(&rig);
	return 0;
}
