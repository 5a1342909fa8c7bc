#!/usr/bin/python3
"""The action `local` over TLS, by the program's own libssl: who the server is
is checked, and what the program reads is what a plain server would have said.
"""
import json
import os
import shutil
import ssl
import tempfile
import time

from harness import (ANTHROPIC, BUILD, OPENAI, PY, Skip, chat_body, eq,
                     have_client, main, ok, request, sanitizer, send)
import harness
import test_programs
from local_server import LocalServer
from server import Certs
from test_local import (ASK, CLIENTS, DEAR, DESCRIPTORS, FORKED, QUIET,
                        STREAMING, TINY, hard, make_case, nothing_arrived)

KEEPING = 'curl', 'httpx', 'aiohttp', 'https'


def context(box, *names, of=None):
    """A server's context with a certificate for these names."""
    return (of or Certs(os.path.dirname(box.server.ca))).make(
        list(names) or ['127.0.0.1', 'localhost'])


class server:
    def __init__(self, tls, host=None, **how):
        self.tls, self.host, self.how = tls, host, how

    def __enter__(self):
        self.srv = LocalServer(tls=self.tls)
        self.srv.how.update(self.how)
        if self.host:
            self.srv.url = self.srv.url.replace('127.0.0.1', self.host)
        return self.srv

    def __exit__(self, *_):
        self.srv.close()


def other_authority():
    return Certs(tempfile.mkdtemp(prefix='llmguard-ca-'))


def local(box, kind):
    with server(context(box)) as srv:
        hard(box, srv.url, ', model: tiny')
        got, _ = send(box, kind, [ASK, request(OPENAI, chat_body(
            'gpt-4o', stream=True))] * 2, **QUIET)
        eq([r['status'] for r in got], [200] * 4, got)
        ok('word3' in got[0]['body'], got[0]['body'])
        ok(got[1]['body'].endswith('data: [DONE]\n\n'), got[1]['body'])
        eq([s['body']['model'] for s in srv.seen], ['tiny'] * 4, 'models')
        for s in srv.seen:
            ok(b'sk-test' not in s['raw'], 'no key')
            eq(s['after'], b'', 'after the request')
        eq([(r['verdict'], r['cost_usd'], r['model'], r['input_tokens'],
             r['status']) for r in box.rows()],
           [('local', 0, 'tiny', 11, 200)] * 4, 'rows')
        eq(box.budget_status()['held_usd'], 0, 'held')
        nothing_arrived(box)


def case_name(box):
    """localhost, with its name in the certificate and asked for."""
    asked = []
    tls = context(box, 'localhost')
    tls.sni_callback = lambda sock, name, ctx: asked.append(
        (name, sock.selected_alpn_protocol()))
    with server(tls, host='localhost') as srv:
        hard(box, srv.url)
        for kind in ('http.client', 'httpx-async'):
            got, _ = send(box, kind, [ASK])
            eq(got[0]['status'], 200, got)
        eq([n for n, _ in asked], ['localhost'] * 2, 'names')
        eq(srv.seen[0]['fields']['host'], srv.url[8:], 'host')


def refused(box, srv, url=None, more='', why='', kind='requests'):
    hard(box, url or srv.url, more)
    path = os.path.join(box.dir, 'log')
    got, _ = send(box, kind, [ASK], LLMGUARD_LOG=path, **QUIET)
    eq(got[0]['status'], 429, got)
    eq(srv.seen, [], 'there')
    eq({r['verdict'] for r in box.rows()}, {'block'}, 'rows')
    nothing_arrived(box)
    with open(path) as f:
        said = f.read()
    os.unlink(path)
    ok(why in said, (why, said))


def case_unknown_authority(box):
    with server(context(box, of=other_authority())) as srv:
        for kind in ('http.client', 'httpx-async', 'curl'):
            refused(box, srv, kind=kind, why='no known authority')
    ok(srv.refused, 'the server saw it go')


def case_wrong_name(box):
    with server(context(box, 'other.example')) as srv:
        refused(box, srv, why='for another name')
        refused(box, srv, url=srv.url.replace('127.0.0.1', 'localhost'),
                why='for another name')
    with server(context(box, '127.0.0.1')) as srv:
        refused(box, srv, url=srv.url.replace('127.0.0.1', 'localhost'),
                why='for another name')


def case_plain_server(box):
    """http on a port that the URL calls https, and the other way round."""
    with server(None) as srv:
        srv.how['raw'] = b'HTTP/1.1 400 Bad Request\r\n\r\n'
        refused(box, srv, url=srv.url.replace('http:', 'https:'))
    with server(context(box)) as srv:
        hard(box, srv.url.replace('https:', 'http:'))
        got, _ = send(box, 'requests', [ASK])
        eq((got[0]['status'], srv.seen), (502, []), got)
        nothing_arrived(box)


def case_silent_server(box):
    """It accepts and says nothing: an event loop waits 2 s, once."""
    with server(context(box), before=8) as srv:
        begun = time.time()
        refused(box, srv, kind='httpx-async', why='no handshake in time')
        ok(1.5 < time.time() - begun < 6, time.time() - begun)


def case_old_tls(box):
    tls = context(box)
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with server(tls) as srv:
        hard(box, srv.url)
        for kind in ('http.client', 'httpx-async', 'curl', 'fetch'):
            got, _ = send(box, kind, [ASK], **QUIET)
            eq(got[0]['status'], 200, got)


def case_ca_file(box):
    """A private authority: of this server alone, not besides the system's."""
    own = other_authority()
    with server(context(box, of=own)) as srv:
        hard(box, srv.url, ', ca_file: "%s"' % own.ca)
        for kind in ('http.client', 'aiohttp', 'fetch'):
            got, _ = send(box, kind, [ASK], **QUIET)
            eq(got[0]['status'], 200, (kind, got))
        del srv.seen[:]
        for n in os.listdir(os.path.join(box.state, 'ledger')):
            os.unlink(os.path.join(box.state, 'ledger', n))
        refused(box, srv, more=', ca_file: /nowhere/ca.pem',
                why='ca_file cannot be read')
    with server(context(box)) as srv:
        refused(box, srv, more=', ca_file: "%s"' % own.ca,
                why='no known authority')


def case_unverified(box):
    with server(context(box, 'other.example', of=other_authority())) as srv:
        hard(box, srv.url, ', verify: false')
        got, _ = send(box, 'requests', [ASK])
        eq(got[0]['status'], 200, got)


def case_bad_config(box):
    for more, word in (
            ('https://gpu.example', 'localhost, 127.0.0.1'),
            ('https://127.0.0.1.example', 'localhost, 127.0.0.1'),
            ('http://127.0.0.1', 'https:// alone')):
        hard(box, more, ', verify: false')
        p = box.cli('config', 'check', check=False)
        eq(p.returncode, 1, more)
        ok(word in p.stderr.decode(), p.stderr)
    hard(box, 'https://gpu.example', ', ca_file: ca.pem')
    p = box.cli('config', 'check', check=False)
    ok(b'full path' in p.stderr, p.stderr)
    hard(box, 'https://gpu.example', ', ca_file: /etc/ca.pem, verify: true')
    eq(box.cli('config', 'check').returncode, 0, 'status')


def case_then_next(box):
    with server(context(box, of=other_authority())) as bad, \
            server(context(box)) as good:
        hard(box, bad.url, rest='{local: "%s"}, block' % good.url)
        got, _ = send(box, 'httpx-async', [ASK])
        eq((got[0]['status'], len(good.seen)), (200, 1), got)


def case_dies(box):
    """Without an answer, in its head, in its body, cut inside a record."""
    tls = context(box)
    for kind in ('http.client', 'aiohttp', 'fetch'):
        for raw in (b'', b'HTTP/1.1 200 OK\r\nConte'):
            with server(tls, raw=raw) as srv:
                hard(box, srv.url)
                got, _ = send(box, kind, [ASK], **QUIET)
                eq(got[0]['status'], 502, (kind, got))
                eq(json.loads(got[0]['body'])['error']['type'],
                   'server_error', got)
    for kind in ('http.client', 'fetch'):
        for reset in (False, True):
            with server(tls, reset=reset, raw=b'HTTP/1.1 200 OK\r\n'
                        b'Content-Type: application/json\r\n'
                        b'Content-Length: 50\r\n\r\n{') as srv:
                hard(box, srv.url)
                got, _ = send(box, kind, [ASK], **QUIET)
                eq(got[0]['status'], 0, (kind, got))
    eq({(r['verdict'], r['cost_usd']) for r in box.rows()}, {('local', 0)},
       'rows')
    eq(box.budget_status()['held_usd'], 0, 'held')
    nothing_arrived(box)


def case_pieces(box):
    """One byte a record."""
    with server(context(box), piece=1) as srv:
        hard(box, srv.url)
        for kind in ('http.client', 'aiohttp', 'fetch'):
            got, _ = send(box, kind, [ASK, request(OPENAI, dict(
                DEAR, stream=True))], **QUIET)
            ok(all('word3' in r['body'] for r in got), kind)


def case_streams(box):
    with server(context(box), gap=0.1) as srv:
        hard(box, srv.url)
        p = box.run([PY, '-c', STREAMING], stdin=json.dumps(dict(
            DEAR, stream=True)))
        n, span = p.stdout.split()
        ok(int(n) == 6 and float(span) > 0.3, p.stdout)


def case_same_connection(box):
    """The provider's answer first, whose tickets may still be on their way."""
    with server(context(box)) as srv:
        hard(box, srv.url, ', for_models: gpt-4o',
             '{action: warn, for_models: gpt-4o-mini}, block')
        for kind in KEEPING:
            got, _ = send(box, kind, [request(OPENAI, chat_body()), ASK,
                                      request(OPENAI, chat_body())], **QUIET)
            eq([r['status'] for r in got], [200] * 3, (kind, got))
            ok('word0' in got[1]['body'], kind)
        eq(len(srv.seen), len(KEEPING), 'there')


TICKETS = '''
import socket, ssl, sys, time
body = sys.stdin.buffer.read()
s = socket.create_connection(('api.openai.com', 443))
i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
c = ssl.create_default_context().wrap_bio(
    i, o, server_hostname='api.openai.com')
while True:
    try:
        c.do_handshake()
        break
    except ssl.SSLWantReadError:
        s.sendall(o.read())
        i.write(s.recv(65536))
s.sendall(o.read())
old = s.recv(65536)
i.write(old)
c.write(b'POST /v1/chat/completions HTTP/1.1\\r\\nHost: api.openai.com\\r\\n'
        b'Content-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n'
        % len(body) + body)
s.sendall(o.read() or b'nothing')
got = b''
while True:
    try:
        d = c.read(65536)
    except ssl.SSLWantReadError:
        i.write(s.recv(int(sys.argv[1])))
        continue
    if not d:
        break
    got += d
print(len(old) > 0, got.count(b'word3'))
'''


def case_tickets(box):
    """Records of the old connection lie in the program's memory unread."""
    for tls in (None, context(box)):
        with server(tls) as srv:
            hard(box, srv.url)
            for n in ('65536', '1'):
                p = box.run([PY, '-c', TICKETS, n], stdin=json.dumps(DEAR))
                eq((p.stdout, p.stderr), (b'True 1\n', b''), tls)


def case_parallel(box):
    with server(context(box), delay=0.2, gap=0.01) as srv:
        hard(box, srv.url)
        for kind in ('httpx-async', 'aiohttp', 'fetch'):
            got, _ = send(box, kind, [ASK, request(OPENAI, dict(
                DEAR, stream=True))] * 8, parallel=True, **QUIET)
            eq({r['status'] for r in got}, {200}, kind)
            ok(all('word3' in r['body'] for r in got), kind)
        eq(len(srv.seen), 48, 'there')
        eq(box.budget_status()['held_usd'], 0, 'held')


def case_big(box):
    """3 MB there and 3 MB back."""
    big = request(OPENAI, chat_body('gpt-4o', text='x' * 3000000))
    said = json.dumps({'model': 'tiny', 'choices': [{'message': {
        'role': 'assistant', 'content': 'y' * 3000000}}]}).encode()
    with server(context(box), raw=b'HTTP/1.1 200 OK\r\nContent-Type: '
                b'application/json\r\nContent-Length: %d\r\n\r\n%s' %
                (len(said), said)) as srv:
        hard(box, srv.url)
        for kind in ('http.client', 'httpx-async', 'curl', 'fetch'):
            got, _ = send(box, kind, [big], **QUIET)
            eq((got[0]['status'], len(got[0]['body'])), (200, len(said)), kind)
        ok(all(len(s['body']['messages'][0]['content']) == 3000000
               for s in srv.seen), 'whole')


def case_stalls(box):
    with server(context(box), stall=9) as srv:
        hard(box, srv.url)
        begun = time.time()
        got, _ = send(box, 'httpx-async', [request(OPENAI, chat_body(
            'gpt-4o', text='x' * 12000000))])
        eq(got[0]['status'], 429, 'the next action')
        ok(time.time() - begun < 8, time.time() - begun)
        nothing_arrived(box)


def case_fork(box):
    with server(context(box), delay=0.3) as srv:
        hard(box, srv.url)
        p = box.run([PY, '-c', FORKED], stdin=json.dumps(DEAR))
        eq((p.stdout, p.stderr), (b'1\n', b''), 'child')
        row, = box.rows()
        eq((row['verdict'], row['output_tokens']), ('local', 4), 'row')


def case_no_descriptors(box):
    with server(context(box)) as srv:
        hard(box, srv.url)
        p = box.run([PY, '-c', DESCRIPTORS], stdin=json.dumps(DEAR))
        eq((p.stdout, len(srv.seen)), (b'0\n', 20), 'left open')


def case_small_stack(box):
    if sanitizer():
        raise Skip('a sanitizer needs a larger stack')
    with server(context(box)) as srv:
        hard(box, srv.url)
        path = os.path.join(box.dir, 'body.json')
        with open(path, 'w') as f:
            json.dump(DEAR, f)
        p = box.run([os.path.join(BUILD, 'tests/e2e/cclient'), '-t', '4', '-k',
                     '64', '-r', '-n', '3', 'api.openai.com',
                     '/v1/chat/completions', path])
        eq((p.returncode, p.stdout.split()), (0, [b'200'] * 12), 'statuses')
        eq(len(srv.seen), 12, 'there')


def case_translated(box):
    if not have_client('anthropic'):
        raise Skip('no anthropic here')
    with server(context(box)) as srv:
        hard(box, srv.url, ', model: tiny, dialect: ollama')
        got, p = send(box, 'anthropic', [request(ANTHROPIC, chat_body(
            'claude-opus-4-1', stream=stream, usage=False))
            for stream in (False, True)], **QUIET)
        eq((p.returncode, [r['status'] for r in got]), (0, [200] * 2), got)
        ok(all('word3' in r['body'] for r in got), got)
        eq(len(srv.seen), 2, 'there')


def case_gnutls(box):
    """No libssl there: the next action."""
    if not shutil.which('wget'):
        raise Skip('no wget')
    with server(context(box)) as srv:
        box.config('hosts: {localhost: openai}\n' + TINY % (
            '{local: "%s"}, block' % srv.url))
        p = box.run(['wget', '-q', '-O', '-', '-T', '10', '-t', '1',
                     '--ca-certificate', box.server.ca, '--post-data',
                     json.dumps(DEAR), '--header',
                     'Content-Type: application/json',
                     'https://localhost:%d/v1/chat/completions' %
                     box.server.port])
        eq((p.returncode, srv.seen), (8, []), p)
        eq([r['verdict'] for r in box.rows()], ['block'], 'rows')
        nothing_arrived(box)


def program(box, name):
    """The programs of test_programs.py: plain, a stream, 1.5 MB."""
    argv = test_programs.prepare(box, name)
    with server(context(box)) as srv:
        box.config('hosts: {localhost: openai}\n' +
                   TINY % ('{local: "%s"}, block' % srv.url))
        p, _ = test_programs.timed(box, argv)
        eq([x.split()[0] for x in p.stdout.splitlines()], [b'200'] * 3,
           (p.stdout, p.stderr))
        eq(len(srv.seen), 3, 'there')
        eq([r['verdict'] for r in box.rows()], ['local'] * 3, 'rows')
        nothing_arrived(box)


def case_static_node(box):
    was, harness.NODE = harness.NODE, '/usr/bin/node'
    try:
        if not os.path.exists(harness.NODE):
            raise Skip('no /usr/bin/node')
        local(box, 'fetch')
    finally:
        harness.NODE = was


for _kind in CLIENTS:
    globals()['case_local ' + _kind] = make_case(local, _kind)
for _name in ('php_stream', 'ruby', 'perl_lwp', 'lua', 'tornado', 'pyopenssl'):
    globals()['case_program ' + _name] = make_case(program, _name)

if __name__ == '__main__':
    main(globals())
