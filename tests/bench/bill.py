#!/usr/bin/python3
"""A million rows over a year: how long the index and each report take, and
every sum of these reports against decimals over the raw rows, in three zones.

LEDGER_ROWS chooses the size. Figures are the best of five.
"""
import collections
import datetime
import glob
import json
import os
import subprocess
import sys
import time
import zoneinfo

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '../e2e'))
import test_bill as bill    # noqa: E402
from harness import BUILD, CLI, Failed, eq, ok  # noqa: E402

ROWS = int(os.environ.get('LEDGER_ROWS', '1000000'))
DIMS = ('model', 'project', 'tag', 'user', 'endpoint', 'provider', 'phase',
        'conversation', 'request_type')
TIMES = ('day', 'week', 'month', 'hour', 'weekday')
REPORTS = [('costs',), ('costs', '--json'), ('report',),
           ('report', '--last', '1y', '--by', 'model'),
           ('report', '--last', '1y', '--by',
            'model,project,tag,user,endpoint,provider,phase'),
           ('report', '--last', '1y', '--by', 'day,week,month,weekday'),
           ('report', '--last', '1y', '--by', 'conversation'),
           ('report', '--last', '1y', '--project', 'etl', '--tag', 'prod'),
           ('by-conversation', '--top', '20'), ('by-tag',),
           ('compare', '--periods', '2026-09,2026-10'), ('forecast',),
           ('recommend',), ('cost-per-million',)]


def pico(x):
    return int(bill.D(x).scaleb(12))


def timed(home, args):
    best = 1e9
    for _ in range(5):
        start = time.time()
        home.run(*args)
        best = min(best, time.time() - start)
    print('%7.1f ms  %s' % (best * 1e3, ' '.join(args)), flush=True)


def lines(state):
    for path in sorted(glob.glob(state + '/ledger/*.jsonl')):
        with open(path, 'rb') as f:
            for line in f:
                line = line[line.rfind(b'{"v":1,'):]
                try:
                    yield line, json.loads(line, parse_float=bill.D)
                except ValueError:
                    pass


class Clock:
    def __init__(self, zone):
        self.zone, self.known = zoneinfo.ZoneInfo(zone), {}

    def keys(self, ts):
        got = self.known.get(ts[:15])       # ten minutes: no zone cuts them
        if not got:
            t = datetime.datetime.fromisoformat(
                ts[:15] + '0:00+00:00').astimezone(self.zone)
            d = t.date()
            got = self.known[ts[:15]] = (
                str(d), str(d - datetime.timedelta(d.weekday())),
                t.strftime('%Y-%m'), t.strftime('%Y-%m-%d %H:00'),
                bill.WEEKDAYS[d.weekday()])
        return got


def expected(state):
    fixes, sums, seen = collections.defaultdict(list), {}, set()
    clocks = {z: Clock(z) for z in bill.ZONES}

    def add(group, key, n):
        s = sums.setdefault((group, key), [0] * 4)
        for i in range(4):
            s[i] += n[i]

    for _, r in lines(state):
        if r['kind'] == 'adjust' and r['id'] not in seen:
            fixes[r['ref']].append(r)
            seen.add(r['id'])
    seen = set()
    for _, r in lines(state):
        if r['kind'] != 'call' or r['id'] in seen:
            continue
        seen.add(r['id'])
        for fix in fixes.get(r['id'], ()):
            bill.correct(r, fix)
        n = (1, pico(r['cost_usd']), pico(r['economic_usd']),
             (r['input_tokens'] or 0) + (r['output_tokens'] or 0))
        add('total', None, n)
        for dim in DIMS:
            for key in set(r['tags'] or [None]) if dim == 'tag' else \
                    [r['model'] or r['model_requested']] if dim == 'model' \
                    else [r[dim]]:
                add(dim, key or None, n)
        for z, clock in clocks.items():
            for dim, key in zip(TIMES, clock.keys(r['ts'])):
                add((z, dim), key, n)
    return sums


def same(got, want, what):
    n = [got['calls'], pico(got['cost_usd']), pico(got['economic_usd']),
         got['input_tokens'] + got['output_tokens']]
    if n != want:
        raise Failed('%s: got %s, want %s' % (what, n, want))


def compare(home, sums):
    checked = 0
    for z in bill.ZONES:
        home.zone(z)
        got = home.json('report', '--from', '2000', '--by',
                        ','.join(DIMS[:8] + TIMES[:3]))
        more = home.json('report', '--from', '2000', '--by',
                         ','.join(DIMS[8:] + TIMES[3:]))
        same(got['total'], sums['total', None], 'total')
        for g in got['groups'] + more['groups']:
            dim = g['by'] if g['by'] in DIMS else (z, g['by'])
            same(g, sums[dim, g['key']], '%s=%s' % (dim, g['key']))
            checked += 1
        for dim in DIMS + TIMES:
            name = dim if dim in DIMS else (z, dim)
            eq(sum(g['by'] == dim for g in got['groups'] + more['groups']),
               sum(k[0] == name for k in sums), dim)
    print('%d sums in %d zones are equal' % (checked, len(bill.ZONES)))


def main():
    home = bill.Home()
    try:
        subprocess.run([os.path.join(BUILD, 'tests/e2e/make_ledger'),
                        home.state + '/ledger', str(ROWS), '2025-11-23',
                        '365', '1'], check=True)
        home.zone('Europe/Berlin')
        start = time.time()
        home.run('index')
        print('%7.1f s   index of %d rows' % (time.time() - start, ROWS),
              flush=True)
        for args in REPORTS:
            timed(home, args)
        compare(home, expected(home.state))
    finally:
        home.close()


if __name__ == '__main__':
    main()
