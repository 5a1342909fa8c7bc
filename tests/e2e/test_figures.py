#!/usr/bin/python3
"""The bill's commands against ledgers of a few rows, where a wrong figure is
plain to see: ends of a stretch of time, hits of a local cache, first days,
rows that are left out."""
import csv
import datetime
import io
import os
import pty
import sqlite3
import subprocess
import sys
import tempfile
import unicodedata

import ledger
from harness import CLI, Failed, eq, ok, sanitizer
from test_bill import D, Home

# It is as late as FAKE_NOW says.
CLOCK = r'''
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *ts)
{
	const char *now = getenv("FAKE_NOW");

	if (id == CLOCK_REALTIME && now) {
		ts->tv_sec = atoll(now);
		ts->tv_nsec = 0;
		return 0;
	}
	return (int)syscall(SYS_clock_gettime, id, ts);
}
'''


def at(text):
    """Arguments for run(): it is then."""
    t = datetime.datetime.strptime(text, '%Y-%m-%dT%H:%M:%S').replace(
        tzinfo=datetime.timezone.utc)
    return {'LD_PRELOAD': CLOCK_SO, 'FAKE_NOW': str(int(t.timestamp()))}


def usd(home, *args, **k):
    return home.json('report', *args, **k)['total']['cost_usd']


def case_ends(home):
    ledger.write(home.state, [
        ledger.call('2026-11-11T23:59:59.500Z', 'gpt-4o', cost='4'),
        ledger.call('2026-11-12T00:00:00.000Z', 'gpt-4o', cost='1')])
    day = '2026-11-11'
    for to in ('', 'T23:59Z', 'T23:59:59Z', 'T23:59:59.5Z'):
        eq(usd(home, '--from', day, '--to', day + to), 4, 'to ' + to)
    eq(usd(home, '--from', day, '--to', day + 'T23:59:59.499Z'), 0, 'before')
    eq(usd(home, '--from', day + 'T23:59:59.500Z', '--to', day), 4, 'from')


def case_local_time(home):
    home.zone('Asia/Kolkata')
    ledger.write(home.state, [
        ledger.call('2026-11-10T19:05:00.000Z', 'gpt-4o', cost='4'),
        ledger.call('2026-11-10T18:45:00.000Z', 'gpt-4o', cost='1')])
    eq(usd(home, '--from', '2026-11-11', '--to', '2026-11-11'), 5, 'the day')
    got = home.run('report', '--from', '2026-11-11T00:30', '--to',
                   '2026-11-11T00:35')
    ok('2026-11-11 00:30:00 to 2026-11-11 00:35:59 (Asia/Kolkata)' in got,
       got)
    ok('Total: $4.00 for 1 call' in got, got)


def case_far_year(home):
    ledger.write(home.state, [
        ledger.call('2026-11-10T19:05:00.000Z', 'gpt-4o', cost='4')])
    for zone in ('UTC', 'Europe/Berlin'):
        home.zone(zone)
        got = home.run('report', '--year', '9999')
        ok('9999-01-01 to 9999-12-31' in got, got)


def case_million(home):
    ledger.write(home.state, [
        ledger.call('2026-11-11T10:00:00.000Z', 'gpt-4o', cost='2.5')] + [
        ledger.call('2026-11-11T10:00:0%d.000Z' % i, 'gpt-4o', cache_hit='local')
        for i in range(9)])
    got = home.json('cost-per-million')
    eq(got['inference']['dispatched'], 1, 'one crossed the wire')
    model, = got['models']
    eq((model['dispatched'], model['local_cache_hits']), (1, 9), 'the model')
    eq(model['per_million_calls'], got['per_million_calls'], 'the same')
    lines = home.run('cost-per-million').splitlines()
    row, = (x.split() for x in lines if x.startswith('gpt-4o'))
    eq(row[1:4], ['1', '$2.50', '$2500000.00'], lines)
    for n in ('0', '1000000000001', '18446744073709551615'):
        home.run('cost-per-million', '--runs', n, status=2)


def case_estimates(home):
    ledger.write(home.state, [
        ledger.call('2026-11-11T10:00:00.000Z', 'gpt-4o', cost='1',
                    estimate_usd=D(2)),
        ledger.call('2026-11-11T10:00:00.000Z', 'gpt-4o', cost='5',
                    estimate_usd=D(0))])
    got = home.run('report', '--from', '2026-11', '--by', 'estimate')
    line, = (x for x in got.splitlines() if x.startswith('all '))
    ok(' 50.0 %' in line, got)


def case_all_rows(home):
    ledger.write(home.state, [
        ledger.call('2026-11-11T10:00:%02d.000Z' % i, 'm%d' % i, cost='1',
                    tags=['t%d' % i], conversation='c%d' % i)
        for i in range(36)])
    for args in (('by-tag',), ('by-conversation',)):
        eq(len(home.json(*args)['groups']), 36, args)
        eq(len(home.json(*args, '--top', '3')['groups']), 3, args)
        eq(len(home.json(*args, '--top', '4294967297')['groups']), 36, args)
        text = home.run(*args)
        ok('(26 more: --top 0)' in text, text)
        ok('more' not in home.run(*args, '--top', '4294967297'), args)
        path = os.path.join(home.dir, 'out.csv')
        home.run(*args, '--export', path)
        with open(path, newline='') as f:
            eq(len(list(csv.reader(f))), 38, 'head, rows, total')
        rows = list(csv.reader(io.StringIO(home.run(*args, '--format',
                                                    'csv'))))
        eq(len(rows), 38, 'csv')
    models = [g for g in home.json('costs', '--detailed')['groups']
              if g['by'] == 'model']
    eq(len(models), 36, 'costs --detailed')
    eq(len(home.json('costs')['top_models']), 36, 'costs')
    eq(len(home.json('costs', '--top', '2')['top_models']), 2, 'costs --top')
    ok('(26 more: --top 0)' in home.run('costs'), 'costs')


def columns(text):
    return sum(1 + (unicodedata.east_asian_width(c) in 'WF') for c in text)


def on_terminal(home, *args):
    """What it prints there, line by line."""
    main, side = pty.openpty()
    env = {'PATH': os.environ['PATH'], 'COLUMNS': '80', 'NO_COLOR': '1',
           'LLMGUARD_STATE_DIR': home.state,
           'LLMGUARD_REGION': os.path.join(home.dir, 'region'),
           'LLMGUARD_CONFIG': os.path.join(home.dir, 'config.yaml')}
    p = subprocess.Popen([CLI] + list(args), stdout=side, env=env)
    os.close(side)
    out = b''
    try:
        while True:
            out += os.read(main, 65536)
    except OSError:     # that is its end
        pass
    os.close(main)
    eq(p.wait(), 0, args)
    return out.decode().replace('\r\n', '\n').splitlines()


def case_widths(home):
    names = ['a', '\u691c\u7d22\u30b5\u30fc\u30d3\u30b9', '\U0001f680', 'n' * 63]
    ledger.write(home.state, [
        ledger.call('2026-11-11T10:00:0%d.000Z' % i, 'gpt-4o', cost='1',
                    project=name) for i, name in enumerate(names)])
    args = ('report', '--from', '2026', '--by', 'project', '--chart')
    rows = [x for x in home.run(*args).splitlines() if x.endswith(' $1.00')]
    eq(len(rows), 4, 'in a pipe')
    eq(len({columns(x) for x in rows}), 1, 'aligned: %s' % rows)
    ok(any(names[3] in x for x in rows), 'a pipe gets all')
    lines = on_terminal(home, *args)
    rows = [x for x in lines if ' 25.0 %' in x]
    eq(len(rows), 4, lines)
    eq(len({columns(x) for x in rows}), 1, 'aligned: %s' % rows)
    bars = [x for x in lines if '\u2588' in x]
    eq(len(bars), 4, lines)
    eq(len({columns(x) for x in bars}), 1, 'bars: %s' % bars)
    ok(max(map(columns, rows + bars)) <= 80, rows + bars)
    ok('nnn\u2026' in ''.join(rows), rows)


def sql(home, *text):
    index = os.path.join(home.state, 'index.db')
    db = sqlite3.connect(index)
    with db:
        got = db.execute(*text).fetchall()
    db.close()
    return got


def case_again_damage(home):
    """A call that is not as it was stored is no repeat: it is read anew."""
    ledger.write(home.state, [
        ledger.call('2026-11-11T10:0%d:00.000Z' % i, 'gpt-4o', cost='1',
                    request_hash='0123456789abcd') for i in range(3)])
    args = ('report', '--from', '2026', '--by', 'flag')
    eq(home.json(*args)['again']['cost_usd'], 2, 'repeats')
    sql(home, 'UPDATE calls SET cost_pusd = cost_pusd + 4096')
    eq(home.json(*args)['again']['cost_usd'], 2, 'damaged')
    ok('made anew' in home.err, home.err)


def case_view(home):
    ledger.write(home.state, [
        ledger.call('2026-11-11T10:00:00.000Z', 'a', input_tokens=3,
                    output_tokens=4, request_hash='0123456789abcd'),
        ledger.call('2026-11-11T10:00:01.000Z', 'a', input_tokens=3),
        ledger.call('2026-11-11T10:00:02.000Z', 'a', output_tokens=4),
        ledger.call('2026-11-11T10:00:03.000Z', 'a')])
    home.run('index')
    eq(sql(home, 'SELECT total_tokens, request_hash FROM costs ORDER BY id'),
       [(7, '0123456789abcd'), (3, None), (4, None), (None, None)], 'costs')
    ok(' 0.0 MB' not in home.run('index', '--rebuild'), 'its size')


def case_advice(home):
    """An error is no empty list."""
    ledger.write(home.state, [
        ledger.call('2026-11-11T10:00:00.000Z', 'gpt-4o', cost='1',
                    input_tokens=1000, output_tokens=100)])
    eq(len(home.json('recommend', '--from', '2026')['recommendations']), 1,
       'cheaper')
    sql(home, 'DROP TABLE caps')
    home.run('recommend', '--from', '2026', status=1)
    ok('index' in home.err, home.err)


# -- forecast ---------------------------------------------------------------

def days(home, first, n, cost='1'):
    d = datetime.date.fromisoformat(first)
    for i in range(n):
        day = d + datetime.timedelta(i)
        ledger.write(home.state,
                     [ledger.call('%sT08:00:00.000Z' % day, 'gpt-4o',
                                  cost=cost)], str(day)[:7])


def case_first_day(home):
    days(home, '2026-11-20', 1, '10')
    got = home.json('forecast', **at('2026-11-20T10:00:00'))
    eq(got['spent_usd'], 10, 'spent')
    ok(got['projected_usd'] > 60, got)
    ok(got['low_usd'] < got['projected_usd'] < got['high_usd'], got)
    text = home.run('forecast', **at('2026-11-20T10:00:00'))
    ok('From today alone' in text, text)


def case_width(home):
    days(home, '2026-11-01', 20)
    now = at('2026-11-20T23:00:00')
    got = home.json('forecast', **now)
    width = got['high_usd'] - got['low_usd']
    ok(width > D('0.5'), got)
    later = home.json('forecast', '--month', '2027-10', **now)
    ok(later['high_usd'] - later['low_usd'] > 5 * width, later)
    home.run('forecast', '--month', '2027-12', status=2, **now)
    home.run('forecast', '--month', '2999-01', status=2, **now)
    ok('12 months' in home.err, home.err)


def case_training(home):
    """What it learns from does not change what was spent."""
    days(home, '2026-11-01', 22)
    now = at('2026-11-22T20:00:00')
    want = home.json('forecast', **now)
    eq(want['spent_usd'], 22, 'spent')
    for args in (('--last', '3d'), ('--from', '2026-11-20'),
                 ('--to', '2026-11-15'), ('--last', '30h')):
        got = home.json('forecast', *args, **now)
        eq(got['spent_usd'], 22, args)
        ok(abs(got['projected_usd'] - want['projected_usd']) < D('0.01'),
           (args, got))
    eq(home.json('forecast', '--to', '2026-11-15', **now)['history_days'], 15,
       'later days are none')


def case_too_early(home):
    days(home, '2026-10-01', 31)
    ledger.write(home.state, [ledger.call('2026-11-01T00:00:10.000Z', 'gpt-4o',
                                          cost='3')])
    now = at('2026-11-01T00:00:30')
    eq(home.json('forecast', **now)['straight_usd'], None, 'after 30 s')
    text = home.run('forecast', **now)
    ok('By the plain average of its days: too early to tell' in text, text)
    got = home.json('forecast', **at('2026-11-02T00:00:00'))
    eq(got['straight_usd'], 90, 'after a day')


DATED = (case_first_day, case_width, case_training, case_too_early)
CASES = (case_ends, case_local_time, case_far_year, case_million,
         case_estimates, case_all_rows, case_again_damage, case_view,
         case_widths, case_advice)


def main():
    global CLOCK_SO
    failed = 0
    cases = CASES
    with tempfile.TemporaryDirectory() as folder:
        CLOCK_SO = os.path.join(folder, 'clock.so')
        if sanitizer():
            print('skip: a clock of ours comes before no sanitizer')
        else:
            subprocess.run(['cc', '-shared', '-fPIC', '-x', 'c', '-', '-o',
                            CLOCK_SO], check=True, input=CLOCK, text=True)
            cases += DATED
        for case in cases:
            home = Home()
            try:
                case(home)
                print('ok   ' + case.__name__)
            except (Failed, KeyError, ValueError) as e:
                failed += 1
                print('FAIL %s: %r' % (case.__name__, e))
            finally:
                home.close()
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
