#ifndef LG_HOOK_LOCAL_DIAL_H
#define LG_HOOK_LOCAL_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/url.h"

/*
 * A connected socket to the host of a URL, each of its addresses tried; ms
 * for all of it, and as much for finding them. Addresses are literal, of this
 * machine ("localhost", a socket's path), of /etc/hosts, or named by DNS.
 * Less than 0: nobody there; whoever did not answer in time is not asked
 * again for a while. No libc heap, no resolver of libc's.
 */
int lg_local_dial(const struct lg_url *to, int ms);

/*
 * Sockets of our own, by system calls: no hook takes them for the program's.
 * They do not block, are close-on-exec, and stand above the numbers that
 * programs count on. Less than 0: none to be had.
 */
int lg_local_socket(int family, int type);
/* Wait for one, to write or to read, until then (boot clock). */
bool lg_local_wait(int fd, bool write, int64_t end_ns);
/* All of it; false: the peer took nothing for stall_ms. */
bool lg_local_put(int fd, struct lg_slice s, int stall_ms);

#endif
