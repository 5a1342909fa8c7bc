#include "control_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "budget/region.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "json.h"

static const char *const kinds[] = {"pause", "off", "stopped"};

static void put_order(struct lg_buf *b, const struct lg_control *o)
{
	lg_buf_puts(b, kinds[o->kind]);
	if (o->pid) {
		lg_buf_puts(b, " pid ");
		lg_buf_put_i64(b, o->pid);
		lg_buf_putc(b, ' ');
		lg_buf_put_u64(b, o->start);
		if (o->by_budget)
			lg_buf_puts(b, " budget");
	} else if (o->scope.len) {
		lg_buf_puts(b, " scope ");
		lg_buf_put(b, o->scope.p, o->scope.len);
	} else {
		lg_buf_puts(b, " all");
	}
	lg_buf_putc(b, '\n');
}

static int load(struct control_file *f)
{
	struct lg_slice rest;
	struct lg_control o;
	size_t size;
	void *p;
	int err = lg_file_read(f->path, LG_CONTROL_MAX, &p, &size);

	if (err)
		return err == -ENOENT || err == -EPROTO ? 0 : err;
	rest = (struct lg_slice){p, size};
	while (lg_control_next(&rest, &o))
		if (!o.pid || lg_control_start(o.pid) == o.start)
			put_order(&f->was, &o);
	lg_mem_free(p, size);
	return lg_buf_put(&f->now, f->was.p, f->was.len);
}

static int lock_dir(struct control_file *f, const char *dir,
		    enum control_how how)
{
	int flags = how == CONTROL_TRY ? LOCK_EX | LOCK_NB : LOCK_EX;

	f->lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->lock < 0)
		return -errno;
	while (flock(f->lock, flags))
		if (errno != EINTR)
			return -errno;
	return 0;
}

int control_open(struct control_file *f, struct lg_engine *e,
		 enum control_how how)
{
	const char *dir = lg_engine_state_dir(e);
	int err = 0;

	memset(f, 0, sizeof(*f));
	f->lock = -1;
	lg_buf_init(&f->was, LG_CONTROL_MAX);
	lg_buf_init(&f->now, LG_CONTROL_MAX);
	if (lg_path_join(f->path, sizeof(f->path), dir, LG_CONTROL_FILE))
		return -ENAMETOOLONG;
	if (how != CONTROL_LOOK)
		err = lock_dir(f, dir, how);
	return err ? err : load(f);
}

void control_close(struct control_file *f)
{
	if (f->lock >= 0)
		close(f->lock);
	lg_buf_fini(&f->was);
	lg_buf_fini(&f->now);
}

static bool same(const struct lg_control *a, const struct lg_control *b)
{
	return a->kind == b->kind && a->pid == b->pid && a->start == b->start &&
	       a->by_budget == b->by_budget && lg_slice_eq(a->scope, b->scope);
}

bool control_has(const struct control_file *f, const struct lg_control *o)
{
	struct lg_slice rest = lg_buf_slice(&f->was);
	struct lg_control one;

	while (lg_control_next(&rest, &one))
		if (same(&one, o))
			return true;
	return false;
}

void control_add(struct control_file *f, const struct lg_control *o)
{
	if (!control_has(f, o))
		put_order(&f->now, o);
}

unsigned control_drop(struct control_file *f,
		      bool (*gone)(const struct lg_control *o, void *arg),
		      void *arg)
{
	struct lg_slice rest = lg_buf_slice(&f->was);
	struct lg_control o;
	unsigned n = 0;

	f->now.len = 0;
	while (lg_control_next(&rest, &o)) {
		if (gone(&o, arg))
			n++;
		else
			put_order(&f->now, &o);
	}
	return n;
}

int control_save(struct control_file *f, struct lg_engine *e)
{
	int err = f->now.overflow ? -EMSGSIZE : 0;

	if (!err && f->now.len)
		err = lg_file_replace(f->path, f->now.p, f->now.len);
	else if (!err && unlink(f->path) && errno != ENOENT)
		err = -errno;
	if (!err && lg_engine_region(e) && !lg_engine_is_readonly(e))
		lg_region_bump(lg_engine_region(e));
	return err;
}

static void comm_of(int32_t pid, char out[32])
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (lg_file_peek(path, out, 32) <= 0)
		strcpy(out, "?");
	out[strcspn(out, "\n")] = 0;
}

const char *control_whom(const struct lg_control *o)
{
	static char text[600];
	char comm[32];

	if (o->pid) {
		comm_of(o->pid, comm);
		snprintf(text, sizeof(text), "pid %d (%s)", o->pid, comm);
	} else if (o->scope.len) {
		snprintf(text, sizeof(text), "scope %.*s", (int)o->scope.len,
			 o->scope.p);
	} else {
		strcpy(text, "all calls");
	}
	return text;
}

static void list_json(struct json *j, const struct control_file *f,
		      const char *key, enum lg_control_kind kind)
{
	struct lg_slice rest = lg_buf_slice(&f->was);
	struct lg_control o;

	json_open(j, key, '[');
	while (lg_control_next(&rest, &o)) {
		if (o.kind != kind)
			continue;
		json_open(j, NULL, '{');
		if (o.pid)
			json_i64(j, "pid", o.pid);
		else
			json_slice(j, "scope",
				   o.scope.len ? o.scope : LG_SLICE("global"));
		json_close(j, '}');
	}
	json_close(j, ']');
}

void control_json(struct json *j, struct lg_engine *e)
{
	struct control_file f;

	control_open(&f, e, CONTROL_LOOK);
	list_json(j, &f, "paused", LG_CONTROL_PAUSE);
	list_json(j, &f, "let_alone", LG_CONTROL_OFF);
	list_json(j, &f, "stopped", LG_CONTROL_STOPPED);
	control_close(&f);
}

void control_text(struct lg_buf *out, struct lg_engine *e)
{
	static const char *const texts[][2] = {
		{"Paused: ", "; llmguard resume\n"},
		{"Let alone, only recorded: ", "; llmguard enable PID\n"},
		{"Stopped: ", "; llmguard resume PID\n"},
	};
	struct control_file f;
	struct lg_slice rest;
	struct lg_control o;

	control_open(&f, e, CONTROL_LOOK);
	rest = lg_buf_slice(&f.was);
	while (lg_control_next(&rest, &o)) {
		lg_buf_puts(out, texts[o.kind][0]);
		lg_buf_puts(out, control_whom(&o));
		lg_buf_puts(out, texts[o.kind][1]);
	}
	control_close(&f);
}
