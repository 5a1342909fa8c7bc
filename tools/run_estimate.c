#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/money.h"
#include "guard/engine.h"
#include "run.h"
#include "table.h"
#include "tool.h"

int64_t run_scale(int64_t pusd, uint64_t times, uint64_t by)
{
	__int128 n = (__int128)pusd * (__int128)times;

	if (!by)
		return 0;
	n = (n + (__int128)by / 2) / (__int128)by;
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static uint64_t mul(uint64_t a, uint64_t b)
{
	uint64_t out;

	return __builtin_mul_overflow(a, b, &out) ? UINT64_MAX : out;
}

/* What was said of how many there will be. */
static void expect(struct run *r)
{
	const struct opt_value *v = r->c->v;
	uint64_t *calls = r->estimate.calls;

	if (v[RO_CALLS].set)
		calls[RUN_INFER] = v[RO_CALLS].n;
	else if (v[RO_EXAMPLES].set)
		calls[RUN_INFER] =
			mul(v[RO_EXAMPLES].n, v[RO_CALLS_PER_EXAMPLE].n);
	if (v[RO_TRAIN_CALLS].set)
		calls[RUN_TRAIN] = v[RO_TRAIN_CALLS].n;
}

static int read_profile(struct run *r)
{
	const struct opt_value *v = r->c->v;

	if (v[RO_ESTIMATE].set)
		return run_profile_file(r, v[RO_ESTIMATE].text);
	if (v[RO_INPUT].set || v[RO_OUTPUT].set || v[RO_CACHED].set)
		return run_profile_options(r);
	if (r->estimate.calls[RUN_INFER] || r->estimate.calls[RUN_TRAIN])
		return run_profile_history(r);
	return 0;
}

struct part {
	uint64_t calls;
	int64_t cost, economic;
};

static struct part sum_of(const struct run_estimate *e, enum run_phase phase)
{
	struct part p = {0, 0, 0};
	unsigned i;

	for (i = 0; i < e->nlines; i++) {
		const struct run_line *l = &e->line[i];

		if (l->phase != phase)
			continue;
		if (__builtin_add_overflow(p.calls, l->calls, &p.calls))
			p.calls = UINT64_MAX;
		p.cost = lg_money_add(p.cost, l->cost_pusd);
		p.economic = lg_money_add(p.economic, l->economic_pusd);
	}
	return p;
}

static bool is_said(const struct run *r, unsigned phase)
{
	const struct opt_value *v = r->c->v;

	if (phase == RUN_TRAIN)
		return v[RO_TRAIN_CALLS].set;
	return v[RO_CALLS].set || v[RO_EXAMPLES].set;
}

/* A sample is scaled to the calls that are expected. */
static void scale(struct run *r)
{
	struct run_estimate *e = &r->estimate;
	unsigned i;

	for (i = 0; i < RUN_PHASES; i++) {
		struct part p = sum_of(e, (enum run_phase)i);

		if (!p.calls && e->calls[i])
			p = sum_of(e, i == RUN_TRAIN ? RUN_INFER : RUN_TRAIN);
		if (!is_said(r, i) && strcmp(e->source, "history"))
			e->calls[i] = p.calls;
		if (p.calls && e->calls[i])
			e->known = true;
		e->actual[i] = run_scale(p.cost, e->calls[i], p.calls);
		e->economic[i] = run_scale(p.economic, e->calls[i], p.calls);
	}
}

static void show_lines(const struct run *r, struct lg_buf *out)
{
	const struct run_estimate *e = &r->estimate;
	struct table t;
	unsigned i;

	table_init(&t, "PHASE\tMODEL\tCALLS\rINPUT\rCACHED\rOUTPUT\rACTUAL\r"
		       "ECONOMIC\rPRICE");
	for (i = 0; i < e->nlines; i++) {
		const struct run_line *l = &e->line[i];

		table_cell(&t, l->phase == RUN_TRAIN ? "train" : "infer");
		table_cell(&t, l->model);
		table_u64(&t, l->calls);
		table_u64(&t, l->input_tokens);
		table_u64(&t, l->cached_tokens);
		table_u64(&t, l->output_tokens);
		table_cell(&t, tool_usd(l->cost_pusd));
		table_cell(&t, tool_usd(l->economic_pusd));
		table_cell(&t, l->unknown ? "unknown" : "known");
	}
	table_print(&t, out);
}

static void show(const struct run *r)
{
	const char *detail = r->c->v[RO_DETAIL].text;
	const struct run_estimate *e = &r->estimate;
	struct lg_buf out;

	if (detail && !strcmp(detail, "none"))
		return;
	if (detail && !strcmp(detail, "full")) {
		lg_buf_init(&out, (size_t)1 << 26);
		show_lines(r, &out);
		fwrite(out.p, 1, out.len, stderr);
		lg_buf_fini(&out);
	}
	fprintf(stderr, "llmguard: estimate (%s): %llu call%s", e->source,
		(unsigned long long)(e->calls[0] + e->calls[1]),
		e->calls[0] + e->calls[1] == 1 ? "" : "s");
	fprintf(stderr, ", actual %s, economic %s",
		tool_usd(lg_money_add(e->actual[0], e->actual[1])),
		tool_usd(lg_money_add(e->economic[0], e->economic[1])));
	if (e->calls[RUN_TRAIN])
		fprintf(stderr, " (train %s, infer %s)",
			tool_usd(e->actual[RUN_TRAIN]),
			tool_usd(e->actual[RUN_INFER]));
	fputc('\n', stderr);
}

static void tell_unknown(const struct run *r)
{
	const struct run_estimate *e = &r->estimate;
	unsigned i;

	for (i = 0; i < e->nlines; i++)
		if (e->line[i].unknown) {
			tool_warn("the price of %s is not known: the estimate "
				  "counts %s for it",
				  e->line[i].model,
				  e->line[i].cost_pusd
					  ? "the provider's dearest"
					  : "nothing");
			return;
		}
}

/* What is left of one budget; the experiment's is shared. */
static int64_t left_of(const struct run_cell *c)
{
	int64_t left = lg_money_sub(c->limit_pusd,
				    lg_money_add(c->spent_pusd, c->held_pusd));

	return left > 0 ? left : 0;
}

static int64_t need_of(const struct run *r, const struct run_cell *c)
{
	const struct run_estimate *e = &r->estimate;

	if (!strcmp(c->scope, "phase:train"))
		return e->actual[RUN_TRAIN];
	if (!strcmp(c->scope, "phase:infer"))
		return e->actual[RUN_INFER];
	return lg_money_add(e->actual[0], e->actual[1]);
}

/* The budget that it exceeds most, in words; false: none. */
static bool exceeds(const struct run *r, char *text, size_t cap)
{
	int64_t most = 0, over;
	unsigned i;

	for (i = 0; i < r->watch.ncells; i++) {
		const struct run_cell *c = &r->watch.cell[i];

		over = lg_money_sub(need_of(r, c), left_of(c));
		if (lg_slice_iends(lg_slice_str(c->name), LG_SLICE("-warn")) ||
		    over <= most)
			continue;
		most = over;
		snprintf(text, cap,
			 "the estimate, %s, exceeds what budget %s has left, "
			 "%s of %s",
			 tool_usd(need_of(r, c)), c->name, tool_usd(left_of(c)),
			 tool_usd(c->limit_pusd));
	}
	return most > 0;
}

static bool can_ask(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) &&
	       tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* [y/N]; false also at the input's end. */
static bool confirm(void)
{
	char line[64];
	ssize_t n;

	fputs("Start it all the same? [y/N] ", stderr);
	n = read(STDIN_FILENO, line, sizeof(line));
	if (n <= 0)
		fputc('\n', stderr);
	return n > 0 && (line[0] == 'y' || line[0] == 'Y');
}

static int decide(struct run *r)
{
	char text[200];

	if (!exceeds(r, text, sizeof(text)))
		return -1;
	tool_warn("%s", text);
	if (r->c->v[RO_YES].set || r->ignored)
		return -1;
	snprintf(r->reason, sizeof(r->reason), "not started: %s", text);
	if (can_ask()) {
		if (!confirm())
			return EXIT_OVER;
		r->reason[0] = '\0';
		return -1;
	}
	fprintf(stderr, "  not started. --yes starts it all the same, "
			"--no-estimate does not ask;\n  or raise the limit, or "
			"expect fewer calls\n");
	return EXIT_OVER;
}

int run_estimate(struct run *r)
{
	struct run_estimate *e = &r->estimate;
	int ret;

	expect(r);
	if (r->c->v[RO_NO_ESTIMATE].set)
		return -1;
	ret = read_profile(r);
	if (ret)
		return ret;
	if (!e->source)
		return -1;
	if (e->nlines)
		scale(r);
	if (!e->known) {
		tool_warn("no estimate: nothing says what a call costs; give "
			  "--estimate FILE, or --model with --input-tokens "
			  "and --output-tokens");
		return -1;
	}
	show(r);
	tell_unknown(r);
	return decide(r);
}
