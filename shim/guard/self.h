#ifndef LG_GUARD_SELF_H
#define LG_GUARD_SELF_H

#include <stdbool.h>
#include <stdint.h>

/* Who this process is, as its rows say it. Text is NUL-terminated. */
struct lg_self {
	uint32_t uid;
	char exe[128];
	char comm[16];
	char login[64]; /* "" unknown */
	char home[256]; /* of the login, "" unknown */
};

/* Reads /proc/self and /etc/passwd; never the name service. */
void lg_self_read(struct lg_self *s);
/* Login and home of a uid, by /etc/passwd alone; false: not there. */
bool lg_self_login(struct lg_self *s, uint32_t uid);

/* getpid and getppid without a system call; right after a fork too. */
int32_t lg_self_pid(void);
int32_t lg_self_ppid(void);
/* Grows by one in each forked child. */
uint32_t lg_self_forks(void);
/* In a forked child, before anything else. */
void lg_self_after_fork(void);

#endif
