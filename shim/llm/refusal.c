#include <errno.h>

#include "base/money.h"
#include "llm/adapter.h"

#define MESSAGE_MAX 2048

static void put_slice(struct lg_buf *out, struct lg_slice s)
{
	lg_buf_put(out, s.p, s.len);
}

static void put_usd(struct lg_buf *out, const char *before, int64_t pusd)
{
	char text[LG_MONEY_TEXT + 4];
	size_t n = lg_money_pretty(pusd, 6, text, sizeof(text));

	lg_buf_puts(out, before);
	lg_buf_put(out, text, n);
}

static void put_budget(const struct lg_refusal *r, struct lg_buf *out)
{
	if (!r->budget.len)
		return;
	lg_buf_puts(out, ": budget \"");
	put_slice(out, r->budget);
	lg_buf_puts(out, "\"");
	if (r->scope.len) {
		lg_buf_puts(out, " (");
		put_slice(out, r->scope);
		lg_buf_puts(out, r->period.len ? ", " : "");
		put_slice(out, r->period);
		lg_buf_puts(out, ")");
	}
	put_usd(out, " has spent ", r->spent_pusd);
	if (r->held_pusd)
		put_usd(out, " and holds ", r->held_pusd);
	put_usd(out, " of ", r->limit_pusd);
	put_usd(out,
		r->cut ? "; this answer has cost " : "; this request may cost ",
		r->estimate_pusd);
}

/* Nobody knows what it costs, and that is why. */
static void put_model(const struct lg_refusal *r, struct lg_buf *out)
{
	if (!lg_slice_eq(r->reason, LG_SLICE("unknown_model")))
		return;
	lg_buf_puts(out, ": the price of model \"");
	put_slice(out, r->model);
	lg_buf_puts(out, "\" (");
	put_slice(out, r->provider);
	if (r->tier.len) {
		lg_buf_puts(out, ", tier ");
		put_slice(out, r->tier);
	}
	lg_buf_puts(out, ") is not known; unknown_model is block");
}

int lg_refusal_message(const struct lg_refusal *r, struct lg_buf *out)
{
	unsigned i;

	lg_buf_puts(out, r->cut ? "llmguard ended this stream"
				: "llmguard blocked this request");
	put_budget(r, out);
	put_model(r, out);
	if (r->reason.len) {
		lg_buf_puts(out, " (reason: ");
		put_slice(out, r->reason);
		lg_buf_puts(out, ")");
	}
	lg_buf_puts(out, ".");
	if (r->resets_at_ms) {
		lg_buf_puts(out, " It resets at ");
		lg_buf_put_time(out, r->resets_at_ms);
		lg_buf_puts(out, ".");
	} else if (r->budget.len) {
		lg_buf_puts(out, " It does not reset by itself.");
	}
	if (r->nremedies)
		lg_buf_puts(out, " What you can do:");
	for (i = 0; i < r->nremedies; i++) {
		lg_buf_puts(out, " ");
		put_slice(out, r->remedies[i]);
	}
	return lg_refusal_end(out);
}

int lg_refusal_put_message(const struct lg_refusal *r, struct lg_buf *out)
{
	char text[MESSAGE_MAX];
	struct lg_buf b;

	/* What does not fit is left out; the object beside it says it all. */
	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_refusal_message(r, &b);
	return lg_buf_put_json(out, lg_buf_slice(&b));
}

static void put_name(struct lg_buf *out, const char *name, struct lg_slice s)
{
	lg_buf_puts(out, name);
	if (s.len)
		lg_buf_put_json(out, s);
	else
		lg_buf_puts(out, "null");
}

static void put_amount(struct lg_buf *out, const char *name, int64_t pusd)
{
	lg_buf_puts(out, name);
	lg_buf_put_money(out, pusd);
}

int lg_refusal_object(const struct lg_refusal *r, struct lg_buf *out)
{
	unsigned i;

	put_name(out, "{\"budget\":", r->budget);
	put_name(out, ",\"scope\":", r->scope);
	put_name(out, ",\"period\":", r->period);
	put_name(out, ",\"reason\":", r->reason);
	put_name(out, ",\"model\":", r->model);
	put_amount(out, ",\"spent_usd\":", r->spent_pusd);
	put_amount(out, ",\"held_usd\":", r->held_pusd);
	put_amount(out, ",\"limit_usd\":", r->limit_pusd);
	put_amount(out, ",\"estimate_usd\":", r->estimate_pusd);
	lg_buf_puts(out, ",\"resets_at\":");
	if (r->resets_at_ms) {
		lg_buf_puts(out, "\"");
		lg_buf_put_time(out, r->resets_at_ms);
		lg_buf_puts(out, "\"");
	} else {
		lg_buf_puts(out, "null");
	}
	lg_buf_puts(out, ",\"remedies\":[");
	for (i = 0; i < r->nremedies; i++) {
		lg_buf_puts(out, i ? "," : "");
		lg_buf_put_json(out, r->remedies[i]);
	}
	lg_buf_puts(out, "]}");
	return lg_refusal_end(out);
}

int lg_refusal_end(const struct lg_buf *out)
{
	return out->overflow ? -EMSGSIZE : 0;
}
