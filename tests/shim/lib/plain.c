#include "tests/shim/lib/plain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"

struct plain_peer plain_peer;
static int listener;

static bool answer(int fd, size_t body, unsigned sum)
{
	char text[128], out[256];
	int n = snprintf(text, sizeof(text), "got %zu %u", body, sum);

	n = snprintf(out, sizeof(out),
		     "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n,
		     text);
	return write(fd, out, (size_t)n) == n;
}

/* Requests with a length; whatever does not look like one comes back. */
static void *serve(void *arg)
{
	int fd = (int)(long)arg;
	char *buf = malloc(65536), *end, *cl;
	size_t have = 0, want, got, use;
	unsigned sum;
	ssize_t r;

	for (;;) {
		end = have ? memmem(buf, have, "\r\n\r\n", 4) : NULL;
		if (!end || strncmp(buf, "POST ", 5) != 0) {
			r = read(fd, buf + have, 65536 - have);
			if (r <= 0)
				break;
			plain_peer.bytes += (size_t)r;
			have += (size_t)r;
			if (have >= 5 && strncmp(buf, "POST ", 5) != 0) {
				r = write(fd, buf, have);
				have = 0;
			}
			continue;
		}
		plain_peer.heads++;
		*end = '\0';
		cl = strstr(buf, "Content-Length: ");
		want = cl ? strtoul(cl + 16, NULL, 10) : 0;
		end += 4;
		have -= (size_t)(end - buf);
		memmove(buf, end, have);
		for (got = 0, sum = 0;;) {
			use = have < want - got ? have : want - got;
			sum = peer_sum(sum, buf, use);
			got += use;
			have -= use;
			memmove(buf, buf + use, have);
			if (got == want)
				break;
			r = read(fd, buf, 65536);
			if (r <= 0)
				break;
			plain_peer.bytes += (size_t)r;
			have = (size_t)r;
		}
		if (got < want || !answer(fd, got, sum))
			break;
	}
	close(fd);
	free(buf);
	return NULL;
}

static void *accept_all(void *arg)
{
	pthread_t t;
	int fd;

	(void)arg;
	while ((fd = accept(listener, NULL, NULL)) >= 0)
		if (!pthread_create(&t, NULL, serve, (void *)(long)fd))
			pthread_detach(t);
	return NULL;
}

static struct sockaddr_in where;

static void start(void)
{
	socklen_t len = sizeof(where);
	char port[16];
	pthread_t t;

	where.sin_family = AF_INET;
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&where, sizeof(where)) ||
	    listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&where, &len))
		_exit(99);
	snprintf(port, sizeof(port), "%d", ntohs(where.sin_port));
	setenv("FAKE_PLAIN", port, 1);
	setenv("LLMGUARD_CONFIG", "named", 1);
	pthread_create(&t, NULL, accept_all, NULL);
}

int plain_dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!where.sin_port)
		start();
	return connect(fd, (struct sockaddr *)&where, sizeof(where)) ? -1 : fd;
}

int plain_dial_nonblocking(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (!where.sin_port)
		start();
	if (connect(fd, (struct sockaddr *)&where, sizeof(where)) &&
	    (errno != EINPROGRESS || poll(&p, 1, 5000) != 1))
		return -1;
	return fd;
}
