#ifndef LG_TOOLS_CATALOG_WRITE_H
#define LG_TOOLS_CATALOG_WRITE_H

#include <stddef.h>

#include "catalog.h"

struct lg_engine;

/*
 * The file that new prices go to: `given`, else the first of the config's
 * pricing.files, else prices.yaml in the state directory's pricing folder.
 * 0, -ENAMETOOLONG.
 */
int catalog_user_file(struct lg_engine *e, const char *given, char *out,
		      size_t cap);

/* Is it one of the price files that are in force, or will be once it is there?
 */
bool catalog_is_read(struct lg_engine *e, const char *file);

/*
 * Entries at the end of the list `prices:` of a price file, which is made when
 * it is not there. What stands in it stays as it is, comments too. Writers wait
 * for one another (flock on a file beside it); the new text is compiled before
 * it takes the old one's place by rename, synced: a crash leaves the old file.
 * 0; -EINVAL, -errno with err filled, the file as it was.
 */
int catalog_append(const char *file, const struct doc *const *entries,
		   unsigned n, struct doc_error *err);

/*
 * Who enters it, when, and how (`manual`, `api` or `default`): `operator`,
 * `added_at` and `source` of an entry that does not say them.
 */
void catalog_sign(struct doc_arena *a, struct doc *entry, const char *source);

/*
 * Sign, append and record in the ledger as audit rows; running programs look
 * at it at once. 0, -errno with err filled.
 */
int catalog_post(struct lg_engine *e, struct doc_arena *a, const char *file,
		 struct doc *const *entries, unsigned n, const char *source,
		 struct doc_error *err);
/* The same; returns an exit code: what is wrong was said. */
int catalog_enter(struct lg_engine *e, struct doc_arena *a, const char *file,
		  struct doc *const *entries, unsigned n, const char *source);

#endif
