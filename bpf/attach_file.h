#ifndef LG_BPF_ATTACH_FILE_H
#define LG_BPF_ATTACH_FILE_H

#include <sys/stat.h>
#include <time.h>

#include "bpf/attach.h"

/* Between the files of attach: a file and the probes in it. */

struct attach_links {
	struct attach_links *next;
	uint32_t pid; /* 0: wide */
	bool may_return;
	unsigned n;
	struct loader_link **link;
	struct object_point *point; /* point[i] of link[i] */
};

struct attach_file {
	struct attach_file *next;
	struct attach *owner;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
	int fd; /* -1: nothing to probe in it */
	uint32_t number;
	unsigned kinds;
	bool marked;
	struct attach_file *alias; /* the same inode below another device */
	struct attach_links *links;
	char name[256];
	char what[sizeof(((struct object *)0)->what)];
	char note[OBJECT_NOTE];
};

struct attach {
	struct loader *loader;
	const struct offsets *user;
	attach_told_fn *told;
	void *arg;
	uint32_t next_number;
	struct object object; /* of the last one that was read */
	struct attach_file *bucket[256];
};

/* Does a breakpoint stand at this place of the file, in a new mapping? */
bool attach_site_is_live(int fd, uint64_t file_at);
/* Another file of the registry that is this very inode, and is wide. */
struct attach_file *attach_find_alias(struct attach_file *f);
/* Looks into the file again, as it is now. 0, -errno. */
int attach_read(struct attach_file *f, bool may_return);
void attach_links_del(struct attach_file *f, struct attach_links *l);
/* Those of a pid, 0 wide; NULL. */
struct attach_links *attach_links_of(const struct attach_file *f, uint32_t pid);

#endif
