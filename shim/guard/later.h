#ifndef LG_GUARD_LATER_H
#define LG_GUARD_LATER_H

#include <stdbool.h>

#include "guard/exchange.h"

/*
 * Usage that is told by another answer than the call's own: a background
 * response that is polled, a batch's results, a training job. The call's row
 * has the provider's id (response_id); the answer that tells the usage leads
 * to an adjust row, once, whoever asks and however often.
 *
 * What makes it once: all who may write such a row hold one lock (a flock of
 * $STATE/books.lock, which `reprice` holds too; the kernel releases it if its
 * holder dies) from the look
 * into the ledger until the row stands there; rows that dead processes or a
 * full disk left in the region are written first; and the row's id follows
 * from the call's, so that a second copy would be no second row.
 */

/*
 * The end of an answer to an LG_ROUTE_LATER request (or of a background call,
 * see below), after its row was filled. If it tells what an earlier call
 * used:
 *   - the call's row is open (flag pending, or not exact): an adjust row, its
 *     difference charged to the live budgets of that call;
 *   - charged exactly already: nothing; nor is a plain stored response looked
 *     up a day after it was made;
 *   - no row of it: the answer's own row becomes the call's (flag
 *     joined_late), in the window in which the provider says it was made,
 *     where the answer is one of background work; a plain stored response
 *     that no guarded call made is not charged.
 * True: x's own row is written, there is nothing left to do. Blocks on files,
 * on the lock at most two seconds; then, as in a sandbox, nothing is
 * corrected until the next answer that tells it. Keeps errno.
 */
bool lg_later_settle(struct lg_exchange *x);

/*
 * Such an answer has its first part. Parts are priced while they pass, and
 * their prices are those of the time when they were asked for: looks in the
 * ledger for when that was. Does nothing for others. May block on files.
 */
void lg_later_begin(struct lg_exchange *x);

/*
 * A background call's own answer is over while others may already have asked
 * for its result. Takes the lock until lg_later_release and tells whether
 * somebody was charged for it already (joined_late): then it must cost
 * nothing here. Does nothing for other calls.
 */
bool lg_later_claim(struct lg_exchange *x, int *lock);
void lg_later_release(int *lock);

/*
 * The stream of a background call has told its id: should this process die,
 * whoever writes its row can name it. Once, cheap before and after.
 */
void lg_later_note(struct lg_exchange *x);

#endif
