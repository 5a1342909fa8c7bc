#include "explain_request.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "guard/attribution.h"
#include "guard/engine.h"
#include "guard/exchange.h"
#include "guard/head.h"
#include "guard/memo.h"
#include "guard/phase.h"
#include "guard/routing.h"
#include "llm/gateway.h"
#include "price_find.h"
#include "wire/http1_head.h"

/* Where a provider's usual requests go to. */
static const struct {
	const char *provider, *host, *path;
} usual[] = {
	{"openai", "api.openai.com", "/v1/chat/completions"},
	{"anthropic", "api.anthropic.com", "/v1/messages"},
	{"google", "generativelanguage.googleapis.com",
	 "/v1beta/models/%s:generateContent"},
	{"aws", "bedrock-runtime.us-east-1.amazonaws.com",
	 "/model/%s/converse"},
	{"cohere", "api.cohere.com", "/v2/chat"},
	{"groq", "api.groq.com", "/openai/v1/chat/completions"},
	{"mistral", "api.mistral.ai", "/v1/chat/completions"},
	{"deepseek", "api.deepseek.com", "/v1/chat/completions"},
	{"x-ai", "api.x.ai", "/v1/chat/completions"},
	{"openrouter", "openrouter.ai", "/api/v1/chat/completions"},
	{"together", "api.together.xyz", "/v1/chat/completions"},
	{"fireworks", "api.fireworks.ai", "/inference/v1/chat/completions"},
	{"perplexity", "api.perplexity.ai", "/chat/completions"},
	{"cerebras", "api.cerebras.ai", "/v1/chat/completions"},
	{"voyageai", "api.voyageai.com", "/v1/embeddings"},
};

struct parts {
	struct lg_slice method, host, target, type, coding, body;
	struct lg_slice head; /* empty: a body alone */
	struct lg_head fields;
};

static struct lg_exchange *fail(struct explain_request *r, const char *what)
{
	snprintf(r->err.text, sizeof(r->err.text), "%.300s: %s", r->file, what);
	return NULL;
}

static bool is_http(struct lg_slice text)
{
	struct lg_slice line;

	if (text.len && strchr("{[", text.p[0]))
		return false;
	lg_slice_cut(text, '\n', &line);
	return memmem(line.p, line.len, " HTTP/1", 7);
}

/* The head with CRLFs, as it travels, into the arena. */
static bool split_head(struct doc_arena *a, struct lg_slice text,
		       struct lg_slice *head, struct lg_slice *body)
{
	struct lg_slice rest = text, line;
	struct lg_buf b;
	bool done = false;

	lg_buf_init(&b, 1 << 20);
	while (rest.len && !done) {
		rest = lg_slice_cut(rest, '\n', &line);
		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		lg_buf_put(&b, line.p, line.len);
		lg_buf_puts(&b, "\r\n");
		done = !line.len;
	}
	if (!done)
		lg_buf_puts(&b, "\r\n");
	*head = doc_copy(a, lg_buf_slice(&b));
	*body = rest;
	done = !b.overflow;
	lg_buf_fini(&b);
	return done;
}

static const char *read_http(struct doc_arena *a, struct lg_slice text,
			     struct parts *p)
{
	struct lg_slice head, coding;

	if (!split_head(a, text, &head, &p->body))
		return "the head is too large";
	if (!lg_http1_request_line(head, &p->method, &p->target))
		return "its first line is no HTTP/1 request";
	coding = lg_http1_field(head, LG_SLICE("transfer-encoding"), 0);
	if (coding.len && !lg_slice_ieq(coding, LG_SLICE("identity")))
		return "its body is chunked; give it plain";
	p->head = head;
	lg_head_read(head, &p->fields);
	if (!p->fields.host.len)
		return "it has no Host";
	p->host = p->fields.host;
	p->type = p->fields.type;
	p->coding = p->fields.coding;
	return NULL;
}

static const char *read_url(struct doc_arena *a, const char *url,
			    struct parts *p)
{
	const char *host = strstr(url, "://"), *path;

	if (!host ||
	    (strncmp(url, "https://", 8) && strncmp(url, "http://", 7)))
		return "--url must be a URL, https://...";
	host += 3;
	path = strchr(host, '/');
	p->host =
		doc_copy(a, (struct lg_slice){host, path ? (size_t)(path - host)
							 : strlen(host)});
	p->target = lg_slice_str(path ? path : "/");
	return NULL;
}

static struct lg_slice provider_of(struct lg_engine *e,
				   const struct explain_request *r,
				   struct lg_slice model)
{
	struct price_find q = {.model = model};
	struct lg_price p;

	if (r->provider)
		return lg_slice_str(r->provider);
	if (model.len && price_find(lg_engine_catalog(e), &q, &p) && p.entry)
		return lg_img_text(p.img, p.entry->provider);
	return LG_SLICE("openai");
}

/* The dialects of one host tell themselves apart by what the body has. */
static const char *openai_path(const struct doc *body)
{
	const struct doc *input = doc_get(body, "input");

	if (doc_get(body, "messages"))
		return NULL;
	if (doc_get(body, "prompt") &&
	    (doc_get(body, "size") || doc_get(body, "quality")))
		return "/v1/images/generations";
	if (doc_get(body, "prompt"))
		return "/v1/completions";
	if (doc_get(body, "voice"))
		return "/v1/audio/speech";
	if (input &&
	    (doc_get(body, "encoding_format") || doc_get(body, "dimensions") ||
	     lg_slice_icontains(doc_text(doc_get(body, "model")),
				LG_SLICE("embedding"))))
		return "/v1/embeddings";
	return input ? "/v1/responses" : NULL;
}

static const char *guess(struct lg_engine *e, struct doc_arena *a,
			 const struct explain_request *r,
			 const struct doc *body, struct parts *p)
{
	struct lg_slice model = doc_text(doc_get(body, "model"));
	struct lg_slice who = provider_of(e, r, model);
	const char *path;
	char text[512];
	unsigned i, n = sizeof(usual) / sizeof(usual[0]);

	for (i = 0; i < n; i++)
		if (lg_slice_eq(who, lg_slice_str(usual[i].provider)))
			break;
	if (i == n)
		return "where does it go to? Give --url";
	path = usual[i].path;
	if (!i && openai_path(body))
		path = openai_path(body);
	if (strchr(path, '%') && !model.len)
		return "the model stands in the URL there: give --url";
	snprintf(text, sizeof(text), path, model.p);
	p->host = lg_slice_str(usual[i].host);
	p->target = doc_copy(a, lg_slice_str(text));
	return NULL;
}

static const char *read_body(struct lg_engine *e, struct doc_arena *a,
			     struct explain_request *r, struct lg_slice text,
			     struct parts *p)
{
	struct doc *body;
	const char *why;

	if (doc_parse_json(a, r->file, text, &body, &r->err))
		return r->err.text;
	if (body->kind != DOC_MAP)
		return "must be a JSON object or an HTTP request";
	r->body = body;
	why = r->url ? read_url(a, r->url, p) : guess(e, a, r, body, p);
	p->method = LG_SLICE("POST");
	p->type = LG_SLICE("application/json");
	p->coding = (struct lg_slice){"", 0};
	p->body = text;
	return why;
}

static void name(struct lg_exchange *x)
{
	struct lg_slice body = lg_slice_str(x->facts.model),
			url = lg_slice_str(x->route.model);

	if (lg_gateway_model(&x->route, x->facts.model))
		lg_slice_copy(lg_slice_str(x->route.provider), x->row.provider,
			      sizeof(x->row.provider));
	lg_slice_copy(body.len ? body : url, x->row.model_requested,
		      sizeof(x->row.model_requested));
	lg_slice_copy(url.len ? url : body, x->row.model, sizeof(x->row.model));
}

static void read_tier(struct lg_exchange *x, struct lg_slice head)
{
	const char *field = x->d ? x->d->tier_field : NULL;

	if (field && head.len)
		lg_slice_copy(lg_slice_trim(lg_http1_field(
				      head, lg_slice_str(field), 0)),
			      x->facts.tier, sizeof(x->facts.tier));
}

/* The same steps as guard/request.c, without a connection. */
static void feed(struct lg_engine *e, struct lg_exchange *x,
		 const struct parts *p, struct lg_memo *memo)
{
	struct lg_row *row = &x->row;

	x->memo = memo; /* batches repeat themselves */
	lg_routing_find(x, LG_SLICE(""), p->host, p->method, p->target);
	lg_routing_name(x);
	read_tier(x, p->head);
	lg_attribution_head(lg_engine_env(e), lg_engine_self(e), &p->fields,
			    p->target, x->memo, row);
	lg_phase_switched(x->world, p->fields.phase, row);
	if (x->route.kind == LG_ROUTE_PAID) {
		lg_exchange_request_head(x, p->type, p->coding);
		lg_exchange_request_body(x, p->body.p, p->body.len);
		lg_exchange_request_end(x, true);
		name(x);
	}
	lg_slice_copy(lg_slice_str(x->facts.tier), row->tier,
		      sizeof(row->tier));
	lg_phase_of_model(x->world, row);
	lg_attribution_body(lg_engine_self(e), &x->facts, row);
	if (x->world->img)
		lg_attribution_tags(
			lg_img_text(x->world->img, x->world->set.default_tags),
			row);
}

struct lg_exchange *explain_request_read(struct lg_engine *e,
					 struct doc_arena *a,
					 struct explain_request *r)
{
	struct lg_slice text;

	if (doc_read(a, r->file, &text, &r->err))
		return NULL;
	return explain_request_text(e, a, r, text);
}

struct lg_exchange *explain_request_text(struct lg_engine *e,
					 struct doc_arena *a,
					 struct explain_request *r,
					 struct lg_slice text)
{
	struct parts p = {0};
	struct doc_error ignored;
	struct lg_memo own;
	struct lg_exchange *x;
	const char *why;

	r->body = NULL;
	if (is_http(text)) {
		why = read_http(a, text, &p);
		if (!why && r->url)
			why = read_url(a, r->url, &p);
		if (!why && !p.coding.len)
			(void)doc_parse_json(a, r->file, p.body, &r->body,
					     &ignored);
	} else {
		why = read_body(e, a, r, text, &p);
	}
	if (why)
		return why == r->err.text ? NULL : fail(r, why);
	x = lg_exchange_new(e, NULL);
	if (!x)
		return fail(r, "not enough memory");
	x->row.ts_ms = lg_clock_real_ms();
	if (!r->memo)
		memset(&own, 0, sizeof(own));
	feed(e, x, &p, r->memo ? r->memo : &own);
	x->memo = r->memo;
	return x;
}
