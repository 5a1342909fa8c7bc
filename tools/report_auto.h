#ifndef LG_TOOLS_REPORT_AUTO_H
#define LG_TOOLS_REPORT_AUTO_H

#include <stdbool.h>

/*
 * The reports of each month that `reports:` in the config asks for. Which
 * month was the last to be written stands in $STATE/reports.done; one command
 * at a time writes them, under $STATE/reports.lock.
 */
#define REPORT_DONE_FILE "reports.done"
#define REPORT_LOCK_FILE "reports.lock"

/*
 * After a command that has read the ledger: write what is due, told on stderr.
 * Costs a look at one small file when nothing is. What fails is told once an
 * hour.
 */
void report_auto_due(void);
/*
 * The same when asked for, told on stdout. month: that one, be it written
 * already; NULL: those that are due. The exit code, said why.
 */
int report_auto(const char *month, bool json);

#endif
