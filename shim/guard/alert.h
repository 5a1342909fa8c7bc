#ifndef LG_GUARD_ALERT_H
#define LG_GUARD_ALERT_H

#include "guard/exchange.h"

/*
 * Lines of the log that a person should see. Crossed thresholds: once per
 * window for all processes together. Refusals: each. Calls that were let go:
 * each, at level info. Any thread.
 */
void lg_alert_crossed(struct lg_exchange *x);
void lg_alert_blocked(const struct lg_exchange *x);
void lg_alert_settled(const struct lg_exchange *x);

#endif
