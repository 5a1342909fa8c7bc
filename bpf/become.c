#include "bpf/become.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 64
#define KEEP ((uint32_t)-1)
#define NOGROUP 65534 /* a uid is no group */

static const struct become_user *now;
static struct {
	uint32_t uid, gid;
	int ngroups;
	gid_t *groups;
} start;
static bool started, may;

void become_user_init(struct become_user *u, uint32_t uid)
{
	gid_t groups[GROUPS_MAX];
	struct passwd *pw = getpwuid(uid);
	int n = GROUPS_MAX;

	memset(u, 0, sizeof(*u));
	u->uid = uid;
	u->gid = pw ? pw->pw_gid : NOGROUP;
	if (!pw || getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
		return;
	u->ngroups = n;
	for (int i = 0; i < n; i++)
		u->groups[i] = groups[i];
}

static void note_start(void)
{
	int n = getgroups(0, NULL);

	started = true;
	start.uid = geteuid();
	start.gid = getegid();
	start.groups = calloc(n > 0 ? (size_t)n : 1, sizeof(gid_t));
	if (start.groups && n > 0)
		n = getgroups(n, start.groups);
	start.ngroups = n > 0 ? n : 0;
	may = !start.uid && start.groups && n >= 0;
}

/* Root's rights are back before, and left after the groups were changed. */
static int put_on(const struct become_user *u)
{
	if (syscall(SYS_setgroups, u->ngroups, u->groups) ||
	    syscall(SYS_setresgid, KEEP, u->gid, KEEP) ||
	    syscall(SYS_setresuid, KEEP, u->uid, KEEP))
		return -errno;
	return 0;
}

static void go_back(void)
{
	/* the saved ids allow it always: else we must not go on */
	if (syscall(SYS_setresuid, KEEP, start.uid, KEEP) ||
	    syscall(SYS_setresgid, KEEP, start.gid, KEEP) ||
	    syscall(SYS_setgroups, start.ngroups, start.groups))
		abort();
	now = NULL;
}

int become(const struct become_user *u)
{
	int saved = errno, err = 0;

	if (!started)
		note_start();
	if (u && u->uid == start.uid)
		u = NULL;
	if (!may || u == now)
		return 0;
	if (now)
		go_back();
	if (u) {
		err = put_on(u);
		if (err)
			go_back();
		else
			now = u;
	}
	errno = saved;
	return err;
}

const struct become_user *become_whom(void)
{
	return now;
}
