#ifndef LG_GUARD_PLACES_H
#define LG_GUARD_PLACES_H

#include "guard/env.h"
#include "guard/self.h"

/* Where the files of one engine are. */
struct lg_places {
	char state_dir[256], region[256];
	char config[512]; /* "" none */
};

/*
 * By the variables of env, else the defaults of whoever env is of
 * (env->foreign: what stands in it alone, never this process's environment). 0;
 * -ENOENT no home; -ENAMETOOLONG. Looks whether files are there.
 */
int lg_places_find(const struct lg_env *env, const struct lg_self *self,
		   struct lg_places *out);

#endif
