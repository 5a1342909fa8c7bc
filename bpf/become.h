#ifndef LG_BPF_BECOME_H
#define LG_BPF_BECOME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * To work with the files of a user as that user: the effective ids of this
 * thread alone (raw system calls), so that what is created belongs to that
 * user, and a path of his leads nowhere that he may not go himself. The real
 * and the saved ids stay the tracer's: he cannot signal or trace it. Who is
 * not root stays who he is.
 */
struct become_user {
	uint32_t uid, gid;
	int ngroups;
	uint32_t groups[64];
};

/* Reads the user's group and groups; may ask the name service. A uid without
 * a name has no group. */
void become_user_init(struct become_user *u, uint32_t uid);
/* NULL: who we were at the start. 0, -errno: we are who we were at the start.
 */
int become(const struct become_user *u);
/* Whom we are now; NULL: who we were at the start. */
const struct become_user *become_whom(void);

#endif
