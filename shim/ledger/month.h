#ifndef LG_LEDGER_MONTH_H
#define LG_LEDGER_MONTH_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-11.jsonl" with its NUL. */
#define LG_MONTH_NAME 14

/* The file's name for the UTC month of an instant, years 1970..9999. */
void lg_month_name(int64_t unix_ms, char out[LG_MONTH_NAME]);
/* Has a directory entry the shape of a month's file? */
bool lg_month_is_name(const char *name);
/*
 * Move name to the month after (before) it that has a file in the folder `dir`
 * (an open descriptor), compressed or not. 0, -ENOENT there is none, -errno.
 */
int lg_month_next(int dir, char name[LG_MONTH_NAME]);
int lg_month_before(int dir, char name[LG_MONTH_NAME]);
/*
 * A month's file for reading, where there is none the one that zstd has made
 * of it (".zst" behind the name, ledger/pack.h): its descriptor, -EINVAL no
 * file, -errno.
 */
int lg_month_open(int dir, const char *name);
/* Its bytes, uncompressed. 0, -ENOENT, -EPROTO, -ENOMEM, -errno. */
int lg_month_size(int dir, const char *name, uint64_t *size);

#endif
