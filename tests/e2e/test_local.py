#!/usr/bin/python3
"""The action `local` with every kind of client: the request goes to a model
server of one's own, its answer comes back as the provider's, and the provider
hears nothing of it."""
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from harness import (ANTHROPIC, BUILD, GEMINI, OPENAI, PY, RESPONSES, Skip,
                     chat_body, eq, have_client, main, ok, request, sanitizer,
                     send, until)
import harness
import test_programs
from local_server import LocalServer

CLIENTS = ('curl', 'http.client', 'urllib', 'requests', 'httpx', 'httpx-async',
           'aiohttp', 'https', 'fetch')
# those that use a connection again
KEEPING = ('curl', 'http.client', 'requests', 'httpx-async', 'aiohttp', 'https',
           'fetch')
QUIET = {'NODE_NO_WARNINGS': '1'}
TINY = ('budgets:\n  - {name: cap, scope: global, period: monthly, '
        'limit_usd: 0.00000001, hard: true, on_hard: [%s]}\n')


def hard(box, url, more='', rest='block'):
    box.config(TINY % ('{local: "%s"%s}, %s' % (url, more, rest)))


def nothing_arrived(box):
    eq(box.arrived(), [], 'at the provider')


def local(box, kind):
    srv = LocalServer()
    try:
        hard(box, srv.url, ', model: tiny')
        got, _ = send(box, kind, [request(OPENAI, chat_body('gpt-4o')),
                                  request(OPENAI, chat_body(
                                      'gpt-4o', stream=True))], **QUIET)
        eq([r['status'] for r in got], [200, 200], got)
        ok('word3' in got[0]['body'], got[0]['body'])
        ok(got[1]['body'].endswith('data: [DONE]\n\n'), got[1]['body'])
        eq(got[0]['headers']['x-llmguard-verdict'], 'local', 'header')
        eq([s['body']['model'] for s in srv.seen], ['tiny'] * 2, 'models')
        for s in srv.seen:
            ok(b'sk-test' not in s['raw'], 'no key')
            eq(s['after'], b'', 'after the request')
        for r in box.rows():
            eq((r['verdict'], r['cost_usd'], r['economic_usd'],
                r['model_requested'], r['model'], r['input_tokens'],
                r['output_tokens'], r['usage_state'], r['status']),
               ('local', 0, 0, 'gpt-4o', 'tiny', 11, 4, 'exact', 200), 'row')
        eq(len(box.rows()), 2, 'rows')
        eq(box.budget_status()['held_usd'], 0, 'held')
        nothing_arrived(box)
    finally:
        srv.close()


class server:
    """A LocalServer for as long as the block lasts."""

    def __init__(self, where=None, **how):
        self.where, self.how = where, how

    def __enter__(self):
        self.srv = LocalServer(self.where)
        self.srv.how.update(self.how)
        return self.srv

    def __exit__(self, *_):
        self.srv.close()


def dead_url():
    """Nobody listens there."""
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    url = 'http://127.0.0.1:%d' % s.getsockname()[1]
    s.close()
    return url


DEAR = chat_body('gpt-4o')
ASK = request(OPENAI, DEAR)


def failed(box, kind, want, **how):
    """The local server fails so: what the program gets instead."""
    with server(**how) as srv:
        hard(box, srv.url)
        got, _ = send(box, kind, [ASK], **QUIET)
        nothing_arrived(box)
        eq(got[0]['status'], want, got[0])
        row, = box.rows()
        eq((row['verdict'], row['cost_usd']), ('local', 0), 'row')
        eq(box.budget_status()['held_usd'], 0, 'held')
        return got[0], row


def error_of(got):
    e = json.loads(got['body'])['error']
    return e['type'], e['message']


def case_openai_sdk(box):
    if not have_client('openai'):
        raise Skip('no openai here')
    with server() as srv:
        hard(box, srv.url, ', model: tiny')
        got, p = send(box, 'openai', [ASK, request(OPENAI, dict(
            DEAR, stream=True))] * 2, **QUIET)
        eq((p.returncode, p.stderr), (0, b''), 'status, stderr')
        eq([r['status'] for r in got], [200] * 4, got)
        eq({r['body'] for r in got}, {'word0 word1 word2 word3 '}, 'text')
        eq(len(srv.seen), 4, 'requests')
        nothing_arrived(box)


def case_model_as_asked(box):
    with server() as srv:
        hard(box, srv.url)
        send(box, 'requests', [ASK])
        seen, = srv.seen
        eq(seen['body'], DEAR, 'body')
        eq(seen['line'], 'POST /v1/chat/completions HTTP/1.1', 'line')
        eq(sorted(seen['fields']), ['accept', 'accept-encoding', 'connection',
                                    'content-length', 'content-type', 'host',
                                    'user-agent'], 'fields')
        eq(seen['fields']['host'], srv.url[7:], 'host')


def case_paths(box):
    for path, want in (('/', '/v1/chat/completions'),
                       ('/v1', '/v1/chat/completions'),
                       ('/openai/v1/', '/openai/v1/chat/completions'),
                       ('/x/chat/completions', '/x/chat/completions')):
        with server() as srv:
            hard(box, srv.url + path)
            send(box, 'http.client', [ASK])
            eq(srv.seen[0]['line'].split()[1], want, path)


def case_unix_socket(box):
    with server(os.path.join(box.dir, 'model.sock')) as srv:
        hard(box, srv.url + ':/v1')
        for kind in ('http.client', 'httpx-async'):
            got, _ = send(box, kind, [ASK])
            eq(got[0]['status'], 200, kind)
        eq(len(srv.seen), 2, 'requests')


def case_bad_config(box):
    for url, word in (('ftp://x', 'http://HOST'), ('http://', 'a host'),
                      ('http://a@b', 'without user'),
                      ('http://h:99999', '65535'),
                      ('http://h/v1?x=1', 'no query'),
                      ('unix:model.sock', 'full path')):
        hard(box, url)
        p = box.cli('config', 'check', check=False)
        eq(p.returncode, 1, url)
        ok(word in p.stderr.decode(), (url, p.stderr))
    hard(box, 'http://localhost:1', ', dialect: latin')
    p = box.cli('config', 'check', check=False)
    ok(b'openai-chat ollama' in p.stderr, p.stderr)


def case_soft(box):
    """Past the soft limit everything goes there while somebody is there."""
    with server() as srv:
        box.config('budgets:\n  - {name: cap, scope: global, period: monthly, '
                   'limit_usd: 0.001, hard: true, on_soft: {at: 0.5, local: '
                   '"%s", model: tiny}}\n' % srv.url)
        one = request(OPENAI, chat_body('gpt-4o', max_tokens=10),
                      'in=20;out=50')
        got, _ = send(box, 'requests', [one] * 3)
        eq([r['status'] for r in got], [200] * 3, 'statuses')
        eq([(r['verdict'], r['reason']) for r in box.rows()],
           [('allow', None)] + [('local', 'soft_limit')] * 2, 'rows')
        eq(len(srv.seen), 2, 'there')
    got, _ = send(box, 'requests', [one])
    eq(got[0]['status'], 200, 'status')
    eq(box.rows()[3]['model'][:6], 'gpt-4o', 'as asked')
    eq(len([e for e in box.arrived() if e['event'] == 'request']), 2,
       'at the provider')


def case_unreachable(box):
    hard(box, dead_url())
    for kind in ('http.client', 'httpx-async', 'curl'):
        got, _ = send(box, kind, [ASK])
        eq(got[0]['status'], 429, kind)
    nothing_arrived(box)
    eq({r['verdict'] for r in box.rows()}, {'block'}, 'verdicts')


def case_unreachable_then_next(box):
    with server() as srv:
        hard(box, dead_url(), rest='{local: "%s"}, block' % srv.url)
        got, _ = send(box, 'requests', [ASK])
        eq((got[0]['status'], len(srv.seen)), (200, 1), 'second server')
    box.config('budgets:\n  - {name: cap, scope: "model:gpt-4o", period: '
               'monthly, limit_usd: 0.0000001, on_hard: [{local: "%s"}, '
               '{fallback: gpt-4o-mini}]}\n' % dead_url())
    got, _ = send(box, 'requests', [ASK])
    eq(got[0]['status'], 200, 'status')
    eq(box.rows()[-1]['verdict'], 'fallback', 'verdict')


def case_same_connection(box):
    """The provider's answer first, then the local one, on one connection."""
    with server() as srv:
        hard(box, srv.url, ', for_models: gpt-4o',
             '{action: warn, for_models: gpt-4o-mini}, block')
        for kind in KEEPING:
            got, _ = send(box, kind, [request(OPENAI, chat_body()), ASK,
                                      request(OPENAI, chat_body())], **QUIET)
            eq([r['status'] for r in got], [200] * 3, (kind, got))
            ok('word0' in got[1]['body'], kind)
        eq(len(srv.seen), len(KEEPING), 'there')
        eq({e['model'] for e in box.arrived()}, {'gpt-4o-mini'}, 'provider')


def case_parallel(box):
    with server(delay=0.2, gap=0.01) as srv:
        hard(box, srv.url)
        for kind in ('httpx-async', 'aiohttp', 'fetch'):
            got, _ = send(box, kind, [ASK, request(OPENAI, dict(
                DEAR, stream=True))] * 8, parallel=True, **QUIET)
            eq({r['status'] for r in got}, {200}, kind)
            ok(all('word3' in r['body'] for r in got), kind)
        eq(len(srv.seen), 48, 'there')
        srv.how.update(delay=1)
        got, _ = send(box, 'httpx-async', [ASK] * 90, parallel=True)
        eq([r['status'] for r in got], [200] * 90, 'many at once')
        eq(box.budget_status()['held_usd'], 0, 'held')
        nothing_arrived(box)


STREAMING = '''
import http.client, json, sys, time
c = http.client.HTTPSConnection('api.openai.com', timeout=30)
c.request('POST', '/v1/chat/completions', sys.stdin.buffer.read(),
          {'Content-Type': 'application/json', 'Authorization': 'Bearer x'})
a = c.getresponse()
begun, times = time.time(), []
while a.readline().strip():
    a.readline()
    times.append(time.time() - begun)
print(len(times), times[-1] - times[0])
'''


def case_streams(box):
    """Events come as the server makes them, not all at the end."""
    with server(gap=0.1) as srv:
        hard(box, srv.url)
        p = box.run([PY, '-c', STREAMING], stdin=json.dumps(dict(
            DEAR, stream=True)))
        n, span = p.stdout.split()
        ok(int(n) == 6 and float(span) > 0.3, p.stdout)
        eq(box.rows()[0]['usage_state'], 'estimated', 'no usage was asked for')


def case_pieces(box):
    with server(piece=1) as srv:
        hard(box, srv.url)
        for kind in ('http.client', 'aiohttp'):
            got, _ = send(box, kind, [ASK, request(OPENAI, dict(
                DEAR, stream=True))])
            ok(all('word3' in r['body'] for r in got), kind)


def case_slow(box):
    with server(delay=1.5) as srv:
        hard(box, srv.url)
        got, _ = send(box, 'httpx-async', [ASK])
        eq(got[0]['status'], 200, 'status')
        ok(box.rows()[0]['duration_ms'] >= 1400, 'duration')


def case_dies_at_once(box):
    for kind in ('http.client', 'httpx-async', 'fetch'):
        got, row = failed(box, kind, 502, raw=b'')
        kind_, said = error_of(got)
        ok(kind_ == 'server_error' and 'without an answer' in said, got)
        eq(row['status'], 502, 'row')
        os.unlink(next(os.path.join(box.state, 'ledger', n)
                       for n in os.listdir(os.path.join(box.state, 'ledger'))
                       if n.endswith('.jsonl')))


def case_dies_in_head(box):
    got, _ = failed(box, 'requests', 502, raw=b'HTTP/1.1 200 OK\r\nConte')
    ok('mid-answer' in error_of(got)[1], got)


def case_dies_in_answer(box):
    """As when a provider's connection breaks: the client's own error."""
    for kind in ('http.client', 'httpx-async', 'curl'):
        with server(die=-1) as srv:
            hard(box, srv.url)
            got, _ = send(box, kind, [ASK])
            ok(kind == 'curl' or got[0]['status'] == 0, got)
        with server(die=2) as srv:
            hard(box, srv.url)
            got, _ = send(box, kind, [request(OPENAI, dict(DEAR,
                                                           stream=True))])
            ok(kind == 'curl' or got[0]['status'] == 0, got)
    eq({(r['verdict'], r['cost_usd'], r['usage_state'])
        for r in box.rows()}, {('local', 0, 'estimated')}, 'rows')
    nothing_arrived(box)


def case_reset(box):
    with server(raw=b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
                b'Content-Length: 50\r\n\r\n{', reset=True) as srv:
        hard(box, srv.url)
        for kind in ('http.client', 'httpx-async'):
            got, _ = send(box, kind, [ASK])
            eq(got[0]['status'], 0, got)
        eq(len(box.rows()), 2, 'rows')


def case_garbage(box):
    for kind in ('httpx-async', 'fetch'):
        with server(raw=b'\x00\x01garbage\r\n' * 40) as srv:
            hard(box, srv.url)
            got, _ = send(box, kind, [ASK], **QUIET)
            eq(got[0]['status'], 502, (kind, got))
            ok('mid-answer' in error_of(got[0])[1], got)


def case_redirected(box):
    """A program would follow it with its key."""
    got, _ = failed(box, 'requests', 502, raw=b'HTTP/1.1 307 Elsewhere\r\n'
                    b'Location: https://example.com/\r\nContent-Type: '
                    b'application/json\r\nContent-Length: 2\r\n\r\n{}')
    ok('something else' in error_of(got)[1], got)


def case_wrong_page(box):
    got, _ = failed(box, 'requests', 502, raw=b'HTTP/1.1 200 OK\r\n'
                    b'Content-Type: text/html\r\nContent-Length: 4\r\n\r\n'
                    b'<p/>')
    ok('something else: <p/>' in error_of(got)[1], got)


def case_status_500(box):
    got, row = failed(box, 'requests', 500, status=500)
    eq(error_of(got), ('server_error', 'out of memory'), 'as it said')
    eq((row['status'], row['output_tokens']), (500, None), 'row')


def case_status_503_page(box):
    got, _ = failed(box, 'aiohttp', 503, status=503, type='text/plain')
    ok('answered with an error' in error_of(got)[1], got)
    ok('out of memory' in error_of(got)[1], got)


def case_big_request(box):
    big = request(OPENAI, chat_body('gpt-4o', text='x' * 3000000))
    with server() as srv:
        hard(box, srv.url)
        for kind in ('http.client', 'httpx-async', 'curl', 'fetch'):
            got, _ = send(box, kind, [big], **QUIET)
            eq(got[0]['status'], 200, kind)
        ok(all(len(s['body']['messages'][0]['content']) == 3000000
               for s in srv.seen), 'whole')
        eq(len(srv.seen), 4, 'there')
        nothing_arrived(box)


def case_stalls(box):
    """It takes nothing of a large request: an event loop does not wait."""
    with server(stall=9) as srv:
        hard(box, srv.url)
        begun = time.time()
        got, _ = send(box, 'httpx-async', [request(OPENAI, chat_body(
            'gpt-4o', text='x' * 12000000))])
        eq(got[0]['status'], 429, 'the next action')
        ok(time.time() - begun < 8, 'time')
        nothing_arrived(box)


def case_expect(box):
    with server() as srv:
        hard(box, srv.url)
        got, _ = send(box, 'curl', [request(OPENAI, chat_body(
            'gpt-4o', text='x' * 200000), Expect='100-continue')])
        eq((got[0]['status'], len(srv.seen)), (200, 1), 'status')
        nothing_arrived(box)


CODED = '''
import http.client, sys, json
c = http.client.HTTPSConnection('api.openai.com', timeout=30)
body = sys.stdin.buffer.read()
h = {'Content-Type': 'application/json'}
if %r == 'gzip':
    import gzip
    h['Content-Encoding'] = 'gzip'
    body = gzip.compress(body)
    c.request('POST', '/v1/chat/completions', body, h)
else:
    h['Transfer-Encoding'] = 'chunked'
    c.request('POST', '/v1/chat/completions',
              (body[i:i + 3] for i in range(0, len(body), 3)), h,
              encode_chunked=True)
a = c.getresponse()
print(a.status, json.loads(a.read())['choices'][0]['message']['content'])
'''


def case_coded_request(box):
    with server() as srv:
        hard(box, srv.url)
        for how in ('gzip', 'chunked'):
            p = box.run([PY, '-c', CODED % how], stdin=json.dumps(DEAR))
            ok(p.stdout.startswith(b'200 word0'), (how, p))
        eq([s['body'] for s in srv.seen], [DEAR] * 2, 'bodies')


def case_coded_answer(box):
    said = gzip.compress(json.dumps({
        'model': 'tiny', 'choices': [], 'usage': {
            'prompt_tokens': 5, 'completion_tokens': 6}}).encode())
    with server(raw=b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
                b'Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s' %
                (len(said), said)) as srv:
        hard(box, srv.url)
        got, _ = send(box, 'requests', [ASK])
        eq(json.loads(got[0]['body'])['model'], 'tiny', 'body')
        eq(box.rows()[0]['output_tokens'], 6, 'row')


def case_until_close(box):
    with server(raw=b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n'
                b'\r\n{"model": "tiny", "choices": []}') as srv:
        hard(box, srv.url)
        for kind in ('http.client', 'aiohttp', 'fetch'):
            got, _ = send(box, kind, [ASK], **QUIET)
            eq(json.loads(got[0]['body'])['model'], 'tiny', kind)


def case_not_possible(box):
    """Embeddings of another model would be no use: the next action."""
    with server() as srv:
        hard(box, srv.url)
        got, _ = send(box, 'requests', [request(
            'https://api.openai.com/v1/embeddings')])
        eq((got[0]['status'], srv.seen), (429, []), 'status')


def case_killed(box):
    """Killed while it waits: a row, and no money anywhere."""
    with server(delay=20) as srv:
        hard(box, srv.url)
        p = subprocess.Popen([PY, '-c', STREAMING], env=box.env(),
                             stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        p.stdin.write(json.dumps(DEAR).encode())
        p.stdin.close()
        until(lambda: srv.seen, 'it asks')
        time.sleep(0.1)
        p.send_signal(signal.SIGKILL)
        p.wait()
        eq(box.budget_status()['held_usd'], 0, 'held')
        row, = box.rows()
        eq((row['verdict'], row['cost_usd'], row['flags']),
           ('local', 0, ['abandoned', 'recovered']), 'row')
        nothing_arrived(box)


FORKED = '''
import os, socket, ssl, sys
body = sys.stdin.buffer.read()
c = ssl.create_default_context().wrap_socket(
    socket.create_connection(('api.openai.com', 443)),
    server_hostname='api.openai.com')
c.sendall(b'POST /v1/chat/completions HTTP/1.1\\r\\nHost: api.openai.com\\r\\n'
          b'Content-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n'
          % len(body) + body)
pid = os.fork()
if pid == 0:
    got = b''
    while True:
        d = c.recv(65536)
        if not d:
            break
        got += d
    print(got.count(b'word3'), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
'''


def case_fork(box):
    """The child reads the answer: one row, its own."""
    with server(delay=0.3) as srv:
        hard(box, srv.url)
        p = box.run([PY, '-c', FORKED], stdin=json.dumps(DEAR))
        eq((p.stdout, p.stderr), (b'1\n', b''), 'child')
        row, = box.rows()
        eq((row['verdict'], row['output_tokens']), ('local', 4), 'row')


READER = FORKED[:FORKED.index('c.sendall')] + """
import threading, time
got = []
def read():
    while not got or got[-1]:
        got.append(c.recv(65536))
t = threading.Thread(target=read)
t.start()
time.sleep(0.3)
""" + FORKED[FORKED.index('c.sendall'):FORKED.index('pid =')] + """
t.join()
print(b''.join(got).count(b'word3'))
"""


def case_thread_that_reads(box):
    """One thread waits for the answer before another one has written."""
    with server(delay=0.3) as srv:
        hard(box, srv.url)
        p = box.run([PY, '-c', READER], stdin=json.dumps(DEAR))
        eq((p.stdout, p.stderr), (b'1\n', b''), 'answer')


def case_small_stack(box):
    if sanitizer():
        raise Skip('a sanitizer needs a larger stack')
    with server() as srv:
        hard(box, srv.url)
        path = os.path.join(box.dir, 'body.json')
        with open(path, 'w') as f:
            json.dump(DEAR, f)
        p = box.run([os.path.join(BUILD, 'tests/e2e/cclient'), '-t', '4', '-k',
                     '64', '-r', '-n', '3', 'api.openai.com',
                     '/v1/chat/completions', path])
        eq((p.returncode, p.stdout.split()), (0, [b'200'] * 12), 'statuses')
        eq(len(srv.seen), 12, 'there')


DESCRIPTORS = '''
import http.client, os, sys
body = sys.stdin.buffer.read()
before = set(os.listdir('/proc/self/fd'))
for i in range(20):
    c = http.client.HTTPSConnection('api.openai.com', timeout=30)
    c.request('POST', '/v1/chat/completions', body,
              {'Content-Type': 'application/json'})
    c.getresponse().read()
    c.close()
print(len(set(os.listdir('/proc/self/fd')) - before))
'''


def case_no_descriptors(box):
    with server() as srv:
        hard(box, srv.url)
        p = box.run([PY, '-c', DESCRIPTORS], stdin=json.dumps(DEAR))
        eq((p.stdout, len(srv.seen)), (b'0\n', 20), 'left open')


def translated(box, dialect):
    """Other dialects' clients over either kind of server."""
    ran = 0
    with server() as srv:
        hard(box, srv.url, ', model: tiny, dialect: ' + dialect)
        for kind, reqs in (
                ('openai', [request(OPENAI, DEAR), request(
                    OPENAI, chat_body('gpt-4o', stream=True)), request(
                        RESPONSES), request(RESPONSES, {'model': 'gpt-4o', 'input': 'Hello.',
                                    'stream': True})]),
                ('anthropic', [request(ANTHROPIC, chat_body(
                    'claude-opus-4-1', stream=stream, usage=False))
                    for stream in (False, True)]),
                ('google', [request(GEMINI + v) for v in (
                    'generateContent', 'streamGenerateContent?alt=sse')])):
            if not have_client(kind):
                continue
            n = len(box.rows())
            got, p = send(box, kind, reqs, **QUIET)
            eq((p.returncode, p.stderr), (0, b''), kind)
            eq([r['status'] for r in got], [200] * len(reqs), (kind, got))
            for r in got:
                ok('word3' in r['body'], (kind, r))
            for r in box.rows()[n:]:
                eq((r['verdict'], r['cost_usd'], r['model'],
                    r['input_tokens'], r['output_tokens']),
                   ('local', 0, 'tiny', 11, 4), (kind, r))
            ran += len(reqs)
        if not ran:
            raise Skip('no SDKs here')
        eq(len(srv.seen), ran, 'there')
        nothing_arrived(box)
        want = '/api/chat' if dialect == 'ollama' else '/v1/chat/completions'
        eq({s['line'].split()[1] for s in srv.seen}, {want}, 'paths')


def case_translated_fails(box):
    """An error is one of the program's dialect, also in mid-stream."""
    with server(status=500) as srv:
        hard(box, srv.url)
        got, _ = send(box, 'requests', [request(ANTHROPIC)])
        eq(got[0]['status'], 500, got)
        eq(json.loads(got[0]['body'])['type'], 'error', got)
    with server(raw=b'') as srv:
        hard(box, srv.url)
        got, _ = send(box, 'requests', [request(ANTHROPIC)])
        eq(got[0]['status'], 502, got)
        eq(json.loads(got[0]['body'])['type'], 'error', got)
    with server(die=2) as srv:
        hard(box, srv.url)
        got, _ = send(box, 'requests', [request(ANTHROPIC, chat_body(
            'claude-sonnet-4-5', stream=True, usage=False))])
        eq(got[0]['status'], 200, got)
        ok('event: error' in got[0]['body'], got)
    nothing_arrived(box)


def program(box, name):
    """The programs of test_programs.py: plain, a stream, 1.5 MB."""
    argv = test_programs.prepare(box, name)
    with server() as srv:
        box.config('hosts: {localhost: openai}\n' +
                   TINY % ('{local: "%s"}, block' % srv.url))
        p, took = test_programs.timed(box, argv)
        eq([x.split()[0] for x in p.stdout.splitlines()], [b'200'] * 3,
           (p.stdout, p.stderr))
        ok(took < 10, 'took %.2f s' % took)
        eq(len(srv.seen), 3, 'there')
        eq([s['after'] for s in srv.seen], [b''] * 3, 'after the request')
        eq([r['verdict'] for r in box.rows()], ['local'] * 3, 'rows')
        nothing_arrived(box)


def case_gnutls_wget(box):
    """GnuTLS, where it reads from the descriptor itself."""
    if not shutil.which('wget'):
        raise Skip('no wget')
    path = os.path.join(box.dir, 'body.json')
    with server(gap=0.01) as srv:
        box.config('hosts: {localhost: openai}\n' +
                   TINY % ('{local: "%s"}, block' % srv.url))
        for stream in (False, True):
            with open(path, 'w') as f:
                json.dump(dict(DEAR, stream=stream), f)
            p = box.run(['wget', '-q', '-O', '-', '-T', '10', '-t', '1',
                         '--ca-certificate', box.server.ca, '--post-file',
                         path, '--header', 'Content-Type: application/json',
                         'https://localhost:%d/v1/chat/completions' %
                         box.server.port])
            eq((p.returncode, b'word3' in p.stdout), (0, True), p)
        eq(len(srv.seen), 2, 'there')
        eq([s['after'] for s in srv.seen], [b''] * 2, 'after the request')
        eq([r['verdict'] for r in box.rows()], ['local'] * 2, 'rows')
        nothing_arrived(box)


def case_static_node(box):
    """The system's Node, whose TLS may be its own."""
    was, harness.NODE = harness.NODE, '/usr/bin/node'
    try:
        if not os.path.exists(harness.NODE):
            raise Skip('no /usr/bin/node')
        local(box, 'fetch')
    finally:
        harness.NODE = was


REUSED = FORKED[:FORKED.index('pid =')] + '''
fd = c.fileno()
os.close(fd)
if os.open(sys.argv[1], os.O_RDWR) != fd:
    os.dup2(os.open(sys.argv[1], os.O_RDWR), fd)
try:
    print(c.recv(65536))
except OSError as e:
    print(type(e).__name__)
print(os.lseek(fd, 0, os.SEEK_CUR), os.write(fd, b'mine'))
'''


def case_number_reused(box):
    """A file of the program under that number is left alone."""
    path = os.path.join(box.dir, 'file')
    with open(path, 'w') as f:
        f.write('contents')
    with server(delay=0.5) as srv:
        hard(box, srv.url)
        p = box.run([PY, '-c', REUSED, path], stdin=json.dumps(DEAR))
        ok(p.stdout.endswith(b'\n0 4\n'), p)
        ok(b'word' not in p.stdout, p.stdout)
    with open(path) as f:
        eq(f.read(), 'mineents', 'file')
    row, = box.rows()
    eq((row['verdict'], row['cost_usd']), ('local', 0), 'row')


def make_case(fn, kind):
    return lambda box: fn(box, kind)


for _kind in CLIENTS:
    globals()['case_local ' + _kind] = make_case(local, _kind)
for _dialect in ('openai-chat', 'ollama'):
    globals()['case_translated ' + _dialect] = make_case(translated, _dialect)
for _name in test_programs.PROGRAMS:
    if _name not in test_programs.UNSEEN and not _name.startswith('node'):
        globals()['case_program ' + _name] = make_case(program, _name)

if __name__ == '__main__':
    main(globals())
