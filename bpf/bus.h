#ifndef LG_BPF_BUS_H
#define LG_BPF_BUS_H

/*
 * A mapped file of somebody else may be cut while it is read: the reader then
 * gets SIGBUS. fn is called; -EIO when that happened, else what it returned.
 * What fn allocated is lost then: it should not. One thread; not nested.
 */
int bus_guard(int (*fn)(void *arg), void *arg);

#endif
