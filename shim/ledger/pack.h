#ifndef LG_LEDGER_PACK_H
#define LG_LEDGER_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A month's file that zstd has compressed (YYYY-MM.jsonl.zst), read from front
 * to back. Windows of at most 16 MiB: all levels of zstd but --ultra and
 * --long. Memory from base/mem.h. One thread.
 */
struct lg_pack;

/* Does this open file begin like one? */
bool lg_pack_is(int fd);
/* fd is borrowed until lg_pack_close. 0, -ENOMEM. */
int lg_pack_open(int fd, struct lg_pack **out);
/* NULL is accepted. */
void lg_pack_close(struct lg_pack *p);
/*
 * The next n bytes at most; 0: its end; -EPROTO damaged, or it ends within a
 * frame; -ENOMEM; -errno.
 */
ssize_t lg_pack_read(struct lg_pack *p, void *buf, size_t n);
/* Bytes that it had. Where its head does not say them it is read through. */
int lg_pack_size(int fd, uint64_t *size);

#endif
