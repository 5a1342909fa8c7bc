#include "bpf/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* A cgroup's id is the number of its folder's inode. */
static bool is_cgroup(const char *path, uint64_t *id)
{
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC ||
	    stat(path, &st) || !S_ISDIR(st.st_mode))
		return false;
	*id = st.st_ino;
	return true;
}

int cgroup_id(const char *name, uint64_t *id)
{
	char path[PATH_MAX];
	struct mntent *m;
	int err = -ENODEV;
	FILE *f;

	if (is_cgroup(name, id))
		return 0;
	f = setmntent("/proc/self/mounts", "re");
	if (!f)
		return -errno;
	while (err && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2"))
			continue;
		err = -ENOENT;
		if (snprintf(path, sizeof(path), "%s/%s", m->mnt_dir, name) <
			    (int)sizeof(path) &&
		    is_cgroup(path, id))
			err = 0;
	}
	endmntent(f);
	return err;
}
