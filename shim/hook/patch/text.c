#include "hook/patch/text.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook/patch/reloc.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define LOWEST ((uintptr_t)0x100000)
#define STEP ((uintptr_t)16 << 20)
#define TRIES 110
/* A heap may grow behind the text. */
#define BREAK_ROOM ((uintptr_t)640 << 20)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t to_pages(size_t len)
{
	size_t page = page_size();

	return (len + page - 1) & ~(page - 1);
}

static uint8_t *map_at(uintptr_t hint, size_t len)
{
	void *p;

	p = mmap((void *)hint, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | (hint ? MAP_FIXED_NOREPLACE : 0),
		 -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (hint && (uintptr_t)p != hint) { /* an old kernel's better idea */
		munmap(p, len);
		return NULL;
	}
	return p;
}

static bool is_near(uintptr_t p, size_t len, uintptr_t lo, uintptr_t hi)
{
	return lg_reloc_reaches(p, hi) && lg_reloc_reaches(p + len, lo) &&
	       lg_reloc_reaches(lo, p + len) && lg_reloc_reaches(hi, p);
}

static uint8_t *map_near(uintptr_t lo, uintptr_t hi, size_t len)
{
	uintptr_t up = ((hi + STEP - 1) & ~(STEP - 1)) + BREAK_ROOM;
	uintptr_t down = (lo & ~(STEP - 1)) - STEP;
	uint8_t *p;
	unsigned i;

	for (i = 0; i < TRIES; i++, up += STEP, down -= STEP) {
		p = NULL;
		if (up > hi && is_near(up, len, lo, hi))
			p = map_at(up, len);
		if (!p && down < lo && down > LOWEST &&
		    is_near(down, len, lo, hi))
			p = map_at(down, len);
		if (p)
			return p;
	}
	return NULL;
}

int lg_text_alloc(uintptr_t lo, uintptr_t hi, size_t len, uint8_t **out,
		  bool *is_far)
{
	*is_far = false;
	*out = map_near(lo, hi, to_pages(len));
	if (*out)
		return 0;
	*is_far = true;
	*out = map_at(0, to_pages(len));
	return *out ? 0 : -ENOMEM;
}

int lg_text_seal(uint8_t *p, size_t len)
{
	return mprotect(p, to_pages(len), PROT_READ | PROT_EXEC) ? -errno : 0;
}

void lg_text_free(uint8_t *p, size_t len)
{
	if (p)
		munmap(p, to_pages(len));
}

/*
 * The text can be written and may not become executable again (a policy on
 * modified files): it is replaced by a copy in memory of nobody's file.
 */
static int replace(uint8_t *page, size_t len)
{
	uint8_t *copy = map_at(0, len);
	int err = -ENOMEM;

	if (!copy)
		return err;
	memcpy(copy, page, len);
	if (mprotect(copy, len, PROT_READ | PROT_EXEC) ||
	    mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, page) ==
		    MAP_FAILED) {
		err = -errno;
		munmap(copy, len);
		return err;
	}
	return 0;
}

int lg_text_write(uint8_t *at, const uint8_t *bytes, size_t n)
{
	uintptr_t first = (uintptr_t)at & ~(uintptr_t)(page_size() - 1);
	uint8_t *page = (uint8_t *)first;
	size_t len = to_pages((uintptr_t)at + n - first);
	uint8_t was[LG_RELOC_FAR];
	int err;

	if (n > sizeof(was))
		return -EINVAL;
	if (mprotect(page, len, PROT_READ | PROT_WRITE)) {
		err = -errno;
		/* of two pages the first may have changed */
		(void)mprotect(page, len, PROT_READ | PROT_EXEC);
		return err;
	}
	memcpy(was, at, n);
	memcpy(at, bytes, n);
	if (!mprotect(page, len, PROT_READ | PROT_EXEC))
		return 0;
	err = -errno;
	memcpy(at, was, n);
	(void)replace(page, len);
	return err;
}

/* The kernel counts them in the directory's links: no descriptor. */
int lg_text_is_alone(void)
{
	struct stat st;

	/* libc's stat has a version that old systems lack */
	if (syscall(SYS_stat, "/proc/self/task", &st))
		return -errno;
	return st.st_nlink == 3;
}
