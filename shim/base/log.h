#ifndef LG_BASE_LOG_H
#define LG_BASE_LOG_H

#include <stdbool.h>

#include "base/slice.h"

/*
 * Structured log lines of the guard: to the file of LLMGUARD_LOG (opened,
 * appended with one write(2), closed at each line; mode 0600) or to stderr
 * when it says "stderr"; nothing at all without LLMGUARD_LOG. Text or JSON
 * (LLMGUARD_LOG_FORMAT), from LLMGUARD_LOG_LEVEL on (default warn). Never a
 * key, a prompt or an answer. Any thread, keeps errno.
 */
enum lg_log_level {
	LG_LOG_ERROR,
	LG_LOG_WARN,
	LG_LOG_INFO,
	LG_LOG_DEBUG,
};

/* One key and its value: text, or a number when text.p is NULL. */
struct lg_log_kv {
	const char *key;
	struct lg_slice text;
	int64_t number;
};

/* Read LLMGUARD_LOG* once; lg_log_* before it do nothing. */
void lg_log_init(const char *dest, const char *level, const char *format);
/*
 * A system call that a line needs may end the program from here on (seccomp):
 * nothing is written any more.
 */
void lg_log_enter_sandbox(void);
bool lg_log_is_on(enum lg_log_level level);
/* event: a constant in snake case ("request_blocked"). kv ends at n. */
void lg_log(enum lg_log_level level, const char *event,
	    const struct lg_log_kv *kv, unsigned n);

#endif
