#include "bpf/enforce.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "bpf/enforce_state.h"
#include "bpf/meter.h"
#include "guard/engine.h"

#define ALL_MS 200   /* between two looks at all */
#define JUDGE_MS 300 /* records of a waiting write that do not come */
#define OBEY_MS 5000 /* until a stop is obeyed */
#define NEAR_CALLS 12

/* -- rungs -------------------------------------------------------------------
 */

static const struct {
	const char *name;
	int (*probe)(char *why_not);
} rungs[ENFORCE_RUNGS] = {
	[ENFORCE_WARN] = {"warn", NULL},
	[ENFORCE_DENY] = {"deny", rung_deny_probe},
	[ENFORCE_RESET] = {"reset", rung_reset_probe},
	[ENFORCE_STOP] = {"stop", rung_stop_probe},
	[ENFORCE_KILL] = {"kill", rung_kill_probe},
};

void enforce_probe(struct enforce_rung_state *out)
{
	for (unsigned i = 0; i < ENFORCE_RUNGS; i++) {
		out[i] = (struct enforce_rung_state){.name = rungs[i].name};
		out[i].works =
			!rungs[i].probe || !rungs[i].probe(out[i].why_not);
		if (out[i].works)
			out[i].why_not[0] = '\0';
	}
}

enum enforce_rung enforce_rung_by_name(const char *name)
{
	unsigned i = 0;

	while (i < ENFORCE_RUNGS && strcmp(rungs[i].name, name) != 0)
		i++;
	return (enum enforce_rung)i;
}

/* What was asked for, or the next one below that works. */
static enum enforce_rung best(const struct enforce *e)
{
	enum enforce_rung r = e->o.hard;

	while (r > ENFORCE_WARN && !e->rungs[r].works)
		r--;
	return r;
}

int enforce_new(struct loader *l, const struct enforce_options *o,
		struct enforce **out)
{
	struct enforce *e = calloc(1, sizeof(*e));
	char why_not[RUNG_WHY];

	if (!e)
		return -ENOMEM;
	e->loader = l;
	e->o = *o;
	enforce_probe(e->rungs);
	e->o.hard = best(e);
	e->fresh = malloc(sizeof(*e->fresh));
	if (!e->fresh) {
		free(e);
		return -ENOMEM;
	}
	if (e->o.hard == ENFORCE_DENY || e->o.hard == ENFORCE_RESET) {
		rung_deny_open(&e->deny, why_not);
		e->resolver = resolver_new();
	}
	*out = e;
	return 0;
}

const struct enforce_rung_state *enforce_rungs(const struct enforce *e)
{
	return e->rungs;
}

enum enforce_rung enforce_in_force(const struct enforce *e)
{
	return e->o.hard;
}

/* -- targets ------------------------------------------------------------------
 */

void enforce_target(struct enforce *e, uint32_t tgid, bool on)
{
	struct ward *t = ward_find(e, tgid);

	if (on && t && rung_is_gone(&t->whom)) {
		ward_drop(e, tgid);
		t = NULL;
	}
	if (on && !t)
		ward_add(e, tgid);
	if (on || !t)
		return;
	loader_verdict_set(e->loader, tgid, PROBE_GO);
	if (t->stopped)
		act_continue(e, t);
	ward_drop(e, tgid);
}

/* -- the end ------------------------------------------------------------------
 */

static void let_go(struct enforce *e, struct ward *t, int64_t now_ms)
{
	(void)now_ms;
	if (!t->stopped || t->killed)
		return;
	if (t->stays && t->owner && owner_is_closed(t->owner))
		return; /* as the orders say, for `llmguard resume` */
	act_continue(e, t);
}

static void set_go(struct enforce *e, struct ward *t, int64_t now_ms)
{
	(void)now_ms;
	t->is = LG_FORESEE_NO;
	act_verdict(e, t, false, false);
}

void enforce_del(struct enforce *e)
{
	if (!e)
		return;
	/* nobody is stopped anew while the others go on */
	wards_each(e, set_go, 0);
	if (e->cgroup_verdict)
		loader_cgroup_verdict_set(e->loader, e->o.cgroup, PROBE_GO);
	wards_each(e, let_go, 0);
	for (unsigned i = 0; i < ENFORCE_SLOTS; i++)
		while (e->wards[i])
			ward_drop(e, e->wards[i]->whom.tgid);
	rung_deny_close(e->deny);
	resolver_del(e->resolver);
	free(e->fresh);
	free(e);
}

/* -- calls --------------------------------------------------------------------
 */

static void call_is_over(struct ward *t, const struct lg_row *row)
{
	for (struct dial *c = t->dials; c; c = c->next)
		if (!strcmp(c->call, row->id))
			c->call[0] = '\0';
}

/* In the midst of meter_feed: what has to be done is done after it. */
void enforce_call(struct enforce *e, const struct lg_row *row, bool settled)
{
	struct ward *t = ward_find(e, (uint32_t)row->pid);

	if (!t)
		return;
	judge_learn(t, row, settled);
	t->dirty = true;
	e->dirty = true;
	if (settled) {
		if (t->owner)
			owner_learn(t->owner, row);
		call_is_over(t, row);
		return;
	}
	/* of several in one write the dearest is asked about */
	if (e->has_fresh && row->estimate_pusd < e->fresh->estimate_pusd)
		return;
	*e->fresh = *row;
	e->has_fresh = true;
	if (e->resolver)
		resolver_ask(e->resolver, row->host);
}

/* Is there room for some more calls like this one? Then nobody is near. */
static bool has_room(struct ward *t, const struct lg_row *row)
{
	struct lg_exhaust why;

	if (t->is != LG_FORESEE_NO || t->near || !judge_call(t, row, &why))
		return false;
	return t->nsettled && why.room_pusd / NEAR_CALLS > t->usual_pusd &&
	       why.room_pusd / NEAR_CALLS > row->estimate_pusd;
}

static void judge_one(struct enforce *e, struct ward *t, int64_t now_ms)
{
	(void)now_ms;
	if (!t->killed)
		ward_judge(e, t, false);
}

static void after_call(struct enforce *e, struct ward *t)
{
	enum lg_foresight was = t->is;

	t->dirty = false;
	if (t->killed || (e->has_fresh && has_room(t, e->fresh)))
		return;
	ward_judge(e, t, false);
	if (t->is != was)
		wards_each(e, judge_one, 0);
}

/* -- writes that wait
 * ---------------------------------------------------------- */

static struct wait *find_wait(struct ward *t, uint64_t ssl, uint32_t tid)
{
	struct wait *newest = NULL;

	for (unsigned i = 0; i < ENFORCE_WAITS; i++) {
		struct wait *w = &t->waits[i];

		if (w->used && w->ssl == ssl && w->tid == tid)
			newest = w;
	}
	return newest;
}

static struct wait *new_wait(struct ward *t, const struct probe_event *ev)
{
	struct wait *w = find_wait(t, ev->ssl, ev->tid);

	for (unsigned i = 0; !w && i < ENFORCE_WAITS; i++)
		if (!t->waits[i].used)
			w = &t->waits[i];
	for (unsigned i = 0; !w && i < ENFORCE_WAITS; i++)
		if (!t->waits[i].stopped)
			w = &t->waits[i];
	if (!w)
		w = &t->waits[t->nwaits++ % ENFORCE_WAITS];
	free(w->row);
	free(w->head);
	*w = (struct wait){
		.ssl = ev->ssl,
		.call = ev->call,
		.tid = ev->tid,
		.used = true,
	};
	return w;
}

static bool is_whole(const struct probe_event *ev)
{
	return ev->at + ev->cap >= ev->len ||
	       ev->flags &
		       (PROBE_FLAG_CUT | PROBE_FLAG_FAULT | PROBE_FLAG_REPEAT);
}

/* Whose request it is may stand in its head. */
static struct lg_row *head_of(struct enforce *e,
			      const struct probe_conn_key *key)
{
	struct lg_row *row = malloc(sizeof(*row));

	if (row && meter_head(e->o.meter, key, row))
		return row;
	free(row);
	return NULL;
}

static void on_write(struct enforce *e, struct ward *t,
		     const struct probe_event *ev)
{
	struct probe_conn_key key = {.ssl = ev->ssl, .tgid = ev->tgid};
	struct wait *w = find_wait(t, ev->ssl, ev->tid);
	struct dial *c = dial_get(t, &key, true);

	if (!w || w->call != ev->call)
		w = new_wait(t, ev);
	w->begins |= c && ev->begun != c->begun;
	w->whole |= is_whole(ev);
	w->place = ev->result;
	if (c)
		c->begun = ev->begun;
	if (!e->has_fresh) {
		if (w->begins && !w->head)
			w->head = head_of(e, &key);
		return;
	}
	if (c)
		memcpy(c->call, e->fresh->id, sizeof(c->call));
	if (c && !c->has_peer && e->resolver)
		dial_learn_peer(e, t, c);
	if (!w->row)
		w->row = malloc(sizeof(*w->row));
	if (w->row)
		*w->row = *e->fresh;
}

/* All of them, when the last piece of each is there. */
static void judge_stopped(struct enforce *e, struct ward *t)
{
	struct lg_exhaust why;
	struct wait *w;

	for (unsigned i = 0; i < ENFORCE_WAITS; i++)
		if (t->waits[i].used && t->waits[i].stopped &&
		    !t->waits[i].whole)
			return;
	while (!judge_waits(t, &why, &w))
		if (act_refuse(e, t, &why, w))
			return;
	act_continue(e, t);
}

static void on_stopped(struct ward *t, const struct probe_event *ev)
{
	struct probe_conn_key key = {.ssl = ev->ssl, .tgid = ev->tgid};
	struct wait *w = find_wait(t, ev->ssl, ev->tid);
	struct dial *c = dial_get(t, &key, true);

	if (ev->result < 0) {
		struct lg_log_kv kv[] = {
			{"pid", {NULL, 0}, (int64_t)ev->tgid},
			{"errno", {NULL, 0}, -ev->result},
		};
		lg_log(LG_LOG_ERROR, "stop_refused", kv, 2);
		return;
	}
	t->nstops++;
	if (!w || w->call != ev->call) {
		w = new_wait(t, ev);
		w->begins = c && ev->begun != c->begun;
	}
	if (c)
		c->begun = ev->begun;
	w->stopped = true;
	t->stopped = true;
	t->seen_stopped = false;
	t->stopped_ms = lg_clock_boot_ns() / 1000000;
}

static void on_fd(struct ward *t, const struct probe_event *ev)
{
	struct probe_conn_key key = {.ssl = ev->ssl, .tgid = ev->tgid};
	struct dial *d = dial_get(t, &key, true);

	if (!d)
		return;
	d->fd = ev->result >= 0 ? (int)ev->result : -1;
	d->has_peer = false;
}

static void on_exec(struct enforce *e, struct ward *t)
{
	if (t->stopped)
		act_was_continued(e, t);
	ward_forget_calls(t);
	ward_identify(e, t);
	ward_judge(e, t, true);
}

/* A thread that waited writes anew: somebody let it. */
void enforce_before(struct enforce *e, const struct probe_event *ev)
{
	struct ward *t =
		ev->kind == PROBE_EV_WRITE ? ward_find(e, ev->tgid) : NULL;
	struct wait *w =
		t && t->stopped ? find_wait(t, ev->ssl, ev->tid) : NULL;

	if (w && w->stopped && w->call != ev->call)
		act_was_continued(e, t);
}

void enforce_event(struct enforce *e, const struct probe_event *ev)
{
	struct ward *t = ward_find(e, ev->tgid);

	if (!t && (ev->kind == PROBE_EV_FORK || ev->kind == PROBE_EV_STOPPED ||
		   ev->kind == PROBE_EV_WRITE))
		t = ward_add(e, ev->tgid);
	if (ev->kind == PROBE_EV_EXIT) {
		ward_drop(e, ev->tgid);
		t = NULL;
	}
	if (t && ev->kind == PROBE_EV_EXEC)
		on_exec(e, t);
	else if (t && ev->kind == PROBE_EV_WRITE)
		on_write(e, t, ev);
	else if (t && ev->kind == PROBE_EV_STOPPED)
		on_stopped(t, ev);
	else if (t && ev->kind == PROBE_EV_FREE)
		dial_drop(t, ev->ssl);
	else if (t && ev->kind == PROBE_EV_FD)
		on_fd(t, ev);
	if (t && t->dirty)
		after_call(e, t);
	e->has_fresh = false;
	if (t && t->stopped && !t->killed)
		judge_stopped(e, t);
}

void enforce_conn(struct enforce *e, const struct probe_conn_key *key, int fd)
{
	struct ward *t = ward_find(e, key->tgid);
	struct dial *c;

	if (!t)
		t = ward_add(e, key->tgid);
	c = t ? dial_get(t, key, true) : NULL;
	if (!c)
		return;
	c->is_llm = true;
	if (fd >= 0)
		c->fd = fd;
	if (e->deny)
		dial_learn_peer(e, t, c);
}

/* -- from time to time
 * ---------------------------------------------------------- */

static void tick_stopped(struct enforce *e, struct ward *t, int64_t now_ms)
{
	bool is = rung_is_stopped(&t->whom);

	/* On a busy machine it takes a while until the signal is obeyed. */
	if (!is && !t->seen_stopped && now_ms - t->stopped_ms < OBEY_MS)
		return;
	if (!is) {
		act_was_continued(e, t);
		return;
	}
	t->seen_stopped = true;
	ward_find_caught(t);
	for (unsigned i = 0; i < ENFORCE_WAITS; i++)
		t->waits[i].whole |= now_ms - t->stopped_ms > JUDGE_MS;
	judge_stopped(e, t);
}

/* The kernel has stopped it, and the record of that found no room. */
static void find_lost_stop(struct enforce *e, struct ward *t)
{
	uint32_t n = t->verdict || t->lags || e->cgroup_verdict
			     ? loader_stops(e->loader, t->whom.tgid)
			     : t->nstops;

	if (n == t->nstops) {
		t->lags = false;
		return;
	}
	/* or it is still on its way */
	if (!t->lags) {
		t->lags = true;
		return;
	}
	t->nstops = n;
	t->lags = false;
	if (!t->stopped && rung_is_stopped(&t->whom))
		ward_waits_blindly(t);
}

static void tick_ward(struct enforce *e, struct ward *t, int64_t now_ms)
{
	if (rung_is_gone(&t->whom)) {
		meter_process_ended(e->o.meter, t->whom.tgid);
		ward_drop(e, t->whom.tgid);
		return;
	}
	if (t->killed)
		return;
	if (!t->owner)
		ward_identify(e, t);
	t->dirty = false;
	ward_judge(e, t, false);
	act_count_denied(e, t);
	find_lost_stop(e, t);
	if (t->stopped)
		tick_stopped(e, t, now_ms);
	act_note(t);
}

static void add_peer(void *arg, const struct connect_peer *peer)
{
	rung_deny_peer(arg, peer);
}

/*
 * Whoever enters the group now is stopped at its first write, then judged.
 * Connections are denied to the group where nobody in it may make calls.
 */
static void tick_cgroup(struct enforce *e)
{
	bool any = false, all = true;

	if (!e->o.cgroup || e->o.hard == ENFORCE_WARN)
		return;
	for (unsigned i = 0; i < ENFORCE_SLOTS; i++)
		for (struct ward *t = e->wards[i]; t; t = t->next) {
			any |= t->is != LG_FORESEE_NO;
			all &= t->is == LG_FORESEE_YES;
		}
	all &= any;
	if (any != e->cgroup_verdict)
		loader_cgroup_verdict_set(e->loader, e->o.cgroup,
					  any ? PROBE_STOP : PROBE_GO);
	e->cgroup_verdict = any;
	if (e->deny && all != e->cgroup_denied)
		rung_deny_cgroup(e->deny, e->o.cgroup, all);
	e->cgroup_denied = all;
}

void enforce_tick(struct enforce *e, int64_t now_ms)
{
	int64_t now = lg_clock_boot_ns() / 1000000;

	(void)now_ms;
	if (now < e->next_all_ms && !e->dirty)
		return;
	e->next_all_ms = now + ALL_MS;
	e->dirty = false;
	for (struct owner *o = e->owners; o; o = o->next)
		owner_refresh(o);
	if (e->deny)
		resolver_poll(e->resolver, add_peer, e->deny);
	wards_each(e, tick_ward, now);
	tick_cgroup(e);
}

void enforce_totals(const struct enforce *e, struct enforce_totals *out)
{
	*out = e->totals;
	out->waiting = 0;
	for (unsigned i = 0; i < ENFORCE_SLOTS; i++)
		for (const struct ward *t = e->wards[i]; t; t = t->next)
			out->waiting += t->stays;
}
