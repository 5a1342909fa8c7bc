#ifndef LG_BPF_CHECK_H
#define LG_BPF_CHECK_H

struct options;

/*
 * --check: is tracing possible here, which rungs work, and what would be
 * probed of the programs that were named; everything is taken away again.
 * Text or one JSON record on standard output. Exit code: 1 when it is not
 * possible, or none of the programs can be traced.
 */
int check_run(const struct options *o);

#endif
