#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "budget/swap.h"

static char dir[32], path[64], other[64], state_dir[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/dev/shm/lgtestXXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/region", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	return mkdir(state_dir, 0700);
}

static int teardown(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static int open_it(const char *p, bool create, struct lg_region **r,
		   bool *created)
{
	struct lg_region_options o = {.path = p, .create = create};

	return lg_region_open(&o, r, created);
}

static void put(const char *p, const void *bytes, size_t n)
{
	int fd = open(p, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static int open_code(void)
{
	struct lg_region *r;
	bool created;
	int err = open_it(path, true, &r, &created);

	if (err == 0) {
		lg_region_close(r);
		assert_true(created);
	}
	return err;
}

static void builds_and_finds(void **state)
{
	struct lg_region *a, *b;
	char u1[33], u2[33];
	bool created;
	struct stat st;

	(void)state;
	assert_int_equal(open_it(path, false, &a, &created), -ENOENT);
	errno = 77;
	assert_int_equal(open_it(path, true, &a, &created), 0);
	assert_int_equal(errno, 77);
	assert_true(created);
	assert_int_equal(open_it(path, true, &b, &created), 0);
	assert_false(created);
	lg_region_uuid(a, u1);
	lg_region_uuid(b, u2);
	assert_string_equal(u1, u2);
	assert_int_equal(strlen(u1), 32);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_true(st.st_size < 4 << 20);
	assert_true(st.st_blocks * 512 >= st.st_size);
	assert_true(lg_region_is_current(a, path));
	assert_int_equal(lg_region_generation(a), 1);
	lg_region_bump(b);
	assert_int_equal(lg_region_generation(a), 2);
	assert_false(lg_region_is_disabled(a));
	lg_region_set_disabled(b, true);
	assert_true(lg_region_is_disabled(a));
	lg_region_set_disabled(b, false);
	lg_region_count(a, LG_COUNT_CALLS, 3);
	assert_int_equal(lg_region_counter(b, LG_COUNT_CALLS), 3);
	unlink(path);
	assert_false(lg_region_is_current(a, path));
	lg_region_close(a);
	lg_region_close(b);
}

static void refuses_foreign_files(void **state)
{
	static char junk[5 << 20];
	struct lg_region *r;
	int fd, i;

	(void)state;
	put(path, "", 0);
	assert_int_equal(open_code(), -EPROTO);
	put(path, "LLMGRGN", 8);
	assert_int_equal(open_code(), -EPROTO);
	for (i = 0; i < (int)sizeof(junk); i++)
		junk[i] = (char)(i * 7);
	put(path, junk, sizeof(struct lg_map));
	assert_int_equal(open_code(), -EPROTO);
	put(path, junk, sizeof(junk));
	assert_int_equal(open_code(), -EPROTO);
	unlink(path);
	/* Truncated at every kind of place. */
	for (i = 0; i < 8; i++) {
		assert_int_equal(open_code(), 0);
		assert_int_equal(
			truncate(path,
				 (off_t)sizeof(struct lg_map) * i / 8 + i * 3),
			0);
		assert_int_equal(open_code(), -EPROTO);
		unlink(path);
	}
	/* Another ABI, and a header that lies. */
	assert_int_equal(open_it(path, true, &r, NULL), 0);
	r->map->head.major++;
	assert_int_equal(open_code(), -ENOTSUP);
	r->map->head.major--;
	r->map->head.nslots++;
	assert_int_equal(open_code(), -EPROTO);
	lg_region_close(r);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, sizeof(struct lg_map)), 0);
	close(fd);
	assert_int_equal(open_code(), -EPROTO);
	unlink(path);
}

static void refuses_traps(void **state)
{
	(void)state;
	assert_int_equal(open_code(), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(open_code(), -EPERM);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(open_code(), -EPERM);
	unlink(path);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(open_code(), -EPERM);
	unlink(path);
	unlink(other);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(open_code(), -EPERM);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_not_equal(open_code(), 0);
	rmdir(path);
	if (geteuid() == 0) {
		assert_int_equal(open_code(), 0);
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_int_equal(open_code(), -EPERM);
		unlink(path);
	}
	assert_int_equal(open_it("/nonexistent/x/region", true,
				 &(struct lg_region *){NULL}, NULL),
			 -ENOENT);
}

/* A sparse copy is filled before it is mapped, or refused. */
static void fills_holes(void **state)
{
	struct lg_region *r;
	struct lg_head head;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(open_it(path, true, &r, NULL), 0);
	head = r->map->head;
	lg_region_close(r);
	put(path, &head, sizeof(head));
	fd = open(path, O_RDWR);
	assert_int_equal(ftruncate(fd, sizeof(struct lg_map)), 0);
	close(fd);
	assert_int_equal(open_it(path, true, &r, NULL), 0);
	stat(path, &st);
	assert_true(st.st_blocks * 512 >= st.st_size);
	lg_region_close(r);
	unlink(path);
}

static void no_room(void **state)
{
	struct rlimit lim, was;
	char small[64], p[80];

	(void)state;
	getrlimit(RLIMIT_FSIZE, &was);
	lim = was;
	lim.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	assert_int_equal(open_code(), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &was);
	snprintf(small, sizeof(small), "%s/small", dir);
	mkdir(small, 0700);
	if (mount("tmpfs", small, "tmpfs", 0, "size=1m") != 0) {
		print_message("may not mount: a full /dev/shm is not tried\n");
		return;
	}
	snprintf(p, sizeof(p), "%s/region", small);
	assert_int_equal(open_it(p, true, &(struct lg_region *){NULL}, NULL),
			 -ENOSPC);
	assert_int_not_equal(access(p, F_OK), 0);
	umount(small);
}

static void one_of_many_builds(void **state)
{
	int fd[2], i, made = 0;
	char uuid[33], first[33] = "";

	(void)state;
	assert_int_equal(pipe(fd), 0);
	for (i = 0; i < 16; i++) {
		if (fork() == 0) {
			struct lg_region *r;
			bool created = false;
			char msg[34];

			if (open_it(path, true, &r, &created) != 0)
				_exit(1);
			lg_region_uuid(r, msg);
			msg[33] = created ? '1' : '0';
			_exit(write(fd[1], msg, 34) != 34);
		}
	}
	for (i = 0; i < 16; i++) {
		char msg[34];
		int st;

		assert_int_equal(read(fd[0], msg, 34), 34);
		memcpy(uuid, msg, 33);
		if (first[0] == '\0')
			strcpy(first, uuid);
		assert_string_equal(uuid, first);
		made += msg[33] == '1';
		wait(&st);
		assert_int_equal(st, 0);
	}
	assert_int_equal(made, 1);
	unlink(path);
}

static void one_region_a_ledger(void **state)
{
	struct lg_region_options o = {
		.path = path, .state_dir = state_dir, .create = true};
	struct lg_region_options o2 = {
		.path = other, .state_dir = state_dir, .create = true};
	struct lg_region *a, *b;
	char rival[64], state2[64];

	(void)state;
	assert_int_equal(lg_region_open(&o, &a, NULL), 0);
	assert_int_equal(lg_region_open(&o2, &b, NULL), -EEXIST);
	assert_int_equal(lg_region_rival(state_dir, rival, sizeof(rival)), 0);
	assert_string_equal(rival, path);
	/* The same one again is fine. */
	assert_int_equal(lg_region_open(&o, &b, NULL), 0);
	lg_region_close(b);
	/* Another ledger's. */
	snprintf(state2, sizeof(state2), "%s/state2", dir);
	mkdir(state2, 0700);
	o.state_dir = state2;
	assert_int_equal(lg_region_open(&o, &b, NULL), -EXDEV);
	/* It vanished: the next one takes its place. */
	unlink(path);
	assert_int_equal(lg_region_open(&o2, &b, NULL), 0);
	lg_region_close(b);
	lg_region_close(a);
	unlink(other);
	/* A state directory that cannot be written is no obstacle. */
	o.state_dir = "/proc/1";
	assert_int_equal(lg_region_open(&o, &b, NULL), 0);
	lg_region_close(b);
	unlink(path);
}

static void readonly_looks(void **state)
{
	struct lg_region_options o = {.path = path, .readonly = true};
	struct lg_charge c = {0, 1, 1, 1};
	struct lg_cell_view v;
	struct lg_region *r;
	struct lg_hold h;

	(void)state;
	assert_int_equal(lg_region_open(&o, &r, NULL), -ENOENT);
	assert_int_equal(open_code(), 0);
	assert_int_equal(lg_region_open(&o, &r, NULL), 0);
	assert_int_equal(lg_hold_take(r, &c, 1, "", 0, &h, NULL), -EROFS);
	assert_int_equal(lg_hold_row(r, "", 0, &h), -EROFS);
	assert_int_equal(lg_cell_view(r, 0, &v), -ENOENT);
	lg_region_bump(r);
	lg_region_set_disabled(r, true);
	assert_int_equal(lg_hold_sweep(r, true, NULL, NULL), 0);
	lg_region_close(r);
	unlink(path);
}

static void default_paths(void **state)
{
	char a[128], b[128], want[64];

	(void)state;
	assert_int_equal(lg_region_default_path("/x", true, a, sizeof(a)), 0);
	snprintf(want, sizeof(want), "/dev/shm/llmguard-%u.v1", geteuid());
	assert_string_equal(a, want);
	assert_int_equal(lg_region_default_path("/x", false, a, sizeof(a)), 0);
	assert_int_equal(lg_region_default_path("/y", false, b, sizeof(b)), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(lg_region_default_path("/x", false, a, 10),
			 -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builds_and_finds),
		cmocka_unit_test(refuses_foreign_files),
		cmocka_unit_test(refuses_traps),
		cmocka_unit_test(fills_holes),
		cmocka_unit_test(no_room),
		cmocka_unit_test(one_of_many_builds),
		cmocka_unit_test(one_region_a_ledger),
		cmocka_unit_test(readonly_looks),
		cmocka_unit_test(default_paths),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
