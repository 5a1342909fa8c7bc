#include "bpf/notice.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "guard/control.h"
#include "guard/file.h"
#include "tools/json.h"
#include "tools/tracers.h"

static void drop_dead(const char *dir)
{
	struct tracer_note n;
	struct dirent *entry;
	char path[800], text[4096];
	DIR *d = opendir(dir);

	while (d && (entry = readdir(d))) {
		if (strncmp(entry->d_name, TRACERS_PREFIX,
			    strlen(TRACERS_PREFIX)) ||
		    snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) >=
			    (int)sizeof(path))
			continue;
		if (lg_file_peek(path, text, sizeof(text)) <= 0 ||
		    !tracer_note_parse(text, &n) || n.ended ||
		    lg_control_start(n.pid) != n.start)
			unlink(path);
	}
	if (d)
		closedir(d);
}

struct notice *notice_of(struct notices *all, uint32_t uid, const char *dir)
{
	struct notice *n;

	for (unsigned i = 0; i < all->n; i++)
		if (!strcmp(all->of[i].dir, dir))
			return &all->of[i];
	if (all->n == NOTICES_MAX || strlen(dir) >= sizeof(n->dir))
		return NULL;
	n = &all->of[all->n++];
	memset(n, 0, sizeof(*n));
	become_user_init(&n->user, uid);
	strcpy(n->dir, dir);
	if (!become(&n->user))
		drop_dead(n->dir);
	become(NULL);
	return n;
}

static int put(const char *dir, const struct json *j)
{
	char path[600], beside[602];
	size_t n = j->b.len;
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/" TRACERS_PREFIX "%d.json", dir,
		 getpid());
	snprintf(beside, sizeof(beside), "%s~", path);
	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return -errno;
	if (write(fd, j->b.p, n) != (ssize_t)n)
		err = -EIO;
	close(fd);
	if (!err && rename(beside, path))
		err = -errno;
	if (err)
		unlink(beside);
	return err;
}

/* What an older one says, that we live, is no longer so. */
static void drop(const char *dir)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/" TRACERS_PREFIX "%d.json", dir,
		 getpid());
	unlink(path);
}

static void write_one(struct notice *n)
{
	struct json j;

	n->note.at_ms = n->written.at_ms;
	if (!memcmp(&n->note, &n->written, sizeof(n->note)))
		return;
	n->note.at_ms = lg_clock_real_ms();
	json_init(&j);
	tracer_note_format(&n->note, &j);
	if (!j.b.overflow && !become(&n->user)) {
		if (!put(n->dir, &j))
			n->written = n->note;
		else if (n->note.ended)
			drop(n->dir);
	}
	become(NULL);
	lg_buf_fini(&j.b);
}

void notices_write(struct notices *all, const struct tracer_note *common)
{
	for (unsigned i = 0; i < all->n; i++) {
		all->of[i].note = *common;
		all->of[i].note.calls = all->of[i].calls;
		all->of[i].note.cost_pusd = all->of[i].cost_pusd;
		write_one(&all->of[i]);
	}
}
