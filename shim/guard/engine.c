#include "guard/engine.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "budget/hold.h"
#include "budget/layout.h"
#include "config/config.h"
#include "guard/alert.h"
#include "guard/file.h"
#include "guard/host.h"
#include "guard/places.h"
#include "guard/program.h"
#include "guard/sandbox.h"
#include "guard/self.h"
#include "guard/world.h"
#include "ledger/ledger.h"

#define WORLDS 8
#define CHECK_EVERY_MS 1000
#define SWEEP_EVERY_MS 50
#define REFRESH_TRIES 1000

/*
 * Worlds stand in slots whose reference counts are never freed: a reader adds
 * itself, then looks again whether the slot is still the current one.
 */
struct slot {
	struct lg_world *world;
	uint32_t refs;
};

struct lg_engine {
	struct lg_env env;
	struct lg_self self;
	struct lg_settings settings;
	struct lg_ledger ledger;
	struct lg_image *env_budgets;
	char state_dir[256];
	char region_path[256];
	struct slot slot[WORLDS];
	uint32_t current;
	uint32_t refreshing;
	int64_t next_check_ms;
	uint64_t broken; /* signature of sources that do not compile */
	uint64_t seq;
	uint32_t staged;
	int64_t next_sweep_ms;
	int32_t region_err; /* last one told */
	bool fail_closed, ignores;
	struct lg_config_error trouble;
};

static uint32_t sandboxed;

void lg_engine_enter_sandbox(void)
{
	lg_store_relaxed(&sandboxed, 1);
	lg_log_enter_sandbox();
	lg_owner_enter_sandbox();
}

bool lg_engine_is_sandboxed(const struct lg_engine *e)
{
	(void)e;
	if (!lg_load_relaxed(&sandboxed) && lg_sandbox_entered())
		lg_engine_enter_sandbox();
	return lg_load_relaxed(&sandboxed) != 0;
}

bool lg_engine_was_sandboxed(void)
{
	return lg_load_relaxed(&sandboxed) != 0;
}

/* -- worlds -------------------------------------------------------------- */

static struct lg_world *pin_current(struct lg_engine *e)
{
	for (;;) {
		uint32_t i = lg_load_seq(&e->current);

		lg_add_seq(&e->slot[i].refs, 1);
		/* others only move `current` on: this ends */
		if (lg_load_seq(&e->current) == i)
			return e->slot[i].world;
		lg_add_seq(&e->slot[i].refs, (uint32_t)-1);
	}
}

void lg_engine_unpin(struct lg_engine *e, struct lg_world *w)
{
	if (w)
		lg_add_seq(&e->slot[w->slot].refs, (uint32_t)-1);
}

void lg_engine_repin(struct lg_engine *e, struct lg_world *w)
{
	lg_add_seq(&e->slot[w->slot].refs, 1);
}

/* An unused slot other than the current one; NULL when all are pinned. */
static struct slot *free_slot(struct lg_engine *e)
{
	for (unsigned i = 0; i < WORLDS; i++)
		if (i != e->current && !lg_load_seq(&e->slot[i].refs))
			return &e->slot[i];
	return NULL;
}

static void publish(struct lg_engine *e, struct slot *s, struct lg_world *w)
{
	struct lg_world *old = s->world;

	w->seq = ++e->seq;
	w->slot = (uint32_t)(s - e->slot);
	s->world = w;
	lg_store_seq(&e->current, w->slot);
	lg_world_del(old);
}

/* -- the region ---------------------------------------------------------- */

static int open_region(struct lg_engine *e, bool readonly,
		       struct lg_region **out)
{
	struct lg_region_options o = {
		.path = e->region_path,
		.state_dir = e->state_dir,
		.create = !readonly,
		.readonly = readonly,
	};
	bool created;

	return lg_region_open(&o, out, &created);
}

/*
 * A file that somebody named by mistake is left alone: only what stands at the
 * default path, or is empty, or begins like a region, is a damaged region.
 */
static bool is_region(const struct lg_engine *e, const struct stat *st)
{
	char magic[sizeof(LG_REGION_MAGIC)];

	return !e->env.region || !st->st_size ||
	       (lg_file_peek(e->region_path, magic, sizeof(magic)) > 0 &&
		!strcmp(magic, LG_REGION_MAGIC));
}

/* A damaged region is a damaged cache: out of the way, and a new one. */
static int replace_region(struct lg_engine *e, struct lg_region **out)
{
	char aside[272];
	struct stat st, again;

	if (lstat(e->region_path, &st) || !S_ISREG(st.st_mode) ||
	    st.st_uid != geteuid() || !is_region(e, &st) ||
	    lg_path_join(aside, sizeof(aside), e->region_path, ".damaged"))
		return -EPROTO;
	/* somebody else may have replaced it meanwhile */
	if (open_region(e, false, out) != -EPROTO)
		return *out ? 0 : -EAGAIN;
	if (lstat(e->region_path, &again) || again.st_ino != st.st_ino)
		return open_region(e, false, out);
	if (rename(e->region_path, aside))
		return -errno;
	return open_region(e, false, out);
}

static void tell_region(struct lg_engine *e, int err)
{
	struct lg_log_kv kv[2] = {
		{"path", lg_slice_str(e->region_path), 0},
		{"errno", {NULL, 0}, -err},
	};

	if (err != e->region_err && err)
		lg_log(LG_LOG_ERROR, "region_unavailable", kv, 2);
	e->region_err = err;
}

/* A new reference (refs 0), NULL when no region can be had. */
static struct lg_region_ref *attach_region(struct lg_engine *e)
{
	struct lg_region_ref *ref = lg_mem_alloc(sizeof(*ref));
	int err;

	if (!ref)
		return NULL;
	ref->readonly = e->env.readonly;
	err = open_region(e, ref->readonly, &ref->r);
	if (err == -EPROTO && !ref->readonly)
		err = replace_region(e, &ref->r);
	tell_region(e, err);
	if (!ref->readonly && (err == -EACCES || err == -EROFS)) {
		err = open_region(e, true, &ref->r);
		ref->readonly = true;
	}
	if (!err)
		return ref;
	lg_mem_free(ref, sizeof(*ref));
	return NULL;
}

/* -- refresh ------------------------------------------------------------- */

static bool region_is_current(struct lg_engine *e, const struct lg_world *w)
{
	return w->region && lg_region_is_sound(w->region->r) &&
	       lg_region_is_current(w->region->r, e->region_path);
}

static bool is_stale(struct lg_engine *e, const struct lg_world *w)
{
	if (!region_is_current(e, w))
		return true;
	if (lg_region_generation(w->region->r) != w->generation ||
	    lg_control_stamp(e->state_dir) != w->control.stamp)
		return true;
	if (w->img && lg_settings_is_fresh(&e->settings, w->img))
		return false;
	return lg_settings_signature(&e->settings, w->img, &e->trouble) !=
	       e->broken;
}

static void tell_trouble(struct lg_engine *e, const struct lg_world *w,
			 const struct lg_config_error *err)
{
	struct lg_log_kv kv = {"error", lg_slice_str(err->text), 0};

	if (err->text[0] && strcmp(err->text, e->trouble.text) != 0) {
		lg_log(LG_LOG_ERROR, "config_error", &kv, 1);
		lg_alert_trouble(e, lg_world_region(w), err->text);
	}
	e->trouble = *err;
}

/* A region that cannot be reached again is better than none. */
static struct lg_region_ref *next_region(struct lg_engine *e,
					 const struct lg_world *old)
{
	struct lg_region_ref *ref;

	if (old && region_is_current(e, old))
		return old->region;
	ref = attach_region(e);
	if (!ref && old && old->region && lg_region_is_sound(old->region->r))
		ref = old->region;
	return ref;
}

static int rebuild(struct lg_engine *e, const struct lg_world *old)
{
	struct lg_config_error err = {.skipped = 0};
	struct lg_world_source src = {
		.settings = &e->settings,
		.env = e->env_budgets,
		.last_good = old ? old->img : NULL,
		.fail_closed = e->fail_closed,
		.price_version = e->env.price_version,
		.state_dir = e->state_dir,
		.run_id = e->env.run_id,
	};
	struct slot *s = free_slot(e);
	struct lg_world *w = NULL;
	int rc;

	if (!s)
		return -EBUSY;
	src.region = next_region(e, old);
	rc = lg_world_build(&src, &w, &err);
	if (rc) {
		if (src.region && !lg_load_seq(&src.region->refs)) {
			lg_add_seq(&src.region->refs, 1);
			lg_region_ref_drop(src.region);
		}
		return rc;
	}
	w->denied = e->env.in_host &&
		    lg_program_is_let_alone(w, &e->self, e->state_dir);
	e->broken = err.text[0]
			    ? lg_settings_signature(&e->settings, w->img, &err)
			    : 0;
	tell_trouble(e, w, &err);
	lg_store_relaxed(&e->ledger.durability, w->set.durability);
	publish(e, s, w);
	return 0;
}

/* False: another thread is at it. */
static bool refresh(struct lg_engine *e, bool force)
{
	uint32_t idle = 0;
	int saved = errno;
	struct lg_world *w;

	if (lg_engine_is_sandboxed(e))
		return true;
	if (!lg_cas_seq(&e->refreshing, &idle, 1))
		return false;
	w = pin_current(e);
	if (force || is_stale(e, w))
		rebuild(e, w);
	lg_engine_unpin(e, w);
	lg_store_relaxed(&e->next_check_ms,
			 lg_clock_coarse_ms() + CHECK_EVERY_MS);
	lg_store_seq(&e->refreshing, 0);
	errno = saved;
	return true;
}

static bool is_due(struct lg_engine *e, const struct lg_world *w)
{
	return lg_clock_coarse_ms() >= lg_load_relaxed(&e->next_check_ms) ||
	       (w->region &&
		(!lg_region_is_whole(w->region->r) ||
		 lg_region_generation(w->region->r) != w->generation));
}

struct lg_world *lg_engine_pin(struct lg_engine *e)
{
	struct lg_world *w = pin_current(e);

	if (!is_due(e, w))
		return w;
	lg_engine_unpin(e, w);
	refresh(e, false);
	return pin_current(e);
}

struct lg_world *lg_engine_pin_region(struct lg_engine *e)
{
	struct lg_world *w = lg_engine_pin(e);

	if (lg_engine_is_sandboxed(e) || !w->region ||
	    lg_load_relaxed(&e->region_err) || region_is_current(e, w))
		return w;
	lg_engine_unpin(e, w);
	for (unsigned i = 0; i < REFRESH_TRIES && !refresh(e, false); i++)
		sched_yield();
	return pin_current(e);
}

void lg_engine_refresh(struct lg_engine *e)
{
	refresh(e, false);
}

/* -- open and close ------------------------------------------------------ */

static int read_env_budgets(struct lg_engine *e)
{
	struct lg_buf buf;
	void *p = NULL;
	int err;

	lg_buf_init(&buf, (size_t)1 << 20);
	err = lg_env_budgets(&e->env, false, &buf);
	if (!err && buf.len) {
		p = lg_mem_alloc(buf.len);
		err = p ? lg_image_check(memcpy(p, buf.p, buf.len), buf.len)
			: -ENOMEM;
	}
	lg_buf_fini(&buf);
	e->env_budgets = p;
	return err;
}

static int init(struct lg_engine *e, const struct lg_env *env)
{
	struct lg_places at;
	int err;

	e->env = *env;
	e->ignores = lg_env_ignores(env);
	e->fail_closed = env->fail && !strcmp(env->fail, "closed");
	lg_self_read(&e->self);
	lg_env_log_bad(env);
	err = lg_places_find(env, &e->self, &at);
	if (err)
		return err;
	memcpy(e->state_dir, at.state_dir, sizeof(e->state_dir));
	memcpy(e->region_path, at.region, sizeof(e->region_path));
	err = lg_settings_init(&e->settings, e->state_dir, at.config,
			       env->pricing_dir);
	if (err)
		return err;
	e->settings.readonly = env->readonly;
	if (env->readonly)
		lg_ledger_look(&e->ledger, e->state_dir,
			       LG_DURABILITY_INTERVAL);
	else
		lg_ledger_init(&e->ledger, e->state_dir,
			       LG_DURABILITY_INTERVAL);
	err = read_env_budgets(e);
	if (err)
		return err;
	e->current = WORLDS - 1; /* the first world goes elsewhere */
	err = rebuild(e, NULL);
	e->next_check_ms = lg_clock_coarse_ms() + CHECK_EVERY_MS;
	return err;
}

int lg_engine_open(const struct lg_env *env, struct lg_engine **out)
{
	struct lg_engine *e = lg_mem_alloc(sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	lg_sandbox_note();
	err = init(e, env);
	if (err) {
		lg_engine_close(e);
		return err;
	}
	*out = e;
	return 0;
}

void lg_engine_close(struct lg_engine *e)
{
	if (!e)
		return;
	for (unsigned i = 0; i < WORLDS; i++)
		lg_world_del(e->slot[i].world);
	if (e->env_budgets)
		lg_mem_free(e->env_budgets, (size_t)e->env_budgets->size);
	lg_mem_free(e, sizeof(*e));
}

void lg_engine_forked(struct lg_engine *e)
{
	/* whoever refreshed is not in this process */
	lg_store_seq(&e->refreshing, 0);
}

/* -- questions ----------------------------------------------------------- */

bool lg_engine_guards(struct lg_engine *e, struct lg_slice host)
{
	struct lg_world *w = lg_engine_pin(e);
	struct lg_host_hit hit;
	bool yes = lg_host_find(w, host, &hit);

	lg_engine_unpin(e, w);
	return yes;
}

bool lg_engine_is_off(struct lg_engine *e)
{
	struct lg_world *w = lg_engine_pin(e);
	bool off = w->set.disabled || w->denied ||
		   (w->region && lg_region_is_disabled(w->region->r));

	lg_engine_unpin(e, w);
	return off;
}

enum lg_http2 lg_engine_http2(struct lg_engine *e)
{
	struct lg_world *w = lg_engine_pin(e);
	enum lg_http2 how = (enum lg_http2)w->set.http2;

	lg_engine_unpin(e, w);
	return how;
}

bool lg_engine_may_patch(struct lg_engine *e, bool is_asked)
{
	struct lg_world *w = lg_engine_pin(e);
	bool may = !w->denied && (is_asked || w->set.patch == LG_PATCH_AUTO);

	lg_engine_unpin(e, w);
	return may;
}

const struct lg_env *lg_engine_env(const struct lg_engine *e)
{
	return &e->env;
}

const struct lg_self *lg_engine_self(const struct lg_engine *e)
{
	return &e->self;
}

bool lg_engine_ignores(const struct lg_engine *e)
{
	return e->ignores;
}

void lg_engine_note_staged(struct lg_engine *e, bool staged)
{
	lg_store_relaxed(&e->staged, staged);
}

bool lg_engine_has_staged(const struct lg_engine *e)
{
	return lg_load_relaxed(&e->staged) != 0;
}

bool lg_engine_sweep_is_due(struct lg_engine *e)
{
	int64_t now = lg_clock_coarse_ms();
	int64_t next = lg_load_relaxed(&e->next_sweep_ms);

	return now >= next &&
	       lg_cas_seq(&e->next_sweep_ms, &next, now + SWEEP_EVERY_MS);
}

struct lg_region *lg_engine_region(struct lg_engine *e)
{
	struct lg_world *w = pin_current(e);
	struct lg_region *r = w->region ? w->region->r : NULL;

	lg_engine_unpin(e, w);
	return r;
}

bool lg_engine_is_readonly(struct lg_engine *e)
{
	struct lg_world *w = pin_current(e);
	bool yes = w->region && w->region->readonly;

	lg_engine_unpin(e, w);
	return yes;
}

const struct lg_catalog *lg_engine_catalog(struct lg_engine *e)
{
	struct lg_world *w = pin_current(e);

	lg_engine_unpin(e, w);
	return &w->catalog;
}

const struct lg_image *lg_engine_image(struct lg_engine *e)
{
	struct lg_world *w = pin_current(e);

	lg_engine_unpin(e, w);
	return w->img;
}

struct lg_ledger *lg_engine_ledger(struct lg_engine *e)
{
	return &e->ledger;
}

const char *lg_engine_state_dir(const struct lg_engine *e)
{
	return e->state_dir;
}

const char *lg_engine_region_path(const struct lg_engine *e)
{
	return e->region_path;
}

int lg_engine_region_error(const struct lg_engine *e)
{
	return lg_load_relaxed(&e->region_err);
}

const char *lg_engine_pricing_dir(const struct lg_engine *e)
{
	return e->settings.pricing_dir;
}

const char *lg_engine_config_path(const struct lg_engine *e)
{
	return e->settings.config;
}

const char *lg_engine_trouble(const struct lg_engine *e)
{
	return e->trouble.text;
}
