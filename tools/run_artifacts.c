#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "json.h"
#include "run.h"
#include "tool.h"

/* Like mkdir -p. */
static int make_folders(const char *path)
{
	char part[512];
	size_t i, n = strlen(path);

	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	for (i = 1; i <= n; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0777) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int run_artifacts_begin(struct run *r)
{
	const char *dir = r->c->v[RO_ARTIFACTS].text;
	char *real;
	int err;

	if (!r->c->v[RO_ARTIFACTS].set)
		return -1;
	err = make_folders(dir);
	if (err)
		return tool_fail("--artifacts %s: %s", dir, strerror(-err));
	real = realpath(dir, NULL);
	if (!real || strlen(real) >= sizeof(r->artifacts)) {
		free(real);
		return tool_fail("--artifacts %s: no folder that can be used",
				 dir);
	}
	if (access(real, W_OK | X_OK)) {
		err = errno;
		free(real);
		return tool_fail("--artifacts %s: %s", dir, strerror(err));
	}
	strcpy(r->artifacts, real);
	free(real);
	return -1;
}

/* A file that is there whole or not at all. */
struct out {
	char path[600], temp[640];
	FILE *f;
	int err;
};

static void out_open(struct out *o, const struct run *r, const char *name)
{
	int fd;

	o->err = 0;
	snprintf(o->path, sizeof(o->path), "%s/%s", r->artifacts, name);
	snprintf(o->temp, sizeof(o->temp), "%s.%d.tmp", o->path, getpid());
	fd = open(o->temp,
		  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	o->f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!o->f)
		o->err = -errno;
}

static int out_close(struct out *o)
{
	if (o->f) {
		if (fflush(o->f) || fsync(fileno(o->f)) || ferror(o->f))
			o->err = errno ? -errno : -EIO;
		fclose(o->f);
		if (!o->err && rename(o->temp, o->path))
			o->err = -errno;
		if (o->err)
			unlink(o->temp);
	}
	if (o->err)
		tool_warn("%s: %s", o->path, strerror(-o->err));
	return o->err;
}

static int put_row(void *ctx, const struct lg_row *row)
{
	struct out *o = ctx;
	char line[LG_ROW_LINE_MAX];
	struct lg_buf b;

	if (!o->f)
		return 0;
	lg_buf_init_fixed(&b, line, sizeof(line));
	if (lg_row_format(row, &b))
		return 0;
	if (fwrite(b.p, 1, b.len, o->f) != b.len)
		o->err = errno ? -errno : -EIO;
	return 0;
}

static void put_json(const struct run *r, const char *name,
		     void (*fill)(const struct run *, struct json *))
{
	struct out o;
	struct json j;

	json_init(&j);
	fill(r, &j);
	json_line(&j);
	out_open(&o, r, name);
	if (j.b.overflow)
		o.err = -ENOMEM;
	else if (o.f && fwrite(j.b.p, 1, j.b.len, o.f) != j.b.len)
		o.err = errno ? -errno : -EIO;
	out_close(&o);
	lg_buf_fini(&j.b);
}

/* What the files say should nobody come back to write them. */
static void put_late(struct run *r)
{
	enum run_end end = r->end;
	char reason[sizeof(r->reason)];

	memcpy(reason, r->reason, sizeof(reason));
	r->end = RUN_FAILED;
	r->ended_ms = lg_clock_real_ms();
	snprintf(r->reason, sizeof(r->reason),
		 "llmguard run did not see the end of it");
	put_json(r, "manifest.json", run_manifest);
	put_json(r, "summary.json", run_summary);
	r->end = end;
	memcpy(r->reason, reason, sizeof(reason));
}

void run_artifacts_write(struct run *r, bool late)
{
	struct out o;
	int err;

	if (!r->artifacts[0])
		return;
	out_open(&o, r, "costs.jsonl");
	err = run_tally_with(r, put_row, &o);
	if (err)
		tool_warn("ledger: %s", strerror(-err));
	out_close(&o);
	if (late) {
		put_late(r);
		return;
	}
	put_json(r, "manifest.json", run_manifest);
	put_json(r, "summary.json", run_summary);
}
