#!/usr/bin/python3
"""npm's openai and @anthropic-ai/sdk on Debian's Node 18: answers unchanged,
RateLimitError raised once and not retried."""
import json

from harness import (ANTHROPIC, EMBEDDINGS, OPENAI, RESPONSES, chat_body, eq,
                     main, ok, request, send)

CLAUDE = chat_body('claude-haiku-4-5')


def requests_of(kind):
    if kind == 'anthropic':
        return [request(ANTHROPIC, CLAUDE, 'text=60'),
                request(ANTHROPIC, dict(CLAUDE, stream=True), 'text=60')]
    return [request(OPENAI, test='text=60'),
            request(OPENAI, chat_body(stream=True), 'text=60'),
            request(RESPONSES, test='text=60'),
            request(RESPONSES, {'model': 'gpt-4o-mini', 'input': 'x',
                                'stream': True}, 'text=60'),
            request(EMBEDDINGS)]


def within_budget(box, kind):
    box.budget(100)
    bare, pb = send(box, kind, requests_of(kind), guard=False)
    got, p = send(box, kind, requests_of(kind))
    eq(got, bare, 'answers')
    eq((p.returncode, p.stderr), (pb.returncode, pb.stderr), 'status, stderr')
    eq(len(box.rows()), len(got), 'rows')


def blocked(box, kind):
    box.budget(0)
    for r in requests_of(kind):
        before = len(box.rows())
        got, p = send(box, kind, [r])
        eq(got[0]['status'], 429, 'status')
        eq(got[0].get('name'), 'RateLimitError', 'what was thrown')
        ok('cap' in got[0]['error'], 'the message names the budget')
        eq(got[0]['headers'].get('x-should-retry'), 'false', 'x-should-retry')
        body = json.loads(got[0]['body'])
        ok(body, 'the SDK parsed the body')
        eq(len(box.rows()) - before, 1, 'attempts')
    eq(box.arrived(), [], 'what arrived')


def parallel(box, kind):
    box.budget(0)
    got, _ = send(box, kind, requests_of(kind) * 4, parallel=True)
    eq({r.get('name') for r in got}, {'RateLimitError'}, 'what was thrown')
    eq(len(box.rows()), len(got), 'attempts')
    eq(box.arrived(), [], 'what arrived')


def make_case(fn, kind):
    return lambda box: fn(box, kind)


for _fn in (within_budget, blocked, parallel):
    for _kind in ('openai', 'anthropic'):
        globals()['case_%s %s' % (_kind, _fn.__name__)] = make_case(_fn, _kind)

if __name__ == '__main__':
    main(globals())
