#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "doc.h"
#include "guard/engine.h"
#include "guard/file.h"
#include "guard/phase.h"
#include "json.h"
#include "run.h"
#include "tool.h"

#define KEPT_S (INT64_C(180) * 86400) /* a run that ended can go on so long */

/* When this process id began, in clock ticks since the boot; 0: not there. */
static uint64_t start_of(pid_t pid)
{
	char path[64], buf[1024], *p;
	unsigned long long start = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (lg_file_peek(path, buf, sizeof(buf)) <= 0)
		return 0;
	p = strrchr(buf, ')');
	/* field 22; the third follows the name */
	if (!p || sscanf(p + 1,
			 " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
			 "%*d %*d %*d %*d %*d %*d %llu",
			 &start) != 1)
		return 0;
	return start;
}

bool run_record_is_live(const struct run_record *rec)
{
	return !strcmp(rec->status, "running") && rec->pid &&
	       rec->pid <= INT32_MAX &&
	       start_of((pid_t)rec->pid) == rec->pid_start;
}

static void put_limit(struct json *j, const char *key, int64_t pusd)
{
	json_usd(j, key, pusd);
}

static void put_record(const struct run *r, const char *status, struct json *j)
{
	static const char *const breaches[] = {"block", "stop", "continue"};

	json_open(j, NULL, '{');
	json_u64(j, "v", 1);
	json_text(j, "run_id", r->id);
	json_text(j, "experiment", r->experiment);
	json_text(j, "project", r->project);
	json_text(j, "status", status ? status : "running");
	json_text(j, "cancel_reason", r->reason);
	json_u64(j, "pid", (uint64_t)getpid());
	json_u64(j, "pid_start", start_of(getpid()));
	json_u64(j, "begun_ms", (uint64_t)r->begun_ms);
	json_text(j, "on_breach", breaches[r->on_breach]);
	put_limit(j, "max_usd", r->limits.max);
	put_limit(j, "warn_usd", r->limits.warn);
	put_limit(j, "max_train_usd", r->limits.train);
	put_limit(j, "max_infer_usd", r->limits.infer);
	put_limit(j, "warn_train_usd", r->limits.warn_train);
	put_limit(j, "warn_infer_usd", r->limits.warn_infer);
	put_limit(j, "experiment_max_usd", r->limits.experiment);
	json_close(j, '}');
	json_line(j);
}

void run_record_write(const struct run *r, const char *status)
{
	const char *dir = lg_engine_state_dir(r->e);
	char path[360];
	struct json j;
	int err;

	if (r->nested)
		return;
	json_init(&j);
	put_record(r, status, &j);
	err = lg_path_join(path, sizeof(path), dir, LG_RUNS_DIR);
	if (!err && mkdir(path, 0700) && errno != EEXIST)
		err = -errno;
	if (!err)
		err = lg_run_path(dir, r->id, ".json", path, sizeof(path));
	if (!err)
		err = j.b.overflow ? -ENOMEM
				   : lg_file_replace(path, j.b.p, j.b.len);
	lg_buf_fini(&j.b);
	if (err)
		tool_warn("this run cannot be resumed: its record cannot be "
			  "written: %s",
			  strerror(-err));
}

static void get_text(const struct doc *d, const char *key, char *out,
		     size_t cap)
{
	lg_slice_copy(doc_text(doc_get(d, key)), out, cap);
}

static uint64_t get_u64(const struct doc *d, const char *key)
{
	uint64_t n = 0;

	return lg_slice_u64(doc_text(doc_get(d, key)), &n) ? 0 : n;
}

static int64_t get_limit(const struct doc *d, const char *key)
{
	const struct doc *v = doc_get(d, key);
	int64_t pusd;

	if (!v || v->kind != DOC_NUMBER || lg_money_parse(v->text, &pusd) ||
	    pusd < 0 || pusd > LG_MONEY_LIMIT_MAX)
		return RUN_NO_LIMIT;
	return pusd;
}

static void take_record(const struct doc *d, struct run_record *out)
{
	get_text(d, "run_id", out->id, sizeof(out->id));
	get_text(d, "experiment", out->experiment, sizeof(out->experiment));
	get_text(d, "project", out->project, sizeof(out->project));
	get_text(d, "status", out->status, sizeof(out->status));
	get_text(d, "on_breach", out->on_breach, sizeof(out->on_breach));
	out->limits = (struct run_limits){
		.max = get_limit(d, "max_usd"),
		.warn = get_limit(d, "warn_usd"),
		.train = get_limit(d, "max_train_usd"),
		.infer = get_limit(d, "max_infer_usd"),
		.warn_train = get_limit(d, "warn_train_usd"),
		.warn_infer = get_limit(d, "warn_infer_usd"),
		.experiment = get_limit(d, "experiment_max_usd"),
	};
	out->begun_ms = (int64_t)(get_u64(d, "begun_ms") & INT64_MAX);
	out->pid = get_u64(d, "pid");
	out->pid_start = get_u64(d, "pid_start");
}

static int read_path(const char *path, struct run_record *out)
{
	struct doc_arena a = {NULL, 0};
	struct doc *d = NULL;
	struct doc_error why;
	struct lg_slice text;
	int err = doc_read(&a, path, &text, &why);

	memset(out, 0, sizeof(*out));
	if (!err)
		err = doc_parse_json(&a, path, text, &d, &why);
	if (!err)
		take_record(d, out);
	doc_arena_fini(&a);
	return err;
}

int run_record_read(const char *state_dir, const char *id,
		    struct run_record *out)
{
	char path[400];
	int err = lg_run_path(state_dir, id, ".json", path, sizeof(path));

	if (!err)
		err = read_path(path, out);
	/* another id with the same file name is another run */
	return err ? err : strcmp(out->id, id) ? -ENOENT : 0;
}

/* -- old ones --------------------------------------------------------------
 */

/* What `name` ends with, or NULL. */
static const char *tail_of(const char *name, const char *tail)
{
	size_t n = strlen(name), t = strlen(tail);

	return n > t && !strcmp(name + n - t, tail) ? name + n - t : NULL;
}

/* A run that still goes on keeps its files, however old. */
static bool is_in_use(const char *dir, const char *name)
{
	const char *tail = tail_of(name, ".json");
	struct run_record rec;
	char path[400];

	if (!tail)
		tail = tail_of(name, ".phase");
	if (!tail || snprintf(path, sizeof(path), "%s/%.*s.json", dir,
			      (int)(tail - name), name) >= (int)sizeof(path))
		return false;
	return !read_path(path, &rec) && run_record_is_live(&rec);
}

void run_record_clean(const char *state_dir)
{
	int64_t limit = lg_clock_real_ms() / 1000 - KEPT_S;
	char dir[360];
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (lg_path_join(dir, sizeof(dir), state_dir, LG_RUNS_DIR))
		return;
	d = opendir(dir);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && !tail_of(e->d_name, ".halt") &&
		    !fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode) && st.st_mtime < limit &&
		    !is_in_use(dir, e->d_name))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}
