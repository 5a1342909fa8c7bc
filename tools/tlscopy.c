#include "tlscopy.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {"OpenSSL", "BoringSSL", "GnuTLS", "NSS",
				    "mbedTLS", "wolfSSL",   "s2n",    "rustls",
				    "Go",      "Java"};
static const char *const forms[] = {"shared", "exported", "symbols", "stripped",
				    "runtime"};
static const char *const reaches[] = {"interposed", "patched", "bio",
				      "gnutls",	    "nss",     "plain",
				      "tracer",	    "none"};

const char *tls_name(enum tls t)
{
	return t < TLS_KINDS ? names[t] : "none";
}

const char *tls_form_name(enum tls_form f)
{
	return forms[f];
}

const char *tls_reach_name(enum tls_reach r)
{
	return reaches[r];
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* How many bytes at p look like "3.0.22" or "1.1.1w". */
static size_t number(const char *p, size_t left)
{
	size_t n = 0, dots = 0;

	while (n < left && n < 20 && (digit(p[n]) || p[n] == '.')) {
		dots += p[n] == '.';
		n++;
	}
	if (!n || !dots || !digit(p[0]))
		return 0;
	while (n < left && n < 24 && p[n] >= 'a' && p[n] <= 'z')
		n++;
	return p[n - 1] == '.' ? n - 1 : n;
}

/*
 * The number behind the first `word` that has one; dated: only the library's
 * own text ("OpenSSL 3.0.22 12 Mar 2026"), not a message that speaks of it.
 */
static bool version_after(const struct elf *e, const char *word, bool dated,
			  char *out, size_t cap)
{
	const char *p = e->p, *end = e->p + e->size;
	size_t n, len = strlen(word);

	while ((p = memmem(p, (size_t)(end - p), word, len))) {
		p += len;
		n = number(p, (size_t)(end - p));
		if (!n || (dated && (end - p < (long)n + 3 || p[n] != ' ' ||
				     !digit(p[n + 1]))))
			continue;
		snprintf(out, cap, "%.*s", (int)n, p);
		return true;
	}
	return false;
}

/* libgnutls.so.30.34.3 tells its own. */
static void version_of_name(const char *path, char *out, size_t cap)
{
	const char *so = strstr(path, ".so.");

	if (so)
		snprintf(out, cap, "%s", so + 1);
}

static const struct {
	enum elf_mark mark;
	enum tls kind;
	const char *soname; /* of its own library */
	const char *word;   /* before its version, NULL: none is told */
	bool dated;
} by_symbol[] = {
	{ELF_SSL_WRITE, TLS_OPENSSL, "libssl.so", "OpenSSL ", true},
	{ELF_GNUTLS, TLS_GNUTLS, "libgnutls.so", "GnuTLS ", false},
	{ELF_NSS, TLS_NSS, "libssl3.so", "NSS ", false},
	{ELF_MBEDTLS, TLS_MBEDTLS, "libmbedtls.so", "Mbed TLS ", false},
	{ELF_WOLFSSL, TLS_WOLFSSL, "libwolfssl.so", NULL, false},
	{ELF_S2N, TLS_S2N, "libs2n.so", NULL, false},
	{ELF_RUST, TLS_RUSTLS, "librustls.so", "rustls-", false},
};
#define BY_SYMBOL (sizeof(by_symbol) / sizeof(by_symbol[0]))

static const struct {
	const char *text; /* NULL: the word with a version behind it */
	enum tls kind;
	const char *word;
	bool dated;
} by_text[] = {
	{"Boring", TLS_BORINGSSL, NULL, false}, /* "SSL": is_boring */
	{NULL, TLS_OPENSSL, "OpenSSL ", true},
	{NULL, TLS_RUSTLS, "rustls-", false},
	{"rustls::", TLS_RUSTLS, NULL, false},
	{"/rustls"
	 "/src/",
	 TLS_RUSTLS, NULL, false},
};

struct finder {
	const struct elf *e;
	const char *path;
	struct tls_copy *out;
	unsigned n, max;
};

static bool has(const struct finder *f, enum tls kind)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->out[i].kind == kind)
			return true;
	return false;
}

static struct tls_copy *add(struct finder *f, enum tls kind, enum tls_form form)
{
	struct tls_copy *c;

	if (f->n == f->max || has(f, kind))
		return NULL;
	c = &f->out[f->n++];
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->form = form;
	c->reach = REACH_NONE;
	snprintf(c->path, sizeof(c->path), "%s", f->path);
	return c;
}

static bool is_named(const char *path, const char *soname)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	return !strncmp(base, soname, strlen(soname));
}

static void add_by_symbol(struct finder *f, bool library)
{
	for (size_t i = 0; i < BY_SYMBOL; i++) {
		unsigned bit = ELF_BIT(by_symbol[i].mark);
		enum tls kind = by_symbol[i].kind;
		struct tls_copy *c;

		if (!((f->e->exports | f->e->locals) & bit))
			continue;
		if (kind == TLS_OPENSSL &&
		    ((f->e->exports | f->e->locals) & ELF_BIT(ELF_BORING)))
			kind = TLS_BORINGSSL;
		c = add(f, kind,
			!(f->e->exports & bit) ? TLS_SYMBOLS
			: library && is_named(f->path, by_symbol[i].soname)
				? TLS_SHARED
				: TLS_EXPORTED);
		if (!c ||
		    (by_symbol[i].word && kind != TLS_BORINGSSL &&
		     version_after(f->e, by_symbol[i].word, by_symbol[i].dated,
				   c->version, sizeof(c->version))))
			continue;
		if (c->form == TLS_SHARED)
			version_of_name(f->path, c->version,
					sizeof(c->version));
	}
}

/* Put together here, so that this very program does not have the text. */
static bool is_boring(const struct elf *e, const char *first)
{
	char word[16];

	snprintf(word, sizeof(word), "%sSSL", first);
	return elf_find(e, word);
}

static bool mentions(const struct elf *e, const char *text, enum tls kind)
{
	return kind == TLS_BORINGSSL ? is_boring(e, text)
				     : elf_find(e, text) != NULL;
}

/* A program that only calls a library may well speak of it. */
static void add_by_text(struct finder *f)
{
	bool calls = f->e->imports &
		     (ELF_BIT(ELF_SSL_WRITE) | ELF_BIT(ELF_SSL_WRITE_EX));

	for (size_t i = 0; i < sizeof(by_text) / sizeof(by_text[0]); i++) {
		char version[40] = "";
		struct tls_copy *c;

		if (calls && by_text[i].kind != TLS_RUSTLS)
			continue;
		if (has(f, by_text[i].kind) || has(f, TLS_BORINGSSL) ||
		    (by_text[i].kind == TLS_BORINGSSL && f->n))
			continue;
		if (by_text[i].text
			    ? !mentions(f->e, by_text[i].text, by_text[i].kind)
			    : !version_after(f->e, by_text[i].word,
					     by_text[i].dated, version,
					     sizeof(version)))
			continue;
		c = add(f, by_text[i].kind, TLS_STRIPPED);
		if (c)
			memcpy(c->version, version, sizeof(version));
	}
}

bool tls_version_of(const struct elf *e, enum tls kind, char *out, size_t cap)
{
	for (size_t i = 0; i < BY_SYMBOL; i++)
		if (by_symbol[i].kind == kind && by_symbol[i].word)
			return version_after(e, by_symbol[i].word,
					     by_symbol[i].dated, out, cap);
	return false;
}

unsigned tls_copies_in(const struct elf *e, const char *path, bool library,
		       bool texts, struct tls_copy *out, unsigned max)
{
	struct finder f = {.e = e, .path = path, .out = out, .max = max};
	struct tls_copy *c;

	if (e->go[0]) {
		c = add(&f, TLS_GO, TLS_STRIPPED);
		if (c)
			snprintf(c->version, sizeof(c->version), "%s",
				 e->go[2] ? e->go : "");
		/* its texts name everything that it was made from */
		texts = false;
	}
	add_by_symbol(&f, library);
	if (texts)
		add_by_text(&f);
	return f.n;
}
