#ifndef LG_HOOK_LOCAL_DIAL_H
#define LG_HOOK_LOCAL_DIAL_H

#include "base/url.h"

/*
 * A connected socket (close-on-exec, above the numbers that programs count
 * on) to the host of a URL, each of its addresses tried; ms for all of it.
 * Addresses are literal, of this machine ("localhost", a socket's path) or of
 * /etc/hosts. Less than 0: nobody there. No libc heap, no resolver.
 */
int lg_local_dial(const struct lg_url *to, int ms);

#endif
