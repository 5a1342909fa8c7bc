#include "guard/inject.h"

#include <errno.h>
#include <string.h>

#include "guard/exchange.h"
#include "guard/host.h"
#include "guard/reframe.h"
#include "wire/json_member.h"

#define OPTIONS "stream_options"
#define INCLUDE "include_usage"
#define ASKED "\"" INCLUDE "\":true"

/*
 * Who takes stream_options and answers as OpenAI documents it (docs/protocols):
 * other hosts refuse it, or send usage in a way of their own anyway. A host of
 * the config's hosts: is the user's word that it does.
 */
static const char *const providers[] = {"openai", "deepseek"};

static bool is_known(const struct lg_exchange *x)
{
	struct lg_host_hit hit = {NULL, NULL};

	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		if (!strcmp(x->row.provider, providers[i]))
			return true;
	return lg_host_find(x->world, lg_slice_str(x->row.host), &hit) &&
	       !hit.provider && !strcmp(hit.family, "openai");
}

static bool applies(const struct lg_exchange *x)
{
	return x->world->set.stream_usage == LG_STREAM_USAGE_INJECT && x->d &&
	       x->route.kind == LG_ROUTE_PAID &&
	       !strcmp(x->d->name, "openai-chat") && x->whole &&
	       x->facts.json_ok && x->facts.stream &&
	       !x->facts.include_usage_set &&
	       !(x->row.flags & LG_ROW_UNDECODABLE) && is_known(x);
}

/* -- the body ---------------------------------------------------------------
 */

static bool is_null(struct lg_slice v)
{
	return lg_slice_eq(v, LG_SLICE("null"));
}

/* Within an object stream_options that is there already. */
static bool edit_options(struct lg_slice options, struct lg_edits *e)
{
	struct lg_json_member m;
	int err = lg_json_member_find(options, LG_SLICE(INCLUDE), &m);
	const char *end = options.p + options.len - 1;
	const char *p;

	if (!err && is_null(m.value)) {
		lg_edits_add(e, m.value.p, m.value.len, LG_SLICE("true"), "");
		return true;
	}
	if (err != -ENOENT)
		return false;
	for (p = m.object; p < end && strchr(" \t\r\n", *p); p++)
		;
	lg_edits_add(e, m.object, 0, LG_SLICE(ASKED), p < end ? "," : "");
	return true;
}

static bool edit_body(struct lg_edits *e)
{
	struct lg_json_member m;
	int err = lg_json_member_find(e->body, LG_SLICE(OPTIONS), &m);

	if (err == -ENOENT) {
		lg_edits_add(e, m.object, 0,
			     LG_SLICE("\"" OPTIONS "\":{" ASKED "}"), ",");
		return true;
	}
	if (err)
		return false;
	if (is_null(m.value)) {
		lg_edits_add(e, m.value.p, m.value.len, LG_SLICE("{" ASKED "}"),
			     "");
		return true;
	}
	return *m.value.p == '{' && edit_options(m.value, e);
}

static bool rewrite(struct lg_slice held, struct lg_buf *out)
{
	struct lg_slice same = {NULL, 0};
	struct lg_reframe q;
	struct lg_edits e;
	bool ok = !lg_reframe_open(&q, held) && q.body.len;

	lg_edits_init(&e, q.body);
	ok = ok && edit_body(&e) && lg_reframe_put(&q, &e, same, true, out);
	lg_reframe_close(&q);
	return ok;
}

void lg_inject_request(struct lg_exchange *x, struct lg_buf *held)
{
	struct lg_buf out, old = *held;

	if (!applies(x))
		return;
	lg_buf_init(&out, held->max);
	if (rewrite(lg_buf_slice(held), &out)) {
		*held = out;
		out = old;
		x->injected = true;
	}
	lg_buf_fini(&out);
}
