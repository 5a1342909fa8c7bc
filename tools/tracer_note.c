#include "tracer_note.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static int64_t number(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v < 0 ? 0 : (int64_t)v;
}

bool tracer_note_parse(const char *text, struct tracer_note *n)
{
	json_t *o = json_loads(text, 0, NULL);
	const char *hard;
	bool ok = json_is_object(o);

	memset(n, 0, sizeof(*n));
	if (ok) {
		n->pid = (int32_t)(number(o, "pid") & INT32_MAX);
		n->start = (uint64_t)number(o, "start");
		n->since_ms = number(o, "since_ms");
		n->at_ms = number(o, "at_ms");
		n->ended = json_is_true(json_object_get(o, "ended"));
		n->observe = json_is_true(json_object_get(o, "observe"));
		n->programs = (uint64_t)number(o, "programs");
		n->calls = (uint64_t)number(o, "calls");
		n->cost_pusd = number(o, "cost_pusd");
		n->lost_calls = (uint64_t)number(o, "lost_calls");
		n->lost_bytes = (uint64_t)number(o, "lost_bytes");
		hard = json_string_value(json_object_get(o, "on_hard"));
		snprintf(n->on_hard, sizeof(n->on_hard), "%s",
			 hard ? hard : "");
	}
	json_decref(o);
	return ok && n->pid;
}
