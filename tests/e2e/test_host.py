#!/usr/bin/python3
"""Never break the host: what programs of many kinds do with themselves, each
with the preload and the same without it.

Elsewhere: 64 KB threads, cancellation, longjmp, SSL in two threads, plugins
that are unloaded (tests/shim), fork, exec, kill (test_edges.py), sandboxes,
full disks, limits, a thousand processes (test_survival.py, test_hosts.py),
crash loops and lists (test_breaker.py).
"""
import glob
import os
import shutil
import signal
import subprocess
import time

from harness import PY, SHIM, Skip, eq, main, ok, sanitizer, until

CALL = r'''
import http.client, json, os, sys, threading, time
def call(c=None, t='in=10;out=1'):
    c = c or http.client.HTTPSConnection('api.openai.com')
    c.request('POST', '/v1/chat/completions', json.dumps(
        {'model': 'gpt-4o-mini', 'max_tokens': 5, 'messages': []}),
        {'Content-Type': 'application/json', 'x-test': t})
    r = c.getresponse(); r.read()
    return r.status
'''


def alike(box, code, rows, guard_rows=None, **k):
    """The same with and without the guard; so many rows with it."""
    box.budget(100)
    bare = box.run([PY, '-c', CALL + code], guard=False, **k)
    eq(bare.returncode, 0, 'bare: %r' % bare.stderr)
    got = box.run([PY, '-c', CALL + code], **k)
    eq((got.returncode, got.stdout, got.stderr),
       (bare.returncode, bare.stdout, bare.stderr), 'guarded')
    until(lambda: len(box.rows()) >= rows, '%d rows' % rows)
    out = box.rows()
    eq(len(out), rows, 'rows')
    eq(box.budget_status()['held_usd'], 0, 'held')
    return out


def case_closefrom(box):
    """Every descriptor above 2 is closed, by the call and one by one."""
    alike(box, r'''
print(call())
os.closerange(3, 65536)
print(call())
for fd in range(3, 1024):
    try: os.close(fd)
    except OSError: pass
print(call())
''', 3)


def case_descriptors(box):
    """No descriptor of ours stands open, before, between and after calls."""
    alike(box, r'''
def fds(): return sorted(os.listdir('/proc/self/fd'))
a = fds(); call(); b = fds()
c = http.client.HTTPSConnection('api.openai.com'); call(c); d = fds()
c.close()
print(len(a), len(b), len(d))
''', 2)


def case_daemonise(box):
    rows = alike(box, r'''
r, w = os.pipe()
if os.fork():
    os.close(w); print(os.read(r, 99).decode()); sys.exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir('/'); os.umask(0)
for fd in range(0, 64):
    if fd != w:
        try: os.close(fd)
        except OSError: pass
for _ in range(3): os.open('/dev/null', os.O_RDWR)
os.write(w, str(call()).encode())
os._exit(0)
''', 1)
    eq(rows[0]['comm'], 'python3', 'whose')


def case_vfork_storm(box):
    """subprocess uses vfork; descriptors are closed in those children, while
    four threads are in the middle of their calls."""
    alike(box, r'''
import subprocess
left = []
def work():
    c = http.client.HTTPSConnection('api.openai.com')
    for _ in range(8): left.append(call(c, 'in=10;out=1;delay=20'))
t = [threading.Thread(target=work) for _ in range(4)]
[x.start() for x in t]
n = sum(subprocess.run(['true'], close_fds=True).returncode
        for _ in range(150))
[x.join() for x in t]
print(n, left == [200] * 32)
''', 32)


def case_posix_spawn(box):
    alike(box, r'''
c = http.client.HTTPSConnection('api.openai.com'); call(c)
pids = [os.posix_spawn('/bin/true', ['true'], os.environ)
        for _ in range(50)]
print(sum(os.waitpid(p, 0)[1] for p in pids), call(c))
''', 2)


def case_exit_handlers(box):
    """Calls from atexit, and from a thread while the main one ends."""
    alike(box, r'''
import atexit
c = http.client.HTTPSConnection('api.openai.com')
atexit.register(lambda: print('bye', call(c), flush=True))
def late():
    time.sleep(0.1); print('late', call(), flush=True)
threading.Thread(target=late).start()
print(call())
''', 3)


def case_exit_in_request(box):
    """exit and _exit with a request under way: settled, nothing held."""
    for how in ('sys.exit(0)', 'os._exit(0)'):
        n = len(box.rows())
        box.budget(100)
        p = box.run([PY, '-c', CALL + r'''
c = http.client.HTTPSConnection('api.openai.com')
c.request('POST', '/v1/chat/completions', json.dumps(
    {'model': 'gpt-4o-mini', 'max_tokens': 5, 'messages': []}),
    {'Content-Type': 'application/json', 'x-test': 'delay=3000'})
''' + how])
        eq((p.returncode, p.stderr), (0, b''), how)
        eq(box.budget_status()['held_usd'], 0, how)
        eq(len(box.rows()) - n, 1, how)


def case_signals(box):
    """Handlers that close, connect and resolve in the middle of calls."""
    alike(box, r'''
import signal, socket
n = [0]
def tick(*a):
    n[0] += 1
    s = socket.socket(); s.settimeout(1)
    try: s.connect(('127.0.0.1', 1))
    except OSError: pass
    s.close()
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
c = http.client.HTTPSConnection('api.openai.com')
got = [call(c, 'in=10;out=1;piece=20') for _ in range(20)]
signal.setitimer(signal.ITIMER_REAL, 0)
print(got == [200] * 20, n[0] > 3)
''', 20)


def case_errno(box):
    """What the hooked functions of libc say of errors."""
    code = r'''
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
def e(name, *a):
    ctypes.set_errno(77)
    r = getattr(libc, name)(*a)
    return name, r, ctypes.get_errno()
s = socket.socket()
print(e('close', -1), e('close', 9999), e('connect', -1, None, 0),
      e('connect', s.fileno(), None, 16), e('connect', s.fileno(), b'x' * 16,
      3), e('write', -1, b'x', 1), e('send', s.fileno(), b'x', 1, 0x4000),
      e('getaddrinfo', None, None, None, None), e('dlclose', None) if 0 else 0)
p = ctypes.c_void_p()
print(e('getaddrinfo', b'no.such.host.invalid', None, None,
        ctypes.byref(p))[1] != 0,
      e('getaddrinfo', b'127.0.0.1', b'80', None, ctypes.byref(p))[1],
      e('getaddrinfo', b'x' * 3000, None, None, ctypes.byref(p))[1] != 0)
d = socket.create_server(('127.0.0.1', 0)); c = socket.socket()
print(e('connect', c.fileno(), d.getsockname() and bytes([2, 0]) +
        d.getsockname()[1].to_bytes(2, 'big') + bytes([127, 0, 0, 1]) +
        bytes(8), 16))
'''
    alike(box, code, 0)


# -- other allocators, compilers and loaders ----------------------------------

def beside(box, lib):
    if sanitizer():
        raise Skip('a sanitizer has its own malloc')
    path = glob.glob('/usr/lib/*-linux-gnu/' + lib)
    if not path:
        raise Skip('no ' + lib)
    code = CALL + r'''
t = [threading.Thread(target=lambda: print(call())) for _ in range(6)]
[x.start() for x in t]; [x.join() for x in t]
pid = os.fork()
if not pid: os._exit(0 if call() == 200 else 1)
print(os.waitpid(pid, 0)[1])
'''
    box.budget(100)
    for order in (path[0] + ' ' + SHIM, SHIM + ' ' + path[0]):
        n = len(box.rows())
        p = box.run([PY, '-c', code], LD_PRELOAD=order)
        eq((p.returncode, p.stdout, p.stderr),
           (0, b'200\n' * 6 + b'0\n', b''), order)
        eq(len(box.rows()) - n, 7, 'rows')


def case_jemalloc(box):
    beside(box, 'libjemalloc.so.2')


def case_tcmalloc(box):
    beside(box, 'libtcmalloc_minimal.so.4')


def build(box, name, code, cc='gcc', *flags):
    if not shutil.which(cc):
        raise Skip('no ' + cc)
    src, out = os.path.join(box.dir, name + '.c'), os.path.join(box.dir, name)
    with open(src, 'w') as f:
        f.write(code)
    p = subprocess.run([cc, '-O1', '-D_GNU_SOURCE', '-o', out, src, *flags],
                       capture_output=True)
    if p.returncode:
        raise Skip('%s cannot build it: %r' % (cc, p.stderr[-200:]))
    return out


def both(box, argv, status=0, **k):
    bare = box.run(argv, guard=False)
    eq(bare.returncode, status, 'bare: %r' % bare.stderr)
    got = box.run(argv, **k)
    eq((got.returncode, got.stdout, got.stderr),
       (bare.returncode, bare.stdout, bare.stderr), 'guarded')


CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'cclient.c')


def case_asan_host(box):
    """A program with its own AddressSanitizer, static and shared."""
    if sanitizer():
        raise Skip('one sanitizer is enough')
    with open(CLIENT) as f:
        code = f.read()
    body = os.path.join(box.dir, 'body')
    with open(body, 'w') as f:
        f.write('{"model":"gpt-4o-mini","max_tokens":5,"messages":[]}')
    box.budget(100)
    for name, flags, env in (
            ('static', ['-static-libasan'], {}),
            ('shared', [], {'ASAN_OPTIONS': 'verify_asan_link_order=0'})):
        out = build(box, 'asan_' + name, code, 'gcc', '-fsanitize=address',
                    *flags, '-lssl', '-lcrypto', '-lpthread')
        n = len(box.rows())
        p = box.run([out, '-n', '5', '-t', '4', 'api.openai.com',
                     '/v1/chat/completions', body], **env)
        eq(p.returncode, 0, '%s: %r' % (name, p.stderr[-600:]))
        eq(p.stdout.split(), [b'200'] * 20, name)
        ok(b'ERROR: AddressSanitizer' not in p.stderr, p.stderr[-600:])
        eq(len(box.rows()) - n, 20, name + ' rows')


def case_small_stacks(box):
    """Threads of 64 KB with the whole engine behind the hooks."""
    out = os.path.join(os.environ.get('B', 'build'), 'tests/e2e/cclient')
    top = os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    out = os.path.join(top, out)
    if not os.path.exists(out) or sanitizer():
        raise Skip('no cclient')
    body = os.path.join(box.dir, 'body')
    with open(body, 'w') as f:
        f.write('{"model":"gpt-4o-mini","max_tokens":5,"messages":[]}')
    box.budget(100)
    p = box.run([out, '-n', '6', '-t', '8', '-k', '64', 'api.openai.com',
                 '/v1/chat/completions', body])
    eq((p.returncode, p.stdout.split()), (0, [b'200'] * 48), p.stderr)
    eq(len(box.rows()), 48, 'rows')


LIBC_FREE = '''void _start(void) { __asm__ volatile(
"mov $1,%%eax; mov $1,%%edi; lea m(%%rip),%%rsi; mov $3,%%edx; syscall;"
"mov $60,%%eax; mov $7,%%edi; syscall;"
".data; m: .ascii \\"ok\\\\n\\"; .text" ::); }'''


def case_libc_free(box):
    """Without a libc: static-pie, static, and by the loader."""
    if os.uname().machine != 'x86_64' or sanitizer():
        raise Skip('x86-64 only')
    code = LIBC_FREE.replace('%%', '%').replace(' ::)', ')')
    for name, flags in (
            ('staticpie', ['-static-pie']), ('static', ['-static']),
            ('loader', ['-pie', '-fPIE', '-Wl,-dynamic-linker,'
                        '/lib64/ld-linux-x86-64.so.2'])):
        out = build(box, name, code, 'gcc', '-nostdlib', '-nostartfiles',
                    *flags)
        both(box, [out], 7)


MUSL = r'''
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
static void *work(void *a) { char *p = malloc(9999); memset(p, 1, 9999);
  free(p); return a; }
int main(void) {
  struct addrinfo *r, h = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  pthread_t t[9]; int i, s, e, fd;
  for (i = 0; i < 9; i++) pthread_create(&t[i], 0, work, 0);
  for (i = 0; i < 9; i++) pthread_join(t[i], 0);
  if (!fork()) _exit(3);
  wait(&s);
  e = getaddrinfo("localhost", "1", &h, &r);
  fd = socket(AF_INET, SOCK_STREAM, 0);
  if (!e) connect(fd, r->ai_addr, r->ai_addrlen);
  printf("%d %d %d\n", WEXITSTATUS(s), e, close(fd));
  return 0; }'''


def case_musl(box):
    """musl's loader takes a library of glibc: it must do no harm there."""
    if sanitizer():
        raise Skip('a sanitizer is of glibc')
    box.config('hosts: {localhost: openai}\n')
    out = build(box, 'musl', MUSL, 'musl-gcc')
    both(box, [out])
    both(box, [build(box, 'muslstatic', MUSL, 'musl-gcc', '-static')])
    p = box.cli('run', '--', out)
    ok(b'musl' in p.stderr, 'llmguard run says so: %r' % p.stderr)


def case_busybox(box):
    if not shutil.which('busybox'):
        raise Skip('no busybox')
    both(box, ['busybox', 'sh', '-c', 'echo $((6*7)); busybox true; ls /bin '
               '| head -3'])


def case_lib_token(box):
    """$LIB in LD_PRELOAD is the machine's folder; one of the wrong class
    beside it is passed over."""
    if sanitizer():
        raise Skip('not with a sanitizer')
    with open('/bin/true', 'rb') as f:
        head = bytearray(f.read(4096))
    for lib in ('lib/x86_64-linux-gnu', 'lib64', 'lib/aarch64-linux-gnu'):
        os.makedirs(os.path.join(box.dir, lib), exist_ok=True)
        os.symlink(SHIM, os.path.join(box.dir, lib, 'libllmguard.so'))
    os.makedirs(os.path.join(box.dir, 'lib32'))
    head[4] = 1          # ELFCLASS32
    wrong = os.path.join(box.dir, 'lib32/libllmguard.so')
    with open(wrong, 'wb') as f:
        f.write(head)
    box.budget(100)
    token = box.dir + '/$LIB/libllmguard.so'
    for preload, noise in ((token, False), (wrong + ' ' + token, True)):
        n = len(box.rows())
        p = box.run([PY, '-c', CALL + 'print(call())'], LD_PRELOAD=preload)
        eq((p.returncode, p.stdout), (0, b'200\n'), preload)
        eq(b'ignored' in p.stderr, noise, p.stderr)
        eq(len(box.rows()) - n, 1, 'rows')


def case_setuid(box):
    """The loader leaves us out; nothing else happens."""
    if os.getuid():
        raise Skip('not root')
    out = os.path.join(box.dir, 'id')
    shutil.copy(shutil.which('id'), out)
    os.chown(out, 65534, 65534)
    os.chmod(out, 0o6755)
    both(box, [out])
    p = box.cli('doctor', out, check=False)
    eq(p.returncode, 1, 'doctor')
    ok(b'setuid' in p.stdout, p.stdout)


PLUGIN = r'''
#include <openssl/ssl.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int ask(void) {
  static const char q[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: "
    "api.openai.com\r\nContent-Type: application/json\r\nContent-Length: 52"
    "\r\nConnection: close\r\n\r\n"
    "{\"model\":\"gpt-4o-mini\",\"max_tokens\":5,\"messages\":[]}";
  struct sockaddr_in a = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_STREAM, 0), n; char out[512] = "";
  SSL_CTX *x = SSL_CTX_new(TLS_client_method()); SSL *s = SSL_new(x);
  a.sin_port = htons(atoi(getenv("TEST_PORT")));
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (void *)&a, sizeof(a))) return 1;
  SSL_set_tlsext_host_name(s, "api.openai.com"); SSL_set_fd(s, fd);
  if (SSL_connect(s) != 1 || SSL_write(s, q, sizeof(q) - 1) <= 0) return 2;
  n = SSL_read(s, out, 511); SSL_free(s); SSL_CTX_free(x); close(fd);
  return n > 12 ? atoi(out + 9) : 3; }'''
LOADER = r'''
#include <dlfcn.h>
#include <stdio.h>
int main(int n, char **v) { int i;
  for (i = 0; i < 4; i++) {
    void *h = dlopen(v[1], RTLD_NOW | RTLD_LOCAL);
    int (*f)(void) = h ? (int (*)(void))dlsym(h, "ask") : 0;
    printf("%d ", f ? f() : -1);
    printf("%d\n", h ? dlclose(h) : -1); }
  return n != 2; }'''


def case_dlclose(box):
    """A plugin that brings libssl along comes and goes."""
    if sanitizer():
        raise Skip('not with a sanitizer')
    so = build(box, 'plugin.so', PLUGIN, 'gcc', '-shared', '-fPIC', '-lssl',
               '-lcrypto')
    out = build(box, 'loader', LOADER, 'gcc', '-ldl')
    box.budget(100)
    both(box, [out, so])
    eq(len(box.rows()), 4, 'rows')


def case_no_tls(box):
    """Programs without TLS: nothing of ours is mapped but the library, no
    file is made."""
    for argv in (['true'], ['ls', '/'], ['sh', '-c', 'echo a | cat; true'],
                 [PY, '-c', 'print(1)'], ['perl', '-e', 'print 1'],
                 ['gcc', '--version'], ['getent', 'hosts', 'localhost']):
        if shutil.which(argv[0]):
            both(box, argv)
    eq(os.path.exists(box.state), False, 'state folder')
    eq([x for x in os.listdir('/dev/shm') if
        x.startswith(os.path.basename(box.region))], [], 'region')


def case_stop_and_go(box):
    """SIGSTOP in the middle of a call, then on."""
    box.budget(100)
    p = subprocess.Popen([PY, '-c', CALL + r'''
print([call(t='in=10;out=1;delay=300') for _ in range(3)])
'''], env=box.env(), stdout=subprocess.PIPE)
    for _ in range(3):
        time.sleep(0.2)
        p.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        p.send_signal(signal.SIGCONT)
    eq(p.communicate(timeout=30)[0], b'[200, 200, 200]\n', 'answers')
    eq(len(box.rows()), 3, 'rows')


if __name__ == '__main__':
    main(globals())
