#ifndef LG_TOOLS_TLSCOPY_H
#define LG_TOOLS_TLSCOPY_H

#include <stdbool.h>

#include "elffile.h"

/* Whose TLS, in what form it is there, and how the guard comes to see it. */
enum tls {
	TLS_OPENSSL,
	TLS_BORINGSSL,
	TLS_GNUTLS,
	TLS_NSS,
	TLS_MBEDTLS,
	TLS_WOLFSSL,
	TLS_S2N,
	TLS_RUSTLS,
	TLS_GO,
	TLS_JSSE,
	TLS_KINDS
};

enum tls_form {
	TLS_SHARED,   /* a library of its own */
	TLS_EXPORTED, /* linked in, its functions exported */
	TLS_SYMBOLS,  /* linked in, named only in the symbol table */
	TLS_STRIPPED, /* linked in, known by its texts alone */
	TLS_RUNTIME,  /* of a virtual machine */
};

enum tls_reach {
	REACH_INTERPOSED, /* our functions stand before the library's */
	REACH_PATCHED,	  /* its functions' entries are patched */
	REACH_BIO,	  /* by the BIO functions */
	REACH_GNUTLS,
	REACH_NSS,
	REACH_PLAIN,  /* plain HTTP */
	REACH_TRACER, /* not from inside; llmguard-trace finds its functions */
	REACH_NONE,
};

struct tls_copy {
	enum tls kind;
	enum tls_form form;
	enum tls_reach reach;
	bool indirect; /* another library brings it along for itself */
	char path[400];
	char version[40]; /* "3.0.22", "go1.19.8", "" unknown */
	char why[320];	  /* of its reach */
	char remedy[200]; /* what to do about it, "" nothing */
};

/*
 * The copies that stand in this file: at most `max` are written to out, which
 * get kind, form, path and version. texts: search its texts too (slow).
 */
unsigned tls_copies_in(const struct elf *e, const char *path, bool library,
		       bool texts, struct tls_copy *out, unsigned max);

/* A library's own text of its version. False: none found. */
bool tls_version_of(const struct elf *e, enum tls kind, char *out, size_t cap);

const char *tls_name(enum tls t);
const char *tls_form_name(enum tls_form f);
const char *tls_reach_name(enum tls_reach r);

#endif
