#ifndef LG_BPF_REAP_H
#define LG_BPF_REAP_H

#include <pthread.h>

/*
 * Links that are let go of. The kernel takes a tenth of a second to forget
 * one (it waits until no program runs in it), and as long for many at once: so
 * threads do it, a few at a time, and end when nothing is left.
 */
#define REAP_THREADS 32
struct bpf_link;
struct reap_item;

struct reap {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct reap_item *first;
	unsigned nthreads;
};

void reap_init(struct reap *r);
/* Takes ownership of the link, or of the descriptor where that is NULL. Any
 * thread. Where no thread can be had it waits itself. */
void reap_link(struct reap *r, struct bpf_link *link, int fd);
/* Waits until all are gone; more may follow. */
void reap_wait(struct reap *r);

#endif
