#include "guard/codec.h"

#include <stddef.h>

#include "base/atomic.h"
#include "base/mem.h"

#define DIALECTS_MAX 128

static struct lg_codec *codecs[DIALECTS_MAX];

static int index_of(const struct lg_dialect *d)
{
	for (unsigned i = 0; i < lg_ndialects && i < DIALECTS_MAX; i++)
		if (lg_dialects[i] == d)
			return (int)i;
	return -1;
}

static struct lg_codec *build(const struct lg_dialect *d)
{
	struct lg_codec *c = lg_mem_alloc(sizeof(*c));

	if (!c)
		return NULL;
	if (!lg_json_paths_init(&c->request, d->request_fields,
				d->nrequest_fields) &&
	    !lg_json_paths_init(&c->response, d->response_fields,
				d->nresponse_fields) &&
	    !lg_json_paths_init(&c->event, d->event_fields, d->nevent_fields))
		return c;
	lg_mem_free(c, sizeof(*c));
	return NULL;
}

const struct lg_codec *lg_codec_get(const struct lg_dialect *d)
{
	int i = index_of(d);
	struct lg_codec *c, *other = NULL;

	if (i < 0)
		return NULL;
	c = lg_load_acquire(&codecs[i]);
	if (c)
		return c;
	c = build(d);
	if (!c || lg_cas_seq(&codecs[i], &other, c))
		return c;
	lg_mem_free(c, sizeof(*c));
	return other;
}
