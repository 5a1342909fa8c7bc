#ifndef LG_BPF_OFFSETS_H
#define LG_BPF_OFFSETS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/probe.h"

/*
 * Functions that are probed, by the names that libraries give them, and the
 * user's places for stripped files. One thread per object.
 */
enum tls_family {
	FAMILY_OPENSSL, /* and BoringSSL, LibreSSL */
	FAMILY_GNUTLS,
	FAMILY_GO,
	FAMILY_LOADER,
};
struct tls_function {
	const char *name;
	enum probe_fn fn;
	enum tls_family family;
};
#define TLS_FUNCTIONS 20
extern const struct tls_function tls_functions[TLS_FUNCTIONS];
/* Its number in the table; -1. */
int tls_function_find(const char *name, size_t len);

/*
 * --offsets FILE. Lines, # begins a comment:
 *	build-id 0123456789abcdef...
 *	SSL_write 0x1a6b940
 *	SSL_read 0x1a6b180
 * The address is as nm and objdump print it (that of the ELF file's own
 * segments); file:0x... is an offset into the file. Any function in
 * the table above may stand there. At most 1 MB.
 */
struct offsets;
struct offset {
	unsigned function; /* in tls_functions */
	bool is_file;	   /* an offset into the file */
	uint64_t at;
	unsigned line;
};

/*
 * 0 with *out; else -errno, and text is "FILE:LINE: what is wrong with which
 * value, what was allowed".
 */
int offsets_open(const char *path, struct offsets **out, char *text,
		 size_t ntext);
/* name: what messages call it. */
int offsets_parse(const char *name, const char *p, size_t len,
		  struct offsets **out, char *text, size_t ntext);
void offsets_close(struct offsets *o);
/* Those of a build-id, borrowed; how many. */
unsigned offsets_of(const struct offsets *o, const char *build_id,
		    const struct offset **out);

#endif
