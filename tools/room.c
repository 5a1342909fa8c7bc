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

/* As far as /proc tells. */
static void describe(int32_t pid, struct lg_row *row)
{
	char path[40], *text = malloc(ENVIRON_MAX);
	struct lg_slice rest, one;
	struct stat st;
	ssize_t n;

	lg_row_init(row);
	row->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	row->uid = stat(path, &st) ? geteuid() : st.st_uid;
	read_link(pid, "exe", row->exe, sizeof(row->exe));
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (lg_file_peek(path, row->comm, sizeof(row->comm)) <= 0)
		row->comm[0] = '\0';
	row->comm[strcspn(row->comm, "\n")] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	n = text ? lg_file_peek(path, text, ENVIRON_MAX) : 0;
	rest = (struct lg_slice){text, n > 0 ? (size_t)n : 0};
	while (rest.len) {
		rest = lg_slice_cut(rest, '\0', &one);
		take_env(one, row);
	}
	free(text);
}

bool room_has(struct lg_engine *e, int32_t pid, struct lg_exhaust *why)
{
	struct lg_row row;
	struct lg_exhaust_ask ask = {
		.engine = e,
		.row = &row,
		.held_ppm = 1000000,
	};
	bool is_held, has;

	lg_engine_refresh(e);
	is_held = find_held(e, pid, &row);
	ask.world = lg_engine_pin(e);
	if (is_held) {
		/* of a call that waits, all that is held elsewhere may be of
		   calls that cost less */
		ask.own_pusd = row.estimate_pusd;
		ask.held_ppm = 0;
		has = !lg_exhaust_call(&ask, why);
	} else {
		describe(pid, &row);
		ask.held_ppm = 0;
		has = lg_exhaust_process(&ask, why) != LG_FORESEE_YES;
	}
	lg_engine_unpin(e, ask.world);
	return has || !strcmp(why->reason, "paused");
}
