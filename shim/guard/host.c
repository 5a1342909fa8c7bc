#include "guard/host.h"

#include "llm/route.h"

bool lg_host_find(const struct lg_world *w, struct lg_slice host,
		  struct lg_host_hit *out)
{
	const struct lg_provider_host *known;
	struct lg_slice name = lg_route_host_name(host);

	if (!name.len)
		return false;
	for (uint32_t i = 0; w->img && i < w->img->hosts.n; i++) {
		const struct lg_img_host *h = &LG_IMG_ARRAY(
			w->img, w->img->hosts, struct lg_img_host)[i];

		if (!lg_slice_glob(name, lg_img_text(w->img, h->pattern)))
			continue;
		out->family = lg_img_text(w->img, h->dialect).p;
		out->provider = NULL;
		return true;
	}
	known = lg_route_host(host); /* a port may tell */
	if (!known)
		return false;
	out->family = known->family;
	out->provider = known->provider;
	return true;
}
