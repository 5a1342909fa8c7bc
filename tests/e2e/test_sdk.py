#!/usr/bin/python3
"""npm's openai and @anthropic-ai/sdk on Debian's Node 18: answers unchanged,
RateLimitError raised once and not retried. Amazon's SDK repeats whatever is a
429, three times in all, with its own short pauses."""
import json
from decimal import Decimal

from harness import (ANTHROPIC, BEDROCK, EMBEDDINGS, OPENAI, RESPONSES,
                     chat_body, eq, main, ok, request, send)

CLAUDE = chat_body('claude-haiku-4-5')
SONNET = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
CONVERSE = {'messages': [{'role': 'user', 'content': [{'text': 'hello'}]}],
            'inferenceConfig': {'maxTokens': 50}}
INVOKE = {'anthropic_version': 'bedrock-2023-05-31', 'max_tokens': 50,
          'messages': [{'role': 'user', 'content': 'hello'}]}
ATTEMPTS = {'bedrock': 3}
NAMES = {'bedrock': 'ServiceQuotaExceededException'}
QUIET = {'NODE_NO_WARNINGS': '1'}


def bedrock(verb, test='text=60', **headers):
    return request(BEDROCK % SONNET + verb,
                   INVOKE if verb.startswith('invoke') else CONVERSE, test,
                   **headers)


def requests_of(kind):
    if kind == 'anthropic':
        return [request(ANTHROPIC, CLAUDE, 'text=60'),
                request(ANTHROPIC, dict(CLAUDE, stream=True), 'text=60')]
    if kind == 'bedrock':
        return [bedrock(v) for v in (
            'converse', 'converse-stream', 'invoke',
            'invoke-with-response-stream')]
    return [request(OPENAI, test='text=60'),
            request(OPENAI, chat_body(stream=True), 'text=60'),
            request(RESPONSES, test='text=60'),
            request(RESPONSES, {'model': 'gpt-4o-mini', 'input': 'x',
                                'stream': True}, 'text=60'),
            request(EMBEDDINGS)]


def within_budget(box, kind):
    box.budget(100)
    bare, pb = send(box, kind, requests_of(kind), guard=False, **QUIET)
    got, p = send(box, kind, requests_of(kind), **QUIET)
    eq(got, bare, 'answers')
    eq((p.returncode, p.stderr), (pb.returncode, pb.stderr), 'status, stderr')
    eq(len(box.rows()), len(got), 'rows')


def blocked(box, kind):
    box.budget(0)
    for r in requests_of(kind):
        before = len(box.rows())
        got, p = send(box, kind, [r], **QUIET)
        eq(got[0]['status'], 429, 'status')
        eq(got[0].get('name'), NAMES.get(kind, 'RateLimitError'),
           'what was thrown')
        ok('cap' in got[0]['error'], 'the message names the budget')
        eq(got[0]['headers'].get('x-should-retry'), 'false', 'x-should-retry')
        body = json.loads(got[0]['body'])
        ok(body, 'the SDK parsed the body')
        eq(len(box.rows()) - before, ATTEMPTS.get(kind, 1), 'attempts')
    eq(box.arrived(), [], 'what arrived')


def parallel(box, kind):
    box.budget(0)
    got, _ = send(box, kind, requests_of(kind) * 4, parallel=True, **QUIET)
    eq({r.get('name') for r in got}, {NAMES.get(kind, 'RateLimitError')},
       'what was thrown')
    eq(len(box.rows()), len(got) * ATTEMPTS.get(kind, 1), 'attempts')
    eq(box.arrived(), [], 'what arrived')


def case_bedrock_money(box):
    """The price of a region's profile; input beside what the cache had."""
    box.budget(1)
    test = 'in=13;out=5;cached=1504;cw=7'
    send(box, 'bedrock', [bedrock(v, test) for v in (
        'converse', 'converse-stream')], **QUIET)
    for r in box.rows():
        eq((r['provider'], r['model'], r['model_requested']),
           ('aws', SONNET, SONNET), 'whose model')
        eq((r['input_tokens'], r['cache_read_tokens'],
            r['cache_write_5m_tokens'], r['output_tokens']),
           (1524, 1504, 7, 5), 'tokens')
        eq(r['usage_state'], 'exact', 'usage')
        eq(r['cost_usd'], Decimal('0.000650595'), 'cost')


def case_bedrock_signed(box):
    """What the signature covers stays as it is, and the key is who signs."""
    box.budget(1)
    got, _ = send(box, 'bedrock', [
        bedrock('converse', x_llmguard_project='p'),
        bedrock('converse', x_llmguard_project='p')], **QUIET)
    eq([r['status'] for r in got], [200, 200], 'status')
    rows = box.rows()
    eq([r['project'] for r in rows], ['p', 'p'], 'project')
    eq(len({r['key'] for r in rows}), 1, 'keys')
    for e in box.arrived(('request',)):
        ok('x-llmguard-project' in e['headers'], 'the signed field arrived')


def make_case(fn, kind):
    return lambda box: fn(box, kind)


for _fn in (within_budget, blocked, parallel):
    for _kind in ('openai', 'anthropic', 'bedrock'):
        globals()['case_%s %s' % (_kind, _fn.__name__)] = make_case(_fn, _kind)

if __name__ == '__main__':
    main(globals())
