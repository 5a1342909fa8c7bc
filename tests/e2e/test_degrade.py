#!/usr/bin/python3
"""What budgets do instead of refusing, with every kind of client: the server
gets the other model or the smaller output in a request of the right length,
the program its answer as ever, the row both models."""
import json
import os
import signal
import subprocess
import time
from decimal import Decimal

from harness import (ANTHROPIC, BEDROCK, BUILD, GEMINI, OPENAI, PY, RESPONSES,
                     Skip, chat_body, eq, have_client, main, ok, request,
                     sanitizer, send, until)

CLIENT = os.path.join(BUILD, 'tests/e2e/cclient')
CLIENTS = ('curl', 'http.client', 'urllib', 'requests', 'httpx', 'httpx-async',
           'aiohttp', 'https', 'fetch')
DEAR = chat_body('gpt-4o', max_tokens=100)
QUIET = {'NODE_NO_WARNINGS': '1'}
SONNET = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'


def budget(box, usd, **k):
    """Values of k are YAML."""
    box.config('budgets:\n  - {name: cap, scope: global, period: monthly, '
               'limit_usd: %s, hard: true%s}\n' % (
                   usd, ''.join(', %s: %s' % kv for kv in k.items())))


def whole(box):
    """What the server got; every length is that of the body."""
    out = box.arrived(('request',))
    eq(box.arrived(('partial',)), [], 'torn requests')
    for e in out:
        if 'content-length' in e['headers']:
            eq(int(e['headers']['content-length']), e['body_len'], 'length')
    return out


def said(box):
    return [json.loads(e['said']) for e in whole(box)]


def fallback(box, kind):
    """Three requests over one connection, one of them a stream."""
    budget(box, '0.0005', on_hard='[{action: fallback, model: gpt-4o-mini}, '
           'block]')
    reqs = [request(OPENAI, DEAR, 'in=9;out=2'),
            request(OPENAI, dict(DEAR, stream=True, stream_options={
                'include_usage': True}), 'in=9;out=2'),
            request(OPENAI, DEAR, 'in=9;out=2')]
    got, _ = send(box, kind, reqs, **QUIET)
    eq([r['status'] for r in got], [200] * 3, 'statuses')
    eq([b['model'] for b in said(box)], ['gpt-4o-mini'] * 3, 'models')
    eq([b['max_tokens'] for b in said(box)], [100] * 3, 'caps')
    rows = box.rows()
    eq([(r['verdict'], r['reason'], r['model_requested'], r['model'])
        for r in rows], [('fallback', 'over_budget', 'gpt-4o',
                          'gpt-4o-mini')] * 3, 'rows')
    eq({r['cost_usd'] for r in rows}, {Decimal('0.00000255')}, 'cost')
    eq(box.budget_status()['spent_usd'], sum(r['cost_usd'] for r in rows),
       'spent')
    eq(box.budget_status()['held_usd'], 0, 'held')
    if kind in ('http.client', 'requests', 'https'):
        eq(len({e['conn'] for e in whole(box)}), 1, 'connections')


def clamp(box, kind):
    """As dear as it may become, a call never costs more than what was left."""
    budget(box, '0.0015', on_hard='[clamp, block]')
    got, _ = send(box, kind, [request(OPENAI, chat_body(
        'gpt-4o', max_tokens=4000), 'out=cap')], **QUIET)
    eq(got[0]['status'], 200, 'status')
    cap = said(box)[0]['max_tokens']
    ok(16 <= cap < 150, 'cap %d' % cap)
    row, = box.rows()
    eq((row['verdict'], row['output_tokens']), ('clamp', cap), 'row')
    ok(row['cost_usd'] <= Decimal('0.0015'), 'cost %s' % row['cost_usd'])
    # and what is left then is not enough for another
    got, _ = send(box, kind, [request(OPENAI, chat_body(
        'gpt-4o', max_tokens=4000), 'out=cap')], **QUIET)
    eq(got[0]['status'], 429, 'the second')
    eq(len(whole(box)), 1, 'arrived')


def case_sdk_openai(box):
    if not have_client('openai'):
        raise Skip('no openai here')
    budget(box, '0.0005', on_hard='[{fallback: [gpt-4.1-mini, gpt-4o-mini]}, '
           'block]')
    reqs = [request(OPENAI, DEAR), request(OPENAI, dict(DEAR, stream=True)),
            request(RESPONSES, {'model': 'gpt-4o', 'input': 'Say hello.',
                                'max_output_tokens': 100}),
            request(RESPONSES, {'model': 'gpt-4o', 'input': 'Say hello.',
                                'max_output_tokens': 100, 'stream': True})]
    got, p = send(box, 'openai', reqs, **QUIET)
    eq((p.returncode, p.stderr), (0, b''), 'status, stderr')
    eq([r['status'] for r in got], [200] * 4, 'statuses')
    eq([b['model'] for b in said(box)], ['gpt-4.1-mini'] * 4, 'models')
    eq([r['verdict'] for r in box.rows()], ['fallback'] * 4, 'verdicts')


def case_sdk_anthropic(box):
    if not have_client('anthropic'):
        raise Skip('no anthropic here')
    budget(box, '0.003', on_hard='[{fallback: claude-haiku-4-5}, clamp, '
           'block]')
    body = chat_body('claude-opus-4-1', max_tokens=400)
    got, p = send(box, 'anthropic', [
        request(ANTHROPIC, body, 'out=cap'),
        request(ANTHROPIC, dict(body, max_tokens=4000, stream=True), 'in=1')],
        **QUIET)
    eq((p.returncode, p.stderr), (0, b''), 'status, stderr')
    eq([r['status'] for r in got], [200] * 2, 'statuses')
    b = said(box)
    eq([x['model'] for x in b], ['claude-haiku-4-5'] * 2, 'models')
    eq(b[0]['max_tokens'], 400, 'the first fitted')
    ok(16 <= b[1]['max_tokens'] < 300, 'the second was clamped, too')
    rows = box.rows()
    ok(sum(r['cost_usd'] for r in rows) <= Decimal('0.003'), 'cost')
    eq([r['model_requested'] for r in rows], ['claude-opus-4-1'] * 2, 'asked')


def case_sdk_google(box):
    """The model is in the path, the cap is put where there is none."""
    if not have_client('google'):
        raise Skip('no google here')
    budget(box, '0.0004', on_hard='[{fallback: gemini-2.5-flash-lite}, clamp, '
           'block]')
    body = {'contents': [{'role': 'user', 'parts': [{'text': 'Say hello.'}]}]}
    got, p = send(box, 'google', [
        request(GEMINI + v, body, 'out=cap')
        for v in ('generateContent', 'streamGenerateContent?alt=sse')],
        **QUIET)
    eq(p.stderr, b'', 'stderr')
    eq([r['status'] for r in got], [200, 200], 'statuses')
    for e in whole(box):
        ok('/models/gemini-2.5-flash-lite:' in e['path'], e['path'])
    for b in said(box):
        ok(b['generationConfig']['maxOutputTokens'] >= 16, 'cap')
    for r in box.rows():
        eq((r['model_requested'], r['verdict']), ('gemini-2.5-flash',
                                                  'fallback'), 'row')


def case_sdk_bedrock_signed(box):
    """A signature covers the body: no rewriting, the next action."""
    if not have_client('bedrock'):
        raise Skip('no bedrock here')
    budget(box, '0.0001', on_hard='[{fallback: us.amazon.nova-micro-v1:0}, '
           'clamp, block]')
    got, _ = send(box, 'bedrock', [request(BEDROCK % SONNET + 'converse', {
        'messages': [{'role': 'user', 'content': [{'text': 'hello'}]}],
        'inferenceConfig': {'maxTokens': 50}})], **QUIET)
    eq(got[0]['status'], 429, 'status')
    eq(box.arrived(), [], 'arrived')
    eq({r['verdict'] for r in box.rows()}, {'block'}, 'verdicts')


def case_bedrock_key(box):
    """With an API key it can be done: path and body."""
    budget(box, '0.0005', on_hard='[{fallback: us.amazon.nova-micro-v1:0}, '
           'block]')
    got, _ = send(box, 'http.client', [request(
        BEDROCK % SONNET + 'converse', {
            'messages': [{'role': 'user', 'content': [{'text': 'hello'}]}],
            'inferenceConfig': {'maxTokens': 50}}, 'in=9;out=5')])
    eq(got[0]['status'], 200, 'status')
    e, = whole(box)
    eq(e['path'], '/model/us.amazon.nova-micro-v1%3A0/converse', 'path')
    row, = box.rows()
    eq((row['verdict'], row['model_requested']), ('fallback', SONNET), 'row')


def case_soft_fallback(box):
    budget(box, '0.001', on_soft='{at: 0.5, action: fallback, model: '
           'gpt-4o-mini}')
    one = request(OPENAI, chat_body('gpt-4o', max_tokens=10), 'in=20;out=50')
    send(box, 'requests', [one, one, one])
    eq([b['model'] for b in said(box)], ['gpt-4o', 'gpt-4o-mini',
                                         'gpt-4o-mini'], 'models')
    eq([(r['verdict'], r['reason']) for r in box.rows()][1:],
       [('fallback', 'soft_limit')] * 2, 'rows')


def case_rebuilt(box):
    """A region that is lost counts a fallback where it was charged."""
    box.config('budgets:\n'
               '  - {name: dear, scope: "model:gpt-4o", period: monthly, '
               'limit_usd: 0.0005, on_hard: [{fallback: gpt-4o-mini}]}\n'
               '  - {name: mini, scope: "model:gpt-4o-mini", period: monthly, '
               'limit_usd: 1, hard: true}\n')
    send(box, 'requests', [request(OPENAI, DEAR, 'in=9;out=2')] * 3)
    want = {b['name']: b['spent_usd'] for b in box.status()['budgets']}
    ok(want['mini'] > 0, 'spent')
    for name in os.listdir('/dev/shm'):
        if name.startswith(os.path.basename(box.region)):
            os.unlink('/dev/shm/' + name)
    send(box, 'requests', [request(OPENAI, chat_body(), 'in=0;out=0')])
    got = {b['name']: b['spent_usd'] for b in box.status()['budgets']}
    eq(got, want, 'spent')


def cclient(box, *opts, body=DEAR, **k):
    path = os.path.join(box.dir, 'body.json')
    with open(path, 'w') as f:
        json.dump(body, f)
    return subprocess.Popen(
        [CLIENT, *map(str, opts), 'api.openai.com', '/v1/chat/completions',
         path], env=box.env(**k), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=box.dir)


def case_small_stack(box):
    """A thread of 64 KB whose requests are rewritten."""
    if sanitizer():
        raise Skip('a sanitizer needs a larger stack')
    budget(box, '0.0005', on_hard='[{fallback: gpt-4o-mini}, clamp, block]')
    p = cclient(box, '-t', 4, '-k', 64, '-n', 2)
    out, err = p.communicate(timeout=60)
    eq((p.returncode, err), (0, b''), 'status')
    eq(out.split(), [b'200'] * 8, 'statuses')
    eq({b['model'] for b in said(box)}, {'gpt-4o-mini'}, 'models')


SPENT = ('budgets:\n  - {name: cap, scope: global, period: monthly, '
         'limit_usd: 1, hard: true%s}\n')


def case_throttle_blocking(box):
    """A program that waits anyway is slowed down, no more than it says."""
    box.config(SPENT % ', on_soft: {at: 0.5, action: throttle, max_delay_ms: '
               '300}')
    send(box, 'requests', [request(OPENAI, DEAR, 'out=60000')])
    begun = time.time()
    p = cclient(box, '-n', 4)
    out, _ = p.communicate(timeout=60)
    took = time.time() - begun
    eq(out.split(), [b'200'] * 4, 'statuses')
    ok(0.85 < took < 30, 'it took %.2f s' % took)
    eq([r['verdict'] for r in box.rows()][2:], ['throttle'] * 3, 'verdicts')
    eq(len(whole(box)), 5, 'arrived')


def case_throttle_async(box):
    """Programs that never wait are told when to come back."""
    box.config(SPENT % ', on_soft: {at: 0.5, action: throttle, max_delay_ms: '
               '20000}')
    send(box, 'requests', [request(OPENAI, DEAR, 'out=60000')])
    begun = time.time()
    got, _ = send(box, 'httpx-async', [request(OPENAI, DEAR, 'out=1')] * 3)
    ok(time.time() - begun < 18, 'nobody slept')
    eq([r['status'] for r in got], [200, 429, 429], 'statuses')
    eq(got[1]['headers']['x-should-retry'], 'true', 'x-should-retry')
    ok(1 < int(got[1]['headers']['retry-after']) <= 20, 'retry-after')
    eq([r['verdict'] for r in box.rows()][2:], ['throttle'] * 2, 'verdicts')
    eq(box.budget_status()['held_usd'], 0, 'held')


def case_throttle_sdk(box):
    """It comes back when it was told to, and is let through."""
    if not have_client('openai'):
        raise Skip('no openai here')
    box.config(SPENT % ', on_soft: {at: 0.5, action: throttle, max_delay_ms: '
               '1800}')
    send(box, 'requests', [request(OPENAI, DEAR, 'out=60000')])
    got, _ = send(box, 'openai', [request(OPENAI, DEAR)] * 2, **QUIET)
    eq([r['status'] for r in got], [200, 200], 'statuses')
    eq([r['verdict'] for r in box.rows()], ['allow', 'warn', 'throttle',
                                            'warn'], 'once each')


def stopped(pid):
    with open('/proc/%d/stat' % pid) as f:
        return f.read().rpartition(')')[2].split()[0] == 'T'


def case_stop(box):
    """It stops, nothing is held, and goes on under the raised budget."""
    budget(box, '0.0005', on_hard='stop')
    p = cclient(box)
    try:
        until(lambda: stopped(p.pid), 'it stopped')
        eq(box.arrived(), [], 'arrived')
        hold = json.loads(box.cli('holds', '--json').stdout)
        eq((hold['pid'], hold['state'], hold['held_usd']),
           (p.pid, 'stopped', 0), 'holds list it')
        eq(box.budget_status()['held_usd'], 0, 'held')
        told = box.status()
        eq((told['halted'], told['staged_rows']), ([p.pid], 0), 'who')
        ok(b'Stopped by a budget: pid %d' % p.pid in box.cli('status').stdout,
           'and what to do')
        ok(b'cap: cclient was stopped (over_budget)' in
           box.cli('alerts').stdout, 'told')
        os.kill(p.pid, signal.SIGCONT)      # nothing changed: once more
        time.sleep(0.3)
        until(lambda: stopped(p.pid), 'it stopped again')
        budget(box, '1')
        time.sleep(1.2)
        box.cli('resume', str(p.pid))
        out, _ = p.communicate(timeout=20)
    finally:
        p.kill()
    eq(out.split(), [b'200'], 'statuses')
    row, = box.rows()
    eq((row['verdict'], row['model']), ('stop', 'gpt-4o'), 'row')
    eq(box.cli('holds', '--json').stdout, b'', 'nothing is left')


def case_stop_killed(box):
    """Who is killed where it stopped leaves a row that cost nothing."""
    budget(box, '0.0005', on_hard='stop')
    p = cclient(box)
    try:
        until(lambda: stopped(p.pid), 'it stopped')
    finally:
        p.kill()
        p.wait()
    eq(box.budget_status()['held_usd'], 0, 'held')
    row, = box.rows()
    eq((row['verdict'], row['cost_usd'], row['reason']),
       ('stop', 0, 'over_budget'), 'row')
    eq(box.arrived(), [], 'arrived')


def case_warn(box):
    budget(box, '0.00000001', on_hard='warn')
    got, _ = send(box, 'requests', [request(OPENAI, DEAR)])
    eq(got[0]['status'], 200, 'status')
    eq(said(box)[0]['model'], 'gpt-4o', 'model')


def case_chunked(box):
    """A body without a length, in pieces as small as can be."""
    budget(box, '0.0005', on_hard='[{fallback: gpt-4o-mini}, block]')
    prog = '''
import http.client, json, sys
c = http.client.HTTPSConnection('api.openai.com', timeout=30)
body = sys.stdin.buffer.read()
for step in (1, 7, len(body)):
    c.request('POST', '/v1/chat/completions',
              (body[i:i + step] for i in range(0, len(body), step)),
              {'Content-Type': 'application/json',
               'Transfer-Encoding': 'chunked'}, encode_chunked=True)
    a = c.getresponse()
    a.read()
    print(a.status)
'''
    p = box.run([PY, '-c', prog], stdin=json.dumps(DEAR))
    eq(p.stdout.split(), [b'200'] * 3, 'statuses')
    eq([b['model'] for b in said(box)], ['gpt-4o-mini'] * 3, 'models')
    eq({e['headers'].get('transfer-encoding') for e in whole(box)},
       {'chunked'}, 'framing')


def case_coded(box):
    """The server gets it without its coding, and the length that it has."""
    budget(box, '0.0005', on_hard='[{fallback: gpt-4o-mini}, block]')
    prog = '''
import gzip, http.client, json, sys, zlib
c = http.client.HTTPSConnection('api.openai.com', timeout=30)
body = sys.stdin.buffer.read()
for name, coded in (('gzip', gzip.compress(body)),
                    ('deflate', zlib.compress(body)), ('identity', body),
                    ('gzip', zlib.compress(body))):
    c.request('POST', '/v1/chat/completions', coded,
              {'Content-Type': 'application/json', 'Content-Encoding': name})
    a = c.getresponse()
    a.read()
    print(a.status)
'''
    p = box.run([PY, '-c', prog], stdin=json.dumps(DEAR))
    eq(p.stdout.split(), [b'200'] * 3 + [b'429'], 'statuses')
    eq([b['model'] for b in said(box)], ['gpt-4o-mini'] * 3, 'models')
    ok(all('content-encoding' not in e['headers'] for e in whole(box)),
       'no coding')


def case_expect(box):
    """curl waits for a 100 with a large body: ours, then the rewritten one."""
    budget(box, '0.02', on_hard='[{fallback: gpt-4o-mini}, block]')
    big = dict(DEAR, messages=[{'role': 'user', 'content': 'x' * 200000}])
    got, _ = send(box, 'curl', [request(OPENAI, big, Expect='100-continue')])
    eq(got[0]['status'], 200, 'status')
    e, = whole(box)
    eq(e['model'], 'gpt-4o-mini', 'model')


def make_case(fn, kind):
    return lambda box: fn(box, kind)


for _fn in (fallback, clamp):
    for _kind in CLIENTS:
        globals()['case_%s %s' % (_fn.__name__, _kind)] = make_case(_fn, _kind)

if __name__ == '__main__':
    main(globals())
