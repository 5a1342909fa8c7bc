#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "json.h"
#include "run.h"
#include "table.h"
#include "tool.h"

static const char *const ends[] = {"completed", "cancelled", "failed"};

const char *run_end_name(enum run_end end)
{
	return ends[end];
}

static int64_t total(const struct run *r)
{
	return lg_money_add(r->tally.sum[0].cost_pusd,
			    r->tally.sum[1].cost_pusd);
}

static int64_t total_economic(const struct run *r)
{
	return lg_money_add(r->tally.sum[0].economic_pusd,
			    r->tally.sum[1].economic_pusd);
}

static void put_first_line(const struct run *r)
{
	const struct run_tally *t = &r->tally;
	const char *max = getenv("LLMGUARD_MAX_USD");
	uint64_t calls = run_calls_made(r);

	fprintf(stderr, "llmguard: %llu call%s, %s", (unsigned long long)calls,
		calls == 1 ? "" : "s", tool_usd(total(r)));
	if (max && *max)
		fprintf(stderr, " of $%s", max);
	if (t->unknown)
		fprintf(stderr, ", %llu at an unknown price",
			(unsigned long long)t->unknown);
	if (t->refused)
		fprintf(stderr, "; %llu refused (%s not spent): %s",
			(unsigned long long)t->refused,
			tool_usd(t->refused_pusd), t->reason);
	fputc('\n', stderr);
}

static void put_line(struct table *t, const struct run_line *l,
		     const char *phase, const char *model)
{
	table_cell(t, phase);
	table_cell(t, model);
	table_u64(t, l->calls);
	table_u64(t, l->input_tokens);
	table_u64(t, l->cached_tokens);
	table_u64(t, l->output_tokens);
	table_u64(t, l->provider_hits + l->gateway_hits + l->local);
	table_cell(t, tool_usd(l->cost_pusd));
	table_cell(t, tool_usd(l->economic_pusd));
}

static void add(uint64_t *sum, uint64_t n)
{
	if (__builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

static struct run_line sum_of(const struct run *r)
{
	struct run_line s = r->tally.sum[RUN_INFER];
	const struct run_line *o = &r->tally.sum[RUN_TRAIN];

	add(&s.calls, o->calls);
	add(&s.local, o->local);
	add(&s.provider_hits, o->provider_hits);
	add(&s.gateway_hits, o->gateway_hits);
	add(&s.input_tokens, o->input_tokens);
	add(&s.cached_tokens, o->cached_tokens);
	add(&s.output_tokens, o->output_tokens);
	s.cost_pusd = total(r);
	s.economic_pusd = total_economic(r);
	return s;
}

static void put_lines(const struct run *r, struct lg_buf *out)
{
	struct run_line all = sum_of(r);
	struct table t;
	unsigned i;

	table_init(&t, "PHASE\tMODEL\tCALLS\rINPUT\rCACHED\rOUTPUT\rHITS\r"
		       "ACTUAL\rECONOMIC\r");
	for (i = 0; i < r->tally.nlines; i++)
		put_line(&t, &r->tally.line[i],
			 r->tally.line[i].phase == RUN_TRAIN ? "train"
							     : "infer",
			 r->tally.line[i].model);
	if (r->tally.nlines > 1)
		put_line(&t, &all, "total", "");
	table_print(&t, out);
}

static const char *percent(int64_t part, int64_t whole)
{
	static char text[4][32];
	static unsigned turn;
	char *out = text[turn++ % 4];
	int64_t tenth;

	if (whole <= 0) {
		strcpy(out, "-");
		return out;
	}
	tenth = (int64_t)((__int128)part * 1000 / whole);
	snprintf(out, sizeof(text[0]), "%lld.%lld %%", (long long)(tenth / 10),
		 (long long)(tenth % 10 < 0 ? -(tenth % 10) : tenth % 10));
	return out;
}

static const char *state_of(const struct run *r, const struct run_cell *c)
{
	if (r->ignored)
		return "ignored";
	if (c->refusing && c->hard)
		return "refusing";
	return c->spent_pusd >= c->limit_pusd ? "exceeded" : "ok";
}

static void put_budgets(const struct run *r)
{
	unsigned i;

	for (i = 0; i < r->watch.ncells; i++) {
		const struct run_cell *c = &r->watch.cell[i];

		fprintf(stderr, "budget %-11s %s of %s (%s), %s\n", c->name,
			tool_usd(c->spent_pusd), tool_usd(c->limit_pusd),
			percent(c->spent_pusd, c->limit_pusd), state_of(r, c));
	}
}

static void put_figures(const struct run *r)
{
	char text[32];
	int64_t nano;

	if (run_per_million_calls(r, &nano)) {
		run_nano_text(nano, text);
		fprintf(stderr, "inference, a million calls: $%s", text);
		if (run_per_million_runs(r, &nano)) {
			run_nano_text(nano, text);
			fprintf(stderr, "; a million program runs: $%s", text);
		}
		fputc('\n', stderr);
	}
}

static void put_estimate(const struct run *r)
{
	const struct run_estimate *e = &r->estimate;
	int64_t actual = lg_money_add(e->actual[0], e->actual[1]);
	uint64_t want = e->calls[0] + e->calls[1];

	if (e->known)
		fprintf(stderr,
			"estimate %s actual, %s economic; it came to %s of "
			"it\n",
			tool_usd(actual),
			tool_usd(lg_money_add(e->economic[0], e->economic[1])),
			percent(total(r), actual));
	if (run_skew(r))
		fprintf(stderr,
			"skew: %llu of %llu expected calls were not seen on "
			"the wire; where the program has\na cache of its own, "
			"llmguard record --cache-hit local counts them\n",
			(unsigned long long)run_skew(r),
			(unsigned long long)want);
}

static void put_text(const struct run *r)
{
	struct lg_buf out;

	put_first_line(r);
	if (r->tally.nlines) {
		lg_buf_init(&out, (size_t)1 << 26);
		put_lines(r, &out);
		fwrite(out.p, 1, out.len, stderr);
		lg_buf_fini(&out);
	}
	put_budgets(r);
	put_figures(r);
	put_estimate(r);
	if (r->ignored)
		fputs("budgets were ignored: every row says so\n", stderr);
	if (r->end == RUN_CANCELLED)
		fprintf(stderr, "cancelled: %s\n", r->reason);
	if (!r->nested && (r->end == RUN_CANCELLED || r->tally.refused))
		fprintf(stderr,
			"go on with: llmguard run --resume %s --add-usd USD "
			"-- COMMAND\n",
			r->id);
}

void run_report(const struct run *r)
{
	struct json j;

	if (r->c->v[RO_JSON].set) {
		json_init(&j);
		run_manifest(r, &j);
		json_line(&j);
		tool_print(&j.b);
	} else if (!r->c->v[RO_QUIET].set) {
		put_text(r);
	}
}
