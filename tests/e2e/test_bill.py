#!/usr/bin/python3
"""costs and report against a computation over the raw ledger in decimals:
every grouping and filter, in three time zones across the changes of their
clocks. A million rows: make bench-bill."""
import collections
import datetime
import decimal
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zoneinfo

import ledger
from harness import BUILD, CLI, Failed, eq, ok

D = decimal.Decimal
decimal.getcontext().prec = 40
ROWS = 3000
DAYS = 60
FIRST = '2026-02-20'    # clocks change in these days
ZONES = ('Europe/Berlin', 'America/New_York', 'Asia/Kolkata')
REFUSED = {'block', 'deny', 'stop', 'kill', 'reset', 'throttle'}
WEEKDAYS = ('Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday',
            'Saturday', 'Sunday')
FLAGS = {'abandoned', 'ignored_budget', 'lost', 'joined_late', 'retry',
         'duplicate', 'cut_short', 'unguarded', 'fallback'}
COUNTS = ('input_tokens', 'output_tokens', 'cache_read_tokens',
          'cache_write_5m_tokens', 'cache_write_1h_tokens',
          'reasoning_tokens')


class Home:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='llmguard-bill-')
        self.state = os.path.join(self.dir, 'state')
        os.makedirs(os.path.join(self.state, 'ledger'), mode=0o700)
        self.zone('UTC')

    def zone(self, name, more=''):
        self.tz = name
        with open(os.path.join(self.dir, 'config.yaml'), 'w') as f:
            f.write('version: 1\ntimezone: %s\n%s' % (name, more))

    def run(self, *args, **k):
        return self.bytes(*args, **k).decode().replace('\r\n', '\n')

    def bytes(self, *args, status=0, **env):
        e = {k: v for k, v in os.environ.items()
             if not k.startswith('LLMGUARD_')}
        e.update(LLMGUARD_STATE_DIR=self.state,
                 LLMGUARD_REGION=os.path.join(self.dir, 'region'),
                 LLMGUARD_CONFIG=os.path.join(self.dir, 'config.yaml'), **env)
        p = subprocess.run([CLI] + list(args), env=e, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        self.err = p.stderr.decode()
        if p.returncode != status:
            raise Failed('%s: status %d: %s' % (args, p.returncode, self.err))
        return p.stdout

    def json(self, *args, **k):
        return json.loads(self.run(*args, '--json', **k), parse_float=D)

    def close(self):
        shutil.rmtree(self.dir)


# -- the ledger as it stands ------------------------------------------------

def read(state):
    """Calls by id with their corrections applied; corrections of no call."""
    seen, calls, others = set(), {}, []
    for path in sorted(glob.glob(state + '/ledger/*.jsonl')):
        with open(path, 'rb') as f:
            rows = ledger.sound(f.read())[0]
        for r in rows:
            if r['id'] in seen:
                continue
            seen.add(r['id'])
            if r.get('kind', 'call') == 'call':
                calls[r['id']] = r
            elif r['kind'] == 'adjust' and r['ref'] in calls:
                correct(calls[r['ref']], r)
            elif r['kind'] == 'adjust':
                others.append(r)
    return list(calls.values()) + others


def correct(call, adj):
    for k in ('cost_usd', 'economic_usd', 'input_cost_usd',
              'output_cost_usd'):
        call[k] = D(call[k]) + D(adj[k])
    for k in COUNTS:
        if adj.get(k) is not None:
            call[k] = max(0, (call.get(k) or 0) + adj[k])
    for k in ('model', 'tier', 'usage_state', 'price_state', 'cache_hit'):
        call[k] = adj.get(k)


def coverage(r):
    if 'abandoned' in (r.get('flags') or []):
        return 'abandoned'
    if r['price_state'] == 'unknown':
        return 'unknown'
    return 'exact' if r['usage_state'] == 'exact' and \
        r['price_state'] != 'estimated' else 'estimated'


def keys_of(r, zone, week_start=0):
    """What a call is grouped by, and where."""
    t = datetime.datetime.strptime(r['ts'], '%Y-%m-%dT%H:%M:%S.%fZ').replace(
        tzinfo=datetime.timezone.utc).astimezone(zone)
    day = t.date()
    week = day - datetime.timedelta((day.weekday() - week_start) % 7)
    out = {
        'model': [r.get('model') or r.get('model_requested')],
        'project': [r.get('project')],
        'tag': r.get('tags') or [None],
        'user': [r.get('user')],
        'endpoint': [r.get('endpoint')],
        'provider': [r.get('provider')],
        'phase': [r.get('phase')],
        'conversation': [r.get('conversation')],
        'hour': [t.strftime('%Y-%m-%d %H:00')],
        'day': [str(day)],
        'week': [str(week)],
        'month': [t.strftime('%Y-%m')],
        'year': [t.strftime('%Y')],
        'weekday': [WEEKDAYS[day.weekday()]],
        'hour_of_day': [t.strftime('%H')],
        'request_type': [r.get('request_type')],
        'model_requested': [r.get('model_requested')],
        'key': [r.get('key')],
        'run': [r.get('run_id')],
        'experiment': [r.get('experiment')],
        'process': [r.get('comm')],
        'host': [r.get('host')],
        'dialect': [r.get('dialect')],
        'tier': [r.get('tier')],
        'verdict': [r.get('verdict')],
        'reason': [r.get('reason')],
        'status': [str(r['status']) if r.get('status') else None],
        'coverage': [coverage(r)],
        'usage_state': [r['usage_state']],
        'price_state': [r['price_state']],
        'cache_hit': [r['cache_hit']],
        'estimate': [ratio(r)],
        'flag': [x for x in r.get('flags') or [] if x in FLAGS] or [None],
    }
    return {k: [x or None for x in v] for k, v in out.items()}


def ratio(r):
    if r.get('kind', 'call') != 'call' or not r.get('estimate_usd'):
        return 'no estimate'
    part = D(r['cost_usd']) / D(r['estimate_usd'])
    for most, name in ((D('0.25'), 'up to 25 %'), (D('0.5'), '25 to 50 %'),
                       (1, '50 to 100 %')):
        if part <= most:
            return name
    return 'above 100 %'


def zero():
    return dict.fromkeys(
        ('calls', 'blocked', 'input_tokens', 'output_tokens',
         'cache_read_tokens', 'cache_write_tokens', 'reasoning_tokens',
         'cost_usd', 'input_cost_usd', 'output_cost_usd', 'economic_usd',
         'estimate_usd', 'refused_usd'), D(0))


def add(s, r):
    call = r.get('kind', 'call') == 'call'
    refused = call and r['verdict'] in REFUSED
    s['calls'] += call
    s['blocked'] += refused
    for k in ('input_tokens', 'output_tokens', 'cache_read_tokens',
              'reasoning_tokens'):
        s[k] += r.get(k) or 0
    s['cache_write_tokens'] += (r.get('cache_write_5m_tokens') or 0) + \
        (r.get('cache_write_1h_tokens') or 0)
    for k in ('cost_usd', 'input_cost_usd', 'output_cost_usd',
              'economic_usd'):
        s[k] += D(r[k])
    if call:
        s['refused_usd' if refused else 'estimate_usd'] += \
            D(r.get('estimate_usd') or 0)


class Expected:
    def __init__(self, rows, zone, week_start=0):
        z = zoneinfo.ZoneInfo(zone)
        self.rows = [(r, keys_of(r, z, week_start)) for r in rows]

    def groups(self, by, keep):
        out = collections.defaultdict(zero)
        for r, k in self.rows:
            if keep(r, k):
                for key in set(k[by]):
                    add(out[key], r)
        return out

    def total(self, keep):
        s, cover = zero(), {}
        for name in ('exact', 'estimated', 'unknown', 'abandoned'):
            cover[name] = {'calls': 0, 'usd': D(0)}
        for r, k in self.rows:
            if keep(r, k):
                add(s, r)
                c = cover[coverage(r)]
                c['calls'] += r.get('kind', 'call') == 'call'
                c['usd'] += D(r['cost_usd'])
        return s, cover


def compare(got, want, what):
    for k, v in want.items():
        if D(got[k]) != v:
            raise Failed('%s %s: got %s, want %s' % (what, k, got[k], v))


def everything(r, k):
    return True


def check(home, exp, keep, *args, by=None):
    """One report against the rows that `keep` lets pass."""
    names = by or sorted(exp.rows[0][1])
    for i in range(0, len(names), 11):
        part = names[i:i + 11]
        got = home.json('report', '--by', ','.join(part), *args)
        eq(got['timezone'], home.tz, 'zone')
        total, cover = exp.total(keep)
        compare(got['total'], total, '%s total' % (args,))
        for name, c in cover.items():
            compare(got['coverage'][name], c, '%s %s' % (args, name))
        for name in part:
            want = exp.groups(name, keep)
            mine = {g['key']: g for g in got['groups'] if g['by'] == name}
            want = {k: v for k, v in want.items()
                    if any(v.values()) or k in mine}
            eq(sorted(map(str, mine)), sorted(map(str, want)),
               '%s by %s: keys' % (args, name))
            for key, s in want.items():
                compare(mine[key], s, '%s %s=%s' % (args, name, key))


# -- cases ------------------------------------------------------------------

def make(home):
    subprocess.run([os.path.join(BUILD, 'tests/e2e/make_ledger'),
                    home.state + '/ledger', str(ROWS), FIRST, str(DAYS), '7'],
                   check=True)
    with open(home.state + '/ledger/2026-04.jsonl', 'a') as f:
        bill = ledger.call('2026-04-02T12:00:00.000Z', 'gpt-4o', cost='-0.25')
        bill.update(kind='adjust', ref='reconcile:2026-04-02', project='etl')
        del bill['verdict']
        f.write(ledger.line(bill))


def case_groupings(home, rows):
    """Everything, by everything, in each zone."""
    for zone in ZONES:
        home.zone(zone)
        check(home, Expected(rows, zone), everything, '--from', '2000-01-01')


def case_windows(home, rows):
    """Days, months, weeks, years, instants: with the zone's clock changes."""
    days = sorted({r['ts'][:10] for r in rows})
    for zone in ZONES:
        home.zone(zone, 'week_start: sunday\n')
        exp = Expected(rows, zone, 6)
        day = days[len(days) // 2]
        spans = [
            (('--from', day, '--to', day), lambda r, k: k['day'] == [day]),
            (('--month', '2026-03'), lambda r, k: k['month'] == ['2026-03']),
            (('--year', '2026'), lambda r, k: k['year'] == ['2026']),
            (('--week', '2026-03-08'), lambda r, k: k['week'] ==
             ['2026-03-08']),
            (('--from', '2026-03', '--to', '2026-03-29'), lambda r, k:
             '2026-03-01' <= k['day'][0] <= '2026-03-29'),
            (('--from', '2026-03-29T00:30:00.500Z', '--to',
              '2026-03-29T01:30:00.499Z'), lambda r, k:
             '2026-03-29T00:30:00.500Z' <= r['ts'] <=
             '2026-03-29T01:30:00.499Z'),
        ]
        for args, keep in spans:
            check(home, exp, keep, *args, by=['model', 'day', 'hour', 'week',
                                              'tag', 'project'])
        got = home.json('report', '--week', '2026-W11', '--by', 'day')
        ok('2026-03-09' <= min(g['key'] for g in got['groups']) and
           max(g['key'] for g in got['groups']) <= '2026-03-15', 'ISO week')


def case_filters(home, rows):
    zone = ZONES[0]
    home.zone(zone)
    exp = Expected(rows, zone)
    cases = [
        (('--project', 'etl'), lambda r, k: r.get('project') == 'etl'),
        (('--project', 'etl,search'), lambda r, k: r.get('project') in
         ('etl', 'search')),
        (('--project', 'etl', '--project', 'search'), lambda r, k:
         r.get('project') in ('etl', 'search')),
        (('--project', '-'), lambda r, k: not r.get('project')),
        (('--user', 'a*'), lambda r, k: (r.get('user') or '')[:1] == 'a'),
        (('--tag', 'prod'), lambda r, k: 'prod' in (r.get('tags') or [])),
        (('--tags', 'eu,nightly'), lambda r, k: {'eu', 'nightly'} &
         set(r.get('tags') or [])),
        (('--phase', 'train'), lambda r, k: r.get('phase') == 'train'),
        (('--provider', 'anthropic'), lambda r, k: r['provider'] ==
         'anthropic'),
        (('--endpoint', '/v1/chat/*'), lambda r, k:
         r['endpoint'].startswith('/v1/chat/')),
        (('--model', 'gpt-4o'), lambda r, k: r['model_requested'] ==
         'gpt-4o' or (r.get('model') or '').startswith('gpt-4o-2024')),
        (('--model', 'claude-*'), lambda r, k: 'claude-' in
         r['model_requested'] + (r.get('model') or '')),
        (('--key', 'ba9876543210'), lambda r, k: r.get('key') == 'ba9876543210'),
        (('--request-type', 'embed'), lambda r, k: r['request_type'] ==
         'embed'),
        (('--verdict', 'block'), lambda r, k: r.get('verdict') == 'block'),
        (('--process', 'node'), lambda r, k: r['comm'] == 'node'),
        (('--conversation', 'conv-*1'), lambda r, k:
         (r.get('conversation') or '')[-1:] == '1'),
        (('--run', rows[0]['run_id']), lambda r, k: r.get('run_id') ==
         rows[0]['run_id']),
        (('--project', 'etl', '--model', 'gpt-4o*', '--tag', 'prod'),
         lambda r, k: r.get('project') == 'etl' and 'gpt-4o' in
         r['model_requested'] + (r.get('model') or '') and
         'prod' in (r.get('tags') or [])),
        (('--project', 'no-such'), lambda r, k: False),
    ]
    for args, keep in cases:
        check(home, exp, keep, '--from', '2000-01-01', *args,
              by=['model', 'day', 'user', 'conversation'])


def case_periods(home, rows):
    """costs: its periods are sums of days of the zone."""
    for zone in ZONES:
        home.zone(zone)
        exp = Expected(rows, zone)
        got = home.json('costs')
        total, cover = exp.total(everything)
        for k in ('calls', 'blocked', 'cost_usd', 'refused_usd'):
            eq(D(got['all'][k]), total[k], 'all ' + k)
        compare(got['all']['coverage']['estimated'], cover['estimated'],
                'estimated')
        shares = sum(D(m['share'] or 0) for m in got['top_models'])
        ok(0.9 < shares < 1.05, 'shares: %s' % shares)   # a bill is negative
        best = max(exp.groups('model', everything).items(),
                   key=lambda x: x[1]['cost_usd'])
        eq(got['top_models'][0]['model'], best[0], 'top model')


def case_averages(home, rows):
    zone = ZONES[1]
    home.zone(zone)
    exp = Expected(rows, zone)
    got = home.json('report', '--month', '2026-03')
    days = exp.groups('day', lambda r, k: k['month'] == ['2026-03'])
    sums = {False: D(0), True: D(0)}
    for day, s in days.items():
        sums[datetime.date.fromisoformat(day).weekday() > 4] += s['cost_usd']
    q = D('1e-12')
    eq(D(got['averages']['weekday_usd']), (sums[False] / 22).quantize(q),
       'weekday')
    eq(D(got['averages']['weekend_usd']), (sums[True] / 9).quantize(q),
       'weekend')
    peak = max(days.items(), key=lambda x: x[1]['cost_usd'])
    eq(got['peak_day']['day'], peak[0], 'peak day')
    ok(got['peak_day']['reason']['by'] in ('project', 'model', 'user'),
       'reason')


def case_csv(home, rows):
    import csv
    import io
    home.zone(ZONES[0])
    exp = Expected(rows, ZONES[0])
    text = home.run('report', '--from', '2000-01-01', '--by', 'model,day',
                    '--format', 'csv')
    got = list(csv.DictReader(io.StringIO(text, newline='')))
    want = exp.groups('model', everything)
    for line in got:
        if line['by'] == 'model':
            compare(line, want[line['key'] or None], 'csv')
    eq(got[-1]['by'], 'total', 'last line')
    compare(got[-1], exp.total(everything)[0], 'csv total')


def case_compare(home, rows):
    home.zone(ZONES[0])
    exp = Expected(rows, ZONES[0])
    got = home.json('compare', '--periods', '2026-03,2026-04', '--metric',
                    'models')
    sums = [exp.total(lambda r, k, m=m: k['month'] == [m])[0]
            for m in ('2026-03', '2026-04')]
    for side, want in zip(got['compared'], sums):
        compare(side, want, side['period'])
    ok(abs(got['compared'][1]['change'] - (sums[1]['cost_usd'] /
                                           sums[0]['cost_usd'] - 1)) <
       D('0.000002'), 'change')
    for i, m in enumerate(('2026-03', '2026-04')):
        models = exp.groups('model', lambda r, k: k['month'] == [m])
        for line in got['models']:
            eq(line['cost_usd'][i], models[line['model']]['cost_usd'],
               '%s in %s' % (line['model'], m))
    got = home.json('compare', '--projects', 'etl,search', '--from', '2026-03',
                    '--to', '2026-03', '--metric', 'count')
    for side in got['compared']:
        compare(side, exp.total(lambda r, k: k['month'] == ['2026-03'] and
                                r.get('project') == side['project'])[0],
                side['project'])
    for args in ((), ('--periods', '2026-03'), ('--periods', 'x,y'),
                 ('--periods', '2026-03,2026-04', '--from', '2026-01')):
        home.run('compare', *args, status=2)


def case_by(home, rows):
    """by-conversation and by-tag."""
    home.zone(ZONES[2])
    exp = Expected(rows, ZONES[2])
    got = home.json('by-conversation', '--top', '7')
    want = exp.groups('conversation', lambda r, k: r.get('conversation'))
    eq(len(got['groups']), 7, 'top')
    for g in got['groups']:
        compare(g, want[g['key']], g['key'])
    eq(got['groups'][0]['cost_usd'],
       max(s['cost_usd'] for s in want.values()), 'the dearest first')
    got = home.json('by-tag', '--tags', 'eu,dev', '--top', '0')
    want = exp.groups('tag', lambda r, k: {'eu', 'dev'} &
                      set(r.get('tags') or []))
    eq({g['key'] for g in got['groups']}, set(want), 'tags')
    for g in got['groups']:
        compare(g, want[g['key']], g['key'])


def case_per_million(home, rows):
    home.zone('UTC')
    infer = [r for r in rows if r.get('phase') != 'train']
    made = [r for r in infer if r.get('kind', 'call') == 'call' and
            r['verdict'] not in REFUSED]
    cost = sum(D(r['cost_usd']) for r in infer)
    economic = sum(D(r['economic_usd']) for r in infer)
    q = D('1e-9')
    got = home.json('cost-per-million', '--calls-per-example', '4')
    for key, n in (('per_million_calls', D(1)), ('per_million_runs', D(4))):
        for k, usd in (('cost_usd', cost), ('economic_usd', economic)):
            ok(abs(got[key][k] - usd * n * 10**6 / len(made)) <= q,
               '%s %s: %s' % (key, k, got[key][k]))
    eq(got['inference']['dispatched'], len(made), 'dispatched')
    got = home.json('cost-per-million')
    eq(got['program_runs'], len({r['run_id'] for r in infer if
                                 r.get('run_id')}), 'runs')
    home.run('cost-per-million', '--calls-per-example', '0', status=2)


def case_recommend(home, rows):
    """What is saved by a smaller model, computed beside it."""
    home.zone('UTC')
    got = home.json('recommend', '--from', '2000-01-01')
    kinds = {x['kind'] for x in got['recommendations']}
    ok({'cheaper_model', 'batch'} <= kinds, kinds)
    mini = [x for x in got['recommendations'] if x['kind'] ==
            'cheaper_model' and x['subject'] == 'gpt-4o-2024-08-06'][0]
    eq(mini['instead'], 'gpt-4o-mini', 'instead')
    small = [r for r in rows if (r.get('model') or r['model_requested']) ==
             'gpt-4o-2024-08-06' and (r.get('input_tokens') or 0) <= 2000 and
             (r.get('output_tokens') or 0) <= 300 and
             r.get('kind', 'call') == 'call']
    eq(mini['cost_usd'], sum(D(r['cost_usd']) for r in small), 'cost')
    saving = [x['saving_usd'] or 0 for x in got['recommendations']]
    eq(saving, sorted(saving, reverse=True), 'the largest first')


def case_exports(home, rows):
    """Files: the same figures as on the terminal; whole or not at all."""
    home.zone(ZONES[0])
    exp = Expected(rows, ZONES[0])
    total = exp.total(everything)[0]
    models = exp.groups('model', everything)
    args = ('report', '--from', '2000-01-01', '--by', 'model,month,tag')
    out = {e: os.path.join(home.dir, 'r.' + e)
           for e in ('csv', 'json', 'html', 'xlsx', 'pdf')}
    for path in out.values():
        home.run(*args, '--export', path)
        eq(os.stat(path).st_mode & 0o777, 0o600, 'mode')
    with open(out['json']) as f:
        eq(json.load(f, parse_float=D)['total']['cost_usd'],
           total['cost_usd'], 'json')
    with open(out['csv'], newline='') as f:
        eq(f.read().replace('\r\n', '\n'),
           home.run(*args, '--format', 'csv'), 'csv')
    with open(out['html']) as f:
        text = f.read()
    ok('<script' not in text and 'http' not in text and
       'claude-sonnet-4-5-20250929' in text, 'html stands alone')
    try:
        import openpyxl
        book = openpyxl.load_workbook(out['xlsx'])
        eq(book.sheetnames, ['Summary', 'By model', 'By month', 'By tag'],
           'sheets')
        for r in list(book['By model'].iter_rows(values_only=True))[1:]:
            want = total if r[0] == 'Total' else \
                models[None if r[0] == '(none)' else r[0]]
            ok(abs(D(r[6]) - want['cost_usd']) < D('1e-9') and
               r[1] == want['calls'] and r[3] == want['input_tokens'],
               'xlsx: %s' % (r,))
    except ImportError:
        print('no python3-openpyxl: the .xlsx is not opened')
    if shutil.which('pdftotext'):
        text = subprocess.run(['pdftotext', '-layout', out['pdf'], '-'],
                              stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL).stdout
        ok('page 1' in text and 'By tag' in text and
           'claude-sonnet-4-5-20250929' in text, 'pdf')
    home.run(*args, '--export', home.dir + '/r.doc', status=2)
    home.run(*args, '--export', home.dir + '/no/r.pdf', status=1)
    home.run(*args, '--export', home.dir + '/no/r.csv', status=1)
    eq([x for x in os.listdir(home.dir) if 'part' in x], [], 'left over')


def case_hostile(home, rows):
    """Names from the network: no formula, no markup, no terminal control."""
    bad = '=cmd|"x"!A1\x1b[31m<script>\u202e,"q"'
    ledger.write(home.state, [ledger.call('2019-05-05T10:00:00.000Z', 'm',
                                          cost='1', project=bad)], '2019-05')
    args = ('report', '--month', '2019-05', '--by', 'project')
    for fmt in ('table', 'csv'):
        text = home.run(*args, '--format', fmt)
        ok(fmt == 'csv' or ('\x1b' not in text and '\u202e' not in text), fmt)
        ok(fmt != 'csv' or '"\'=cmd' in text, text)
    for end in ('html', 'xlsx', 'pdf'):
        home.run(*args, '--export', home.dir + '/h.' + end)
    with open(home.dir + '/h.html') as f:
        ok('<script' not in f.read(), 'html')
    eq(home.json(*args)['groups'][0]['key'], bad, 'json has it as it is')
    os.unlink(home.state + '/ledger/2019-05.jsonl')
    home.run('index', '--rebuild')


def main():
    home = Home()
    failed = 0
    try:
        make(home)
        home.run('index')
        rows = read(home.state)
        for name, case in sorted(globals().items()):
            if not name.startswith('case_'):
                continue
            start = time.time()
            try:
                case(home, rows)
                print('ok   %-20s %.2f s' % (name, time.time() - start))
            except Failed as e:
                failed += 1
                print('FAIL %s: %s' % (name, e))
            sys.stdout.flush()
    finally:
        home.close()
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
