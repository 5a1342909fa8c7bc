#ifndef LG_GUARD_CROSSING_H
#define LG_GUARD_CROSSING_H

struct lg_engine;
struct lg_exchange;

/* What is told in a cell's window once: its thresholds from bit 0 on, and */
enum {
	LG_TOLD_SHARED = 28, /* values beyond max_keys share a counter */
	LG_TOLD_FORECAST = 29,
	LG_TOLD_WINDOW = 30,
};

/*
 * After a settle: crossed thresholds, the start of a window, its forecast; a
 * line of the log and an event each, by one winner of all processes. Any
 * thread.
 */
void lg_crossing_look(struct lg_exchange *x);
/*
 * For tools: thresholds that somebody won and did not come to tell (it was
 * killed there). Blocks on files.
 */
void lg_crossing_heal(struct lg_engine *e);

#endif
