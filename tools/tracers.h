#ifndef LG_TOOLS_TRACERS_H
#define LG_TOOLS_TRACERS_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "tracer_note.h"

struct lg_engine;

/*
 * What llmguard-trace says of itself in the state folder of the users whose
 * programs it watches: one small file a tracer, written by rename.
 */
#define TRACERS_PREFIX "tracer-"
#define TRACERS_MAX 16

/* The file's text. */
void tracer_note_format(const struct tracer_note *n, struct json *j);

struct tracers {
	unsigned n, live;
	struct tracer_note note[TRACERS_MAX]; /* live ones, or the last one */
};

/* Never fails: what cannot be read is not there. */
void tracers_read(const char *state_dir, struct tracers *out);
/* "tracer": null, or an object with the sums. */
void tracers_json(struct json *j, struct lg_engine *e);
/* A line each; nothing when none is, or was within a day. */
void tracers_text(struct lg_buf *out, struct lg_engine *e);

#endif
