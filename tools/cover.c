#include "cover.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "preload.h"

static const char *const verdicts[] = {"yes", "partly", "maybe", "no"};

const char *cover_verdict_name(enum cover_verdict v)
{
	return verdicts[v];
}

static bool is_reached(const struct tls_copy *t)
{
	return t->reach != REACH_TRACER && t->reach != REACH_NONE;
}

const struct tls_copy *cover_main_copy(const struct cover *c)
{
	for (unsigned i = 0; i < c->ncopies; i++)
		if (is_reached(&c->copy[i]))
			return &c->copy[i];
	return c->ncopies ? &c->copy[0] : NULL;
}

const char *cover_remedy(const struct cover *c)
{
	unsigned i;

	for (i = 0; i < c->nconds; i++)
		if (c->cond[i].remedy[0])
			return c->cond[i].remedy;
	for (i = 0; i < c->ncopies; i++)
		if (c->verdict != COVER_YES && !is_reached(&c->copy[i]) &&
		    c->copy[i].remedy[0])
			return c->copy[i].remedy;
	return "";
}

void cover_add_cond(struct cover *c, const char *id, const char *remedy,
		    const char *fmt, ...)
{
	struct cover_cond *k = &c->cond[c->nconds];
	va_list ap;

	if (c->nconds == COVER_CONDS_MAX || cover_has_cond(c, id))
		return;
	c->nconds++;
	k->id = id;
	k->remedy = remedy;
	va_start(ap, fmt);
	vsnprintf(k->text, sizeof(k->text), fmt, ap);
	va_end(ap);
}

bool cover_has_cond(const struct cover *c, const char *id)
{
	for (unsigned i = 0; i < c->nconds; i++)
		if (!strcmp(c->cond[i].id, id))
			return true;
	return false;
}

static bool beside(const char *preload, const char *name, char *out, size_t cap)
{
	const char *slash = strrchr(preload, '/');

	return slash &&
	       snprintf(out, cap, "%.*s/%s", (int)(slash - preload), preload,
			name) < (int)cap &&
	       !access(out, R_OK);
}

const struct cover_guard *cover_guard(void)
{
	static struct cover_guard g;
	static bool looked;
	struct elf e;

	if (looked)
		return &g;
	looked = true;
	if (preload_find(g.preload, sizeof(g.preload))) {
		g.preload[0] = 0;
		return &g;
	}
	if (!beside(g.preload, "llmguard-patch.so", g.patch, sizeof(g.patch)))
		g.patch[0] = 0;
	if (!elf_open(g.preload, &e)) {
		g.hooks = e.exports;
		elf_close(&e);
	}
	return &g;
}

/* libssl's version stands in the libcrypto beside it. */
static void ask_libcrypto(struct tls_copy *t, const char *file)
{
	const char *ssl = strstr(file, "/libssl.so");
	char path[900];
	struct elf e;

	if (!ssl ||
	    snprintf(path, sizeof(path), "%.*s/libcrypto%s", (int)(ssl - file),
		     file, ssl + 7) >= (int)sizeof(path) ||
	    elf_open(path, &e))
		return;
	tls_version_of(&e, TLS_OPENSSL, t->version, sizeof(t->version));
	elf_close(&e);
}

void cover_add_copies(struct cover *c, const struct elf *e, const char *path,
		      bool library)
{
	struct tls_copy *t = &c->copy[c->ncopies];

	unsigned n = tls_copies_in(e, path, library, !library, t,
				   COVER_COPIES_MAX - c->ncopies);

	for (unsigned i = 0; i < n; i++)
		if (t[i].kind == TLS_OPENSSL && t[i].form == TLS_SHARED)
			ask_libcrypto(&t[i], path);
	c->ncopies += n;
}

/* -- reach --------------------------------------------------------------
 */

static const char provider_limit[] =
	"Give it a base URL of plain HTTP that plain_http: names, or set a "
	"spending limit at the provider.";

static void set(struct tls_copy *t, enum tls_reach reach, const char *why,
		const char *remedy)
{
	t->reach = reach;
	snprintf(t->why, sizeof(t->why), "%s", why);
	snprintf(t->remedy, sizeof(t->remedy), "%s", remedy);
}

static void hooked(struct tls_copy *t, enum elf_mark mark, enum tls_reach reach,
		   const char *what)
{
	char why[200];

	if (cover_guard()->hooks & ELF_BIT(mark)) {
		snprintf(why, sizeof(why),
			 "its functions are called through symbols, and ours "
			 "(%s) stand before them",
			 what);
		set(t, reach, why, "");
		return;
	}
	snprintf(why, sizeof(why), "this libllmguard.so has no hook on %s",
		 what);
	set(t, REACH_NONE, why, provider_limit);
}

static void judge_static(const struct cover *c, struct tls_copy *t)
{
	const char *patch = cover_guard()->patch;

	if (t->form == TLS_STRIPPED) {
		set(t, REACH_NONE,
		    "it is linked in and its functions have no names there",
		    provider_limit);
	} else if (t->form == TLS_SYMBOLS) {
		set(t, REACH_TRACER,
		    "it is linked in and its functions are not exported",
		    "Watch it with llmguard-trace, which finds them in the "
		    "symbol table.");
	} else if (c->patch_off) {
		set(t, REACH_TRACER,
		    "it is linked in, and LLMGUARD_PATCH is off",
		    "Unset LLMGUARD_PATCH.");
	} else if (!patch[0] || (c->is_pid && c->guarded && !c->patching)) {
		set(t, REACH_TRACER,
		    patch[0] ? "it is linked in, and llmguard-patch.so is not "
			       "loaded in this process"
			     : "it is linked in, and llmguard-patch.so is not "
			       "beside libllmguard.so",
		    patch[0] ? "Start it again with `llmguard run`."
			     : "Install llmguard-patch.so beside "
			       "libllmguard.so.");
	} else {
		set(t, REACH_PATCHED,
		    "it is linked in; its exported functions' entries are "
		    "patched before main",
		    "");
	}
}

static void judge_copy(const struct cover *c, struct tls_copy *t)
{
	bool shared = t->form == TLS_SHARED;

	if ((t->kind == TLS_OPENSSL || t->kind == TLS_BORINGSSL) && shared)
		hooked(t, ELF_SSL_WRITE, REACH_INTERPOSED, "SSL_write ...");
	else if (t->kind == TLS_GNUTLS && shared)
		hooked(t, ELF_GNUTLS, REACH_GNUTLS, "gnutls_record_send ...");
	else if (t->kind == TLS_NSS && shared)
		hooked(t, ELF_PR_SEND, REACH_NSS, "PR_Send ...");
	else if (t->kind == TLS_OPENSSL || t->kind == TLS_BORINGSSL)
		judge_static(c, t);
	else if (t->kind == TLS_GO)
		set(t, REACH_TRACER,
		    "Go programs have a TLS of their own, and make their "
		    "system calls themselves",
		    "Watch it with llmguard-trace, which finds the functions "
		    "of Go's crypto/tls.");
	else if (t->kind == TLS_JSSE)
		set(t, REACH_NONE, "Java has a TLS of its own (JSSE)",
		    provider_limit);
	else
		set(t, REACH_NONE, "the guard has no hooks for this library",
		    provider_limit);
}

/* -- verdict -------------------------------------------------------------
 */

static const struct cover_cond *main_cond(const struct cover *c)
{
	for (unsigned i = 0; i < c->nconds; i++)
		if (c->cond[i].remedy[0])
			return &c->cond[i];
	return NULL;
}

/* Whatever keeps the preload out is said of every copy. */
static void judge_unloadable(struct cover *c)
{
	const struct cover_cond *k = main_cond(c);

	for (unsigned i = 0; i < c->ncopies; i++) {
		struct tls_copy *t = &c->copy[i];
		bool named =
			t->form == TLS_EXPORTED || t->form == TLS_SYMBOLS ||
			t->kind == TLS_GO ||
			(t->form == TLS_SHARED &&
			 (t->kind == TLS_OPENSSL || t->kind == TLS_BORINGSSL ||
			  t->kind == TLS_GNUTLS));

		set(t, named ? REACH_TRACER : REACH_NONE,
		    k ? k->text : "libllmguard.so is not loaded",
		    k ? k->remedy : "");
	}
	c->verdict = COVER_NO;
	snprintf(c->why, sizeof(c->why), "%s %s", c->path,
		 k ? k->text : "does not load libllmguard.so");
}

static void tell(struct cover *c, enum cover_verdict v,
		 const struct tls_copy *t, const char *verb)
{
	c->verdict = v;
	snprintf(c->why, sizeof(c->why), "%s %s %s%s%s%s%s: %s", c->path, verb,
		 tls_name(t->kind), t->version[0] ? " " : "", t->version,
		 t->form == TLS_SHARED ? " of " : "",
		 t->form == TLS_SHARED ? t->path : "", t->why);
}

void cover_judge(struct cover *c)
{
	const struct tls_copy *missed = NULL, *seen = NULL, *other = NULL;

	if (!c->preloads || (c->is_pid && !c->guarded)) {
		judge_unloadable(c);
		return;
	}
	for (unsigned i = 0; i < c->ncopies; i++) {
		judge_copy(c, &c->copy[i]);
		if (is_reached(&c->copy[i]))
			seen = seen ? seen : &c->copy[i];
		else if (c->copy[i].indirect)
			other = &c->copy[i];
		else
			missed = missed ? missed : &c->copy[i];
	}
	if (!seen && !missed)
		missed = other;
	if (c->disabled) {
		c->verdict = COVER_NO;
		snprintf(c->why, sizeof(c->why), "%s",
			 main_cond(c) ? main_cond(c)->text : "switched off");
	} else if (missed) {
		tell(c, seen ? COVER_PARTLY : COVER_NO, missed, "has");
	} else if (seen) {
		tell(c, COVER_YES, seen, "uses");
	} else {
		c->verdict = COVER_MAYBE;
		snprintf(c->why, sizeof(c->why),
			 "%s %s no TLS library; a libssl.so that it "
			 "loads later is covered",
			 c->path, c->is_pid ? "has loaded" : "loads");
	}
}
