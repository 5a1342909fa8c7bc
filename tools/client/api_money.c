#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "budget/window.h"
#include "guard/adjust.h"
#include "guard/engine.h"
#include "guard/phase.h"
#include "guard/world.h"
#include "ledger/find.h"
#include "ledger/ledger.h"
#include "tools/client/client.h"
#include "tools/recorded.h"

/* -- totals ---------------------------------------------------------------- */

static int64_t month_begin(llmguard *g)
{
	struct lg_world *w = lg_engine_pin(g->e);
	struct lg_window month = {.start_ms = 0};

	if (w->zone)
		lg_window_at(LG_PERIOD_MONTHLY, w->zone, w->set.week_start,
			     lg_clock_real_ms(), &month);
	lg_engine_unpin(g->e, w);
	return month.start_ms;
}

/* Another question than the last one begins at the ledger's beginning. */
static void ask(llmguard *g, int64_t since_ms, const char *run_id)
{
	if (g->spending && g->spend.since_ms == since_ms &&
	    !strcmp(g->spend_run, run_id))
		return;
	if (g->spending)
		spend_fini(&g->spend);
	snprintf(g->spend_run, sizeof(g->spend_run), "%s", run_id);
	g->spend = (struct spend){.since_ms = since_ms,
				  .run_id = *run_id ? g->spend_run : NULL};
	g->spending = true;
}

int llmguard_totals_read(llmguard *g, int64_t since_ms, const char *run_id,
			 struct llmguard_totals *out, size_t size)
{
	struct llmguard_totals t = {.since_ms = since_ms};
	const struct spend *s;
	int err;

	if (!g)
		return LLMGUARD_EARGUMENT;
	s = &g->spend;
	if (since_ms == LLMGUARD_THIS_MONTH)
		t.since_ms = month_begin(g);
	ask(g, t.since_ms, client_text(run_id));
	err = spend_read(&g->spend, g->e);
	if (err && err != -ENOENT)
		return client_errno(g, err, "ledger");
	t.cost = s->cost_pusd;
	t.economic = s->economic_pusd;
	t.refused = s->refused_pusd;
	t.calls = s->calls;
	t.blocked = s->blocked;
	t.cut = s->cut;
	t.unguarded = s->unguarded;
	t.torn_rows = s->stats.torn;
	t.input_tokens = s->input_tokens;
	t.output_tokens = s->output_tokens;
	for (unsigned i = 0; i < SPEND_CLASSES; i++) {
		t.class_calls[i] = s->by[i].calls;
		t.class_cost[i] = s->by[i].pusd;
	}
	client_give(out, size, &t, sizeof(t));
	return LLMGUARD_OK;
}

/* -- one call -------------------------------------------------------------- */

static uint64_t count_of(uint64_t n)
{
	return n == LG_ROW_ABSENT ? 0 : n;
}

static void tell(const struct lg_row *r, struct llmguard_call *c)
{
	*c = (struct llmguard_call){
		.ts_ms = r->ts_ms,
		.duration_ms = r->duration_ms,
		.cost = r->cost_pusd,
		.economic = r->economic_pusd,
		.input_tokens = count_of(r->input_tokens),
		.output_tokens = count_of(r->output_tokens),
		.cache_read_tokens = count_of(r->cache_read_tokens),
		.pid = (int32_t)r->pid,
		.status = (int32_t)r->status,
	};
#define TELL(field, text) snprintf(c->field, sizeof(c->field), "%s", text)
	TELL(id, r->id);
	TELL(provider, r->provider);
	TELL(model, r->model[0] ? r->model : r->model_requested);
	TELL(tier, r->tier);
	TELL(project, r->project);
	TELL(user, r->user);
	TELL(conversation, r->conversation);
	TELL(run_id, r->run_id);
	TELL(verdict, lg_verdict_name((enum lg_verdict)r->verdict));
	TELL(usage_state,
	     lg_usage_state_name((enum lg_usage_state)r->usage_state));
	TELL(price_state,
	     lg_price_state_name((enum lg_price_state)r->price_state));
#undef TELL
}

struct wanted {
	int32_t pid;
	const char *run_id;
	struct lg_row row;
};
#define FOUND 7

static int look(void *ctx, const struct lg_row *row)
{
	struct wanted *w = ctx;

	if (row->kind != LG_ROW_CALL || (w->pid && row->pid != w->pid) ||
	    (*w->run_id && strcmp(row->run_id, w->run_id)))
		return 0;
	w->row = *row;
	return FOUND;
}

int llmguard_last_call(llmguard *g, int32_t pid, const char *run_id,
		       struct llmguard_call *out, size_t size)
{
	struct wanted w = {.pid = pid, .run_id = client_text(run_id)};
	struct llmguard_call c;
	char needle[32] = "\"id\":";
	int ret;

	if (!g)
		return LLMGUARD_EARGUMENT;
	if (pid)
		snprintf(needle, sizeof(needle), "\"pid\":%d,", pid);
	ret = lg_ledger_find(lg_engine_ledger(g->e)->dir, lg_slice_str(needle),
			     0, LG_FIND_BYTES_MAX, look, &w);
	if (ret < 0 && ret != -ENOENT)
		return client_errno(g, ret, "ledger");
	if (ret != FOUND)
		return client_fail(g, LLMGUARD_ENOTFOUND, "no such call");
	tell(&w.row, &c);
	client_give(out, size, &c, sizeof(c));
	return LLMGUARD_OK;
}

/* -- a call that nobody saw ------------------------------------------------ */

static int hit_of(const char *text, enum lg_cache_hit *hit)
{
	*hit = LG_CACHE_NONE;
	if (!text || !strcmp(text, "none"))
		return 0;
	*hit = !strcmp(text, "local") ? LG_CACHE_LOCAL : LG_CACHE_GATEWAY;
	return *hit == LG_CACHE_GATEWAY && strcmp(text, "gateway") ? -EINVAL
								   : 0;
}

static const char *said(const char *own, const char *env)
{
	return own ? own : client_text(env);
}

static bool is_type(const char *text)
{
	static const char *const types[] = {"generate", "embed",  "image",
					    "audio",	"rerank", "batch",
					    "train",	"other",  ""};

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!text || !strcmp(text, types[i]))
			return true;
	return false;
}

static int check(llmguard *g, const struct llmguard_record *r)
{
	if (!r->model || !*r->model)
		return client_fail(g, LLMGUARD_EARGUMENT, "a call has a model");
	if (strlen(r->model) >= sizeof(((struct lg_row *)0)->model))
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "the model's name is longer than 127 bytes");
	if (r->cached_tokens > r->input_tokens)
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "more cached tokens than input");
	if (!is_type(r->type))
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "type %s: generate, embed, image, audio, "
				   "rerank, batch, train or other",
				   r->type);
	if (r->phase && *r->phase && !lg_phase_is(lg_slice_str(r->phase)))
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "phase %s: infer or train", r->phase);
	if (r->type && !strcmp(r->type, "train") &&
	    (r->output_tokens || r->cached_tokens))
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "type train: what was trained is "
				   "input_tokens alone");
	if (r->input_tokens > UINT32_MAX || r->output_tokens > UINT32_MAX)
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "more than 4294967295 tokens");
	return LLMGUARD_OK;
}

int llmguard_record_call(llmguard *g, const struct llmguard_record *in,
			 struct llmguard_call *out, size_t size)
{
	const struct lg_env *env = g ? &g->env : NULL;
	struct llmguard_record r;
	struct llmguard_call c;
	struct recorded d;
	struct lg_row row;
	int ret = client_may_write(g);

	if (ret)
		return ret;
	if (!client_take(&r, sizeof(r), in))
		return client_fail(g, LLMGUARD_EARGUMENT, "no size");
	ret = check(g, &r);
	if (ret)
		return ret;
	d = (struct recorded){
		.model = r.model,
		.provider = client_text(r.provider),
		.tier = client_text(r.tier),
		.type = client_text(r.type),
		.run_id = said(r.run_id, env->run_id),
		.project = said(r.project, env->project),
		.user = said(r.user, env->user),
		.tags = said(r.tags, env->tags),
		.conversation = said(r.conversation, env->conversation),
		.experiment = said(r.experiment, env->experiment),
		.phase = client_text(r.phase),
		.env_phase = client_text(env->phase),
		.input_tokens = r.input_tokens,
		.cached_tokens = r.cached_tokens,
		.output_tokens = r.output_tokens,
		.cached = r.cached_tokens,
	};
	if (hit_of(r.cache_hit, &d.hit))
		return client_fail(g, LLMGUARD_EARGUMENT,
				   "cache_hit %s: none, local or gateway",
				   r.cache_hit);
	recorded_fill(g->e, &d, &row);
	lg_row_new_id(row.ts_ms, row.id);
	ret = lg_row_post(g->e, &row);
	if (ret)
		return client_errno(g, ret, "the row cannot be written");
	tell(&row, &c);
	if (out)
		client_give(out, size, &c, sizeof(c));
	return LLMGUARD_OK;
}
