#include "guard/block.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "guard/tariff.h"

#define BODY_MAX ((size_t)16 << 10)

#define S(lit)                                                                 \
	{                                                                      \
		(lit), sizeof(lit) - 1                                         \
	}

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The first of these is for budgets whose window ends. */
static const struct lg_slice over_budget[] = {
	S("Wait until it resets."),
	S("Raise it: llmguard budget set NAME --limit USD."),
	S("Use a cheaper model or a smaller output limit."),
	S("Ignore it for one run: LLMGUARD_IGNORE_BUDGET=1."),
};
static const struct lg_slice busy[] = {
	S("Try again: other calls hold what is left."),
	S("Raise it: llmguard budget set NAME --limit USD."),
};

/* A budget of the environment is raised there. */
#define FROM_ENV(name, where)                                                  \
	{                                                                      \
		S(name),                                                       \
			{S("Wait until it resets."),                           \
			 S("Raise it: " where "."),                            \
			 S("Use a cheaper model or a smaller output limit."),  \
			 S("Ignore it for one run: "                           \
			   "LLMGUARD_IGNORE_BUDGET=1.")},                      \
		{                                                              \
			S("Try again: other calls hold what is left."),        \
				S("Raise it: " where ".")                      \
		}                                                              \
	}

static const struct {
	struct lg_slice budget;
	struct lg_slice over[LEN(over_budget)], busy[LEN(busy)];
} from_env[] = {
	FROM_ENV("run", "LLMGUARD_MAX_USD, or llmguard run --max-usd"),
	FROM_ENV("run-train",
		 "LLMGUARD_MAX_TRAIN_USD, or llmguard run --max-train-usd"),
	FROM_ENV("run-infer",
		 "LLMGUARD_MAX_INFER_USD, or llmguard run --max-infer-usd"),
	FROM_ENV("monthly", "LLMGUARD_MONTHLY_USD"),
};

static const struct lg_slice paced[] = {
	S("Wait: what is left of it is spread over its window."),
	S("Raise it: llmguard budget set NAME --limit USD."),
};
static const struct lg_slice unbounded[] = {
	S("Declare the largest output (max_tokens)."),
	S("Set the budget's mode to adaptive."),
};
static const struct lg_slice unknown[] = {
	S("Or say in llmguard.yaml whose price it has: models:."),
	S("Or set unknown_model to ceiling."),
};
static const struct lg_slice broken[] = {
	S("See what is wrong: llmguard config check."),
	S("Set fail to open."),
};

static const struct lg_slice paused[] = {
	S("Wait until it goes on: llmguard resume."),
};

static const struct lg_slice untagged[] = {
	S("Give it a tag: LLMGUARD_TAGS, or the header x-llmguard-tags."),
	S("Set tag_required (tracking:) to warn."),
};

static const struct lg_slice crowded[] = {
	S("At most 24 counters are charged for a call: make one budget of "
	  "several."),
};

#define LIST(a) a, LEN(a)

static const struct {
	struct lg_slice reason;
	const struct lg_slice *text;
	unsigned n;
} remedies[] = {
	{S("over_budget"), LIST(over_budget)},
	{S("contention"), LIST(busy)},
	{S("throttled"), LIST(paced)},
	{S("unbounded"), LIST(unbounded)},
	{S("paused"), LIST(paused)},
	{S("unknown_model"), LIST(unknown)},
	{S("tag_required"), LIST(untagged)},
	{S("too_many_budgets"), LIST(crowded)},
	{S(""), LIST(broken)},
};

/* What the same remedies say for a budget of the environment. */
static const struct lg_slice *in_env(struct lg_slice budget,
				     const struct lg_slice *text)
{
	for (size_t i = 0; i < LEN(from_env); i++)
		if (lg_slice_eq(from_env[i].budget, budget))
			return text == over_budget ? from_env[i].over
			       : text == busy	   ? from_env[i].busy
						   : text;
	return text;
}

/* May it stand in a command line as it is? It comes from the network. */
static bool is_plain(struct lg_slice s)
{
	static const char odd[] = "-._:/@+";

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
		    !(c >= 'A' && c <= 'Z') &&
		    !(c && memchr(odd, c, sizeof(odd) - 1)))
			return false;
	}
	return s.len && s.p[0] != '-';
}

static struct lg_slice price_it(const struct lg_refusal *r, struct lg_advice *a)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, a->price, sizeof(a->price));
	lg_buf_puts(&b, "Give the model a price: llmguard pricing set ");
	if (is_plain(r->provider) && is_plain(r->model)) {
		lg_buf_put(&b, r->model.p, r->model.len);
		lg_buf_puts(&b, " --provider ");
		lg_buf_put(&b, r->provider.p, r->provider.len);
		if (is_plain(r->tier)) {
			lg_buf_puts(&b, " --tier ");
			lg_buf_put(&b, r->tier.p, r->tier.len);
		}
	} else {
		lg_buf_puts(&b, "MODEL --provider NAME");
	}
	lg_buf_puts(&b, ".");
	return lg_buf_slice(&b);
}

/* A price that is not known stands first, where it is what is in the way. */
static void add_pricing(struct lg_refusal *r, bool unknown_price,
			struct lg_advice *a)
{
	unsigned n = 0;

	if (!unknown_price || r->should_retry)
		return;
	a->text[n++] = price_it(r, a);
	for (unsigned i = 0; i < r->nremedies && n < LG_ADVICE_MAX; i++)
		a->text[n++] = r->remedies[i];
	r->remedies = a->text;
	r->nremedies = n;
}

static void add_remedies(struct lg_refusal *r, bool transient, bool env)
{
	bool paced_out = lg_slice_eq(r->reason, LG_SLICE("throttled"));
	struct lg_slice reason =
		transient && !paced_out ? LG_SLICE("contention") : r->reason;
	unsigned i = 0;
	bool over;

	while (remedies[i].reason.len &&
	       !lg_slice_eq(remedies[i].reason, reason))
		i++;
	over = remedies[i].text == over_budget;
	r->remedies =
		env ? in_env(r->budget, remedies[i].text) : remedies[i].text;
	r->nremedies = remedies[i].n;
	if (over && !r->resets_at_ms) {
		r->remedies++;
		r->nremedies--;
	}
}

/* Whole seconds until the window ends, rounded up; -1: it never does. */
static int32_t seconds_left(const struct lg_denial *d)
{
	int64_t left = d->resets_at_ms - lg_clock_real_ms();

	if (d->transient)
		return d->retry_ms > 1000
			       ? (int32_t)((d->retry_ms + 999) / 1000)
			       : 1;
	if (!d->resets_at_ms)
		return -1;
	left = left > 0 ? (left + 999) / 1000 : 1;
	return left > INT32_MAX ? INT32_MAX : (int32_t)left;
}

static bool is_priced(const struct lg_exchange *x)
{
	return lg_tariff_is_known(&x->price) && !x->price.tier_missing;
}

static bool by_price(const struct lg_denial *d)
{
	return d->rule >= 0 || !strcmp(d->reason, "unknown_model");
}

void lg_block_describe(const struct lg_exchange *x, const struct lg_denial *d,
		       struct lg_refusal *r, struct lg_advice *a)
{
	bool env = false;

	*r = (struct lg_refusal){
		.reason = lg_slice_str(d->reason),
		.provider = lg_slice_str(x->row.provider),
		.model = lg_slice_str(lg_tariff_name(x)),
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
		r->scope = d->scope[0] ? lg_slice_str(d->scope) : rule->scope;
		r->period = lg_slice_str(
			lg_period_name((enum lg_period)rule->b->period));
		env = rule->b->source == LG_SOURCE_ENV;
	}
	if (x->price.tier_missing)
		r->tier = lg_slice_str(x->facts.tier);
	add_remedies(r, d->transient, env);
	add_pricing(r, by_price(d) && !is_priced(x), a);
}

static void put_head(struct lg_buf *out, const struct lg_dialect *d,
		     const struct lg_refusal *r, size_t body_len)
{
	lg_buf_puts(out, "HTTP/1.1 429 Too Many Requests\r\n"
			 "content-type: application/json\r\n"
			 "content-length: ");
	lg_buf_put_u64(out, body_len);
	lg_buf_puts(out, r->should_retry ? "\r\nx-should-retry: true\r\n"
					 : "\r\nx-should-retry: false\r\n");
	if (r->retry_after_s >= 0 && (r->should_retry || !d->sleepers)) {
		lg_buf_puts(out, "retry-after: ");
		lg_buf_put_i64(out, r->retry_after_s);
		lg_buf_puts(out, "\r\n");
	}
	if (d->refusal_fields)
		lg_buf_puts(out, d->refusal_fields);
	lg_buf_puts(out, "x-llmguard-verdict: blocked\r\n"
			 "connection: close\r\n\r\n");
}

int lg_block_answer(const struct lg_exchange *x, struct lg_buf *out)
{
	struct lg_refusal r;
	struct lg_advice a;
	struct lg_buf body;
	int err;

	lg_block_describe(x, x->denial, &r, &a);
	lg_buf_init(&body, BODY_MAX);
	err = x->d->error_body(&r, &body);
	if (!err) {
		put_head(out, x->d, &r, body.len);
		err = lg_buf_put(out, body.p, body.len);
	}
	lg_buf_fini(&body);
	return err;
}
