#!/usr/bin/env bash
# Which libssl is meant: by who calls, with plugins, wrappers and two copies.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
CC=${CC:-gcc}
so=$(readlink -f "$B/libfake.so")
case $(nm -D "$so") in *__asan_*|*__tsan_*)
	echo "sanitized build: programs without the sanitizer cannot load it"
	exit 77 ;;
esac
d=$(mktemp -d) || exit 1
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$d"' EXIT
bad=0
check() { # what, got, want
	[ "$2" = "$3" ] && return
	printf '%s: got\n%s\n  want\n%s\n' "$1" "$2" "$3"
	bad=1
}

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$d/key" -out "$d/crt" \
	-subj /CN=localhost -days 2 2>/dev/null
cat > "$d/server.py" <<'END'
import os, socket, ssl, sys, threading
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain(sys.argv[1] + '/crt', sys.argv[1] + '/key')
s = socket.create_server(('127.0.0.1', 0))
with open(sys.argv[1] + '/port.new', 'w') as f:
    f.write(str(s.getsockname()[1]))
os.rename(sys.argv[1] + '/port.new', sys.argv[1] + '/port')
def serve(c):
    try:
        t = ctx.wrap_socket(c, server_side=True)
        if t.recv(4096):
            t.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        t.recv(1)
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
END
/usr/bin/python3 "$d/server.py" "$d" & server=$!
for _ in $(seq 100); do [ -e "$d/port" ] && break; sleep 0.1; done
port=$(cat "$d/port")

# A client as a plugin, called by a program that has no libssl itself.
cat > "$d/plugin.c" <<'END'
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int ask(const char *port)
{
	static const char req[] = "POST /a HTTP/1.1\r\nx-fake: block\r\n"
		"Content-Length: 0\r\n\r\n";
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), n, status;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *s = SSL_new(ctx);
	char out[512] = "";
	a.sin_port = htons(atoi(port));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return 1;
	SSL_set_tlsext_host_name(s, "localhost");
	SSL_set_fd(s, fd);
	if (SSL_connect(s) != 1 || SSL_write(s, req, sizeof(req) - 1) <= 0)
		return 2;
	n = SSL_read(s, out, sizeof(out) - 1);
	status = n > 12 ? atoi(out + 9) : 3;
	SSL_free(s);
	SSL_CTX_free(ctx);
	close(fd);
	return status;
}
END
cat > "$d/main.c" <<'END'
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
int ask(const char *port) __attribute__((weak));
int main(int argc, char **argv)
{
	int i;
	if (ask)
		printf("%d\n", ask(argv[1]));
	for (i = 2; i < argc; i++) {
		void *h = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
		int (*f)(const char *) = h ? dlsym(h, "ask") : NULL;
		printf("%d\n", f ? f(argv[1]) : -1);
		if (h && strstr(argv[i], "gone"))
			printf("closed %d\n", dlclose(h));
	}
	return 0;
}
END
cat > "$d/wrap.c" <<'END'
#include <dlfcn.h>
#include <stddef.h>
#include <unistd.h>
int SSL_write(void *s, const void *p, int n)
{
	int (*next)(void *, const void *, int) = dlsym(RTLD_NEXT, "SSL_write");
	if (write(1, "wrapped\n", 8) != 8)
		return -1;
	return next ? next(s, p, n) : -1;
}
END
# A second copy of libssl in one process, under another name.
lib=$(ldd "$(command -v openssl)" | awk '/libssl/ {print $3}')
sed 's/libssl\.so\.3/libssl.so.9/g' "$lib" > "$d/libssl.so.9"
$CC -shared -fPIC -o "$d/plugin.so" "$d/plugin.c" -lssl -lcrypto &&
	cp "$d/plugin.so" "$d/gone.so" &&
	$CC -shared -fPIC -o "$d/other.so" "$d/plugin.c" -L"$d" \
		-l:libssl.so.9 -lcrypto -Wl,-rpath,"$d" &&
	$CC -o "$d/bare" "$d/main.c" -ldl &&
	$CC -o "$d/linked" "$d/main.c" "$d/plugin.c" -lssl -lcrypto -ldl &&
	$CC -shared -fPIC -o "$d/wrap.so" "$d/wrap.c" -ldl || exit 1

run() { # preload, program, plugins...
	local pre=$1 prog=$2
	shift 2
	LD_PRELOAD=$pre timeout 20 "$d/$prog" "$port" "${@/#/$d/}" | paste -sd' '
	[ "${PIPESTATUS[0]}" = 0 ] || echo "status ${PIPESTATUS[0]}"
}
check 'main program, bare' "$(run '' linked)" 200
check 'main program' "$(run "$so" linked)" 429
check 'plugin, bare' "$(run '' bare plugin.so)" 200
check 'plugin' "$(run "$so" bare plugin.so)" 429
check 'plugin of another copy' "$(run "$so" bare other.so)" 429
check 'two copies, two plugins' "$(run "$so" bare plugin.so other.so \
	plugin.so)" '429 429 429'
check 'main program and a plugin' "$(run "$so" linked plugin.so)" '429 429'
check 'main program and a plugin of another copy, bare' \
	"$(run '' linked other.so)" '200 200'
check 'main program and a plugin of another copy' \
	"$(run "$so" linked other.so)" '429 429'
check 'plugins that go' "$(run "$so" bare gone.so gone.so other.so gone.so)" \
	'429 closed 0 429 closed 0 429 429 closed 0'
check 'a wrapper before us' "$(run "$d/wrap.so:$so" linked)" 'wrapped 429'
check 'a wrapper behind us' "$(run "$so:$d/wrap.so" linked)" 429
check 'a wrapper before us, plugin' "$(run "$d/wrap.so:$so" bare plugin.so)" \
	'wrapped 429'
check 'switched off' "$(LLMGUARD_DISABLE=1 run "$so" linked plugin.so)" \
	'200 200'
req='POST /a HTTP/1.1\r\nx-fake: block\r\nContent-Length: 0\r\n\r\n'
check 's_client' "$( (printf "$req"; sleep 1) | LD_PRELOAD=$so timeout 20 \
	openssl s_client -quiet -servername localhost -connect \
	"127.0.0.1:$port" 2>/dev/null | head -1 | tr -d '\r')" \
	'HTTP/1.1 429 Too Many Requests'
exit $bad
