#include "guard/later.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "guard/adjust.h"
#include "guard/cost.h"
#include "guard/engine.h"
#include "guard/recover.h"
#include "ledger/find.h"
#include "ledger/ledger.h"

#define LOCK_NAME "/books.lock"
#define LOCK_WAIT_MS 2000
#define WHAT "usage" /* of a correction's fixed id */
/* Clocks of a provider and of ours. */
#define SKEW_MS INT64_C(300000)
#define PLAIN_AGE_S 86400
#define SEED UINT64_C(0x6c61746572)

/* -- ids that are done with, for this process ------------------------------ */

#define DONE_IDS 256
static uint64_t done_ids[DONE_IDS];

static uint64_t key_of(const struct lg_exchange *x, const char *id)
{
	const char *provider = x->row.provider;
	const char *dir = lg_engine_state_dir(x->engine);
	uint64_t seed = lg_hash128(dir, strlen(dir), SEED).a;

	seed = lg_hash128(provider, strlen(provider), seed).a;
	return lg_hash128(id, strlen(id), seed).a | 1;
}

static bool is_done(const struct lg_exchange *x, const char *id)
{
	uint64_t key = key_of(x, id);

	return lg_load_relaxed(&done_ids[key / 2 % DONE_IDS]) == key;
}

static void note_done(const struct lg_exchange *x, const char *id)
{
	uint64_t key = key_of(x, id);

	lg_store_relaxed(&done_ids[key / 2 % DONE_IDS], key);
}

/* -- the lock -------------------------------------------------------------- */

static int open_lock(struct lg_engine *e)
{
	const char *dir = lg_engine_state_dir(e);
	size_t n = strlen(dir);
	char path[300];

	if (n + sizeof(LOCK_NAME) > sizeof(path))
		return -1;
	memcpy(path, dir, n);
	memcpy(path + n, LOCK_NAME, sizeof(LOCK_NAME));
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
		    0600);
}

static int take_lock(struct lg_engine *e)
{
	const struct timespec nap = {0, 1000000};
	int saved = errno, left = LOCK_WAIT_MS, fd;

	if (lg_engine_is_sandboxed(e))
		return -1;
	fd = open_lock(e);
	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		if ((errno == EWOULDBLOCK || errno == EINTR) && left--) {
			nanosleep(&nap, NULL);
			continue;
		}
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		lg_log(LG_LOG_WARN, "later_not_locked", NULL, 0);
	errno = saved;
	return fd;
}

void lg_later_release(int *lock)
{
	int saved = errno;

	if (*lock < 0)
		return;
	/* a child of a fork may have a copy of the descriptor */
	flock(*lock, LOCK_UN);
	close(*lock);
	*lock = -1;
	errno = saved;
}

/* -- which call --------------------------------------------------------------
 */

enum found {
	NOBODY, /* no row names it */
	CALL,	/* an open one: l->call */
	LINK,	/* l->ref is the id of its row */
	DONE,	/* charged already */
	UNSURE, /* could not be found out */
};

/* Too big for a host's stack. */
struct later {
	struct lg_exchange *x;
	const char *id;	    /* the provider's */
	char ref[27];	    /* of the call's row */
	enum found what;    /* so far */
	struct lg_row call; /* as it stands in the ledger */
	struct lg_row sum;  /* of what corrects it already */
	struct lg_row was, is, adj;
};

static bool is_text(const char *a, const char *b)
{
	return *a && !strcmp(a, b);
}

/* Is this the correction that tells the usage, not one of its price? */
static bool is_ours(struct later *l, const struct lg_row *row)
{
	memcpy(l->adj.ref, row->ref, sizeof(l->adj.ref));
	l->adj.ts_ms = row->ts_ms;
	lg_adjust_fixed_id(&l->adj, WHAT);
	return !strcmp(l->adj.id, row->id);
}

static bool is_open(const struct lg_row *row)
{
	return row->flags & LG_ROW_PENDING ||
	       row->usage_state != LG_USAGE_EXACT;
}

/* By the provider's id, the newest row first. */
static int by_id(void *ctx, const struct lg_row *row)
{
	struct later *l = ctx;
	bool answers = is_text(row->response_id, l->id);

	if (strcmp(row->provider, l->x->row.provider))
		return 0; /* ids are a provider's own */
	if (row->kind == LG_ROW_ADJUST && is_ours(l, row) &&
	    (answers || is_text(row->note, l->id)))
		return l->what = DONE, -ECANCELED;
	if (row->kind != LG_ROW_CALL)
		return 0;
	if (is_text(row->note, l->id) && row->ref[0]) {
		memcpy(l->ref, row->ref, sizeof(l->ref));
		return l->what = LINK, -ECANCELED;
	}
	if (is_text(row->note, l->id) && row->flags & LG_ROW_JOINED_LATE)
		return l->what = DONE, -ECANCELED;
	if (!answers)
		return 0;
	l->what = is_open(row) ? CALL : DONE;
	l->call = *row;
	memcpy(l->ref, row->id, sizeof(l->ref));
	return -ECANCELED;
}

/* The call itself and what already corrects it. */
static int by_ref(void *ctx, const struct lg_row *row)
{
	struct later *l = ctx;

	if (row->kind == LG_ROW_ADJUST && !strcmp(row->ref, l->ref)) {
		if (is_ours(l, row))
			return l->what = DONE, -ECANCELED;
		lg_adjust_merge(&l->sum, row);
	} else if (row->kind == LG_ROW_CALL && !strcmp(row->id, l->ref)) {
		l->what = is_open(row) ? CALL : DONE;
		l->call = *row;
		return -ECANCELED;
	}
	return 0;
}

static int find(struct later *l, const char *needle, int64_t since_ms,
		lg_find_fn *fn)
{
	int err = lg_ledger_find(lg_engine_ledger(l->x->engine)->dir,
				 lg_slice_str(needle), since_ms,
				 LG_FIND_BYTES_MAX, fn, l);

	if (err == -ECANCELED)
		return 0;
	if (err < 0 || err == LG_FIND_FAR)
		l->what = UNSURE;
	return err;
}

static void find_call(struct later *l)
{
	lg_row_init(&l->sum);
	l->what = LINK;
	find(l, l->ref, 0, by_ref);
	if (l->what == LINK)
		l->what = UNSURE; /* its row is further back than we look */
	l->was = l->call;
	lg_adjust_apply(&l->was, &l->sum);
}

static void look_for(struct later *l, const char *id, int64_t since_ms)
{
	l->what = NOBODY;
	l->id = id;
	find(l, id, since_ms, by_id);
}

/* A batch is known by its own id and by that of the file of its results. */
static void look_up(struct later *l, const char *id)
{
	const struct lg_answer *a = &l->x->answer;
	int64_t since = a->created_s > 0 ? a->created_s * 1000 - SKEW_MS : 0;

	l->what = NOBODY;
	if (a->output_id[0] && strcmp(a->output_id, id))
		look_for(l, a->output_id, since);
	if (l->what == NOBODY || l->what == LINK)
		look_for(l, id, since);
	if (l->what == CALL || l->what == LINK)
		find_call(l);
}

/* -- what comes of it --------------------------------------------------------
 */

static void name_output(const struct lg_answer *a, struct lg_row *row)
{
	lg_slice_copy(lg_slice_str(a->output_id), row->note, sizeof(row->note));
}

/* The call as the answer tells it, priced at the call's own start. */
static void tell(struct later *l)
{
	struct lg_exchange *x = l->x;

	l->adj = x->row;
	x->row = l->was;
	lg_cost_late(x);
	l->is = x->row;
	x->row = l->adj;
}

static int correct(struct later *l)
{
	tell(l);
	lg_adjust_init(&l->adj, &l->call);
	lg_adjust_diff(&l->adj, &l->was, &l->is);
	lg_adjust_fixed_id(&l->adj, WHAT);
	lg_slice_copy(lg_slice_str(l->call.response_id), l->adj.response_id,
		      sizeof(l->adj.response_id));
	if (l->x->answer.output_id[0])
		name_output(&l->x->answer, &l->adj);
	else if (strcmp(l->id, l->call.response_id))
		lg_slice_copy(lg_slice_str(l->id), l->adj.note,
			      sizeof(l->adj.note));
	return lg_adjust_write(l->x->engine, &l->adj);
}

/* Nobody knows the call: this answer's row becomes its row. */
static int join(struct later *l)
{
	struct lg_exchange *x = l->x;
	struct lg_row *row = &x->row;
	int64_t made_ms = x->answer.created_s * 1000;

	if (x->answer.created_s > 0 && made_ms < row->ts_ms)
		row->ts_ms = made_ms;
	row->duration_ms = -1;
	row->flags |= LG_ROW_JOINED_LATE;
	lg_cost_late(x);
	lg_slice_copy(lg_slice_str(l->id), row->response_id,
		      sizeof(row->response_id));
	name_output(&x->answer, row);
	return lg_row_post(x->engine, row);
}

static bool has_staged(const struct lg_region *r)
{
	struct lg_hold_view v;

	for (unsigned i = 0; r && i < lg_hold_slots(r); i++)
		if (!lg_hold_view(r, i, &v, NULL) && v.staged)
			return true;
	return false;
}

/*
 * Rows of the dead and rows that waited are part of what was written. False:
 * some still wait, nobody knows which calls they are of.
 */
static bool write_waiting(struct lg_exchange *x)
{
	struct lg_world *w = lg_engine_pin_region(x->engine);
	bool waiting;

	lg_recover_sweep(x->engine, w, true);
	waiting = has_staged(lg_world_region(w));
	lg_engine_unpin(x->engine, w);
	return !waiting;
}

/* True: x's own row is written. */
static bool decide(struct later *l, const char *id)
{
	struct lg_exchange *x = l->x;

	look_up(l, id);
	l->id = id;
	if (l->what == CALL) {
		memcpy(x->row.ref, l->ref, sizeof(x->row.ref));
		if (!correct(l))
			note_done(x, id);
	} else if (l->what == DONE) {
		note_done(x, id);
	} else if (l->what == NOBODY && x->answer.background) {
		if (!join(l))
			note_done(x, id);
		return true;
	} else if (l->what == NOBODY) {
		note_done(x, id); /* and nobody will be charged for it */
	} else if (l->what == UNSURE) {
		lg_log(LG_LOG_WARN, "later_not_found", NULL, 0);
	}
	return false;
}

/* Done, but its usage stands in a file: whoever reads that finds the call. */
static bool links(const struct lg_exchange *x)
{
	return x->answer.output_id[0] && x->answer.done && x->row.status == 200;
}

static void link_file(struct later *l, const char *id)
{
	look_for(l, id, 0);
	if (l->what != CALL && l->what != LINK)
		return;
	memcpy(l->x->row.ref, l->ref, sizeof(l->x->row.ref));
	name_output(&l->x->answer, &l->x->row);
}

static struct later *later_new(struct lg_exchange *x)
{
	struct later *l = lg_mem_take(sizeof(*l));

	if (!l)
		return NULL;
	l->x = x;
	l->ref[0] = '\0';
	lg_row_init(&l->adj);
	return l;
}

/* "files/f1:download" speaks of f1. */
static void cut_verb(char *id)
{
	static const char verb[] = ":download";
	size_t n = strlen(id), k = sizeof(verb) - 1;

	if (n > k && !strcmp(id + n - k, verb))
		id[n - k] = '\0';
}

void lg_later_begin(struct lg_exchange *x)
{
	struct later *l;

	cut_verb(x->route.ref);
	if (x->route.kind != LG_ROUTE_LATER || x->row.status != 200 ||
	    !x->route.ref[0] || is_done(x, x->route.ref) ||
	    lg_engine_is_sandboxed(x->engine))
		return;
	l = later_new(x);
	if (!l)
		return;
	look_up(l, x->route.ref);
	if (l->what == CALL) {
		x->price_ms = l->call.ts_ms;
		/* a line may leave the model out */
		lg_slice_copy(lg_slice_str(l->call.model_requested),
			      x->row.model_requested,
			      sizeof(x->row.model_requested));
	}
	lg_mem_free(l, sizeof(*l));
}

static const char *id_of(struct lg_exchange *x)
{
	cut_verb(x->route.ref);
	return x->route.ref[0] ? x->route.ref : x->answer.id;
}

/* A stream that was cut is looked up soon or never. */
static bool is_old(const struct lg_exchange *x)
{
	const struct lg_answer *a = &x->answer;

	return !a->background && a->created_s > 0 &&
	       x->row.ts_ms / 1000 - a->created_s > PLAIN_AGE_S;
}

bool lg_later_settle(struct lg_exchange *x)
{
	const char *id = id_of(x);
	bool told = lg_cost_is_told(x), written = false;
	struct later *l;
	int lock;

	/* a file that has nothing of results in it may be anything */
	if (x->d && x->d->lines && !x->answer.requests)
		x->row.flags &= ~LG_ROW_BAD_JSON;
	if (!id[0] || (!told && !links(x)) || is_old(x) || is_done(x, id))
		return false;
	l = later_new(x);
	lock = l ? take_lock(x->engine) : -1;
	if (lock >= 0 && write_waiting(x)) {
		if (told)
			written = decide(l, id);
		else
			link_file(l, id);
	}
	lg_later_release(&lock);
	lg_mem_free(l, l ? sizeof(*l) : 0);
	return written;
}

/* -- background calls ------------------------------------------------------ */

bool lg_later_claim(struct lg_exchange *x, int *lock)
{
	struct later *l;
	bool charged;

	*lock = -1;
	if (x->route.kind != LG_ROUTE_PAID || !x->facts.background ||
	    !x->row.response_id[0] || x->denial)
		return false;
	l = later_new(x);
	*lock = l ? take_lock(x->engine) : -1;
	if (*lock >= 0)
		look_for(l, x->row.response_id, x->row.ts_ms - SKEW_MS);
	charged = *lock >= 0 && l->what == DONE;
	lg_mem_free(l, l ? sizeof(*l) : 0);
	return charged;
}

void lg_later_note(struct lg_exchange *x)
{
	struct lg_row *row = &x->row;

	if (!x->facts.background || !x->answer.id[0] || row->response_id[0] ||
	    x->hold.slot < 0 || !x->region)
		return;
	lg_slice_copy(lg_slice_str(x->answer.id), row->response_id,
		      sizeof(row->response_id));
	row->flags |= LG_ROW_PENDING;
	lg_hold_redraft(x->region->r, &x->hold, row, sizeof(*row));
	row->flags &= ~LG_ROW_PENDING;
}
