#ifndef LG_TOOLS_TRACER_SHOW_H
#define LG_TOOLS_TRACER_SHOW_H

#include "json.h"
#include "tracer_ask.h"

/* The tracer's answer as doctor shows it: two lines, or "tracer": {...}. */
void tracer_show_text(const struct tracer_answer *a, int pid,
		      struct lg_buf *out);
void tracer_show_json(const struct tracer_answer *a, struct json *j);

#endif
