#include "ldcache.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* glibc, sysdeps/generic/dl-cache.h */
#define MAGIC "glibc-ld.so.cache1.1"
#define HEAD 48
#if defined(__x86_64__)
#define FLAGS 0x0303
#elif defined(__aarch64__)
#define FLAGS 0x0a03
#else
#define FLAGS 0x0003
#endif

struct entry {
	int32_t flags;
	uint32_t key, value, osversion;
	uint64_t hwcap;
};

static const char *text(const char *p, size_t size, uint32_t at)
{
	return at < size && memchr(p + at, 0, size - at) ? p + at : NULL;
}

bool ldcache_search(const void *bytes, size_t size, const char *name, char *out,
		    size_t cap)
{
	/* an old-format cache may stand before it */
	const char *p = memmem(bytes, size, MAGIC, sizeof(MAGIC) - 1);
	const char *key, *value;
	struct entry e;
	uint32_t n, i;

	if (!p)
		return false;
	size -= (size_t)(p - (const char *)bytes);
	if (size < HEAD)
		return false;
	memcpy(&n, p + sizeof(MAGIC) - 1, sizeof(n));
	for (i = 0; i < n && HEAD + (i + (size_t)1) * sizeof(e) <= size; i++) {
		memcpy(&e, p + HEAD + i * sizeof(e), sizeof(e));
		key = e.flags == FLAGS ? text(p, size, e.key) : NULL;
		value = key && !strcmp(key, name) ? text(p, size, e.value)
						  : NULL;
		if (value && snprintf(out, cap, "%s", value) < (int)cap)
			return true;
	}
	return false;
}

static const void *map_cache(size_t *size)
{
	int fd = open("/etc/ld.so.cache", O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size > 0) {
		*size = (size_t)st.st_size;
		p = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

bool ldcache_find(const char *name, char *out, size_t cap)
{
	static const void *cache;
	static size_t size;
	static bool asked;

	if (!asked)
		cache = map_cache(&size);
	asked = true;
	return cache && ldcache_search(cache, size, name, out, cap);
}
