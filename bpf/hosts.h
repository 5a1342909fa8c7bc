#ifndef LG_BPF_HOSTS_H
#define LG_BPF_HOSTS_H

struct lg_engine;
struct loader;

/*
 * Tell the kernel side whose hosts are guarded, so that a connection to one
 * is from its SNI on, not from its first request that was read: a verdict
 * then holds for its very first write. e: settings whose hosts: count too,
 * NULL none. Patterns that the kernel cannot match are left to the meter.
 */
void hosts_add(struct loader *l, struct lg_engine *e);

#endif
