"""A client that fetches libssl's functions by handle, as .NET, ctypes and
cffi do: handles.py ctypes|cffi LIBRARY[,LIBRARY...] [threads] [close]
sends one request over each copy and prints the statuses."""
import ctypes
import os
import socket
import sys
import threading

HOST = b'api.openai.com'
BODY = b'{"model": "gpt-4o-mini", "max_tokens": 50, ' \
    b'"messages": [{"role": "user", "content": "hello"}]}'
HEAD = b'POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n' \
    b'Content-Type: application/json\r\nConnection: close\r\n' \
    b'Content-Length: %d\r\n\r\n' % (HOST, len(BODY))
CDEF = '''
void *TLS_client_method(void); void *SSL_CTX_new(void *); void *SSL_new(void *);
int SSL_set_fd(void *, int); long SSL_ctrl(void *, int, long, const char *);
int SSL_connect(void *); int SSL_write(void *, const void *, int);
int SSL_read(void *, char *, int); int SSL_shutdown(void *);
void SSL_free(void *); void SSL_CTX_free(void *);
'''


class Ctypes:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)

    def __getattr__(self, name):
        f = getattr(self.lib, name)
        f.restype = ctypes.c_int
        if name in ('TLS_client_method', 'SSL_CTX_new', 'SSL_new'):
            f.restype = ctypes.c_void_p
        return lambda *a: f(*[ctypes.c_void_p(x) if isinstance(x, int) and
                              x > 1 << 31 else x for x in a])

    def close(self):
        import _ctypes
        _ctypes.dlclose(self.lib._handle)


class Cffi:
    def __init__(self, path):
        import cffi
        self.ffi = cffi.FFI()
        self.ffi.cdef(CDEF)
        self.lib = self.ffi.dlopen(path)

    def __getattr__(self, name):
        return getattr(self.lib, name)

    def close(self):
        self.ffi.dlclose(self.lib)


def exchange(t, request):
    ctx = t.SSL_CTX_new(t.TLS_client_method())
    ssl = t.SSL_new(ctx)
    sock = socket.create_connection(
        ('127.0.0.1', int(os.environ['TEST_PORT'])))
    t.SSL_set_fd(ssl, sock.fileno())
    if isinstance(t, Ctypes) and hasattr(t.lib, 'SSL_set_tlsext_host_name'):
        t.SSL_set_tlsext_host_name(ssl, HOST)       # BoringSSL
    else:
        t.SSL_ctrl(ssl, 55, 0, HOST)
    if t.SSL_connect(ssl) != 1:
        return b'- no handshake'
    if t.SSL_write(ssl, request, len(request)) != len(request):
        return b'- no write'
    answer, buf = b'', ctypes.create_string_buffer(4096)
    if isinstance(t, Cffi):
        buf = t.ffi.from_buffer('char[]', buf)
    while True:
        n = t.SSL_read(ssl, buf, 4096)
        if n <= 0:
            break
        answer += bytes(buf[0:n]) if not isinstance(t, Cffi) else \
            bytes(t.ffi.buffer(buf, n))
    t.SSL_shutdown(ssl)
    t.SSL_free(ssl)
    t.SSL_CTX_free(ctx)
    return answer


def main(how, names, *flags):
    if 'threads' in flags:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    kind = {'ctypes': Ctypes, 'cffi': Cffi}[how]
    copies = [kind(n) for n in names.split(',')]
    out = [exchange(t, HEAD + BODY).split(b' ')[1].decode() for t in copies]
    if 'close' in flags:
        for t in copies:
            t.close()
        copies = [kind(n) for n in names.split(',')]
        out += [exchange(t, HEAD + BODY).split(b' ')[1].decode()
                for t in copies]
    print(*out)


main(*sys.argv[1:])
