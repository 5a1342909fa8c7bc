#!/usr/bin/python3
"""Calls whose price comes later: corrections, live budgets, coverage."""
import decimal
import json
import os
import random
import signal
import subprocess
import time

import ledger
from harness import (ANTHROPIC, CLI, OPENAI, chat_body, eq, main, ok,
                     request, send)

D = decimal.Decimal

# The dearest of openai's known prices must not move the tests: own ones.
PRICES = '''catalog: 1
provider: openai
price_version: "%s"
prices:
%s'''


def price_file(box, entries, version='mine-1', name='prices.yaml'):
    lines = ''.join('  - {model: %s, input_per_1m: %s, output_per_1m: %s}\n'
                    % e for e in entries)
    with open(os.path.join(box.dir, name), 'w') as f:
        f.write(PRICES % (version, lines))


def configure(box, entries=(), more='', policy='ceiling', files=None):
    price_file(box, entries or [('some-other', 1, 1)])
    box.config('unknown_model: %s\npricing: {files: [%s]}\n'
               'budgets:\n  - {name: cap, scope: global, period: monthly, '
               'limit_usd: 100, hard: true}\n'
               '  - {name: new, scope: "model:brand-*", period: daily, '
               'limit_usd: 100, hard: true}\n%s' % (
                   policy, ', '.join(files or ['prices.yaml']), more))
    tick(box)


def tick(box):
    """Files are compared by their times: never two in one instant."""
    box.stamp = getattr(box, 'stamp', time.time()) + 2
    for name in os.listdir(box.dir):
        if name.endswith('.yaml'):
            os.utime(os.path.join(box.dir, name), (box.stamp, box.stamp))


def ask(box, n=1, model='brand-new', test='in=1000;out=100', url=OPENAI,
        **more):
    body = chat_body(model, **more)
    out, _ = send(box, 'http.client',
                  [request(url, body, test) for _ in range(n)])
    return [r['status'] for r in out]


def reprice(box, *args, check=True):
    p = box.cli('reprice', '--json', *args, check=check)
    return json.loads(p.stdout, parse_float=D)


def balance(box, cost):
    """Row sums, live budgets and status agree."""
    # what a killed process may have written, another writes again: one id
    rows = {r['id']: r for r in box.rows() + box.rows('adjust')}.values()
    eq(sum(D(r['cost_usd']) for r in rows), cost, 'rows')
    s = box.status()
    eq(D(box.budget_status('cap')['spent_usd']), cost, 'budget')
    eq(D(s['totals']['cost_usd']), cost, 'totals')
    eq(sum(D(c['usd']) for c in s['coverage'].values()), cost, 'coverage')
    eq(sum(c['calls'] for c in s['coverage'].values()), len(box.rows()),
       'calls')
    for r in box.rows('adjust'):
        eq(D(r['input_cost_usd']) + D(r['output_cost_usd']),
           D(r['cost_usd']), 'parts of ' + r['id'])
    return s['coverage']


def whole_ledger(box):
    out, folder = b'', os.path.join(box.state, 'ledger')
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), 'rb') as f:
            out += f.read()
    return out


def case_a_price_arrives(box):
    configure(box)
    eq(ask(box, 3), [200] * 3, 'calls')
    eq(ask(box, 1, 'gpt-4o-mini'), [200], 'a known one')
    rows = box.rows()
    eq({r['price_state'] for r in rows[:3]}, {'unknown'}, 'price_state')
    ok(all(D(r['cost_usd']) > 0 for r in rows), 'the ceiling')
    known = D(rows[3]['cost_usd'])
    old = sum(D(r['cost_usd']) for r in rows)
    cov = balance(box, old)
    eq((cov['unknown']['calls'], cov['exact']['calls']), (3, 1), 'coverage')
    out = reprice(box)
    eq((out['rows'], out['left']['no_price']), (0, 3), 'no price yet')
    configure(box, [('brand-new', 2, 10)])
    new = known + 3 * D('0.003')
    before = whole_ledger(box)
    out = reprice(box, '--dry-run')
    eq((out['rows'], D(out['new_usd']), out['dry_run']),
       (3, 3 * D('0.003'), True), 'dry run')
    eq(whole_ledger(box), before, 'a dry run writes nothing')
    out = reprice(box)
    eq((out['rows'], D(out['difference_usd'])), (3, new - old), 'repriced')
    eq(out['models'][0]['model'], 'brand-new', 'model')
    ok(whole_ledger(box).startswith(before), 'history stands')
    cov = balance(box, new)
    eq((cov['unknown']['calls'], cov['exact']['calls']), (0, 4), 'coverage')
    eq(D(box.budget_status('new')['spent_usd']), 3 * D('0.003'), 'by model')
    adj = box.rows('adjust')
    eq(sorted(a['ref'] for a in adj), sorted(r['id'] for r in rows[:3]),
       'each names its call')
    eq({a['price_version'] for a in adj}, {'mine-1'}, 'version')
    ok(all(a['note'].startswith('reprice: unknown to exact') for a in adj),
       'note')
    told = json.loads(box.cli('pricing', 'explain', rows[0]['id'],
                              '--json').stdout, parse_float=D)
    eq((D(told['charged_usd']), told['corrections']), (D('0.003'), 1),
       'explained as it stands')
    after = whole_ledger(box)
    for args in ((), ('--model', '*'), ('--from', '2020-01-01')):
        eq(reprice(box, *args)['rows'], 0, 'twice %s' % (args,))
    eq(whole_ledger(box), after, 'the second time writes nothing')
    ok(b'Nothing to correct' in box.cli('reprice').stdout, 'text')


def case_a_region_lost_after(box):
    """A rebuild counts the corrections like the live budgets did."""
    configure(box)
    ask(box, 2)
    configure(box, [('brand-new', 2, 10)])
    reprice(box)
    balance(box, D('0.006'))
    os.unlink(box.region)
    balance(box, D('0.006'))
    if os.path.exists(os.path.join(box.state, 'checkpoint.bin')):
        os.unlink(os.path.join(box.state, 'checkpoint.bin'))
    os.unlink(box.region)
    balance(box, D('0.006'))


def case_allow(box):
    """What passed uncharged is charged when its price comes."""
    configure(box, policy='allow')
    ask(box, 2)
    balance(box, D(0))
    eq([r['price_state'] for r in box.rows()], ['unknown'] * 2, 'state')
    configure(box, [('brand-new', 2, 10)])
    reprice(box)
    cov = balance(box, D('0.006'))
    eq(cov['exact']['calls'], 2, 'exact now')


def case_by_version(box):
    files = ['a.yaml', 'b.yaml']
    with open(os.path.join(box.dir, 'a.yaml'), 'w') as f:
        f.write(PRICES % ('v1', '  - {model: brand-new, input_per_1m: 1, '
                          'output_per_1m: 1}\n'
                          '  - {model: brand-new, price_version: v2, '
                          'effective_at: "2026-01-01", input_per_1m: 2, '
                          'output_per_1m: 2}\n'))
    price_file(box, [('x', 1, 1)], name='b.yaml')
    configure(box, files=files)
    ask(box, 2)
    balance(box, 2 * D('0.0022'))
    eq(reprice(box)['rows'], 0, 'nothing is unknown')
    for version, each in (('v1', '0.0011'), ('v2', '0.0022'),
                          ('v1', '0.0011'), ('v2', '0.0022')):
        out = reprice(box, '--price-version', version)
        eq((out['rows'], D(out['new_usd'])), (2, 2 * D(each)), version)
        eq(reprice(box, '--price-version', version)['rows'], 0, 'again')
        balance(box, 2 * D(each))
    p = box.cli('reprice', '--price-version', 'v9', check=False)
    eq(p.returncode, 1, 'no such version')
    ok(b'v9' in p.stderr, p.stderr)


def case_what_stays(box):
    """No usage, a provider's own figure, refusals, errors: as they are."""
    configure(box)
    ask(box, 1, test='nousage=1;cut=bytes:3;framing=length')
    ask(box, 1, test='status=500')
    ask(box, 1, test='status=404', url=ANTHROPIC, model='nobody')
    now = time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime())
    ledger.write(box.state, [
        ledger.call(now, 'brand-new', cost='0.5', price_state='provider',
                    provider_cost_usd=D('0.5'), input_tokens=1000,
                    output_tokens=100),
        ledger.call(now, 'brand-new', cost='0.7', price_state='unknown',
                    flags=['parts'], input_tokens=1000, output_tokens=100)],
        time.strftime('%Y-%m', time.gmtime()))
    before = whole_ledger(box)
    configure(box, [('brand-new', 2, 10), ('nobody', 1, 1)])
    out = reprice(box, '--from', '2020-01-01')
    eq(out['rows'], 0, 'none')
    ok(out['left']['provider_cost'] == 1 and out['left']['parts'] == 1 and
       out['left']['no_usage'] == 3, out['left'])
    eq(whole_ledger(box), before, 'nothing written')


def case_choices(box):
    configure(box)
    day = '2026-03-%02dT12:00:00.000Z'
    rows = [ledger.call(day % d, m, p, '1', price_state='unknown',
                        input_tokens=1000, output_tokens=0)
            for d in range(1, 11) for m, p in
            (('brand-new', 'openai'), ('brand-old', 'openai'),
             ('claude-mine', 'anthropic'))]
    ledger.write(box.state, rows, '2026-03')
    configure(box, [('brand-new', 2, 10), ('brand-old', 3, 10)])
    for args, n in (
            ((), 20), (('--model', 'BRAND-new'), 10),
            (('--provider', 'anthropic'), 0), (('--provider', 'openai'), 20),
            (('--from', '2026-03-03', '--to', '2026-03-05'), 6),
            (('--from', '2026-03-10'), 2), (('--to', '2026-03-01'), 2),
            (('--from', '2026-03-10T12:00:00Z'), 2),
            (('--from', '2026-03-10T12:00:00.001Z'), 0),
            (('--from', '2026-03-10 13:00:00+01:00', '--unknown'), 2)):
        eq(reprice(box, '--dry-run', *args)['rows'], n, str(args))
    for bad in ('2026-02-30', 'yesterday', '2026-03-10T25:00:00Z', ''):
        p = box.cli('reprice', '--from', bad, check=False)
        eq(p.returncode, 2, bad)
    out = reprice(box)
    eq([(m['model'], m['rows'], D(m['new_usd'])) for m in out['models']],
       [('brand-new', 10, D('0.02')), ('brand-old', 10, D('0.03'))], 'models')


def case_against_decimals(box):
    """Random usage, priced by Python from the same file."""
    rng = random.Random(7)
    rate = {'input': D('1.7'), 'cached_input': D('0.3'), 'cache_write_5m':
            D('2.1'), 'output': D('9.9'), 'reasoning': D('11')}
    with open(os.path.join(box.dir, 'prices.yaml'), 'w') as f:
        f.write(PRICES % ('r', '  - {model: brand-x, %s}\n' % ', '.join(
            '%s_per_1m: %s' % kv for kv in rate.items())))
    rows, want = [], {}
    for i in range(300):
        fresh, read, write = (rng.randrange(10**rng.randrange(1, 7))
                              for _ in range(3))
        out, think = (rng.randrange(10**rng.randrange(1, 6))
                      for _ in range(2))
        r = ledger.call('2026-04-05T10:00:00.000Z', 'brand-x', cost='3',
                        price_state='unknown',
                        input_tokens=fresh + read + write,
                        cache_read_tokens=read, cache_write_5m_tokens=write,
                        output_tokens=out + think, reasoning_tokens=think)
        rows.append(r)
        exact = (fresh * rate['input'] + read * rate['cached_input'] +
                 write * rate['cache_write_5m'] + out * rate['output'] +
                 think * rate['reasoning']) / 10**6
        want[r['id']] = exact.quantize(D('1e-12'), decimal.ROUND_HALF_EVEN)
    ledger.write(box.state, rows, '2026-04')
    box.config('pricing: {files: [prices.yaml]}\n')
    eq(reprice(box)['rows'], 300, 'rows')
    for a in box.rows('adjust'):
        eq(D(a['cost_usd']) + 3, want[a['ref']], a['ref'])
    eq(reprice(box)['rows'], 0, 'again')


def case_two_at_once(box):
    configure(box)
    ask(box, 5)
    configure(box, [('brand-new', 2, 10)])
    ps = [subprocess.Popen([CLI, 'reprice'], env=box.env(LD_PRELOAD=None),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
          for _ in range(4)]
    codes = [p.wait() for p in ps]
    for p in ps:
        p.stdout.close()
        p.stderr.close()
    ok(0 in codes and set(codes) <= {0, 1}, codes)
    balance(box, 5 * D('0.003'))


def case_killed(box):
    """kill -9 anywhere: the next one makes it right, once."""
    configure(box)
    now = time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime())
    rows = [ledger.call(now, 'brand-new', cost='1', price_state='unknown',
                        input_tokens=1000, output_tokens=100)
            for _ in range(400)]
    ledger.write(box.state, rows, time.strftime('%Y-%m', time.gmtime()))
    balance(box, D(400))
    configure(box, [('brand-new', 2, 10)])
    for i in range(12):
        p = subprocess.Popen([CLI, 'reprice'], env=box.env(LD_PRELOAD=None),
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(0.004 + 0.002 * i)
        p.send_signal(signal.SIGKILL)
        p.wait()
    reprice(box)
    balance(box, 400 * D('0.003'))
    eq(len(set(a['ref'] for a in box.rows('adjust'))), 400, 'all')
    eq(reprice(box)['rows'], 0, 'again')


def case_a_budget_opens(box):
    """A correction downwards lets calls through again, at once."""
    configure(box, more='  - {name: small, scope: "model:brand-*", period: '
              'daily, limit_usd: 0.05, hard: true}\n')
    n = 0
    while ask(box) == [200] and n < 200:
        n += 1
    ok(0 < n < 200, n)
    configure(box, [('brand-new', 2, 10)], more='  - {name: small, scope: '
              '"model:brand-*", period: daily, limit_usd: 0.05, '
              'hard: true}\n')
    reprice(box)
    eq(D(box.budget_status('small')['spent_usd']), n * D('0.003'), 'spent')
    eq(ask(box), [200], 'room again')


if __name__ == '__main__':
    main(globals())
