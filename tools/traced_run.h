#ifndef LG_TOOLS_TRACED_RUN_H
#define LG_TOOLS_TRACED_RUN_H

#include <stddef.h>
#include <stdint.h>

/*
 * A run budget without a run: the preload would have made an id in the first
 * process that has it. Under the tracer it is named after that one: the eldest
 * ancestor with the same amounts in its LLMGUARD_*_USD. "" when the process is
 * gone. Reads /proc.
 */
void traced_run_name(int32_t pid, char *out, size_t cap);

#endif
