#include "bpf/enforce_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "bpf/meter.h"
#include "guard/control.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "guard/world.h"
#include "tools/control_file.h"

/* What is held never counts for less: the next call may be another. */
#define LEAST_PPM 100000

struct owner *owner_of(struct enforce *e, uint32_t tgid, uint32_t uid)
{
	struct lg_engine *engine = meter_engine(e->o.meter, tgid);
	struct owner *o = e->owners;

	if (!engine)
		return NULL;
	while (o && (o->engine != engine || o->uid != uid))
		o = o->next;
	if (o) {
		o->refs++;
		return o;
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->engine = engine;
	o->uid = uid;
	o->refs = 1;
	meter_keep(e->o.meter, engine);
	become_user_init(&o->user, uid);
	o->next = e->owners;
	e->owners = o;
	owner_refresh(o);
	return o;
}

void owner_drop(struct enforce *e, struct owner *o)
{
	struct owner **at = &e->owners;

	if (!o || --o->refs)
		return;
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	meter_let_go(e->o.meter, o->engine);
	free(o);
}

/* -- orders -----------------------------------------------------------------
 */

static void read_orders(struct owner *o, struct lg_slice text)
{
	struct lg_control c;

	o->norders = 0;
	while (lg_control_next(&text, &c) && o->norders < ENFORCE_ORDERS)
		if (c.pid && (c.kind != LG_CONTROL_STOPPED || c.by_budget))
			o->orders[o->norders++] = (struct order){
				.pid = c.pid,
				.start = c.start,
				.kind = c.kind,
			};
}

void owner_refresh(struct owner *o)
{
	const char *dir = lg_engine_state_dir(o->engine);
	uint64_t stamp;
	char path[512];
	size_t size;
	void *p;

	become(&o->user);
	stamp = lg_control_stamp(dir);
	if (stamp != o->stamp) {
		o->stamp = stamp;
		o->norders = 0;
		if (stamp &&
		    !lg_path_join(path, sizeof(path), dir, LG_CONTROL_FILE) &&
		    !lg_file_read(path, LG_CONTROL_MAX, &p, &size)) {
			read_orders(o, (struct lg_slice){p, size});
			lg_mem_free(p, size);
		}
	}
	become(NULL);
}

static bool has_order(const struct owner *o, const struct rung_whom *w,
		      enum lg_control_kind kind)
{
	for (unsigned i = 0; i < o->norders; i++)
		if (o->orders[i].kind == kind &&
		    o->orders[i].pid == (int32_t)w->tgid &&
		    o->orders[i].start == w->start)
			return true;
	return false;
}

bool owner_lets_alone(const struct owner *o, const struct rung_whom *w)
{
	return has_order(o, w, LG_CONTROL_OFF);
}

bool owner_pauses(const struct owner *o, const struct rung_whom *w)
{
	return has_order(o, w, LG_CONTROL_PAUSE);
}

bool owner_has_stopped(const struct owner *o, const struct rung_whom *w)
{
	return has_order(o, w, LG_CONTROL_STOPPED);
}

static bool is_it(const struct lg_control *c, void *arg)
{
	const struct lg_control *it = arg;

	return c->kind == it->kind && c->pid == it->pid &&
	       c->start == it->start;
}

int owner_note_stopped(struct owner *o, const struct rung_whom *w, bool on)
{
	struct lg_control it = {
		.kind = LG_CONTROL_STOPPED,
		.pid = (int32_t)w->tgid,
		.start = w->start,
		.by_budget = true,
	};
	struct control_file f;
	int err;

	become(&o->user);
	err = control_open(&f, o->engine, CONTROL_TRY);
	if (!err && on)
		control_add(&f, &it);
	else if (!err)
		control_drop(&f, is_it, &it);
	if (!err)
		err = control_save(&f, o->engine);
	control_close(&f);
	become(NULL);
	if (err && err != -EWOULDBLOCK) {
		struct lg_log_kv kv[] = {
			{"pid", {NULL, 0}, (int64_t)w->tgid},
			{"errno", {NULL, 0}, -err},
		};
		lg_log(LG_LOG_ERROR, "stop_not_noted", kv, 2);
	}
	return err;
}

struct lg_world *owner_enter(struct owner *o)
{
	become(&o->user);
	return lg_engine_pin(o->engine);
}

void owner_leave(struct owner *o, struct lg_world *w)
{
	lg_engine_unpin(o->engine, w);
	become(NULL);
}

bool owner_is_closed(struct owner *o)
{
	struct lg_world *w = owner_enter(o);
	bool closed = w->set.fail == LG_FAIL_CLOSED;

	owner_leave(o, w);
	return closed;
}

/* -- what calls turn out to cost
 * ------------------------------------------------
 */

void owner_learn(struct owner *o, const struct lg_row *row)
{
	__int128 ppm;

	/* what the server refused says nothing about those it answers */
	if (row->estimate_pusd <= 0 || row->status != 200)
		return;
	ppm = (__int128)row->cost_pusd * 1000000 / row->estimate_pusd;
	o->trust[o->ntrust++ % ENFORCE_TRUST] = ppm > 1000000 ? 1000000
						: ppm < LEAST_PPM
							? LEAST_PPM
							: (uint32_t)ppm;
}

/* The dearest of late; all of the hold until there were some. */
uint32_t owner_held_ppm(const struct owner *o)
{
	unsigned n = o->ntrust < ENFORCE_TRUST ? o->ntrust : ENFORCE_TRUST;
	uint32_t most = LEAST_PPM;

	if (n < 4)
		return 1000000;
	for (unsigned i = 0; i < n; i++)
		most = o->trust[i] > most ? o->trust[i] : most;
	return most;
}
