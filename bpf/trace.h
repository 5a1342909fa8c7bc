#ifndef LG_BPF_TRACE_H
#define LG_BPF_TRACE_H

struct options;
struct trace;

/*
 * The tracer at work: loader, targets, meter and enforcement, and what they
 * say to each other. One thread. All of these return -1 to go on, or the exit
 * code, having said why on standard error.
 */

/* Load the kernel side, open what decides and enforces. *out is made always
 * but when there is no memory for it. o is borrowed. */
int trace_open(const struct options *o, struct trace **out);
/* Put the probes; say what is attached to what, and what works here. */
int trace_attach(struct trace *t);
/* Until a signal, --duration, or the end of the processes that were named. */
int trace_run(struct trace *t);
/*
 * Take the probes away, settle what is under way, print the summary. ret: -1,
 * or the exit code so far; returns the exit code. t may be NULL.
 */
int trace_close(struct trace *t, int ret);
/* From a signal handler: trace_run ends. */
void trace_stop(void);

#endif
