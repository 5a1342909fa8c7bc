#!/usr/bin/python3
"""Plain HTTP to the servers of plain_http: seen, priced and refused like TLS;
all else on plain sockets is left alone."""
import json
import os
import shutil
import subprocess
import time

from harness import (HERE, NODE, PY, PYTHON_CLIENTS, Skip, chat_body, eq, main,
                     ok, request, send)

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


def metered(box, kind):
    """Keep-alive, streams, chunked: the same answers, each call exact."""
    configure(box)
    bare, _ = send(box, kind, calls(box), guard=False)
    n = len(box.arrived())
    got, p = send(box, kind, calls(box))
    eq([same(r) for r in got], [same(r) for r in bare], 'answers')
    eq([r['status'] for r in got], [200] * 6, 'status')
    eq([(r['host'], r['provider'], r['dialect'], r['usage_state'],
         r['input_tokens'], r['output_tokens']) for r in box.rows()],
       [('127.0.0.1', '127.0.0.1', 'openai-chat', 'exact', i, o)
        for i, o in ((9, 3), (12, 5), (20, 2)) * 2], 'rows')
    eq([e['sha256'] for e in box.arrived()[n:]],
       [e['sha256'] for e in box.arrived()[:n]], 'bodies that arrived')
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


if __name__ == '__main__':
    main(globals())
