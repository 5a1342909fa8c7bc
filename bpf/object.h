#ifndef LG_BPF_OBJECT_H
#define LG_BPF_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/offsets.h"
#include "bpf/site.h"

/*
 * What a mapped ELF file has for us: whose TLS it is, and where its functions
 * are probed. The file belongs to somebody else: nothing in it is believed,
 * and it may shrink while it is read. One thread.
 */
#define OBJECT_POINTS_MAX 160
#define OBJECT_NOTE 120

/* A file may be several of them: bits. */
enum object_kind {
	OBJECT_OPENSSL = 1 << 0,
	OBJECT_BORINGSSL = 1 << 1,
	OBJECT_GNUTLS = 1 << 2,
	OBJECT_GO = 1 << 3,
	OBJECT_LOADER = 1 << 4,	 /* ld.so: _dl_debug_state */
	OBJECT_OFFSETS = 1 << 5, /* the user's offsets by build-id */
};

/* One probe: what loader_attach wants. */
struct object_point {
	uint64_t file_at;
	enum probe_fn fn;
	enum probe_end end; /* NONE: the entry */
	uint16_t end_arg;
	bool is_return;
	bool is_cheap; /* the kernel emulates the instruction */
};

struct object {
	unsigned kinds;	    /* 0: nothing to probe */
	char what[48];	    /* "OpenSSL, static", "Go 1.19.8", ... */
	char build_id[129]; /* hex, "" none */
	bool has_reads, has_writes;
	/* What cannot be seen in this file, and why; "" nothing. */
	char note[OBJECT_NOTE];
	unsigned npoints;
	struct object_point points[OBJECT_POINTS_MAX];
};

/*
 * path: the file by any name that leads to it now (/proc/PID/map_files/A-B,
 * /proc/PID/exe, ...). may_return: return probes are allowed on it (nobody
 * who maps it is under seccomp). user: the offsets file, NULL none.
 * 0 with *out, also when there is nothing (kinds 0, npoints 0; the note says
 * why when a TLS library was recognised but cannot be probed); -ENOEXEC: not
 * an ELF file of this machine; -EIO: it changed while it was read; -errno.
 */
int object_read(const char *path, bool may_return, const struct offsets *user,
		struct object *out);
/* The same of bytes in memory, for tests. */
int object_parse(const void *p, size_t size, bool may_return,
		 const struct offsets *user, struct object *out);
/* number: the caller's number of this file. */
uint64_t object_cookie(const struct object_point *p, uint32_t number);

#endif
