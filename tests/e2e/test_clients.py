#!/usr/bin/python3
"""Every client, within budget and blocked: what it gets, what the server
got, what the ledger says."""
import decimal
import json

from harness import (ANTHROPIC, EMBEDDINGS, GEMINI, NODE_CLIENTS, OPENAI,
                     PLAIN, PYTHON_CLIENTS, RESPONSES, chat_body, eq, main,
                     ok, request, send)

D = decimal.Decimal
MILLION = D(1000000)
# What one token costs (USD per million): input, cached input, output.
PRICE = {'gpt-4o-mini': (D('0.15'), D('0.075'), D('0.60')),
         'text-embedding-3-small': (D('0.02'), 0, 0),
         'claude-sonnet-4-5': (D(3), D('0.3'), D(15)),
         'gemini-2.5-flash': (D('0.30'), D('0.03'), D('2.50'))}
ALL = ('curl',) + PYTHON_CLIENTS + NODE_CLIENTS


def exchange_list():
    """(request, dialect, model, input, cached, output, stream)"""
    t = 'seq=7;in=1000;cached=400;out=30;'
    stream = chat_body(stream=True)
    claude = chat_body('claude-sonnet-4-5')
    return [
        (request(OPENAI, test=t), 'openai-chat', 'gpt-4o-mini',
         1000, 400, 30, False),
        (request(OPENAI, stream, t), 'openai-chat', 'gpt-4o-mini',
         1000, 400, 30, True),
        (request(OPENAI, test=t + 'framing=chunked;piece=7'), 'openai-chat',
         'gpt-4o-mini', 1000, 400, 30, False),
        (request(RESPONSES, test=t), 'openai-responses', 'gpt-4o-mini',
         1000, 400, 30, False),
        (request(RESPONSES, {'model': 'gpt-4o-mini', 'input': 'x',
                             'stream': True, 'max_output_tokens': 50}, t),
         'openai-responses', 'gpt-4o-mini', 1000, 400, 30, True),
        (request(EMBEDDINGS, test='seq=7;in=1000'), 'openai-embeddings',
         'text-embedding-3-small', 1000, None, None, False),
        (request(ANTHROPIC, claude, t), 'anthropic-messages',
         'claude-sonnet-4-5', 1400, 400, 30, False),
        (request(ANTHROPIC, dict(claude, stream=True), t),
         'anthropic-messages', 'claude-sonnet-4-5', 1400, 400, 30, True),
        (request(GEMINI + 'generateContent', test=t), 'gemini-generate',
         'gemini-2.5-flash', 1000, 400, 30, False),
        (request(GEMINI + 'streamGenerateContent?alt=sse', test=t),
         'gemini-generate', 'gemini-2.5-flash', 1000, 400, 30, True),
        (request(PLAIN, method='GET', test='seq=7'), None, None, 0, 0, 0, False),
    ]


def check_row(row, dialect, model, tin, cached, tout, stream):
    what = '%s %s' % (dialect, 'stream' if stream else 'json')
    eq(row['dialect'], dialect, 'dialect')
    eq(row['model'], model, what + ' model')
    eq(row['input_tokens'], tin, what + ' input')
    if cached is not None:
        eq(row['cache_read_tokens'], cached, what + ' cached')
        eq(row['output_tokens'], tout, what + ' output')
    eq(bool(row['stream']), stream, what + ' stream')
    eq(row['usage_state'], 'exact', what + ' usage_state')
    eq(row['price_state'], 'exact', what + ' price_state')
    eq(row['verdict'], 'allow', what + ' verdict')
    eq(row['status'], 200, what + ' status')
    c = cached or 0
    p = PRICE[model]
    want = ((tin - c) * p[0] + c * p[1] + (tout or 0) * p[2]) / MILLION
    eq(row['cost_usd'], want, what + ' cost')
    eq(row['input_cost_usd'] + row['output_cost_usd'], want, what + ' parts')


def heads(box, since):
    return [(e['head'], e['sha256']) for e in box.arrived()[since:]]


def within_budget(box, kind):
    todo = exchange_list()
    reqs = [t[0] for t in todo]
    box.budget(100, mode='strict')
    bare, pb = send(box, kind, reqs, guard=False)
    n = len(box.arrived())
    sent_bare = heads(box, 0)
    got, p = send(box, kind, reqs)
    eq([r.get('error') for r in got], [None] * len(got), 'errors')
    for i, (a, b) in enumerate(zip(got, bare)):
        eq(a, b, '%s answer' % (todo[i][1] or 'plain'))
    eq(p.returncode, pb.returncode, 'exit status')
    eq(p.stderr, pb.stderr, 'stderr')
    eq(heads(box, n), sent_bare, 'what the server got')
    rows = box.rows()
    eq(len(rows), len(todo) - 1, 'rows')
    for row, t in zip(rows, todo):
        check_row(row, *t[1:])
    total = sum(r['cost_usd'] for r in rows)
    b = box.budget_status()
    eq(b['spent_usd'], total, 'spent of the budget')
    eq(b['held_usd'], 0, 'held')
    eq(b['calls'], len(rows), 'calls of the budget')


def check_429(r, url, what):
    eq(r['status'], 429, what + ' status')
    h = r['headers']
    eq(h.get('x-llmguard-verdict'), 'blocked', what + ' verdict header')
    eq(h.get('x-should-retry'), 'false', what + ' x-should-retry')
    ok(h.get('content-type', '').startswith('application/json'),
       what + ' content-type')
    b = json.loads(r['body'])
    info = b['error'].get('llmguard') or b.get('llmguard')
    ok(info, what + ': no llmguard object in %r' % b)
    eq(info['budget'], 'cap', what + ' budget')
    ok('cap' in b['error']['message'], what + ' message names the budget')
    if 'anthropic' in url:
        eq(b['type'], 'error', what + ' type')
        eq(b['error']['type'], 'rate_limit_error', what + ' error type')
    if 'googleapis' in url:
        eq(b['error']['code'], 429, what + ' code')
        eq(b['error']['status'], 'RESOURCE_EXHAUSTED', what + ' status word')


def blocked(box, kind):
    todo = exchange_list()
    reqs = [t[0] for t in todo]
    box.budget(0)
    got, p = send(box, kind, reqs)
    for r, t in zip(got[:-1], todo):
        ok(not r.get('error'), '%s: %s' % (t[1], r.get('error')))
        check_429(r, t[0]['url'], t[1])
    eq(got[-1]['status'], 200, 'the unguarded host')
    eq(p.returncode, 0, 'exit status')
    eq(p.stderr, b'', 'stderr')
    arrived = box.arrived()
    eq([e.get('path') for e in arrived], ['/bytes/1000'], 'what arrived')
    rows = box.rows()
    eq([r['verdict'] for r in rows], ['block'] * (len(todo) - 1), 'verdicts')
    eq([r['cost_usd'] for r in rows], [0] * len(rows), 'costs')
    ok(all(r['estimate_usd'] > 0 for r in rows), 'estimates')
    b = box.budget_status()
    eq((b['spent_usd'], b['held_usd'], b['blocked']), (0, 0, len(rows)),
       'budget')
    eq(b['state'], 'exceeded', 'state')


def then_blocked(box, kind):
    """The budget ends in mid-session: the first passes, the next does not."""
    box.budget('0.01')
    reqs = [request(test='in=10;out=20'), request(test='in=1000;out=20000'),
            request(), request(OPENAI, chat_body(stream=True))]
    got, p = send(box, kind, reqs)
    eq([r['status'] for r in got], [200, 200, 429, 429], 'statuses')
    eq(len(box.arrived()), 2, 'requests that arrived')
    eq(p.stderr, b'', 'stderr')
    eq([r['verdict'] in ('allow', 'warn') for r in box.rows()],
       [True, True, False, False], 'rows')


def large(box, kind):
    """A body of 1.5 MB goes through as it is, and is blocked whole."""
    body = chat_body(text='a "quoted" word\n' * 94000)
    box.budget(100)
    got, _ = send(box, kind, [request(OPENAI, body, 'in=9;out=1')])
    eq(got[0]['status'], 200, 'status')
    e = box.arrived()
    eq([x['body_len'] for x in e], [len(json.dumps(body))], 'body')
    box.config('budgets:\n  - {name: cap, scope: global, period: daily, '
               'limit_usd: 0, hard: true}\n')
    got, _ = send(box, kind, [request(OPENAI, body)])
    eq(got[0]['status'], 429, 'status when blocked')
    eq(len(box.arrived()), 1, 'nothing more arrived')


def parallel(box, kind):
    box.budget('0.5')
    reqs = [request(test='in=100;out=10;delay=20', seq=str(i))
            for i in range(8)]
    got, _ = send(box, kind, reqs, parallel=True)
    eq([r['status'] for r in got], [200] * 8, 'statuses')
    eq(len(box.rows()), 8, 'rows')
    box.config('budgets:\n  - {name: cap, scope: global, period: daily, '
               'limit_usd: 0, hard: true}\n')
    got, _ = send(box, kind, reqs, parallel=True)
    eq([r['status'] for r in got], [429] * 8, 'statuses when blocked')
    eq(len(box.arrived()), 8, 'requests that arrived')


def make_case(fn, kind):
    return lambda box: fn(box, kind)


for _fn, _kinds in ((within_budget, ALL), (blocked, ALL),
                    (then_blocked, ALL), (large, ALL),
                    (parallel, ('httpx-async', 'aiohttp', 'https', 'fetch'))):
    for _kind in _kinds:
        globals()['case_%s %s' % (_kind, _fn.__name__)] = make_case(_fn, _kind)

if __name__ == '__main__':
    main(globals())
