#include "bpf/enforce_state.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "bpf/meter.h"

struct ward *ward_find(struct enforce *e, uint32_t tgid)
{
	struct ward *t = e->wards[tgid % ENFORCE_SLOTS];

	while (t && t->whom.tgid != tgid)
		t = t->next;
	return t;
}

void ward_forget_calls(struct ward *t)
{
	dials_free(t);
	for (unsigned i = 0; i < ENFORCE_PAST; i++) {
		free(t->past[i]);
		t->past[i] = NULL;
	}
	for (unsigned i = 0; i < ENFORCE_WAITS; i++) {
		free(t->waits[i].row);
		free(t->waits[i].head);
		t->waits[i] = (struct wait){.used = false};
	}
	t->npast = 0;
	t->usual_pusd = 0;
	t->nsettled = 0;
}

/* Who it is may change with a program, and so may its budgets. */
void ward_identify(struct enforce *e, struct ward *t)
{
	struct owner *was = t->owner;
	bool by_login = false;

	if (meter_identity(e->o.meter, t->whom.tgid, t->who, &by_login))
		lg_row_init(t->who);
	*t->sure = *t->who;
	if (by_login)
		t->sure->user[0] = '\0';
	t->owner = owner_of(e, t->whom.tgid, t->who->uid);
	t->ignores = (t->who->flags & LG_ROW_IGNORED_BUDGET) != 0;
	t->has_terminal = rung_has_terminal(&t->whom);
	t->is_kin = rung_is_kin(&t->whom);
	t->beyond = t->whom.tgid == 1 || t->whom.tgid == (uint32_t)getpid() ||
		    !rung_may_continue(&t->whom);
	owner_drop(e, was);
}

void ward_judge(struct enforce *e, struct ward *t, bool force)
{
	enum lg_foresight was = t->is;
	bool near;

	judge_ward(t, &near);
	act_verdict(e, t, near, force);
	if (e->o.hard != ENFORCE_DENY && e->o.hard != ENFORCE_RESET)
		return;
	act_deny(e, t, t->is == LG_FORESEE_YES);
	if (t->is == LG_FORESEE_YES && was != t->is &&
	    e->o.hard == ENFORCE_RESET)
		act_reset_calls(e, t);
}

bool ward_find_caught(struct ward *t)
{
	bool any = false;

	for (unsigned i = 0; i < ENFORCE_WAITS; i++) {
		struct wait *w = &t->waits[i];

		if (!w->used || w->stopped || !w->place ||
		    !rung_waits_at(&t->whom, w->tid, w->place))
			continue;
		any = w->stopped = w->whole = true;
	}
	return any;
}

void ward_waits_blindly(struct ward *t)
{
	t->waits[0].used = t->waits[0].stopped = true;
	t->waits[0].whole = t->waits[0].blind = true;
	t->stopped = t->seen_stopped = true;
	t->stopped_ms = lg_clock_boot_ns() / 1000000;
}

struct ward *ward_add(struct enforce *e, uint32_t tgid)
{
	struct ward **slot = &e->wards[tgid % ENFORCE_SLOTS];
	struct ward *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->who = malloc(2 * sizeof(*t->who));
	t->sure = t->who + 1;
	if (!t->who || rung_whom_open(tgid, &t->whom)) {
		free(t->who);
		free(t);
		return NULL;
	}
	t->next = *slot;
	*slot = t;
	ward_identify(e, t);
	if (t->owner && owner_has_stopped(t->owner, &t->whom) &&
	    rung_is_stopped(&t->whom)) {
		ward_waits_blindly(t);
		t->stays = t->noted = true;
	}
	ward_judge(e, t, true);
	return t;
}

static void ward_free(struct enforce *e, struct ward *t)
{
	act_count_denied(e, t);
	act_deny(e, t, false);
	ward_forget_calls(t);
	owner_drop(e, t->owner);
	rung_whom_close(&t->whom);
	free(t->who);
	free(t);
}

void ward_drop(struct enforce *e, uint32_t tgid)
{
	struct ward **at = &e->wards[tgid % ENFORCE_SLOTS], *t;

	while ((t = *at) && t->whom.tgid != tgid)
		at = &t->next;
	if (!t)
		return;
	*at = t->next;
	ward_free(e, t);
}

void wards_each(struct enforce *e,
		void (*fn)(struct enforce *e, struct ward *t, int64_t now_ms),
		int64_t now_ms)
{
	for (unsigned i = 0; i < ENFORCE_SLOTS; i++) {
		struct ward *next, *t;

		for (t = e->wards[i]; t; t = next) {
			next = t->next;
			fn(e, t, now_ms);
		}
	}
}
