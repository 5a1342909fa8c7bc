#ifndef LG_GUARD_ATTRIBUTION_H
#define LG_GUARD_ATTRIBUTION_H

#include "base/buf.h"
#include "base/slice.h"
#include "guard/env.h"
#include "guard/head.h"
#include "guard/memo.h"
#include "guard/self.h"
#include "llm/facts.h"
#include "ledger/row.h"

/*
 * To whom a call belongs. Precedence (design 10.16): request header,
 * environment, body, login name (user only); so a field of the body never
 * escapes a budget that the environment sets.
 */

/*
 * Process, environment and header fields; the request target may carry a key
 * (?key=).
 */
void lg_attribution_head(const struct lg_env *env, const struct lg_self *self,
			 const struct lg_head *head, struct lg_slice target,
			 struct lg_memo *memo, struct lg_row *row);
/*
 * The tags that the settings put on every call ("a,b"), behind those that it
 * has; what there is no room for is left out.
 */
void lg_attribution_tags(struct lg_slice tags, struct lg_row *row);
/* What only the body can say, and last resorts. */
void lg_attribution_body(const struct lg_self *self,
			 const struct lg_facts *facts, struct lg_row *row);
/*
 * Does AWS's signature cover this request, and so its body? Whoever changes a
 * byte of it gets it refused. head: a complete request head.
 */
bool lg_attribution_is_signed(struct lg_slice head);
/*
 * Take our own x-llmguard-* fields out of a complete request head that is all
 * of buf. True when there were any. A field that AWS's signature covers stays:
 * without it the signature is wrong.
 */
bool lg_attribution_strip(struct lg_buf *buf);

#endif
