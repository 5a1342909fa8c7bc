#include "bpf/hosts.h"

#include "base/image.h"
#include "bpf/loader.h"
#include "guard/engine.h"
#include "llm/route.h"

static void add_configured(struct loader *l, const struct lg_image *img)
{
	char name[64];
	uint32_t i;

	for (i = 0; img && i < img->hosts.n; i++) {
		const struct lg_img_host *h =
			&LG_IMG_ARRAY(img, img->hosts, struct lg_img_host)[i];

		if (lg_slice_copy(lg_img_text(img, h->pattern), name,
				  sizeof(name)))
			loader_host_add(l, name);
	}
}

void hosts_add(struct loader *l, struct lg_engine *e)
{
	const struct lg_provider_host *h;
	unsigned i;

	for (i = 0; (h = lg_route_nth_host(i)); i++)
		loader_host_add(l, h->pattern);
	if (e)
		add_configured(l, lg_engine_image(e));
}
