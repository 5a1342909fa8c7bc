#!/usr/bin/python3
"""Models nobody knows the price of: refused with a remedy that works."""
import decimal
import json
import re

from harness import (ANTHROPIC, GEMINI, OPENAI, RESPONSES, chat_body, eq,
                     main, ok, request, send)

D = decimal.Decimal
NEXT = GEMINI.replace('gemini-2.5-flash', 'gemini-next')
CALLS = {
    'openai': (OPENAI, chat_body('gpt-next')),
    'responses': (RESPONSES, {'model': 'gpt-next', 'input': 'Say hello.',
                              'max_output_tokens': 50}),
    'anthropic': (ANTHROPIC, chat_body('claude-next')),
    'gemini': (NEXT + 'generateContent', None),
}
MODEL = {'openai': ('openai', 'gpt-next'), 'responses': ('openai', 'gpt-next'),
         'anthropic': ('anthropic', 'claude-next'),
         'gemini': ('google', 'gemini-next')}


def ask(box, name, test='in=1000;out=100', **more):
    url, body = CALLS[name]
    out, _ = send(box, 'http.client', [request(url, body, test, **more)])
    return out[0]


def refusal(out):
    eq(out['status'], 429, 'status')
    eq(out['headers'].get('x-should-retry'), 'false', 'no retry')
    body = json.loads(out['body'])
    text = json.dumps(body)
    found = re.search(r'llmguard pricing set (\S+) --provider (\S+?)\.', text)
    ok(found, text)
    return body, found.groups()


def case_block(box):
    """In each dialect; the command in the message is the way out."""
    for name in CALLS:
        box.config('unknown_model: block\n')
        provider, model = MODEL[name]
        if name == 'responses':    # has its price by now
            box.cli('pricing', 'set', 'gpt-next', '--provider', 'openai',
                    '--input-per-1m', '2', '--output-per-1m', '10', '--yes')
            eq(ask(box, name)['status'], 200, 'another path, one price')
            continue
        before = len(box.arrived())
        body, command = refusal(ask(box, name))
        eq(command, (model, provider), 'command')
        ok(('price of model \\"%s\\" (%s) is not known' % (
            model, provider)) in json.dumps(body), body)
        eq(len(box.arrived()), before, 'nothing arrived')
        row = box.rows()[-1]
        eq((row['verdict'], row['reason'], D(row['cost_usd'])),
           ('block', 'unknown_model', 0), 'row')
        ok(D(row['estimate_usd']) > 0, 'what it might have cost')
        box.cli('pricing', 'set', command[0], '--provider', command[1],
                '--input-per-1m', '2', '--output-per-1m', '10', '--yes')
        eq(ask(box, name)['status'], 200, 'with a price')
        row = box.rows()[-1]
        eq((row['price_state'], D(row['cost_usd'])), ('exact', D('0.003')),
           'priced')


def case_over_the_ceiling(box):
    """A budget that only the ceiling fills: the message says so."""
    for mode in ('strict', 'adaptive'):
        box.budget('0.000001', mode=mode)
        body, command = refusal(ask(box, 'openai'))
        eq(command, ('gpt-next', 'openai'), mode)
        ok('budget' in json.dumps(body), 'and the budget')
    out, _ = send(box, 'http.client', [request(body=chat_body('gpt-4o-mini'))])
    eq(out[0]['status'], 429, 'a known one')
    ok('pricing set' not in out[0]['body'], 'has its price')


def case_ceiling_then_price(box):
    """As the issue has it: charged, told as unknown, priced, corrected."""
    box.budget('100')
    for name in ('openai', 'anthropic', 'gemini'):
        eq(ask(box, name)['status'], 200, name)
    rows = box.rows()
    eq({r['price_state'] for r in rows}, {'unknown'}, 'unknown')
    ok(all(D(r['cost_usd']) >= D('0.003') for r in rows), 'at the ceiling')
    cov = box.status()['coverage']
    eq(cov['unknown']['calls'], 3, 'coverage')
    eq(D(cov['unknown']['usd']), sum(D(r['cost_usd']) for r in rows), 'money')
    for name in ('openai', 'anthropic', 'gemini'):
        box.cli('pricing', 'set', MODEL[name][1], '--provider',
                MODEL[name][0], '--input-per-1m', '2', '--output-per-1m',
                '10', '--yes')
    out = json.loads(box.cli('reprice', '--json').stdout, parse_float=D)
    eq((out['rows'], D(out['new_usd'])), (3, D('0.009')), 'repriced')
    s = box.status()
    eq((s['coverage']['unknown']['calls'], s['coverage']['exact']['calls']),
       (0, 3), 'coverage')
    eq(D(box.budget_status()['spent_usd']), D('0.009'), 'budget')


def case_allow(box):
    box.config('unknown_model: allow\nbudgets:\n  - {name: cap, scope: '
               'global, period: total, limit_usd: 0.0001, hard: true}\n')
    for _ in range(3):
        eq(ask(box, 'openai')['status'], 200, 'passes')
    eq(D(box.budget_status()['spent_usd']), 0, 'uncharged')
    eq(box.status()['coverage']['unknown']['calls'], 3, 'but told')
    # a limit of 0 lets nothing pass that is not free
    box.config('unknown_model: allow\nbudgets:\n  - {name: none, scope: '
               'global, period: total, limit_usd: 0, hard: true}\n')
    eq(ask(box, 'openai')['status'], 429, 'limit 0')


def record(box, *args):
    p = box.cli('record', '--cache-hit', 'none', '--json', *args)
    return (json.loads(p.stdout, parse_float=D)['cost_usd'],
            box.rows()[-1]['price_state'], p.stderr.decode())


def case_recorded(box):
    """As the guard would have charged it, and said so."""
    for policy in ('ceiling', 'block', 'allow'):
        box.config('unknown_model: %s\n' % policy)
        cost, state, said = record(box, '-m', 'gpt-next', '-i', '1000',
                                   '--provider', 'openai')
        eq((cost > 0, state), (policy != 'allow', 'unknown'), policy)
        ok('gpt-next' in said and 'reprice' in said, said)
    mine, state, said = record(box, '-m', 'mine', '-i', '1000')
    eq((mine, state), (0, 'unknown'), 'nobody says whose')
    box.config('')
    ok(record(box, '-m', 'mine', '-i', '1000')[0] > 0, 'the dearest')
    cost, state, said = record(box, '-m', 'gpt-4o', '-i', '1000000',
                               '--tier', 'nonsense')
    eq((cost, state), (D('2.5'), 'unknown'), said)
    # nobody said whose it is: the price comes, whosever it is
    box.cli('pricing', 'set', 'mine', '--provider', 'acme', '--input-per-1m',
            '1', '--output-per-1m', '1', '--yes')
    out = json.loads(box.cli('reprice', '-m', 'mine', '--json').stdout,
                     parse_float=D)
    eq((out['rows'], out['new_usd']), (2, D('0.002')), 'priced again')


def case_recorded_training(box):
    """At the price of training, its own or its fine-tuned kin's."""
    box.config('')
    for model, want, state in (
            ('gpt-4o', 25, 'exact'), ('gpt-4o-mini-2024-07-18', 3, 'exact'),
            ('ft:gpt-4o-mini-2024-07-18:x', 3, 'exact'),
            ('claude-sonnet-4-5', 0, 'unknown')):
        cost, got, said = record(box, '-m', model, '-i', '1000000', '--type',
                                 'train')
        eq((cost, got, 'training' in said), (want, state, state != 'exact'),
           model)
        eq((box.rows()[-1]['units'], box.rows()[-1]['phase']),
           ({'training_tokens': 1000000}, 'train'), model)
    eq(box.cli('record', '-m', 'gpt-4o', '--type', 'train', '-o', '1',
               check=False).returncode, 2, 'nothing comes out')
    out = json.loads(box.cli('reprice', '--from', '2020-01-01', '--json'
                             ).stdout, parse_float=D)
    eq((out['rows'], out['left']['no_price']), (0, 1), 'stays')
    box.cli('pricing', 'set', 'claude-sonnet-4-5', '--provider', 'anthropic',
            '--input-per-1m', '3', '--output-per-1m', '15',
            '--training-per-1m', '7', '--effective-at', '2026-01-01', '--yes')
    out = json.loads(box.cli('reprice', '--json').stdout, parse_float=D)
    eq((out['rows'], out['new_usd']), (1, 7), 'priced again')


def case_own_servers(box):
    box.config('''
hosts: {llm.internal.example: openai}
models:
  - {match: "free-*", host: llm.internal.example, free: true}
budgets:
  - {name: none, scope: global, period: total, limit_usd: 0, hard: true}
''')
    url = 'https://llm.internal.example/v1/chat/completions'
    out, _ = send(box, 'http.client', [
        request(url, chat_body('free-llama')),
        request(url, chat_body('other'))])
    eq([r['status'] for r in out], [200, 429], 'free passes a limit of 0')
    a, b = box.rows()
    eq((a['provider'], a['price_state'], D(a['cost_usd'])),
       ('llm.internal.example', 'exact', 0), 'free')
    eq(b['verdict'], 'block', 'paid')


if __name__ == '__main__':
    main(globals())
