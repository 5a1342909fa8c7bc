#!/usr/bin/python3
"""HTTP/2 as the program speaks it (http2: native): each stream is a call of
its own, held, decided, refused, changed, cut and settled, while the others
receive what they would have received."""
import decimal
import hashlib
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import time

from harness import (ANTHROPIC, HERE, NODE, OPENAI, PY, Failed, Skip,
                     chat_body, eq, have_client, main, ok, request, sanitizer,
                     until)

NATIVE = 'http2: native\n'
CAP = 'budgets:\n  - {name: cap, scope: global, period: total, ' \
    'limit_usd: %s, hard: true%s}\n'
HOST = OPENAI[:OPENAI.index('/v1')]
D = decimal.Decimal


def native(box, usd=None, more=''):
    box.config(NATIVE + more + (CAP % (usd, '') if usd is not None else ''))


def h2(box, kind, reqs, guard=True, parallel=False, settings=None, **env):
    """Results of one client process over one connection."""
    if kind == 'node':
        if not have_client('https'):
            raise Skip('no node here')
        argv = [NODE, '--require', HERE + '/redirect/node.cjs',
                HERE + '/h2client.cjs']
    elif kind == 'curl':
        return curl(box, reqs, guard, **env)
    else:
        try:
            import h2 as _, httpx as _
        except ImportError:
            raise Skip('no python3-httpx with python3-h2')
        argv = [PY, HERE + '/h2client.py', kind]
    p = box.run(argv, guard, stdin=json.dumps(
        {'requests': reqs, 'parallel': parallel, 'settings': settings}), **env)
    out = [json.loads(x) for x in p.stdout.decode().split('\n') if x]
    if len(out) != len(reqs):
        raise Failed('%s: %d of %d results, %s' % (
            kind, len(out), len(reqs), p.stderr[-500:]))
    return out


def curl(box, reqs, guard=True, extra=(), **env):
    out = []
    for i, r in enumerate(reqs):
        argv = box.curl_argv(r['url'], r['body'], r['headers'],
                             ['-X', r['method'], '-D', 'head', *extra])
        argv[argv.index('--http1.1')] = '--http2'
        p = box.run(argv, guard, **env)
        head = open(os.path.join(box.dir, 'head')).read()
        status = head.split()[1] if head.startswith('HTTP/2') else '0'
        out.append({'status': int(status), 'headers': dict(
            x.split(': ', 1) for x in head.splitlines() if ': ' in x),
            'body': p.stdout.decode('latin1'), 'code': p.returncode,
            'stderr': p.stderr.decode()})
    return out


CLIENTS = ('curl', 'sync', 'async', 'node')


def clients():
    return [c for c in CLIENTS if c != 'curl' or not sanitizer()]


def fine(box):
    """Neither side found a fault in what the other one said."""
    bad = [e for e in box.server.log()[box.mark:]
           if e['event'] == 'protocol-error' or
           (e['event'] == 'goaway' and e['code'])]
    eq(bad, [], 'complaints')


def all_h2(box):
    eq({e['alpn'] for e in box.arrived(['open'])}, {'h2'}, 'protocols')


# -- metered and refused -------------------------------------------------------

def case_metered(box):
    """Bytes as without the guard, rows exact, for each client."""
    native(box)
    reqs = [request(OPENAI, test='in=120;out=30;seq=1'),
            request(OPENAI, chat_body(stream=True),
                    'in=7;out=9;events=20;seq=2'),
            request(OPENAI, chat_body(stream=True), 'enc=gzip;out=11;seq=3'),
            request(ANTHROPIC.replace('anthropic', 'openai'), None,
                    'status=404;seq=4'),
            request(HOST + '/bytes/200000', None, '', 'GET')]
    for kind in clients():
        n = len(box.rows())
        bare = h2(box, kind, reqs, guard=False)
        got = h2(box, kind, reqs)
        for a, b in zip(bare, got):
            eq(a['status'], b['status'], kind + ' status')
            eq(a['body'], b['body'], kind + ' body')
        rows = box.rows()[n:]
        eq([(r['endpoint'], r['input_tokens'], r['output_tokens'])
            for r in rows[:3]],
           [('/v1/chat/completions', 120, 30), ('/v1/chat/completions', 7, 9),
            ('/v1/chat/completions', 13, 11)], kind + ' rows')
        eq({r['usage_state'] for r in rows[:3]}, {'exact'}, kind)
    all_h2(box)
    fine(box)


def case_refused(box):
    """429 on the stream; the server sees nothing of the request."""
    native(box, 0)
    for kind in clients():
        for x in h2(box, kind, [request(), request(
                OPENAI, chat_body(stream=True))]):
            eq(x['status'], 429, kind + ' status')
            eq(x['headers'].get('x-llmguard-verdict'), 'blocked', kind)
            eq(json.loads(x['body'])['error']['code'], 'budget_exceeded',
               kind)
    eq(box.arrived(), [], 'requests that arrived')
    eq({r['verdict'] for r in box.rows()}, {'block'}, 'verdicts')
    fine(box)


def case_one_of_100(box):
    """One of 100 streams is refused, all others are as without a guard."""
    native(box, more='budgets:\n  - {name: dear, scope: "model:gpt-4o", '
           'period: total, limit_usd: 0, hard: true}\n')
    reqs = [request(OPENAI, chat_body('gpt-4o' if i == 57 else 'gpt-4o-mini',
                                      stream=i % 2 == 0, text='x' * 50 * i),
                    'out=%d;events=%d;text=%d;seq=%d' % (
                        i + 1, i % 7 + 1, 400 * (i % 9) + 40, 1000 + i))
            for i in range(100)]
    for kind in ('node',):
        bare = h2(box, kind, reqs, guard=False, parallel=True)
        n = len(box.rows())
        got = h2(box, kind, reqs, parallel=True)
        for i in range(100):
            if i == 57:
                eq(got[i]['status'], 429, kind)
            else:
                eq((got[i]['status'], got[i]['body']),
                   (200, bare[i]['body']), '%s stream %d' % (kind, i))
        rows = box.rows()[n:]
        eq(len(rows), 100, kind + ' rows')
        eq(sum(r['verdict'] == 'block' for r in rows), 1, kind + ' blocked')
        eq(sorted(r['output_tokens'] for r in rows if r['verdict'] != 'block'),
           [i + 1 for i in range(100) if i != 57], kind + ' tokens')
        eq(len([e for e in box.arrived(['open'])]), 2, kind + ' connections')
        box.mark = len(box.server.log())
    fine(box)


def case_many_refused(box):
    """All of 60 are refused at once, then one that is free passes."""
    native(box, 0)
    reqs = [request() for _ in range(60)]
    for kind in ('node',):
        got = h2(box, kind, reqs + [request(HOST + '/v1/models', None, '',
                                            'GET')], parallel=True)
        eq([r['status'] for r in got], [429] * 60 + [200], kind)
    fine(box)


# -- windows -----------------------------------------------------------------

def case_large_bodies(box):
    """1 MB against a window of 64 KB, alone and twelve at a time."""
    native(box, 1000)
    text = 'lorem ipsum ' * 90000
    for kind in clients():
        reqs = [request(OPENAI, chat_body(text=text + str(i)), 'seq=%d' % i)
                for i in range(12 if kind == 'node' else 2)]
        box.mark = len(box.server.log())
        got = h2(box, kind, reqs, parallel=kind == 'node')
        eq([r['status'] for r in got], [200] * len(reqs), kind)
        eq(sorted(e['sha256'] for e in box.arrived(['request'])),
           sorted(hashlib.sha256(r['body'].encode()).hexdigest()
                  for r in reqs), kind + ' bodies')
    fine(box)


def case_large_refused(box):
    """A refused upload does not use up what the others may send."""
    native(box, 0)
    text = 'lorem ipsum ' * 90000
    reqs = [request(OPENAI, chat_body(text=text)) for _ in range(3)]
    reqs.append(request(HOST + '/echo', 'y' * 300000))
    for kind in ('node',):
        got = h2(box, kind, reqs, parallel=True)
        eq([r['status'] for r in got], [429] * 3 + [200], kind)
        eq(box.arrived(['request'])[-1]['body_len'], 300000, kind + ' echo')
    fine(box)


def case_oversize(box):
    """Beyond hold_max_bytes it is decided on what was seen, then streams."""
    native(box, 1000, 'hold_max_bytes: 65536\n')
    text = 'lorem ipsum ' * 60000
    for kind in clients():
        r = h2(box, kind, [request(OPENAI, chat_body(text=text))])[0]
        eq(r['status'], 200, kind)
        ok('oversize' in box.rows()[-1]['flags'], kind + ' flag')
        eq(box.arrived(['request'])[-1]['body_len'],
           len(json.dumps(chat_body(text=text))), kind + ' bytes')
    fine(box)


def case_large_answers(box):
    """Refusals among downloads that fill the program's window."""
    native(box, 0)
    reqs = []
    for i in range(20):
        reqs.append(request(HOST + '/bytes/150000', None, '', 'GET'))
        reqs.append(request())
    for kind in ('node',):
        got = h2(box, kind, reqs, parallel=True)
        eq([(r['status'], len(r['body'])) for r in got[::2]],
           [(200, 150000)] * 20, kind)
        eq([r['status'] for r in got[1::2]], [429] * 20, kind)
    fine(box)


# -- changed and cut ---------------------------------------------------------

def case_fallback(box):
    box.config(NATIVE + 'budgets:\n  - {name: gpt4o, scope: "model:gpt-4o", '
               'period: total, limit_usd: 0, hard: true, on_hard: '
               '[{action: fallback, model: gpt-4o-mini}, block]}\n')
    for kind in clients():
        r = h2(box, kind, [request(OPENAI, chat_body('gpt-4o'))])[0]
        eq(r['status'], 200, kind)
        e = box.arrived(['request'])[-1]
        eq(e['model'], 'gpt-4o-mini', kind + ' model')
        eq(e['headers'].get('content-length', str(e['body_len'])),
           str(e['body_len']), kind + ' length')
        eq(box.rows()[-1]['verdict'], 'fallback', kind)
    fine(box)


def case_clamp(box):
    box.config(NATIVE + CAP % ('0.001', ', on_hard: [clamp, block]'))
    r = h2(box, 'async', [request(OPENAI, chat_body(
        'gpt-4o', max_tokens=16000))])[0]
    eq(r['status'], 200, 'status')
    ok(json.loads(box.arrived(['request'])[-1]['said'])['max_tokens'] < 16000,
       'the cap is smaller')
    eq(box.rows()[-1]['verdict'], 'clamp', 'verdict')
    fine(box)


def case_throttle(box):
    """Nothing sleeps: the next action, or 429 with retry-after."""
    box.config(NATIVE + CAP % ('0.00001', ', on_hard: [throttle]'))
    r = h2(box, 'async', [request()])[0]
    eq(r['status'], 429, 'status')
    fine(box)


def case_cut(box):
    """One stream is cut at its limit, the other one goes on."""
    body = chat_body('gpt-4o', stream=True)
    test = 'events=60;text=12000;out=3000;gap=5;seq=%d'
    reqs = [request(OPENAI, body, test % 1),
            request(OPENAI, body, test % 2)]
    bare = h2(box, 'node', reqs, guard=False, parallel=True)
    for kind in ('node', 'async'):
        box.config(NATIVE + 'budgets:\n  - {name: %s, scope: "tag:%s", '
                   'period: total, limit_usd: 0.002, hard: true}\n' % (
                       kind, kind))
        reqs[0]['headers']['x-llmguard-tags'] = kind
        n = len(box.rows())
        got = h2(box, kind, reqs, parallel=kind == 'node')
        eq([r['status'] for r in got], [200, 200], kind)
        ok('budget_exceeded' in got[0]['body'], kind + ' error event')
        eq(got[1]['body'], bare[1]['body'], kind + ' the other')
        rows = {r['tags'] == [kind]: r for r in box.rows()[n:]}
        eq(rows[True]['verdict'], 'cut', kind)
        eq(rows[False]['output_tokens'], 3000, kind + ' tokens')
        ok([e for e in box.arrived(['reset']) if e['code'] == 8],
           kind + ' CANCEL')
    fine(box)


def case_inject(box):
    """Usage that was asked for is taken out of the answer again."""
    native(box, more='stream_usage: inject\n')
    req = [request(OPENAI, chat_body(stream=True, usage=False),
                   'events=9;out=77;seq=5')]
    for kind in clients():
        bare = h2(box, kind, req, guard=False)[0]
        got = h2(box, kind, req)[0]
        eq(got['body'], bare['body'], kind)
        eq((box.rows()[-1]['output_tokens'], box.rows()[-1]['usage_state']),
           (77, 'exact'), kind)
    fine(box)


# -- fields ------------------------------------------------------------------

def case_fields(box):
    """Ours are removed; all others arrive as they are, in their order."""
    native(box)
    mine = {'x-llmguard-project': 'p1', 'x-llmguard-user': 'u1'}
    r = request(OPENAI, test='seq=1')
    r['headers'].update({'Cookie': 'a=b; c=d', 'x-long': 'v' * 5000,
                         'x-empty': ''})
    for kind in clients():
        h2(box, kind, [r], guard=False)
        r2 = dict(r, headers=dict(r['headers'], **mine))
        h2(box, kind, [r2])
        a, b = box.arrived(['request'])[-2:]
        eq(b['fields'], a['fields'], kind)
        eq((box.rows()[-1]['project'], box.rows()[-1]['user']), ('p1', 'u1'),
           kind)
    fine(box)


def case_trailers_padding_table(box):
    """The server's habits: trailers, padding, no header table."""
    native(box, 1000)
    reqs = [request(OPENAI, chat_body(stream=s), test % i)
            for i, (s, test) in enumerate([
                (True, 'trailers=1;seq=%d'), (False, 'trailers=1;seq=%d'),
                (True, 'pad=100;events=30;text=3000;seq=%d'),
                (False, 'pad=7;seq=%d'), (True, 'hpack=0;seq=%d'),
                (False, 'early=1;seq=%d'), (True, 'seq=%d')])]
    for kind in ('node', 'sync', 'async'):
        for settings in (None, {'headerTableSize': 0}):
            bare = h2(box, kind, reqs, guard=False, settings=settings)
            got = h2(box, kind, reqs, settings=settings)
            for a, b in zip(bare, got):
                eq((b['status'], b['body'], b.get('trailers')),
                   (a['status'], a['body'], a.get('trailers')), kind)
            if kind != 'node':
                break
    fine(box)


def case_small_table(box):
    """A program that forbids the table understands our refusal, too."""
    native(box, 0)
    free = request(HOST + '/v1/models', None, '', 'GET')
    got = h2(box, 'node', [free, request(), free, request(), free],
             settings={'headerTableSize': 0})
    eq([r['status'] for r in got], [200, 429, 200, 429, 200], 'answers')
    fine(box)


# -- ends --------------------------------------------------------------------

def case_resets(box):
    """By the server and by the program, in the middle of an answer."""
    native(box, 1000)
    body = chat_body(stream=True)
    reqs = [request(OPENAI, body, 'events=40;text=4000;cut=5;seq=1'),
            dict(request(OPENAI, body, 'events=40;text=4000;gap=10;seq=2'),
                 cancel=500),
            request(OPENAI, body, 'events=40;text=4000;gap=2;seq=3')]
    bare = h2(box, 'node', reqs, guard=False, parallel=True)
    got = h2(box, 'node', reqs, parallel=True)
    eq(got[2]['body'], bare[2]['body'], 'the one that ends well')
    eq(got[0]['rst'], bare[0]['rst'], 'reset by the server')
    eq(got[0]['body'], bare[0]['body'], 'what came before')
    rows = box.rows()
    eq(sorted(r['usage_state'] for r in rows),
       ['estimated', 'estimated', 'exact'], 'rows')
    eq(box.budget_status()['held_usd'], 0, 'held')
    fine(box)


def case_goaway(box):
    """The server ends the connection behind an answer."""
    native(box, 1000)
    reqs = [request(OPENAI, test='goaway=1;seq=1'), request(test='seq=2')]
    bare = h2(box, 'node', reqs, guard=False)
    got = h2(box, 'node', reqs)
    eq([(r['status'], r.get('body')) for r in got],
       [(r['status'], r.get('body')) for r in bare], 'answers')
    eq(box.rows()[0]['usage_state'], 'exact', 'row')


def case_killed(box):
    """What was on its way is settled from the region."""
    native(box, 1000)
    reqs = [request(OPENAI, chat_body(stream=True),
                    'events=200;gap=250;text=4000') for _ in range(5)]
    p = subprocess.Popen(
        [PY, HERE + '/h2client.py', 'async'], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=box.env())
    p.stdin.write(json.dumps({'requests': reqs, 'parallel': True}).encode())
    p.stdin.close()
    until(lambda: len(box.arrived(['request'])) == 5, 'all are on their way')
    time.sleep(0.3)
    ok(p.poll() is None, 'it goes on')
    p.send_signal(signal.SIGKILL)
    p.wait()
    eq(box.budget_status()['held_usd'], 0, 'held')
    rows = box.rows()
    eq(len(rows), 5, 'rows')
    eq({'abandoned' in r['flags'] for r in rows}, {True}, 'flags')
    eq(box.budget_status()['spent_usd'], sum(r['cost_usd'] for r in rows),
       'spent')


# -- ALPN --------------------------------------------------------------------

ASK = '''
import socket, ssl, sys
c = ssl.create_default_context()
if sys.argv[2]:
    c.set_alpn_protocols(sys.argv[2].split(','))
s = c.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))),
                  server_hostname=sys.argv[3])
print(s.selected_alpn_protocol())
'''


def case_alpn(box):
    """auto, native and off say what is offered to guarded hosts."""
    def ask(offer, host='api.openai.com'):
        p = box.run([PY, '-c', ASK, str(box.server.port), offer, host])
        return p.stdout.decode().strip()
    both, alone = 'h2,http/1.1', 'h2'
    for how, want in (('auto', ('http/1.1', 'h2')), ('native', ('h2', 'h2')),
                      ('off', ('http/1.1', 'None'))):
        box.config('http2: %s\n' % how)
        eq((ask(both), ask(alone)), want, how)
        eq(ask(both, 'www.example.com'), 'h2', how + ', another host')


def case_auto_h2_alone(box):
    """auto: who offers nothing else is guarded in HTTP/2."""
    box.config('http2: auto\n' + CAP % (0, ''))
    eq(h2(box, 'node', [request()])[0]['status'], 429, 'status')
    eq(box.arrived(), [], 'requests that arrived')
    all_h2(box)


# -- other clients -----------------------------------------------------------

def case_nghttp(box):
    """A client that sends priorities, and waits for the window it is given."""
    if subprocess.call(['which', 'nghttp'], stdout=subprocess.DEVNULL):
        raise Skip('no nghttp')
    native(box, 1000)
    path = os.path.join(box.dir, 'body')
    with open(path, 'w') as f:
        f.write(json.dumps(chat_body(text='x' * 700000)))
    argv = ['nghttp', '-n', '-v', '--no-dep', '-H',
            'content-type: application/json', '-H',
            ':authority: api.openai.com', '-d', path, '-m', '3',
            'https://127.0.0.1:%d/v1/chat/completions' % box.server.port]
    p = box.run(argv)
    eq(p.returncode, 0, 'exit: ' + p.stderr.decode()[-300:])
    eq(len(box.arrived(['request'])), 3, 'requests')
    fine(box)


# -- frames that no server would take ------------------------------------------

def frame(kind, flags, stream, payload=b'', length=None):
    n = len(payload) if length is None else length
    return struct.pack('>IBBI', n << 8 | 0, 0, flags, stream)[:3] + \
        bytes([kind, flags]) + struct.pack('>I', stream) + payload


HEAD = bytes.fromhex('8387') + b'\x41\x0eapi.openai.com' + \
    b'\x04\x14/v1/chat/completions'
RAW = '''
import socket, ssl, sys
c = ssl.create_default_context()
c.set_alpn_protocols(['h2'])
for line in sys.stdin:
    s = c.wrap_socket(socket.create_connection(
        ('127.0.0.1', int(sys.argv[1]))), server_hostname='api.openai.com')
    s.settimeout(0.05)
    d, step = bytes.fromhex(line.split()[0]), int(line.split()[1])
    try:
        for i in range(0, len(d), step):
            s.sendall(d[i:i + step])
        while s.recv(65536):
            pass
    except (OSError, ssl.SSLError):
        pass
    s.close()
print('alive')
'''


def malformed():
    pre = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
    ask = frame(4, 0, 0)
    body = json.dumps(chat_body()).encode()
    good = frame(1, 4, 1, HEAD)
    cases = [
        good + frame(0, 1, 1, body), good + frame(0, 9, 1, b'\xff' + body),
        good + frame(0, 9, 1, b'\x05' + body + b'\0' * 5),
        frame(1, 0, 1, HEAD[:9]) + frame(9, 4, 1, HEAD[9:]) +
        frame(0, 1, 1, body),
        frame(1, 0, 1, HEAD[:9]) + frame(6, 0, 0, b'8' * 8),
        frame(1, 0, 1, HEAD[:9]) + frame(9, 4, 3, HEAD[9:]),
        frame(1, 0, 1, HEAD) + frame(9, 0, 1, b'\x40\x01a\x7fb' * 5) * 900,
        frame(1, 0, 1, HEAD) + frame(9, 0, 1) * 20000,
        frame(0, 1, 0, body), frame(0, 1, 1, body), frame(0, 1, 2, body),
        frame(1, 5, 2, HEAD), frame(1, 5, 0, HEAD), frame(1, 5, 1, b'\xff' * 9),
        frame(1, 5, 1, b'\x80'), frame(1, 5, 1, b'\x3f\xff\xff\xff\xff\x0f'),
        frame(1, 0x25, 1, b'\0\0'), frame(1, 0xd, 1, b'\x09' + b'x' * 5),
        frame(3, 0, 1, b'123'), frame(3, 0, 9, b'\0\0\0\x08'),
        frame(4, 0, 1), frame(4, 0, 0, b'12345'), frame(4, 1, 0, b'123456'),
        frame(4, 0, 0, b'\0\x04\xff\xff\xff\xff'),
        frame(4, 0, 0, b'\0\x05\0\0\0\x01'), frame(4, 0, 0, b'\0\x01' * 999),
        frame(5, 4, 1, b'\0\0\0\x02' + HEAD), frame(6, 0, 1, b'8' * 8),
        frame(6, 0, 0, b'7' * 7), frame(7, 0, 0, b'1234'),
        frame(8, 0, 0, b'\0\0\0\0'), frame(8, 0, 0, b'\x7f\xff\xff\xff') * 2,
        frame(8, 0, 1, b'\0\0\0\1'), frame(9, 4, 1, HEAD), frame(0x77, 9, 5,
                                                                 b'q' * 99),
        frame(1, 5, 1, HEAD, 2 ** 24 - 1), good + good,
        good + frame(3, 0, 1, b'\0\0\0\x08') + frame(0, 1, 1, body),
        frame(1, 5, 5, HEAD) + frame(1, 5, 3, HEAD),
        frame(1, 5, 1, HEAD + b'\x00\x03a\r\n\x01b'),
        frame(1, 5, 1, HEAD + b'\x00\x01A\x01b'),
        frame(1, 5, 1, HEAD[:3]), frame(1, 5, 1, HEAD + HEAD),
        frame(1, 4, 1, HEAD + b'\x5c\x015') + frame(0, 1, 1, body),
        frame(1, 4, 1, HEAD + b'\x5c\x03999') + frame(0, 1, 1, body),
        b'\0' * 500, b'GET / HTTP/1.1\r\n\r\n', b'',
    ]
    out = [pre + ask + c for c in cases]
    return out + [pre[:n] + b'x' for n in range(0, 24, 5)] + [pre[:12]]


def case_malformed(box):
    """The guard survives, whatever the program says is what is judged."""
    native(box, 1000)
    lines = ''.join('%s %d\n' % (d.hex(), step) for d in malformed()
                    for step in ((70000,) if len(d) > 9000 else (70000, 7)))
    p = box.run([PY, '-c', RAW, str(box.server.port)], stdin=lines)
    eq((p.returncode, p.stdout), (0, b'alive\n'),
       'client: ' + p.stderr.decode()[-300:])
    eq(box.budget_status()['held_usd'], 0, 'held')
    ok(len(box.rows()) > 8, 'rows of what was a request')


def server_frames():
    body = json.dumps({'model': 'gpt-4o-mini'}).encode()
    pre = frame(4, 0, 0) + frame(4, 1, 0)
    good = frame(1, 4, 1, b'\x88')
    cases = [
        good + frame(0, 1, 1, body), frame(0, 1, 1, body),
        frame(1, 4, 3, b'\x88') + frame(0, 1, 3, body),
        frame(1, 0, 1, b'\x88') + frame(0, 1, 1, body),
        frame(1, 5, 1, b'\xff\xff\xff\xff'), frame(1, 5, 1, b'\x08\x03999'),
        frame(1, 5, 1, b'\x08\x03101'), frame(1, 5, 1, b''),
        good + frame(0, 9, 1, b'\xff' + body), frame(0x55, 1, 1, b'z' * 400),
        frame(5, 4, 1, b'\0\0\0\x02' + HEAD) + good + frame(0, 1, 1, body),
        frame(5, 4, 1, b'\0\0'), frame(7, 0, 0, b'\0\0\0\0\0\0\0\2bye'),
        frame(3, 0, 1, b'\0\0\0\x0b'), frame(8, 0, 0, b'\0\0\0\0'),
        frame(8, 0, 1, b'\xff\xff\xff\xff'), frame(6, 1, 0, b'llmguard'),
        frame(9, 4, 1, b'\x88'), good + frame(1, 5, 1, b'\x88'),
        good + frame(0, 1, 1, body) + frame(0, 1, 1, body),
        frame(4, 0, 0, b'\0\x04\0\0\0\0') + good + frame(0, 1, 1, body),
        frame(4, 0, 0, b'\0\x01\0\0\0\0') + good, b'HTTP/1.1 400 no\r\n\r\n',
        b'\xff' * 300, good + frame(0, 0, 1, body * 9, 2 ** 24 - 1), b'',
    ]
    return [pre + c for c in cases]


def case_malformed_answers(box):
    """The program hears of it as without the guard, and calls are settled."""
    # with a hard limit DATA would be framed anew, so that it can be cut
    native(box, more='budgets:\n  - {name: cap, scope: global, period: total, '
           'limit_usd: 1000, hard: false}\n')
    d = box.server.dir
    name = next(x for x in sorted(os.listdir(d)) if x.startswith('cert-') and
                x.endswith('.pem'))
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(d + '/' + name, d + '/server.key')
    ctx.set_alpn_protocols(['h2'])
    body = json.dumps(chat_body()).encode()
    ask = (b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + frame(4, 0, 0) +
           frame(1, 4, 1, HEAD) + frame(0, 1, 1, body)).hex()
    ls = socket.create_server(('127.0.0.1', 0))
    ls.settimeout(10)
    cases = server_frames()
    p = subprocess.Popen(
        [PY, '-c', RECORD, str(ls.getsockname()[1]), ask, str(len(cases))],
        stdout=subprocess.PIPE, env=box.env())
    try:
        for c in cases:
            s = ctx.wrap_socket(ls.accept()[0], server_side=True)
            s.settimeout(5)
            got = b''
            while body not in got:
                got += s.recv(65536)
            s.sendall(c)
            s.unwrap()
            s.close()
    except (OSError, ssl.SSLError) as e:
        raise Failed('server: %r' % e)
    finally:
        out = p.communicate(timeout=20)[0].decode().split()
        ls.close()
    eq(p.returncode, 0, 'client')
    for i, (a, b) in enumerate(zip(out, cases)):
        eq(a, b.hex() or '-', 'what the program received, %d' % i)
    eq(box.budget_status()['held_usd'], 0, 'held')
    eq(len(box.rows()), len(cases), 'rows')


RECORD = '''
import socket, ssl, sys
c = ssl.create_default_context()
c.set_alpn_protocols(['h2'])
for i in range(int(sys.argv[3])):
    s = c.wrap_socket(socket.create_connection(
        ('127.0.0.1', int(sys.argv[1]))), server_hostname='api.openai.com',
        suppress_ragged_eofs=True)
    s.sendall(bytes.fromhex(sys.argv[2]))
    got = b''
    while True:
        d = s.recv(100000)
        if not d:
            break
        got += d
    print(got.hex() or '-', flush=True)
    s.close()
'''


if __name__ == '__main__':
    main(globals(), program='h2server.py')
