#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "csv.h"
#include "doc.h"
#include "explain_request.h"
#include "guard/engine.h"
#include "guard/exchange.h"
#include "guard/tariff.h"
#include "guard/world.h"
#include "price_find.h"
#include "run.h"
#include "spend.h"
#include "tool.h"

#define HISTORY_MS (INT64_C(31) * 86400000)

/* One call, or `calls` like it, as a file or options say it. */
struct profile {
	struct lg_slice model, provider, tier, phase;
	uint64_t input, cached, output, training, calls;
};

struct run_line *run_profile_add(struct run *r)
{
	struct run_estimate *e = &r->estimate;
	struct run_line *l =
		realloc(e->line, (e->nlines + 1) * sizeof(*e->line));

	if (!l) {
		tool_fail("out of memory");
		return NULL;
	}
	e->line = l;
	l += e->nlines++;
	memset(l, 0, sizeof(*l));
	return l;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t out;

	return __builtin_mul_overflow(a, b, &out) ? UINT64_MAX : out;
}

static int add_profile(struct run *r, const struct profile *p)
{
	struct price_find q = {
		.provider = p->provider,
		.model = p->model,
		.tier = p->tier,
	};
	struct lg_usage u = {.n = {0}};
	struct lg_price price;
	struct lg_cost cost;
	struct run_line *l = run_profile_add(r);

	if (!l)
		return EXIT_FAILED;
	if (!price_find(lg_engine_catalog(r->e), &q, &price) && !q.provider.len)
		q.provider = LG_SLICE("openai");
	l->unknown = !price_is_found(&price);
	if (l->unknown && !price_find(lg_engine_catalog(r->e), &q, &price))
		lg_price_lookup(
			lg_engine_catalog(r->e),
			&(struct lg_price_query){.provider = q.provider,
						 .model = p->model,
						 .at_ms = lg_clock_real_ms()},
			&price);
	lg_usage_set(&u, LG_BUCKET_INPUT,
		     p->input > p->cached ? p->input - p->cached : 0);
	lg_usage_set(&u, LG_BUCKET_CACHE_READ, p->cached);
	lg_usage_set(&u, LG_BUCKET_OUTPUT, p->output);
	if (p->training)
		lg_usage_set(&u, LG_BUCKET_TRAINING, p->training);
	lg_price_cost(&price, &u, &cost);
	lg_slice_copy(p->model, l->model, sizeof(l->model));
	lg_slice_copy(price.entry
			      ? lg_img_text(price.img, price.entry->provider)
			      : q.provider,
		      l->provider, sizeof(l->provider));
	l->phase = lg_slice_ieq(p->phase, LG_SLICE("train")) ? RUN_TRAIN
							     : RUN_INFER;
	l->calls = p->calls;
	l->input_tokens = times(p->input, p->calls);
	l->cached_tokens = times(p->cached, p->calls);
	l->output_tokens = times(p->output, p->calls);
	l->cost_pusd = run_scale(cost.total_pusd, p->calls, 1);
	l->economic_pusd = run_scale(cost.economic_pusd, p->calls, 1);
	return 0;
}

/* -- one value of a file ----------------------------------------------------
 */

static const struct {
	const char *name;
	size_t at;
	bool number;
} fields[] = {
#define TEXT(name, f)                                                          \
	{                                                                      \
		name, offsetof(struct profile, f), false                       \
	}
#define NUMBER(name, f)                                                        \
	{                                                                      \
		name, offsetof(struct profile, f), true                        \
	}
	TEXT("model", model),
	TEXT("provider", provider),
	TEXT("tier", tier),
	TEXT("service_tier", tier),
	TEXT("phase", phase),
	NUMBER("input_tokens", input),
	NUMBER("prompt_tokens", input),
	NUMBER("cached_tokens", cached),
	NUMBER("cache_read_tokens", cached),
	NUMBER("cached_input_tokens", cached),
	NUMBER("cached_prompt_tokens", cached),
	NUMBER("output_tokens", output),
	NUMBER("completion_tokens", output),
	NUMBER("training_tokens", training),
	NUMBER("calls", calls),
#undef TEXT
#undef NUMBER
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* 0; -EINVAL a number that is none; 1 no key of ours. */
static int set_field(struct profile *p, struct lg_slice key,
		     struct lg_slice value)
{
	size_t i;
	void *at;

	for (i = 0; i < FIELDS; i++)
		if (lg_slice_ieq(key, lg_slice_str(fields[i].name)))
			break;
	if (i == FIELDS)
		return 1;
	at = (char *)p + fields[i].at;
	if (!fields[i].number) {
		*(struct lg_slice *)at = value;
		return 0;
	}
	if (!value.len)
		return 0;
	return lg_slice_u64(value, at) || *(uint64_t *)at > UINT32_MAX ? -EINVAL
								       : 0;
}

static int check(const struct profile *p, const char *file, uint64_t line)
{
	const char *what = NULL;

	if (!p->model.len)
		what = "no model";
	else if (p->cached > p->input)
		what = "more cached tokens than input_tokens";
	else if (p->phase.len && !lg_slice_ieq(p->phase, LG_SLICE("train")) &&
		 !lg_slice_ieq(p->phase, LG_SLICE("infer")))
		what = "phase must be infer or train";
	if (!what)
		return -1;
	return tool_fail("%s:%llu: %s", file, (unsigned long long)line, what);
}

/* -- JSON -------------------------------------------------------------------
 */

static bool is_request(const struct doc *v)
{
	static const char *const keys[] = {
		"messages", "contents", "prompt",   "input",
		"body",	    "params",	"requests", "inputText",
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (doc_get(v, keys[i]))
			return true;
	return false;
}

/* A request as its provider would get it, or a line of a batch file. */
static int add_request(struct run *r, struct doc_arena *a, const char *file,
		       const struct doc *v)
{
	const struct doc *body = doc_get(v, "body"), *url = doc_get(v, "url");
	struct explain_request q = {.file = file};
	char full[600], phase[8] = "infer";
	struct lg_estimate est;
	struct lg_exchange *x;
	struct run_line *l;
	struct lg_buf b;

	if (!body)
		body = doc_get(v, "params");
	if (url && url->text.len) {
		snprintf(full, sizeof(full), "%s%s",
			 url->text.p[0] == '/' ? "https://api.openai.com" : "",
			 url->text.p);
		q.url = full;
	}
	lg_slice_copy(doc_text(doc_get(v, "phase")), phase, sizeof(phase));
	lg_buf_init(&b, (size_t)1 << 26);
	doc_put_json(&b, body ? body : v, 0);
	x = explain_request_text(r->e, a, &q, doc_copy(a, lg_buf_slice(&b)));
	lg_buf_fini(&b);
	if (!x)
		return tool_fail("line %u: %s", v->line, q.err.text);
	l = run_profile_add(r);
	if (l && x->d) {
		lg_tariff_requested(x);
		lg_tariff_estimate(x, &est);
		lg_slice_copy(lg_slice_str(lg_tariff_name(x)), l->model,
			      sizeof(l->model));
		lg_slice_copy(lg_slice_str(x->row.provider), l->provider,
			      sizeof(l->provider));
		l->phase = strcmp(phase, "train") ? RUN_INFER : RUN_TRAIN;
		l->calls = 1;
		l->unknown = !lg_tariff_is_known(&x->price);
		l->input_tokens = est.input_tokens;
		l->output_tokens = est.output_tokens;
		l->cost_pusd = l->economic_pusd = est.expected_pusd;
	}
	if (l && !x->d) {
		lg_exchange_del(x);
		return tool_fail("%s:%u: no request that costs anything", file,
				 v->line);
	}
	lg_exchange_del(x);
	return l ? 0 : EXIT_FAILED;
}

static int add_object(struct run *r, struct doc_arena *a, const char *file,
		      const struct doc *v)
{
	struct profile p = {.calls = 1};
	const struct doc *kid;
	int ret;

	if (v->kind != DOC_MAP)
		return tool_fail("%s:%u: must be a JSON object", file, v->line);
	if (is_request(v))
		return add_request(r, a, file, v);
	for (kid = v->child; kid; kid = kid->next)
		if (set_field(&p, kid->key, doc_text(kid)) < 0)
			return tool_fail("%s:%u: %.*s: must be a whole number "
					 "up to 4294967295",
					 file, kid->line, (int)kid->key.len,
					 kid->key.p);
	ret = check(&p, file, v->line);
	return ret >= 0 ? ret : add_profile(r, &p);
}

static int add_json(struct run *r, struct doc_arena *a, const char *file,
		    struct lg_slice text)
{
	struct lg_slice rest = text, line;
	struct doc_error err;
	const struct doc *kid;
	struct doc *v;
	unsigned n = 0;
	int ret = 0;

	if (!doc_parse_json(a, file, text, &v, &err)) {
		if (v->kind != DOC_LIST)
			return add_object(r, a, file, v);
		for (kid = v->child; kid && !ret; kid = kid->next)
			ret = add_object(r, a, file, kid);
		return ret;
	}
	while (rest.len && !ret) {
		rest = lg_slice_cut(rest, '\n', &line);
		n++;
		line = lg_slice_trim(line);
		if (!line.len)
			continue;
		if (doc_parse_json(a, file, doc_copy(a, line), &v, &err))
			return tool_fail("line %u of %s", n, err.text);
		v->line = n;
		ret = add_object(r, a, file, v);
	}
	return ret;
}

/* -- CSV --------------------------------------------------------------------
 */

struct sheet {
	struct run *r;
	const char *file;
	char title[CSV_FIELDS_MAX][32];
	unsigned n;
	int ret;
};

static int add_record(void *ctx, const struct csv *c)
{
	struct sheet *s = ctx;
	struct profile p = {.calls = 1};
	unsigned i;

	if (!s->n) {
		for (i = 0; i < c->n; i++)
			lg_slice_copy(lg_slice_trim(csv_field(c, i)),
				      s->title[i], sizeof(s->title[0]));
		s->n = c->n;
		return 0;
	}
	if (c->n == 1 && !csv_field(c, 0).len)
		return 0;
	for (i = 0; i < s->n; i++) {
		if (set_field(&p, lg_slice_str(s->title[i]),
			      lg_slice_trim(csv_field(c, i))) >= 0)
			continue;
		s->ret = tool_fail("%s:%llu: %s: must be a whole number up to "
				   "4294967295",
				   s->file, (unsigned long long)c->line,
				   s->title[i]);
		return 1;
	}
	s->ret = check(&p, s->file, c->line);
	if (s->ret < 0)
		s->ret = add_profile(s->r, &p);
	return s->ret;
}

static int add_csv(struct run *r, const char *file, struct lg_slice text)
{
	struct sheet *s = calloc(1, sizeof(*s));
	struct csv *c = malloc(sizeof(*c));
	int err = -ENOMEM, ret;

	if (s && c) {
		s->r = r;
		s->file = file;
		csv_init(c, add_record, s);
		err = csv_feed(c, text.p, text.len);
		if (!err)
			err = csv_end(c);
	}
	ret = s ? s->ret : 0;
	if (err < 0)
		ret = tool_fail("%s: line %llu: %s", file,
				c ? (unsigned long long)c->line : 0,
				err == -ENOMEM ? "out of memory"
					       : "no CSV that can be read");
	free(s);
	free(c);
	return ret;
}

int run_profile_file(struct run *r, const char *file)
{
	struct doc_arena a = {NULL, 0};
	struct doc_error err;
	struct lg_slice text, head;
	int ret;

	if (doc_read(&a, file, &text, &err)) {
		doc_arena_fini(&a);
		return tool_fail("%s", err.text);
	}
	head = lg_slice_trim(text);
	if (lg_slice_starts(head, LG_SLICE("\xef\xbb\xbf{")) ||
	    (head.len && (*head.p == '{' || *head.p == '[')))
		ret = add_json(r, &a, file, head);
	else
		ret = add_csv(r, file, text);
	doc_arena_fini(&a);
	if (!ret && !r->estimate.nlines)
		ret = tool_fail("%s: no call in it", file);
	r->estimate.source = "file";
	return ret;
}

/* -- options and history ------------------------------------------------------
 */

int run_profile_options(struct run *r)
{
	const struct opt_value *v = r->c->v;
	struct lg_slice rest = lg_slice_str(v[RO_MODEL].text), one;
	struct profile p = {
		.input = v[RO_INPUT].n,
		.cached = v[RO_CACHED].n,
		.output = v[RO_OUTPUT].n,
		.calls = 1,
	};
	int ret = 0;

	if (!v[RO_MODEL].set)
		return tool_usage(r->c->cmd, "--input-tokens and "
					     "--output-tokens need --model");
	if (p.cached > p.input)
		return tool_usage(r->c->cmd, "--cached-tokens: more than "
					     "--input-tokens");
	if (p.input > UINT32_MAX || p.output > UINT32_MAX)
		return tool_usage(r->c->cmd, "more than 4294967295 tokens");
	/* of several models each has the same part */
	while (rest.len && !ret) {
		const char *slash;

		rest = lg_slice_cut(rest, ',', &one);
		one = lg_slice_trim(one);
		slash = memchr(one.p, '/', one.len);
		p.provider = (struct lg_slice){NULL, 0};
		p.model = one;
		if (slash) {
			p.provider.p = one.p;
			p.provider.len = (size_t)(slash - one.p);
			p.model.p = slash + 1;
			p.model.len = one.len - p.provider.len - 1;
		}
		if (p.model.len)
			ret = add_profile(r, &p);
	}
	r->estimate.source = "options";
	return ret;
}

struct past {
	struct run *r;
	int err;
};

static bool is_like_this(const struct run *r, const struct lg_row *row)
{
	struct lg_slice rest = lg_slice_str(r->c->v[RO_MODEL].text), one;

	if (r->experiment[0] && !strcmp(row->experiment, r->experiment))
		return true;
	if (r->project[0] && !strcmp(row->project, r->project))
		return true;
	while (rest.len) {
		rest = lg_slice_cut(rest, ',', &one);
		if (lg_slice_eq(lg_slice_trim(one),
				lg_slice_str(row->model_requested)))
			return true;
	}
	return false;
}

static int add_past(void *ctx, const struct lg_row *row,
		    const struct lg_ledger_pos *after)
{
	struct past *p = ctx;
	enum run_phase phase =
		strcmp(row->phase, "train") ? RUN_INFER : RUN_TRAIN;
	struct run_estimate *e = &p->r->estimate;
	struct run_line *l = NULL;
	unsigned i;

	(void)after;
	if (row->kind != LG_ROW_CALL || spend_is_refusal(row) ||
	    row->ts_ms < lg_clock_real_ms() - HISTORY_MS ||
	    row->input_tokens == LG_ROW_ABSENT || !is_like_this(p->r, row))
		return 0;
	for (i = 0; i < e->nlines && !l; i++)
		if (e->line[i].phase == phase &&
		    !strcmp(e->line[i].model, row->model_requested))
			l = &e->line[i];
	if (!l) {
		l = run_profile_add(p->r);
		if (!l)
			return -ENOMEM;
		l->phase = phase;
		strcpy(l->model, row->model_requested);
		strcpy(l->provider, row->provider);
	}
	l->calls++;
	l->unknown |= row->price_state == LG_PRICED_UNKNOWN;
	l->input_tokens += row->input_tokens;
	if (row->cache_read_tokens != LG_ROW_ABSENT)
		l->cached_tokens += row->cache_read_tokens;
	if (row->output_tokens != LG_ROW_ABSENT)
		l->output_tokens += row->output_tokens;
	l->cost_pusd = lg_money_add(l->cost_pusd, row->cost_pusd);
	l->economic_pusd = lg_money_add(l->economic_pusd, row->economic_pusd);
	return 0;
}

int run_profile_history(struct run *r)
{
	struct lg_ledger_pos pos = {.offset = 0};
	struct past p = {.r = r};

	lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos,
		       lg_clock_real_ms() - HISTORY_MS, add_past, &p, NULL);
	r->estimate.source = "history";
	return 0;
}
