#!/usr/bin/python3
"""The action `local` with every kind of client: the request goes to a model
server of one's own, its answer comes back as the provider's, and the provider
hears nothing of it."""
import json

from harness import (OPENAI, chat_body, eq, main, ok, request, send)
from local_server import LocalServer

CLIENTS = ('curl', 'http.client', 'urllib', 'requests', 'httpx', 'httpx-async',
           'aiohttp', 'https', 'fetch')
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


def make_case(fn, kind):
    return lambda box: fn(box, kind)


for _kind in CLIENTS:
    globals()['case_local ' + _kind] = make_case(local, _kind)

if __name__ == '__main__':
    main(globals())
