#!/usr/bin/python3
"""The ledger beside providers' bills: equal, apart, corrected."""
import calendar
import decimal
import json
import os
import pty
import random
import subprocess
import time
from collections import defaultdict

import ledger
from harness import (ANTHROPIC, CLI, Skip, chat_body, eq, main, ok, request,
                     send)

D = decimal.Decimal


def put(box, name, content):
    path = os.path.join(box.dir, name)
    with open(path, 'w') as f:
        f.write(content if isinstance(content, str) else ledger.dump(content))
    return path


def epoch(day):
    return calendar.timegm(time.strptime(day, '%Y-%m-%d'))


def openai_costs(items, days=(), more=False):
    """items: (day, line item, amount)."""
    by_day = {d: [] for d in days}
    for day, name, amount in items:
        by_day.setdefault(day, []).append(
            {'object': 'organization.costs.result',
             'amount': {'value': amount, 'currency': 'usd'},
             'line_item': name, 'project_id': None})
    return {'object': 'page', 'has_more': more, 'next_page': None, 'data': [
        {'object': 'bucket', 'start_time': epoch(d), 'end_time':
         epoch(d) + 86400, 'results': r} for d, r in sorted(by_day.items())]}


def reconcile(box, *args, code=0):
    p = box.cli('reconcile', '--json', *args, check=False)
    eq(p.returncode, code, 'exit status of %s: %s' % (args, p.stderr))
    return json.loads(p.stdout, parse_float=D)


def lines(out):
    return {(x['day'], x['model']): x for x in out['lines']}


def rows_of(box, rows):
    by_month = defaultdict(list)
    for r in rows:
        by_month[r['ts'][:7]].append(r)
    for month, some in by_month.items():
        ledger.write(box.state, some, month)


def at(day, clock='12:00:00.000'):
    return '%sT%sZ' % (day, clock)


def total(box):
    return sum(D(r['cost_usd']) for r in box.rows() + box.rows('adjust'))


def case_real_calls(box):
    """What the guard wrote is what the bill says, to the last picodollar."""
    reqs = [request(body=chat_body(m), test='in=%d;out=%d;cached=%d' % (
        1000 * i, 70 * i, 100 * i)) for i in range(1, 6)
        for m in ('gpt-4o', 'gpt-4o-mini')]
    reqs.append(request(body=chat_body('gpt-4o-mini'), test='status=500'))
    out, _ = send(box, 'http.client', reqs)
    eq([r['status'] for r in out], [200] * 10 + [500], 'answers')
    rows = [r for r in box.rows() if r['status'] == 200]
    day = rows[0]['ts'][:10]
    if rows[-1]['ts'][:10] != day:
        raise Skip('midnight came between')
    items = []
    for r in rows:
        items += [(day, r['model'] + ', input', D(r['input_cost_usd'])),
                  (day, r['model'] + ', output', D(r['output_cost_usd']))]
    path = put(box, 'costs.json', openai_costs(items))
    out = reconcile(box, '--tolerance', '0', path)
    eq((out['within'], len(out['lines']), out['format']), (True, 2, 'openai'),
       'agree')
    eq(D(out['total']['ledger_usd']), total(box), 'total')
    eq(lines(out)[day, 'gpt-4o']['ledger']['calls'], 5, 'calls')
    # a call that nobody saw
    path = put(box, 'more.json', openai_costs(
        items + [(day, 'gpt-4o, output', D('0.5')), (day, 'o3, input',
                                                      D('0.25'))]))
    out = reconcile(box, path, code=1)
    x = lines(out)
    eq(D(x[day, 'gpt-4o']['difference_usd']), D('-0.5'), 'gap')
    eq(D(x[day, 'o3']['difference_usd']), D('-0.25'), 'a model of theirs')
    ok(x[day, 'gpt-4o-mini']['within'], 'the other agrees')
    text = box.cli('reconcile', path, check=False).stdout.decode()
    ok('2 of 3 lines differ' in text and '-100.00 %' in text, text)
    # usage instead of costs: by tokens
    usage = {'object': 'page', 'data': [{
        'start_time': epoch(day), 'end_time': epoch(day) + 86400,
        'results': [{'object': 'organization.usage.completions.result',
                     'model': m, 'num_model_requests': 5,
                     'input_tokens': 15000, 'input_cached_tokens': 1500,
                     'output_tokens': 1050 + (m == 'gpt-4o')}
                    for m in ('gpt-4o', 'gpt-4o-mini')]}]}
    path = put(box, 'usage.json', usage)
    out = reconcile(box, path)
    ok('provider_usd' not in out['total'], 'tokens only')
    eq(out['total']['provider']['calls'], 10, 'their calls')
    out = reconcile(box, '--tolerance', '0', path, code=1)
    eq([x['model'] for x in out['lines'] if not x['within']], ['gpt-4o'],
       'one token')


def case_anthropic(box):
    """Cents, fees on lines of their own, a console's names."""
    out, _ = send(box, 'http.client', [request(
        ANTHROPIC, chat_body('claude-haiku-4-5'), 'in=1000;out=500;cw=300')])
    eq(out[0]['status'], 200, 'answer')
    day = box.rows()[0]['ts'][:10]
    cost = D(box.rows()[0]['cost_usd'])
    search = ledger.call(at(day, '00:00:01.000'), 'claude-haiku-4-5',
                         'anthropic', '0.035', units={'web_searches': 3},
                         input_tokens=1000, output_tokens=800,
                         host='api.anthropic.com')
    rows_of(box, [search])
    api = {'data': [{'starting_at': day + 'T00:00:00Z', 'ending_at':
                     time.strftime('%Y-%m-%dT00:00:00Z', time.gmtime(
                         epoch(day) + 86400)),
                     'results': [
                         {'currency': 'USD', 'amount':
                          ledger.plain((cost + D('0.005')) * 100),
                          'cost_type': 'tokens', 'model':
                          'claude-haiku-4-5-20251001'},
                         {'currency': 'USD', 'amount': '3.000',
                          'cost_type': 'web_search', 'model': None}]}],
           'has_more': False}
    out = reconcile(box, '--tolerance', '0', put(box, 'a.json', api))
    eq(sorted(x['model'] for x in out['lines']),
       ['(web searches)', 'claude-haiku-4-5'], 'lines')
    csv = ('usage_date_utc,model,workspace,token_type,cost_usd,cost_type\n'
           '%s,Claude Haiku 4.5,Default,output,%s,token\n'
           '%s,--,Default,,0.03,web_search\n' % (
               day, ledger.plain(cost + D('0.005')), day))
    out = reconcile(box, '--tolerance', '0', put(box, 'a.csv', csv))
    eq((out['format'], out['within']), ('anthropic', True), 'console')
    p = box.cli('reconcile', '--format', 'openai',
                os.path.join(box.dir, 'a.json'), check=False)
    eq(p.returncode, 1, 'another format')
    ok(b'anthropic, not of openai' in p.stderr, p.stderr)


def case_openrouter(box):
    days = ['2026-05-0%d' % i for i in range(1, 4)]
    rows, csv = [], 'generation_id,created_at,cost_total,tokens_prompt,' \
        'tokens_completion,model_permaslug\r\n'
    for i, day in enumerate(days):
        for k in range(5):
            cost = D('0.001') * (k + 1 + i)
            rows.append(ledger.call(
                at(day, '23:59:5%d.000' % k), 'openai/gpt-4.1', 'openrouter',
                cost, price_state='provider', provider_cost_usd=cost,
                input_tokens=10, output_tokens=5))
            csv += 'gen-%d,%s 23:59:5%d.123,%s,10,5,' \
                'openai/gpt-4.1-2025-04-14\r\n' % (k, day, k, cost)
    rows_of(box, rows)
    out = reconcile(box, '--tolerance', '0', put(box, 'act.csv', csv))
    eq((out['days'], out['within'], len(out['lines'])), (3, True, 3), 'csv')
    data = {'data': [{'date': d, 'model': 'openai/gpt-4.1', 'usage':
                      sum(D('0.001') * (k + 1 + i) for k in range(5)),
                      'requests': 5, 'prompt_tokens': 50, 'completion_tokens':
                      25} for i, d in enumerate(days)]}
    out = reconcile(box, '--tolerance', '0', put(box, 'act.json', data))
    eq(out['within'], True, 'json')
    eq(reconcile(box, put(box, 'act.json', data), '--from', days[1], '--to',
                 days[1])['days'], 1, 'from and to')
    # by the days of another zone the calls fall on other days
    out = reconcile(box, '--day-zone', 'Europe/Berlin',
                    os.path.join(box.dir, 'act.csv'))
    eq([x['day'] for x in out['lines']], ['2026-05-02', '2026-05-03',
                                          '2026-05-04'], 'Berlin')
    p = box.cli('reconcile', '--day-zone', 'Europe/Berlin',
                os.path.join(box.dir, 'act.json'), check=False)
    ok(p.returncode == 1 and b'--day-zone Europe/Berlin' in p.stderr, p)


def case_no_models(box):
    """A bill that names no models is compared by days."""
    rows_of(box, [ledger.call(at('2026-04-0%d' % d), m, cost=D('1.5'))
                  for d in (1, 2) for m in ('gpt-4o', 'o3')])
    path = put(box, 'c.json', openai_costs(
        [('2026-04-01', None, D(3)), ('2026-04-02', None, D('2.9'))],
        days=['2026-04-03']))
    out = reconcile(box, path, code=1)
    x = lines(out)
    eq(sorted(k[1] for k in x), ['(all models)'] * 2, 'lines')
    eq((x['2026-04-01', '(all models)']['within'],
        x['2026-04-02', '(all models)']['within']), (True, False), 'days')
    eq(len(reconcile(box, '--gaps', path, code=1)['lines']), 1, 'gaps alone')
    eq(reconcile(box, '--tolerance', '3.5', path)['within'], True, 'tolerant')


def ask(box, answer, *args):
    """The command at a terminal."""
    pid, fd = pty.fork()
    if not pid:
        os.execve(CLI, [CLI, 'reconcile', *args], box.env(LD_PRELOAD=None))
    out = b''
    try:
        while True:
            piece = os.read(fd, 65536)
            if not piece:
                break
            out += piece
            if b'[y/N]' in out and answer is not None:
                os.write(fd, answer)
                answer = None
    except OSError:
        pass
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return code, out.decode()


def case_adjust(box):
    today = time.strftime('%Y-%m-%d', time.gmtime(time.time() - 86400))
    month = 'budgets:\n' + ''.join(
        '  - {name: %s, scope: "%s", period: total, limit_usd: 100, '
        'hard: true}\n' % kv for kv in (
            ('all', 'global'), ('fours', 'model:gpt-4o*'),
            ('mine', 'project:p')))
    box.config('timezone: UTC\n' + month)
    rows_of(box, [ledger.call(at(today, '00:00:00.%03d' % i), 'gpt-4o',
                              cost='1', project='p') for i in range(3)])
    path = put(box, 'c.json', openai_costs([
        (today, 'gpt-4o-2024-08-06, input', D('3.456789')),
        (today, 'o3, input', D('0.1'))]))
    eq(D(box.budget_status('all')['spent_usd']), D(3), 'before')
    before = open(os.path.join(box.state, 'ledger', today[:7] + '.jsonl'),
                  'rb').read()
    p = box.cli('reconcile', '--adjust', path, check=False)
    ok(p.returncode == 1 and b'--yes' in p.stderr, p.stderr)
    code, out = ask(box, b'n\n', '--adjust', path)
    ok(code == 1 and 'Write 2 corrections, +$0.556789' in out and
       'nothing was corrected' in out, out)
    eq(box.rows('adjust'), [], 'none yet')
    code, out = ask(box, b'y\n', '--adjust', path)
    eq(code, 0, out)
    eq(len(box.rows('adjust')), 2, 'two')
    eq(total(box), D('3.556789'), 'as the bill says')
    for name, want in (('all', '3.556789'), ('fours', '3.456789'),
                       ('mine', '3')):
        eq(D(box.budget_status(name)['spent_usd']), D(want), name)
    for a in box.rows('adjust'):
        eq((a['ref'], a['price_state'], a['provider']),
           ('reconcile:' + today, 'provider', 'openai'), 'row')
        ok(a['note'].startswith('reconcile: the bill of ' + today), a['note'])
    ok(any('reconcile: 2 corrections' in r['note']
           for r in box.rows('audit')), 'audit')
    ok(open(os.path.join(box.state, 'ledger', today[:7] + '.jsonl'),
            'rb').read().startswith(before), 'history stands')
    out = reconcile(box, '--adjust', '--yes', '--tolerance', '0', path)
    eq((out['within'], out['adjusted']), (True, 0), 'twice')
    os.unlink(box.region)
    eq(D(box.budget_status('all')['spent_usd']), D('3.556789'), 'rebuilt')
    # the bill was corrected: the other way
    path = put(box, 'd.json', openai_costs([
        (today, 'gpt-4o, input', D(2)), (today, 'o3, input', D('0.1'))]))
    out = reconcile(box, '--adjust', '--yes', path)
    eq(out['adjusted'], 1, 'down')
    eq(total(box), D('2.1'), 'down to the bill')
    eq(D(box.budget_status('all')['spent_usd']), D('2.1'), 'budget')
    cov = box.status()['coverage']
    eq(sum(D(c['usd']) for c in cov.values()), D('2.1'), 'coverage')


def case_a_day_that_runs(box):
    """Bills come late: today's ledger is raised, not lowered."""
    box.config('timezone: UTC\n')
    today = time.strftime('%Y-%m-%d', time.gmtime())
    rows_of(box, [ledger.call(at(today, '00:00:00.000'), m, cost='1')
                  for m in ('gpt-4o', 'o3')])
    path = put(box, 'c.json', openai_costs([(today, 'gpt-4o, input', D(2)),
                                            (today, 'o3, input', D('0.1'))]))
    p = box.cli('reconcile', '--adjust', '--yes', path, check=False)
    ok(p.returncode == 1 and b'day is not over' in p.stdout and
       b'1 lines stay' in p.stderr, p)
    eq([r['model'] for r in box.rows('adjust')], ['gpt-4o'], 'one')
    eq(total(box), D(3), 'raised')


def case_costs_and_usage(box):
    """Tokens of days whose money the bill does not tell change no money."""
    days = ['2026-04-01', '2026-04-02']
    rows_of(box, [ledger.call(at(d), m, cost='1', input_tokens=10,
                              output_tokens=1) for d in days
                  for m in ('gpt-4o', 'o3')])
    costs = put(box, 'c.json', openai_costs(
        [(days[0], 'gpt-4o', D(1)), (days[0], 'o3', D(1))]))
    usage = put(box, 'u.json', {'data': [
        {'start_time': epoch(d), 'end_time': epoch(d) + 86400, 'results': [
            {'model': 'gpt-4o', 'num_model_requests': 1, 'input_tokens': 99,
             'output_tokens': 1}]} for d in days]})
    p = box.cli('reconcile', '--adjust', '--yes', costs, usage, check=False)
    eq(p.returncode, 1, p)
    eq(box.rows('adjust'), [], 'no money was told of the second day')


def case_against_decimals(box):
    """A made-up year: each sum as Python has it."""
    rng = random.Random(5)
    models = ['gpt-4o', 'gpt-4o-2024-08-06', 'GPT-4o-mini', 'o3',
              'gpt-4.1-2025-04-14', 'my-own-thing']
    same = {'gpt-4o-2024-08-06': 'gpt-4o', 'GPT-4o-mini': 'gpt-4o-mini',
            'gpt-4.1-2025-04-14': 'gpt-4.1'}
    ours, theirs, rows, items = (defaultdict(D), defaultdict(D), [], [])
    for i in range(3000):
        month, day = rng.randrange(1, 4), rng.randrange(1, 29)
        text = '2026-%02d-%02d' % (month, day)
        model = rng.choice(models)
        cost = D(rng.randrange(10**rng.randrange(1, 12))).scaleb(-12)
        key = text, same.get(model, model)
        if rng.random() < .9:
            rows.append(ledger.call(
                at(text, rng.choice(('00:00:00.000', '23:59:59.999'))),
                model, cost=cost))
            ours[key] += cost
        if rng.random() < .9:
            items.append((text, model + rng.choice((', input', ', output',
                                                    '')), cost))
            theirs[key] += cost
    rows.append(ledger.call(at('2026-02-01'), 'gpt-4o', 'azure', cost='99'))
    rows.append(ledger.call(at('2026-06-01'), 'gpt-4o', cost='99'))
    rows_of(box, rows)
    pages = [put(box, '%d.json' % m, openai_costs(
        [x for x in items if x[0][5:7] == '%02d' % m],
        ['2026-%02d-%02d' % (m, d) for d in range(1, 29)]))
        for m in (1, 2, 3)]
    out = reconcile(box, *pages, code=1)
    x = lines(out)
    eq(set(x), set(ours) | set(theirs), 'lines')
    for k, line in x.items():
        eq((D(line['ledger_usd']), D(line['provider_usd'])),
           (ours[k], theirs[k]), k)
        eq(D(line['difference_usd']), ours[k] - theirs[k], k)
        eq(line['within'], abs(ours[k] - theirs[k]) <= theirs[k] / 100, k)
    eq(D(out['total']['ledger_usd']), sum(ours.values()), 'total')
    p = box.cli('reconcile', pages[0], pages[0], check=False)
    ok(p.returncode == 1 and b'this time came before' in p.stderr, p.stderr)
    with open(os.path.join(box.dir, 'all.json'), 'w') as f:
        for page in pages:
            f.write(open(page).read() + '\n')
    eq(reconcile(box, os.path.join(box.dir, 'all.json'), code=1)['total'],
       out['total'], 'pages in one file')


def case_large(box):
    """300,000 lines: quick, and memory does not grow with them."""
    path = os.path.join(box.dir, 'big.csv')
    with open(path, 'w') as f:
        f.write('generation_id,created_at,cost_total,model_permaslug\n')
        for i in range(300000):
            f.write('gen-%d,2026-05-%02d 10:00:00.000,0.001,m/%d\n' % (
                i, i % 28 + 1, i % 7))
    start = time.time()
    p = subprocess.run(['sh', '-c', 'ulimit -v 400000; exec "$@"', 'sh', CLI,
                        'reconcile', '--json', path],
                       env=box.env(LD_PRELOAD=None), stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    if 'build-' in CLI:
        raise Skip('a sanitizer needs more memory')
    eq(p.returncode, 1, p.stderr)
    out = json.loads(p.stdout, parse_float=D)
    eq((len(out['lines']), D(out['total']['provider_usd'])), (28, 300),
       'lines')
    ok(time.time() - start < 20, 'time')


def case_bad_files(box):
    for name, content, said in (
            ('empty.json', '', 'empty'),
            ('html.json', '<html>', 'no column "date"'),
            ('error.json', {'error': {'message': 'Invalid key'}},
             'Invalid key'),
            ('cut.json', ledger.dump(openai_costs(
                [('2026-01-01', None, D(1))]))[:-3], 'ends in the middle'),
            ('bad.json', openai_costs([('2026-01-01', None, 'x')]),
             'data[0].results[0].amount.value: "x"'),
            ('bad.csv', 'date,usage\n2026-01-01,x\n', 'line 2, usage: "x"')):
        p = box.cli('reconcile', put(box, name, content), check=False)
        eq((p.returncode, p.stdout), (1, b''), name)
        ok(name.encode() in p.stderr and said.encode() in p.stderr, p.stderr)
    p = box.cli('reconcile', '/nonexistent/x.json', check=False)
    ok(p.returncode == 1 and b'No such file' in p.stderr, p.stderr)
    eq(box.cli('reconcile', check=False).returncode, 2, 'no file')
    good = put(box, 'g.json', openai_costs([('2026-01-01', None, D(0))],
                                           more=True))
    for args, code in ((('--tolerance', 'x'), 2), (('--tolerance', '-1'), 2),
                       (('--from', '2026-1-1'), 2), (('--day-zone', 'X/Y'), 2),
                       (('--format', 'x'), 2), (('--from', '2027-01-01'), 1)):
        eq(box.cli('reconcile', *args, good, check=False).returncode, code,
           args)
    p = box.cli('reconcile', good)
    ok(b'has_more' in p.stderr, 'pages are missing')


if __name__ == '__main__':
    main(globals())
