#ifndef LG_BPF_GOSITE_H
#define LG_BPF_GOSITE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/site.h"

/* How functions of Go's compiler begin (ABIInternal, since Go 1.17). */

/*
 * They begin with a look at the stack's room and come back to their first byte
 * once there is more: *at is moved behind that, where a call passes once. 0;
 * -EOPNOTSUPP: before Go 1.17 (g in thread storage, arguments on the stack).
 */
int gosite_begin(const struct site_text *t, uint64_t *at);
/*
 * Are rax, rbx and rcx kept at once where the ABI has room for them, above the
 * return address? Then they are found there at each RET too, whoever saw the
 * call begin, and wherever the goroutine's stack has gone since.
 */
bool gosite_spills(const struct site_text *t, uint64_t fn_addr);

#endif
