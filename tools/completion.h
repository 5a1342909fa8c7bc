#ifndef LG_TOOLS_COMPLETION_H
#define LG_TOOLS_COMPLETION_H

/* The completion of a shell from the option tables, to stdout. */
void completion_zsh(void);
void completion_fish(void);

#endif
