#ifndef LG_BPF_ATTACH_H
#define LG_BPF_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/loader.h"
#include "bpf/object.h"

/*
 * The files that are probed, each once, by device and inode: the same library
 * has many names (mount namespaces), and its name may lead to another file by
 * now. Each is held open, so that no other file gets its inode meanwhile. One
 * thread.
 */
struct attach;
struct attach_file;

typedef void attach_told_fn(void *arg, const char *path, const char *what,
			    unsigned nprobes);

/* user: borrowed, NULL none. told: a file was probed; may be NULL. */
int attach_new(struct loader *l, const struct offsets *user,
	       attach_told_fn *told, void *arg, struct attach **out);
/* Takes every probe away. */
void attach_del(struct attach *a);

/*
 * The file that path leads to, looked at once; name: what people call it. NULL
 * with *err 0: there is nothing to probe in it (why: *note, "" nobody's TLS;
 * good until the next call). NULL with *err: -errno. The file is good until
 * attach_sweep, or attach_del.
 */
struct attach_file *attach_get(struct attach *a, const char *path,
			       const char *name, int *err, const char **note);

const char *attach_name(const struct attach_file *f);
unsigned attach_kinds(const struct attach_file *f); /* object_kind */
const char *attach_what(const struct attach_file *f);
/* A TLS library, not ld.so alone. */
bool attach_is_tls(const struct attach_file *f);

/*
 * Probes it in every process that maps it (pid 0; never with return probes:
 * they would come to processes that are none of ours), or in one. Once more:
 * nothing. 0, -errno: no write can be seen.
 */
int attach_put(struct attach_file *f, uint32_t pid, bool may_return);
/* Takes away those of a pid (0: those of all). */
void attach_take(struct attach_file *f, uint32_t pid);
bool attach_is_put(const struct attach_file *f, uint32_t pid);
/* Of all processes. */
void attach_take_pid(struct attach *a, uint32_t pid);

/* The files that are wide, or of a pid. */
void attach_each(struct attach *a, void (*fn)(void *arg, struct attach_file *f),
		 void *arg);

/*
 * Are all probes still there? Each wide one is looked for in a fresh mapping
 * of ours, each one of a pid in that process's memory; what is gone is put
 * again, and what was changed in place is probed anew. How many files.
 */
int attach_canary(struct attach *a);
/*
 * Files without a name that nobody marked, or got, since the last sweep are
 * given up: no pointer to them is good any more.
 */
void attach_mark(struct attach_file *f);
void attach_sweep(struct attach *a);

#endif
