#include "top_tally.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/money.h"
#include "ledger/month.h"
#include "spend.h"

/* So much of the ledger's end is read at the start. */
#define BACK ((uint64_t)192 << 20)
/* Texts come from the network: these many are kept apart, then it is "other".
 */
#define KEYS_MAX 20000u
#define OTHERS "\x1f"

/* -- rates ----------------------------------------------------------------- */

void top_rate_add(struct top_rate *r, int64_t ts_ms, int64_t pusd)
{
	int64_t at = ts_ms / TOP_BUCKET_MS;
	unsigned i;

	if (ts_ms < 0)
		return;
	i = (unsigned)(at % TOP_BUCKETS);
	if (r->at[i] > at)
		return;
	if (r->at[i] != at)
		r->pusd[i] = 0;
	r->at[i] = at;
	r->pusd[i] = lg_money_add(r->pusd[i], pusd);
}

int64_t top_rate_hour(const struct top_rate *r, int64_t now_ms)
{
	int64_t last = now_ms / TOP_BUCKET_MS, first = last + 1, sum = 0, span;
	__int128 hour;

	for (unsigned i = 0; i < TOP_BUCKETS; i++) {
		if (r->at[i] <= last - (int64_t)TOP_BUCKETS || r->at[i] > last)
			continue;
		if (!r->pusd[i])
			continue;
		sum = lg_money_add(sum, r->pusd[i]);
		if (r->at[i] < first)
			first = r->at[i];
	}
	span = now_ms - first * TOP_BUCKET_MS;
	if (span < 60000)
		span = 60000;
	hour = (__int128)sum * 3600000 / span;
	return hour > INT64_MAX ? INT64_MAX : hour < 0 ? 0 : (int64_t)hour;
}

/* -- rows ------------------------------------------------------------------ */

const struct top_call *top_ring_nth(const struct top_ring *r, unsigned i)
{
	if (i >= r->size || i >= r->n)
		return NULL;
	return &r->call[(r->n - 1 - i) % r->size];
}

/* Names joined by '\x1f' as a person reads them. */
static void join(const char *names, char *out, size_t cap)
{
	size_t n = 0;

	for (; *names && n + 1 < cap; names++)
		out[n++] = *names == '\x1f' ? ' ' : *names;
	out[n] = 0;
}

static const char *model_of(const struct lg_row *r)
{
	return r->model[0] ? r->model : r->model_requested;
}

static void keep(struct top_ring *ring, const struct lg_row *r)
{
	struct top_call *c = &ring->call[ring->n++ % ring->size];

	*c = (struct top_call){
		.ts_ms = r->ts_ms,
		.duration_ms = r->duration_ms,
		.cost_pusd = r->cost_pusd,
		.estimate_pusd = r->estimate_pusd,
		.input_tokens = r->input_tokens,
		.output_tokens = r->output_tokens,
		.pid = r->pid,
		.status = r->status,
		.verdict = r->verdict,
		.usage_state = r->usage_state,
		.price_state = r->price_state,
		.flags = r->flags,
	};
	strcpy(c->id, r->id);
	strcpy(c->comm, r->comm);
	strcpy(c->model, model_of(r));
	strcpy(c->reason, r->reason);
	join(r->budgets, c->budgets, sizeof(c->budgets));
}

/* Not of a clock that is ahead: what comes after it would count nothing. */
static void add_to(struct top_rate *rate, const struct top_tally *t,
		   const struct lg_row *r)
{
	if (r->ts_ms <= t->now_ms + TOP_BUCKET_MS)
		top_rate_add(rate, r->ts_ms, r->cost_pusd);
}

static void *entry(struct strmap *m, const char *key)
{
	void *p = strmap_get(m, key);

	if (p)
		return p;
	return strmap_put(m, m->n < KEYS_MAX ? key : OTHERS);
}

static void add_tokens(uint64_t *sum, uint64_t n)
{
	if (n != LG_ROW_ABSENT && __builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

static int add_process(struct top_tally *t, const struct lg_row *r, bool no)
{
	struct top_process *p;
	char key[160];

	snprintf(key, sizeof(key), "%d %.127s", r->pid, r->exe);
	p = entry(&t->processes, key);
	if (!p)
		return -ENOMEM;
	if (!p->last_ms && t->processes.n <= KEYS_MAX) {
		p->pid = r->pid;
		strcpy(p->exe, r->exe);
	}
	strcpy(p->comm, p->pid ? r->comm : "(others)");
	p->calls++;
	p->blocked += no;
	p->cost_pusd = lg_money_add(p->cost_pusd, r->cost_pusd);
	if (r->ts_ms > p->last_ms)
		p->last_ms = r->ts_ms;
	if (p->gone && p->pid && r->ts_ms > t->now_ms - 60000)
		p->gone = false, p->start = 0; /* it may be another one */
	add_to(&p->rate, t, r);
	return 0;
}

static int add_model(struct top_tally *t, const struct lg_row *r, bool no)
{
	bool call = r->kind == LG_ROW_CALL;
	struct top_model_sum *m;
	char key[200];

	snprintf(key, sizeof(key), "%.63s/%.127s", r->provider, model_of(r));
	m = entry(&t->models, key);
	if (!m)
		return -ENOMEM;
	if (!m->calls && !m->cost_pusd && t->models.n <= KEYS_MAX) {
		strcpy(m->model, model_of(r));
		strcpy(m->provider, r->provider);
	}
	m->cost_pusd = lg_money_add(m->cost_pusd, r->cost_pusd);
	if (!call)
		return 0;
	m->calls++;
	m->blocked += no;
	add_tokens(&m->input_tokens, r->input_tokens);
	add_tokens(&m->output_tokens, r->output_tokens);
	if (r->ts_ms > m->last_ms)
		m->last_ms = r->ts_ms;
	add_to(&m->rate, t, r);
	return 0;
}

static int add_rate(struct top_tally *t, const struct lg_row *r,
		    struct lg_slice name, struct lg_slice value)
{
	struct top_rate *rate;
	char key[320];

	snprintf(key, sizeof(key), "%.*s%s%.*s", (int)name.len, name.p,
		 value.len ? "\x1f" : "", (int)value.len, value.p);
	rate = entry(&t->budgets, key);
	if (!rate)
		return -ENOMEM;
	add_to(rate, t, r);
	return 0;
}

/* All that the counter of an each: or run budget may be about. */
static int add_values(struct top_tally *t, const struct lg_row *r,
		      struct lg_slice name)
{
	const char *const texts[] = {
		r->run_id,	 r->experiment, r->project,  r->user,
		r->conversation, r->host,	r->provider, r->model,
		r->endpoint,	 r->exe,	r->comm,     r->key,
	};
	struct lg_slice rest = lg_slice_str(r->tags), tag;
	int err = 0;

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i][0] && !err)
			err = add_rate(t, r, name, lg_slice_str(texts[i]));
	while (rest.len && !err) {
		rest = lg_slice_cut(rest, '\x1f', &tag);
		if (tag.len)
			err = add_rate(t, r, name, tag);
	}
	return err;
}

static int add_budgets(struct top_tally *t, const struct lg_row *r)
{
	struct lg_slice rest = lg_slice_str(r->budgets), name;
	int err = 0;

	if (r->ts_ms < t->now_ms - TOP_BUCKETS * TOP_BUCKET_MS || !r->cost_pusd)
		return 0;
	if (t->budgets.n >= KEYS_MAX) {
		strmap_fini(&t->budgets);
		strmap_init(&t->budgets, sizeof(struct top_rate));
	}
	while (rest.len && !err) {
		rest = lg_slice_cut(rest, '\x1f', &name);
		if (!name.len)
			continue;
		err = add_rate(t, r, name, (struct lg_slice){0});
		if (!err)
			err = add_values(t, r, name);
	}
	return err;
}

int top_tally_add(struct top_tally *t, const struct lg_row *r)
{
	bool call = r->kind == LG_ROW_CALL, no = call && spend_is_refusal(r);
	int err;

	if (r->kind == LG_ROW_AUDIT)
		return 0;
	if (call)
		keep(&t->recent, r);
	if (no)
		keep(&t->refused, r);
	if (r->ts_ms < t->since_ms)
		return 0;
	t->cost_pusd = lg_money_add(t->cost_pusd, r->cost_pusd);
	err = add_model(t, r, no);
	if (!call || err)
		return err;
	t->calls++;
	t->blocked += no;
	t->unguarded += !!(r->flags & LG_ROW_UNGUARDED);
	t->unknown += r->price_state == LG_PRICED_UNKNOWN;
	add_to(&t->rate, t, r);
	err = add_process(t, r, no);
	return err ? err : add_budgets(t, r);
}

/* -- reading --------------------------------------------------------------- */

static int walked(void *ctx, const struct lg_row *r,
		  const struct lg_ledger_pos *after)
{
	(void)after;
	return top_tally_add(ctx, r);
}

static void init_maps(struct top_tally *t)
{
	strmap_init(&t->processes, sizeof(struct top_process));
	strmap_init(&t->models, sizeof(struct top_model_sum));
	strmap_init(&t->budgets, sizeof(struct top_rate));
}

static void fini_maps(struct top_tally *t)
{
	strmap_fini(&t->processes);
	strmap_fini(&t->models);
	strmap_fini(&t->budgets);
}

int top_tally_init(struct top_tally *t, const char *dir)
{
	memset(t, 0, sizeof(*t));
	init_maps(t);
	if (snprintf(t->dir, sizeof(t->dir), "%s", dir) >= (int)sizeof(t->dir))
		return -ENAMETOOLONG;
	t->recent.size = TOP_CALLS_KEPT;
	t->refused.size = TOP_BLOCKED_KEPT;
	t->recent.call = calloc(TOP_CALLS_KEPT, sizeof(struct top_call));
	t->refused.call = calloc(TOP_BLOCKED_KEPT, sizeof(struct top_call));
	return t->recent.call && t->refused.call ? 0 : -ENOMEM;
}

void top_tally_fini(struct top_tally *t)
{
	fini_maps(t);
	free(t->recent.call);
	free(t->refused.call);
	memset(t, 0, sizeof(*t));
}

static void begin_anew(struct top_tally *t, int64_t since_ms)
{
	struct top_tally was = *t;

	fini_maps(t);
	memset(t, 0, sizeof(*t));
	init_maps(t);
	memcpy(t->dir, was.dir, sizeof(t->dir));
	t->recent = (struct top_ring){was.recent.call, was.recent.size, 0};
	t->refused = (struct top_ring){was.refused.call, was.refused.size, 0};
	t->now_ms = was.now_ms;
	t->since_ms = since_ms;
}

static int64_t size_of(const struct top_tally *t, const char *file)
{
	char path[320];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", t->dir, file);
	return stat(path, &st) ? -1 : (int64_t)st.st_size;
}

/* The ledger's end where it is long: more than a person looks at. */
static void skip_start(struct top_tally *t)
{
	struct lg_ledger_pos end = {.before = LG_LEDGER_ANY};
	int64_t size;

	lg_month_name(t->now_ms, end.file);
	size = size_of(t, end.file);
	if (size <= (int64_t)BACK)
		return;
	end.offset = (uint64_t)size - BACK;
	t->pos = end;
	t->partial = true;
}

/* Is there nothing new? One stat, most of the time. */
static bool is_read(const struct top_tally *t)
{
	char file[16];

	if (!t->pos.file[0] ||
	    size_of(t, t->pos.file) != (int64_t)t->pos.offset)
		return false;
	lg_month_name(t->now_ms, file);
	return !strcmp(t->pos.file, file) || size_of(t, file) < 0;
}

int top_tally_read(struct top_tally *t, int64_t since_ms, int64_t now_ms)
{
	bool anew = since_ms != t->since_ms;
	int err;

	t->now_ms = now_ms;
	if (anew) {
		begin_anew(t, since_ms);
		skip_start(t);
	} else if (is_read(t)) {
		return 0;
	}
	err = lg_ledger_walk(t->dir, &t->pos, t->since_ms, walked, t, NULL);
	if (err != -ESTALE)
		return err == -ENOENT ? 0 : err;
	begin_anew(t, since_ms);
	skip_start(t);
	err = lg_ledger_walk(t->dir, &t->pos, t->since_ms, walked, t, NULL);
	return err == -ENOENT ? 0 : err;
}

const struct top_rate *top_tally_budget(const struct top_tally *t,
					const char *name, const char *value)
{
	char key[320];

	snprintf(key, sizeof(key), "%s%s%s", name, *value ? "\x1f" : "", value);
	return strmap_get(&t->budgets, key);
}
