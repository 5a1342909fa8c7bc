#ifndef LG_TOOLS_CRASHES_H
#define LG_TOOLS_CRASHES_H

#include "json.h"

struct lg_engine;

/*
 * Programs that are let alone now because they crashed again and again at
 * their start (guard/crash.h).
 */
void crashes_json(struct json *j, struct lg_engine *e);
void crashes_text(struct lg_buf *out, struct lg_engine *e);

#endif
