/*
 * An HTTPS client that knows BIOs alone: bioclient HOST PATH TEST COUNT sends
 * COUNT chat completions over one connection to 127.0.0.1:$TEST_PORT and
 * prints each answer; TEST is the header x-test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

static const char body[] =
	"{\"model\":\"gpt-4o-mini\",\"max_tokens\":50,\"messages\":"
	"[{\"role\":\"user\",\"content\":\"Say hello.\"}]}";

static BIO *dial(const char *host)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	BIO *b = BIO_new_buffer_ssl_connect(ctx);
	const char *port = getenv("TEST_PORT");
	char where[64];
	SSL *s = NULL;

	snprintf(where, sizeof(where), "127.0.0.1:%s", port ? port : "443");
	BIO_set_conn_hostname(b, where);
	BIO_get_ssl(b, &s);
	SSL_set_tlsext_host_name(s, host);
	return b;
}

int main(int argc, char **argv)
{
	int i, n, length, count = argc > 4 ? atoi(argv[4]) : 0;
	char line[65536];
	BIO *b;

	if (!count)
		return 2;
	b = dial(argv[1]);
	for (i = 0; i < count; i++) {
		BIO_printf(b,
			   "POST %s HTTP/1.1\r\nHost: %s\r\nx-test: %s\r\n"
			   "Content-Type: application/json\r\n"
			   "Content-Length: %zu\r\n\r\n",
			   argv[2], argv[1], argv[3], sizeof(body) - 1);
		BIO_write(b, body, sizeof(body) - 1);
		if (BIO_flush(b) != 1)
			return 1;
		length = 0;
		while ((n = BIO_gets(b, line, sizeof(line))) > 2) {
			fputs(line, stdout);
			if (!strncasecmp(line, "Content-Length: ", 16))
				length = atoi(line + 16);
		}
		if (n <= 0 || length <= 0 || length >= (int)sizeof(line))
			return 1;
		n = BIO_read(b, line, length);
		if (n != length)
			return 1;
		line[n] = '\0';
		puts(line);
	}
	BIO_free_all(b);
	return 0;
}
