#include "guard/block.h"

#include <stdint.h>

#include "base/clock.h"

#define BODY_MAX ((size_t)16 << 10)

static const struct lg_slice over_budget[] = {
	{"wait until the budget's window ends", 35},
	{"raise it: llmguard budget set NAME --limit USD", 46},
	{"use a cheaper model or a smaller output limit", 45},
	{"ignore it once: LLMGUARD_IGNORE_BUDGET=1", 40},
};
static const struct lg_slice busy[] = {
	{"try again: other calls hold what is left", 40},
	{"raise it: llmguard budget set NAME --limit USD", 46},
};
static const struct lg_slice unbounded[] = {
	{"declare the largest output (max_tokens)", 39},
	{"set the budget's mode to adaptive", 33},
};
static const struct lg_slice unknown[] = {
	{"name a price for it: models: or pricing.files", 45},
	{"set unknown_model to ceiling", 28},
};
static const struct lg_slice broken[] = {
	{"see: llmguard config check", 26},
	{"set fail to open", 16},
};

#define LIST(a) a, sizeof(a) / sizeof((a)[0])

static const struct {
	struct lg_slice reason;
	const struct lg_slice *text;
	unsigned n;
} remedies[] = {
	{{"over_budget", 11}, LIST(over_budget)},
	{{"contention", 10}, LIST(busy)},
	{{"unbounded", 9}, LIST(unbounded)},
	{{"unknown_model", 13}, LIST(unknown)},
	{{"", 0}, LIST(broken)},
};

static void add_remedies(struct lg_refusal *r, bool transient)
{
	struct lg_slice reason = transient ? LG_SLICE("contention") : r->reason;
	unsigned i = 0;

	while (remedies[i].reason.len &&
	       !lg_slice_eq(remedies[i].reason, reason))
		i++;
	r->remedies = remedies[i].text;
	r->nremedies = remedies[i].n;
}

/* Whole seconds until the window ends, rounded up; -1: it never does. */
static int32_t seconds_left(const struct lg_denial *d)
{
	int64_t left = d->resets_at_ms - lg_clock_real_ms();

	if (d->transient)
		return 1;
	if (!d->resets_at_ms)
		return -1;
	left = left > 0 ? (left + 999) / 1000 : 1;
	return left > INT32_MAX ? INT32_MAX : (int32_t)left;
}

static void describe(const struct lg_exchange *x, struct lg_refusal *r)
{
	const struct lg_denial *d = x->denial;

	*r = (struct lg_refusal){
		.reason = lg_slice_str(d->reason),
		.spent_pusd = d->spent_pusd,
		.held_pusd = d->held_pusd,
		.limit_pusd = d->limit_pusd,
		.estimate_pusd = x->row.estimate_pusd,
		.resets_at_ms = d->resets_at_ms,
		.retry_after_s = seconds_left(d),
		.should_retry = d->transient,
	};
	if (d->rule >= 0) {
		const struct lg_rule *rule = &x->world->rules[d->rule];

		r->budget = rule->name;
		r->scope = rule->scope;
		r->period = lg_slice_str(
			lg_period_name((enum lg_period)rule->b->period));
	}
	add_remedies(r, d->transient);
}

static void put_head(struct lg_buf *out, const struct lg_refusal *r,
		     size_t body_len)
{
	lg_buf_puts(out, "HTTP/1.1 429 Too Many Requests\r\n"
			 "content-type: application/json\r\n"
			 "content-length: ");
	lg_buf_put_u64(out, body_len);
	lg_buf_puts(out, r->should_retry ? "\r\nx-should-retry: true\r\n"
					 : "\r\nx-should-retry: false\r\n");
	if (r->retry_after_s >= 0) {
		lg_buf_puts(out, "retry-after: ");
		lg_buf_put_i64(out, r->retry_after_s);
		lg_buf_puts(out, "\r\n");
	}
	lg_buf_puts(out, "x-llmguard-verdict: blocked\r\n"
			 "connection: close\r\n\r\n");
}

int lg_block_answer(const struct lg_exchange *x, struct lg_buf *out)
{
	struct lg_refusal r;
	struct lg_buf body;
	int err;

	describe(x, &r);
	lg_buf_init(&body, BODY_MAX);
	err = x->d->error_body(&r, &body);
	if (!err) {
		put_head(out, &r, body.len);
		err = lg_buf_put(out, body.p, body.len);
	}
	lg_buf_fini(&body);
	return err;
}
