#!/usr/bin/python3
"""What lies between a program and its provider: TLS versions, hosts that only
their path gives away, proxies, ends and pauses of the connection."""
import json
import os
import shutil
import socket
import ssl
import threading
import time

from harness import (BUILD, OPENAI, PY, PYTHON_CLIENTS, Skip, chat_body, eq,
                     main, ok, request, send)

UNNAMED = 'https://www.example.com/v1/chat/completions'
AIOHTTP = '''
import asyncio, aiohttp, ssl, sys, time
async def main(url, most, n):
    tls = ssl.create_default_context()
    tls.maximum_version = getattr(ssl.TLSVersion, most)
    limit = aiohttp.ClientTimeout(total=20)
    body = {'model': 'gpt-4o-mini', 'max_tokens': 5,
            'messages': [{'role': 'user', 'content': 'x'}]}
    async with aiohttp.ClientSession(timeout=limit) as c:
        for _ in range(int(n)):
            t = time.monotonic()
            try:
                async with c.post(url, json=body, ssl=tls) as r:
                    await r.read()
                    print(r.status, end=' ')
            except Exception as e:
                print(repr(e), end=' ')
            if time.monotonic() - t > 10:
                print('late', end=' ')
asyncio.run(main(*sys.argv[1:]))
'''


def needs(module):
    import importlib.util
    if not importlib.util.find_spec(module):
        raise Skip('no python3-' + module)


def blocked_event_loop(box, most):
    """No ticket of TLS 1.3 comes by chance to wake who waits."""
    needs('aiohttp')
    box.budget(0)
    p = box.run([PY, '-c', AIOHTTP, UNNAMED, most, '5'])
    eq(p.stdout.decode().split(), ['429'] * 5, 'answers')
    eq(p.stderr, b'', 'stderr')
    eq(box.arrived(), [], 'requests that arrived')
    eq(len(box.rows()), 5, 'rows')


def case_blocked_event_loop_tls12(box):
    blocked_event_loop(box, 'TLSv1_2')


def case_blocked_event_loop_tls13(box):
    blocked_event_loop(box, 'TLSv1_3')


# -- proxies -----------------------------------------------------------------

class Proxy:
    """A CONNECT proxy that leads everything to the test server; tls: itself
    reached by TLS."""

    def __init__(self, box, tls=False):
        self.box, self.seen = box, []
        self.ls = socket.create_server(('127.0.0.1', 0))
        self.port = self.ls.getsockname()[1]
        self.ctx = None
        if tls:
            self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            d = box.server.dir
            name = next(x for x in os.listdir(d) if x.startswith('cert-') and
                        x.endswith('.pem'))
            self.ctx.load_cert_chain(d + '/' + name, d + '/server.key')
        threading.Thread(target=self.forever, daemon=True).start()

    def forever(self):
        while True:
            try:
                s, _ = self.ls.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        try:
            if self.ctx:
                s = self.ctx.wrap_socket(s, server_side=True)
            head = b''
            while b'\r\n\r\n' not in head:
                d = s.recv(4096)
                if not d:
                    return
                head += d
            self.seen.append(head.split()[1].decode())
            s.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
            t = socket.create_connection(('127.0.0.1', self.box.server.port))
            threading.Thread(target=self.pump, args=(t, s),
                             daemon=True).start()
            self.pump(s, t)
        except OSError:
            pass

    @staticmethod
    def pump(a, b):
        try:
            while True:
                d = a.recv(65536)
                if not d:
                    break
                b.sendall(d)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.ls.close()


def proxied(box, tls, kind):
    p = Proxy(box, tls)
    url = 'http%s://127.0.0.1:%d' % ('s' if tls else '', p.port)
    reqs = [request(test='in=9;out=3;seq=1'),
            request(OPENAI, chat_body(stream=True), 'in=9;out=3;seq=1')]
    extra = {'extra': ['--connect-to', '::', '-p', '-x', url,
                       '--proxy-cacert', box.server.ca]} \
        if kind == 'curl' else {}
    env = {'https_proxy': url, 'TEST_PORT': None}

    def go(**k):
        if kind == 'curl':
            return send(box, kind, reqs, **extra, **k)
        return send(box, kind, reqs, **env, **k)
    try:
        box.budget(100)
        bare, _ = go(guard=False)
        if [r['status'] for r in bare] != [200, 200]:
            raise Skip('%s cannot do that: %s' % (kind, bare[0]['error']))
        got, _ = go()
        eq(got, bare, 'answers')
        eq([(r['host'], r['input_tokens'], r['output_tokens']) for r in
            box.rows()], [('api.openai.com', 9, 3)] * 2, 'rows')
        box.config('budgets:\n  - {name: cap, scope: global, period: daily, '
                   'limit_usd: 0, hard: true}\n')
        n = len(box.arrived())
        start = time.monotonic()
        got, _ = go()
        took = time.monotonic() - start
        eq([(r['status'], r.get('error')) for r in got], [(429, None)] * 2,
           'refused')
        # TLS inside TLS hides the descriptor: a bare HEAD / wakes the client
        eq([e['head'] for e in box.arrived()[n:] if
            not tls or e['head'] != 'HEAD / HTTP/1.0'], [],
           'what arrived of it')
        ok(took < 15, 'took %.1f s' % took)
    finally:
        p.close()


for _tls in (False, True):
    for _kind in ('curl', 'requests', 'httpx', 'httpx-async'):
        globals()['case_proxy_%s_%s' % ('https' if _tls else 'http', _kind)] \
            = lambda box, tls=_tls, kind=_kind: proxied(box, tls, kind)


UNWRAP = '''
import json, os, signal, socket, ssl, sys
tls = ssl.create_default_context()
tls.options &= ~0x80                # SSL_OP_IGNORE_UNEXPECTED_EOF
body = json.dumps({'model': 'gpt-4o-mini', 'max_tokens': 5,
                   'messages': [{'role': 'user', 'content': 'x'}]}).encode()
for _ in range(3):
    c = tls.wrap_socket(
        socket.create_connection(('127.0.0.1', int(os.environ['TEST_PORT']))),
        server_hostname='api.openai.com')
    c.sendall(b'POST /v1/chat/completions HTTP/1.1\\r\\n'
              b'Host: api.openai.com\\r\\nContent-Length: %d\\r\\n\\r\\n' %
              len(body) + body)
    print(c.recv(65536).split()[1].decode())
    os.kill(int(sys.argv[1]), signal.SIGSTOP)
    try:
        c.unwrap()
    finally:
        os.kill(int(sys.argv[1]), signal.SIGCONT)
'''


def case_orderly_end(box):
    """Who closes TLS in both directions after a refusal meets no error, how
    slow the server may be."""
    box.budget(0)
    p = box.run([PY, '-c', UNWRAP, str(box.server.proc.pid)])
    eq((p.stdout.decode().split(), p.stderr), (['429'] * 3, b''), 'output')


# -- ends and pauses ---------------------------------------------------------

def kept_alive_then_closed(box, kind):
    """The server drops an idle connection without a word; the client goes on
    over a new one, and each call is in the ledger once."""
    box.budget(100)
    reqs = [request(test='in=9;out=3;seq=1;framing=length;cut=bytes:99999')
            for _ in range(4)]
    start = time.monotonic()
    got, p = send(box, kind, reqs)
    ok(time.monotonic() - start < 20, 'took too long')
    eq(p.stderr if kind != 'curl' else b'', b'', 'stderr')
    answered = [r['status'] for r in got if r['status']]
    ok(answered and set(answered) == {200}, 'statuses %s' % answered)
    # what was written into the closing connection has a row of its own
    rows = [r for r in box.rows() if r['status']]
    eq([(r['status'], r['output_tokens']) for r in rows],
       [(200, 3)] * len(answered), 'rows')
    eq(len(box.arrived(('request',))), len(answered), 'arrived')
    eq(box.budget_status()['held_usd'], 0, 'held')


for _kind in ('curl',) + PYTHON_CLIENTS + ('https', 'fetch'):
    globals()['case_idle_close_' + _kind] = \
        lambda box, kind=_kind: kept_alive_then_closed(box, kind)


def piped(box, argv):
    """Programs that know nothing of HTTP: the bytes come from a pipe."""
    if not shutil.which(argv[0]):
        raise Skip('no ' + argv[0])
    body = json.dumps(chat_body())
    text = 'POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n' \
        'x-test: in=9;out=3;seq=1\r\nConnection: close\r\n' \
        'Content-Length: %d\r\n\r\n%s' % (len(body), body)
    box.budget(100)
    bare = box.run(argv, guard=False, stdin=text)
    ok(b'HTTP/1.1 200' in bare.stdout, 'bare: %r' % bare)
    got = box.run(argv, stdin=text)
    eq((got.stdout, got.returncode), (bare.stdout, bare.returncode), 'output')
    eq([r['output_tokens'] for r in box.rows()], [3], 'rows')
    box.config('budgets:\n  - {name: cap, scope: global, period: daily, '
               'limit_usd: 0, hard: true}\n')
    n = len(box.arrived())
    got = box.run(argv, stdin=text)
    ok(b'HTTP/1.1 429' in got.stdout, 'refused: %r' % got)
    eq(box.arrived()[n:], [], 'what arrived of it')


def case_s_client(box):
    piped(box, ['openssl', 's_client', '-quiet', '-verify_quiet', '-CAfile',
                box.server.ca, '-servername', 'api.openai.com', '-connect',
                '127.0.0.1:%d' % box.server.port])


def case_socat(box):
    piped(box, ['socat', '-t5', '-', 'OPENSSL:127.0.0.1:%d,cafile=%s,'
                'snihost=api.openai.com,commonname=api.openai.com' %
                (box.server.port, box.server.ca)])



def case_bio(box):
    """Through BIO_f_ssl: metered exactly, the same bytes, refused cleanly."""
    argv = [os.path.join(BUILD, 'tests/e2e/bioclient'), 'api.openai.com',
            '/v1/chat/completions', 'in=9;out=3;seq=1', '3']
    box.budget(100)
    bare = box.run(argv, guard=False)
    got = box.run(argv)
    eq((got.returncode, got.stdout), (bare.returncode, bare.stdout), 'output')
    eq((got.returncode, got.stdout.count(b' 200 ')), (0, 3), 'answers')
    eq([(r['usage_state'], r['input_tokens'], r['output_tokens'])
        for r in box.rows()], [('exact', 9, 3)] * 3, 'rows')
    box.config('budgets:\n  - {name: cap, scope: global, period: daily, '
               'limit_usd: 0, hard: true}\n')
    n = len(box.arrived())
    got = box.run(argv[:-1] + ['1'])
    ok(b' 429 ' in got.stdout and got.returncode == 0, 'refused: %r' % got)
    eq(box.arrived()[n:], [], 'what arrived of it')


def gather(box, kind):
    """50 calls at once, money for 20: 20 answers, 30 refusals, no one waits."""
    one = request(OPENAI, chat_body(max_tokens=1000, text='x'),
                  'in=8;out=1000;delay=300')
    cost = (8 * 15 + 1000 * 60) / 1e8
    box.budget('%.9f' % (cost * 20.5), mode='strict')
    start = time.monotonic()
    got, p = send(box, kind, [one] * 50, parallel=True)
    codes = [r['status'] for r in got]
    ok(time.monotonic() - start < 25, 'took too long')
    eq(set(codes), {200, 429}, 'statuses')
    n = codes.count(200)
    eq(len(box.arrived()), n, 'arrived')
    rows = box.rows()
    eq(sorted(r['verdict'] for r in rows).count('block'), 50 - n, 'blocked')
    b = box.budget_status()
    ok(b['spent_usd'] <= b['limit_usd'], 'spent too much')
    eq(b['held_usd'], 0, 'held')
    ok(17 <= n <= 20, '%d admitted' % n)


for _kind in ('httpx-async', 'aiohttp', 'fetch', 'https'):
    globals()['case_gather_' + _kind] = \
        lambda box, kind=_kind: gather(box, kind)


def case_large_download(box):
    """100 MB from a host that nobody guards: the same bytes."""
    url = 'https://www.example.com/bytes/104857600'
    out = []
    for guard in (False, True):
        argv = box.curl_argv(url, extra=['-o', 'file', '-w', '%{http_code}'])
        start = time.monotonic()
        p = box.run(argv, guard)
        took = time.monotonic() - start
        eq((p.stdout, p.stderr), (b'200', b''), 'curl')
        out.append((os.path.getsize(os.path.join(box.dir, 'file')), took))
    eq(out[1][0], out[0][0], 'size')
    eq(box.rows(), [], 'rows')


def case_over_hold_max(box):
    """More than may be held: within budget the bytes go through as they are,
    without money nothing arrives."""
    body = chat_body(text='word ' * 800000)
    box.config('hold_max_bytes: 1048576\n')
    for kind in ('curl', 'requests', 'httpx-async', 'aiohttp', 'https'):
        n, m = len(box.arrived()), len(box.rows())
        got, p = send(box, kind, [request(OPENAI, body, 'in=9;out=1'),
                                  request(test='in=9;out=1')])
        eq([r['status'] for r in got], [200, 200], kind + ' status')
        eq([e['body_len'] for e in box.arrived()[n:]][:1],
           [len(json.dumps(body))], kind + ' body')
        eq([(r['input_tokens'], r['output_tokens']) for r in box.rows()[m:]],
           [(9, 1)] * 2, kind + ' rows')
    box.config('hold_max_bytes: 1048576\nbudgets:\n  - {name: cap, '
               'scope: global, period: daily, limit_usd: 0, hard: true}\n')
    n = len(box.arrived())
    for kind in ('curl', 'requests', 'httpx-async', 'aiohttp', 'https'):
        start = time.monotonic()
        got, p = send(box, kind, [request(OPENAI, body, 'in=9;out=1')])
        eq([r['status'] for r in got], [429], kind + ' refused')
        ok(time.monotonic() - start < 15, kind + ' took long')
    eq(box.arrived()[n:], [], 'what arrived of it')


if __name__ == '__main__':
    main(globals())
