#ifndef LG_TOOLS_COMPLETION_H
#define LG_TOOLS_COMPLETION_H

#include <stdbool.h>

#include "opt.h"

/* Is there a list of the words that an option takes? */
bool completion_has_words(const struct opt *o);
/* They, with spaces between, to stdout. */
void completion_words(const struct opt *o);
/* The completion of a shell from the option tables, to stdout. */
void completion_zsh(void);
void completion_fish(void);

#endif
