#include "guard/cut.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/money.h"
#include "guard/adjust.h"
#include "guard/admit.h"
#include "guard/alert.h"
#include "guard/block.h"
#include "guard/cost.h"
#include "guard/engine.h"
#include "guard/exchange.h"
#include "guard/recover.h"
#include "guard/windows.h"
#include "llm/adapter.h"
#include "wire/eventstream.h"
#include "wire/http1.h"

#define TOKENS_MAX (INT64_C(1) << 40)
#define SAMPLE_TOKENS 1000000
#define STEP_TOKENS 1000 /* the least that is held more at a time */
#define FILLER_MAX ((int64_t)1 << 20)
#define BODY_MAX ((size_t)16 << 10)
#define TAKES 4

/* -- when to look ---------------------------------------------------------- */

/* Counters that move while output grows, and marks that are no counts. */
#define MOVING                                                                 \
	(UINT64_C(1) << LG_RAW_OUTPUT | UINT64_C(1) << LG_RAW_REASONING |      \
	 UINT64_C(1) << LG_RAW_TOTAL | UINT64_C(1) << LG_RAW_APART |           \
	 UINT64_C(1) << LG_RAW_FINISHED | UINT64_C(15) << LG_RAW_SCRATCH)

static uint64_t told_output(const struct lg_answer *a)
{
	return a->raw[LG_RAW_OUTPUT] + a->raw[LG_RAW_REASONING] +
	       a->raw[LG_RAW_APART];
}

static uint64_t sign_of(const struct lg_exchange *x)
{
	const struct lg_answer *a = &x->answer;
	uint64_t left = a->raw_has & ~MOVING, sign = left;

	for (; left; left &= left - 1)
		sign = sign * 31 + a->raw[__builtin_ctzll(left)];
	sign = sign * 31 + (unsigned char)a->model[0];
	sign = sign * 31 + (unsigned char)a->tier[0];
	return sign * 31 + (x->parts ? x->parts->n : 0);
}

static uint64_t delivered(const struct lg_answer *a)
{
	return a->delivered_bytes + a->delivered_reasoning_bytes;
}

static int64_t cost_with(const struct lg_price *p, const struct lg_usage *u,
			 uint64_t more)
{
	struct lg_usage with = *u;
	struct lg_cost cost;

	lg_usage_set(&with, LG_BUCKET_OUTPUT, u->n[LG_BUCKET_OUTPUT] + more);
	lg_price_cost(p, &with, &cost);
	return cost.total_pusd;
}

/* How many more output tokens `room` pays for, perhaps one less. */
static uint64_t tokens_for(const struct lg_price *p, const struct lg_usage *u,
			   int64_t room)
{
	int64_t base = cost_with(p, u, 0);
	int64_t many = lg_money_sub(cost_with(p, u, SAMPLE_TOKENS), base);
	__int128 n = TOKENS_MAX;

	if (many > 0)
		n = (__int128)room * SAMPLE_TOKENS / many;
	if (n > TOKENS_MAX)
		return TOKENS_MAX;
	/* products are rounded */
	return n && lg_money_sub(cost_with(p, u, (uint64_t)n), base) > room
		       ? (uint64_t)n - 1
		       : (uint64_t)n;
}

static void set_marks(struct lg_exchange *x, const struct lg_price *p,
		      const struct lg_usage *u, int64_t room)
{
	struct lg_cut *c = &x->cut;
	uint64_t more = tokens_for(p, u, room > 0 ? room : 0);

	c->bytes = (lg_usage_output(u) + more) * 4;
	c->told = told_output(&x->answer) + more;
	c->sign = sign_of(x);
}

/* -- more money ------------------------------------------------------------ */

static int rule_of(const struct lg_world *w, struct lg_hash128 id)
{
	for (unsigned i = 0; i < w->nrules; i++)
		if (w->rules[i].id.a == id.a && w->rules[i].id.b == id.b)
			return (int)i;
	return -1;
}

/* The limit in force now; a budget that is gone, or soft, limits nothing. */
static int64_t limit_of(const struct lg_exchange *x, const struct lg_world *now,
			struct lg_windows *wins, const struct lg_charged *c)
{
	struct lg_cell_spec spec;
	const struct lg_window *win;
	int rule;

	if (!c->hard)
		return INT64_MAX;
	rule = rule_of(now, x->world->rules[c->rule].id);
	if (rule < 0)
		return INT64_MAX;
	win = lg_windows_get(wins, now,
			     (enum lg_period)now->rules[rule].b->period,
			     x->row.ts_ms);
	lg_rule_spec(&now->rules[rule], &c->hit, win, &spec);
	return lg_cell_limit(x->region->r, c->cell, &spec);
}

static void fill_charges(const struct lg_exchange *x,
			 const struct lg_world *now,
			 struct lg_charge out[LG_HOLD_CELLS_MAX])
{
	struct lg_windows wins = {0};

	for (unsigned i = 0; i < x->ncharged; i++)
		out[i] = (struct lg_charge){
			.cell = x->charged[i].cell,
			.window = x->charged[i].window,
			.limit_pusd = limit_of(x, now, &wins, &x->charged[i]),
		};
}

/*
 * Should we die, the call's row says what was held first and this one what
 * was held more: together what the budgets were charged.
 */
static int take(struct lg_exchange *x, struct lg_charge *c, int64_t pusd,
		struct lg_hold *out, struct lg_hold_refusal *why)
{
	struct lg_region *r = x->region->r;
	struct lg_row *row = lg_mem_take(sizeof(*row));
	int err;

	if (!row)
		return -ENOMEM;
	lg_adjust_init(row, &x->row);
	row->cost_pusd = row->economic_pusd = row->output_cost_pusd = pusd;
	row->provider_cost_pusd = INT64_MIN;
	row->usage_state = LG_USAGE_ESTIMATED;
	memcpy(row->budgets, x->row.budgets, sizeof(row->budgets));
	lg_slice_copy(LG_SLICE("held more while it streamed"), row->note,
		      sizeof(row->note));
	for (unsigned i = 0; i < x->ncharged; i++)
		c[i].amount_pusd = pusd;
	err = lg_hold_take(r, c, x->ncharged, row, sizeof(*row), out, why);
	if (!err)
		lg_hold_dispatched(r, out);
	lg_mem_free(row, sizeof(*row));
	return err;
}

/* The place of the next hold: with none left the last one grows. */
static unsigned next_place(struct lg_exchange *x, int64_t *pusd)
{
	struct lg_cut *c = &x->cut;
	unsigned last = LG_CUT_HOLDS_MAX - 1;

	if (c->nmore <= last)
		return c->nmore++;
	lg_hold_release(x->region->r, &c->more[last]);
	x->held_pusd = lg_money_sub(x->held_pusd, c->more_pusd[last]);
	*pusd = lg_money_add(*pusd, c->more_pusd[last]);
	c->more_pusd[last] = 0;
	return last;
}

/*
 * Hold `want` more, or as much as there is room for but not less than `need`.
 * 0; -EDQUOT there is not so much; -errno it could not be asked.
 */
static int hold_more(struct lg_exchange *x, struct lg_world *now, int64_t need,
		     int64_t want, struct lg_hold_refusal *why)
{
	struct lg_cut *cut = &x->cut;
	struct lg_charge c[LG_HOLD_CELLS_MAX];
	unsigned at;
	int err = -EDQUOT;

	fill_charges(x, now, c);
	if (cut->nmore == LG_CUT_HOLDS_MAX)
		need = lg_money_add(need, cut->more_pusd[LG_CUT_HOLDS_MAX - 1]);
	at = next_place(x, &want);
	cut->more[at].slot = -1;
	for (unsigned i = 0; i < TAKES; i++) {
		int64_t room;

		err = take(x, c, want, &cut->more[at], why);
		if (err != -EDQUOT)
			break;
		room = lg_money_sub(c[why->index].limit_pusd, why->used_pusd);
		if (room >= need && room < want) {
			want = room;
			continue;
		}
		/* a dead owner may be in the way */
		if (!why->held_pusd || !lg_engine_sweep_is_due(x->engine))
			break;
		lg_recover_sweep(x->engine, now, false);
	}
	cut->more_pusd[at] = err ? 0 : want;
	cut->nmore -= err && at + 1 == cut->nmore;
	if (!err)
		x->held_pusd = lg_money_add(x->held_pusd, want);
	return err;
}

/* -- the end --------------------------------------------------------------- */

static void note_refusal(struct lg_exchange *x, const struct lg_world *now,
			 const struct lg_hold_refusal *why, int64_t cost)
{
	struct lg_denial *d = &x->refused;
	unsigned i = why->index < x->ncharged ? why->index : 0;
	const struct lg_charged *c = &x->charged[i];
	const struct lg_rule *rule = &x->world->rules[c->rule];
	struct lg_windows wins = {0};
	const struct lg_window *win = lg_windows_get(
		&wins, x->world, (enum lg_period)rule->b->period, x->row.ts_ms);

	memset(d, 0, sizeof(*d));
	d->reason = "over_budget";
	d->rule = c->rule;
	d->limit_pusd = limit_of(x, now, &wins, c);
	d->spent_pusd = lg_money_sub(why->used_pusd, why->held_pusd);
	d->held_pusd = why->held_pusd;
	if (win->end_ms != INT64_MAX)
		d->resets_at_ms = win->end_ms;
	lg_admit_name_scope(
		d, rule, &c->hit,
		lg_cell_is_shared(x->region->r, c->cell, c->hit.id));
	x->cut.done = true;
	x->row.verdict = LG_VERDICT_CUT;
	lg_slice_copy(lg_slice_str(d->reason), x->row.reason,
		      sizeof(x->row.reason));
	x->row.cost_pusd = cost;
	lg_cell_note(x->region->r, c->cell, c->window, true);
}

static bool is_over(const struct lg_exchange *x)
{
	const struct lg_answer *a = &x->answer;

	return a->done || a->usage_final || a->error || a->failed ||
	       a->from_gateway_cache;
}

/* The world of now, where it still has the region that the money is in. */
static struct lg_world *pin_now(struct lg_exchange *x)
{
	struct lg_world *now = lg_engine_pin(x->engine);

	if (now->region == x->region)
		return now;
	lg_engine_unpin(x->engine, now);
	lg_engine_repin(x->engine, x->world);
	return x->world;
}

/* What a step is worth: a quarter of what is held, then twice as much. */
static int64_t step_of(const struct lg_exchange *x, const struct lg_price *p,
		       const struct lg_usage *u, int64_t need)
{
	int64_t least =
		lg_money_sub(cost_with(p, u, STEP_TOKENS), cost_with(p, u, 0));
	int64_t step = x->held_pusd / 4;

	for (unsigned i = 0; i < x->cut.nmore; i++)
		step = lg_money_add(step, step);
	step = step > least ? step : least;
	return lg_money_add(need, step > 0 ? step : 1);
}

/* The cost as of now against what is held: true when it has to end. */
static bool weigh(struct lg_exchange *x)
{
	struct lg_usage u;
	struct lg_price p;
	struct lg_hold_refusal why = {0};
	struct lg_world *now;
	int64_t cost, need;
	int err;

	if (is_over(x))
		return false;
	cost = lg_cost_running(x, &u, &p);
	need = lg_money_sub(cost, x->held_pusd);
	if (need <= 0) {
		set_marks(x, &p, &u, -need);
		return false;
	}
	now = pin_now(x);
	err = hold_more(x, now, need, step_of(x, &p, &u, need), &why);
	if (err == -EDQUOT) {
		note_refusal(x, now, &why, cost);
		lg_alert_cut(x);
	} else if (err) {
		/* asked again when as much again has come */
		set_marks(x, &p, &u, step_of(x, &p, &u, 0));
	} else {
		set_marks(x, &p, &u, lg_money_sub(x->held_pusd, cost));
	}
	lg_engine_unpin(x->engine, now);
	return err == -EDQUOT;
}

static bool due(void *ctx)
{
	struct lg_exchange *x = ctx;
	const struct lg_cut *c = &x->cut;

	if (delivered(&x->answer) <= c->bytes &&
	    told_output(&x->answer) <= c->told && sign_of(x) == c->sign)
		return false;
	return weigh(x);
}

/*
 * What the next len bytes deliver is at most themselves and what came of a
 * value that is not complete. Counts that move are looked at in each event.
 */
static bool far(void *ctx, size_t len)
{
	struct lg_exchange *x = ctx;
	struct lg_cut *c = &x->cut;
	uint64_t now = delivered(&x->answer), told = told_output(&x->answer);
	bool moves = told != c->seen_told;

	c->carry = now != c->seen ? c->last : c->carry + c->last;
	c->seen = now;
	c->last = len;
	c->seen_told = told;
	return !moves && now + c->carry + len <= c->bytes && told <= c->told &&
	       sign_of(x) == c->sign;
}

static bool has_hard(const struct lg_exchange *x)
{
	for (unsigned i = 0; i < x->ncharged; i++)
		if (x->charged[i].hard)
			return true;
	return false;
}

void lg_cut_arm(struct lg_exchange *x)
{
	const struct lg_body *b = &x->body;

	if (x->hold.slot < 0 || !x->region || !x->d || !x->d->finish ||
	    !b->codec || x->row.status >= 300 || x->facts.background ||
	    x->facts.requests || b->kind == LG_BODY_OPAQUE || !has_hard(x))
		return;
	if (b->kind == LG_BODY_JSON && !x->facts.stream)
		return;
	x->body.due = due;
	x->body.far = far;
}

/* -- the words ------------------------------------------------------------- */

static int put_value(const struct lg_exchange *x, struct lg_buf *out)
{
	struct lg_refusal r;
	struct lg_advice a;

	lg_block_describe(x, &x->refused, &r, &a);
	r.cut = true;
	r.estimate_pusd = x->row.cost_pusd;
	return (x->d->cut_body ? x->d->cut_body : x->d->error_body)(&r, out);
}

static void put_fill(struct lg_buf *out, char c, uint64_t n)
{
	while (n--)
		lg_buf_putc(out, c);
}

static void put_sse(const struct lg_dialect *d, struct lg_slice json,
		    struct lg_buf *out)
{
	if (!d->cut_bare && d->cut_event) {
		lg_buf_puts(out, "event: ");
		lg_buf_puts(out, d->cut_event);
		lg_buf_puts(out, "\n");
	}
	lg_buf_puts(out, d->cut_bare ? "" : "data: ");
	lg_buf_put(out, json.p, json.len);
	lg_buf_puts(out, "\n\n");
}

/* A frame cannot be filled from outside: its JSON is, with blanks. */
static void put_frame(struct lg_buf *json, uint64_t rest, struct lg_buf *out)
{
	struct lg_slice name = LG_SLICE("throttlingException");
	size_t over = lg_eventstream_exception_overhead(name);

	if (rest > over + json->len)
		put_fill(json, ' ', rest - over - json->len);
	if (json->overflow)
		out->overflow = true;
	else if (lg_eventstream_put_exception(out, name, lg_buf_slice(json)))
		out->overflow = true;
}

static void put_chunk(struct lg_buf *out, const char *p, size_t n)
{
	if (!n)
		return;
	lg_buf_put_hex(out, n);
	lg_buf_puts(out, "\r\n");
	lg_buf_put(out, p, n);
	lg_buf_puts(out, "\r\n");
}

/*
 * text: the words, of which the first `split` bytes end the chunk at hand. A
 * reader that takes what arrives together for one value finds the rest alone.
 */
static void frame_text(const struct lg_http1 *m, int64_t rest,
		       struct lg_slice text, size_t split, struct lg_buf *out)
{
	if (m->framing != LG_HTTP1_CHUNKED) {
		lg_buf_put(out, text.p, text.len);
		return;
	}
	lg_buf_put(out, text.p, split);
	if (rest >= 0)
		lg_buf_puts(out, "\r\n");
	put_chunk(out, text.p + split, text.len - split);
	lg_buf_puts(out, "0\r\n\r\n");
}

/* The words in the stream's framing, after `rest` bytes that must be. */
static void put_words(const struct lg_exchange *x, uint64_t rest, char after,
		      struct lg_buf *json, struct lg_buf *text)
{
	struct lg_slice value = lg_buf_slice(json);

	switch (x->body.kind) {
	case LG_BODY_SSE:
		/* a line that ended in CR may be about to have its LF */
		if (after == '\r' && !rest)
			lg_buf_putc(text, '\n');
		put_fill(text, '\n', rest);
		put_sse(x->d, value, text);
		break;
	case LG_BODY_FRAMES:
		put_frame(json, rest, text);
		break;
	case LG_BODY_JSON:
		put_fill(text, ' ', rest);
		lg_buf_puts(text, ",\n");
		lg_buf_put(text, value.p, value.len);
		lg_buf_puts(text, "]");
		break;
	default:
		put_fill(text, ' ', rest);
		lg_buf_put(text, value.p, value.len);
		lg_buf_puts(text, "\n");
	}
}

bool lg_cut_tail(const struct lg_exchange *x, const struct lg_http1 *m,
		 int64_t rest, char after, struct lg_buf *out)
{
	uint64_t fill = rest > 0 ? (uint64_t)rest : 0;
	struct lg_buf json, text;
	size_t had = out->len;
	bool done = false;

	if (x->body.content || rest > FILLER_MAX ||
	    (m->framing != LG_HTTP1_CHUNKED &&
	     m->framing != LG_HTTP1_UNTIL_CLOSE))
		return false;
	if (m->framing == LG_HTTP1_UNTIL_CLOSE)
		fill = 0;
	lg_buf_init(&json, BODY_MAX + FILLER_MAX);
	lg_buf_init(&text, BODY_MAX + FILLER_MAX + 1024);
	if (put_value(x, &json))
		goto out;
	put_words(x, fill, after, &json, &text);
	if (text.overflow || lg_buf_reserve(out, text.len + 64))
		goto out;
	frame_text(m, rest, lg_buf_slice(&text),
		   fill < text.len ? (size_t)fill : text.len, out);
	done = true;
out:
	if (!done)
		out->len = had;
	lg_buf_fini(&json);
	lg_buf_fini(&text);
	return done;
}

/* -- the holds ------------------------------------------------------------- */

void lg_cut_release(struct lg_exchange *x)
{
	while (x->cut.nmore)
		lg_hold_release(x->region->r, &x->cut.more[--x->cut.nmore]);
}

void lg_cut_adopt(struct lg_exchange *x)
{
	for (unsigned i = 0; i < x->cut.nmore; i++)
		lg_hold_adopt(x->region->r, &x->cut.more[i]);
}
