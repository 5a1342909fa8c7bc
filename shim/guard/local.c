#include "guard/local.h"

#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "guard/engine.h"
#include "guard/exchange.h"
#include "guard/reframe.h"
#include "guard/translate.h"

#define REQUEST_MAX ((size_t)1 << 30)

/* -- the request ----------------------------------------------------------- */

/* Only text in JSON that nobody coded, as whole as it left the program. */
static bool is_possible(const struct lg_exchange *x, const struct lg_buf *held)
{
	return held && held->len && x->d && x->whole && x->facts.json_ok &&
	       x->route.type == LG_REQUEST_GENERATE && !x->facts.requests &&
	       !x->facts.background && !x->local;
}

static const char *const chat_ends[] = {"/chat/completions", "/completions"};
static const char *const ollama_ends[] = {"/api/chat", "/api/generate", "/api"};

/* path without the first of these that ends it. */
static struct lg_slice without(struct lg_slice path, const char *const *ends,
			       unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		struct lg_slice end = lg_slice_str(ends[i]);

		if (lg_slice_iends(path, end)) {
			path.len -= end.len;
			break;
		}
	}
	return path;
}

/* Where the server answers, behind what its URL says. to: from its root. */
static void put_path(struct lg_buf *out, struct lg_slice path, const char *to)
{
	struct lg_slice base;

	if (lg_slice_starts(lg_slice_str(to), LG_SLICE("/api/"))) {
		base = without(path, ollama_ends, 3);
	} else {
		base = without(path, chat_ends, 2);
		to += path.len ? strlen("/v1") : 0;
	}
	lg_buf_put(out, base.p, base.len);
	lg_buf_puts(out, to);
}

static bool put_request(struct lg_buf *out, const struct lg_url *url,
			const char *to, struct lg_slice body)
{
	lg_buf_puts(out, "POST ");
	put_path(out, url->path, to);
	lg_buf_puts(out, " HTTP/1.1\r\nHost: ");
	lg_buf_put(out, url->name.p, url->name.len);
	lg_buf_puts(out, "\r\nContent-Type: application/json\r\n"
			 "Accept: application/json, text/event-stream\r\n"
			 "Accept-Encoding: identity\r\n"
			 "User-Agent: llmguard\r\n"
			 "Connection: close\r\nContent-Length: ");
	lg_buf_put_u64(out, body.len);
	lg_buf_puts(out, "\r\n\r\n");
	lg_buf_put(out, body.p, body.len);
	return !out->overflow;
}

static void tell_impossible(const struct lg_local *l, const char *why)
{
	struct lg_log_kv kv[] = {
		{"url", lg_slice_str(l->at), 0},
		{"why", lg_slice_str(why), 0},
	};

	lg_log(LG_LOG_WARN, "local_not_possible", kv, 2);
}

/*
 * What the request says, in words that the server understands. Where these are
 * its own, the answer needs no translation.
 */
static bool say(struct lg_local *l, const struct lg_exchange *x,
		const struct lg_img_action *a, struct lg_slice model,
		const struct lg_reframe *q, struct lg_buf *body,
		const char **to)
{
	struct lg_translate_ask ask = {
		.dialect = x->d,
		.body = q->body,
		.kind = (a->n & LG_LOCAL_SPEECH) == LG_SPEECH_OLLAMA
				? LG_LOCAL_OLLAMA
				: LG_LOCAL_OPENAI,
		.model = model.len ? model : lg_slice_str(x->route.model),
		.now_ms = x->row.ts_ms,
		.seed = lg_hash128(x->row.id, strlen(x->row.id), 0).a,
	};
	struct lg_slice method;
	const char *why = NULL;

	if (!lg_http1_request_line(q->head, &method, &ask.target))
		return false;
	if (lg_translation_new(&ask, body, &l->speech, &why)) {
		l->speech = NULL;
		tell_impossible(l, why);
		return false;
	}
	*to = lg_translation_path(l->speech);
	if (lg_translation_copies(l->speech)) {
		lg_translation_del(l->speech);
		l->speech = NULL;
	}
	return true;
}

static bool build(struct lg_local *l, const struct lg_exchange *x,
		  const struct lg_img_action *a, const struct lg_url *url,
		  struct lg_slice model, struct lg_slice held,
		  struct lg_buf *out)
{
	struct lg_buf body;
	struct lg_reframe q;
	const char *to;
	bool ok;

	lg_buf_init(&body, REQUEST_MAX);
	ok = !lg_reframe_open(&q, held) && !lg_reframe_decode(&q) &&
	     say(l, x, a, model, &q, &body, &to) &&
	     put_request(out, url, to, lg_buf_slice(&body));
	l->old = ok && !q.framer.m.minor;
	lg_reframe_close(&q);
	lg_buf_fini(&body);
	return ok;
}

/* -- the exchange ---------------------------------------------------------- */

static struct lg_local *local_new(struct lg_slice at)
{
	struct lg_local *l = lg_mem_alloc(sizeof(*l));

	if (!l)
		return NULL;
	lg_framer_init(&l->resp, LG_HTTP1_RESPONSE);
	lg_buf_init(&l->text, LG_TRANSLATE_MAX);
	lg_slice_copy(at, l->at, sizeof(l->at));
	return l;
}

void lg_local_del(struct lg_local *l)
{
	if (!l)
		return;
	lg_framer_fini(&l->resp);
	lg_translation_del(l->speech);
	lg_buf_fini(&l->text);
	lg_mem_free(l, sizeof(*l));
}

bool lg_local_usage(const struct lg_local *l, struct lg_usage *u)
{
	struct lg_usage told;

	if (!l->speech)
		return false;
	lg_translation_usage(l->speech, &told);
	if (told.flags & LG_USAGE_PRESENT)
		*u = told;
	return told.flags & LG_USAGE_PRESENT;
}

/* No money is held; should we die, this is what is known of the call. */
static void keep_row(struct lg_exchange *x)
{
	struct lg_region *r = lg_world_region(x->world);
	struct lg_row *row = &x->row;
	struct lg_hold_refusal why;

	row->verdict = LG_VERDICT_LOCAL;
	row->cost_pusd = row->economic_pusd = 0;
	row->input_cost_pusd = row->output_cost_pusd = 0;
	x->held_pusd = 0;
	if (!r || lg_hold_take(r, NULL, 0, row, sizeof(*row), &x->hold, &why))
		return;
	x->region = x->world->region;
	lg_hold_dispatched(r, &x->hold);
	x->dispatched = true;
}

bool lg_local_take(struct lg_exchange *x, const struct lg_image *img,
		   const struct lg_img_action *a, const struct lg_buf *held,
		   lg_local_send_fn *send, void *arg)
{
	struct lg_slice at = lg_img_text(img, a->arg);
	struct lg_slice model = lg_img_text(img, a->model);
	struct lg_local_server to = {
		.ca_file = lg_img_text(img, a->ca),
		.unverified = a->n & LG_LOCAL_UNVERIFIED,
	};
	struct lg_local *l;
	struct lg_buf request;
	const char *why;
	bool sent = false;

	if (!send || !is_possible(x, held) || lg_url_parse(at, &to.url, &why) ||
	    !(l = local_new(at)))
		return false;
	lg_buf_init(&request, REQUEST_MAX);
	if (build(l, x, a, &to.url, model, lg_buf_slice(held), &request)) {
		why = send(arg, &to, lg_buf_slice(&request));
		sent = !why;
		if (why)
			tell_impossible(l, why);
	}
	lg_buf_fini(&request);
	if (!sent) {
		lg_local_del(l);
		return false;
	}
	x->local = l;
	if (model.len)
		lg_slice_copy(model, x->row.model, sizeof(x->row.model));
	keep_row(x);
	return true;
}
