#ifndef LG_GUARD_ALERT_H
#define LG_GUARD_ALERT_H

#include "guard/exchange.h"

/*
 * What a person should see: lines of the log, and events (guard/event.h).
 * (Budgets' thresholds: guard/crossing.h.) Refusals: each in the log, one event
 * a window and budget. Calls that were let go: each in the log, at level info.
 * Prices that are not known: one event a day and model. What could not be
 * counted or written: one an hour, or a day. Any thread.
 */
void lg_alert_blocked(const struct lg_exchange *x);
/* The process is about to be stopped; x->denial says why. */
void lg_alert_stopped(const struct lg_exchange *x);
/*
 * A call that is let go: dearer than tracking: {expensive_threshold}, or
 * without a tag where one is asked for. Each in the log; one event an hour and
 * model, or a day and program.
 */
void lg_alert_admitted(const struct lg_exchange *x);
/* Its stream ends at the limit; x->refused says why. */
void lg_alert_cut(const struct lg_exchange *x);
/* r: the region now in force, NULL none. */
void lg_alert_settled(struct lg_exchange *x, struct lg_region *r);
/* Its row is not in the ledger: staged, or lost. */
void lg_alert_unwritten(struct lg_exchange *x, struct lg_region *r, bool lost);
/* Values beyond max_keys share a counter: once a window, in the log. */
void lg_alert_shared(const struct lg_exchange *x, unsigned rule, int cell,
		     uint32_t window);
/* A connection to an LLM host that nothing was seen of; once a day and host. */
void lg_alert_dark(struct lg_engine *e, struct lg_region *r,
		   struct lg_slice host, const char *message);
/* A program that crashes at its start, with the guard or not; once an hour. */
void lg_alert_crash(struct lg_engine *e, struct lg_region *r,
		    struct lg_slice program, const char *message);
/* The settings are not in force. */
void lg_alert_trouble(struct lg_engine *e, struct lg_region *r,
		      const char *text);

#endif
