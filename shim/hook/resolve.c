#include "hook/resolve.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <sched.h>
#include <string.h>

#include "base/atomic.h"
#include "hook/conn.h"
#include "hook/elf.h"

/*
 * Bound to the oldest version, and weak: before glibc 2.34 these stand in
 * libdl, which we do not bring along. A program without it has no libssl.
 */
#if defined(__x86_64__)
#define OLDEST "GLIBC_2.2.5"
#define OLDEST_DLADDR1 "GLIBC_2.3.3"
#elif defined(__aarch64__)
#define OLDEST "GLIBC_2.17"
#define OLDEST_DLADDR1 "GLIBC_2.17"
#endif
#ifdef OLDEST
__asm__(".symver dlsym,dlsym@" OLDEST);
__asm__(".symver dlvsym,dlvsym@" OLDEST);
__asm__(".symver dlerror,dlerror@" OLDEST);
__asm__(".symver dladdr1,dladdr1@" OLDEST_DLADDR1);
__asm__(".symver dlinfo,dlinfo@" OLDEST_DLADDR1);
#endif
#pragma weak dlsym
#pragma weak dlinfo
#pragma weak dlvsym
#pragma weak dlerror
#pragma weak dladdr1

#define COPIES_MAX 16
#define FILL_TRIES 20000
#define CALLERS 128 /* power of two */
#define NAME_MAX_LEN 512
#define LIBS_MAX 4

static struct lg_tls copies[COPIES_MAX];
/* Two for each copy: called from elsewhere, and by the copy itself. */
static char markers[2 * COPIES_MAX];

/* key = pc ^ value ^ generation: a torn pair does not match. */
static struct {
	uintptr_t key, tls;
} callers[CALLERS];
static uintptr_t generation;

bool lg_can_resolve(void)
{
	return dlsym && dlvsym && dlerror && dladdr1;
}

void *lg_next_symbol(const char *name)
{
	return dlsym ? dlsym(RTLD_NEXT, name) : NULL;
}

void *lg_symbol_in(void *handle, const char *name)
{
	return dlsym(handle, name);
}

void lg_forget_dlerror(void)
{
	(void)dlerror();
}

void *lg_real_dlopen(const char *file, int flags)
{
	static void *(*real)(const char *, int);
	void *(*r)(const char *, int) = lg_load_relaxed(&real);

	if (!r) {
		r = lg_next_symbol("dlopen");
		lg_store_relaxed(&real, r);
	}
	return r ? r(file, flags) : NULL;
}

/* What glibc's struct dl_find_object begins with, and as much as it has. */
struct found_object {
	unsigned long long flags;
	void *start, *end;
	struct link_map *map;
	void *rest[12];
};
typedef int find_object_fn(void *addr, struct found_object *found);

/* glibc has it since 2.35; dladdr1 walks the module's symbols, 10 us each. */
static find_object_fn *find_object(void)
{
	static uintptr_t known; /* 1: there is none */
	uintptr_t f = lg_load_relaxed(&known);

	if (!f) {
		f = (uintptr_t)dlvsym(RTLD_DEFAULT, "_dl_find_object",
				      "GLIBC_2.35");
		f = f ? f : 1;
		lg_store_relaxed(&known, f);
	}
	return f > 1 ? (find_object_fn *)f : NULL;
}

struct link_map *lg_module_of(const void *addr)
{
	find_object_fn *find = find_object();
	struct link_map *lm = NULL;
	struct found_object found;
	Dl_info info;

	if (find)
		return find((void *)addr, &found) ? NULL : found.map;
	if (!dladdr1(addr, &info, (void **)&lm, RTLD_DL_LINKMAP))
		return NULL;
	return lm;
}

/* Of the linker: dladdr1 would walk a module's symbols, 10 us each time. */
#pragma GCC visibility push(hidden)
extern const char __ehdr_start[], _end[];
#pragma GCC visibility pop

static bool is_ours(const void *addr)
{
	return (const char *)addr >= __ehdr_start && (const char *)addr < _end;
}

static void *not_ours(void *addr)
{
	return addr && !is_ours(addr) ? addr : NULL;
}

/* Ours would only forget callers; this one is of the dynamic loader. */
static void close_handle(void *h)
{
	int (*real_dlclose)(void *) = lg_next_symbol("dlclose");

	if (real_dlclose)
		(void)real_dlclose(h);
}

bool lg_own_folder(char *out)
{
	struct link_map *lm = lg_module_of((const void *)lg_tls_of);
	const char *end = lm && lm->l_name ? strrchr(lm->l_name, '/') : NULL;

	if (end && lm->l_name[0] == '/' && end - lm->l_name < PATH_MAX) {
		memcpy(out, lm->l_name, (size_t)(end - lm->l_name));
		out[end - lm->l_name] = '\0';
		return true;
	}
	return lm && dlinfo && !dlinfo(lm, RTLD_DI_ORIGIN, out);
}

/*
 * The dynamic linker looks into the global scope first and takes what has the
 * caller's version there; so a plugin of another libssl than the program's
 * gets its own exactly where their versions differ.
 */
static bool is_global_meant(void *h, const char *name)
{
	static const char *const version[] = {"OPENSSL_3.0.0", "OPENSSL_1_1_0",
					      "OPENSSL_1_1_1"};
	unsigned i;

	for (i = 0; i < sizeof(version) / sizeof(*version); i++)
		if (dlvsym(h, name, version[i]))
			return dlvsym(RTLD_NEXT, name, version[i]);
	return true;
}

/*
 * A wrapper library that exports the name itself means the next one; libssl
 * that calls itself means itself. The handle is closed again: a plugin that
 * only calls must stay unloadable.
 */
static void *from_module(struct link_map *lm, const char *name, void *global)
{
	void *addr, *ex, *h;

	if (!lm || !lm->l_name || !lm->l_name[0])
		return NULL;
	h = lg_real_dlopen(lm->l_name, RTLD_LAZY | RTLD_NOLOAD);
	if (!h)
		return NULL;
	addr = not_ours(dlsym(h, name));
	if (addr && lg_module_of(addr) == lm) {
		ex = dlsym(h, "SSL_get_ex_data");
		if (!ex || lg_module_of(ex) != lm)
			addr = NULL;
	} else if (addr && global && addr != global &&
		   is_global_meant(h, name)) {
		addr = NULL;
	}
	close_handle(h);
	return addr;
}

struct found_libs {
	char name[LIBS_MAX][NAME_MAX_LEN];
	unsigned n;
};

static int note_lib(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct found_libs *libs = ctx;
	size_t len;

	(void)size;
	if (!info->dlpi_name || !strstr(info->dlpi_name, "libssl"))
		return 0;
	len = strlen(info->dlpi_name);
	if (len < NAME_MAX_LEN)
		memcpy(libs->name[libs->n++], info->dlpi_name, len + 1);
	return libs->n == LIBS_MAX;
}

/* By full names alone: a bare one would be searched for on the disk. */
static void *from_any(const char *name)
{
	struct found_libs libs = {.n = 0};
	void *h, *addr = NULL;
	unsigned i;

	dl_iterate_phdr(note_lib, &libs);
	for (i = 0; i < libs.n && !addr; i++) {
		h = lg_real_dlopen(libs.name[i], RTLD_LAZY | RTLD_NOLOAD);
		if (!h)
			continue;
		addr = not_ours(dlsym(h, name));
		close_handle(h);
	}
	return addr;
}

static void *find(struct link_map *caller, const char *name)
{
	void *global = not_ours(dlsym(RTLD_NEXT, name));
	void *addr = from_module(caller, name, global);

	if (!addr)
		addr = global;
	return addr ? addr : from_any(name);
}

/* Helpers must come from the copy that owns the SSL, never from another. */
static void *find_helper(struct link_map *lib, const char *name)
{
	void *addr = from_module(lib, name, NULL);

	if (addr)
		return addr;
	addr = find(NULL, name);
	return strncmp(name, "SSL_", 4) || lg_module_of(addr) == lib ? addr
								     : NULL;
}

static void pin(struct link_map *lib)
{
	if (lib->l_name && lib->l_name[0])
		(void)lg_real_dlopen(lib->l_name,
				     RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

/* Hooked functions that came after OpenSSL 1.1.0 may be absent. */
static bool is_needed(const char *name)
{
	static const char *const late[] = {
		"SSL_write_ex", "SSL_write_ex2",   "SSL_write_early_data",
		"SSL_read_ex",	"SSL_peek_ex",	   "SSL_read_early_data",
		"SSL_sendfile", "SSL_has_pending", "SSL_get_early_data_status",
		"BIO_f_ssl",
	};
	unsigned i;

	for (i = 0; i < sizeof(late) / sizeof(*late); i++)
		if (!strcmp(name, late[i]))
			return false;
	return true;
}

/* BoringSSL has other means for these (openssl.c). */
static bool is_boring(const struct lg_tls *t)
{
	return t->SSL_get_mode && t->SSL_get_ex_new_index &&
	       t->SSL_CTX_get_ex_new_index && !t->SSL_ctrl;
}

static bool is_replaced(const struct lg_tls *t, const char *name)
{
	return is_boring(t) &&
	       (!strcmp(name, "SSL_ctrl") || !strcmp(name, "SSL_in_before") ||
		!strcmp(name, "CRYPTO_get_ex_new_index"));
}

static void finish(struct lg_tls *t, struct link_map *lib)
{
	t->missing = NULL;
#define HOOKED(type, name, params)                                             \
	if (!t->name && is_needed(#name))                                      \
		t->missing = #name;
#define HELPER(type, name, params)                                             \
	if (!t->name && !is_replaced(t, #name))                                \
		t->missing = #name;
#define MAYBE(type, name, params)
	LG_TLS_FUNCTIONS(HOOKED, HELPER, MAYBE)
#undef HOOKED
#undef HELPER
#undef MAYBE
	t->module = lib;
	t->ssl_idx = t->ctx_idx = -1;
	t->whole = !t->missing;
}

static void fill(struct lg_tls *t, struct link_map *caller,
		 struct link_map *lib)
{
	pin(lib);
#define HOOKED(type, name, params)                                             \
	t->name = (type(*) params)find(caller, #name);
#define HELPER(type, name, params)                                             \
	t->name = (type(*) params)find_helper(lib, #name);
#define MAYBE(type, name, params)                                              \
	t->name = (type(*) params)from_module(lib, #name, NULL);
	LG_TLS_FUNCTIONS(HOOKED, HELPER, MAYBE)
#undef HOOKED
#undef HELPER
#undef MAYBE
	finish(t, lib);
}

/*
 * What an executable exports: a lookup by name would find ours first. Its
 * libcrypto may be a shared one.
 */
static void *in_program(const struct lg_elf *e, const char *name)
{
	const ElfW(Sym) *s = lg_elf_find(e, name);

	if (s)
		return (void *)(e->base + s->st_value);
	return strncmp(name, "SSL_", 4) ? not_ours(dlsym(RTLD_NEXT, name))
					: NULL;
}

static void fill_program(struct lg_tls *t, struct link_map *lib,
			 const struct lg_elf *e)
{
#define ANY(type, name, params) t->name = (type(*) params)in_program(e, #name);
	LG_TLS_FUNCTIONS(ANY, ANY, ANY)
#undef ANY
	finish(t, lib);
}

/*
 * The first entry of a copy is its entry: whoever asks waits for those that
 * are just being filled, so that no two are in use for one copy.
 */
static struct lg_tls *copy_of(struct link_map *lib)
{
	unsigned i, k;

	for (i = 0; i < COPIES_MAX; i++) {
		for (k = 0; k < FILL_TRIES; k++) {
			if (lg_load_acquire(&copies[i].claimed) != 1)
				break;
			sched_yield();
		}
		if (lg_load_acquire(&copies[i].claimed) == 2 &&
		    copies[i].module == lib)
			return &copies[i];
	}
	return NULL;
}

static struct lg_tls *take_copy(struct link_map *caller, struct link_map *lib,
				const struct lg_elf *program)
{
	struct lg_tls *t;
	unsigned i, expect;

	if (!lib)
		return NULL;
	t = copy_of(lib);
	for (i = 0; !t && i < COPIES_MAX; i++) {
		expect = 0;
		if (!lg_cas_seq(&copies[i].claimed, &expect, 1))
			continue;
		if (program)
			fill_program(&copies[i], lib, program);
		else
			fill(&copies[i], caller, lib);
		lg_store_release(&copies[i].claimed, 2);
		t = copy_of(lib);
	}
	return t;
}

static struct lg_tls *find_copy(struct link_map *caller)
{
	return take_copy(caller, lg_module_of(find(caller, "SSL_get_ex_data")),
			 NULL);
}

struct lg_tls *lg_tls_adopt(struct link_map *lib, const struct lg_elf *e)
{
	return lg_can_resolve() ? take_copy(lib, lib, e) : NULL;
}

uintptr_t lg_tls_marker(const struct lg_tls *t)
{
	return (uintptr_t)&markers[2 * (t - copies)];
}

static bool is_marker(const void *pc)
{
	return (uintptr_t)pc - (uintptr_t)markers < sizeof(markers);
}

static struct lg_tls *marked(const void *pc)
{
	return &copies[((uintptr_t)pc - (uintptr_t)markers) / 2];
}

/*
 * libssl's SSL_connect jumps to its SSL_do_handshake, which may be our hook:
 * it then seems to be called by the place of our own real call.
 */
static struct lg_tls *of_inner(const void *pc)
{
	if (!lg_inside.owner || !is_ours(pc))
		return NULL;
	return (struct lg_tls *)lg_inside.owner;
}

static struct lg_tls *resolve(const void *pc, unsigned slot, uintptr_t gen)
{
	struct lg_tls *t;
	int err = errno;

	if (!lg_can_resolve())
		return NULL;
	t = is_marker(pc) ? marked(pc) : of_inner(pc);
	if (!t)
		t = find_copy(lg_module_of(pc));
	else if (!is_marker(pc))
		slot = CALLERS; /* true of this call alone */
	if (t && slot < CALLERS) {
		lg_store_relaxed(&callers[slot].tls, (uintptr_t)t);
		lg_store_relaxed(&callers[slot].key,
				 (uintptr_t)pc ^ (uintptr_t)t ^ gen);
	}
	(void)dlerror();
	errno = err;
	return t;
}

struct lg_tls *lg_tls_of(const void *caller)
{
	uintptr_t pc = (uintptr_t)caller;
	uintptr_t gen = lg_load_relaxed(&generation);
	unsigned slot = (pc ^ pc >> 7 ^ pc >> 14) & (CALLERS - 1);
	uintptr_t v = lg_load_relaxed(&callers[slot].tls);

	if (v && (lg_load_relaxed(&callers[slot].key) ^ v ^ gen) == pc)
		return (struct lg_tls *)v;
	return resolve(caller, slot, gen);
}

bool lg_tls_is_own(const struct lg_tls *t, const void *caller)
{
	if (is_marker(caller))
		return ((uintptr_t)caller - (uintptr_t)markers) & 1;
	return lg_module_of(caller) == t->module;
}

void *lg_tls_symbol(const struct lg_tls *t, const char *name)
{
	struct link_map *lib = (struct link_map *)t->module;
	struct lg_elf e;

	if (lib->l_name && lib->l_name[0])
		return from_module(lib, name, NULL);
	return lg_elf_program(&e) ? in_program(&e, name) : NULL;
}

const char *lg_tls_name(const struct lg_tls *t)
{
	const struct link_map *lib = t->module;

	return lib->l_name && lib->l_name[0] ? lib->l_name : "program";
}

void lg_tls_forget_callers(void)
{
	/* Far above any address bit that two modules could share. */
	lg_add_relaxed(&generation, (uintptr_t)1 << 56);
}

void lg_tls_after_fork(void)
{
	unsigned i;

	for (i = 0; i < COPIES_MAX; i++) {
		if (lg_load_relaxed(&copies[i].claimed) == 1)
			lg_store_relaxed(&copies[i].claimed, 0);
		if (lg_load_relaxed(&copies[i].indexed) == 1)
			lg_store_relaxed(&copies[i].indexed, 0);
	}
}
