#include "bpf/enforce_state.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "bpf/meter.h"

static struct probe_conn_key key_of(const struct ward *t, uint64_t ssl)
{
	return (struct probe_conn_key){.ssl = ssl, .tgid = t->whom.tgid};
}

static void mark(struct enforce *e, struct ward *t, uint64_t ssl,
		 enum lg_verdict v, const char *reason, bool unsent)
{
	struct probe_conn_key key = key_of(t, ssl);

	meter_mark(e->o.meter, &key, v, reason, unsent);
}

void act_verdict(struct enforce *e, struct ward *t, bool near, bool force)
{
	bool stop = t->is != LG_FORESEE_NO && e->o.hard != ENFORCE_WARN &&
		    !t->beyond;

	if ((force || stop != t->verdict) &&
	    loader_verdict_set(e->loader, t->whom.tgid,
			       stop ? PROBE_STOP : PROBE_GO))
		stop = t->verdict; /* tried again */
	if (t->beyond && t->is == LG_FORESEE_YES && !t->told_beyond &&
	    e->o.hard != ENFORCE_WARN) {
		t->told_beyond = true;
		note_event(t, &t->why, NULL, LG_VERDICT_WARN);
	}
	/* it may not be the kernel's target yet, or anew */
	if (force || near || near != t->near)
		loader_target_near(e->loader, t->whom.tgid, near);
	t->verdict = stop;
	t->near = near;
}

/* -- deny --------------------------------------------------------------------
 */

void act_deny(struct enforce *e, struct ward *t, bool on)
{
	if (!e->deny || t->denied == on)
		return;
	if (rung_deny_set(e->deny, t->whom.tgid, on))
		return;
	t->denied = on;
	t->ndenied = 0;
}

/* Programs try again and again: one row for each budget and window. */
void act_count_denied(struct enforce *e, struct ward *t)
{
	uint64_t n = t->denied ? rung_deny_count(e->deny, t->whom.tgid) : 0;

	if (n <= t->ndenied)
		return;
	e->totals.denied += n - t->ndenied;
	t->ndenied = n;
	if (t->has_told && t->told_window == t->why.window &&
	    t->told.a == t->why.id.a && t->told.b == t->why.id.b)
		return;
	t->has_told = true;
	t->told = t->why.id;
	t->told_window = t->why.window;
	note_row(t, &t->why, LG_VERDICT_DENY);
	note_event(t, &t->why, NULL, LG_VERDICT_DENY);
}

/* -- reset -------------------------------------------------------------------
 */

void act_reset_calls(struct enforce *e, struct ward *t)
{
	for (struct dial *c = t->dials; c; c = c->next) {
		if (!c->call[0])
			continue;
		if (!c->has_peer)
			dial_learn_peer(e, t, c);
		mark(e, t, c->key.ssl, LG_VERDICT_RESET, t->why.reason, false);
		c->call[0] = '\0';
		if (dial_reset(t, c, true))
			continue;
		e->totals.reset++;
		note_event(t, &t->why, NULL, LG_VERDICT_RESET);
	}
}

/* The write that waits fails; the process goes on. */
static bool reset_wait(struct enforce *e, struct ward *t,
		       const struct lg_exhaust *why, struct wait *w)
{
	enum lg_verdict v =
		e->o.hard == ENFORCE_DENY ? LG_VERDICT_DENY : LG_VERDICT_RESET;
	struct probe_conn_key key = key_of(t, w->ssl);
	struct dial *c = dial_get(t, &key, true);

	if (!c)
		return false;
	if (!c->has_peer)
		dial_learn_peer(e, t, c);
	/* others may be busy with calls that were let go */
	if (dial_reset(t, c,
		       e->o.hard == ENFORCE_RESET && t->is == LG_FORESEE_YES))
		return false;
	mark(e, t, w->ssl, v, why->reason, true);
	w->used = false;
	c->call[0] = '\0';
	e->totals.reset++;
	note_event(t, why, w->row, v);
	return true;
}

/* -- stop, kill
 * ---------------------------------------------------------------- */

static void kill_it(struct enforce *e, struct ward *t,
		    const struct lg_exhaust *why, const struct wait *w)
{
	if (t->killed)
		return;
	t->killed = true;
	e->totals.killed++;
	note_event(t, why, w->row, LG_VERDICT_KILL);
	rung_signal(&t->whom, SIGKILL);
}

/* Whoever holds the lock of his folder for long is not waited for. */
void act_note(struct ward *t)
{
	if (t->noted != t->stays && t->owner &&
	    owner_note_stopped(t->owner, &t->whom, t->stays) != -EWOULDBLOCK)
		t->noted = t->stays;
}

static void stay(struct enforce *e, struct ward *t,
		 const struct lg_exhaust *why, const struct wait *w)
{
	t->why = *why;
	if (t->stays)
		return;
	t->stays = true;
	e->totals.stopped++;
	act_note(t);
	note_event(t, why, w->row, LG_VERDICT_STOP);
}

/* Who is killed at once says nothing more of where he was. */
static void catch_all(struct ward *t)
{
	const struct timespec step = {.tv_nsec = 500000};

	for (unsigned i = 0; i < 10 && !rung_is_stopped(&t->whom); i++)
		nanosleep(&step, NULL);
	ward_find_caught(t);
}

bool act_refuse(struct enforce *e, struct ward *t, const struct lg_exhaust *why,
		struct wait *w)
{
	enum lg_verdict v =
		e->o.hard == ENFORCE_KILL ? LG_VERDICT_KILL : LG_VERDICT_STOP;
	/* whose stop we would not outlive: its request fails */
	bool is_reset = e->o.hard == ENFORCE_DENY ||
			e->o.hard == ENFORCE_RESET || t->is_kin;

	if (is_reset && !w->blind && reset_wait(e, t, why, w))
		return false;
	if (t->is_kin || (is_reset && w->blind)) {
		w->used = false;
		note_event(t, why, w->row, LG_VERDICT_WARN);
		return false;
	}
	if (e->o.hard == ENFORCE_KILL && !t->killed)
		catch_all(t);
	for (unsigned i = 0; i < ENFORCE_WAITS; i++) {
		struct wait *one = &t->waits[i];

		if (!one->used || !one->stopped || one->marked ||
		    !(one->row || one->begins))
			continue;
		one->marked = true;
		mark(e, t, one->ssl, v, why->reason, true);
	}
	if (e->o.hard == ENFORCE_KILL)
		kill_it(e, t, why, w);
	else
		stay(e, t, why, w);
	return true;
}

/* The request that somebody let go by hand may go to its end. */
static void grant(struct ward *t, const struct wait *w)
{
	struct probe_conn_key key = key_of(t, w->ssl);
	struct dial *d = dial_get(t, &key, false);

	if (d)
		d->granted = d->begun;
}

static void forget_stop(struct enforce *e, struct ward *t, bool by_hand)
{
	for (unsigned i = 0; i < ENFORCE_WAITS; i++) {
		struct wait *w = &t->waits[i];

		if (w->used && w->stopped && w->marked)
			mark(e, t, w->ssl, LG_VERDICT_ALLOW, NULL, true);
		if (w->used && w->stopped && by_hand)
			grant(t, w);
		/* the next stop may come before its thread has run */
		w->used = w->place != 0;
		w->stopped = w->marked = false;
	}
	if (t->stays)
		e->totals.resumed++;
	t->stays = t->stopped = false;
	act_note(t);
}

void act_continue(struct enforce *e, struct ward *t)
{
	forget_stop(e, t, false);
	rung_signal(&t->whom, SIGCONT);
}

void act_was_continued(struct enforce *e, struct ward *t)
{
	forget_stop(e, t, true);
}
