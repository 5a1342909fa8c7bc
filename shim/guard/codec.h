#ifndef LG_GUARD_CODEC_H
#define LG_GUARD_CODEC_H

#include "llm/dialect.h"
#include "wire/json.h"

/* A dialect's watched fields compiled for the scanner: built once, shared. */
struct lg_codec {
	struct lg_json_paths request, response, event;
};

/* NULL when there is no memory or the dialect's table is broken. Any thread. */
const struct lg_codec *lg_codec_get(const struct lg_dialect *d);

#endif
