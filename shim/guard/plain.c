#include "guard/plain.h"

#include <string.h>

#include "guard/world.h"
#include "llm/route.h"

static bool has_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned rest = bits % 8, whole = bits / 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return !rest || !((a[whole] ^ b[whole]) >> (8 - rest));
}

static bool has_port(const struct lg_img_plain *e, uint16_t port)
{
	return !e->port || e->port == port;
}

enum lg_plain_how lg_plain_of(struct lg_engine *e,
			      const struct lg_plain_peer *p)
{
	struct lg_world *w = lg_engine_pin(e);
	enum lg_plain_how found = LG_PLAIN_NO;
	const struct lg_img_plain *entry;
	uint32_t i, n = w->img ? w->img->plain.n : 0;

	for (i = 0; i < n && found != LG_PLAIN_YES; i++) {
		entry = &LG_IMG_ARRAY(w->img, w->img->plain,
				      struct lg_img_plain)[i];
		if (!has_port(entry, p->port))
			continue;
		if (entry->pattern.len)
			found = LG_PLAIN_LOOK;
		else if (has_prefix(p->addr, entry->addr, entry->bits))
			found = LG_PLAIN_YES;
	}
	lg_engine_unpin(e, w);
	return found;
}

bool lg_plain_names(struct lg_engine *e, struct lg_slice host, uint16_t port)
{
	struct lg_slice name = lg_route_host_name(host);
	struct lg_world *w = lg_engine_pin(e);
	const struct lg_img_plain *entry;
	uint32_t i, n = w->img ? w->img->plain.n : 0;
	bool found = false;

	for (i = 0; i < n && !found && name.len; i++) {
		entry = &LG_IMG_ARRAY(w->img, w->img->plain,
				      struct lg_img_plain)[i];
		found = entry->pattern.len &&
			(!port || has_port(entry, port)) &&
			lg_slice_glob(name,
				      lg_img_text(w->img, entry->pattern));
	}
	lg_engine_unpin(e, w);
	return found;
}
