/* GnuTLS through the guard: files, descriptors used again, keys that change. */
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/shim/lib/gnutls.h"
#include "tests/shim/lib/peer.h"

/* A file behind a head, by a call that is not hooked. */
static int file_sent(void)
{
	int fd = client_socket(false);
	gnutls_session_t s = connected(fd, "localhost");
	FILE *f = tmpfile();
	char out[1024], *body = malloc(90000);
	off_t at = 10;
	ssize_t r;

	memset(body, 'q', 90000);
	CHECK(s && write(fileno(f), body, 90000) == 90000);
	CHECK(gnutls_record_send(s, REQ("", 80000), strlen(REQ("", 80000))) >
	      0);
	/* 3.7.9 counts from where the file stands */
	CHECK(!lseek(fileno(f), 0, SEEK_SET));
	r = gnutls_record_send_file(s, fileno(f), &at, 80000);
	CHECK(r == 80000);
	CHECK(answer(s, fd, out, sizeof(out)) > 0 && says(out, body, 80000));
	CHECK(peer.requests == 1);
	at = lseek(fileno(f), 0, SEEK_SET);
	CHECK(gnutls_record_send(s, REQ(BLOCK, 90000),
				 strlen(REQ(BLOCK, 90000))) > 0);
	CHECK(gnutls_record_send_file(s, fileno(f), &at, 90000) == 90000);
	CHECK(answer(s, fd, out, sizeof(out)) > 0);
	CHECK(strstr(out, preloaded ? " 429 " : "got 90000"));
	CHECK(peer.requests == (preloaded ? 1 : 2));
	free(body);
	fclose(f);
	end(s, fd);
	return 0;
}

/* One session after the other on a descriptor, and freed in mid-request. */
static int descriptor_again(void)
{
	gnutls_session_t s, t;
	char out[1024];
	int fd, i;

	for (i = 0; i < 30; i++) {
		fd = client_socket(false);
		s = connected(fd, "localhost");
		t = session("localhost", 0); /* never used */
		CHECK(s && t);
		gnutls_transport_set_int(t, fd);
		CHECK(gnutls_record_send(s, REQ("", 200), 30) == 30);
		if (i % 2)
			gnutls_deinit(s), gnutls_deinit(t);
		else
			gnutls_deinit(t), gnutls_deinit(s);
		close(fd);
	}
	fd = client_socket(false);
	s = connected(fd, "localhost");
	CHECK(gnutls_record_send(s, REQ(BLOCK, 0), strlen(REQ(BLOCK, 0))) > 0);
	CHECK(answer(s, fd, out, sizeof(out)) > 0);
	CHECK(strstr(out, preloaded ? " 429 " : "got 0"));
	end(s, fd);
	return 0;
}

/* Keys and tickets change in the middle; TLS 1.2 has its own way. */
static int keys_change(void)
{
	static const char *const how[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.3",
					  "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
	gnutls_session_t s;
	char out[1024];
	int fd, i, k;

	for (k = 0; k < 2; k++) {
		fd = client_socket(false);
		s = session("localhost", 0);
		CHECK(!gnutls_priority_set_direct(s, how[k], NULL));
		gnutls_transport_set_int(s, fd);
		CHECK(!shake(s, fd));
		for (i = 0; i < 5; i++) {
			CHECK(k || !gnutls_session_key_update(
					   s, i % 2 ? GNUTLS_KU_PEER : 0));
			CHECK(gnutls_record_send(s, REQ("", 2), 20) == 20);
			CHECK(!k || !shake(s, fd));
			CHECK(gnutls_record_send(s, REQ("", 2) "hi" + 20,
						 strlen(REQ("", 2) "hi") - 20) >
			      0);
			CHECK(answer(s, fd, out, sizeof(out)) > 0);
			CHECK(says(out, "hi", 2));
		}
		end(s, fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct shim_case cases[] = {
		{"file_sent", file_sent, false},
		{"descriptor_again", descriptor_again, false},
		{"keys_change", keys_change, false},
	};

	return shim_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
