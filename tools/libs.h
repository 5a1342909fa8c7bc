#ifndef LG_TOOLS_LIBS_H
#define LG_TOOLS_LIBS_H

#include <stdbool.h>

#include "elffile.h"

/* TLS libraries by their names, as ldd or /proc/PID/maps shows them. */
enum tls {
	TLS_OPENSSL,
	TLS_GNUTLS,
	TLS_NSS,
	TLS_MBEDTLS,
	TLS_WOLFSSL,
	TLS_BORINGSSL,
	TLS_KINDS
};

struct libs {
	bool has[TLS_KINDS];
	char path[TLS_KINDS][256]; /* of the first of each */
	unsigned seen;
	char names[256][64];
};

const char *tls_name(enum tls t);
/* By a file's name; TLS_KINDS when it is none. */
enum tls tls_of(const char *name);
/* Everything that the program's DT_NEEDED lead to. */
void libs_find(const struct elf *e, const char *path, struct libs *out);

#endif
