#ifndef LG_HOOK_LOCAL_NAMES_H
#define LG_HOOK_LOCAL_NAMES_H

#include "base/slice.h"
#include "wire/dns.h"

/*
 * Addresses of a host by DNS, asked of the servers of /etc/resolv.conf by
 * UDP. Not libc's resolver: that takes locks and memory of the program's,
 * loads modules into it, and waits as long as it likes.
 */
#define LG_NAMES_MAX 4

struct lg_names {
	unsigned n;
	struct lg_dns_address a[LG_NAMES_MAX]; /* IPv4 first */
};

/*
 * At most ms, all servers and all of the search list together. Remembered for
 * a minute, and that there is none for 5 s; so mostly it does not wait. Any
 * thread; a forked child keeps what its parent knew.
 */
void lg_names_find(struct lg_slice host, int ms, struct lg_names *out);

#endif
