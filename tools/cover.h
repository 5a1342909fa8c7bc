#ifndef LG_TOOLS_COVER_H
#define LG_TOOLS_COVER_H

#include <stdbool.h>
#include <stdint.h>

#include "tlscopy.h"

#define COVER_COPIES_MAX 16
#define COVER_CONDS_MAX 24

/* Does the guard see a program's TLS? */
enum cover_verdict {
	COVER_YES,
	COVER_PARTLY, /* some copies of what it carries, and others not */
	COVER_MAYBE,  /* nothing speaks against it, but no TLS was seen */
	COVER_NO,
};

/* Something about the program or its surroundings that matters. */
struct cover_cond {
	const char *id;	    /* "setuid", "musl" (docs/doctor.md) */
	char text[300];	    /* what is so */
	const char *remedy; /* what to do about it, one sentence */
};

struct cover {
	enum cover_verdict verdict;
	char path[512];	  /* the program that would run */
	char script[512]; /* what was asked for, when that is a script */
	char comm[20];	  /* of a pid */
	char why[1600];
	bool is_pid;
	bool guarded;	/* of a pid: libllmguard.so is mapped there */
	bool patching;	/* of a pid: llmguard-patch.so is, too */
	bool preloads;	/* nothing keeps libllmguard.so from being loaded */
	bool disabled;	/* it is, or would be, and does nothing there */
	bool patch_off; /* LLMGUARD_PATCH=off */
	uint32_t uid;	/* of a pid */
	unsigned ncopies, nconds;
	struct tls_copy copy[COVER_COPIES_MAX];
	struct cover_cond cond[COVER_CONDS_MAX];
};

/* A command, by PATH as a shell finds it. 0; -ENOENT, -errno. */
int cover_command(int argc, char **argv, struct cover *out);
/* A running program. 0; -ESRCH; -EACCES. */
int cover_pid(int pid, struct cover *out);

const char *cover_verdict_name(enum cover_verdict v);
/* The first copy that is reached, else the first; NULL none was seen. */
const struct tls_copy *cover_main_copy(const struct cover *c);
/* The one thing to do first; "" nothing. */
const char *cover_remedy(const struct cover *c);

/* -- between the files of cover ---------------------------------------- */

/* What the installed preload has hooks for. */
struct cover_guard {
	char preload[1024]; /* "": not found */
	char patch[1024];   /* llmguard-patch.so, "" */
	unsigned hooks;	    /* ELF_BIT of what it exports */
};
const struct cover_guard *cover_guard(void);

void cover_add_cond(struct cover *c, const char *id, const char *remedy,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
bool cover_has_cond(const struct cover *c, const char *id);
/* Of the file: machine, static, musl, more rights. Sets preloads. */
void cover_look_file(struct cover *c, const struct elf *e, const char *file);
/* The copies in this file, added to those of c. */
void cover_add_copies(struct cover *c, const struct elf *e, const char *path,
		      bool library);
/* What LLMGUARD_*, LD_PRELOAD say; get: of that environment. */
void cover_look_env(struct cover *c,
		    const char *(*get)(const char *name, void *arg), void *arg);
/* Reach of each copy, then the verdict and why. */
void cover_judge(struct cover *c);

#endif
