#ifndef LG_GUARD_PHASE_H
#define LG_GUARD_PHASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "ledger/row.h"

struct lg_world;

/*
 * Is a call of inference or of training? Its header says so, else the switch
 * `llmguard phase` of its run, else LLMGUARD_PHASE, else a models: rule, else
 * what it asks for (training jobs train).
 *
 * The switch is a small file of the run. A world is built anew when the
 * region's generation moves, so it costs a request nothing; in a sandbox it
 * stays as it was.
 */

/* Folder of files about runs, below the state directory. */
#define LG_RUNS_DIR "/runs"

/*
 * $STATE/runs/<run id><tail>; an id that is no plain file name by its hash. 0,
 * -ENAMETOOLONG, -EINVAL (no id).
 */
int lg_run_path(const char *state_dir, const char *run_id, const char *tail,
		char *out, size_t cap);
/* "infer" or "train"? */
bool lg_phase_is(struct lg_slice text);
/* What the run's switch says; "" nothing. NULLs are accepted. */
void lg_phase_read(const char *state_dir, const char *run_id, char out[8]);
/* The run was switched, and this request's header says nothing else. */
void lg_phase_switched(const struct lg_world *w, struct lg_slice header,
		       struct lg_row *row);
/* Nobody has said it: the first models: rule with a phase that fits. */
void lg_phase_of_model(const struct lg_world *w, struct lg_row *row);

#endif
