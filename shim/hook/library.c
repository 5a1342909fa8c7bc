#include "hook/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

#include "base/atomic.h"
#include "hook/resolve.h"

/* As in resolve.c: weak, and bound to the oldest version. */
#if defined(__x86_64__)
__asm__(".symver dlsym,dlsym@GLIBC_2.2.5");
__asm__(".symver dlerror,dlerror@GLIBC_2.2.5");
#elif defined(__aarch64__)
__asm__(".symver dlsym,dlsym@GLIBC_2.17");
__asm__(".symver dlerror,dlerror@GLIBC_2.17");
#endif
#pragma weak dlsym
#pragma weak dlerror

#define CALLERS 64 /* power of two */
#define NAME_MAX_LEN 512
#define FILL_TRIES 20000

/* key = pc ^ value ^ generation: a torn pair does not match. */
static struct {
	uintptr_t key, copy;
} callers[CALLERS];
static uintptr_t generation;

static void *open_loaded(const char *file, int flags)
{
	return lg_real_dlopen(file, RTLD_LAZY | RTLD_NOLOAD | flags);
}

static void close_handle(void *h)
{
	int (*real_dlclose)(void *) = lg_next_symbol("dlclose");

	if (real_dlclose)
		(void)real_dlclose(h);
}

static struct link_map *module_of(const void *addr)
{
	return addr ? lg_module_of(addr) : NULL;
}

static void *not_ours(void *addr)
{
	if (module_of(addr) == module_of((const void *)module_of))
		return NULL;
	return addr;
}

static void *in_file(const char *file, const char *name)
{
	void *h = file && file[0] ? open_loaded(file, 0) : NULL;
	void *addr;

	if (!h)
		return NULL;
	addr = not_ours(dlsym(h, name));
	close_handle(h);
	return addr;
}

struct search {
	const char *part;
	unsigned skip; /* so many are known already */
	char name[NAME_MAX_LEN];
};

static int note_file(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct search *s = ctx;
	size_t len;

	(void)size;
	if (!info->dlpi_name || !strstr(info->dlpi_name, s->part) ||
	    s->skip-- > 0)
		return 0;
	len = strlen(info->dlpi_name);
	s->name[0] = '\0';
	if (len < NAME_MAX_LEN)
		memcpy(s->name, info->dlpi_name, len + 1);
	return 1;
}

/* No lookup from inside dl_iterate_phdr: it holds the loader's lock. */
static void *in_any(const struct lg_library *lib, const char *name)
{
	struct search s = {.part = lib->file};
	void *addr = NULL;
	unsigned i;

	for (i = 0; !addr; i++) {
		s.skip = i;
		if (!dl_iterate_phdr(note_file, &s))
			break;
		addr = in_file(s.name, name);
	}
	return addr;
}

void *lg_library_find(const struct lg_library *lib, const void *caller,
		      const char *name)
{
	void *addr = not_ours(lg_next_symbol(name));
	struct link_map *lm;

	if (addr)
		return addr;
	lm = module_of(caller);
	addr = lm ? in_file(lm->l_name, name) : NULL;
	return addr ? addr : in_any(lib, name);
}

static struct lg_copy *copy_at(const struct lg_library *lib, unsigned i)
{
	return (struct lg_copy *)((char *)lib->copies + i * lib->size);
}

/* The first entry of a module is its entry: others wait for it. */
static struct lg_copy *copy_of(const struct lg_library *lib,
			       const struct link_map *module)
{
	struct lg_copy *c;
	unsigned i, k;

	for (i = 0; i < lib->ncopies; i++) {
		c = copy_at(lib, i);
		for (k = 0; k < FILL_TRIES; k++) {
			if (lg_load_acquire(&c->state) != 1)
				break;
			sched_yield();
		}
		if (lg_load_acquire(&c->state) == 2 && c->module == module)
			return c;
	}
	return NULL;
}

static struct lg_copy *make_copy(const struct lg_library *lib,
				 const void *caller, struct link_map *module)
{
	struct lg_copy *c;
	unsigned i, expect;

	for (i = 0; i < lib->ncopies; i++) {
		expect = 0;
		c = copy_at(lib, i);
		if (!lg_cas_seq(&c->state, &expect, 1))
			continue;
		c->module = module;
		lib->fill(c, lib, caller);
		if (module->l_name && module->l_name[0])
			(void)open_loaded(module->l_name, RTLD_NODELETE);
		lg_store_release(&c->state, 2);
		return copy_of(lib, module);
	}
	return NULL;
}

static void *resolve(const struct lg_library *lib, const void *caller,
		     unsigned slot, uintptr_t gen)
{
	struct link_map *module;
	struct lg_copy *c = NULL;
	int err = errno;

	if (!lg_can_resolve())
		return NULL;
	module = module_of(lg_library_find(lib, caller, lib->probe));
	if (module)
		c = copy_of(lib, module);
	if (module && !c)
		c = make_copy(lib, caller, module);
	if (c) {
		lg_store_relaxed(&callers[slot].copy, (uintptr_t)c);
		lg_store_relaxed(&callers[slot].key,
				 (uintptr_t)caller ^ (uintptr_t)c ^ gen);
	}
	(void)dlerror();
	errno = err;
	return c;
}

/* One call may ask for two libraries: a copy is known by where it stands. */
static bool is_of(const struct lg_library *lib, uintptr_t copy)
{
	return copy - (uintptr_t)lib->copies < lib->size * lib->ncopies;
}

void *lg_library_copy(const struct lg_library *lib, const void *caller)
{
	uintptr_t pc = (uintptr_t)caller;
	uintptr_t gen = lg_load_relaxed(&generation);
	unsigned slot =
		(pc ^ pc >> 6 ^ pc >> 12 ^ (uintptr_t)lib >> 5) & (CALLERS - 1);
	uintptr_t v = lg_load_relaxed(&callers[slot].copy);

	if (is_of(lib, v) &&
	    (lg_load_relaxed(&callers[slot].key) ^ v ^ gen) == pc)
		return (void *)v;
	return resolve(lib, caller, slot, gen);
}

void lg_library_forget_callers(void)
{
	/* Far above any address bit that two modules could share. */
	lg_add_relaxed(&generation, (uintptr_t)1 << 56);
}

void lg_library_after_fork(const struct lg_library *lib)
{
	struct lg_copy *c;
	unsigned i;

	for (i = 0; i < lib->ncopies; i++) {
		c = copy_at(lib, i);
		if (lg_load_relaxed(&c->state) == 1)
			lg_store_relaxed(&c->state, 0);
	}
}
