#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "budget/stats.h"
#include "estimate.h"
#include "json.h"
#include "table.h"
#include "tool.h"

static void put(struct lg_buf *b, const char *label, const char *text)
{
	char head[32];

	snprintf(head, sizeof(head), "%-9s ", label);
	lg_buf_puts(b, head);
	lg_buf_puts(b, text);
	lg_buf_putc(b, '\n');
}

/* 1024ths as a decimal of two digits. */
static const char *ratio_text(uint32_t ratio)
{
	static char buf[4][16];
	static unsigned turn;
	char *out = buf[turn++ % 4];
	uint32_t cents =
		(ratio * 100 + LG_STATS_RATIO_ONE / 2) / LG_STATS_RATIO_ONE;

	snprintf(out, sizeof(buf[0]), "%u.%02u", cents / 100, cents % 100);
	return out;
}

static unsigned long long ull(uint64_t n)
{
	return (unsigned long long)n;
}

/* -- text ------------------------------------------------------------------ */

static void put_input(struct lg_buf *b, const struct estimate_sum *m,
		      const struct estimate_note *n, bool one)
{
	char text[400];
	size_t len;

	switch (m->in_by) {
	case ESTIMATE_EXACT:
	case ESTIMATE_NEARLY:
		len = (size_t)snprintf(text, sizeof(text), "%llu tokens, %s",
				       ull(m->input),
				       estimate_by_names[m->in_by]);
		if (one)
			snprintf(text + len, sizeof(text) - len, " (%s)%s%s",
				 n->encoding, n->tokens ? ": " : "",
				 n->tokens ? n->tokens : "");
		break;
	case ESTIMATE_LEARNED:
		len = (size_t)snprintf(
			text, sizeof(text), "about %llu tokens, %llu to %llu",
			ull(m->input), ull(m->input_low), ull(m->input_high));
		snprintf(text + len, sizeof(text) - len,
			 one ? " for 9 of 10 prompts (%s bytes a token, %s to "
			       "%s, learned from %u prompts)"
			     : " (learned bytes a token: 9 of 10 prompts)",
			 ratio_text(n->ratio), ratio_text(n->ratio_low),
			 ratio_text(n->ratio_high), n->prompts);
		break;
	default:
		snprintf(text, sizeof(text),
			 "about %llu tokens (4 bytes a token and 15 %% more: "
			 "%s, so no bound is known)",
			 ull(m->input),
			 one ? "nothing was learned of this model yet"
			     : "of some models nothing was learned yet");
	}
	put(b, "input", text);
}

static void put_output(struct lg_buf *b, const struct estimate_sum *m,
		       const struct estimate_note *n, bool one)
{
	char text[300], most[48];

	snprintf(most, sizeof(most),
		 m->worst_output ? ", at most %llu" : ", nothing bounds it",
		 ull(m->worst_output));
	if (!m->output && !m->worst_output)
		snprintf(text, sizeof(text), "no text");
	else if (m->out_by == ESTIMATE_LEARNED && one)
		snprintf(text, sizeof(text),
			 "about %llu tokens (the average of %u answers%s)%s",
			 ull(m->output), n->answers,
			 m->output < n->mean ? ", capped" : "", most);
	else if (m->out_by == ESTIMATE_ASSUMED)
		snprintf(text, sizeof(text),
			 "%llu tokens assumed: no maximum is declared and too "
			 "few answers were seen%s",
			 ull(m->output), most);
	else
		snprintf(text, sizeof(text), "%llu tokens, %s%s",
			 ull(m->output), estimate_by_names[m->out_by], most);
	put(b, "output", text);
}

static void put_cost(struct lg_buf *b, const struct estimate *s,
		     const struct estimate_sum *m)
{
	char text[300];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "%s expected",
			     tool_usd(m->expected_pusd));
	if (m->ranged && m->low_pusd != m->high_pusd)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, " (%s to %s by the input)",
			tool_usd(m->low_pusd), tool_usd(m->high_pusd));
	n += (size_t)snprintf(text + n, sizeof(text) - n, ", %s%s",
			      m->bounded ? tool_usd(m->worst_pusd)
					 : "nothing bounds it",
			      m->bounded ? " at worst" : "");
	if (s->o.buffer_ppm)
		snprintf(text + n, sizeof(text) - n, "; with %u %% more %s",
			 s->o.buffer_ppm / 10000,
			 tool_usd(estimate_buffered(s, m->expected_pusd)));
	put(b, "cost", text);
}

static void put_percent(char *out, size_t cap, int64_t part, int64_t whole)
{
	__int128 v;

	if (whole <= 0) {
		snprintf(out, cap, "over");
		return;
	}
	v = ((__int128)part * 200 + whole) / (2 * (__int128)whole);
	snprintf(out, cap, "%lld %%",
		 (long long)(v > 999999 ? 999999
			     : v < 0	? 0
					: v));
}

static void put_budget(struct lg_buf *b, const struct estimate *s,
		       const struct estimate_budget *g)
{
	int64_t after = estimate_after(s, g);
	char text[500], percent[24];
	size_t n;

	if (!g->counted) {
		put(b, g->name, "is not counted: no region (llmguard doctor)");
		return;
	}
	put_percent(percent, sizeof(percent), after, g->limit_pusd);
	n = (size_t)snprintf(
		text, sizeof(text), "spent %s",
		tool_usd(lg_money_sub(g->used_pusd, g->held_pusd)));
	if (g->held_pusd > 0)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      " (and %s held)", tool_usd(g->held_pusd));
	n += (size_t)snprintf(
		text + n, sizeof(text) - n, " of %s, after this %s, %s",
		tool_usd(g->limit_pusd), tool_usd(after), percent);
	if (g->requests != s->total.requests)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "; %llu of the requests",
				      ull(g->requests));
	if (estimate_is_over(s, g))
		snprintf(text + n, sizeof(text) - n, "; over by %s%s",
			 tool_usd(lg_money_sub(after, g->limit_pusd)),
			 g->hard ? "" : " (it warns, it does not block)");
	else if (estimate_is_refused(g))
		snprintf(text + n, sizeof(text) - n,
			 g->hold_pusd == INT64_MAX
				 ? "; would be refused: it is strict, and "
				   "nothing bounds the cost%s%s"
				 : "; would be refused: %s is held until the "
				   "answer is there%s",
			 g->hold_pusd == INT64_MAX ? ""
						   : tool_usd(g->hold_pusd),
			 "");
	put(b, g->name, text);
	if (strcmp(g->scope, "global")) {
		n = strlen(g->name);
		snprintf(text, sizeof(text), "(%s, %s)", g->scope, g->period);
		put(b, "", text);
	}
}

static void put_models(struct lg_buf *b, const struct estimate *s)
{
	struct table t;

	table_init(&t, "MODEL\tREQUESTS\rINPUT\rOUTPUT\rEXPECTED\rWORST\rINPUT "
		       "IS\tPRICE");
	for (unsigned i = 0; i < s->nmodels; i++) {
		const struct estimate_model *m = &s->model[i];

		table_cell(&t, m->name);
		table_u64(&t, m->sum.requests);
		table_u64(&t, m->sum.input);
		table_u64(&t, m->sum.output);
		table_cell(&t, tool_usd(m->sum.expected_pusd));
		table_cell(&t, m->sum.bounded ? tool_usd(m->sum.worst_pusd)
					      : "no bound");
		table_cell(&t, estimate_by_names[m->sum.in_by]);
		table_cell(&t, m->sum.unknown ? "unknown" : m->note.price);
	}
	table_print(&t, b);
}

static const char *times(int64_t part, int64_t whole)
{
	static char buf[2][32];
	static unsigned turn;
	char *out = buf[turn++ % 2];
	__int128 v;

	if (whole <= 0)
		return "";
	v = ((__int128)part * 1000 + whole / 2) / whole;
	snprintf(out, sizeof(buf[0]), "%lld.%lld %%", (long long)(v / 10),
		 (long long)(v % 10));
	return out;
}

static void put_compare(struct lg_buf *b, const struct estimate *s)
{
	struct table t;

	if (!s->ncompare)
		return;
	lg_buf_putc(b, '\n');
	table_init(&t, "INSTEAD\tINPUT\rOUTPUT\rEXPECTED\rWORST\rOF THIS\r"
		       "INPUT IS\tOUTPUT IS");
	for (unsigned i = 0; i < s->ncompare; i++) {
		const struct estimate_sum *m = &s->other[i].sum;

		table_cell(&t, s->other[i].name);
		table_u64(&t, m->input);
		table_u64(&t, m->output);
		table_cell(&t, tool_usd(m->expected_pusd));
		table_cell(&t,
			   m->bounded ? tool_usd(m->worst_pusd) : "no bound");
		table_cell(&t, times(m->expected_pusd, s->total.expected_pusd));
		table_cell(&t, estimate_by_names[m->in_by]);
		table_cell(&t, estimate_by_names[m->out_by]);
	}
	table_print(&t, b);
}

static void put_head(struct lg_buf *b, const struct estimate *s)
{
	const struct estimate_model *m = &s->model[0];
	char text[300];

	if (s->total.requests == 1 && s->nmodels) {
		put(b, "request", m->note.url);
		put(b, "model", m->name);
		snprintf(text, sizeof(text), "%s%s", m->note.price,
			 m->sum.unknown		  ? ": the price is not known"
			 : m->note.price_estimate ? ", an estimate"
						  : "");
		put(b, "price", text);
		return;
	}
	snprintf(text, sizeof(text), "%llu%s%s%s", ull(s->total.requests),
		 s->form ? " (" : "", s->form ? s->form : "",
		 s->form ? ", at its price)" : "");
	put(b, "requests", text);
	if (s->total.free) {
		snprintf(text, sizeof(text), "%llu of them cost nothing",
			 ull(s->total.free));
		put(b, "", text);
	}
	if (s->total.unread) {
		snprintf(text, sizeof(text),
			 "%llu of them: nobody knows what they cost",
			 ull(s->total.unread));
		put(b, "", text);
	}
	put_models(b, s);
	lg_buf_putc(b, '\n');
}

static void put_policy(struct lg_buf *b, const struct estimate *s)
{
	char text[160];

	if (s->untagged) {
		snprintf(text, sizeof(text),
			 "%llu would be refused: no tag (tag_required)",
			 ull(s->untagged));
		put(b, "tags", text);
	}
	if (s->expensive) {
		snprintf(text, sizeof(text),
			 "%llu may cost more than %s (expensive_threshold)",
			 ull(s->expensive), tool_usd(s->w->set.expensive_pusd));
		put(b, "dear", text);
	}
}

void estimate_print(const struct estimate *s, struct lg_buf *b)
{
	bool one = s->total.requests == 1 && s->nmodels == 1;

	put_head(b, s);
	put_input(b, &s->total, &s->model[0].note, one);
	put_output(b, &s->total, &s->model[0].note, one);
	put_cost(b, s, &s->total);
	if (s->total.unknown)
		put(b, "",
		    s->w->set.unknown_model == LG_UNKNOWN_ALLOW
			    ? "the price is not known: it is counted as "
			      "nothing (unknown_model: allow)"
			    : "the price is not known: the provider's "
			      "dearest is taken");
	for (unsigned i = 0; i < s->nbudgets; i++)
		put_budget(b, s, &s->budget[i]);
	put_policy(b, s);
	if (s->uncounted)
		put(b, "", "more counters of budgets than are shown here");
	put_compare(b, s);
}

/* -- JSON ------------------------------------------------------------------ */

static void json_sum(struct json *j, const struct estimate *s,
		     const struct estimate_sum *m)
{
	json_u64(j, "requests", m->requests);
	json_u64(j, "free", m->free);
	json_u64(j, "unknown_price", m->unknown + m->unread);
	json_u64(j, "input_tokens", m->input);
	json_text(j, "input_state", estimate_by_names[m->in_by]);
	if (m->ranged) {
		json_u64(j, "input_low", m->input_low);
		json_u64(j, "input_high", m->input_high);
	} else {
		json_null(j, "input_low");
		json_null(j, "input_high");
	}
	json_u64(j, "output_tokens", m->output);
	json_text(j, "output_state", estimate_by_names[m->out_by]);
	json_u64(j, "output_worst", m->worst_output);
	json_usd(j, "expected_usd", m->expected_pusd);
	json_usd(j, "low_usd", m->ranged ? m->low_pusd : INT64_MAX);
	json_usd(j, "high_usd", m->ranged ? m->high_pusd : INT64_MAX);
	json_usd(j, "worst_usd", m->bounded ? m->worst_pusd : INT64_MAX);
	json_usd(j, "buffered_usd", estimate_buffered(s, m->expected_pusd));
}

static void json_note(struct json *j, const struct estimate_note *n)
{
	json_text(j, "url", n->url);
	json_text(j, "price", n->price);
	json_bool(j, "price_estimate", n->price_estimate);
	if (n->encoding)
		json_text(j, "encoding", n->encoding);
	if (n->tokens)
		json_text(j, "note", n->tokens);
	if (n->ratio) {
		json_number(j, "bytes_per_token", ratio_text(n->ratio));
		json_number(j, "bytes_per_token_p5", ratio_text(n->ratio_low));
		json_number(j, "bytes_per_token_p95",
			    ratio_text(n->ratio_high));
	}
	json_u64(j, "prompts", n->prompts);
	json_u64(j, "answers", n->answers);
	if (n->mean)
		json_u64(j, "output_mean", n->mean);
	if (n->p99)
		json_u64(j, "output_p99", n->p99);
}

static void json_model(struct json *j, const struct estimate *s,
		       const struct estimate_model *m)
{
	json_open(j, NULL, '{');
	json_text(j, "model", m->name);
	json_sum(j, s, &m->sum);
	json_note(j, &m->note);
	json_close(j, '}');
}

static int64_t ppm(int64_t part, int64_t whole)
{
	__int128 v;

	if (whole <= 0)
		return -1;
	v = (__int128)part * 1000000 / whole;
	return v > INT64_C(9000000000000) ? INT64_C(9000000000000) : (int64_t)v;
}

static void json_budget(struct json *j, const struct estimate *s,
			const struct estimate_budget *b)
{
	int64_t after = estimate_after(s, b);

	json_open(j, NULL, '{');
	json_text(j, "name", b->name);
	json_text(j, "scope", b->scope);
	json_text(j, "period", b->period);
	json_bool(j, "hard", b->hard);
	json_text(j, "mode", b->strict ? "strict" : "adaptive");
	json_bool(j, "counted", b->counted);
	json_u64(j, "requests", b->requests);
	json_usd(j, "spent_usd", lg_money_sub(b->used_pusd, b->held_pusd));
	json_usd(j, "held_usd", b->held_pusd);
	json_usd(j, "limit_usd", b->limit_pusd);
	json_usd(j, "after_usd", after);
	if (b->limit_pusd > 0)
		json_ppm(j, "ratio", ppm(after, b->limit_pusd));
	else
		json_null(j, "ratio");
	json_usd(j, "hold_usd", b->hold_pusd);
	json_bool(j, "over", estimate_is_over(s, b));
	json_bool(j, "refused", estimate_is_refused(b));
	json_close(j, '}');
}

void estimate_json(const struct estimate *s, struct lg_buf *out)
{
	struct json j;
	unsigned i;

	json_init(&j);
	json_open(&j, NULL, '{');
	json_sum(&j, s, &s->total);
	json_ppm(&j, "buffer", s->o.buffer_ppm);
	json_bool(&j, "over_budget", estimate_any_over(s));
	json_u64(&j, "untagged", s->untagged);
	json_u64(&j, "expensive", s->expensive);
	if (s->form)
		json_text(&j, "form", s->form);
	json_open(&j, "models", '[');
	for (i = 0; i < s->nmodels; i++)
		json_model(&j, s, &s->model[i]);
	json_close(&j, ']');
	json_open(&j, "budgets", '[');
	for (i = 0; i < s->nbudgets; i++)
		json_budget(&j, s, &s->budget[i]);
	json_close(&j, ']');
	json_open(&j, "compare", '[');
	for (i = 0; i < s->ncompare; i++)
		json_model(&j, s, &s->other[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	json_line(&j);
	lg_buf_put(out, j.b.p, j.b.len);
	lg_buf_fini(&j.b);
}
