/*
 * A guarded connection fed with anything: the first bytes choose host, cuts
 * and order, the rest is split between program and server at a marker. What
 * left for the server is what the program wrote, or nothing after a refusal;
 * what the program saw is what the server sent, but for our own bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include "tests/unit/flow_rig.h"

static struct rig rig;

static void stop(void)
{
	rig_stop(&rig);
}

/* A fresh ledger now and then keeps the disk small. */
static void start(void)
{
	static unsigned runs;

	if (runs++ % 2000)
		return;
	if (rig.e)
		stop();
	else
		atexit(stop);
	rig_start(&rig,
		  "version: 1\ndurability: none\nhold_max_bytes: 65536\n"
		  "budgets:\n"
		  "  - {name: a, scope: global, period: total, limit_usd: "
		  "1000000, hard: true}\n"
		  "  - {name: b, scope: \"user:*\", each: true, period: "
		  "daily, limit_usd: 10, hard: true, mode: strict}\n");
}

static char all[2][1 << 16];
static size_t len_of[2];

static void feed(const uint8_t *p, size_t n, size_t step, bool answer)
{
	const char *text = (const char *)p;

	if (len_of[answer] + n > sizeof(all[0]))
		return;
	memcpy(all[answer] + len_of[answer], p, n);
	len_of[answer] += n;
	if (answer)
		rig_answer(&rig, text, n, step);
	else
		rig_write(&rig, text, n, step);
}

/* Nothing is lost, added or reordered where the guard has no word to say. */
static void check(void)
{
	if (memmem(all[0], len_of[0], "xpect", 5) || lg_flow_is_shut(rig.f) ||
	    memmem(all[0], len_of[0], "guard-", 6) ||
	    memmem(all[0], len_of[0], "GUARD-", 6))
		return;
	if (rig.server.len > len_of[0] ||
	    memcmp(rig.server.p ? rig.server.p : "", all[0], rig.server.len))
		abort();
	if (rig.program.len != len_of[1] ||
	    memcmp(rig.program.p ? rig.program.p : "", all[1], len_of[1]))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const hosts[] = {
		"api.openai.com",
		"api.anthropic.com",
		"generativelanguage.googleapis.com",
		"",
		"other.example",
	};
	static const char mark[] = "\xff\xfe";
	size_t wstep, rstep;
	bool answer = false;

	if (n < 3)
		return 0;
	start();
	wstep = p[1] % 64;
	rstep = p[2] % 64;
	len_of[0] = len_of[1] = 0;
	rig_connect(&rig, hosts[p[0] % 5]);
	p += 3;
	n -= 3;
	while (n) {
		const uint8_t *end = memmem(p, n, mark, 2);
		size_t len = end ? (size_t)(end - p) : n;

		feed(p, len, answer ? rstep : wstep, answer);
		answer = !answer;
		p += len + (end ? 2 : 0);
		n -= len + (end ? 2 : 0);
	}
	check();
	if (wstep & 1)
		lg_flow_release(rig.f);
	if (wstep & 2)
		lg_flow_eof(rig.f);
	rig_close(&rig);
	return 0;
}
