#include "bpf/tell.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "bpf/cost.h"
#include "bpf/print.h"
#include "guard/engine.h"
#include "guard/env.h"
#include "guard/file.h"
#include "tools/tool.h"

#define SHOWN 200

/* Names of files and programs are anybody's. */
static const char *clean(const char *text, char *out, unsigned cap)
{
	struct lg_buf b;
	size_t n = strlen(text);

	lg_buf_init_fixed(&b, out, cap - 1);
	print_cell(&b, text, n < 60 ? (unsigned)n : 60, false);
	out[b.len] = 0;
	return out;
}

static const char *tail(const char *path)
{
	size_t n = strlen(path);

	return n > 60 ? path + n - 60 : path;
}

static void comm_of(uint32_t tgid, char out[SHOWN])
{
	char path[40], text[32];

	snprintf(path, sizeof(path), "/proc/%u/comm", tgid);
	if (lg_file_peek(path, text, sizeof(text)) <= 0)
		strcpy(text, "?");
	text[strcspn(text, "\n")] = 0;
	clean(text, out, SHOWN);
}

void tell_target(uint32_t tgid, bool on, const char *reason)
{
	bool has_reason = reason && *reason;
	char comm[SHOWN];

	comm_of(tgid, comm);
	if (on)
		tool_warn("pid %u (%s): traced%s%s", tgid, comm,
			  has_reason ? "; " : "", has_reason ? reason : "");
	else if (has_reason)
		tool_warn("pid %u (%s): not traced: %s", tgid, comm, reason);
	else
		tool_warn("pid %u: gone", tgid);
}

void tell_object(const char *path, const char *what, unsigned nprobes)
{
	char shown[SHOWN + 64];

	clean(tail(path), shown, sizeof(shown));
	tool_warn("%u probe%s in %s: %s", nprobes, nprobes == 1 ? "" : "s",
		  shown, what);
}

void tell_cost(struct loader *l)
{
	struct cost c;

	cost_measure(l, &c);
	if (c.emulated_ns && c.stepped_ns)
		tool_warn(
			"a hit of a probe costs about %u.%u us here where its "
			"instruction is emulated, %u.%u us where it is "
			"stepped over",
			c.emulated_ns / 1000, c.emulated_ns / 100 % 10,
			c.stepped_ns / 1000, c.stepped_ns / 100 % 10);
}

void tell_rungs(const struct enforce_rung_state *rungs, bool all)
{
	for (unsigned i = 0; i < ENFORCE_RUNGS; i++) {
		if (!rungs[i].works)
			tool_warn("%s does not work here: %s", rungs[i].name,
				  rungs[i].why_not);
		else if (all)
			tool_warn("%s works here", rungs[i].name);
	}
}

void tell_rung_names(const struct enforce_rung_state *rungs, char *out,
		     unsigned cap)
{
	size_t n = 0;

	out[0] = 0;
	for (unsigned i = 0; i < ENFORCE_RUNGS && n < cap; i++)
		if (rungs[i].works)
			n += (size_t)snprintf(out + n, cap - n, "%s%s",
					      n ? ", " : "", rungs[i].name);
}

void tell_loss(const struct tally_loss *now, struct tally_loss *told)
{
	for (unsigned i = 0; i < PROBE_LOSSES; i++) {
		uint64_t records = now->why[i].records - told->why[i].records;
		uint64_t bytes = now->why[i].bytes - told->why[i].bytes;

		if (records || bytes)
			tool_warn("lost %llu records, %llu bytes: %s; totals "
				  "are a lower bound",
				  (unsigned long long)records,
				  (unsigned long long)bytes,
				  tally_loss_text((enum probe_loss)i));
	}
	*told = *now;
}

void tell_no_region(struct strmap *told, struct lg_engine *e)
{
	int err = e ? lg_engine_region_error(e) : 0;
	const char *path = e ? lg_engine_region_path(e) : "";

	if (!err || strmap_get(told, path))
		return;
	strmap_put(told, path);
	tool_warn("region %s: %s; without it no budget limits its programs",
		  path, tool_region_reason(err, lg_engine_state_dir(e)));
}

void tell_trouble(struct strmap *told, const struct lg_engine *e)
{
	const char *why = e ? lg_engine_trouble(e) : "";

	if (!*why || strmap_get(told, why))
		return;
	strmap_put(told, why);
	tool_warn("%s", why);
}

void tell_variables(struct strmap *told, const struct lg_env *env)
{
	struct lg_env_bad bad[LG_ENV_BAD_MAX];
	unsigned n = env ? lg_env_check(env, bad) : 0;
	char key[200], shown[SHOWN];

	for (unsigned i = 0; i < n; i++) {
		clean(bad[i].value, shown, sizeof(shown));
		snprintf(key, sizeof(key), "%s=%.120s", bad[i].variable, shown);
		if (strmap_get(told, key))
			continue;
		strmap_put(told, key);
		tool_warn("%s: value \"%s\": allowed: %s", bad[i].variable,
			  shown, bad[i].allowed);
	}
}

void tell_staged(struct strmap *told, struct lg_engine *e)
{
	const char *dir = e ? lg_engine_state_dir(e) : "";

	if (!e || !lg_engine_has_staged(e) || strmap_get(told, dir))
		return;
	strmap_put(told, dir);
	tool_warn("%s/ledger cannot be written: rows wait in the region, at "
		  "most 768 of them; llmguard status tells how many",
		  dir);
}
