#include "guard/look.h"

#include <string.h>

#include "guard/host.h"
#include "guard/world.h"
#include "llm/route.h"
#include "wire/http1_head.h"
#include "wire/http1.h"

/* The complete head at the start of p; empty when there is none. */
static struct lg_slice head_of(const char *p, size_t len)
{
	const char *end = memmem(p, len, "\r\n\r\n", 4);

	return (struct lg_slice){p, end ? (size_t)(end - p) + 4 : 0};
}

static bool is_llm_request(struct lg_engine *e, struct lg_slice head)
{
	struct lg_slice method, target;
	struct lg_slice host = lg_http1_field(head, LG_SLICE("host"), 0);
	struct lg_world *w;
	struct lg_host_hit hit;
	struct lg_route route;
	bool named;

	if (!lg_http1_request_line(head, &method, &target))
		return false;
	w = lg_engine_pin(e);
	named = lg_host_find(w, host, &hit);
	lg_engine_unpin(e, w);
	if (named)
		return true;
	lg_route_request(NULL, NULL, lg_route_host_name(host), method, target,
			 &route);
	return route.kind == LG_ROUTE_PAID;
}

bool lg_look_begins(struct lg_engine *e, const char *p, size_t len)
{
	struct lg_slice head;

	if (lg_http1_sniff(p, len) != 1)
		return false;
	head = head_of(p, len);
	return head.len && is_llm_request(e, head);
}
