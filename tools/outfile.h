#ifndef LG_TOOLS_OUTFILE_H
#define LG_TOOLS_OUTFILE_H

#include <stdbool.h>

/*
 * A file that somebody named to write to: there whole, or as it was. It is
 * written under a name of its own in the same folder (made anew, 0600) and
 * renamed at the end. What is no regular file (a device, a FIFO, a
 * descriptor's name) is written into as it stands, never replaced; "-" is the
 * standard output. A link to a file stays one: its file is replaced.
 */
struct outfile {
	int fd;		 /* to write to */
	bool is_direct;	 /* no file: nothing to seek in, nothing to undo */
	char path[4096]; /* what is replaced */
	char temp[4096]; /* what fd is, by name; "" where direct */
};

/* 0; -errno, nothing is left. Blocks on a FIFO until it has a reader. */
int outfile_open(struct outfile *o, const char *name);
/*
 * err: what went wrong while it was written, then nothing takes the name. It
 * is on the disk when 0 is returned; else err, or -errno.
 */
int outfile_close(struct outfile *o, int err);
/* All of it. 0, -errno. */
int outfile_write(struct outfile *o, const void *p, unsigned long n);

#endif
