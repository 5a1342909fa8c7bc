#ifndef LG_BPF_CGROUP_H
#define LG_BPF_CGROUP_H

#include <stdint.h>

/*
 * The id of a cgroup (v2) by its folder, or by its path below the place where
 * cgroup2 is mounted: "/system.slice/x.service". 0 with *id; -ENOENT there is
 * none of that name; -ENODEV no cgroup2 is mounted; -errno.
 */
int cgroup_id(const char *name, uint64_t *id);

#endif
