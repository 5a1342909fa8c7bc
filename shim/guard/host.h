#ifndef LG_GUARD_HOST_H
#define LG_GUARD_HOST_H

#include <stdbool.h>

#include "base/slice.h"
#include "guard/world.h"

/* What config's hosts: or the provider table say of a host. */
struct lg_host_hit {
	const char *family;   /* of its paths; lives as long as the world */
	const char *provider; /* NULL: named as the host */
};

/* host: SNI or Host field, port allowed. False: not guarded by name. */
bool lg_host_find(const struct lg_world *w, struct lg_slice host,
		  struct lg_host_hit *out);

#endif
