#include "hook/patched.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "hook/conn.h"
#include "hook/elf.h"
#include "hook/hook.h"
#include "hook/patch/patch.h"
#include "hook/resolve.h"

#define FILE_NAME "/llmguard-patch.so"
#define OWN_MAX (128 * 1024)

enum setting { BY_CONFIG, BY_ENV_AUTO, BY_ENV_OFF };
static enum setting setting;

typedef int apply_fn(struct lg_patch_job *);

void lg_patched_init(const char *text)
{
	if (text && *text)
		setting = strcmp(text, "off") && strcmp(text, "0") ? BY_ENV_AUTO
								   : BY_ENV_OFF;
}

static bool is_wanted(void)
{
	struct lg_engine *e = lg_conn_engine(); /* for its log, too */

	/* it may be there later, this may not */
	return !e || lg_engine_may_patch(e, setting == BY_ENV_AUTO);
}

static void tell(enum lg_log_level level, const char *event, const char *lib,
		 const char *why)
{
	struct lg_log_kv kv[2] = {
		{"library", lg_slice_str(lib), 0},
		{"reason", lg_slice_str(why), 0},
	};

	lg_log(level, event, kv, why ? 2 : 1);
}

#if defined(__x86_64__)

/* It stands beside this library; nothing is searched for. */
static apply_fn *load(const char **why)
{
	static apply_fn *apply;
	char *path;
	void *h = NULL;

	if (apply)
		return apply;
	*why = "llmguard-patch.so cannot be loaded";
	path = lg_mem_alloc(PATH_MAX + sizeof(FILE_NAME));
	if (path && lg_own_folder(path)) {
		strcat(path, FILE_NAME);
		h = lg_real_dlopen(path, RTLD_NOW | RTLD_LOCAL);
	}
	lg_mem_free(path, PATH_MAX + sizeof(FILE_NAME));
	if (h)
		*(void **)&apply = lg_symbol_in(h, LG_PATCH_ENTRY);
	return apply;
}

/* Their hooks only pass on, or what they see is rare. */
static bool may_stay(const char *name)
{
	return !strcmp(name, "SSL_free") || !strcmp(name, "BIO_f_ssl") ||
	       !strcmp(name, "SSL_read_early_data");
}

static void add(struct lg_patch_job *job, const struct lg_elf *e,
		const char *name, const void *hook)
{
	const ElfW(Sym) *s = lg_elf_find(e, name);
	struct lg_patch_fn *f = &job->fn[job->nfns];

	if (!s || job->nfns == LG_PATCH_FNS)
		return;
	f->name = name;
	f->at = (uint8_t *)(e->base + s->st_value);
	f->size = s->st_size;
	f->room = lg_elf_text(e, (uintptr_t)f->at, &f->file_at);
	f->hook = hook;
	f->is_needed = !may_stay(name);
	f->real = NULL;
	job->nfns++;
}

static void add_all(struct lg_patch_job *job, const struct lg_elf *e)
{
#define HOOKED(type, name, params)                                             \
	add(job, e, #name, (const void *)hook_##name);
#define NOT(type, name, params)
	LG_TLS_FUNCTIONS(HOOKED, NOT, NOT)
#undef HOOKED
#undef NOT
}

static const void *real_of(const struct lg_patch_job *job, const char *want)
{
	unsigned i;

	for (i = 0; i < job->nfns; i++)
		if (!strcmp(job->fn[i].name, want))
			return job->fn[i].real;
	return NULL;
}

static void take_real(struct lg_tls *t, const struct lg_patch_job *job)
{
	const void *real;

#define HOOKED(type, fn_, params)                                              \
	real = real_of(job, #fn_);                                             \
	if (real)                                                              \
		t->fn_ = (type(*) params)real;
#define NOT(type, fn_, params)
	LG_TLS_FUNCTIONS(HOOKED, NOT, NOT)
#undef HOOKED
#undef NOT
}

/*
 * Return addresses that are the copy's own: a library's text, or within an
 * executable the stretch in which these functions stand together.
 */
static void set_own(struct lg_patch_job *job, const struct lg_elf *e,
		    bool is_program)
{
	uintptr_t lo = (uintptr_t)job->fn[0].at, hi = lo, at;
	uint64_t file_at = 0;
	unsigned i;

	for (i = 0; i < job->nfns; i++) {
		if (strncmp(job->fn[i].name, "SSL_", 4))
			continue; /* of another object file */
		at = (uintptr_t)job->fn[i].at;
		lo = at < lo ? at : lo;
		hi = at + job->fn[i].size > hi ? at + job->fn[i].size : hi;
	}
	if (!is_program) {
		hi = lo + lg_elf_text(e, lo, &file_at);
		for (i = 0; i < e->nphdr; i++)
			if (e->phdr[i].p_type == PT_LOAD &&
			    hi == e->base + e->phdr[i].p_vaddr +
					    e->phdr[i].p_filesz)
				lo = e->base + e->phdr[i].p_vaddr;
	} else if (hi - lo > OWN_MAX) {
		hi = lo;
	}
	job->own = lo;
	job->nown = hi - lo;
}

static const char *check(struct lg_patch_job *job, const struct lg_tls *t)
{
	static const char lacks[] = "it has no ";
	unsigned i;
	size_t n;

	for (i = 0; i < job->nfns; i++)
		if (!job->fn[i].room)
			return "its functions stand in no plain text";
	if (job->nfns && t->whole)
		return NULL;
	n = t->missing ? strlen(t->missing) : 0;
	if (!n || n > sizeof(job->why) - sizeof(lacks))
		return "functions are missing";
	memcpy(job->why, lacks, sizeof(lacks) - 1);
	memcpy(job->why + sizeof(lacks) - 1, t->missing, n + 1);
	return job->why;
}

static const char *patch(struct lg_tls *t, const struct lg_elf *e,
			 bool is_program, struct lg_patch_job *job)
{
	const char *why = NULL;
	apply_fn *apply;

	job->version = LG_PATCH_VERSION;
	job->file = is_program ? "/proc/self/exe" : lg_tls_name(t);
	job->marker = lg_tls_marker(t);
	add_all(job, e);
	why = check(job, t);
	apply = why ? NULL : load(&why);
	if (!apply)
		return why;
	set_own(job, e, is_program);
	if (apply(job))
		return job->why;
	take_real(t, job);
	t->is_patched = true;
	return NULL;
}

static void patch_module(struct link_map *lib, const struct lg_elf *e,
			 bool is_program)
{
	struct lg_tls *t = lg_tls_adopt(lib, is_program ? e : NULL);
	struct lg_patch_job *job;
	const char *why = "no memory";

	if (!t || t->was_tried)
		return;
	t->was_tried = true;
	job = lg_mem_alloc(sizeof(*job));
	if (job)
		why = patch(t, e, is_program, job);
	if (why)
		tell(LG_LOG_WARN, "tls_library_not_patched", lg_tls_name(t),
		     why);
	else
		tell(LG_LOG_INFO, "tls_library_patched", lg_tls_name(t), NULL);
	lg_mem_free(job, sizeof(*job));
}

#else

static void patch_module(struct link_map *lib, const struct lg_elf *e,
			 bool is_program)
{
	struct lg_tls *t = lg_tls_adopt(lib, is_program ? e : NULL);

	(void)e;
	if (!t || t->was_tried)
		return;
	t->was_tried = true;
	tell(LG_LOG_WARN, "tls_library_not_patched", lg_tls_name(t),
	     "only x86-64 code can be patched");
}

#endif

/* Whoever exports the one without the other only wraps another copy. */
static const void *copy_in(const struct lg_elf *e)
{
	const ElfW(Sym) *s = lg_elf_find(e, "SSL_write");

	if (!s || !lg_elf_find(e, "SSL_get_ex_data"))
		return NULL;
	return (const void *)(e->base + s->st_value);
}

void lg_patched_program(void)
{
	struct lg_elf e;
	const void *at;

	if (setting == BY_ENV_OFF || !lg_elf_program(&e))
		return;
	at = copy_in(&e);
	if (at && is_wanted())
		patch_module(lg_module_of(at), &e, true);
}

bool lg_patched_cares(const char *file, int flags)
{
	if (setting == BY_ENV_OFF || !lg_hook_is_on || !file ||
	    (flags & RTLD_NOLOAD))
		return false;
	return (flags & RTLD_DEEPBIND) || strstr(file, "libssl");
}

bool lg_patched_may_open(const void *pc, const char *file)
{
	struct link_map *lm = lg_module_of(pc);
	struct lg_elf e;

	if (!lm || strchr(file, '$') || !lg_elf_module(&e, lm->l_ld))
		return false;
	/* RUNPATH is for bare names, RPATH for what these need in turn */
	return !e.has_rpath && (!e.has_runpath || strchr(file, '/'));
}

/* What the handle's own code is bound to; it stays as long as the handle. */
void lg_patched_arrived(void *handle)
{
	int err = errno;
	void *at = lg_symbol_in(handle, "SSL_write");
	struct link_map *lib = at ? lg_module_of(at) : NULL;
	struct lg_elf e;

	if (lib && lib != lg_module_of((const void *)lg_patched_init) &&
	    lg_elf_module(&e, lib->l_ld) && copy_in(&e) && is_wanted())
		patch_module(lib, &e, false);
	lg_forget_dlerror();
	errno = err;
}
