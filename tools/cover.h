#ifndef LG_TOOLS_COVER_H
#define LG_TOOLS_COVER_H

#include <stdbool.h>

/* Does the preload see a program's TLS? */
enum cover_verdict {
	COVER_YES,
	COVER_MAYBE, /* nothing speaks against it, but no TLS was seen */
	COVER_NO,
};

struct cover {
	enum cover_verdict verdict;
	char path[512];	   /* the program that would run */
	char script[512];  /* what was asked for, when that is a script */
	char tls[64];	   /* "OpenSSL", "GnuTLS", "its own OpenSSL", "" */
	char library[512]; /* its file, "" */
	char why[1100];
	bool is_pid;
	bool guarded; /* of a pid: libllmguard.so is mapped there */
};

/* A command, by PATH as a shell finds it. 0; -ENOENT, -errno. */
int cover_command(const char *command, struct cover *out);
/* A running program. 0; -ESRCH; -EACCES. */
int cover_pid(int pid, struct cover *out);

#endif
