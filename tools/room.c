#include "room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"
#include "budget/hold.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "guard/world.h"
#include "ledger/row.h"
#include "traced_run.h"

#define ENVIRON_MAX ((size_t)256 << 10)

/* The newest call that is held for this process. */
static bool find_held(struct lg_engine *e, int32_t pid, struct lg_row *out)
{
	static _Alignas(16) char draft[LG_DRAFT_MAX];
	const struct lg_row *row = (const void *)draft;
	struct lg_region *r = lg_engine_region(e);
	struct lg_hold_view h;
	int64_t newest = 0;

	for (unsigned i = 0; r && i < lg_hold_slots(r); i++) {
		if (lg_hold_view(r, i, &h, draft) || !h.ncells ||
		    !lg_row_is_sound(draft, h.draft_len) || row->pid != pid ||
		    row->kind != LG_ROW_CALL || row->ts_ms <= newest)
			continue;
		newest = row->ts_ms;
		*out = *row;
	}
	return newest != 0;
}

static void read_link(int32_t pid, const char *name, char *out, size_t cap)
{
	char path[40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	n = readlink(path, out, cap - 1);
	out[n > 0 ? n : 0] = '\0';
}

static void take_env(struct lg_slice one, struct lg_row *row)
{
	const struct {
		const char *name;
		char *to;
		size_t cap;
	} vars[] = {
		{"LLMGUARD_PROJECT=", row->project, sizeof(row->project)},
		{"LLMGUARD_USER=", row->user, sizeof(row->user)},
		{"LLMGUARD_RUN_ID=", row->run_id, sizeof(row->run_id)},
		{"LLMGUARD_PHASE=", row->phase, sizeof(row->phase)},
		{"LLMGUARD_CONVERSATION=", row->conversation,
		 sizeof(row->conversation)},
		{"LLMGUARD_EXPERIMENT=", row->experiment,
		 sizeof(row->experiment)},
	};

	for (size_t i = 0; i < sizeof(vars) / sizeof(vars[0]); i++) {
		size_t n = strlen(vars[i].name);

		if (one.len > n && !memcmp(one.p, vars[i].name, n))
			lg_slice_copy((struct lg_slice){one.p + n, one.len - n},
				      vars[i].to, vars[i].cap);
	}
}

/* A process's environment, with a NUL behind it; "" where it is not told. */
static char *read_environ(int32_t pid, size_t *len)
{
	char path[40], *text = calloc(1, ENVIRON_MAX);
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	n = text ? lg_file_peek(path, text, ENVIRON_MAX) : 0;
	*len = n > 0 ? (size_t)n : 0;
	return text;
}

/* As far as /proc tells. */
static void describe(int32_t pid, struct lg_slice rest, struct lg_row *row)
{
	struct lg_slice one;
	struct stat st;
	char path[40];

	lg_row_init(row);
	row->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	row->uid = stat(path, &st) ? geteuid() : st.st_uid;
	read_link(pid, "exe", row->exe, sizeof(row->exe));
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (lg_file_peek(path, row->comm, sizeof(row->comm)) <= 0)
		row->comm[0] = '\0';
	row->comm[strcspn(row->comm, "\n")] = '\0';
	while (rest.len) {
		rest = lg_slice_cut(rest, '\0', &one);
		take_env(one, row);
	}
}

/* -- the budgets that it has of its own
 * ---------------------------------------- */

static const char *get_var(void *arg, const char *name)
{
	const struct lg_slice *text = arg;
	struct lg_slice rest = *text, one;
	size_t n = strlen(name);

	while (rest.len) {
		rest = lg_slice_cut(rest, '\0', &one);
		if (one.len > n && !memcmp(one.p, name, n) && one.p[n] == '=')
			return one.p + n + 1;
	}
	return NULL;
}

/* Our files, its amounts: NULL where it has none. */
static struct lg_engine *open_as(struct lg_engine *ours, struct lg_slice text,
				 struct lg_row *row)
{
	struct lg_env env = *lg_engine_env(ours), its;
	struct lg_engine *e;

	memset(&its, 0, sizeof(its));
	lg_env_read_from(&its, get_var, &text);
	if (!its.max_usd && !its.max_train_usd && !its.max_infer_usd &&
	    !its.monthly_usd && !its.experiment_max_usd)
		return NULL;
	env.max_usd = its.max_usd;
	env.max_train_usd = its.max_train_usd;
	env.max_infer_usd = its.max_infer_usd;
	env.monthly_usd = its.monthly_usd;
	env.experiment_max_usd = its.experiment_max_usd;
	env.experiment = its.experiment;
	env.run_id = row->run_id[0] ? row->run_id : its.run_id;
	if (!env.run_id) {
		traced_run_name(row->pid, row->run_id, sizeof(row->run_id));
		env.run_id = row->run_id;
	}
	return lg_engine_open(&env, &e) ? NULL : e;
}

/* Of a call that waits, all that is held elsewhere may be of calls that cost
   less. */
static bool ask_engine(struct lg_engine *e, const struct lg_row *row,
		       bool is_held, struct lg_exhaust *why)
{
	struct lg_exhaust_ask ask = {
		.engine = e,
		.row = row,
		.own_pusd = is_held ? row->estimate_pusd : 0,
	};
	bool has;

	lg_engine_refresh(e);
	ask.world = lg_engine_pin(e);
	if (is_held)
		has = !lg_exhaust_call(&ask, why);
	else
		has = lg_exhaust_process(&ask, why) != LG_FORESEE_YES;
	lg_engine_unpin(e, ask.world);
	return has || !strcmp(why->reason, "paused");
}

bool room_has(struct lg_engine *e, int32_t pid, struct lg_exhaust *why)
{
	struct lg_slice text = {NULL, 0};
	struct lg_engine *its;
	struct lg_row row;
	bool is_held, has;

	text.p = read_environ(pid, &text.len);
	lg_engine_refresh(e);
	is_held = find_held(e, pid, &row);
	if (!is_held)
		describe(pid, text, &row);
	its = open_as(e, text, &row);
	has = ask_engine(its ? its : e, &row, is_held, why);
	if (its)
		lg_engine_close(its);
	free((void *)(uintptr_t)text.p);
	return has;
}
