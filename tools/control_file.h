#ifndef LG_TOOLS_CONTROL_FILE_H
#define LG_TOOLS_CONTROL_FILE_H

#include <stdbool.h>

#include "base/buf.h"
#include "guard/control.h"

struct lg_engine;
struct json;

/* The orders of `pause` and `disable PID`, as one tool changes them. */
struct control_file {
	char path[512];
	int lock; /* nobody else changes them meanwhile; -1: not held */
	struct lg_buf was; /* the file, without orders about dead processes */
	struct lg_buf now; /* as it will be */
};

enum control_how {
	CONTROL_LOOK,	/* without the lock */
	CONTROL_CHANGE, /* waits until nobody else changes them */
	CONTROL_TRY,	/* the same, -EWOULDBLOCK instead of waiting */
};

/* 0, -errno. */
int control_open(struct control_file *f, struct lg_engine *e,
		 enum control_how how);
void control_close(struct control_file *f);
/* Is there such an order now? */
bool control_has(const struct control_file *f, const struct lg_control *o);
void control_add(struct control_file *f, const struct lg_control *o);
/* Those for which gone says so are left out; how many were. */
unsigned control_drop(struct control_file *f,
		      bool (*gone)(const struct lg_control *o, void *arg),
		      void *arg);
/* Write it, and let programs know. 0, -errno. */
int control_save(struct control_file *f, struct lg_engine *e);

/* "scope project:x", "pid 123 (python3)", "all calls". */
const char *control_whom(const struct lg_control *o);
/* For `status`: into `paused`, `let_alone` and `stopped`. */
void control_json(struct json *j, struct lg_engine *e);
void control_text(struct lg_buf *out, struct lg_engine *e);

#endif
