#ifndef LG_GUARD_FILE_H
#define LG_GUARD_FILE_H

#include <stddef.h>

/*
 * Small files of the engine. No descriptor is kept, errno is kept. Any
 * thread; blocks on the file system.
 */

/* a + b into out. 0, -ENAMETOOLONG. */
int lg_path_join(char *out, size_t cap, const char *a, const char *b);
/*
 * Read a regular file whole. 0 with *p on base/mem.h and *size > 0; -EMSGSIZE
 * beyond max; -EPROTO empty or not regular; -errno.
 */
int lg_file_read(const char *path, size_t max, void **p, size_t *size);
/* Read at most cap - 1 bytes into buf, NUL-terminate. Length or -errno. */
int lg_file_peek(const char *path, char *buf, size_t cap);
/* Write beside, then rename over (0600). 0, -errno. */
int lg_file_replace(const char *path, const void *p, size_t size);

#endif
