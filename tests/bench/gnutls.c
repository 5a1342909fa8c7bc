/*
 * N keep-alive requests over GnuTLS: gnutls PORT N HOST PATH BODY_BYTES
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <gnutls/gnutls.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static gnutls_session_t dial(int port, const char *host)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	gnutls_certificate_credentials_t cred;
	gnutls_session_t s;

	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	gnutls_certificate_allocate_credentials(&cred);
	gnutls_init(&s, GNUTLS_CLIENT);
	gnutls_set_default_priority(s);
	gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, cred);
	gnutls_server_name_set(s, GNUTLS_NAME_DNS, host, strlen(host));
	gnutls_transport_set_int(s, fd);
	if (gnutls_handshake(s))
		die("handshake");
	return s;
}

static void exchange(gnutls_session_t s, const char *req, size_t len)
{
	char buf[16384];
	size_t n = 0, want = 0;
	char *end, *cl;
	ssize_t r;

	if (gnutls_record_send(s, req, len) != (ssize_t)len)
		die("send");
	while (!want || n < want) {
		r = gnutls_record_recv(s, buf + n, sizeof(buf) - 1 - n);
		if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
			continue;
		if (r <= 0)
			die("recv");
		n += (size_t)r;
		buf[n] = 0;
		end = strstr(buf, "\r\n\r\n");
		cl = strcasestr(buf, "content-length:");
		if (end && cl)
			want = (size_t)(end + 4 - buf) +
			       strtoul(cl + 15, NULL, 10);
	}
}

int main(int argc, char **argv)
{
	static char req[1 << 16], fill[1 << 15];
	gnutls_session_t s;
	int len, body;

	if (argc != 6)
		return 2;
	body = atoi(argv[5]);
	memset(fill, 'w', sizeof(fill));
	len = snprintf(req, sizeof(req),
		       "POST %s HTTP/1.1\r\nHost: %s\r\n"
		       "Content-Type: application/json\r\n"
		       "Content-Length: %d\r\n\r\n"
		       "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":"
		       "\"user\",\"content\":\"%.*s\"}]}",
		       argv[4], argv[3], body, body - 65, fill);
	s = dial(atoi(argv[1]), argv[3]);
	for (int i = 0; i < atoi(argv[2]); i++)
		exchange(s, req, (size_t)len);
	return 0;
}
