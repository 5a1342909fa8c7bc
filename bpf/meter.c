#include "bpf/meter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/money.h"
#include "bpf/engines.h"
#include "bpf/meter_state.h"
#include "guard/engine.h"
#include "guard/flow.h"

/* How often an unlisted host's requests are looked at before it is let go. */
#define LOOKS_NAMED 2
#define LOOKS_NAMELESS 16

/* -- what the engine says of calls ------------------------------------------
 */

/* What a program asks next is most likely what it asked last. */
static void learn_like(struct proc *p, const struct lg_row *row)
{
	if (!p->like)
		p->like = malloc(sizeof(*p->like));
	if (p->like && row->model_requested[0])
		*p->like = *row;
}

static void on_call(void *arg, const struct lg_row *row, bool settled)
{
	struct conn *c = arg;
	struct meter *m = c->meter;
	const struct become_user *user = become_whom();

	if (!settled)
		learn_like(c->proc, row);
	if (settled) {
		m->totals.calls++;
		m->totals.in_flight -= m->totals.in_flight != 0;
		m->totals.cost_pusd =
			lg_money_add(m->totals.cost_pusd, row->cost_pusd);
	} else {
		m->totals.in_flight++;
	}
	if (!m->o.on_call)
		return;
	become(NULL);
	m->o.on_call(m->o.arg, row, settled);
	become(user);
}

/* -- processes ---------------------------------------------------------------
 */

struct proc *meter_find_proc(struct meter *m, uint32_t tgid)
{
	struct proc *p = m->procs[tgid % METER_PROCS];

	while (p && p->person.tgid != tgid)
		p = p->next;
	return p;
}

static bool is_let_alone(struct proc *p)
{
	return !p->one;
}

static void del_proc(struct meter *m, struct proc *p)
{
	struct proc **at = &m->procs[p->person.tgid % METER_PROCS];

	while (p->conns)
		conn_del(p->conns);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	engines_drop(p->one);
	free(p->like);
	free(p);
}

/* How far the ring was read; *written is where its records end by now. */
static uint64_t ring_at(struct meter *m, uint64_t *written)
{
	uint64_t taken = 0;

	*written = 0;
	if (m->o.ring_at)
		m->o.ring_at(m->o.arg, written, &taken);
	return taken;
}

/* It has ended, and all of it was read. */
static bool is_past(struct meter *m, const struct proc *p)
{
	uint64_t written;

	return p->has_ended && ring_at(m, &written) >= p->last_at;
}

struct proc *meter_get_proc(struct meter *m, uint32_t tgid, uint32_t uid)
{
	struct proc *p = meter_find_proc(m, tgid);

	if (p && is_past(m, p)) {
		del_proc(m, p); /* its number is somebody else's */
		p = NULL;
	}
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	person_read(&p->person, tgid, uid);
	/* LLMGUARD_DISABLE switches the preload off, not who watches it */
	p->one = engines_get(&m->engines, &p->person);
	p->let_alone = is_let_alone(p);
	p->next = m->procs[tgid % METER_PROCS];
	m->procs[tgid % METER_PROCS] = p;
	return p;
}

void meter_process_gone(struct meter *m, uint32_t tgid)
{
	struct proc *p = meter_find_proc(m, tgid);

	if (p)
		del_proc(m, p);
}

static void mark_ended(struct meter *m, struct proc *p)
{
	if (!p->has_ended)
		ring_at(m, &p->last_at);
	p->has_ended = true;
}

void meter_process_ended(struct meter *m, uint32_t tgid)
{
	struct proc *p = meter_find_proc(m, tgid);

	if (p)
		mark_ended(m, p);
}

/* -- the bytes of a connection -----------------------------------------------
 */

static void up(void *arg, const char *p, size_t n, bool first)
{
	struct conn *c = arg;

	(void)first;
	while (n && c->flow) {
		enum lg_flow_gate gate;
		size_t took = lg_flow_offer(c->flow, p, n, &gate);

		if (gate == LG_FLOW_PASS)
			lg_flow_passed(c->flow, p, took);
		p += took;
		n -= took;
	}
	c->wrote = true;
}

static void down(void *arg, const char *p, size_t n, bool first)
{
	struct conn *c = arg;

	(void)first;
	/* observed bytes are read and never moved */
	if (c->flow)
		lg_flow_arrived(c->flow, (char *)(uintptr_t)p, n);
	c->looks += c->wrote;
	c->wrote = false;
}

static void gap(void *arg, bool is_up, uint64_t missing)
{
	struct conn *c = arg;

	c->meter->totals.lost_bytes += missing;
	if (c->flow)
		lg_flow_gap(c->flow, is_up, missing);
}

static void eof(void *arg)
{
	struct conn *c = arg;

	if (c->flow)
		lg_flow_eof(c->flow);
}

static const struct stream_sink sink = {up, down, gap, eof};

/* -- connections
 * --------------------------------------------------------------- */

static size_t conn_slot(uint32_t tgid, uint64_t ssl)
{
	return ((ssl >> 4) * 0x9e3779b97f4a7c15u ^ tgid) >> 7 &
	       (METER_CONNS - 1);
}

struct conn *meter_find_conn(struct meter *m, uint32_t tgid, uint64_t ssl)
{
	struct conn *c = m->conns[conn_slot(tgid, ssl)];

	while (c && (c->key.tgid != tgid || c->key.ssl != ssl))
		c = c->next;
	return c;
}

static void set_final(struct conn *c, const struct probe_conn *conn)
{
	if (conn->begun > c->begun)
		c->begun = conn->begun;
	c->has_lost |= conn->lost != 0;
	c->is_final = true;
}

/* What was counted behind its last record; one that was dropped stays so. */
static void ask_final(struct conn *c)
{
	struct probe_conn_key key = c->key;
	struct probe_conn last;

	if (c->is_final || c->state == PROBE_CONN_DROP || !c->meter->o.take)
		return;
	key.id = (uint32_t)c->id;
	if (!c->meter->o.take(c->meter->o.arg, &key, &last))
		set_final(c, &last);
}

/*
 * Requests that began in the kernel's sight and not in ours. A connection has
 * one owner: who is here is counted here, all others by meter_conn.
 */
static void count_lost(struct conn *c)
{
	if (c->state == PROBE_CONN_DROP ||
	    (c->state == PROBE_CONN_NEW && !c->has_lost))
		return;
	if (c->begun > c->seen)
		c->meter->totals.lost_calls += c->begun - c->seen;
}

/* The flow's work is done as its user; all else as root. */
static void conn_enter(struct conn *c)
{
	become(&c->proc->one->user);
}

/* Its calls are settled. */
static void end_flow(struct conn *c)
{
	if (c->proc->one)
		conn_enter(c);
	stream_fini(&c->stream);
	c->has_lost |= c->stream.lost != 0;
	if (c->flow) {
		c->seen += lg_flow_begun(c->flow);
		if (c->stream.hung_up)
			lg_flow_eof(c->flow);
		else if (c->proc->forsaken)
			lg_flow_forsake(c->flow, c->proc->like);
		if (!c->proc->forsaken && stream_is_unsent(&c->stream))
			lg_flow_unsent(c->flow, true);
		lg_flow_del(c->flow);
	}
	c->flow = NULL;
	become(NULL);
}

/* It may speak again, and the kernel goes on counting. */
static void rest(struct conn *c)
{
	if (!c->flow)
		return;
	end_flow(c);
	stream_init(&c->stream, &sink, c);
	c->is_late = true;
}

void conn_del(struct conn *c)
{
	struct meter *m = c->meter;
	struct conn **at = &m->conns[conn_slot(c->key.tgid, c->key.ssl)];

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	*c->prev_of = c->of_proc;
	if (c->of_proc)
		c->of_proc->prev_of = c->prev_of;
	end_flow(c);
	ask_final(c);
	count_lost(c);
	m->totals.conns -= c->state == PROBE_CONN_LLM;
	free(c);
}

void meter_conn(struct meter *m, const struct probe_conn_key *key,
		const struct probe_conn *conn)
{
	struct conn *c = meter_find_conn(m, key->tgid, key->ssl);

	if (c && c->id == conn->id) {
		set_final(c, conn);
		conn_del(c);
	} else if (conn->lost && conn->state != PROBE_CONN_DROP) {
		m->totals.lost_calls += conn->begun;
	}
}

static struct conn *new_conn(struct meter *m, struct proc *p,
			     const struct probe_event *ev)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct conn **slot = &m->conns[conn_slot(ev->tgid, ev->ssl)];

	if (!c)
		return NULL;
	c->meter = m;
	c->proc = p;
	c->key = (struct probe_conn_key){.ssl = ev->ssl, .tgid = ev->tgid};
	c->id = ev->conn;
	c->is_late = ev->flags & PROBE_FLAG_LATE || ev->seq > 1;
	c->who = (struct lg_who){
		.env = &p->person.env,
		.self = &p->person.self,
		.pid = (int32_t)p->person.tgid,
		.ppid = p->person.ppid,
		.on_call = on_call,
		.arg = c,
	};
	stream_init(&c->stream, &sink, c);
	c->next = *slot;
	*slot = c;
	c->of_proc = p->conns;
	c->prev_of = &p->conns;
	if (p->conns)
		p->conns->prev_of = &c->of_proc;
	p->conns = c;
	return c;
}

static void judge(struct conn *c, enum probe_conn_state state)
{
	struct meter *m = c->meter;

	if (c->state == state)
		return;
	m->totals.conns += state == PROBE_CONN_LLM;
	m->totals.conns -= c->state == PROBE_CONN_LLM;
	c->state = state;
	if (m->o.on_conn)
		m->o.on_conn(m->o.arg, &c->key, state);
}

/* Its first bytes are here, and its name if it has one. */
static void open_flow(struct conn *c)
{
	struct lg_flow_peer peer = {
		.host = lg_slice_str(c->host),
		.observe_only = true,
		.late = c->is_late,
		.who = &c->who,
	};

	if (c->flow || c->proc->let_alone)
		return;
	peer.guarded =
		c->host[0] && lg_engine_guards(c->proc->one->engine, peer.host);
	c->guarded = peer.guarded;
	c->flow = lg_flow_new(c->proc->one->engine, &peer);
}

static void look_at(struct conn *c)
{
	unsigned max = c->host[0] ? LOOKS_NAMED : LOOKS_NAMELESS;

	if (c->proc->let_alone)
		judge(c, PROBE_CONN_DROP);
	else if (!c->flow)
		return;
	else if (c->guarded || lg_flow_is_guarding(c->flow))
		judge(c, PROBE_CONN_LLM);
	else if (c->looks >= max || lg_flow_is_passing(c->flow))
		judge(c, PROBE_CONN_DROP);
}

static void set_host(struct conn *c, const char *p, size_t n)
{
	size_t len = strnlen(p, n);

	if (len >= sizeof(c->host))
		return;
	memcpy(c->host, p, len);
	c->host[len] = '\0';
}

static bool is_data(const struct probe_event *ev)
{
	return (ev->kind == PROBE_EV_WRITE || ev->kind == PROBE_EV_READ) &&
	       ev->cap;
}

static void feed_conn(struct conn *c, const struct probe_event *ev,
		      const void *payload)
{
	if (ev->kind == PROBE_EV_NAME && ev->cap)
		set_host(c, payload, ev->cap);
	c->ts_ns = ev->ts_ns;
	c->who.now_ns = (int64_t)ev->ts_ns;
	if (ev->begun > c->begun)
		c->begun = ev->begun;
	c->is_final |= ev->kind == PROBE_EV_FREE;
	if (c->proc->one)
		conn_enter(c);
	if (is_data(ev))
		open_flow(c);
	stream_feed(&c->stream, ev, payload);
	become(NULL);
	if (is_data(ev))
		look_at(c);
}

/* -- records
 * ------------------------------------------------------------------- */

static void feed_ssl(struct meter *m, const struct probe_event *ev,
		     const void *payload)
{
	struct conn *c = meter_find_conn(m, ev->tgid, ev->ssl);
	struct proc *p;

	if (c && c->id != ev->conn) {
		conn_del(c);
		c = NULL;
	}
	if (!c && ev->kind == PROBE_EV_FREE) {
		m->totals.lost_calls += ev->begun; /* and so is all else */
		return;
	}
	if (!c) {
		p = meter_get_proc(m, ev->tgid, ev->uid);
		c = p ? new_conn(m, p, ev) : NULL;
	}
	if (!c)
		return;
	feed_conn(c, ev, payload);
	if (ev->kind == PROBE_EV_FREE)
		conn_del(c);
}

void meter_feed(struct meter *m, const struct probe_event *ev,
		const void *payload)
{
	switch (ev->kind) {
	case PROBE_EV_WRITE:
	case PROBE_EV_WROTE:
	case PROBE_EV_READ:
	case PROBE_EV_CLOSED:
	case PROBE_EV_FREE:
	case PROBE_EV_NAME:
	case PROBE_EV_FD:
	case PROBE_EV_STOPPED: /* it has a number of its own */
		feed_ssl(m, ev, payload);
		break;
	case PROBE_EV_EXEC:
	case PROBE_EV_EXIT:
		meter_process_gone(m, ev->tgid);
		break;
	default:
		break;
	}
}

/* -- life
 * ------------------------------------------------------------------------ */

int meter_new(const struct meter_options *o, struct meter **out)
{
	const struct engines_options eo = {
		.config = o->config,
		.state_dir = o->state_dir,
		.region = o->region,
		.ignore_budget = o->ignore_budget,
	};
	struct meter *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->o = *o;
	/* many programs' calls at once, and none of them pays for it */
	lg_mem_set_cap(METER_MEMORY);
	engines_init(&m->engines, &eo);
	*out = m;
	return 0;
}

void meter_closes(struct meter *m)
{
	for (unsigned i = 0; i < METER_PROCS; i++)
		for (struct proc *p = m->procs[i]; p; p = p->next)
			p->forsaken = !p->has_ended &&
				      person_start(p->person.tgid, NULL) ==
					      p->person.start;
}

void meter_end(struct meter *m)
{
	meter_closes(m);
	for (unsigned i = 0; i < METER_PROCS; i++)
		while (m->procs[i])
			del_proc(m, m->procs[i]);
}

void meter_del(struct meter *m)
{
	if (!m)
		return;
	meter_end(m);
	engines_fini(&m->engines);
	free(m);
}

/* Nothing more comes of what was dropped, nor of what nobody freed. */
static bool is_idle(const struct conn *c, uint64_t now_ns)
{
	uint64_t max =
		c->state == PROBE_CONN_DROP ? METER_DROPPED_NS : METER_IDLE_NS;

	return now_ns > c->ts_ns && now_ns - c->ts_ns > max;
}

static void tick_proc(struct proc *p, uint64_t now_ns)
{
	struct conn *c, *next;

	for (c = p->conns; c; c = next) {
		next = c->of_proc;
		if (is_idle(c, now_ns)) {
			if (c->state == PROBE_CONN_DROP)
				conn_del(c);
			else
				rest(c);
			continue;
		}
		if (!c->stream.nearly || !p->one)
			continue;
		conn_enter(c);
		stream_tick(&c->stream, now_ns);
		become(NULL);
	}
}

void meter_tick(struct meter *m, int64_t now_ms)
{
	uint64_t now_ns = (uint64_t)lg_clock_boot_ns();
	bool look = now_ms >= m->next_look_ms;
	struct proc *p, *next;

	if (look)
		m->next_look_ms = now_ms + METER_LOOK_MS;
	for (unsigned i = 0; i < METER_PROCS; i++)
		for (p = m->procs[i]; p; p = next) {
			next = p->next;
			tick_proc(p, now_ns);
			if (is_past(m, p))
				del_proc(m, p);
			else if (look && person_start(p->person.tgid, NULL) !=
						 p->person.start)
				mark_ended(m, p);
		}
	engines_tick(&m->engines, now_ms);
}

void meter_totals(const struct meter *m, struct meter_totals *out)
{
	*out = m->totals;
}
