#!/usr/bin/python3
"""npm's openai, @anthropic-ai/sdk and @google/genai on Debian's Node 18:
answers unchanged, RateLimitError raised once and not retried. Amazon's SDK repeats whatever is a
429, three times in all, with its own short pauses."""
import base64
import json
from decimal import Decimal

from harness import (ANTHROPIC, BEDROCK, EMBEDDINGS, GEMINI, OPENAI, RESPONSES,
                     chat_body, eq, main, ok, request, send)

CLAUDE = chat_body('claude-haiku-4-5')
SONNET = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
CONVERSE = {'messages': [{'role': 'user', 'content': [{'text': 'hello'}]}],
            'inferenceConfig': {'maxTokens': 50}}
INVOKE = {'anthropic_version': 'bedrock-2023-05-31', 'max_tokens': 50,
          'messages': [{'role': 'user', 'content': 'hello'}]}
ATTEMPTS = {'bedrock': 3}
NAMES = {'bedrock': 'ServiceQuotaExceededException', 'google': 'ApiError'}
QUIET = {'NODE_NO_WARNINGS': '1'}


def bedrock(verb, test='text=60', **headers):
    return request(BEDROCK % SONNET + verb,
                   INVOKE if verb.startswith('invoke') else CONVERSE, test,
                   **headers)


def requests_of(kind):
    if kind == 'anthropic':
        return [request(ANTHROPIC, CLAUDE, 'text=60'),
                request(ANTHROPIC, dict(CLAUDE, stream=True), 'text=60')]
    if kind == 'google':
        return [request(GEMINI + v, test='text=60;reason=7')
                for v in ('generateContent', 'streamGenerateContent?alt=sse')]
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
        if kind != 'google':    # its error has neither
            eq(got[0]['headers'].get('x-should-retry'), 'false',
               'x-should-retry')
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


def case_bedrock_global(box):
    """The answer's name has no region; the path's is the price's, later too."""
    box.budget(1)
    send(box, 'bedrock', [
        request(BEDROCK % SONNET.replace('us.', p) + v, INVOKE,
                'in=1000;out=100;model=claude-sonnet-4-5-20250929')
        for p in ('global.', 'eu.', '')
        for v in ('invoke', 'invoke-with-response-stream')], **QUIET)
    rows = box.rows()
    eq({r['model'] for r in rows}, {'claude-sonnet-4-5-20250929'}, 'models')
    eq([r['cost_usd'] for r in rows], [Decimal('0.0045')] * 2 +
       [Decimal('0.00495')] * 4, 'costs')
    eq({r['price_state'] for r in rows}, {'exact'}, 'price_state')
    box.cli('reprice', '--provider', 'aws')
    eq(box.rows('adjust'), [], 'corrections')
    told = json.loads(box.cli('pricing', 'explain', rows[0]['id'],
                              '--json').stdout, parse_float=Decimal)
    eq(told['difference_usd'], 0, 'explained again')


def case_bedrock_no_sleep(box):
    """Its clients sleep as long as a retry-after says: the body says it."""
    box.config('budgets:\n  - {name: cap, scope: global, period: yearly, '
               'limit_usd: 0, hard: true}\n')
    got, _ = send(box, 'bedrock', [bedrock('converse')], **QUIET)
    eq(got[0]['status'], 429, 'status')
    ok('retry-after' not in got[0]['headers'], 'no retry-after')
    ok('resets at' in got[0]['error'], 'when it resets')
    got, _ = send(box, 'https', [bedrock('converse'), request(OPENAI)])
    own = json.loads(got[0]['body'])
    ok(own['llmguard']['resets_at'], 'resets_at')
    eq(got[0]['headers'].get('x-amzn-errortype'),
       'ServiceQuotaExceededException', 'x-amzn-errortype')
    ok('retry-after' in got[1]['headers'], 'others are told')


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


def told(events):
    """Fields of a request that have the server answer with these events."""
    body = ''.join('event: %s\ndata: %s\n\n' % (e['type'], json.dumps(e))
                   for e in events)
    return {'x-answer': base64.b64encode(body.encode()).decode(),
            'x-answer-type': 'text/event-stream'}


def turn(kind, model, i, o, **k):
    return dict({'type': kind, 'model': model, 'input_tokens': i,
                 'output_tokens': o, 'cache_read_input_tokens': 0,
                 'cache_creation_input_tokens': 0}, **k)


def case_anthropic_iterations(box):
    """An advisor of another model and a search: each at its own price, and
    the SDK reads the stream as if nobody had looked."""
    haiku, opus = 'claude-haiku-4-5', 'claude-opus-4-7'
    its = [turn('message', haiku, 412, 89),
           turn('advisor_message', opus, 823, 1612),
           turn('message', haiku, 1348, 442, cache_read_input_tokens=412)]
    events = [
        {'type': 'message_start', 'message': {
            'id': 'msg_1', 'type': 'message', 'role': 'assistant',
            'model': haiku, 'content': [], 'stop_reason': None, 'usage': {
                'input_tokens': 412, 'output_tokens': 1}}},
        {'type': 'content_block_start', 'index': 0, 'content_block': {
            'type': 'text', 'text': ''}},
        {'type': 'content_block_delta', 'index': 0, 'delta': {
            'type': 'text_delta', 'text': 'Hello'}},
        {'type': 'content_block_stop', 'index': 0},
        {'type': 'message_delta', 'delta': {'stop_reason': None}, 'usage': {
            'output_tokens': 89, 'iterations': its[:2]}},
        {'type': 'message_delta', 'delta': {'stop_reason': 'end_turn'},
         'usage': {'input_tokens': 1760, 'output_tokens': 531,
                   'cache_read_input_tokens': 412, 'iterations': its,
                   'server_tool_use': {'web_search_requests': 1}}},
        {'type': 'message_stop'}]
    box.budget(1)
    r = request(ANTHROPIC, dict(CLAUDE, stream=True))
    r['headers'].update(told(events))
    r['raw'] = True
    bare, _ = send(box, 'anthropic', [r], guard=False, **QUIET)
    got, _ = send(box, 'anthropic', [r], **QUIET)
    eq(got, bare, 'answers')
    ok('iterations' in got[0]['body'], 'the SDK saw the iterations')
    row, = box.rows()
    eq((row['model'], row['usage_state'], row['input_tokens'],
        row['output_tokens']), (haiku, 'exact', 2995, 2143), 'usage')
    eq(row['cost_usd'], (1760 * Decimal(1) + 412 * Decimal('0.1') +
                         531 * Decimal(5) + 823 * Decimal(5) +
                         1612 * Decimal(25)) / 10**6 + Decimal('0.01'), 'cost')


def case_google_money(box):
    """Thoughts are output, streamed or not."""
    box.budget(1)
    send(box, 'google', [request(GEMINI + v, test='in=1000;out=20;reason=70')
                         for v in ('generateContent',
                                   'streamGenerateContent?alt=sse')], **QUIET)
    rows = box.rows()
    eq(len(rows), 2, 'rows')
    for r in rows:
        eq((r['input_tokens'], r['output_tokens'], r['reasoning_tokens'],
            r['usage_state']), (1000, 90, 70, 'exact'), 'tokens')
        eq(r['cost_usd'], Decimal('0.000525'), 'cost')


def make_case(fn, kind):
    return lambda box: fn(box, kind)


for _fn in (within_budget, blocked, parallel):
    for _kind in ('openai', 'anthropic', 'bedrock', 'google'):
        globals()['case_%s %s' % (_kind, _fn.__name__)] = make_case(_fn, _kind)

if __name__ == '__main__':
    main(globals())
