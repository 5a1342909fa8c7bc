#!/usr/bin/python3
"""Whom the tracer finds, and where: programs of many makes in mid-life."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from live import (ANTHROPIC, BUILD, OPENAI, PY, TOP, Box, Client,  # noqa: E402
                  Failed, Skip, Tracer, chat_body, eq, main, ok, request,
                  until)
import inject  # noqa: E402
from harness import NO_CURL, sanitizer  # noqa: E402
import test_programs  # noqa: E402

LIBSSL = '/usr/lib/x86_64-linux-gnu/libssl.so.3'
CCLIENT = os.path.join(BUILD, 'tests/e2e/cclient')
CHAT = '/v1/chat/completions'


def named(box, program, copy=False):
    """The program by a name that nobody else's has: its comm."""
    real = shutil.which(program)
    if not real:
        raise Skip('no ' + program)
    Box.names = getattr(Box, 'names', 0) + 1
    path = os.path.join(box.dir, 'p%d-%d' % (os.getpid(), Box.names))
    if copy:
        shutil.copy(os.path.realpath(real), path)
    else:
        os.symlink(real, path)
    return path


def python(path, kind):
    return [path] + Client.command(kind)[1:]


def tokens(rows, pid=None):
    return [(r['input_tokens'], r['output_tokens']) for r in rows
            if pid is None or r['pid'] == pid]


def three(n):
    """Three requests, of two dialects, a stream among them; their tokens."""
    return [request(test='in=%d;out=7' % n),
            request(ANTHROPIC, chat_body('claude-sonnet-4-5', stream=True),
                    test='in=%d;out=5' % (n + 1)),
            request(OPENAI, chat_body(stream=True),
                    test='in=%d;out=9' % (n + 2))], \
        [(n, 7), (n + 1, 5), (n + 2, 9)]


# -- in mid-life, with connections that are open already -----------------------

KINDS = ('requests', 'http.client', 'httpx', 'httpx-async', 'aiohttp', 'curl',
         'https', 'fetch', 'static-https', 'static-fetch')


def case_clients(box):
    with contextlib.ExitStack() as s:
        all_of = {}
        for kind in KINDS:
            try:
                all_of[kind] = s.enter_context(Client(box, kind))
            except Skip as e:
                print('    %s: %s' % (kind, e))
        for c in all_of.values():
            c.start(request(), request(ANTHROPIC))
        for c in all_of.values():
            c.collect()
        pids = [c.pid for c in all_of.values()]
        with Tracer(box, pid=pids) as t:
            want = {}
            for n, (kind, c) in enumerate(all_of.items()):
                reqs, want[kind] = three(100 + 10 * n)
                c.start(*reqs)
            for c in all_of.values():
                c.collect()
            rows = t.rows(3 * len(pids))
    for kind, c in all_of.items():
        eq(tokens(rows, c.pid), want[kind], kind)
    eq(len(box.rows()), 3 * len(pids), 'rows in the ledger')
    eq({r['usage_state'] for r in box.rows()}, {'exact'}, 'usage')


BODY = r'''
import http.client, json, os, socket, ssl, sys, time
class Connection(http.client.HTTPSConnection):
    def connect(self):
        s = socket.create_connection(('127.0.0.1', int(os.environ['TEST_PORT'])))
        self.sock = self._context.wrap_socket(s, server_hostname=self.host)
c = Connection('api.openai.com')
def ask(n, pieces):
    c.request('POST', '/v1/chat/completions', pieces, {
        'Content-Type': 'application/json', 'x-test': 'in=%d;out=%d' % (n, n),
        'Content-Length': str(len(body))})
    c.getresponse().read()
body = json.dumps(json.loads(sys.argv[1]) | {
    'user': 'u' * 300000}).encode()
def slowly():
    for i in range(0, len(body), 8192):
        if i == 8192:
            print('{"status": 100}', flush=True)
            sys.stdin.readline()
        yield body[i:i + 8192]
print('ready', flush=True)
sys.stdin.readline()
ask(1, slowly())
ask(2, [body])
ask(3, [body])
print('{"status": 200}', flush=True)
'''


def case_within_a_body(box):
    """The tracer comes while a long body is written: the next ones count."""
    with Client(box, argv=[PY, '-c', BODY, json.dumps(chat_body())]) as c:
        c.start(request())
        c.collect()
        with Tracer(box, pid=c.pid) as t:
            c.start(request())
            c.collect()
            rows = t.rows(3)
        eq(tokens(rows), [(1, 1), (2, 2), (3, 3)], 'calls')


def case_beyond_call_max(box):
    """Of a write that is too long all is read up to the limit."""
    most, body = 65536, json.dumps(chat_body(text='t' * 300000))
    with Client(box, 'http.client') as c:
        with Tracer(box, '--summary', '--call-max', str(most), pid=c.pid) as t:
            c.send(request(body=body, test='in=1;out=2'),
                   request(test='in=3;out=4'))
            rows = t.rows(2)
        eq(tokens(rows), [(1, 2), (3, 4)], 'calls')
        lost = t.summary()['lost']
        ok(0 <= len(body) - most - lost['bytes'] < 2000, lost)
        eq(lost['bytes'], lost['reasons']['limit']['bytes'], 'bytes')


class Program:
    """One of test_programs.py: its first request is sent, the next ones wait
    for their bodies, which are pipes."""

    def __init__(self, box, name, n):
        argv = test_programs.prepare(box, name)
        self.name, self.fifos = name, []
        for i in (1, 2):
            path = os.path.join(box.dir, '%s-%d' % (name, i))
            os.mkfifo(path)
            self.fifos.append(path)
        first = os.path.join(box.dir, 'q0.json')
        files = [os.path.join(box.dir, 'q%d.json' % i) for i in range(3)]
        argv = [first if a == files[0] else self.fifos[0] if a == files[1]
                else self.fifos[1] if a == files[2] else a for a in argv]
        self.want = [(n, 3), (n + 1, 4)]
        self.proc = subprocess.Popen(
            argv, env=box.env(guard=False, TEST_PORT=None,
                              PERL_LWP_SSL_CA_FILE=box.server.ca),
            cwd=box.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    def go_on(self, tracer):
        for path, (i, o) in zip(self.fifos, self.want):
            with open(path, 'w') as f:
                json.dump(chat_body(metadata={
                    'x-test': 'in=%d;out=%d' % (i, o)}), f)

    def end(self):
        out = self.proc.communicate(timeout=30)[0].decode()
        eq([x.split()[0] for x in out.splitlines()], ['200'] * 3,
           '%s: %s' % (self.name, out))

    def kill(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()


def case_programs(box):
    box.config(test_programs.BASE % ('total', 100))
    programs = []
    try:
        for n, name in enumerate(('ruby', 'perl_lwp', 'perl_tiny', 'php_curl',
                                  'php_stream', 'lua', 'pyopenssl')):
            try:
                programs.append(Program(box, name, 200 + 10 * n))
            except Skip as e:
                print('    %s: %s' % (name, e))
        until(lambda: len(box.arrived(('answered',))) >= len(programs),
              'first answers')
        pids = [p.proc.pid for p in programs]
        with Tracer(box, pid=pids) as t:
            for p in programs:
                p.go_on(t)
            rows = t.rows(2 * len(programs))
            for p in programs:
                p.end()
        for p in programs:
            eq(tokens(rows, p.proc.pid), p.want, p.name)
    finally:
        for p in programs:
            p.kill()


# -- many short ones --------------------------------------------------------------

def shell_loop(box, what, path, n):
    """A shell that runs a program n times, with the tokens 1 to n."""
    url = 'https://localhost:%d%s' % (box.server.port, CHAT)
    body = json.dumps(chat_body())
    one = '"$P" -sS -m 20 --cacert "$SSL_CERT_FILE" -o /dev/null ' \
        '-H "x-test: in=$i;out=2" -H "Content-Type: application/json" ' \
        '--data-binary "$B" "$U"'
    if what == 'wget':
        one = '"$P" -q -t 1 -T 20 -O /dev/null ' \
            '--ca-certificate="$SSL_CERT_FILE" --header "x-test: in=$i;out=2"' \
            ' --header "Content-Type: application/json" --post-data="$B" "$U"'
    return subprocess.run(
        ['sh', '-c', 'for i in $(seq %d); do %s || exit 1; done' % (n, one)],
        env=box.env(guard=False, TEST_PORT=None, B=body, U=url, P=path),
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)


def short_ones(box, what, n):
    box.config(test_programs.BASE % ('total', 100))
    path = named(box, what)
    with Tracer(box, '--comm', os.path.basename(path)) as t:
        p = shell_loop(box, what, path, n)
        eq(p.returncode, 0, p.stderr)
        rows = t.rows(n)
    eq(tokens(rows), [(i + 1, 2) for i in range(n)], 'calls')
    eq(len({r['pid'] for r in rows}), n, 'processes')


def case_curl_loop(box):
    short_ones(box, 'curl', 25)


def by_pattern(box, what, ways, n=20):
    """As many at once as there are ways, and one that is not meant."""
    box.config(test_programs.BASE % ('total', 100))
    path, other = named(box, what, copy=True), named(box, what, copy=True)
    for way in ways:
        seen = len(box.rows())
        with Tracer(box, '--summary', *way(path)) as t:
            loops = [threading.Thread(target=shell_loop, args=(box, what, p,
                                                               n))
                     for p in (path, path, other)]
            for x in loops:
                x.start()
            for x in loops:
                x.join()
            t.rows(2 * n)
            t.stop()
            eq(t.summary()['lost']['calls'], 0, 'lost')
        rows = box.rows()[seen:]
        eq({r['comm'] or os.path.basename(path) for r in rows},
           {os.path.basename(path)}, 'programs')
        eq(len(rows), 2 * n, 'calls, %s' % (way(path),))


def case_short_by_exe(box):
    by_pattern(box, 'curl', [lambda p: ('--exe', p),
                             lambda p: ('--exe', os.path.basename(p))])


def case_short_by_glob(box):
    by_pattern(box, 'curl', [
        lambda p: ('--comm', '?' + os.path.basename(p)[1:]),
        lambda p: ('--no-children', '--exe', os.path.dirname(p) + '/*' +
                   os.path.basename(p)[1:], '--uid', str(os.getuid()))])


def case_become_by_exe(box):
    """Who is none of ours executes one that is, and is gone at once."""
    box.config(test_programs.BASE % ('total', 100))
    path = named(box, 'curl', copy=True)
    script = os.path.join(box.dir, 'script')
    with open(script, 'w') as f:
        f.write('#!/bin/sh\nexec env nice %s "$@"\n' % path)
    os.chmod(script, 0o755)
    with Tracer(box, '--exe', path) as t:
        p = shell_loop(box, 'curl', script, 10)
        eq(p.returncode, 0, p.stderr)
        rows = t.rows(10)
    eq(tokens(rows), [(i + 1, 2) for i in range(10)], 'calls')


def case_wget_gnutls(box):
    short_ones(box, 'wget', 8)


# -- where libraries are -------------------------------------------------------------

def own_libssl(box, name='own'):
    """A folder with a libssl of its own."""
    d = os.path.join(box.dir, name)
    os.mkdir(d)
    shutil.copy(LIBSSL, d + '/libssl.so.3')
    return d


def maps_of(pid):
    with open('/proc/%d/maps' % pid) as f:
        return f.read()


def case_deleted(box):
    d = own_libssl(box)
    with Client(box, 'requests', LD_LIBRARY_PATH=d) as c:
        c.send(request())
        ok(d in maps_of(c.pid), 'its own libssl')
        os.unlink(d + '/libssl.so.3')
        with Tracer(box, pid=c.pid) as t:
            reqs, want = three(10)
            c.send(*reqs)
            rows = t.rows(3)
        eq(tokens(rows), want, 'calls')


def case_upgraded(box):
    """The file is exchanged while programs run, below a running tracer."""
    d, exe = own_libssl(box), named(box, PY, copy=True)
    own = dict(LD_LIBRARY_PATH=d, PYTHONHOME='/usr')
    with Client(box, argv=python(exe, 'requests'), **own) as old, \
            Tracer(box, '--exe', exe) as t:
        old.send(request(test='in=1;out=1'))
        shutil.copy(LIBSSL, d + '/new')
        os.rename(d + '/new', d + '/libssl.so.3')
        with Client(box, argv=python(exe, 'http.client'), **own) as new:
            new.send(request(test='in=2;out=2'))
            ok('(deleted)' in maps_of(old.pid) and
               d + '/libssl.so.3\n' in maps_of(new.pid), 'two files')
            old.send(request(test='in=3;out=3'))
            new.send(request(test='in=4;out=4'))
            rows = t.rows(4)
        eq(sorted(tokens(rows)), [(i, i) for i in (1, 2, 3, 4)], 'calls')


NAMESPACE = r'''
mount --make-rprivate / && mount --bind "$D/libssl.so.3" "$L" && exec "$@"'''
CHROOT = r'''
mount --make-rprivate / && mkdir -p "$D/root" && mount --rbind / "$D/root" &&
mount --bind "$D/libssl.so.3" "$D/root$L" && exec chroot "$D/root" "$@"'''


def in_namespace(box, script, option):
    d, exe = own_libssl(box), named(box, PY, copy=True)
    argv = ['unshare', '-m', 'sh', '-c', script, 'sh',
            *python(exe, 'requests')]
    if subprocess.run(['unshare', '-m', 'true']).returncode:
        raise Skip('no mount namespaces here')
    with Client(box, argv=argv, D=d, L=os.path.realpath(LIBSSL),
                PYTHONHOME='/usr') as c:
        c.send(request())
        with Tracer(box, *option(c, exe)) as t:
            reqs, want = three(30)
            c.send(*reqs)
            rows = t.rows(3)
        eq(tokens(rows, c.pid), want, 'calls')


def case_namespace(box):
    in_namespace(box, NAMESPACE, lambda c, exe: ['--pid', str(c.pid)])


def case_chroot(box):
    in_namespace(box, CHROOT, lambda c, exe: ['--exe', '*/' + os.path.basename(exe)])


TWO = r'''
import ctypes, json, os, socket, ssl, sys, urllib.request
lib = ctypes.CDLL(sys.argv[1], mode=os.RTLD_LOCAL)
for f in ('TLS_client_method', 'SSL_CTX_new', 'SSL_new'):
    getattr(lib, f).restype = ctypes.c_void_p
body = json.dumps(json.loads(sys.argv[2])).encode()
def by_hand(test):
    s = socket.create_connection(('127.0.0.1', int(os.environ['TEST_PORT'])))
    x = ctypes.c_void_p(lib.SSL_new(ctypes.c_void_p(
        lib.SSL_CTX_new(ctypes.c_void_p(lib.TLS_client_method())))))
    lib.SSL_set_fd(x, s.fileno())
    lib.SSL_ctrl(x, 55, 0, b'api.openai.com')
    assert lib.SSL_connect(x) == 1
    head = ('POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n'
            'Content-Length: %d\r\nx-test: %s\r\n\r\n' % (len(body), test))
    lib.SSL_write(x, head.encode() + body, len(head) + len(body))
    b = ctypes.create_string_buffer(65536)
    got = b''
    while b'}' not in got[-3:]:
        n = lib.SSL_read(x, b, 65536)
        if n <= 0: break
        got += b.raw[:n]
    lib.SSL_free(x)
def by_python(test):
    q = urllib.request.Request('https://api.openai.com/v1/chat/completions',
                               body, {'x-test': test})
    urllib.request.urlopen(q).read()
print('ready', flush=True)
for line in sys.stdin:
    for test, way in (('in=1;out=1', by_hand), ('in=2;out=2', by_python),
                      ('in=3;out=3', by_hand)):
        way(test)
    print('{"status": 200}', flush=True)
'''


def case_two_copies(box):
    """Two libssl in one process: the second one bears another name."""
    d = own_libssl(box)
    with open(d + '/libssl.so.3', 'rb') as f:
        text = f.read()
    eq(text.count(b'\0libssl.so.3\0'), 1, 'names in it')
    with open(d + '/libssl.so.9', 'wb') as f:
        f.write(text.replace(b'\0libssl.so.3\0', b'\0libssl.so.9\0'))
    with Client(box, argv=[PY, '-c', TWO, d + '/libssl.so.9',
                           json.dumps(chat_body())]) as c:
        eq(sum('libssl.so.' in x and ' r-xp ' in x
               for x in maps_of(c.pid).splitlines()), 2, 'copies')
        with Tracer(box, pid=c.pid) as t:
            c.start(request())
            c.collect()
            rows = t.rows(3)
        eq(tokens(rows), [(1, 1), (2, 2), (3, 3)], 'calls')


LATE = r'''
import sys
print('ready', flush=True)
sys.stdin.readline()
import ssl, urllib.request, json
body = sys.argv[1].encode()
q = urllib.request.Request('https://api.openai.com/v1/chat/completions', body,
                           {'x-test': 'in=6;out=6'})
urllib.request.urlopen(q).read()
print('{"status": 200}', flush=True)
sys.stdin.readline()
'''


def case_loaded_later(box):
    """No TLS when the tracer comes: ld.so tells of it."""
    argv = [PY, '-S', '-c', LATE.replace('import sys', 'import sys, site\n'
            'sys.path.insert(0, %r); import sitecustomize' % os.path.join(
                TOP, 'tests/e2e/redirect'), 1), json.dumps(chat_body())]
    with Client(box, argv=argv) as c:
        ok('libssl' not in maps_of(c.pid), 'no libssl yet')
        with Tracer(box, '--verbose', pid=c.pid) as t:
            t.wait_said('no TLS library is mapped yet')
            c.start(request())
            c.collect()
            rows = t.rows(1)
        eq(tokens(rows), [(6, 6)], 'calls')


# -- children, threads, crowds ----------------------------------------------------------

FAMILY = r'''
import json, os, subprocess, sys, threading, urllib.request
def ask(test):
    q = urllib.request.Request('https://api.openai.com/v1/chat/completions',
                               sys.argv[1].encode(), {'x-test': test})
    urllib.request.urlopen(q).read()
def curl(test):
    return ['curl', '-sS', '-m', '20', '--cacert', os.environ['SSL_CERT_FILE'],
            '-o', '/dev/null', '--connect-to', '::127.0.0.1:' +
            os.environ['TEST_PORT'], '-H', 'x-test: ' + test, '-H',
            'Content-Type: application/json', '--data-binary', sys.argv[1],
            'https://api.openai.com/v1/chat/completions']
def child():
    pid = os.fork()
    if not pid:
        import time
        time.sleep(0.3)
        ask('in=1;out=1')
        os._exit(0)
    os.waitpid(pid, 0)
def threads():
    all_of = [threading.Thread(target=lambda n=n: [
        ask('in=%d;out=%d' % (n, i)) for i in range(3)]) for n in range(8)]
    for x in all_of: x.start()
    for x in all_of: x.join()
def program():
    time_of = 'sleep 0.3; exec "$@"'
    subprocess.run(['sh', '-c', time_of, 'sh', *curl('in=2;out=2')],
                   check=True)
ways = dict(child=child, threads=threads, program=program,
            parent=lambda: ask('in=3;out=3'),
            become=lambda: os.execvp('curl', curl('in=4;out=4')))
ask('in=0;out=0')
print('ready', flush=True)
for line in sys.stdin:
    ways[json.loads(line)['requests'][0]]()
    print('{"status": 200}', flush=True)
'''


def family(box):
    return Client(box, argv=[PY, '-c', FAMILY, json.dumps(chat_body())])


def case_children(box):
    with family(box) as c, Tracer(box, pid=c.pid) as t:
        for way in ('parent', 'child', 'parent', 'program', 'parent'):
            c.start(way)
            c.collect()
        c.start('become')
        rows = t.rows(6)
        eq(tokens(rows), [(3, 3), (1, 1), (3, 3), (2, 2), (3, 3), (4, 4)],
           'calls')
        eq([r['comm'] for r in rows].count('curl'), 2, 'programs')
        eq(len({r['pid'] for r in rows}), 3, 'processes')
        c.proc.wait(10)


def case_no_children(box):
    with family(box) as c, Tracer(box, '--no-children', pid=c.pid) as t:
        for way in ('child', 'program', 'parent'):
            c.start(way)
            c.collect()
        rows = t.rows(1)
        time.sleep(0.3)
        eq(tokens(t.rows()), [(3, 3)], 'calls')
        eq(len(rows), 1, 'rows')


def case_threads(box):
    with family(box) as c, Tracer(box, pid=c.pid) as t:
        c.start('threads')
        c.collect()
        rows = t.rows(24)
    eq(sorted(tokens(rows)), [(n, i) for n in range(8) for i in range(3)],
       'calls')


def case_crowd(box):
    """200 processes at once, that begin below a running tracer."""
    if not os.path.exists(CCLIENT):
        raise Skip('cclient is not built')
    body = os.path.join(box.dir, 'body.json')
    with open(body, 'w') as f:
        json.dump(chat_body(), f)
    exe = named(box, CCLIENT)
    argv = [exe, '-n', '2', '-x', 'x-test: in=5;out=6', 'api.openai.com',
            CHAT, body]
    with Tracer(box, '--comm', os.path.basename(exe)) as t:
        all_of = [subprocess.Popen(
            argv, env=box.env(guard=False), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            for _ in range(200)]
        good = [p.communicate(timeout=60)[0].split() for p in all_of]
        eq({tuple(g) for g in good}, {(b'200', b'200')}, 'answers')
        rows = t.rows(400, timeout=20)
    eq(len(rows), 400, 'calls')
    eq(set(tokens(rows)), {(5, 6)}, 'tokens')
    eq({r['pid'] for r in rows}, {p.pid for p in all_of}, 'processes')


def case_cgroup(box):
    top = '/sys/fs/cgroup/unified'
    top = top if os.path.isdir(top) else '/sys/fs/cgroup'
    if not os.path.exists(top + '/cgroup.procs'):
        raise Skip('no cgroup v2')
    group = '%s/llmguard-test-%d' % (top, os.getpid())
    below = group + '/below'
    os.makedirs(below)
    try:
        with Client(box, 'requests') as a, Client(box, 'http.client') as b, \
                Client(box, 'http.client') as c:
            for c_, g in ((a, group), (b, below)):
                with open(g + '/cgroup.procs', 'w') as f:
                    f.write(str(c_.pid))
            with Tracer(box, '--cgroup', group) as t:
                for n, x in enumerate((a, b, c)):
                    x.send(request(test='in=%d;out=1' % (n + 1)))
                rows = t.rows(2)
                time.sleep(0.2)
            eq(tokens(rows), [(1, 1), (2, 1)], 'calls')
    finally:
        for g in (below, group):
            until(lambda: not open(g + '/cgroup.procs').read(), 'empty')
            os.rmdir(g)


# -- below the preload --------------------------------------------------------------

def case_preload(box):
    """Who is guarded by its preload is not counted twice; a preload that is
    switched off, or leaves this program alone, guards nobody."""
    denied = named(box, PY)
    box.config('programs: {deny: [%s]}\n' % os.path.basename(denied))
    with Client(box, argv=python(denied, 'requests'), guard=True) as c, \
            Tracer(box, pid=c.pid) as t:
        c.send(request(test='in=7;out=7'))
        t.rows(1)
    eq(tokens(t.rows()), [(7, 7)], 'one that is let alone')
    exe = named(box, PY)
    with Client(box, argv=python(exe, 'requests'), guard=True) as a, \
            Client(box, argv=python(exe, 'http.client'), guard=True,
                   LLMGUARD_DISABLE=1) as b:
        a.send(request(test='in=1;out=1'))
        b.send(request(test='in=2;out=2'))
        eq(tokens(box.rows()), [(7, 7), (1, 1)], 'before')
        with Tracer(box, '--verbose', '--comm',
                    os.path.basename(exe)) as t:
            t.wait_said('guards it already')
            t.wait_traced(b.pid)
            a.send(request(test='in=3;out=3'))
            b.send(request(test='in=4;out=4'))
            t.rows(1)
        eq(tokens(t.rows()), [(4, 4)], 'the tracer\'s')
        eq(tokens(box.rows()), [(7, 7), (1, 1), (3, 3), (4, 4)], 'all')


def case_preload_short(box):
    """Programs that are over before anybody could look at them."""
    if sanitizer():
        raise Skip(NO_CURL)
    n, path = 12, named(box, 'curl')
    with Tracer(box, '--comm', os.path.basename(path)) as t:
        for off in ('0', '1'):
            sh = 'for i in $(seq %d); do "$P" -sS -m 20 -o /dev/null ' \
                '--cacert "$SSL_CERT_FILE" --connect-to "::127.0.0.1:$A" ' \
                '--data-binary "$B" -H "Content-Type: application/json" ' \
                '-H "x-test: in=3;out=2" "$U" || exit 1; done' % n
            p = subprocess.run(
                ['sh', '-c', sh], stderr=subprocess.PIPE, timeout=60,
                env=box.env(TEST_PORT=None, P=path, A=box.server.port,
                            B=json.dumps(chat_body()), U=OPENAI,
                            LLMGUARD_DISABLE=off))
            eq(p.returncode, 0, p.stderr)
            if off == '1':
                t.rows(n)
    eq(tokens(t.rows()), [(3, 2)] * n, 'the tracer\'s')
    eq(len(box.rows()), 2 * n, 'all')


# -- probes that die -------------------------------------------------------------------

def links_of(pid):
    """The descriptors of its uprobes."""
    found = []
    for fd in os.listdir('/proc/%d/fd' % pid):
        with contextlib.suppress(OSError), \
                open('/proc/%d/fdinfo/%s' % (pid, fd)) as f:
            text = f.read()
            if 'uprobe' in text or 'link_type:\tperf' in text:
                found.append(int(fd))
    return found


def case_canary(box):
    """Its links are closed behind its back; files are changed in place."""
    d, exe = own_libssl(box), named(box, PY)
    with Client(box, argv=python(exe, 'requests'), LD_LIBRARY_PATH=d) as c:
        c.send(request())
        bare = text_of(c.pid)
        for n, options in enumerate((['--pid', str(c.pid)],
                                     ['--comm', os.path.basename(exe)])):
            with Tracer(box, *options) as t:
                probed = text_of(c.pid)
                ok(probed != bare, 'breakpoints')
                inject.close_in(t.pid, links_of(t.pid))
                t.wait_said('put again')
                until(lambda: text_of(c.pid) == probed, 'they are back')
                os.utime(d + '/libssl.so.3')
                until(lambda: t.said().count('put again') > 1, 'a new look')
                until(lambda: text_of(c.pid) == probed, 'they are back')
                c.send(request(test='in=%d;out=1' % n))
                eq(tokens(t.rows(1)), [(n, 1)], 'call')


def case_overlay(box):
    """Two containers of one image: one inode below two devices."""
    lower, exe = own_libssl(box), named(box, PY)
    mounts = []
    with contextlib.ExitStack() as s:
        for n in '12':
            at = [os.path.join(box.dir, x + n) for x in ('up', 'work', 'at')]
            for x in at:
                os.mkdir(x)
            if subprocess.run(['mount', '-t', 'overlay', 'overlay', '-o',
                               'lowerdir=%s,upperdir=%s,workdir=%s' % (
                                   lower, at[0], at[1]), at[2]],
                              stderr=subprocess.DEVNULL).returncode:
                raise Skip('no overlay mounts here')
            s.callback(subprocess.run, ['umount', '-l', at[2]])
            mounts.append(at[2])
        all_of = [s.enter_context(Client(
            box, argv=python(exe, 'requests'), LD_LIBRARY_PATH=m))
            for m in mounts]
        for c in all_of:
            c.send(request())
            ok(any(m in maps_of(c.pid) for m in mounts), 'its own libssl')
        with Tracer(box, '--comm', os.path.basename(exe)) as t:
            for n, c in enumerate(all_of):
                c.send(request(test='in=%d;out=1' % n))
            t.rows(2)
            time.sleep(0.3)
        eq(tokens(t.rows()), [(0, 1), (1, 1)], 'calls, each once')
    eq(len(box.rows()), 2, 'rows')


CONTAINER = r'''
mount --make-rprivate / && mkdir "$D/up" "$D/work" "$D/at" &&
mount -t overlay overlay -o "lowerdir=/,upperdir=$D/up,workdir=$D/work" \
  "$D/at" && mount --rbind /proc "$D/at/proc" && mount --rbind /tmp "$D/at/tmp" &&
mount --rbind /dev "$D/at/dev" && echo ready &&
exec chroot "$D/at" sh -c 'read x; exec "$@"' sh "$@"'''


def container(box, option):
    """A program that starts below the tracer, in a root of its own: its
    libraries are known by the overlay's device and by the real one."""
    d, exe = os.path.join(box.dir, 'own'), named(box, PY)
    os.mkdir(d)
    argv = ['unshare', '-m', 'sh', '-c', CONTAINER, 'sh',
            *python(exe, 'requests')]
    if subprocess.run(['unshare', '-m', 'true']).returncode:
        raise Skip('no mount namespaces here')
    try:
        c = Client(box, argv=argv, D=d)
    except Failed as e:
        raise Skip('no overlay mounts here: %s' % e)
    with c, Tracer(box, *option(c, exe)) as t:
        c.proc.stdin.write('\n')
        c.proc.stdin.flush()
        c.start(request(test='in=3;out=1'), request(test='in=4;out=1'))
        until(lambda: len(c.out.all) == 4, 'both ready, two answers')
        t.rows(2)
        time.sleep(0.2)
    eq(tokens(box.rows()), [(3, 1), (4, 1)], 'calls, each once')


def case_container(box):
    container(box, lambda c, exe: ['--pid', str(c.pid)])


def case_container_wide(box):
    container(box, lambda c, exe: ['--comm', os.path.basename(exe)])


# -- detach -----------------------------------------------------------------------------

def programs_of(pid):
    """The ids of the BPF programs that it holds."""
    found = set()
    for fd in os.listdir('/proc/%d/fdinfo' % pid):
        with contextlib.suppress(OSError), \
                open('/proc/%d/fdinfo/%s' % (pid, fd)) as f:
            found |= {int(x.split()[1]) for x in f if x.startswith('prog_id')}
    return found


def programs_of_all():
    out = subprocess.run(['/usr/sbin/bpftool', '-j', 'prog', 'show'],
                         capture_output=True).stdout
    return {p['id'] for p in json.loads(out or '[]')}


def text_of(pid):
    """The code of libssl, as the process has it."""
    got = {}
    with open('/proc/%d/maps' % pid) as f:
        lines = [x.split() for x in f if 'libssl' in x and ' r-xp ' in x]
    with open('/proc/%d/mem' % pid, 'rb', 0) as f:
        for x in lines:
            start, end = (int(v, 16) for v in x[0].split('-'))
            f.seek(start)
            got[start] = f.read(end - start)
    return got


def case_detach(box):
    """After any end the bytes are the original ones, nothing is left."""
    with Client(box, 'requests') as c:
        c.send(request())
        before = text_of(c.pid)
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            t = Tracer(box, pid=c.pid)
            with contextlib.suppress(Failed):
                t.wait_ready()
            until(lambda: text_of(c.pid) != before, 'breakpoints')
            c.send(request(test='in=1;out=1'))
            t.rows(1)
            own = programs_of(t.pid)
            ok(own and own <= programs_of_all(), 'its programs')
            code = t.stop(sig)
            eq(code, -9 if sig == signal.SIGKILL else 0, 'exit status')
            until(lambda: text_of(c.pid) == before, 'the original bytes')
            until(lambda: not own & programs_of_all(), 'no programs left')
            eq(c.send(request())[0]['status'], 200, 'afterwards')


main(globals())
