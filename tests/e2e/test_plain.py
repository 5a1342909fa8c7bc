#!/usr/bin/python3
"""Plain HTTP to the servers of plain_http: seen, priced and refused like TLS;
all else on plain sockets is left alone."""
import hashlib
import json
import os
import shutil
import time

from harness import (HERE, NODE, PY, PYTHON_CLIENTS, Skip, chat_body, eq, main,
                     ok, request, send)
from local_server import LocalServer

KINDS = ('curl',) + PYTHON_CLIENTS + ('https', 'fetch')
PLAIN_HOSTS = 'plain_http: ["127.0.0.1:%d"]\n'
RULES = 'models:\n  - {match: "*", host: "127.0.0.1", pricing_id: ' \
    'openai/gpt-4o-mini}\n'
CAP = 'budgets:\n  - {name: cap, scope: global, period: total, ' \
    'limit_usd: %s, hard: true}\n'


def url(box, path='/v1/chat/completions', host='127.0.0.1'):
    return 'http://%s:%d%s' % (host, box.server.plain, path)


def configure(box, usd=100, hosts=None, rules=RULES, more=''):
    box.config((hosts or PLAIN_HOSTS % box.server.plain) + rules +
               CAP % usd + more)


def same(r):
    """Of an answer what does not tell one run from another."""
    return r['status'], r.get('body'), r.get('error')


def calls(box, n=2):
    one = [request(url(box), chat_body(), 'in=9;out=3;seq=1'),
           request(url(box), chat_body(stream=True),
                   'in=12;out=5;seq=1;events=7'),
           request(url(box), chat_body(), 'in=20;out=2;seq=1;framing=chunked')]
    return one * n


BARE = []


def bare(box):
    """What is answered without a guard: the same whoever asks."""
    if not BARE:
        BARE.extend(send(box, 'http.client', calls(box), guard=False)[0])
    return BARE


def metered(box, kind):
    """Keep-alive, streams, chunked: the same answers, each call exact."""
    configure(box)
    n = len(box.arrived())
    got, p = send(box, kind, calls(box))
    eq([same(r) for r in got], [same(r) for r in bare(box)], 'answers')
    eq([r['status'] for r in got], [200] * 6, 'status')
    eq([(r['host'], r['provider'], r['dialect'], r['usage_state'],
         r['input_tokens'], r['output_tokens']) for r in box.rows()],
       [('127.0.0.1', '127.0.0.1', 'openai-chat', 'exact', i, o)
        for i, o in ((9, 3), (12, 5), (20, 2)) * 2], 'rows')
    eq([e['sha256'] for e in box.arrived()[n:n + 6]],
       [hashlib.sha256(r['body'].encode()).hexdigest() for r in calls(box)],
       'bodies that arrived')
    cost = sum(r['cost_usd'] for r in box.rows())
    ok(cost > 0 and box.budget_status()['spent_usd'] == cost, 'spent')
    eq(box.budget_status()['held_usd'], 0, 'held')


def refused(box, kind):
    """No money: the dialect's 429 at once, nothing of it arrives."""
    configure(box, 0)
    start = time.monotonic()
    got, _ = send(box, kind, calls(box))
    took = time.monotonic() - start
    eq([(r['status'], r.get('error')) for r in got], [(429, None)] * 6,
       'status')
    ok('llmguard' in json.loads(got[0]['body'])['error'], 'the answer')
    eq(box.arrived(), [], 'what arrived')
    eq([r['verdict'] for r in box.rows()], ['block'] * 6, 'verdicts')
    ok(took < 15, 'took %.1f s' % took)


def parallel(box, kind):
    configure(box, '0.0000001')
    got, _ = send(box, kind, calls(box, 8), parallel=True)
    codes = [r['status'] for r in got]
    eq(codes.count(200) + codes.count(429), 24, 'statuses')
    eq(codes.count(200), len(box.arrived()), 'arrived')
    eq(box.budget_status()['held_usd'], 0, 'held')


for _kind in KINDS:
    for _what in (metered, refused):
        globals()['case_%s_%s' % (_what.__name__, _kind)] = \
            lambda box, what=_what, kind=_kind: what(box, kind)
for _kind in ('httpx-async', 'aiohttp', 'fetch'):
    globals()['case_parallel_' + _kind] = \
        lambda box, kind=_kind: parallel(box, kind)


# -- which connections -------------------------------------------------------

def recognised(box, hosts, host='127.0.0.1', seen=True, kinds=None):
    configure(box, 0, 'plain_http: %s\n' % json.dumps(hosts))
    for kind in kinds or ('curl', 'http.client', 'aiohttp'):
        n = len(box.arrived())
        got, _ = send(box, kind, [request(url(box, host=host), chat_body(),
                                          'in=9;out=3')])
        eq([r['status'] for r in got], [429 if seen else 200],
           '%s, %s at %s' % (kind, hosts, host))
        eq(len(box.arrived()) - n, 0 if seen else 1, kind + ' arrived')


def case_by_net(box):
    recognised(box, ['127.0.0.0/8'])


def case_by_name(box):
    recognised(box, ['local*:%d' % box.server.plain], 'localhost')


def case_by_localhost(box):
    recognised(box, ['localhost'])


PIECES = '''
import json, socket, sys, time
port, pieces, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
asks = json.load(sys.stdin)
addr = socket.getaddrinfo('localhost', port, socket.AF_INET)[0][4] \\
    if how == 'told' else ('127.0.0.1', port)
s = socket.create_connection(addr)
for host, path in asks:
    body = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", ' \\
        b'"content": "x"}]}'
    text = ('POST %s HTTP/1.1\\r\\nHost: %s\\r\\nContent-Type: '
            'application/json\\r\\nx-test: in=9;out=3\\r\\n'
            'Content-Length: %d\\r\\n\\r\\n' % (path, host, len(body))
            ).encode() + body
    step = -(-len(text) // pieces)
    for i in range(0, len(text), step):
        s.sendall(text[i:i + step])
    f = s.makefile('rb')
    print(f.readline().split()[1].decode(), end=' ')
    n = 0
    for line in iter(f.readline, b'\\r\\n'):
        if line.lower().startswith(b'content-length:'):
            n = int(line.split()[1])
    f.read(n)
'''


def pieces(box, want, asks, n=1, how='told', path='/v1/chat/completions'):
    p = box.run([PY, '-c', PIECES, str(box.server.plain), str(n), how],
                stdin=json.dumps([(h, a or path) for h, a in asks]))
    eq((p.stdout.decode().split(), p.stderr), (want.split(), b''),
       '%s in %d pieces, %s' % (asks, n, how))


def case_name_in_pieces(box):
    """A name that was resolved is known however its head is written."""
    configure(box, 0, 'plain_http: ["local*:%d"]\n' % box.server.plain)
    port = box.server.plain
    for n in (1, 2, 7, 1000):
        pieces(box, '429', [('localhost', None)], n)
        pieces(box, '429', [('LOCALHOST:%d' % port, None)], n)
        # another server at the same address
        pieces(box, '200 200', [('other', None)] * 2, n)
        pieces(box, '200 429', [('other', None), ('localhost', None)], n)
    # nobody asked for the name: a head in one piece still tells
    pieces(box, '429', [('localhost', None)], 1, 'known')
    pieces(box, '200', [('other', None)], 1, 'known')


def case_name_through_proxy(box):
    """Whom each request is for is said in it."""
    configure(box, 0, 'plain_http: ["*.models.internal"]\n')
    url = 'http://%s/v1/chat/completions'
    asks = [(h, url % h) for h in ('other', 'gpu.models.internal')]
    pieces(box, '200 429', asks, 1, 'known')
    eq([(r['host'], r['verdict']) for r in box.rows()],
       [('gpu.models.internal', 'block')], 'rows')


def case_expect(box):
    """curl asks before it sends a large body: it is answered at once."""
    body = os.path.join(box.dir, 'big')
    with open(body, 'w') as f:
        json.dump(chat_body(text='word ' * 300000), f)
    for usd, want in ((100, '200'), (0, '429')):
        configure(box, usd)
        p = box.run(['curl', '-sS', '-o', '/dev/null', '-w',
                     '%{http_code} %{time_total}', '-H',
                     'Expect: 100-continue', '-H', 'Content-Type: '
                     'application/json', '-H', 'x-test: in=9;out=3',
                     '--expect100-timeout', '5', '-d', '@' + body, url(box)])
        code, took = p.stdout.split()
        eq(code.decode(), want, 'status')
        ok(float(took) < 4, 'took %s s' % took)


def case_not_by_another_name(box):
    recognised(box, ['*.models.internal', '10.0.0.0/8', '[::1]:80'],
               seen=False)


def case_not_by_another_port(box):
    recognised(box, ['127.0.0.1:1', 'localhost:2'], 'localhost', seen=False)


def case_nothing_configured(box):
    recognised(box, [], seen=False)
    eq(box.rows(), [], 'rows')


def case_node_static(box):
    """Node brings its own OpenSSL, but libc moves its plain bytes."""
    node = '/usr/bin/node'
    if not os.path.exists(node):
        raise Skip('no ' + node)
    configure(box)
    for usd, want in ((100, 200), (0, 429)):
        configure(box, usd)
        for kind in ('https', 'fetch'):
            p = box.run([node, os.path.join(HERE, 'clients.cjs'), kind],
                        stdin=json.dumps({'requests': calls(box, 1)}))
            eq([json.loads(x)['status'] for x in p.stdout.splitlines()],
               [want] * 3, kind)
    eq([(r['verdict'], r['output_tokens']) for r in box.rows()],
       [('allow', 3), ('allow', 5), ('allow', 2)] * 2 +
       [('block', 0)] * 6, 'rows')
    eq(len(box.arrived()), 6, 'arrived')


def case_wget(box):
    if not shutil.which('wget'):
        raise Skip('no wget')
    body = os.path.join(box.dir, 'body')
    with open(body, 'w') as f:
        json.dump(chat_body(), f)
    argv = ['wget', '-q', '-O', '-', '--content-on-error', '--post-file',
            body, '--header', 'x-test: in=9;out=3;seq=1', url(box)]
    bare = box.run(argv, guard=False)
    configure(box)
    got = box.run(argv)
    eq((got.stdout, got.returncode), (bare.stdout, 0), 'output')
    configure(box, 0)
    got = box.run(argv)
    ok(b'llmguard' in got.stdout and got.returncode == 8, 'refused')
    eq([r['verdict'] for r in box.rows()], ['allow', 'block'], 'rows')
    eq(len(box.arrived()), 2, 'arrived')


def case_ollama(box):
    """Ollama's own API, of a server that the config calls one: free."""
    import base64
    said = [{'model': 'llama3', 'message': {'role': 'assistant', 'content':
                                            'Hi'}, 'done': False},
            {'model': 'llama3', 'message': {'role': 'assistant',
                                            'content': ''}, 'done': True,
             'prompt_eval_count': 11, 'eval_count': 4}]
    text = ''.join(json.dumps(x) + '\n' for x in said)
    configure(box, 0, rules='hosts: {127.0.0.1: ollama}\nmodels:\n'
              '  - {match: "*", host: "127.0.0.1", free: true}\n')
    for path in ('/api/chat', '/api/generate'):
        r = request(url(box, path), {'model': 'llama3', 'prompt': 'x',
                                     'messages': [{'role': 'user',
                                                   'content': 'x'}]},
                    x_answer=base64.b64encode(text.encode()).decode(),
                    x_answer_type='application/x-ndjson')
        got, _ = send(box, 'requests', [r])
        eq((got[0]['status'], got[0]['body']), (200, text), path)
    eq([(r['dialect'].split('-')[0], r['output_tokens'], r['cost_usd'])
        for r in box.rows()], [('ollama', 4, 0)] * 2, 'rows')


SMALL = '''
import json, select, socket, sys
port, n, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
body = sys.stdin.read().encode()
s = socket.create_connection(('127.0.0.1', port))
s.setblocking(False)
p = select.epoll() if how == 'epoll' else select.poll()
p.register(s, select.POLLIN)
def ready():
    if how == 'select':
        return select.select([s], [], [], 10)[0]
    return p.poll(10 if how == 'epoll' else 10000)
for _ in range(2):
    s.sendall(b'POST /v1/chat/completions HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n'
              b'Content-Type: application/json\\r\\nx-test: in=12;out=5;seq=1;'
              b'events=40\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(body) + body)
    got = b''
    while not got.endswith(b'0\\r\\n\\r\\n') and ready():
        got += s.recv(n)
    head, _, rest = got.partition(b'\\r\\n\\r\\n')
    text = b''
    while rest:
        size, _, rest = rest.partition(b'\\r\\n')
        text += rest[:int(size, 16)]
        rest = rest[int(size, 16) + 2:]
    print(head.split()[1], text)
'''


def case_small_reads(box):
    """What is withheld for a moment is told to whoever polls."""
    body = json.dumps(chat_body(stream=True))
    for how in ('poll', 'epoll', 'select'):
        configure(box)
        argv = [PY, '-c', SMALL, str(box.server.plain)]
        want = box.run(argv + ['4096', how], stdin=body, guard=False).stdout
        ok(want.count(b'200') >= 2 and want.count(b'[DONE]') == 2, 'bare')
        configure(box, more='stream_usage: inject\n',
                  hosts='plain_http: [127.0.0.1]\nhosts: {127.0.0.1: openai}'
                  '\n')
        for n in ('1', '7', '100', '65536'):
            start = time.monotonic()
            got = box.run(argv + [n, how], stdin=body)
            eq((got.stdout, got.stderr), (want, b''), how + ' by ' + n)
            ok(time.monotonic() - start < 8, how + ' waits')
    eq({(r['output_tokens'], r['usage_state']) for r in box.rows()},
       {(5, 'exact')}, 'rows')


UPGRADE = '''
import socket, sys, threading
l = socket.create_server(('127.0.0.1', int(sys.argv[1])))
def serve():
    c = l.accept()[0]
    c.recv(65536)
    c.sendall(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n'
              b'Connection: Upgrade\\r\\n\\r\\n')
    for x in iter(lambda: c.recv(65536), b''):
        c.sendall(x)
    c.close()
threading.Thread(target=serve).start()
s = socket.create_connection(l.getsockname())
s.sendall(b'GET /v1/realtime HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nUpgrade: websocket'
          b'\\r\\nConnection: Upgrade\\r\\n\\r\\n')
while not s.recv(65536).endswith(b'\\r\\n\\r\\n'):
    pass
for x in (b'\\x82\\x03abc', b'POST /v1/chat/completions HTTP/1.1\\r\\nHost: '
          b'127.0.0.1\\r\\nContent-Length: 2\\r\\n\\r\\n{}'):
    s.sendall(x)
    print(s.recv(65536) == x)
s.shutdown(socket.SHUT_WR)
print(s.recv(1) == b'')
'''


def case_upgrade(box):
    """After 101 it is HTTP no longer."""
    configure(box, 0, 'plain_http: [127.0.0.0/8]\n')
    p = box.run([PY, '-c', UPGRADE, '0'])
    eq((p.stdout.split(), p.stderr), ([b'True'] * 3, b''), 'output')


def case_local(box):
    """The action local answers from another server, whoever asks."""
    srv = LocalServer()
    try:
        box.config(PLAIN_HOSTS % box.server.plain + RULES + 'budgets:\n'
                   '  - {name: cap, scope: global, period: total, limit_usd: '
                   '0, hard: true, on_hard: [{local: "%s", model: q}, '
                   'block]}\n' % srv.url)
        for kind in ('curl', 'requests', 'aiohttp', 'fetch'):
            got, _ = send(box, kind, [request(url(box), chat_body())] * 2)
            eq([(r['status'], json.loads(r['body'])['model']) for r in got],
               [(200, 'q')] * 2, kind)
        eq([r['verdict'] for r in box.rows()], ['local'] * 8, 'verdicts')
        eq(box.arrived(), [], 'what arrived')
    finally:
        srv.close()


def case_big_bodies(box):
    body = chat_body(text='word ' * 800000)
    configure(box)
    for kind in ('curl', 'requests', 'httpx-async', 'aiohttp', 'https'):
        n = len(box.arrived())
        got, _ = send(box, kind, [request(url(box), body, 'in=9;out=1')] * 2)
        eq([r['status'] for r in got], [200, 200], kind)
        eq([e['body_len'] for e in box.arrived()[n:]],
           [len(json.dumps(body))] * 2, kind)


# -- and which not -----------------------------------------------------------

def case_tls_there(box):
    """TLS to an address that plain_http names is metered once, as TLS."""
    configure(box, 100, 'plain_http: ["127.0.0.0/8"]\n')
    for kind in ('curl', 'requests', 'aiohttp', 'fetch'):
        n = len(box.rows())
        got, _ = send(box, kind, [request(test='in=9;out=3')] * 2)
        eq([r['status'] for r in got], [200, 200], kind)
        eq([(r['host'], r['output_tokens']) for r in box.rows()[n:]],
           [('api.openai.com', 3)] * 2, kind)


NO_REQUESTS = (
    (b'X', b'\x16\x03\x01\x00', b'more'), (b'PR', b'I \x00'),
    (b'USER ', b'somebody\r\n', b'PASS none\r\n'), (b'USER somebody', ),
    (b'P', ), (b'PRI * HTT', ), (b'POST /v1/chat', ))
PIECEMEAL = '''
import json, socket, sys, threading
listener = socket.create_server(('127.0.0.1', 0))
for pieces, reads in json.load(sys.stdin):
    got = []
    def serve():
        c, _ = listener.accept()
        while True:
            piece = c.recv(1000)
            if not piece:
                break
            got.append(piece.decode('latin1'))
            if ''.join(got) == ''.join(pieces) and reads:
                c.sendall(b'hello')
        c.close()
    t = threading.Thread(target=serve)
    t.start()
    c = socket.create_connection(listener.getsockname())
    for piece in pieces:
        c.sendall(piece.encode('latin1'))
    if reads and c.recv(5) != b'hello':
        got.append('no answer')
    c.close()
    t.join()
    print(json.dumps(''.join(got)))
'''


def case_what_is_no_request(box):
    """Other protocols that begin like a request, and cut ones, arrive whole:
    when a read waits for the answer, and when the connection ends."""
    configure(box, 0, 'plain_http: [localhost]\n')
    jobs = [([p.decode('latin1') for p in pieces], reads)
            for pieces in NO_REQUESTS for reads in (False, True)]
    p = box.run([PY, '-c', PIECEMEAL], stdin=json.dumps(jobs))
    eq(p.returncode, 0, 'status ' + p.stderr.decode())
    eq([json.loads(x) for x in p.stdout.decode().splitlines()],
       [''.join(pieces) for pieces, _ in jobs], 'what arrived')


def case_other_requests(box):
    """What is no call of an LLM passes, with money or without."""
    configure(box, 0)
    for kind in ('curl', 'requests', 'aiohttp'):
        got, _ = send(box, kind, [
            request(url(box, '/bytes/100000'), None, method='GET'),
            request(url(box, '/index.html'), 'a=b', method='POST')])
        bare, _ = send(box, kind, [
            request(url(box, '/bytes/100000'), None, method='GET'),
            request(url(box, '/index.html'), 'a=b', method='POST')],
            guard=False)
        eq([same(r) for r in got], [same(r) for r in bare], kind)


STDIO = '''
import os, socket, sys
a, b = socket.socketpair()
p = int(sys.argv[1])
for i in range(50):
    s = socket.create_connection(('127.0.0.1', p))
    s.sendall(b'GET /bytes/%d HTTP/1.1\\r\\nConnection: close'
              b'\\r\\n\\r\\n' % (i * 1000))
    n = sum(len(x) for x in iter(lambda: s.recv(65536), b''))
    s.close()
    a.sendall(b'x' * 100)
    assert b.recv(100, socket.MSG_WAITALL) == b'x' * 100
    print(n > i * 1000)
'''


def case_unrelated(box):
    configure(box, 0)
    p = box.run([PY, '-c', STDIO, str(box.server.plain)])
    eq((p.stdout.split(), p.stderr), ([b'True'] * 50, b''), 'output')
    eq(box.rows(), [], 'rows')


if __name__ == '__main__':
    main(globals())
