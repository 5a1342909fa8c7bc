#!/usr/bin/python3
"""stream_usage: inject. Every client reads what it would read without it,
byte for byte, and the ledger has the provider's own count."""
import json

from harness import (NODE_CLIENTS, NO_CURL, OPENAI, PYTHON_CLIENTS, Skip,
                     chat_body, eq, have_client, main, ok, request, sanitizer,
                     send, send_curl)

INJECT = 'stream_usage: inject\n'
BODY = chat_body(stream=True, usage=False)
SEEN = 'seq=1;in=50;out=7;events=9;text=300;'
WAYS = ('', 'piece=1', 'piece=7', 'piece=400', 'gap=5', 'framing=close',
        'framing=close;piece=3')
# curl names what it accepts; its answer then has to come uncoded
ACCEPT = {'accept-encoding': 'gzip, deflate, br'}


HOW = ('date', 'content-encoding', 'content-length')


def told(a):
    """What a program can see of an answer; an error is not coded either."""
    return (a['status'], a.get('body'), a.get('error'),
            {k: v for k, v in a.get('headers', {}).items() if k not in HOW})


def exact(rows, n):
    eq([(r['input_tokens'], r['output_tokens'], r['usage_state'])
        for r in rows], [(50, 7, 'exact')] * n, 'rows')


def same(box, kind, reqs, **k):
    fn = send_curl if kind == 'curl' else \
        lambda *a, **o: send(a[0], kind, *a[1:], **o)
    bare, _ = fn(box, reqs, guard=False, **k)
    box.config(INJECT)
    got, _ = fn(box, reqs, **k)
    for a, b, r in zip(got, bare, reqs):
        eq(told(a), told(b), kind + ' ' + r['headers'].get('x-test', ''))
    return got


def make_case(kind):
    def case(box):
        if kind == 'curl' and sanitizer():
            raise Skip(NO_CURL)
        reqs = [request(OPENAI, BODY, SEEN + w, **ACCEPT) for w in WAYS]
        got = same(box, kind, reqs)
        ok('"usage"' not in got[0]['body'], 'no usage is seen')
        ok('[DONE]' in got[0]['body'], 'the end is')
        exact(box.rows(), len(WAYS))
    return case


for _kind in ('curl',) + tuple(PYTHON_CLIENTS) + tuple(NODE_CLIENTS):
    globals()['case_' + _kind] = make_case(_kind)


def case_openai_sdk(box):
    reqs = [dict(request(OPENAI, BODY, SEEN + w),
                 call='chat.completions.create',
                 base='https://api.openai.com/v1') for w in WAYS]
    got = same(box, 'openai', reqs, NODE_NO_WARNINGS='1')
    ok('"usage"' not in got[0]['body'], 'no usage is seen')
    exact(box.rows(), len(WAYS))


def case_asked_by_itself(box):
    """Who asks has the answer, who says no has none."""
    for value, state in ((True, 'exact'), (False, 'estimated')):
        n = len(box.rows())
        body = dict(BODY, stream_options={'include_usage': value})
        got = same(box, 'http.client', [request(OPENAI, body, SEEN)])
        eq('"usage":{' in got[0]['body'], value, 'usage is seen')
        eq([r['usage_state'] for r in box.rows()[n:]], [state], 'row')


def case_options_kept(box):
    body = dict(BODY, stream_options={'include_obfuscation': False})
    same(box, 'http.client', [request(OPENAI, body, SEEN)])
    exact(box.rows(), 1)


def case_not_to_be_edited(box):
    """Coded all the same, or of a length: it passes as it is, and counts."""
    box.config(INJECT)
    for way in ('enc=gzip', 'enc=deflate', 'framing=length'):
        n = len(box.rows())
        got, _ = send(box, 'requests', [request(OPENAI, BODY, SEEN + way)])
        eq(got[0]['status'], 200, 'status')
        ok('[DONE]' in got[0]['body'], 'the end is seen')
        exact(box.rows()[n:], 1)


def case_cut(box):
    """Cut off before its end: what came is what would have come."""
    for cut in ('cut=3', 'cut=4;piece=1000', 'cut=6;framing=close'):
        n = len(box.rows())
        same(box, 'http.client', [request(OPENAI, BODY, SEEN + cut)])
        eq([r['usage_state'] for r in box.rows()[n:]], ['estimated'], cut)
    n = len(box.rows())
    got, _ = send(box, 'curl', [request(OPENAI, BODY, SEEN + 'cut=bytes:800')])
    ok(got[0]['body'].count('\n\n') > 1, 'whole events are seen')
    ok(not got[0]['body'].endswith('\n'), 'and the one that was cut')
    eq([r['usage_state'] for r in box.rows()[n:]], ['estimated'], 'bytes')


def case_keep_alive(box):
    """Edited and other answers take turns on one connection."""
    reqs = [request(OPENAI, BODY, SEEN), request(test='seq=1'),
            request(OPENAI, BODY, SEEN + 'status=400'),
            request(OPENAI, BODY, SEEN)]
    for kind in ('http.client', 'requests', 'httpx'):
        n = len(box.rows())
        same(box, kind, reqs)
        eq([r['usage_state'] for r in box.rows()[n:]], ['exact'] * 4, kind)


def case_blocked(box):
    box.config(INJECT + 'budgets:\n  - {name: cap, scope: global, '
               'period: total, limit_usd: 0, hard: true}\n')
    got, _ = send(box, 'http.client', [request(OPENAI, BODY, SEEN)])
    eq(got[0]['status'], 429, 'status')
    ok(json.loads(got[0]['body']), 'the error object')
    eq(box.arrived(), [], 'what arrived')


if __name__ == '__main__':
    main(globals())
