#include "guard/routing.h"

#include <string.h>

#include "guard/host.h"

static void look_up(struct lg_exchange *x, struct lg_slice sni,
		    struct lg_slice host, struct lg_slice method,
		    struct lg_slice target)
{
	struct lg_slice path;
	struct lg_host_hit hit = {NULL, NULL};

	if (!lg_host_find(x->world, host, &hit) && sni.len &&
	    lg_host_find(x->world, sni, &hit))
		host = sni;
	host = lg_route_host_name(host.len ? host : sni);
	lg_route_request(hit.family, hit.provider, host, method, target,
			 &x->route);
	lg_slice_cut(target, '?', &path);
	lg_slice_copy(host, x->row.host, sizeof(x->row.host));
	lg_slice_copy(path, x->row.endpoint, sizeof(x->row.endpoint));
}

static void keep(struct lg_exchange *x, struct lg_slice host,
		 struct lg_slice method, struct lg_slice target)
{
	struct lg_row *row = &x->row;
	struct lg_memo_route *r =
		lg_memo_route_put(x->memo, x->world->seq, host, method, target);

	if (!r)
		return;
	r->route = x->route;
	memcpy(r->host, row->host, sizeof(row->host));
	memcpy(r->endpoint, row->endpoint, sizeof(row->endpoint));
}

void lg_routing_find(struct lg_exchange *x, struct lg_slice sni,
		     struct lg_slice host, struct lg_slice method,
		     struct lg_slice target)
{
	struct lg_row *row = &x->row;
	const struct lg_memo_route *known =
		lg_memo_route_get(x->memo, x->world->seq, host, method, target);

	if (known) {
		x->route = known->route;
		memcpy(row->host, known->host, sizeof(row->host));
		memcpy(row->endpoint, known->endpoint, sizeof(row->endpoint));
	} else {
		look_up(x, sni, host, method, target);
		keep(x, host, method, target);
	}
	x->quiet = x->route.kind == LG_ROUTE_NONE;
	x->head_request = lg_slice_eq(method, LG_SLICE("HEAD"));
}

static const char *const type_names[] = {
	"other",  "generate", "embed", "image", "audio",
	"rerank", "batch",    "train", "count",
};

void lg_routing_name(struct lg_exchange *x)
{
	struct lg_row *row = &x->row;
	const struct lg_route *r = &x->route;

	if (r->kind == LG_ROUTE_PAID || r->kind == LG_ROUTE_LATER) {
		x->d = r->dialect;
		lg_body_speak(&x->body, r->dialect);
	}
	lg_slice_copy(lg_slice_str(r->provider), row->provider,
		      sizeof(row->provider));
	lg_slice_copy(lg_slice_str(r->dialect ? r->dialect->name : ""),
		      row->dialect, sizeof(row->dialect));
	if ((unsigned)r->type < sizeof(type_names) / sizeof(type_names[0]))
		lg_slice_copy(lg_slice_str(type_names[r->type]),
			      row->request_type, sizeof(row->request_type));
}
