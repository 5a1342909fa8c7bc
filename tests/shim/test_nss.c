/* NSS through the guard: what is peculiar to it and to NSPR. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/shim/lib/peer.h"

#define BIG 3000000
#define REQ(more, n)                                                           \
	"POST /a HTTP/1.1\r\nHost: localhost\r\n" more "Content-Length: " #n   \
	"\r\n\r\n"
#define ASK REQ("", 2) "hi"
#define ASK_REFUSED REQ("x-fake: block\r\n", 2) "hi"
#define ASK_EDITED REQ("x-fake: swallow\r\n", 2) "hi"

/* Of NSPR's and NSS's ABI: the headers need not be there. */
typedef struct PRFileDesc PRFileDesc;
struct poll_desc {
	PRFileDesc *fd;
	int16_t in, out;
};
struct option_data {
	int option;
	union {
		int on;
		uint64_t room[16];
	} value;
};
struct iov {
	const char *p;
	int n;
};
#define POLL_READ 1
#define POLL_WRITE 2
#define NO_TIMEOUT UINT32_MAX
#define TOP_LAYER (-2)
#define PEEK 2
#define WOULD_BLOCK (-5998)
#define SECURITY 1
#define AS_CLIENT 5

PRFileDesc *PR_ImportTCPSocket(int fd);
int PR_SetSocketOption(PRFileDesc *fd, const struct option_data *o);
int PR_Write(PRFileDesc *fd, const void *p, int n);
int PR_Writev(PRFileDesc *fd, const struct iov *v, int n, uint32_t timeout);
int PR_Read(PRFileDesc *fd, void *p, int n);
int PR_Send(PRFileDesc *fd, const void *p, int n, int flags, uint32_t t);
int PR_Recv(PRFileDesc *fd, void *p, int n, int flags, uint32_t t);
int PR_Available(PRFileDesc *fd);
int PR_Poll(struct poll_desc *v, int n, uint32_t timeout);
int PR_Shutdown(PRFileDesc *fd, int how);
int PR_Close(PRFileDesc *fd);
int PR_GetError(void);
int PR_GetUniqueIdentity(const char *name);
const void *PR_GetDefaultIOMethods(void);
PRFileDesc *PR_CreateIOLayerStub(int id, const void *methods);
int PR_PushIOLayer(PRFileDesc *fd, int id, PRFileDesc *layer);
PRFileDesc *PR_PopIOLayer(PRFileDesc *fd, int id);
PRFileDesc *PR_Open(const char *name, int flags, int mode);
int PR_TransmitFile(PRFileDesc *fd, PRFileDesc *file, const void *head, int n,
		    int flags, uint32_t timeout);
int NSS_NoDB_Init(const char *dir);
int NSS_SetDomesticPolicy(void);
PRFileDesc *SSL_ImportFD(PRFileDesc *model, PRFileDesc *fd);
int SSL_OptionSet(PRFileDesc *fd, int option, long on);
int SSL_AuthCertificateHook(PRFileDesc *fd,
			    int (*f)(void *, PRFileDesc *, int, int),
			    void *arg);
int SSL_SetURL(PRFileDesc *fd, const char *url);
int SSL_ResetHandshake(PRFileDesc *fd, int as_server);
int SSL_ForceHandshake(PRFileDesc *fd);
int SSL_DataPending(PRFileDesc *fd);

static int trust(void *arg, PRFileDesc *fd, int check, int server)
{
	(void)arg, (void)fd, (void)check, (void)server;
	return 0;
}

static int last; /* the socket below */

static PRFileDesc *dial(bool layered)
{
	static bool ready;
	PRFileDesc *fd, *layer;

	if (!ready && (NSS_NoDB_Init(NULL) || NSS_SetDomesticPolicy()))
		return NULL;
	ready = true;
	last = client_socket(false);
	fd = SSL_ImportFD(NULL, PR_ImportTCPSocket(last));
	if (!fd || SSL_OptionSet(fd, SECURITY, 1) ||
	    SSL_OptionSet(fd, AS_CLIENT, 1) ||
	    SSL_AuthCertificateHook(fd, trust, NULL) ||
	    SSL_SetURL(fd, "localhost") || SSL_ResetHandshake(fd, 0))
		return NULL;
	if (layered) {
		layer = PR_CreateIOLayerStub(PR_GetUniqueIdentity("above"),
					     PR_GetDefaultIOMethods());
		if (PR_PushIOLayer(fd, TOP_LAYER, layer))
			return NULL;
	} else if (SSL_ForceHandshake(fd)) {
		return NULL;
	}
	return fd;
}

static void set_nonblocking(PRFileDesc *fd)
{
	struct option_data o = {.value.on = 1};

	PR_SetSocketOption(fd, &o);
}

static bool wait_for(PRFileDesc *fd, int16_t what)
{
	struct poll_desc p = {.fd = fd, .in = what};

	return PR_Poll(&p, 1, 10000) == 1;
}

static int answered(PRFileDesc *fd, const char *want)
{
	char out[1024];
	int n = 0, r;

	do {
		r = PR_Read(fd, out + n, (int)sizeof(out) - 1 - n);
		if (r < 0 && PR_GetError() == WOULD_BLOCK) {
			CHECK(wait_for(fd, POLL_READ));
			continue;
		}
		n += r > 0 ? r : 0;
		out[n] = '\0';
	} while (r && !strstr(out, want) && n < 1000);
	CHECK(strstr(out, want));
	return 0;
}

static int put(PRFileDesc *fd, const char *text)
{
	CHECK(PR_Write(fd, text, (int)strlen(text)) == (int)strlen(text));
	return 0;
}

static int ask(PRFileDesc *fd, const char *text, const char *want)
{
	return put(fd, text) || answered(fd, want);
}

/* Refused where somebody is there to refuse, and not a byte of it arrives. */
static int refused(PRFileDesc *fd)
{
	unsigned heads = peer.requests;
	size_t body = peer.body;
	char c;

	if (ask(fd, ASK_REFUSED, preloaded ? " 429 " : "got 2 "))
		return 1;
	if (preloaded) {
		while (PR_Read(fd, &c, 1) == 1)
			;
		CHECK(PR_Read(fd, &c, 1) == 0);
		CHECK(PR_Write(fd, "x", 1) == -1);
		CHECK(peer.requests == heads && peer.body == body);
	}
	CHECK(!PR_Close(fd));
	return 0;
}

static int plainly(void)
{
	static const char head[] = REQ("", 5);
	struct iov v[3] = {{NULL, 0}, {head, sizeof(head) - 1}, {"hello", 5}};
	PRFileDesc *fd = dial(false);
	char c;
	int i;

	CHECK(fd);
	for (i = 0; i < 3; i++)
		if (ask(fd, ASK, "got 2 "))
			return 1;
	CHECK(PR_Writev(fd, v, 3, NO_TIMEOUT) == (int)sizeof(head) + 4);
	if (answered(fd, "got 5 "))
		return 1;
	CHECK(PR_Send(fd, ASK, (int)strlen(ASK), 0, 5000) == (int)strlen(ASK));
	CHECK(PR_Recv(fd, &c, 1, PEEK, 5000) == 1 && c == 'H');
	CHECK(PR_Recv(fd, &c, 1, 0, 5000) == 1 && c == 'H');
	return answered(fd, "got 2 ") || refused(fd);
}

/* Somebody's layer stands above NSS's: the descriptor's address stays. */
static int layered(void)
{
	PRFileDesc *fd = dial(true);

	CHECK(fd);
	if (ask(fd, ASK, "got 2 ") || refused(fd))
		return 1;
	fd = dial(false);
	CHECK(fd && !ask(fd, ASK, "got 2 "));
	CHECK(!PR_PushIOLayer(
		fd, TOP_LAYER,
		PR_CreateIOLayerStub(PR_GetUniqueIdentity("later"),
				     PR_GetDefaultIOMethods())));
	return ask(fd, ASK, "got 2 ") || refused(fd);
}

/* A file behind a head goes by no call of the program's. */
static int transmitted(void)
{
	char name[] = "/tmp/test_nss.XXXXXX";
	const char *head = REQ("", 5), *bad = REQ("x-fake: block\r\n", 5);
	int tmp = mkstemp(name), n = (int)strlen(head);
	unsigned heads = peer.requests;
	PRFileDesc *fd = dial(false), *file;

	CHECK(fd && tmp >= 0 && write(tmp, "hello", 5) == 5);
	file = PR_Open(name, 1, 0);
	CHECK(file);
	CHECK(PR_TransmitFile(fd, file, head, n, 0, NO_TIMEOUT) == n + 5);
	if (answered(fd, "got 5 "))
		return 1;
	CHECK(peer.requests == ++heads);
	PR_Close(file);
	file = PR_Open(name, 1, 0);
	n = (int)strlen(bad);
	CHECK(PR_TransmitFile(fd, file, bad, n, 0, NO_TIMEOUT) == n + 5);
	if (answered(fd, preloaded ? " 429 " : "got 5 "))
		return 1;
	CHECK(!preloaded || peer.requests == heads);
	PR_Close(file);
	PR_Close(fd);
	close(tmp);
	unlink(name);
	return 0;
}

static int nonblocking(void)
{
	PRFileDesc *fd = dial(false);
	char *body = malloc(BIG), want[64];
	int at = 0, r, i, waits = 0, small = 4096;

	CHECK(fd);
	setsockopt(last, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (i = 0; i < BIG; i++)
		body[i] = (char)('a' + i * 7 % 26);
	set_nonblocking(fd);
	if (put(fd, REQ("", 3000000)))
		return 1;
	while (at < BIG) {
		r = PR_Write(fd, body + at, BIG - at);
		if (r > 0) {
			at += r;
			continue;
		}
		CHECK(r < 0 && PR_GetError() == WOULD_BLOCK);
		CHECK(wait_for(fd, POLL_WRITE));
		waits++;
	}
	CHECK(waits);
	snprintf(want, sizeof(want), "got %d %u", BIG, peer_sum(0, body, BIG));
	free(body);
	if (answered(fd, want))
		return 1;
	/* a look for the answer is no wait for it */
	if (put(fd, REQ("x-fake: block\r\n", 2)))
		return 1;
	CHECK(PR_Read(fd, want, 1) == -1 && PR_GetError() == WOULD_BLOCK);
	if (put(fd, "hi") || answered(fd, preloaded ? " 429 " : "got 2 "))
		return 1;
	CHECK(!PR_Close(fd));
	return 0;
}

/* Whoever polls hears of what we hold. */
static int polled(void)
{
	PRFileDesc *fd = dial(false);
	struct poll_desc p = {.fd = fd, .in = POLL_READ};
	char c;
	int i;

	CHECK(fd);
	/* and what else the server says after the handshake */
	if (ask(fd, ASK, "got 2 "))
		return 1;
	set_nonblocking(fd);
	if (put(fd, ASK_EDITED))
		return 1;
	CHECK(wait_for(fd, POLL_READ));
	while (PR_Recv(fd, &c, 1, PEEK, NO_TIMEOUT) != 1)
		CHECK(PR_GetError() == WOULD_BLOCK && wait_for(fd, POLL_READ));
	for (i = 0; i < 3; i++) {
		p.out = 0;
		CHECK(PR_Poll(&p, 1, 3000) == 1 && p.out == POLL_READ);
		CHECK(SSL_DataPending(fd) > 0);
		CHECK(PR_Read(fd, &c, 1) == 1);
	}
	if (answered(fd, "got 2 "))
		return 1;
	while (PR_Read(fd, &c, 1) == 1)
		;
	p.out = 0;
	CHECK(PR_Poll(&p, 1, 0) == 0);
	if (put(fd, ASK_REFUSED))
		return 1;
	p.out = 0;
	CHECK(PR_Poll(&p, 1, 10000) == 1 && p.out & POLL_READ);
	if (answered(fd, preloaded ? " 429 " : "got 2 "))
		return 1;
	CHECK(!PR_Close(fd));
	return 0;
}

/* Descriptors are given out again at once, whatever was under way. */
static int closed(void)
{
	PRFileDesc *fd;
	int i;

	for (i = 0; i < 40; i++) {
		fd = dial(false);
		CHECK(fd);
		if (i % 4 == 0 && put(fd, REQ("", 200)))
			return 1;
		if (i % 4 == 1 && put(fd, ASK_REFUSED))
			return 1;
		if (i % 4 == 2 && (put(fd, ASK) || PR_Shutdown(fd, 1)))
			return 1;
		if (i % 4 == 3 && ask(fd, ASK, "got 2 "))
			return 1;
		CHECK(!PR_Close(fd) || i % 4 == 1);
	}
	fd = dial(false);
	return ask(fd, ASK, "got 2 ") || refused(fd);
}

static void *ask_often(void *fd)
{
	int i;

	for (i = 0; i < 100; i++)
		if (PR_Write(fd, ASK, (int)strlen(ASK)) < 0)
			return "";
	return NULL;
}

/* One thread writes, one reads. */
static int both_ways(void)
{
	PRFileDesc *fd = dial(false);
	char buf[512], *at;
	pthread_t t;
	int r, n = 0;
	void *bad;

	CHECK(fd && !pthread_create(&t, NULL, ask_often, fd));
	while (n < 100) {
		r = PR_Read(fd, buf, (int)sizeof(buf) - 1);
		CHECK(r > 0);
		buf[r] = '\0';
		for (at = buf; (at = strchr(at, 'g')); at++)
			n++;
	}
	CHECK(!pthread_join(t, &bad) && !bad);
	return refused(fd);
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"plainly", plainly, false},
		{"layered", layered, false},
		{"transmitted", transmitted, false},
		{"nonblocking", nonblocking, false},
		{"polled", polled, false},
		{"closed", closed, false},
		{"both_ways", both_ways, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
