#include "bpf/reap.h"

#include <bpf/libbpf.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct reap_item {
	struct reap_item *next;
	struct bpf_link *link;
	int fd;
};

void reap_init(struct reap *r)
{
	*r = (struct reap){.lock = PTHREAD_MUTEX_INITIALIZER,
			   .idle = PTHREAD_COND_INITIALIZER};
}

static void let_go(struct bpf_link *link, int fd)
{
	if (link)
		bpf_link__destroy(link);
	else
		close(fd);
}

static struct reap_item *take(struct reap *r)
{
	struct reap_item *i;

	pthread_mutex_lock(&r->lock);
	i = r->first;
	if (i)
		r->first = i->next;
	else if (!--r->nthreads)
		pthread_cond_broadcast(&r->idle);
	pthread_mutex_unlock(&r->lock);
	return i;
}

static void *work(void *arg)
{
	struct reap *r = arg;
	struct reap_item *i;

	while ((i = take(r))) {
		let_go(i->link, i->fd);
		free(i);
	}
	return NULL;
}

/* Signals are the main thread's. */
static int start(struct reap *r)
{
	pthread_attr_t attr;
	sigset_t all, was;
	pthread_t t;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 << 10);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	err = pthread_create(&t, &attr, work, r);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

void reap_link(struct reap *r, struct bpf_link *link, int fd)
{
	struct reap_item *i = malloc(sizeof(*i));
	bool more;

	if (!i) {
		let_go(link, fd);
		return;
	}
	i->link = link;
	i->fd = fd;
	pthread_mutex_lock(&r->lock);
	i->next = r->first;
	r->first = i;
	more = r->nthreads < REAP_THREADS;
	r->nthreads += more;
	pthread_mutex_unlock(&r->lock);
	if (more && start(r))
		work(r);
}

void reap_wait(struct reap *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->nthreads)
		pthread_cond_wait(&r->idle, &r->lock);
	pthread_mutex_unlock(&r->lock);
}
