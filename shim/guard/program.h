#ifndef LG_GUARD_PROGRAM_H
#define LG_GUARD_PROGRAM_H

#include <stdbool.h>

#include "base/image.h"
#include "guard/self.h"
#include "guard/world.h"

/*
 * Does `programs:` leave this program alone? When a pattern of deny fits, or
 * there are patterns of allow and none fits. A pattern with a slash is of the
 * executable's path, another one of its base name or of the process's name.
 * img NULL: no. Any thread.
 */
bool lg_program_is_denied(const struct lg_image *img,
			  const struct lg_self *self);
/*
 * Or because it crashed at its start again and again (guard/crash.h), unless
 * fail is closed.
 */
bool lg_program_is_let_alone(const struct lg_world *w,
			     const struct lg_self *self, const char *state_dir);

#endif
