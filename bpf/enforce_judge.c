#include "bpf/enforce_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "guard/engine.h"

/* So many calls of the usual size must fit before it is not near. */
#define NEAR_CALLS 12
/* The same for being asked about before they leave. */
#define ASK_CALLS 8
/* So many tell what its calls cost. */
#define LEARN_CALLS 4

static void paused(struct lg_exhaust *why)
{
	*why = (struct lg_exhaust){
		.reason = "paused",
		.rule = -1,
		.room_pusd = INT64_MIN,
	};
}

static bool is_free_to_go(const struct ward *t)
{
	return !t->owner || owner_lets_alone(t->owner, &t->whom);
}

/* Who ignores budgets is paused all the same. */
static bool is_ignored(const struct ward *t, const struct lg_exhaust *why)
{
	return t->ignores && !(why->reason && !why->budget[0]);
}

/* Calls of the kinds that it made before: would one more fit? */
static enum lg_foresight foresee_past(struct ward *t, struct lg_world *w,
				      struct lg_exhaust *why, int64_t *room)
{
	enum lg_foresight is = LG_FORESEE_NO;

	for (unsigned i = 0; i < ENFORCE_PAST && t->past[i]; i++) {
		const struct lg_exhaust_ask ask = {
			.engine = t->owner->engine,
			.world = w,
			.row = t->past[i],
			.own_pusd = 1,
			.held_ppm = owner_held_ppm(t->owner),
		};
		struct lg_exhaust one;
		bool over = lg_exhaust_call(&ask, &one);

		if (one.room_pusd < *room)
			*room = one.room_pusd;
		if (!over || is != LG_FORESEE_NO)
			continue;
		is = LG_FORESEE_PERHAPS;
		*why = one;
	}
	return is;
}

/* The dearest call of late, of others where it made none. */
static int64_t usual_of(const struct ward *t)
{
	return t->usual_pusd ? t->usual_pusd : t->owner->usual_pusd;
}

/*
 * Calls are asked about before they leave while nobody knows what they cost,
 * and where one of the next few may be the last: an answer and the request
 * behind it are but moments apart. A stop for a moment makes a shell believe
 * that its job was stopped, so below a terminal only the last one is.
 */
static bool is_doubtful(const struct ward *t, int64_t room, int64_t usual)
{
	if (room == INT64_MAX)
		return false;
	if (t->has_terminal)
		return room < usual;
	return !t->nsettled || room / ASK_CALLS < usual;
}

void judge_ward(struct ward *t, bool *near)
{
	struct lg_world *w;
	int64_t room, usual;

	*near = false;
	t->is = LG_FORESEE_NO;
	if (is_free_to_go(t))
		return;
	if (owner_pauses(t->owner, &t->whom)) {
		paused(&t->why);
		t->is = LG_FORESEE_YES;
		return;
	}
	w = owner_enter(t->owner);
	const struct lg_exhaust_ask ask = {
		.engine = t->owner->engine,
		.world = w,
		.row = t->sure,
		.held_ppm = owner_held_ppm(t->owner),
	};
	t->is = lg_exhaust_process(&ask, &t->why);
	if (is_ignored(t, &t->why)) {
		owner_leave(t->owner, w);
		t->is = LG_FORESEE_NO;
		return;
	}
	room = t->why.reason ? t->why.room_pusd : INT64_MAX;
	if (t->is == LG_FORESEE_NO)
		t->is = foresee_past(t, w, &t->why, &room);
	owner_leave(t->owner, w);
	usual = usual_of(t);
	if (t->is == LG_FORESEE_NO && is_doubtful(t, room, usual))
		t->is = LG_FORESEE_PERHAPS;
	/* nobody knows yet what its calls cost: as if it were near */
	*near = t->is != LG_FORESEE_NO || room / NEAR_CALLS < usual ||
		(t->nsettled < LEARN_CALLS && room != INT64_MAX);
}

/* Its own hold, as the row of a call that was just admitted has it. */
bool judge_call(struct ward *t, const struct lg_row *row,
		struct lg_exhaust *why)
{
	struct lg_world *w;
	bool over;

	if (is_free_to_go(t))
		return true;
	if (owner_pauses(t->owner, &t->whom)) {
		paused(why);
		return false;
	}
	w = owner_enter(t->owner);
	const struct lg_exhaust_ask ask = {
		.engine = t->owner->engine,
		.world = w,
		.row = row,
		.own_pusd = row->estimate_pusd,
		.held_ppm = owner_held_ppm(t->owner),
	};
	over = lg_exhaust_call(&ask, why);
	owner_leave(t->owner, w);
	return !over;
}

/*
 * A write that ends no request: its beginning stays where nothing that the
 * process may ask fits, all else (the middle of a body, frames of control)
 * passes.
 */
/* Nothing that may follow such a head fits. */
static bool judge_head(struct ward *t, const struct wait *w,
		       struct lg_exhaust *why)
{
	enum lg_foresight is;
	struct lg_world *world;

	*why = t->why;
	if (!w->head || owner_pauses(t->owner, &t->whom))
		return false;
	world = owner_enter(t->owner);
	const struct lg_exhaust_ask ask = {
		.engine = t->owner->engine,
		.world = world,
		.row = w->head,
		.held_ppm = owner_held_ppm(t->owner),
	};
	is = lg_exhaust_process(&ask, why);
	owner_leave(t->owner, world);
	return is != LG_FORESEE_YES;
}

static bool judge_wait(struct ward *t, const struct wait *w,
		       struct lg_exhaust *why)
{
	const struct probe_conn_key key = {.ssl = w->ssl, .tgid = t->whom.tgid};
	const struct dial *d = dial_get(t, &key, false);

	if (w->blind) {
		*why = t->why;
		return t->is == LG_FORESEE_NO || !why->reason ||
		       why->room_pusd > 0;
	}
	if (d && d->granted && d->granted == d->begun)
		return true;
	if (w->row)
		return judge_call(t, w->row, why);
	if (!d || !d->is_llm || !w->begins || t->is != LG_FORESEE_YES)
		return true;
	return judge_head(t, w, why);
}

bool judge_waits(struct ward *t, struct lg_exhaust *why, struct wait **first)
{
	for (unsigned i = 0; i < ENFORCE_WAITS; i++) {
		struct wait *w = &t->waits[i];

		if (!w->used || !w->stopped || judge_wait(t, w, why))
			continue;
		*first = w;
		return false;
	}
	return true;
}

static bool is_like(const struct lg_row *a, const struct lg_row *b)
{
	return !strcmp(a->model_requested, b->model_requested) &&
	       !strcmp(a->endpoint, b->endpoint) && !strcmp(a->key, b->key) &&
	       !strcmp(a->host, b->host) && !strcmp(a->project, b->project) &&
	       !strcmp(a->user, b->user) && !strcmp(a->tags, b->tags);
}

/* The dearest of late, which is forgotten slowly. */
static void learn_usual(int64_t *usual, int64_t cost)
{
	*usual -= *usual / 16;
	if (cost > *usual)
		*usual = cost;
}

/*
 * Its requests say themselves whose they are: so may the next ones. The
 * settings' tags stand behind its own.
 */
static void learn_said(char *sure, const char *said)
{
	size_t n = strlen(sure);

	if (strncmp(sure, said, n) != 0 || (said[n] && said[n] != '\x1f'))
		sure[0] = '\0';
}

static void learn_who(struct lg_row *sure, const struct lg_row *row)
{
	learn_said(sure->project, row->project);
	learn_said(sure->user, row->user);
	learn_said(sure->tags, row->tags);
	learn_said(sure->phase, row->phase);
	learn_said(sure->conversation, row->conversation);
}

void judge_learn(struct ward *t, const struct lg_row *row, bool settled)
{
	int64_t cost = settled ? row->cost_pusd : row->estimate_pusd;
	unsigned i = 0;

	learn_who(t->sure, row);
	if (row->estimate_pusd <= 0)
		return;
	t->nsettled += settled;
	learn_usual(&t->usual_pusd, cost);
	if (t->owner)
		learn_usual(&t->owner->usual_pusd, cost);
	while (i < ENFORCE_PAST && t->past[i] && !is_like(t->past[i], row))
		i++;
	if (i == ENFORCE_PAST)
		i = t->npast++ % ENFORCE_PAST;
	if (!t->past[i])
		t->past[i] = malloc(sizeof(*row));
	if (t->past[i])
		*t->past[i] = *row;
}
