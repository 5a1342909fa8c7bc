#ifndef LG_GUARD_EVENT_FILE_H
#define LG_GUARD_EVENT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * events.jsonl of a state folder: one line more by one write(2), behind a line
 * that a kill or a full disk tore; 0600; renamed to events.jsonl.1 when it is
 * full. No descriptor is kept. 0; -EFBIG RLIMIT_FSIZE; -EIO a part of it;
 * -errno. Keeps errno. Any thread, any process.
 */
int lg_event_file_append(const char *state_dir, struct lg_slice line);
/* Does either file have the line of this id? */
bool lg_event_file_has(const char *state_dir, uint64_t id);
/* Did no line ever have to make room? */
bool lg_event_file_is_whole(const char *state_dir);

#endif
