#!/usr/bin/python3
"""Prices by hand: entered, asked for, fetched, explained, seen at once."""
import base64
import hashlib
import http.server
import json
import os
import pty
import random
import re
import select
import signal
import ssl
import subprocess
import threading
import time
from decimal import Decimal

from harness import (CLI, OPENAI, PY, Skip, chat_body, eq, main, ok, request,
                     sanitizer, send)

D = Decimal


def run(box, *args, stdin='', **env):
    env = {'LD_PRELOAD': None, **env}
    return subprocess.run([CLI, *args], env=box.env(**env),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          input=stdin.encode(), timeout=60)


def good(box, *args, **k):
    p = run(box, *args, **k)
    ok(p.returncode == 0, '%s: %d %s' % (args, p.returncode,
                                         p.stderr.decode()))
    return p


def load(text):
    return json.loads(text, parse_float=D)


def own(box):
    return os.path.join(box.state, 'pricing/prices.yaml')


def entries(box, path=None):
    return load(good(box, 'pricing', 'export', path or own(box)).stdout)[
        'prices']


def show(box, model, *args):
    return load(good(box, 'pricing', 'show', model, '--json', *args).stdout)


def audits(box):
    return [r['note'] for r in box.rows('audit')]


SET = ('-p', 'acme', '--input-per-1m', '2', '--output-per-1m', '6')


# -- set, by options and environment ------------------------------------------

def case_set(box):
    good(box, 'pricing', 'set', 'm-1', *SET, '--context-window', '32000',
         '--max-output-tokens', '4096', '--notes', 'told: "by phone" #1',
         '--rates', 'reasoning_per_1m=9,web_search_per_1k=10')
    d = show(box, 'm-1')
    eq((d['provider'], d['rates_per_1m'], d['fees'], d['context_window'],
        d['max_output_tokens'], d['source'], d['notes']),
       ('acme', {'input': 2, 'output': 6, 'reasoning': 9},
        {'web_searches': D('0.01')}, 32000, 4096, 'manual',
        'told: "by phone" #1'), 'm-1')
    ok(d['operator'] and d['added_at'], 'who and when')
    eq(d['effective_at'], None, 'a new model: always')
    # a second one holds from now on, the first stays
    good(box, 'pricing', 'set', 'm-1', '-p', 'acme', '--input-per-1k', '0.003',
         '--output-per-token', '7e-6', '--cached-input-per-1m', '0.30',
         '--price-version', '2026-11')
    e = entries(box)
    eq(len(e), 2, 'append-only')
    eq((e[1]['input_per_1m'], e[1]['output_per_1m'],
        e[1]['cached_input_per_1m'], e[1]['price_version']),
       (3, 7, D('0.3'), '2026-11'), 'units')
    ok(e[1]['effective_at'] > '2026', 'from now on')
    eq(show(box, 'm-1')['rates_per_1m']['input'], 3, 'now')
    eq(show(box, 'm-1', '--at', '2026-01-01')['rates_per_1m']['input'], 2,
       'then')
    eq(show(box, 'm-1', '--per', '1k')['rates_per_1k']['input'], D('0.003'),
       'per 1k')
    eq(show(box, 'm-1', '--per', 'token')['rates_per_token']['output'],
       D('0.000007'), 'per token')
    notes = audits(box)
    eq(len(notes), 2, 'audit rows')
    ok(notes[0].startswith('price acme/m-1 by manual') and
       'input_per_1m=2' in notes[0], notes)
    ok(all(r['user'] for r in box.rows('audit')), 'operator in the ledger')
    # history: both, the second in force
    h = [load(x) for x in good(box, 'pricing', 'history', 'm-1', '--json')
         .stdout.splitlines()]
    eq([(x['in_force'], x['rates_per_1m']['input'], x['source'],
         x['price_version'], x['catalog']) for x in h],
       [(False, 2, 'manual', '', 'user'), (True, 3, 'manual', '2026-11',
                                           'user')], 'history')
    ok(b'OPERATOR' in good(box, 'pricing', 'history', 'm-1').stdout, 'table')


def case_set_more(box):
    good(box, 'pricing', 'set', 'm', *SET, '-t', 'batch', '--estimate',
         '--effective-at', '2026-02-01', '--expires-at', '2999-01-01')
    good(box, 'pricing', 'set', 'm', *SET, '--variant', 'fine-tuned',
         '--training-per-1m', '25', '--match', 'ft:m:*')
    good(box, 'pricing', 'set', 'm', *SET, '--effective-at', 'always')
    good(box, 'pricing', 'set', 'm', '-p', 'acme', '--training-per-1m', '3')
    e = entries(box)
    eq((e[0]['tier'], e[0]['effective_at'], e[0]['expires_at'],
        e[0]['estimate']), ('batch', '2026-02-01', '2999-01-01', True), 'tier')
    eq((e[1]['variant'], e[1]['training_per_1m'], e[1]['match']),
       ('fine-tuned', 25, 'ft:m:*'), 'variant')
    ok('effective_at' not in e[2], 'always')
    eq(e[3]['training_per_1m'], 3, 'training alone')


def case_names(box):
    """A shipped model's price is meant for all of its names."""
    good(box, 'pricing', 'set', 'gpt-4o', '-p', 'openai', '--input-per-1m',
         '1', '--output-per-1m', '2')
    for name in ('gpt-4o', 'gpt-4o-2024-08-06', 'GPT-4o'):
        eq(show(box, name, '-p', 'openai')['rates_per_1m']['output'], 2, name)
    ok(show(box, 'gpt-4o-mini', '-p', 'openai')['rates_per_1m']['output'] != 2,
       'another model')
    good(box, 'pricing', 'set', 'gpt-4o', '-p', 'openai', '--input-per-1m',
         '3', '--output-per-1m', '4')
    eq(show(box, 'gpt-4o-2024-08-06')['rates_per_1m']['output'], 4, 'again')
    ok('match' not in entries(box)[1], 'said once')
    good(box, 'pricing', 'set', 'gpt-4.1', '-p', 'openai', '--match', 'mine',
         '--input-per-1m', '1', '--output-per-1m', '7')
    ok(show(box, 'gpt-4.1-2025-04-14')['rates_per_1m']['output'] != 7,
       'named otherwise')
    good(box, 'pricing', 'import', '-', stdin=json.dumps(
        {'gpt-4o-mini': {'input_cost_per_1k': 1, 'output_cost_per_1k': 2}}))
    eq(show(box, 'gpt-4o-mini-2024-07-18')['rates_per_1m']['output'], 2000,
       'per1k')


def case_set_environment(box):
    env = {'LLMGUARD_PRICE_PROVIDER': 'acme',
           'LLMGUARD_PRICE_INPUT_PER_1K': '0.002',
           'LLMGUARD_PRICE_OUTPUT_PER_TOKEN': '0.000006',
           'LLMGUARD_PRICE_CONTEXT_WINDOW': '1000',
           'LLMGUARD_PRICING_NONINTERACTIVE': '1'}
    good(box, 'pricing', 'set', 'e-1', **env)
    e = entries(box)[0]
    eq((e['provider'], e['input_per_1m'], e['output_per_1m'],
        e['context_window']), ('acme', 2, 6, 1000), 'environment')
    good(box, 'pricing', 'set', 'e-2', '--input-per-1k', '1', **env)
    eq(entries(box)[1]['input_per_1m'], 1000, 'an option wins')


def case_noninteractive(box):
    """What is missing is told, with what to do, and nothing is written."""
    for args, missing in (((), 'provider'),
                          (('-p', 'acme'), 'input'),
                          (('-p', 'acme', '--input-per-1m', '1'), 'output'),
                          (('-p', 'acme', '--output-per-1m', '1'), 'input')):
        for env in ({}, {'LLMGUARD_PRICING_NONINTERACTIVE': '1'}):
            p = run(box, 'pricing', 'set', 'm', *args, **env)
            eq((p.returncode, p.stdout), (2, b''), args)
            text = p.stderr.decode()
            ok(missing in text and '--input-per-1m' in text and
               'LLMGUARD_PRICE_INPUT_PER_1M' in text, text)
    code, text = terminal(box, ['pricing', 'set', 'm'], [],
                          LLMGUARD_PRICING_NONINTERACTIVE='1')
    eq(code, 2, text)
    ok(not os.path.exists(own(box)), 'nothing written')


def case_set_bad_input(box):
    for args in (('--input-per-1m', '-1'), ('--input-per-1m', 'x'),
                 ('--input-per-1m', '1e30'), ('--input-per-1m', 'NaN'),
                 ('--input-per-1m', '0.0000000000001'),
                 ('--input-per-1m', '1', '--input-per-1k', '1'),
                 ('--context-window', '0'), ('--context-window', '1.5'),
                 ('--effective-at', 'yesterday'),
                 ('--effective-at', '2026-13-01'), ('-p', 'Big Letters'),
                 ('--rates', 'reasoning_per_1m'), ('--rates', 'x=-1'),
                 ('--rates', 'a=1,a=2'), ('--tier', 'a b'),
                 ('--notes', 'a\nb'), ('--source', 'nobody')):
        p = run(box, 'pricing', 'set', 'm', *args)
        eq((p.returncode, p.stdout), (2, b''), args)
        ok(args[-2].strip('-').encode() in p.stderr or
           args[0] == '-p', p.stderr)
    for args in (('--rates', 'no_such_per_1m=1'),
                 ('--effective-at', '2026-02-30'),
                 ('--effective-at', '2026-02-02', '--expires-at',
                  '2026-02-01'), ('-t', 'standard', '--match', 'a[b')):
        p = run(box, 'pricing', 'set', 'm', *SET, *args)
        eq((p.returncode, p.stdout), (1, b''), args)
        ok(b'prices.yaml:' in p.stderr, p.stderr)
    for name in ('', 'a\nb', 'x' * 128):
        eq(run(box, 'pricing', 'set', name, *SET).returncode, 2, name)
    ok(not os.path.exists(own(box)), 'nothing written')


# -- asked on a terminal -------------------------------------------------------

def terminal(box, args, answers, **env):
    """The command on a terminal: (exit code, all that was shown)."""
    pid, fd = pty.fork()
    if not pid:
        e = box.env(LD_PRELOAD=None, TERM='dumb', **env)
        os.execve(CLI, [CLI, *args], e)
    shown, left = '', list(answers)
    end = time.time() + 30
    while time.time() < end:
        r, _, _ = select.select([fd], [], [], 0.05)
        if r:
            try:
                data = os.read(fd, 4096)
            except OSError:
                break
            if not data:
                break
            shown += data.decode()
        elif left and shown.endswith(': '):
            line = left.pop(0)
            os.write(fd, b'\x04' if line is None else line.encode() + b'\n')
            time.sleep(0.02)
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), shown


def case_prompts(box):
    code, shown = terminal(box, ['pricing', 'set', 'm-1', '--training'], [
        'Acme Inc', 'acme',      # bad, then good
        '', 'x', '-1', '$2.50',  # input
        '0.01/1k',               # output
        '',                      # cached: none
        'free', '25',            # training
        'many', '64000', 'soon', '',
        'maybe', 'y'])
    eq(code, 0, shown)
    e = entries(box)[0]
    eq((e['provider'], e['input_per_1m'], e['output_per_1m'],
        e['training_per_1m'], e['context_window']),
       ('acme', D('2.5'), 10, 25, 64000), 'answers')
    ok('cached_input_per_1m' not in e and 'effective_at' not in e, 'left out')
    ok(shown.count('Provider: ') == 2 and shown.count('allowed:') >= 5, shown)
    ok(shown.index('Inference: input') < shown.index('Training: USD'), shown)
    # what is given is not asked
    code, shown = terminal(box, ['pricing', 'set', 'm-2', '-p', 'acme',
                                 '--input-per-1m', '1', '--output-per-1m',
                                 '1'], ['n'])
    eq(code, 1, shown)
    ok('Provider' not in shown and 'Write this price?' in shown, shown)
    code, shown = terminal(box, ['pricing', 'set', 'm-2', '-y', *SET], [])
    eq(code, 0, shown)
    # the model's provider is known
    code, shown = terminal(box, ['pricing', 'set', 'gpt-4o'], [
        '', '1', '2', '', '', '', ''])
    eq(code, 0, shown)
    ok('Provider [openai]' in shown and 'In force from [now]' in shown, shown)
    eq(entries(box)[-1]['provider'], 'openai', 'hint taken')
    # the end of input, and an interrupt
    n = len(entries(box))
    code, shown = terminal(box, ['pricing', 'set', 'm-3'], ['acme', None])
    eq(code, 1, shown)
    code, shown = terminal(box, ['pricing', 'set', 'm-3'], ['acme', '\x03'])
    eq(code, -signal.SIGINT, shown)
    eq(len(entries(box)), n, 'nothing written')


# -- the file --------------------------------------------------------------------

def case_listed_file(box):
    """The first of pricing.files is where prices go; comments stay."""
    path = os.path.join(box.dir, 'mine.yaml')
    text = ('# my prices\ncatalog: 1\nprovider: acme # all\nprices:\n'
            '  # the first\n  - model: a\n    input_per_1m: 1 # cheap\n')
    with open(path, 'w') as f:
        f.write(text)
    box.config('pricing: {files: [mine.yaml]}\n')
    good(box, 'pricing', 'set', 'b', *SET)
    with open(path) as f:
        after = f.read()
    ok(after.startswith(text) and 'model: b' in after, after)
    eq(show(box, 'a')['rates_per_1m']['input'], 1, 'old')
    eq(show(box, 'b')['rates_per_1m']['input'], 2, 'new')
    other = os.path.join(box.dir, 'other.yaml')
    good(box, 'pricing', 'set', 'c', *SET, '--file', other)
    eq(entries(box, other)[0]['model'], 'c', '--file')
    p = good(box, 'pricing', 'set', 'c', *SET, '--file', other)
    ok(b'not in force' in p.stderr, p.stderr)
    p = good(box, 'pricing', 'set', 'b', *SET, '--file', path)
    ok(not p.stderr, p.stderr)
    with open(path, 'w') as f:
        f.write('catalog: 1\nprices:\n  - {provider: a, model: b}\n')
    p = run(box, 'pricing', 'set', 'd', *SET)
    eq(p.returncode, 1, 'a file that is not sound')
    ok(b'mine.yaml:3' in p.stderr, p.stderr)


def case_concurrent(box):
    """Two loops of commands at once, some killed: none lost, all parse."""
    n = 12 if sanitizer() else 60
    safe = []

    def loop(who):
        for i in range(n):
            p = subprocess.Popen(
                [CLI, 'pricing', 'set', 'm-%d-%d' % (who, i), *SET],
                env=box.env(LD_PRELOAD=None), stdout=subprocess.PIPE,
                stderr=subprocess.PIPE)
            if who == 2:
                time.sleep(random.random() * 0.02)
                p.kill()
            p.communicate()
            if p.returncode == 0:
                safe.append('m-%d-%d' % (who, i))

    threads = [threading.Thread(target=loop, args=(k,)) for k in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    there = [e['model'] for e in entries(box)]
    eq(len(set(there)), len(there), 'each once')
    ok(set(safe) <= set(there), 'lost: %s' % (set(safe) - set(there)))
    eq({m for m in there if m[2] != '2'},
       {'m-%d-%d' % (w, i) for w in (0, 1) for i in range(n)}, 'two writers')
    good(box, 'pricing', 'check', own(box))


def case_check(box):
    path = os.path.join(box.dir, 'p.yaml')
    base = ('catalog: 1\nprovider: acme\nprices:\n  - model: a\n'
            '    input_per_1m: 1\n    output_per_1m: 2\n')
    with open(path, 'w') as f:
        f.write(base)
    p = good(box, 'pricing', 'check', path)
    ok(b'good, 1 prices' in p.stdout, p.stdout)
    for old, new, line in (
            ('input_per_1m: 1', 'input_per_1m: -1', 5),
            ('input_per_1m: 1', 'input_per_1m: x', 5),
            ('input_per_1m: 1', 'inptu_per_1m: 1', 5),
            ('output_per_1m: 2', 'effective_at: 2026-02-30', 6),
            ('output_per_1m: 2', 'tiers: [{above_tokens: -1}]', 6),
            ('output_per_1m: 2', 'time_of_day: {from: "25:00", to: "1:00"}',
             6), ('catalog: 1', 'catalog: 9', 1),
            ('provider: acme', 'provider: "A B"', 2),
            ('prices:', 'price:', 4)):
        with open(path, 'w') as f:
            f.write(base.replace(old, new))
        p = run(box, 'pricing', 'check', path)
        eq(p.returncode, 1, new)
        ok(p.stderr.decode().startswith('llmguard: %s:%d: ' % (path, line)),
           '%s: %s' % (new, p.stderr))
        j = load(run(box, 'pricing', 'check', path, '--json').stdout)
        ok(not j['ok'] and path in j['error'], j)
    eq(run(box, 'pricing', 'check', path + '-none').returncode, 1, 'absent')
    good(box, 'pricing', 'check')


# -- running programs ------------------------------------------------------------

CLIENT = r'''
import http.client, json, sys
for line in sys.stdin:
    c = http.client.HTTPSConnection('api.openai.com')
    c.request('POST', '/v1/chat/completions', line.strip(), {
        'content-type': 'application/json', 'x-test': 'in=1000;out=1000'})
    print(c.getresponse().status, flush=True)
    c.close()
'''


def case_running_program(box):
    """A program that runs charges its next request by the new price."""
    p = subprocess.Popen([PY, '-c', CLIENT], env=box.env(),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call():
        p.stdin.write((json.dumps(chat_body('gpt-4o')) + '\n').encode())
        p.stdin.flush()
        ok(p.stdout.readline().strip() == b'200', 'answered')
        return box.rows()[-1]

    try:
        first = call()
        eq(first['cost_usd'], D('0.0125'), 'shipped price')
        good(box, 'pricing', 'set', 'gpt-4o', '-p', 'openai',
             '--input-per-1m', '100', '--output-per-1m', '1000')
        second = call()
        eq(second['cost_usd'], D('1.1'), 'the new price')
        good(box, 'pricing', 'set', 'gpt-4o', '-p', 'openai',
             '--input-per-1m', '0', '--output-per-1m', '1')
        eq(call()['cost_usd'], D('0.001'), 'once more')
    finally:
        p.stdin.close()
        p.wait()
    # the first call is explained by the price that it had
    x = load(good(box, 'pricing', 'explain', first['id'], '--json').stdout)
    eq((x['cost_usd'], x['charged_usd'], x['difference_usd'],
        x['entry']['source'][:6]), (D('0.0125'), D('0.0125'), 0, 'genai-'),
       'explained')


# -- explain ---------------------------------------------------------------------

def put(box, text, name='request'):
    path = os.path.join(box.dir, name)
    with open(path, 'w', newline='') as f:
        f.write(text)
    return path


def explain(box, text, *args):
    return load(good(box, 'pricing', 'explain', put(box, text), '--json',
                     *args).stdout)


def case_explain_request(box):
    body = json.dumps({'model': 'gpt-4o-2024-08-06', 'max_tokens': 100,
                       'service_tier': 'priority',
                       'messages': [{'role': 'user', 'content': 'x' * 4000}]})
    d = explain(box, body, '-i', '1000000', '-o', '10')
    eq((d['dialect'], d['provider'], d['tier'], d['found_by'],
        d['cost_usd']), ('openai-chat', 'openai', 'priority', 'exact name',
                         D('4.25017')), 'priority')
    eq([(x['bucket'], x['n'], x['amount_usd']) for x in d['lines']],
       [('input', 1000000, D('4.25')), ('output', 10, D('0.00017'))], 'lines')
    for head in ('\r\n', '\n'):
        text = head.join(['POST /v1/messages HTTP/1.1',
                          'Host: api.anthropic.com',
                          'Content-Type: application/json', '', '']) + \
            json.dumps({'model': 'claude-sonnet-4-5-29990101',
                        'max_tokens': 100, 'messages': []})
        d = explain(box, text, '-i', '300000', '--cached-tokens', '1')
        eq((d['dialect'], d['found_by'], d['long_context_above']),
           ('anthropic-messages', 'match rule', 200000), 'long context')
        ok('claude-sonnet-4-5' in d['steps'][-1]['clause'], d['steps'])
        ok(d['economic_usd'] > d['cost_usd'], 'economic')
    d = explain(box, '{"model": "no-such-model", "messages": []}')
    ok(d['found_by'].startswith('unknown'), d)
    eq(d['steps'][-1]['kind'], 'ceiling', 'ceiling')
    p = good(box, 'pricing', 'explain', put(box, body))
    for word in (b'openai/gpt-4o-2024-08-06: shipped exact name', b'per 1M = ',
                 b'held '):
        ok(word in p.stdout, p.stdout)
    p = good(box, 'pricing', 'explain', '-', '--json', stdin=body)
    eq(load(p.stdout)['endpoint'], '/v1/chat/completions', 'stdin')
    # one's own price, and the rules of the config
    good(box, 'pricing', 'set', 'gpt-4o', '-p', 'openai', '--input-per-1m',
         '1', '--output-per-1m', '1')
    d = explain(box, '{"model": "gpt-4o", "messages": []}', '-i', '10', '-o',
                '1')
    eq((d['steps'][0]['catalog'], d['entry']['source'], d['cost_usd']),
       ('yours', 'manual', D('0.000011')), 'own')
    box.config('models:\n  - {match: "my-*", pricing_id: openai/gpt-4o}\n'
               '  - {match: "free-*", free: true}\n')
    d = explain(box, '{"model": "my-x", "messages": []}')
    eq((d['steps'][0]['kind'], d['found_by']), ('rule', 'models: rule'),
       'rule')
    eq(explain(box, '{"model": "free-x", "messages": []}')['cost_usd'], 0,
       'free')
    # of what is only estimated: the sum is what a budget would hold
    for body, dialect in (
            ({'model': 'claude-sonnet-4-5', 'max_tokens': 9, 'messages': []},
             'anthropic-messages'),
            ({'model': 'gemini-2.5-pro', 'contents': []}, 'gemini-generate'),
            ({'model': 'text-embedding-3-small', 'input': 'hello world'},
             'openai-embeddings'),
            ({'model': 'gpt-4.1', 'input': 'hello'}, 'openai-responses'),
            ({'model': 'dall-e-3', 'prompt': 'a bird', 'quality': 'hd',
              'size': '1024x1024'}, 'openai-images')):
        d = explain(box, json.dumps(body))
        eq((d['dialect'], d['cost_usd']), (dialect, d['expected_usd']), body)
    for bad in ('', '[]', '{', 'POST / HTTP/1.1\r\n\r\n', 'GET / HTTP/1.1\n'
                'Host: api.openai.com\n\n', 'hello HTTP/1.1\n\n{}',
                'POST /v1/messages HTTP/1.1\nHost: api.anthropic.com\n'
                'Transfer-Encoding: chunked\n\n0\r\n\r\n'):
        p = run(box, 'pricing', 'explain', put(box, bad))
        ok(p.returncode == 1 and p.stderr and not p.stdout, (bad, p))


def case_explain_row(box):
    send(box, 'http.client', [request(
        OPENAI, chat_body('gpt-4o'), 'in=1200;out=34;cached=200')])
    row = box.rows()[0]
    d = load(good(box, 'pricing', 'explain', row['id'], '--json').stdout)
    eq((d['cost_usd'], d['charged_usd'], d['difference_usd'], d['id'],
        d['economic_usd'], d['usage_from']),
       (row['cost_usd'], row['cost_usd'], 0, row['id'], row['economic_usd'],
        'as the row has it'), 'row')
    eq(sum(x['amount_usd'] for x in d['lines']), row['cost_usd'], 'lines')
    good(box, 'pricing', 'set', 'gpt-4o', '-p', 'openai', '--effective-at',
         'always', '--input-per-1m', '0', '--output-per-1m', '0')
    d = load(good(box, 'pricing', 'explain', row['id'], '--json').stdout)
    eq(d['difference_usd'], -row['cost_usd'], 'difference')
    ok(b'more than by today' in good(box, 'pricing', 'explain', row['id'])
       .stdout, 'told')
    p = run(box, 'pricing', 'explain', '0' * 26)
    eq(p.returncode, 1, 'no such row')


# -- update ----------------------------------------------------------------------

class Files(http.server.BaseHTTPRequestHandler):
    """What self.server.files has; 'cut' and 'slow' as they say."""

    def do_GET(self):
        body = self.server.files.get(self.path)
        self.server.seen.append(self.path)
        if isinstance(body, str):
            self.send_response(302)
            self.send_header('location', body)
            self.end_headers()
            return
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        if self.path.endswith('cut'):
            body = body[:len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *a):
        pass


class Site:
    def __init__(self, box):
        self.cert = os.path.join(box.dir, 'cert.pem')
        key = os.path.join(box.dir, 'key.pem')
        subprocess.run(
            ['openssl', 'req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:P-256', '-keyout', key, '-out', self.cert,
             '-days', '2', '-subj', '/CN=localhost', '-addext',
             'subjectAltName=DNS:localhost,IP:127.0.0.1'], check=True,
            stderr=subprocess.DEVNULL)
        self.http = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Files)
        self.http.files, self.http.seen = {}, []
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(self.cert, key)
        self.http.socket = c.wrap_socket(self.http.socket, server_side=True)
        self.url = 'https://localhost:%d' % self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def put(self, path, body):
        self.http.files[path] = body.encode() if isinstance(body, str) and \
            not body.startswith('/') and '://' not in body[:8] else body
        return self.url + path

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def router(**models):
    return json.dumps({'data': [
        {'id': k.replace('__', '/'), 'pricing': {
            'prompt': v[0], 'completion': v[1]}} for k, v in models.items()]},
        indent=1)


def update(box, site, *args, **env):
    return run(box, 'pricing', 'update', *args, SSL_CERT_FILE=site.cert, **env)


def case_update(box):
    site = Site(box)
    try:
        url = site.put('/models', router(a__one=('0.000001', '0.000002'),
                                         a__two=('0.000003', '0.000004')))
        p = update(box, site, '--url', url, '--json')
        eq(p.returncode, 0, p.stderr)
        eq((load(p.stdout)['written'], load(p.stdout)['unchanged']), (2, 0),
           'first')
        p = update(box, site, '--from', url)
        ok(p.returncode == 0 and b'0 prices written' in p.stdout, p)
        e = entries(box)
        eq([(x['model'], x['input_per_1m'], x['source'],
             'effective_at' in x) for x in e],
           [('a/one', 1, 'api', False), ('a/two', 3, 'api', False)], 'entries')
        # a change is a new entry; what is entered by hand stays
        good(box, 'pricing', 'set', 'a/two', '-p', 'openrouter',
             '--input-per-1m', '9', '--output-per-1m', '9')
        site.put('/models', router(a__one=('0.000005', '0.000002'),
                                   a__two=('0.000007', '0.000004'),
                                   a__new=('0', '0')))
        p = update(box, site, '--url', url, '--json')
        d = load(p.stdout)
        eq((d['written'], d['unchanged'], d['kept']), (2, 0, 1), 'second')
        eq(len(entries(box)), 5, 'appended')
        eq((show(box, 'a/one', '-p', 'openrouter')['rates_per_1m']['input'],
            show(box, 'a/two', '-p', 'openrouter')['rates_per_1m']['input']),
           (5, 9), 'manual wins')
        eq(show(box, 'a/one', '-p', 'openrouter', '--at',
                '2026-01-01')['rates_per_1m']['input'], 1, 'old calls')
        ok(any('prices' in n or 'price openrouter/a/one by api' in n
               for n in audits(box)), audits(box))
        # one model alone
        site.put('/models', router(a__one=('0.000006', '0.000002'),
                                   a__new=('0.000001', '0')))
        p = update(box, site, '--url', url, '--model', 'a/new', '--json')
        eq(load(p.stdout)['written'], 1, '--model')
        p = update(box, site, '--url', url, '--model', 'a/none')
        eq(p.returncode, 1, 'no such model')
        p = update(box, site, '--url', url, '--dry-run')
        ok(b'model: a/one' in p.stdout, p.stdout)
    finally:
        site.close()


def sign(box, data, prehash=True, key_id=b'12345678'):
    """A key and a signature as minisign writes them."""
    key = os.path.join(box.dir, 'sign.pem')
    if not os.path.exists(key):
        subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519', '-out',
                        key], check=True)
    pub = subprocess.run(['openssl', 'pkey', '-in', key, '-pubout',
                          '-outform', 'DER'], check=True,
                         stdout=subprocess.PIPE).stdout[-32:]

    def ed(b):
        path = os.path.join(box.dir, 'to-sign')
        with open(path, 'wb') as f:
            f.write(b)
        return subprocess.run(
            ['openssl', 'pkeyutl', '-sign', '-inkey', key, '-rawin', '-in',
             path], check=True, stdout=subprocess.PIPE).stdout

    b64 = lambda b: base64.b64encode(b).decode()
    sig = ed(hashlib.blake2b(data).digest() if prehash else data)
    alg = b'ED' if prehash else b'Ed'
    comment = 'timestamp:1 file:models'
    return b64(b'Ed' + key_id + pub), '\n'.join([
        'untrusted comment: signature', b64(alg + key_id + sig),
        'trusted comment: ' + comment, b64(ed(sig + comment.encode())), ''])


def case_update_failures(box):
    """Nothing changes, whatever goes wrong."""
    site = Site(box)
    try:
        text = router(a__one=('0.000001', '0.000002'))
        url = site.put('/models', text)
        update(box, site, '--url', url)
        with open(own(box)) as f:
            before = f.read()
        text = router(a__one=('0.000009', '0.000002'))
        site.put('/models', text)
        sha = hashlib.sha256(text.encode()).hexdigest()
        key, sig = sign(box, text.encode())
        other = sign(box, text.encode(), key_id=b'87654321')[0]
        bad = {
            'not found': ['--url', site.url + '/none'],
            'cut': ['--url', site.put('/cut', text)],
            'no JSON': ['--url', site.put('/x', 'hello: [')],
            'html': ['--url', site.put('/h', '<html></html>')],
            'wrong figure': ['--url', site.put('/w', text.replace(
                '0.000009', '-x'))],
            'empty': ['--url', site.put('/e', '{"data": []}')],
            'checksum': ['--url', url, '--sha256', '0' * 64],
            'checksum URL': ['--url', url, '--sha256-url', site.put(
                '/s', '%s  models\n' % ('1' * 64))],
            'checksum of another': ['--url', url, '--sha256-url', site.put(
                '/t', '%s  x\n%s  models\n' % (sha, '1' * 64))],
            'no checksum': ['--url', url, '--sha256-url', site.put('/u', '-')],
            'no signature': ['--url', url, '--key', key],
            'no minisign': ['--url', url, '--key', key, '--signature',
                            site.put('/m', 'x')],
            'another key': ['--url', url, '--key', other, '--signature',
                            site.put('/n', sig)],
            'signature of another': ['--url', url, '--key', key,
                                     '--signature', site.put(
                                         '/o', sign(box, b'x')[1])],
            'comment changed': ['--url', url, '--key', key, '--signature',
                                site.put('/p', sig.replace('file:models',
                                                           'file:x'))],
            'nobody there': ['--url', 'https://127.0.0.1:1/models'],
            'to http': ['--url', site.put('/r', 'http://127.0.0.1:1/')],
            'in circles': ['--url', site.put('/c', site.url + '/c')],
        }
        for what, args in bad.items():
            p = update(box, site, *args)
            eq((p.returncode, p.stdout), (1, b''), '%s: %s' % (what, p.stderr))
            ok(p.stderr, what)
            with open(own(box)) as f:
                eq(f.read(), before, what)
        p = run(box, 'pricing', 'update', '--url', url, SSL_CERT_FILE=None)
        eq(p.returncode, 1, 'a certificate that nobody trusts')
        for args in (['--url', 'http://127.0.0.1:1/x'], ['--from', 'nobody'],
                     [], ['--url', 'ftp://x/y'], ['--url', url, '--sha256',
                                                  'abc'],
                     ['--url', url, '--key', 'abc']):
            eq(update(box, site, *args).returncode, 2, args)
        # and all of it right
        for pre in (True, False):
            key, sig = sign(box, text.encode(), pre)
            site.put('/models.minisig', sig)
            site.put('/sums', '%s *x\n%s *models\n' % ('2' * 64, sha))
            p = update(box, site, '--url', url, '--key', key, '--sha256', sha,
                       '--sha256-url', site.url + '/sums')
            eq(p.returncode, 0, p.stderr)
        eq(show(box, 'a/one', '-p', 'openrouter')['rates_per_1m']['input'], 9,
           'taken')
    finally:
        site.close()


def case_update_config(box):
    site = Site(box)
    try:
        text = router(a__one=('0.000001', '0.000002'))
        url = site.put('/models', text)
        sums = site.put('/models.sha256', '%s  models\n' % hashlib.sha256(
            text.encode()).hexdigest())
        box.config('pricing: {update_url: "%s", update_sha256_url: "%s"}\n' %
                   (url, sums))
        p = update(box, site)
        eq(p.returncode, 0, p.stderr)
        ok(not p.stderr and '/models.sha256' in site.http.seen, p.stderr)
        site.put('/models', text.replace('0.000001', '0.1'))
        eq(update(box, site).returncode, 1, 'the checksum of the config')
        # the guard does not watch its own command
        p = run(box, 'pricing', 'update', '--url', url, SSL_CERT_FILE=site.cert,
                LD_PRELOAD=box.env().get('LD_PRELOAD'))
        eq(p.returncode, 1, 'below the preload')
        box.config('pricing: {update_url: nowhere}\n')
        eq(run(box, 'config', 'check', box.config_path).returncode, 1,
           'no URL')
    finally:
        site.close()


def case_list(box):
    good(box, 'pricing', 'set', 'zz-1', *SET)
    good(box, 'pricing', 'set', 'zz-1', *SET, '--effective-at', '2999-01-01')
    rows = [load(x) for x in good(box, 'pricing', 'list', '-m', 'zz-*',
                                  '--json').stdout.splitlines()]
    eq(len(rows), 1, 'in force')
    p = good(box, 'pricing', 'list', '-m', 'zz-*')
    ok(b'1 that are not in force now: --all' in p.stdout, p.stdout)
    rows = good(box, 'pricing', 'list', '-m', 'zz-*', '--json', '--all')
    eq(len(rows.stdout.splitlines()), 2, 'all')
    eq(len(good(box, 'pricing', 'list', '--source', 'manual', '--json')
           .stdout.splitlines()), 1, 'by source')
    ok(re.search(rb'INPUT/token', good(box, 'pricing', 'list', '--per',
                                       'token').stdout), 'unit')
    start = time.time()
    n = len(good(box, 'pricing', 'list', '--all').stdout.splitlines())
    took = time.time() - start
    ok(n > 500, '%d lines' % n)
    ok(took < (5 if sanitizer() else 1), 'listed in %.2f s' % took)


main(globals())
