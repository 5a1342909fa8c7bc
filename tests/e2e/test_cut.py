#!/usr/bin/python3
"""Streams that pass a hard limit: whole events, then an error that the
client understands; the server sees the connection end; the next request goes
over a new one."""
import json
import time
from decimal import Decimal

from harness import (ANTHROPIC, BEDROCK, GEMINI, OPENAI, PY, RESPONSES, Box,
                     chat_body, eq, main, ok, request, send, until)

PYTHON = ('http.client', 'urllib', 'requests', 'httpx', 'httpx-async',
          'aiohttp')
RACING = ('http.client', 'https')
SLOW = 'text=8000;events=200;gap=10'
EVENT = 40                      # bytes of text, so ten tokens
QUIET = {'NODE_NO_WARNINGS': '1'}
CLAUDE = 'claude-haiku-4-5'
SONNET = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
CONVERSE = {'messages': [{'role': 'user', 'content': [{'text': 'hello'}]}],
            'inferenceConfig': {'maxTokens': 50}}
INVOKE = {'anthropic_version': 'bedrock-2023-05-31', 'max_tokens': 50,
          'messages': [{'role': 'user', 'content': 'hello'}]}


def limits(box, usd, other='gpt-4o'):
    """All models but one share this limit; the other has none."""
    box.config('budgets:\n  - {name: cap, scope: "model:*", period: total, '
               'limit_usd: %s, hard: true}\n'
               'models:\n  - {match: %s, free: true}\n' % (usd, other))


def cut_row(box, usd, rate, n=1):
    """The row of the stream: within one event of the limit."""
    rows = box.rows()
    row = rows[0]
    eq(row['verdict'], 'cut', 'verdict')
    eq(row['reason'], 'over_budget', 'reason')
    eq(row['usage_state'], 'estimated', 'usage_state')
    usd, event = Decimal(usd), Decimal(rate) * (EVENT // 4) / 10**6
    ok(usd < row['cost_usd'] <= usd + 2 * event, 'cost %s of %s, an event %s' %
       (row['cost_usd'], usd, event))
    told = box.budget_status()
    eq(told['spent_usd'], row['cost_usd'], 'spent')
    eq(told['held_usd'], 0, 'held')
    eq(len(rows), n, 'rows')
    return row


def server_saw_it_end(box, conn):
    until(lambda: [e for e in box.arrived(('close',)) if e['conn'] == conn],
          'the server ends')


def texts(body):
    """Events of an SSE body, whole ones only."""
    ok(body.endswith('\n\n'), 'the last event is whole')
    return [json.loads(e.split('data: ', 1)[1])
            for e in body.split('\n\n') if 'data: ' in e]


def plain_clients(box, kind):
    usd = '0.0001'
    limits(box, usd)
    free = request(OPENAI, chat_body('gpt-4o'), 'text=60')
    stream = request(OPENAI, chat_body(stream=True), SLOW)
    begun = time.monotonic()
    got, _ = send(box, kind, [stream, free, free])
    ok(time.monotonic() - begun < 5, 'it ended at once')
    eq(got[0]['status'], 200, 'status')
    ok(not got[0].get('error'), 'the body ended as its framing says: %s' %
       got[0].get('error'))
    events = texts(got[0]['body'])
    ok('usage' not in events[0] or events[0]['usage'] is None, 'no usage')
    error = events[-1]['error']
    ok('"cap"' in error['message'], 'the message names the budget')
    eq(error['llmguard']['budget'], 'cap', 'llmguard.budget')
    eq(error['llmguard']['reason'], 'over_budget', 'llmguard.reason')
    # one that is sent before the end was read fails, as with any server
    n = sum(g['status'] == 200 for g in got)
    ok(n == 3 or (n == 2 and kind in RACING), 'the next requests: %s' % got[1:])
    eq(got[2]['status'], 200, 'the last one')
    row = cut_row(box, usd, '0.6', n)
    seen = sum(len(c['delta'].get('content') or '') for e in events[:-1]
               for c in e['choices'])
    eq(row['output_tokens'], (seen + 3) // 4, 'tokens are what was delivered')
    reqs = box.arrived(('request',))
    eq(len(reqs), n, 'requests that arrived')
    first, second = reqs[:2]
    ok(first['conn'] != second['conn'], 'over a new connection')
    server_saw_it_end(box, first['conn'])


SDK = {
    'chat': ('openai', request(OPENAI, chat_body(stream=True), SLOW),
             '0.0001', '0.6', 'APIError'),
    'chat unasked': ('openai', request(OPENAI, chat_body(
        stream=True, usage=False), SLOW), '0.0001', '0.6', 'APIError'),
    'responses': ('openai', request(RESPONSES, {
        'model': 'gpt-4o-mini', 'input': 'x', 'max_output_tokens': 50,
        'stream': True}, SLOW), '0.0001', '0.6', 'APIError'),
    'messages': ('anthropic', request(ANTHROPIC, chat_body(
        CLAUDE, stream=True), SLOW), '0.001', '5', 'APIError'),
    'gemini': ('google', request(
        GEMINI + 'streamGenerateContent?alt=sse', test=SLOW + ';nousage=1'),
        '0.0004', '2.5', 'ApiError'),
    'converse': ('bedrock', request(BEDROCK % SONNET + 'converse-stream',
                                    CONVERSE, SLOW),
                 '0.004', '16.5', 'ThrottlingException'),
    'invoke': ('bedrock', request(
        BEDROCK % SONNET + 'invoke-with-response-stream', INVOKE, SLOW),
        '0.004', '16.5', 'ThrottlingException'),
}


def sdks(box, name):
    kind, stream, usd, rate, error = SDK[name]
    limits(box, usd)
    got, p = send(box, kind, [stream], **QUIET)
    eq(got[0].get('name'), error, 'what was thrown: %s' % got[0])
    ok('llmguard ended this stream' in got[0]['error'], got[0]['error'])
    eq(p.stderr, b'', 'stderr')
    cut_row(box, usd, rate)
    reqs = box.arrived(('request',))
    eq(len(reqs), 1, 'nothing was tried again')
    server_saw_it_end(box, reqs[0]['conn'])


def case_curl(box):
    limits(box, '0.0001')
    p = box.run(box.curl_argv(OPENAI, json.dumps(chat_body(stream=True)),
                              {'x-test': SLOW,
                               'Content-Type': 'application/json'}))
    eq(p.returncode, 0, 'curl: %s' % p.stderr)
    ok('llmguard ended this stream' in texts(p.stdout.decode())[-1]['error'][
        'message'], 'the error')
    cut_row(box, '0.0001', '0.6')
    server_saw_it_end(box, box.arrived(('request',))[0]['conn'])


def case_soft(box):
    """A soft budget ends nothing, nor does one that is ignored."""
    stream = request(OPENAI, chat_body(stream=True), 'text=4000;events=100')
    box.config('budgets:\n  - {name: cap, scope: global, period: total, '
               'limit_usd: 0.00001}\n')
    got, _ = send(box, 'httpx', [stream])
    ok(got[0]['body'].endswith('data: [DONE]\n\n'), 'all of it')
    box.budget('0.00001')
    got, _ = send(box, 'httpx', [stream], LLMGUARD_IGNORE_BUDGET=1)
    ok(got[0]['body'].endswith('data: [DONE]\n\n'), 'all of it, ignored')
    eq([r['verdict'] for r in box.rows()], ['allow', 'warn'], 'verdicts')


def case_coded(box):
    """No event fits into gzip or a given length: the answer ends short."""
    for more in ('enc=gzip', 'framing=length'):
        one = Box(box.server)
        try:
            limits(one, '0.0001')
            got, _ = send(one, 'httpx', [
                request(OPENAI, chat_body(stream=True), SLOW + ';' + more)])
            ok('RemoteProtocolError' in got[0].get('error', ''), got[0])
            row = cut_row(one, '0.0001', '0.6')
            ok('cut_short' in row['flags'], 'flags')
            server_saw_it_end(one, one.arrived(('request',))[0]['conn'])
        finally:
            one.close()


def case_room(box):
    """There is room: more is held, and the answer is what it was."""
    box.budget(1)
    stream = request(OPENAI, chat_body(stream=True),
                     'text=8000;events=100;out=2000')
    bare, _ = send(box, 'http.client', [stream], guard=False)
    got, _ = send(box, 'http.client', [stream])
    eq(len(texts(got[0]['body'][:-len('data: [DONE]\n\n')])),
       len(texts(bare[0]['body'][:-len('data: [DONE]\n\n')])), 'events')
    row, = box.rows()
    eq((row['verdict'], row['output_tokens']), ('allow', 2000), 'row')
    eq(box.budget_status()['spent_usd'], row['cost_usd'], 'spent')
    eq(box.budget_status()['held_usd'], 0, 'held')


HARD = """
import signal, socket, ssl, os, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
s = socket.create_connection(('127.0.0.1', int(os.environ['TEST_PORT'])))
t = ssl.create_default_context().wrap_socket(s, server_hostname='%s')
t.sendall(sys.stdin.buffer.read())
got = b''
while True:
    d = t.recv(4096)
    if not d:
        break
    got += d
try:
    t.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')
except OSError:
    pass
t.unwrap()
print(got.count(b'"error"'))
"""


def case_sigpipe(box):
    """A program that dies of SIGPIPE writes on, and says goodbye."""
    limits(box, '0.0001')
    body = json.dumps(chat_body(stream=True))
    text = ('POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n'
            'Content-Type: application/json\r\nx-test: %s\r\n'
            'Content-Length: %d\r\n\r\n%s' % (SLOW, len(body), body))
    p = box.run([PY, '-c', HARD % 'api.openai.com'], stdin=text)
    eq((p.returncode, p.stdout.strip()), (0, b'1'), 'it ends well: %s' %
       p.stderr.decode())
    cut_row(box, '0.0001', '0.6')


def make(fn, *args):
    return lambda box: fn(box, *args)


for _kind in PYTHON + ('https', 'fetch'):
    globals()['case_' + _kind] = make(plain_clients, _kind)
for _name in SDK:
    globals()['case_sdk ' + _name] = make(sdks, _name)

if __name__ == '__main__':
    main(globals())
