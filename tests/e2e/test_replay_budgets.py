#!/usr/bin/python3
"""llmguard replay: the ledger decided again by another budget file, against
a computation of its own."""
import datetime
import decimal
import heapq
import json
import os
import random
import time
import zoneinfo

import ledger
from harness import OPENAI, chat_body, eq, main, ok, request, sanitizer, send

D = decimal.Decimal
UTC = datetime.timezone.utc


def stamp(ms):
    return datetime.datetime.fromtimestamp(ms // 1000, UTC).strftime(
        '%Y-%m-%dT%H:%M:%S.') + '%03dZ' % (ms % 1000)


def row(ms, cost, took=0, estimate=None, model='gpt-4o-mini', **more):
    c = D(cost)
    more.setdefault('input_cost_usd', D(0))
    r = ledger.call(stamp(ms), model, cost=c, **more)
    r.update(end_ts=stamp(ms + took),
             estimate_usd=c if estimate is None else D(estimate),
             output_cost_usd=c - r['input_cost_usd'])
    return r


def at(text):
    return int(datetime.datetime.fromisoformat(text).replace(
        tzinfo=UTC).timestamp() * 1000)


def other(box, text):
    path = os.path.join(box.dir, 'other.yaml')
    with open(path, 'w') as f:
        f.write('version: 1\n' + text)
    return path


def replay(box, text, *args):
    out = box.cli('replay', '--config', other(box, text), '--json', *args)
    return json.loads(out.stdout, parse_float=D)


def budget(out, name='b'):
    return [b for b in out['budgets'] if b['name'] == name][0]


def one(limit, more='', scope='global', period='total', name='b'):
    return ('{name: %s, scope: "%s", period: %s, limit_usd: %s, hard: true%s}'
            % (name, scope, period, limit, more))


def budgets(*lines):
    return 'timezone: UTC\nbudgets:\n' + ''.join('  - %s\n' % x for x in lines)


T0 = at('2026-11-02T10:00:00')


def case_blocked(box):
    rows = [row(T0 + 1000 * i, 1) for i in range(10)]
    ledger.write(box.state, rows)
    before = open(os.path.join(box.state, 'ledger/2026-11.jsonl')).read()
    out = replay(box, budgets(one('4.5')))
    t = out['totals']
    eq((t['calls'], t['blocked'], t['recorded_usd'], t['replayed_usd'],
        t['not_spent_usd']), (10, {'calls': 6, 'usd': 6}, 10, 4, 6), 'totals')
    b = budget(out)
    eq((b['calls'], b['blocked'], b['first_breach'], b['most_spent_usd']),
       (10, {'calls': 6, 'usd': 6}, rows[4]['ts'], 4), 'budget')
    eq([c['id'] for c in out['calls']], [r['id'] for r in rows[4:]], 'which')
    eq({(c['verdict'], c['budget'], c['reason']) for c in out['calls']},
       {('block', 'b', 'over_budget')}, 'how')
    eq(open(os.path.join(box.state, 'ledger/2026-11.jsonl')).read(), before,
       'nothing is written')
    text = box.cli('replay', '-c', other(box, budgets(one('4.5'))), '-n', '2')
    ok('and 4 more' in text.stdout.decode(), text.stdout.decode())
    ok('6 blocked' in text.stdout.decode(), text.stdout.decode())


def case_not_hard(box):
    ledger.write(box.state, [row(T0 + 1000 * i, 1) for i in range(10)])
    out = replay(box, budgets(
        '{name: b, scope: global, period: total, limit_usd: 3}'))
    b = budget(out)
    eq((out['totals']['blocked']['calls'], b['let_go_over_limit'],
        b['first_breach']), (0, 7, stamp(T0 + 3000)), 'only told')
    eq(b['most_spent_usd'], 10, 'all of it')


def case_holds(box):
    """What others hold at the time counts, not what they will cost."""
    rows = [row(T0, '0.1', took=5000, estimate=3),
            row(T0 + 1000, '0.1', estimate=3),
            row(T0 + 6000, '0.1', estimate=3)]
    ledger.write(box.state, rows)
    out = replay(box, budgets(one(5)))
    eq([c['id'] for c in out['calls']], [rows[1]['id']], 'the second')
    out = replay(box, budgets(one(
        5, ', on_hard: [{action: throttle, max_delay_ms: 4500}, block]')))
    eq([c['verdict'] for c in out['calls']], ['throttle'], 'it may wait')
    out = replay(box, budgets(one(
        5, ', on_hard: [{action: throttle, max_delay_ms: 3000}, block]')))
    eq([c['verdict'] for c in out['calls']], ['block'], 'not so long')


def case_since(box):
    rows = [row(T0 + 1000 * i, 1) for i in range(10)]
    ledger.write(box.state, rows)
    out = replay(box, budgets(one('4.5')), '--since', rows[3]['ts'])
    eq((out['totals']['calls'], out['totals']['blocked']['calls'],
        out['from']), (7, 6, rows[3]['ts']), 'the rest')
    out = replay(box, budgets(one('1.5', period='daily')), '--since',
                 '2026-11-03')
    eq(out['totals']['calls'], 0, 'none')
    p = box.cli('replay', '-c', other(box, ''), '--since', 'soon',
                check=False)
    eq(p.returncode, 2, 'not a day')
    eq(box.cli('replay', check=False).returncode, 2, 'no file named')
    p = box.cli('replay', '-c', box.dir + '/none.yaml', check=False)
    ok(p.returncode == 1 and b'none.yaml' in p.stderr, 'no such file')
    p = box.cli('replay', '-c', other(box, 'budgets: [{name: x}]\n'),
                check=False)
    ok(p.returncode == 1 and b'other.yaml' in p.stderr, 'a bad file')


def case_corrected(box):
    """A call costs what it costs after all corrections."""
    rows = [row(T0 + 1000 * i, 1) for i in range(4)]
    adj = row(T0 + 9000, '-0.75', kind='adjust', ref=rows[0]['id'])
    adj['note'] = 'reprice'
    bill = row(T0 + 1500, '0.5', kind='adjust', ref='bill-2026-11')
    ledger.write(box.state, rows + [adj, bill])
    out = replay(box, budgets(one('3')))
    eq([c['id'] for c in out['calls']], [rows[3]['id']], 'the last')
    eq((out['totals']['recorded_usd'], out['totals']['calls']),
       (D('3.75'), 4), 'sum')


def case_refused_then(box):
    rows = [row(T0, 1)]
    rows += [row(T0 + 1000 * i, 0, estimate=1, verdict='block', status=429)
             for i in (1, 2, 3)]
    ledger.write(box.state, rows)
    out = replay(box, budgets(one('2.5')))
    t = out['totals']
    eq((t['released'], t['refused_again'], t['blocked']['calls']),
       ({'calls': 1, 'estimate_usd': 1}, {'calls': 2, 'estimate_usd': 2}, 0),
       'then and now')
    eq(len([n for n in out['notes'] if 'refused then' in n]), 1, 'told')


def case_actions(box):
    usage = dict(input_tokens=1000, output_tokens=1000,
                 input_cost_usd=D('0.0025'))
    rows = [row(T0 + 1000 * i, '0.0125', model='gpt-4o', **usage)
            for i in range(4)]
    ledger.write(box.state, rows)
    cheap = D('0.00015') + D('0.0006')
    out = replay(box, budgets(one(
        '0.026', ', on_hard: [{action: fallback, model: gpt-4o-mini}, '
        'block]')))
    eq([(c['verdict'], c['would_cost_usd']) for c in out['calls']],
       [('fallback', cheap), ('block', 0)], 'fallback, then nothing')
    out = replay(box, budgets(one(
        '0.026', ', on_hard: [{action: fallback, model: gpt-4o-mini}]',
        scope='model:gpt-4o')))
    eq([c['verdict'] for c in out['calls']], ['fallback'] * 2, 'beside it')
    out = replay(box, budgets(one('0.03', ', on_hard: [clamp, block]')))
    eq([(c['verdict'], c['would_cost_usd']) for c in out['calls']],
       [('clamp', D('0.005')), ('block', 0)], 'clamp')
    eq(budget(out)['degraded'], {'calls': 1, 'usd': D('0.0075')}, 'saved')
    out = replay(box, budgets(one(
        '0.03', ', on_hard: [{action: local, url: "http://127.0.0.1:9/v1"}]')))
    eq([c['verdict'] for c in out['calls']], ['local'] * 2, 'local')
    out = replay(box, budgets(one('0.03', ', on_hard: [warn]')))
    eq((out['totals']['blocked']['calls'], budget(out)['let_go_over_limit']),
       (0, 2), 'warn')
    out = replay(box, budgets(one(
        '1', ', on_soft: {at: 0.02, action: fallback, model: gpt-4o-mini}')))
    eq([(c['verdict'], c['reason']) for c in out['calls']],
       [('fallback', 'soft_limit')] * 2, 'soft')
    out = replay(box, budgets(one(0)))
    eq(out['totals']['blocked']['calls'], 4, 'a limit of nothing')


def case_exempt(box):
    rows = [row(T0, 1), row(T0 + 1, 1, flags=['ignored_budget']),
            row(T0 + 2, 0, model='free-one'), row(T0 + 3, 1)]
    ledger.write(box.state, rows)
    out = replay(box, budgets(one('1.5')))
    eq([c['id'] for c in out['calls']], [rows[3]['id']], 'only the last')
    eq(budget(out)['most_spent_usd'], 2, 'but it counts')


def case_max_keys(box):
    rows = [row(T0 + 1000 * i, 1, user='u%d' % (i % 5)) for i in range(20)]
    ledger.write(box.state, rows)
    more = ', each: true'
    out = replay(box, budgets(one(2, more, scope='user:*', period='daily')))
    eq(out['totals']['blocked']['calls'], 10, 'two each')
    out = replay(box, budgets(one(2, more + ', max_keys: 2', scope='user:*',
                                  period='daily')))
    eq((out['totals']['blocked']['calls'], budget(out)['calls_of_other']),
       (14, 12), 'three of them share one')


# -- a computation of its own ------------------------------------------------

ZONE = zoneinfo.ZoneInfo('America/New_York')
LIMITS = [('each', 'daily', 30), ('mini', 'weekly', 180),
          ('shop', 'monthly', 400), ('soft', 'daily', 9)]
CONFIG = '''timezone: America/New_York
week_start: sunday
budgets:
  - {name: each, scope: "user:*", each: true, period: daily, limit_usd: 30, hard: true}
  - {name: mini, scope: "model:*mini*", period: weekly, limit_usd: 180, hard: true}
  - {name: shop, scope: "project:sh?p & provider:openai", period: monthly, limit_usd: 400, hard: true}
  - {name: soft, scope: "tag:night", period: daily, limit_usd: 9}
'''


def window(period, ms):
    t = datetime.datetime.fromtimestamp(ms / 1000, ZONE).date()
    if period == 'weekly':
        return t - datetime.timedelta((t.weekday() + 1) % 7)
    return (t.year, t.month) if period == 'monthly' else t


def counters(r):
    out = []
    if r['user']:
        out.append(('each', r['user']))
    if 'mini' in r['model']:
        out.append(('mini', ''))
    if r['project'] in ('shop', 'ship') and r['provider'] == 'openai':
        out.append(('shop', ''))
    if 'night' in r['tags']:
        out.append(('soft', ''))
    return out


def expect(rows, fixes):
    """The model: {id of a refused call: budget}, and each budget's sums."""
    used, flights, refused, first = {}, [], {}, {}
    period = {n: p for n, p, _ in LIMITS}
    limit = {n: D(x) for n, _, x in LIMITS}
    order = {n: i for i, (n, _, _) in enumerate(LIMITS)}
    for ms, r in sorted(((r['_ms'], r) for r in rows),
                        key=lambda x: (x[0], x[1]['id'])):
        while flights and flights[0][0] <= ms:
            _, _, keys, back = heapq.heappop(flights)
            for k in keys:
                used[k] -= back
        cost = r['cost_usd'] + fixes.get(r['id'], 0)
        hold = r['estimate_usd'] or cost
        if not hold:
            continue
        keys = [(n, v, window(period[n], ms)) for n, v in counters(r)]
        over = [k for k in keys if used.get(k, 0) + hold > limit[k[0]]]
        for k in over:
            first.setdefault(k[0], ms)
        no = sorted((k[0] for k in over if k[0] != 'soft'), key=order.get)
        if no:
            refused[r['id']] = no[0]
            continue
        for k in keys:
            used[k] = used.get(k, 0) + hold
        heapq.heappush(flights, (ms + r['_took'], r['id'], keys, hold - cost))
    return refused, first


def generate(n, days=60):
    rng = random.Random(7)
    start = at('2026-10-05T00:00:00')
    rows, fixes, adjusts = [], {}, []
    for i in range(n):
        ms = start + int(days * 86400000 * i / n) + rng.randrange(-9000, 9000)
        cost = D(rng.randrange(1, 4000)) / 1000 * days / 60
        cost = cost * D(2500) / n if n > 2500 else cost
        cost = cost.quantize(D('0.000001'))
        r = row(ms, cost, took=rng.randrange(0, 60000),
                estimate=(cost * D(rng.choice(['1', '1.5', '0.7', '4']))
                          ).quantize(D('0.000001')),
                model=rng.choice(['gpt-4o', 'gpt-4o-mini', 'o4-mini']),
                user=rng.choice(['', 'ann', 'bob', 'cleo', 'dora']),
                project=rng.choice(['shop', 'ship', 'other', '']),
                provider=rng.choice(['openai', 'openai', 'azure']),
                tags=rng.choice([[], ['night'], ['day', 'night'], ['x']]))
        if rng.random() < 0.03:
            d = (cost * D(rng.choice(['-0.5', '0.5', '2']))).quantize(
                D('0.000001'))
            fixes[r['id']] = fixes.get(r['id'], 0) + d
            a = row(ms + 5000, d, kind='adjust', ref=r['id'],
                    model=r['model'], note='reprice')
            adjusts.append((ms + 70000, a))
        r['_ms'], r['_took'] = ms, (at_ms(r['end_ts']) - ms)
        rows.append(r)
    return rows, fixes, adjusts


def at_ms(text):
    return at(text[:-5]) + int(text[-4:-1])


def write_all(box, rows, adjusts):
    plain = [{k: v for k, v in r.items() if k[0] != '_'} for r in rows]
    byends = [(r['_ms'] + r['_took'], p) for r, p in zip(rows, plain)]
    months = {}
    for ms, r in sorted(byends + adjusts, key=lambda x: x[0]):
        months.setdefault(stamp(ms)[:7], []).append(r)
    for m, rs in months.items():
        ledger.write(box.state, rs, m)


def case_model(box):
    rows, fixes, adjusts = generate(2500)
    write_all(box, rows, adjusts)
    refused, first = expect(rows, fixes)
    ok(len(refused) > 100 and len(set(refused.values())) == 3,
       'a ledger that says something: %d' % len(refused))
    out = replay(box, CONFIG)
    got = {c['id']: c['budget'] for c in out['calls']}
    eq({k: v for k, v in got.items() if refused.get(k) != v}, {}, 'too many')
    eq(set(refused) - set(got), set(), 'too few')
    cost = {r['id']: r['cost_usd'] + fixes.get(r['id'], 0) for r in rows}
    eq(out['totals']['not_spent_usd'], sum(cost[i] for i in refused), 'saved')
    eq(out['totals']['recorded_usd'], sum(cost.values()), 'recorded')
    for name, _, _ in LIMITS:
        b = budget(out, name)
        mine = [i for i, n in refused.items() if n == name]
        eq((b['blocked']['calls'], b['blocked']['usd']),
           (len(mine), sum(cost[i] for i in mine)), name)
        eq(b['first_breach'], stamp(first[name]), name + ' first')


def quick(rows, n, start, step):
    """Lines of n calls like these. A line's CRC is its pattern's and what
    each changed byte adds to that: many times faster than anew."""
    adds, zero, texts = {}, {}, [ledger.line(r) for r in rows]

    def add(size, back, x):
        if (size, back, x) not in adds:
            if size not in zero:
                zero[size] = ledger.crc32c(bytes(size))
            adds[size, back, x] = zero[size] ^ ledger.crc32c(
                bytes(back) + bytes([x]) + bytes(size - back - 1))
        return adds[size, back, x]

    for i in range(n):
        text, r = texts[i % len(rows)], rows[i % len(rows)]
        ts = stamp(start + step * i)
        new = text.replace(r['id'], ledger.new_id(i), 1).replace(r['ts'], ts)
        body, crc = new.rsplit(',"crc":"', 1)
        old = text[:len(body)]
        c = int(crc[:8], 16)
        for k, (x, y) in enumerate(zip(old.encode(), body.encode())):
            if x != y:
                c ^= add(len(body), k, x ^ y)
        yield '%s,"crc":"%08x"}\n' % (body, c)


def case_many(box):
    """100,000 rows in less than 2 s; below a sanitizer, that it ends."""
    limit = 30 if sanitizer() else 2
    rows = [row(T0, '0.0125', model=m, user=u, project='shop', tags=t,
                input_tokens=1000, output_tokens=1000)
            for m in ('gpt-4o', 'gpt-4o-mini', 'o4-mini')
            for u in ('ann', 'bob') for t in ([], ['night'])]
    path = ledger.write(box.state, [], '2026-10')
    with open(path, 'w') as f:
        f.writelines(quick(rows, 100000, at('2026-10-01T00:00:00'), 26000))
    path, best = other(box, CONFIG), 9e9
    for _ in range(3):
        t = time.monotonic()
        p = box.cli('replay', '--config', path, '--json', '--calls', '1')
        best = min(best, time.monotonic() - t)
    out = json.loads(p.stdout, parse_float=D)
    eq(out['totals']['calls'], 100000, 'calls')
    ok(out['totals']['blocked']['calls'] > 1000, 'some are blocked')
    print('replay of 100,000 rows: %.2f s' % best)
    ok(best < float(os.environ.get('LLMGUARD_TEST_SLOW', limit)),
       '%.2f s' % best)


def case_real_calls(box):
    """Rows that the guard wrote; what replay says comes true."""
    text = budgets(one('0.0002'))
    box.config(None)
    reqs = [request(OPENAI, chat_body(max_tokens=100), 'in=100;out=100')
            for _ in range(5)]
    send(box, 'http.client', reqs)
    said = replay(box, text)['totals']['blocked']['calls']
    box.config(text)
    n = len(box.rows())
    send(box, 'http.client', reqs, LLMGUARD_STATE_DIR=box.dir + '/s2',
         LLMGUARD_REGION=box.region + '.2')
    with open(os.path.join(box.dir, 's2/ledger',
                           os.listdir(box.dir + '/s2/ledger')[0])) as f:
        blocked = sum(json.loads(x)['verdict'] == 'block' for x in f)
    eq(len(box.rows()), n, 'another ledger')
    eq(said, blocked, 'as said')
    ok(0 < said < 5, 'some of them')


if __name__ == '__main__':
    main(globals())
